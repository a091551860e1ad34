"""Planned against filled: what became of every share that the plan wanted to trade."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

import msgspec

from trading_assets.ledger.history import ClosedSession
from trading_assets.ledger.orders import OrderState
from trading_assets.model.money import ZERO, notional, plain
from trading_assets.model.order import OrderStatus, Side
from trading_assets.model.plan import OrderPlan, PlannedOrder, PlanReason
from trading_assets.model.result import Gap, GapCause
from trading_assets.reconciliation.continuity import OutsideMoves

PLANNED_VS_FILLED = "planned_vs_filled"

CAUSE_OF_CUT = {
    PlanReason.ROUNDED: GapCause.ROUNDING,
    PlanReason.MIN_ORDER_NOTIONAL: GapCause.MINIMUM_NOTIONAL,
    PlanReason.NO_TRADE_BAND: GapCause.NO_TRADE_BAND,
    PlanReason.CASH_OVERFLOW: GapCause.CASH_OVERFLOW,
    PlanReason.BUYING_POWER: GapCause.BROKER_RULE,
    PlanReason.MAX_ORDER_SHARES: GapCause.CLIPPED_BY_LIMIT,
    PlanReason.MAX_ORDER_NOTIONAL: GapCause.CLIPPED_BY_LIMIT,
    PlanReason.PRICE_DEVIATION: GapCause.CLIPPED_BY_LIMIT,
    PlanReason.STALE_PRICE: GapCause.MISSING_PRICE,
    PlanReason.MISSING_PRICE: GapCause.MISSING_PRICE,
    PlanReason.FLIP_NOT_CLOSED: GapCause.NOT_SENT,
    PlanReason.PLAN_REFUSED: GapCause.PLAN_REFUSED,
    PlanReason.BETWEEN_REBALANCES: GapCause.BETWEEN_REBALANCES,
    PlanReason.NOT_TRADABLE: GapCause.BROKER_RULE,
    PlanReason.NOT_SHORTABLE: GapCause.BROKER_RULE,
    PlanReason.SHORT_EQUITY: GapCause.BROKER_RULE,
    PlanReason.OPPOSITE_ORDER_OPEN: GapCause.BROKER_RULE,
    PlanReason.BROKER_RULE: GapCause.BROKER_RULE,
    PlanReason.NO_EQUITY: GapCause.RISK_LIMIT,
    PlanReason.DRAWDOWN_LIMIT: GapCause.RISK_LIMIT,
    PlanReason.POSITION_SIZE_LIMIT: GapCause.RISK_LIMIT,
    PlanReason.POSITION_VALUE_LIMIT: GapCause.RISK_LIMIT,
    PlanReason.CONCENTRATION_LIMIT: GapCause.RISK_LIMIT,
    PlanReason.SECTOR_UNKNOWN: GapCause.RISK_LIMIT,
    PlanReason.SECTOR_LIMIT: GapCause.RISK_LIMIT,
    PlanReason.TOTAL_EXPOSURE_LIMIT: GapCause.RISK_LIMIT,
    PlanReason.GROSS_LEVERAGE_LIMIT: GapCause.RISK_LIMIT,
    PlanReason.NET_LEVERAGE_LIMIT: GapCause.RISK_LIMIT,
}


class Shortfall(msgspec.Struct, frozen=True):
    """Positive shares of one order that were not traded, and why."""

    cause: GapCause
    quantity: Decimal
    detail: str


def planned_vs_filled(
    plan: OrderPlan,
    states: Mapping[str, OrderState],
    turned: Mapping[tuple[str, Side], Decimal],
    *,
    sent: bool,
) -> tuple[Gap, ...]:
    """Gaps of every planned order, in the plan's order; empty when all was filled.

    `states` are the session's orders by client order id, `turned` the signed shares that somebody
    else traded against an order of a symbol and side (`turned_by_others`); `sent` is False where
    the portfolio sends nothing (dry). For each order Σ quantity = planned - filled in signed
    shares, and Σ amount = the same at the plan price, each end rounded to the cent once.
    """
    gaps: list[Gap] = []
    for order in plan.orders:
        state = states.get(order.client_order_id) if order.client_order_id else None
        known = [
            Shortfall(CAUSE_OF_CUT[cut.reason], cut.quantity, f"{cut.reason.value}: {cut.detail}")
            for cut in order.cuts
        ]
        left_out = _left_out(plan, order, states, turned)
        known += _after_planning(plan, order, state, left_out, sent=sent)
        gaps += _gaps(order, state, known)
    return tuple(gaps)


def _gaps(
    order: PlannedOrder, state: OrderState | None, known: Iterable[Shortfall]
) -> Iterable[Gap]:
    """The known shortfalls as signed gaps, and what remains after them as UNEXPLAINED."""
    sign = order.side.sign
    level = sign * order.planned_quantity
    parts = [(part.cause, sign * part.quantity, part.detail) for part in known]
    filled = ZERO if state is None else state.signed_filled_quantity
    remainder = level - filled - sum((quantity for _, quantity, _ in parts), ZERO)
    stands = "is not in the book" if state is None else f"is {state.status.value}"
    parts.append((GapCause.UNEXPLAINED, remainder, f"order {order.client_order_id} {stands}"))
    for cause, quantity, detail in parts:
        if not quantity:
            continue
        yield Gap(
            view=PLANNED_VS_FILLED,
            symbol=order.symbol,
            cause=cause,
            quantity=quantity,
            amount=notional(level, order.price) - notional(level - quantity, order.price),
            weight=ZERO,
            detail=detail,
        )
        level -= quantity


def _after_planning(
    plan: OrderPlan,
    order: PlannedOrder,
    state: OrderState | None,
    left_out: list[Shortfall],
    *,
    sent: bool,
) -> list[Shortfall]:
    """Why less than the order's real quantity was traded; empty where no fact says so."""
    if plan.refusals:
        codes = ", ".join(refusal.code for refusal in plan.refusals)
        return [Shortfall(GapCause.PLAN_REFUSED, order.quantity, codes)]
    if not sent:
        return [Shortfall(GapCause.NOT_SENT, order.quantity, "this portfolio sends no orders")]
    if order.quantity == 0:
        return []
    if state is None:
        return left_out
    return _cut_at_sending(plan, order, state) + _unfilled(state)


def turned_by_others(
    session: ClosedSession, outside: Mapping[str, OutsideMoves]
) -> dict[tuple[str, Side], Decimal]:
    """Signed shares that were traded `outside` the plan after it was made, by symbol and the side
    of an order that they stood against: more of them than the plan found on that side."""
    traded = {symbol: moves.trades for symbol, moves in outside.items() if moves.trades}
    if not traded:
        return {}
    found = {line.symbol: line.current_quantity for line in session.planned.plan.lines}
    turned: dict[tuple[str, Side], Decimal] = {}
    for symbol, trades in traded.items():
        held = found.get(symbol, ZERO)
        known = held - session.opening_positions.get(symbol, ZERO)
        for side in Side:
            against = [-side.sign * one for one in trades if one * side.sign < 0]
            moved = sum(against, ZERO) - max(-side.sign * known, ZERO)
            if moved > max(side.sign * held, ZERO):
                turned[symbol, side] = -side.sign * moved
    return turned


def _left_out(
    plan: OrderPlan,
    order: PlannedOrder,
    states: Mapping[str, OrderState],
    turned: Mapping[tuple[str, Side], Decimal],
) -> list[Shortfall]:
    """Opening orders only: the flip's closing leg is not filled, somebody's trade brought the
    symbol to the other side, or nothing was left to pay them from. The last is believed of orders
    that the leg's intents tell of; of every one where they do not tell (older books, and legs of
    which nothing was intended), save for sales where the broker holds orders to no buying power.
    """
    if order.leg != 2:
        return []
    for closing in plan.orders:
        if closing.symbol == order.symbol and closing.leg == 1:
            state = states.get(closing.client_order_id)
            if state is None or state.filled_quantity < closing.planned_quantity:
                detail = "the closing order of the flip was not filled"
                return [Shortfall(GapCause.NOT_SENT, order.quantity, detail)]
    against = turned.get((order.symbol, order.side))
    if against is not None:
        detail = f"{plain(against)} traded outside the plan: it was held on the other side"
        return [Shortfall(GapCause.NOT_SENT, order.quantity, detail)]
    told = [state.left_out for state in states.values() if state.left_out is not None]
    if told and not any(order.client_order_id in names for names in told):
        return []
    if order.side is Side.BUY:
        detail = "no cash was left for it when it was to be sent"
        return [Shortfall(GapCause.CASH_OVERFLOW, order.quantity, detail)]
    if not told and plan.buying_power is None:
        return []
    detail = "no buying power was left for it when it was to be sent"
    return [Shortfall(GapCause.BROKER_RULE, order.quantity, detail)]


def _cut_at_sending(plan: OrderPlan, order: PlannedOrder, state: OrderState) -> list[Shortfall]:
    """What opens may be cut to what there is to pay for it: purchases to the cash that the sales
    really brought in, all to the buying power where one is stated; nothing else may be."""
    cut = order.quantity - state.request.quantity
    if cut <= 0 or order.leg != 2:
        return []
    sent = f"sent for {plain(state.request.quantity)} shares"
    if order.side is Side.BUY:
        return [Shortfall(GapCause.CASH_OVERFLOW, cut, f"{sent}, the cash that was there")]
    if plan.buying_power is None:
        return []
    return [Shortfall(GapCause.BROKER_RULE, cut, f"{sent}, the buying power that was there")]


def _unfilled(state: OrderState) -> list[Shortfall]:
    """The rest of an order that is over. One that may still trade explains nothing."""
    rest = state.remaining_quantity
    if state.status is OrderStatus.REJECTED:
        detail = f"{state.reject_code}: {state.reason}"
        return [Shortfall(GapCause.REJECTION, rest, detail)]
    if state.status in (OrderStatus.CANCELED, OrderStatus.EXPIRED):
        detail = f"{state.status.value} {state.reason}".rstrip()
        if not state.attempts:
            return [Shortfall(GapCause.NOT_SENT, rest, f"withdrawn before it was sent: {detail}")]
        return [Shortfall(GapCause.PARTIAL_FILL, rest, detail)]
    return []
