"""Limits on one order: each code at its edge, and the way out that no limit may close."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading_assets.risk.limits import (
    MINUTE_NANOSECONDS,
    AccountExposure,
    OrderExposure,
    OrderRate,
    order_refusal,
)
from trading_assets.risk.policies import RiskLimits
from trading_assets.risk.refusals import RiskCode, RiskRefusal

D = Decimal


def amounts(*numbers: int) -> tuple[Decimal, ...]:
    return tuple(D(number) for number in numbers)


SECOND = 1_000_000_000


def order(change: int | str, held: int | str = 0, price: int | str = 100) -> OrderExposure:
    return OrderExposure(symbol="AAPL", change=D(change), held=D(held), price=D(price))


def account(**changed: Any) -> AccountExposure:
    """Equity 100,000, all in cash, at its peak."""
    usual = {
        "equity": D(100_000),
        "peak_equity": D(100_000),
        "capital": D(10**9),
        "gross": D(0),
        "net": D(0),
    }
    return AccountExposure(**(usual | changed))


def code(asked: OrderExposure, standing: AccountExposure, limits: RiskLimits) -> str | None:
    refusal = order_refusal(asked, standing, limits)
    return None if refusal is None else refusal.code.value


# Each row: limits, order at the limit (passes), order one share beyond it (refused), code.
# Equity is 100,000 and the price 100, so 1 % of equity is 10 shares.
EDGES = [
    ({"max_position_quantity": D(50)}, {}, 50, "POSITION_SIZE_LIMIT"),
    ({"max_position_value": D(7_000)}, {}, 70, "POSITION_VALUE_LIMIT"),
    ({"max_concentration": D("0.05")}, {}, 50, "CONCENTRATION_LIMIT"),
    (
        {"max_sector_weight": D("0.10"), "sectors": {"AAPL": "technology"}},
        {"sector_gross": {"technology": D(6_000)}, "gross": D(6_000)},
        40,
        "SECTOR_LIMIT",
    ),
    ({"max_total_exposure": D(50_000)}, {"gross": D(41_000)}, 90, "TOTAL_EXPOSURE_LIMIT"),
    ({"max_gross_leverage": D("1.5")}, {"gross": D(141_000)}, 90, "GROSS_LEVERAGE_LIMIT"),
    ({"max_net_leverage": D("0.5")}, {"gross": D(9), "net": D(43_000)}, 70, "NET_LEVERAGE_LIMIT"),
    ({}, {"capital": D(3_000)}, 30, "INSUFFICIENT_CAPITAL"),
]


@pytest.mark.parametrize(("limits", "standing", "shares", "expected"), EDGES)
def test_an_order_may_reach_its_limit_and_not_pass_it(
    limits: dict[str, Any], standing: dict[str, Any], shares: int, expected: str
) -> None:
    assert code(order(shares), account(**standing), RiskLimits(**limits)) is None
    assert code(order(shares + 1), account(**standing), RiskLimits(**limits)) == expected


@pytest.mark.parametrize(("limits", "standing", "shares", "expected"), EDGES)
def test_a_short_is_held_to_the_same_limits(
    limits: dict[str, Any], standing: dict[str, Any], shares: int, expected: str
) -> None:
    standing = standing | {"net": -standing.get("net", D(0))}
    assert code(order(-shares), account(**standing), RiskLimits(**limits)) is None
    assert code(order(-shares - 1), account(**standing), RiskLimits(**limits)) == expected


ALL = RiskLimits(
    max_position_quantity=D(1),
    max_position_value=D(1),
    max_concentration=D("0.0001"),
    max_sector_weight=D("0.0001"),
    sectors={"MSFT": "technology"},
    max_total_exposure=D(1),
    max_gross_leverage=D("0.0001"),
    max_net_leverage=D("0.0001"),
    max_drawdown=D("0.01"),
)


@given(
    held=st.integers(1, 10**6),
    part=st.integers(1, 10**6),
    long=st.booleans(),
    equity=st.integers(-(10**6), 10**6),
    net=st.integers(-(10**7), 10**7),
)
def test_an_order_that_only_reduces_is_never_refused(
    held: int, part: int, long: bool, equity: int, net: int
) -> None:
    sign = 1 if long else -1
    asked = order(-sign * min(part, held), sign * held)
    standing = account(equity=D(equity), capital=D(0), gross=D(10**9), net=D(net))
    assert code(asked, standing, ALL) is None


def test_selling_more_than_is_held_is_not_reducing() -> None:
    assert order(-100, 100).reduces
    assert not order(-101, 100).reduces
    assert order(100, -100).reduces
    assert not order(101, -100).reduces
    assert not order(1, 100).reduces
    assert not order(-1, 0).reduces


def test_a_flip_to_a_smaller_position_is_no_breach_of_what_it_improves() -> None:
    limits = RiskLimits(max_position_quantity=D(50), max_gross_leverage=D("0.5"))
    # Long 900 of a book of 90 %; short 60 afterwards, above the limit but nearer to it.
    standing = account(gross=D(90_000), net=D(90_000))
    assert code(order(-960, 900), standing, limits) is None


def test_a_flip_is_paid_with_what_it_closes() -> None:
    # Sells 100 for 10,000, opens a short of 150 that needs 15,000: 5,000 more are needed.
    assert code(order(-250, 100), account(capital=D(5_000)), RiskLimits()) is None
    assert code(order(-251, 100), account(capital=D(5_000)), RiskLimits()) == "INSUFFICIENT_CAPITAL"


def test_covering_and_going_long_pays_for_the_long_only() -> None:
    assert code(order(150, -100), account(capital=D(5_000)), RiskLimits()) is None
    assert code(order(151, -100), account(capital=D(5_000)), RiskLimits()) == "INSUFFICIENT_CAPITAL"


def test_fees_are_part_of_what_an_order_costs() -> None:
    asked = OrderExposure(symbol="AAPL", change=D(10), held=D(0), price=D(100), fees=D("0.01"))
    assert code(asked, account(capital=D(1_000)), RiskLimits()) == "INSUFFICIENT_CAPITAL"
    assert code(asked, account(capital=D("1000.01")), RiskLimits()) is None


def test_capital_is_not_asked_for_where_the_check_is_off() -> None:
    assert code(order(10), account(capital=D(0)), RiskLimits(check_capital=False)) is None


def test_nothing_is_opened_at_the_drawdown_limit() -> None:
    limits = RiskLimits(max_drawdown=D("0.20"))
    assert code(order(1), account(equity=D(80_001)), limits) is None
    assert code(order(1), account(equity=D(80_000)), limits) == "DRAWDOWN_LIMIT"


def test_nothing_is_opened_without_equity() -> None:
    assert code(order(1), account(equity=D(0)), RiskLimits()) == "NO_EQUITY"


def test_a_symbol_without_a_sector_is_unknown_not_free() -> None:
    limits = RiskLimits(max_sector_weight=D("0.10"), sectors={"MSFT": "technology"})
    assert code(order(1), account(), limits) == "SECTOR_UNKNOWN"


def test_a_hedge_lowers_net_leverage_and_is_let_through() -> None:
    limits = RiskLimits(max_net_leverage=D("0.5"))
    standing = account(gross=D(90_000), net=D(90_000))
    # A short in another symbol takes net from 90 % to 60 %: above the limit still, but nearer.
    assert code(order(-300), standing, limits) is None


def test_the_first_limit_in_order_is_the_one_that_is_named() -> None:
    limits = RiskLimits(max_position_quantity=D(1), max_gross_leverage=D("0.0001"))
    assert code(order(10), account(capital=D(0)), limits) == "POSITION_SIZE_LIMIT"


def test_a_refusal_says_code_symbol_value_limit_and_remedy() -> None:
    refusal = order_refusal(order(51), account(), RiskLimits(max_concentration=D("0.05")))
    assert refusal is not None
    assert refusal.message == (
        "CONCENTRATION_LIMIT AAPL: weight of the position after the order 0.051, limit 0.05; "
        "order fewer shares, or raise max_concentration"
    )


def test_every_code_has_a_message_and_a_remedy() -> None:
    for each in RiskCode:
        refusal = RiskRefusal(each, "AAPL", D(1), D(2))
        assert refusal.message.startswith(f"{each.value} AAPL: ")
        assert refusal.remedy in refusal.message


def test_the_third_order_within_a_minute_is_refused_at_two_a_minute() -> None:
    rate = OrderRate(RiskLimits(max_orders_per_minute=2))
    assert rate.refusal("AAPL", 0) is None
    assert rate.refusal("MSFT", 30 * SECOND) is None
    refusal = rate.refusal("IBM", MINUTE_NANOSECONDS - 1)
    assert refusal is not None
    assert refusal.code is RiskCode.RATE_LIMIT_GLOBAL
    assert (refusal.actual, refusal.limit) == amounts(2, 2)
    # A minute after the first, it counts no more; the refused one never did.
    assert rate.refusal("IBM", MINUTE_NANOSECONDS) is None
    assert rate.refusal("IBM", MINUTE_NANOSECONDS + 1) is not None


def test_symbols_have_a_rate_of_their_own() -> None:
    rate = OrderRate(RiskLimits(max_orders_per_minute_per_symbol=1))
    assert rate.refusal("AAPL", 0) is None
    assert rate.refusal("MSFT", 0) is None
    refusal = rate.refusal("AAPL", 59 * SECOND)
    assert refusal is not None
    assert refusal.code is RiskCode.RATE_LIMIT_SYMBOL


def test_an_order_refused_for_its_symbol_uses_up_nothing_of_the_rate_of_all() -> None:
    rate = OrderRate(RiskLimits(max_orders_per_minute=2, max_orders_per_minute_per_symbol=1))
    assert rate.refusal("AAPL", 0) is None
    assert rate.refusal("AAPL", 1) is not None
    assert rate.refusal("MSFT", 2) is None


def test_without_limits_any_number_of_orders_may_be_sent() -> None:
    rate = OrderRate(RiskLimits())
    assert all(rate.refusal("AAPL", 0) is None for _ in range(1000))


@given(
    gaps=st.lists(st.integers(0, 30 * SECOND), min_size=1, max_size=60),
    most=st.integers(1, 5),
)
def test_no_minute_ever_holds_more_orders_than_allowed(gaps: list[int], most: int) -> None:
    rate, now = OrderRate(RiskLimits(max_orders_per_minute=most)), 0
    sent: list[int] = []
    for gap in gaps:
        now += gap
        before = [moment for moment in sent if moment > now - MINUTE_NANOSECONDS]
        if rate.refusal("AAPL", now) is None:
            sent.append(now)
            assert len(before) < most
        else:
            assert len(before) == most
