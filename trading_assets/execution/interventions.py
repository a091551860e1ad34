"""What a person decides where the product stops: each decision is an adjustment with its reason.

A difference between book and account that nothing explains stops a real portfolio, as does a plan
that was overtaken by what somebody traded. Neither is ever passed over by a flag: whoever accepts
the one or gives up the other says why, and that is a fact of the book.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import msgspec

from trading_assets.brokers.base import Broker
from trading_assets.calendar import TradingCalendar
from trading_assets.errors import BrokerUnknownError, ConfigurationError
from trading_assets.execution.book import Book
from trading_assets.execution.cash_activities import CashActivityBooking
from trading_assets.execution.closing import booked_executions, statement_as_of
from trading_assets.execution.fills import FillBooking
from trading_assets.execution.opening import break_name, discard_name, unreconciled
from trading_assets.execution.readiness import require_account
from trading_assets.model.cash_events import Adjustment
from trading_assets.model.events import BrokerStatement, NewEvent
from trading_assets.model.money import ZERO
from trading_assets.reconciliation import compare_statement
from trading_assets.reconciliation.statement import CASH
from trading_assets.settings import PortfolioSettings

SOURCE = "person"


class Intervention(msgspec.Struct, frozen=True, kw_only=True):
    """Who intervenes in which book, when, and why; `live_account` is the account number that the
    environment allows for live trading."""

    settings: PortfolioSettings
    calendar: TradingCalendar
    now: dt.datetime
    reason: str
    live_account: str | None = None


def accept_break(asked: Intervention, book: Book, broker: Broker) -> tuple[Adjustment, ...]:
    """Bring the book to what the broker states, where nothing explains the difference, and let the
    last close stand as it is; the adjustments that were recorded, none for a close alone.

    What does explain it (executions, other cash) is booked before; what was traded after the open
    session's close belongs to the next one and stays out. Positions that come are booked at the
    broker's average cost, those that go at the last mark. Raises ConfigurationError for a portfolio
    that is not at a real broker, without a reason, and where there is no break; BrokerUnknownError
    where the account moves while it is read, SubmissionRefusedError where it is not the book's.
    """
    session = _open_session(asked, book)
    require_account(asked.settings, book, broker, asked.live_account)
    _book_what_happened(asked, book, broker, session)
    known = book.sequence
    statement = _statement(asked, book, broker, session)
    _book_what_happened(asked, book, broker, session)
    if book.sequence != known:
        # What came between is in the statement and in the book: adjusted for, it would count twice.
        raise BrokerUnknownError(
            f"{asked.settings.id}: the account moves while it is read. Nothing was accepted; do it "
            "again when nothing trades."
        )
    gaps = compare_statement(book.positions, book.cash, statement)
    last = book.last_closed
    is_unreconciled = bool(unreconciled(book, asked.settings.mode))
    if not gaps and not is_unreconciled:
        raise ConfigurationError(
            f"{asked.settings.id}: book and broker agree, and the last close reconciles. There is "
            "no break to accept."
        )
    costs = broker.average_costs().require() or {}
    adjustments = []
    for gap in gaps:
        symbol = "" if gap.symbol == CASH else gap.symbol
        mark = book.fold.ledger.marks.get(symbol)
        price = costs.get(symbol, ZERO if mark is None else mark.price)
        cash = -gap.amount if gap.symbol == CASH else ZERO
        adjustments.append(_adjustment(asked, symbol, -gap.quantity, price, cash))
    cause = "" if last is None or not is_unreconciled else break_name(last.session)
    recorded = adjustments or [_adjustment(asked, "", ZERO, ZERO, ZERO)]
    _record(asked, book, session, recorded, cause)
    return tuple(adjustments)


def _book_what_happened(asked: Intervention, book: Book, broker: Broker, session: dt.date) -> None:
    FillBooking(asked.settings, asked.calendar, book).book(broker, session)
    CashActivityBooking(book, asked.calendar, is_real=True).book(broker, session)


def _statement(
    asked: Intervention, book: Book, broker: Broker, session: dt.date
) -> BrokerStatement:
    following = asked.calendar.following(session)
    moved_until = asked.now if following is None else asked.calendar.opens_at(following)
    closes_at = asked.calendar.closes_at(session)
    return statement_as_of(broker, closes_at, moved_until, booked_executions(book, session))


def discard_plan(asked: Intervention, book: Book) -> str:
    """Give up the recorded plan of the open session, so that the next run makes a new one; the
    digest of the plan.

    Raises ConfigurationError for a portfolio that is not at a real broker, without a reason, where
    there is no plan, and where orders of it were intended already.
    """
    session = _open_session(asked, book)
    planned = book.planned
    if planned is None or planned.plan.session != session:
        raise ConfigurationError(f"{asked.settings.id}: {session} has no plan to discard.")
    if book.orders(session):
        raise ConfigurationError(
            f"{asked.settings.id}: orders of the plan of {session} may have been sent. It stands; "
            "cancel at the broker what is not to trade."
        )
    digest = planned.plan.digest
    nothing = _adjustment(asked, "", ZERO, ZERO, ZERO)
    _record(asked, book, session, [nothing], discard_name(digest))
    return digest


def _open_session(asked: Intervention, book: Book) -> dt.date:
    settings = asked.settings
    if not settings.mode.is_real:
        raise ConfigurationError(
            f"{settings.id} is {settings.mode.value}: correct its inputs and run it again. Only a "
            "portfolio at a real broker is adjusted."
        )
    if not asked.reason.strip():
        raise ConfigurationError(f"{settings.id}: say why, in --reason.")
    if book.first_session is None:
        raise ConfigurationError(f"{settings.id}: the book is empty, there is nothing to adjust.")
    through = book.closed_through
    following = asked.calendar.first if through is None else asked.calendar.following(through)
    if following is None:
        raise ConfigurationError(f"{settings.id}: there is no session after {through}.")
    return following


def _adjustment(
    asked: Intervention, symbol: str, quantity: Decimal, price: Decimal, cash: Decimal
) -> Adjustment:
    return Adjustment(
        symbol=symbol,
        quantity=quantity,
        price=price,
        cash=cash,
        currency=asked.settings.currency,
        reason=asked.reason.strip(),
    )


def _record(
    asked: Intervention, book: Book, session: dt.date, adjustments: list[Adjustment], cause: str
) -> None:
    place = book.log.head().sequence
    book.record(
        [
            NewEvent(
                key=f"{SOURCE}/{place}/{adjustment.symbol or CASH}",
                session=session,
                occurred_at=asked.now,
                source=SOURCE,
                event=adjustment,
                causation_id=cause,
            )
            for adjustment in adjustments
        ]
    )
