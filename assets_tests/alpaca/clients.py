"""alpaca-py's own clients on the stand-in, their answers narrowed to one type."""

from __future__ import annotations

import asyncio
import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from alpaca.common.exceptions import APIError
from alpaca.data.historical import StockHistoricalDataClient
from alpaca.data.live import StockDataStream
from alpaca.trading.client import TradingClient
from alpaca.trading.models import Order, TradeAccount, TradeUpdate
from alpaca.trading.requests import OrderRequest
from alpaca.trading.stream import TradingStream

from assets_tests.alpaca.server import AlpacaStandIn

PATIENCE_SECONDS = 10.0


class Trader:
    """A TradingClient whose retries are off, and the few calls that most tests make."""

    def __init__(self, alpaca: AlpacaStandIn) -> None:
        self.client = TradingClient(
            alpaca.api_key, alpaca.secret_key, url_override=alpaca.trading_url
        )
        self.client._retry = 0
        self._numbers = itertools.count(1)

    def ask(self, symbol: str, side: str, quantity: str, **fields: object) -> Order:
        """Sends an order: a day market order under a new client id unless the fields say
        otherwise."""
        body: dict[str, object] = {"symbol": symbol, "side": side, "qty": quantity}
        body["client_order_id"] = f"ask-{next(self._numbers)}"
        return self.post(body | {"type": "market", "time_in_force": "day"} | fields)

    def post(self, body: Mapping[str, object]) -> Order:
        """Sends an order as it stands, past the checks of alpaca-py's request models."""
        return Order(**_mapping(self.client.post("/orders", dict(body))))

    def submit(self, request: OrderRequest) -> Order:
        """Sends an order of alpaca-py's own making."""
        return _order(self.client.submit_order(request))

    def order(self, client_order_id: str) -> Order:
        """The order as it stands now."""
        return _order(self.client.get_order_by_client_id(client_order_id))

    def account(self) -> TradeAccount:
        """The account as it stands now."""
        account = self.client.get_account()
        assert isinstance(account, TradeAccount)
        return account

    def quantities(self) -> dict[str, str]:
        """Shares by symbol, as the broker writes them."""
        return {row["symbol"]: row["qty"] for row in self.get("/positions")}

    def get(self, path: str, query: dict[str, Any] | None = None) -> Any:
        """The JSON of any GET."""
        return self.client.get(path, query)


def data_client(alpaca: AlpacaStandIn) -> StockHistoricalDataClient:
    """A client of the market data API whose retries are off."""
    client = StockHistoricalDataClient(
        alpaca.api_key, alpaca.secret_key, url_override=alpaca.base_url
    )
    client._retry = 0
    return client


def refusal(call: Callable[[], object]) -> tuple[int, dict[str, Any]]:
    """Status and body of the APIError that the call ends in."""
    with pytest.raises(APIError) as caught:
        call()
    body = json.loads(str(caught.value))
    assert isinstance(body, dict)
    return caught.value.response.status_code, body


def wait_until(holds: Callable[[], object], what: str) -> None:
    """Waits for another thread to get somewhere."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, f"in {PATIENCE_SECONDS} s there was no {what}"
        time.sleep(0.005)


@contextmanager
def listening(alpaca: AlpacaStandIn) -> Iterator[list[TradeUpdate]]:
    """A TradingStream that is authorised and listens; the list grows as updates come in."""
    stream = TradingStream(alpaca.api_key, alpaca.secret_key, url_override=alpaca.stream_url)
    stream._reconnect_min_backoff = 0.05
    updates: list[TradeUpdate] = []

    async def keep(update: TradeUpdate) -> None:
        updates.append(update)

    stream.subscribe_trade_updates(keep)
    with _running(stream):
        wait_until(lambda: alpaca.trade_updates.listeners, "listener")
        yield updates


@contextmanager
def streaming(stream: StockDataStream, alpaca: AlpacaStandIn) -> Iterator[None]:
    """Runs a StockDataStream until it has subscribed, and then until the block is left."""
    stream._reconnect_min_backoff = 0.05
    with _running(stream):
        wait_until(lambda: alpaca.stock_data.listeners, "subscriber")
        yield


@contextmanager
def _running(stream: TradingStream | StockDataStream) -> Iterator[None]:
    """Runs a stream's loop in a thread; its own `stop` waits for a message or five seconds."""
    loop = asyncio.new_event_loop()
    task = loop.create_task(stream._run_forever())

    def run() -> None:
        try:
            loop.run_until_complete(task)
        except asyncio.CancelledError:
            pass
        finally:
            loop.run_until_complete(stream.close())
            loop.close()

    thread = threading.Thread(target=run, name="stream", daemon=True)
    thread.start()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(PATIENCE_SECONDS)
        assert not thread.is_alive(), "the stream did not stop"


def _order(answer: object) -> Order:
    assert isinstance(answer, Order)
    return answer


def _mapping(answer: object) -> dict[str, Any]:
    assert isinstance(answer, dict)
    return answer
