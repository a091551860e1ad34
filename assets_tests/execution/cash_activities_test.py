"""Cash that the broker moves without a trade: booked once, as what it is, and reconciled to 0."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path

import pytest
from msgspec.structs import replace

from assets_tests.execution.small_portfolio import (
    CALENDAR,
    MONDAY,
    TUESDAY,
    WEDNESDAY,
    Desk,
    portfolio_settings,
    session_inputs,
)
from trading_assets.analytics.pnl import daily_result
from trading_assets.brokers.simulated import SimulatedBroker
from trading_assets.errors import BookContractError, BrokerUnknownError
from trading_assets.execution.cash_activities import booked_as
from trading_assets.execution.session import SessionStatus
from trading_assets.model.account import (
    Answer,
    CashActivity,
    CashActivityKind,
    Known,
    Unknown,
)
from trading_assets.model.cash_events import BorrowFee, Fee, FeeKind, Interest, TaxWithheld
from trading_assets.model.corporate_actions import Dividend, DividendPayment
from trading_assets.model.events import EventRecord
from trading_assets.reconciliation import reconcile

PRICES = {"AAA": "100", "BBB": "50"}
LATE = dt.date(2024, 4, 1)


def activity(
    name: str,
    kind: CashActivityKind,
    amount: str,
    session: dt.date = TUESDAY,
    symbol: str = "",
    ex_date: dt.date | None = None,
) -> CashActivity:
    return CashActivity(
        activity_id=name,
        kind=kind,
        amount=Decimal(amount),
        currency="USD",
        occurred_at=CALENDAR.opens_at(session) - dt.timedelta(hours=3),
        symbol=symbol,
        ex_date=ex_date,
    )


class Reporting(SimulatedBroker):
    """The simulated account with activities that a test adds, their cash in the account."""

    added: tuple[CashActivity, ...] = ()

    def add(self, *activities: CashActivity) -> None:
        """Move the cash and report it from now on."""
        self.added = (*self.added, *activities)
        for one in activities:
            self._cash += one.amount

    def take_back(self, name: str) -> None:
        """Take the cash back and report it as canceled from now on."""
        found = {one.activity_id: one for one in self.added}
        self._cash -= found[name].amount
        found[name] = replace(found[name], is_canceled=True)
        self.added = tuple(found.values())

    def cash_activities_since(self, moment: dt.datetime) -> Answer[tuple[CashActivity, ...]]:
        """The added ones that are later."""
        return Known(tuple(one for one in self.added if one.occurred_at > moment))


def desk_with(folder: Path, *activities: CashActivity) -> tuple[Desk, Reporting]:
    """Monday is closed with half of 10,000 in AAA; then these activities happen."""
    desk = Desk(folder, broker=Reporting)
    desk.run(session_inputs(MONDAY, {"AAA": "0.5"}, PRICES))
    assert isinstance(desk.broker, Reporting)
    desk.broker.add(*activities)
    return desk, desk.broker


def cash_records(desk: Desk) -> list[EventRecord]:
    names = ("cash_flow", "dividend_payment", "fee", "tax_withheld", "interest", "borrow_fee")
    found = list(desk.log.records(event_types=names))
    return [one for one in found if one.correlation_id or one.source == "broker"]


def test_each_kind_is_booked_as_what_it_is_and_nothing_is_unexplained(tmp_path: Path) -> None:
    kind = CashActivityKind
    desk, _ = desk_with(
        tmp_path,
        activity("d1", kind.DIVIDEND, "40", symbol="AAA", ex_date=MONDAY),
        activity("t1", kind.TAX, "-6", symbol="AAA"),
        activity("i1", kind.INTEREST, "1.25"),
        activity("f1", kind.FEE, "-2.5"),
        activity("b1", kind.BORROW_FEE, "-0.75", symbol="BBB"),
        activity("in1", kind.DEPOSIT, "1000"),
        activity("out1", kind.WITHDRAWAL, "-300"),
    )
    outcome = desk.run(session_inputs(TUESDAY, {"AAA": "0.5"}, PRICES))
    assert outcome.status is SessionStatus.CLOSED
    assert outcome.closed is not None
    assert reconcile(outcome.closed).unexplained == ()
    assert desk.books_agree
    closed = outcome.closed
    result = daily_result(closed.previous, closed.activity, closed.close)
    assert (result.flows, result.dividends, result.interest) == (
        Decimal(700),
        Decimal(40),
        Decimal("1.25"),
    )
    assert (result.taxes, result.borrow_fees) == (Decimal(6), Decimal("0.75"))
    # Fees of all kinds together.
    assert result.fees == Decimal("9.25")
    assert [(record.event_type, record.source) for record in cash_records(desk)] == [
        ("dividend_payment", "broker"),
        ("tax_withheld", "broker"),
        ("interest", "broker"),
        ("fee", "broker"),
        ("borrow_fee", "broker"),
        ("cash_flow", "broker"),
        ("cash_flow", "broker"),
    ]
    # They are there before the session is planned: half of 10,732 is 53 shares.
    assert closed.planned.plan.cash == Decimal(5000) + Decimal("732")
    assert desk.book.positions == {"AAA": Decimal(53)}


def test_an_activity_is_booked_once_however_often_it_is_reported(tmp_path: Path) -> None:
    fee = activity("f1", CashActivityKind.FEE, "-2.5")
    desk, broker = desk_with(tmp_path, fee)
    desk.run(session_inputs(TUESDAY, {"AAA": "0.5"}, PRICES))
    desk.run(session_inputs(WEDNESDAY, {"AAA": "0.5"}, PRICES))
    assert len(cash_records(desk)) == 1
    desk.close()
    # Another process, which knows of it from the book alone, and one session later.
    desk = Desk(tmp_path, broker=Reporting)
    assert isinstance(desk.broker, Reporting)
    desk.broker.add(fee)
    thursday = dt.date(2024, 3, 7)
    assert desk.run(session_inputs(thursday, {"AAA": "0.5"}, PRICES)).status is SessionStatus.CLOSED
    assert len(cash_records(desk)) == 1
    assert desk.books_agree
    assert broker is not desk.broker


def test_what_was_booked_before_a_restated_session_is_not_booked_again(tmp_path: Path) -> None:
    desk, _ = desk_with(tmp_path, activity("f1", CashActivityKind.FEE, "-2.5"))
    desk.run(session_inputs(TUESDAY, {"AAA": "0.5"}, PRICES))
    desk.run(session_inputs(WEDNESDAY, {"AAA": "0.5"}, PRICES))
    desk.run(session_inputs(WEDNESDAY, {"AAA": "0.4"}, PRICES))
    assert [restated.from_session for restated in desk.book.restatements] == [WEDNESDAY]
    assert len(cash_records(desk)) == 1


def test_an_account_that_is_ahead_of_the_book_is_not_booked(tmp_path: Path) -> None:
    late = CashActivity(
        activity_id="f9",
        kind=CashActivityKind.FEE,
        amount=Decimal(-1),
        currency="USD",
        occurred_at=CALENDAR.opens_at(WEDNESDAY),
    )
    desk, _ = desk_with(tmp_path, late)
    with pytest.raises(
        BrokerUnknownError, match=r"ahead of the book: cash activity f9.*2024-03-05"
    ):
        desk.run(session_inputs(TUESDAY, {"AAA": "0.5"}, PRICES))
    assert cash_records(desk) == []


def test_what_is_not_known_is_not_nothing(tmp_path: Path) -> None:
    class Silent(SimulatedBroker):
        def cash_activities_since(self, moment: dt.datetime) -> Answer[tuple[CashActivity, ...]]:
            return Unknown(f"timed out asking for what was after {moment}")

    desk = Desk(tmp_path, broker=Silent)
    with pytest.raises(BrokerUnknownError, match="timed out"):
        desk.run(session_inputs(MONDAY, {"AAA": "0.5"}, PRICES))


def test_cash_that_no_activity_explains_stops_the_session(tmp_path: Path) -> None:
    desk, broker = desk_with(tmp_path)
    broker._cash += Decimal(1)
    outcome = desk.run(session_inputs(TUESDAY, {"AAA": "0.5"}, PRICES))
    assert outcome.block_code == "OPENING_BREAK"
    assert [(gap.symbol, gap.amount) for gap in outcome.opening_gaps] == [("CASH", Decimal(-1))]


def test_a_payment_without_an_ex_date_settles_the_dividend_that_is_owed(tmp_path: Path) -> None:
    desk, broker = desk_with(tmp_path)
    dividend = Dividend(
        symbol="AAA",
        ex_date=TUESDAY,
        amount_per_share=Decimal(1),
        currency="USD",
        # Paid by another account's clock than the one that the file knows.
        pay_date=LATE,
    )
    desk.run(session_inputs(TUESDAY, {"AAA": "0.5"}, PRICES, actions=(dividend,)))
    assert desk.book.fold.ledger.accruals == 50
    broker.add(activity("d1", CashActivityKind.DIVIDEND, "50", WEDNESDAY, symbol="AAA"))
    desk.run(session_inputs(WEDNESDAY, {"AAA": "0.5"}, PRICES))
    assert desk.book.fold.ledger.accruals == 0
    (record,) = cash_records(desk)
    assert getattr(record.event, "ex_date", None) == TUESDAY
    assert desk.books_agree


def test_a_dividend_that_is_canceled_while_the_next_is_owed_is_owed_again(tmp_path: Path) -> None:
    """50 shares: 30.00 went ex on Tuesday and are paid, 31.00 go ex on Wednesday, then the payment
    is canceled: 61.00 are owed, as if it had never come."""

    def dividend(ex_date: dt.date, amount: str) -> Dividend:
        return Dividend(
            symbol="AAA",
            ex_date=ex_date,
            amount_per_share=Decimal(amount),
            currency="USD",
            pay_date=LATE,
        )

    thursday, friday = dt.date(2024, 3, 7), dt.date(2024, 3, 8)
    desk, broker = desk_with(tmp_path)
    first, second = dividend(TUESDAY, "0.60"), dividend(WEDNESDAY, "0.62")
    desk.run(session_inputs(TUESDAY, {"AAA": "0.5"}, PRICES, actions=(first,)))
    broker.add(activity("d1", CashActivityKind.DIVIDEND, "30", WEDNESDAY, symbol="AAA"))
    desk.run(session_inputs(WEDNESDAY, {"AAA": "0.5"}, PRICES, actions=(second,)))
    ledger = desk.book.fold.ledger
    assert (ledger.accruals, ledger.dividends_owed("AAA")) == (Decimal(31), [WEDNESDAY])
    cash = desk.book.cash
    broker.take_back("d1")
    closed = desk.run(session_inputs(thursday, {"AAA": "0.5"}, PRICES)).closed
    assert closed is not None
    assert reconcile(closed).unexplained == ()
    result = daily_result(closed.previous, closed.activity, closed.close)
    assert (result.dividends, result.accruals) == (Decimal(0), Decimal(61))
    assert ledger.dividends_owed("AAA") == [TUESDAY, WEDNESDAY]
    assert closed.planned.plan.cash == cash - 30
    broker.add(
        activity("d2", CashActivityKind.DIVIDEND, "30", friday, symbol="AAA"),
        activity("d3", CashActivityKind.DIVIDEND, "31", friday, symbol="AAA"),
    )
    closed = desk.run(session_inputs(friday, {"AAA": "0.5"}, PRICES)).closed
    assert closed is not None
    result = daily_result(closed.previous, closed.activity, closed.close)
    assert (result.dividends, result.accruals) == (Decimal(0), Decimal(0))
    assert desk.books_agree


def test_a_deposit_of_a_negative_amount_is_refused_and_nothing_is_booked(tmp_path: Path) -> None:
    desk, _ = desk_with(tmp_path, activity("in1", CashActivityKind.DEPOSIT, "-5"))
    with pytest.raises(BookContractError, match="amount: '-5': it must be: decimal above 0"):
        desk.run(session_inputs(TUESDAY, {"AAA": "0.5"}, PRICES))
    assert cash_records(desk) == []


def test_signs_and_references_of_the_book() -> None:
    kind = CashActivityKind
    assert booked_as(activity("x", kind.FEE, "-2", symbol="AAA"), TUESDAY) == Fee(
        kind=FeeKind.OTHER, amount=Decimal(2), currency="USD", reference="x", symbol="AAA"
    )
    assert booked_as(activity("x", kind.TAX, "3"), TUESDAY) == TaxWithheld(
        amount=Decimal(-3), currency="USD", reference="x"
    )
    assert booked_as(activity("x", kind.INTEREST, "-4"), TUESDAY) == Interest(
        amount=Decimal(-4), currency="USD", reference="x"
    )
    assert booked_as(activity("x", kind.BORROW_FEE, "-5", symbol="AAA"), TUESDAY) == BorrowFee(
        symbol="AAA", amount=Decimal(5), currency="USD", reference="x"
    )
    # A borrow fee of no instrument is a fee like others.
    assert isinstance(booked_as(activity("x", kind.BORROW_FEE, "-5"), TUESDAY), Fee)
    assert booked_as(activity("x", kind.DIVIDEND, "6", symbol="AAA"), MONDAY) == DividendPayment(
        symbol="AAA", ex_date=MONDAY, amount=Decimal(6), currency="USD", reference="x"
    )


# Interest and borrow fees of a simulated account


def test_interest_and_borrow_fees_are_charged_booked_and_reconciled(tmp_path: Path) -> None:
    rules = {
        "margin_multiplier": 2,
        "credit_rate": "0.036",
        "borrow_rate": "0.06",
        "day_count": "actual/360",
    }
    desk = Desk(tmp_path, portfolio_settings(simulation=rules))
    desk.run(session_inputs(MONDAY, {"AAA": "-0.6"}, PRICES))
    outcome = desk.run(session_inputs(TUESDAY, {"AAA": "-0.6"}, PRICES))
    closed = outcome.closed
    assert closed is not None
    # 16,000 of cash at 3.6 % for one day of 360; 6,000 of AAA short at 6 %.
    assert (closed.activity.interest, closed.activity.borrow_fees) == (
        Decimal("1.60"),
        Decimal("1.00"),
    )
    assert desk.book.cash == Decimal("16000.60")
    assert reconcile(closed).unexplained == ()
    assert desk.books_agree
    (fee,) = (one.event for one in cash_records(desk) if one.event_type == "borrow_fee")
    assert isinstance(fee, BorrowFee)
    assert (fee.market_value, fee.annual_rate, fee.start, fee.end) == (
        Decimal(6000),
        Decimal("0.06"),
        MONDAY,
        TUESDAY,
    )


def test_other_rates_are_other_inputs_and_restate(tmp_path: Path) -> None:
    desk = Desk(tmp_path, portfolio_settings(simulation={"credit_rate": "0.036"}))
    desk.run(session_inputs(MONDAY, {}, PRICES))
    desk.run(session_inputs(TUESDAY, {}, PRICES))
    assert desk.book.cash == Decimal("10001.00")
    desk.close()
    desk = Desk(tmp_path, portfolio_settings(simulation={"credit_rate": "0.072"}))
    desk.run(session_inputs(MONDAY, {}, PRICES))
    desk.run(session_inputs(TUESDAY, {}, PRICES))
    assert desk.book.cash == Decimal("10002.00")
    assert desk.books_agree
