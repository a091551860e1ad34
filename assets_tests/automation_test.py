"""When the schedule runs a session and the sensor asks for a report; sessions as partitions.

Opening hours, half-days and holidays are written down here from the exchange's announcements.
"""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
import pytest

from trading_assets.assets.partitions import month_partitions, session_partitions
from trading_assets.assets.portfolio_graph import PortfolioGraph
from trading_assets.automation import (
    REPORT_ASSET,
    complete_months,
    daily_job,
    daily_schedule,
    monthly_signal,
    report_job,
    report_sensor,
    session_schedule,
)
from trading_assets.calendar import TradingCalendar
from trading_assets.event_log.store import open_event_log
from trading_assets.model.events import BrokerStatement, NewEvent, SessionClosed
from trading_assets.resources import BookResource
from trading_assets.settings import PortfolioSettings, SessionSettings

NEW_YORK = ZoneInfo("America/New_York")
PNL = dg.AssetKey(["alpha", "pnl_daily"])
REPORT = dg.AssetKey(["alpha", REPORT_ASSET])
FEBRUARY = [
    "2024-02-01", "2024-02-02", "2024-02-05", "2024-02-06", "2024-02-07", "2024-02-08",
    "2024-02-09", "2024-02-12", "2024-02-13", "2024-02-14", "2024-02-15", "2024-02-16",
    "2024-02-20", "2024-02-21", "2024-02-22", "2024-02-23", "2024-02-26", "2024-02-27",
    "2024-02-28", "2024-02-29",
]  # fmt: skip


def portfolio_graph(
    mode: str = "simulated",
    calendar: str = "XNYS",
    start: str = "2024-01-02",
    end: str | None = None,
) -> PortfolioGraph:
    """A portfolio that goes on, unless `end` is given."""
    return PortfolioGraph(
        PortfolioSettings.model_validate(
            {
                "id": "alpha",
                "name": "Alpha",
                "mode": mode,
                "initial_cash": 1000,
                "sessions": {"calendar": calendar, "start": start, "end": end},
                "prices": {"path": "prices.csv"},
                "signals": {"strategies": [{"id": "first", "path": "first.csv"}]},
                "combination": {"method": "select", "strategy": "first"},
                "report": {"title": "Alpha"},
            }
        )
    )


def at(moment: str, zone: ZoneInfo = NEW_YORK) -> dt.datetime:
    return dt.datetime.fromisoformat(moment).replace(tzinfo=zone)


@contextmanager
def book_closed(sessions: Iterable[dt.date]) -> Iterator[BookResource]:
    """A book in which `sessions` are closed, and nothing else is recorded."""
    with tempfile.TemporaryDirectory() as folder:
        log = open_event_log(Path(folder), "alpha")
        log.append([closing(session) for session in sessions])
        log.close()
        yield BookResource(folder=folder)


def closing(session: dt.date) -> NewEvent:
    nothing = Decimal(0)
    statement = BrokerStatement(account_number="1", positions={}, cash=nothing)
    closed = SessionClosed(
        cash_balances=None,
        fx_rates={},
        accruals=Decimal(0),
        marks={},
        cash=nothing,
        market_value=nothing,
        equity=nothing,
        statement=statement,
    )
    moment = dt.datetime.combine(session, dt.time(21), tzinfo=dt.UTC)
    return NewEvent(
        key=f"{session}/close", session=session, occurred_at=moment, source="test", event=closed
    )


def tick(
    graph: PortfolioGraph, moment: dt.datetime, missed: int = 0
) -> dg.RunRequest | dg.SkipReason:
    """What the schedule answers to one tick, the `missed` last sessions before it being open."""
    schedule = session_schedule(graph, daily_job(graph))
    earlier = [day for day in graph.calendar.sessions if day < moment.date()]
    with book_closed(earlier[: len(earlier) - missed]) as books:
        answer = schedule(
            dg.build_schedule_context(scheduled_execution_time=moment, resources={"books": books})
        )
    assert isinstance(answer, dg.RunRequest | dg.SkipReason)
    return answer


# Schedule


@pytest.mark.parametrize(
    ("moment", "session"),
    [
        ("2024-03-04T16:00", "2024-03-04"),  # winter: 21:00 UTC
        ("2024-03-11T16:00", "2024-03-11"),  # the first session in summer time: 20:00 UTC
        ("2024-11-04T16:00", "2024-11-04"),  # the first one back in winter time
        ("2024-11-29T13:00", "2024-11-29"),  # half-day after Thanksgiving
        ("2024-07-03T13:00", "2024-07-03"),  # half-day before Independence Day
    ],
)
def test_simulated_session_is_requested_at_its_close(moment: str, session: str) -> None:
    answer = tick(portfolio_graph(), at(moment))
    assert isinstance(answer, dg.RunRequest)
    assert answer.partition_key == session
    assert answer.run_key == f"{session}-close"
    assert answer.tags["session_event"] == "close"


@pytest.mark.parametrize(
    "moment",
    [
        "2024-11-29T16:00",  # the half-day closed three hours ago
        "2024-03-04T13:00",  # a full day goes on
        "2024-03-29T16:00",  # Good Friday
        "2025-01-09T16:00",  # closed once, for a state funeral
        "2024-03-02T16:00",  # Saturday
        "2024-01-01T16:00",  # before the portfolio, and a holiday
    ],
)
def test_nothing_is_requested_where_no_session_opens_or_closes(moment: str) -> None:
    answer = tick(portfolio_graph(), at(moment))
    assert isinstance(answer, dg.SkipReason)
    assert "opens or closes now" in str(answer.skip_message)


def test_nothing_is_requested_before_the_portfolio_starts_and_after_it_ends() -> None:
    graph = portfolio_graph(start="2024-03-05", end="2024-03-06")
    assert isinstance(tick(graph, at("2024-03-04T16:00")), dg.SkipReason)
    assert isinstance(tick(graph, at("2024-03-05T16:00")), dg.RunRequest)
    assert isinstance(tick(graph, at("2024-03-07T16:00")), dg.SkipReason)


def test_the_open_is_passed_over_for_a_simulated_session_trades_at_its_close() -> None:
    answer = tick(portfolio_graph(), at("2024-03-04T09:30"))
    assert isinstance(answer, dg.SkipReason)
    assert "run at its close" in str(answer.skip_message)


def test_sessions_that_were_missed_are_run_with_the_next_in_one_run() -> None:
    answer = tick(portfolio_graph(), at("2024-11-29T13:00"), missed=2)
    assert isinstance(answer, dg.RunRequest)
    assert answer.partition_key is None
    assert answer.tags["dagster/asset_partition_range_start"] == "2024-11-26"
    assert answer.tags["dagster/asset_partition_range_end"] == "2024-11-29"


def test_schedule_ticks_at_the_exchange_s_own_clock() -> None:
    graph = portfolio_graph()
    schedule = session_schedule(graph, daily_job(graph))
    assert schedule.execution_timezone == "America/New_York"
    assert schedule.cron_schedule == ["30 9 * * 1-5", "0 13 * * 1-5", "0 16 * * 1-5"]


def test_session_in_london_is_requested_at_its_own_close() -> None:
    graph = portfolio_graph(calendar="XLON")
    london = ZoneInfo("Europe/London")
    answer = tick(graph, at("2024-12-24T12:30", london))  # half-day on Christmas Eve
    assert isinstance(answer, dg.RunRequest)
    assert answer.partition_key == "2024-12-24"
    assert isinstance(tick(graph, at("2024-12-24T16:30", london)), dg.SkipReason)
    assert isinstance(tick(graph, at("2024-12-23T16:30", london)), dg.RunRequest)


# Sensor


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as opened:
        yield opened


def materialize(instance: dg.DagsterInstance, key: dg.AssetKey, *partitions: str) -> None:
    for partition in partitions:
        instance.report_runless_asset_event(dg.AssetMaterialization(key, partition=partition))


def requested(
    instance: dg.DagsterInstance, open_again: str | None = None
) -> list[tuple[str | None, str | None]]:
    """Partition and run key of each report that the sensor asks for; all sessions are closed in
    the book but `open_again` and later ones."""
    graph = portfolio_graph(start="2024-01-31", end="2024-03-28")
    sensor = report_sensor(graph, report_job(graph))
    sessions = [
        day for day in graph.calendar.sessions if not open_again or day.isoformat() < open_again
    ]
    with book_closed(sessions) as books:
        answer = sensor(dg.build_sensor_context(instance=instance, resources={"books": books}))
    if isinstance(answer, dg.SkipReason):
        return []
    assert isinstance(answer, dg.SensorResult)
    return [(request.partition_key, request.run_key) for request in answer.run_requests or ()]


def test_report_is_asked_for_when_the_last_session_of_its_month_is_there(
    instance: dg.DagsterInstance,
) -> None:
    assert requested(instance) == []
    materialize(instance, PNL, *FEBRUARY[:-1])
    assert requested(instance) == []
    materialize(instance, PNL, FEBRUARY[-1])
    assert [partition for partition, _key in requested(instance)] == ["2024-02-01"]


def test_sessions_may_come_in_any_order(instance: dg.DagsterInstance) -> None:
    materialize(instance, PNL, *FEBRUARY[5:])
    assert requested(instance) == []
    materialize(instance, PNL, *FEBRUARY[:5])
    assert [partition for partition, _key in requested(instance)] == ["2024-02-01"]


def test_report_is_asked_for_under_one_key_until_it_is_there_and_then_no_more(
    instance: dg.DagsterInstance,
) -> None:
    materialize(instance, PNL, *FEBRUARY)
    asked = requested(instance)
    assert requested(instance) == asked  # Dagster runs each key once
    materialize(instance, REPORT, "2024-02-01")
    assert requested(instance) == []


def test_month_with_a_session_run_again_is_asked_for_again_under_another_key(
    instance: dg.DagsterInstance,
) -> None:
    materialize(instance, PNL, *FEBRUARY)
    first = requested(instance)
    materialize(instance, REPORT, "2024-02-01")
    materialize(instance, PNL, FEBRUARY[3])
    second = requested(instance)
    assert [partition for partition, _key in second] == ["2024-02-01"]
    assert second != first


def test_month_that_was_restated_is_not_reported_until_it_is_closed_again(
    instance: dg.DagsterInstance,
) -> None:
    materialize(instance, PNL, *FEBRUARY)
    assert requested(instance, open_again=FEBRUARY[10]) == []


def test_each_of_two_complete_months_is_asked_for(instance: dg.DagsterInstance) -> None:
    materialize(instance, PNL, "2024-01-31", *FEBRUARY)
    partitions = [partition for partition, _key in requested(instance)]
    assert partitions == ["2024-01-01", "2024-02-01"]


# Months


def test_month_is_complete_with_all_of_its_sessions_only() -> None:
    calendar = portfolio_graph().calendar
    assert complete_months(calendar, FEBRUARY) == ["2024-02"]
    assert complete_months(calendar, FEBRUARY[1:]) == []
    assert complete_months(calendar, [*FEBRUARY, "2024-03-01"]) == ["2024-02"]
    assert complete_months(calendar, []) == []


def test_month_that_the_portfolio_s_range_cuts_off_is_complete_with_the_sessions_it_has() -> None:
    calendar = portfolio_graph(start="2024-02-27", end="2024-03-04").calendar
    closed = ["2024-02-27", "2024-02-28", "2024-02-29", "2024-03-01"]
    assert complete_months(calendar, closed) == ["2024-02"]
    assert complete_months(calendar, [*closed, "2024-03-04"]) == ["2024-02", "2024-03"]


# Partitions


def ended(start: str, end: str) -> TradingCalendar:
    return TradingCalendar(
        SessionSettings(start=dt.date.fromisoformat(start), end=dt.date.fromisoformat(end))
    )


def test_partitions_are_the_exchange_s_sessions_without_its_holidays() -> None:
    partitions = session_partitions(ended("2024-02-01", "2024-02-29"))
    assert partitions.get_partition_keys() == FEBRUARY  # 19 February is Presidents' Day


def test_partitions_leave_out_a_day_on_which_the_exchange_was_closed_once() -> None:
    partitions = session_partitions(ended("2025-01-07", "2025-01-13"))
    assert partitions.get_partition_keys() == [
        "2025-01-07",
        "2025-01-08",
        "2025-01-10",
        "2025-01-13",
    ]


def test_partitions_of_ten_years_are_the_calendar_s_sessions() -> None:
    calendar = ended("2015-01-02", "2024-12-31")
    keys = session_partitions(calendar).get_partition_keys()
    assert keys == [session.isoformat() for session in calendar.sessions]
    assert len(keys) == 2516  # 252 + 252 + 251 + 251 + 252 + 253 + 252 + 251 + 250 + 252


def test_session_is_a_partition_on_its_own_day_in_new_york_and_the_next_one_is_not() -> None:
    partitions = session_partitions(portfolio_graph().calendar)
    morning = at("2024-03-04T00:01")
    assert partitions.get_partition_keys(current_time=morning)[-1] == "2024-03-04"
    evening = at("2024-03-04T23:59")  # the fifth already in UTC
    assert partitions.get_partition_keys(current_time=evening)[-1] == "2024-03-04"


def test_months_run_from_the_first_to_the_last_session_s() -> None:
    partitions = month_partitions(ended("2023-11-15", "2024-02-29"))
    assert partitions.get_partition_keys() == [
        "2023-11-01",
        "2023-12-01",
        "2024-01-01",
        "2024-02-01",
    ]


def test_month_that_goes_on_is_a_partition_already() -> None:
    partitions = month_partitions(portfolio_graph().calendar)
    keys = partitions.get_partition_keys(current_time=at("2024-03-15T12:00"))
    assert keys == ["2024-01-01", "2024-02-01", "2024-03-01"]


# A daily time of its own, the month's signal, and what was missed


LONDON_DAILY = dt.time(16, 35)
FILE_PRICES = {"path": "prices.csv"}


def scheduled_graph(
    mode: str = "simulated",
    start: str = "2024-01-02",
    prices: Mapping[str, str] = FILE_PRICES,
) -> PortfolioGraph:
    """A portfolio in London, run at 16:35 UTC each session, ranked at 08:00 UTC each month."""
    return PortfolioGraph(
        PortfolioSettings.model_validate(
            {
                "id": "alpha",
                "name": "Alpha",
                "mode": mode,
                "currency": "USD",
                "initial_cash": 1000,
                "sessions": {"calendar": "XLON", "start": start},
                "schedule": {"daily": "16:35"},
                "prices": prices,
                "signals": {"strategies": [{"id": "mom", "kind": "momentum"}]},
                "combination": {"method": "select", "strategy": "mom"},
                "report": {"title": "Alpha"},
            }
        )
    )


def utc(moment: str) -> dt.datetime:
    return dt.datetime.fromisoformat(moment).replace(tzinfo=dt.UTC)


def daily_tick(moment: str, closed_through: str, **graph: Any) -> dg.RunRequest | dg.SkipReason:
    """What the daily schedule answers, the book being closed through a session."""
    portfolio = scheduled_graph(**graph)
    schedule = daily_schedule(portfolio, daily_job(portfolio), LONDON_DAILY)
    closed = [
        day for day in portfolio.calendar.sessions if day <= dt.date.fromisoformat(closed_through)
    ]
    with book_closed(closed) as books:
        answer = schedule(
            dg.build_schedule_context(
                scheduled_execution_time=utc(moment), resources={"books": books}
            )
        )
    assert isinstance(answer, dg.RunRequest | dg.SkipReason)
    return answer


def asked_for(answer: dg.RunRequest | dg.SkipReason) -> tuple[str, str]:
    """First and last partition of a request."""
    assert isinstance(answer, dg.RunRequest)
    if answer.partition_key is not None:
        return answer.partition_key, answer.partition_key
    return (
        answer.tags["dagster/asset_partition_range_start"],
        answer.tags["dagster/asset_partition_range_end"],
    )


@pytest.mark.parametrize("moment", ["2024-02-06T16:35", "2024-07-02T16:35"])
def test_the_daily_run_comes_at_its_own_time_in_winter_and_summer(moment: str) -> None:
    day = moment[:10]
    before = scheduled_graph().calendar.previous(dt.date.fromisoformat(day))
    assert asked_for(daily_tick(moment, str(before))) == (day, day)
    graph = scheduled_graph()
    schedule = session_schedule(graph, daily_job(graph))
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("35 16 * * *", "UTC")
    assert schedule.name == "alpha__sessions"


def test_a_session_is_run_when_its_closes_are_final_at_the_second_tick_in_winter() -> None:
    # Half an hour after London's close Yahoo's is final: 17:00 UTC in winter, 16:00 in summer.
    prices = {"kind": "yahoo"}
    portfolio = scheduled_graph(prices=prices)
    schedule = session_schedule(portfolio, daily_job(portfolio))
    assert schedule.cron_schedule == ["35 16 * * *", "5 17 * * *"]
    assert isinstance(daily_tick("2024-02-06T16:35", "2024-02-05", prices=prices), dg.SkipReason)
    for moment in ("2024-02-06T17:05", "2024-07-02T16:35"):
        day = moment[:10]
        before = str(portfolio.calendar.previous(dt.date.fromisoformat(day)))
        assert asked_for(daily_tick(moment, before, prices=prices)) == (day, day)
    # What was missed before is not kept waiting by the close of today.
    early = daily_tick("2024-02-06T16:35", "2024-02-02", prices=prices)
    assert asked_for(early) == ("2024-02-05", "2024-02-05")


def test_a_session_that_is_closed_and_a_day_without_one_are_passed_over() -> None:
    assert isinstance(daily_tick("2024-02-06T16:35", "2024-02-06"), dg.SkipReason)
    # Good Friday, and the Saturday after it.
    assert isinstance(daily_tick("2024-03-29T16:35", "2024-03-28"), dg.SkipReason)
    assert isinstance(daily_tick("2024-03-30T16:35", "2024-03-28"), dg.SkipReason)
    assert isinstance(daily_tick("2024-01-01T16:35", "2023-12-29"), dg.SkipReason)


@pytest.mark.parametrize("mode", ["simulated", "paper"])
@pytest.mark.parametrize(
    "start_at",
    [
        "2024-03-28T16:35",  # the machine is back for Thursday's tick
        "2024-03-31T16:35",  # it starts on Easter Monday: the latest missed tick is Sunday's
    ],
)
def test_sessions_missed_while_the_machine_was_off_are_run_at_the_next_start_in_order(
    mode: str, start_at: str
) -> None:
    # Closed through Monday; Tuesday to Thursday were missed, Friday and Monday are holidays.
    answer = daily_tick(start_at, "2024-03-25", mode=mode)
    assert asked_for(answer) == ("2024-03-26", "2024-03-28")


def test_a_failed_day_is_asked_for_again_at_the_next_tick_under_another_key() -> None:
    friday, saturday = (daily_tick(f"2024-02-{day}T16:35", "2024-02-08") for day in ("09", "10"))
    assert asked_for(friday) == asked_for(saturday) == ("2024-02-09", "2024-02-09")
    assert isinstance(friday, dg.RunRequest)
    assert isinstance(saturday, dg.RunRequest)
    assert friday.run_key != saturday.run_key


def signal_tick(moment: str, *ranked: str) -> dg.RunRequest | dg.SkipReason:
    """What the month's schedule answers, the signals of some months being there."""
    portfolio = scheduled_graph()
    (strategy,) = portfolio.settings.momentum
    _, schedule = monthly_signal(portfolio, strategy)
    with dg.instance_for_test() as instance:
        for month in ranked:
            instance.report_runless_asset_event(
                dg.AssetMaterialization(
                    dg.AssetKey(["alpha", "momentum_signal_mom"]), partition=f"{month}-01"
                )
            )
        answer = schedule(dg.build_schedule_context(instance, scheduled_execution_time=utc(moment)))
    assert isinstance(answer, dg.RunRequest | dg.SkipReason)
    return answer


def test_the_months_signal_comes_at_eight_on_its_first_session() -> None:
    # 2024-01-02 was London's first session of the year, 2024-06-03 (a Monday) that of June.
    assert asked_for(signal_tick("2024-01-02T08:00")) == ("2024-01-01", "2024-01-01")
    assert isinstance(signal_tick("2024-01-01T08:00"), dg.SkipReason)
    known = [f"2024-0{month}" for month in range(1, 6)]
    assert isinstance(signal_tick("2024-06-01T08:00", *known), dg.SkipReason)
    assert asked_for(signal_tick("2024-06-03T08:00", *known)) == ("2024-06-01", "2024-06-01")
    assert isinstance(signal_tick("2024-06-04T08:00", *known, "2024-06"), dg.SkipReason)


def test_months_whose_signal_was_missed_are_ranked_at_the_next_start_in_order() -> None:
    answer = signal_tick("2024-04-14T08:00", "2024-01")
    assert asked_for(answer) == ("2024-02-01", "2024-04-01")


def test_a_real_portfolio_has_the_daily_tick_beside_those_of_its_sessions() -> None:
    # Imported here, where the filters for Dagster's own warnings are in force.
    from trading_assets.portfolio_definitions import portfolio_definitions

    real, simulated = (
        portfolio_definitions(scheduled_graph(mode).settings) for mode in ("paper", "simulated")
    )
    names = {schedule.name for schedule in real.schedules or ()}
    assert names == {"alpha__sessions", "alpha__daily", "alpha__rank_mom"}
    names = {schedule.name for schedule in simulated.schedules or ()}
    assert names == {"alpha__sessions", "alpha__rank_mom"}
