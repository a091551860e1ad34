"""What the commands share: options, and how an error becomes an exit code."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

import click

from trading_assets.errors import (
    BookError,
    BrokerUnknownError,
    SessionError,
    TradingAssetsError,
)
from trading_assets.settings import (
    Directories,
    PortfolioSettings,
    load_portfolio,
    load_portfolios,
)

EXIT_CODES = """\b
Exit codes, for schedulers:
  0  done, and no check failed (warnings are printed)
  1  something needs a person: a failed check, a refused plan, a break,
     sessions to run again
  2  the command was called wrongly
  3  the input or the configuration is wrong; nothing was written
  4  the session cannot be worked on yet, or is not one
  5  the broker's state is unknown, or the book is locked or damaged
"""
NEEDS_A_PERSON = 1
INPUT_WRONG = 3
SESSION_WRONG = 4
STATE_UNKNOWN = 5

SESSION = click.DateTime(formats=["%Y-%m-%d"])


def exit_code(error: TradingAssetsError) -> int:
    """The exit code that tells a scheduler what kind of error this is."""
    if isinstance(error, SessionError):
        return SESSION_WRONG
    return STATE_UNKNOWN if isinstance(error, BookError | BrokerUnknownError) else INPUT_WRONG


def reports_errors(command: Callable[..., Any]) -> Callable[..., Any]:
    """Print an expected error as one message and leave with its code, without a traceback."""

    @functools.wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except TradingAssetsError as error:
            click.echo(f"error: {error}", err=True)
            sys.exit(exit_code(error))

    return wrapped


def portfolio_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """--portfolio ID."""
    return click.option(
        "--portfolio",
        required=True,
        metavar="ID",
        help="Portfolio: the name of its file in data/portfolios/, without .yaml.",
    )(command)


def session_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """--session YYYY-MM-DD."""
    return click.option(
        "--session", required=True, type=SESSION, help="Trading session, YYYY-MM-DD."
    )(command)


def open_portfolio(places: Directories, portfolio: str) -> PortfolioSettings:
    """Settings of one portfolio, or a usage error naming those that exist."""
    path = places.portfolios / f"{portfolio}.yaml"
    if not path.exists():
        known = ", ".join(settings.id for settings in load_portfolios(places.portfolios))
        raise click.BadParameter(f"no portfolio {portfolio!r}; there are: {known}")
    return load_portfolio(path)
