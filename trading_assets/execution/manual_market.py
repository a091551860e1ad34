"""A session whose orders a person places: nothing is sent, what was traded is fetched and matched.

The plan is the trade list. From its record on, executions of the account that fit one of its lines
are booked as that line's order: intended, sent and accepted by a person's hand, under the broker's
own order id. The rest is booked as foreign (`manual_matching.py` says which is which). After the
close, what was not traded of a line is over.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from trading_assets.brokers.base import Broker
from trading_assets.calendar import TradingCalendar
from trading_assets.errors import BrokerUnknownError
from trading_assets.execution.book import Book
from trading_assets.execution.fills import FillBooking, new_fill
from trading_assets.execution.live_market import LiveMarket
from trading_assets.execution.market import Market, Stage
from trading_assets.execution.opening import require_not_ahead
from trading_assets.execution.session_parts import Surroundings
from trading_assets.execution.submission import order_request
from trading_assets.model.account import Execution
from trading_assets.model.events import AnyEvent, BrokerStatement, NewEvent
from trading_assets.model.money import plain
from trading_assets.model.order_events import (
    OrderAccepted,
    OrderCanceled,
    OrderIntended,
    OrderSubmitted,
)
from trading_assets.model.plan import OrderPlan, PlannedOrder
from trading_assets.model.policies import Placement
from trading_assets.reconciliation.manual_matching import (
    MatchedPart,
    implausible,
    matched,
    trade_list,
)
from trading_assets.settings import PortfolioSettings

SOURCE = "broker"
NOT_PLACED = "not placed by hand before the close"
BY_HAND = "it was placed by hand: nobody knows here when it left"


def fill_booking(settings: PortfolioSettings, calendar: TradingCalendar, book: Book) -> FillBooking:
    """How a portfolio's executions are booked."""
    if settings.execution.placement is Placement.MANUAL:
        return ManualFillBooking(settings, calendar, book)
    return FillBooking(settings, calendar, book)


def real_market(
    settings: PortfolioSettings,
    calendar: TradingCalendar,
    book: Book,
    broker: Broker,
    surroundings: Surroundings,
) -> Market:
    """Where the orders of a portfolio at a real broker trade."""
    if settings.execution.placement is Placement.MANUAL:
        return ManualMarket(settings, calendar, book, broker, surroundings)
    return LiveMarket(settings, calendar, book, broker, surroundings)


class ManualFillBooking(FillBooking):
    """Books executions as what the trade list says they are."""

    def _events(self, session: dt.date, executions: Sequence[Execution]) -> list[NewEvent]:
        planned = self._book.planned
        orders: tuple[PlannedOrder, ...] = ()
        batch_id = ""
        if planned is not None and planned.plan.session == session:
            orders, batch_id = planned.plan.real_orders, planned.plan.batch_id
        by_id = {order.client_order_id: order for order in orders}
        for execution in executions:
            if execution.client_order_id not in by_id:
                require_not_ahead(self._settings, self._calendar, self._book, session, execution)
        lines = trade_list(orders, self._book.fold.orders.fills(session))
        self._require_plausible(implausible(lines, executions))
        events: list[NewEvent] = []
        begun = {order.client_order_id for order in self._book.orders(session)}
        for part in matched(lines, executions):
            name = part.client_order_id
            if name and name not in begun:
                begun.add(name)
                events += _placed(session, by_id[name], batch_id, part.execution)
            events.append(_part_fill(session, part))
        return events

    def _require_plausible(self, doubtful: Sequence[Execution]) -> None:
        if doubtful:
            shown = ", ".join(
                f"{each.execution_id} of {each.symbol} at {plain(each.price)} {each.currency}"
                for each in doubtful
            )
            raise BrokerUnknownError(
                f"{self._settings.id}: the price of execution {shown} is far from the plan's; one "
                "of the two is in another unit (pence for pounds). Nothing was booked. Compare the "
                "prices' currency with the broker's."
            )


def _placed(
    session: dt.date, order: PlannedOrder, batch_id: str, execution: Execution
) -> Iterator[NewEvent]:
    """An order that a person placed, as its first execution shows."""
    name = order.client_order_id
    events: tuple[tuple[str, AnyEvent], ...] = (
        (
            name,
            OrderIntended(
                request=order_request(order),
                batch_id=batch_id,
                leg=order.leg,
                plan_price=order.price,
            ),
        ),
        (
            f"{name}/1",
            OrderSubmitted(client_order_id=name, attempt=1, arrival_unknown=BY_HAND),
        ),
        (
            name,
            OrderAccepted(client_order_id=name, broker_order_id=execution.broker_order_id),
        ),
    )
    for key, event in events:
        yield _new(session, key, name, execution.executed_at, event)


def _part_fill(session: dt.date, part: MatchedPart) -> NewEvent:
    own = replace(
        part.execution,
        execution_id=part.fill_id,
        client_order_id=part.client_order_id,
        quantity=part.quantity,
        commission=part.commission,
    )
    return new_fill(session, own, bool(part.client_order_id))


def _new(
    session: dt.date, key: str, client_order_id: str, moment: dt.datetime, event: AnyEvent
) -> NewEvent:
    return NewEvent(
        key=key,
        session=session,
        occurred_at=moment,
        source=SOURCE,
        event=event,
        correlation_id=client_order_id,
    )


class ManualMarket:
    """The market as one account sees it in which a person trades."""

    def __init__(
        self,
        settings: PortfolioSettings,
        calendar: TradingCalendar,
        book: Book,
        broker: Broker,
        surroundings: Surroundings,
    ) -> None:
        self._calendar = calendar
        self._book = book
        self._broker = broker
        self._surroundings = surroundings
        self._fills = ManualFillBooking(settings, calendar, book)
        self._live = LiveMarket(settings, calendar, book, broker, surroundings)

    def stage(self, session: dt.date) -> Stage:
        """Nothing is ever sent; after the close the session may be closed."""
        is_over = self._surroundings.now() >= self._calendar.closes_at(session)
        return Stage(may_send=False, may_close=is_over)

    def trade(self, session: dt.date, leg: int) -> bool:
        """Nothing: no leg was sent."""
        del session, leg
        return False

    def finish(self, plan: OrderPlan) -> None:
        """Book what was traded, and end what is left of each line."""
        session = plan.session
        self._fills.book(self._broker, session)
        moment = self._calendar.closes_at(session)
        events: list[NewEvent] = []
        for order in plan.real_orders:
            name = order.client_order_id
            state = self._book.fold.orders.get(name)
            if state is None:
                intent = OrderIntended(
                    request=order_request(order),
                    batch_id=plan.batch_id,
                    leg=order.leg,
                    plan_price=order.price,
                )
                events.append(_new(session, name, name, moment, intent))
            if state is None or state.is_open:
                canceled = OrderCanceled(client_order_id=name, reason=NOT_PLACED)
                events.append(_new(session, name, name, moment, canceled))
        self._book.record(events)

    def statement(self, session: dt.date) -> BrokerStatement:
        """What the broker states of a session, as of one that was sent."""
        return self._live.statement(session)
