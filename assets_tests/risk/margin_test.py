"""Margin: worked examples, each with the arithmetic of its source."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading_assets.risk.margin import (
    MarginPosition,
    long_call_price,
    margin_requirement,
    margin_statement,
    reductions,
)
from trading_assets.risk.policies import MarginPolicy

D = Decimal


def amounts(*numbers: int) -> tuple[Decimal, ...]:
    return tuple(D(number) for number in numbers)


REG_T = MarginPolicy()


def position(quantity: int | str, price: int | str) -> MarginPosition:
    return MarginPosition("ABC", D(quantity), D(price))


def test_buying_on_margin_leaves_nothing_over_at_half_of_the_price() -> None:
    # Securities of 16,000 bought with 8,000 of one's own and 8,000 borrowed (SEC, "Margin:
    # Borrowing Money to Pay for Stocks").
    account = margin_statement(D(-8_000), [position(160, 100)], REG_T)
    assert account.equity == 8_000
    assert account.initial == 8_000
    assert account.buying_power == 0
    assert account.call == 0


def test_a_firms_forty_percent_is_called_where_the_rules_twentyfive_is_not() -> None:
    # The same source goes on: the market value falls to 12,000, so equity is 4,000; at 25 % 3,000
    # are needed, at a firm's 40 % 4,800, so 800 are called.
    fallen = [position(160, 75)]
    account = margin_statement(D(-8_000), fallen, REG_T)
    assert (account.equity, account.maintenance, account.call) == amounts(4_000, 3_000, 0)
    strict = margin_statement(D(-8_000), fallen, MarginPolicy(maintenance_long=D("0.40")))
    assert (strict.maintenance, strict.call) == amounts(4_800, 800)


def test_the_excess_of_a_risen_account_buys_twice_its_amount() -> None:
    # 24,000 bought with 12,000, risen to 30,000: equity 18,000, Regulation T 15,000, excess 3,000,
    # which buys 6,000.
    account = margin_statement(D(-12_000), [position(240, 125)], REG_T)
    assert (account.equity, account.excess, account.buying_power) == amounts(18_000, 3_000, 6_000)


def test_cash_alone_buys_twice_its_amount() -> None:
    assert margin_statement(D(10_000), [], REG_T).buying_power == 20_000


def test_a_short_needs_half_of_its_value_beside_its_proceeds() -> None:
    # 100 sold short at 60: proceeds 6,000. Regulation T asks for 150 % of 6,000 in the account,
    # 6,000 proceeds and 3,000 of one's own.
    account = margin_statement(D(9_000), [position(-100, 60)], REG_T)
    assert (account.equity, account.initial, account.excess) == amounts(3_000, 3_000, 0)
    # 30 % of 6,000 is above 5 a share.
    assert account.maintenance == 1_800


def test_a_short_that_rises_is_called() -> None:
    # The short above at 75: equity 1,500, maintenance 30 % of 7,500 = 2,250.
    account = margin_statement(D(9_000), [position(-100, 75)], REG_T)
    assert (account.equity, account.maintenance, account.call) == amounts(1_500, 2_250, 750)


@pytest.mark.parametrize(
    ("price", "maintenance"),
    [
        # FINRA 4210(c)(2) below 5.00: the greater of 2.50 a share and 100 %.
        ("1.00", "250"),
        ("2.50", "250"),
        ("4.00", "400"),
        ("4.99", "499"),
        # 4210(c)(3) from 5.00 on: the greater of 5.00 a share and 30 %.
        ("5.00", "500"),
        ("16.00", "500"),
        ("16.67", "500.1"),
        ("40.00", "1200"),
    ],
)
def test_maintenance_of_a_hundred_shares_short_by_price(price: str, maintenance: str) -> None:
    assert margin_requirement(D(-100), D(price), REG_T).maintenance == D(maintenance)


def test_a_cheap_short_needs_at_once_what_it_will_have_to_keep() -> None:
    # Half of 3.00 is 1.50 a share, but 3.00 have to be kept.
    assert margin_requirement(D(-100), D("3.00"), REG_T).initial == 300


def test_longs_and_shorts_add_up() -> None:
    # 5,000 paid in and 9,000 - 6,000 from trades: cash 8,000. Long 120 at 50 (6,000), short 100
    # at 90 (9,000).
    account = margin_statement(D(8_000), [position(120, 50), position(-100, 90)], REG_T)
    assert (account.long_value, account.short_value) == amounts(6_000, 9_000)
    assert account.equity == 5_000
    assert account.initial == 3_000 + 4_500
    assert account.maintenance == 1_500 + 2_700
    assert account.excess == -2_500
    assert account.buying_power == 0
    assert account.call == 0


def test_below_two_thousand_nothing_is_lent() -> None:
    assert margin_statement(D(2_000), [], REG_T).buying_power == 4_000
    assert margin_statement(D("1999.99"), [], REG_T).buying_power == D("1999.99")


def test_proceeds_of_a_short_are_no_cash_to_spend() -> None:
    # 1,500 of one's own and 1,000 from a short: only 1,500 are free.
    assert margin_statement(D(2_500), [position(-100, 10)], REG_T).buying_power == 1_500


def test_the_price_at_which_a_long_is_called() -> None:
    # 12,000 borrowed on 240 shares, called at 12,000 / (240 x 0.70) with a firm's 30 %.
    firm = MarginPolicy(maintenance_long=D("0.30"))
    price = long_call_price(D(240), D(12_000), firm)
    assert price is not None
    assert price.quantize(D("0.01")) == D("71.43")
    at = margin_statement(D(-12_000), [MarginPosition("ABC", D(240), D("71.43"))], firm)
    below = margin_statement(D(-12_000), [MarginPosition("ABC", D(240), D("71.42"))], firm)
    assert at.call == 0
    assert below.call > 0
    assert long_call_price(D(0), D(12_000), firm) is None


@given(
    cash=st.integers(2_000, 10**7),
    price=st.decimals(1, 1_000, places=2),
)
def test_spending_all_buying_power_leaves_no_excess_and_no_call(cash: int, price: Decimal) -> None:
    power = margin_statement(D(cash), [], REG_T).buying_power
    bought = MarginPosition("ABC", power / price, price)
    account = margin_statement(D(cash) - power, [bought], REG_T)
    assert abs(account.excess) < D("1e-12")
    assert account.call == 0


# Reductions


def traded(*found: tuple[MarginPosition, Decimal]) -> list[tuple[str, Decimal]]:
    return [(one.symbol, shares) for one, shares in found]


def test_a_call_on_a_long_sells_the_fewest_shares_that_meet_it() -> None:
    # 2,000 at 60 with 100,000 borrowed: equity 20,000, 25 % of 120,000 are 30,000. 10,000 are
    # called; a share sold releases 15, so 666.67 of them, in whole shares 667.
    held = [position(2_000, 60)]
    assert traded(*reductions(D(20_000), held, REG_T, 0)) == [("ABC", D(-667))]
    assert traded(*reductions(D(20_000), held, REG_T, 2)) == [("ABC", D("-666.67"))]
    assert reductions(D(30_000), held, REG_T, 0) == ()


def test_a_call_on_a_short_buys_back() -> None:
    # 1,000 short at 130: 30 % of 130,000 are 39,000, equity 30,000. 9,000 / 39 are 230.77.
    assert traded(*reductions(D(30_000), [position(-1_000, 130)], REG_T, 0)) == [("ABC", D(231))]
    # At 4 a share the rule asks for all of the value: 4,000, so 1,000 / 4 are bought back.
    assert traded(*reductions(D(3_000), [position(-1_000, 4)], REG_T, 0)) == [("ABC", D(250))]


def test_the_position_with_the_largest_margin_comes_first_and_all_of_it_before_the_next() -> None:
    # 500 and 1,500 at 52: margins 6,500 and 19,500. Equity 4,000: 22,000 are called. All 1,500 give
    # 19,500; the other 2,500 are 192.3 shares at 13.
    small, large = MarginPosition("AAA", D(500), D(52)), MarginPosition("BBB", D(1_500), D(52))
    found = reductions(D(4_000), [small, large], REG_T, 0)
    assert traded(*found) == [("BBB", D(-1_500)), ("AAA", D(-193))]
    # Of equals the one that is given first.
    equal = MarginPosition("CCC", D(500), D(52))
    assert traded(*reductions(D(12_999), [equal, small], REG_T, 0))[0][0] == "CCC"


def test_without_equity_all_is_sold() -> None:
    assert traded(*reductions(D(-1), [position(10, 60)], REG_T, 0)) == [("ABC", D(-10))]


@given(
    equity=st.integers(-50_000, 200_000),
    holdings=st.lists(
        st.tuples(
            st.integers(-3_000, 3_000).filter(bool),
            st.decimals("0.5", "300", places=2, allow_nan=False),
        ),
        min_size=1,
        max_size=5,
    ),
)
def test_what_is_left_is_covered_and_one_share_less_would_not_be(
    equity: int, holdings: list[tuple[int, Decimal]]
) -> None:
    held = [
        MarginPosition(f"S{index}", D(quantity), price)
        for index, (quantity, price) in enumerate(holdings)
    ]
    found = reductions(D(equity), held, REG_T, 0)

    def needed(sold: dict[str, Decimal]) -> Decimal:
        return sum(
            (
                margin_requirement(
                    one.quantity + sold.get(one.symbol, D(0)), one.price, REG_T
                ).maintenance
                for one in held
            ),
            D(0),
        )

    shares = {one.symbol: change for one, change in found}
    assert needed(shares) <= max(D(equity), D(0))
    if found:
        last, change = found[-1]
        one_less = shares | {last.symbol: change - (1 if change > 0 else -1)}
        assert needed(one_less) > equity
