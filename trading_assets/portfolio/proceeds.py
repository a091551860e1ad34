"""Opening orders against what the closing orders really brought in.

The plan sizes purchases on expected proceeds, and what opens on the buying power expected with
them. Between plan and order a sale may have been rejected, filled in part or at another price, and
prices have moved; what is not there must not be spent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from msgspec.structs import replace

from trading_assets.model.money import QUANTITY_DECIMALS_MAX, ZERO, truncate_quantity
from trading_assets.model.order import Side
from trading_assets.model.plan import PlannedOrder
from trading_assets.model.policies import CommissionPolicy, PlanningPolicy
from trading_assets.portfolio.buying_power import PowerNow
from trading_assets.portfolio.overflow import Purchase, PurchaseTerms, allocate


def affordable_openings(
    orders: Sequence[PlannedOrder],
    positions: Mapping[str, Decimal],
    cash: Decimal,
    commission: CommissionPolicy,
    planning: PlanningPolicy,
    minimum: Decimal,
    power: PowerNow | None = None,
) -> list[PlannedOrder]:
    """The opening orders that can be sent now, in their order, some of them smaller.

    `positions` (signed shares) and `cash` (money) are the book's after the closing leg. An order
    whose symbol is still held on the other side is left out: a flip is closed, confirmed, then
    opened. Buys that together cost more than the cash, at plan prices with commission, are scaled
    by one factor, and one that is worth less than `minimum` money then is left out; the plan's cash
    buffer may be used up here, it is there for moved prices. What is then more than the buying
    power covers is scaled by one factor too, short sales with it; None is no limit. Where
    `adjust_for_overflow` is off orders are left as planned, for the broker to refuse.
    """
    possible = [
        order for order in orders if positions.get(order.symbol, ZERO) * order.side.sign >= 0
    ]
    if not planning.adjust_for_overflow:
        return possible
    paid = _paid_for(possible, cash, commission, planning, minimum)
    if power is None:
        return paid
    decimals = {order.client_order_id: _decimals(order.quantity, planning) for order in paid}
    covered = power.covered(paid, decimals, minimum)
    sized = (replace(order, quantity=covered[order.client_order_id]) for order in paid)
    return [order for order in sized if order.quantity > 0]


def _paid_for(
    possible: list[PlannedOrder],
    cash: Decimal,
    commission: CommissionPolicy,
    planning: PlanningPolicy,
    minimum: Decimal,
) -> list[PlannedOrder]:
    """Orders whose purchases fit the cash."""
    buys = [order for order in possible if order.side is Side.BUY]
    if not buys:
        return possible
    purchases = [
        Purchase(
            symbol=order.symbol,
            wanted=order.quantity,
            most=order.quantity,
            price=order.price,
            decimals=_decimals(order.quantity, planning),
        )
        for order in buys
    ]
    terms = PurchaseTerms(budget=cash, minimum=minimum, commission=commission)
    quantities = dict(
        zip(
            (order.client_order_id for order in buys),
            allocate(purchases, terms).quantities,
            strict=True,
        )
    )
    sized = (
        replace(order, quantity=quantities.get(order.client_order_id, order.quantity))
        for order in possible
    )
    return [order for order in sized if order.quantity > 0]


def _decimals(quantity: Decimal, planning: PlanningPolicy) -> int:
    """A whole order stays whole, so that its type and its brackets stay legal."""
    if quantity == truncate_quantity(quantity, 0):
        return 0
    return min(planning.quantity_decimals, QUANTITY_DECIMALS_MAX)
