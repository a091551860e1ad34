"""Which strategy an amount of the account belongs to: the rules by which it is taken apart.

Problem. Several strategies share one account. The account trades the sum of what they ask for, at
one price, and is charged to the cent. Each strategy needs a book of its own, and the books must
add up to the account: in shares, in cash, in value, at every close, without a cent left over.

Options. (1) Run each strategy as if alone and scale: the parts trade at other prices and never add
up. (2) Give a fill to the strategy that has "the" order: there is one order for all of them, and
what two strategies want from each other has none. (3) Split by the weights of the blend: a
strategy that wanted nothing pays for the others. (4) Split by what each asked for.

Choice: the last. A strategy asks for its target less what its book holds. Its target is its part
of the plan's line: contribution x the equity that the plan was sized on / plan price, and the
targets of a line add up to the line's exactly. So what all ask for together, the book without a
strategy asking to get rid of what it holds, is what the account wants to trade.

A fill goes to those who ask on its side, in proportion to what each still asks for. What strategies
want from each other changes hands inside the account (`crossed`): it needs no order, so it costs no
commission and happens even where the account's order is rejected, cut or not needed. Of the larger
side each gets the same fraction of its ask, whether from the market or from inside.

Parts are exact by `model/money.py: apportioned`: to the cent and the ninth decimal of a share, the
quanta left over going to the largest remainders.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from trading_assets.model.money import (
    CENT,
    QUANTITY_QUANTUM,
    ZERO,
    apportioned,
    in_proportion,
    notional,
)
from trading_assets.model.plan import OrderPlan, PlanReason, RebalanceLine
from trading_assets.model.target import UNATTRIBUTED

Parts = dict[str, Decimal]
"""Shares or money by strategy."""


def plan_asks(plan: OrderPlan, holdings: Mapping[str, Mapping[str, Decimal]]) -> dict[str, Parts]:
    """What each book asks for, signed shares by symbol and strategy, before any cut; no zeros.

    `holdings` are signed shares by symbol and book. A book that a line's target does not mention,
    UNATTRIBUTED always among them, asks to get rid of what it holds; so does every holder of a
    symbol that the plan sells. Nothing is asked where a symbol has no price (its target cannot be
    known), by a plan that is refused, or between two rebalances.
    """
    if plan.refusals or any(
        cut.reason is PlanReason.BETWEEN_REBALANCES for order in plan.orders for cut in order.cuts
    ):
        return {}
    investable = _investable(plan)
    found: dict[str, Parts] = {}
    for line in plan.lines:
        if line.price is None:
            continue
        asks = _line_targets(line, investable)
        for name, held in holdings.get(line.symbol, {}).items():
            asks[name] = asks.get(name, ZERO) - held
        asks = {name: ask for name, ask in asks.items() if ask}
        if asks:
            found[line.symbol] = asks
    return found


def _investable(plan: OrderPlan) -> Decimal:
    """The money that the plan's weights are of: equity less the plan's fees and the cash buffer.

    A plan does not state it. Each line's target is weight x this / price, cut towards zero, so
    that none gives more than it and the line that lost least by cutting gives it best.
    """
    return max(
        (
            line.target_quantity * line.price / line.target_weight
            for line in plan.lines
            if line.price is not None and line.target_weight
        ),
        default=plan.equity,
    ) or max(plan.equity, ZERO)


def _line_targets(line: RebalanceLine, investable: Decimal) -> Parts:
    """Signed shares that each strategy of a line with a price should hold; they add up to the
    line's target. Opposing strategies may each hold more than the account does."""
    assert line.price is not None
    fair = {part.strategy_id: part.weight * investable / line.price for part in line.contributions}
    return apportioned(line.target_quantity, fair, QUANTITY_QUANTUM) if any(fair.values()) else {}


def served(asks: Parts, quantity: Decimal) -> Parts:
    """How a fill of `quantity` (signed shares, not 0) is taken apart; what it serves is taken off
    `asks` in place. What nobody on its side asks for is UNATTRIBUTED."""
    if len(asks) == 1:
        ((name, ask),) = asks.items()
        if ask == quantity:
            asks.clear()
            return {name: quantity}
    side = {name: ask for name, ask in asks.items() if (ask > 0) is (quantity > 0)}
    asked = sum(side.values(), ZERO)
    taken = quantity if abs(quantity) <= abs(asked) else asked
    shares = in_proportion(taken, side, QUANTITY_QUANTUM) if side else {}
    for name, part in shares.items():
        asks[name] -= part
        if not asks[name]:
            del asks[name]
    if taken != quantity:
        shares[UNATTRIBUTED] = shares.get(UNATTRIBUTED, ZERO) + quantity - taken
    return shares


def crossed(asks: Mapping[str, Decimal], price: Decimal) -> tuple[Parts, Parts]:
    """What changes hands inside the account where `asks` (signed shares of one symbol) oppose
    each other: signed shares and signed money by strategy, each adding up to 0.

    The smaller side is served in full, the larger in proportion to its asks. Every party pays or
    receives `price` per share, to the cent, and no commission. Both empty where nothing opposes.
    """
    buys = {name: ask for name, ask in asks.items() if ask > 0}
    sells = {name: ask for name, ask in asks.items() if ask < 0}
    if not buys or not sells:
        return {}, {}
    bought, sold = sum(buys.values(), ZERO), sum(sells.values(), ZERO)
    quantity = min(bought, -sold)
    shares = in_proportion(quantity, buys, QUANTITY_QUANTUM) | in_proportion(
        -quantity, sells, QUANTITY_QUANTUM
    )
    value = notional(quantity, price)
    cash = in_proportion(-value, {name: shares[name] for name in buys}, CENT) | in_proportion(
        value, {name: shares[name] for name in sells}, CENT
    )
    return shares, cash
