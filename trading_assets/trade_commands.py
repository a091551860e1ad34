"""`trading_assets trades` and `settle-order`: what a person has to trade, say or decide."""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path

import click
import msgspec
from rich.console import Console
from rich.table import Table

from trading_assets.command_options import (
    NEEDS_A_PERSON,
    open_portfolio,
    portfolio_option,
    reports_errors,
    session_option,
)
from trading_assets.errors import SessionNotReadyError
from trading_assets.event_log.store import event_log_to_read
from trading_assets.execution.annotating import read_annotations
from trading_assets.execution.book import Book
from trading_assets.execution.readiness import require_account
from trading_assets.execution.settling import settle
from trading_assets.model.money import plain
from trading_assets.reconciliation.manual_matching import (
    Question,
    TradeListLine,
    open_questions,
    trade_list,
)
from trading_assets.settings import Directories, PortfolioSettings, directories, live_account


class TradeListView(msgspec.Struct, frozen=True, kw_only=True):
    """A session's trade list with what was traded of it, and what is asked about its trades."""

    session: dt.date
    lines: tuple[TradeListLine, ...]
    questions: tuple[Question, ...]


def trades_of(places: Directories, settings: PortfolioSettings, session: dt.date) -> TradeListView:
    """The trade list of a session as the book has it, open or closed.

    Raises SessionNotReadyError where it is not planned.
    """
    log = event_log_to_read(places.books, settings.id, places.book_url)
    try:
        book = Book(log, settings, keep=[session])
        closed = book.closed.get(session)
        planned = book.planned if closed is None else closed.planned
        fills = book.fold.orders.fills(session) if closed is None else closed.fills
        annotated = read_annotations(log)
    finally:
        log.close()
    if planned is None or planned.plan.session != session:
        raise SessionNotReadyError(
            f"{settings.id}: {session} is not planned yet, so there is no trade list. Run the "
            "session first."
        )
    orders = planned.plan.real_orders
    return TradeListView(
        session=session,
        lines=trade_list(orders, fills),
        questions=open_questions(orders, fills, annotated),
    )


def show_trades(view: TradeListView) -> None:
    """Print a trade list, and every question that is open."""
    console = Console()
    table = Table(title=f"Trade list of {view.session}")
    for name in ("symbol", "side", "quantity", "plan price", "filled", "remaining", "average"):
        table.add_column(name, justify="left" if name in ("symbol", "side") else "right")
    table.add_column("status")
    for line in view.lines:
        table.add_row(
            line.symbol,
            line.side.value,
            plain(line.quantity),
            plain(line.plan_price),
            plain(line.filled_quantity),
            plain(line.remaining_quantity),
            "" if line.average_price is None else plain(round(line.average_price, 4)),
            line.status.value,
        )
    console.print(table)
    for question in view.questions:
        click.echo(f"{question.code.value}: {question.text}")
        click.echo(f"  answer: trading_assets annotations, trade {question.trade_id}")


@click.command()
@portfolio_option
@session_option
@click.option(
    "--to", "folder", type=click.Path(path_type=Path), help="Write trade_list.csv below a folder."
)
@reports_errors
def trades(portfolio: str, session: dt.datetime, folder: Path | None) -> None:
    """Show what is to be traded in a session and what was, and ask about what nobody planned.

    Exit code 1 while a question is open; an annotation of the trade answers it.
    """
    places = directories()
    settings = open_portfolio(places, portfolio)
    view = trades_of(places, settings, session.date())
    show_trades(view)
    if folder is not None:
        from trading_assets.reporting.exports import SessionExports

        exports = SessionExports(folder, settings.id, view.session)
        exports.trade_list(view.lines)
        click.echo(f"written to {exports.folder}")
    sys.exit(NEEDS_A_PERSON if view.questions else 0)


@click.command("settle-order")
@portfolio_option
@click.option("--order", "client_order_id", required=True, help="The order's client order id.")
@click.option("--reason", required=True, help="What you saw in the account, in your words.")
@reports_errors
def settle_order(portfolio: str, client_order_id: str, reason: str) -> None:
    """Record that an order which may have left is not at the broker, after asking it again.

    For OUTCOME_UNKNOWN at a broker that would take a second order under the same id. Where the
    order is found nothing is recorded: the next run of the session adopts it.
    """
    from trading_assets.resources import BookResource, broker_resource

    places = directories()
    settings = open_portfolio(places, portfolio)
    brokers = broker_resource(places)
    books = BookResource(folder=str(places.books))
    with brokers.open(settings) as broker, books.open(settings) as log:
        book = Book(log, settings)
        require_account(settings, book, broker, live_account())
        found = settle(book, broker, client_order_id, reason, dt.datetime.now(dt.UTC))
    if found:
        click.echo(f"{client_order_id} is at the broker. Run the session: it is adopted.")
    else:
        click.echo(f"{client_order_id} is recorded as not sent. Run the session again.")
