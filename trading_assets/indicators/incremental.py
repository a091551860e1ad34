"""Indicators bar by bar, at a cost for each bar that does not grow with their period.

TA-Lib's streaming functions carry the state; what they answer is bit for bit what the function over
the whole series answers for the same bar, which also proves that none looks ahead. They open on a
history, so bars are kept until there are enough, and not a bar longer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import talib
from talib import stream

from trading_assets.errors import IndicatorError
from trading_assets.indicators.indicator import FloatArray, Indicator


class IncrementalIndicator:
    """One indicator of one symbol, fed bar by bar.

    `value` is the last bar's: a number for each output (NaN in the warm-up and at missing bars).
    A handle cannot be saved: to go on from a checkpoint, make a new one and `catch_up`.
    """

    __slots__ = (
        "_arguments",
        "_history",
        "_missing",
        "_open",
        "_single",
        "_update",
        "indicator",
        "value",
    )

    def __init__(self, indicator: Indicator) -> None:
        self.indicator = indicator
        self._arguments = indicator.arguments
        self._open = getattr(stream, indicator.function)
        self._single = len(indicator.outputs) == 1
        self._missing = (math.nan,) * len(indicator.outputs)
        self._history: list[tuple[float, ...]] = []
        self._update: Any = None
        self.value: tuple[float, ...] = self._missing

    def update(self, *bar: float) -> tuple[float, ...]:
        """The values at the next bar, given as `indicator.inputs` in their order.

        A bar with a value that is not finite gives NaN and changes nothing else.
        """
        for number in bar:
            # The difference is 0 for what is finite and NaN for the rest.
            if number - number != 0:
                self.value = self._missing
                return self._missing
        if self._update is None:
            self.value = value = self._warm(bar)
            return value
        found = self._update(*bar)
        self.value = value = (found,) if self._single else found
        return value

    def catch_up(self, bars: Mapping[str, FloatArray]) -> tuple[float, ...]:
        """Feed the bars of `indicator.inputs` (see `Indicator.values`) at once; the last's values,
        NaN where there are none."""
        series = [one.tolist() for one in self.indicator.series(bars)]
        for bar in zip(*series, strict=True):
            self.update(*bar)
        return self.value

    def _warm(self, bar: tuple[float, ...]) -> tuple[float, ...]:
        if len(bar) != len(self.indicator.inputs):
            raise IndicatorError(
                f"{self.indicator.name} takes {', '.join(self.indicator.inputs)} of each bar, "
                f"given {len(bar)} value(s)"
            )
        self._history.append(bar)
        if len(self._history) <= self.indicator.warm_up:
            return self._missing
        columns = [
            np.array(column, dtype=np.float64) for column in zip(*self._history, strict=True)
        ]
        try:
            handle = self._open(*columns, **self._arguments)
        except talib.InsufficientHistory:
            return self._missing
        self._update = handle.update
        self._history.clear()
        found = handle.value
        return (found,) if self._single else tuple(found)
