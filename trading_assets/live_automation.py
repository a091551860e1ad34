"""The schedule of a portfolio at a real broker: a session is several runs of the same op.

| tick | what the run does |
|---|---|
| plan | signals, targets, prices and the plan, some minutes before the open |
| open | sends closings, and openings where the closings fill while it waits |
| poll | books fills, cancels what is late, sends openings, until the close |
| close | books the last fills and closes the session; again where its bars were not there yet |

No tick is needed by the next: each run does what the book says is still to be done. A session that
was not closed on its day is closed first, by a run of its own that sends nothing.
"""

import datetime as dt

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import (
    UnresolvedAssetJobDefinition as AssetJob,
)

from trading_assets.assets.portfolio_graph import PortfolioGraph
from trading_assets.automation import DAILY_ASSETS, range_tags
from trading_assets.calendar import TradingCalendar
from trading_assets.event_log.store import EventLog
from trading_assets.execution.book import closed_session_dates
from trading_assets.model.policies import ExecutionPolicy
from trading_assets.resources import BookResource

BEFORE_THE_PLAN = ("strategy_signals", "consolidated_targets", "prices")
AFTER_THE_CLOSE = dt.timedelta(hours=2)
"""How long after its close a session is asked to be closed again and again on the same day."""


def live_schedule(graph: PortfolioGraph, job: AssetJob) -> dg.ScheduleDefinition:
    """Ask for the runs of each session of a real portfolio; see the module's table.

    Until a session is planned a run makes all of its assets, then only those from the plan on.
    """
    calendar, policy = graph.calendar, graph.settings.execution
    from_the_plan_on = [graph.key(name) for name in DAILY_ASSETS if name not in BEFORE_THE_PLAN]

    @dg.schedule(
        name=f"{graph.settings.id}__sessions",
        job=job,
        cron_schedule=crons(calendar, policy),
        execution_timezone=str(calendar.time_zone),
        description="Before the open, at it, during the session and after its close.",
    )
    def sessions(
        context: dg.ScheduleEvaluationContext, books: BookResource
    ) -> dg.RunRequest | dg.SkipReason:
        moment = context.scheduled_execution_time.astimezone(dt.UTC)
        event = live_event(calendar, policy, moment)
        if event is None:
            return dg.SkipReason("nothing is due of any session now")
        session, kind = event
        with books.reading(graph.settings) as log:
            closed = closed_session_dates(log)
            is_planned = _is_planned(log, session)
            begun = next((record.session for record in log.records(up_to=1)), session)
        if session in closed:
            return dg.SkipReason(f"{session} is closed")
        run_key = f"{session}-{kind}-{moment:%H%M}"
        # An account is taken over in the first session that is run, not in the calendar's.
        due = calendar.between(begun, session)
        first = next((one for one in due if one not in closed), session)
        if first < session:
            last = calendar.previous(session)
            assert last is not None
            return dg.RunRequest(
                run_key=f"{run_key}-from-{first}", tags=range_tags(first, last) | _tags("catch_up")
            )
        return dg.RunRequest(
            run_key=run_key,
            partition_key=session.isoformat(),
            asset_selection=from_the_plan_on if is_planned else None,
            tags=_tags(kind),
        )

    return sessions


def live_event(
    calendar: TradingCalendar, policy: ExecutionPolicy, moment: dt.datetime
) -> tuple[dt.date, str] | None:
    """The session of which something is due at `moment` (aware, to the minute), and which tick it
    is; None where nothing is."""
    session = calendar.current(moment)
    if session is None:
        return None
    now = moment.astimezone(dt.UTC).replace(second=0, microsecond=0)
    opens_at, closes_at = calendar.opens_at(session), calendar.closes_at(session)
    step = dt.timedelta(minutes=policy.poll_minutes)
    ends_at = closes_at + dt.timedelta(minutes=policy.close_minutes_after)
    if now == opens_at - dt.timedelta(minutes=policy.plan_minutes_before_open):
        return session, "plan"
    if now == opens_at:
        return session, "open"
    if opens_at < now < closes_at and not (now - opens_at) % step:
        return session, "poll"
    if ends_at <= now <= closes_at + AFTER_THE_CLOSE and not (now - ends_at) % step:
        return session, "close"
    return None


def crons(calendar: TradingCalendar, policy: ExecutionPolicy) -> list[str]:
    """Cron lines, in the exchange's time, for every minute of a weekday at which something may be
    due; which it is, `live_event` asks the calendar."""
    due: dict[int, set[int]] = {}
    for session in _days_with_distinct_hours(calendar):
        day = calendar.opens_at(session).astimezone(calendar.time_zone)
        minute = day.replace(hour=0, minute=0)
        while minute.date() == day.date():
            if live_event(calendar, policy, minute) is not None:
                due.setdefault(minute.hour, set()).add(minute.minute)
            minute += dt.timedelta(minutes=1)
    return [
        f"{','.join(str(minute) for minute in sorted(minutes))} {hour} * * 1-5"
        for hour, minutes in sorted(due.items())
    ]


def _days_with_distinct_hours(calendar: TradingCalendar) -> list[dt.date]:
    """One session for each pair of opening and closing time at the exchange."""
    found: dict[tuple[dt.time, dt.time], dt.date] = {}
    zone = calendar.time_zone
    for session in calendar.sessions:
        hours = (
            calendar.opens_at(session).astimezone(zone).time(),
            calendar.closes_at(session).astimezone(zone).time(),
        )
        found.setdefault(hours, session)
    return list(found.values())


def _is_planned(log: EventLog, session: dt.date) -> bool:
    return any(place.session == session for place in log.places("session_planned"))


def _tags(kind: str) -> dict[str, str]:
    return {"session_event": kind}
