"""All comparisons of one closed session, by instrument."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

from trading_assets.ledger.history import ClosedSession
from trading_assets.ledger.orders import OrderState
from trading_assets.model.money import ZERO, weight
from trading_assets.model.result import (
    Gap,
    GapCause,
    InstrumentReconciliation,
    ReconciliationReport,
)
from trading_assets.reconciliation.account import account_weights, final_vs_account
from trading_assets.reconciliation.average_cost import compare_average_costs
from trading_assets.reconciliation.continuity import OutsideMoves, book_continuity, outside_moves
from trading_assets.reconciliation.planned import planned_vs_filled, turned_by_others
from trading_assets.reconciliation.statement import compare_statement
from trading_assets.reconciliation.weights import (
    Equities,
    Holding,
    target_vs_final,
    undefined_weights,
)

MATCH = "match"
EXPLAINED = "explained"
BREAK = "break"

# Weights always move a little; an instrument whose weight differs for these alone is a match.
_DRIFT = frozenset({GapCause.CASH_BUFFER, GapCause.PRICE_MOVE, GapCause.FEE})


class _Compared(NamedTuple):
    """The differences of a session, and what they were taken from."""

    states: dict[str, OrderState]
    plan_ids: set[str]
    holdings: list[Holding]
    equities: Equities
    gaps: list[Gap]


def unexplained_gaps(session: ClosedSession, *, sent: bool = True) -> tuple[Gap, ...]:
    """What `reconcile` finds that no cause accounts for, without the rows by instrument."""
    gaps = (*_compared(session, sent).gaps, *compare_average_costs(session))
    return tuple(gap for gap in gaps if gap.cause is GapCause.UNEXPLAINED)


def _compared(session: ClosedSession, sent: bool) -> _Compared:
    plan = session.planned.plan
    states = {order.client_order_id: order for order in session.orders}
    plan_ids = {order.client_order_id for order in plan.orders if order.client_order_id}
    outside = outside_moves(session, plan_ids)
    turned = turned_by_others(session, outside)
    planned = planned_vs_filled(plan, states, turned, sent=sent)
    holdings = _holdings(session, planned, outside)
    equities = Equities(
        planned=plan.equity, closing=session.closed.equity, fees=session.activity.fees
    )
    gaps = list(planned)
    if equities.define_weights:
        for holding in holdings:
            gaps += target_vs_final(holding, equities)
    else:
        gaps.append(undefined_weights(equities))
    statement = session.closed.statement
    gaps += compare_statement(
        session.close.positions, session.close.cash, statement, session.close.cash_balances
    )
    gaps += book_continuity(session, plan_ids)
    return _Compared(states, plan_ids, holdings, equities, gaps)


def reconcile(session: ClosedSession, *, sent: bool = True) -> ReconciliationReport:
    """Compare target, plan, fills, book and broker statement of a closed session.

    `sent` is False for a portfolio that sends no orders (dry). Gaps are signed as the package's
    table says; in a row `delta_quantity` and `weight_deviation` are actual - planned and actual -
    target, the other way round. A row is "break" when any view leaves something unexplained for
    it, "explained" when a cause was needed beyond cash buffer, price move and fees, else "match".
    `unexplained_quantity` is the largest unexplained quantity of its views (signed). Cash and
    equity have gaps ("CASH", "EQUITY") but no row. Where an equity is 0, weights are undefined:
    one UNDEFINED gap says so and the rows' actual weights are 0.
    """
    states, plan_ids, holdings, equities, gaps = _compared(session, sent)
    statement = session.closed.statement
    costs = compare_average_costs(session)
    by_symbol: dict[str, list[Gap]] = {}
    # What is explained of costs says how they are kept, not what is held.
    for gap in (*gaps, *(one for one in costs if one.cause is GapCause.UNEXPLAINED)):
        by_symbol.setdefault(gap.symbol, []).append(gap)
    gaps += costs
    account = account_weights(session)
    for gap in final_vs_account(session, account):
        by_symbol.setdefault(gap.symbol, []).append(gap)
        gaps.append(gap)
    filled = _filled_quantity(states[name] for name in plan_ids if name in states)
    symbols = sorted({*(holding.symbol for holding in holdings), *statement.positions})
    by_holding = {holding.symbol: holding for holding in holdings}
    rows = tuple(
        _row(
            by_holding.get(symbol) or _not_held(symbol),
            filled.get(symbol, ZERO),
            statement.positions.get(symbol, ZERO),
            by_symbol.get(symbol, []),
            equities,
            None if account is None else account.get(symbol, ZERO),
        )
        for symbol in symbols
    )
    return ReconciliationReport(
        session=session.session,
        rows=rows,
        gaps=tuple(gaps),
        book_cash=session.close.cash,
        broker_cash=statement.cash,
    )


def _filled_quantity(orders: Iterable[OrderState]) -> dict[str, Decimal]:
    filled: dict[str, Decimal] = {}
    for order in orders:
        symbol = order.request.symbol
        filled[symbol] = filled.get(symbol, ZERO) + order.signed_filled_quantity
    return filled


def _holdings(
    session: ClosedSession, planned: tuple[Gap, ...], outside: dict[str, OutsideMoves]
) -> list[Holding]:
    """Everything targeted, held or traded, sorted by symbol."""
    plan = session.planned.plan
    lines = {line.symbol: line for line in plan.lines}
    wanted: dict[str, Decimal] = {}
    for order in plan.orders:
        signed = order.side.sign * order.planned_quantity
        wanted[order.symbol] = wanted.get(order.symbol, ZERO) + signed
    shortfalls: dict[str, list[Gap]] = {}
    for gap in planned:
        shortfalls.setdefault(gap.symbol, []).append(gap)
    opening, closing, marks = (
        session.opening_positions,
        session.close.positions,
        session.close.marks,
    )
    converted = {
        item.symbol: item.corporate_action_quantity for item in session.activity.instruments
    }
    return [
        Holding(
            symbol=symbol,
            line=lines.get(symbol),
            opening_quantity=opening.get(symbol, ZERO) + converted.get(symbol, ZERO),
            planned_quantity=wanted.get(symbol, ZERO),
            shortfalls=tuple(shortfalls.get(symbol, ())),
            outside=outside.get(symbol, OutsideMoves()),
            closing_quantity=closing.get(symbol, ZERO),
            mark=marks[symbol].price if symbol in marks else None,
        )
        for symbol in sorted({*lines, *wanted, *opening, *closing, *outside})
    ]


def _not_held(symbol: str) -> Holding:
    """An instrument that only the broker's statement knows."""
    return Holding(
        symbol=symbol,
        line=None,
        opening_quantity=ZERO,
        planned_quantity=ZERO,
        shortfalls=(),
        outside=OutsideMoves(),
        closing_quantity=ZERO,
        mark=None,
    )


def _row(
    holding: Holding,
    filled: Decimal,
    broker_quantity: Decimal,
    gaps: list[Gap],
    equities: Equities,
    account_weight: Decimal | None,
) -> InstrumentReconciliation:
    actual = ZERO
    if equities.define_weights:
        actual = weight(holding.closing_value, equities.closing)
    unexplained = [gap for gap in gaps if gap.cause is GapCause.UNEXPLAINED]
    if unexplained:
        status = BREAK
    elif any(gap.cause not in _DRIFT for gap in gaps):
        status = EXPLAINED
    else:
        status = MATCH
    return InstrumentReconciliation(
        symbol=holding.symbol,
        planned_quantity=holding.planned_quantity,
        actual_quantity=filled,
        delta_quantity=filled - holding.planned_quantity,
        status=status,
        target_weight=holding.target_weight,
        actual_weight=actual,
        weight_deviation=actual - holding.target_weight,
        book_quantity=holding.closing_quantity,
        broker_quantity=broker_quantity,
        unexplained_quantity=max((gap.quantity for gap in unexplained), key=abs, default=ZERO),
        account_weight=account_weight,
    )
