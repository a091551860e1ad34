"""Signals of whole histories, worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from trading_assets.engine.price_panel import price_panel
from trading_assets.engine.vectorised_signals import sma_cross_signals
from trading_assets.errors import ConfigurationError

NAN = float("nan")
BUY, SELL = 1, 2


def crossings(closes: list[float], fast: int, slow: int) -> list[int]:
    days = np.arange(len(closes)) * np.timedelta64(1, "D") + np.datetime64("2024-01-01")
    signals = sma_cross_signals(price_panel(["A"], days, closes), fast, slow)
    return [int(bits) for bits in signals[:, 0]]


def test_the_first_average_above_enters_and_the_first_below_exits() -> None:
    """Averages of two: -, 3, 4.5, 5, 3, 2, 4 against closes 2, 4, 5, 5, 1, 3, 5."""
    assert crossings([2, 4, 5, 5, 1, 3, 5], 1, 2) == [0, BUY, 0, 0, SELL, BUY, 0]


def test_equal_averages_change_nothing() -> None:
    assert crossings([5, 5, 5, 6, 6, 6, 5], 1, 2) == [0, 0, 0, BUY, 0, 0, SELL]


def test_a_missing_bar_is_passed_over() -> None:
    """2, 4, 1 as if they were consecutive: averages -, 3, 2.5."""
    assert crossings([2, NAN, 4, NAN, 1], 1, 2) == [0, 0, BUY, 0, SELL]


def test_symbols_do_not_see_each_other() -> None:
    days = np.array(["2024-01-01", "2024-01-02", "2024-01-03"], dtype="M8[D]")
    panel = price_panel(["A", "B"], days, [[1, 3], [2, 2], [1, 3]])
    assert sma_cross_signals(panel, 1, 2).tolist() == [[0, 0], [BUY, 0], [SELL, BUY]]


def test_fewer_bars_than_the_slow_average_needs_give_no_signal() -> None:
    assert crossings([1, 2, 3], 2, 4) == [0, 0, 0]


@pytest.mark.parametrize(("fast", "slow"), [(0, 2), (2, 2), (3, 2)])
def test_periods_that_do_not_cross_are_refused(fast: int, slow: int) -> None:
    with pytest.raises(ConfigurationError, match=f"fast {fast} and slow {slow}"):
        crossings([1, 2], fast, slow)
