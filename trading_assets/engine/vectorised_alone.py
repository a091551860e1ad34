"""What the compiled loops do for a symbol that is alone: from one signal to the next nothing but
its close changes, so that equity is one loop over a column."""

from __future__ import annotations

from typing import Any

from trading_assets.engine.compilation import borrowing, inlined
from trading_assets.engine.vectorised_columns import Floats, Signals
from trading_assets.engine.vectorised_rounding import half_even


@inlined
def next_signal(signals: Signals, place: int) -> int:
    """First place from `place` on at which the only symbol has a signal; the number of places for
    none."""
    coming = signals[place:]
    for later in range(coming.size):
        if coming[later]:
            return place + later
    return int(signals.size)


@borrowing
def hold(
    close: Floats, cash: Floats, equity: Floats, money: float, shares: float, mark: float, unit: Any
) -> float:
    """Write cash and equity (currency units) of places at which nothing changes but the `close` of
    the only symbol, of which `shares` are held beside `money` (units, of which a currency unit has
    `unit`). `mark` is its close before; returns that after. Loops over whole columns: an index that
    could be negative keeps a loop from being one of vectors."""
    missing = 0
    for place in range(close.size):
        cash[place] = money / unit
        equity[place] = (money + half_even(shares * close[place] * unit)) / unit
        missing += equity[place] != equity[place]
    if not missing:
        return float(close[close.size - 1])
    for place in range(close.size):
        mark = close[place] if close[place] == close[place] else mark
        value = half_even(shares * mark * unit) if shares != 0.0 else 0.0
        equity[place] = (money + value) / unit
    return mark
