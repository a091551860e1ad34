"""Dagster's own event storage in one SQLite file, written without needless waiting.

Problem: a one-run backfill of a year reports some 6,500 events (a materialisation for each asset
and session, a result for each check and session). Dagster's default SQLite storage opens a
database, commits and waits for the disk several times for each: most of a backfill's time.

Choice: Dagster's own consolidated storage (one file instead of one for each run), with connections
kept open, `synchronous=NORMAL`, an event or a batch of events written in one transaction, and what
the database's schema has remembered instead of asked for with each event. An event that
was written survives a kill of the process; a power cut may lose the last ones, after which the
assets are materialised again, which changes nothing else. The book is not kept here.

Whoever watches a run (its page in the UI does) is told by polling, as Dagster does for PostgreSQL:
its SQLite storages wait for a change of the database file, which stays as it is while connections
are kept and events go to the write-ahead log beside it.

Selected in dagster.yaml. The methods overridden are internal to Dagster, whose version is pinned.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property

import sqlalchemy as sa
from dagster import EventLogEntry
from dagster._core.storage.event_log import ConsolidatedSqliteEventLogStorage
from dagster._core.storage.event_log.polling_event_watcher import SqlPollingEventWatcher

BUSY_TIMEOUT_SECONDS = 60


class BatchingEventLogStorage(ConsolidatedSqliteEventLogStorage):
    """Dagster's consolidated SQLite event log with kept connections and real batches."""

    @cached_property
    def _engine(self) -> sa.Engine:
        engine = sa.create_engine(self._conn_string, connect_args={"timeout": BUSY_TIMEOUT_SECONDS})

        @sa.event.listens_for(engine, "connect")
        def _configure(connection, _record):  # type: ignore[no-untyped-def]
            connection.execute("PRAGMA synchronous=NORMAL")

        return engine

    @cached_property
    def _watcher(self) -> SqlPollingEventWatcher:
        return SqlPollingEventWatcher(self)

    @cached_property
    def _batch(self) -> threading.local:
        return threading.local()

    @contextmanager
    def _connect(self) -> Iterator[sa.Connection]:
        connection = getattr(self._batch, "connection", None)
        if connection is not None:
            yield connection
            return
        with self._engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def _one_transaction(self) -> Iterator[None]:
        """All that is stored in the block, by this thread, in one transaction."""
        if getattr(self._batch, "connection", None) is not None:
            yield
            return
        with self._connect() as connection:
            self._batch.connection = connection
            try:
                yield
            finally:
                self._batch.connection = None

    def store_event(self, event: EventLogEntry) -> None:
        """Store an event with all that is kept about its asset or check, or nothing."""
        with self._one_transaction():
            super().store_event(event)

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Store all events or none."""
        with self._one_transaction():
            super().store_event_batch(events)

    @cached_property
    def _found(self) -> set[str]:
        """Tables and columns that were seen; they do not go away again."""
        return set()

    def has_table(self, table_name: str) -> bool:
        """True where the table is there; asked of the database only until it is."""
        if table_name in self._found or super().has_table(table_name):
            self._found.add(table_name)
        return table_name in self._found

    def _has_asset_key_col_on_connection(self, conn: sa.Connection, column_name: str) -> bool:
        column = f"asset_keys.{column_name}"
        found = column in self._found or super()._has_asset_key_col_on_connection(conn, column_name)
        if found:
            self._found.add(column)
        return found

    def watch(
        self, run_id: str, cursor: str | None, callback: Callable[[EventLogEntry, str], None]
    ) -> None:
        """Call back with each event of a run after `cursor`, as they are stored."""
        self._watcher.watch_run(run_id, cursor, callback)

    def end_watch(self, run_id: str, handler: Callable[[EventLogEntry, str], None]) -> None:
        """Call back no more."""
        self._watcher.unwatch_run(run_id, handler)

    def dispose(self) -> None:
        """Stop watching and give connections back."""
        self._watcher.close()
        super().dispose()  # type: ignore[no-untyped-call]
        self._engine.dispose()
