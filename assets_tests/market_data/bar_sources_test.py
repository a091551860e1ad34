"""What holds for every source of bars, each over HTTP against a stand-in of its service."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Protocol
from zoneinfo import ZoneInfo

import pytest
from pydantic import SecretStr

from assets_tests.alpaca import faults as alpaca_faults
from assets_tests.alpaca.market import BarPoint
from assets_tests.alpaca.server import AlpacaStandIn, running_alpaca
from assets_tests.bar_vendors.coinbase import CoinbaseStandIn
from assets_tests.bar_vendors.finnhub import FinnhubStandIn
from assets_tests.bar_vendors.server import Fault
from assets_tests.brokers.alpaca_accounts import api
from assets_tests.yahoo import server as yahoo_server
from assets_tests.yahoo.server import Bar, Listing, YahooStandIn
from trading_assets.market_data.alpaca import AlpacaMarketData
from trading_assets.market_data.bar_source import (
    BarQuery,
    BarRows,
    Bars,
    BarSource,
    midnight,
    moment_of,
)
from trading_assets.market_data.coinbase import CoinbaseBars
from trading_assets.market_data.finnhub import RESOLUTIONS, FinnhubBars
from trading_assets.market_data.yahoo import YahooClient
from trading_assets.market_data.yahoo_bars import YahooBars
from trading_assets.model.account import Known, Unknown

NEW_YORK = ZoneInfo("America/New_York")
HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
# Monday, 3 June 2024, 10:00 in New York, where the stand-in of Alpaca begins.
NOW = dt.datetime(2024, 6, 3, 14, tzinfo=dt.UTC)
MONDAY = dt.date(2024, 6, 3)
FRIDAY, THURSDAY = MONDAY - 3 * DAY, MONDAY - 4 * DAY
SECRET = "a-secret-that-nobody-sees"
# Open, high, low, close, volume.
Row = tuple[str, str, str, str, int]
ROWS: tuple[Row, ...] = (
    ("10.5", "11.25", "10", "11", 300),
    ("11", "12", "10.75", "11.5", 200),
    ("11.5", "11.5", "11.25", "11.25", 100),
)


class Vendor(Protocol):
    """A stand-in, and the source that asks it."""

    now: dt.datetime

    def source(self) -> BarSource: ...

    def list(self, symbol: str, timeframe: str, rows: Mapping[dt.datetime, Row]) -> None:
        """Let the service have these bars; those of days by midnight UTC of their date."""

    def list_nothing(self, symbol: str) -> None:
        """Let the service know a symbol of which it has no bars."""

    def fail(self) -> None:
        """Let every request fail from now on."""


class Alpaca:
    def __init__(self, stand_in: AlpacaStandIn) -> None:
        self._alpaca = stand_in
        self.now = NOW

    def source(self) -> BarSource:
        def closes_at(session: dt.date) -> dt.datetime:
            return dt.datetime.combine(session, dt.time(16), NEW_YORK).astimezone(dt.UTC)

        return AlpacaMarketData(api(self._alpaca), "iex", closes_at, now=lambda: self.now)

    def list(self, symbol: str, timeframe: str, rows: Mapping[dt.datetime, Row]) -> None:
        points = []
        for at, row in rows.items():
            day = dt.datetime.combine(at.date(), dt.time(), NEW_YORK).astimezone(dt.UTC)
            start = day if timeframe == "1Day" else at
            first, high, low, last = (Decimal(price) for price in row[:4])
            points.append(BarPoint(start, first, high, low, last, Decimal(row[4])))
        self._alpaca.account.market.bars[symbol, timeframe] = points

    def list_nothing(self, symbol: str) -> None:
        self._alpaca.account.list_asset(symbol, "10")

    def fail(self) -> None:
        self._alpaca.faults.add(
            alpaca_faults.Fault("status", "GET", "/v2/stocks/bars", status=503, times=99)
        )


class Yahoo:
    def __init__(self, stand_in: YahooStandIn, folder: Path) -> None:
        self._yahoo, self._folder = stand_in, folder
        self.now = NOW

    def source(self) -> BarSource:
        client = YahooClient(5.0, self._yahoo.url, self._folder)
        return YahooBars(client, now=lambda: self.now)

    def list(self, symbol: str, timeframe: str, rows: Mapping[dt.datetime, Row]) -> None:
        bars = {}
        for at, (first, high, low, last, volume) in rows.items():
            key = at.date().isoformat() if timeframe == "1Day" else at.isoformat()
            bars[key] = Bar(last, volume=volume, open=first, high=high, low=low)
        self._yahoo.listed[symbol] = Listing("USD", bars, zone="America/New_York")

    def list_nothing(self, symbol: str) -> None:
        self._yahoo.listed[symbol] = Listing("USD", {}, zone="America/New_York")

    def fail(self) -> None:
        self._yahoo.faults["*"] = yahoo_server.Fault.SERVER_ERROR


class Coinbase:
    def __init__(self, stand_in: CoinbaseStandIn) -> None:
        self._coinbase = stand_in
        self.now = NOW

    def source(self) -> BarSource:
        return CoinbaseBars(
            self._coinbase.url, timeout_seconds=5.0, now=lambda: self.now, sleep=lambda _: None
        )

    def list(self, symbol: str, timeframe: str, rows: Mapping[dt.datetime, Row]) -> None:
        granularity = 86400 if timeframe == "1Day" else 3600
        self._coinbase.candles[symbol, granularity] = {
            int(at.timestamp()): (
                float(low), float(high), float(first), float(last), float(volume),
            )
            for at, (first, high, low, last, volume) in rows.items()
        }  # fmt: skip

    def list_nothing(self, symbol: str) -> None:
        self._coinbase.candles[symbol, 60] = {}

    def fail(self) -> None:
        self._coinbase.faults.extend([Fault.SERVER_ERROR] * 99)


class Finnhub:
    def __init__(self, stand_in: FinnhubStandIn) -> None:
        self._finnhub = stand_in
        self.now = NOW

    def source(self) -> BarSource:
        return FinnhubBars(
            SecretStr(SECRET),
            f"{self._finnhub.url}/api/v1",
            timeout_seconds=5.0,
            now=lambda: self.now,
            sleep=lambda _: None,
        )

    def list(self, symbol: str, timeframe: str, rows: Mapping[dt.datetime, Row]) -> None:
        self._finnhub.candles[symbol, RESOLUTIONS[timeframe]] = {
            int(at.timestamp()): (
                float(first), float(high), float(low), float(last), float(volume),
            )
            for at, (first, high, low, last, volume) in rows.items()
        }  # fmt: skip

    def list_nothing(self, symbol: str) -> None:
        self._finnhub.candles[symbol, "1"] = {}

    def fail(self) -> None:
        self._finnhub.faults.extend([Fault.SERVER_ERROR] * 99)


@pytest.fixture(params=["alpaca", "yahoo", "coinbase", "finnhub"])
def vendor(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Vendor]:
    if request.param == "alpaca":
        with running_alpaca() as alpaca:
            yield Alpaca(alpaca)
    elif request.param == "yahoo":
        with YahooStandIn() as yahoo:
            yield Yahoo(yahoo, tmp_path)
    elif request.param == "coinbase":
        with CoinbaseStandIn() as coinbase:
            yield Coinbase(coinbase)
    else:
        with FinnhubStandIn(SECRET) as finnhub:
            yield Finnhub(finnhub)


def asked(
    vendor: Vendor, *symbols: str, timeframe: str = "1Hour", start: dt.datetime, end: dt.datetime
) -> Known[Bars] | Unknown:
    source = vendor.source()
    return source.fetch(
        BarQuery(
            symbols=symbols,
            timeframe=timeframe,
            start=start,
            end=end,
            adjustment=source.adjustments[timeframe][0],
        )
    )


def at(hour: int, day: dt.date = FRIDAY) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(hour), dt.UTC)


def starts(rows: BarRows) -> list[dt.datetime]:
    return [moment_of(start) for start in rows["start"].tolist()]


def test_hours_come_oldest_first_with_their_own_times_and_digits(vendor: Vendor) -> None:
    """15:00 has no bar: nothing was traded, and nothing is filled in."""
    times = [at(14), at(16), at(17)]
    vendor.list("AAA-USD", "1Hour", dict(zip(times, ROWS, strict=True)))
    rows = asked(vendor, "AAA-USD", start=at(13), end=at(20)).require().bars["AAA-USD"]
    assert starts(rows) == times
    assert rows.tolist() == [
        (int(time.timestamp()) * 10**9, *(float(value) for value in row))
        for time, row in zip(times, ROWS, strict=True)
    ]


def test_the_end_is_not_asked_for_and_the_start_is(vendor: Vendor) -> None:
    times = [at(14), at(15), at(16)]
    vendor.list("AAA-USD", "1Hour", dict(zip(times, ROWS, strict=True)))
    found = asked(vendor, "AAA-USD", start=at(15), end=at(16)).require()
    assert starts(found.bars["AAA-USD"]) == [at(15)]


def test_an_hour_that_runs_is_no_bar_until_it_is_over_by_a_margin(vendor: Vendor) -> None:
    times = [at(14, MONDAY), at(15, MONDAY)]
    vendor.list("AAA-USD", "1Hour", dict(zip(times, ROWS, strict=False)))
    wait = vendor.source().wait
    for moment, count in [
        (at(15, MONDAY) + wait - dt.timedelta(seconds=1), 0),
        (at(15, MONDAY) + wait, 1),
        (at(16, MONDAY) + wait - dt.timedelta(seconds=1), 1),
        (at(16, MONDAY) + wait, 2),
    ]:
        vendor.now = moment
        _let_time_pass(vendor, moment)
        found = asked(vendor, "AAA-USD", start=at(12, MONDAY), end=at(20, MONDAY)).require()
        assert len(found.bars.get("AAA-USD", ())) == count


def test_a_day_begins_at_midnight_utc_of_its_date_and_the_one_that_runs_is_left_out(
    vendor: Vendor,
) -> None:
    days = [midnight(day) for day in (THURSDAY, FRIDAY, MONDAY)]
    vendor.list("AAA-USD", "1Day", dict(zip(days, ROWS, strict=True)))
    found = asked(
        vendor, "AAA-USD", timeframe="1Day", start=midnight(THURSDAY), end=midnight(MONDAY + DAY)
    ).require()
    assert starts(found.bars["AAA-USD"]) == days[:2]
    later = asked(
        vendor, "AAA-USD", timeframe="1Day", start=midnight(FRIDAY), end=midnight(MONDAY)
    ).require()
    assert starts(later.bars["AAA-USD"]) == days[1:2]


def test_symbols_without_bars_are_missing_and_the_others_are_not(vendor: Vendor) -> None:
    vendor.list_nothing("BBB-USD")
    vendor.list("AAA-USD", "1Hour", {at(14): ROWS[0]})
    found = asked(vendor, "NONE-USD", "AAA-USD", "BBB-USD", start=at(13), end=at(20)).require()
    assert (list(found.bars), found.missing) == (["AAA-USD"], ("NONE-USD", "BBB-USD"))


def test_a_service_that_is_down_says_nothing_about_its_bars(
    vendor: Vendor, no_pauses: Callable[[], None]
) -> None:
    no_pauses()
    vendor.list("AAA-USD", "1Hour", {at(14): ROWS[0]})
    vendor.fail()
    answer = asked(vendor, "AAA-USD", start=at(13), end=at(20))
    assert isinstance(answer, Unknown)
    assert SECRET not in answer.reason


def test_a_price_that_is_none_makes_the_answer_unusable(vendor: Vendor) -> None:
    vendor.list("AAA-USD", "1Hour", {at(14): ROWS[0], at(15): ("1", "1", "0", "1", 5)})
    answer = asked(vendor, "AAA-USD", start=at(13), end=at(20))
    if isinstance(vendor, Yahoo):
        # It writes such rows for intervals without a trade: they are no bars.
        assert starts(answer.require().bars["AAA-USD"]) == [at(14)]
        return
    assert isinstance(answer, Unknown)
    assert "not positive" in answer.reason


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Alpaca's reads pause by a clock of their own."""
    return lambda: monkeypatch.setattr("trading_assets.alpaca_api.retries.PAUSE_SECONDS", 0.0)


def _let_time_pass(vendor: Vendor, moment: dt.datetime) -> None:
    if isinstance(vendor, Alpaca):
        vendor._alpaca.account.advance_to(moment.astimezone(NEW_YORK).strftime("%Y-%m-%d %H:%M:%S"))
