"""All orders for one amount of equity: targets, per-order rules, then the cash they must fit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal

import msgspec

from trading_assets.model.money import ONE, ZERO, notional, plain
from trading_assets.model.order import Side
from trading_assets.model.plan import PlanReason, PlanRefusal
from trading_assets.model.policies import CommissionPolicy
from trading_assets.portfolio.buying_power import within_buying_power
from trading_assets.portfolio.exposure_limits import within_exposure_limits
from trading_assets.portfolio.fees import commission, cost_of_buying
from trading_assets.portfolio.limits import (
    OrderRules,
    apply_order_rules,
    cash_refusal,
)
from trading_assets.portfolio.opening_book import OpeningBook, PlanInputs
from trading_assets.portfolio.overflow import (
    Allocation,
    Purchase,
    PurchaseTerms,
    allocate,
    trim_largest,
)
from trading_assets.portfolio.sizing import (
    OPENING_LEG,
    DraftOrder,
    Instrument,
    draft_orders,
    target_quantity,
)


class Rebalance(msgspec.Struct, frozen=True, kw_only=True):
    """Orders sized on `net_equity`; `fees` is the commission of those with a quantity, `scale` the
    common factor on purchases, `refusal` what cash is lacking where they may not be scaled."""

    net_equity: Decimal
    drafts: tuple[DraftOrder, ...]
    scale: Decimal
    fees: Decimal
    refusal: PlanRefusal | None = None

    @property
    def real(self) -> frozenset[tuple[str, Side]]:
        """Symbol and side of every order with a quantity."""
        return frozenset((d.instrument.symbol, d.side) for d in self.drafts if d.quantity > 0)


def rebalance(book: OpeningBook, net_equity: Decimal) -> Rebalance:
    """Every order for equity `net_equity` (money), all rules applied; empty for an empty book."""
    inputs = book.inputs
    rules = OrderRules(
        minimum=inputs.order_minimum,
        limits=inputs.limits,
        band_value=inputs.planning.no_trade_band * net_equity,
        equity=net_equity,
        broker=inputs.order_rules,
        open_sides=inputs.open_sides,
        held_shares=inputs.held_shares,
        may_short=inputs.account.may_short,
    )
    drafts: list[DraftOrder] = []
    for instrument in book.instruments:
        target = target_of(instrument, net_equity, inputs)
        orders = draft_orders(instrument, target, inputs.planning)
        if orders:
            drafts.extend(apply_order_rules(orders, rules))
    return _within_cash_and_risk(book, net_equity, drafts)


def target_of(instrument: Instrument, net_equity: Decimal, inputs: PlanInputs) -> Decimal:
    """Signed shares that `instrument` should come to; where they are, without a price."""
    if instrument.price is None:
        return instrument.current
    investable = (ONE - inputs.planning.cash_buffer) * net_equity
    decimals = inputs.planning.quantity_decimals
    return target_quantity(instrument.weight, investable, instrument.price, decimals)


def _within_cash_and_risk(
    book: OpeningBook, net_equity: Decimal, drafts: Sequence[DraftOrder]
) -> Rebalance:
    """Orders that fit the cash there is and the limits on risk.

    What a limit drops leaves its cash to the others. So the cash is shared out anew until no limit
    drops anything more; otherwise the filled book would want what is left.
    """
    risk = book.inputs.risk
    while True:
        sized = _within_means(book, net_equity, drafts)
        if risk is None:
            return sized
        limited = within_exposure_limits(book, net_equity, sized.drafts, risk)
        if all(after is before for before, after in zip(sized.drafts, limited, strict=True)):
            return sized
        drafts = [
            draft
            if after is before
            else draft.dropped(after.cuts[-1].reason, after.cuts[-1].detail)
            for draft, before, after in zip(drafts, sized.drafts, limited, strict=True)
        ]


def _within_means(
    book: OpeningBook, net_equity: Decimal, drafts: Sequence[DraftOrder]
) -> Rebalance:
    """Orders that fit the cash there is, then the buying power that the broker grants."""
    paid = _within_cash(book, net_equity, drafts)
    if book.inputs.account.buying_power is None:
        return paid
    granted, refusal = within_buying_power(book, paid.drafts)
    if refusal is None and all(
        after is before for before, after in zip(paid.drafts, granted, strict=True)
    ):
        return paid
    return msgspec.structs.replace(
        paid,
        drafts=granted,
        fees=_fees((draft for draft in granted if draft.quantity > 0), book.inputs.commission),
        refusal=paid.refusal or refusal,
    )


def _within_cash(book: OpeningBook, net_equity: Decimal, drafts: Sequence[DraftOrder]) -> Rebalance:
    inputs = book.inputs
    buffer = inputs.planning.cash_buffer * net_equity
    others = [draft for draft in drafts if not draft.is_opening_buy]
    buys = [draft for draft in drafts if draft.is_opening_buy and draft.quantity > 0]
    sales = [draft for draft in others if draft.leg != OPENING_LEG and draft.side is Side.SELL]
    fees = _fees(others, inputs.commission)
    proceeds = sum((notional(draft.quantity, draft.price) for draft in sales), ZERO)
    budget = inputs.cash - book.short_value - buffer + proceeds - fees
    full = Rebalance(
        net_equity=net_equity,
        drafts=tuple(drafts),
        scale=ONE,
        fees=fees + _fees(buys, inputs.commission),
    )
    if not buys:
        return full
    cost = sum((cost_of_buying(inputs.commission, d.quantity, d.price) for d in buys), ZERO)
    lacking = cost - budget
    if lacking <= 0:
        return full
    # What rounding kept in the book is no lack of cash that a person would have to decide on.
    excused = book.valuation_rounding + _kept_by_rounding(sales)
    if not inputs.planning.adjust_for_overflow and lacking > excused:
        return msgspec.structs.replace(full, refusal=cash_refusal(buffer - lacking, buffer))
    only_cents = lacking <= book.valuation_rounding
    scale, scaled = _scaled(buys, budget, inputs, trim_largest if only_cents else allocate)
    return msgspec.structs.replace(
        full,
        drafts=tuple(
            scaled.get(draft.instrument.symbol, draft) if draft.is_opening_buy else draft
            for draft in drafts
        ),
        scale=scale,
        fees=fees + _fees(scaled.values(), inputs.commission),
    )


def _scaled(
    buys: Sequence[DraftOrder],
    budget: Decimal,
    inputs: PlanInputs,
    share_out: Callable[[Sequence[Purchase], PurchaseTerms], Allocation],
) -> tuple[Decimal, Mapping[str, DraftOrder]]:
    minimum = inputs.order_minimum
    allocation = share_out(
        [_purchase(draft) for draft in buys],
        PurchaseTerms(budget=budget, minimum=minimum, commission=inputs.commission),
    )
    detail = (
        f"cash for {plain(allocation.scale)} of the purchases"
        if allocation.scale < 1
        else "cents of rounding above the cash there is"
    )
    scaled = {}
    for draft, quantity in zip(buys, allocation.quantities, strict=True):
        scaled[draft.instrument.symbol] = (
            draft
            if quantity == draft.quantity
            else draft.reduced(PlanReason.CASH_OVERFLOW, quantity, detail)
        )
    return allocation.scale, scaled


def _purchase(draft: DraftOrder) -> Purchase:
    clipped = any(cut.reason is not PlanReason.ROUNDED for cut in draft.cuts)
    return Purchase(
        symbol=draft.instrument.symbol,
        wanted=draft.quantity if clipped else draft.planned_quantity,
        most=draft.quantity,
        price=draft.price,
        decimals=draft.decimals,
    )


def _fees(drafts: Iterable[DraftOrder], policy: CommissionPolicy) -> Decimal:
    return sum(
        (commission(policy, d.quantity, notional(d.quantity, d.price)) for d in drafts), ZERO
    )


def _kept_by_rounding(sales: Sequence[DraftOrder]) -> Decimal:
    return sum(
        (
            cut.quantity * draft.price
            for draft in sales
            for cut in draft.cuts
            if cut.reason is PlanReason.ROUNDED
        ),
        ZERO,
    )
