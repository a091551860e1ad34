"""Compiled averages of a column, by the sums that TA-Lib's SMA has: one pass, and no columns."""

from __future__ import annotations

from trading_assets.engine.compilation import borrowing
from trading_assets.engine.vectorised_columns import ENTER_LONG, EXIT_LONG, Floats, Signals

# Far more than rounding can move two averages apart, far less than averages differ by.
_NEAR = 1e-12


@borrowing
def write_crossings(closes: Floats, fast: int, slow: int, signals: Signals) -> bool:
    """Write ENTER_LONG where the average of the latest `fast` of `closes` has come above that of
    `slow`, EXIT_LONG where it has fallen below, and leave the rest of `signals` (zeros) as it is.
    Equal averages change nothing. False where a close is NaN: then `signals` are of no use.

    Sums take in a close and give away the oldest in the order in which TA-Lib does, so averages are
    equal to its own to the last bit. Averages that are not near each other are compared by their
    sums: two divisions would take longer than all the rest.
    """
    if closes.size < slow:
        total = 0.0
        for place in range(closes.size):
            total += closes[place]
        return bool(total == total)
    quick = lasting = 0.0
    for place in range(slow - 1):
        lasting += closes[place]
    for place in range(fast - 1):
        quick += closes[place]
    for place in range(fast - 1, slow - 1):
        quick += closes[place]
        quick -= closes[place - fast + 1]
    coming, bits = closes[slow - 1 :], signals[slow - 1 :]
    oldest = closes[slow - fast :]
    above = False
    for place in range(coming.size):
        quick += coming[place]
        lasting += coming[place]
        scaled, other = quick * slow, lasting * fast
        apart = scaled - other
        if abs(apart) <= other * _NEAR:
            apart = quick / fast - lasting / slow
        quick -= oldest[place]
        lasting -= closes[place]
        rises = (apart > 0.0) & (not above)
        falls = (apart < 0.0) & above
        bits[place] = ENTER_LONG * rises + EXIT_LONG * falls
        above ^= rises | falls
    return bool(lasting == lasting)
