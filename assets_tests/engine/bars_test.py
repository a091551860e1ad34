"""Columns of bars: what is refused, and how symbols with missing bars are aligned."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import numpy as np
import pytest

from trading_assets.engine.bars import BarColumns, aligned, bar_columns
from trading_assets.engine.timeframe import parse_timeframe
from trading_assets.errors import InputError


def daily(symbol: str, days: Sequence[str], closes: Sequence[float]) -> BarColumns:
    return bar_columns(symbol, np.array(days, dtype="datetime64[D]"), [closes])


def test_closes_alone_make_bars_that_open_and_close_there() -> None:
    bars = daily("AAA", ["2024-01-02", "2024-01-03"], [10.0, 11.0])
    assert bars.open.tolist() == bars.high.tolist() == [10.0, 11.0]
    assert np.isnan(bars.volume).all()


@pytest.mark.parametrize(
    ("days", "closes", "row", "rule"),
    [
        (["2024-01-03", "2024-01-02"], [1.0, 1.0], 2, "ascend"),
        (["2024-01-02", "2024-01-02"], [1.0, 1.0], 2, "ascend"),
        (["2024-01-02", "2024-01-03"], [1.0, 0.0], 2, "positive"),
        (["2024-01-02", "2024-01-03"], [float("nan"), 1.0], 1, "positive"),
        (["2024-01-02", "2024-01-03"], [1.0, float("inf")], 2, "positive"),
    ],
)
def test_a_wrong_bar_is_named_by_symbol_row_and_rule(
    days: list[str], closes: list[float], row: int, rule: str
) -> None:
    with pytest.raises(InputError, match=rule) as error:
        daily("AAA", days, closes)
    assert error.value.row == row
    assert "AAA" in str(error.value)


def test_a_close_above_the_high_and_a_negative_volume_are_refused() -> None:
    day = np.array(["2024-01-02"], dtype="datetime64[D]")
    with pytest.raises(InputError, match="enclose"):
        bar_columns("AAA", day, [[10.0], [10.5], [9.0], [11.0]])
    with pytest.raises(InputError, match="volume"):
        bar_columns("AAA", day, [[10.0]], [-1.0])


def test_columns_of_unequal_length_are_refused() -> None:
    with pytest.raises(InputError, match="as many rows"):
        daily("AAA", ["2024-01-02"], [1.0, 2.0])


def test_columns_of_a_table_of_prices_are_not_copied() -> None:
    days = np.arange(3) * np.timedelta64(1, "D") + np.datetime64("2024-01-01")
    table = np.array([[10.0, 20.0], [11.0, 21.0], [12.0, 22.0]])
    second = bar_columns("B", days, [table[:, 1]])
    assert second.close.tolist() == [20, 21, 22]
    assert all(np.shares_memory(table, one) for one in (second.open, second.low, second.close))


def test_a_symbol_without_a_bar_has_no_row_there() -> None:
    full = daily("AAA", ["2024-01-02", "2024-01-03", "2024-01-04"], [1.0, 2.0, 3.0])
    gap = daily("BBB", ["2024-01-02", "2024-01-04"], [5.0, 6.0])
    market = aligned([full, gap])
    assert len(market) == 3
    assert market.bar_count == 5
    assert market.rows[0] is None
    assert market.rows[1] is not None
    assert market.rows[1].tolist() == [0, -1, 1]
    assert market.session_date(1) == dt.date(2024, 1, 3)


def test_times_that_only_some_symbols_have_are_all_on_the_timeline() -> None:
    market = aligned(
        [
            daily("AAA", ["2024-01-02"], [1.0]),
            daily("BBB", ["2024-01-01", "2024-01-03"], [1.0, 1.0]),
        ]
    )
    assert [market.session_date(place).day for place in range(3)] == [1, 2, 3]
    assert market.rows[0] is not None
    assert market.rows[0].tolist() == [-1, 0, -1]


def test_what_was_known_before_a_place_holds_earlier_bars_alone() -> None:
    full = daily("AAA", ["2024-01-02", "2024-01-03", "2024-01-04"], [1.0, 2.0, 3.0])
    gap = daily("BBB", ["2024-01-02", "2024-01-04"], [5.0, 6.0])
    before = aligned([full, gap]).until(2)
    assert before.columns[0].close.tolist() == [1.0, 2.0]
    assert before.columns[1].close.tolist() == [5.0]
    assert len(before) == 2


def test_a_symbol_twice_or_another_timeframe_is_refused() -> None:
    one = daily("AAA", ["2024-01-02"], [1.0])
    with pytest.raises(InputError, match="each once"):
        aligned([one, one])
    weekly = bar_columns("BBB", one.starts, [[1.0]], timeframe=parse_timeframe("1Week"))
    with pytest.raises(InputError, match="one timeframe"):
        aligned([one, weekly])
