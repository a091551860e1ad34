"""The Dagster graph run in this process: what `trading_assets run` and `report` do."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import dagster as dg
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from trading_assets.automation import REPORT_ASSET, complete_months, range_tags
from trading_assets.calendar import TradingCalendar
from trading_assets.errors import SessionUnknownError, TradingAssetsError
from trading_assets.event_log.store import event_log_to_read
from trading_assets.execution.book import closed_session_dates, read_closed_sessions
from trading_assets.execution.session_parts import SessionStatus
from trading_assets.model.money import plain
from trading_assets.progress import observed, tracked
from trading_assets.reconciliation import reconcile
from trading_assets.settings import Directories, Mode, PortfolioSettings

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
"""Dagster's own log lines go to its event log, which the UI shows, not to the terminal."""
OPEN_STAGES = {
    SessionStatus.PLANNED.value: "nothing is sent yet, run it again from the open on",
    SessionStatus.WORKING.value: "run it again while it trades, and after the close",
}
"""How a session stands that a run did not close, and what is to be done."""


def run_sessions(
    places: Directories, settings: PortfolioSettings, first: dt.date, last: dt.date
) -> bool:
    """Run the daily cycle from `first` to `last` in one Dagster run, then the reports of the months
    that are closed, and print a summary. True when everything passed.

    Raises SessionUnknownError when the range holds no session, and what the assets raise.
    """
    console = Console()
    calendar = TradingCalendar(settings.sessions)
    if first == last:
        calendar.require(first)
    if last > calendar.sessions[-1]:
        raise SessionUnknownError(
            f"{last} is after the last session of {settings.id}, {calendar.sessions[-1]}."
        )
    sessions = calendar.between(first, last)
    if not sessions:
        raise SessionUnknownError(
            f"no session of {settings.id} between {first} and {last}; it has "
            f"{calendar.first} to {calendar.sessions[-1]}."
        )
    console.print(
        f"[bold]{settings.name}[/bold]: {len(sessions)} session(s), {sessions[0]} to {sessions[-1]}"
    )
    started = time.monotonic()
    before = _closed(places, settings)
    with opened_instance(console, places, settings) as (instance, definitions):
        job = definitions.resolve_job_def(f"{settings.id}__daily_cycle")
        tags = range_tags(sessions[0], sessions[-1])
        with _progress(console):
            result = job.execute_in_process(
                QUIET, instance=instance, tags=tags, raise_on_error=False
            )
        passed = _report_failure(console, result) and checks_passed(console, result)
        _print_stage(console, result)
        cycle_seconds = time.monotonic() - started
        if passed:
            done = [session.isoformat() for session in _closed(places, settings)]
            touched = {session.isoformat()[:7] for session in sessions}
            months = [month for month in complete_months(calendar, done) if month in touched]
            passed = _make_reports(console, definitions, instance, settings, months)
            _refresh_warehouse(places, instance)
    _summary(console, places, settings, sessions)
    console.print(
        f"\n{len(sessions)} sessions in {cycle_seconds:.1f} s, reports included "
        f"{time.monotonic() - started:.1f} s."
    )
    lost = sorted(before - _closed(places, settings))
    if lost:
        console.print(
            f"[red]The book was restated[/red]: {len(lost)} later sessions are open again. "
            f"Run them: trading_assets run --portfolio {settings.id} "
            f"--from {lost[0]} --to {lost[-1]}",
            soft_wrap=True,
        )
    return passed and not lost


def _closed(places: Directories, settings: PortfolioSettings) -> set[dt.date]:
    log = event_log_to_read(places.books, settings.id, places.book_url)
    try:
        return closed_session_dates(log)
    finally:
        log.close()


def run_reports(places: Directories, settings: PortfolioSettings, months: Sequence[str]) -> bool:
    """Make the reports of `months` (YYYY-MM); True when every one is complete.

    Raises SessionUnknownError for a month in which the portfolio has no session.
    """
    console = Console()
    calendar = TradingCalendar(settings.sessions)
    for month in months:
        if not calendar.month(month):
            raise SessionUnknownError(
                f"{settings.id} has no session in {month}; it has {calendar.first} to "
                f"{calendar.sessions[-1]}."
            )
    with opened_instance(console, places, settings) as (instance, definitions):
        passed = _make_reports(console, definitions, instance, settings, months)
    for month in months:
        console.print(str(places.reports / settings.id / f"{settings.id}_{month}.pdf"))
    return passed


@contextmanager
def opened_instance(
    console: Console, places: Directories, settings: PortfolioSettings
) -> Iterator[tuple[dg.DagsterInstance, dg.Definitions]]:
    """Dagster's instance (its storage made on first use) and the portfolio's definitions."""
    with console.status("Opening Dagster's storage …"):
        # Importing the assets takes a second, so it happens under the spinner.
        from trading_assets.portfolio_definitions import single_portfolio

        definitions = single_portfolio(places, settings)
        instance = dg.DagsterInstance.get()
    with instance:
        yield instance, definitions


@contextmanager
def _progress(console: Console) -> Iterator[None]:
    """A bar for each asset as its loop passes; plain lines where the output is not a terminal."""
    if not console.is_terminal:
        with observed(lambda label, done, total: _line(console, label, done, total)):
            yield
        return
    columns = (
        TextColumn("{task.description:<22}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as progress:
        tasks: dict[str, int] = {}

        def show(label: str, done: int, total: int) -> None:
            if label not in tasks:
                tasks[label] = progress.add_task(label, total=total)
            progress.update(tasks[label], completed=done)  # type: ignore[arg-type]

        with observed(show):
            yield


def _line(console: Console, label: str, done: int, total: int) -> None:
    step = max(total // 4, 1)
    if done % step == 0 or done == total:
        console.print(f"  {label:<22} {done}/{total}")


def _report_failure(console: Console, result: dg.ExecuteInProcessResult) -> bool:
    """True for a run that went through; else print why it did not, and raise what the assets
    raised where that is one of ours."""
    if result.success:
        return True
    for event in result.all_events:
        if not event.is_step_failure:
            continue
        error = event.step_failure_data.error
        cause = error.cause if error is not None and error.cause is not None else error
        if cause is None:
            continue
        for kind in _subclasses(TradingAssetsError):
            if cause.cls_name == kind.__name__:
                text = cause.message.split(": ", 1)[-1].strip()
                raise _reraised(kind, text)
        console.print(f"[red]{event.step_key}[/red]: {cause.message.strip()}")
    return False


def _subclasses(kind: type[TradingAssetsError]) -> Iterator[type[TradingAssetsError]]:
    for child in kind.__subclasses__():
        yield child
        yield from _subclasses(child)


def _reraised(kind: type[TradingAssetsError], text: str) -> TradingAssetsError:
    """The error again, as its kind, with its message; some kinds take more than a message."""
    error = kind.__new__(kind)
    Exception.__init__(error, text)
    return error


def checks_passed(console: Console, result: dg.ExecuteInProcessResult) -> bool:
    """True where no check failed; a warning is printed and does not count."""
    failed = [one for one in result.get_asset_check_evaluations() if not one.passed]
    errors = [one for one in failed if one.severity is dg.AssetCheckSeverity.ERROR]
    for one in (errors + [one for one in failed if one not in errors])[:10]:
        kind = "[red]failed[/red]" if one in errors else "[yellow]warning[/yellow]"
        session = f" {one.partition}" if one.partition else ""
        said = f": {one.description}" if one.description else ""
        name = one.asset_check_key.to_user_string()
        console.print(f"{kind} {name}{session}{said}", soft_wrap=True)
    return not errors


def session_stage(result: dg.ExecuteInProcessResult) -> str | None:
    """How far a run brought a session that it did not close, in words; None where it closed it."""
    for event in result.all_events:
        if not event.is_step_materialization:
            continue
        done = event.step_materialization_data.materialization
        said = {name: each.value for name, each in done.metadata.items()}
        status = said.get("session_status")
        if done.asset_key.path[-1] == "order_plan" and status in OPEN_STAGES:
            orders = f"{said['orders_real']} orders planned, {said.get('orders_open', 0)} open"
            if said["execution"] == Mode.DRY.value:
                return f"{status}: {orders}; nothing is sent; the run after the close closes it"
            return f"{status}: {orders}; {OPEN_STAGES[status]}"
    return None


def _print_stage(console: Console, result: dg.ExecuteInProcessResult) -> None:
    stage = session_stage(result)
    if stage is not None:
        console.print(f"[bold]{stage}[/bold]", soft_wrap=True, highlight=False)


def _make_reports(
    console: Console,
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    settings: PortfolioSettings,
    months: Sequence[str],
) -> bool:
    job = definitions.resolve_job_def(f"{settings.id}__month_end")
    passed = True
    with _progress(console):
        for month in tracked(REPORT_ASSET, months):
            result = job.execute_in_process(
                QUIET, instance=instance, partition_key=f"{month}-01", raise_on_error=False
            )
            passed &= _report_failure(console, result) and checks_passed(console, result)
    return passed


def _refresh_warehouse(places: Directories, instance: dg.DagsterInstance) -> None:
    from trading_assets.portfolio_definitions import warehouse_alone

    job = warehouse_alone(places).resolve_implicit_global_asset_job_def()
    job.execute_in_process(QUIET, instance=instance, raise_on_error=False)


def _summary(
    console: Console,
    places: Directories,
    settings: PortfolioSettings,
    sessions: Sequence[dt.date],
) -> None:
    """Where everything is and what reconciled, from the book and the files themselves."""
    wanted = set(sessions)
    log = event_log_to_read(places.books, settings.id, places.book_url)
    found = read_closed_sessions(log, settings, min(sessions))
    closed = [one for one in found if one.session in wanted]
    sequence, head = log.head()
    log.close()
    breaks = sum(
        len(reconcile(one, sent=settings.mode is not Mode.DRY).unexplained) for one in closed
    )
    rows = [
        ("Sessions closed", f"{len(closed)} of {len(sessions)}"),
        ("Reconciled", f"{len(closed)} sessions, {breaks} unexplained gaps"),
    ]
    if closed:
        orders = sum(len(one.orders) for one in closed)
        fills = sum(len(one.fills) for one in closed)
        rows.append(("Orders and fills", f"{orders} orders, {fills} fills"))
        rows.append(("Equity", f"{plain(closed[-1].close.equity)} {settings.currency}"))
    reports = sorted((places.reports / settings.id).glob("*.pdf"))
    rows += [
        ("Book", f"{sequence} records, head {head[:16]}…"),
        ("Monthly report", str(reports[-1]) if reports else "none yet"),
        ("Tables (Parquet)", str(places.lake / settings.id)),
        ("Files (CSV)", str(places.exports / settings.id)),
        ("Warehouse (DuckDB)", str(places.warehouse)),
        ("UI", "make ui, then http://127.0.0.1:3000"),
    ]
    console.print()
    for label, value in rows:
        # Paths are printed whole, however narrow the terminal.
        console.print(f"  {label:<20}{value}", soft_wrap=True, highlight=False)
