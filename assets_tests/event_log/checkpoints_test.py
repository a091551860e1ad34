"""Which checkpoint of a book fits, in a file and on a server."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from assets_tests.event_log.facts import MONDAY, TUESDAY, deposit, restatement
from trading_assets.event_log.checkpoints import Checkpoint, Checkpoints
from trading_assets.event_log.store import EventLog, open_event_log

WEDNESDAY = dt.date(2024, 3, 6)


@pytest.fixture
def log(tmp_path: Path, book_url: sa.URL | None) -> Iterator[EventLog]:
    """One record each of Monday, Tuesday and Wednesday."""
    log = open_event_log(tmp_path, "alpha", url=book_url)
    log.append([deposit(str(day), session=day) for day in (MONDAY, TUESDAY, WEDNESDAY)])
    yield log
    log.close()


def saved(log: EventLog, sequence: int, session: dt.date, **changes: str) -> Checkpoint:
    checkpoint = Checkpoint(
        sequence=sequence,
        hash=changes.get("hash", log.hash_at(sequence) or ""),
        fingerprint=changes.get("fingerprint", "this code"),
        first_session=MONDAY,
        closed_through=session,
        latest_session=session,
        state=f'{{"ü": "{sequence}"}}',
    )
    Checkpoints(log).save(checkpoint)
    return checkpoint


def newest(log: EventLog, closed_before: dt.date | None = None) -> Checkpoint | None:
    restatements = list(log.records(event_types=["book_restated"]))
    return Checkpoints(log).newest("this code", restatements, closed_before=closed_before)


def test_a_checkpoint_comes_back_as_it_was_saved_and_can_be_deleted(log: EventLog) -> None:
    assert newest(log) is None
    checkpoint = saved(log, 1, MONDAY)
    assert newest(log) == checkpoint
    assert Checkpoints(log).at(1) == checkpoint
    Checkpoints(log).delete()
    assert newest(log) is None
    assert log.verify() == 3


def test_the_newest_before_a_session_is_taken(log: EventLog) -> None:
    first, second = saved(log, 1, MONDAY), saved(log, 2, TUESDAY)
    assert newest(log) == second
    assert newest(log, closed_before=TUESDAY) == first
    assert newest(log, closed_before=MONDAY) is None


def test_one_of_another_chain_is_passed_over(log: EventLog) -> None:
    first = saved(log, 1, MONDAY)
    saved(log, 2, TUESDAY, hash="f" * 64)
    saved(log, 9, WEDNESDAY, hash="f" * 64)
    assert newest(log) == first


def test_a_restatement_takes_out_what_it_superseded_and_not_what_came_after_it(
    log: EventLog,
) -> None:
    first = saved(log, 1, MONDAY)
    saved(log, 2, TUESDAY)
    log.append([restatement(1, TUESDAY)])
    assert newest(log) == first
    log.append([deposit("again", session=TUESDAY)])
    after = saved(log, 5, TUESDAY)
    assert newest(log) == after


def test_checkpoints_of_another_portfolio_in_the_same_database_are_not_taken(
    log: EventLog,
) -> None:
    other = EventLog(log.database, "beta")
    saved(log, 1, MONDAY)
    assert newest(other) is None
    Checkpoints(other).delete()
    assert Checkpoints(log).sequences() == [1]
