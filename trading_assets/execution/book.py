"""A portfolio's book at work: the event log and, beside it, the fold of what counts in it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator, Sequence
from decimal import Decimal

from trading_assets.bus import EventBus
from trading_assets.event_log.checkpoints import Checkpoint, Checkpoints
from trading_assets.event_log.store import EventLog, RecordPlace
from trading_assets.execution.book_start import (
    BookStart,
    fold_state,
    restatements_of,
    settings_fingerprint,
)
from trading_assets.ledger.history import BookFold, ClosedSession
from trading_assets.ledger.orders import OrderState
from trading_assets.ledger.restatement import still_counting
from trading_assets.model.events import BookRestated, EventRecord, NewEvent, SessionClosed
from trading_assets.model.money import ZERO
from trading_assets.model.order_events import SessionPlanned
from trading_assets.settings import PortfolioSettings

CHECKPOINT_RECORDS = 5000
"""A checkpoint is saved at the first close after so many records: what they cost to fold."""


def counting_records(
    log: EventLog, event_types: Sequence[str] | None = None, *, up_to: int | None = None
) -> Iterator[EventRecord]:
    """The records of a log, optionally of some types, that no restatement has superseded, oldest
    first; those up to sequence `up_to`, the end as it is now when None."""
    # Another process may be writing: records and restatements are those up to the same one.
    end = log.head().sequence if up_to is None else up_to
    records = log.records(event_types=event_types, up_to=end)
    return still_counting(records, restatements_of(log, end))


def read_closed_sessions(
    log: EventLog, settings: PortfolioSettings, since: dt.date | None = None
) -> Iterator[ClosedSession]:
    """Closed sessions of a book, oldest first, read without changing anything; with `since` that
    session and later ones only, which is quicker."""
    start = BookStart(log, settings, since)
    for record in start.records():
        closed = start.fold.apply(record)
        if closed is not None and (since is None or closed.session >= since):
            yield closed


def closed_session_dates(log: EventLog) -> set[dt.date]:
    """The sessions that are closed in a book, without folding it."""
    return {close.session for close in _closes(log, log.head().sequence)}


def _closes(log: EventLog, end: int) -> Iterator[RecordPlace]:
    """Where the sessions close that count at a sequence number."""
    closes = log.places("session_closed", up_to=end)
    return still_counting(closes, restatements_of(log, end))


class Book:
    """Appends facts, keeps the state that they add up to, and tells the bus what is recorded.

    The fold comes before the commit, since it may refuse a fact; the bus after it, since what is
    published there is true whatever its subscribers make of it.

    `sequence` is that of the last record read. `restatements` are all of the book's, oldest first;
    `last_closed` is the latest session that closed and `first_session` the one that the book begins
    with, None for a new book. `keep` names sessions whose closed form is held on to, for those who
    project them again.
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
        """Fold the log anew, from the newest checkpoint before the latest close and before the
        sessions of `keep`, for those are to be seen as they close."""
        self._unpublished: list[EventRecord] = []
        end = self.log.head().sequence
        closed = [close.session for close in _closes(self.log, end)]
        since = min([*self._keep, closed[-1]]) if closed else None
        start = BookStart(self.log, self._settings, since, end=end)
        checkpoint = start.checkpoint
        self._fold = start.fold
        self.closed: dict[dt.date, ClosedSession] = {}
        self.last_closed: ClosedSession | None = None
        self.first_session: dt.date | None = None
        self._latest_session: dt.date | None = None
        self._checkpointed = 0
        if checkpoint is not None:
            self.first_session = checkpoint.first_session
            self._latest_session = checkpoint.latest_session
            self._checkpointed = checkpoint.sequence
        self.restatements = [
            record.event for record in start.restatements if isinstance(record.event, BookRestated)
        ]
        for record in start.records():
            self._apply(record)
        self.sequence = end

    def record(self, events: Sequence[NewEvent], *, durable: bool = True) -> None:
        """Append events durably, fold those that are new, and publish them on the bus.

        Without `durable` they are folded at once, and on disk and on the bus with the next record
        that is, or with `make_durable`: for facts that can be learnt again, each commit saved.

        They are folded before they are committed: what cannot be folded raises and is not
        recorded, for it could never be taken out of the book again. Where another process has
        written since this one read, BookStaleError is raised, nothing is recorded, and what it
        wrote is folded: the caller decides again on the book as it is. Raises DeliveryError where a
        subscriber could not take what is recorded by then.
        """
        try:
            added = self.log.append(
                events,
                before_commit=self._apply_all,
                expected_sequence=self.sequence,
                durable=durable,
            )
            self.sequence += len(added)
        except BaseException:
            self.refold()
            raise
        self._unpublished += added
        if not durable:
            return
        if added and isinstance(added[-1].event, SessionClosed):
            self._save_checkpoint(added[-1])
        self._publish()

    def make_durable(self) -> None:
        """Commit and publish what `record` left waiting; nothing happens where nothing does."""
        try:
            self.log.make_durable()
        except BaseException:
            self.refold()
            raise
        self._publish()

    def _publish(self) -> None:
        records, self._unpublished = self._unpublished, []
        self.bus.publish(*records)

    def restate(self, from_session: dt.date, occurred_at: dt.datetime, reason: str) -> None:
        """Let nothing of `from_session` and later count any more; the records stay readable."""
        revision = self.log.revision + 1
        restated = NewEvent(
            key=f"restate/{revision}",
            session=from_session,
            occurred_at=occurred_at,
            source="execution",
            event=BookRestated(from_session=from_session, revision=revision, reason=reason),
        )
        self.make_durable()
        try:
            added = self.log.append([restated], expected_sequence=self.sequence)
        finally:
            self.refold()
        self.bus.publish(*added)

    def _save_checkpoint(self, close: EventRecord) -> None:
        """Save the state at a close, where folding up to here again would take a while."""
        if close.sequence - self._checkpointed < CHECKPOINT_RECORDS:
            return
        assert self.first_session is not None
        assert self._latest_session is not None
        Checkpoints(self.log).save(
            Checkpoint(
                sequence=close.sequence,
                hash=close.hash,
                fingerprint=settings_fingerprint(self._settings),
                first_session=self.first_session,
                closed_through=close.session,
                latest_session=self._latest_session,
                state=fold_state(self._fold),
            )
        )
        self._checkpointed = close.sequence

    def _apply_all(self, records: Sequence[EventRecord]) -> None:
        for record in records:
            self._apply(record)

    def _apply(self, record: EventRecord) -> None:
        closed = self._fold.apply(record)
        if self.first_session is None and not isinstance(record.event, BookRestated):
            self.first_session = record.session
        self._latest_session = max(record.session, self._latest_session or record.session)
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
    def peak_equity(self) -> Decimal:
        """The highest equity of all closes, scaled by flows, those since the latest close included;
        0 before the first close."""
        ledger = self._fold.ledger
        close = ledger.last_close
        if close is None or close.equity <= 0:
            return ZERO
        flows = ledger.activity(close.session).flows
        return close.peak_equity * max(close.equity + flows, ZERO) / close.equity

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
