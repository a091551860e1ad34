"""Several processes at one book: the second waits or fails cleanly, and they never interleave."""

from __future__ import annotations

import datetime as dt
import multiprocessing
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
import sqlalchemy as sa

from assets_tests.event_log.facts import MONDAY, OPEN, TUESDAY, deposit, restatement
from trading_assets.errors import BookConflictError, BookLockedError, BookStaleError
from trading_assets.event_log.database import BookDatabase, PostgresDatabase, SQLiteDatabase
from trading_assets.event_log.store import EventLog, open_event_log
from trading_assets.model.events import EventRecord

BATCHES, BATCH = 40, 3


def _append_many(folder: Path, url: sa.URL | None, writer: str) -> None:
    log = open_event_log(folder, "alpha", url=url)
    for number in range(BATCHES):
        log.append(
            [deposit(f"{writer}-{number}-{part}", reference=writer) for part in range(BATCH)]
        )
    log.close()


def test_two_processes_writing_at_once_never_interleave(
    tmp_path: Path, book_url: sa.URL | None
) -> None:
    spawn = multiprocessing.get_context("spawn")
    # Neither finds a table: both may be the one that makes it.
    arguments = [(tmp_path, book_url, name) for name in "xy"]
    writers = [spawn.Process(target=_append_many, args=each) for each in arguments]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0]
    log = open_event_log(tmp_path, "alpha", url=book_url)
    assert log.verify() == 2 * BATCHES * BATCH
    records = list(log.records())
    assert len({record.event_id for record in records}) == 2 * BATCHES * BATCH
    # Every append is in the chain in one piece.
    for start in range(0, len(records), BATCH):
        references = {r.event.reference for r in records[start : start + BATCH]}  # type: ignore[union-attr]
        assert len(references) == 1
    log.close()


def database_of(folder: Path, url: sa.URL | None, lock_timeout_seconds: float) -> BookDatabase:
    if url is None:
        return SQLiteDatabase(folder / "alpha.sqlite", lock_timeout_seconds)
    return PostgresDatabase(url, lock_timeout_seconds)


def test_a_second_writer_waits_for_the_first(tmp_path: Path, book_url: sa.URL | None) -> None:
    first = open_event_log(tmp_path, "alpha", url=book_url)
    second = EventLog(database_of(tmp_path, book_url, 20), "alpha")
    holding, appended = threading.Event(), list[float]()

    def slow(_records: Sequence[EventRecord]) -> None:
        holding.set()
        time.sleep(0.5)

    def write() -> None:
        holding.wait()
        # A connection belongs to its thread: the second writer opens its own.
        late = EventLog(database_of(tmp_path, book_url, 20), "alpha")
        late.append([deposit("second")])
        appended.append(time.monotonic())
        late.close()

    waiting = threading.Thread(target=write)
    waiting.start()
    first.append([deposit("first")], before_commit=slow)
    done = time.monotonic()
    waiting.join()
    assert appended[0] >= done - 0.1
    assert [r.event_id for r in second.records()] == [r.event_id for r in first.records()]
    assert first.verify() == 2
    first.close()
    second.close()


def test_a_second_writer_that_waits_too_long_fails_and_has_written_nothing(
    tmp_path: Path, book_url: sa.URL | None
) -> None:
    first = open_event_log(tmp_path, "alpha", url=book_url)
    second = EventLog(database_of(tmp_path, book_url, 0.2), "alpha")

    def meanwhile(_records: Sequence[EventRecord]) -> None:
        with pytest.raises(BookLockedError, match=r"alpha: another process has been writing"):
            second.append([deposit("second")])

    first.append([deposit("first")], before_commit=meanwhile)
    assert first.head().sequence == 1
    assert len(second.append([deposit("second")])) == 1
    assert second.verify() == 2
    first.close()
    second.close()


def test_writers_of_different_books_on_one_server_do_not_wait_for_each_other(
    tmp_path: Path, postgres_url: sa.URL
) -> None:
    alpha = open_event_log(tmp_path, "alpha", url=postgres_url)
    beta = EventLog(PostgresDatabase(postgres_url, 0.2), "beta")

    def meanwhile(_records: Sequence[EventRecord]) -> None:
        beta.append([deposit("b")])

    alpha.append([deposit("a")], before_commit=meanwhile)
    assert (alpha.verify(), beta.verify()) == (1, 1)
    alpha.close()
    beta.close()


def test_a_log_that_another_process_extended_goes_on_after_it(
    tmp_path: Path, book_url: sa.URL | None
) -> None:
    mine = open_event_log(tmp_path, "alpha", url=book_url)
    other = open_event_log(tmp_path, "alpha", url=book_url)
    other.append([deposit("theirs")])
    assert [r.sequence for r in mine.append([deposit("mine"), deposit("theirs")])] == [2]
    with pytest.raises(BookConflictError):
        other.append([deposit("mine", "999")])
    assert mine.verify() == 2
    mine.close()
    other.close()


def test_a_log_learns_of_another_processs_restatement_before_it_names_its_own_facts(
    tmp_path: Path, book_url: sa.URL | None
) -> None:
    mine = open_event_log(tmp_path, "alpha", url=book_url)
    mine.append([deposit("a", session=TUESDAY)])
    other = open_event_log(tmp_path, "alpha", url=book_url)
    other.append([restatement(1, MONDAY)])
    # The same key is a new fact of the new revision, not the superseded one again.
    assert len(mine.append([deposit("a", session=TUESDAY)])) == 1
    assert mine.revision == 1
    mine.close()
    other.close()


def test_who_expects_the_book_as_it_was_read_is_refused_once_it_has_moved(
    tmp_path: Path, book_url: sa.URL | None
) -> None:
    mine = open_event_log(tmp_path, "alpha", url=book_url)
    other = open_event_log(tmp_path, "alpha", url=book_url)
    other.append([deposit("theirs")])
    with pytest.raises(BookStaleError, match="written the book up to record 1 since this one read"):
        mine.append([deposit("mine")], expected_sequence=0)
    assert mine.head().sequence == 1
    assert len(mine.append([deposit("mine")], expected_sequence=1)) == 1
    mine.close()
    other.close()


def test_a_reader_sees_whole_appends_only(tmp_path: Path, book_url: sa.URL | None) -> None:
    log = open_event_log(tmp_path, "alpha", url=book_url)
    reader = open_event_log(tmp_path, "alpha", url=book_url)
    seen: list[int] = []
    log.append(
        [deposit("a"), deposit("b")],
        before_commit=lambda _records: seen.append(reader.head().sequence),
    )
    assert (seen, reader.head().sequence) == ([0], 2)
    log.close()
    reader.close()


def test_recorded_at_of_a_machine_whose_clock_is_behind_follows_the_chain(
    tmp_path: Path, book_url: sa.URL | None
) -> None:
    ahead = open_event_log(tmp_path, "alpha", clock=lambda: OPEN, url=book_url)
    behind = open_event_log(
        tmp_path, "alpha", clock=lambda: OPEN - dt.timedelta(minutes=5), url=book_url
    )
    ahead.append([deposit("a")])
    behind.append([deposit("b")])
    assert [record.recorded_at for record in behind.records()] == [OPEN, OPEN]
    ahead.close()
    behind.close()
