"""Bars kept from one question to the next, in one SQLite file.

Only what can never change is kept: bars as they were quoted (adjusted ones are rewritten by every
later corporate action), and of those only final ones, whose time is over by a margin. Beside the
bars stands, for each symbol, the stretch of time for which all of them are there. It ends with the
last bar that was seen, never later: an answer that was empty by mistake is asked for again.
"""

from __future__ import annotations

import datetime as dt
import sqlite3
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from trading_assets.model.market_events import PriceBar

_SCHEMA = """
CREATE TABLE IF NOT EXISTS bars (
    series TEXT NOT NULL, symbol TEXT NOT NULL, start TEXT NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (series, symbol, start)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS covered (
    series TEXT NOT NULL, symbol TEXT NOT NULL, start TEXT NOT NULL, "end" TEXT NOT NULL,
    PRIMARY KEY (series, symbol)) WITHOUT ROWID;
"""


_INSTANT = dt.timedelta(microseconds=1)


class Stretch(msgspec.Struct, frozen=True):
    """Bars that begin at `start` or later and before `end` (UTC)."""

    start: dt.datetime
    end: dt.datetime

    @property
    def is_empty(self) -> bool:
        """True where no bar can begin in it."""
        return self.start >= self.end


class BarCache:
    """Final bars of several series; a series is one source, feed and length of bar. Shared between
    threads and processes."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._database = sqlite3.connect(
            path, isolation_level=None, timeout=30, check_same_thread=False
        )
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.executescript(_SCHEMA)
        self._decoder = msgspec.json.Decoder(PriceBar)

    def close(self) -> None:
        """Give the file back."""
        self._database.close()

    def lacking(self, series: str, symbol: str, wanted: Stretch) -> Stretch:
        """What has to be fetched so that `wanted` is covered, without a gap to what is there."""
        with self._lock:
            covered = self._covered(series, symbol)
        if covered is None:
            return wanted
        # From where the covered stretch ends, or up to where it begins.
        return Stretch(
            covered.end if wanted.start >= covered.start else wanted.start,
            covered.start if wanted.end <= covered.end else wanted.end,
        )

    def read(self, series: str, symbol: str, wanted: Stretch) -> tuple[PriceBar, ...]:
        """The bars that are there of a stretch, oldest first."""
        with self._lock:
            rows = self._database.execute(
                "SELECT body FROM bars WHERE series = ? AND symbol = ? AND start >= ? AND "
                "start < ? ORDER BY start",
                (series, symbol, _text(wanted.start), _text(wanted.end)),
            ).fetchall()
        return tuple(self._decoder.decode(body) for (body,) in rows)

    def store(self, series: str, stretch: Stretch, bars: Mapping[str, Iterable[PriceBar]]) -> None:
        """Keep every bar of `stretch` for each symbol of `bars`, all or nothing.

        The caller has made sure that all of them are final and none is left out.
        """
        if stretch.is_empty:
            return
        with self._lock:
            self._database.execute("BEGIN IMMEDIATE")
            try:
                for symbol, found in bars.items():
                    kept = [bar for bar in found if stretch.start <= bar.start < stretch.end]
                    if not kept:
                        continue
                    self._database.executemany(
                        "INSERT OR REPLACE INTO bars VALUES (?, ?, ?, ?)",
                        [
                            (series, symbol, _text(bar.start), msgspec.json.encode(bar))
                            for bar in kept
                        ],
                    )
                    last = max(bar.start for bar in kept)
                    self._cover(series, symbol, Stretch(stretch.start, last + _INSTANT))
            except BaseException:
                self._database.execute("ROLLBACK")
                raise
            self._database.execute("COMMIT")

    def _cover(self, series: str, symbol: str, stretch: Stretch) -> None:
        covered = self._covered(series, symbol)
        if covered is not None:
            if stretch.start > covered.end or stretch.end < covered.start:
                # Somebody else was faster elsewhere: a gap must not count as covered.
                return
            stretch = Stretch(min(stretch.start, covered.start), max(stretch.end, covered.end))
        self._database.execute(
            "INSERT OR REPLACE INTO covered VALUES (?, ?, ?, ?)",
            (series, symbol, _text(stretch.start), _text(stretch.end)),
        )

    def _covered(self, series: str, symbol: str) -> Stretch | None:
        row = self._database.execute(
            'SELECT start, "end" FROM covered WHERE series = ? AND symbol = ?', (series, symbol)
        ).fetchone()
        if row is None:
            return None
        return Stretch(*(dt.datetime.fromisoformat(text) for text in row))


def _text(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).isoformat(timespec="microseconds")
