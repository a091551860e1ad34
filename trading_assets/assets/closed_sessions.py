"""Closed sessions of a book for the assets that come after the close."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence

from trading_assets.errors import SessionNotReadyError
from trading_assets.execution.book import read_closed_sessions
from trading_assets.ledger.history import ClosedSession
from trading_assets.progress import tracked
from trading_assets.resources import BookResource
from trading_assets.settings import PortfolioSettings


def closed_sessions_of(
    books: BookResource, settings: PortfolioSettings, sessions: Sequence[dt.date], label: str
) -> Iterator[ClosedSession]:
    """The closed form of each of `sessions` (ascending), read from the book.

    Raises SessionNotReadyError naming the first that is not closed. Reports progress as `label`.
    """
    wanted = set(sessions)
    with books.open(settings) as log:
        closed = (
            c for c in read_closed_sessions(log, settings, min(wanted)) if c.session in wanted
        )
        for session in tracked(label, sessions):
            found = next(closed, None)
            if found is None or found.session != session:
                raise SessionNotReadyError(
                    f"{settings.id}: session {session} is not closed in the book. "
                    f"Materialise positions_eod for {session} first."
                )
            yield found
