"""Opening orders against the buying power that the broker grants the account.

Problem: the broker refuses an order that needs more buying power than is left, so of a plan that
is too large it takes what happens to come first. Options: let it; drop the last orders (depends on
their order); one factor for all. Choice: the last, as for purchases that lack cash.

What counts. Opening orders, purchases and short sales alike, take what the broker's rules count
them at (`order_rules.py: BuyingPowerRules`). Closing orders take nothing: they are filled before
an opening order is sent, and their value at plan prices is there by then, where the rules say that
it is there on the same day. What is held back of the stated buying power for orders of others is
the broker's to know: it states what is left.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

import msgspec

from trading_assets.model.money import CENT, ZERO, money, plain
from trading_assets.model.plan import PlannedOrder, PlanReason, PlanRefusal
from trading_assets.model.policies import CommissionPolicy
from trading_assets.portfolio.limits import buying_power_refusal, drop_below_minimum
from trading_assets.portfolio.opening_book import OpeningBook
from trading_assets.portfolio.order_rules import BuyingPowerRules
from trading_assets.portfolio.overflow import Purchase, PurchaseTerms, allocate
from trading_assets.portfolio.sizing import OPENING_LEG, DraftOrder


def within_buying_power(
    book: OpeningBook, drafts: Sequence[DraftOrder]
) -> tuple[tuple[DraftOrder, ...], PlanRefusal | None]:
    """`drafts` in their order, opening ones reduced by one factor to the buying power there will
    be, to whole shares where they must be; below the least that an order may be worth, dropped.

    All of them where it is enough, or where the broker holds orders to none. With a refusal, and
    as they are, where `adjust_for_overflow` is off and it would not be enough without what the
    broker counts on top of a price either: that alone is no lack of money that a person would have
    to decide on, and would refuse every full plan of an account without credit.
    """
    inputs = book.inputs
    rules, stated = inputs.order_rules.buying_power, inputs.account.buying_power
    if rules is None or stated is None:
        return tuple(drafts), None
    opening = [draft for draft in drafts if draft.leg == OPENING_LEG and draft.quantity > 0]
    counted = [rules.counted_price(draft.side, draft.price) for draft in opening]
    needed = sum((d.quantity * each for d, each in zip(opening, counted, strict=True)), ZERO)
    proceeds = ZERO
    if rules.proceeds_count(inputs.account.multiplier):
        closing = (draft for draft in drafts if draft.leg != OPENING_LEG)
        proceeds = sum((draft.quantity * draft.price for draft in closing), ZERO)
    available = stated + proceeds
    if needed <= available:
        return tuple(drafts), None
    worth = sum((draft.quantity * draft.price for draft in opening), ZERO)
    if worth > available and not inputs.planning.adjust_for_overflow:
        return tuple(drafts), buying_power_refusal(worth, available)
    quantities = _shared_out(
        [_taking(draft, each) for draft, each in zip(opening, counted, strict=True)],
        available,
        inputs.order_minimum,
    )
    detail = f"opening orders take {plain(money(needed))}, buying power is {plain(stated)}"
    if proceeds:
        detail += f" and {plain(money(proceeds))} of what is closed"
    reduced = {
        draft.instrument.symbol: drop_below_minimum(
            draft.reduced(PlanReason.BUYING_POWER, quantity, detail),
            inputs.order_minimum,
        )
        for draft, quantity in zip(opening, quantities, strict=True)
        if quantity < draft.quantity
    }
    return tuple(
        reduced.get(draft.instrument.symbol, draft) if draft.leg == OPENING_LEG else draft
        for draft in drafts
    ), None


class PowerNow(msgspec.Struct, frozen=True, kw_only=True):
    """The `buying_power` (money) that the broker states when orders are sent, its `rules`, and the
    most that a share may be offered at by symbol, where that is known."""

    buying_power: Decimal
    rules: BuyingPowerRules
    asks: Mapping[str, Decimal]

    def pays_for(self, orders: Sequence[PlannedOrder]) -> bool:
        """Whether it is enough for all of these opening orders, but for what the broker counts on
        top of a price."""
        worth = (order.quantity * self._ask(order) for order in orders)
        return sum(worth, ZERO) <= self.buying_power

    def _ask(self, order: PlannedOrder) -> Decimal:
        return self.asks.get(order.symbol, order.price)

    def covered(
        self, orders: Sequence[PlannedOrder], decimals: Mapping[str, int], minimum: Decimal
    ) -> dict[str, Decimal]:
        """Quantity of each opening order, by client order id, that the buying power is enough for.

        A share counts at what it is offered at, at its plan price where that is not known.
        `decimals` are those that a smaller quantity may have; what is worth less than `minimum`
        money then comes to 0.
        """
        taking = [
            Purchase(
                symbol=order.symbol,
                wanted=order.quantity,
                most=order.quantity,
                price=self.rules.counted_price(order.side, self._ask(order)),
                decimals=decimals[order.client_order_id],
            )
            for order in orders
        ]
        quantities = _shared_out(taking, self.buying_power, minimum)
        return {
            order.client_order_id: ZERO
            if quantity < order.quantity and quantity * order.price < minimum
            else quantity
            for order, quantity in zip(orders, quantities, strict=True)
        }


def _taking(draft: DraftOrder, counted: Decimal) -> Purchase:
    return Purchase(
        symbol=draft.instrument.symbol,
        wanted=draft.quantity,
        most=draft.quantity,
        price=counted,
        decimals=draft.decimals,
    )


def _shared_out(
    orders: Sequence[Purchase], available: Decimal, minimum: Decimal
) -> tuple[Decimal, ...]:
    """Quantities aligned with `orders` that take at most `available`, to the last fraction."""
    if sum((order.most * order.price for order in orders), ZERO) <= available:
        return tuple(order.most for order in orders)
    # Cash is shared out in cents; the broker compares what it counts unrounded.
    inexact = sum(1 for order in orders if order.decimals or order.price != money(order.price))
    budget = available - CENT * inexact
    terms = PurchaseTerms(budget=budget, minimum=minimum, commission=CommissionPolicy())
    return allocate(orders, terms).quantities
