"""Sessions at Interactive Brokers' stand-in that the product trades itself."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from assets_tests.execution.gateway_desk import (
    MONDAY,
    MORNING,
    TUESDAY,
    GatewayDesk,
)
from assets_tests.ibkr.account import GatewayAccount
from assets_tests.ibkr.faults import PLACE_ORDER, Fault
from assets_tests.ibkr.flex import running_flex
from assets_tests.ibkr.funds import SXLE, SXLK
from assets_tests.ibkr.invariants import violations
from assets_tests.ibkr.server import running_gateway
from trading_assets.errors import BrokerUnknownError
from trading_assets.execution.session import SessionStatus
from trading_assets.model.order import OrderStatus
from trading_assets.reconciliation import reconcile

LATE_MORNING = dt.time(9, 0)


@pytest.fixture
def account() -> GatewayAccount:
    opened = GatewayAccount()
    opened.market.add(SXLK, "62.50")
    opened.market.add(SXLE, "40.00")
    return opened


@pytest.fixture
def desk(tmp_path: Path, account: GatewayAccount) -> Iterator[GatewayDesk]:
    with running_gateway(account) as gateway, running_flex(account) as flex:
        yield GatewayDesk(tmp_path, gateway, flex, wait_seconds=0)
        assert violations(account) == []


def test_a_session_is_sent_filled_closed_and_reconciled(
    desk: GatewayDesk, account: GatewayAccount
) -> None:
    account.largest_execution["SXLK"] = Decimal(300)
    assert desk.run(MONDAY, LATE_MORNING).status is SessionStatus.WORKING
    assert {(each.action, each.quantity) for each in account.orders} == {
        ("BUY", Decimal(640)),
        ("BUY", Decimal(500)),
    }
    closed = desk.closed(MONDAY)
    assert {order.status for order in closed.orders} == {OrderStatus.FILLED}
    # 100,000 - 640 x 62.50 - 500 x 40 - 4 x 1.70
    assert closed.close.cash == Decimal("39993.20")
    assert not reconcile(closed).unexplained
    account.next_day()
    desk.run(TUESDAY, LATE_MORNING, {"SXLK.L": "0.4"})
    closed = desk.closed(TUESDAY, weights={"SXLK.L": "0.4"})
    assert closed.close.positions == {"SXLK.L": Decimal(640)}
    assert not reconcile(closed).unexplained


def test_an_order_whose_acknowledgement_was_lost_is_found_and_the_session_goes_on(
    desk: GatewayDesk, account: GatewayAccount
) -> None:
    desk.gateway.faults.add(Fault("drop", PLACE_ORDER, "after"))
    assert desk.run(MONDAY, LATE_MORNING).status is SessionStatus.WORKING
    assert len(account.orders) == 2
    assert not reconcile(desk.closed(MONDAY)).unexplained


def test_an_order_that_may_have_left_stops_the_session_for_a_person(
    desk: GatewayDesk, account: GatewayAccount
) -> None:
    desk.gateway.faults.add(Fault("drop", PLACE_ORDER, "before"))
    with pytest.raises(BrokerUnknownError, match="sent, not acknowledged"):
        desk.run(MONDAY, LATE_MORNING)
    outcome = desk.run(MONDAY, LATE_MORNING)
    assert (outcome.status, outcome.block_code) == (SessionStatus.BLOCKED, "OUTCOME_UNKNOWN")
    assert account.orders == []


def test_a_dividend_is_booked_from_the_statement(
    desk: GatewayDesk, account: GatewayAccount
) -> None:
    desk.run(MONDAY, MORNING)
    desk.run(MONDAY, LATE_MORNING)
    account.pay("Dividends", "12.50", symbol="SXLK")
    closed = desk.closed(MONDAY)
    # 100,000 - 640 x 62.50 - 500 x 40 - 2 x 1.70 + 12.50
    assert closed.close.cash == Decimal("40009.10")
    assert not reconcile(closed).unexplained
