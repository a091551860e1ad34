"""`trading_assets alerts`: what a person should hear of, for a scheduler to pass on."""

from __future__ import annotations

import datetime as dt
import sys
from bisect import bisect_right
from contextlib import closing

import click

from trading_assets.analytics.alerts import Alert, SessionFacts, session_alerts
from trading_assets.calendar import TradingCalendar
from trading_assets.command_options import (
    NEEDS_A_PERSON,
    SESSION,
    open_portfolio,
    portfolio_option,
    reports_errors,
)
from trading_assets.errors import SessionNotReadyError
from trading_assets.event_log.store import event_log_to_read
from trading_assets.execution.book import closed_session_dates, read_closed_sessions
from trading_assets.reconciliation import reconcile
from trading_assets.settings import Directories, Mode, PortfolioSettings, directories


@click.command("alerts")
@portfolio_option
@click.option("--session", type=SESSION, help="Session, YYYY-MM-DD; the last closed one if not.")
@reports_errors
def alerts_command(portfolio: str, session: dt.datetime | None) -> None:
    """Say what needs a person after a close: breaks, drawdown, rejected orders, stale prices.

    The rules are `alerts` in the portfolio's file. Prints one line for each alert and leaves with
    code 1 where there is any, so that a scheduler can pass it on.
    """
    places = directories()
    settings = open_portfolio(places, portfolio)
    found = alerts_of(places, settings, None if session is None else session.date())
    for alert in found:
        click.echo(f"{alert.session} {alert.code.value} {alert.subject}: {alert.message}")
    if not found:
        click.echo("no alerts")
    sys.exit(NEEDS_A_PERSON if found else 0)


def alerts_of(
    places: Directories, settings: PortfolioSettings, session: dt.date | None
) -> tuple[Alert, ...]:
    """The alerts of a closed session, by default the last one; nothing is written.

    Raises SessionNotReadyError where it, or any, is not closed.
    """
    history = TradingCalendar(settings.sessions).history
    with closing(event_log_to_read(places.books, settings.id, places.book_url)) as log:
        asked = session or max(closed_session_dates(log), default=None)
        closed = None if asked is None else next(read_closed_sessions(log, settings, asked), None)
    if closed is None or closed.session != asked:
        raise SessionNotReadyError(
            f"{settings.id}: {'no session' if asked is None else f'session {asked}'} is closed in "
            "the book. Run it first."
        )
    last = closed.session
    facts = SessionFacts(
        close=closed.close,
        orders=closed.orders,
        unexplained=reconcile(closed, sent=settings.mode is not Mode.DRY).unexplained,
        mark_age=lambda marked: bisect_right(history, last) - bisect_right(history, marked),
    )
    return session_alerts(settings.id, facts, settings.alerts)
