"""Indicators by name: which there are, what they take, and their values over whole series.

TA-Lib computes all of them; nothing is computed here. This module gives its functions names and
parameters that read alike, refuses what TA-Lib would answer with a number code, and fixes what
happens at missing bars.

Names are TA-Lib's in lower case (`sma`, `atr`, `stoch`, …), and `bollinger` for `bbands`.
Parameters: `period` for timeperiod, `fast_period` for fastperiod and so on, `deviations_up` and
`deviations_down` for nbdevup and nbdevdn, `average` for matype, which takes the average's name.

Warm-up: the first `warm_up` values are NaN, unless `warm_up` is 0. Recursive averages (EMA, RSI,
ATR, …) begin with a plain average of their first period, so their early values depend on where the
series begins; two series that end alike agree in the end, not in the middle.

Missing bars: a bar with a value that is not finite (NaN, infinity) is passed over. Its own value is
NaN, and the next bar goes on from the one before it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import talib
from talib import abstract

from trading_assets.errors import IndicatorError

FloatArray = npt.NDArray[np.float64]
Parameter = int | float | str | Decimal

_ALIASES = {"bollinger": "BBANDS"}
_GROUPS_LEFT_OUT = ("Math Operators", "Math Transform")
_AVERAGES = {
    name.lower(): getattr(talib.MA_Type, name)
    for name in ("SMA", "EMA", "WMA", "DEMA", "TEMA", "TRIMA", "KAMA", "MAMA", "T3")
}
_PARAMETERS = {
    "timeperiod": "period",
    "nbdev": "deviations",
    "nbdevup": "deviations_up",
    "nbdevdn": "deviations_down",
    "matype": "average",
    "percentile": "percentile",
}
_OUTPUTS = {
    "MACD": ("macd", "signal", "histogram"),
    "MACDEXT": ("macd", "signal", "histogram"),
    "MACDFIX": ("macd", "signal", "histogram"),
    "BBANDS": ("upper", "middle", "lower"),
}


class Indicator(msgspec.Struct, frozen=True, kw_only=True):
    """One indicator with its parameters.

    `inputs` are the series of bars that it takes (open, high, low, close, volume), in the order of
    its arguments; `outputs` names its values. `arguments` are the parameters as TA-Lib calls them.
    """

    name: str
    function: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    arguments: dict[str, int | float]
    warm_up: int

    def values(self, bars: Mapping[str, FloatArray]) -> tuple[FloatArray, ...]:
        """The indicator over `bars`: one array for each output, each as long as the bars.

        `bars` maps series to arrays of one length, oldest first; see the top of this module for
        warm-up and missing bars. No bars give empty arrays. Raises as `series`.
        """
        series = self.series(bars)
        present = np.isfinite(series[0])
        for one in series[1:]:
            present &= np.isfinite(one)
        whole = bool(present.all())
        given = series if whole else [np.ascontiguousarray(one[present]) for one in series]
        found = [np.full(given[0].size, math.nan) for _ in self.outputs]
        if given[0].size > self.warm_up:
            computed = getattr(talib, self.function)(*given, **self.arguments)
            answers = computed if isinstance(computed, tuple | list) else (computed,)
            for place, answer in enumerate(answers):
                found[place] = np.asarray(answer, dtype=np.float64)
                # Whole numbers (a candlestick's sign) have no NaN for their warm-up.
                found[place][: self.warm_up] = math.nan
        if whole:
            return tuple(found)
        spread = tuple(np.full(present.size, math.nan) for _ in found)
        for target, answer in zip(spread, found, strict=True):
            target[present] = answer
        return spread

    def series(self, bars: Mapping[str, FloatArray]) -> list[FloatArray]:
        """The series of `bars` that the indicator takes, in the order of `inputs`.

        Raises IndicatorError where one is missing or lengths differ.
        """
        missing = [name for name in self.inputs if name not in bars]
        if missing:
            raise IndicatorError(
                f"{self.name} needs the series {', '.join(missing)}; "
                f"given: {', '.join(sorted(bars)) or 'none'}"
            )
        series = [np.ascontiguousarray(bars[name], dtype=np.float64) for name in self.inputs]
        lengths = {one.size for one in series}
        if len(lengths) > 1:
            raise IndicatorError(
                f"{self.name}: {', '.join(self.inputs)} have {sorted(lengths)} bars; "
                "give series of one length"
            )
        return series


def indicator(name: str, *, source: str = "close", **parameters: Parameter) -> Indicator:
    """The indicator called `name` with `parameters`; those left out are TA-Lib's defaults.

    `source` is the series that an indicator of one series is computed on. Raises IndicatorError
    where there is no such indicator, parameter or value; it says which there are.
    """
    function = _function(name)
    info = _described(function).info
    names = {_parameter(given): given for given in info["parameters"]}
    unknown = sorted(set(parameters) - set(names))
    if unknown:
        raise IndicatorError(
            f"{name} takes no {', '.join(unknown)}; it takes {', '.join(names) or 'no parameters'}"
        )
    arguments = dict(info["parameters"])
    for ours, value in parameters.items():
        arguments[names[ours]] = _argument(name, ours, value, arguments[names[ours]])
    warm_up = _described(function, **arguments).lookback
    if warm_up < 0:
        given = ", ".join(f"{ours} {parameters[ours]}" for ours in parameters)
        raise IndicatorError(
            f"{name}: {given} is out of range; periods are whole numbers from 1 or 2 to 100000"
        )
    return Indicator(
        name=name.lower(),
        function=function,
        inputs=_inputs(info["input_names"], source),
        outputs=_OUTPUTS.get(function, tuple(info["output_names"])),
        arguments=arguments,
        warm_up=warm_up,
    )


@cache
def indicator_names() -> tuple[str, ...]:
    """Every name that `indicator` knows, sorted."""
    names = {
        function.lower()
        for group, functions in talib.get_function_groups().items()
        if group not in _GROUPS_LEFT_OUT
        for function in functions
        if set(_described(function).info["input_names"]) <= {"price", "prices"}
    }
    return tuple(sorted(names | set(_ALIASES)))


def _described(function: str, **arguments: int | float) -> Any:
    """What TA-Lib says of a function; its stubs leave this out."""
    return abstract.Function(function, **arguments)  # type: ignore[attr-defined]


def _function(name: str) -> str:
    lower = name.lower()
    if lower not in indicator_names():
        near = [known for known in indicator_names() if known[:2] == lower[:2]]
        raise IndicatorError(
            f"no indicator is called {name!r}; near it: {', '.join(near) or 'none'}. "
            "indicator_names() lists all"
        )
    return _ALIASES.get(lower, lower.upper())


def _parameter(given: str) -> str:
    """TA-Lib's parameter name as ours: fastperiod is fast_period, fastmatype fast_average."""
    if given in _PARAMETERS:
        return _PARAMETERS[given]
    name = re.sub(r"^timeperiod(\d)$", r"period_\1", given)
    name = re.sub(r"(?<!_)period$", "_period", name)
    return re.sub(r"_?matype$", "_average", name)


def _argument(name: str, parameter: str, value: Parameter, default: int | float) -> int | float:
    if parameter.endswith("average"):
        if str(value).lower() not in _AVERAGES:
            raise IndicatorError(
                f"{name}: {parameter} {value!r} is no average; choose one of {', '.join(_AVERAGES)}"
            )
        return int(_AVERAGES[str(value).lower()])
    wanted = int if isinstance(default, int) else (int, float, Decimal)
    if isinstance(value, bool) or not isinstance(value, wanted):
        kind = "whole number" if isinstance(default, int) else "number"
        raise IndicatorError(f"{name}: {parameter} {value!r} is not a {kind}; give one")
    return int(value) if isinstance(default, int) else float(value)


def _inputs(names: Mapping[str, Any], source: str) -> tuple[str, ...]:
    """TA-Lib's inputs in the order of its arguments; `price` is one series of the caller's choice,
    unless others come with it (on-balance volume is of closes and volumes)."""
    found: list[str] = []
    for kind, series in names.items():
        if kind == "price":
            found.append(source if len(names) == 1 else series)
        else:
            found.extend(series)
    return tuple(found)
