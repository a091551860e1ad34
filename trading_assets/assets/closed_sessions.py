"""Closed sessions of a book for the assets that come after the close."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from trading_assets.errors import SessionNotReadyError
from trading_assets.event_log.chain import Head
from trading_assets.event_log.store import EventLog
from trading_assets.execution.book import Book, read_closed_sessions
from trading_assets.ledger.history import ClosedSession
from trading_assets.resources import BookResource
from trading_assets.settings import PortfolioSettings


class _Kept(msgspec.Struct, frozen=True):
    """Sessions as a fold of the book up to `head` gave them."""

    head: Head
    settings: PortfolioSettings
    sessions: Mapping[dt.date, ClosedSession]


_KEPT: dict[str, _Kept] = {}
"""By portfolio, what this process folded last. Only a shortcut: the head's hash covers every record
of the book, so whoever finds the same head would fold the same sessions; anybody else folds."""


def keep_closed_sessions(book: Book, settings: PortfolioSettings) -> None:
    """Hand the sessions that a run has closed on to the assets that come after it in the same
    process, so that they need not fold the book each. Nothing is kept where another process has
    written since `book` read."""
    head = book.log.head()
    if head.sequence == book.sequence:
        _KEPT[settings.id] = _Kept(head, settings, book.closed)


def closed_sessions_of(
    books: BookResource, settings: PortfolioSettings, sessions: Sequence[dt.date]
) -> Iterator[ClosedSession]:
    """The closed form of each of `sessions` (ascending), read from the book.

    Raises SessionNotReadyError naming the first that is not closed.
    """
    with books.open(settings) as log:
        closed = iter(_found(log, settings, sessions))
        for session in sessions:
            found = next(closed, None)
            if found is None or found.session != session:
                raise SessionNotReadyError(
                    f"{settings.id}: session {session} is not closed in the book. "
                    f"Materialise positions_eod for {session} first."
                )
            yield found


def _found(
    log: EventLog, settings: PortfolioSettings, sessions: Sequence[dt.date]
) -> Iterable[ClosedSession]:
    """Those of `sessions` that are closed, ascending."""
    kept = _KEPT.get(settings.id)
    if kept is not None and kept.head == log.head() and kept.settings == settings:
        known = kept.sessions
        if all(session in known for session in sessions):
            return [known[session] for session in sessions]
    wanted = set(sessions)
    return (c for c in read_closed_sessions(log, settings, min(wanted)) if c.session in wanted)
