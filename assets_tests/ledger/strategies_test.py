"""Books of strategies in one account, worked by hand; every close checks that they add up to it."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import msgspec
import pytest

from assets_tests.ledger.strategy_account import NOON, Account, amounts
from trading_assets.errors import LedgerError
from trading_assets.ledger.strategies import StrategyBooks
from trading_assets.ledger.strategy_state import StrategyState
from trading_assets.model.cash_events import (
    Adjustment,
    BorrowFee,
    CurrencyConversion,
    Fee,
    FeeKind,
    FxRate,
    Interest,
)
from trading_assets.model.cash_events import TaxWithheld as Tax
from trading_assets.model.corporate_actions import (
    CashInLieu,
    CashMerger,
    Delisting,
    Dividend,
    DividendPayment,
    SpinOff,
    Split,
    StockDividend,
    SymbolChange,
)
from trading_assets.model.policies import AccountingPolicy, DividendSource
from trading_assets.model.target import UNATTRIBUTED

SPY = {"SPY": "100"}


def funded(shares: str = "a 0.5, b 0.5", policy: AccountingPolicy | None = None) -> Account:
    account = Account(shares, policy)
    account.deposit("10000")
    return account


def holding(a: str, b: str, policy: AccountingPolicy | None = None) -> Account:
    """An account whose strategies hold a and b shares of SPY, bought at 100 without commission."""
    account = funded(policy=policy)
    account.plan(SPY, {"SPY": f"a {Decimal(a) / 100}, b {Decimal(b) / 100}"})
    account.trade("SPY", str(Decimal(a) + Decimal(b)), "100")
    account.close(SPY)
    assert account.shares_of("SPY") == amounts(f"a {a}, b {b}")
    return account


# Money from outside


def test_a_deposit_is_allotted_by_the_strategies_shares_the_rest_to_nobody() -> None:
    account = funded("a 0.5, b 0.3")
    account.close({})
    assert account.cash == amounts("a 5000, b 3000, ? 2000")
    assert account.result("a").flows == Decimal(5000)
    assert account.result("a").pnl == 0
    # A half, 0.3 and 0.2 of 100.01 are 50.005, 30.003 and 20.002: the cent goes to a.
    account.deposit("-100.01")
    account.close({})
    assert account.cash == amounts("a 4949.99, b 2970.00, ? 1980.00")


def test_all_belongs_to_the_one_strategy_that_is_selected() -> None:
    account = funded("a 1")
    account.plan(SPY, {"SPY": "a 0.3"})
    account.trade("SPY", "30", "101", "1.01")
    closed = account.close({"SPY": "102"})
    result = account.result("a")
    assert (result.closing_equity, result.fees) == (closed.close.equity, Decimal("1.01"))
    assert account.cash == amounts("a 6968.99")
    assert account.result("?").closing_equity == 0


def test_shares_above_one_are_borrowed_from_nobody() -> None:
    account = funded("a 1, b 0.5")
    account.close({})
    assert account.cash == amounts("a 10000, b 5000, ? -5000")


# Trading


def test_strategies_that_agree_share_the_fill_and_its_cost() -> None:
    account = funded()
    account.plan(SPY, {"SPY": "a 0.3, b 0.1"})
    account.trade("SPY", "40", "101", "1.01")
    account.close({"SPY": "102"})
    assert account.shares_of("SPY") == amounts("a 30, b 10")
    # 3,030.00 + 0.76 and 1,010.00 + 0.25
    assert account.cash == amounts("a 1969.24, b 3989.75")
    a = account.result("a")
    assert (a.opening_equity, a.flows, a.fees) == (Decimal(0), Decimal(5000), Decimal("0.76"))
    assert (a.market_value, a.closing_equity) == (Decimal(3060), Decimal("5029.24"))
    assert a.pnl == Decimal(30)


def test_opposing_strategies_cross_at_the_price_of_the_session_and_only_the_rest_is_bought() -> (
    None
):
    account = funded()
    account.plan(SPY, {"SPY": "a 0.1, b -0.08"})
    account.trade("SPY", "2", "101", "0.50")
    account.close({"SPY": "102"})
    assert account.shares_of("SPY") == amounts("a 10, b -8")
    # a pays 202 and 0.50 to the market and 808 to b; b pays no commission.
    assert account.cash == amounts("a 3989.50, b 5808")
    assert account.result("a").pnl == Decimal(10)
    assert account.result("b").pnl == Decimal(-8)


def test_a_partial_fill_serves_the_larger_side_less_and_the_smaller_in_full() -> None:
    account = funded()
    account.plan(SPY, {"SPY": "a 0.1, b -0.08"})
    account.fill(account.order("SPY", "2"), "SPY", "1", "100")
    account.close(SPY)
    assert account.shares_of("SPY") == amounts("a 9, b -8")


def test_several_fills_cross_at_their_average_price() -> None:
    account = funded()
    account.plan(SPY, {"SPY": "a 0.1, b -0.06"})
    order = account.order("SPY", "4")
    account.fill(order, "SPY", "1", "104")
    account.fill(order, "SPY", "3", "100")
    account.close(SPY)
    # 6 shares at (104 + 300) / 4 = 101
    assert account.cash == amounts("a 3990, b 5606")


def test_a_rejected_order_leaves_the_cross_at_the_mark_and_nobody_gains_by_it() -> None:
    account = funded()
    account.plan(SPY, {"SPY": "a 0.1, b -0.08"})
    account.reject(account.order("SPY", "2"))
    account.close({"SPY": "102"})
    assert account.shares_of("SPY") == amounts("a 8, b -8")
    assert account.cash == amounts("a 4184, b 5816")
    assert account.result("a").pnl == account.result("b").pnl == 0
    assert account.closed[-1].close.positions == {}
    # Held against each other, they earn what the price does.
    account.close({"SPY": "105"})
    assert (account.result("a").pnl, account.result("b").pnl) == (Decimal(24), Decimal(-24))
    assert account.result("a").market_value == Decimal(840)


def test_a_cross_that_needs_no_order_happens_and_keeps_the_last_price_known() -> None:
    account = funded()
    account.plan(SPY, {"SPY": "a 0.1, b -0.1"})
    account.close({})
    assert account.shares_of("SPY") == amounts("a 10, b -10")
    # The account holds none, so the close need not have a mark: the plan's price is kept.
    assert account.cash == amounts("a 4000, b 6000")
    assert account.result("a").market_value == Decimal(1000)


def test_a_plan_that_is_not_acted_on_crosses_nothing() -> None:
    account = funded()
    account.plan(SPY, {"SPY": "a 0.1, b -0.08"})
    account.close(SPY)
    assert account.shares_of("SPY") == {}


def test_a_strategy_that_leaves_sells_to_the_one_that_comes() -> None:
    account = holding("30", "0")
    account.plan(SPY, {"SPY": "b 0.3"})
    account.close({"SPY": "110"})
    assert account.shares_of("SPY") == amounts("b 30")
    assert account.cash == amounts("a 5300, b 1700")
    assert (account.result("a").pnl, account.result("b").pnl) == (Decimal(300), Decimal(0))


def test_a_flip_through_zero_is_served_from_inside_and_from_the_market() -> None:
    account = holding("10", "0")
    # a from 10 to -5, b from 0 to 6: the account goes from 10 to 1.
    account.plan(SPY, {"SPY": "a -0.05, b 0.06"})
    account.trade("SPY", "-9", "100")
    account.close(SPY)
    assert account.shares_of("SPY") == amounts("a -5, b 6")
    # The account flips too: 1 to -4 in two legs, a alone.
    account.plan(SPY, {"SPY": "a -0.1, b 0.06"})
    account.trade("SPY", "-1", "100")
    account.trade("SPY", "-4", "100")
    account.close(SPY)
    assert account.shares_of("SPY") == amounts("a -10, b 6")


def test_a_foreign_trade_belongs_to_nobody_and_is_sold_for_nobody() -> None:
    account = holding("30", "10")
    account.fill("", "SPY", "3", "100", "0.30")
    account.plan(SPY, {"SPY": "a 0.3, b 0.1"})
    account.trade("SPY", "-3", "101")
    account.close({"SPY": "101"})
    assert account.shares_of("SPY") == amounts("a 30, b 10")
    nobody = account.result("?")
    assert (nobody.pnl, nobody.fees, nobody.cash) == (
        Decimal(3),
        Decimal("0.30"),
        Decimal("2.70"),
    )


def test_a_foreign_sale_of_what_a_strategy_holds_leaves_its_book_untouched() -> None:
    account = holding("30", "0")
    account.fill("", "SPY", "-30", "100")
    account.close(SPY)
    assert account.shares_of("SPY") == amounts("a 30, ? -30")
    # Whoever plans next wants 30 for a, which is what a has: the order is nobody's purchase.
    account.plan(SPY, {"SPY": "a 0.3"})
    account.trade("SPY", "30", "100")
    account.close(SPY)
    assert account.shares_of("SPY") == amounts("a 30")


def test_an_overfill_by_hand_of_what_the_plan_asked_belongs_to_nobody() -> None:
    account = funded()
    account.plan(SPY, {"SPY": "a 0.1"})
    account.trade("SPY", "12", "100")
    account.close(SPY)
    assert account.shares_of("SPY") == amounts("a 10, ? 2")


# What is held earns and costs


def test_a_dividend_is_owed_and_paid_by_shares_held_to_the_cent() -> None:
    account = holding("30", "10")
    account.tell(Dividend(symbol="SPY", ex_date=account.session, amount_per_share=Decimal("0.3333"),
                          currency="USD"))  # fmt: skip
    ex_date = account.session
    account.close({"SPY": "99"})
    # 40 x 0.3333 = 13.33; 9.999 and 3.333
    assert account.result("a").accruals == Decimal("10.00")
    assert account.result("b").accruals == Decimal("3.33")
    assert account.result("a").pnl == Decimal("-20.00")
    account.tell(
        DividendPayment(symbol="SPY", ex_date=ex_date, amount=Decimal("13.33"), currency="USD",
                        reference="d"),
        Tax(amount=Decimal("2.00"), currency="USD", reference="d", symbol="SPY"),
    )  # fmt: skip
    account.close({"SPY": "99"})
    assert account.cash == amounts("a 2008.50, b 4002.83")
    assert account.result("a").accruals == 0


def test_a_regular_and_a_special_dividend_of_one_day_are_paid_together() -> None:
    account = holding("30", "10")
    ex_date = account.session
    for amount in ("0.5", "0.1"):
        account.tell(
            Dividend(
                symbol="SPY", ex_date=ex_date, amount_per_share=Decimal(amount), currency="USD"
            )
        )
    account.close(SPY)
    assert account.result("a").accruals == Decimal(18)
    account.tell(
        DividendPayment(symbol="SPY", ex_date=ex_date, amount=Decimal(24), currency="USD",
                        reference="d")
    )  # fmt: skip
    account.close(SPY)
    assert account.cash == amounts("a 2018, b 4006")
    assert account.result("a").accruals == account.result("b").accruals == 0


def test_a_dividend_taken_from_the_broker_goes_to_those_who_held_at_the_ex_date() -> None:
    account = holding("30", "10", AccountingPolicy(dividend_source=DividendSource.BROKER))
    ex_date = account.session
    account.tell(
        Dividend(symbol="SPY", ex_date=ex_date, amount_per_share=Decimal(1), currency="USD")
    )
    account.plan(SPY, {"SPY": "b 0.1"})
    account.trade("SPY", "-30", "100")
    account.close(SPY)
    account.tell(
        DividendPayment(symbol="SPY", ex_date=ex_date, amount=Decimal(40), currency="USD",
                        reference="d")
    )  # fmt: skip
    account.close(SPY)
    assert account.cash == amounts("a 5030, b 4010")


@pytest.mark.parametrize("is_followed", [False, True])
def test_a_payment_that_is_taken_back_is_owed_to_the_same_books_again(is_followed: bool) -> None:
    """Also where a later dividend went ex, after which only those who hold are known."""
    account = holding("30", "10")
    ex_date = account.session

    def dividend(amount: str) -> Dividend:
        return Dividend(
            symbol="SPY",
            ex_date=account.session,
            amount_per_share=Decimal(amount),
            currency="USD",
        )

    def payment(amount: str, takes_back: str = "") -> DividendPayment:
        return DividendPayment(
            symbol="SPY",
            ex_date=ex_date,
            amount=Decimal(amount),
            currency="USD",
            reference="d",
            takes_back=takes_back,
        )

    account.tell(dividend("0.5"))
    account.close(SPY)
    before = dict(account.cash)
    account.tell(payment("20"))
    account.close(SPY)
    if is_followed:
        account.tell(dividend("1"))
    account.tell(payment("-20", takes_back="d"))
    account.close(SPY)
    assert account.cash == before
    more = (Decimal(30), Decimal(10)) if is_followed else (Decimal(0), Decimal(0))
    assert account.result("a").accruals == Decimal(15) + more[0]
    assert account.result("b").accruals == Decimal(5) + more[1]


def test_a_short_strategy_pays_the_dividend_that_a_long_one_receives() -> None:
    account = holding("10", "-8")
    account.tell(
        Dividend(
            symbol="SPY", ex_date=account.session, amount_per_share=Decimal("0.5"), currency="USD"
        )
    )
    account.close(SPY)
    assert account.result("a").accruals == Decimal(5)
    assert account.result("b").accruals == Decimal(-4)


def test_a_dividend_between_two_strategies_is_settled_at_once() -> None:
    account = funded()
    account.plan(SPY, {"SPY": "a 0.1, b -0.1"})
    account.close(SPY)
    account.tell(
        Dividend(
            symbol="SPY", ex_date=account.session, amount_per_share=Decimal("0.5"), currency="USD"
        )
    )
    account.close(SPY)
    assert account.cash == amounts("a 4005, b 5995")


def test_a_payment_without_an_ex_date_goes_to_those_who_hold() -> None:
    account = holding("30", "10")
    account.tell(
        DividendPayment(symbol="SPY", ex_date=dt.date(2024, 1, 2), amount=Decimal(4),
                        currency="USD", reference="d")
    )  # fmt: skip
    account.close(SPY)
    assert account.cash == amounts("a 2003, b 4001")


def test_a_split_with_odd_fractions_keeps_the_account_and_the_proportions() -> None:
    account = holding("3", "2")
    account.tell(Split(symbol="SPY", ex_date=account.session, new_shares=1, old_shares=3))
    account.close({"SPY": "300"})
    # 5 / 3 = 1.666666666 to nine decimals; 1 and 0.666666666…
    assert account.shares_of("SPY") == amounts("a 1.000000000, b 0.666666666")


def test_cash_in_lieu_is_paid_to_each_for_the_part_of_its_shares_that_went() -> None:
    account = holding("3", "2")
    account.tell(
        Split(
            symbol="SPY",
            ex_date=account.session,
            new_shares=1,
            old_shares=3,
            cash_in_lieu_price=Decimal(30),
        )
    )
    account.close({"SPY": "30"})
    # One share remains; 0.666666666 x 30 = 20.00
    assert account.shares_of("SPY") == amounts("a 0.6, b 0.4")
    assert account.cash == amounts("a 4712, b 4808")


def test_cash_in_lieu_that_the_broker_tells_is_paid_to_each_for_its_part() -> None:
    account = holding("3", "2")
    account.tell(
        CashInLieu(symbol="SPY", quantity=Decimal("0.5"), amount=Decimal(30), currency="USD",
                   reference="c"),
    )  # fmt: skip
    account.close({"SPY": "60"})
    assert account.shares_of("SPY") == amounts("a 2.7, b 1.8")
    assert account.cash == amounts("a 4718, b 4812")


def test_a_split_of_what_strategies_hold_against_each_other() -> None:
    account = funded()
    account.plan(SPY, {"SPY": "a 0.1, b -0.1"})
    account.close({})
    account.tell(Split(symbol="SPY", ex_date=account.session, new_shares=4, old_shares=1))
    account.close({})
    assert account.shares_of("SPY") == amounts("a 40, b -40")
    assert account.result("a").market_value == Decimal(1000)


def test_a_stock_dividend_is_given_on_what_each_holds() -> None:
    account = holding("30", "10")
    account.tell(StockDividend(symbol="SPY", ex_date=account.session, new_shares=1, old_shares=20))
    account.close(SPY)
    assert account.shares_of("SPY") == amounts("a 31.5, b 10.5")


def test_spun_off_shares_go_by_the_parents_and_a_new_symbol_changes_nothing() -> None:
    account = holding("30", "9")
    account.tell(
        SpinOff(symbol="SPY", ex_date=account.session, new_symbol="NEW", new_shares=1,
                old_shares=4, basis_fraction=Decimal("0.1")),
        SymbolChange(symbol="SPY", effective_date=account.session, new_symbol="SPX"),
    )  # fmt: skip
    account.close({"SPX": "90", "NEW": "40"})
    assert account.shares_of("NEW") == amounts("a 7.5, b 2.25")
    assert account.shares_of("SPX") == amounts("a 30, b 9")
    assert account.shares_of("SPY") == {}


def test_a_merger_pays_each_for_its_shares_and_the_short_pays() -> None:
    account = holding("10", "-8")
    account.tell(CashMerger(symbol="SPY", effective_date=account.session, price=Decimal("120.005")))
    account.close({})
    # 2 x 120.005 = 240.01; 1,200.05 and -960.04
    assert account.cash == amounts("a 5200.05, b 4839.96")


def test_a_worthless_delisting_ends_the_holding_and_costs_its_value() -> None:
    account = holding("30", "10")
    account.tell(Delisting(symbol="SPY", effective_date=account.session, price=Decimal(0)))
    account.close({})
    assert account.shares_of("SPY") == {}
    assert (account.result("a").pnl, account.result("b").pnl) == (Decimal(-3000), Decimal(-1000))


def test_the_short_bears_the_borrow_fee() -> None:
    account = holding("10", "-12")
    account.tell(BorrowFee(symbol="SPY", amount=Decimal("0.07"), currency="USD", reference="f"))
    account.close(SPY)
    assert account.cash == amounts("a 4000, b 6199.93")


def test_a_fee_of_a_symbol_goes_to_those_who_traded_it_or_else_hold_it() -> None:
    account = holding("30", "10")
    fee = Fee(
        kind=FeeKind.REGULATORY,
        amount=Decimal("0.10"),
        currency="USD",
        reference="f",
        symbol="SPY",
    )
    account.tell(fee)
    account.plan(SPY, {"SPY": "a 0.3"})
    account.trade("SPY", "-10", "100")
    account.tell(fee)
    account.close(SPY)
    # 0.075 and 0.025 by holdings: the cent goes to a by name; then all to b, who sold.
    assert account.result("a").fees == Decimal("0.08")
    assert account.result("b").fees == Decimal("0.12")


def test_interest_account_fees_and_adjustments_belong_to_nobody() -> None:
    account = holding("30", "10")
    account.tell(
        Interest(amount=Decimal("1.23"), currency="USD", reference="i"),
        Fee(kind=FeeKind.ACCOUNT, amount=Decimal(5), currency="USD", reference="f"),
        Adjustment(symbol="QQQ", quantity=Decimal(2), price=Decimal(10), cash=Decimal(7),
                   currency="USD", reason="gift"),
    )  # fmt: skip
    account.close({"SPY": "100", "QQQ": "10"})
    nobody = account.result("?")
    assert (nobody.pnl, nobody.fees, nobody.flows) == (Decimal("1.23"), Decimal(5), Decimal(27))
    assert account.shares_of("QQQ") == amounts("? 2")
    assert account.cash == amounts("a 2000, b 4000, ? 3.23")


# Other currencies


def rate(value: str) -> FxRate:
    return FxRate(currency="EUR", rate=Decimal(value), as_of=NOON)


def test_books_are_kept_by_currency_and_reported_in_the_portfolios() -> None:
    account = funded()
    account.tell(rate("1.10"))
    account.plan({"SAP": "110"}, {"SAP": "a 0.33, b 0.11"})
    account.fill(account.order("SAP", "40"), "SAP", "40", "100", "4.00", "EUR")
    account.close({"SAP": "100"})
    # 4,004 EUR were borrowed, which nobody converted: 3,003 for a and 1,001 for b.
    cash = account.closed[-1].strategies.cash
    assert cash["EUR"] == amounts("a -3003, b -1001")
    assert cash["USD"] == amounts("a 5000, b 5000")
    a = account.result("a")
    # 3,000 EUR at 1.10; 5,000 - 3,303.30; a fee of 3 EUR
    assert (a.market_value, a.cash, a.fees) == (
        Decimal(3300),
        Decimal("1696.70"),
        Decimal("3.30"),
    )
    assert a.pnl == 0
    # The euro rises: the shares gain what the debt loses, but for the fee.
    account.tell(rate("1.20"))
    account.close({"SAP": "100"})
    assert account.result("a").pnl == Decimal("-0.30")
    assert account.result("b").pnl == Decimal("-0.10")


def test_an_exchange_of_currencies_is_nobodys_and_so_is_what_it_gains() -> None:
    account = funded()
    account.tell(
        rate("1.10"),
        CurrencyConversion(
            sold_currency="USD",
            sold_amount=Decimal(1100),
            bought_currency="EUR",
            bought_amount=Decimal(1000),
            reference="c",
        ),
    )
    account.close({})
    account.tell(rate("1.20"))
    account.close({})
    assert account.result("?").pnl == Decimal(100)
    assert account.result("a").pnl == 0


def test_strategies_that_hold_a_currency_against_each_other_need_its_rate() -> None:
    account = funded()
    account.tell(rate("1.10"))
    account.plan({"SAP": "110"}, {"SAP": "a 0.33, b -0.11"})
    account.fill(account.order("SAP", "20"), "SAP", "20", "100", "0", "EUR")
    account.fill("", "SAP", "-20", "100", "0", "EUR")
    with pytest.raises(LedgerError, match="no rate of EUR, in which strategies hold"):
        account.close({"SAP": "100"})


# State


def test_books_go_on_from_their_state_in_the_middle_of_a_session() -> None:
    account = holding("30", "10")
    account.plan(SPY, {"SPY": "a 0.1, b 0.2"})
    order = account.order("SPY", "-10")
    account.fill(order, "SPY", "-4", "100")
    kept = msgspec.json.encode(account.fold.strategies.state())
    state = msgspec.json.decode(kept, type=StrategyState)
    account.fill(order, "SPY", "-6", "100")
    account.close(SPY)
    first = account.closed[-1].strategies
    # The same from the state: the ledger is at the close already, of which only the fill is told.
    again = StrategyBooks.from_state(state)
    assert again.state() == state
    fill, closed = account.closed[-1].fills[-1], account.closed[-1].closed
    again.follow(fill, account.fold.ledger)
    again.follow(closed, account.fold.ledger)
    assert again.last_close == first
    assert account.shares_of("SPY") == amounts("a 10, b 20")


def test_a_symbol_that_only_strategies_hold_needs_a_price() -> None:
    account = holding("30", "0")
    account.tell(
        SpinOff(symbol="SPY", ex_date=account.session, new_symbol="NEW", new_shares=1,
                old_shares=1, basis_fraction=Decimal("0.1")),
        Adjustment(symbol="NEW", quantity=Decimal(-30), price=Decimal(1), cash=Decimal(0),
                   currency="USD", reason="sold elsewhere"),
    )  # fmt: skip
    with pytest.raises(LedgerError, match=f"no price for NEW, which a, {UNATTRIBUTED} hold"):
        account.close(SPY)
