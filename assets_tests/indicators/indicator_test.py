"""Indicators by name: values by hand, warm-up, missing bars, mistakes."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from trading_assets.errors import IndicatorError
from trading_assets.indicators.indicator import indicator, indicator_names

nan = math.nan


def closes(*values: float) -> dict[str, Any]:
    return {"close": np.array(values, dtype=np.float64)}


def test_simple_average_of_three_by_hand() -> None:
    (found,) = indicator("sma", period=3).values(closes(1, 2, 6, 4, 2))
    assert found == pytest.approx([nan, nan, 3, 4, 4], nan_ok=True)


def test_exponential_average_begins_with_a_plain_one() -> None:
    # 2 / (3 + 1) = 0.5: (1 + 2 + 6) / 3 = 3, then (3 + 4) / 2, (3.5 + 2) / 2.
    (found,) = indicator("ema", period=3).values(closes(1, 2, 6, 4, 2))
    assert found == pytest.approx([nan, nan, 3, 3.5, 2.75], nan_ok=True)


def test_bollinger_bands_are_two_population_deviations_wide() -> None:
    # Of 2, 4, 6: mean 4, variance (4 + 0 + 4) / 3.
    width = 2 * math.sqrt(8 / 3)
    asked = indicator("bollinger", period=3)
    assert asked.outputs == ("upper", "middle", "lower")
    assert [one[2] for one in asked.values(closes(2, 4, 6))] == pytest.approx(
        [4 + width, 4, 4 - width]
    )


def test_average_true_range_takes_the_gap_from_the_close_before() -> None:
    bars = {
        "high": np.array([11.0, 15.0, 14.0]),
        "low": np.array([9.0, 13.0, 12.0]),
        "close": np.array([10.0, 14.0, 13.0]),
    }
    # True ranges 15 - 10 = 5 and 14 - 12 = 2; their average 3.5.
    (found,) = indicator("atr", period=2).values(bars)
    assert found == pytest.approx([nan, nan, 3.5], nan_ok=True)


def test_relative_strength_of_a_rise_is_a_hundred() -> None:
    (found,) = indicator("rsi", period=2).values(closes(1, 2, 3, 2))
    # Averages of gain and loss: 1 and 0; then (1 + 0) / 2 and (0 + 1) / 2.
    assert found == pytest.approx([nan, nan, 100, 50], nan_ok=True)


def test_an_indicator_of_another_series() -> None:
    bars = {"volume": np.array([10.0, 20.0, 60.0])}
    (found,) = indicator("sma", period=3, source="volume").values(bars)
    assert found[2] == 30


def test_fewer_bars_than_the_warm_up_give_only_nan() -> None:
    asked = indicator("sma", period=3)
    assert asked.warm_up == 2
    assert np.isnan(asked.values(closes(1, 2))[0]).all()
    assert asked.values(closes())[0].size == 0


def test_a_missing_bar_is_passed_over() -> None:
    (found,) = indicator("sma", period=2).values(closes(nan, 1, 3, nan, 5, math.inf, 7))
    assert found == pytest.approx([nan, nan, 2, nan, 4, nan, 6], nan_ok=True)


def test_a_bar_is_missing_where_any_of_its_values_is() -> None:
    bars = {
        "high": np.array([11.0, 15.0, nan, 14.0]),
        "low": np.array([9.0, 13.0, 1.0, 12.0]),
        "close": np.array([10.0, 14.0, 9.0, 13.0]),
    }
    (found,) = indicator("atr", period=2).values(bars)
    assert found == pytest.approx([nan, nan, nan, 3.5], nan_ok=True)


def test_a_candlestick_pattern_is_unknown_in_its_warm_up_and_zero_where_there_is_none() -> None:
    asked = indicator("cdldoji")
    flat = np.full(30, 10.0)
    (found,) = asked.values({"open": flat, "high": flat + 1, "low": flat - 1, "close": flat + 0.9})
    assert np.isnan(found[: asked.warm_up]).all()
    assert (found[asked.warm_up :] == 0).all()


def test_parameters_are_ours_and_defaults_talibs() -> None:
    assert indicator("macd").arguments == {"fastperiod": 12, "slowperiod": 26, "signalperiod": 9}
    assert indicator("macd", slow_period=30).arguments["slowperiod"] == 30
    assert indicator("MACD", signal_period=5).name == "macd"
    assert indicator("bollinger", deviations_up=Decimal("1.5")).arguments["nbdevup"] == 1.5
    assert indicator("ma", period=5, average="ema").arguments == {"timeperiod": 5, "matype": 1}
    assert indicator("ultosc", period_3=40).arguments["timeperiod3"] == 40
    assert indicator("stoch", fastk_period=9).arguments["fastk_period"] == 9


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("smaa", {"period": 5}, "no indicator is called 'smaa'; near it: .*sma"),
        ("add", {}, "no indicator is called 'add'"),
        ("sma", {"length": 5}, "sma takes no length; it takes period"),
        ("obv", {"period": 5}, "obv takes no period; it takes no parameters"),
        ("sma", {"period": 0}, "sma: period 0 is out of range"),
        ("sma", {"period": -3}, "period -3 is out of range"),
        ("rsi", {"period": 1}, "rsi: period 1 is out of range"),
        ("sma", {"period": 2.5}, "sma: period 2.5 is not a whole number"),
        ("sma", {"period": True}, "period True is not a whole number"),
        ("sma", {"period": "20"}, "period '20' is not a whole number"),
        ("bollinger", {"deviations_up": "wide"}, "deviations_up 'wide' is not a number"),
        ("ma", {"average": "median"}, "average 'median' is no average; choose one of sma"),
    ],
)
def test_a_mistake_is_explained(name: str, parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(IndicatorError, match=message):
        indicator(name, **parameters)


def test_series_that_are_missing_or_uneven_are_refused() -> None:
    asked = indicator("atr")
    with pytest.raises(IndicatorError, match="atr needs the series high, low; given: close"):
        asked.values(closes(1, 2))
    with pytest.raises(IndicatorError, match=r"have \[1, 2\] bars"):
        asked.values(closes(1, 2) | {"high": np.array([1.0]), "low": np.array([1.0, 2.0])})


def test_the_indicators_of_the_field_are_there() -> None:
    wanted = {"sma", "ema", "macd", "rsi", "bollinger", "atr", "adx", "stoch", "obv", "sar", "vwma"}
    assert wanted <= set(indicator_names())
    assert len(indicator_names()) > 150
