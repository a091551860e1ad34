"""A plan for a broker with rules: what it would refuse is not in it, and the reason says why."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from assets_tests.portfolio.plan_scenarios import FRACTIONAL, cuts, inputs, told
from trading_assets.model.order import Side
from trading_assets.model.policies import BracketPolicy, PlanningPolicy
from trading_assets.portfolio.order_rules import ALPACA, InstrumentTraits
from trading_assets.portfolio.planning import make_plan

BUY = frozenset({Side.BUY})


def planned(weights: dict[str, str], **rest: Any) -> Any:
    """The plan of a $100,000 book on AAA at 50 and BBB at 200, at a broker with Alpaca's rules."""
    terms: dict[str, Any] = {"cash": "100000", "order_rules": ALPACA} | rest
    return make_plan(inputs(weights=weights, prices={"AAA": "50", "BBB": "200"}, **terms))


def test_what_may_be_traded_is_planned_as_without_rules() -> None:
    assert told(planned({"AAA": "0.5", "BBB": "-0.5"})) == [
        ("BBB", "sell", Decimal(250)),
        ("AAA", "buy", Decimal(1000)),
    ]


def test_a_symbol_that_is_not_tradable_is_left_as_it_is() -> None:
    plan = planned({"AAA": "0.5"}, traits={"AAA": InstrumentTraits(tradable=False)})
    assert told(plan) == []
    assert cuts(plan.orders[0]) == [("NOT_TRADABLE", Decimal(1000))]


def test_a_short_that_cannot_be_borrowed_is_dropped_and_the_rest_stands() -> None:
    traits = {"BBB": InstrumentTraits(easy_to_borrow=False)}
    plan = planned({"AAA": "0.5", "BBB": "-0.5"}, traits=traits)
    assert told(plan) == [("AAA", "buy", Decimal(1000))]
    (dropped,) = [order for order in plan.orders if order.symbol == "BBB"]
    assert cuts(dropped) == [("NOT_SHORTABLE", Decimal(250))]
    assert dropped.cuts[0].detail == (
        "alpaca: BBB cannot be borrowed (hard to borrow; shortable and easy to borrow)"
    )


def test_a_flip_to_a_short_that_cannot_be_borrowed_only_closes() -> None:
    plan = planned(
        {"BBB": "-0.5"},
        cash="98000",
        positions={"BBB": "10"},
        traits={"BBB": InstrumentTraits(shortable=False)},
    )
    assert told(plan) == [("BBB", "sell", Decimal(10))]
    assert plan.lines[0].real_target_quantity == 0


def test_selling_what_is_held_needs_nothing_to_borrow() -> None:
    traits = {"AAA": InstrumentTraits(shortable=False, easy_to_borrow=False)}
    plan = planned({}, positions={"AAA": "10"}, traits=traits)
    assert told(plan) == [("AAA", "sell", Decimal(10))]


def test_too_little_equity_opens_no_short() -> None:
    plan = planned({"AAA": "-0.5"}, cash="1999")
    assert told(plan) == []
    # 0.5 x 1999 / 50 = 19.99, cut to whole shares
    assert cuts(plan.orders[0])[-1] == ("SHORT_EQUITY", Decimal(19))
    assert told(planned({"AAA": "-0.5"}, cash="2000")) == [("AAA", "sell", Decimal(20))]


def test_a_symbol_without_fractions_is_bought_whole_beside_one_with() -> None:
    plan = planned(
        {"AAA": "0.00051", "BBB": "0.0051"},
        planning=FRACTIONAL,
        traits={"BBB": InstrumentTraits(fractionable=False)},
    )
    # 51 / 50 = 1.02 shares; 510 / 200 = 2.55
    assert told(plan) == [("AAA", "buy", Decimal("1.02")), ("BBB", "buy", Decimal(2))]


def test_the_brokers_minimum_holds_where_the_portfolios_is_lower() -> None:
    planning = PlanningPolicy(
        fractional=True, cash_buffer=Decimal(0), min_order_notional=Decimal("0.10")
    )
    below = planned({"AAA": "0.0000099"}, planning=planning)
    assert told(below) == []
    assert cuts(below.orders[0]) == [("MIN_ORDER_NOTIONAL", Decimal("0.0198"))]
    above = planned({"AAA": "0.0000101"}, planning=planning)
    assert told(above) == [("AAA", "buy", Decimal("0.0202"))]


def test_nothing_is_sold_while_a_purchase_of_the_symbol_is_open() -> None:
    plan = planned({}, positions={"AAA": "10"}, open_sides={"AAA": BUY})
    assert told(plan) == []
    assert cuts(plan.orders[0]) == [("OPPOSITE_ORDER_OPEN", Decimal(10))]


def test_what_an_open_order_by_hand_holds_is_not_sold_again() -> None:
    plan = planned({}, positions={"AAA": "10", "BBB": "5"}, held_shares={"AAA": Decimal(4)})
    assert told(plan) == [("BBB", "sell", Decimal(5))]
    (dropped,) = [order for order in plan.orders if order.symbol == "AAA"]
    assert cuts(dropped) == [("BROKER_RULE", Decimal(10))]
    assert dropped.cuts[0].detail == (
        "alpaca: other orders that are open hold the shares (10; at most 6)"
    )


def test_more_is_bought_while_a_purchase_of_the_symbol_is_open() -> None:
    plan = planned({"AAA": "0.5"}, open_sides={"AAA": BUY})
    assert told(plan) == [("AAA", "buy", Decimal(1000))]


def test_bracket_prices_stand_on_the_brokers_steps() -> None:
    """5 % above 50 is 52.50 and 3 % below 48.50: on a cent though the portfolio's tick is finer;
    at 50.33 they are 52.8465 and 48.8201, and become 52.85 and 48.82."""
    planning = PlanningPolicy(
        fractional=False,
        cash_buffer=Decimal(0),
        tick_size=Decimal("0.0001"),
        bracket=BracketPolicy(take_profit=Decimal("0.05"), stop_loss=Decimal("0.03")),
    )
    for price, profit, stop in (("50", "52.50", "48.50"), ("50.33", "52.85", "48.82")):
        plan = make_plan(
            inputs(
                weights={"AAA": "0.5"},
                prices={"AAA": price},
                cash="100000",
                planning=planning,
                order_rules=ALPACA,
            )
        )
        (order,) = plan.real_orders
        assert (order.take_profit_price, order.stop_loss_price) == (Decimal(profit), Decimal(stop))
