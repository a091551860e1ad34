"""Cash that the broker moved without a trade, into the book, each once.

The broker's activity id is the key and the reference of what is booked. Which of a dividend's two
sources is income is for the ledger to say (`AccountingPolicy.dividend_source`).

Cash in lieu is for the fraction of a share that the book still holds and the broker does not. What
is NOT_BOOKED remains a difference between book and account, and is named where that is told, as is
an activity whose amount the broker changed. One that it cancels once it is booked is booked back.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Iterable, Mapping
from decimal import Decimal
from typing import Any

import msgspec
from msgspec.structs import replace

from trading_assets.brokers.base import Broker
from trading_assets.calendar import TradingCalendar
from trading_assets.errors import BrokerUnknownError
from trading_assets.execution.book import Book, counting_records
from trading_assets.execution.closing import booked_executions, statement_as_of
from trading_assets.execution.takeover import taken_over_at
from trading_assets.model.account import CashActivity, CashActivityKind, Unknown
from trading_assets.model.cash_events import (
    BorrowFee,
    CashFlow,
    CashFlowKind,
    Fee,
    FeeKind,
    Interest,
    TaxWithheld,
)
from trading_assets.model.corporate_actions import CashInLieu, DividendPayment
from trading_assets.model.events import AnyEvent, NewEvent
from trading_assets.model.money import ONE, ZERO, plain

SOURCE = "broker"
_NEVER = dt.datetime.min.replace(tzinfo=dt.UTC)
_TAKEN_BACK = "/canceled"
LATE_SESSIONS = 10
"""How many sessions late a broker may report an activity, and it is still booked."""
_OPPOSITES = {
    CashActivityKind.DEPOSIT: CashActivityKind.WITHDRAWAL,
    CashActivityKind.WITHDRAWAL: CashActivityKind.DEPOSIT,
}
_BOOKED_TYPES = (
    "dividend_payment",
    "cash_in_lieu",
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
        self._known: dict[str, Booked] = {}
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
        found = broker.cash_activities_since(self._since(session)).require()
        if not found:
            return
        known = self._known_references()
        fractions: dict[str, Decimal] | None = None
        events: list[NewEvent] = []
        settled: set[tuple[str, dt.date]] = set()
        for told in found:
            activity = _unbooked(told, known)
            if activity is None:
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
            if activity.kind is CashActivityKind.CASH_IN_LIEU:
                if fractions is None:
                    fractions = self._fractions(broker, session)
                event: AnyEvent = paid_in_lieu(activity, fractions.pop(activity.symbol, ZERO))
            else:
                event = booked_as(activity, self._owed_ex_date(activity, settled))
                if isinstance(event, DividendPayment):
                    settled.add((event.symbol, event.ex_date))
            events.append(
                NewEvent(
                    key=activity.activity_id,
                    session=session,
                    occurred_at=activity.occurred_at,
                    source=SOURCE,
                    event=event,
                )
            )
        self._book.record(events)
        known.update((one.key, _booked(one.event)) for one in events)

    def notice(self, broker: Broker, session: dt.date) -> str:
        """What the account tells of cash that the book does not have, or has otherwise, and what
        can be done: to be said where book and account differ. Empty where there is nothing.

        What is of no kind that is booked is named if it is of the session's date or of that of the
        session before. Nothing is booked.
        """
        found = broker.cash_activities_since(self._since(session))
        if isinstance(found, Unknown):
            return f" What moved cash at the broker cannot be had now ({found.reason})."
        sessions = self._calendar.sessions
        before = sessions[max(sessions.index(session) - 1, 0)]
        # A row that has only a date is of its midnight.
        lately = dt.datetime.combine(before, dt.time(), dt.UTC)
        return cash_notice(found.value, self._known_references(), lately)

    def _since(self, session: dt.date) -> dt.datetime:
        sessions = self._calendar.sessions
        place = sessions.index(session)
        since = self._calendar.opens_at(sessions[max(place - LATE_SESSIONS, 0)])
        if self._is_real:
            begun = taken_over_at(self._book) or since
            since = max(since, begun) if place > LATE_SESSIONS else begun
        return since

    def _known_references(self) -> dict[str, Booked]:
        """What counts in the book, by id; read anew when a restatement has changed that."""
        revision = self._book.log.revision
        if self._known_revision != revision:
            records = counting_records(self._book.log, _BOOKED_TYPES)
            self._known = {
                str(getattr(record.event, "reference", "")): _booked(record.event)
                for record in records
            }
            self._known_revision = revision
        return self._known

    def _fractions(self, broker: Broker, session: dt.date) -> dict[str, Decimal]:
        """By symbol the part of a share (signed as held) that the book holds and the broker does
        not, as far as trades that are booked in the session go."""
        since = max(self._calendar.opens_at(session), taken_over_at(self._book) or _NEVER)
        booked = booked_executions(self._book, session)
        stated = statement_as_of(broker, since, since, booked).positions
        found = {}
        for symbol, held in self._book.positions.items():
            left = held - stated.get(symbol, ZERO)
            if left and abs(left) < ONE and (left > 0) is (held > 0) and abs(left) <= abs(held):
                found[symbol] = left
        return found

    def _owed_ex_date(
        self, activity: CashActivity, settled: Collection[tuple[str, dt.date]]
    ) -> dt.date:
        """Which dividend a payment settles where the broker does not say: the oldest owed that is
        not among those `settled` beside it."""
        symbol = activity.symbol
        owed = self._book.fold.ledger.dividends_owed(symbol)
        left = (ex_date for ex_date in owed if (symbol, ex_date) not in settled)
        return next(left, activity.occurred_at.date())


class Booked(msgspec.Struct, frozen=True):
    """What the book has of an activity: money signed as the broker tells it, and of which ex-date a
    dividend is."""

    amount: Decimal
    ex_date: dt.date | None


def _booked(event: AnyEvent) -> Booked:
    amount: Decimal = getattr(event, "amount", ZERO)
    is_cost = isinstance(event, Fee | BorrowFee | TaxWithheld)
    return Booked(-amount if is_cost else amount, getattr(event, "ex_date", None))


def _unbooked(told: CashActivity, known: Mapping[str, Booked]) -> CashActivity | None:
    """What is still to be booked of an activity, `known` being what the book has by reference:
    itself, the opposite of what was booked of one that is canceled, or nothing."""
    activity = told
    if told.is_canceled:
        booked = known.get(told.activity_id)
        if booked is None:
            return None
        activity = replace(
            told,
            activity_id=f"{told.activity_id}{_TAKEN_BACK}",
            kind=_OPPOSITES.get(told.kind, told.kind),
            amount=-booked.amount,
            # Which is never the one that happens to be owed now.
            ex_date=booked.ex_date,
        )
    is_booked = activity.kind is CashActivityKind.NOT_BOOKED or activity.activity_id in known
    return None if is_booked else activity


def booked_as(activity: CashActivity, owed_ex_date: dt.date) -> AnyEvent:
    """The fact that an activity is booked as; `owed_ex_date` stands in for an unknown ex-date.

    A cost is negative at the broker and positive in the book. A borrow fee that names no symbol is
    a fee. What has the wrong sign for its kind (a withdrawal that brought money) is a
    BookContractError when it is booked.
    """
    return _EVENTS[activity.kind](activity, owed_ex_date)


def paid_in_lieu(activity: CashActivity, fraction: Decimal) -> CashInLieu:
    """What was paid for a `fraction` of a share, signed as held; where there is none, or it was
    paid the other way (a correction), it is for no shares."""
    is_for_it = (activity.amount > 0) is (fraction > 0)
    return CashInLieu(
        symbol=activity.symbol,
        quantity=fraction if is_for_it else ZERO,
        amount=activity.amount,
        currency=activity.currency,
        reference=activity.activity_id,
    )


def cash_notice(
    told: Iterable[CashActivity], known: Mapping[str, Booked], lately: dt.datetime
) -> str:
    """What is said of activities that book and account may differ by, `known` being what the book
    has by reference; of what it does not have, only what is not before `lately`."""
    named = []
    for one in told:
        why = _difference(one, known.get(one.activity_id), is_late=one.occurred_at < lately)
        if why is not None:
            kind = one.broker_type or one.kind.value
            named.append(
                f"{' '.join(filter(None, (kind, one.symbol)))} {plain(one.amount)} {one.currency} "
                f"of {one.occurred_at:%Y-%m-%d %H:%M} UTC ({one.activity_id}){why}"
            )
    if not named:
        return ""
    return (
        f" The account tells of cash that the book does not have like that: {'; '.join(named)}. "
        "What belongs to a corporate action: add that to the portfolio's file of them. What is "
        "none: look at it in the account and accept (`trading_assets book accept-break`)."
    )


def _difference(told: CashActivity, booked: Booked | None, *, is_late: bool) -> str | None:
    """How an activity may be a difference, empty where its kind says it; None where it is none."""
    if booked is not None and told.is_canceled:
        return None
    if booked is not None and booked.amount != told.amount:
        return f", booked as {plain(booked.amount)}"
    if is_late or not told.amount:
        return None
    if told.is_canceled:
        return ", canceled and not in the book"
    if told.is_correction:
        return ", a correction of another"
    return "" if told.kind is CashActivityKind.NOT_BOOKED else None


def _dividend(activity: CashActivity, owed_ex_date: dt.date) -> AnyEvent:
    return DividendPayment(
        symbol=activity.symbol,
        ex_date=activity.ex_date or owed_ex_date,
        amount=activity.amount,
        currency=activity.currency,
        reference=activity.activity_id,
        takes_back=activity.activity_id.removesuffix(_TAKEN_BACK) if activity.is_canceled else "",
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
