"""A session at a real broker, by the clock: several runs, each doing what is still to be done.

Problem: orders fill when others trade with them, not when a run asks. A run may be missed, or die
between any two steps, and a session of which something was sent has to be finished even days
later, without sending anything more.

Choice: nothing is kept besides the book and the broker. Whatever a run finds open it asks the
broker about; an order is over when the broker says so *and* every fill that it counts is booked.
A leg is done when all of its orders are over, or its deadline has passed and what was left of it
was canceled (or is left to work). After the close nothing is sent: what may have left is looked up
and adopted, what never left is withdrawn.
"""

from __future__ import annotations

import datetime as dt

from trading_assets.brokers.base import Broker
from trading_assets.calendar import TradingCalendar
from trading_assets.execution.book import Book
from trading_assets.execution.closing import (
    booked_executions,
    broker_statement,
    ended_as,
    statement_as_of,
)
from trading_assets.execution.fills import FillBooking
from trading_assets.execution.market import Stage
from trading_assets.execution.rounding import rounding_fee
from trading_assets.execution.session_parts import Surroundings
from trading_assets.execution.submission import UNSENT, Submitter, order_request
from trading_assets.execution.takeover import taken_over_at
from trading_assets.ledger.orders import OrderState
from trading_assets.model.events import AnyEvent, BrokerStatement, NewEvent
from trading_assets.model.order import OrderType
from trading_assets.model.order_events import (
    OrderCanceled,
    OrderIntended,
    OrderSubmitted,
)
from trading_assets.model.plan import OrderPlan
from trading_assets.model.policies import AfterDeadline
from trading_assets.portfolio.sizing import CLOSING_LEG, OPENING_LEG
from trading_assets.settings import PortfolioSettings

SOURCE = "execution"
NEVER_SENT = "the session was over before it was sent"


class LiveMarket:
    """The market as one account at a real broker sees it."""

    def __init__(
        self,
        settings: PortfolioSettings,
        calendar: TradingCalendar,
        book: Book,
        broker: Broker,
        surroundings: Surroundings,
    ) -> None:
        self._policy = settings.execution
        self._mode = settings.mode
        self._currency = settings.currency
        self._calendar = calendar
        self._book = book
        self._broker = broker
        self._surroundings = surroundings
        self._fills = FillBooking(settings, calendar, book)

    def stage(self, session: dt.date) -> Stage:
        """Orders leave from the session's open to its close; from then on it may be closed."""
        now = self._surroundings.now()
        is_over = now >= self._calendar.closes_at(session)
        is_today = self._calendar.current(now) == session
        has_opened = now >= self._calendar.opens_at(session)
        return Stage(may_send=is_today and has_opened and not is_over, may_close=is_over)

    def trade(self, session: dt.date, leg: int) -> bool:
        """Wait for a leg's fills, at most as long as a run may; True where it is done.

        What is open at the deadline is canceled, or left to work by configuration.
        """
        policy = self._policy
        deadline = self._sent_at(session, leg) + dt.timedelta(minutes=policy.fill_deadline_minutes)
        is_canceled = False
        for attempt in range(2 + int(policy.wait_seconds // policy.poll_seconds)):
            if attempt:
                self._surroundings.wait(policy.poll_seconds)
            self.update(session)
            working = [
                order for order in self._book.orders(session) if order.leg == leg and order.is_open
            ]
            entries = [order for order in working if _is_entry(order)]
            if not entries:
                return True
            if self._surroundings.now() < deadline:
                continue
            if policy.after_deadline is AfterDeadline.LEAVE:
                return True
            if not is_canceled:
                is_canceled = True
                for order in entries:
                    # Whether it was canceled or filled meanwhile, the next round finds out.
                    self._broker.cancel(order.client_order_id)
        return False

    def update(self, session: dt.date) -> None:
        """Book what the broker has done since: fills, and orders that are over."""
        self._fills.book(self._broker, session)
        known = self._book.fold.orders
        acknowledged = [order for order in known.still_open() if order.status not in UNSENT]
        if not acknowledged:
            return
        working = {
            order.request.client_order_id: order for order in self._broker.open_orders().require()
        }
        events: list[tuple[str, AnyEvent]] = []
        for order in acknowledged:
            name = order.client_order_id
            found = working.get(name)
            if found is None:
                found = self._broker.order_by_client_id(name).require()
            if found is None:
                continue
            # Fills that the broker counts and does not list yet would be refused once it is over.
            if found.filled_quantity == order.filled_quantity:
                event = ended_as(found, self._ending_reason(session, order))
                events += [] if event is None else [(name, event)]
        self._record(session, events)

    def finish(self, plan: OrderPlan) -> None:
        """Adopt what was sent, withdraw what was not, book what came of it, and cancel what would
        go on to trade in the next session (where the mode lets anything leave); sends no order.

        Raises BrokerUnknownError where the broker cannot say, SubmissionRefusedError where only a
        person can.
        """
        session = plan.session
        submitter = Submitter(
            self._broker,
            session,
            self._surroundings.now(),
            self._book.record,
            self._surroundings.sleep,
        )
        submitter.withdraw(self._book.orders(session), NEVER_SENT)
        self._record(session, self._withdrawn(plan))
        self.update(session)
        if not self._mode.sends:
            return
        # An order that reached the broker after its close is kept there for the next open.
        left = [order for order in self._book.fold.orders.still_open() if _is_entry(order)]
        for order in left:
            self._broker.cancel(order.client_order_id)
        if left:
            self.update(session)

    def statement(self, session: dt.date) -> BrokerStatement:
        """What the broker states now or, of a session that is over, as it then was.

        Fractions of a cent between it and the book are booked before.
        """
        if self.stage(session).may_close:
            begun = taken_over_at(self._book) or self._calendar.opens_at(session)
            following = self._calendar.following(session)
            until = self._surroundings.now()
            if following is not None:
                until = self._calendar.opens_at(following)
            closes_at = self._calendar.closes_at(session)
            statement = statement_as_of(
                self._broker,
                max(closes_at, begun),
                max(until, begun),
                booked_executions(self._book, session),
            )
        else:
            statement = broker_statement(self._broker)
        fills = self._book.fold.orders.fills(session)
        fee = rounding_fee(self._book, fills, statement.cash, self._currency)
        if fee is not None:
            self._record(session, [(fee.reference, fee)])
        return statement

    def _withdrawn(self, plan: OrderPlan) -> list[tuple[str, AnyEvent]]:
        """Orders of the plan that were never even intended, as intended and canceled."""
        events: list[tuple[str, AnyEvent]] = []
        if plan.refusals:
            return events
        reason = NEVER_SENT if self._mode.sends else f"mode is {self._mode.value}: none is sent"
        sent = {order.leg for order in self._book.orders(plan.session)}
        for leg in (CLOSING_LEG, OPENING_LEG):
            if leg in sent:
                continue
            for order in (one for one in plan.real_orders if one.leg == leg):
                name = order.client_order_id
                intent = OrderIntended(
                    request=order_request(order),
                    batch_id=plan.batch_id,
                    leg=leg,
                    plan_price=order.price,
                )
                canceled = OrderCanceled(client_order_id=name, reason=reason)
                events += [(name, intent), (name, canceled)]
        return events

    def _ending_reason(self, session: dt.date, order: OrderState) -> str:
        minutes = self._policy.fill_deadline_minutes
        is_late = (
            order.session == session
            and self._policy.after_deadline is AfterDeadline.CANCEL
            and self._surroundings.now()
            >= self._sent_at(session, order.leg) + dt.timedelta(minutes=minutes)
        )
        if is_late:
            return f"not filled within {minutes} minutes"
        is_over = self._surroundings.now() >= self._calendar.closes_at(session)
        return "not filled before the close" if is_over else "canceled at the broker"

    def _sent_at(self, session: dt.date, leg: int) -> dt.datetime:
        """When the latest order of a leg may have left; now where none has."""
        names = {order.client_order_id for order in self._book.orders(session) if order.leg == leg}
        last = self._book.last_closed
        records = self._book.log.records(
            after=0 if last is None else last.sequence,
            up_to=self._book.sequence,
            event_types=("order_submitted",),
        )
        return max(
            (
                record.occurred_at
                for record in records
                if isinstance(record.event, OrderSubmitted)
                and record.event.client_order_id in names
            ),
            default=self._surroundings.now(),
        )

    def _record(self, session: dt.date, events: list[tuple[str, AnyEvent]]) -> None:
        now = self._surroundings.now()
        self._book.record(
            [
                NewEvent(
                    key=key,
                    session=session,
                    occurred_at=now,
                    source=SOURCE,
                    event=event,
                    correlation_id=key.split("/")[0],
                )
                for key, event in events
            ]
        )


def _is_entry(order: OrderState) -> bool:
    """False for an order attached to another: it waits for its price, and ends with that one."""
    return order.request.order_type not in (OrderType.LIMIT, OrderType.STOP, OrderType.STOP_LIMIT)
