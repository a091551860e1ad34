"""What Dagster's own scheduler asks for when it starts again, by a fixed clock."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.test_utils import (
    create_test_daemon_workspace_context,
    freeze_time,
    instance_for_test,
)
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import ModuleTarget
from dagster._scheduler.scheduler import ScheduleIterationTimes, launch_scheduled_runs

from assets_tests.assets.graph_home import GraphHome

PORTFOLIO = "alpha"
LAUNCHER = {"module": "dagster._core.test_utils", "class": "MockedRunLauncher"}


def utc(moment: str) -> dt.datetime:
    return dt.datetime.fromisoformat(moment).replace(tzinfo=dt.UTC)


class LoadedSchedules:
    """The code location of a small portfolio as the daemon loads it, run at 21:30 UTC each day."""

    def __init__(self, instance: dg.DagsterInstance, context: WorkspaceProcessContext) -> None:
        self._instance, self._context = instance, context
        self._times: dict[str, ScheduleIterationTimes] = {}

    def turn_on(self, name: str, moment: dt.datetime) -> None:
        with freeze_time(moment):
            request = self._context.create_request_context()
            location = request.get_code_location("trading_assets.definitions")
            (repository,) = location.get_repositories().values()
            self._instance.start_schedule(repository.get_schedule(name))

    def tick(self, moment: dt.datetime) -> None:
        """One look of the daemon at the clock."""
        with freeze_time(moment):
            for error in launch_scheduled_runs(
                self._context,
                logging.getLogger("scheduler"),
                moment,
                self._times,
            ):
                assert error is None

    def asked_for(self) -> list[tuple[str, str]]:
        """First and last session of each run over a range that was launched, oldest first."""
        return [
            (
                run.tags["dagster/asset_partition_range_start"],
                run.tags["dagster/asset_partition_range_end"],
            )
            for run in reversed(self._instance.get_runs())
        ]


@pytest.fixture
def schedules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoadedSchedules]:
    home = GraphHome(tmp_path, schedule={"daily": "21:30"})
    monkeypatch.setenv("TRADING_ASSETS_DATA", str(home.places.data))
    monkeypatch.setenv("TRADING_ASSETS_STATE", str(home.places.state))
    with (
        instance_for_test({"run_launcher": LAUNCHER}) as instance,
        create_test_daemon_workspace_context(
            ModuleTarget("trading_assets.definitions", None, str(tmp_path), None), instance
        ) as context,
    ):
        yield LoadedSchedules(instance, context)


def test_sessions_missed_while_the_machine_was_off_are_one_run_in_order_at_the_next_start(
    schedules: LoadedSchedules,
) -> None:
    # Turned on before the first session, Tuesday 2 January 2024, and off from then on.
    schedules.turn_on(f"{PORTFOLIO}__sessions", utc("2024-01-02T12:00"))
    schedules.tick(utc("2024-01-02T12:01"))
    assert schedules.asked_for() == []
    # On again on Sunday: of five missed ticks the daemon evaluates the last, Saturday's.
    schedules.tick(utc("2024-01-07T09:00"))
    assert schedules.asked_for() == [("2024-01-02", "2024-01-05")]
