"""What a session closes with: how its orders ended, what its positions are valued at, and what the
broker states."""

from __future__ import annotations

from trading_assets.brokers.base import Broker
from trading_assets.errors import BrokerUnknownError
from trading_assets.execution.book import Book
from trading_assets.execution.session_parts import SessionInputs
from trading_assets.ledger.orders import OrderState
from trading_assets.model.events import AnyEvent, BrokerStatement, Mark
from trading_assets.model.order import OrderStatus
from trading_assets.model.order_events import OrderCanceled, OrderExpired, OrderRejected


def ending_of(broker: Broker, order: OrderState) -> AnyEvent:
    """How an order that the book holds as open ended at the broker.

    Raises BrokerUnknownError where the broker does not know it, or holds it as still open.
    """
    name = order.client_order_id
    found = broker.order_by_client_id(name).require()
    if found is None:
        raise BrokerUnknownError(
            f"order {name} was accepted and the broker no longer knows it. "
            "Compare the account with the book before trading on."
        )
    if found.status is OrderStatus.REJECTED:
        return OrderRejected(
            client_order_id=name, code=found.reject_code, reason=found.reject_reason
        )
    if found.status is OrderStatus.CANCELED:
        return OrderCanceled(client_order_id=name, reason="canceled at the broker")
    if found.status is OrderStatus.EXPIRED:
        return OrderExpired(client_order_id=name)
    raise BrokerUnknownError(
        f"order {name} is {found.status.value} at the broker after the close, "
        f"{order.status.value} in the book. Run the session again."
    )


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


def broker_statement(broker: Broker) -> BrokerStatement:
    """Positions and cash as the broker states them now."""
    account = broker.account().require()
    return BrokerStatement(
        account_number=account.account_number,
        positions=dict(sorted(broker.positions().require().items())),
        cash=account.cash,
    )
