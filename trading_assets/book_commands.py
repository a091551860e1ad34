"""`trading_assets book`: verify, show, export and import the record of a portfolio."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from trading_assets.command_options import (
    NEEDS_A_PERSON,
    SESSION,
    open_portfolio,
    portfolio_option,
    reports_errors,
)
from trading_assets.event_log.store import EventLog, event_log_to_read, open_event_log
from trading_assets.settings import Directories, PortfolioSettings, directories

STANDARD_OUTPUT = "-"


class Moment(click.ParamType[dt.datetime]):
    """A moment as 2024-03-06T21:00, in UTC unless it names its offset."""

    name = "moment"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> dt.datetime:
        """The aware moment; a usage error for anything else."""
        if isinstance(value, dt.datetime):
            return value
        text = str(value)
        try:
            moment = dt.datetime.fromisoformat(text)
        except ValueError:
            moment = None
        # A day alone is not a moment: is its beginning or its end meant?
        if moment is None or len(text) <= len("2024-03-06"):
            self.fail(f"{text!r} is not a moment; write it as 2024-03-06T21:00", param, ctx)
        return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


@click.group()
def book() -> None:
    """The book of a portfolio: verify it, look at it, take it out and in."""


@book.command()
@portfolio_option
@click.option(
    "--head",
    "heads",
    multiple=True,
    metavar="HASH",
    help="Hash that the book must hold, as a report printed it; may be given several times.",
)
@click.option("--files", is_flag=True, help="Compare the exported files too.")
@reports_errors
def verify(portfolio: str, heads: tuple[str, ...], files: bool) -> None:
    """Walk the hash chain, replay the book, and compare what was made from it.

    Compared are checkpoints, the tables of the lake and, if asked for, exported files; the first
    difference is named by session, table, row and column.
    """
    from trading_assets.book_verification import verify_book

    places, settings = _of(portfolio)
    with _reading(places, settings) as log:
        found = verify_book(log, settings, places, files=files, heads=heads)
    click.echo(f"{found.head.sequence} records verified, head {found.head.hash}")
    click.echo(
        f"{found.sessions} closed sessions replayed; compared {found.tables} tables, "
        f"{found.files} files, {found.checkpoints} checkpoints "
        f"({found.checkpoints_passed_over} outdated ones passed over)"
    )
    if found.difference is not None:
        click.echo(f"first difference: {found.difference}", err=True)
        sys.exit(NEEDS_A_PERSON)
    click.echo("no difference")


@book.command()
@portfolio_option
@click.option("--session", type=SESSION, help="As of this session, YYYY-MM-DD; else as of now.")
@click.option(
    "--known-at",
    type=Moment(),
    help="As it was known at this moment, 2024-03-06T21:00 (UTC unless it names its offset).",
)
@click.option("--events", is_flag=True, help="List the records instead, superseded ones too.")
@reports_errors
def show(
    portfolio: str, session: dt.datetime | None, known_at: dt.datetime | None, events: bool
) -> None:
    """Show positions, lots, cash, profit and loss and orders; nothing is written."""
    from trading_assets.book_view import show_book, show_events
    from trading_assets.execution.as_of import book_as_of

    places, settings = _of(portfolio)
    day = None if session is None else session.date()
    with _reading(places, settings) as log:
        if events:
            show_events(log, day, known_at)
        else:
            show_book(book_as_of(log, settings, day, known_at), settings.id, day)


@book.command()
@portfolio_option
@click.option(
    "--format",
    "form",
    type=click.Choice(["jsonl", "csv", "round-trips"]),
    default="jsonl",
    show_default=True,
    help="jsonl: every record, to keep or to import; csv: the journal, a row for each posting; "
    "round-trips: the ledger of round trips as CSV.",
)
@click.option(
    "--to",
    "target",
    type=click.Path(dir_okay=False, path_type=Path, allow_dash=True),
    default=STANDARD_OUTPUT,
    help="File to write; printed if not given.",
)
@reports_errors
def export(portfolio: str, form: str, target: Path) -> None:
    """Write the whole book as JSON Lines, or its journal or its round trips as CSV."""
    from trading_assets.book_transfer import journal_lines, json_lines, round_trip_lines

    places, settings = _of(portfolio)
    with _reading(places, settings) as log:
        if form == "jsonl":
            lines = json_lines(log)
        else:
            lines = (journal_lines if form == "csv" else round_trip_lines)(log, settings)
        if str(target) == STANDARD_OUTPUT:
            for line in lines:
                sys.stdout.buffer.write(line)
            return
        count, head = _write(lines, target), log.head()
    click.echo(f"{count} lines in {target}, head {head.hash}")


@book.command("import")
@portfolio_option
@click.option(
    "--from",
    "source",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File that `book export` wrote as jsonl.",
)
@reports_errors
def import_(portfolio: str, source: Path) -> None:
    """Take an exported book into an empty one, or the rest of it into its beginning.

    The whole file is checked before anything is recorded, and all of it is recorded or nothing.
    """
    from trading_assets.book_transfer import import_book

    places, settings = _of(portfolio)
    log = open_event_log(places.books, settings.id, url=places.book_url, must_reach_witness=False)
    try:
        count = import_book(log, settings, source)
        head = log.head()
    finally:
        log.close()
    click.echo(f"{count} records taken in; the book has {head.sequence}, head {head.hash}")


def _of(portfolio: str) -> tuple[Directories, PortfolioSettings]:
    places = directories()
    return places, open_portfolio(places, portfolio)


@contextmanager
def _reading(places: Directories, settings: PortfolioSettings) -> Iterator[EventLog]:
    log = event_log_to_read(places.books, settings.id, places.book_url)
    try:
        yield log
    finally:
        log.close()


def _write(lines: Iterable[bytes], target: Path) -> int:
    """Write a file that is there whole or not at all; the number of its lines."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.partial")
    count = 0
    try:
        with partial.open("wb") as file:
            for line in lines:
                file.write(line)
                count += 1
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return count
