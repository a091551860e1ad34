"""Limits: what a single order may be, and when a plan is refused as a whole.

Every function is one rule, or the list that says in which order the rules are applied.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from decimal import Decimal
from enum import StrEnum

import msgspec

from trading_assets.model.money import ZERO, money, plain, truncate_quantity
from trading_assets.model.order import OrderRequest, OrderType, Side, TimeInForce
from trading_assets.model.plan import PlanReason, PlanRefusal
from trading_assets.model.policies import LimitPolicy, MissingPricePolicy
from trading_assets.portfolio.order_rules import (
    PERMISSIVE,
    BrokerRules,
    OrderRule,
    OrderSituation,
    violations,
)
from trading_assets.portfolio.sizing import CLOSING_LEG, DraftOrder, Instrument


class RefusalCode(StrEnum):
    """Why a plan is refused as a whole."""

    MISSING_PRICE = "MISSING_PRICE"
    STALE_PRICE = "STALE_PRICE"
    NO_EQUITY = "NO_EQUITY"
    SHORT_NOT_ALLOWED = "SHORT_NOT_ALLOWED"
    CASH_BUFFER = "CASH_BUFFER"
    BUYING_POWER = "BUYING_POWER"
    MAX_TOTAL_NOTIONAL = "MAX_TOTAL_NOTIONAL"
    SESSION_OVER = "SESSION_OVER"


class OrderRules(msgspec.Struct, frozen=True, kw_only=True):
    """What one order is judged by.

    `minimum`, `band_value` (the no-trade band) and `equity` are money; `broker` is what the broker
    accepts, `open_sides` and `held_shares` what is open there by symbol, `may_short` whether it
    lets the account sell short.
    """

    minimum: Decimal
    limits: LimitPolicy
    band_value: Decimal
    equity: Decimal
    broker: BrokerRules = PERMISSIVE
    open_sides: Mapping[str, frozenset[Side]] = {}
    held_shares: Mapping[str, Decimal] = {}
    may_short: bool = True


def apply_order_rules(drafts: Sequence[DraftOrder], rules: OrderRules) -> tuple[DraftOrder, ...]:
    """The orders of one instrument after every per-order rule, in the order given.

    `drafts` are one order, or the closing and the opening leg of a flip; empty gives empty. The
    opening leg of a flip is dropped unless its closing leg stands in full: one without the other
    would leave both sides at the broker.
    """
    traded = sum((draft.planned_quantity * draft.price for draft in drafts), ZERO)
    judged = tuple(_apply(draft, traded, rules) for draft in drafts)
    if len(judged) == 2 and judged[0].quantity < judged[0].planned_quantity:
        closing, opening = judged
        if opening.quantity > 0:
            detail = (
                f"the closing order stands at {plain(closing.quantity)} of "
                f"{plain(closing.planned_quantity)} shares"
            )
            opening = opening.dropped(PlanReason.FLIP_NOT_CLOSED, detail)
        return closing, opening
    return judged


def _apply(draft: DraftOrder, traded: Decimal, rules: OrderRules) -> DraftOrder:
    instrument = draft.instrument
    if instrument.unusable is not None:
        return draft.dropped(instrument.unusable, _price_detail(instrument))
    if draft.quantity == 0:
        return draft
    # An exit is never too small to be wanted: the name is to leave the book.
    if instrument.weight != 0 and traded < rules.band_value:
        detail = f"{plain(money(traded))} is inside the band of {plain(money(rules.band_value))}"
        return draft.dropped(PlanReason.NO_TRADE_BAND, detail)
    draft = drop_below_minimum(draft, rules.minimum)
    most = rules.limits.max_price_deviation
    if draft.quantity and most is not None and (instrument.deviation or ZERO) > most:
        detail = f"price moved {plain(instrument.deviation or ZERO)}, limit {plain(most)}"
        return draft.dropped(PlanReason.PRICE_DEVIATION, detail)
    clipped = _clip(draft, rules.limits)
    if clipped is not draft:
        clipped = drop_below_minimum(clipped, rules.minimum)
    return _acceptable(clipped, rules)


def drop_below_minimum(draft: DraftOrder, minimum: Decimal) -> DraftOrder:
    """Drop an order worth less than `minimum` money; one worth exactly that stands."""
    value = draft.quantity * draft.price
    if draft.quantity == 0 or value >= minimum:
        return draft
    detail = f"{plain(value)} is below the minimum of {plain(minimum)}"
    return draft.dropped(PlanReason.MIN_ORDER_NOTIONAL, detail)


def _clip(draft: DraftOrder, limits: LimitPolicy) -> DraftOrder:
    most = limits.max_order_shares
    if most is not None and draft.quantity > most:
        quantity = truncate_quantity(most, draft.decimals)
        detail = f"at most {plain(most)} shares an order"
        draft = draft.reduced(PlanReason.MAX_ORDER_SHARES, quantity, detail)
    value = limits.max_order_notional
    if value is not None and draft.quantity * draft.price > value:
        quantity = truncate_quantity(value / draft.price, draft.decimals)
        detail = f"at most {plain(value)} an order"
        draft = draft.reduced(PlanReason.MAX_ORDER_NOTIONAL, quantity, detail)
    return draft


_BROKER_REASONS: Mapping[OrderRule, PlanReason] = {
    OrderRule.NOT_TRADABLE: PlanReason.NOT_TRADABLE,
    OrderRule.NOT_SHORTABLE: PlanReason.NOT_SHORTABLE,
    OrderRule.SHORT_EQUITY: PlanReason.SHORT_EQUITY,
    OrderRule.OPPOSITE_ORDER_OPEN: PlanReason.OPPOSITE_ORDER_OPEN,
}


def _acceptable(draft: DraftOrder, rules: OrderRules) -> DraftOrder:
    """Drop an order that the broker would refuse, for the first of its rules that it breaks."""
    if rules.broker is PERMISSIVE or draft.quantity == 0:
        return draft
    instrument, symbol = draft.instrument, draft.instrument.symbol
    closes = draft.leg == CLOSING_LEG
    is_flip = not closes and instrument.current * draft.side.sign < 0
    situation = OrderSituation(
        price=draft.price,
        # The closing leg of a flip is filled before its opening leg is sent.
        position=ZERO if is_flip else instrument.current,
        equity=rules.equity,
        traits=instrument.traits,
        open_sides=rules.open_sides.get(symbol, frozenset()),
        held_shares=rules.held_shares.get(symbol, ZERO),
        may_short=rules.may_short,
    )
    request = OrderRequest(
        client_order_id="",
        symbol=symbol,
        side=draft.side,
        quantity=draft.quantity,
        order_type=OrderType.MARKET,
        time_in_force=TimeInForce.DAY,
        position_effect=draft.position_effect,
    )
    broken = violations(request, situation, rules.broker)
    if not broken:
        return draft
    first = broken[0]
    reason = _BROKER_REASONS.get(first.rule, PlanReason.BROKER_RULE)
    detail = f"{rules.broker.broker}: {first.message}"
    if first.actual:
        detail += f" ({first.actual}; {first.allowed})"
    return draft.dropped(reason, detail)


def _price_detail(instrument: Instrument) -> str:
    if instrument.price is None:
        return "no price"
    return f"price {plain(instrument.price)} is of {instrument.price_session}"


def price_refusals(
    instruments: Sequence[Instrument], limits: LimitPolicy
) -> tuple[PlanRefusal, ...]:
    """Refusals for prices that are missing or too old, each naming its symbols.

    A held instrument without any price refuses the plan under every policy: equity is unknown.
    """
    refusals = []
    strict = limits.missing_price is MissingPricePolicy.REFUSE
    concerned = [i for i in instruments if i.current != 0 or i.weight != 0]
    missing = [
        i.symbol
        for i in concerned
        if i.unusable is PlanReason.MISSING_PRICE and (strict or i.current != 0)
    ]
    stale = [i.symbol for i in concerned if strict and i.unusable is PlanReason.STALE_PRICE]
    if missing:
        refusals.append(
            PlanRefusal(
                code=RefusalCode.MISSING_PRICE,
                message=f"no price for {', '.join(missing)}. Load it, or remove the target.",
                actual=f"{len(missing)} without a price",
                limit="0",
            )
        )
    if stale:
        refusals.append(
            PlanRefusal(
                code=RefusalCode.STALE_PRICE,
                message=f"price too old for {', '.join(stale)}. Load the latest close.",
                actual=f"{len(stale)} too old",
                limit=f"at most {limits.max_price_age_sessions} session(s) old",
            )
        )
    return tuple(refusals)


def short_refusal(instruments: Sequence[Instrument]) -> PlanRefusal:
    """Refusal of a plan that targets shorts in a portfolio that may not hold any."""
    shorts = [i.symbol for i in instruments if i.weight < 0]
    return PlanRefusal(
        code=RefusalCode.SHORT_NOT_ALLOWED,
        message=f"negative target for {', '.join(shorts)}, but allow_short is off",
        actual=f"{len(shorts)} short target(s)",
        limit="0",
    )


def session_over_refusal(session: dt.date) -> PlanRefusal:
    """Refusal of a plan that is made after its session, for the record alone."""
    return PlanRefusal(
        code=RefusalCode.SESSION_OVER,
        message=f"{session} was over before it was planned, nothing of it is sent",
        actual="after the close",
        limit="before the close",
    )


def equity_refusal(equity: Decimal) -> PlanRefusal:
    """Refusal of a plan for a book that is worth nothing, or less."""
    return PlanRefusal(
        code=RefusalCode.NO_EQUITY,
        message="equity is not positive: there is nothing to size orders on",
        actual=plain(equity),
        limit="more than 0",
    )


def cash_refusal(cash_after: Decimal, buffer: Decimal) -> PlanRefusal:
    """Refusal of a plan whose purchases would take cash below the buffer (both money)."""
    return PlanRefusal(
        code=RefusalCode.CASH_BUFFER,
        message="the purchases cost more than the cash above the buffer, and "
        "adjust_for_overflow is off",
        actual=plain(money(cash_after)),
        limit=plain(money(buffer)),
    )


def buying_power_refusal(worth: Decimal, available: Decimal) -> PlanRefusal:
    """Refusal of a plan whose opening orders are worth more than the buying power (both money)."""
    return PlanRefusal(
        code=RefusalCode.BUYING_POWER,
        message="the opening orders are worth more than the account's buying power, and "
        "adjust_for_overflow is off",
        actual=plain(money(worth)),
        limit=plain(money(available)),
    )


def total_refusal(drafts: Sequence[DraftOrder], limits: LimitPolicy) -> PlanRefusal | None:
    """Refusal where the real orders together are worth more than `max_total_notional`."""
    most = limits.max_total_notional
    if most is None:
        return None
    total = sum((money(draft.quantity * draft.price) for draft in drafts), ZERO)
    if total <= most:
        return None
    return PlanRefusal(
        code=RefusalCode.MAX_TOTAL_NOTIONAL,
        message="the orders together are worth more than the plan may trade",
        actual=plain(total),
        limit=plain(most),
    )
