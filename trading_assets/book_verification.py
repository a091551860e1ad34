"""`book verify`: the chain, and everything that was made from it, against a replay of the book."""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import msgspec
import pyarrow as pa

from trading_assets.analytics.pnl import daily_result, position_values
from trading_assets.analytics.strategy_pnl import strategy_session
from trading_assets.errors import LedgerError, OrderTransitionError
from trading_assets.event_log.chain import Head
from trading_assets.event_log.checkpoints import Checkpoint, Checkpoints
from trading_assets.event_log.store import EventLog
from trading_assets.execution.annotating import read_annotations
from trading_assets.execution.book_start import (
    fold_state,
    new_fold,
    restatements_of,
    settings_fingerprint,
)
from trading_assets.execution.guard import SIMULATED_ACCOUNT
from trading_assets.inspection import write_session_files
from trading_assets.lake import Lake
from trading_assets.ledger.annotations import TradeAnnotations
from trading_assets.ledger.history import ClosedSession
from trading_assets.ledger.restatement import still_counting
from trading_assets.model.events import EventRecord
from trading_assets.progress import tracked
from trading_assets.reconciliation import reconcile
from trading_assets.reporting.projections import (
    execution_table,
    gap_table,
    instrument_pnl_table,
    lot_table,
    order_plan_table,
    pnl_table,
    position_table,
    reconciliation_table,
    strategy_pnl_table,
    strategy_position_table,
)
from trading_assets.reporting.round_trip_rows import round_trip_table
from trading_assets.reporting.slippage_rows import booked_slippage, slippage_columns, slippage_table
from trading_assets.settings import Directories, Mode, PortfolioSettings

ROW_NAMES = ("client_order_id", "view", "strategy_id", "symbol", "cause", "execution_id", "lot_id")
"""Columns that say which row it is, where a table has them."""
BEFORE_CLOSE = "order_plan"
"""The table that is there as soon as a session is planned."""


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """Where something stored is not what the book gives: one value of one row.

    `table` is the asset, file, or other thing that was compared; `row` and `column` are empty where
    the whole of it differs.
    """

    session: dt.date | None
    table: str
    row: str
    column: str
    stored: str
    recomputed: str

    def __str__(self) -> str:
        place = [str(self.session or ""), self.table, self.row, self.column]
        where = ", ".join(part for part in place if part)
        return f"{where}: stored {self.stored}, recomputed {self.recomputed}"


class Verification(msgspec.Struct, kw_only=True):
    """What was compared; `difference` is the first that was found, None where there is none."""

    head: Head
    sessions: int = 0
    tables: int = 0
    files: int = 0
    checkpoints: int = 0
    checkpoints_passed_over: int = 0
    difference: Difference | None = None


def verify_book(
    log: EventLog,
    settings: PortfolioSettings,
    places: Directories,
    *,
    files: bool = False,
    heads: Collection[str] = (),
) -> Verification:
    """Check the database, every record and the chain, replay the book, and compare it with what was
    made from it: the heads (hashes) that reports noted, checkpoints, tables of the lake and, with
    `files`, exported files. What is not there is not missed: it can be made again.

    Raises BookCorruptError for the book itself; differences of anything else are values.
    """
    log.database.check()
    return _Replay(log, settings, places, files=files, heads=heads).run()


class _Replay:
    """One walk over the book, comparing as it goes."""

    def __init__(
        self,
        log: EventLog,
        settings: PortfolioSettings,
        places: Directories,
        *,
        files: bool,
        heads: Collection[str],
    ) -> None:
        self.log = log
        self.settings = settings
        self.places = places
        self.files = files
        self.lake = Lake(places.lake, settings.id)
        self.found = Verification(head=log.head())
        self.tables: dict[str, None] = {}
        self.unseen_heads = dict.fromkeys(heads)
        self.fold = new_fold(settings)
        self.restatements = restatements_of(log, self.found.head.sequence)
        self.checkpoints = self._fitting_checkpoints()
        self.annotations = read_annotations(log)

    def run(self) -> Verification:
        self.found.difference = next(self._differences(), None)
        return self.found

    def _differences(self) -> Iterator[Difference]:
        closed_sessions: set[dt.date] = set()
        for record in still_counting(self._walked(), self.restatements):
            try:
                closed = self.fold.apply(record)
            except (LedgerError, OrderTransitionError) as error:
                yield Difference(
                    session=record.session,
                    table="events",
                    row=f"record {record.sequence}",
                    column=record.event_type,
                    stored="recorded",
                    recomputed=f"cannot be booked: {error}",
                )
                return
            if closed is not None:
                closed_sessions.add(closed.session)
                self.found.sessions += 1
                yield from self._of_session(closed)
            checkpoint = self.checkpoints.pop(record.sequence, None)
            if checkpoint is not None:
                yield from self._of_checkpoint(checkpoint)
        yield from self._of_heads()
        yield from self._of_checkpoints_beyond()
        yield from self._of_sessions_not_closed(closed_sessions)

    def _walked(self) -> Iterator[EventRecord]:
        """Every record of the chain, superseded ones too; reading checks each."""
        end = self.found.head.sequence
        for sequence, record in zip(
            tracked("replay", range(end)), self.log.records(up_to=end), strict=True
        ):
            assert record.sequence == sequence + 1
            self.unseen_heads.pop(record.hash, None)
            yield record

    # Heads and checkpoints

    def _of_heads(self) -> Iterator[Difference]:
        for head in self.unseen_heads:
            yield Difference(
                session=None,
                table="head",
                row="",
                column="hash",
                stored=head,
                recomputed=f"no record of the book has it (its head is {self.found.head.hash})",
            )

    def _fitting_checkpoints(self) -> dict[int, Checkpoint]:
        kept = Checkpoints(self.log)
        fingerprint = settings_fingerprint(self.settings)
        fitting: dict[int, Checkpoint] = {}
        for sequence in kept.sequences():
            checkpoint = kept.at(sequence)
            if (
                checkpoint is None
                or checkpoint.fingerprint != fingerprint
                or checkpoint.is_superseded(self.restatements)
            ):
                self.found.checkpoints_passed_over += 1
            else:
                fitting[sequence] = checkpoint
        return fitting

    def _of_checkpoint(self, checkpoint: Checkpoint) -> Iterator[Difference]:
        self.found.checkpoints += 1
        there = self.log.hash_at(checkpoint.sequence) or ""
        for column, stored, recomputed in (
            ("hash", checkpoint.hash, there),
            ("state", checkpoint.state, fold_state(self.fold)),
        ):
            if stored != recomputed:
                yield Difference(
                    session=checkpoint.closed_through,
                    table="checkpoints",
                    row=f"record {checkpoint.sequence}",
                    column=column,
                    stored=_around_difference(stored, recomputed),
                    recomputed=_around_difference(recomputed, stored),
                )

    def _of_checkpoints_beyond(self) -> Iterator[Difference]:
        """A checkpoint of a record that is not there: the book has lost its end."""
        for checkpoint in self.checkpoints.values():
            yield Difference(
                session=checkpoint.closed_through,
                table="checkpoints",
                row=f"record {checkpoint.sequence}",
                column="hash",
                stored=checkpoint.hash,
                recomputed=f"the book ends at record {self.found.head.sequence}",
            )

    # Tables and files

    def _of_session(self, closed: ClosedSession) -> Iterator[Difference]:
        settings = self._as_run(closed)
        for asset, recomputed in tables_of(closed, settings, self.annotations).items():
            self.tables.setdefault(asset)
            stored = self.lake.read(asset, closed.session)
            if stored is not None:
                self.found.tables += 1
                yield from differences(closed.session, asset, stored, recomputed)
        if self.files:
            yield from self._of_files(closed, settings)

    def _as_run(self, closed: ClosedSession) -> PortfolioSettings:
        """The settings with the mode that a session was run in, which may have changed since: what
        its execution log says, as far as account and orders of the book allow that."""
        log = self.lake.read("execution_log", closed.session)
        told = set() if log is None else set(log["mode"].to_pylist())
        if closed.closed.statement.account_number.startswith(SIMULATED_ACCOUNT):
            possible: tuple[Mode, ...] = (Mode.SIMULATED,) if closed.orders else (Mode.DRY,)
        else:
            was_sent = any(order.attempts for order in closed.orders)
            possible = (Mode.PAPER, Mode.LIVE) if was_sent else (Mode.ONLINE, Mode.PAPER, Mode.LIVE)
        mode = next((one for one in possible if told == {one.execution}), self.settings.mode)
        return self.settings.model_copy(update={"mode": mode})

    def _of_files(self, closed: ClosedSession, settings: PortfolioSettings) -> Iterator[Difference]:
        with tempfile.TemporaryDirectory() as folder:
            again = write_session_files(
                self.places, settings, closed, Path(folder), self.annotations
            )
            kept = self.places.exports / again.relative_to(folder)
            for path in sorted(again.iterdir()):
                stored = kept / path.name
                if not stored.exists():
                    continue
                self.found.files += 1
                yield from _file_differences(closed.session, stored, path)

    def _of_sessions_not_closed(self, closed: Collection[dt.date]) -> Iterator[Difference]:
        """A table of a session that the book never closed: the book has lost its end."""
        for asset in self.tables:
            for session in self.lake.sessions(asset):
                if session not in closed and asset != BEFORE_CLOSE:
                    yield Difference(
                        session=session,
                        table=asset,
                        row="",
                        column="",
                        stored="a table",
                        recomputed="the session is not closed in the book",
                    )


def tables_of(
    closed: ClosedSession, settings: PortfolioSettings, annotations: Mapping[str, TradeAnnotations]
) -> dict[str, pa.Table]:
    """Every table of the lake that is made from the book alone, as it is for one session;
    `annotations` are the book's."""
    report = reconcile(closed, sent=settings.mode is not Mode.DRY)
    result = daily_result(closed.previous, closed.activity, closed.close)
    positions = position_values(closed.close, closed.cost_bases)
    strategies = strategy_session(closed)
    return {
        BEFORE_CLOSE: order_plan_table(closed.planned.plan),
        "execution_log": execution_table(closed, settings.mode.execution),
        "positions_eod": position_table(closed.session, positions),
        "lots_eod": lot_table(closed),
        "reconciliation": reconciliation_table(report),
        "reconciliation_gaps": gap_table(report),
        "pnl_daily": pnl_table(result),
        "pnl_by_instrument": instrument_pnl_table(result),
        "round_trips": round_trip_table(closed.round_trips),
        "strategy_pnl": strategy_pnl_table(strategies),
        "strategy_positions": strategy_position_table(strategies),
        "slippage": slippage_table(
            slippage_columns(booked_slippage(closed, settings, annotations))
        ),
    }


def differences(
    session: dt.date, asset: str, stored: pa.Table, recomputed: pa.Table
) -> Iterator[Difference]:
    """Where two tables differ, row by row, in the order of the columns."""

    def different(row: str, column: str, one: object, other: object) -> Difference:
        return Difference(
            session=session,
            table=asset,
            row=row,
            column=column,
            stored=str(one),
            recomputed=str(other),
        )

    if stored.equals(recomputed):
        return
    if stored.column_names != recomputed.column_names:
        yield different("", "columns", stored.column_names, recomputed.column_names)
        return
    pairs = zip(stored.to_pylist(), recomputed.to_pylist(), strict=False)
    for number, (one, other) in enumerate(pairs, start=1):
        name = " ".join(str(one[key]) for key in ROW_NAMES if one.get(key) is not None)
        for column in stored.column_names:
            if one[column] != other[column]:
                yield different(name or f"row {number}", column, one[column], other[column])
    if stored.num_rows != recomputed.num_rows:
        yield different("", "rows", stored.num_rows, recomputed.num_rows)


def _file_differences(session: dt.date, stored: Path, recomputed: Path) -> Iterator[Difference]:
    before, now = stored.read_bytes(), recomputed.read_bytes()
    if before == now:
        return
    row, one, other = "", f"{len(before)} bytes", f"{len(now)} bytes"
    if stored.suffix in (".csv", ".txt"):
        lines = zip([*before.splitlines(), b""], [*now.splitlines(), b""], strict=False)
        for number, (old, new) in enumerate(lines, start=1):
            if old != new:
                row, one, other = f"line {number}", repr(old.decode()), repr(new.decode())
                break
    yield Difference(
        session=session, table=stored.name, row=row, column="", stored=one, recomputed=other
    )


def _around_difference(text: str, other: str, width: int = 60) -> str:
    """The part of a long text where it begins to differ from another."""
    place = next(
        (at for at, (one, two) in enumerate(zip(text, other, strict=False)) if one != two),
        min(len(text), len(other)),
    )
    start = max(place - width // 2, 0)
    return f"…{text[start : place + width // 2]}…" if len(text) > width else text
