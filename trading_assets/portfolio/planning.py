"""From target weights to the orders of a session: the one place where the rules are put in order.

Problem. Orders cost commission, and the commission comes out of the equity that the orders are
sized on. Sized on equity before commission, a fully invested book ends short of cash, and planning
again from the filled book finds more to trade, for ever.

Options: ignore it (a second run trades again); a guess of commission held back (wrong for every
other book); size on equity net of the plan's own commission. Choice: the last. With E the opening
equity and fees(x) the commission of the orders sized on x, the plan is sized on E - f where
f = fees(E - f); f is found by iteration inside a bracket. Quantities are cut to whole steps, so
there may be no such f, only a cent at which fees(E - f) jumps from above f to below it. Then the
side with the smaller orders is taken.

Two consequences are part of the contract, and tested: once the orders are filled at plan prices,
planning again gives none; and cash never ends below the buffer. Both need a rule for books that
are on target except for their last trade's commission and the cent to which each position is
valued: *an order is wanted only if it is wanted over the whole range of equity that this plan's
commission and those cents leave open*. Where no order is, the book is settled.

Cash. Purchases are paid from cash and from sales of longs. What a short sale brings in is
collateral: it pays for buying that short back, at plan prices, and for nothing else. So covering
needs no other cash and a long/short book is not levered by its short side.

Order of the rules for one order: unusable price, rounding, no-trade band, minimum, price
deviation, clips, minimum again, flip; then for all: cash, buying power, minimum, refusals of the
plan.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Context, Decimal, localcontext

import msgspec

from trading_assets.model.money import CENT, ONE, ZERO, money
from trading_assets.model.order import OrderType, Side, TimeInForce
from trading_assets.model.plan import (
    OrderPlan,
    PlannedOrder,
    PlanReason,
    PlanRefusal,
    RebalanceLine,
)
from trading_assets.portfolio.identity import identified
from trading_assets.portfolio.limits import (
    equity_refusal,
    price_refusals,
    short_refusal,
    total_refusal,
)
from trading_assets.portfolio.opening_book import (
    OpeningBook,
    PlanInputs,
    instruments_of,
    valued,
)
from trading_assets.portfolio.rebalance import Rebalance, rebalance, target_of
from trading_assets.portfolio.sizing import (
    OPENING_LEG,
    DraftOrder,
    Instrument,
    bracket_prices,
)

__all__ = ["PlanInputs", "make_plan"]

# Wide enough that no product of a price, a quantity and a factor is rounded before it is cut.
_EXACT = Context(prec=50)
_FREE_ROUNDS = 4


def make_plan(inputs: PlanInputs) -> OrderPlan:
    """The order plan of `inputs.targets.session`: every order considered and what became of it.

    Pure: the same inputs, in any order of rows, give the same plan with the same ids. Quantities
    are shares, amounts money; `equity` and `cash` are the opening book's. Without targets all that
    is held is sold; without targets and positions the plan is empty.

    A refused plan keeps its orders with their planned quantities, each cut to 0 by PLAN_REFUSED,
    and carries no client order ids. Where equity is unknown or not positive (a held symbol without
    a price: equity 0) it has no orders at all.

    Raises InputError where two target rows share a symbol.
    """
    with localcontext(_EXACT):
        instruments = instruments_of(inputs)
        refusals = [*inputs.refusals, *price_refusals(instruments, inputs.limits)]
        if any(i.price is None and i.current != 0 for i in instruments):
            return _without_orders(inputs, instruments, ZERO, refusals)
        book = valued(inputs, instruments)
        if book.equity <= 0:
            refusals.append(equity_refusal(book.equity))
            return _without_orders(inputs, instruments, book.equity, refusals)
        if not inputs.allow_short and any(i.weight < 0 for i in instruments):
            refusals.append(short_refusal(instruments))
        sized = _converged(book) if inputs.rebalances else _held(rebalance(book, book.equity))
        if sized.refusal is not None:
            refusals.append(sized.refusal)
        total = total_refusal(sized.drafts, inputs.limits)
        if total is not None:
            refusals.append(total)
        return _finished(book, sized, tuple(refusals))


def _converged(book: OpeningBook) -> Rebalance:
    """Orders sized on equity net of their own commission (see the top of this module)."""
    first = rebalance(book, book.equity)
    if not first.real or _is_settled(book, first):
        return _settled(first) if first.real else first
    low, high = ZERO, None
    fees, sized = ZERO, first
    for round_number in range(200):
        if sized.fees == fees:
            return sized
        if sized.fees > fees:
            low = fees
        else:
            high = sized
            if book.equity - sized.net_equity - low <= CENT:
                return high
        fees = _next_fees(book, sized.fees, low, high, free=round_number < _FREE_ROUNDS)
        sized = rebalance(book, book.equity - fees)
    raise AssertionError("the bracket halves each round and cannot outlast its rounds")


def _next_fees(
    book: OpeningBook, proposed: Decimal, low: Decimal, high: Rebalance | None, *, free: bool
) -> Decimal:
    if high is None:
        # Doubling ends: where fees eat all equity the orders no longer depend on them.
        return proposed if free else max(proposed, 2 * low)
    top = book.equity - high.net_equity
    if free and low < proposed < top:
        return proposed
    return money((low + top) / 2) if top - low > 2 * CENT else low + CENT


def _is_settled(book: OpeningBook, first: Rebalance) -> bool:
    """True where no order is wanted over the whole range of equity that is open."""
    slack = book.valuation_rounding + book.commission_rounding
    lowest = book.equity - first.fees - slack
    width = book.equity + book.valuation_rounding - lowest
    if width == 0 or any(_is_beyond(draft, book, width) for draft in first.drafts):
        return False
    above = rebalance(book, book.equity + book.valuation_rounding)
    return not first.real & above.real & rebalance(book, lowest).real


def _is_beyond(draft: DraftOrder, book: OpeningBook, width: Decimal) -> bool:
    """True for an order far larger than what a filled book can still want: the move of its target
    over the range, and the order that a share, the minimum or the band kept back until now."""
    planning = book.inputs.planning
    kept_back = max(draft.price, book.inputs.order_minimum, planning.no_trade_band * book.equity)
    moved = abs(draft.instrument.weight) * width
    return draft.quantity * draft.price > 2 * (moved + kept_back)


def _settled(sized: Rebalance) -> Rebalance:
    detail = "not wanted any more once the plan's commission and cents of valuation are counted"
    return _without_any(sized, PlanReason.ROUNDED, detail)


def _held(sized: Rebalance) -> Rebalance:
    detail = "this session is not one of the portfolio's rebalances"
    return _without_any(sized, PlanReason.BETWEEN_REBALANCES, detail)


def _without_any(sized: Rebalance, reason: PlanReason, detail: str) -> Rebalance:
    drafts = tuple(
        draft.dropped(reason, detail) if draft.quantity > 0 else draft for draft in sized.drafts
    )
    return msgspec.structs.replace(sized, drafts=drafts, scale=ONE, fees=ZERO, refusal=None)


def _finished(book: OpeningBook, sized: Rebalance, refusals: tuple[PlanRefusal, ...]) -> OrderPlan:
    inputs = book.inputs
    drafts = sized.drafts
    if refusals:
        codes = ", ".join(refusal.code for refusal in refusals)
        drafts = tuple(
            draft.dropped(PlanReason.PLAN_REFUSED, codes) if draft.quantity > 0 else draft
            for draft in drafts
        )
    traded: dict[str, Decimal] = {}
    for draft in drafts:
        symbol = draft.instrument.symbol
        traded[symbol] = traded.get(symbol, ZERO) + draft.side.sign * draft.quantity
    lines = tuple(
        _line(
            instrument,
            target_of(instrument, sized.net_equity, inputs),
            instrument.current + traded.get(instrument.symbol, ZERO),
        )
        for instrument in book.instruments
    )
    plan = OrderPlan(
        session=inputs.targets.session,
        strategy_id=inputs.targets.strategy_id,
        signal_asof=inputs.targets.asof,
        equity=book.equity,
        cash=inputs.cash,
        buying_power=inputs.account.buying_power,
        scale=sized.scale,
        expected_fees=ZERO if refusals else sized.fees,
        orders=tuple(_planned_order(draft, inputs) for draft in sorted(drafts, key=_sending_order)),
        lines=lines,
        refusals=refusals,
    )
    return identified(plan, inputs.portfolio_id, inputs.revision)


def _without_orders(
    inputs: PlanInputs,
    instruments: tuple[Instrument, ...],
    equity: Decimal,
    refusals: Sequence[PlanRefusal],
) -> OrderPlan:
    plan = OrderPlan(
        session=inputs.targets.session,
        strategy_id=inputs.targets.strategy_id,
        signal_asof=inputs.targets.asof,
        equity=equity,
        cash=inputs.cash,
        buying_power=inputs.account.buying_power,
        scale=ONE,
        expected_fees=ZERO,
        orders=(),
        lines=tuple(_line(i, i.current, i.current) for i in instruments),
        refusals=tuple(refusals),
    )
    return identified(plan, inputs.portfolio_id, inputs.revision)


def _line(instrument: Instrument, target: Decimal, real_target: Decimal) -> RebalanceLine:
    return RebalanceLine(
        asset_id=instrument.asset_id,
        symbol=instrument.symbol,
        price=instrument.price,
        price_session=instrument.price_session,
        current_quantity=instrument.current,
        target_weight=instrument.weight,
        target_quantity=target,
        real_target_quantity=real_target,
        contributions=instrument.contributions,
    )


def _bracket_legs(draft: DraftOrder, inputs: PlanInputs) -> tuple[Decimal, Decimal] | None:
    """(take-profit, stop-loss) of an order that opens whole shares, on the coarser of the
    portfolio's tick and the broker's at these prices; None where it has none."""
    bracket, tick = inputs.planning.bracket, inputs.planning.tick_size
    whole = draft.quantity > 0 and draft.quantity == draft.quantity.to_integral_value()
    if bracket is None or draft.leg != OPENING_LEG or not whole:
        return None
    prices = bracket_prices(bracket, draft.side, draft.price, tick)
    steps = [inputs.order_rules.step_at(price) or tick for price in prices or ()]
    if max(steps, default=tick) > tick:
        return bracket_prices(bracket, draft.side, draft.price, max(steps))
    return prices


def _sending_order(draft: DraftOrder) -> tuple[int, bool, str]:
    """Closing before opening, sales before purchases, then by symbol."""
    return draft.leg, draft.side is Side.BUY, draft.instrument.symbol


def _planned_order(draft: DraftOrder, inputs: PlanInputs) -> PlannedOrder:
    prices = _bracket_legs(draft, inputs)
    return PlannedOrder(
        asset_id=draft.instrument.asset_id,
        symbol=draft.instrument.symbol,
        side=draft.side,
        position_effect=draft.position_effect,
        leg=draft.leg,
        planned_quantity=draft.planned_quantity,
        quantity=draft.quantity,
        price=draft.price,
        order_type=OrderType.MARKET if prices is None else OrderType.BRACKET,
        time_in_force=TimeInForce.DAY,
        take_profit_price=None if prices is None else prices[0],
        stop_loss_price=None if prices is None else prices[1],
        cuts=draft.cuts,
    )
