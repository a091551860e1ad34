"""Bar by bar equals the whole series, on random and on real bars."""

from __future__ import annotations

import math
import timeit
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.csv
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets_tests.golden.reference_market import PLACE_VARIABLE, place
from trading_assets.errors import IndicatorError
from trading_assets.indicators.incremental import IncrementalIndicator
from trading_assets.indicators.indicator import (
    FloatArray,
    Indicator,
    indicator,
    indicator_names,
)

ROOT = Path(__file__).parent.parent.parent
USUAL = [
    indicator("sma", period=20),
    indicator("ema", period=20),
    indicator("macd"),
    indicator("rsi", period=14),
    indicator("bollinger", period=20),
    indicator("atr", period=14),
    indicator("adx", period=14),
    indicator("stoch"),
    indicator("obv"),
    indicator("kama", period=10),
]


def random_bars(seed: int, count: int) -> dict[str, FloatArray]:
    rng = np.random.default_rng(seed)
    close = 50 * np.exp(np.cumsum(rng.normal(0, 0.02, count)))
    opened = close * np.exp(rng.normal(0, 0.01, count))
    top, bottom = np.maximum(opened, close), np.minimum(opened, close)
    return {
        "open": opened,
        "high": top * (1 + np.abs(rng.normal(0, 0.01, count))),
        "low": bottom * (1 - np.abs(rng.normal(0, 0.01, count))),
        "close": close,
        "volume": np.round(rng.uniform(1e3, 1e7, count)),
    }


def by_bar(asked: Indicator, bars: dict[str, FloatArray]) -> list[FloatArray]:
    running = IncrementalIndicator(asked)
    rows = zip(*(bars[name].tolist() for name in asked.inputs), strict=True)
    found = [running.update(*row) for row in rows]
    return [np.array(column) for column in zip(*found, strict=True)]


def assert_equal(asked: Indicator, bars: dict[str, FloatArray]) -> None:
    for whole, running in zip(asked.values(bars), by_bar(asked, bars), strict=True):
        np.testing.assert_allclose(running, whole, rtol=1e-9, atol=1e-9, err_msg=asked.name)


@pytest.mark.parametrize("name", indicator_names())
def test_every_indicator_by_bar_equals_its_series_and_so_never_looks_ahead(name: str) -> None:
    assert_equal(indicator(name), random_bars(11, 300))


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(1, 150),
    asked=st.sampled_from(USUAL),
    missing=st.sets(st.integers(0, 149), max_size=20),
)
def test_random_bars_with_gaps(seed: int, count: int, asked: Indicator, missing: set[int]) -> None:
    bars = random_bars(seed, count)
    for gap in missing:
        if gap < count:
            bars[asked.inputs[0]][gap] = math.nan
    assert_equal(asked, bars)


@settings(max_examples=60, deadline=None)
@given(
    prices=st.lists(st.floats(0.01, 1e4, allow_subnormal=False), min_size=1, max_size=80),
    period=st.integers(2, 30),
    name=st.sampled_from(["sma", "ema", "rsi", "bollinger", "wma", "mom"]),
)
def test_any_prices_and_periods(prices: list[float], period: int, name: str) -> None:
    assert_equal(indicator(name, period=period), {"close": np.array(prices)})


@pytest.mark.parametrize("asked", [one for one in USUAL if one.inputs == ("close",)], ids=str)
def test_real_closes_over_three_decades(asked: Indicator) -> None:
    table = pyarrow.csv.read_csv(ROOT / "data" / "market" / "sp500_daily_closes.csv")
    close = table.filter(pc.equal(table["symbol"], "AAPL"))["close"].to_numpy()
    assert close.size > 500
    assert_equal(asked, {"close": close.astype(np.float64)})


@pytest.mark.parametrize("asked", USUAL, ids=str)
def test_real_bars_of_spy_since_1998(asked: Indicator) -> None:
    folder = place()
    if folder is None:
        pytest.skip(f"the reference market data is not where {PLACE_VARIABLE} says")
    table = pyarrow.csv.read_csv(folder / "market" / "daily_bars.csv.gz")
    table = table.filter(pc.equal(table["symbol"], "SPY"))
    names = ("open", "high", "low", "close", "volume")
    assert_equal(asked, {name: table[name].to_numpy().astype(np.float64) for name in names})


def test_the_value_is_unknown_until_the_warm_up_is_over() -> None:
    running = IncrementalIndicator(indicator("sma", period=3))
    assert math.isnan(running.value[0])
    assert math.isnan(running.update(1.0)[0])
    assert math.isnan(running.update(2.0)[0])
    assert running.update(6.0) == (3.0,)
    assert running.value == (3.0,)


def test_a_missing_bar_gives_nothing_and_changes_nothing() -> None:
    running = IncrementalIndicator(indicator("sma", period=2))
    running.update(1.0)
    assert running.update(3.0) == (2.0,)
    assert math.isnan(running.update(math.nan)[0])
    assert math.isnan(running.value[0])
    assert math.isnan(running.update(math.inf)[0])
    assert running.update(5.0) == (4.0,)


def test_catching_up_with_history_goes_on_as_if_it_had_been_fed() -> None:
    bars = random_bars(5, 100)
    first, second = (IncrementalIndicator(indicator("macd")) for _ in range(2))
    first.catch_up(bars)
    for close in bars["close"].tolist():
        second.update(close)
    assert first.value == second.value
    assert first.update(60.0) == second.update(60.0)


def test_a_bar_of_the_wrong_shape_is_refused() -> None:
    with pytest.raises(IndicatorError, match="atr takes high, low, close of each bar, given 1"):
        IncrementalIndicator(indicator("atr")).update(1.0)


def test_the_cost_of_a_bar_does_not_grow_with_the_period() -> None:
    def seconds(period: int) -> float:
        running = IncrementalIndicator(indicator("sma", period=period))
        running.catch_up(random_bars(1, 5_001))
        return min(timeit.repeat(lambda: running.update(55.5), number=5_000, repeat=5))

    # A period 250 times as long would cost 250 times as much if it were summed anew.
    assert seconds(5_000) < 5 * seconds(20)
