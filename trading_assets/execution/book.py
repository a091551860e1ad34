"""A portfolio's book at work: the event log and, beside it, the fold of what counts in it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator, Sequence
from decimal import Decimal

from trading_assets.bus import EventBus
from trading_assets.event_log.store import EventLog
from trading_assets.ledger.history import BookFold, ClosedSession, closed_sessions
from trading_assets.ledger.orders import OrderState
from trading_assets.ledger.restatement import still_counting
from trading_assets.model.events import BookRestated, EventRecord, NewEvent
from trading_assets.model.order_events import SessionPlanned
from trading_assets.settings import PortfolioSettings


def counting_records(
    log: EventLog, event_types: Sequence[str] | None = None
) -> Iterator[EventRecord]:
    """The records of a log, optionally of some types, that no restatement has superseded, oldest
    first."""
    restatements = list(log.records(event_types=["book_restated"]))
    return still_counting(log.records(event_types=event_types), restatements)


def read_closed_sessions(log: EventLog, settings: PortfolioSettings) -> Iterator[ClosedSession]:
    """Closed sessions of a book, oldest first, read without changing anything."""
    return closed_sessions(counting_records(log), settings.accounting, settings.currency)


def closed_session_dates(log: EventLog) -> set[dt.date]:
    """The sessions that are closed in a book, without folding it."""
    return {record.session for record in counting_records(log, ["session_closed"])}


class Book:
    """Appends facts, keeps the state that they add up to, and tells the bus what is recorded.

    The fold comes before the commit, since it may refuse a fact; the bus after it, since what is
    published there is true whatever its subscribers make of it.

    `restatements` are all of the book's, oldest first; `last_closed` is the latest session that
    closed and `first_session` the one that the book begins with, None for a new book. `keep` names
    sessions whose closed form is held on to, for those who project them again.
    """

    def __init__(
        self,
        log: EventLog,
        settings: PortfolioSettings,
        keep: Collection[dt.date] = (),
        bus: EventBus | None = None,
    ) -> None:
        self.log = log
        self.bus = bus or EventBus()
        self._settings = settings
        self._keep = frozenset(keep)
        self.refold()

    def refold(self) -> None:
        """Fold the whole log anew."""
        self._fold = BookFold(self._settings.accounting, self._settings.currency)
        self.closed: dict[dt.date, ClosedSession] = {}
        self.last_closed: ClosedSession | None = None
        self.first_session: dt.date | None = None
        records = self.log.records(event_types=["book_restated"])
        self.restatements = [r.event for r in records if isinstance(r.event, BookRestated)]
        for record in counting_records(self.log):
            self._apply(record)

    def record(self, events: Sequence[NewEvent]) -> None:
        """Append events durably, fold those that are new, and publish them on the bus.

        They are folded before they are committed: what cannot be folded raises and is not
        recorded, for it could never be taken out of the book again. Raises DeliveryError where a
        subscriber could not take what is recorded by then.
        """
        try:
            added = self.log.append(events, before_commit=self._apply_all)
        except BaseException:
            self.refold()
            raise
        self.bus.publish(*added)

    def restate(self, from_session: dt.date, occurred_at: dt.datetime, reason: str) -> None:
        """Let nothing of `from_session` and later count any more; the records stay readable."""
        revision = self.log.revision + 1
        added = self.log.append(
            [
                NewEvent(
                    key=f"restate/{revision}",
                    session=from_session,
                    occurred_at=occurred_at,
                    source="execution",
                    event=BookRestated(from_session=from_session, revision=revision, reason=reason),
                )
            ]
        )
        self.refold()
        self.bus.publish(*added)

    def _apply_all(self, records: Sequence[EventRecord]) -> None:
        for record in records:
            self._apply(record)

    def _apply(self, record: EventRecord) -> None:
        closed = self._fold.apply(record)
        if self.first_session is None and not isinstance(record.event, BookRestated):
            self.first_session = record.session
        if closed is None:
            return
        self.last_closed = closed
        if closed.session in self._keep:
            self.closed[closed.session] = closed

    @property
    def closed_through(self) -> dt.date | None:
        """The latest closed session; None for a new book."""
        close = self._fold.ledger.last_close
        return None if close is None else close.session

    @property
    def positions(self) -> dict[str, Decimal]:
        """Signed shares by symbol, now."""
        return self._fold.ledger.positions

    @property
    def opening_positions(self) -> dict[str, Decimal]:
        """Signed shares by symbol at the latest close: what the open session began with."""
        close = self._fold.ledger.last_close
        return {} if close is None else close.positions

    @property
    def cash(self) -> Decimal:
        """Cash, now."""
        return self._fold.ledger.cash

    @property
    def planned(self) -> SessionPlanned | None:
        """The plan of the session that is open; None before it is planned."""
        return self._fold.planned

    @property
    def fold(self) -> BookFold:
        """Ledger and orders as they stand."""
        return self._fold

    def orders(self, session: dt.date) -> tuple[OrderState, ...]:
        """Orders intended in a session, in that order."""
        return self._fold.orders.of_session(session)
