"""Which signal of a strategy was known before a session."""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left
from collections.abc import Iterable

import msgspec

from trading_assets.errors import InputError
from trading_assets.model.target import SignalRow, StrategySignal


class SignalFile(msgspec.Struct, frozen=True, kw_only=True):
    """All signals of one strategy, as its file gives them.

    `name` is the file's portable name, `sha256` the digest of its bytes. `rows` are sorted by
    trade date and symbol; `trade_dates` are the dates that occur, ascending, and `starts` the
    place in `rows` where each begins.
    """

    strategy_id: str
    name: str
    sha256: str
    rows: tuple[SignalRow, ...]
    trade_dates: tuple[dt.date, ...]
    starts: tuple[int, ...]

    def rows_of(self, trade_date: dt.date) -> tuple[SignalRow, ...]:
        """The rows of one trade date, sorted by symbol; empty for a date that does not occur."""
        place = bisect_left(self.trade_dates, trade_date)
        if place == len(self.trade_dates) or self.trade_dates[place] != trade_date:
            return ()
        end = self.starts[place + 1] if place + 1 < len(self.starts) else len(self.rows)
        return self.rows[self.starts[place] : end]


def index_signals(
    strategy_id: str, name: str, sha256: str, rows: Iterable[SignalRow]
) -> SignalFile:
    """Sort `rows` (any order) by trade date and symbol and index them by trade date."""
    ordered = tuple(sorted(rows, key=lambda row: (row.trade_date, row.symbol)))
    starts = tuple(
        place
        for place, row in enumerate(ordered)
        if place == 0 or row.trade_date != ordered[place - 1].trade_date
    )
    return SignalFile(
        strategy_id=strategy_id,
        name=name,
        sha256=sha256,
        rows=ordered,
        trade_dates=tuple(ordered[place].trade_date for place in starts),
        starts=starts,
    )


def latest_signal(file: SignalFile, session: dt.date, max_age_days: int) -> StrategySignal:
    """The signal with the latest trade date strictly before `session`.

    A signal dated on the session's own day counts as made after its close, so it is not known yet.
    Raises InputError when no trade date lies before the session, or when the latest is more than
    `max_age_days` calendar days old.
    """
    place = bisect_left(file.trade_dates, session)
    if place == 0:
        first = file.trade_dates[0].isoformat() if file.trade_dates else None
        raise InputError(
            file=file.name,
            value=first,
            rule=f"strategy {file.strategy_id} needs a trade date before session {session}, "
            "and its first is not",
            remedy="Add an earlier signal, or start the portfolio's sessions later",
        )
    asof = file.trade_dates[place - 1]
    age_days = (session - asof).days
    rows = file.rows_of(asof)
    if age_days > max_age_days:
        raise InputError(
            file=file.name,
            row=rows[0].row,
            value=asof.isoformat(),
            rule=f"the latest signal of strategy {file.strategy_id} before session {session} must "
            f"be at most {max_age_days} days old, and it is {age_days}",
            remedy="Add a newer signal to the file, or raise signals.max_age_days",
        )
    return StrategySignal(
        strategy_id=file.strategy_id,
        session=session,
        asof=asof,
        age_days=age_days,
        file=file.name,
        file_sha256=file.sha256,
        rows=rows,
    )
