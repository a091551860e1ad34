"""Sessions that a person trades from the list, at Interactive Brokers' stand-in: what is booked."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from assets_tests.execution.gateway_desk import (
    EVENING,
    MONDAY,
    MORNING,
    TUESDAY,
    GatewayDesk,
)
from assets_tests.ibkr.account import GatewayAccount
from assets_tests.ibkr.faults import PLACE_ORDER
from assets_tests.ibkr.flex import running_flex
from assets_tests.ibkr.funds import SXLE, SXLK
from assets_tests.ibkr.server import running_gateway
from trading_assets.analytics.slippage import session_slippage
from trading_assets.errors import BrokerUnknownError
from trading_assets.execution.session import (
    SessionStatus,
)
from trading_assets.model.order import OrderStatus
from trading_assets.model.result import GapCause
from trading_assets.reconciliation import reconcile
from trading_assets.reconciliation.manual_matching import LineStatus, open_questions, trade_list


@pytest.fixture
def account() -> GatewayAccount:
    opened_account = GatewayAccount()
    opened_account.commission = Decimal("1.70")
    opened_account.market.add(SXLK, "62.50")
    opened_account.market.add(SXLE, "40.00")
    return opened_account


@pytest.fixture
def desk(tmp_path: Path, account: GatewayAccount) -> Iterator[GatewayDesk]:
    with running_gateway(account) as gateway, running_flex(account) as flex:
        yield GatewayDesk(tmp_path, gateway, flex, placement="manual")
        # Whatever a person did, the product sent nothing.
        assert not [fields for fields in gateway.requests if fields[0] == str(PLACE_ORDER)]


def test_a_day_by_hand_is_planned_traded_and_closed_with_nothing_sent(
    desk: GatewayDesk, account: GatewayAccount
) -> None:
    morning = desk.run(MONDAY, MORNING)
    assert morning.status is SessionStatus.PLANNED
    assert morning.plan is not None
    lines = trade_list(morning.plan.real_orders, ())
    assert [(line.symbol, line.quantity, line.status) for line in lines] == [
        ("SXLE.L", Decimal(500), LineStatus.OPEN),
        ("SXLK.L", Decimal(640), LineStatus.OPEN),
    ]
    account.largest_execution["SXLK"] = Decimal(300)
    account.place_by_hand("SXLK", "BUY", "640")
    account.place_by_hand("SXLE", "BUY", "500")
    closed = desk.closed(MONDAY)
    assert [(order.client_order_id, order.status) for order in closed.orders] == [
        (line.client_order_id, OrderStatus.FILLED) for line in reversed(lines)
    ]
    # 300, 300 and 40 of SXLK, 500 of SXLE, each with its own commission of 1.70.
    assert sorted(fill.quantity for fill in closed.fills) == [40, 300, 300, 500]
    # 100,000 - 640 x 62.50 - 500 x 40 - 4 x 1.70
    assert closed.close.cash == Decimal("39993.20")
    report = reconcile(closed)
    assert not report.unexplained
    assert open_questions(closed.planned.plan.real_orders, closed.fills, ()) == ()
    bases = {trade.arrival_basis for trade in session_slippage(closed)}
    assert bases == {"undefined: it was placed by hand: nobody knows here when it left"}


def test_what_a_person_did_not_do_in_full_is_over_with_the_session_and_explained(
    desk: GatewayDesk, account: GatewayAccount
) -> None:
    desk.run(MONDAY, MORNING)
    account.place_by_hand("SXLK", "BUY", "400")
    closed = desk.closed(MONDAY)
    assert {(order.request.symbol, order.status) for order in closed.orders} == {
        ("SXLK.L", OrderStatus.CANCELED),
        ("SXLE.L", OrderStatus.CANCELED),
    }
    report = reconcile(closed)
    assert not report.unexplained
    missing = {
        gap.symbol: (gap.quantity, gap.detail)
        for gap in report.gaps
        if gap.view == "planned_vs_filled"
    }
    assert {symbol: quantity for symbol, (quantity, _) in missing.items()} == {
        "SXLK.L": Decimal(240),
        "SXLE.L": Decimal(500),
    }
    assert all("not placed by hand" in detail for _, detail in missing.values())


def test_more_than_planned_and_what_was_not_planned_is_foreign_explained_and_asked_about(
    desk: GatewayDesk, account: GatewayAccount
) -> None:
    desk.run(MONDAY, MORNING, {"SXLK.L": "0.4"})
    account.place_by_hand("SXLK", "BUY", "700")
    account.place_by_hand("SXLE", "BUY", "25", order_ref="gut feeling")
    closed = desk.closed(MONDAY, weights={"SXLK.L": "0.4"})
    assert {(fill.symbol, bool(fill.client_order_id), fill.quantity) for fill in closed.fills} == {
        ("SXLK.L", True, Decimal(640)),
        ("SXLK.L", False, Decimal(60)),
        ("SXLE.L", False, Decimal(25)),
    }
    report = reconcile(closed)
    assert not report.unexplained
    assert {gap.symbol for gap in report.gaps if gap.cause is GapCause.FOREIGN_TRADE} == {
        "SXLK.L",
        "SXLE.L",
    }
    questions = open_questions(closed.planned.plan.real_orders, closed.fills, ())
    assert sorted((each.symbol, each.code.value) for each in questions) == [
        ("SXLE.L", "not_planned"),
        ("SXLK.L", "more_than_planned"),
    ]
    assert closed.close.positions == {"SXLE.L": Decimal(25), "SXLK.L": Decimal(700)}


def test_running_again_in_the_evening_books_nothing_twice(
    desk: GatewayDesk, account: GatewayAccount
) -> None:
    desk.run(MONDAY, MORNING)
    account.place_by_hand("SXLK", "BUY", "700")
    desk.run(MONDAY, dt.time(12, 0))
    desk.run(MONDAY, dt.time(14, 0))
    closed = desk.closed(MONDAY)
    assert sorted(fill.quantity for fill in closed.fills) == [60, 640]
    assert desk.run(MONDAY, EVENING).status is SessionStatus.UNCHANGED


def test_the_next_day_goes_on_from_what_was_traded(
    desk: GatewayDesk, account: GatewayAccount
) -> None:
    desk.run(MONDAY, MORNING)
    account.place_by_hand("SXLK", "BUY", "640")
    account.place_by_hand("SXLE", "BUY", "500")
    desk.closed(MONDAY)
    account.next_day()
    plan = desk.run(TUESDAY, MORNING, {"SXLK.L": "0.4"}).plan
    assert plan is not None
    assert [(order.symbol, order.side.value, order.quantity) for order in plan.real_orders] == [
        ("SXLE.L", "sell", Decimal(500))
    ]
    account.place_by_hand("SXLE", "SELL", "500")
    closed = desk.closed(TUESDAY, weights={"SXLK.L": "0.4"})
    assert closed.close.positions == {"SXLK.L": Decimal(640)}
    assert not reconcile(closed).unexplained


def test_an_evening_on_which_nothing_ran_is_a_break_that_names_what_may_be_missing(
    desk: GatewayDesk, account: GatewayAccount
) -> None:
    desk.run(MONDAY, MORNING)
    account.place_by_hand("SXLK", "BUY", "640")
    account.next_day()
    outcome = desk.run(MONDAY, MORNING, day=TUESDAY)
    assert (outcome.status, outcome.block_code) == (SessionStatus.BLOCKED, "OPENING_BREAK")
    assert {gap.symbol for gap in outcome.opening_gaps} == {"SXLK.L", "CASH"}
    assert "tells executions since its midnight" in outcome.block_message
    assert "section Trades" in outcome.block_message
    # The remedy that it names.
    desk.flex.tells_trades = True
    closed = desk.run(MONDAY, MORNING, day=TUESDAY).closed
    assert closed is not None
    assert [(bool(fill.client_order_id), fill.quantity) for fill in closed.fills] == [
        (True, Decimal(640))
    ]
    # 100,000 - 640 x 62.50 - 1.70
    assert closed.close.cash == Decimal("59998.30")
    assert not reconcile(closed).unexplained


def test_a_statement_books_nothing_again_that_the_gateway_told(
    desk: GatewayDesk, account: GatewayAccount
) -> None:
    desk.flex.tells_trades = True
    desk.run(MONDAY, MORNING)
    account.largest_execution["SXLK"] = Decimal(300)
    account.place_by_hand("SXLK", "BUY", "700")
    assert len(desk.closed(MONDAY).fills) == 4
    account.next_day()
    desk.run(TUESDAY, MORNING)
    assert len([path for path, _ in desk.flex.requests if path == "/GetStatement"]) == 3
    closed = desk.closed(TUESDAY)
    assert closed.fills == ()
    assert not reconcile(closed).unexplained


def test_a_trade_before_there_was_a_list_is_foreign(
    desk: GatewayDesk, account: GatewayAccount
) -> None:
    desk.run(MONDAY, MORNING, {})
    closed = desk.closed(MONDAY, weights={})
    assert closed.orders == ()
    account.next_day()
    account.place_by_hand("SXLK", "BUY", "10")
    plan = desk.run(TUESDAY, dt.time(10, 0)).plan
    assert plan is not None
    # 40 % of 99,998.30 are 639 whole shares, of which 10 are there.
    wanted = {order.symbol: order.quantity for order in plan.real_orders}
    assert wanted["SXLK.L"] == 629
    closed = desk.closed(TUESDAY)
    assert [(fill.client_order_id, fill.quantity) for fill in closed.fills] == [("", Decimal(10))]


def test_a_price_in_another_unit_stops_before_anything_is_booked(
    desk: GatewayDesk, account: GatewayAccount
) -> None:
    desk.run(MONDAY, MORNING)
    account.market.last[SXLK.con_id] = Decimal("6250")
    account.cash["USD"] *= 100
    account.place_by_hand("SXLK", "BUY", "640")
    with pytest.raises(BrokerUnknownError, match="pence for pounds"):
        desk.run(MONDAY, EVENING)


def test_the_gateway_being_down_in_the_evening_leaves_the_session_for_the_next_run(
    desk: GatewayDesk, account: GatewayAccount
) -> None:
    desk.run(MONDAY, MORNING)
    account.place_by_hand("SXLK", "BUY", "640")
    desk.gateway.refuse_logins = 3
    with pytest.raises(BrokerUnknownError):
        desk.run(MONDAY, EVENING)
    closed = desk.closed(MONDAY)
    assert closed.close.positions == {"SXLK.L": Decimal(640)}
