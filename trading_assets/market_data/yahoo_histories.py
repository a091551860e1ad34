"""Daily histories as Yahoo gave them, what is wrong with them, and the snapshots they are kept in.

A snapshot is everything that was used at one time: a history for each symbol, as JSON, compressed,
named by when it was taken and the first digits of its SHA-256. Nothing is ever overwritten, so a
price in the book leads back to the bytes that it came from.
"""

from __future__ import annotations

import datetime as dt
import gzip
import hashlib
import zlib
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import msgspec

from trading_assets.atomic_file import replace_file
from trading_assets.errors import InputError
from trading_assets.market_data.yahoo_events import CashDividend, ShareSplit
from trading_assets.model.money import plain

MIN_ROWS = Decimal("0.8")
"""Of the sessions between its first and last bar, the fraction that a history must have."""
PENCE_FACTOR = (Decimal(50), Decimal(200))
"""A price that is so many times the one before, or one such part of it, changed its unit."""


class DailyBar(msgspec.Struct, frozen=True):
    """One session: prices per share in the history's currency, adjusted for splits;
    `adjusted_close` for dividends too. `volume` in shares, None where not given."""

    session: dt.date
    close: Decimal
    adjusted_close: Decimal
    volume: int | None


class DailyHistory(msgspec.Struct, frozen=True, kw_only=True):
    """One symbol's bars, ascending, as they were known at `taken_at` (UTC); `currency` by ISO 4217.

    All numbers are in the shares of `taken_at`: closes and dividends of before a split are divided
    by it. `last_trade_at` (UTC) is None where Yahoo does not say; `unread_events` are what it told
    and nobody can book.
    """

    symbol: str
    currency: str
    taken_at: dt.datetime
    bars: tuple[DailyBar, ...]
    splits: tuple[ShareSplit, ...] = ()
    dividends: tuple[CashDividend, ...] = ()
    last_trade_at: dt.datetime | None = None
    unread_events: tuple[str, ...] = ()


class HistoryFinding(msgspec.Struct, frozen=True, kw_only=True):
    """Something about a history: `is_usable` False where no price of it may be used."""

    symbol: str
    check: str
    message: str
    is_usable: bool = True

    def __str__(self) -> str:
        return f"{self.symbol}: {self.message}"


def history_findings(
    history: DailyHistory,
    currency: str,
    sessions: Sequence[dt.date],
    last_due: dt.date | None,
    max_jump: Decimal,
) -> tuple[HistoryFinding, ...]:
    """What is wrong with a history, for a portfolio in `currency`: nothing when empty.

    `sessions` are the calendar's, ascending; `last_due` is the last one whose bar must be there,
    None where none is. A close that is more than `max_jump` (a fraction) away from the one before
    is told; one that is away by the factor of pence and pounds makes it unusable, and so does a
    split by which earlier closes were not divided.
    """
    bars = history.bars
    if not bars:
        return (_finding(history, "row_count", "there is not one bar", is_usable=False),)
    found = []
    if history.currency != currency:
        message = f"its currency is {history.currency}, the portfolio's {currency}"
        found.append(_finding(history, "currency", message, is_usable=False))
    if last_due is not None and bars[-1].session < last_due:
        message = f"the last bar is of {bars[-1].session}, that of {last_due} is due"
        found.append(_finding(history, "last_date", message))
    found += _rows(history, sessions)
    found += _jumps(history, max_jump)
    return tuple(found)


def _rows(history: DailyHistory, sessions: Sequence[dt.date]) -> list[HistoryFinding]:
    first, last = history.bars[0].session, history.bars[-1].session
    expected = [session for session in sessions if first <= session <= last]
    there = {bar.session for bar in history.bars}
    missing = [session for session in expected if session not in there]
    if not missing:
        return []
    message = f"{len(missing)} of {len(expected)} sessions have no bar, the first {missing[0]}"
    enough = len(expected) - len(missing) >= MIN_ROWS * len(expected)
    return [_finding(history, "row_count", message, is_usable=enough)]


def _jumps(history: DailyHistory, max_jump: Decimal) -> list[HistoryFinding]:
    found = []
    splits = {split.session: split for split in history.splits}
    for before, bar in zip(history.bars, history.bars[1:], strict=False):
        ratio = bar.close / before.close
        split = splits.get(bar.session)
        if split is not None and _is_undivided(ratio, split):
            message = (
                f"it split on {split.session}, {split.new_shares} for {split.old_shares}, and the "
                f"close before is still in old shares: from {plain(before.close)} to "
                f"{plain(bar.close)}"
            )
            found.append(_finding(history, "split", message, is_usable=False))
            continue
        if abs(ratio - 1) <= max_jump:
            continue
        low, high = PENCE_FACTOR
        unit = low <= ratio <= high or low <= 1 / ratio <= high
        message = (
            f"from {plain(before.close)} to {plain(bar.close)} on {bar.session}"
            + ("" if split is not None else " without a split")
            + (": pence and pounds are mixed" if unit else "")
        )
        found.append(_finding(history, "jump", message, is_usable=not unit))
    return found


def _is_undivided(ratio: Decimal, split: ShareSplit) -> bool:
    """True where a close over the one before is nearer to what the split makes of an old share than
    to no change at all."""
    made = Decimal(split.old_shares) / split.new_shares
    return abs((ratio / made).ln()) < abs(ratio.ln())


def _finding(
    history: DailyHistory, check: str, message: str, *, is_usable: bool = True
) -> HistoryFinding:
    return HistoryFinding(symbol=history.symbol, check=check, message=message, is_usable=is_usable)


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The histories that were used together, by symbol, as of `taken_at` (UTC). Each says itself
    when it was taken: one that could not be had again is older. `left_out` are symbols that have
    none, `warnings` what was wrong."""

    taken_at: dt.datetime
    histories: dict[str, DailyHistory]
    left_out: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def content(self) -> bytes:
        """The snapshot as it is kept: JSON, decimals as text."""
        return _ENCODER.encode(self)

    @property
    def sha256(self) -> str:
        """SHA-256 of the content, in hex."""
        return hashlib.sha256(self.content).hexdigest()


_ENCODER = msgspec.json.Encoder(decimal_format="string", order="deterministic")
_DIGITS = 16


class SnapshotFolder:
    """Kept snapshots, one file each; a folder of None keeps none."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def keep(self, snapshot: Snapshot) -> Path | None:
        """Write a snapshot, durably, whole or not at all; where it lies."""
        if self._folder is None:
            return None
        stamp = f"{snapshot.taken_at:%Y%m%dT%H%M%SZ}"
        path = self._folder / f"{stamp}_{snapshot.sha256[:_DIGITS]}.json.gz"
        if not path.exists():
            replace_file(path, gzip.compress(snapshot.content, mtime=0), durable=True)
        return path

    def latest(self) -> Snapshot | None:
        """The newest snapshot; None where there is none.

        Raises InputError for one that is damaged: it says which file to move away.
        """
        if self._folder is None:
            return None
        newest = max(self._folder.glob("*_*.json.gz"), default=None)
        return None if newest is None else self.read(newest)

    def read(self, path: Path) -> Snapshot:
        """A kept snapshot, whose content is what its name says; InputError otherwise."""
        digits = path.name.removesuffix(".json.gz").rpartition("_")[2]
        try:
            content = gzip.decompress(path.read_bytes())
        except (OSError, EOFError, zlib.error) as error:
            raise _damaged(path, str(error)) from error
        if not hashlib.sha256(content).hexdigest().startswith(digits):
            raise _damaged(path, "its SHA-256 is not the one in its name")
        try:
            return msgspec.json.decode(content, type=Snapshot)
        except msgspec.ValidationError as error:
            raise _damaged(path, str(error)) from error


def _damaged(path: Path, rule: str) -> InputError:
    return InputError(
        file=path.name,
        rule=f"a kept snapshot of prices must be whole: {rule}",
        remedy="Restore it from a backup, or move it out of its folder",
    )
