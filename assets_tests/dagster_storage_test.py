"""Dagster's event storage: batches whole, events readable, other writers beside it, live views."""

import multiprocessing
import os
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa
from dagster import EventLogEntry

from trading_assets.dagster_storage import BatchingEventLogStorage

PROJECT = Path(__file__).parents[1]
RUN = "00000000-0000-4000-8000-000000000001"
WATCH_SECONDS = 20.0
PROCESS_SECONDS = 60.0
WRITERS = 3
BATCHES_EACH = 15
BATCH = 8
KILLED = 9
DATABASE = "event_log.db"


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[BatchingEventLogStorage]:
    opened = BatchingEventLogStorage(str(tmp_path))
    yield opened
    opened.dispose()


def event(message: str, run_id: str = RUN) -> EventLogEntry:
    return EventLogEntry(  # type: ignore[no-untyped-call]
        error_info=None, level=10, user_message=message, run_id=run_id, timestamp=1_700_000_000.0
    )


def messages(folder: Path, run_id: str = RUN) -> list[str]:
    """A run's messages as another process would read them."""
    reader = BatchingEventLogStorage(str(folder))
    try:
        return [entry.user_message for entry in reader.get_logs_for_run(run_id)]
    finally:
        reader.dispose()


def write_batches(folder: Path, writer: int) -> None:
    """One writing process: its batches, each under the run of the writer."""
    storage = BatchingEventLogStorage(str(folder))
    for batch in range(BATCHES_EACH):
        storage.store_event_batch(
            [event(f"{writer}/{batch}/{place}", f"run-{writer}") for place in range(BATCH)]
        )


class DiesWithinABatch(BatchingEventLogStorage):
    """Its process is gone after half of a batch."""

    stored = 0

    def store_event(self, event: EventLogEntry) -> None:
        if self.stored == BATCH // 2:
            os._exit(KILLED)
        super().store_event(event)
        self.stored += 1


def write_and_die(folder: Path) -> None:
    storage = DiesWithinABatch(str(folder))
    storage.store_event_batch([event(str(place)) for place in range(BATCH)])


def test_batch_with_an_event_that_is_refused_stores_none_of_its_events(
    storage: BatchingEventLogStorage, tmp_path: Path
) -> None:
    storage.store_event_batch([event("before")])
    with sqlite3.connect(tmp_path / DATABASE) as database:
        database.execute(
            "CREATE TRIGGER refuse BEFORE INSERT ON event_logs WHEN NEW.event LIKE '%too much%' "
            "BEGIN SELECT RAISE(ABORT, 'refused'); END"
        )
    database.close()
    with pytest.raises(sa.exc.IntegrityError, match="refused"):
        storage.store_event_batch([event("first"), event("second"), event("too much")])
    assert messages(tmp_path) == ["before"]
    storage.store_event_batch([event("after"), event("all")])
    assert messages(tmp_path) == ["before", "after", "all"]


def test_process_killed_within_a_batch_leaves_none_of_its_events(tmp_path: Path) -> None:
    BatchingEventLogStorage(str(tmp_path)).store_event_batch([event("before")])
    process = multiprocessing.get_context("spawn").Process(target=write_and_die, args=(tmp_path,))
    process.start()
    process.join(PROCESS_SECONDS)
    assert process.exitcode == KILLED
    assert messages(tmp_path) == ["before"]


def test_processes_writing_at_once_lose_nothing_and_keep_batches_together(tmp_path: Path) -> None:
    BatchingEventLogStorage(str(tmp_path)).dispose()
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=write_batches, args=(tmp_path, n)) for n in range(WRITERS)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(PROCESS_SECONDS)
    assert [writer.exitcode for writer in writers] == [0] * WRITERS
    with sqlite3.connect(tmp_path / DATABASE) as database:
        rows = database.execute("SELECT id, run_id FROM event_logs ORDER BY id").fetchall()
    database.close()
    assert len(rows) == WRITERS * BATCHES_EACH * BATCH
    for start in range(0, len(rows), BATCH):
        assert len({run for _id, run in rows[start : start + BATCH]}) == 1
    for number in range(WRITERS):
        expected = [f"{number}/{b}/{place}" for b in range(BATCHES_EACH) for place in range(BATCH)]
        assert messages(tmp_path, f"run-{number}") == expected


def test_open_reader_sees_what_another_connection_stored_later(
    storage: BatchingEventLogStorage, tmp_path: Path
) -> None:
    assert list(storage.get_logs_for_run(RUN)) == []
    writer = BatchingEventLogStorage(str(tmp_path))
    writer.store_event_batch([event("first"), event("second")])
    writer.dispose()
    assert [e.user_message for e in storage.get_logs_for_run(RUN)] == ["first", "second"]


def test_whoever_watches_a_run_is_told_of_events_that_another_connection_stores(
    storage: BatchingEventLogStorage, tmp_path: Path
) -> None:
    told: list[str] = []
    complete = threading.Event()

    def tell(entry: EventLogEntry, _cursor: str) -> None:
        told.append(entry.user_message)
        if len(told) == 3:
            complete.set()

    storage.watch(RUN, None, tell)
    # Kept open: a connection that closes writes the database file itself, which hides the defect.
    writer = BatchingEventLogStorage(str(tmp_path))
    writer.store_event_batch([event("first"), event("second")])
    writer.store_event(event("third"))
    assert complete.wait(WATCH_SECONDS)
    assert told == ["first", "second", "third"]
    storage.end_watch(RUN, tell)
    writer.dispose()


def test_events_of_a_range_run_are_read_through_the_instance_by_partition(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRADING_ASSETS_DAGSTER", str(tmp_path))
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", "1000")
    key = dg.AssetKey(["alpha", "positions"])

    @dg.asset(
        key=key,
        partitions_def=dg.DailyPartitionsDefinition("2024-03-04", end_date="2024-03-08"),
        backfill_policy=dg.BackfillPolicy.single_run(),
        check_specs=[dg.AssetCheckSpec("balanced", asset=key)],
    )
    def positions(context: dg.AssetExecutionContext) -> Iterator[object]:
        for partition in context.partition_keys:
            yield dg.AssetCheckEvaluation(
                asset_key=key,
                check_name="balanced",
                passed=partition != "2024-03-06",
                partition=partition,
                metadata={},
            )
        yield dg.MaterializeResult(metadata={"rows": 7})
        yield dg.AssetCheckResult(passed=False, check_name="balanced")

    with dg.DagsterInstance.from_config(str(PROJECT)) as instance:
        assert isinstance(instance.event_log_storage, BatchingEventLogStorage)
        result = dg.materialize(
            [positions],
            instance=instance,
            tags={
                "dagster/asset_partition_range_start": "2024-03-04",
                "dagster/asset_partition_range_end": "2024-03-07",
            },
        )
    with dg.DagsterInstance.from_config(str(PROJECT)) as instance:
        days = {"2024-03-04", "2024-03-05", "2024-03-06", "2024-03-07"}
        assert instance.get_materialized_partitions(key) == days
        latest = instance.get_latest_materialization_event(key)
        assert latest is not None
        assert latest.asset_materialization is not None
        assert latest.asset_materialization.metadata["rows"].value == 7
        checks = instance.event_log_storage.get_asset_check_execution_history(
            dg.AssetCheckKey(key, "balanced"), limit=10
        )
        passed = {record.partition: record.status.value for record in checks if record.partition}
        assert passed == dict.fromkeys(days, "SUCCEEDED") | {"2024-03-06": "FAILED"}
        kinds = [e.dagster_event_type for e in instance.all_logs(result.run_id)]
        assert kinds[-1] is dg.DagsterEventType.RUN_SUCCESS
