"""`trading_assets annotations`: say why a trade is made and what became of it; list, export."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import click

from trading_assets.atomic_file import replace_file
from trading_assets.command_options import (
    SESSION,
    open_portfolio,
    portfolio_option,
    reports_errors,
)
from trading_assets.event_log.store import EventLog, event_log_to_read
from trading_assets.execution.annotating import (
    AnnotatedBook,
    Annotation,
    annotate,
    read_annotated_book,
)
from trading_assets.ledger.annotations import require_trade
from trading_assets.model.annotation_events import PostTradeAnnotation, PreTradeAnnotation
from trading_assets.settings import directories

LATEST_TRADES = 20
"""How many trades are offered where none is named."""
_DONE = {
    "recorded": "Recorded",
    "superseded": "Recorded; it supersedes the one before, which stays readable",
    "unchanged": "The book says that already; nothing was recorded",
}


class Price(click.ParamType[Decimal]):
    """A price per share above 0, as 41.25."""

    name = "price"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Decimal:
        """The exact price; a usage error for anything else."""
        try:
            price = Decimal(str(value))
        except InvalidOperation:
            price = Decimal("NaN")
        if not price.is_finite() or price <= 0:
            self.fail(f"{value!r} is not a price above 0; write it as 41.25", param, ctx)
        return price


@click.group("annotations")
def annotation_group() -> None:
    """What was thought of each trade, before and after it, as part of the book.

    They are never edited: one that takes another's place says so, and both stay in the book.
    """


def _shared(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--supersede", is_flag=True, help="Take the place of the one that stands."),
        click.option("--author", default="", help="Who writes it."),
        click.option("--trade", metavar="ID", help="The trade, as `annotations list` shows it."),
        portfolio_option,
    ):
        command = option(command)
    return command


@annotation_group.command("pre-trade")
@_shared
@click.option("--thesis", help="Why it should earn money.")
@click.option("--intended-entry", help="When, where and how it is to be entered.")
@click.option("--size-rationale", help="Why it is as large as it is.")
@click.option("--exit-plan", help="What ends it.")
@click.option("--intended-price", type=Price(), help="Price per share it was decided at.")
@reports_errors
def pre_trade(
    portfolio: str,
    trade: str | None,
    author: str,
    supersede: bool,
    intended_price: Decimal | None,
    **texts: str | None,
) -> None:
    """Say why a trade is made. What no option gives is asked for at a terminal."""
    with _book(portfolio) as log:
        trade_id = _trade(log, trade)
        asked = None in texts.values()
        answers = _answers(texts)
        if asked and intended_price is None:
            intended_price = _asked_price()
        annotation = PreTradeAnnotation(
            trade_id=trade_id, author=author, intended_price=intended_price, **answers
        )
        _record(log, annotation, supersede)


@annotation_group.command("post-trade")
@_shared
@click.option("--outcome", help="What became of it.")
@click.option(
    "--matched-expectation/--missed-expectation",
    default=None,
    help="Whether it went as was expected before it.",
)
@click.option("--lesson", help="What is to be learnt from it.")
@reports_errors
def post_trade(
    portfolio: str,
    trade: str | None,
    author: str,
    supersede: bool,
    matched_expectation: bool | None,
    **texts: str | None,
) -> None:
    """Say what became of a trade. What no option gives is asked for at a terminal."""
    with _book(portfolio) as log:
        trade_id = _trade(log, trade)
        if matched_expectation is None:
            _require_terminal(["--matched-expectation or --missed-expectation"])
            matched_expectation = click.confirm("Did it match the expectation?")
        annotation = PostTradeAnnotation(
            trade_id=trade_id,
            author=author,
            matched_expectation=matched_expectation,
            **_answers(texts),
        )
        _record(log, annotation, supersede)


@annotation_group.command("list")
@portfolio_option
@click.option("--session", type=SESSION, help="Trades of this session only, YYYY-MM-DD.")
@click.option("--trade", metavar="ID", help="This trade only.")
@click.option("--missing", is_flag=True, help="Trades that lack one of the two only.")
@reports_errors
def list_(portfolio: str, session: dt.datetime | None, trade: str | None, missing: bool) -> None:
    """Show the trades of the book with what stands of each."""
    from trading_assets.reporting.annotations import show_annotations

    found = _read(portfolio)
    trades = list(found.trades.values())
    if trade is not None:
        trades = [require_trade(trade, found.trades)]
    if session is not None:
        trades = [each for each in trades if each.session == session.date()]
    if missing:
        whole = {
            name
            for name, each in found.annotations.items()
            if each.pre_trade is not None and each.post_trade is not None
        }
        trades = [each for each in trades if each.trade_id not in whole]
    show_annotations(found.annotations, trades)


@annotation_group.command()
@portfolio_option
@click.option(
    "--to",
    "target",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write; printed if not given.",
)
@reports_errors
def export(portfolio: str, target: Path | None) -> None:
    """Write all annotations as JSON: trade_id, created_at, pre_trade, post_trade of each trade."""
    from trading_assets.reporting.annotations import annotations_json

    found = _read(portfolio)
    text = annotations_json(found.annotations.values(), found.trades)
    if target is None:
        click.echo(text, nl=False)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    replace_file(target, text.encode())
    click.echo(f"{len(found.annotations)} trades in {target}")


def _read(portfolio: str) -> AnnotatedBook:
    with _book(portfolio) as log:
        return read_annotated_book(log)


@contextmanager
def _book(portfolio: str) -> Iterator[EventLog]:
    # Where there is no book none is made: without a trade there is nothing to annotate.
    places = directories()
    settings = open_portfolio(places, portfolio)
    log = event_log_to_read(places.books, settings.id, places.book_url)
    try:
        yield log
    finally:
        log.close()


def _trade(log: EventLog, trade: str | None) -> str:
    """The trade that was named, or chosen from the latest ones; known before anything is asked."""
    book = read_annotated_book(log)
    if trade is not None:
        return require_trade(trade, book.trades).trade_id
    _require_terminal(["--trade"])
    latest = list(book.trades.values())[-LATEST_TRADES:]
    if not latest:
        raise click.UsageError("The book has no trades yet.")
    for number, each in enumerate(latest, start=1):
        click.echo(f"{number:3}  {each.session}  {each.side.value:4}  {each.symbol}")
    number = click.prompt("Which trade", type=click.IntRange(1, len(latest)))
    return latest[number - 1].trade_id


def _answers(texts: dict[str, str | None]) -> dict[str, str]:
    """What the options give, and answers for the rest."""
    missing = [name for name, text in texts.items() if text is None]
    if missing:
        _require_terminal([f"--{name.replace('_', '-')}" for name in missing])
    return {
        name: click.prompt(name.replace("_", " ").capitalize()) if text is None else text
        for name, text in texts.items()
    }


def _asked_price() -> Decimal | None:
    """Asked where texts are: without it there is no slippage against the decision."""

    def price(value: str) -> Decimal | None:
        return Price().convert(value, None, None) if value else None

    return click.prompt(
        "Intended price (empty for none)", default="", show_default=False, value_proc=price
    )


def _require_terminal(options: list[str]) -> None:
    if not sys.stdin.isatty():
        raise click.UsageError(f"Nobody can be asked here; give {', '.join(options)}.")


def _record(log: EventLog, annotation: Annotation, supersede: bool) -> None:
    (done,) = annotate(log, [annotation], lambda: dt.datetime.now(dt.UTC), supersede=supersede)
    click.echo(f"{_DONE[done]}: {annotation.trade_id}.")
