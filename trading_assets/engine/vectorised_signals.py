"""Signals of whole histories, as bits for `backtest_signals`: the array face of built-in rules."""

from __future__ import annotations

import numpy as np
import talib

from trading_assets.engine.compilation import borrowing
from trading_assets.engine.price_panel import PricePanel
from trading_assets.engine.vectorised_columns import ENTER_LONG, EXIT_LONG, Floats, Signals
from trading_assets.errors import ConfigurationError
from trading_assets.indicators.indicator import indicator


def sma_cross_signals(panel: PricePanel, fast: int, slow: int) -> Signals:
    """Enter long where the simple average of `fast` closes has come above that of `slow`, exit
    where it has fallen below: what the strategy `sma_cross` says bar by bar.

    Bits of shape (places, symbols). A missing bar is passed over. ConfigurationError unless
    0 < `fast` < `slow` (bars).
    """
    if not 0 < fast < slow:
        raise ConfigurationError(
            f"sma_cross: fast {fast} and slow {slow}: both are bars, fast is the shorter one."
        )
    signals: Signals = np.zeros(panel.closes.shape, dtype=np.uint8)
    for symbol, closes in enumerate(panel.closes.T):
        column = np.ascontiguousarray(closes)
        quick, lasting = (_averages(column, period) for period in (fast, slow))
        _write_crossings(quick, lasting, signals[:, symbol])
    return signals


def _averages(closes: Floats, period: int) -> Floats:
    """Simple average of the latest `period` closes; NaN before there are so many, and where one is
    missing, which is passed over."""
    if period == 1:
        return closes
    # A sum is NaN where a bar is missing, and quicker than asking for each.
    if np.isfinite(closes.sum()) and len(closes) >= period:
        averages: Floats = talib.SMA(closes, period)
        return averages
    return indicator("sma", period=period).values({"close": closes})[0]


@borrowing
def _write_crossings(fast: Floats, slow: Floats, signals: Signals) -> None:
    """Enter where `fast` has come above `slow`, exit where it has fallen below; equal values and
    NaN change nothing."""
    above = False
    for place in range(fast.size):
        rises = (fast[place] > slow[place]) & (not above)
        falls = (fast[place] < slow[place]) & above
        signals[place] = ENTER_LONG * rises + EXIT_LONG * falls
        above ^= rises | falls
