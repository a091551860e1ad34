"""Too little cash for all purchases: one common scale factor, then what truncation left over.

Problem: the purchases of a plan cost more than the cash there is. Options: drop the last ones
(depends on their order), scale each by its own rule (nobody can follow it), or one factor for all.
Choice: the largest common factor f in [0, 1] whose truncated quantities, commissions included, fit
the budget. The cost of the truncated quantities never falls as f rises, so f is found by bisection.
Truncation leaves cash over; the same scaling is repeated on the remainders, and the last bit goes
to single purchases, largest gap first, so that planning again from the filled book buys nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal

import msgspec

from trading_assets.model.money import CENT, ONE, ZERO, money, quantity_step, truncate_quantity
from trading_assets.model.policies import CommissionPolicy
from trading_assets.portfolio.fees import affordable_quantity, cash_to_set_aside, cost_of_buying

SCALE_DECIMALS = 6
_SCALE_STEPS: int = 10**SCALE_DECIMALS
_REMAINDER_ROUNDS = 4
_PROPORTIONAL_PROBES = 8


class Purchase(msgspec.Struct, frozen=True, kw_only=True):
    """An opening buy: `wanted` unrounded shares are scaled, `most` is what may be bought."""

    symbol: str
    wanted: Decimal
    most: Decimal
    price: Decimal
    decimals: int


class PurchaseTerms(msgspec.Struct, frozen=True, kw_only=True):
    """`budget` money for all purchases with commission; below `minimum` money none is made."""

    budget: Decimal
    minimum: Decimal
    commission: CommissionPolicy


class Allocation(msgspec.Struct, frozen=True, kw_only=True):
    """`quantities` (shares, aligned with the purchases) and the common factor `scale`."""

    scale: Decimal
    quantities: tuple[Decimal, ...]


def allocate(purchases: Sequence[Purchase], terms: PurchaseTerms) -> Allocation:
    """Quantities of `purchases` that fit the budget; each is at most what was wanted.

    scale 1 and everything where all fits; scale 0 and zeros where the budget is not positive.
    The result does not depend on the order of the purchases.
    """
    budget = _Budget(purchases, terms)
    lacking = -budget.unspent([p.most for p in purchases])
    if lacking <= 0:
        return Allocation(scale=ONE, quantities=tuple(p.most for p in purchases))
    held = [ZERO] * len(purchases)
    if terms.budget <= 0:
        return Allocation(scale=ZERO, quantities=tuple(held))
    scale, held = _common_scale(purchases, held, terms, budget)
    for _ in range(_REMAINDER_ROUNDS):
        if budget.unspent(held) < _smallest_step(purchases, held):
            break
        _, extended = _common_scale(purchases, held, terms, budget)
        if extended == held:
            break
        held = extended
    while (extended := _extend_singly(purchases, held, terms, budget)) != held:
        held = extended
    return Allocation(scale=scale, quantities=tuple(held))


def trim_largest(purchases: Sequence[Purchase], terms: PurchaseTerms) -> Allocation:
    """All purchases in full but the largest, which gets what is left of the budget.

    For a budget that is short by cents of rounding: one purchase a step smaller says what happened
    better than all of them scaled by 0.999999. The factor is 1. Needs at least one purchase.
    """
    index = max(
        range(len(purchases)),
        key=lambda i: (purchases[i].most * purchases[i].price, purchases[i].symbol),
    )
    quantities = [purchase.most for purchase in purchases]
    quantities[index] = ZERO
    left = _Budget(purchases, terms).unspent(quantities)
    if left < 0:
        return allocate(purchases, terms)
    quantities[index] = _most_affordable(purchases[index], ZERO, left, terms)
    return Allocation(scale=ONE, quantities=tuple(quantities))


def _common_scale(
    purchases: Sequence[Purchase],
    held: Sequence[Decimal],
    terms: PurchaseTerms,
    budget: _Budget,
) -> tuple[Decimal, list[Decimal]]:
    """Largest factor on what is still wanted above `held` that fits, and the quantities it gives;
    `held` itself fits."""
    low, high = 0, _SCALE_STEPS
    best = list(held)
    left = budget.unspent(held)
    # What one step of the factor costs, if cost were proportional to it. It nearly is, so what a
    # probe leaves over says how far away the answer lies; bisection takes over where it is not.
    missing = left - budget.unspent([purchase.most for purchase in purchases])
    step_cost = max(missing, CENT) / _SCALE_STEPS
    probe, probes = 0, 0
    while high - low > 1:
        distance = int(left / step_cost)
        probe += distance if distance else (1 if left >= 0 else -1)
        if not low < probe < high or probes >= _PROPORTIONAL_PROBES:
            probe = (low + high) // 2
        probes += 1
        quantities = _scaled(purchases, held, Decimal(probe).scaleb(-SCALE_DECIMALS), terms)
        left = budget.left(quantities)
        if left < 0:
            high = probe
        else:
            low, best = probe, quantities
    return Decimal(low).scaleb(-SCALE_DECIMALS), best


def _scaled(
    purchases: Sequence[Purchase],
    held: Sequence[Decimal],
    factor: Decimal,
    terms: PurchaseTerms,
) -> list[Decimal]:
    quantities = []
    for purchase, floor in zip(purchases, held, strict=True):
        wanted = floor + (purchase.wanted - floor) * factor
        quantity = min(purchase.most, truncate_quantity(wanted, purchase.decimals))
        quantities.append(ZERO if quantity * purchase.price < terms.minimum else quantity)
    return quantities


class _Budget:
    """The budget of some purchases, less the cash to set aside for quantities of them, or less what
    these cost.

    Amounts are remembered by purchase and quantity: the probes of a search differ in few of their
    quantities, the more so the closer they come to each other.
    """

    def __init__(self, purchases: Sequence[Purchase], terms: PurchaseTerms) -> None:
        self._terms = terms
        self._prices = [purchase.price for purchase in purchases]
        self._set_aside: list[dict[Decimal, Decimal]] = [{} for _ in purchases]
        self._cost: list[dict[Decimal, Decimal]] = [{} for _ in purchases]

    def left(self, quantities: Sequence[Decimal]) -> Decimal:
        """Money left once cash is set aside; negative where the quantities do not fit."""
        return self._less(quantities, self._set_aside, cash_to_set_aside)

    def unspent(self, quantities: Sequence[Decimal]) -> Decimal:
        """Money left once the quantities are bought."""
        return self._less(quantities, self._cost, cost_of_buying)

    def _less(
        self,
        quantities: Sequence[Decimal],
        known: Sequence[dict[Decimal, Decimal]],
        amount: Callable[[CommissionPolicy, Decimal, Decimal], Decimal],
    ) -> Decimal:
        left = self._terms.budget
        for quantity, price, amounts in zip(quantities, self._prices, known, strict=True):
            found = amounts.get(quantity)
            if found is None:
                found = amounts[quantity] = amount(self._terms.commission, quantity, price)
            left -= found
        return left


def _smallest_step(purchases: Sequence[Purchase], held: Sequence[Decimal]) -> Decimal:
    """Money, at least a cent, below which no purchase could be made larger."""
    steps = (
        purchase.price.scaleb(-purchase.decimals)
        for purchase, quantity in zip(purchases, held, strict=True)
        if quantity < purchase.most
    )
    return max(CENT, min(steps, default=CENT))


def _extend_singly(
    purchases: Sequence[Purchase],
    held: Sequence[Decimal],
    terms: PurchaseTerms,
    budget: _Budget,
) -> list[Decimal]:
    extended = list(held)
    left = budget.unspent(held)
    gaps = sorted(
        (-(purchase.most - held[index]) * purchase.price, purchase.symbol, index)
        for index, purchase in enumerate(purchases)
        if purchase.most > held[index]
    )
    for _, _, index in gaps:
        purchase = purchases[index]
        spent = cost_of_buying(terms.commission, held[index], purchase.price)
        quantity = _most_affordable(purchase, held[index], spent + left, terms)
        if quantity > held[index]:
            extended[index] = quantity
            left += spent - cost_of_buying(terms.commission, quantity, purchase.price)
    return extended


def _most_affordable(
    purchase: Purchase, held: Decimal, cash: Decimal, terms: PurchaseTerms
) -> Decimal:
    """Largest quantity that `cash` buys in one order, what is `held` of it already included."""
    # A new order must be covered for certain, an existing one may use its commission's cents.
    cost = _cost_in_full if held else cash_to_set_aside
    step = quantity_step(purchase.decimals)
    exact = affordable_quantity(terms.commission, purchase.price, cash)
    # The closed form is exact but for cents: one step up, then down to what they really allow.
    quantity = min(purchase.most, truncate_quantity(exact, purchase.decimals) + step)
    while quantity > 0 and (over := cost(terms.commission, quantity, purchase.price) - cash) > 0:
        less = truncate_quantity(over / purchase.price, purchase.decimals)
        quantity = max(ZERO, quantity - max(step, less))
    return quantity if quantity * purchase.price >= terms.minimum else ZERO


def _cost_in_full(policy: CommissionPolicy, quantity: Decimal, price: Decimal) -> Decimal:
    """`cost_of_buying`, but shares are never counted at less than they are worth."""
    value = quantity * price
    return max(value - money(value), ZERO) + cost_of_buying(policy, quantity, price)
