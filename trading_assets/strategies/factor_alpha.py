"""Factor alpha: hold what scores best by several factors together.

Each factor is turned into z-scores over the cross-section (its mean taken off, divided by its
standard deviation, cut at three of them), and the alpha of a symbol is the weighted sum. Factors of
price, all from closes as the strategy sees them:

    momentum         growth from a year ago to a month ago (252 and 21 bars)
    reversal         minus the growth of the last month
    low_volatility   minus the standard deviation of a year's daily growth
    trend            close over its mean of 200 bars, less 1
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping

import numpy as np

from trading_assets.engine.clock import Floats, Frequency
from trading_assets.errors import ConfigurationError
from trading_assets.strategies.base import Answer, Snapshot, Strategy, TargetWeights
from trading_assets.strategies.momentum import ranked_weights

_YEAR, _MONTH, _TREND = 252, 21, 200
_CUT = 3.0


def _momentum(closes: Floats) -> Floats:
    growth: Floats = closes[-1 - _MONTH] / closes[0] - 1
    return growth


def _reversal(closes: Floats) -> Floats:
    growth: Floats = 1 - closes[-1] / closes[-1 - _MONTH]
    return growth


def _low_volatility(closes: Floats) -> Floats:
    deviation: Floats = -np.std(closes[1:] / closes[:-1] - 1, axis=0, ddof=1)
    return deviation


def _trend(closes: Floats) -> Floats:
    distance: Floats = closes[-1] / closes[-_TREND:].mean(axis=0) - 1
    return distance


FACTORS: dict[str, Callable[[Floats], Floats]] = {
    "momentum": _momentum,
    "reversal": _reversal,
    "low_volatility": _low_volatility,
    "trend": _trend,
}


class FactorAlpha(Strategy):
    """Equal weights of the `top` alphas (short the `bottom` lowest), asked at each `frequency`.
    `weights` maps factors to their weight in the alpha; negative turns one around."""

    def __init__(
        self,
        weights: Mapping[str, float] | None = None,
        top: int = 5,
        bottom: int = 0,
        frequency: str = "month",
    ) -> None:
        given = {"momentum": 1.0, "low_volatility": 1.0} if weights is None else weights
        unknown = sorted(given.keys() - FACTORS.keys())
        if unknown or not given or top < 1 or bottom < 0:
            raise ConfigurationError(
                f"factor_alpha: factors {', '.join(given) or 'none'}, top {top}, bottom {bottom}. "
                f"There are: {', '.join(FACTORS)}; at least one symbol is held."
            )
        self.weights = {name: float(weight) for name, weight in given.items()}
        self.top, self.bottom = int(top), int(bottom)
        self.frequency = Frequency(frequency)
        self.warm_up_bars = _YEAR

    def generate_signals(self, snapshot: Snapshot) -> Answer:
        """Weights of all symbols; None while there is less than a year of bars."""
        closes = snapshot.history(_YEAR + 1)
        if len(closes) <= _YEAR:
            return None
        alpha = np.zeros(closes.shape[1])
        for name, weight in self.weights.items():
            alpha = alpha + weight * z_scores(FACTORS[name](closes))
        return TargetWeights(ranked_weights(alpha, self.top, self.bottom, False))


def z_scores(values: Floats) -> Floats:
    """Distances from the mean in standard deviations (n - 1), cut at 3; NaN stays NaN, and all are
    0 where they are equal or fewer than two."""
    with warnings.catch_warnings():
        # All NaN: there is nothing to compare.
        warnings.simplefilter("ignore", RuntimeWarning)
        spread = float(np.nanstd(values, ddof=1)) if np.isfinite(values).sum() > 1 else 0.0
        centred = values - np.nanmean(values)
    if not spread > 0:
        return np.where(np.isnan(values), np.nan, 0.0)
    return np.clip(centred / spread, -_CUT, _CUT)
