"""Opening orders against what the closing orders really brought in.

The plan sizes purchases on expected proceeds, and what opens on the buying power expected with
them. Between plan and order a sale may have been rejected, filled in part or at another price, and
prices have moved; what is not there must not be spent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

import msgspec
from msgspec.structs import replace

from trading_assets.model.money import QUANTITY_DECIMALS_MAX, ZERO, truncate_quantity
from trading_assets.model.order import Side
from trading_assets.model.plan import PlannedOrder
from trading_assets.model.policies import CommissionPolicy, PlanningPolicy
from trading_assets.portfolio.buying_power import PowerNow
from trading_assets.portfolio.overflow import Purchase, PurchaseTerms, allocate


class Means(msgspec.Struct, frozen=True, kw_only=True):
    """What opening orders may use when they are sent: `cash` (money) of the book and, where the
    broker holds them to one, its buying power; `prices` per share are the market's by symbol, where
    that is known."""

    cash: Decimal
    prices: Mapping[str, Decimal] = {}
    power: PowerNow | None = None


def affordable_openings(
    orders: Sequence[PlannedOrder],
    positions: Mapping[str, Decimal],
    means: Means,
    commission: CommissionPolicy,
    planning: PlanningPolicy,
    minimum: Decimal,
) -> list[PlannedOrder]:
    """The opening orders that can be sent now, in their order, some of them smaller.

    `positions` (signed shares) and the cash are the book's after the closing leg. An order whose
    symbol is still held on the other side is left out: a flip is closed, confirmed, then opened.
    Buys that together cost more than the cash, at the market's prices (else the plan's) with
    commission, are scaled by one factor, and one that is worth less than `minimum` money then is
    left out; the plan's cash buffer may be used up here, it is there for moved prices. What is then
    more than the buying power covers is scaled by one factor too, short sales with it. Where
    `adjust_for_overflow` is off orders that there is no money for are left as planned, for the
    broker to refuse; what only the broker counts on top of prices is made room for all the same.
    """
    possible = [
        order for order in orders if positions.get(order.symbol, ZERO) * order.side.sign >= 0
    ]
    paid, power = possible, means.power
    if planning.adjust_for_overflow:
        paid = _paid_for(possible, means, commission, planning, minimum)
    elif power is not None and not power.pays_for(possible):
        return possible
    if power is None:
        return paid
    decimals = {order.client_order_id: _decimals(order.quantity, planning) for order in paid}
    covered = power.covered(paid, decimals, minimum)
    sized = (replace(order, quantity=covered[order.client_order_id]) for order in paid)
    return [order for order in sized if order.quantity > 0]


def _paid_for(
    possible: list[PlannedOrder],
    means: Means,
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
            price=means.prices.get(order.symbol, order.price),
            decimals=_decimals(order.quantity, planning),
        )
        for order in buys
    ]
    terms = PurchaseTerms(budget=means.cash, minimum=minimum, commission=commission)
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
