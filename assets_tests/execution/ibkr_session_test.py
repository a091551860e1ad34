"""Sessions at Interactive Brokers' stand-in that the product trades itself."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Literal

import pytest

from assets_tests.execution.gateway_desk import (
    MONDAY,
    MORNING,
    TUESDAY,
    GatewayDesk,
)
from assets_tests.ibkr.account import GatewayAccount
from assets_tests.ibkr.faults import PLACE_ORDER, SNAPSHOT, Fault
from assets_tests.ibkr.flex import running_flex
from assets_tests.ibkr.funds import SXLE, SXLK
from assets_tests.ibkr.invariants import violations
from assets_tests.ibkr.server import running_gateway
from trading_assets.analytics.slippage import session_slippage
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


def test_the_market_that_each_order_met_is_recorded_before_it_leaves(
    desk: GatewayDesk, account: GatewayAccount
) -> None:
    account.market.quotes[SXLK.con_id] = (Decimal("62.48"), Decimal("62.50"))
    desk.run(MONDAY, LATE_MORNING)
    snapshots = [fields for fields in desk.gateway.requests if int(fields[0]) == SNAPSHOT]
    assert len(snapshots) == 2
    tech, energy = sorted(
        session_slippage(desk.closed(MONDAY)), key=lambda trade: trade.symbol, reverse=True
    )
    # Filled at 62.50, the middle was 62.49: 0.01 on each of 640 shares.
    assert tech.arrival is not None
    assert tech.arrival.intended_price == Decimal("62.49")
    assert tech.arrival.cost == Decimal("6.40")
    assert tech.arrival_basis.startswith("quote midpoint, ibkr, ")
    assert energy.arrival is None
    assert energy.arrival_basis == "undefined: no quote of both sides, and no last trade"
    assert energy.plan is not None


@pytest.mark.parametrize("kind", ["drop", "silence"])
def test_orders_leave_also_where_the_market_is_not_shown(
    desk: GatewayDesk, account: GatewayAccount, kind: Literal["drop", "silence"]
) -> None:
    desk.gateway.faults.add(Fault(kind, SNAPSHOT, times=9))
    assert desk.run(MONDAY, LATE_MORNING).status is SessionStatus.WORKING
    assert len(account.orders) == 2
    trades = session_slippage(desk.closed(MONDAY))
    assert [trade.arrival for trade in trades] == [None, None]
    assert {trade.arrival_basis.split(":")[0] for trade in trades} == {"undefined"}


def test_an_order_whose_acknowledgement_was_lost_is_found_and_the_session_goes_on(
    desk: GatewayDesk, account: GatewayAccount
) -> None:
    desk.gateway.faults.add(Fault("drop", PLACE_ORDER, "after"))
    assert desk.run(MONDAY, LATE_MORNING).status is SessionStatus.WORKING
    assert len(account.orders) == 2
    assert not reconcile(desk.closed(MONDAY)).unexplained


def test_fills_of_a_missed_evening_are_known_by_the_orders_number_alone(
    desk: GatewayDesk, account: GatewayAccount
) -> None:
    account.fills_by_itself = False
    assert desk.run(MONDAY, LATE_MORNING).status is SessionStatus.WORKING
    account.largest_execution["SXLK"] = Decimal(300)
    account.match()
    account.next_day()
    desk.flex.tells_trades = True
    closed = desk.run(MONDAY, MORNING, day=TUESDAY).closed
    assert closed is not None
    assert {order.status for order in closed.orders} == {OrderStatus.FILLED}
    assert all(fill.client_order_id for fill in closed.fills)
    assert closed.close.positions == {"SXLE.L": Decimal(500), "SXLK.L": Decimal(640)}
    assert not reconcile(closed).unexplained


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
