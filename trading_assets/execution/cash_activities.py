"""Cash that the broker moved without a trade, into the book, each once.

The broker's activity id is the key and the reference of what is booked. Which of a dividend's two
sources is income is for the ledger to say (`AccountingPolicy.dividend_source`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

from trading_assets.brokers.base import Broker
from trading_assets.calendar import TradingCalendar
from trading_assets.errors import BrokerUnknownError
from trading_assets.execution.book import Book, counting_records
from trading_assets.execution.takeover import taken_over_at
from trading_assets.model.account import CashActivity, CashActivityKind
from trading_assets.model.cash_events import (
    BorrowFee,
    CashFlow,
    CashFlowKind,
    Fee,
    FeeKind,
    Interest,
    TaxWithheld,
)
from trading_assets.model.corporate_actions import DividendPayment
from trading_assets.model.events import AnyEvent, NewEvent

SOURCE = "broker"
LATE_SESSIONS = 10
"""How many sessions late a broker may report an activity, and it is still booked."""
_BOOKED_TYPES = (
    "dividend_payment",
    "interest",
    "borrow_fee",
    "fee",
    "tax_withheld",
    "cash_flow",
)


class CashActivityBooking:
    """Books the cash activities of one account into one book."""

    def __init__(self, book: Book, calendar: TradingCalendar, *, is_real: bool = False) -> None:
        self._is_real = is_real
        self._book = book
        self._calendar = calendar
        self._known: set[str] = set()
        self._known_revision: int | None = None

    def book(self, broker: Broker, session: dt.date) -> None:
        """Record in `session` every activity that the book does not have.

        The broker is asked from ten sessions before on, never from before the portfolio's first, or
        from before a real account was taken over.
        What it moved after the next session's open cannot be of this one. A real account's is left
        for that session; a simulated one is ahead of the book then, and BrokerUnknownError says so
        before anything is booked.
        """
        sessions = self._calendar.sessions
        place = sessions.index(session)
        since = self._calendar.opens_at(sessions[max(place - LATE_SESSIONS, 0)])
        if self._is_real:
            begun = taken_over_at(self._book) or since
            since = max(since, begun) if place > LATE_SESSIONS else begun
        found = broker.cash_activities_since(since).require()
        if not found:
            return
        known = self._known_references()
        events = []
        for activity in found:
            if activity.activity_id in known:
                continue
            following = sessions[place + 1] if place + 1 < len(sessions) else None
            is_later = following and activity.occurred_at >= self._calendar.opens_at(following)
            if is_later and self._is_real:
                continue
            if is_later:
                raise BrokerUnknownError(
                    "the account is ahead of the book: cash activity "
                    f"{activity.activity_id} of {activity.occurred_at:%Y-%m-%d %H:%M} UTC cannot "
                    f"belong to {session}. Nothing was booked. Restore book and account from "
                    "backups of the same time."
                )
            events.append(
                NewEvent(
                    key=activity.activity_id,
                    session=session,
                    occurred_at=activity.occurred_at,
                    source=SOURCE,
                    event=booked_as(activity, self._owed_ex_date(activity)),
                )
            )
        self._book.record(events)
        known.update(event.key for event in events)

    def _known_references(self) -> set[str]:
        """Ids of what counts in the book; read anew when a restatement has changed what counts."""
        revision = self._book.log.revision
        if self._known_revision != revision:
            records = counting_records(self._book.log, _BOOKED_TYPES)
            self._known = {str(getattr(record.event, "reference", "")) for record in records}
            self._known_revision = revision
        return self._known

    def _owed_ex_date(self, activity: CashActivity) -> dt.date:
        """Which dividend a payment settles where the broker does not say: the oldest owed."""
        owed = self._book.fold.ledger.dividends_owed(activity.symbol)
        return owed[0] if owed else activity.occurred_at.date()


def booked_as(activity: CashActivity, owed_ex_date: dt.date) -> AnyEvent:
    """The fact that an activity is booked as; `owed_ex_date` stands in for an unknown ex-date.

    A cost is negative at the broker and positive in the book. A borrow fee that names no symbol is
    a fee. What has the wrong sign for its kind (a withdrawal that brought money) is a
    BookContractError when it is booked.
    """
    return _EVENTS[activity.kind](activity, owed_ex_date)


def _dividend(activity: CashActivity, owed_ex_date: dt.date) -> AnyEvent:
    return DividendPayment(
        symbol=activity.symbol,
        ex_date=activity.ex_date or owed_ex_date,
        amount=activity.amount,
        currency=activity.currency,
        reference=activity.activity_id,
    )


def _period(activity: CashActivity) -> dict[str, Any]:
    basis = activity.basis
    if basis is None:
        return {}
    return {
        "annual_rate": basis.annual_rate,
        "start": basis.start,
        "end": basis.end,
        "day_count": basis.day_count,
    }


def _interest(activity: CashActivity, _owed_ex_date: dt.date) -> AnyEvent:
    return Interest(
        amount=activity.amount,
        currency=activity.currency,
        reference=activity.activity_id,
        balance=None if activity.basis is None else activity.basis.balance,
        **_period(activity),
    )


def _borrow_fee(activity: CashActivity, owed_ex_date: dt.date) -> AnyEvent:
    if not activity.symbol:
        return _fee(activity, owed_ex_date)
    return BorrowFee(
        symbol=activity.symbol,
        amount=-activity.amount,
        currency=activity.currency,
        reference=activity.activity_id,
        market_value=None if activity.basis is None else activity.basis.balance,
        **_period(activity),
    )


def _fee(activity: CashActivity, _owed_ex_date: dt.date) -> AnyEvent:
    return Fee(
        kind=FeeKind.OTHER,
        amount=-activity.amount,
        currency=activity.currency,
        reference=activity.activity_id,
        symbol=activity.symbol,
    )


def _tax(activity: CashActivity, _owed_ex_date: dt.date) -> AnyEvent:
    return TaxWithheld(
        amount=-activity.amount,
        currency=activity.currency,
        reference=activity.activity_id,
        symbol=activity.symbol,
    )


def _flow(activity: CashActivity, _owed_ex_date: dt.date) -> AnyEvent:
    return CashFlow(
        kind=CashFlowKind(activity.kind.value),
        amount=activity.amount,
        currency=activity.currency,
        reference=activity.activity_id,
    )


_EVENTS: dict[CashActivityKind, Callable[[CashActivity, dt.date], AnyEvent]] = {
    CashActivityKind.DIVIDEND: _dividend,
    CashActivityKind.INTEREST: _interest,
    CashActivityKind.BORROW_FEE: _borrow_fee,
    CashActivityKind.FEE: _fee,
    CashActivityKind.TAX: _tax,
    CashActivityKind.DEPOSIT: _flow,
    CashActivityKind.WITHDRAWAL: _flow,
}
