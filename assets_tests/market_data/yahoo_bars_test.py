"""Bars from Yahoo by yfinance as it is: what it keeps, what it adjusts, and how its dates lie."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest

from assets_tests.yahoo.server import Bar, Fault, Listing, YahooStandIn
from trading_assets.errors import ConfigurationError
from trading_assets.market_data.bar_source import BarQuery, BarRows, midnight, moment_of
from trading_assets.market_data.yahoo import YahooClient
from trading_assets.market_data.yahoo_bars import YahooBars
from trading_assets.model.account import Unknown
from trading_assets.model.market_events import PriceAdjustment

DAY = dt.timedelta(days=1)
SECONDS = 1.0
# Friday, 7 June 2024: summer time in London and New York.
NOW = dt.datetime(2024, 6, 7, 20, 30, tzinfo=dt.UTC)


@pytest.fixture
def yahoo() -> Iterator[YahooStandIn]:
    with YahooStandIn() as running:
        running.silence_seconds = 2.0
        yield running


def source(yahoo: YahooStandIn, folder: Path, now: dt.datetime = NOW) -> YahooBars:
    return YahooBars(YahooClient(SECONDS, yahoo.url, folder), now=lambda: now)


def query(
    timeframe: str, start: dt.datetime, adjustment: PriceAdjustment = PriceAdjustment.SPLIT
) -> BarQuery:
    return BarQuery(
        symbols=("AAA",), timeframe=timeframe, start=start, end=NOW, adjustment=adjustment
    )


def dates(rows: BarRows) -> list[str]:
    return [moment_of(start).isoformat()[:10] for start in rows["start"]]


def test_a_day_in_london_is_of_its_own_date_and_runs_until_midnight_there(
    yahoo: YahooStandIn, tmp_path: Path
) -> None:
    """Midnight in London is 23:00 UTC of the day before, in summer."""
    days = ["2024-06-05", "2024-06-06", "2024-06-07"]
    yahoo.listed["AAA"] = Listing("GBp", {day: Bar("1050") for day in days})
    asked = query("1Day", midnight(dt.date(2024, 6, 5)))
    rows = source(yahoo, tmp_path).fetch(asked).require().bars["AAA"]
    assert dates(rows) == days[:2]
    # Pence become pounds.
    assert rows["close"].tolist() == [10.5, 10.5]
    # 23:15 UTC is a quarter of an hour past midnight there.
    late = source(yahoo, tmp_path, dt.datetime(2024, 6, 7, 23, 15, tzinfo=dt.UTC))
    assert dates(late.fetch(asked).require().bars["AAA"]) == days


def test_days_are_adjusted_for_dividends_when_asked_in_all_four_prices(
    yahoo: YahooStandIn, tmp_path: Path
) -> None:
    bar = Bar("100", adjusted="95", open="90", high="110", low="80")
    yahoo.listed["AAA"] = Listing("USD", {"2024-06-05": bar}, zone="America/New_York")
    start = midnight(dt.date(2024, 6, 5))
    bars = source(yahoo, tmp_path)
    plain = bars.fetch(query("1Day", start)).require().bars["AAA"]
    assert plain.tolist()[0][1:5] == (90.0, 110.0, 80.0, 100.0)
    adjusted = bars.fetch(query("1Day", start, PriceAdjustment.ALL)).require().bars["AAA"]
    assert adjusted.tolist()[0][1:5] == (85.5, 104.5, 76.0, 95.0)


def test_a_high_below_the_close_is_the_close(yahoo: YahooStandIn, tmp_path: Path) -> None:
    """Yahoo has such bars; the close was traded."""
    bar = Bar("100", open="99", high="99.5", low="99.25")
    yahoo.listed["AAA"] = Listing("USD", {"2024-06-05": bar}, zone="America/New_York")
    asked = query("1Day", midnight(dt.date(2024, 6, 5)))
    rows = source(yahoo, tmp_path).fetch(asked).require().bars["AAA"]
    assert rows.tolist()[0][1:5] == (99.0, 100.0, 99.0, 100.0)


@pytest.mark.parametrize(("timeframe", "days"), [("1Min", 30), ("15Min", 60), ("1Hour", 730)])
def test_what_yahoo_no_longer_keeps_is_refused_with_what_it_keeps(
    yahoo: YahooStandIn, tmp_path: Path, timeframe: str, days: int
) -> None:
    asked = query(timeframe, NOW - days * DAY)
    with pytest.raises(ConfigurationError, match=f"keeps {timeframe} bars for {days} days"):
        source(yahoo, tmp_path).fetch(asked)
    assert not yahoo.asked


def test_minutes_of_a_month_are_asked_for_by_the_week(yahoo: YahooStandIn, tmp_path: Path) -> None:
    """Yahoo answers a question about more than eight days of minutes with an error."""
    opens = [dt.datetime(2024, 5, day, 13, 30, tzinfo=dt.UTC) for day in (13, 14, 20, 28, 31)]
    yahoo.listed["AAA"] = Listing(
        "USD", {at.isoformat(): Bar("10") for at in opens}, zone="America/New_York"
    )
    asked = query("1Min", dt.datetime(2024, 5, 13, tzinfo=dt.UTC))
    rows = source(yahoo, tmp_path).fetch(asked).require().bars["AAA"]
    assert [moment_of(start) for start in rows["start"]] == opens
    assert yahoo.asked.count("AAA") >= 4


@pytest.mark.parametrize("fault", [Fault.RATE_LIMIT, Fault.HTML, Fault.TIMEOUT, Fault.DROPPED])
def test_a_service_that_is_not_there_is_unknown(
    yahoo: YahooStandIn, tmp_path: Path, fault: Fault
) -> None:
    yahoo.faults["AAA"] = fault
    answer = source(yahoo, tmp_path).fetch(query("1Day", midnight(dt.date(2024, 6, 5))))
    assert isinstance(answer, Unknown)
    assert "Yahoo" in answer.reason
