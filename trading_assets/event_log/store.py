"""The book: an append-only, hash-chained, idempotent log of events, one chain per portfolio.

Problem: the book is the one thing that cannot be rebuilt. It must survive a kill at any moment,
never hold the same fact twice, and show any change made behind its back.

Choice: one relational table written through SQLAlchemy Core. SQLite in WAL mode with
`synchronous=FULL` is the default, so an append that returned is on disk. Each append is one
transaction that takes the write lock first, so two writers never interleave. An event's id is a
hash of (portfolio, revision, event type, key): recording a fact again is recognised by its id and
changes nothing; the same id with other content is refused. Each record's hash covers the record
and the hash before it.

Rejected: a file of JSON lines (no transaction over several events, no index), an ORM (nothing is
ever updated), random event ids (a retry would be a new fact).
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.sql.compiler import SQLCompiler

from trading_assets.errors import (
    BookConflictError,
    BookContractError,
    BookCorruptError,
    BookLockedError,
    BookVersionError,
)
from trading_assets.event_log import contracts
from trading_assets.model.event import event_type
from trading_assets.model.events import BookRestated, EventRecord, NewEvent

GENESIS = "0" * 64
"""Previous hash of the first record of a chain."""
LOCK_TIMEOUT_SECONDS = 30.0
PAGE_ROWS = 2000

_METADATA = sa.MetaData()
EVENTS = sa.Table(
    "events",
    _METADATA,
    sa.Column("portfolio", sa.String(31), primary_key=True),
    sa.Column("sequence", sa.Integer, primary_key=True),
    sa.Column("event_id", sa.String(32), nullable=False),
    sa.Column("event_type", sa.String(40), nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("session", sa.String(10), nullable=False),
    sa.Column("occurred_at", sa.String(32), nullable=False),
    sa.Column("recorded_at", sa.String(32), nullable=False),
    sa.Column("source", sa.String(60), nullable=False),
    sa.Column("correlation_id", sa.String(160), nullable=False),
    sa.Column("causation_id", sa.String(160), nullable=False),
    sa.Column("payload", sa.Text, nullable=False),
    sa.Column("previous_hash", sa.String(64), nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
    sa.UniqueConstraint("portfolio", "event_id"),
    # One tree instead of two: rows are always read in the order of the chain.
    sqlite_with_rowid=False,
)
_CONTENT = (
    "portfolio",
    "sequence",
    "event_id",
    "event_type",
    "version",
    "session",
    "occurred_at",
    "recorded_at",
    "source",
    "correlation_id",
    "causation_id",
    "payload",
    "previous_hash",
)
_WRITES = {"writes": True}

Row = dict[str, str | int]


def event_id(portfolio: str, revision: int, event_type: str, key: str) -> str:
    """Identity of a fact: the same for every attempt to record it, new after a restatement."""
    text = "\x1f".join((portfolio, str(revision), event_type, key))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def record_hash(row: Row) -> str:
    """SHA-256 over a record's content and its predecessor's hash, fields in a fixed order."""
    text = "\x1f".join(str(row[name]) for name in _CONTENT)
    return hashlib.sha256(text.encode()).hexdigest()


def _utc(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).isoformat(timespec="microseconds")


def _record(row: Sequence[str | int]) -> EventRecord:
    """The record of a row, whose values come in the order of the table's columns."""
    portfolio, sequence, identity, kind, version, session, occurred_at, recorded_at = row[:8]
    source, correlation_id, causation_id, payload, previous_hash, digest = row[8:]
    try:
        event = contracts.decode(str(kind), int(version), str(payload))
    except BookContractError as error:
        raise BookCorruptError(f"{portfolio}: record {sequence} cannot be read: {error}") from error
    except BookVersionError as error:
        raise BookVersionError(f"{portfolio}: record {sequence}: {error}") from error
    return EventRecord(
        sequence=int(sequence),
        event_id=str(identity),
        event_type=str(kind),
        version=int(version),
        portfolio=str(portfolio),
        session=dt.date.fromisoformat(str(session)),
        occurred_at=dt.datetime.fromisoformat(str(occurred_at)),
        recorded_at=dt.datetime.fromisoformat(str(recorded_at)),
        source=str(source),
        correlation_id=str(correlation_id),
        causation_id=str(causation_id),
        previous_hash=str(previous_hash),
        hash=str(digest),
        event=event,
    )


def _with_envelope(row: Row, new: NewEvent, recorded_at: dt.datetime) -> EventRecord:
    """The record of a row that was just made, without decoding the event again."""
    return EventRecord(
        sequence=int(row["sequence"]),
        event_id=str(row["event_id"]),
        event_type=str(row["event_type"]),
        version=new.event.version,
        portfolio=str(row["portfolio"]),
        session=new.session,
        occurred_at=new.occurred_at,
        recorded_at=recorded_at,
        source=new.source,
        correlation_id=new.correlation_id,
        causation_id=new.causation_id,
        previous_hash=str(row["previous_hash"]),
        hash=str(row["hash"]),
        event=new.event,
    )


class EventLog:
    """One portfolio's chain of events. Not shared between threads; `clock` gives recorded_at."""

    def __init__(
        self,
        engine: sa.Engine,
        portfolio: str,
        clock: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
    ) -> None:
        self.portfolio = portfolio
        self._engine = engine
        self._clock = clock
        _METADATA.create_all(engine)
        self.revision = self._latest_revision()
        self._last = self.head()

    def append(
        self,
        events: Sequence[NewEvent],
        before_commit: Callable[[Sequence[EventRecord]], None] | None = None,
    ) -> list[EventRecord]:
        """Record events in order, all or none, durably; return those that were new.

        Facts that are recorded already are passed over. `before_commit` is shown the new records
        before they are durable; if it raises, nothing is recorded. Raises BookContractError when
        one breaks its schema, BookConflictError when one is recorded with other content,
        BookLockedError when another writer keeps the book for longer than 30 seconds.
        """
        if not events:
            return []
        try:
            try:
                # Nearly always every event is new and nobody else has written: that is tried first.
                added = self._append(events, before_commit, look_up=False)
            except sa.exc.IntegrityError:
                added = self._append(events, before_commit, look_up=True)
        except sa.exc.OperationalError as error:
            if "locked" in str(error.orig) or "busy" in str(error.orig):
                raise BookLockedError(
                    f"{self.portfolio}: another process has been writing this book for "
                    f"{LOCK_TIMEOUT_SECONDS:.0f} s. Wait for it to end, then run again."
                ) from error
            raise
        if added:
            self._last = (added[-1].sequence, added[-1].hash)
        for record in added:
            if isinstance(record.event, BookRestated):
                self.revision = record.event.revision
        return added

    def _append(
        self,
        events: Sequence[NewEvent],
        before_commit: Callable[[Sequence[EventRecord]], None] | None,
        *,
        look_up: bool,
    ) -> list[EventRecord]:
        """One transaction. Without `look_up` the chain is taken to end where this log last saw it
        and no event to be known; where either is wrong, the table's own keys refuse the insert."""
        with self._engine.connect().execution_options(**_WRITES) as connection:
            known: dict[str, str] = {}
            if look_up:
                self._last = self._head(connection)
                known = self._stored_payloads(connection, [self._identity(new) for new in events])
            added = self._insert(connection, events, known)
            if before_commit is not None:
                before_commit(added)
            connection.commit()
        return added

    def _insert(
        self, connection: sa.Connection, events: Sequence[NewEvent], known: dict[str, str]
    ) -> list[EventRecord]:
        """Add to the chain what is not in `known` (payloads by event id), and return it."""
        sequence, previous = self._last
        recorded_at = self._clock().astimezone(dt.UTC)
        rows: list[Row] = []
        added: list[EventRecord] = []
        for new in events:
            identity = self._identity(new)
            payload = contracts.encode(new.event).decode()
            if identity in known:
                self._require_same(identity, new, payload, known[identity])
                continue
            sequence += 1
            row: Row = {
                "portfolio": self.portfolio,
                "sequence": sequence,
                "event_id": identity,
                "event_type": event_type(new.event),
                "version": new.event.version,
                "session": new.session.isoformat(),
                "occurred_at": _utc(new.occurred_at),
                "recorded_at": _utc(recorded_at),
                "source": new.source,
                "correlation_id": new.correlation_id,
                "causation_id": new.causation_id,
                "payload": payload,
                "previous_hash": previous,
            }
            row["hash"] = previous = record_hash(row)
            known[identity] = payload
            rows.append(row)
            added.append(_with_envelope(row, new, recorded_at))
        if rows and self._compiled_insert.positional:
            names = self._compiled_insert.positiontup or ()
            values = [tuple(row[name] for name in names) for row in rows]
            connection.exec_driver_sql(str(self._compiled_insert), values)
        elif rows:
            connection.execute(sa.insert(EVENTS), rows)
        return added

    @cached_property
    def _compiled_insert(self) -> SQLCompiler:
        """The insert in the database's own words, made once: it is by far the most used one."""
        compiled = sa.insert(EVENTS).compile(dialect=self._engine.dialect)
        assert isinstance(compiled, SQLCompiler)
        return compiled

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

    def _head(self, connection: sa.Connection) -> tuple[int, str]:
        row = connection.execute(
            sa.select(EVENTS.c.sequence, EVENTS.c.hash)
            .where(EVENTS.c.portfolio == self.portfolio)
            .order_by(EVENTS.c.sequence.desc())
            .limit(1)
        ).first()
        return (0, GENESIS) if row is None else (row.sequence, row.hash)

    def head(self) -> tuple[int, str]:
        """Sequence number and hash of the last record; (0, zeros) for an empty book."""
        with self._engine.connect() as connection:
            return self._head(connection)

    def _latest_revision(self) -> int:
        with self._engine.connect() as connection:
            found = connection.execute(
                sa.select(EVENTS.c.version, EVENTS.c.payload)
                .where(
                    EVENTS.c.portfolio == self.portfolio,
                    EVENTS.c.event_type == "book_restated",
                )
                .order_by(EVENTS.c.sequence.desc())
                .limit(1)
            ).first()
        if found is None:
            return 0
        event = contracts.decode("book_restated", found.version, found.payload)
        return event.revision if isinstance(event, BookRestated) else 0

    def records(
        self,
        *,
        after: int = 0,
        up_to: int | None = None,
        event_types: Sequence[str] | None = None,
        session: dt.date | None = None,
    ) -> Iterator[EventRecord]:
        """Records in order with sequence > `after` and <= `up_to`, optionally of some types or of
        one session; superseded ones are included, see `ledger.restatement`."""
        conditions = [EVENTS.c.portfolio == self.portfolio]
        if up_to is not None:
            conditions.append(EVENTS.c.sequence <= up_to)
        if event_types is not None:
            conditions.append(EVENTS.c.event_type.in_(event_types))
        if session is not None:
            conditions.append(EVENTS.c.session == session.isoformat())
        query = sa.select(EVENTS).where(*conditions).order_by(EVENTS.c.sequence).limit(PAGE_ROWS)
        # Page by page, so that no transaction stays open while the caller works on a record.
        while True:
            with self._engine.connect() as connection:
                page = connection.execute(query.where(EVENTS.c.sequence > after)).all()
            for row in page:
                yield _record(row)
            if len(page) < PAGE_ROWS:
                return
            after = page[-1].sequence

    def verify(self) -> int:
        """Walk the whole chain; return the number of records.

        Raises BookCorruptError naming the first record whose sequence, predecessor or hash is
        wrong.
        """
        previous, expected = GENESIS, 1
        query = (
            sa.select(EVENTS)
            .where(EVENTS.c.portfolio == self.portfolio)
            .order_by(EVENTS.c.sequence)
        )
        with self._engine.connect() as connection:
            for found in connection.execution_options(yield_per=2000).execute(query).mappings():
                row: Row = dict(found)
                if row["sequence"] != expected:
                    raise BookCorruptError(
                        f"{self.portfolio}: record {expected} is missing, "
                        f"{row['sequence']} follows. Restore the book from a backup."
                    )
                if row["previous_hash"] != previous or record_hash(row) != row["hash"]:
                    raise BookCorruptError(
                        f"{self.portfolio}: record {expected} ({row['event_type']} of "
                        f"{row['session']}) does not match its hash. It was changed after it was "
                        "recorded; restore the book from a backup."
                    )
                previous, expected = str(row["hash"]), expected + 1
        return expected - 1

    def close(self) -> None:
        """Give the database back."""
        self._engine.dispose()


def open_event_log(
    folder: Path,
    portfolio: str,
    clock: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
) -> EventLog:
    """The book of `portfolio` in `folder`, one SQLite file, made if absent.

    Raises BookCorruptError when the file is not a readable SQLite database.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{portfolio}.sqlite"
    engine = sqlite_engine(path)
    try:
        return EventLog(engine, portfolio, clock)
    except sa.exc.DatabaseError as error:
        engine.dispose()
        if "not a database" in str(error.orig) or "malformed" in str(error.orig):
            raise BookCorruptError(
                f"{path}: not a readable book ({error.orig}). Restore it from a backup."
            ) from error
        raise


def event_log_to_read(folder: Path, portfolio: str) -> EventLog:
    """The book of `portfolio` for a reader: as `open_event_log`, but where there is no file an
    empty book in memory, so that looking leaves nothing behind."""
    if (folder / f"{portfolio}.sqlite").exists():
        return open_event_log(folder, portfolio)
    return EventLog(sa.create_engine("sqlite://"), portfolio)


def sqlite_engine(path: Path) -> sa.Engine:
    """SQLite in WAL mode with synchronous=FULL; every transaction takes the write lock first."""
    engine = sa.create_engine(
        f"sqlite:///{path}",
        connect_args={"timeout": LOCK_TIMEOUT_SECONDS},
        poolclass=sa.pool.SingletonThreadPool,
    )

    @sa.event.listens_for(engine, "connect")
    def _configure(connection, _record):  # type: ignore[no-untyped-def]
        # The driver must not begin transactions by itself: `BEGIN IMMEDIATE` below does.
        connection.isolation_level = None
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine
