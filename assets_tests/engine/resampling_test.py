"""Longer bars, worked by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from trading_assets.engine.adjustment import seen_through
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


def test_four_hours_are_the_same_of_a_session_in_summer_and_in_winter() -> None:
    """New York's clocks go forward on 10 March 2024: 9:30 is 14:30 UTC before, 13:30 after."""
    row = (1.0, 2.0, 0.5, 1.5, 10, 1.0)
    winter = [f"2024-03-08T{hour}:30" for hour in (14, 16, 17, 20)]
    summer = [f"2024-03-11T{hour}:30" for hour in (13, 15, 16, 19)]
    made = resampled(minutes([*winter, *summer], [row] * 8, "30Min"), parse_timeframe("4Hour"))
    # 8 to 12 and 12 to 16 of the clocks there.
    assert times(made) == [
        "2024-03-08T13:00", "2024-03-08T17:00", "2024-03-11T12:00", "2024-03-11T16:00",
    ]  # fmt: skip
    assert made.volume.tolist() == [20, 20, 20, 20]


def test_the_night_in_which_clocks_change_has_bars_in_order() -> None:
    """On 3 November 2024 the hour from one to two happens twice in New York."""
    stamps = [f"2024-11-03T{hour:02}:00" for hour in range(4, 10)]
    made = resampled(
        minutes(stamps, [(1.0, 1.0, 1.0, 1.0, 1, 1.0)] * 6, "1Hour"), parse_timeframe("2Hour")
    )
    assert times(made) == ["2024-11-03T04:00", "2024-11-03T06:00", "2024-11-03T08:00"]
    assert made.volume.tolist() == [2, 2, 2]


def test_a_half_day_is_a_day_and_ends_within_its_last_bar() -> None:
    """The Friday after Thanksgiving 2024 closes at 13:00, which is 18:00 UTC."""
    stamps = [f"2024-11-29T{hour}:{minute}" for hour in (14, 15, 16, 17) for minute in ("00", "30")]
    rows = [(price, price, price, price, 1.0, price) for price in range(1, 8)]
    bars = minutes(stamps[1:], rows, "30Min")
    day = resampled(bars, parse_timeframe("1Day"))
    assert (times(day), day.open[0], day.close[0], day.volume[0]) == (["2024-11-29"], 1, 7, 7)
    hours = resampled(bars, parse_timeframe("4Hour"))
    assert times(hours) == ["2024-11-29T13:00", "2024-11-29T17:00"]
    assert hours.close.tolist() == [5, 7]


def test_hours_that_begin_at_half_past_make_no_two_hours_of_whole_ones() -> None:
    """15:30 to 16:30 would be in the bar that is over at 16:00, where others trade already."""
    bars = minutes(
        ["2024-01-02T14:30", "2024-01-02T15:30"], [(1.0, 1.0, 1.0, 1.0, 1, 1.0)] * 2, "1Hour"
    )
    # Midnight is 05:00 UTC: 14:30 is half past nine, in the hours from eight to ten.
    with pytest.raises(ConfigurationError, match=r"14:30.*reaches over the end of one of 2Hour"):
        resampled(bars, parse_timeframe("2Hour"))
    assert times(resampled(bars, parse_timeframe("1Day"))) == ["2024-01-02"]


def test_a_week_with_a_split_is_told_in_the_shares_of_its_end() -> None:
    """Two for one on Wednesday: 100 on Monday are 50 of Friday's shares."""
    days = ["2024-01-01", "2024-01-02", "2024-01-03", "2024-01-05", "2024-01-08"]
    rows = [
        (100.0, 104.0, 98.0, 102.0, 10, 101.0),
        (102.0, 106.0, 101.0, 104.0, 10, 103.0),
        (52.0, 54.0, 51.5, 53.0, 30, 52.0),
        (53.0, 55.0, 52.0, 54.0, 30, 53.0),
        (54.0, 54.0, 54.0, 54.0, 30, 54.0),
    ]
    bars = seen_through(minutes(days, rows, "1Day"), np.array([1.0, 1.0, 2.0, 2.0, 2.0]))
    made = resampled(bars, parse_timeframe("1Week"))
    assert times(made) == ["2024-01-01", "2024-01-08"]
    assert (made.open[0], made.high[0], made.low[0], made.close[0]) == (50, 55, 49, 54)
    assert made.factor is not None
    assert made.factor.tolist() == [2, 2]
    # Nothing was changed where it was.
    assert bars.open[0] == 100
