"""The book at work: what it holds in memory is always what is on disk."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from assets_tests.execution.small_portfolio import (
    MONDAY,
    TUESDAY,
    WEDNESDAY,
    Desk,
    portfolio_settings,
    session_inputs,
)
from trading_assets.bus import Message
from trading_assets.errors import (
    BookConflictError,
    BookStaleError,
    DeliveryError,
    LedgerError,
    OrderTransitionError,
)
from trading_assets.event_log.store import open_event_log
from trading_assets.execution.book import Book, counting_records, read_closed_sessions
from trading_assets.model.cash_events import CashFlow, CashFlowKind
from trading_assets.model.events import AnyEvent, EventRecord, NewEvent
from trading_assets.model.order import (
    OrderRequest,
    OrderStatus,
    OrderType,
    PositionEffect,
    Side,
    TimeInForce,
)
from trading_assets.model.order_events import Fill, OrderIntended, OrderSubmitted

OPEN = dt.datetime(2024, 3, 4, 14, 30, tzinfo=dt.UTC)
PRICES = {"AAA": "100", "BBB": "50"}


def fact(key: str, event: AnyEvent, session: dt.date = MONDAY) -> NewEvent:
    return NewEvent(key=key, session=session, occurred_at=OPEN, source="test", event=event)


def deposit(amount: str = "1000", currency: str = "USD") -> CashFlow:
    return CashFlow(
        kind=CashFlowKind.DEPOSIT, amount=Decimal(amount), currency=currency, reference="wire"
    )


def intended(name: str = "a") -> OrderIntended:
    request = OrderRequest(
        client_order_id=name,
        symbol="AAA",
        side=Side.BUY,
        quantity=Decimal(10),
        order_type=OrderType.MARKET,
        time_in_force=TimeInForce.DAY,
        position_effect=PositionEffect.OPEN,
    )
    return OrderIntended(request=request, batch_id="batch", leg=2, plan_price=Decimal(100))


def fill(name: str = "a") -> Fill:
    return Fill(
        execution_id="x1",
        client_order_id=name,
        symbol="AAA",
        side=Side.BUY,
        quantity=Decimal(10),
        price=Decimal(100),
        commission=Decimal(0),
        currency="USD",
        executed_at=OPEN,
    )


def open_book(folder: Path, **changes: Any) -> Book:
    settings = portfolio_settings(**changes)
    return Book(open_event_log(folder, settings.id), settings)


def three_sessions(folder: Path) -> Desk:
    desk = Desk(folder)
    for session in (MONDAY, TUESDAY, WEDNESDAY):
        weights = {"AAA": "0.5"} if session != TUESDAY else {"BBB": "0.5"}
        desk.run(session_inputs(session, weights, PRICES))
    return desk


def test_a_new_book_is_empty_and_closed_through_no_session(tmp_path: Path) -> None:
    book = open_book(tmp_path)
    assert book.closed_through is None
    assert book.planned is None
    assert book.positions == {}
    assert book.opening_positions == {}
    assert book.cash == 0
    assert book.orders(MONDAY) == ()
    assert book.restatements == []


def test_what_is_recorded_is_folded_at_once_and_again_after_opening(tmp_path: Path) -> None:
    book = open_book(tmp_path)
    book.record([fact("wire", deposit()), fact("a", intended())])
    book.record([fact("a/1", OrderSubmitted(client_order_id="a", attempt=1))])
    book.log.close()
    for opened in (book, open_book(tmp_path)):
        assert opened.cash == Decimal(1000)
        assert [o.status for o in opened.orders(MONDAY)] == [OrderStatus.SUBMITTED]


def test_a_fact_recorded_twice_is_folded_once(tmp_path: Path) -> None:
    book = open_book(tmp_path)
    book.record([fact("wire", deposit())])
    book.record([fact("wire", deposit()), fact("other", deposit("5"))])
    assert book.cash == Decimal(1005)


@pytest.mark.parametrize(
    ("events", "error"),
    [
        ([fact("eur", deposit(currency="EUR"))], LedgerError),
        ([fact("x1", fill("never intended"))], LedgerError),
        ([fact("a", intended()), fact("x1", fill())], OrderTransitionError),
    ],
    ids=["other currency", "unknown order", "fill before acceptance"],
)
def test_what_cannot_be_folded_is_not_recorded_and_the_book_goes_on(
    tmp_path: Path, events: list[NewEvent], error: type[Exception]
) -> None:
    book = open_book(tmp_path)
    book.record([fact("wire", deposit())])
    with pytest.raises(error):
        book.record([fact("second", deposit("7")), *events])
    assert book.log.head()[0] == 1
    assert book.cash == Decimal(1000)
    assert book.orders(MONDAY) == ()
    book.record([fact("second", deposit("8"))])
    book.log.close()
    assert open_book(tmp_path).cash == Decimal(1008)


def test_a_conflict_leaves_memory_as_the_disk_is(tmp_path: Path) -> None:
    book = open_book(tmp_path)
    book.record([fact("wire", deposit())])
    with pytest.raises(BookConflictError):
        book.record([fact("new", deposit("7")), fact("wire", deposit("999"))])
    assert book.cash == Decimal(1000)


def test_a_commit_that_fails_is_not_kept_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = open_book(tmp_path)

    def disk_full(_connection: sa.Connection) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(sa.Connection, "commit", disk_full)
    with pytest.raises(OSError, match="no space"):
        book.record([fact("wire", deposit())])
    monkeypatch.undo()
    assert book.cash == 0
    book.record([fact("wire", deposit())])
    assert book.cash == Decimal(1000)


def test_only_sessions_asked_for_are_kept_whole(tmp_path: Path) -> None:
    desk = three_sessions(tmp_path)
    book = Book(desk.log, desk.settings, keep=[TUESDAY])
    assert set(book.closed) == {TUESDAY}
    assert book.closed[TUESDAY].opening_positions == {"AAA": Decimal(50)}
    assert book.closed[TUESDAY].close.positions == {"BBB": Decimal(100)}
    assert book.opening_positions == {"AAA": Decimal(50)}
    assert book.closed_through == WEDNESDAY


def test_a_restated_book_is_what_it_was_before_the_session(tmp_path: Path) -> None:
    desk = three_sessions(tmp_path)
    before = len(list(desk.log.records()))
    desk.book.restate(TUESDAY, OPEN, "a late correction")
    assert desk.book.closed_through == MONDAY
    assert desk.book.positions == {"AAA": Decimal(50)}
    assert desk.book.cash == Decimal(5000)
    assert [s.session for s in read_closed_sessions(desk.log, desk.settings)] == [MONDAY]
    # Nothing was deleted: one record more, and the chain holds.
    assert desk.log.verify() == before + 1
    assert [r.reason for r in desk.book.restatements] == ["a late correction"]


def test_restatements_are_numbered_though_one_supersedes_another(tmp_path: Path) -> None:
    desk = three_sessions(tmp_path)
    desk.book.restate(WEDNESDAY, OPEN, "first")
    desk.book.restate(TUESDAY, OPEN, "second")
    assert [(r.from_session, r.revision) for r in desk.book.restatements] == [
        (WEDNESDAY, 1),
        (TUESDAY, 2),
    ]
    assert {r.session for r in counting_records(desk.log)} == {MONDAY, TUESDAY}


def test_a_book_that_another_process_wrote_records_nothing_and_learns_of_it(tmp_path: Path) -> None:
    mine, theirs = open_book(tmp_path), open_book(tmp_path)
    theirs.record([fact("wire", deposit("300"))])
    with pytest.raises(BookStaleError):
        mine.record([fact("a", intended())])
    assert mine.log.head().sequence == 1
    # What was decided from the book as it was is not kept; what they recorded is.
    assert mine.orders(MONDAY) == ()
    assert mine.cash == Decimal(300)
    mine.record([fact("a", intended())])
    assert mine.sequence == 2
    with pytest.raises(BookStaleError):
        theirs.record([fact("x1", fill())])
    assert [order.client_order_id for order in theirs.orders(MONDAY)] == ["a"]


def test_a_book_is_not_restated_over_what_another_process_wrote(tmp_path: Path) -> None:
    mine, theirs = open_book(tmp_path), open_book(tmp_path)
    theirs.record([fact("wire", deposit("300"))])
    with pytest.raises(BookStaleError):
        mine.restate(MONDAY, OPEN, "new prices")
    assert (mine.cash, mine.restatements) == (Decimal(300), [])
    mine.restate(MONDAY, OPEN, "new prices")
    assert (mine.cash, mine.log.revision) == (Decimal(0), 1)


# What is recorded is published


def test_what_is_recorded_is_told_when_it_is_durable_and_what_was_known_is_not(
    tmp_path: Path,
) -> None:
    book = open_book(tmp_path)
    heads: list[tuple[str, int]] = []

    def note(message: Message) -> None:
        assert isinstance(message, EventRecord)
        # Another connection sees the record: it is on disk.
        heads.append((message.event_type, open_event_log(tmp_path, "small").head()[0]))

    book.bus.subscribe(note)
    book.record([fact("wire", deposit()), fact("a", intended())])
    book.record([fact("wire", deposit())])
    assert heads == [("cash_flow", 2), ("order_intended", 2)]


def test_what_may_wait_is_folded_at_once_and_told_when_it_is_durable(tmp_path: Path) -> None:
    book, told = open_book(tmp_path), list[Message]()
    book.bus.subscribe(told.append)
    book.record([fact("wire", deposit())], durable=False)
    assert book.cash == Decimal(1000)
    assert told == []
    assert open_book(tmp_path).cash == 0
    book.record([fact("a", intended())])
    assert [message.event_type for message in told if isinstance(message, EventRecord)] == [
        "cash_flow",
        "order_intended",
    ]
    book.record([fact("more", deposit("5"))], durable=False)
    book.make_durable()
    assert [message.event_type for message in told if isinstance(message, EventRecord)][2:] == [
        "cash_flow"
    ]
    assert open_book(tmp_path).cash == Decimal(1005)


def test_a_record_that_fails_takes_back_what_waits(tmp_path: Path) -> None:
    book, told = open_book(tmp_path), list[Message]()
    book.bus.subscribe(told.append)
    book.record([fact("wire", deposit())], durable=False)
    with pytest.raises(LedgerError):
        book.record([fact("x1", fill("never intended"))])
    assert book.cash == 0
    assert told == []
    book.record([fact("wire", deposit("7"))])
    assert book.cash == Decimal(7)


def test_what_is_refused_is_told_to_nobody(tmp_path: Path) -> None:
    book, told = open_book(tmp_path), list[Message]()
    book.bus.subscribe(told.append)
    with pytest.raises(LedgerError):
        book.record([fact("wire", deposit()), fact("x1", fill("never intended"))])
    assert told == []


def test_a_subscriber_that_raises_leaves_the_fact_recorded_folded_and_waiting_for_it(
    tmp_path: Path,
) -> None:
    book, told, works = open_book(tmp_path), list[str](), False

    def note(message: Message) -> None:
        if not works:
            raise OSError("no space")
        told.append(type(message.event).__name__)

    subscription = book.bus.subscribe(note, name="monitor")
    with pytest.raises(DeliveryError, match="monitor raised OSError: no space"):
        book.record([fact("wire", deposit()), fact("a", intended())])
    assert book.cash == Decimal(1000)
    assert book.log.head()[0] == 2
    works = True
    subscription.retry()
    assert told == ["CashFlow", "OrderIntended"]


def test_a_restatement_is_told_when_the_book_is_what_it_was_before(tmp_path: Path) -> None:
    desk, told = three_sessions(tmp_path), list[tuple[str, dt.date, Decimal]]()

    def note(message: Message) -> None:
        told.append((type(message.event).__name__, message.session, desk.book.cash))

    desk.book.bus.subscribe(note, "book_restated")
    desk.book.restate(TUESDAY, OPEN, "a late correction")
    assert told == [("BookRestated", TUESDAY, Decimal(5000))]
