"""Signals of whole histories, worked by hand."""

from __future__ import annotations

import numpy as np
import pytest
import talib

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


@pytest.mark.parametrize("step", [0.5, 1e-9])
def test_averages_cross_where_those_of_ta_lib_do(step: float) -> None:
    """Also where both averages are the same but for the rounding of their sums."""
    random = np.random.default_rng(11)
    closes = 100 + step * random.integers(-1, 2, 5000).cumsum()
    fast, slow = talib.SMA(closes, 3), talib.SMA(closes, 7)
    expected, above = [], False
    for quick, lasting in zip(fast.tolist(), slow.tolist(), strict=True):
        expected.append(BUY * (quick > lasting and not above) + SELL * (quick < lasting and above))
        above = quick > lasting or (above and not quick < lasting)
    assert crossings(closes.tolist(), 3, 7) == expected
    assert expected.count(BUY) > 100


def test_missing_bars_leave_the_averages_of_the_others() -> None:
    random = np.random.default_rng(12)
    closes = 100 + random.normal(0, 1, 400).cumsum()
    there = random.random(400) < 0.6
    gaps = np.where(there, closes, NAN).tolist()
    found = np.array(crossings(gaps, 3, 7))
    assert found[there].tolist() == crossings(closes[there].tolist(), 3, 7)
    assert not found[~there].any()


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
