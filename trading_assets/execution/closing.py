"""What a session closes with: how its orders ended, what its positions are valued at, and what the
broker states."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection

from msgspec.structs import replace

from trading_assets.brokers.base import Broker
from trading_assets.errors import BrokerUnknownError
from trading_assets.execution.book import Book
from trading_assets.execution.session_parts import SessionInputs
from trading_assets.ledger.orders import OrderState
from trading_assets.model.account import BrokerOrder
from trading_assets.model.events import AnyEvent, BrokerStatement, Mark
from trading_assets.model.money import ZERO, money, plain
from trading_assets.model.order import OrderStatus
from trading_assets.model.order_events import OrderCanceled, OrderExpired, OrderRejected
from trading_assets.reconciliation.manual_matching import execution_of


def ending_of(broker: Broker, order: OrderState) -> AnyEvent:
    """How an order that the book holds as open ended at the broker.

    Raises BrokerUnknownError where the broker does not know it, holds it as still open, or counts
    other fills than the book.
    """
    name = order.client_order_id
    found: BrokerOrder | None = broker.order_by_client_id(name).require()
    if found is None:
        raise BrokerUnknownError(
            f"order {name} was accepted and the broker no longer knows it. "
            "Compare the account with the book before trading on."
        )
    event = ended_as(found)
    if event is None or found.filled_quantity != order.filled_quantity:
        raise BrokerUnknownError(
            f"order {name} is {found.status.value} at the broker after the close with "
            f"{plain(found.filled_quantity)} shares filled, {order.status.value} in the book with "
            f"{plain(order.filled_quantity)}. Run the session again."
        )
    return event


def ended_as(order: BrokerOrder, canceled: str = "canceled at the broker") -> AnyEvent | None:
    """How an order ended without being filled, `canceled` being why it was; None where it did not,
    or was filled."""
    name = order.request.client_order_id
    if order.status is OrderStatus.REJECTED:
        return OrderRejected(
            client_order_id=name, code=order.reject_code, reason=order.reject_reason
        )
    if order.status is OrderStatus.CANCELED:
        return OrderCanceled(client_order_id=name, reason=canceled)
    return OrderExpired(client_order_id=name) if order.status is OrderStatus.EXPIRED else None


def closing_marks(book: Book, inputs: SessionInputs) -> dict[str, Mark]:
    """A price for everything held or traded, also by strategies against each other: the close, else
    the last mark, else the fill, else the price that it was planned with (shares that were spun off
    and have no close yet).

    Shares without any of these stay unmarked, which valuing them reports.
    """
    session = inputs.session
    traded = {fill.symbol: fill.price for fill in book.fold.orders.fills(session)}
    last = book.fold.ledger.marks
    marks: dict[str, Mark] = {}
    symbols = sorted({*book.positions, *traded, *book.fold.strategies.symbols})
    closes = inputs.closes(symbols)
    for symbol in symbols:
        price = closes.prices.get(symbol)
        if price is not None:
            marks[symbol] = Mark(price=price.price, session=price.session, source=price.source)
        elif symbol in last:
            marks[symbol] = last[symbol]
        elif symbol in traded:
            marks[symbol] = Mark(price=traded[symbol], session=session, source="fill")
        else:
            planned = inputs.plan_prices([symbol]).prices.get(symbol)
            if planned is not None:
                marks[symbol] = Mark(
                    price=planned.price, session=planned.session, source=planned.source
                )
    return marks


def booked_executions(book: Book, session: dt.date) -> set[str]:
    """The broker's ids of the executions that are booked in a session."""
    return {execution_of(fill.execution_id) for fill in book.fold.orders.fills(session)}


def broker_statement(broker: Broker) -> BrokerStatement:
    """Positions, their average costs and cash (to the cent) as the broker states them now."""
    stated = _stated(broker)
    return replace(stated, cash=money(stated.cash))


def _stated(broker: Broker) -> BrokerStatement:
    account = broker.account().require()
    return BrokerStatement(
        account_number=account.account_number,
        positions=dict(sorted(broker.positions().require().items())),
        cash=account.cash,
        average_costs=broker.average_costs().require(),
        average_cost_method=broker.capabilities.average_cost_method,
    )


STATEMENT_ATTEMPTS = 3


def statement_as_of(
    broker: Broker, traded_until: dt.datetime, moved_until: dt.datetime, booked: Collection[str]
) -> BrokerStatement:
    """Positions and cash as the broker states them, without what it did later: executions after
    `traded_until` that are not among those `booked` by their ids, other cash from `moved_until` on.

    A session that is closed late has to be compared with the account as it then was. Raises
    BrokerUnknownError where the account moves while it is read.
    """
    just_before = moved_until - dt.timedelta(microseconds=1)
    for _ in range(STATEMENT_ATTEMPTS):
        fills = broker.fills_since(traded_until).require()
        activities = broker.cash_activities_since(just_before).require()
        stated = _stated(broker)
        if (
            fills != broker.fills_since(traded_until).require()
            or activities != broker.cash_activities_since(just_before).require()
        ):
            continue
        positions, cash = dict(stated.positions), stated.cash
        costs = stated.average_costs
        later = [fill for fill in fills if fill.execution_id not in booked]
        for fill in later:
            signed = fill.side.sign * fill.quantity
            positions[fill.symbol] = positions.get(fill.symbol, ZERO) - signed
            cash += signed * fill.price + fill.commission
        traded = {fill.symbol for fill in later}
        moved = (activity.amount for activity in activities if not activity.is_canceled)
        cash -= sum(moved, ZERO)
        return replace(
            stated,
            positions={name: held for name, held in sorted(positions.items()) if held},
            cash=money(cash),
            # What a later trade did to one cannot be taken out again.
            average_costs=None
            if costs is None
            else {name: cost for name, cost in costs.items() if name not in traded},
        )
    raise BrokerUnknownError("the account moves while it is read. Run the session again.")
