"""The notation of scenarios: it reads what it says, and it fails where a book is another."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from assets_tests.ledger.scenario import check, difference, imbalances, parse, spelled
from assets_tests.ledger.scenario_facts import ScenarioError
from trading_assets.ledger.fold import Ledger
from trading_assets.model.cash_events import Adjustment, CashFlow, CurrencyConversion
from trading_assets.model.corporate_actions import Dividend, DividendPayment, SpinOff, Split
from trading_assets.model.events import AnyEvent, SessionClosed
from trading_assets.model.lot import LotChoice
from trading_assets.model.order import Side
from trading_assets.model.order_events import Fill
from trading_assets.model.policies import AccountingPolicy, LotMethod

BOOKED = """
    2024-01-08 deposit 1000.00 USD
    2024-01-08 buy 10 SPY @ 50.00 commission 1.00 as a
    2024-01-09 sell 4 SPY @ 60.00
    ---
    SPY 6 cost 300.00
      lot a 6 cost 300.00 opened 2024-01-08
    cash USD 739.00
    realized SPY 40.00
    fees 1.00
"""


def event_of(line: str) -> AnyEvent:
    (step,) = parse(f"{line}\n---").steps
    return step.event


def test_a_trade_is_read_with_all_its_parts() -> None:
    fill = event_of("2024-01-08 sell 4.5 BRK.B @ 110.25 EUR commission 1.00 as x closing a:4 b:0.5")
    assert fill == Fill(
        execution_id="x",
        client_order_id="",
        symbol="BRK.B",
        side=Side.SELL,
        quantity=Decimal("4.5"),
        price=Decimal("110.25"),
        commission=Decimal("1.00"),
        currency="EUR",
        executed_at=dt.datetime(2024, 1, 8, 17, 0, 1, tzinfo=dt.UTC),
        lots=(
            LotChoice(lot_id="a", quantity=Decimal(4)),
            LotChoice(lot_id="b", quantity=Decimal("0.5")),
        ),
    )


def test_trades_without_a_name_are_called_after_their_place() -> None:
    scenario = parse("2024-01-08 buy 1 A @ 1\n2024-01-08 buy 1 A @ 1\n---")
    assert [step.event.execution_id for step in scenario.steps if isinstance(step.event, Fill)] == [
        "trade-1",
        "trade-2",
    ]


def test_facts_are_read_with_their_signs_and_dates() -> None:
    withdrawal = event_of("2024-01-08 withdrawal 10.00 USD")
    assert isinstance(withdrawal, CashFlow)
    assert withdrawal.amount == Decimal("-10.00")
    dividend = event_of("2024-01-10 dividend AAPL 0.50 USD paid 2024-01-20")
    assert isinstance(dividend, Dividend)
    assert (dividend.ex_date, dividend.pay_date) == (dt.date(2024, 1, 10), dt.date(2024, 1, 20))
    payment = event_of("2024-01-20 payment AAPL 5.00 USD ex 2024-01-10")
    assert isinstance(payment, DividendPayment)
    assert (payment.ex_date, payment.amount) == (dt.date(2024, 1, 10), Decimal("5.00"))
    split = event_of("2024-01-10 split AAPL 1:8 in lieu 70.00")
    assert isinstance(split, Split)
    assert (split.new_shares, split.old_shares, split.cash_in_lieu_price) == (1, 8, Decimal(70))
    spin_off = event_of("2024-01-10 spin-off NEW 1:4 of OLD basis 0.2")
    assert isinstance(spin_off, SpinOff)
    assert (spin_off.symbol, spin_off.new_symbol, spin_off.new_shares) == ("OLD", "NEW", 1)
    assert spin_off.cash_in_lieu_price is None
    conversion = event_of("2024-01-09 convert 11.00 USD to 10.00 EUR")
    assert isinstance(conversion, CurrencyConversion)
    assert (conversion.sold_amount, conversion.bought_currency) == (Decimal("11.00"), "EUR")
    adjustment = event_of("2024-01-09 adjust USD cash -3.00 because it rounds otherwise")
    assert isinstance(adjustment, Adjustment)
    assert (adjustment.symbol, adjustment.quantity) == ("", Decimal(0))
    assert adjustment.reason == "it rounds otherwise"


def test_a_close_is_read_with_marks_rates_and_balances() -> None:
    closed = event_of(
        "2024-01-10 close SPY 50.00 SAP 60.00 rates EUR 1.10 value 116.00 cash 12.00 "
        "of EUR 10.00 USD 1.00 accruals 2.00 equity 130.00"
    )
    assert isinstance(closed, SessionClosed)
    assert {s: mark.price for s, mark in closed.marks.items()} == {
        "SPY": Decimal(50),
        "SAP": Decimal(60),
    }
    assert closed.fx_rates == {"EUR": Decimal("1.10")}
    assert closed.cash_balances == {"EUR": Decimal(10), "USD": Decimal(1)}
    stated = (closed.market_value, closed.cash, closed.accruals, closed.equity)
    assert stated == (Decimal(116), Decimal(12), Decimal(2), Decimal(130))


def test_settings_are_those_of_the_accounting_policy() -> None:
    scenario = parse("policy long_lots=hifo commission_in_basis=yes currency=CHF\n---")
    assert scenario.currency == "CHF"
    assert scenario.policy == AccountingPolicy(long_lots=LotMethod.HIFO, commission_in_basis=True)
    assert parse("---").policy == AccountingPolicy()


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("2024-01-08 deposit 10.00 USD", "dashes"),
        ("---\n---", "dashes"),
        ("policy lifo\n---", "lifo"),
        ("deposit 10.00 USD\n---", "deposit 10.00 USD"),
        ("2024-01-08 deposit ten USD\n---", "deposit ten USD"),
        ("2024-01-08 borrow 10 SPY\n---", "borrow 10 SPY"),
        ("refused: SPY\n---", "refused: SPY"),
        ("2024-01-08 deposit 1 USD\nrefused: a\nrefused: b\n---", "refused: b"),
        ("2024-01-08 buy 1 A @ 1 as a\n2024-01-08 buy 1 A @ 1 as a\n---", "'a'"),
        ("---\nSPY ten", "SPY ten"),
        ("---\nlot a 6 cost 300.00 opened 2024-01-08", "lot a 6"),
        ("---\ncash USD 1.00\n lot a 6 cost 300.00 opened 2024-01-08", "lot a 6"),
    ],
)
def test_what_is_not_in_the_notation_is_named(text: str, names: str) -> None:
    with pytest.raises(ScenarioError, match=names):
        parse(text)


def test_comments_and_empty_lines_are_for_people() -> None:
    scenario = parse("; opening\n\n2024-01-08 deposit 10.00 USD ; wire\n---\n ; nothing else\n")
    assert len(scenario.steps) == 1
    assert scenario.expected == ()


def test_the_book_that_follows_passes() -> None:
    check(BOOKED)


@pytest.mark.parametrize(
    ("line", "otherwise"),
    [
        ("SPY 6 cost 300.00", "SPY 6 cost 300.01"),
        ("lot a 6 cost 300.00 opened 2024-01-08", "lot a 6 cost 300.00 opened 2024-01-09"),
        ("lot a 6 cost 300.00 opened 2024-01-08", "lot b 6 cost 300.00 opened 2024-01-08"),
        ("cash USD 739.00", "cash USD 739.01"),
        ("cash USD 739.00", ""),
        ("realized SPY 40.00", "realized SPY 39.00"),
        ("realized SPY 40.00", ""),
        ("fees 1.00", ""),
        ("fees 1.00", "fees 1.00\n accruals 1.00"),
        ("fees 1.00", "fees 1.00\n dividends USD 1.00"),
        ("fees 1.00", "fees 1.00\n flows 999.00"),
        ("fees 1.00", "fees 1.00\n total cash 738.00"),
        ("fees 1.00", "fees 1.00\n account capital USD 1000.00"),
        ("fees 1.00", "fees 1.00\n no round trips"),
        ("buy 10 SPY", "buy 11 SPY"),
    ],
)
def test_any_other_book_fails(line: str, otherwise: str) -> None:
    assert line in BOOKED
    with pytest.raises(AssertionError, match="not the expected one"):
        check(BOOKED.replace(line, otherwise))


@pytest.mark.parametrize(
    ("round_trip", "holds"),
    [
        ("4 SPY 2024-01-08 @ 50.00 to 2024-01-09 @ 60.00 pnl 40.00 return 0.2 days 1", True),
        ("3 SPY 2024-01-08 @ 50.00 to 2024-01-09 @ 60.00 pnl 40.00 return 0.2 days 1", False),
        ("4 SPY 2024-01-08 @ 50.00 to 2024-01-09 @ 60.00 pnl 40.00 return 0.2 days 2", False),
        ("4 SPY 2024-01-08 @ 50.00 to 2024-01-09 @ 60.00 pnl 40.00 return 0.21 days 1", False),
    ],
)
def test_round_trips_are_compared_where_one_is_stated(round_trip: str, holds: bool) -> None:
    text = f"{BOOKED}    round trip a: long {round_trip}\n"
    if holds:
        check(text)
        return
    with pytest.raises(AssertionError, match="not the expected one"):
        check(text)


def test_a_difference_shows_what_was_expected_and_what_was_booked() -> None:
    with pytest.raises(AssertionError) as failure:
        check(BOOKED.replace("cash USD 739.00", "cash USD 740.00"))
    shown = str(failure.value).splitlines()
    assert "- cash USD 740" in shown
    assert "+ cash USD 739" in shown
    assert "  SPY 6 cost 300" in shown


def test_the_difference_of_equal_books_has_no_marked_line() -> None:
    assert difference(["cash USD 1"], ["cash USD 1"]).splitlines()[1:] == ["  cash USD 1"]


def test_a_refusal_must_be_one() -> None:
    with pytest.raises(AssertionError, match="must be refused"):
        check("2024-01-08 deposit 1.00 USD\n refused: USD\n---\ncash USD 1.00")


def test_a_refusal_must_say_the_words() -> None:
    with pytest.raises(AssertionError, match="elephant"):
        check("2024-01-08 buy 0 SPY @ 1.00\n refused: SPY, elephant\n---")


def test_a_fact_must_not_be_refused_unless_that_is_said() -> None:
    with pytest.raises(AssertionError, match="though it can be booked"):
        check("2024-01-08 buy 0 SPY @ 1.00\n---")


def test_a_book_out_of_balance_is_seen() -> None:
    """Money is taken out of the cash account behind the ledger's back."""

    class Embezzled(Ledger):
        @property
        def accounts(self) -> dict[tuple[str, str], Decimal]:
            return {**super().accounts, ("cash", "USD"): Decimal(1)}

    ledger = Embezzled(AccountingPolicy(), "USD")
    ledger.apply_event(dt.date(2024, 1, 8), event_of("2024-01-08 deposit 10.00 USD"))
    assert imbalances(ledger) == ["the trial balance in USD is -9"] or imbalances(ledger) == [
        "the trial balance in USD is -9.00"
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [("25000.00", "25000"), ("0.50", "0.5"), ("-0.00", "0"), ("1E+3", "1000"), ("0E-9", "0")],
)
def test_each_number_has_one_spelling(value: str, text: str) -> None:
    assert spelled(Decimal(value)) == text
