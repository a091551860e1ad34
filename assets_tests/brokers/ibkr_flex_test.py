"""Cash that moved without a trade, from statements of the Flex Web Service."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from assets_tests.brokers.broker_contract import ALWAYS
from assets_tests.brokers.ibkr_accounts import flex_access, opened
from assets_tests.ibkr.account import GatewayAccount
from assets_tests.ibkr.flex import FlexStandIn, running_flex
from assets_tests.ibkr.funds import ISF, SXLK
from assets_tests.ibkr.server import GatewayStandIn, running_gateway
from trading_assets.brokers.ibkr_flex_fields import moment_of
from trading_assets.model.account import (
    Answer,
    CashActivity,
    CashActivityKind,
    Execution,
    Unknown,
)
from trading_assets.model.order import Side

Activities = Answer[tuple[CashActivity, ...]]


@pytest.fixture
def account() -> GatewayAccount:
    opened_account = GatewayAccount()
    opened_account.market.add(SXLK, "62.50")
    return opened_account


@pytest.fixture
def gateway(account: GatewayAccount) -> Iterator[GatewayStandIn]:
    with running_gateway(account) as running:
        yield running


@pytest.fixture
def flex(account: GatewayAccount) -> Iterator[FlexStandIn]:
    with running_flex(account) as running:
        yield running


def asked(
    gateway: GatewayStandIn, flex: FlexStandIn, moment: dt.datetime = ALWAYS, **fields: Any
) -> Activities:
    with opened(gateway, flex=flex_access(flex, **fields)) as broker:
        return broker.cash_activities_since(moment)


def test_each_kind_of_cash_is_told_once_with_its_sign_symbol_and_time(
    gateway: GatewayStandIn, flex: FlexStandIn, account: GatewayAccount
) -> None:
    account.pay("Deposits/Withdrawals", "500")
    account.pay("Deposits/Withdrawals", "-200")
    account.pay("Dividends", "12.50", symbol="SXLK")
    account.pay("Withholding Tax", "-1.88", symbol="SXLK")
    account.pay("Broker Interest Received", "3.10")
    account.pay("Other Fees", "-4.50")
    found = asked(gateway, flex).require()
    assert [(each.kind, each.amount, each.symbol) for each in found] == [
        (CashActivityKind.DEPOSIT, Decimal(500), ""),
        (CashActivityKind.WITHDRAWAL, Decimal(-200), ""),
        (CashActivityKind.DIVIDEND, Decimal("12.50"), "SXLK.L"),
        (CashActivityKind.TAX, Decimal("-1.88"), "SXLK.L"),
        (CashActivityKind.INTEREST, Decimal("3.10"), ""),
        (CashActivityKind.FEE, Decimal("-4.50"), ""),
    ]
    assert len({each.activity_id for each in found}) == 6
    # 10:00:01 in London
    assert found[0].occurred_at == dt.datetime(2024, 6, 3, 9, 0, 1, tzinfo=dt.UTC)
    assert asked(gateway, flex, found[2].occurred_at).require() == found[3:]


def test_a_statement_that_is_not_ready_is_waited_for(
    gateway: GatewayStandIn, flex: FlexStandIn, account: GatewayAccount
) -> None:
    account.pay("Other Fees", "-4.50")
    flex.waits = 3
    assert len(asked(gateway, flex).require()) == 1
    assert [path for path, _ in flex.requests] == ["/SendRequest", *["/GetStatement"] * 4]


def test_a_statement_that_is_never_ready_is_unknown(
    gateway: GatewayStandIn, flex: FlexStandIn
) -> None:
    flex.waits = 99
    answer = asked(gateway, flex)
    assert isinstance(answer, Unknown)
    assert "1019" in answer.reason


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"refusal": "1012"}, "refused with 1012: Token has expired"),
        ({"garbled": True}, "the answer is no XML"),
        ({"status": 503}, "HTTP status 503"),
        ({"first_day": dt.date(2024, 6, 1)}, "begins with 2024-06-01"),
        ({"url": "http://127.0.0.1:1"}, "no answer (ConnectionRefusedError)"),
    ],
    ids=["refused", "html", "status", "too short", "not there"],
)
def test_what_cannot_be_had_is_unknown_and_says_why(
    gateway: GatewayStandIn, flex: FlexStandIn, fields: dict[str, Any], reason: str
) -> None:
    for name, value in fields.items():
        setattr(flex, name, value)
    answer = asked(gateway, flex)
    assert isinstance(answer, Unknown)
    assert reason in answer.reason
    assert flex.token not in answer.reason


def test_another_token_or_query_is_refused_once(gateway: GatewayStandIn, flex: FlexStandIn) -> None:
    answer = asked(gateway, flex, query_id="7")
    assert isinstance(answer, Unknown)
    assert "1014" in answer.reason
    assert len(flex.requests) == 1


def test_a_kind_that_nobody_knows_is_unknown_not_left_out(
    gateway: GatewayStandIn, flex: FlexStandIn, account: GatewayAccount
) -> None:
    account.pay("Carbon Credits", "7")
    answer = asked(gateway, flex)
    assert isinstance(answer, Unknown)
    assert "'Carbon Credits' has no translation" in answer.reason


def test_another_accounts_statement_is_not_this_ones(
    gateway: GatewayStandIn, flex: FlexStandIn
) -> None:
    flex.account = GatewayAccount(number="DU7777777")
    answer = asked(gateway, flex)
    assert isinstance(answer, Unknown)
    assert "does not contain the account" in answer.reason


def test_without_a_query_it_is_unknown_and_the_settings_are_named(gateway: GatewayStandIn) -> None:
    with opened(gateway) as broker:
        answer = broker.cash_activities_since(ALWAYS)
    assert isinstance(answer, Unknown)
    assert "flex_query_id" in answer.reason


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("20240603;202000", "2024-06-04T00:20:00+00:00"),
        ("2024-06-03, 20:20:00", "2024-06-04T00:20:00+00:00"),
        ("20240115", "2024-01-15T05:00:00+00:00"),
        ("", None),
    ],
)
def test_times_are_new_yorks(text: str, expected: str | None) -> None:
    found = moment_of(text)
    assert (found and found.isoformat()) == expected


def test_it_is_asked_for_once(gateway: GatewayStandIn, flex: FlexStandIn) -> None:
    with opened(gateway, flex=flex_access(flex)) as broker:
        broker.cash_activities_since(ALWAYS).require()
        broker.cash_activities_since(ALWAYS).require()
    assert len(flex.requests) == 2


# Executions of days before


def told(gateway: GatewayStandIn, flex: FlexStandIn) -> Answer[tuple[Execution, ...]]:
    with opened(gateway, currency="GBP", flex=flex_access(flex)) as broker:
        return broker.fills_since(ALWAYS)


def traded_in_pence(account: GatewayAccount, flex: FlexStandIn) -> None:
    """100 bought at 800p on Monday; 40 of them sold on Tuesday, which it is now."""
    flex.tells_trades = True
    account.cash["GBP"] = Decimal(10_000)
    account.market.add(ISF, "800")
    account.place_by_hand("ISF", "BUY", "100")
    account.next_day()
    account.place_by_hand("ISF", "SELL", "40")


def test_executions_of_yesterday_come_from_the_statement_and_todays_from_the_gateway(
    gateway: GatewayStandIn, flex: FlexStandIn, account: GatewayAccount
) -> None:
    traded_in_pence(account, flex)
    bought, sold = told(gateway, flex).require()
    assert (bought.side, bought.quantity, bought.price) == (Side.BUY, Decimal(100), Decimal(8))
    assert (bought.symbol, bought.currency, bought.commission) == ("ISF.L", "GBP", Decimal("1.70"))
    # 10:00:01 in London
    assert bought.executed_at == dt.datetime(2024, 6, 3, 9, 0, 1, tzinfo=dt.UTC)
    assert bought.execution_id == account.executions[0].execution_id
    assert bought.broker_order_id == str(account.orders[0].perm_id)
    assert (sold.side, sold.quantity) == (Side.SELL, Decimal(40))
    with opened(gateway, currency="GBP", flex=flex_access(flex)) as broker:
        assert broker.fills_since(bought.executed_at).require() == (sold,)


@pytest.mark.parametrize(
    "fields",
    [
        {"ibExecID": "00025b49.665d8a1f.01.02"},  # a correction
        {"buySell": "BUY (Ca.)"},
    ],
)
def test_what_takes_the_place_of_an_execution_is_not_booked_by_itself(
    gateway: GatewayStandIn, flex: FlexStandIn, account: GatewayAccount, fields: dict[str, str]
) -> None:
    traded_in_pence(account, flex)
    flex.trade_fields = fields
    assert [each.quantity for each in told(gateway, flex).require()] == [Decimal(40)]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"ibExecID": ""}, "no id of the gateway's"),
        ({"tradePrice": "800"}, "in two units"),
        ({"proceeds": ""}, "is missing"),
        ({"dateTime": ""}, "is missing"),
        ({"currency": "GBp"}, "it is in GBp"),
        ({"buySell": ""}, "side or contract"),
        ({"conid": ""}, "side or contract"),
        ({"ibCommission": "0.25"}, "a rebate of 0.25"),
        ({"ibCommissionCurrency": "USD"}, "a commission in USD"),
    ],
)
def test_a_trade_that_cannot_be_read_is_unknown_and_says_why(
    gateway: GatewayStandIn,
    flex: FlexStandIn,
    account: GatewayAccount,
    fields: dict[str, str],
    words: str,
) -> None:
    traded_in_pence(account, flex)
    flex.trade_fields = fields
    answer = told(gateway, flex)
    assert isinstance(answer, Unknown)
    assert words in answer.reason


def test_todays_executions_are_told_without_a_statement_which_is_not_asked_for_again(
    gateway: GatewayStandIn, flex: FlexStandIn, account: GatewayAccount
) -> None:
    traded_in_pence(account, flex)
    flex.refusal = "1012"
    with opened(gateway, currency="GBP", flex=flex_access(flex)) as broker:
        for _ in range(3):
            assert [each.quantity for each in broker.fills_since(ALWAYS).require()] == [Decimal(40)]
    assert len(flex.requests) == 1
