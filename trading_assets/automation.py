"""Jobs, schedules and sensors: what runs the daily routine without a person."""

import datetime as dt
from collections.abc import Iterable
from pathlib import Path

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import (
    UnresolvedAssetJobDefinition as AssetJob,
)

from trading_assets.assets.momentum import signal_asset
from trading_assets.assets.portfolio_graph import PortfolioGraph
from trading_assets.calendar import TradingCalendar
from trading_assets.execution.book import closed_session_dates
from trading_assets.execution.halt import halt, resume
from trading_assets.resources import BookResource
from trading_assets.signal_settings import MomentumStrategy

DAILY_ASSETS = (
    "strategy_signals",
    "consolidated_targets",
    "prices",
    "order_plan",
    "execution_log",
    "positions_eod",
    "reconciliation",
    "pnl_daily",
    "strategy_pnl",
    "slippage",
    "risk_snapshot",
)
DASHBOARD_ASSET = "summary_dashboard"
"""At the end of the daily cycle too, but once for all sessions of a run."""
REPORT_ASSET = "monthly_report"
SENSOR_INTERVAL_SECONDS = 30
MATERIALIZED = dg.DagsterEventType.ASSET_MATERIALIZATION


def daily_job(graph: PortfolioGraph) -> AssetJob:
    """All daily assets of one portfolio for one session, or for a range of them in one run."""
    return dg.define_asset_job(
        f"{graph.settings.id}__daily_cycle",
        selection=dg.AssetSelection.assets(
            *(graph.key(name) for name in (*DAILY_ASSETS, DASHBOARD_ASSET))
        ),
        description=f"{graph.settings.name}: signals to reconciled books, one session.",
        tags={"portfolio": graph.settings.id},
    )


def report_job(graph: PortfolioGraph) -> AssetJob:
    """The monthly report of one portfolio."""
    return dg.define_asset_job(
        f"{graph.settings.id}__month_end",
        selection=dg.AssetSelection.assets(graph.key(REPORT_ASSET)),
        description=f"{graph.settings.name}: the PDF of one month.",
        tags={"portfolio": graph.settings.id},
    )


def monthly_signal(
    graph: PortfolioGraph, strategy: MomentumStrategy
) -> tuple[AssetJob, dg.ScheduleDefinition]:
    """Job and schedule of a built-in strategy's ranking: on the first session of each month.

    The schedule ticks every day and asks which months have begun and have no ranking yet, so those
    that began while the machine was off are ranked at the next start, in order, as one run.
    """
    settings, calendar = graph.settings, graph.calendar
    key, at = graph.key(signal_asset(strategy)), settings.schedule.monthly_signal
    # Not the asset's own name, which is its op's: both are in one repository.
    job = dg.define_asset_job(
        f"{settings.id}__rank_{strategy.id}",
        selection=dg.AssetSelection.assets(key),
        description=f"{settings.name}: the month's ranking of {strategy.id}.",
        tags={"portfolio": settings.id},
    )

    @dg.schedule(
        name=job.name,
        job=job,
        cron_schedule=f"{at.minute} {at.hour} * * *",
        execution_timezone="UTC",
        description=f"{at:%H:%M} UTC on the first session of each month.",
    )
    def first_sessions(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        moment = context.scheduled_execution_time.astimezone(dt.UTC)
        ranked = context.instance.get_materialized_partitions(key)
        due = [f"{month}-01" for month in months_begun(calendar, moment, at)]
        missing = [month for month in due if month not in ranked]
        if not missing:
            return dg.SkipReason("every month that has begun is ranked")
        first, last = missing[0], due[-1]
        return dg.RunRequest(
            run_key=f"{moment:%Y-%m-%d}",
            partition_key=first if first == last else None,
            tags={} if first == last else _range_tags(first, last),
        )

    return job, first_sessions


def months_begun(calendar: TradingCalendar, moment: dt.datetime, at: dt.time) -> list[str]:
    """The portfolio's months (YYYY-MM, ascending) whose first session's time of day `at` (UTC) is
    not after `moment` (UTC)."""
    firsts: dict[str, dt.date] = {}
    for session in calendar.between(calendar.first, moment.date()):
        firsts.setdefault(f"{session:%Y-%m}", session)
    return [
        month
        for month, session in firsts.items()
        if dt.datetime.combine(session, at, dt.UTC) <= moment
    ]


def daily_schedule(graph: PortfolioGraph, job: AssetJob, at: dt.time) -> dg.ScheduleDefinition:
    """Run the daily cycle at a time of day, UTC, on each session whose closes are final then.

    The schedule ticks every day, and a second time as much later as the source of prices waits for
    a close to be final, and asks which sessions are due and not closed in the book. Those
    that were missed while the machine was off are run at the next start, in order, as one run: when
    it starts, Dagster evaluates the latest tick that it missed. At a real broker it comes beside
    the ticks of the session itself, and what was missed is finished without sending anything.
    """
    settings = graph.settings
    wait = dt.timedelta(minutes=getattr(settings.prices, "wait_minutes", 0))
    later = dt.datetime.combine(dt.date.min, at) + wait
    ticks = [f"{each.minute} {each.hour} * * *" for each in (at, later)]

    @dg.schedule(
        name=f"{settings.id}__{'daily' if settings.mode.is_real else 'sessions'}",
        job=job,
        cron_schedule=ticks if wait else ticks[0],
        execution_timezone="UTC",
        description=f"{at:%H:%M} UTC on each trading session.",
    )
    def sessions(
        context: dg.ScheduleEvaluationContext, books: BookResource
    ) -> dg.RunRequest | dg.SkipReason:
        moment = context.scheduled_execution_time.astimezone(dt.UTC)
        due = sessions_due(graph.calendar, moment, at, wait)
        if not due:
            return dg.SkipReason("no session of the portfolio is over and its closes final")
        with books.reading(settings) as log:
            closed = closed_session_dates(log)
        missing = [session for session in due if session not in closed]
        if not missing:
            return dg.SkipReason(f"every session up to {due[-1]} is closed")
        first, last = missing[0], due[-1]
        return dg.RunRequest(
            run_key=f"{moment:%Y-%m-%d}-daily-{moment:%H%M}",
            partition_key=first.isoformat() if first == last else None,
            tags={"session_event": "daily"} | ({} if first == last else range_tags(first, last)),
        )

    return sessions


def sessions_due(
    calendar: TradingCalendar, moment: dt.datetime, at: dt.time, wait: dt.timedelta
) -> tuple[dt.date, ...]:
    """The portfolio's sessions, ascending, whose time of day `at` (UTC) and whose close and `wait`
    after it are not after `moment` (UTC)."""
    return tuple(
        session
        for session in calendar.between(calendar.first, moment.date())
        if dt.datetime.combine(session, at, dt.UTC) <= moment
        and calendar.closes_at(session) + wait <= moment
    )


def session_schedule(graph: PortfolioGraph, job: AssetJob) -> dg.ScheduleDefinition:
    """Run the daily cycle at each session's close, as the exchange's calendar has it.

    The schedule ticks at every clock time at which some session opens or closes and asks the
    calendar whether this is one today: half-days close when they close, holidays are skipped.
    Sessions that were missed before are run with it, in order, as one run. A simulated session
    trades at its close, so the open is passed over; real portfolios have `live_schedule`.
    """
    if graph.settings.schedule.daily is not None:
        return daily_schedule(graph, job, graph.settings.schedule.daily)
    calendar = graph.calendar
    crons = [f"{minute} {hour} * * 1-5" for hour, minute in calendar.clock_times]

    @dg.schedule(
        name=f"{graph.settings.id}__sessions",
        job=job,
        cron_schedule=crons,
        execution_timezone=str(calendar.time_zone),
        description="At the open and close of each trading session, half-days included.",
    )
    def sessions(
        context: dg.ScheduleEvaluationContext, books: BookResource
    ) -> dg.RunRequest | dg.SkipReason:
        moment = context.scheduled_execution_time.astimezone(dt.UTC)
        event = session_event(calendar, moment)
        if event is None:
            return dg.SkipReason(f"no session of {calendar.settings.calendar} opens or closes now")
        session, kind = event
        if kind == "open":
            return dg.SkipReason(f"{session} opens; a simulated session is run at its close")
        with books.reading(graph.settings) as log:
            closed = closed_session_dates(log)
        first = first_open(calendar, closed, session)
        return dg.RunRequest(
            run_key=f"{session}-{kind}",
            partition_key=session.isoformat() if first == session else None,
            tags={"session_event": kind} | ({} if first == session else range_tags(first, session)),
        )

    return sessions


def first_open(calendar: TradingCalendar, closed: set[dt.date], session: dt.date) -> dt.date:
    """The first of the portfolio's sessions up to `session` that is not closed; `session` itself
    where all before it are (or where it is closed too)."""
    due = calendar.between(calendar.first, session)
    return next((one for one in due if one not in closed), session)


def range_tags(first: dt.date, last: dt.date) -> dict[str, str]:
    """The tags by which one run covers the sessions from `first` to `last`."""
    return _range_tags(first.isoformat(), last.isoformat())


def _range_tags(first: str, last: str) -> dict[str, str]:
    return {
        "dagster/asset_partition_range_start": first,
        "dagster/asset_partition_range_end": last,
    }


def session_event(calendar: TradingCalendar, moment: dt.datetime) -> tuple[dt.date, str] | None:
    """The session that opens or closes at `moment` (aware, to the minute) and which of the two;
    None when the exchange does neither."""
    session = calendar.current(moment)
    if session is None:
        return None
    minute = moment.astimezone(dt.UTC).replace(second=0, microsecond=0)
    if minute == calendar.opens_at(session):
        return session, "open"
    return (session, "close") if minute == calendar.closes_at(session) else None


def report_sensor(graph: PortfolioGraph, job: AssetJob) -> dg.SensorDefinition:
    """Ask for a month's report once all of its sessions are closed and their P&L is there.

    The run key names the latest of the sessions' materialisations, so a month that was run again
    is reported anew, and one that was not is reported once. A report that is younger than all of
    them (made by hand or by the command line) is not asked for again.
    """
    pnl, report = graph.key("pnl_daily"), graph.key(REPORT_ASSET)

    @dg.sensor(
        name=f"{graph.settings.id}__month_closed",
        job=job,
        minimum_interval_seconds=SENSOR_INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Requests monthly_report when every session of the month is closed.",
    )
    def month_closed(
        context: dg.SensorEvaluationContext, books: BookResource
    ) -> dg.SensorResult | dg.SkipReason:
        with books.reading(graph.settings) as log:
            closed = {session.isoformat() for session in closed_session_dates(log)}
        latest = context.instance.get_latest_storage_id_by_partition(pnl, MATERIALIZED)
        reported = context.instance.get_latest_storage_id_by_partition(report, MATERIALIZED)
        requests = []
        for month in complete_months(graph.calendar, closed & latest.keys()):
            partition = f"{month}-01"
            revision = max(latest[day.isoformat()] for day in graph.calendar.month(month))
            if reported.get(partition, 0) < revision:
                requests.append(
                    dg.RunRequest(run_key=f"{month}-{revision}", partition_key=partition)
                )
        if not requests:
            return dg.SkipReason("no month without a report has all of its sessions closed")
        return dg.SensorResult(run_requests=requests)

    return month_closed


def complete_months(calendar: TradingCalendar, closed: Iterable[str]) -> list[str]:
    """Months (YYYY-MM, ascending) whose every session is among `closed` (YYYY-MM-DD).

    A month that the portfolio's range cuts off counts as complete with the sessions it has, a
    month that is still going on does not, since its later sessions are in the calendar too.
    """
    done = set(closed)
    months = sorted({key[:7] for key in done})
    return [
        month
        for month in months
        if all(session.isoformat() in done for session in calendar.month(month))
    ]


def halt_jobs(switch: Path) -> list[dg.JobDefinition]:
    """Buttons: `halt_trading` stops all submission at once, `resume_trading` lifts it."""

    @dg.op
    def set_halt_switch(context: dg.OpExecutionContext) -> None:
        halt(switch, f"run {context.run.run_id}")
        context.log.warning("Trading is halted: no order is sent for any portfolio.")

    @dg.op
    def lift_halt_switch(context: dg.OpExecutionContext) -> None:
        resume(switch)
        context.log.warning("Trading is resumed.")

    @dg.job(description="Stop sending orders, for every portfolio, at once.")
    def halt_trading() -> None:
        set_halt_switch()

    @dg.job(description="Allow orders again after halt_trading.")
    def resume_trading() -> None:
        lift_halt_switch()

    return [halt_trading, resume_trading]
