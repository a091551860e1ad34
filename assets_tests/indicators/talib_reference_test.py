"""TA-Lib's published values on its own reference bars: the tables of its regression tests
(`src/tools/ta_regtest/ta_test_func/`: test_ma.c, test_rsi.c, test_macd.c, test_bbands.c,
test_trange.c, test_per_hlc.c). A row's index counts from the first value after the warm-up."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from trading_assets.indicators.incremental import IncrementalIndicator
from trading_assets.indicators.indicator import FloatArray, Indicator, indicator

BARS_FILE = Path(__file__).with_name("talib_reference_bars.csv")

# Indicator, warm-up, and of some places after it the published value of each output.
PUBLISHED: list[tuple[Indicator, int, dict[int, tuple[float, ...]]]] = [
    (
        indicator("sma", period=2),
        1,
        {0: (93.15,), 1: (94.59,), 2: (94.73,), 250: (108.31,)},
    ),
    (
        indicator("sma", period=30),
        29,
        {0: (90.42,), 1: (90.21,), 2: (89.96,), 29: (87.12,), 221: (107.95,), 222: (108.42,)},
    ),
    (
        indicator("wma", period=30),
        29,
        {0: (88.567,), 1: (88.233,), 2: (88.034,), 29: (87.191,), 222: (109.3466,)},
    ),
    (indicator("ema", period=2), 1, {0: (93.15,), 1: (93.96,), 250: (108.21,)}),
    (indicator("ema", period=10), 9, {0: (93.22,), 1: (93.75,), 20: (86.46,), 242: (108.97,)}),
    (indicator("rsi", period=14), 14, {0: (49.14,), 1: (52.32,), 2: (46.07,), 237: (49.63,)}),
    (indicator("cmo", period=14), 14, {0: (-1.70,)}),
    (indicator("macd"), 33, {0: (-1.9738, -2.7071, -1.9738 + 2.7071)}),
    (indicator("bollinger", period=20), 19, {0: (98.0734, 92.8910, 87.7086)}),
    (indicator("trange"), 1, {0: (3.535,), 12: (9.685,), 40: (5.125,), 250: (2.88,)}),
    (
        indicator("atr", period=14),
        14,
        {0: (3.578,), 1: (3.4876,), 2: (3.55,), 12: (3.245,), 14: (3.413,), 237: (3.26,)},
    ),
    (indicator("natr", period=14), 14, {0: (3.9321,), 1: (3.7576,), 237: (3.0229,)}),
    (indicator("ultosc"), 28, {0: (47.1713,), 1: (46.2802,), 223: (40.0854,)}),
    (indicator("willr", period=14), 13, {0: (-90.1943,), 1: (-66.9903,), 112: (0.0,)}),
    (
        indicator("cci", period=11),
        10,
        {0: (87.927,), 1: (180.005,), 2: (143.519,), 24: (113.478,), 241: (-169.655,)},
    ),
]


@pytest.fixture(scope="module")
def bars() -> dict[str, FloatArray]:
    columns = np.loadtxt(BARS_FILE, delimiter=",", skiprows=1).T
    return dict(zip(("high", "low", "close"), columns, strict=True))


@pytest.mark.parametrize(("asked", "warm_up", "published"), PUBLISHED, ids=lambda p: str(p)[:40])
def test_values_are_those_that_talib_publishes(
    bars: dict[str, FloatArray],
    asked: Indicator,
    warm_up: int,
    published: dict[int, tuple[float, ...]],
) -> None:
    assert asked.warm_up == warm_up
    found = asked.values(bars)
    rows = list(zip(*(bars[name].tolist() for name in asked.inputs), strict=True))
    running = IncrementalIndicator(asked)
    by_bar = [running.update(*row) for row in rows]
    for place, values in published.items():
        at = warm_up + place
        # TA-Lib's own tests compare to a hundredth, as it prints no more of most values.
        assert [series[at] for series in found] == pytest.approx(values, abs=0.01)
        assert by_bar[at] == pytest.approx(values, abs=0.01)
    assert all(np.isnan(series[:warm_up]).all() for series in found)
    assert all(np.isfinite(series[warm_up:]).all() for series in found)
