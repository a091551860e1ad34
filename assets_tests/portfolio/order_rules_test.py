"""What a broker accepts, rule by rule: the values are Alpaca's documented ones."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from trading_assets.model.order import (
    OrderRequest,
    OrderType,
    PositionEffect,
    Side,
    TimeInForce,
)
from trading_assets.portfolio.order_rules import (
    ALPACA,
    IBKR,
    PERMISSIVE,
    BrokerRules,
    InstrumentTraits,
    OrderSituation,
    violations,
)

MARKET: dict[str, Any] = {"order_type": OrderType.MARKET}
SHORT: dict[str, Any] = {"side": Side.SELL}
BRACKET: dict[str, Any] = {"order_type": OrderType.BRACKET}


def broken(
    rules: BrokerRules = ALPACA,
    *,
    price: str = "100",
    position: str = "0",
    equity: str = "100000",
    traits: InstrumentTraits | None = None,
    open_sides: frozenset[Side] = frozenset(),
    held_shares: str = "0",
    **order: Any,
) -> list[str]:
    """The rules that an order breaks: buy 10 of AAPL at the market for the day unless told."""
    terms: dict[str, Any] = {
        "client_order_id": "a",
        "symbol": "AAPL",
        "side": Side.BUY,
        "quantity": Decimal(10),
        "order_type": OrderType.MARKET,
        "time_in_force": TimeInForce.DAY,
        "position_effect": PositionEffect.OPEN,
    }
    decimals = {
        name: Decimal(value)
        for name, value in order.items()
        if name.endswith("price") or name == "quantity"
    }
    situation = OrderSituation(
        price=Decimal(price),
        position=Decimal(position),
        equity=Decimal(equity),
        traits=traits or InstrumentTraits(),
        open_sides=open_sides,
        held_shares=Decimal(held_shares),
    )
    found = violations(OrderRequest(**(terms | order | decimals)), situation, rules)
    assert all(each.message for each in found)
    return [each.rule.value for each in found]


def test_a_plain_order_breaks_no_rule() -> None:
    assert broken() == []


@pytest.mark.parametrize(
    ("order_type", "times"),
    [
        (OrderType.MARKET, {"day", "gtc", "ioc", "fok", "at_open", "at_close"}),
        (OrderType.LIMIT, {"day", "gtc", "ioc", "fok", "at_open", "at_close"}),
        (OrderType.STOP, {"day", "gtc"}),
        (OrderType.STOP_LIMIT, {"day", "gtc"}),
        (OrderType.BRACKET, {"day", "gtc"}),
    ],
)
def test_each_type_has_its_times_in_force(order_type: OrderType, times: set[str]) -> None:
    prices: dict[str, Any] = {
        "limit_price": "100",
        "stop_price": "100",
        "take_profit_price": "110",
        "stop_loss_price": "90",
    }
    taken = {
        time.value
        for time in TimeInForce
        if "TIME_IN_FORCE" not in broken(order_type=order_type, time_in_force=time, **prices)
    }
    assert taken == times


def test_a_trailing_stop_is_never_sent() -> None:
    assert broken(order_type=OrderType.TRAILING_STOP) == ["ORDER_TYPE"]


def test_nine_decimals_of_a_share_and_not_ten() -> None:
    assert broken(quantity="1.123456789") == []
    assert broken(quantity="1.1234567891") == ["QUANTITY_DECIMALS"]


@pytest.mark.parametrize(
    "order",
    [
        {"time_in_force": TimeInForce.GTC},
        {"time_in_force": TimeInForce.IOC},
        BRACKET | {"take_profit_price": "110", "stop_loss_price": "90"},
        SHORT,
        {"traits": InstrumentTraits(fractionable=False)},
    ],
    ids=["gtc", "ioc", "bracket", "short", "not fractionable"],
)
def test_a_fraction_is_for_simple_day_orders_that_open_no_short(order: dict[str, Any]) -> None:
    assert broken(quantity="1.5", **order) == ["FRACTION_NOT_ALLOWED"]
    assert broken(quantity="1", **order) == []


@pytest.mark.parametrize(
    "order",
    [
        MARKET,
        {"order_type": OrderType.LIMIT, "limit_price": "100"},
        {"order_type": OrderType.STOP, "stop_price": "100"},
        {"order_type": OrderType.STOP_LIMIT, "stop_price": "100", "limit_price": "100"},
    ],
    ids=lambda order: order["order_type"].value,
)
def test_a_fraction_may_be_ordered_for_the_day_with_or_without_a_price(
    order: dict[str, Any],
) -> None:
    assert broken(quantity="0.5", **order) == []


def test_an_order_is_worth_a_dollar_at_least_at_its_own_price_where_it_has_one() -> None:
    assert broken(quantity="0.01", price="100") == []
    assert broken(quantity="0.01", price="99.99") == ["BROKER_MINIMUM"]
    cheap: dict[str, Any] = {"order_type": OrderType.LIMIT, "limit_price": "90"}
    assert broken(quantity="0.01", price="100", **cheap) == ["BROKER_MINIMUM"]


@pytest.mark.parametrize(
    ("price", "is_taken"),
    [("1.00", True), ("1.01", True), ("1.005", False), ("0.9999", True), ("0.99995", False)],
)
def test_a_price_has_two_decimals_from_a_dollar_on_and_four_below(
    price: str, is_taken: bool
) -> None:
    found = broken(order_type=OrderType.LIMIT, limit_price=price)
    assert found == ([] if is_taken else ["PRICE_INCREMENT"])


@pytest.mark.parametrize(
    ("order_type", "given"),
    [
        (OrderType.LIMIT, {}),
        (OrderType.STOP, {"limit_price": "100"}),
        (OrderType.STOP_LIMIT, {"stop_price": "100"}),
        (OrderType.BRACKET, {"take_profit_price": "110"}),
    ],
)
def test_a_type_that_needs_a_price_is_not_sent_without_it(
    order_type: OrderType, given: dict[str, Any]
) -> None:
    assert broken(order_type=order_type, **given) == ["PRICE_MISSING"]


@pytest.mark.parametrize(
    ("side", "profit", "stop", "is_taken"),
    [
        (Side.BUY, "100.01", "99.99", True),
        (Side.BUY, "100.00", "99.99", False),
        (Side.BUY, "100.01", "100.00", False),
        (Side.SELL, "99.99", "100.01", True),
        (Side.SELL, "100.00", "100.01", False),
        (Side.SELL, "99.99", "100.00", False),
    ],
)
def test_a_brackets_legs_stand_a_cent_off_on_either_side_of_its_entry(
    side: Side, profit: str, stop: str, is_taken: bool
) -> None:
    legs: dict[str, Any] = {"take_profit_price": profit, "stop_loss_price": stop}
    found = broken(side=side, **BRACKET, **legs)
    assert found == ([] if is_taken else ["BRACKET_PRICES"])


def test_the_entry_of_a_bracket_with_a_limit_is_the_limit() -> None:
    legs: dict[str, Any] = {"take_profit_price": "100.50", "stop_loss_price": "90"}
    assert broken(price="101", limit_price="100", **BRACKET, **legs) == []


def test_one_order_does_not_cross_zero() -> None:
    close: dict[str, Any] = {"side": Side.SELL, "position_effect": PositionEffect.CLOSE}
    assert broken(position="10", quantity="10", **close) == []
    assert broken(position="10", quantity="11", **close) == ["CROSSES_ZERO"]
    assert broken(position="-3", quantity="4") == ["CROSSES_ZERO"]


def test_a_short_needs_shares_to_borrow_and_equity() -> None:
    assert broken(**SHORT) == []
    assert broken(traits=InstrumentTraits(shortable=False), **SHORT) == ["NOT_SHORTABLE"]
    assert broken(traits=InstrumentTraits(easy_to_borrow=False), **SHORT) == ["NOT_SHORTABLE"]
    assert broken(equity="2000", **SHORT) == []
    assert broken(equity="1999.99", **SHORT) == ["SHORT_EQUITY"]


def test_selling_what_is_held_needs_neither() -> None:
    traits = InstrumentTraits(shortable=False, easy_to_borrow=False)
    close: dict[str, Any] = {"side": Side.SELL, "position_effect": PositionEffect.CLOSE}
    assert broken(position="10", traits=traits, equity="100", **close) == []


def test_no_order_meets_one_of_its_own_account_on_the_other_side() -> None:
    assert broken(open_sides=frozenset({Side.BUY})) == []
    assert broken(open_sides=frozenset({Side.SELL})) == ["OPPOSITE_ORDER_OPEN"]
    legs: dict[str, Any] = {"take_profit_price": "110", "stop_loss_price": "90"}
    assert broken(open_sides=frozenset({Side.SELL}), **BRACKET, **legs) == []


def test_shares_that_an_open_order_holds_are_sold_by_no_other() -> None:
    """Of 50 shares 40 are under a sale that is open: 10 are left."""
    close: dict[str, Any] = {"side": Side.SELL, "position_effect": PositionEffect.CLOSE}
    assert broken(position="50", held_shares="40", quantity="10", **close) == []
    assert broken(position="50", held_shares="40", quantity="11", **close) == ["SHARES_HELD"]
    assert broken(position="50", held_shares="60", quantity="1", **close) == ["SHARES_HELD"]
    assert broken(IBKR, position="50", held_shares="40", quantity="11", **close) == []
    cover: dict[str, Any] = {"side": Side.BUY, "position_effect": PositionEffect.CLOSE}
    assert broken(position="-50", held_shares="45", quantity="6", **cover) == ["SHARES_HELD"]


def test_every_rule_that_is_broken_is_told() -> None:
    found = broken(
        client_order_id="a" * 129,
        quantity="1.5",
        traits=InstrumentTraits(tradable=False),
        time_in_force=TimeInForce.GTC,
    )
    assert found == ["NOT_TRADABLE", "CLIENT_ORDER_ID", "FRACTION_NOT_ALLOWED"]


def test_the_simulated_broker_takes_what_alpaca_does_not() -> None:
    assert (
        broken(
            PERMISSIVE,
            quantity="0.0001",
            time_in_force=TimeInForce.GTC,
            equity="0",
            traits=InstrumentTraits(shortable=False, easy_to_borrow=False),
            open_sides=frozenset({Side.BUY}),
            **SHORT,
        )
        == []
    )
