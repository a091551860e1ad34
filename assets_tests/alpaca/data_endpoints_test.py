"""Market data, as alpaca-py's StockHistoricalDataClient reads it."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from alpaca.common.enums import Sort
from alpaca.data.enums import Adjustment, DataFeed
from alpaca.data.models import BarSet
from alpaca.data.requests import (
    StockBarsRequest,
    StockLatestTradeRequest,
    StockSnapshotRequest,
)
from alpaca.data.timeframe import TimeFrame

from assets_tests.alpaca.clients import data_client, refusal
from assets_tests.alpaca.market import BarPoint
from assets_tests.alpaca.server import AlpacaStandIn

FIRST = dt.datetime(2024, 5, 1, 4, tzinfo=dt.UTC)


def daily(close: int, day: int) -> BarPoint:
    """A daily bar whose four prices are its close."""
    price = Decimal(close)
    return BarPoint(FIRST + dt.timedelta(days=day), price, price, price, price)


def bars(alpaca: AlpacaStandIn, symbols: list[str], **fields: Any) -> dict[str, list[float]]:
    """Closes by symbol, as the client puts them together from every page."""
    request = StockBarsRequest(
        symbol_or_symbols=symbols, timeframe=TimeFrame.Day, start=FIRST, **fields
    )
    answer = data_client(alpaca).get_stock_bars(request)
    assert isinstance(answer, BarSet)
    return {symbol: [bar.close for bar in rows] for symbol, rows in answer.data.items()}


def test_the_latest_trade_carries_its_own_time_and_a_missing_symbol_is_missing(
    alpaca: AlpacaStandIn,
) -> None:
    alpaca.account.set_price("AAPL", "190.55")
    at = alpaca.account.clock.now
    alpaca.account.advance_to("2024-06-03 15:00")

    request = StockLatestTradeRequest(symbol_or_symbols=["AAPL", "ZZZZ"])
    trades = data_client(alpaca).get_stock_latest_trade(request)

    assert list(trades) == ["AAPL"]
    assert (trades["AAPL"].price, trades["AAPL"].timestamp) == (190.55, at)


def test_a_snapshot_shows_trade_quote_and_the_last_two_days(alpaca: AlpacaStandIn) -> None:
    alpaca.account.market.quotes["AAPL"] = (Decimal("189.9"), Decimal("190.1"))
    alpaca.account.market.add_bars("AAPL", "1Day", [daily(185, 0), daily(188, 1)])

    request = StockSnapshotRequest(symbol_or_symbols=["AAPL", "ZZZZ"])
    snapshots = data_client(alpaca).get_stock_snapshot(request)

    assert list(snapshots) == ["AAPL"]
    shown: Any = snapshots["AAPL"]
    assert (shown.latest_trade.price, shown.latest_quote.ask_price) == (190.0, 190.1)
    assert (shown.daily_bar.close, shown.previous_daily_bar.close) == (188.0, 185.0)
    assert shown.minute_bar is None


def test_bars_come_in_pages_whose_limit_counts_all_symbols(alpaca: AlpacaStandIn) -> None:
    for symbol in ("AAPL", "MSFT"):
        alpaca.account.market.add_bars(symbol, "1Day", [daily(100 + day, day) for day in range(5)])
    query: dict[str, Any] = {"symbols": "MSFT,AAPL", "limit": 7, "start": "2024-05-01"}

    first: Any = data_client(alpaca).get("/stocks/bars", query)
    assert {symbol: len(rows) for symbol, rows in first["bars"].items()} == {"AAPL": 5, "MSFT": 2}
    query["page_token"] = first["next_page_token"]
    rest: Any = data_client(alpaca).get("/stocks/bars", query)

    assert {symbol: len(rows) for symbol, rows in rest["bars"].items()} == {"MSFT": 3}
    assert rest["next_page_token"] is None
    assert bars(alpaca, ["AAPL", "MSFT"], limit=7) == {
        "AAPL": [100, 101, 102, 103, 104],
        "MSFT": [100, 101],
    }


def test_more_than_ten_thousand_bars_need_a_second_page(alpaca: AlpacaStandIn) -> None:
    minute = dt.timedelta(minutes=1)
    price = Decimal(1)
    alpaca.account.market.add_bars(
        "AAPL",
        "1Min",
        [BarPoint(FIRST + minute * place, price, price, price, price) for place in range(10_001)],
    )
    request = StockBarsRequest(symbol_or_symbols="AAPL", timeframe=TimeFrame.Minute, start=FIRST)

    answer = data_client(alpaca).get_stock_bars(request)

    assert isinstance(answer, BarSet)
    assert len(answer.data["AAPL"]) == 10_001
    assert [record.path for record in alpaca.requests] == ["/v2/stocks/bars"] * 2


def test_bars_are_adjusted_as_asked(alpaca: AlpacaStandIn) -> None:
    """A split of 4 for 1 before the third bar; a dividend of 1 % before the second."""
    market = alpaca.account.market
    market.add_bars("AAPL", "1Day", [daily(400, 0), daily(396, 1), daily(100, 2)])
    market.split("AAPL", FIRST + dt.timedelta(days=2), Decimal(4))
    market.dividend("AAPL", FIRST + dt.timedelta(days=1), Decimal("0.99"))

    assert bars(alpaca, ["AAPL"], adjustment=Adjustment.RAW)["AAPL"] == [400, 396, 100]
    assert bars(alpaca, ["AAPL"], adjustment=Adjustment.SPLIT)["AAPL"] == [100, 99, 100]
    assert bars(alpaca, ["AAPL"], adjustment=Adjustment.DIVIDEND)["AAPL"] == [396, 396, 100]
    assert bars(alpaca, ["AAPL"], adjustment=Adjustment.ALL)["AAPL"] == [99, 99, 100]


def test_bars_are_bounded_by_start_end_and_now(alpaca: AlpacaStandIn) -> None:
    days = [daily(100 + day, day) for day in range(40)]
    alpaca.account.market.add_bars("AAPL", "1Day", days)

    # It is the 3rd of June: 33 days after the 1st of May have begun.
    assert len(bars(alpaca, ["AAPL"])["AAPL"]) == 34
    two = bars(alpaca, ["AAPL"], end=FIRST + dt.timedelta(days=1), sort=Sort.DESC)
    assert two == {"AAPL": [101, 100]}


@pytest.mark.parametrize("feed", [DataFeed.SIP, None])
def test_without_a_subscription_there_is_no_recent_consolidated_data(
    alpaca: AlpacaStandIn, feed: DataFeed | None
) -> None:
    alpaca.account.market.sip_subscription = False
    request = StockLatestTradeRequest(symbol_or_symbols="AAPL", feed=feed)

    if feed is None:
        assert list(data_client(alpaca).get_stock_latest_trade(request)) == ["AAPL"]
    else:
        client = data_client(alpaca)
        status, body = refusal(lambda: client.get_stock_latest_trade(request))
        assert (status, body["message"]) == (
            403,
            "subscription does not permit querying recent SIP data",
        )
