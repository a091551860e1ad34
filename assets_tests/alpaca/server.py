"""A stateful stand-in for Alpaca on 127.0.0.1: REST and both websockets, real sockets.

    with running_alpaca() as alpaca:                     # or running_alpaca(BrokerAccount(...))
        alpaca.account.list_asset("AAPL", "190.00")      # lists it and lets it trade
        client = TradingClient("key", "secret", url_override=alpaca.base_url)

alpaca        base_url (REST of trading and market data), stream_url (trade updates),
              data_stream_url (stock data), api_key, secret_key; trading_url is what clients of
              the tests ask for trading, a proxy where one stands before it
  .account    what the test drives (account.py): list_asset, set_price, advance_to("2024-06-03
              16:00"), fill(order, qty, price), match, cancel/confirm_cancel, reject,
              reject_next(symbol), halt/resume, place_by_hand(symbol, side, qty),
              book_cash("FEE", "-0.02"), pay_dividend, split, announce;
              switches matches_by_itself, largest_execution[symbol], cancels_wait,
              replaces_wait, duplicate_id_answer; what is true: holdings.cash,
              holdings.positions[symbol].quantity, orders, by_client_id[id], activities
  .account.clock   stands still but for `advance_to` and a `step` (1 ms) per thing that
              happens; `skew` shifts GET /v2/clock only
  .account.market  quotes[symbol] = (bid, ask), add_bars, split/dividend adjustments of bars,
              sip_subscription
  .faults     add(Fault(kind, method, path, stage, ...)), seeded = SeededFaults(seed),
              duplicate_activities, hide(order_id, reads)
  .rate_limit limit (None), window_seconds
  .trade_updates  drop(), duplicates, disorder, flush(), mute, accepts, connected
  .stock_data     publish_bar / publish_trade of the stand-in; drop(), accepts
  .requests   every request with its answer; posts(client_order_id)
`invariants.violations(alpaca.account)` says whether any intent has two live orders and whether
cash, positions and fills agree.

A market order executes at the last price right after its answer was written ("pending_new"), so
that a client sees the fill only by asking again or by the stream. While the market is closed an
order is "accepted" and goes out when `advance_to` passes the open.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import msgpack
import uvicorn
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from assets_tests.alpaca.account import BrokerAccount
from assets_tests.alpaca.data_endpoints import DataEndpoints
from assets_tests.alpaca.faults import Faults
from assets_tests.alpaca.gateway import Gateway, RateLimit, RequestRecord
from assets_tests.alpaca.market import BarPoint, bar_answer
from assets_tests.alpaca.streams import StockData, TradeUpdates
from assets_tests.alpaca.trading_endpoints import TradingEndpoints

START_SECONDS = 10.0


class AlpacaStandIn:
    """The running server; see the module's docstring."""

    def __init__(
        self, account: BrokerAccount, api_key: str, secret_key: str, rate_limit: RateLimit
    ) -> None:
        self.account = account
        self.api_key, self.secret_key = api_key, secret_key
        self.faults = Faults()
        self.rate_limit = rate_limit
        self.gateway = Gateway(api_key, secret_key, self.faults, rate_limit)
        self.trade_updates = TradeUpdates()
        self.stock_data = StockData()
        account.update_listeners.append(self.trade_updates.publish)
        self.port = 0
        self.trading_url = ""

    @property
    def base_url(self) -> str:
        """For `url_override` of TradingClient and StockHistoricalDataClient."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def stream_url(self) -> str:
        """For `url_override` of TradingStream."""
        return f"ws://127.0.0.1:{self.port}/stream"

    @property
    def data_stream_url(self) -> str:
        """For `url_override` of StockDataStream."""
        return f"ws://127.0.0.1:{self.port}/v2/iex"

    @property
    def requests(self) -> list[RequestRecord]:
        """Every request so far, in the order in which they came in."""
        return self.gateway.requests

    def posts(self, client_order_id: str) -> list[RequestRecord]:
        """Every POST of an order under this id, answered or not."""
        return self.gateway.posts(client_order_id)

    def publish_bar(self, symbol: str, bar: BarPoint, channel: str = "bars") -> None:
        """Sends a minute bar (or `dailyBars`, `updatedBars`) on the stock data stream."""
        kind = {"bars": "b", "dailyBars": "d", "updatedBars": "u"}[channel]
        at = msgpack.Timestamp.from_datetime(bar.at)
        message = bar_answer(bar) | {"T": kind, "S": symbol, "t": at}
        self.stock_data.publish(channel, symbol, message)

    def publish_trade(self, symbol: str) -> None:
        """Sends the last trade on the stock data stream."""
        trade = self.account.market.trade_answer(symbol)
        assert trade is not None, f"{symbol} has not traded"
        at = msgpack.Timestamp.from_datetime(self.account.market.trades[symbol].at)
        message = trade | {"T": "t", "S": symbol, "t": at}
        self.stock_data.publish("trades", symbol, message)

    def application(self) -> Starlette:
        """The ASGI application."""
        trading = TradingEndpoints(self.account, self.faults).routes()
        routes: list[BaseRoute] = [
            Route(path, self.gateway.endpoint(handler), methods=[method])
            for method, path, handler in trading + DataEndpoints(self.account).routes()
        ]

        async def trade_updates(socket: WebSocket) -> None:
            await self.trade_updates.handle(socket, self.gateway.is_known)

        async def stock_data(socket: WebSocket) -> None:
            await self.stock_data.handle(socket, self.gateway.is_known)

        routes.append(WebSocketRoute("/stream", trade_updates))
        routes.append(WebSocketRoute("/v2/{feed}", stock_data))
        return Starlette(routes=routes)


class _DroppableProtocol(HttpToolsProtocol):
    """Lets an endpoint reach its own connection, to drop it without an answer."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["state"]["transport"] = self.transport


class _Server(uvicorn.Server):
    """Starts and stops in milliseconds: uvicorn's own loop looks for its end every 0.1 s."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()

    async def main_loop(self) -> None:
        await self.on_tick(0)
        self._loop = asyncio.get_running_loop()
        self._leave = asyncio.Event()
        self.ready.set()
        await self._leave.wait()

    def leave(self) -> None:
        """Ends the server from another thread."""
        self._loop.call_soon_threadsafe(self._leave.set)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for listening in sockets or []:
            listening.close()
        tasks = list(self.server_state.tasks)
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)


@contextmanager
def running_alpaca(
    account: BrokerAccount | None = None,
    api_key: str = "PKSTANDIN",
    secret_key: str = "standin-secret",
    rate_limit: RateLimit | None = None,
    port: int = 0,
) -> Iterator[AlpacaStandIn]:
    """Runs the stand-in on a free port of 127.0.0.1 (or `port`) until the block is left."""
    stand_in = AlpacaStandIn(
        account or BrokerAccount(), api_key, secret_key, rate_limit or RateLimit()
    )
    with serving(stand_in.application(), "alpaca-stand-in", port) as stand_in.port:
        stand_in.trading_url = stand_in.base_url
        yield stand_in


@contextmanager
def serving(application: Starlette, name: str, port: int = 0) -> Iterator[int]:
    """Serves on a free port of 127.0.0.1 (or `port`) until the block is left; the port."""
    server = _Server(
        uvicorn.Config(
            application,
            host="127.0.0.1",
            port=port,
            loop="asyncio",
            http=_DroppableProtocol,
            ws="websockets-sansio",
            lifespan="off",
            log_config=None,
            access_log=False,
        )
    )
    thread = threading.Thread(target=server.run, name=name, daemon=True)
    thread.start()
    assert server.ready.wait(START_SECONDS), f"{name} did not start"
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.leave()
        thread.join(timeout=START_SECONDS)
        assert not thread.is_alive(), f"{name} did not stop"
