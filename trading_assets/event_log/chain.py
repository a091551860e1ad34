"""One record of the book as it is stored: its columns, its hash, and how it becomes an event again.

A record's hash covers every column and the hash of the record before it, so a record can neither
be changed, removed nor put in between without all later hashes failing. What a chain cannot show by
itself is that its end was cut off; `event_log/witness.py` is about that.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from functools import lru_cache
from typing import NamedTuple

from trading_assets.errors import BookContractError, BookCorruptError, BookVersionError
from trading_assets.event_log import contracts
from trading_assets.model.events import EventRecord, NewEvent

GENESIS = "0" * 64
"""Previous hash of the first record of a chain."""


class Row(NamedTuple):
    """A record in the order of the table's columns; moments are ISO 8601 in UTC, to the
    microsecond."""

    portfolio: str
    sequence: int
    event_id: str
    event_type: str
    version: int
    session: str
    occurred_at: str
    recorded_at: str
    source: str
    correlation_id: str
    causation_id: str
    payload: str
    previous_hash: str
    hash: str


class Head(NamedTuple):
    """Where a chain ends: sequence number and hash of its last record."""

    sequence: int
    hash: str


EMPTY = Head(0, GENESIS)
"""The head of a book without records."""
_HASHED = len(Row._fields) - 1


def event_id(portfolio: str, revision: int, event_type: str, key: str) -> str:
    """Identity of a fact: the same for every attempt to record it, new after a restatement."""
    text = f"{portfolio}\x1f{revision}\x1f{event_type}\x1f{key}"
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def record_hash(content: tuple[str | int, ...]) -> str:
    """SHA-256 over a record's columns, in their order, up to and with its predecessor's hash.

    `content` may be a whole `Row`; the hash at its end is left out.
    """
    text = "\x1f".join(map(str, content[:_HASHED]))
    return hashlib.sha256(text.encode()).hexdigest()


# Most events of a session share a moment.
@lru_cache(maxsize=256)
def utc_text(moment: dt.datetime) -> str:
    """An aware moment as it is stored; such texts sort as the moments do."""
    return moment.astimezone(dt.UTC).isoformat(timespec="microseconds")


def require_unchanged(row: Row, place: str) -> None:
    """BookCorruptError, naming the book as `place`, where a row is not what was recorded."""
    if record_hash(row) != row.hash:
        raise BookCorruptError(
            f"{place}: record {row.sequence} ({row.event_type} of {row.session}) does not "
            "match its hash. It was changed after it was recorded; restore the book from a backup."
        )


def require_next(row: Row, before: Head, place: str) -> None:
    """BookCorruptError where a row does not follow `before` in the chain."""
    if row.sequence != before.sequence + 1:
        raise BookCorruptError(
            f"{place}: record {before.sequence + 1} is missing, {row.sequence} follows. "
            "Restore the book from a backup."
        )
    if row.previous_hash != before.hash:
        raise BookCorruptError(
            f"{place}: record {row.sequence} ({row.event_type} of {row.session}) does not "
            "match its predecessor's hash: one of the two was changed after it was recorded. "
            "Restore the book from a backup."
        )


def record_of(row: Row, place: str) -> EventRecord:
    """The record of a stored row, whose hash is checked first.

    Raises BookCorruptError where the hash or the event in it does not hold, BookVersionError for a
    type or version that is not known.
    """
    require_unchanged(row, place)
    try:
        return unchecked_record(row)
    except BookContractError as error:
        raise BookCorruptError(f"{place}: record {row.sequence} cannot be read: {error}") from error
    except BookVersionError as error:
        raise BookVersionError(f"{place}: record {row.sequence}: {error}") from error


def unchecked_record(row: Row) -> EventRecord:
    """The record of a row, whatever its hash is. Raises BookContractError, BookVersionError or
    ValueError where it has none."""
    return EventRecord(
        sequence=row.sequence,
        event_id=row.event_id,
        event_type=row.event_type,
        version=row.version,
        portfolio=row.portfolio,
        session=dt.date.fromisoformat(row.session),
        occurred_at=dt.datetime.fromisoformat(row.occurred_at),
        recorded_at=dt.datetime.fromisoformat(row.recorded_at),
        source=row.source,
        correlation_id=row.correlation_id,
        causation_id=row.causation_id,
        previous_hash=row.previous_hash,
        hash=row.hash,
        event=contracts.decode(row.event_type, row.version, row.payload),
    )


def record_of_new(row: Row, new: NewEvent, recorded_at: dt.datetime) -> EventRecord:
    """The record of a row that was just made of `new`, without decoding the event again."""
    return EventRecord(
        sequence=row.sequence,
        event_id=row.event_id,
        event_type=row.event_type,
        version=row.version,
        portfolio=row.portfolio,
        session=new.session,
        occurred_at=new.occurred_at,
        recorded_at=recorded_at,
        source=new.source,
        correlation_id=new.correlation_id,
        causation_id=new.causation_id,
        previous_hash=row.previous_hash,
        hash=row.hash,
        event=new.event,
    )
