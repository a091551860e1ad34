"""Quotes and bars by the gateway, in money per share."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from typing import Literal

import pytest

from assets_tests.brokers.ibkr_accounts import IMPATIENT, access
from assets_tests.ibkr.account import GatewayAccount
from assets_tests.ibkr.faults import BARS, SNAPSHOT, Fault
from assets_tests.ibkr.funds import ISF, SXLE, SXLK
from assets_tests.ibkr.listings import Bar
from assets_tests.ibkr.server import GatewayStandIn, running_gateway
from trading_assets.brokers.ibkr_connection import GatewayConnection
from trading_assets.brokers.ibkr_contracts import Contracts
from trading_assets.brokers.ibkr_market_data import IbkrMarketData
from trading_assets.model.account import Known, Unknown

FRIDAY, MONDAY = dt.date(2024, 5, 31), dt.date(2024, 6, 3)


def pence_bar(day: dt.date, close: str) -> Bar:
    price = Decimal(close)
    return Bar(day, price - 2, price + 4, price - 5, price, 1_250_000)


@pytest.fixture
def account() -> GatewayAccount:
    opened = GatewayAccount()
    opened.market.add(ISF, "800.0")
    opened.market.add(SXLK, "62.50")
    opened.market.listings[SXLE.con_id] = SXLE
    opened.market.quotes[ISF.con_id] = (Decimal("799.5"), Decimal("800.5"))
    opened.market.add_bars(ISF.con_id, [pence_bar(FRIDAY, "796"), pence_bar(MONDAY, "800")])
    return opened


@pytest.fixture
def gateway(account: GatewayAccount) -> Iterator[GatewayStandIn]:
    with running_gateway(account) as running:
        yield running


@pytest.fixture
def data(gateway: GatewayStandIn) -> Iterator[IbkrMarketData]:
    connection = GatewayConnection(access(gateway, **IMPATIENT))
    yield IbkrMarketData(connection, Contracts(connection, "GBP", {}))
    connection.close()


def test_quotes_in_pence_are_told_in_pounds(data: IbkrMarketData) -> None:
    quote = data.quotes(["ISF.L"]).require()["ISF.L"]
    assert (quote.bid, quote.ask, quote.last) == (Decimal("7.995"), Decimal("8.005"), Decimal("8"))
    assert quote.is_delayed is False


def test_delayed_quotes_say_so(data: IbkrMarketData, account: GatewayAccount) -> None:
    account.market.data_type = 3
    assert data.quotes(["ISF.L"]).require()["ISF.L"].is_delayed is True


def test_bars_in_pence_are_told_in_pounds_within_the_days_asked_for(data: IbkrMarketData) -> None:
    bars = data.daily_bars("ISF.L", FRIDAY, MONDAY).require()
    assert [(bar.session, bar.close) for bar in bars] == [
        (FRIDAY, Decimal("7.96")),
        (MONDAY, Decimal("8")),
    ]
    first = bars[0]
    assert (first.open, first.high, first.low) == (Decimal("7.94"), Decimal("8"), Decimal("7.91"))
    assert first.volume == 1_250_000
    assert [bar.session for bar in data.daily_bars("ISF.L", MONDAY, MONDAY).require()] == [MONDAY]


def test_no_bars_are_known_and_silence_is_not(
    data: IbkrMarketData, gateway: GatewayStandIn, account: GatewayAccount
) -> None:
    account.market.bars.clear()
    assert data.daily_bars("ISF.L", FRIDAY, MONDAY) == Known(())
    gateway.faults.add(Fault("silence", BARS, times=9))
    assert isinstance(data.daily_bars("ISF.L", FRIDAY, MONDAY), Unknown)


@pytest.mark.parametrize("kind", ["drop", "silence"])
def test_a_snapshot_without_an_answer_is_not_asked_for_twice_and_costs_no_later_question(
    data: IbkrMarketData, gateway: GatewayStandIn, kind: Literal["drop", "silence"]
) -> None:
    fault = gateway.faults.add(Fault(kind, SNAPSHOT, times=9))
    answer = data.quotes(["ISF.L"])
    assert isinstance(answer, Unknown) or not answer.value
    assert fault.seen == 1
    gateway.faults.scripted.clear()
    assert isinstance(data.server_time(), Known)
    assert set(data.quotes(["ISF.L"]).require()) == {"ISF.L"}


def test_an_instrument_without_a_price_or_a_contract_costs_the_others_nothing(
    gateway: GatewayStandIn,
) -> None:
    connection = GatewayConnection(access(gateway))
    dollars = IbkrMarketData(connection, Contracts(connection, "USD", {}))
    found = dollars.quotes(["SXLK.L", "SXLE.L", "NOPE.L"]).require()
    connection.close()
    assert set(found) == {"SXLK.L"}


def test_a_quote_of_before_does_not_stand_in_for_one_that_is_gone(
    data: IbkrMarketData, account: GatewayAccount
) -> None:
    assert data.quotes(["ISF.L"]).require()["ISF.L"].bid == Decimal("7.995")
    del account.market.quotes[ISF.con_id], account.market.last[ISF.con_id]
    assert data.quotes(["ISF.L"]) == Known({})


def test_the_servers_clock_is_utc(data: IbkrMarketData, account: GatewayAccount) -> None:
    assert data.server_time().require() == account.now
