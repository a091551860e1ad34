"""Coinbase's candles over HTTP: pages, what is not asked for, and everything that may go wrong."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import pytest

from assets_tests.bar_vendors.coinbase import Candle, CoinbaseStandIn
from assets_tests.bar_vendors.server import Fault
from trading_assets.market_data.bar_source import BarQuery, Bars, moment_of
from trading_assets.market_data.coinbase import CoinbaseBars
from trading_assets.model.account import Known, Unknown

HOUR = dt.timedelta(hours=1)
# A Monday; the market has been open all weekend.
NOW = dt.datetime(2024, 6, 3, 14, tzinfo=dt.UTC)
BTC = "BTC-USD"


@pytest.fixture
def coinbase() -> Iterator[CoinbaseStandIn]:
    with CoinbaseStandIn() as running:
        running.silence_seconds = 10.0
        yield running


class Sleeper:
    """Sleeps nowhere, and knows how long it should have."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.slept.append(seconds)


def source(coinbase: CoinbaseStandIn, sleep: Sleeper | None = None) -> CoinbaseBars:
    # Half of the silence that a fault is: enough for a slow machine.
    return CoinbaseBars(
        coinbase.url,
        timeout_seconds=coinbase.silence_seconds / 2,
        now=lambda: NOW,
        sleep=sleep or Sleeper(),
    )


def candle(price: float) -> Candle:
    """Low, high, open, close, volume."""
    return (price - 1, price + 2, price, price + 1, 0.125)


def add_hours(coinbase: CoinbaseStandIn, first: dt.datetime, count: int) -> None:
    times = [int((first + place * HOUR).timestamp()) for place in range(count)]
    known = coinbase.candles.setdefault((BTC, 3600), {})
    known.update({time: candle(100 + place) for place, time in enumerate(times)})


def hours(coinbase: CoinbaseStandIn, start: dt.datetime, end: dt.datetime) -> Known[Bars] | Unknown:
    query = BarQuery(symbols=(BTC,), timeframe="1Hour", start=start, end=end)
    return source(coinbase).fetch(query)


def test_more_hours_than_an_answer_holds_come_in_pages_each_once(
    coinbase: CoinbaseStandIn,
) -> None:
    first = NOW - 700 * HOUR
    add_hours(coinbase, first - 5 * HOUR, 706)
    rows = hours(coinbase, first, NOW + HOUR).require().bars[BTC]
    # The last of 700 hours ends now, and is not final yet.
    assert len(rows) == 699
    assert moment_of(rows["start"][0]) == first
    assert moment_of(rows["start"][-1]) == NOW - 2 * HOUR
    assert (rows["start"][1:] - rows["start"][:-1] == 3600 * 10**9).all()
    assert len(coinbase.asked) == 3


def test_a_page_without_a_trade_is_no_end(coinbase: CoinbaseStandIn) -> None:
    add_hours(coinbase, NOW - 900 * HOUR, 10)
    add_hours(coinbase, NOW - 100 * HOUR, 10)
    assert len(hours(coinbase, NOW - 900 * HOUR, NOW).require().bars[BTC]) == 20


def test_days_are_those_of_utc_and_weekends_have_them(coinbase: CoinbaseStandIn) -> None:
    day = dt.datetime(2024, 5, 31, tzinfo=dt.UTC)
    coinbase.candles[BTC, 86400] = {
        int((day + place * 24 * HOUR).timestamp()): candle(100 + place) for place in range(4)
    }
    query = BarQuery(symbols=(BTC,), timeframe="1Day", start=day, end=NOW)
    rows = source(coinbase).fetch(query).require().bars[BTC]
    assert [moment_of(start).strftime("%a") for start in rows["start"]] == ["Fri", "Sat", "Sun"]


@pytest.mark.parametrize("fault", list(Fault))
def test_what_fails_once_is_asked_again(coinbase: CoinbaseStandIn, fault: Fault) -> None:
    add_hours(coinbase, NOW - 10 * HOUR, 5)
    coinbase.faults.append(fault)
    coinbase.silence_seconds = 1.0
    assert len(hours(coinbase, NOW - 10 * HOUR, NOW).require().bars[BTC]) == 5
    assert len(coinbase.asked) == 2


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault.TOO_MANY, "too many requests"),
        (Fault.SERVER_ERROR, "HTTP 500"),
        (Fault.HTML, "a page instead of prices"),
        (Fault.SILENCE, "did not answer within 0.5 s"),
        (Fault.DROPPED, "cannot be reached"),
        (Fault.ELSEWHERE, "cannot be reached"),
    ],
)
def test_what_fails_for_good_leaves_all_bars_unknown(
    coinbase: CoinbaseStandIn, fault: Fault, reason: str
) -> None:
    """The first page came; half an answer is none."""
    add_hours(coinbase, NOW - 400 * HOUR, 399)
    coinbase.silence_seconds = 1.0
    answered = coinbase.answer

    def then_fails(asked: object) -> tuple[int, object]:
        coinbase.faults.append(fault)
        return answered(asked)  # type: ignore[arg-type]

    coinbase.answer = then_fails  # type: ignore[method-assign]
    answer = hours(coinbase, NOW - 400 * HOUR, NOW)
    assert isinstance(answer, Unknown)
    assert reason in answer.reason
    assert all(asked.path != "/elsewhere" for asked in coinbase.asked)


def test_a_429_is_waited_for_as_long_as_it_says(coinbase: CoinbaseStandIn) -> None:
    add_hours(coinbase, NOW - 10 * HOUR, 5)
    coinbase.retry_after = "7"
    coinbase.faults.append(Fault.TOO_MANY)
    sleep = Sleeper()
    query = BarQuery(symbols=(BTC,), timeframe="1Hour", start=NOW - 10 * HOUR, end=NOW)
    source(coinbase, sleep).fetch(query).require()
    assert max(sleep.slept) == pytest.approx(7, abs=0.5)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ([1717405200, 99, 102, 100], "not enough values"),
        (["noon", 99, 102, 100, 101, 1], "could not convert"),
        ([1717405200, 99, None, 100, 101, 1], "None is no number"),
        ([1717405200, 101, 102, 100, 101, 1], "outside of high and low"),
        ([1717405200, -1, 102, 100, 101, 1], "not positive"),
    ],
)
def test_an_answer_that_cannot_be_read_is_unknown(
    coinbase: CoinbaseStandIn, row: list[object], reason: str
) -> None:
    coinbase.candles[BTC, 3600] = {}
    coinbase.instead = (200, [row])
    answer = hours(coinbase, NOW - 10 * HOUR, NOW)
    assert isinstance(answer, Unknown)
    assert reason in answer.reason


def test_nobody_listening_is_told_without_an_exception() -> None:
    with CoinbaseStandIn() as gone:
        url = gone.url
    bars = CoinbaseBars(url, timeout_seconds=5.0, now=lambda: NOW, sleep=Sleeper())
    query = BarQuery(symbols=(BTC,), timeframe="1Hour", start=NOW - HOUR, end=NOW)
    answer = bars.fetch(query)
    assert isinstance(answer, Unknown)
    assert "Coinbase cannot be reached" in answer.reason
