"""Which records of a book still count after its restatements."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator

from trading_assets.model.events import BookRestated, EventRecord


def effective_records(records: Iterable[EventRecord]) -> list[EventRecord]:
    """The records that no later restatement has superseded, in the order of the book.

    A BookRestated supersedes every earlier record of its `from_session` or a later session,
    earlier restatements among them; it stays itself, unless a still later one supersedes it.
    Reading only the records up to some sequence gives the book as it was known then.
    """
    kept: list[EventRecord] = []
    superseded_from = dt.date.max
    for record in reversed(list(records)):
        if record.session < superseded_from:
            kept.append(record)
        if isinstance(record.event, BookRestated):
            superseded_from = min(superseded_from, record.event.from_session)
    kept.reverse()
    return kept


def still_counting(
    records: Iterable[EventRecord], restatements: Iterable[EventRecord]
) -> Iterator[EventRecord]:
    """As `effective_records`, record by record, for a book too long to hold.

    `restatements` are all BookRestated records up to the same sequence as `records`.
    """
    later: list[tuple[int, dt.date]] = []
    superseded_from = dt.date.max
    for record in sorted(restatements, key=lambda restated: -restated.sequence):
        if isinstance(record.event, BookRestated):
            superseded_from = min(superseded_from, record.event.from_session)
            later.append((record.sequence, superseded_from))
    for record in records:
        while later and later[-1][0] <= record.sequence:
            later.pop()
        if not later or record.session < later[-1][1]:
            yield record
