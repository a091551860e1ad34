"""The book survives what happens to files, and holds each fact once."""

from __future__ import annotations

import datetime as dt
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from assets_tests.event_log.facts import OPEN, TUESDAY, deposit, restatement
from trading_assets.errors import BookConflictError, BookCorruptError, BookLockedError
from trading_assets.event_log.chain import GENESIS
from trading_assets.event_log.checkpoints import Checkpoints
from trading_assets.event_log.database import SQLiteDatabase
from trading_assets.event_log.store import EventLog, open_event_log
from trading_assets.model.cash_events import CashFlow


@pytest.fixture
def log(tmp_path: Path, book_url: sa.URL | None) -> Iterator[EventLog]:
    log = open_event_log(tmp_path, "alpha", url=book_url)
    yield log
    log.close()


def test_records_come_back_in_order_with_their_exact_amounts(log: EventLog) -> None:
    log.append([deposit("a", "0.1"), deposit("b", "12345678901234567890.123456789")])
    log.append([deposit("c", "0.10")])
    events = [record.event for record in log.records()]
    assert [str(e.amount) for e in events if isinstance(e, CashFlow)] == [
        "0.1",
        "12345678901234567890.123456789",
        "0.10",
    ]
    assert [record.sequence for record in log.records()] == [1, 2, 3]


def test_a_fact_recorded_twice_is_held_once(log: EventLog) -> None:
    assert len(log.append([deposit("a"), deposit("b")])) == 2
    assert log.append([deposit("a"), deposit("b")]) == []
    assert len(log.append([deposit("b"), deposit("c")])) == 1
    assert log.head()[0] == 3


def test_the_same_key_with_other_content_is_refused_and_nothing_of_its_batch_is_written(
    log: EventLog,
) -> None:
    log.append([deposit("a", "100")])
    with pytest.raises(BookConflictError, match=r"recorded with other content.*100.*now.*250"):
        log.append([deposit("new"), deposit("a", "250")])
    assert log.head()[0] == 1


def test_a_restatement_opens_a_new_revision_in_which_keys_count_anew(log: EventLog) -> None:
    log.append([deposit("a", "100")])
    log.append([restatement(1)])
    assert log.revision == 1
    assert len(log.append([deposit("a", "250")])) == 1
    assert log.head()[0] == 3


def test_the_revision_is_known_after_opening_again(tmp_path: Path, book_url: sa.URL | None) -> None:
    first = open_event_log(tmp_path, "alpha", url=book_url)
    first.append([restatement(1)])
    first.close()
    again = open_event_log(tmp_path, "alpha", url=book_url)
    assert again.revision == 1
    again.close()


def test_a_clock_that_is_set_back_does_not_turn_the_order_of_knowledge(tmp_path: Path) -> None:
    times = iter([OPEN, OPEN - dt.timedelta(hours=1), OPEN + dt.timedelta(hours=1)])
    log = open_event_log(tmp_path, "alpha", clock=lambda: next(times))
    for key in "abc":
        log.append([deposit(key)])
    assert [r.recorded_at for r in log.records()] == [OPEN, OPEN, OPEN + dt.timedelta(hours=1)]


def test_what_was_known_at_a_moment_ends_before_what_was_recorded_later(log: EventLog) -> None:
    assert log.head_known_at(OPEN) == 0
    log.append([deposit("a")])
    (second,) = log.append([deposit("b")])
    assert log.head_known_at(second.recorded_at) == 2
    assert log.head_known_at(second.recorded_at - dt.timedelta(microseconds=1)) == 1
    assert log.head_known_at(OPEN) == 0


def test_each_record_carries_the_hash_of_the_one_before(log: EventLog) -> None:
    log.append([deposit("a"), deposit("b"), deposit("c")])
    records = list(log.records())
    assert [r.previous_hash for r in records] == [GENESIS, records[0].hash, records[1].hash]
    assert log.verify() == 3
    assert log.head() == (3, records[2].hash)


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("UPDATE events SET payload = replace(payload, '100', '999') WHERE sequence = 2", "2 .*ha"),
        ("UPDATE events SET session = '2024-03-05' WHERE sequence = 1", "record 1 .*its hash"),
        ("DELETE FROM events WHERE sequence = 2", "record 2 is missing, 3 follows"),
        ("UPDATE events SET recorded_at = '2020-01-01' WHERE sequence = 3", "record 3 .*hash"),
    ],
)
def test_any_change_behind_the_books_back_is_found(
    tmp_path: Path, statement: str, message: str
) -> None:
    log = open_event_log(tmp_path, "alpha")
    log.append([deposit("a"), deposit("b"), deposit("c")])
    log.close()
    with sqlite3.connect(tmp_path / "alpha.sqlite") as database:
        database.execute(statement)
    with pytest.raises(BookCorruptError, match=message):
        open_event_log(tmp_path, "alpha").verify()


def test_a_record_that_cannot_be_decoded_names_its_place(tmp_path: Path) -> None:
    log = open_event_log(tmp_path, "alpha")
    log.append([deposit("a")])
    log.close()
    with sqlite3.connect(tmp_path / "alpha.sqlite") as database:
        database.execute('UPDATE events SET payload = \'{"type": "unheard_of"}\'')
    with pytest.raises(BookCorruptError, match="record 1"):
        list(open_event_log(tmp_path, "alpha").records())


def test_a_file_that_is_not_a_database_is_refused_in_plain_words(tmp_path: Path) -> None:
    (tmp_path / "alpha.sqlite").write_text("not a database at all, but long enough to be read" * 9)
    with pytest.raises(BookCorruptError, match=r"alpha\.sqlite.*Restore it from a backup"):
        open_event_log(tmp_path, "alpha")


def test_records_can_be_asked_for_by_session_type_and_place(log: EventLog) -> None:
    log.append([deposit("a"), deposit("b", session=TUESDAY)])
    log.append([restatement(1, TUESDAY)])
    assert [r.sequence for r in log.records(session=TUESDAY)] == [2, 3]
    assert [r.sequence for r in log.records(event_types=["cash_flow"])] == [1, 2]
    assert [r.sequence for r in log.records(after=1, up_to=2)] == [2]


def test_two_portfolios_in_one_database_keep_their_own_chains(tmp_path: Path) -> None:
    alpha = open_event_log(tmp_path, "alpha")
    beta = EventLog(alpha.database, "beta")
    alpha.append([deposit("a")])
    beta.append([deposit("a"), deposit("b")])
    assert (alpha.verify(), beta.verify()) == (1, 2)


def test_what_may_wait_is_seen_by_others_with_the_next_durable_record(
    tmp_path: Path, book_url: sa.URL | None
) -> None:
    log = open_event_log(tmp_path, "alpha", url=book_url)
    log.append([deposit("a")])
    log.append([deposit("b")], durable=False)
    other = open_event_log(tmp_path, "alpha", url=book_url)
    assert other.head()[0] == 1
    log.append([deposit("c")])
    assert other.head() == log.head()
    assert other.verify() == 3
    other.close()
    log.close()


def test_what_waits_is_lost_with_its_process_and_can_be_recorded_again(
    tmp_path: Path, book_url: sa.URL | None
) -> None:
    log = open_event_log(tmp_path, "alpha", url=book_url)
    log.append([deposit("a")])
    log.append([deposit("b", "7")], durable=False)
    log.close()
    again = open_event_log(tmp_path, "alpha", url=book_url)
    assert again.head()[0] == 1
    assert len(again.append([deposit("b", "8")])) == 1
    assert again.verify() == 2
    again.close()


def test_reading_makes_what_waits_durable_first(log: EventLog) -> None:
    log.append([deposit("a")], durable=False)
    assert log.head()[0] == 1
    log.append([deposit("b")], durable=False)
    assert [record.sequence for record in log.records()] == [1, 2]
    log.append([deposit("c")], durable=False)
    log.append([])
    assert log.verify() == 3


def test_verifying_counts_what_waits_and_loses_none_of_it(log: EventLog) -> None:
    log.append([deposit("a")])
    log.append([deposit("b")], durable=False)
    assert log.verify() == 2
    assert [record.sequence for record in log.append([deposit("c")])] == [3]


def test_a_checkpoint_that_is_looked_for_or_deleted_loses_nothing_that_waits(log: EventLog) -> None:
    log.append([deposit("a")])
    checkpoints = Checkpoints(log)
    log.append([deposit("b")], durable=False)
    assert checkpoints.sequences() == []
    log.append([deposit("c")], durable=False)
    checkpoints.delete()
    log.append([deposit("d")], durable=False)
    assert [record.sequence for record in log.records()] == [1, 2, 3, 4]


def test_a_restatement_that_waits_and_is_lost_opens_no_revision(log: EventLog) -> None:
    log.append([deposit("a", "100")])
    log.append([restatement(1)], durable=False)
    with pytest.raises(BookConflictError):
        log.append([deposit("b", "1"), deposit("b", "2")])
    assert log.revision == 0
    with pytest.raises(BookConflictError):
        log.append([deposit("a", "250")])
    assert log.append([deposit("a", "100")]) == []


def test_a_fact_that_waits_is_held_once_and_its_key_takes_no_other_content(log: EventLog) -> None:
    log.append([deposit("a", "100")], durable=False)
    assert len(log.append([deposit("a", "100"), deposit("b")], durable=False)) == 1
    with pytest.raises(BookConflictError, match=r"recorded with other content"):
        log.append([deposit("c"), deposit("a", "250")])


def test_a_later_append_that_fails_takes_what_waits_with_it(log: EventLog) -> None:
    log.append([deposit("a", "100")])
    log.append([deposit("b")], durable=False)
    with pytest.raises(BookConflictError):
        log.append([deposit("a", "250")])
    assert log.head()[0] == 1
    (added,) = log.append([deposit("c")])
    assert added.sequence == 2
    assert log.verify() == 2


def test_while_something_waits_no_other_process_writes_the_book(tmp_path: Path) -> None:
    log = open_event_log(tmp_path, "alpha")
    log.append([deposit("a")], durable=False)
    other = EventLog(SQLiteDatabase(tmp_path / "alpha.sqlite", lock_timeout_seconds=0.1), "alpha")
    with pytest.raises(BookLockedError):
        other.append([deposit("b")])
    log.make_durable()
    assert [record.sequence for record in other.append([deposit("b")])] == [2]
