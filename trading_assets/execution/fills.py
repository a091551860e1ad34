"""Executions that the broker reports, into the book, each once and in the session that it is of."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from msgspec.structs import replace

from trading_assets.brokers.base import Broker
from trading_assets.calendar import TradingCalendar
from trading_assets.execution.book import Book
from trading_assets.execution.closing import booked_executions
from trading_assets.execution.opening import is_of_open_order, require_not_ahead
from trading_assets.execution.takeover import taken_over_at
from trading_assets.ledger.orders import OrderState
from trading_assets.model.account import Execution
from trading_assets.model.events import NewEvent
from trading_assets.model.order_events import Fill
from trading_assets.settings import PortfolioSettings

SOURCE = "broker"


class FillBooking:
    """Books the executions of one account into one book."""

    def __init__(self, settings: PortfolioSettings, calendar: TradingCalendar, book: Book) -> None:
        self._settings = settings
        self._calendar = calendar
        self._book = book

    def book(self, broker: Broker, session: dt.date) -> None:
        """Record in `session` every execution that the book does not have, foreign ones included.

        The broker is asked from the previous session's open on: what was traded after that close,
        or reported late, belongs to this session. So does whatever an order trades that is open in
        the book, also after this session's close: closing auctions are printed seconds after it.
        Anything else that was traded after the close never does. At a real broker it is left for
        the next session; in a simulated account it cannot be, nor can anywhere an execution of an
        order of this portfolio that the book never intended: the account is ahead of the book then,
        and BrokerUnknownError says so.
        """
        since, known = self._since(session)
        is_real, closes_at = self._settings.mode.is_real, self._calendar.closes_at(session)
        fresh = [
            execution
            for execution in broker.fills_since(since).require()
            if execution.execution_id not in known
            and not (
                is_real
                and execution.executed_at > closes_at
                and not is_of_open_order(self._book, execution)
            )
        ]
        events = self._events(session, fresh)
        # A simulated broker can be asked again: its fills wait for what must be durable.
        self._book.record(events, durable=not broker.capabilities.answers_may_wait)

    def _events(self, session: dt.date, executions: Sequence[Execution]) -> list[NewEvent]:
        """What executions that the book does not have are booked as."""
        ours = self._ours(session)
        by_number = {order.broker_order_id: name for name, order in ours.items()}
        by_number.pop("", None)
        # A statement of several days tells the broker's number of an order alone.
        named = [
            one
            if one.client_order_id
            else replace(one, client_order_id=by_number.get(one.broker_order_id, ""))
            for one in executions
        ]
        for execution in named:
            require_not_ahead(self._settings, self._calendar, self._book, session, execution)
        return [new_fill(session, one, one.client_order_id in ours) for one in named]

    def _since(self, session: dt.date) -> tuple[dt.datetime, set[str]]:
        """From when on the broker is asked, and the executions since then that are booked."""
        # An order that was late may have traded in the session after its own.
        earlier = self._calendar.before(session, 2)
        known = set[str]().union(
            *(booked_executions(self._book, each) for each in (*earlier, session))
        )
        since = dt.datetime.min.replace(tzinfo=dt.UTC)
        if earlier:
            since = self._calendar.opens_at(earlier[-1])
        if self._settings.mode.is_real:
            since = max(since, taken_over_at(self._book) or since)
        return since, known

    def _ours(self, session: dt.date) -> dict[str, OrderState]:
        """The orders that a fill of `session` may belong to, by id."""
        orders = self._book.fold.orders
        earlier = orders.still_open() if self._settings.mode.is_real else ()
        return {order.client_order_id: order for order in (*orders.of_session(session), *earlier)}


def new_fill(session: dt.date, execution: Execution, is_ours: bool) -> NewEvent:
    """An execution as a fill of its order, or (not `is_ours`) as a foreign trade."""
    fill = Fill(
        execution_id=execution.execution_id,
        client_order_id=execution.client_order_id if is_ours else "",
        symbol=execution.symbol,
        side=execution.side,
        quantity=execution.quantity,
        price=execution.price,
        commission=execution.commission,
        currency=execution.currency,
        executed_at=execution.executed_at,
    )
    return NewEvent(
        key=execution.execution_id,
        session=session,
        occurred_at=execution.executed_at,
        source=SOURCE,
        event=fill,
        correlation_id=fill.client_order_id,
        causation_id=execution.broker_order_id,
    )
