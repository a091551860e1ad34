"""Stops of one position: where they stand at entry, and where one that follows the price does.

They are orders: whether a bar reaches them, and what they trade at, is the exchange's to say
(`engine/matching.py` in a backtest). Within a bar nobody knows whether its high or its low came
first. So a bar is judged by the stop as it stood before the bar, and only then does a trailing stop
follow the bar's best price. The other order would let it profit from a high after the low.

Prices are positive money per share, in whole or fractional cents as they come; ticks are the
broker's.
"""

from __future__ import annotations

import math
from decimal import Decimal

import msgspec

from trading_assets.model.money import ONE
from trading_assets.model.order import Side
from trading_assets.risk.policies import AtrStop, FixedStop, StopPolicy, TrailingStop
from trading_assets.risk.sizing import SizingCode, SizingRefusal, exact


class Stops(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The stops of one position; None where there is none.

    `trail` is the fraction that the stop-loss keeps from the best price since entry (highest of a
    long, lowest of a short), None where it does not follow.
    """

    stop_loss: Decimal | None
    take_profit: Decimal | None
    trail: Decimal | None


def stops_at_entry(
    policy: StopPolicy, side: Side, entry_price: Decimal, average_true_range: float | None = None
) -> Stops | SizingRefusal:
    """The stops of a position entered by `side` at `entry_price`.

    Refused where an ATR stop has no range to be measured by, or lies at or below 0.
    """
    sign = side.sign
    rule = policy.stop_loss
    stop_loss: Decimal | None = None
    if isinstance(rule, FixedStop | TrailingStop):
        stop_loss = entry_price * (ONE - sign * rule.distance)
    elif isinstance(rule, AtrStop):
        if average_true_range is None or not math.isfinite(average_true_range):
            return SizingRefusal(
                SizingCode.RANGE_UNKNOWN,
                f"no average true range yet; it takes {rule.period + 1} bars of the symbol",
            )
        if average_true_range <= 0:
            return SizingRefusal(
                SizingCode.RANGE_ZERO,
                f"average true range is {average_true_range}: a stop at the entry price would "
                "close the position at once",
            )
        stop_loss = entry_price - sign * rule.multiple * exact(average_true_range)
        if stop_loss <= 0:
            return SizingRefusal(
                SizingCode.STOP_UNKNOWN,
                f"{rule.multiple} ranges of {average_true_range} are more than the price "
                f"{entry_price}; lower stops.stop_loss.multiple",
            )
    profit = policy.take_profit
    target = None if profit is None else entry_price * (ONE + sign * profit)
    return Stops(
        stop_loss=stop_loss,
        # A short cannot gain more than all of its price.
        take_profit=None if target is None or target <= 0 else target,
        trail=rule.distance if isinstance(rule, TrailingStop) else None,
    )


def trailing_stop(best: int, sign: int, distance: float) -> int:
    """Where a stop stands that keeps `distance` (a fraction) from the `best` price since entry, in
    the unit of `best`, cut to whole ones; `sign` +1 of a long, -1 of a short."""
    return int(best * (1.0 - sign * distance))
