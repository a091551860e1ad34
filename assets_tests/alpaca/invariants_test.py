"""The checker sees what it is there to see: each violation is made and found."""

from __future__ import annotations

from decimal import Decimal

import pytest

from assets_tests.alpaca.account import BrokerAccount
from assets_tests.alpaca.invariants import live_orders, violations
from assets_tests.alpaca.orders import BrokerOrder

BUY: dict[str, object] = {
    "symbol": "AAPL",
    "side": "buy",
    "qty": "1",
    "type": "market",
    "time_in_force": "day",
}


@pytest.fixture
def account() -> BrokerAccount:
    """AAPL at 190."""
    made = BrokerAccount()
    made.list_asset("AAPL", "190")
    return made


def send(account: BrokerAccount, client_order_id: str | None) -> BrokerOrder:
    """An order as a client sends it."""
    order = account.submit(BUY | {"client_order_id": client_order_id})
    account.settle(order)
    return order


def symbol_and_side(order: BrokerOrder) -> str:
    """A session that wants at most one order of each."""
    return f"{order.symbol} {order.side}"


def test_one_order_for_each_intent_is_well(account: BrokerAccount) -> None:
    send(account, "a")

    assert violations(account, symbol_and_side) == []


def test_two_live_orders_for_one_intent_are_found(account: BrokerAccount) -> None:
    send(account, "a")
    send(account, "b")

    assert violations(account) == []
    assert violations(account, symbol_and_side) == [
        "intent AAPL buy has 2 live orders: a (filled), b (filled)"
    ]


def test_an_order_that_came_to_nothing_does_not_count(account: BrokerAccount) -> None:
    account.reject_next("AAPL")
    send(account, "rejected")
    send(account, "again")
    account.place_by_hand("AAPL", "buy", "5")

    assert violations(account, symbol_and_side) == []
    assert list(live_orders(account)) == ["again"]


def test_a_replaced_order_and_its_successor_are_one(account: BrokerAccount) -> None:
    order = account.submit(BUY | {"client_order_id": "a", "type": "limit", "limit_price": "100"})
    account.settle(order)
    account.replace(order, {"qty": "2", "client_order_id": "b"})

    assert violations(account, symbol_and_side) == []


def test_an_order_without_an_id_is_found(account: BrokerAccount) -> None:
    order = send(account, None)

    assert violations(account) == [f"order {order.id} of AAPL came without a client order id"]


def test_cash_positions_and_fills_must_agree(account: BrokerAccount) -> None:
    order = send(account, "a")
    account.holdings.cash += Decimal("0.01")
    account.holdings.positions["AAPL"].quantity += 1
    order.filled = Decimal(2)

    assert violations(account) == [
        f"order {order.id} filled 2, its fills add up to 1",
        f"order {order.id} filled 2 of 1",
        "position of AAPL is 2, its activities add up to 1",
        "cash is 99810.01, its activities add up to 99810",
    ]
