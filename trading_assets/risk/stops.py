"""Stops of one position: where they stand, how they follow, whether a bar hits them.

Within a bar nobody knows whether its high or its low came first. So a bar is judged by the stop as
it stood before the bar, and only then does the stop follow the bar's best price: `hit` first,
`followed` after it. The other order would let a stop profit from a high that came after the low.

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
    """The stops of one position entered by `side`; None where there is none.

    `best` is the best price since entry (highest of a long, lowest of a short), `trail` the
    fraction that the stop-loss keeps from it, None where it does not follow.
    """

    side: Side
    best: Decimal
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
        side=side,
        best=entry_price,
        stop_loss=stop_loss,
        # A short cannot gain more than all of its price.
        take_profit=None if target is None or target <= 0 else target,
        trail=rule.distance if isinstance(rule, TrailingStop) else None,
    )


def followed(stops: Stops, high: Decimal, low: Decimal) -> Stops:
    """`stops` after a bar with this `high` and `low`: a trailing stop moves with a better price and
    never back; anything else stays as it is."""
    if stops.trail is None:
        return stops
    best = high if stops.side is Side.BUY else low
    sign = stops.side.sign
    if sign * (best - stops.best) <= 0:
        return stops
    return msgspec.structs.replace(stops, best=best, stop_loss=best * (ONE - sign * stops.trail))


class StopHit(msgspec.Struct, frozen=True):
    """A stop that a bar reached: `reason` is "stop_loss" or "take_profit", `price` what it is
    executed at."""

    reason: str
    price: Decimal


def hit(stops: Stops, open_price: Decimal, high: Decimal, low: Decimal) -> StopHit | None:
    """What a bar does to a position with `stops`; None where it reaches neither.

    A bar that opens beyond the stop-loss executes at its open, worse than the stop; one that opens
    beyond the take-profit at its open too, better than the target. Where a bar reaches both, the
    loss is assumed to have come first.
    """
    sign = stops.side.sign
    worst, best = (low, high) if stops.side is Side.BUY else (high, low)
    stop, target = stops.stop_loss, stops.take_profit
    if stop is not None and sign * (open_price - stop) <= 0:
        return StopHit("stop_loss", open_price)
    if target is not None and sign * (open_price - target) >= 0:
        return StopHit("take_profit", open_price)
    if stop is not None and sign * (worst - stop) <= 0:
        return StopHit("stop_loss", stop)
    if target is not None and sign * (best - target) >= 0:
        return StopHit("take_profit", target)
    return None
