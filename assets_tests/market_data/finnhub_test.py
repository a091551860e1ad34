"""Finnhub's candles over HTTP: the key, the plan, months, and answers that cannot be read."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import SecretStr

from assets_tests.bar_vendors.finnhub import FinnhubStandIn
from assets_tests.bar_vendors.server import Fault
from trading_assets.errors import ConfigurationError
from trading_assets.market_data.bar_source import BarQuery, moment_of
from trading_assets.market_data.finnhub import FinnhubBars
from trading_assets.model.account import Unknown

KEY = "c0ffee-that-nobody-sees"
HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
NOW = dt.datetime(2024, 6, 3, 14, tzinfo=dt.UTC)


@pytest.fixture
def finnhub() -> Iterator[FinnhubStandIn]:
    with FinnhubStandIn(KEY) as running:
        yield running


def source(finnhub: FinnhubStandIn, key: str = KEY) -> FinnhubBars:
    return FinnhubBars(
        SecretStr(key),
        f"{finnhub.url}/api/v1",
        timeout_seconds=5.0,
        now=lambda: NOW,
        sleep=lambda _: None,
    )


def query(timeframe: str = "1Hour", days: int = 3) -> BarQuery:
    return BarQuery(symbols=("AAPL",), timeframe=timeframe, start=NOW - days * DAY, end=NOW)


def test_a_quarter_of_hours_comes_month_by_month_without_a_gap(finnhub: FinnhubStandIn) -> None:
    """A question about more than a month would be answered with the latest one alone."""
    first = NOW - 90 * DAY
    times = [first + place * HOUR for place in range(90 * 24)]
    finnhub.candles["AAPL", "60"] = {int(at.timestamp()): (10, 11, 9, 10, 1) for at in times}
    rows = source(finnhub).fetch(query(days=90)).require().bars["AAPL"]
    over = [at for at in times if at + HOUR + dt.timedelta(minutes=15) <= NOW]
    assert [moment_of(start) for start in rows["start"]] == over
    assert len(finnhub.asked) == 3


def test_the_key_is_in_a_header_and_nowhere_else(finnhub: FinnhubStandIn) -> None:
    finnhub.candles["AAPL", "60"] = {}
    bars = source(finnhub)
    bars.fetch(query())
    (asked,) = finnhub.asked
    assert asked.headers["X-Finnhub-Token"] == KEY
    assert KEY not in asked.line
    assert KEY not in repr(vars(bars))


def test_a_key_that_is_refused_is_named_by_its_variable_and_not_shown(
    finnhub: FinnhubStandIn,
) -> None:
    """The service repeats the key in its refusal."""
    with pytest.raises(ConfigurationError, match="Set FINNHUB_API_KEY") as raised:
        source(finnhub, "another-key").fetch(query())
    assert "another-key" not in str(raised.value)
    assert "Invalid API key ***" in str(raised.value)
    assert len(finnhub.asked) == 1


def test_a_plan_without_candles_is_said_with_what_to_do(finnhub: FinnhubStandIn) -> None:
    finnhub.premium.add("AAPL")
    with pytest.raises(ConfigurationError, match=r"no 1Hour bars of AAPL .*403.*paid plans"):
        source(finnhub).fetch(query())


def test_no_data_is_an_empty_answer_and_not_an_unknown_one(finnhub: FinnhubStandIn) -> None:
    assert source(finnhub).fetch(query()).require().missing == ("AAPL",)


def test_a_key_does_not_follow_a_redirection(finnhub: FinnhubStandIn) -> None:
    finnhub.candles["AAPL", "60"] = {}
    finnhub.faults.extend([Fault.ELSEWHERE] * 4)
    assert isinstance(source(finnhub).fetch(query()), Unknown)
    assert {asked.path for asked in finnhub.asked} == {"/api/v1/stock/candle"}


ROW = {"t": [1717405200], "o": [10], "h": [11], "l": [9], "c": [10], "v": [5]}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"s": "ok", **ROW, "c": [10, 11]}, "longer"),
        ({"s": "ok", **ROW, "h": None}, "not iterable"),
        ({"s": "ok", **{name: values for name, values in ROW.items() if name != "v"}}, "'v'"),
        ({"s": "late", **ROW}, "status 'late' is not known"),
        ([], "the answer is no candles"),
        ({"s": "ok", **ROW, "o": [True]}, "True is no number"),
    ],
)
def test_an_answer_that_cannot_be_read_is_unknown(
    finnhub: FinnhubStandIn, content: Any, reason: str
) -> None:
    finnhub.instead = (200, content)
    answer = source(finnhub).fetch(query())
    assert isinstance(answer, Unknown)
    assert reason in answer.reason
