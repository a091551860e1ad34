"""What became of each order of a session: the rows of the execution log, for lake and files."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import msgspec

from trading_assets.ledger.history import ClosedSession
from trading_assets.ledger.orders import OrderState
from trading_assets.model.money import ZERO, notional
from trading_assets.model.plan import OrderPlan, PlannedOrder

NOT_SENT = "not_sent"


class ExecutionRow(msgspec.Struct, frozen=True, kw_only=True):
    """One order that was sent, or (status `not_sent`, as in dry mode) that would have been.

    `notional` is positive money: what was filled, and at the plan price what was not sent.
    `executed_at` is the last fill's moment; quantities are positive shares, prices per share.
    """

    session: dt.date
    mode: str
    symbol: str
    side: str
    quantity: Decimal
    order_type: str
    take_profit_price: Decimal | None
    stop_loss_price: Decimal | None
    time_in_force: str
    client_order_id: str
    batch_id: str
    plan_price: Decimal
    notional: Decimal
    status: str
    executed_at: dt.datetime | None = None
    filled_quantity: Decimal = ZERO
    average_price: Decimal | None = None
    commission: Decimal = ZERO
    broker_order_id: str = ""
    error: str = ""


def execution_rows(closed: ClosedSession, mode: str) -> tuple[ExecutionRow, ...]:
    """The session's orders in the order of intent, then those of the plan that were not sent."""
    last_fill = {fill.client_order_id: fill.executed_at for fill in closed.fills}
    sent = {order.client_order_id for order in closed.orders}
    plan = closed.planned.plan
    return (
        *(_sent(closed.session, mode, o, last_fill.get(o.client_order_id)) for o in closed.orders),
        *(
            _not_sent(closed.session, mode, order, plan.batch_id)
            for order in plan.real_orders
            if order.client_order_id not in sent
        ),
    )


def unsent_rows(plan: OrderPlan, mode: str) -> tuple[ExecutionRow, ...]:
    """The orders of a plan of which nothing is sent, in the plan's order."""
    return tuple(_not_sent(plan.session, mode, order, plan.batch_id) for order in plan.real_orders)


def _sent(
    session: dt.date, mode: str, order: OrderState, executed_at: dt.datetime | None
) -> ExecutionRow:
    request = order.request
    return ExecutionRow(
        session=session,
        mode=mode,
        symbol=request.symbol,
        side=request.side.value,
        quantity=request.quantity,
        order_type=request.order_type.value,
        take_profit_price=request.take_profit_price,
        stop_loss_price=request.stop_loss_price,
        time_in_force=request.time_in_force.value,
        client_order_id=order.client_order_id,
        batch_id=order.batch_id,
        plan_price=order.plan_price,
        notional=order.filled_notional,
        status=order.status.value,
        executed_at=executed_at,
        filled_quantity=order.filled_quantity,
        average_price=None if order.average_price is None else round(order.average_price, 10),
        commission=order.commission,
        broker_order_id=order.broker_order_id,
        error=f"{order.reject_code} {order.reason}".strip(),
    )


def _not_sent(session: dt.date, mode: str, order: PlannedOrder, batch_id: str) -> ExecutionRow:
    return ExecutionRow(
        session=session,
        mode=mode,
        symbol=order.symbol,
        side=order.side.value,
        quantity=order.quantity,
        order_type=order.order_type.value,
        take_profit_price=order.take_profit_price,
        stop_loss_price=order.stop_loss_price,
        time_in_force=order.time_in_force.value,
        client_order_id=order.client_order_id,
        batch_id=batch_id,
        plan_price=order.price,
        notional=notional(order.quantity, order.price),
        status=NOT_SENT,
    )
