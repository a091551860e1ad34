"""Longer bars, worked by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from trading_assets.engine.bars import BarColumns, bar_columns
from trading_assets.engine.clock import iso
from trading_assets.engine.resampling import resampled
from trading_assets.engine.timeframe import parse_timeframe
from trading_assets.errors import ConfigurationError

NAN = float("nan")


def minutes(
    times: list[str], rows: Sequence[tuple[float, ...]], timeframe: str = "1Min"
) -> BarColumns:
    """Open, high, low, close, volume, volume-weighted price."""
    table = np.array(rows).T
    return bar_columns(
        "AAA",
        np.array(times, dtype="datetime64[ns]"),
        list(table[:4]),
        table[4],
        table[5],
        timeframe=parse_timeframe(timeframe),
    )


BARS = minutes(
    ["2024-01-02T14:58", "2024-01-02T14:59", "2024-01-02T15:00", "2024-01-03T00:30"],
    [
        (10, 11, 9, 10.5, 100, 10.0),
        (10.5, 12, 10, 11, 300, 11.0),
        (11, 11, 8, 9, NAN, 10.0),
        (9, 9.5, 8.5, 9.2, 50, 9.0),
    ],
)


def times(columns: BarColumns) -> list[str]:
    return [iso(start, columns.timeframe)[:16] for start in columns.starts.tolist()]


def test_five_minutes_begin_at_whole_multiples() -> None:
    made = resampled(BARS, parse_timeframe("5Min"))
    assert times(made) == ["2024-01-02T14:55", "2024-01-02T15:00", "2024-01-03T00:30"]
    assert (made.open[0], made.high[0], made.low[0], made.close[0]) == (10, 12, 9, 11)
    assert made.volume[0] == 400
    assert np.isnan(made.volume[1])


def test_the_weighted_price_is_weighted_again_and_plain_without_volume() -> None:
    made = resampled(BARS, parse_timeframe("5Min"))
    assert made.vwap is not None
    assert made.vwap.tolist() == [10.75, 10.0, 9.0]


def test_a_day_is_the_session_at_the_exchange() -> None:
    """00:30 UTC of the 3rd is the evening of the 2nd in New York, the 3rd in London."""
    assert times(resampled(BARS, parse_timeframe("1Day"))) == ["2024-01-02"]
    london = resampled(BARS, parse_timeframe("1Day"), "Europe/London")
    assert times(london) == ["2024-01-02", "2024-01-03"]
    assert london.close.tolist() == [9.0, 9.2]


def test_weeks_begin_on_monday_and_quarters_with_their_first_month() -> None:
    days = ["2024-01-31", "2024-02-02", "2024-02-05", "2024-04-01"]
    rows = [(1.0, 2.0, 0.5, 1.5, 10, 1.0)] * 4
    daily = minutes(days, rows, "1Day")
    assert times(resampled(daily, parse_timeframe("1Week"))) == [
        "2024-01-29",
        "2024-02-05",
        "2024-04-01",
    ]
    assert times(resampled(daily, parse_timeframe("1Month"))) == [
        "2024-01-01",
        "2024-02-01",
        "2024-04-01",
    ]
    assert times(resampled(daily, parse_timeframe("3Month"))) == ["2024-01-01", "2024-04-01"]


def test_what_does_not_divide_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="whole bars of 1Min"):
        resampled(resampled(BARS, parse_timeframe("5Min")), parse_timeframe("1Min"))


def test_the_same_timeframe_is_the_same_bars() -> None:
    assert resampled(BARS, BARS.timeframe) is BARS
