"""Corporate actions of a session on their way into the book: which, under which keys, and what must
stop before them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence

from trading_assets.brokers.base import Broker
from trading_assets.calendar import TradingCalendar
from trading_assets.errors import BrokerUnknownError
from trading_assets.execution.book import Book
from trading_assets.execution.book_start import restatements_of
from trading_assets.execution.closing import ended_as
from trading_assets.ledger.orders import OrderState
from trading_assets.ledger.restatement import still_counting
from trading_assets.model.corporate_actions import (
    CorporateAction,
    Dividend,
    SpinOff,
    SymbolChange,
    ex_date_of,
)
from trading_assets.model.events import AnyEvent, NewEvent
from trading_assets.model.money import plain

SOURCE = "corporate_actions"
CORPORATE_ACTION_TYPES = tuple(str(kind.__struct_config__.tag) for kind in CorporateAction.__args__)


def concerning(
    actions: Iterable[CorporateAction], symbols: Iterable[str]
) -> tuple[CorporateAction, ...]:
    """Those of `actions`, in their order, that are about one of `symbols`, or about what an action
    before it turned one of them into."""
    concerned = set(symbols)
    found = []
    for action in actions:
        if action.symbol in concerned:
            found.append(action)
            if isinstance(action, SpinOff | SymbolChange):
                concerned.add(action.new_symbol)
    return tuple(found)


def new_symbols(actions: Iterable[CorporateAction]) -> set[str]:
    """What shares come to be called, or are given."""
    return {action.new_symbol for action in actions if isinstance(action, SpinOff | SymbolChange)}


def book_actions(
    book: Book,
    broker: Broker,
    calendar: TradingCalendar,
    session: dt.date,
    actions: Sequence[CorporateAction],
) -> None:
    """Book what takes effect at the open of `session`, once: of what is held since the last close,
    or has an order that may still trade. Orders that an action makes wrong are canceled before it.

    Raises BrokerUnknownError where such an order cannot be canceled; nothing is booked then.
    """
    if not actions:
        return
    outdated = _outdated_orders(book, session, actions)
    concerned = {*book.opening_positions, *(action.symbol for _, action in outdated.values())}
    due = concerning(actions, concerned)
    opens_at = calendar.opens_at(session)
    events: list[tuple[str, AnyEvent]] = [
        *((name, _ended(broker, order, action)) for name, (order, action) in outdated.items()),
        *((f"{_kind(one)}/{one.symbol}/{ex_date_of(one)}", one) for one in due),
    ]
    book.record(
        [
            NewEvent(key=key, session=session, occurred_at=opens_at, source=SOURCE, event=event)
            for key, event in events
        ]
    )


def recorded_actions(book: Book, session: dt.date) -> tuple[CorporateAction, ...]:
    """What the book holds of the corporate actions of a session that is open; read from the log."""
    after = 0 if book.last_closed is None else book.last_closed.sequence
    records = book.log.records(after=after, up_to=book.sequence, event_types=CORPORATE_ACTION_TYPES)
    return tuple(
        record.event
        for record in still_counting(records, restatements_of(book.log, book.sequence))
        if record.session == session and isinstance(record.event, CorporateAction)
    )


def unrecorded_actions(
    book: Book, session: dt.date, actions: Iterable[CorporateAction]
) -> tuple[CorporateAction, ...]:
    """Those of `actions` that concern what is held and are not booked in `session` yet."""
    recorded = recorded_actions(book, session)
    due = concerning(actions, book.opening_positions)
    return tuple(action for action in due if action not in recorded)


def _kind(action: CorporateAction) -> str:
    return str(type(action).__struct_config__.tag)


def _outdated_orders(
    book: Book, session: dt.date, actions: Iterable[CorporateAction]
) -> dict[str, tuple[OrderState, CorporateAction]]:
    """By client order id the orders of earlier sessions that may still trade, each with the action
    that makes its quantity and prices wrong. Orders of `session` itself were planned after it."""
    return {
        order.client_order_id: (order, action)
        for action in actions
        if not isinstance(action, Dividend)
        for order in book.fold.orders.open_orders(action.symbol)
        if order.session < session
    }


def _ended(broker: Broker, order: OrderState, action: CorporateAction) -> AnyEvent:
    """Cancel an order at the broker, where it is not over there already; the fact to record."""
    name = order.client_order_id
    what = f"{_kind(action)} of {action.symbol}, {ex_date_of(action)}"
    found = broker.cancel(name).require()
    event = ended_as(found, f"canceled before {what}")
    if event is None or found.filled_quantity != order.filled_quantity:
        raise BrokerUnknownError(
            f"order {name} is {found.status.value} at the broker with "
            f"{plain(found.filled_quantity)} shares filled, {plain(order.filled_quantity)} in the "
            f"book, and was to be canceled before the {what}: its quantity and prices would be "
            "wrong after it. Settle it at the broker, then run the session again."
        )
    return event
