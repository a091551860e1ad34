"""The book in both times: as of a session, as it was known at a moment.

`known_at` cuts the chain: records and restatements recorded later are not there yet, so a session
that was restated since is seen as it was reported. `session` cuts what happened: a fact counts if
it belongs to that session or an earlier one, or was in the book when that session closed (the close
states cash and positions with it). A correction that was recorded later for an earlier session is
therefore seen as of that session, unless `known_at` is before it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import msgspec

from trading_assets.event_log.store import EventLog
from trading_assets.execution.book import counting_records
from trading_assets.execution.book_start import new_fold
from trading_assets.ledger.history import BookFold, ClosedSession, closed_sessions
from trading_assets.settings import PortfolioSettings


class BookAsOf(msgspec.Struct, frozen=True, kw_only=True):
    """The book at a point of both times.

    `sequence` is that of the last record known; `closed` the latest session that was closed, None
    before the first; `fold` holds ledger and orders, with what came after that close in it.
    """

    sequence: int
    closed: ClosedSession | None
    fold: BookFold


def known_sequence(log: EventLog, known_at: dt.datetime | None) -> int:
    """Sequence number of the last record known at a moment (aware); now when None."""
    return log.head().sequence if known_at is None else log.head_known_at(known_at)


def book_as_of(
    log: EventLog,
    settings: PortfolioSettings,
    session: dt.date | None = None,
    known_at: dt.datetime | None = None,
) -> BookAsOf:
    """The book as of `session` (all of it when None), as known at `known_at` (now when None)."""
    end = known_sequence(log, known_at)
    closes = counting_records(log, ["session_closed"], up_to=end)
    through = max(
        (close.sequence for close in closes if session is None or close.session <= session),
        default=0,
    )
    fold = new_fold(settings)
    last = None
    for record in counting_records(log, up_to=end):
        if session is None or record.sequence <= through or record.session <= session:
            last = fold.apply(record) or last
    return BookAsOf(sequence=end, closed=last, fold=fold)


def closed_sessions_known_at(
    log: EventLog, settings: PortfolioSettings, known_at: dt.datetime
) -> Iterator[ClosedSession]:
    """The closed sessions of the book as it was known at a moment (aware), oldest first."""
    records = counting_records(log, up_to=log.head_known_at(known_at))
    return closed_sessions(
        records, settings.accounting, settings.currency, settings.combination.shares
    )
