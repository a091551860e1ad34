"""The book survives what happens to files, and holds each fact once."""

from __future__ import annotations

import datetime as dt
import multiprocessing
import sqlite3
from decimal import Decimal
from pathlib import Path

import pytest

from trading_assets.errors import BookConflictError, BookCorruptError
from trading_assets.event_log.store import GENESIS, EventLog, open_event_log
from trading_assets.model.cash_events import CashFlow, CashFlowKind
from trading_assets.model.events import BookRestated, NewEvent

MONDAY = dt.date(2024, 3, 4)
TUESDAY = dt.date(2024, 3, 5)
OPEN = dt.datetime(2024, 3, 4, 14, 30, tzinfo=dt.UTC)


def deposit(
    key: str, amount: str = "100", session: dt.date = MONDAY, reference: str = "wire"
) -> NewEvent:
    flow = CashFlow(
        kind=CashFlowKind.DEPOSIT, amount=Decimal(amount), currency="USD", reference=reference
    )
    return NewEvent(key=key, session=session, occurred_at=OPEN, source="test", event=flow)


def restatement(revision: int, session: dt.date = MONDAY) -> NewEvent:
    event = BookRestated(from_session=session, revision=revision, reason="new prices")
    return NewEvent(
        key=f"restate/{revision}", session=session, occurred_at=OPEN, source="test", event=event
    )


@pytest.fixture
def log(tmp_path: Path) -> EventLog:
    return open_event_log(tmp_path, "alpha")


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


def test_the_revision_is_known_after_opening_again(tmp_path: Path) -> None:
    first = open_event_log(tmp_path, "alpha")
    first.append([restatement(1)])
    first.close()
    assert open_event_log(tmp_path, "alpha").revision == 1


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
    beta = EventLog(alpha._engine, "beta")
    alpha.append([deposit("a")])
    beta.append([deposit("a"), deposit("b")])
    assert (alpha.verify(), beta.verify()) == (1, 2)


def _append_many(folder: Path, writer: str) -> None:
    log = open_event_log(folder, "alpha")
    for number in range(40):
        log.append([deposit(f"{writer}-{number}-{part}") for part in range(3)])


def test_two_processes_writing_at_once_never_interleave(tmp_path: Path) -> None:
    open_event_log(tmp_path, "alpha").close()
    spawn = multiprocessing.get_context("spawn")
    writers = [spawn.Process(target=_append_many, args=(tmp_path, name)) for name in "xy"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0]
    log = open_event_log(tmp_path, "alpha")
    assert log.verify() == 240
    references = [r.event_id for r in log.records()]
    assert len(set(references)) == 240
