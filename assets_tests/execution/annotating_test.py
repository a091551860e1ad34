"""What people write of trades: into the book, once, superseded but never edited."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from assets_tests.event_log.facts import deposit
from assets_tests.execution.small_portfolio import (
    MONDAY,
    TUESDAY,
    Desk,
    portfolio_settings,
    session_inputs,
)
from trading_assets.errors import AnnotationError, BookStaleError
from trading_assets.event_log.store import EventLog, open_event_log
from trading_assets.execution.annotating import annotate, read_annotated_book
from trading_assets.execution.book import read_closed_sessions
from trading_assets.ledger.annotations import KnownTrade, TradeAnnotations
from trading_assets.model.annotation_events import PostTradeAnnotation, PreTradeAnnotation
from trading_assets.model.events import NewEvent
from trading_assets.model.money import ZERO
from trading_assets.model.order import Side
from trading_assets.model.order_events import Fill
from trading_assets.reporting.annotations import annotations_json, show_annotations

NOW = dt.datetime(2024, 3, 20, 15, tzinfo=dt.UTC)


def before(trade_id: str, thesis: str = "It goes up.") -> PreTradeAnnotation:
    return PreTradeAnnotation(
        trade_id=trade_id,
        thesis=thesis,
        intended_entry="At the close, whatever it is.",
        size_rationale="Half of the book.",
        exit_plan="Sold when the target is gone.",
        intended_price=Decimal("99.50"),
    )


def after(trade_id: str, matched: bool = True) -> PostTradeAnnotation:
    return PostTradeAnnotation(
        trade_id=trade_id,
        outcome="Filled at the close.",
        matched_expectation=matched,
        lesson="None.",
    )


class Journal:
    """The book of one closed session in which 50 AAA were bought at 100, and who writes in it."""

    def __init__(self, folder: Path) -> None:
        self.desk = Desk(folder)
        self.desk.run(session_inputs(MONDAY, {"AAA": "0.5"}, {"AAA": "100", "BBB": "50"}))
        (self.trade_id,) = self.trades

    @property
    def log(self) -> EventLog:
        return self.desk.log

    @property
    def trades(self) -> dict[str, KnownTrade]:
        return read_annotated_book(self.log).trades

    @property
    def written(self) -> TradeAnnotations:
        return read_annotated_book(self.log).annotations[self.trade_id]

    def write(
        self, *annotations: PreTradeAnnotation | PostTradeAnnotation, supersede: bool = False
    ) -> list[str]:
        return list(annotate(self.log, annotations, lambda: NOW, supersede=supersede))


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = Journal(tmp_path)
    yield opened
    opened.desk.close()


def test_an_annotation_is_a_fact_of_the_session_of_its_trade(journal: Journal) -> None:
    assert journal.write(before(journal.trade_id), after(journal.trade_id)) == ["recorded"] * 2
    *_, first, second = journal.log.records()
    assert (first.event_type, second.event_type) == (
        "pre_trade_annotation",
        "post_trade_annotation",
    )
    assert (first.session, first.correlation_id) == (MONDAY, journal.trade_id)
    assert journal.written.pre_trade is not None
    assert journal.written.pre_trade.annotation.thesis == "It goes up."
    assert journal.log.verify() == second.sequence


def test_the_same_words_again_change_nothing(journal: Journal) -> None:
    journal.write(before(journal.trade_id))
    head = journal.log.head()
    assert journal.write(before(journal.trade_id, "  It goes up. ")) == ["unchanged"]
    assert journal.log.head() == head


def test_other_words_are_taken_only_to_supersede_and_both_stay_in_the_book(
    journal: Journal,
) -> None:
    journal.write(before(journal.trade_id))
    with pytest.raises(AnnotationError, match=r"has a pre-trade annotation already.*never edited"):
        journal.write(before(journal.trade_id, "It is cheap."))
    outcomes = [
        *journal.write(before(journal.trade_id, "It is cheap."), supersede=True),
        # Going back to the first words is a third annotation, not a return of the first.
        *journal.write(before(journal.trade_id), supersede=True),
    ]
    assert outcomes == ["superseded", "superseded"]
    first, second, third = journal.written.pre_trades
    assert [each.annotation.thesis for each in (first, second, third)] == [
        "It goes up.",
        "It is cheap.",
        "It goes up.",
    ]
    assert second.annotation.supersedes == first.event_id
    assert third.annotation.supersedes == second.event_id
    assert journal.written.pre_trade == third
    assert journal.written.created_at == first.recorded_at


def test_a_trade_that_the_book_does_not_have_is_refused_with_near_ones(journal: Journal) -> None:
    head = journal.log.head()
    misspelled = journal.trade_id.replace("AAA", "AAB")
    for asked in (misspelled, "aaa", "something else"):
        with pytest.raises(AnnotationError) as caught:
            journal.write(before(asked))
        assert f"no trade {asked!r}" in str(caught.value)
        assert f"{journal.trade_id}  2024-03-04 buy 50 AAA" in str(caught.value)
    assert journal.log.head() == head


def test_of_several_annotations_all_are_taken_or_none(journal: Journal) -> None:
    head = journal.log.head()
    with pytest.raises(AnnotationError, match="no trade 'nobody'"):
        journal.write(before(journal.trade_id), before("nobody"))
    with pytest.raises(AnnotationError, match="two of pre-trade annotation"):
        journal.write(before(journal.trade_id), before(journal.trade_id, "Other."))
    assert journal.log.head() == head


def test_an_empty_field_is_refused_by_its_name(journal: Journal) -> None:
    with pytest.raises(AnnotationError, match=r"thesis of .* is empty"):
        journal.write(before(journal.trade_id, " \n"))


def test_an_empty_book_says_that_it_has_no_trades(tmp_path: Path) -> None:
    log = open_event_log(tmp_path, "empty")
    with pytest.raises(AnnotationError, match="It has no trades yet"):
        annotate(log, [before("x")], lambda: NOW)
    log.close()


def test_a_planned_trade_has_a_before_and_no_outcome_until_something_is_filled(
    tmp_path: Path,
) -> None:
    desk = Desk(tmp_path)
    inputs = session_inputs(MONDAY, {"AAA": "0.5"}, {"AAA": "100"})
    desk.run(inputs, stop_after_plan=True)
    (trade,) = read_annotated_book(desk.log).trades.values()
    assert (trade.symbol, trade.side, trade.filled_quantity) == ("AAA", Side.BUY, ZERO)
    assert annotate(desk.log, [before(trade.trade_id)], lambda: NOW) == ["recorded"]
    with pytest.raises(AnnotationError, match=r"nothing of .* is filled"):
        annotate(desk.log, [after(trade.trade_id)], lambda: NOW)
    # Another run goes on with the session: words between plan and orders disturb nothing.
    desk.close()
    desk = Desk(tmp_path)
    desk.run(inputs)
    (filled,) = read_annotated_book(desk.log).trades.values()
    assert (filled.trade_id, filled.filled_quantity) == (trade.trade_id, Decimal(50))
    assert annotate(desk.log, [after(trade.trade_id)], lambda: NOW) == ["recorded"]
    desk.close()


def test_a_foreign_fill_is_a_trade_by_its_execution_id(journal: Journal) -> None:
    fill = Fill(
        execution_id="0000e0d5.6596b0d2.01.01",
        client_order_id="",
        symbol="BBB",
        side=Side.SELL,
        quantity=Decimal(3),
        price=Decimal(50),
        commission=Decimal(1),
        currency="USD",
        executed_at=NOW,
    )
    journal.log.append(
        [NewEvent(key="f", session=TUESDAY, occurred_at=NOW, source="broker", event=fill)]
    )
    assert journal.write(after(fill.execution_id, matched=False)) == ["recorded"]


def test_annotations_change_no_position_no_cash_and_no_close(journal: Journal) -> None:
    def closes() -> list[object]:
        settings = portfolio_settings()
        return list(read_closed_sessions(journal.log, settings))

    unannotated = closes()
    journal.write(before(journal.trade_id), after(journal.trade_id))
    assert closes() == unannotated
    # The next session goes on from a book that was written of since.
    journal.desk.book.refold()
    journal.desk.run(session_inputs(TUESDAY, {"AAA": "0.5"}, {"AAA": "100", "BBB": "50"}))
    assert journal.desk.book.closed_through == TUESDAY


def test_restating_a_session_takes_the_annotations_of_its_trades_along(journal: Journal) -> None:
    journal.write(before(journal.trade_id))
    journal.desk.book.refold()
    journal.desk.book.restate(MONDAY, NOW, "other prices")
    book = read_annotated_book(journal.log)
    assert not book.trades
    assert not book.annotations


def test_export_has_the_shape_that_others_read(journal: Journal) -> None:
    journal.write(before(journal.trade_id), after(journal.trade_id, matched=False))
    journal.write(before(journal.trade_id, "It is cheap."), supersede=True)
    book = read_annotated_book(journal.log)
    (found,) = json.loads(annotations_json(book.annotations.values(), book.trades))
    assert list(found) == ["trade_id", "created_at", "pre_trade", "post_trade"]
    assert found["trade_id"] == journal.trade_id
    assert found["created_at"].endswith("Z")
    assert found["pre_trade"]["thesis"] == "It is cheap."
    assert found["pre_trade"]["intended_price"] == "99.5"
    assert found["pre_trade"]["exit_plan"] == "Sold when the target is gone."
    assert [each["thesis"] for each in found["pre_trade"]["superseded"]] == ["It goes up."]
    assert found["post_trade"]["matched_expectation"] is False
    assert found["post_trade"]["lesson"] == "None."
    journal_of_nothing = annotations_json([], {})
    assert json.loads(journal_of_nothing) == []


def test_words_recorded_after_the_fill_are_shown_as_hindsight(
    journal: Journal, capsys: pytest.CaptureFixture[str]
) -> None:
    # The session was filled at its close in March 2024; what is written now is years late.
    journal.write(before(journal.trade_id))
    book = read_annotated_book(journal.log)
    trade = book.trades[journal.trade_id]
    assert trade.first_fill_at == dt.datetime(2024, 3, 4, 21, tzinfo=dt.UTC)
    standing = journal.written.pre_trade
    assert standing is not None
    assert standing.recorded_before(trade.first_fill_at) is False
    assert standing.recorded_before(standing.recorded_at) is True
    assert standing.recorded_before(None) is None
    show_annotations(book.annotations, [trade])
    shown = " ".join(capsys.readouterr().out.split())
    assert "written after" in shown
    assert "none" in shown


def test_an_annotation_waits_its_turn_where_another_process_writes_meanwhile(
    journal: Journal, tmp_path: Path
) -> None:
    other = open_event_log(tmp_path / "books", "small")
    written: list[str] = []

    def now() -> dt.datetime:
        # Asked between reading the book and writing to it.
        if len(written) < 2:
            written.append(f"wire {len(written)}")
            other.append([deposit(written[-1], session=TUESDAY, reference=written[-1])])
        return NOW

    assert annotate(journal.log, [before(journal.trade_id)], now) == ["recorded"]
    assert written == ["wire 0", "wire 1"]
    assert journal.written.pre_trade is not None

    # Whoever is never left alone gives up with nothing recorded.
    def never_alone() -> dt.datetime:
        written.append(f"wire {len(written)}")
        other.append([deposit(written[-1], session=TUESDAY, reference=written[-1])])
        return NOW

    with pytest.raises(BookStaleError):
        annotate(journal.log, [after(journal.trade_id)], never_alone)
    assert journal.written.post_trade is None
    other.close()
