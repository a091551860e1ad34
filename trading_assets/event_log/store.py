"""The book: an append-only, hash-chained, idempotent log of events, one chain per portfolio.

Problem: the book is the one thing that cannot be rebuilt. It must survive a kill at any moment,
never hold the same fact twice, and show any change made behind its back.

Choice: one relational table written through SQLAlchemy Core, in SQLite by default and in PostgreSQL
by the same code (`database.py`). An append that returned is on disk, unless the caller said that it
may wait for the next one. Each is one transaction of the book's only writer, which reads where the
chain ends first, so two writers never interleave. An event's id is a hash of (portfolio, revision,
event type, key): recording a fact again is recognised by its id and changes nothing; with other
content it is refused. Each record's hash covers the record and the hash before it (`chain.py`), and
is checked whenever the record is read.

Rejected: a file of JSON lines (no transaction over several events, no index), an ORM (nothing is
ever updated), random event ids (a retry would be a new fact).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.sql.compiler import SQLCompiler

from trading_assets.errors import BookConflictError, BookCorruptError, BookStaleError
from trading_assets.event_log import contracts
from trading_assets.event_log.chain import (
    EMPTY,
    GENESIS,
    Head,
    Row,
    event_id,
    record_hash,
    record_of,
    record_of_new,
    require_next,
    require_unchanged,
    utc_text,
)
from trading_assets.event_log.database import BookDatabase, PostgresDatabase, SQLiteDatabase
from trading_assets.event_log.tables import EVENTS
from trading_assets.event_log.witness import HeadWitness
from trading_assets.model.event import event_type
from trading_assets.model.events import BookRestated, EventRecord, NewEvent

PAGE_ROWS = 2000
IMPORT_ROWS = 2000


class RecordPlace(NamedTuple):
    """Sequence number of a record, and the session that it belongs to."""

    sequence: int
    session: dt.date


# Made once: every append asks it, and making a statement takes longer than answering it.
_END = (
    sa.select(EVENTS.c.sequence, EVENTS.c.hash, EVENTS.c.recorded_at)
    .where(EVENTS.c.portfolio == sa.bindparam("portfolio"))
    .order_by(EVENTS.c.sequence.desc())
    .limit(1)
)
BeforeCommit = Callable[[Sequence[EventRecord]], None]


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class _Waiting(NamedTuple):
    """A transaction with records that are not durable yet, and what ends it."""

    closing: ExitStack
    connection: sa.Connection


class EventLog:
    """One portfolio's chain of events. Not shared between threads; `clock` gives recorded_at.

    `place` is how messages call it.
    """

    def __init__(
        self,
        database: BookDatabase,
        portfolio: str,
        clock: Callable[[], dt.datetime] = _now,
        witness: HeadWitness | None = None,
        *,
        must_reach_witness: bool = True,
    ) -> None:
        self.portfolio = portfolio
        self.database = database
        self.place = f"{portfolio} ({database.place})"
        self.witness = witness
        self._clock = clock
        self._waiting: _Waiting | None = None
        # Read before the chain, which another process may be extending: it is then never ahead.
        seen = EMPTY if witness is None else witness.read()
        database.create_tables()
        with database.reading() as connection:
            self._last, self._last_recorded_at = self._end(connection)
            self.revision = self._latest_revision(connection)
            if must_reach_witness:
                self._require_reached(seen, connection, self._last)
        self._durable = self._position()

    # Writing

    def append(
        self,
        events: Sequence[NewEvent],
        before_commit: BeforeCommit | None = None,
        *,
        expected_sequence: int | None = None,
        durable: bool = True,
    ) -> list[EventRecord]:
        """Record events in order, all or none, durably; return those that were new.

        Facts that are recorded already are passed over. `before_commit` is shown the new records
        before they are durable; if it raises, nothing is recorded. recorded_at never runs backwards
        along the chain, whatever the clock does.

        Without `durable` they wait in this log's transaction for the next durable append or for
        `make_durable`. Until then nobody else sees them, no other process can write this book, and
        a process that dies loses them; so does a later append that fails.

        Raises BookContractError when an event breaks its schema, BookConflictError when it is
        recorded with other content, BookStaleError when `expected_sequence` is given and the book
        goes on after it, BookLockedError when another writer keeps the book for longer than 30
        seconds, BookUnavailableError for a full disk.
        """
        if not events:
            if durable:
                self.make_durable()
            return []
        with self._transaction(expected_sequence, durable=durable) as connection:
            added = self._insert_new(connection, events)
            if before_commit is not None:
                before_commit(added)
            if added:
                last = added[-1]
                self._last = Head(last.sequence, last.hash)
                self._last_recorded_at = utc_text(last.recorded_at)
            for record in added:
                if isinstance(record.event, BookRestated):
                    self.revision = record.event.revision
        return added

    def make_durable(self) -> None:
        """Commit what waits for it; nothing happens where nothing does."""
        if self._waiting is not None:
            with self._transaction(None, durable=True):
                pass

    @contextmanager
    def _transaction(
        self, expected_sequence: int | None, *, durable: bool
    ) -> Iterator[sa.Connection]:
        """The transaction that is open, or a new one; left open where it need not be durable yet.
        If the block or the commit fails, it is as if nothing since the last commit had been."""
        waiting, self._waiting = self._waiting, None
        try:
            with ExitStack() if waiting is None else waiting.closing as closing:
                if waiting is None:
                    connection = closing.enter_context(self.database.writing(self.portfolio))
                    self._catch_up(connection, expected_sequence)
                    self._durable = self._position()
                else:
                    connection = waiting.connection
                yield connection
                if durable:
                    connection.commit()
                else:
                    self._waiting = _Waiting(closing.pop_all(), connection)
        except BaseException:
            self._last, self._last_recorded_at, self.revision = self._durable
            raise
        if durable and self._durable[0] != self._last:
            self._durable = self._position()
            if self.witness is not None:
                self.witness.write(self._last)

    def _position(self) -> tuple[Head, str, int]:
        """Where the chain has come to: its head, when that was recorded, its revision."""
        return self._last, self._last_recorded_at, self.revision

    def _insert_new(
        self, connection: sa.Connection, events: Sequence[NewEvent]
    ) -> list[EventRecord]:
        """Add to the chain what it does not have, and return it. Nearly always every event is new:
        that is tried first, the table's key refuses others."""
        connection.exec_driver_sql("SAVEPOINT append")
        try:
            added = self._insert(connection, events, {})
        except sa.exc.IntegrityError:
            connection.exec_driver_sql("ROLLBACK TO SAVEPOINT append")
            known = self._stored_payloads(connection, [self._identity(new) for new in events])
            added = self._insert(connection, events, known)
        connection.exec_driver_sql("RELEASE SAVEPOINT append")
        return added

    def _catch_up(self, connection: sa.Connection, expected_sequence: int | None) -> None:
        """Learn where the chain ends, now that nobody else can write it."""
        head, recorded_at = self._end(connection)
        if expected_sequence is not None and head.sequence > expected_sequence:
            raise BookStaleError(
                f"{self.portfolio}: another process has written the book up to record "
                f"{head.sequence} since this one read it up to {expected_sequence}. Nothing was "
                "recorded. Run again; what is recorded already is not done twice."
            )
        if head == self._last:
            return
        if head.sequence <= self._last.sequence:
            raise BookCorruptError(
                f"{self.place}: record {self._last.sequence} was in the book, and is lost or "
                f"replaced: the book now ends at {head.sequence}. Nothing was recorded. Restore "
                "the book from a backup."
            )
        self._last, self._last_recorded_at = head, recorded_at
        self.revision = self._latest_revision(connection)

    def _insert(
        self, connection: sa.Connection, events: Sequence[NewEvent], known: dict[str, str]
    ) -> list[EventRecord]:
        """Add to the chain what is not in `known` (payloads by event id), and return it."""
        sequence, previous = self._last
        recorded_text = max(utc_text(self._clock()), self._last_recorded_at)
        recorded_at = dt.datetime.fromisoformat(recorded_text)
        rows: list[Row] = []
        added: list[EventRecord] = []
        for new in events:
            kind = event_type(new.event)
            identity = event_id(self.portfolio, self.revision, kind, new.key)
            payload = contracts.encode(new.event).decode()
            if identity in known:
                self._require_same(identity, new, payload, known[identity])
                continue
            known[identity] = payload
            sequence += 1
            content = (
                self.portfolio,
                sequence,
                identity,
                kind,
                new.event.version,
                new.session.isoformat(),
                utc_text(new.occurred_at),
                recorded_text,
                new.source,
                new.correlation_id,
                new.causation_id,
                payload,
                previous,
            )
            previous = record_hash(content)
            row = Row(*content, previous)
            rows.append(row)
            added.append(record_of_new(row, new, recorded_at))
        self._insert_rows(connection, rows)
        return added

    def _insert_rows(self, connection: sa.Connection, rows: list[Row]) -> None:
        if not rows:
            return
        if self._positional_insert is None:
            connection.execute(sa.insert(EVENTS), [row._asdict() for row in rows])
        else:
            connection.exec_driver_sql(self._positional_insert, rows)

    @cached_property
    def _positional_insert(self) -> str | None:
        """The insert in the database's own words, made once, for it is by far the most used one;
        None where the driver takes no values by position."""
        compiled = sa.insert(EVENTS).compile(dialect=self.database.engine.dialect)
        assert isinstance(compiled, SQLCompiler)
        if not compiled.positional:
            return None
        assert tuple(compiled.positiontup or ()) == Row._fields
        return str(compiled)

    def adopt(self, rows: Iterable[Row], before_commit: BeforeCommit | None = None) -> int:
        """Append records that another copy of this book made, as they are; return their number.

        They must continue the chain. All or none: in one transaction, whatever their number.
        `before_commit` is shown them in order, part by part. Raises BookCorruptError where one does
        not follow, does not match its hash or cannot be read, BookConflictError where one is
        recorded already, BookStaleError where another process writes in between.
        """
        self.make_durable()
        expected = self._last.sequence
        with self.database.writing(self.portfolio) as connection:
            self._catch_up(connection, expected)
            head, recorded_at = self._last, self._last_recorded_at
            part: list[Row] = []
            for row in rows:
                require_next(row, head, self.place)
                head, recorded_at = Head(row.sequence, row.hash), row.recorded_at
                part.append(row)
                if len(part) == IMPORT_ROWS:
                    self._adopt_part(connection, part, before_commit)
                    part = []
            self._adopt_part(connection, part, before_commit)
            if self.witness is not None:
                self._require_reached(self.witness.read(), connection, head)
            revision = self._latest_revision(connection)
            connection.commit()
        self._durable = (head, recorded_at, revision)
        self._last, self._last_recorded_at, self.revision = self._durable
        if self.witness is not None:
            self.witness.write(head)
        return head.sequence - expected

    def _adopt_part(
        self, connection: sa.Connection, rows: list[Row], before_commit: BeforeCommit | None
    ) -> None:
        records = [record_of(row, self.place) for row in rows]
        try:
            self._insert_rows(connection, rows)
        except sa.exc.IntegrityError as error:
            raise BookConflictError(
                f"{self.portfolio}: records {rows[0].sequence} to {rows[-1].sequence} hold an "
                "event id twice. Nothing was written. Import a whole export of one book."
            ) from error
        if before_commit is not None:
            before_commit(records)

    def _identity(self, new: NewEvent) -> str:
        return event_id(self.portfolio, self.revision, event_type(new.event), new.key)

    def _require_same(self, identity: str, new: NewEvent, payload: str, stored: str) -> None:
        if payload != stored:
            raise BookConflictError(
                f"{self.portfolio}: event {identity} ({new.key}) is recorded with other content. "
                f"Recorded: {stored[:300]}; now: {payload[:300]}. Nothing was written."
            )

    def _stored_payloads(
        self, connection: sa.Connection, identities: Sequence[str]
    ) -> dict[str, str]:
        query = sa.select(EVENTS.c.event_id, EVENTS.c.payload).where(
            EVENTS.c.portfolio == self.portfolio,
            EVENTS.c.event_id.in_(sa.bindparam("identities", expanding=True)),
        )
        found: dict[str, str] = {}
        for start in range(0, len(identities), 500):
            part = identities[start : start + 500]
            rows = connection.execute(query, {"identities": list(part)})
            found.update((row.event_id, row.payload) for row in rows)
        return found

    # Where the chain ends

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A connection to read the book with, all that was appended included: what waits is made
        durable first, for a second use of the thread's only connection would end its transaction.
        """
        self.make_durable()
        with self.database.reading() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """A transaction for what is kept beside the records; the caller commits. What waits is made
        durable first."""
        self.make_durable()
        with self.database.writing(self.portfolio) as connection:
            yield connection

    def head(self) -> Head:
        """Sequence number and hash of the last record; (0, zeros) for an empty book."""
        with self.reading() as connection:
            return self._end(connection)[0]

    def hash_at(self, sequence: int) -> str | None:
        """Hash of a record; None where the book has none of that number."""
        with self.reading() as connection:
            return self._hash_at(connection, sequence)

    def _end(self, connection: sa.Connection) -> tuple[Head, str]:
        """The head, and when it was recorded ("" for an empty book)."""
        row = connection.execute(_END, {"portfolio": self.portfolio}).first()
        return (EMPTY, "") if row is None else (Head(row.sequence, row.hash), row.recorded_at)

    def _hash_at(self, connection: sa.Connection, sequence: int) -> str | None:
        found = connection.execute(
            sa.select(EVENTS.c.hash).where(
                EVENTS.c.portfolio == self.portfolio, EVENTS.c.sequence == sequence
            )
        ).scalar()
        return None if found is None else str(found)

    def _require_reached(self, seen: Head, connection: sa.Connection, head: Head) -> None:
        if self.witness is not None and seen != EMPTY:
            there = self._hash_at(connection, seen.sequence)
            self.witness.require_reached(seen, head, there, self.place)

    def _latest_revision(self, connection: sa.Connection) -> int:
        found = connection.execute(
            sa.select(EVENTS)
            .where(EVENTS.c.portfolio == self.portfolio, EVENTS.c.event_type == "book_restated")
            .order_by(EVENTS.c.sequence.desc())
            .limit(1)
        ).first()
        if found is None:
            return 0
        event = record_of(Row._make(found), self.place).event
        return event.revision if isinstance(event, BookRestated) else 0

    # Reading

    def places(self, event_type: str, *, up_to: int | None = None) -> list[RecordPlace]:
        """Where the records of a type are, in order, up to a sequence number; read without their
        content, so quickly."""
        query = sa.select(EVENTS.c.sequence, EVENTS.c.session).where(
            EVENTS.c.portfolio == self.portfolio, EVENTS.c.event_type == event_type
        )
        if up_to is not None:
            query = query.where(EVENTS.c.sequence <= up_to)
        with self.reading() as connection:
            rows = connection.execute(query.order_by(EVENTS.c.sequence)).all()
        return [RecordPlace(row.sequence, dt.date.fromisoformat(row.session)) for row in rows]

    def records(
        self,
        *,
        after: int = 0,
        up_to: int | None = None,
        event_types: Sequence[str] | None = None,
        session: dt.date | None = None,
    ) -> Iterator[EventRecord]:
        """Records in order with sequence > `after` and <= `up_to`, optionally of some types or of
        one session; superseded ones are included, see `ledger.restatement`.

        Raises BookCorruptError at the first that does not match its hash, cannot be read or, where
        all types and sessions are asked for, does not follow the one before.
        """
        for row in self.rows(after=after, up_to=up_to, event_types=event_types, session=session):
            yield record_of(row, self.place)

    def rows(
        self,
        *,
        after: int = 0,
        up_to: int | None = None,
        event_types: Sequence[str] | None = None,
        session: dt.date | None = None,
    ) -> Iterator[Row]:
        """As `records`, but as they are stored, and only their place in the chain is checked."""
        conditions = [EVENTS.c.portfolio == self.portfolio]
        if up_to is not None:
            conditions.append(EVENTS.c.sequence <= up_to)
        if event_types is not None:
            conditions.append(EVENTS.c.event_type.in_(event_types))
        if session is not None:
            conditions.append(EVENTS.c.session == session.isoformat())
        query = sa.select(EVENTS).where(*conditions).order_by(EVENTS.c.sequence).limit(PAGE_ROWS)
        whole = event_types is None and session is None
        before = Head(after, GENESIS if after == 0 else self.hash_at(after) or "none")
        # Page by page, so that no transaction stays open while the caller works on a record.
        while True:
            with self.reading() as connection:
                page = connection.execute(query.where(EVENTS.c.sequence > after)).all()
            for found in page:
                row = Row._make(found)
                if whole:
                    require_next(row, before, self.place)
                    before = Head(row.sequence, row.hash)
                yield row
            if len(page) < PAGE_ROWS:
                return
            after = page[-1].sequence

    def head_known_at(self, moment: dt.datetime) -> int:
        """Sequence number of the last record that the book held at `moment` (aware); 0 for none."""
        with self.reading() as connection:
            later = connection.execute(
                sa.select(EVENTS.c.sequence)
                .where(
                    EVENTS.c.portfolio == self.portfolio,
                    EVENTS.c.recorded_at > utc_text(moment),
                )
                .order_by(EVENTS.c.sequence)
                .limit(1)
            ).scalar()
            return self._end(connection)[0].sequence if later is None else int(later) - 1

    def verify(self) -> int:
        """Check the database's structure and walk the whole chain; return the number of records.

        Raises BookCorruptError naming the first record whose sequence, predecessor or hash is
        wrong.
        """
        self.make_durable()
        self.database.check()
        count = 0
        for row in self.rows():
            require_unchanged(row, self.place)
            count = row.sequence
        return count

    def close(self) -> None:
        """Give the database back; what waits to be durable is dropped."""
        if self._waiting is not None:
            self._waiting.closing.close()
            self._waiting = None
        self.database.close()


def open_event_log(
    folder: Path,
    portfolio: str,
    clock: Callable[[], dt.datetime] = _now,
    url: sa.URL | None = None,
    *,
    must_reach_witness: bool = True,
) -> EventLog:
    """The book of `portfolio`, made if absent: one SQLite file in `folder`, or, with a `url`, in
    that PostgreSQL database. The last head seen is kept in `folder` either way.

    Raises BookCorruptError when the database is damaged or the chain does not reach the last head
    that was seen (with `must_reach_witness`), BookUnavailableError when it cannot be reached.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{portfolio}.sqlite"
    witness = HeadWitness(folder / f"{portfolio}.head")
    database = SQLiteDatabase(path) if url is None else PostgresDatabase(url)
    try:
        return EventLog(database, portfolio, clock, witness, must_reach_witness=must_reach_witness)
    except BaseException:
        database.close()
        raise


def event_log_to_read(folder: Path, portfolio: str, url: sa.URL | None = None) -> EventLog:
    """The book of `portfolio` for a reader: as `open_event_log`, but where there is none an empty
    book in memory, so that looking leaves nothing behind."""
    if _is_there(folder, portfolio, url):
        return open_event_log(folder, portfolio, url=url)
    return EventLog(
        SQLiteDatabase(None), portfolio, witness=HeadWitness(folder / f"{portfolio}.head")
    )


def _is_there(folder: Path, portfolio: str, url: sa.URL | None) -> bool:
    if url is None:
        return (folder / f"{portfolio}.sqlite").exists()
    database = PostgresDatabase(url)
    try:
        return database.has_table(EVENTS.name)
    finally:
        database.close()
