"""From a target weight to the orders it takes: quantities, legs, rounding, bracket prices.

Signs: positions, targets and weights are signed (negative for a short); orders have a side and a
positive quantity.
"""

from __future__ import annotations

import datetime as dt
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

import msgspec

from trading_assets.model.money import CENT, ONE, ZERO, round_to_tick, truncate_quantity
from trading_assets.model.order import PositionEffect, Side
from trading_assets.model.plan import PlanCut, PlanReason
from trading_assets.model.policies import BracketPolicy, PlanningPolicy
from trading_assets.model.target import Contribution
from trading_assets.portfolio.order_rules import InstrumentTraits

CLOSING_LEG = 1
OPENING_LEG = 2


class Instrument(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One instrument that is held or targeted, as planning sees it.

    `price` is per share, None where unknown. `unusable` says why the price must not be traded on
    (MISSING_PRICE, STALE_PRICE), None where it may. `deviation` is |price / reference - 1|, None
    where there is nothing to judge by. `current` is signed shares, `weight` a signed fraction,
    `traits` what the broker says of it.
    """

    asset_id: str
    symbol: str
    price: Decimal | None
    price_session: dt.date | None
    unusable: PlanReason | None
    deviation: Decimal | None
    current: Decimal
    weight: Decimal
    contributions: tuple[Contribution, ...]
    traits: InstrumentTraits = InstrumentTraits()


class DraftOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An order while it is being decided; `planned_quantity` - Σ cuts = `quantity`, exactly.

    `decimals` is the precision to which a smaller quantity must be cut (0: whole shares).
    """

    instrument: Instrument
    side: Side
    position_effect: PositionEffect
    leg: int
    planned_quantity: Decimal
    quantity: Decimal
    price: Decimal
    decimals: int
    cuts: tuple[PlanCut, ...] = ()

    @property
    def is_opening_buy(self) -> bool:
        """True where the order spends cash to open or extend a long."""
        return self.leg == OPENING_LEG and self.side is Side.BUY

    def reduced(self, reason: PlanReason, quantity: Decimal, detail: str) -> DraftOrder:
        """This order at the smaller `quantity`, the difference recorded as a cut."""
        cut = PlanCut(reason=reason, quantity=self.quantity - quantity, detail=detail)
        return msgspec.structs.replace(self, quantity=quantity, cuts=(*self.cuts, cut))

    def dropped(self, reason: PlanReason, detail: str) -> DraftOrder:
        """This order at quantity 0."""
        return self.reduced(reason, ZERO, detail)


def target_quantity(weight: Decimal, investable: Decimal, price: Decimal, decimals: int) -> Decimal:
    """Signed shares worth `weight` x `investable` (money) at `price`, truncated towards zero.

    Weight 0 or nothing investable gives 0. `price` must be positive.
    """
    if weight == 0 or investable <= 0:
        return ZERO
    return truncate_quantity(weight * investable / price, decimals)


def draft_orders(
    instrument: Instrument, target: Decimal, planning: PlanningPolicy
) -> tuple[DraftOrder, ...]:
    """Orders that take `instrument` from its current to its `target` quantity (signed shares).

    None where it is there already; two where the sign changes: a broker accepts no order that
    crosses zero, so all is closed first (leg 1) and the other side opened after (leg 2). Rounding
    to what may be ordered is recorded as a ROUNDED cut. A position without a price gives one order
    of quantity 0, since what it would have been cannot be known.
    """
    current = instrument.current
    if instrument.price is None:
        if instrument.weight == 0:
            return ()
        side = Side.BUY if instrument.weight > 0 else Side.SELL
        return (_draft(instrument, side, OPENING_LEG, ZERO, planning),)
    delta = target - current
    if delta == 0:
        return ()
    side = Side.BUY if delta > 0 else Side.SELL
    if current * target < 0:
        return (
            _draft(instrument, side, CLOSING_LEG, abs(current), planning),
            _draft(instrument, side, OPENING_LEG, abs(target), planning),
        )
    leg = CLOSING_LEG if abs(target) < abs(current) else OPENING_LEG
    return (_draft(instrument, side, leg, abs(delta), planning),)


def _draft(
    instrument: Instrument, side: Side, leg: int, planned: Decimal, planning: PlanningPolicy
) -> DraftOrder:
    touches_short = (side is Side.SELL) == (leg == OPENING_LEG)
    # Brokers lend whole shares only, so a short is whole even where fractions may be held.
    is_whole = touches_short or not planning.fractional or not instrument.traits.fractionable
    decimals = 0 if is_whole else planning.quantity_decimals
    draft = DraftOrder(
        instrument=instrument,
        side=side,
        position_effect=PositionEffect.CLOSE if leg == CLOSING_LEG else PositionEffect.OPEN,
        leg=leg,
        planned_quantity=planned,
        quantity=planned,
        price=ZERO if instrument.price is None else instrument.price,
        decimals=decimals,
    )
    closes_all = leg == CLOSING_LEG and planned == abs(instrument.current)
    if closes_all or decimals:
        # Held fractions are sold exactly as held: a remainder could never be got rid of.
        return draft
    whole = planned if planned == planned.to_integral_value() else truncate_quantity(planned, 0)
    return draft if whole == planned else draft.reduced(PlanReason.ROUNDED, whole, "whole shares")


def bracket_prices(
    bracket: BracketPolicy, side: Side, price: Decimal, tick_size: Decimal
) -> tuple[Decimal, Decimal] | None:
    """(take-profit, stop-loss) of an opening order at `price`, on the tick, per share.

    A buy takes profit above and stops below; a short sale the other way round. Each leg keeps at
    least a cent from `price`, which brokers require. None where a leg would not be positive.
    """
    sign = side.sign
    profit = _leg_price(price, sign, bracket.take_profit, tick_size)
    stop = _leg_price(price, -sign, bracket.stop_loss, tick_size)
    return (profit, stop) if profit > 0 and stop > 0 else None


def _leg_price(price: Decimal, direction: int, distance: Decimal, tick_size: Decimal) -> Decimal:
    wanted = round_to_tick(price * (ONE + direction * distance), tick_size)
    nearest = price + direction * CENT
    if (wanted - nearest) * direction >= 0:
        return wanted
    rounding = ROUND_CEILING if direction > 0 else ROUND_FLOOR
    return (nearest / tick_size).to_integral_value(rounding=rounding) * tick_size
