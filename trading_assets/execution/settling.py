"""What a person decides of an order that may have left and was not found."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable

from trading_assets.brokers.base import Broker
from trading_assets.errors import ConfigurationError
from trading_assets.execution.book import Book
from trading_assets.execution.submission import UNSENT
from trading_assets.model.events import NewEvent
from trading_assets.model.order import OrderStatus
from trading_assets.model.order_events import OrderCanceled

SOURCE = "person"


def settle(
    book: Book,
    broker: Broker,
    client_order_id: str,
    reason: str,
    now: dt.datetime,
    sleep: Callable[[float], None] = time.sleep,
) -> bool:
    """True where the broker has the order after all: nothing is recorded, the next run adopts it.

    Otherwise it is recorded as canceled, with the person's reason. Raises BrokerUnknownError where
    the broker cannot say, ConfigurationError for an order of which nothing is in doubt.
    """
    order = book.fold.orders.get(client_order_id)
    doubtful = [
        one.client_order_id
        for one in book.fold.orders.still_open()
        if one.status in UNSENT and one.status is not OrderStatus.NEW
    ]
    if order is None or client_order_id not in doubtful:
        raise ConfigurationError(
            f"nothing is in doubt about order {client_order_id}; nothing was recorded. In doubt: "
            f"{', '.join(doubtful) or 'none'}."
        )
    if not reason.strip():
        raise ConfigurationError("a reason is needed: what was seen in the account.")
    for delay in (0.0, broker.capabilities.lookup_delay_seconds):
        if delay:
            sleep(delay)
        if broker.order_by_client_id(client_order_id).require() is not None:
            return True
    canceled = OrderCanceled(
        client_order_id=client_order_id, reason=f"not at the broker: {reason.strip()}"
    )
    book.record(
        [
            NewEvent(
                key=client_order_id,
                session=order.session,
                occurred_at=now,
                source=SOURCE,
                event=canceled,
                correlation_id=client_order_id,
            )
        ]
    )
    return False
