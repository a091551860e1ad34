"""`trading_assets book accept-break`, `discard-plan`: what only a person may decide."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager

import click

from trading_assets.brokers.base import Broker
from trading_assets.calendar import TradingCalendar
from trading_assets.command_options import open_portfolio, portfolio_option, reports_errors
from trading_assets.execution.book import Book
from trading_assets.execution.interventions import Intervention, accept_break, discard_plan
from trading_assets.model.money import plain
from trading_assets.settings import directories, live_account

REASON = click.option(
    "--reason", required=True, metavar="TEXT", help="Why, in a sentence; it stays in the book."
)


@click.command("accept-break")
@portfolio_option
@REASON
@reports_errors
def accept_break_command(portfolio: str, reason: str) -> None:
    """Adjust the book to the account where nothing explains their difference.

    For a portfolio at a real broker. Shares and cash that differ are booked as adjustments with the
    reason, and a close that did not reconcile no longer stops trading.
    """
    with _opened(portfolio, reason) as (asked, book, broker):
        adjustments = accept_break(asked, book, broker)
    for one in adjustments:
        what = f"{plain(one.quantity)} {one.symbol}" if one.symbol else f"cash {plain(one.cash)}"
        click.echo(f"adjusted: {what}")
    click.echo("The break is accepted. Run the session again.")


@click.command("discard-plan")
@portfolio_option
@REASON
@reports_errors
def discard_plan_command(portfolio: str, reason: str) -> None:
    """Give up the plan of the open session, of which nothing was sent.

    For a portfolio at a real broker whose plan was overtaken by a trade made outside. The next run
    plans anew, from the book as it is.
    """
    with _opened(portfolio, reason) as (asked, book, _):
        digest = discard_plan(asked, book)
    click.echo(f"Plan {digest} is discarded. Run the session again to plan it anew.")


@contextmanager
def _opened(portfolio: str, reason: str) -> Iterator[tuple[Intervention, Book, Broker]]:
    # Imported here: Dagster takes a second, and other commands do not need it.
    from trading_assets.resources import BookResource, broker_resource

    places = directories()
    settings = open_portfolio(places, portfolio)
    brokers = broker_resource(places)
    asked = Intervention(
        settings=settings,
        calendar=TradingCalendar(settings.sessions),
        now=dt.datetime.now(dt.UTC),
        reason=reason,
        live_account=live_account(),
    )
    with (
        brokers.open(settings) as broker,
        BookResource(folder=str(places.books)).open(settings) as log,
    ):
        yield asked, Book(log, settings), broker
