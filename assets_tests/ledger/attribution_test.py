"""Taking orders, fills and crosses apart between strategies; every expectation worked by hand."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from trading_assets.ledger.attribution import crossed, plan_asks, served
from trading_assets.model.order import OrderType, PositionEffect, Side, TimeInForce
from trading_assets.model.plan import (
    OrderPlan,
    PlanCut,
    PlannedOrder,
    PlanReason,
    PlanRefusal,
    RebalanceLine,
)
from trading_assets.model.target import UNATTRIBUTED, Contribution

SESSION = dt.date(2024, 1, 8)


def parts(text: str) -> dict[str, Decimal]:
    """'a 10, b -4' to quantities by strategy."""
    pairs = (item.split() for item in text.split(",") if item.strip())
    return {name: Decimal(value) for name, value in pairs}


def line(
    symbol: str,
    target: str,
    contributions: str,
    *,
    price: str | None = "100",
    current: str = "0",
) -> RebalanceLine:
    wanted = parts(contributions)
    return RebalanceLine(
        asset_id=symbol,
        symbol=symbol,
        price=None if price is None else Decimal(price),
        price_session=SESSION,
        current_quantity=Decimal(current),
        target_weight=sum(wanted.values(), Decimal(0)),
        target_quantity=Decimal(target),
        real_target_quantity=Decimal(target),
        contributions=tuple(
            Contribution(strategy_id=name, weight=weight) for name, weight in wanted.items()
        ),
    )


def plan(*lines: RebalanceLine, equity: str = "10000") -> OrderPlan:
    return OrderPlan(
        session=SESSION,
        strategy_id="a+b",
        signal_asof=SESSION,
        equity=Decimal(equity),
        cash=Decimal(equity),
        scale=Decimal(1),
        expected_fees=Decimal(0),
        orders=(),
        lines=lines,
    )


def asks(plan_: OrderPlan, **held: str) -> Mapping[str, dict[str, Decimal]]:
    return plan_asks(plan_, {symbol: parts(text) for symbol, text in held.items()})


# What each asks for


def test_agreeing_strategies_ask_for_their_parts_of_the_target() -> None:
    # 9,800 of 10,000 is invested: 30 % and 10 % of it at 100 are 29.4 and 9.8 shares.
    found = asks(plan(line("SPY", "39.2", "a 0.3, b 0.1")))
    assert found == {"SPY": parts("a 29.4, b 9.8")}


def test_a_strategy_asks_for_its_target_less_what_its_book_holds() -> None:
    found = asks(plan(line("SPY", "40", "a 0.3, b 0.1", current="35")), SPY="a 20, b 15")
    assert found == {"SPY": parts("a 10, b -5")}


def test_a_strategy_that_is_on_target_asks_for_nothing() -> None:
    found = asks(plan(line("SPY", "40", "a 0.3, b 0.1", current="30")), SPY="a 30")
    assert found == {"SPY": parts("b 10")}


def test_opposing_strategies_each_get_more_than_the_account_holds() -> None:
    # The account wants 10 % - 8 % = 2 %; a wants 10 shares and b -8, not 20 and -18.
    found = asks(plan(line("SPY", "2", "a 0.1, b -0.08")))
    assert found == {"SPY": parts("a 10, b -8")}


def test_what_cutting_to_whole_shares_takes_is_spread_over_opposing_strategies_by_size() -> None:
    # QQQ says that 10,000 is invested. SPY's target of 2.1 was cut to 2; a's 10.1 and b's -8 give
    # up the tenth by their sizes: 0.1 x 10.1 / 18.1 = 0.0558011… and 0.1 x 8 / 18.1 = 0.0441988….
    found = asks(plan(line("SPY", "2", "a 0.101, b -0.08"), line("QQQ", "50", "a 0.5")))
    assert found["SPY"] == parts("a 10.044198895, b -8.044198895")
    assert found["QQQ"] == parts("a 50")


def test_targets_that_do_not_divide_evenly_add_up_to_the_line() -> None:
    found = asks(plan(line("SPY", "10", "a 0.1, b 0.1, c 0.1")))
    assert found == {"SPY": parts("a 3.333333334, b 3.333333333, c 3.333333333")}


def test_every_holder_of_a_symbol_without_a_target_asks_to_sell() -> None:
    found = asks(plan(line("SPY", "0", "", current="7")), SPY=f"a 5, {UNATTRIBUTED} 2")
    assert found == {"SPY": parts(f"a -5, {UNATTRIBUTED} -2")}


def test_what_nobody_asked_for_is_asked_to_go_where_a_strategy_stays() -> None:
    found = asks(plan(line("SPY", "10", "a 0.1", current="12")), SPY=f"a 9, {UNATTRIBUTED} 3")
    assert found == {"SPY": parts(f"a 1, {UNATTRIBUTED} -3")}


def test_nothing_is_asked_without_a_price() -> None:
    assert asks(plan(line("SPY", "7", "a 0.5", price=None, current="7")), SPY="a 5, b 2") == {}


def test_a_refused_plan_asks_for_nothing() -> None:
    refusal = PlanRefusal(code="MAX_TOTAL_NOTIONAL", message="too much", actual="2", limit="1")
    refused = replace(plan(line("SPY", "10", "a 0.1")), refusals=(refusal,))
    assert asks(refused) == {}


def test_nothing_is_asked_between_two_rebalances() -> None:
    dropped = PlannedOrder(
        asset_id="SPY",
        symbol="SPY",
        side=Side.BUY,
        position_effect=PositionEffect.OPEN,
        leg=2,
        planned_quantity=Decimal(10),
        quantity=Decimal(0),
        price=Decimal(100),
        order_type=OrderType.MARKET,
        time_in_force=TimeInForce.DAY,
        take_profit_price=None,
        stop_loss_price=None,
        cuts=(
            PlanCut(reason=PlanReason.BETWEEN_REBALANCES, quantity=Decimal(10), detail="not today"),
        ),
    )
    between = replace(plan(line("SPY", "10", "a 0.2, b -0.1")), orders=(dropped,))
    assert asks(between) == {}


# Fills


def test_a_fill_goes_to_those_who_ask_on_its_side_in_proportion() -> None:
    open_asks = parts("a 30, b 10, c -5")
    assert served(open_asks, Decimal(20)) == parts("a 15, b 5")
    assert open_asks == parts("a 15, b 5, c -5")


def test_the_last_of_several_odd_fills_leaves_each_with_exactly_what_it_asked_for() -> None:
    open_asks = parts("a 1, b 1, c 1")
    got: dict[str, Decimal] = {}
    for quantity in ("1", "0.7", "1.3"):
        for name, part in served(open_asks, Decimal(quantity)).items():
            assert part > 0
            got[name] = got.get(name, Decimal(0)) + part
    assert got == parts("a 1, b 1, c 1")
    assert open_asks == {}


def test_shares_that_do_not_divide_evenly_go_to_the_largest_remainder() -> None:
    # A third and two thirds of one share: 0.333…, 0.666…; the ninth decimal goes to b.
    assert served(parts("a 1, b 2"), Decimal(1)) == parts("a 0.333333333, b 0.666666667")


def test_what_is_filled_beyond_the_asks_is_unattributed() -> None:
    assert served(parts("a 3, b 1"), Decimal(5)) == parts(f"a 3, b 1, {UNATTRIBUTED} 1")


def test_a_fill_against_every_ask_is_unattributed() -> None:
    open_asks = parts("a 3, b 1")
    assert served(open_asks, Decimal(-2)) == parts(f"{UNATTRIBUTED} -2")
    assert open_asks == parts("a 3, b 1")


# Crosses


def test_the_smaller_side_of_a_cross_is_served_in_full_the_larger_in_proportion() -> None:
    shares, cash = crossed(parts("a 30, b 10, c -8"), Decimal("10.25"))
    assert shares == parts("a 6, b 2, c -8")
    assert cash == parts("a -61.50, b -20.50, c 82.00")


def test_the_cent_of_a_cross_goes_to_the_largest_remainder_and_the_money_adds_up() -> None:
    # 10 x 1.0001 = 10.00 between 3.333333334, 3.333333333 and 3.333333333 shares.
    shares, cash = crossed(parts("a 5, b 5, c 5, d -10"), Decimal("1.0001"))
    assert shares == parts("a 3.333333334, b 3.333333333, c 3.333333333, d -10")
    assert cash == parts("a -3.34, b -3.33, c -3.33, d 10.00")


def test_nothing_crosses_where_all_ask_for_the_same_side() -> None:
    assert crossed(parts("a 1, b 2"), Decimal(10)) == ({}, {})


QUANTITIES = st.decimals("-1000000", "1000000", places=9).filter(bool)


@given(
    st.dictionaries(st.sampled_from("abcde"), QUANTITIES, min_size=1),
    st.decimals("0.01", "5000", places=4),
    st.lists(st.decimals("0", "1", places=3), max_size=4),
)
def test_fills_and_crosses_serve_every_ask_exactly_and_create_nothing(
    wanted: dict[str, Decimal], price: Decimal, fractions: list[Decimal]
) -> None:
    """However the account's order is filled, and in how many parts."""
    open_asks = dict(wanted)
    got = dict.fromkeys(wanted, Decimal(0))
    left = sum(wanted.values(), Decimal(0))
    for fraction in (*fractions, Decimal(1)):
        quantity = (left * fraction).quantize(Decimal("1e-9"))
        if not quantity:
            continue
        left -= quantity
        shares = served(open_asks, quantity)
        assert UNATTRIBUTED not in shares
        assert sum(shares.values()) == quantity
        for name, part in shares.items():
            assert part * quantity >= 0
            got[name] += part
    shares, cash = crossed(open_asks, price)
    assert sum(shares.values()) == 0
    assert sum(cash.values()) == 0
    for name, part in shares.items():
        got[name] += part
    assert got == wanted
