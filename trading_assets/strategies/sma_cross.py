"""Crossing averages: long while the fast simple moving average is above the slow one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trading_assets.engine.clock import Floats
from trading_assets.errors import ConfigurationError
from trading_assets.indicators.incremental import IncrementalIndicator
from trading_assets.indicators.indicator import indicator
from trading_assets.strategies.base import Answer, Bar, Context, Strategy, close_long, open_long


class SmaCross(Strategy):
    """`fast` and `slow` are bars. A stop-loss and a take-profit, where given, are fractions of the
    close that was decided on (0.05 is 5 % below or above)."""

    def __init__(
        self,
        fast: int = 20,
        slow: int = 50,
        stop_loss: float | None = None,
        take_profit: float | None = None,
    ) -> None:
        if not 0 < fast < slow:
            raise ConfigurationError(
                f"sma_cross: fast {fast} and slow {slow}: both are bars, fast is the shorter one."
            )
        self.fast, self.slow = int(fast), int(slow)
        self.stop_loss = None if stop_loss is None else float(stop_loss)
        self.take_profit = None if take_profit is None else float(take_profit)
        self.above: dict[str, bool] = {}
        self.warm_up_bars = self.slow
        self._averages: dict[str, tuple[IncrementalIndicator, IncrementalIndicator]] = {}

    def on_start(self, symbols: Sequence[str]) -> None:
        """Begin both averages of each symbol."""
        self._averages = {
            symbol: (
                IncrementalIndicator(indicator("sma", period=self.fast)),
                IncrementalIndicator(indicator("sma", period=self.slow)),
            )
            for symbol in symbols
        }

    def on_bar(self, bar: Bar, context: Context) -> Answer:
        """Buy where the fast average has come above the slow one, sell where it has fallen below;
        equal averages change nothing."""
        fast, slow = self._averages[bar.symbol]
        (quick,), (lasting,) = fast.update(bar.close), slow.update(bar.close)
        # NaN in the warm-up compares as False.
        if quick > lasting:
            if not self.above.get(bar.symbol, False):
                self.above[bar.symbol] = True
                return (self._opening(bar),)
        elif quick < lasting and self.above.get(bar.symbol, True):
            self.above[bar.symbol] = False
            return (close_long(bar.symbol, reason="fast average below slow"),)
        return None

    def _opening(self, bar: Bar) -> Any:
        stop, profit = self.stop_loss, self.take_profit
        return open_long(
            bar.symbol,
            price=bar.close,
            stop_loss_price=None if stop is None else bar.close * (1 - stop),
            take_profit_price=None if profit is None else bar.close * (1 + profit),
            reason="fast average above slow",
        )

    def state(self) -> dict[str, Any]:
        """Without the averages, which are computed again from the bars."""
        return {"above": dict(self.above)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up on which side each symbol was."""
        self.above = dict(state["above"])

    def catch_up(self, bars: Mapping[str, Mapping[str, Floats]]) -> None:
        """Compute the averages up to here."""
        for symbol, columns in bars.items():
            for average in self._averages[symbol]:
                average.catch_up(columns)
