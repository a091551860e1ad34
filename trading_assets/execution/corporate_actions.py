"""Corporate actions of a session on their way into the book: which, under which keys, and what must
stop before them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Sequence

from trading_assets.brokers.base import Broker
from trading_assets.calendar import TradingCalendar
from trading_assets.errors import BrokerUnknownError, ConfigurationError
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
from trading_assets.model.events import AnyEvent, NewEvent, SessionClosed
from trading_assets.model.money import plain

SOURCE = "corporate_actions"
MISSED_SESSIONS = 10
"""How many sessions back it is looked whether an action was told too late to be booked."""
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

    Raises BrokerUnknownError where such an order cannot be canceled, ConfigurationError where a
    price is given for fractions and the broker tells what it paid; nothing is booked then.
    """
    if not actions:
        return
    outdated = _outdated_orders(book, session, actions)
    concerned = {*book.opening_positions, *(action.symbol for _, action in outdated.values())}
    due = concerning(actions, concerned)
    if broker.capabilities.tells_cash_in_lieu:
        _require_no_price(due)
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


def _require_no_price(actions: Iterable[CorporateAction]) -> None:
    """Paid for by the action and by the broker's activity, a fraction would be sold twice."""
    for action in actions:
        price = getattr(action, "cash_in_lieu_price", None)
        if price is not None:
            raise ConfigurationError(
                f"{described(action)}: cash_in_lieu_price is {plain(price)}, and what this broker "
                "pays for fractions is booked when it tells so. Leave the price empty in the file "
                "of corporate actions (a simulated portfolio that needs it takes one of its own)."
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


def missed_actions(
    book: Book,
    calendar: TradingCalendar,
    session: dt.date,
    actions_of: Callable[[dt.date], Iterable[CorporateAction]],
) -> tuple[CorporateAction, ...]:
    """Actions of closed sessions before `session`, the last MISSED_SESSIONS of them, that concern
    what was held at their open and are not booked: the source told them too late.

    A simulated portfolio is restated when such a session is run again. In a real one what is
    missing is a difference to the account, or its broker tells it in another way.
    """
    before = calendar.before(session, MISSED_SESSIONS)
    due = {one: found for one in before if (found := tuple(actions_of(one)))}
    if not due:
        return ()
    opened_after = calendar.previous(min(due))
    closes = book.log.places("session_closed", up_to=book.sequence)
    first = next((place for place in closes if place.session == opened_after), None)
    records = book.log.records(
        after=0 if first is None else first.sequence - 1,
        up_to=book.sequence,
        event_types=("session_closed", *CORPORATE_ACTION_TYPES),
    )
    held: dict[dt.date, set[str]] = {}
    booked: set[tuple[type, str, dt.date]] = set()
    for record in still_counting(records, restatements_of(book.log, book.sequence)):
        event = record.event
        if isinstance(event, SessionClosed):
            held[record.session] = set(event.statement.positions)
        elif isinstance(event, CorporateAction):
            booked.add(_identity(event))
    return tuple(
        action
        for one, found in due.items()
        if one in held
        for action in concerning(found, held.get(calendar.previous(one) or dt.date.min, ()))
        if _identity(action) not in booked
    )


def _identity(action: CorporateAction) -> tuple[type, str, dt.date]:
    return type(action), action.symbol, ex_date_of(action)


def described(action: CorporateAction) -> str:
    """An action in a few words."""
    return f"{_kind(action).replace('_', ' ')} of {action.symbol}, {ex_date_of(action)}"


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
    what = described(action)
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
