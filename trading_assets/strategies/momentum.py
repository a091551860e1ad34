"""Momentum over the cross-section: hold what has risen most, without its latest month
(Jegadeesh and Titman, "Returns to Buying Winners and Selling Losers", 1993)."""

from __future__ import annotations

import numpy as np

from trading_assets.engine.clock import Floats, Frequency
from trading_assets.errors import ConfigurationError
from trading_assets.strategies.base import Answer, Snapshot, Strategy, TargetWeights


class Momentum(Strategy):
    """Equal weights of the `top` symbols by growth from `lookback_bars` ago to `skip_bars` ago,
    asked at each `frequency`. With `absolute` only those that have risen. With `bottom` as many of
    the worst are sold short, and each side has half of the equity."""

    def __init__(
        self,
        lookback_bars: int = 252,
        skip_bars: int = 21,
        top: int = 5,
        bottom: int = 0,
        frequency: str = "month",
        *,
        absolute: bool = False,
    ) -> None:
        if not 0 <= skip_bars < lookback_bars or top < 1 or bottom < 0:
            raise ConfigurationError(
                f"momentum: lookback_bars {lookback_bars}, skip_bars {skip_bars}, top {top}, "
                f"bottom {bottom}: it looks back further than it skips, and holds at least one."
            )
        self.lookback_bars, self.skip_bars = int(lookback_bars), int(skip_bars)
        self.top, self.bottom, self.absolute = int(top), int(bottom), bool(absolute)
        self.frequency = Frequency(frequency)
        self.warm_up_bars = self.lookback_bars

    def generate_signals(self, snapshot: Snapshot) -> Answer:
        """Weights of all symbols; None while there are not enough bars."""
        closes = snapshot.history(self.lookback_bars + 1)
        if len(closes) <= self.lookback_bars:
            return None
        growth = closes[-1 - self.skip_bars] / closes[0] - 1
        return TargetWeights(ranked_weights(growth, self.top, self.bottom, self.absolute))


def ranked_weights(scores: Floats, top: int, bottom: int, positive: bool) -> Floats:
    """Equal weights of the `top` highest and, short, the `bottom` lowest scores; 0 for the others
    and for NaN. Ties go to the earlier symbol. `positive` leaves out scores that are not above 0
    among the top (their share stays cash), and not below among the bottom."""
    weights = np.zeros(len(scores))
    known = np.flatnonzero(~np.isnan(scores))
    order = known[np.argsort(-scores[known], kind="stable")]
    best = order[:top]
    worst = order[len(best) :][-bottom:] if bottom else order[:0]
    side = 0.5 if bottom else 1.0
    weights[best] = side / top
    if bottom:
        weights[worst] = -side / bottom
    if positive:
        weights[best[scores[best] <= 0]] = 0.0
        weights[worst[scores[worst] >= 0]] = 0.0
    return weights
