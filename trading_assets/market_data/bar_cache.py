"""Bars kept from one question to the next, in one SQLite file.

Only final bars are kept, whose time is over by a margin. A series is a source, its feed, a
timeframe and what prices are adjusted for. Beside a symbol's bars stand the stretches of time for
which all of them are there:

    from bar to bar    for good, the intervals without one in between included
    without a bar      before the first and after the last bar of an answer, or where it had none:
                       what had ended a week before is not asked for again for a week, anything
                       later at once, so that an answer which was empty by mistake heals

Adjusted prices are rewritten by every later corporate action, all of them down to the oldest bar.
So before they are used the oldest one is asked for again, and where it has changed the series of
that symbol is dropped (`CachedBars`).

Everything in the file can be fetched again. One that is damaged, or that another version has made,
is put aside under another name, and a new one is begun.
"""

from __future__ import annotations

import datetime as dt
import itertools
import logging
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
import numpy as np
from filelock import FileLock

from trading_assets.data_files import portable_name
from trading_assets.errors import InputError
from trading_assets.market_data.bar_source import (
    BAR,
    BarRows,
    moment_of,
    nanoseconds,
    within,
)

BAR_CACHE = "bars.sqlite"
"""The file's usual name."""
LOG = logging.getLogger(__name__)
_VERSION = 2
_SCHEMA = """
CREATE TABLE IF NOT EXISTS bars (
    series TEXT NOT NULL, symbol TEXT NOT NULL, start INTEGER NOT NULL, open REAL NOT NULL,
    high REAL NOT NULL, low REAL NOT NULL, close REAL NOT NULL, volume REAL,
    PRIMARY KEY (series, symbol, start)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS stretches (
    series TEXT NOT NULL, symbol TEXT NOT NULL, start INTEGER NOT NULL, "end" INTEGER NOT NULL,
    empty_since INTEGER, PRIMARY KEY (series, symbol, start)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS compared (
    series TEXT NOT NULL, symbol TEXT NOT NULL, at INTEGER NOT NULL,
    PRIMARY KEY (series, symbol)) WITHOUT ROWID;
"""
_SELECT = (
    "SELECT start, open, high, low, close, ifnull(volume, 9e999) FROM bars "
    "WHERE series = ? AND symbol = ?"
)
_WAIT_SECONDS = 30
_WEEK = dt.timedelta(days=7)
_WEEK_NANOSECONDS = 7 * 86_400 * 10**9
# A stretch ends one microsecond after the start of its last bar.
_INSTANT = 1000


class Stretch(msgspec.Struct, frozen=True, order=True):
    """Bars that begin at `start` or later and before `end` (UTC)."""

    start: dt.datetime
    end: dt.datetime

    @property
    def is_empty(self) -> bool:
        """True where no bar can begin in it."""
        return self.start >= self.end


class BarCache:
    """Final bars of several series, shared between threads and processes. `empty_for` is how long
    it is believed that there are no bars where there were none. InputError, which names the file
    and the remedy, where it cannot be read or written."""

    def __init__(
        self,
        path: Path,
        now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
        empty_for: dt.timedelta = _WEEK,
    ) -> None:
        self._path = path
        self._now = now
        self._empty_for = empty_for
        self._lock = threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True)
        # One process at a time: SQLite lets two that begin a file fail, and what one has begun
        # anew is not put aside by the other.
        with self._explained(), FileLock(f"{path}.lock"):
            try:
                self._database = _opened(path)
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError):
                    raise
                self._put_aside(str(error))
                self._database = _opened(path)

    def close(self) -> None:
        """Give the file back."""
        self._database.close()

    def lacking(self, series: str, symbol: str, wanted: Stretch) -> list[Stretch]:
        """What has to be fetched so that all of `wanted` is there, ascending."""
        if wanted.is_empty:
            return []
        oldest = nanoseconds(self._now() - self._empty_for)
        with self._lock, self._explained():
            known = self._database.execute(
                'SELECT start, "end", empty_since IS NULL FROM stretches WHERE series = ? AND '
                'symbol = ? AND "end" > ? AND start < ? AND coalesce(empty_since, ? + 1) > ? '
                "ORDER BY start",
                (series, symbol, *_ends(wanted), oldest, oldest),
            ).fetchall()
        gaps = _gaps(*_ends(wanted), known)
        return [Stretch(moment_of(start), moment_of(end)) for start, end in gaps]

    def read(self, series: str, symbol: str, wanted: Stretch) -> BarRows:
        """The bars that are there of a stretch, oldest first."""
        with self._lock, self._explained():
            return _rows(
                self._database.execute(
                    f"{_SELECT} AND start >= ? AND start < ? ORDER BY start",
                    (series, symbol, *_ends(wanted)),
                )
            )

    def store(self, series: str, stretch: Stretch, bars: Mapping[str, BarRows]) -> None:
        """Keep every bar of `stretch` for each symbol of `bars`, all or nothing.

        The caller has made sure that all are final and none is left out. A symbol without bars has
        none there.
        """
        if stretch.is_empty:
            return
        with self._changing():
            for symbol, rows in bars.items():
                kept = within(rows, stretch.start, stretch.end)
                self._database.executemany(
                    "INSERT OR REPLACE INTO bars VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    ((series, symbol, *row) for row in kept.tolist()),
                )
                start, end = _ends(stretch)
                if not len(kept):
                    self._keep_empty(series, symbol, start, end)
                    continue
                first, last = int(kept["start"][0]), int(kept["start"][-1]) + _INSTANT
                self._keep_empty(series, symbol, start, first)
                self._keep_full(series, symbol, first, last)
                self._keep_empty(series, symbol, last, end)

    def oldest(self, series: str, symbol: str) -> BarRows:
        """The oldest bar of a symbol; no row where there is none."""
        with self._lock, self._explained():
            return _rows(
                self._database.execute(f"{_SELECT} ORDER BY start LIMIT 1", (series, symbol))
            )

    def compared_at(self, series: str, symbol: str) -> dt.datetime | None:
        """When the oldest bar was last found to be what the source has, UTC; None for never."""
        with self._lock, self._explained():
            row = self._database.execute(
                "SELECT at FROM compared WHERE series = ? AND symbol = ?", (series, symbol)
            ).fetchone()
        return None if row is None else moment_of(row[0])

    def note_compared(self, series: str, symbol: str) -> None:
        """The oldest bar is what the source has, now."""
        with self._changing():
            self._database.execute(
                "INSERT OR REPLACE INTO compared VALUES (?, ?, ?)",
                (series, symbol, nanoseconds(self._now())),
            )

    def drop(self, series: str, symbol: str) -> None:
        """Forget everything of a symbol in a series."""
        with self._changing():
            for table in ("bars", "stretches", "compared"):
                self._database.execute(
                    f"DELETE FROM {table} WHERE series = ? AND symbol = ?", (series, symbol)
                )

    def _keep_empty(self, series: str, symbol: str, start: int, end: int) -> None:
        """Remember that nothing was there, as far as it had ended a week ago."""
        now = self._now()
        end = min(end, nanoseconds(now - _WEEK))
        if start < end:
            self._database.execute(
                "DELETE FROM stretches WHERE series = ? AND symbol = ? AND start >= ? AND "
                '"end" <= ? AND empty_since IS NOT NULL',
                (series, symbol, start, end),
            )
            self._database.execute(
                # A stretch with bars that begins there stays: it reaches further, and for good.
                "INSERT INTO stretches VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
                '"end" = excluded."end", empty_since = excluded.empty_since '
                'WHERE empty_since IS NOT NULL AND excluded."end" >= "end"',
                (series, symbol, start, end, nanoseconds(now)),
            )

    def _keep_full(self, series: str, symbol: str, start: int, end: int) -> None:
        """Join a stretch whose ends are bars to those that it meets or overlaps."""
        met = self._database.execute(
            'SELECT min(start), max("end") FROM stretches WHERE series = ? AND symbol = ? AND '
            '"end" >= ? AND start <= ? AND empty_since IS NULL',
            (series, symbol, start, end),
        ).fetchone()
        if met[0] is not None:
            start, end = min(start, met[0]), max(end, met[1])
        self._database.execute(
            'DELETE FROM stretches WHERE series = ? AND symbol = ? AND start >= ? AND "end" <= ?',
            (series, symbol, start, end),
        )
        self._database.execute(
            "INSERT OR REPLACE INTO stretches VALUES (?, ?, ?, ?, NULL)",
            (series, symbol, start, end),
        )

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """One transaction: all or nothing."""
        with self._lock, self._explained():
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            busy = getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY
            raise InputError(
                file=portable_name(self._path),
                value=str(error),
                rule="the cache of bars must be readable and writable",
                remedy="Run it again when the other process has ended"
                if busy
                else "Delete the file, or make room for it: its bars are fetched again",
            ) from error

    def _put_aside(self, reason: str) -> None:
        aside = self._path.with_name(f"{self._path.name}.damaged-{self._now():%Y%m%dT%H%M%S%f}")
        LOG.warning(
            "the cache of bars %s is put aside as %s (%s); its bars are fetched again",
            portable_name(self._path),
            aside.name,
            reason,
        )
        self._path.rename(aside)
        for suffix in ("-wal", "-shm"):
            self._path.with_name(f"{self._path.name}{suffix}").unlink(missing_ok=True)


def _opened(path: Path) -> sqlite3.Connection:
    """The database, made where there is none; DatabaseError where it is none of this version."""
    database = sqlite3.connect(
        path, isolation_level=None, timeout=_WAIT_SECONDS, check_same_thread=False
    )
    try:
        database.execute("PRAGMA journal_mode=WAL")
        # What a power cut takes is fetched again; the file stays whole.
        database.execute("PRAGMA synchronous=NORMAL")
        database.execute("BEGIN IMMEDIATE")
        version = database.execute("PRAGMA user_version").fetchone()[0]
        tables = database.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
        if version != _VERSION and tables:
            raise sqlite3.DatabaseError("it was made by another version")
        for statement in _SCHEMA.split(";"):
            database.execute(statement)
        database.execute(f"PRAGMA user_version = {_VERSION}")
        database.execute("COMMIT")
    except BaseException:
        database.close()
        raise
    return database


def _gaps(first: int, last: int, known: Sequence[tuple[int, int, int]]) -> list[tuple[int, int]]:
    """What of `first` to `last` no stretch (start, end, has bars) of `known` covers, ascending.

    A gap begins with the last bar before it and ends with the first one behind it, where less than
    a week without bars lies between: what is found to be empty there is then so for good.
    """
    covered = _joined([(start, end) for start, end, _ in known])
    with_bars = [(start, end) for start, end, has_bars in known if has_bars]
    gaps = []
    edges = [(first, first), *covered, (last, last)]
    for (begun, start), (end, ended) in itertools.pairwise(edges):
        if start >= min(end, last) or end <= first:
            continue
        before = [to for _, to in with_bars if max(begun, start - _WEEK_NANOSECONDS) < to <= start]
        behind = [at for at, _ in with_bars if end <= at < min(ended, end + _WEEK_NANOSECONDS)]
        gaps.append(
            (max(before) - _INSTANT if before else start, min(behind) + _INSTANT if behind else end)
        )
    return gaps


def _joined(stretches: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Stretches that meet or overlap as one, ascending."""
    found: list[tuple[int, int]] = []
    for start, end in sorted(stretches):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found


def _rows(found: sqlite3.Cursor) -> BarRows:
    """Rows as an array, one after the other: a million of them as tuples would be half a gigabyte.
    What is not known is infinite on the way, and not a number in the array."""
    rows = np.fromiter(found, BAR)
    rows["volume"][np.isinf(rows["volume"])] = np.nan
    return rows


def _ends(stretch: Stretch) -> tuple[int, int]:
    return nanoseconds(stretch.start), nanoseconds(stretch.end)
