"""A book opened from a checkpoint is the book folded from its first record."""

from __future__ import annotations

import datetime as dt
import sqlite3
from pathlib import Path

import pytest

from assets_tests.execution.small_portfolio import (
    FRIDAY,
    MONDAY,
    SESSIONS,
    THURSDAY,
    TUESDAY,
    WEDNESDAY,
    Desk,
    portfolio_settings,
    session_inputs,
)
from trading_assets.event_log.checkpoints import Checkpoints
from trading_assets.event_log.store import EventLog
from trading_assets.execution import book as book_module
from trading_assets.execution.book import Book, read_closed_sessions
from trading_assets.execution.book_start import BookStart, fold_fingerprint, fold_state
from trading_assets.model.policies import AccountingPolicy, LotMethod

NOW = dt.datetime(2024, 3, 20, 16, tzinfo=dt.UTC)
PRICES = {"AAA": "100", "BBB": "50", "CCC": "20"}
WEIGHTS = {
    MONDAY: {"AAA": "0.5", "BBB": "-0.25"},
    TUESDAY: {"BBB": "0.5"},
    WEDNESDAY: {"AAA": "0.25", "CCC": "0.5"},
    THURSDAY: {"CCC": "-0.25", "AAA": "0.5"},
    FRIDAY: {"AAA": "0.75"},
}


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """Five sessions, a checkpoint at each close."""
    monkeypatch.setattr(book_module, "CHECKPOINT_RECORDS", 1)
    desk = Desk(tmp_path)
    for session, weights in WEIGHTS.items():
        desk.run(session_inputs(session, weights, PRICES))
    return desk


def used(desk: Desk, since: dt.date | None) -> dt.date | None:
    """Through which session the checkpoint is closed that a book is read from."""
    checkpoint = BookStart(desk.log, desk.settings, since).checkpoint
    return None if checkpoint is None else checkpoint.closed_through


def from_the_first_record(log: EventLog, desk: Desk) -> str:
    start = BookStart(log, desk.settings)
    for record in start.records():
        start.fold.apply(record)
    return fold_state(start.fold)


@pytest.mark.parametrize(
    ("since", "through"),
    [(MONDAY, None), (TUESDAY, MONDAY), (FRIDAY, THURSDAY), (dt.date(2024, 4, 1), FRIDAY)],
)
def test_a_checkpoint_is_before_the_close_that_is_to_be_seen(
    desk: Desk, since: dt.date, through: dt.date | None
) -> None:
    assert used(desk, since) == through


@pytest.mark.parametrize("since", WEIGHTS)
def test_going_on_from_any_checkpoint_ends_where_the_whole_fold_ends(
    desk: Desk, since: dt.date
) -> None:
    start = BookStart(desk.log, desk.settings, since)
    for record in start.records():
        start.fold.apply(record)
    assert fold_state(start.fold) == from_the_first_record(desk.log, desk)
    assert fold_state(desk.book.fold) == fold_state(start.fold)


def test_closed_sessions_from_a_checkpoint_are_those_of_the_whole_book(desk: Desk) -> None:
    whole = list(read_closed_sessions(desk.log, desk.settings))
    assert [one.session for one in whole] == list(WEIGHTS)
    for place, session in enumerate(WEIGHTS):
        assert list(read_closed_sessions(desk.log, desk.settings, session)) == whole[place:]


@pytest.mark.parametrize("keep", [(), (FRIDAY,), (TUESDAY, THURSDAY), SESSIONS])
def test_a_book_opened_from_a_checkpoint_knows_all_that_it_is_asked_for(
    desk: Desk, keep: tuple[dt.date, ...]
) -> None:
    opened = Book(desk.log, desk.settings, keep)
    Checkpoints(desk.log).delete()
    refolded = Book(desk.log, desk.settings, keep)
    assert opened.closed == refolded.closed
    assert set(opened.closed) == set(keep) & set(WEIGHTS)
    assert opened.last_closed == refolded.last_closed
    assert opened.first_session == refolded.first_session == MONDAY
    assert fold_state(opened.fold) == fold_state(refolded.fold)


def test_a_restated_session_is_not_gone_on_from(desk: Desk) -> None:
    desk.book.restate(WEDNESDAY, NOW, "another signal")
    assert used(desk, dt.date(2024, 4, 1)) == TUESDAY
    assert fold_state(desk.book.fold) == from_the_first_record(desk.log, desk)
    assert desk.book.closed_through == TUESDAY
    desk.run(session_inputs(WEDNESDAY, {"BBB": "0.1"}, PRICES))
    assert used(desk, dt.date(2024, 4, 1)) == WEDNESDAY
    assert fold_state(Book(desk.log, desk.settings).fold) == from_the_first_record(desk.log, desk)


def test_another_accounting_policy_is_not_gone_on_with_from_this_ones_checkpoint(
    desk: Desk,
) -> None:
    lifo = portfolio_settings(accounting={"long_lots": "lifo"})
    assert BookStart(desk.log, lifo, FRIDAY).checkpoint is None
    assert fold_fingerprint(AccountingPolicy(), "USD") != fold_fingerprint(
        AccountingPolicy(long_lots=LotMethod.LIFO), "USD"
    )
    assert fold_fingerprint(AccountingPolicy(), "USD") != fold_fingerprint(
        AccountingPolicy(), "EUR"
    )


def test_other_shares_of_the_strategies_are_not_gone_on_with(desk: Desk) -> None:
    half = portfolio_settings(combination={"method": "blend", "weights": {"alpha": "0.5"}})
    assert BookStart(desk.log, half, FRIDAY).checkpoint is None


@pytest.mark.parametrize(
    "change",
    [
        "state = replace(state, '\"AAA\"', '\"AAB\"')",
        "hash = 'other'",
        "closed_through = '2024-03-01'",
        "latest_session = 'no date'",
        "fingerprint = 'other'",
    ],
)
def test_a_checkpoint_that_was_changed_is_passed_over(
    desk: Desk, tmp_path: Path, change: str
) -> None:
    desk.close()
    with sqlite3.connect(tmp_path / "books" / "small.sqlite") as database:
        database.execute(f"UPDATE checkpoints SET {change} WHERE closed_through = '2024-03-07'")
    desk = Desk(tmp_path)
    assert used(desk, FRIDAY) == WEDNESDAY
    assert fold_state(desk.book.fold) == from_the_first_record(desk.log, desk)


def test_checkpoints_are_saved_only_where_folding_takes_a_while(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    for session, weights in WEIGHTS.items():
        desk.run(session_inputs(session, weights, PRICES))
    assert Checkpoints(desk.log).sequences() == []


def test_a_checkpoint_takes_the_place_of_those_of_other_code(desk: Desk, tmp_path: Path) -> None:
    desk.close()
    with sqlite3.connect(tmp_path / "books" / "small.sqlite") as database:
        database.execute("UPDATE checkpoints SET fingerprint = 'of older code'")
    desk = Desk(tmp_path)
    assert used(desk, dt.date(2024, 4, 1)) is None
    desk.run(session_inputs(SESSIONS[5], {"AAA": "0.1"}, PRICES))
    assert Checkpoints(desk.log).sequences() == [desk.log.head().sequence]
