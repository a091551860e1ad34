"""Taking a book out, as JSON Lines or as a journal, and taking an exported one in."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from trading_assets.errors import InputError, LedgerError, OrderTransitionError
from trading_assets.event_log.chain import EMPTY, Head, Row
from trading_assets.event_log.json_lines import read_record_lines, record_lines
from trading_assets.event_log.store import EventLog
from trading_assets.execution.book import counting_records, read_closed_sessions
from trading_assets.execution.book_start import new_fold
from trading_assets.ledger.fold import Ledger
from trading_assets.ledger.restatement import still_counting
from trading_assets.model.events import BookRestated, EventRecord, SessionClosed
from trading_assets.model.money import plain
from trading_assets.reporting.round_trip_rows import ROUND_TRIP_COLUMNS, round_trip_row
from trading_assets.settings import PortfolioSettings

JOURNAL_COLUMNS = (
    "sequence",
    "session",
    "event_type",
    "event_id",
    "account",
    "symbol",
    "currency",
    "amount",
    "base_amount",
)


def json_lines(log: EventLog) -> Iterator[bytes]:
    """The whole book, superseded records included, one record a line (see `json_lines.py`).

    Raises BookCorruptError at the first record that does not hold.
    """
    return record_lines(log.rows(up_to=log.head().sequence), log.place)


def journal_lines(log: EventLog, settings: PortfolioSettings) -> Iterator[bytes]:
    """The journal as CSV: a heading, then a row for each posting of each record that counts.

    `amount` is signed money of `currency`, a debit positive, and `base_amount` the same in the
    portfolio's currency; those of one sequence number add up to 0, by currency and in base.
    """
    yield _csv_line(JOURNAL_COLUMNS)
    ledger = Ledger(settings.accounting, settings.currency)
    for record in counting_records(log):
        ledger.apply(record)
        for posting in ledger.postings:
            yield _csv_line(
                (
                    record.sequence,
                    record.session,
                    record.event_type,
                    record.event_id,
                    posting.account.value,
                    posting.symbol,
                    posting.currency,
                    plain(posting.amount),
                    plain(posting.base_amount),
                )
            )


def round_trip_lines(log: EventLog, settings: PortfolioSettings) -> Iterator[bytes]:
    """The ledger of round trips as CSV: a heading, then a row for each part of a lot that a closed
    session of the book closed, in that order (see `reporting/round_trip_rows.py`)."""
    yield _csv_line(tuple(ROUND_TRIP_COLUMNS))
    for closed in read_closed_sessions(log, settings):
        for trip in closed.round_trips:
            yield _csv_line(round_trip_row(trip))


def _csv_line(values: tuple[object, ...]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(values)
    return text.getvalue().encode()


def import_book(log: EventLog, settings: PortfolioSettings, path: Path) -> int:
    """Take the records of an exported book that `log` does not have; return their number.

    The book must be empty, or hold the beginning of what the file holds. The whole file is checked
    first (every line, the chain, and that it can be folded), then all is recorded or nothing.
    Raises InputError with file, line, value, rule and remedy.
    """
    head = log.head()
    last, restatements = _checked_chain(log, path, head)
    if last.sequence < head.sequence:
        if log.hash_at(last.sequence) != last.hash:
            _refuse_other_book(log, path, last)
        return 0
    _require_foldable(settings, path, restatements)
    return log.adopt(_rows_after(path, log.portfolio, head))


def _checked_chain(log: EventLog, path: Path, head: Head) -> tuple[Head, list[EventRecord]]:
    last, restatements = EMPTY, list[EventRecord]()
    for row, record in read_record_lines(path, log.portfolio):
        last = Head(row.sequence, row.hash)
        if last.sequence == head.sequence and last != head:
            _refuse_other_book(log, path, last)
        if isinstance(record.event, BookRestated):
            restatements.append(record)
    if last == EMPTY:
        raise InputError(
            file=str(path),
            rule="the file holds no record",
            remedy="Give a file that `trading_assets book export` wrote",
        )
    return last, restatements


def _refuse_other_book(log: EventLog, path: Path, head: Head) -> NoReturn:
    raise InputError(
        file=str(path),
        row=head.sequence,
        value=head.hash,
        rule=f"the book that is there ({log.place}) has another record {head.sequence}",
        remedy="Import into an empty book: move the old one away, or use another state folder",
    )


def _require_foldable(
    settings: PortfolioSettings, path: Path, restatements: list[EventRecord]
) -> None:
    """What cannot be booked must not get in: it could never be taken out again."""
    fold = new_fold(settings)
    records = (record for _, record in read_record_lines(path, settings.id))
    for record in still_counting(records, restatements):
        rule = ""
        if isinstance(record.event, SessionClosed) and fold.planned is None:
            rule = "a session closes that was not planned"
        else:
            try:
                fold.apply(record)
            except (LedgerError, OrderTransitionError) as error:
                rule = f"the record cannot be booked: {str(error).rstrip('.')}"
        if rule:
            raise InputError(
                file=str(path),
                row=record.sequence,
                value=record.event_type,
                rule=rule,
                remedy="Give the portfolio the accounting and currency that the book was kept "
                "with, or export the book again",
            )


def _rows_after(path: Path, portfolio: str, head: Head) -> Iterator[Row]:
    for row, _ in read_record_lines(path, portfolio):
        if row.sequence > head.sequence:
            yield row
