"""Alpaca's trade updates as a reason to poll at once: the stream makes it fast, polling true.

An update can be lost, repeated or late, and its execution ids are not known to be those of the
account's activities. So nothing is ever booked from here: `wait` returns when something happened,
and whoever waits asks the broker. Where the stream is down, `wait` just takes its time.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from trading_assets.alpaca_api.client import AlpacaAccess

if TYPE_CHECKING:
    from alpaca.trading.stream import TradingStream

STOP_SECONDS = 10.0
_REMEMBERED = 10_000

# At DEBUG the websocket library logs every frame, the one with the secret among them.
_WIRE_LOG = logging.getLogger(f"{__name__}.wire")
_WIRE_LOG.setLevel(logging.WARNING)


class TradeUpdate(msgspec.Struct, frozen=True, kw_only=True):
    """Something happened to an order; `execution_id` is empty where it was no execution."""

    event: str
    client_order_id: str
    execution_id: str


class TradeUpdateFeed:
    """The updates of one account, from a thread of its own. Methods may be called from any."""

    def __init__(self, access: AlpacaAccess) -> None:
        self._access = access
        self._changed = threading.Condition()
        self._updates: deque[TradeUpdate] = deque()
        self._seen: dict[str, None] = {}
        self._stream: TradingStream | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> TradeUpdateFeed:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Connect in the background; lost connections are taken up again until `stop`."""
        from alpaca.trading.stream import TradingStream

        if self._thread is not None:
            raise RuntimeError("the feed is running already")
        stream = TradingStream(
            self._access.key.get_secret_value(),
            self._access.secret.get_secret_value(),
            paper=self._access.paper,
            raw_data=True,
            url_override=self._access.stream_url or "",
            websocket_params={
                "ping_interval": 10,
                "ping_timeout": 20,
                "max_queue": 1024,
                "logger": _WIRE_LOG,
            },
        )
        stream.subscribe_trade_updates(self._take)
        self._stream = stream
        self._thread = threading.Thread(target=stream.run, name="alpaca-updates", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Close the connection; nothing happens where there is none."""
        stream, thread = self._stream, self._thread
        self._stream = self._thread = None
        if stream is None or thread is None:
            return
        stream._should_run = False
        loop: asyncio.AbstractEventLoop | None = stream._loop
        if loop is not None and loop.is_running():
            # Without closing it, the library notices up to five seconds later.
            stop = _stop(stream)
            try:
                asyncio.run_coroutine_threadsafe(stop, loop).result(STOP_SECONDS)
            except RuntimeError:
                # The loop ended in between.
                stop.close()
        thread.join(STOP_SECONDS)

    @property
    def is_started(self) -> bool:
        """True from `start` to `stop`, connected or not."""
        return self._thread is not None

    @property
    def is_connected(self) -> bool:
        """True while updates can arrive."""
        return self._stream is not None and bool(self._stream._running)

    def wait(self, timeout_seconds: float) -> bool:
        """True as soon as there are updates to take, False when the time is over."""
        with self._changed:
            return self._changed.wait_for(lambda: bool(self._updates), timeout_seconds)

    def take(self) -> tuple[TradeUpdate, ...]:
        """The updates since the last time, in the order of their arrival, each execution once."""
        with self._changed:
            updates = tuple(self._updates)
            self._updates.clear()
        return updates

    async def _take(self, message: dict[str, Any]) -> None:
        data = message.get("data")
        order = data.get("order") if isinstance(data, dict) else None
        if not isinstance(data, dict) or not isinstance(order, dict):
            return
        update = TradeUpdate(
            event=str(data.get("event", "")),
            client_order_id=str(order.get("client_order_id", "")),
            execution_id=str(data.get("execution_id") or ""),
        )
        with self._changed:
            if update.execution_id:
                if update.execution_id in self._seen:
                    return
                self._seen[update.execution_id] = None
                if len(self._seen) > _REMEMBERED:
                    self._seen.pop(next(iter(self._seen)))
            self._updates.append(update)
            self._changed.notify_all()


@contextmanager
def waiting_on(feed: TradeUpdateFeed) -> Iterator[Callable[[float], None]]:
    """A way to wait, at most so many seconds, that ends when something happens to an order; the
    connection is made when it is first used and closed with the block."""

    def wait(timeout_seconds: float) -> None:
        if not feed.is_started:
            feed.start()
        feed.wait(timeout_seconds)
        feed.take()

    try:
        yield wait
    finally:
        feed.stop()


async def _stop(stream: TradingStream) -> None:
    await stream.stop_ws()
    await stream.close()
