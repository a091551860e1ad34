"""MACD: long while the difference of two exponential averages is above its own average
(Appel, "The Moving Average Convergence-Divergence Method", 1979)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trading_assets.engine.clock import Floats
from trading_assets.errors import ConfigurationError
from trading_assets.indicators.incremental import IncrementalIndicator
from trading_assets.indicators.indicator import indicator
from trading_assets.strategies.base import (
    Answer,
    Bar,
    Context,
    Strategy,
    close_long,
    close_short,
    open_long,
    open_short,
)


class Macd(Strategy):
    """`fast`, `slow` and `signal` are bars; with `short` it is short while not long."""

    def __init__(
        self, fast: int = 12, slow: int = 26, signal: int = 9, *, short: bool = False
    ) -> None:
        if not 0 < fast < slow or signal < 1:
            raise ConfigurationError(
                f"macd: fast {fast}, slow {slow}, signal {signal}: all are bars, fast is shorter "
                "than slow."
            )
        self.fast, self.slow, self.signal = int(fast), int(slow), int(signal)
        self.short = bool(short)
        self.side: dict[str, int] = {}
        self.warm_up_bars = self.slow + self.signal
        self._lines: dict[str, IncrementalIndicator] = {}

    def on_start(self, symbols: Sequence[str]) -> None:
        """Begin the lines of each symbol."""
        self._lines = {
            symbol: IncrementalIndicator(
                indicator(
                    "macd", fast_period=self.fast, slow_period=self.slow, signal_period=self.signal
                )
            )
            for symbol in symbols
        }

    def on_bar(self, bar: Bar, context: Context) -> Answer:
        """Change sides where the histogram has changed its sign."""
        symbol = bar.symbol
        histogram = self._lines[symbol].update(bar.close)[2]
        if not (histogram > 0 or histogram < 0):
            return None
        side = 1 if histogram > 0 else -1
        if self.side.get(symbol) == side:
            return None
        self.side[symbol] = side
        if side > 0:
            return (close_short(symbol), open_long(symbol, reason="MACD above its signal line"))
        closing = close_long(symbol, reason="MACD below its signal line")
        return (closing, open_short(symbol)) if self.short else (closing,)

    def state(self) -> dict[str, Any]:
        """Without the lines, which are computed again from the bars."""
        return {"side": dict(self.side)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up on which side each symbol was."""
        self.side = dict(state["side"])

    def catch_up(self, bars: Mapping[str, Mapping[str, Floats]]) -> None:
        """Compute the lines up to here."""
        for symbol, columns in bars.items():
            self._lines[symbol].catch_up(columns)
