"""Signals of whole histories, as bits for `backtest_signals`: the array face of built-in rules."""

from __future__ import annotations

import numpy as np

from trading_assets.engine.price_panel import PricePanel
from trading_assets.engine.vectorised_columns import Signals, read_only
from trading_assets.errors import ConfigurationError


def sma_cross_signals(panel: PricePanel, fast: int, slow: int) -> Signals:
    """Enter long where the simple average of `fast` closes has come above that of `slow`, exit
    where it has fallen below: what the strategy `sma_cross` says bar by bar.

    Bits of shape (places, symbols). A missing bar is passed over. ConfigurationError unless
    0 < `fast` < `slow` (bars).
    """
    from trading_assets.engine.vectorised_averages import write_crossings

    if not 0 < fast < slow:
        raise ConfigurationError(
            f"sma_cross: fast {fast} and slow {slow}: both are bars, fast is the shorter one."
        )
    signals: Signals = np.empty(panel.closes.shape, dtype=np.uint8)
    for symbol in range(len(panel.symbols)):
        closes = read_only(panel.closes[:, symbol])
        bits: Signals = np.zeros(len(closes), dtype=np.uint8)
        if not write_crossings(closes, fast, slow, bits):
            there = ~np.isnan(closes)
            found: Signals = np.zeros(np.count_nonzero(there), dtype=np.uint8)
            write_crossings(read_only(closes[there]), fast, slow, found)
            bits[:] = 0
            bits[there] = found
        signals[:, symbol] = bits
    return signals
