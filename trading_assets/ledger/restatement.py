"""Which records of a book still count after its restatements."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator

from trading_assets.model.events import BookRestated, EventRecord


def still_counting(
    records: Iterable[EventRecord], restatements: Iterable[EventRecord]
) -> Iterator[EventRecord]:
    """The records that no later restatement has superseded, in the order of the book.

    A BookRestated supersedes every earlier record of its `from_session` or a later session,
    earlier restatements among them; it stays itself, unless a still later one supersedes it.
    `records` are taken one by one, for a book may be too long to hold; `restatements` are all
    BookRestated records up to the same sequence as `records`. Up to some sequence, both give the
    book as it was known then.
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
