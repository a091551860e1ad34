"""The database that a book lies in: one SQLite file for each portfolio, or PostgreSQL for all.

Both are written through the same SQLAlchemy Core statements. What differs is here: how a writer
gets a portfolio's book for itself, what makes a commit durable, how the file is checked, and what
an error of the driver means. Passwords are in no message: a PostgreSQL database is named by host,
port and database only.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from trading_assets.errors import (
    BookCorruptError,
    BookError,
    BookLockedError,
    BookUnavailableError,
)
from trading_assets.event_log.tables import METADATA

LOCK_TIMEOUT_SECONDS = 30.0
_WRITES = {"writes": True}


class BookDatabase:
    """An open database; `place` is how messages call it. Given back by `close`."""

    def __init__(self, engine: sa.Engine, place: str, lock_timeout_seconds: float) -> None:
        self.engine = engine
        self.place = place
        self.lock_timeout_seconds = lock_timeout_seconds

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A connection whose reads see one state of the database each."""
        with self.explained(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self, portfolio: str) -> Iterator[sa.Connection]:
        """A transaction of the only writer of a portfolio's book; the caller commits.

        A second writer waits, and fails with BookLockedError after `lock_timeout_seconds`.
        """
        with (
            self.explained(portfolio),
            self.engine.connect().execution_options(**_WRITES) as connection,
        ):
            self._take(connection, portfolio)
            yield connection

    @contextmanager
    def explained(self, portfolio: str = "") -> Iterator[None]:
        """Turn what the driver raises into this package's errors."""
        try:
            yield
        except sa.exc.IntegrityError:
            raise
        except sa.exc.DBAPIError as error:
            meaning = self._meaning(error.orig, portfolio)
            if meaning is None:
                raise
            raise meaning from error

    def create_tables(self) -> None:
        """Make the tables that are absent."""
        with self.reading() as connection:
            names = sa.inspect(connection).get_table_names()
        if not set(METADATA.tables) <= set(names):
            # Two processes that open a new book at once must not both make them.
            with self.writing("") as connection:
                METADATA.create_all(connection)
                connection.commit()

    def has_table(self, name: str) -> bool:
        """Whether the database holds a table."""
        with self.reading() as connection:
            return sa.inspect(connection).has_table(name)

    def check(self) -> None:
        """Check the database's own structure as far as it offers it; BookCorruptError."""

    def close(self) -> None:
        """Give the database back."""
        self.engine.dispose()

    def _take(self, connection: sa.Connection, portfolio: str) -> None:
        """Wait until this transaction is the portfolio's only writer."""

    def _meaning(self, cause: BaseException | None, portfolio: str) -> BookError | None:
        """This package's error for what the driver raised; None where it has none."""
        raise NotImplementedError

    def _locked(self, portfolio: str) -> BookLockedError:
        return BookLockedError(
            f"{portfolio or self.place}: another process has been writing this book for "
            f"{self.lock_timeout_seconds:.0f} s. Wait for it to end, then run again."
        )

    def _corrupt(self, cause: object) -> BookCorruptError:
        return BookCorruptError(
            f"{self.place}: the book is damaged or not a book ({cause}). Nothing was changed. "
            "Restore it from a backup, or import its last export."
        )

    def _unavailable(self, cause: object, remedy: str) -> BookUnavailableError:
        return BookUnavailableError(
            f"{self.place}: the book cannot be read or written ({cause}). Nothing of this step was "
            f"recorded. {remedy}, then run again."
        )


class SQLiteDatabase(BookDatabase):
    """One file in WAL mode with synchronous=FULL: a commit that returned is on disk.

    `path` None is a database in memory. `BEGIN IMMEDIATE` takes the write lock first, so writers
    stand in line and never interleave.
    """

    def __init__(
        self, path: Path | None, lock_timeout_seconds: float = LOCK_TIMEOUT_SECONDS
    ) -> None:
        engine = sa.create_engine(
            "sqlite://" if path is None else f"sqlite:///{path}",
            connect_args={"timeout": lock_timeout_seconds},
            poolclass=sa.pool.SingletonThreadPool,
        )
        super().__init__(engine, str(path or "memory"), lock_timeout_seconds)
        sa.event.listen(engine, "connect", _configure_sqlite)
        sa.event.listen(engine, "begin", _begin_sqlite)

    def check(self) -> None:
        """SQLite's own check of pages, rows and indexes; BookCorruptError names what it finds."""
        with self.reading() as connection:
            found = connection.exec_driver_sql("PRAGMA integrity_check(1)").scalar()
        if found != "ok":
            raise self._corrupt(found)

    def _meaning(self, cause: BaseException | None, portfolio: str) -> BookError | None:
        code = getattr(cause, "sqlite_errorcode", None)
        if code is None:
            # The driver's own: text that is no text any more.
            return self._corrupt(cause) if "decode" in str(cause) else None
        code &= 0xFF
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return self._locked(portfolio)
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            return self._corrupt(cause)
        if code == sqlite3.SQLITE_FULL:
            return self._unavailable(cause, "Free space on its disk")
        if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
            return self._unavailable(cause, "Give permission to write its folder and file")
        if code == sqlite3.SQLITE_IOERR:
            return self._unavailable(cause, "Free space on its disk and check the disk")
        return None


def _configure_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    # The driver must not begin transactions by itself: `_begin_sqlite` does.
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA cell_size_check=ON")
    # 16 MB of log before pages move to the database: event ids are hashes, so each commit touches
    # pages all over their index, and what touches one twice before it moves is written once.
    connection.execute("PRAGMA wal_autocheckpoint=4000")


def _begin_sqlite(connection: sa.Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


class PostgresDatabase(BookDatabase):
    """One database for the books of all portfolios, on a server.

    A writer holds an advisory lock of the portfolio until its transaction ends, so writers of one
    book stand in line while those of different books do not wait for each other.
    """

    def __init__(self, url: sa.URL, lock_timeout_seconds: float = LOCK_TIMEOUT_SECONDS) -> None:
        engine = sa.create_engine(url, pool_pre_ping=True)
        place = f"postgresql://{url.host or 'local socket'}:{url.port or 5432}/{url.database}"
        super().__init__(engine, place, lock_timeout_seconds)
        sa.event.listen(engine, "connect", _configure_postgres)

    def _take(self, connection: sa.Connection, portfolio: str) -> None:
        milliseconds = max(int(self.lock_timeout_seconds * 1000), 1)
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = {milliseconds}")
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_lock_key(portfolio))))

    def _meaning(self, cause: BaseException | None, portfolio: str) -> BookError | None:
        state = getattr(cause, "sqlstate", None) or ""
        said = " ".join(str(cause).split())
        if state == "55P03":
            return self._locked(portfolio)
        if state in ("XX001", "XX002"):
            return self._corrupt(said)
        if state == "53100":
            return self._unavailable(said, "Free space on the server's disk")
        if state in ("42501", "25006"):
            return self._unavailable(said, "Give its user permission to create and write tables")
        if state[:2] in ("", "08", "28", "3D", "53", "57"):
            return self._unavailable(said, "Check that the server runs and lets this user in")
        return None


def _configure_postgres(connection: Any, _record: object) -> None:
    # A server may be set up to answer before a commit is on disk; the book never is.
    (level,) = connection.execute("SHOW synchronous_commit").fetchone()
    if level == "off":
        connection.execute("SET synchronous_commit TO on")
    connection.commit()


def _lock_key(portfolio: str) -> int:
    """The advisory lock's number: 63 bits of a hash, so that no other program's is met."""
    digest = hashlib.sha256(f"trading_assets book {portfolio}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
