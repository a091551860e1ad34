"""Both websockets, as alpaca-py's TradingStream and StockDataStream live with them."""

from __future__ import annotations

import datetime as dt
import threading
from decimal import Decimal
from typing import Any

import pytest
from alpaca.data.live import StockDataStream
from alpaca.data.models import Bar, Trade
from alpaca.trading.models import TradeUpdate
from alpaca.trading.stream import TradingStream

from assets_tests.alpaca.clients import Trader, listening, streaming, wait_until
from assets_tests.alpaca.market import BarPoint
from assets_tests.alpaca.server import AlpacaStandIn


def events(updates: list[TradeUpdate]) -> list[str]:
    """The names of the events."""
    return [str(getattr(update.event, "value", update.event)) for update in updates]


def test_every_step_of_an_order_is_an_update(alpaca: AlpacaStandIn, trader: Trader) -> None:
    alpaca.account.largest_execution["AAPL"] = Decimal(2)
    with listening(alpaca) as updates:
        trader.ask("AAPL", "buy", "3", client_order_id="a")
        alpaca.account.match()
        wait_until(lambda: len(updates) == 4, "second fill")

    assert events(updates) == ["pending_new", "new", "partial_fill", "fill"]
    first, second = updates[2:]
    assert (first.qty, first.price, first.position_qty) == (2.0, 190.0, 2.0)
    assert (second.qty, second.position_qty) == (1.0, 3.0)
    assert (first.order.filled_qty, second.order.filled_qty) == ("2", "3")
    rows = trader.get("/account/activities/FILL", {"direction": "asc"})
    assert {str(first.execution_id), str(second.execution_id)} == {
        row["id"].split("::")[1] for row in rows
    }


def test_cancel_reject_and_expiry_are_updates(alpaca: AlpacaStandIn, trader: Trader) -> None:
    fields: dict[str, Any] = {"type": "limit", "limit_price": "180"}
    with listening(alpaca) as updates:
        canceled = trader.ask("AAPL", "buy", "1", client_order_id="canceled", **fields)
        trader.client.cancel_order_by_id(canceled.id)
        alpaca.account.reject_next("AAPL")
        trader.ask("AAPL", "buy", "1", client_order_id="rejected", **fields)
        trader.ask("AAPL", "buy", "1", client_order_id="expired", **fields)
        alpaca.account.advance_to("2024-06-03 16:00")
        wait_until(lambda: "expired" in events(updates), "expiry")

    last = {
        update.order.client_order_id: event
        for update, event in zip(updates, events(updates), strict=True)
    }
    assert last == {name: name for name in ("canceled", "rejected", "expired")}


def test_what_happens_while_nobody_listens_is_not_told_later(
    alpaca: AlpacaStandIn, trader: Trader
) -> None:
    """The stream makes it fast, polling makes it true."""
    trader.ask("AAPL", "buy", "1", client_order_id="before")
    with listening(alpaca) as updates:
        trader.ask("AAPL", "buy", "1", client_order_id="after")
        wait_until(lambda: "fill" in events(updates), "fill")

    assert {update.order.client_order_id for update in updates} == {"after"}


def test_a_dropped_stream_comes_back_without_what_it_missed(
    alpaca: AlpacaStandIn, trader: Trader
) -> None:
    with listening(alpaca) as updates:
        alpaca.trade_updates.accepts = False
        alpaca.trade_updates.drop()
        wait_until(lambda: not alpaca.trade_updates.connections, "hanging up")
        trader.ask("AAPL", "buy", "1", client_order_id="missed")
        alpaca.trade_updates.accepts = True
        wait_until(lambda: alpaca.trade_updates.listeners, "reconnection")
        trader.ask("AAPL", "buy", "1", client_order_id="seen")
        wait_until(lambda: "fill" in events(updates), "fill")

    assert {update.order.client_order_id for update in updates} == {"seen"}
    assert alpaca.trade_updates.connected == 2


def test_updates_may_come_twice(alpaca: AlpacaStandIn, trader: Trader) -> None:
    alpaca.trade_updates.duplicates = 1.0
    with listening(alpaca) as updates:
        trader.ask("AAPL", "buy", "1")
        wait_until(lambda: len(updates) == 6, "sixth update")

    assert events(updates) == ["pending_new", "pending_new", "new", "new", "fill", "fill"]
    assert len({update.execution_id for update in updates[4:]}) == 1
    assert trader.quantities() == {"AAPL": "1"}


def test_updates_may_come_in_another_order(alpaca: AlpacaStandIn, trader: Trader) -> None:
    alpaca.account.matches_by_itself = False
    with listening(alpaca) as updates:
        trader.ask("AAPL", "buy", "3", client_order_id="a")
        order = alpaca.account.by_client_id["a"]
        alpaca.trade_updates.disorder = 1.0
        alpaca.account.fill(order, "1")
        alpaca.trade_updates.disorder = 0.0
        alpaca.account.fill(order, "2")
        wait_until(lambda: len(updates) == 4, "fourth update")

    assert events(updates) == ["pending_new", "new", "fill", "partial_fill"]
    assert [update.order.filled_qty for update in updates[2:]] == ["3", "1"]


def test_a_mute_stream_stays_connected(alpaca: AlpacaStandIn, trader: Trader) -> None:
    with listening(alpaca) as updates:
        alpaca.trade_updates.mute = True
        trader.ask("AAPL", "buy", "1", client_order_id="unheard")
        alpaca.trade_updates.mute = False
        trader.ask("AAPL", "buy", "1", client_order_id="heard")
        wait_until(lambda: "fill" in events(updates), "fill")

    assert {update.order.client_order_id for update in updates} == {"heard"}
    assert alpaca.trade_updates.connected == 1


@pytest.mark.filterwarnings("ignore")
def test_a_wrong_secret_is_not_authorised(
    alpaca: AlpacaStandIn, caplog: pytest.LogCaptureFixture
) -> None:
    stream = TradingStream(alpaca.api_key, "wrong", url_override=alpaca.stream_url)

    async def ignore(update: TradeUpdate) -> None:
        raise AssertionError(f"an update reached a stranger: {update}")

    stream.subscribe_trade_updates(ignore)
    thread = threading.Thread(target=stream.run, daemon=True)
    thread.start()
    wait_until(lambda: "failed to authenticate" in caplog.text, "refusal")

    assert alpaca.trade_updates.connected == 0
    stream.stop()
    thread.join(10)
    assert not thread.is_alive()


def test_the_data_stream_brings_bars_and_trades_of_what_was_subscribed(
    alpaca: AlpacaStandIn,
) -> None:
    stream = StockDataStream(alpaca.api_key, alpaca.secret_key, url_override=alpaca.data_stream_url)
    bars: list[Bar] = []
    trades: list[Trade] = []

    async def keep_bar(bar: Any) -> None:
        bars.append(bar)

    async def keep_trade(trade: Any) -> None:
        trades.append(trade)

    stream.subscribe_bars(keep_bar, "AAPL", "MSFT")
    stream.subscribe_trades(keep_trade, "MSFT")
    at = dt.datetime(2024, 6, 3, 14, 1, tzinfo=dt.UTC)
    bar = BarPoint(at, *(Decimal(price) for price in ("190", "191", "189.5", "190.25")))
    with streaming(stream, alpaca):
        alpaca.publish_trade("AAPL")
        alpaca.publish_trade("MSFT")
        alpaca.publish_bar("AAPL", bar)
        wait_until(lambda: bars, "bar")

    assert [(trade.symbol, trade.price) for trade in trades] == [("MSFT", 410.0)]
    assert [(each.symbol, each.timestamp, each.close) for each in bars] == [("AAPL", at, 190.25)]


def test_a_dropped_data_stream_subscribes_again(alpaca: AlpacaStandIn) -> None:
    stream = StockDataStream(alpaca.api_key, alpaca.secret_key, url_override=alpaca.data_stream_url)
    trades: list[Trade] = []

    async def keep_trade(trade: Any) -> None:
        trades.append(trade)

    stream.subscribe_trades(keep_trade, "*")
    with streaming(stream, alpaca):
        alpaca.stock_data.drop()
        wait_until(lambda: alpaca.stock_data.connected == 2, "reconnection")
        wait_until(lambda: alpaca.stock_data.listeners, "subscription")
        alpaca.publish_trade("AAPL")
        wait_until(lambda: trades, "trade")


def test_a_second_data_stream_is_one_too_many(
    alpaca: AlpacaStandIn, caplog: pytest.LogCaptureFixture
) -> None:
    async def ignore(trade: Any) -> None:
        del trade

    def stream() -> StockDataStream:
        made = StockDataStream(
            alpaca.api_key, alpaca.secret_key, url_override=alpaca.data_stream_url
        )
        made.subscribe_trades(ignore, "AAPL")
        return made

    with streaming(stream(), alpaca), streaming(stream(), alpaca):
        wait_until(lambda: "connection limit exceeded" in caplog.text, "refusal")

    assert alpaca.stock_data.connected == 1
