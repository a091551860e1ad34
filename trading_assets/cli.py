"""`trading_assets`: what the UI does, without it."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from trading_assets.alert_commands import alerts_command
from trading_assets.annotation_commands import annotation_group
from trading_assets.backtest_commands import backtest, lookahead
from trading_assets.book_commands import book
from trading_assets.command_options import (
    EXIT_CODES,
    NEEDS_A_PERSON,
    SESSION,
    exit_code,
    open_portfolio,
    portfolio_option,
    reports_errors,
    session_option,
)
from trading_assets.errors import ConfigurationError
from trading_assets.intervention_commands import accept_break_command, discard_plan_command
from trading_assets.screen_commands import screen
from trading_assets.settings import (
    Directories,
    PortfolioSettings,
    directories,
    load_portfolios,
    prepare_dagster,
)
from trading_assets.trade_commands import settle_order, trades

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, epilog=EXIT_CODES)
@click.version_option(package_name="trading-assets")
def main() -> None:
    """Strategy signals to reconciled books and a track record."""


book.add_command(accept_break_command)
book.add_command(discard_plan_command)
main.add_command(book)
main.add_command(backtest)
main.add_command(lookahead)
main.add_command(screen)
main.add_command(annotation_group)
main.add_command(trades)
main.add_command(settle_order)
main.add_command(alerts_command)


@main.command()
@portfolio_option
@click.option("--session", type=SESSION, help="One session, YYYY-MM-DD.")
@click.option("--from", "first", type=SESSION, help="First session of a range.")
@click.option("--to", "last", type=SESSION, help="Last session of a range.")
@reports_errors
def run(
    portfolio: str,
    session: dt.datetime | None,
    first: dt.datetime | None,
    last: dt.datetime | None,
) -> None:
    """Run the daily cycle through the Dagster graph, then the reports of months that are closed.

    Give --session, or --from and --to; a range is one Dagster run. Running again changes nothing
    unless an input changed.
    """
    if (session is None) == (first is None) or (first is None) != (last is None):
        raise click.UsageError("Give either --session, or both --from and --to.")
    begin, end = (session, session) if session is not None else (first, last)
    assert begin is not None
    assert end is not None
    from trading_assets.daily_run import run_sessions

    places = _prepared()
    settings = open_portfolio(places, portfolio)
    sys.exit(0 if run_sessions(places, settings, begin.date(), end.date()) else NEEDS_A_PERSON)


@main.command()
@portfolio_option
@session_option
@reports_errors
def plan(portfolio: str, session: dt.datetime) -> None:
    """Show the order plan of a session: as recorded, or as it would be. Nothing is written."""
    from trading_assets.inspection import plan_of, show_plan

    places = directories()
    found = plan_of(places, open_portfolio(places, portfolio), session.date())
    show_plan(found)
    sys.exit(NEEDS_A_PERSON if found.refusals else 0)


@main.command()
@portfolio_option
@session_option
@reports_errors
def reconcile(portfolio: str, session: dt.datetime) -> None:
    """Reconcile a closed session from the book and show every gap with its cause."""
    from trading_assets.inspection import reconciliation_of

    places = directories()
    settings = open_portfolio(places, portfolio)
    report, text = reconciliation_of(places, settings, session.date())
    click.echo(text)
    sys.exit(NEEDS_A_PERSON if report.unexplained else 0)


@main.command()
@portfolio_option
@click.option("--month", required=True, metavar="YYYY-MM", help="Month of the report.")
@reports_errors
def report(portfolio: str, month: str) -> None:
    """Make the PDF of a month through the Dagster graph."""
    from trading_assets.daily_run import run_reports

    try:
        dt.date.fromisoformat(f"{month}-01")
    except ValueError as error:
        raise click.BadParameter(f"{month!r} is not a month; write it as 2021-03") from error
    places = _prepared()
    sys.exit(0 if run_reports(places, open_portfolio(places, portfolio), [month]) else 1)


@main.command()
@click.argument("report_file", metavar="REPORT.pdf", type=FILE)
@click.argument("evidence_file", metavar="EVIDENCE", type=FILE)
@click.option(
    "--head",
    "heads",
    multiple=True,
    metavar="HASH",
    help="A head that another report of this book printed; may be given several times.",
)
@click.option(
    "--all", "show_all", is_flag=True, help="List every figure, not only those that differ."
)
@reports_errors
def verify(report_file: Path, evidence_file: Path, heads: tuple[str, ...], show_all: bool) -> None:
    """Recompute each figure of a monthly report from its evidence alone, and say which agree.

    Needs neither the portfolio nor its book. What it cannot show is that report and evidence were
    made up together: give --head hashes that earlier reports printed.
    """
    from trading_assets.evidence.verification import verify_report
    from trading_assets.evidence.verification_view import show_verification

    found = verify_report(report_file.read_bytes(), evidence_file.read_bytes(), heads)
    show_verification(found, show_all=show_all)
    sys.exit(0 if found.verified else NEEDS_A_PERSON)


@main.command()
@portfolio_option
@session_option
@click.option("--to", "folder", type=click.Path(path_type=Path), help="Folder to write into.")
@reports_errors
def export(portfolio: str, session: dt.datetime, folder: Path | None) -> None:
    """Write all CSV, Parquet and text files of a closed session again, from the book and the kept
    prices."""
    from trading_assets.inspection import export_session

    places = directories()
    settings = open_portfolio(places, portfolio)
    written = export_session(places, settings, session.date(), folder or places.exports)
    click.echo(f"{len(list(written.iterdir()))} files in {written}")


@main.command()
@click.option("--portfolio", metavar="ID", help="Only this portfolio.")
@reports_errors
def status(portfolio: str | None) -> None:
    """Show how far each book is closed, its equity and head, and whether its chain verifies."""
    from trading_assets.execution.halt import is_halted
    from trading_assets.inspection import show_status

    places = directories()
    chosen: Sequence[PortfolioSettings] = (
        [open_portfolio(places, portfolio)] if portfolio else load_portfolios(places.portfolios)
    )
    errors = show_status(places, chosen)
    if errors:
        sys.exit(exit_code(errors[0]))
    sys.exit(NEEDS_A_PERSON if is_halted(places.halt_switch) else 0)


@main.command()
@click.option("--reason", default="by hand", show_default=True, help="Why; kept in the switch.")
def halt(reason: str) -> None:
    """Stop sending orders, for every portfolio, at once."""
    from trading_assets.execution.halt import halt as set_switch

    places = directories()
    set_switch(places.halt_switch, reason)
    click.echo(f"Trading is halted ({places.halt_switch}). `trading_assets resume` lifts it.")


@main.command()
def resume() -> None:
    """Allow orders again after `halt`."""
    from trading_assets.execution.halt import resume as lift_switch

    lift_switch(directories().halt_switch)
    click.echo("Trading is resumed.")


@main.command()
@click.option("--port", default=8321, show_default=True, help="Port of the page.")
@click.option("--portfolio", metavar="ID", help="Only this portfolio.")
@reports_errors
def dashboard(port: int, portfolio: str | None) -> None:
    """Serve the dashboard on 127.0.0.1 until Ctrl-C: read-only, nothing leaves this machine."""
    from trading_assets.dashboard_server import dashboard_server, live_page

    places = directories()
    chosen = (
        (open_portfolio(places, portfolio),) if portfolio else load_portfolios(places.portfolios)
    )
    try:
        server = dashboard_server(port, lambda: live_page(places, chosen))
    except OSError as error:
        raise ConfigurationError(
            f"port {port} cannot be used ({error.strerror}). Choose another with --port."
        ) from error
    click.echo(f"http://127.0.0.1:{server.server_address[1]}  (Ctrl-C ends it)")
    with server, contextlib.suppress(KeyboardInterrupt):
        server.serve_forever()


@main.command()
@click.option("--port", default=3000, show_default=True, help="Port of the web page.")
@reports_errors
def ui(port: int) -> None:
    """Start the Dagster UI and daemon on 127.0.0.1 until Ctrl-C."""
    _prepared()
    scripts = Path(sys.executable).parent
    click.echo("Preparing Dagster's storage …")
    # Webserver and daemon would race on an empty home: the schema is made before either starts.
    subprocess.run([scripts / "dagster", "instance", "info"], check=True, capture_output=True)
    click.echo(f"Starting; in about 20 seconds: http://127.0.0.1:{port}  (Ctrl-C ends it)")
    # Started in the background by a script, everything below would ignore what stops it.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    command = [str(scripts / "dagster"), "dev", "-w", "workspace.yaml", "-h", "127.0.0.1"]
    os.execv(command[0], [*command, "-p", str(port)])


def _prepared() -> Directories:
    """Directories, with the environment that Dagster reads set for them."""
    places = directories()
    prepare_dagster(places)
    return places


if __name__ == "__main__":
    main()
