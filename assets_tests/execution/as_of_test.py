"""As reported and as known now: the same session at different moments."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path

import pytest

from assets_tests.execution.small_portfolio import (
    MONDAY,
    TUESDAY,
    WEDNESDAY,
    Desk,
    session_inputs,
)
from trading_assets.execution.as_of import book_as_of, closed_sessions_known_at
from trading_assets.model.cash_events import CashFlow, CashFlowKind
from trading_assets.model.events import NewEvent

PRICES = {"AAA": "100", "BBB": "50"}
FIRST = dt.datetime(2024, 3, 6, 22, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)


class Clock:
    """The moment at which the book learns of things; moved by hand."""

    def __init__(self) -> None:
        self.now = FIRST

    def __call__(self) -> dt.datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def desk(tmp_path: Path, clock: Clock) -> Desk:
    """Half in AAA on Monday, all of it in BBB on Tuesday, back in AAA on Wednesday; 10,000."""
    desk = Desk(tmp_path)
    desk.log._clock = clock
    for session, symbol in ((MONDAY, "AAA"), (TUESDAY, "BBB"), (WEDNESDAY, "AAA")):
        desk.run(session_inputs(session, {symbol: "0.5"}, PRICES))
        clock.now += HOUR
    return desk


def withdrawal(key: str, session: dt.date, amount: str = "300") -> NewEvent:
    flow = CashFlow(
        kind=CashFlowKind.WITHDRAWAL, amount=Decimal(f"-{amount}"), currency="USD", reference=key
    )
    return NewEvent(key=key, session=session, occurred_at=FIRST, source="test", event=flow)


@pytest.mark.parametrize(
    ("session", "positions"),
    [
        (MONDAY, {"AAA": Decimal(50)}),
        (TUESDAY, {"BBB": Decimal(100)}),
        (WEDNESDAY, {"AAA": Decimal(50)}),
        (None, {"AAA": Decimal(50)}),
        (dt.date(2024, 3, 1), {}),
    ],
)
def test_a_book_as_of_a_session_is_what_it_was_at_its_close(
    desk: Desk, session: dt.date | None, positions: dict[str, Decimal]
) -> None:
    found = book_as_of(desk.log, desk.settings, session)
    assert found.fold.ledger.positions == positions
    assert found.fold.ledger.cash == (Decimal(5000) if positions else Decimal(0))


@pytest.mark.parametrize(
    ("known_at", "closed"),
    [
        (FIRST - HOUR, []),
        (FIRST, [MONDAY]),
        (FIRST + HOUR - dt.timedelta(microseconds=1), [MONDAY]),
        (FIRST + 2 * HOUR, [MONDAY, TUESDAY, WEDNESDAY]),
    ],
)
def test_what_was_recorded_later_was_not_known(
    desk: Desk, known_at: dt.datetime, closed: list[dt.date]
) -> None:
    found = closed_sessions_known_at(desk.log, desk.settings, known_at)
    assert [one.session for one in found] == closed
    last = book_as_of(desk.log, desk.settings, known_at=known_at).closed
    assert (None if last is None else last.session) == (closed[-1] if closed else None)


def test_a_restated_session_is_still_seen_as_it_was_reported(desk: Desk, clock: Clock) -> None:
    reported = clock.now
    clock.now += HOUR
    desk.book.restate(TUESDAY, clock.now, "another signal")
    restated = clock.now
    clock.now += HOUR
    desk.run(session_inputs(TUESDAY, {"AAA": "0.2"}, PRICES))

    def positions(known_at: dt.datetime | None) -> dict[str, Decimal]:
        return book_as_of(desk.log, desk.settings, TUESDAY, known_at).fold.ledger.positions

    assert positions(reported) == {"BBB": Decimal(100)}
    # Between restatement and new run nothing of Tuesday counts.
    assert positions(restated) == {"AAA": Decimal(50)}
    assert positions(None) == {"AAA": Decimal(20)}
    now = book_as_of(desk.log, desk.settings).closed
    assert now is not None
    assert now.session == TUESDAY
    assert book_as_of(desk.log, desk.settings, MONDAY).fold.ledger.positions == {"AAA": Decimal(50)}


def test_a_late_fact_of_a_session_is_seen_as_of_it_once_it_was_known(
    desk: Desk, clock: Clock
) -> None:
    before = clock.now
    clock.now += HOUR
    desk.book.record([withdrawal("late", MONDAY)])

    def cash(session: dt.date, known_at: dt.datetime | None = None) -> Decimal:
        return book_as_of(desk.log, desk.settings, session, known_at).fold.ledger.cash

    assert cash(MONDAY, before) == Decimal(5000)
    assert cash(MONDAY) == Decimal(4700)
    assert cash(WEDNESDAY) == Decimal(4700)


def test_a_fact_of_a_later_session_is_not_seen_as_of_an_earlier_one(desk: Desk) -> None:
    desk.book.record([withdrawal("thursday", dt.date(2024, 3, 7))])
    assert book_as_of(desk.log, desk.settings, WEDNESDAY).fold.ledger.cash == Decimal(5000)
    assert book_as_of(desk.log, desk.settings).fold.ledger.cash == Decimal(4700)


def test_a_fact_entered_in_advance_is_in_the_close_that_was_stated_with_it(
    tmp_path: Path,
) -> None:
    desk = Desk(tmp_path)
    desk.run(session_inputs(MONDAY, {"AAA": "0.5"}, PRICES))
    desk.run(session_inputs(TUESDAY, {"AAA": "0.5"}, PRICES), stop_after_plan=True)
    desk.book.record([withdrawal("wednesday", WEDNESDAY)])
    desk.broker.deposit("wednesday", TUESDAY, Decimal(-300))
    desk.run(session_inputs(TUESDAY, {"AAA": "0.5"}, PRICES))
    assert desk.book.closed_through == TUESDAY
    assert book_as_of(desk.log, desk.settings, TUESDAY).fold.ledger.cash == desk.book.cash
