"""Buy and hold: each symbol is bought after its first bar and never sold."""

from __future__ import annotations

from trading_assets.strategies.base import Answer, Bar, Context, Strategy, open_long


class BuyAndHold(Strategy):
    """Opens a long position of each symbol once, of the backtest's size."""

    def __init__(self) -> None:
        self.bought: list[str] = []

    def on_bar(self, bar: Bar, context: Context) -> Answer:
        """Buy after the first bar that counts."""
        if context.is_warming_up or bar.symbol in self.bought:
            return None
        self.bought.append(bar.symbol)
        return (open_long(bar.symbol, reason="first bar"),)
