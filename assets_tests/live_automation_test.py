"""When a real portfolio's runs are asked for; the hours are the exchange's announced ones."""

from __future__ import annotations

import datetime as dt

import dagster as dg
import pytest

from assets_tests.automation_test import at, book_closed, portfolio_graph
from trading_assets.automation import daily_job
from trading_assets.live_automation import crons, live_event, live_schedule

PAPER = portfolio_graph("paper")
DAY = dt.date(2024, 3, 4)


def tick(moment: str, missed: int = 0) -> dg.RunRequest | dg.SkipReason:
    """What the schedule answers, the `missed` last sessions before its day being open."""
    schedule = live_schedule(PAPER, daily_job(PAPER))
    earlier = [day for day in PAPER.calendar.sessions if day < at(moment).date()]
    with book_closed(earlier[: len(earlier) - missed]) as books:
        answer = schedule(
            dg.build_schedule_context(
                scheduled_execution_time=at(moment), resources={"books": books}
            )
        )
    assert isinstance(answer, dg.RunRequest | dg.SkipReason)
    return answer


@pytest.mark.parametrize(
    ("moment", "kind"),
    [
        ("2024-03-04T09:00", "plan"),
        ("2024-03-04T09:30", "open"),
        ("2024-03-04T09:40", "poll"),
        ("2024-03-04T15:50", "poll"),
        ("2024-03-04T16:20", "close"),
        ("2024-03-04T16:30", "close"),  # again, should the closes not have been there
        ("2024-11-29T13:20", "close"),  # the half-day after Thanksgiving closes at 13:00
        ("2024-03-11T09:30", "open"),  # the first session in summer time
        ("2024-03-04T09:35", None),
        ("2024-03-04T16:00", None),
        ("2024-11-29T15:50", None),
        ("2024-03-04T18:10", None),
        ("2024-03-29T09:30", None),  # Good Friday
        ("2024-03-02T09:30", None),  # Saturday
    ],
)
def test_each_tick_is_of_the_session_that_the_calendar_has(moment: str, kind: str | None) -> None:
    found = live_event(PAPER.calendar, PAPER.settings.execution, at(moment))
    assert found == (None if kind is None else (at(moment).date(), kind))


def test_the_cron_lines_cover_full_and_half_days_and_the_night_is_quiet() -> None:
    lines = crons(PAPER.calendar, PAPER.settings.execution)
    assert lines[0] == "0,30,40,50 9 * * 1-5"
    assert lines[1] == "0,10,20,30,40,50 10 * * 1-5"
    assert [line.split()[1] for line in lines] == [str(hour) for hour in range(9, 19)]


def test_a_run_before_the_plan_makes_everything_and_each_tick_is_a_run_of_its_own() -> None:
    plan, send = tick("2024-03-04T09:00"), tick("2024-03-04T09:30")
    assert isinstance(plan, dg.RunRequest)
    assert isinstance(send, dg.RunRequest)
    assert plan.partition_key == send.partition_key == "2024-03-04"
    assert plan.asset_selection is None
    assert plan.run_key != send.run_key


def test_sessions_that_were_not_closed_are_closed_first_without_the_one_of_today() -> None:
    answer = tick("2024-03-06T09:30", missed=2)
    assert isinstance(answer, dg.RunRequest)
    assert answer.tags["dagster/asset_partition_range_start"] == "2024-03-04"
    assert answer.tags["dagster/asset_partition_range_end"] == "2024-03-05"


def test_a_closed_session_is_not_asked_for_again() -> None:
    schedule = live_schedule(PAPER, daily_job(PAPER))
    sessions = [day for day in PAPER.calendar.sessions if day <= DAY]
    with book_closed(sessions) as books:
        answer = schedule(
            dg.build_schedule_context(
                scheduled_execution_time=at("2024-03-04T16:30"), resources={"books": books}
            )
        )
    assert isinstance(answer, dg.SkipReason)
    assert "2024-03-04 is closed" in str(answer.skip_message)
