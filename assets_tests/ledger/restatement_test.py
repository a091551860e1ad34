"""Restatements: what is superseded no longer counts, what came before or after still does."""

from __future__ import annotations

import datetime as dt

from hypothesis import given
from hypothesis import strategies as st

from trading_assets.ledger.restatement import still_counting
from trading_assets.model.events import AnyEvent, BookRestated, EventRecord
from trading_assets.model.order_events import OrderExpired


def day(number: int) -> dt.date:
    return dt.date(2024, 1, number)


def record(sequence: int, session: dt.date, event: AnyEvent) -> EventRecord:
    moment = dt.datetime(2024, 2, 1, tzinfo=dt.UTC)
    return EventRecord(
        sequence=sequence,
        event_id=str(sequence),
        event_type="test",
        version=1,
        portfolio="demo",
        session=session,
        occurred_at=moment,
        recorded_at=moment,
        source="test",
        correlation_id="",
        causation_id="",
        previous_hash="",
        hash="",
        event=event,
    )


def book(*entries: int | str) -> list[EventRecord]:
    """A number is an event of that day; "from N" a restatement from day N."""
    records = []
    for sequence, entry in enumerate(entries):
        if isinstance(entry, str):
            start = day(int(entry.removeprefix("from ")))
            restated = BookRestated(from_session=start, revision=1, reason="test")
            records.append(record(sequence, start, restated))
        else:
            records.append(record(sequence, day(entry), OrderExpired(client_order_id="x")))
    return records


def sequences(records: list[EventRecord]) -> list[int]:
    restatements = [one for one in records if isinstance(one.event, BookRestated)]
    return [entry.sequence for entry in still_counting(iter(records), restatements)]


def test_without_a_restatement_everything_counts() -> None:
    assert sequences(book(1, 2, 3)) == [0, 1, 2]
    assert sequences([]) == []


def test_a_restatement_drops_its_session_and_later_ones_that_stand_before_it() -> None:
    assert sequences(book(1, 2, 3, "from 2", 2, 3)) == [0, 3, 4, 5]


def test_a_second_restatement_further_back_drops_the_first_and_what_followed_it() -> None:
    assert sequences(book(1, 2, 3, "from 3", 3, "from 2", 2, 3)) == [0, 5, 6, 7]


def test_a_second_restatement_further_on_keeps_what_the_first_brought_before_it() -> None:
    assert sequences(book(1, 2, 3, "from 2", 2, 3, "from 3", 3)) == [0, 3, 4, 6, 7]


def test_restating_the_same_session_twice_leaves_the_last_version() -> None:
    assert sequences(book(1, 2, "from 2", 2, "from 2", 2)) == [0, 4, 5]


def test_the_book_as_it_was_known_before_a_restatement_still_has_the_old_events() -> None:
    assert sequences(book(1, 2, 3, "from 2", 2)[:3]) == [0, 1, 2]


@given(
    st.lists(
        st.one_of(st.integers(1, 6), st.integers(1, 6).map(lambda n: f"from {n}")), max_size=20
    )
)
def test_a_record_counts_exactly_when_no_later_restatement_reaches_it(
    entries: list[int | str],
) -> None:
    records = book(*entries)
    expected = [
        one.sequence
        for one in records
        if not any(
            isinstance(later.event, BookRestated) and one.session >= later.event.from_session
            for later in records[one.sequence + 1 :]
        )
    ]
    assert sequences(records) == expected
