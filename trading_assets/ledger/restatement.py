"""Which records of a book still count after its restatements."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar

from trading_assets.model.events import BookRestated, EventRecord


class Placed(Protocol):
    """What has a place in the book: a record, or what is known of one without reading it."""

    @property
    def sequence(self) -> int:
        """Sequence number."""

    @property
    def session(self) -> dt.date:
        """The session that it belongs to."""


Record = TypeVar("Record", bound=Placed)


def still_counting(
    records: Iterable[Record], restatements: Iterable[EventRecord]
) -> Iterator[Record]:
    """The records that no later restatement has superseded, in the order of the book.

    A BookRestated supersedes every earlier record of its `from_session` or a later session,
    earlier restatements among them; it stays itself, unless a still later one supersedes it.
    `records` (all, or those after some sequence) are taken one by one, for a book may be too long
    to hold; `restatements` are all BookRestated records up to the same sequence as `records`. Up to
    some sequence, both give the book as it was known then.
    """
    later: list[tuple[int, dt.date]] = []
    superseded_from = dt.date.max
    for restated in sorted(restatements, key=lambda each: -each.sequence):
        if isinstance(restated.event, BookRestated):
            superseded_from = min(superseded_from, restated.event.from_session)
            later.append((restated.sequence, superseded_from))
    for record in records:
        while later and later[-1][0] <= record.sequence:
            later.pop()
        if not later or record.session < later[-1][1]:
            yield record
