"""Account number and token are nowhere: not in logs, reasons or exceptions, whatever goes wrong."""

from __future__ import annotations

import logging
import traceback

import pytest

from assets_tests.brokers.broker_contract import ALWAYS, order
from assets_tests.brokers.ibkr_accounts import IMPATIENT, flex_access, opened
from assets_tests.ibkr.account import GatewayAccount
from assets_tests.ibkr.faults import EXECUTIONS, PLACE_ORDER, POSITIONS, SUMMARY, Fault
from assets_tests.ibkr.flex import running_flex
from assets_tests.ibkr.funds import SXLK
from assets_tests.ibkr.server import GatewayStandIn, running_gateway
from trading_assets.errors import BrokerUnknownError, ConfigurationError
from trading_assets.model.account import Unknown

NUMBER, TOKEN = "DU5550123", "planted-token-9041"


def everything_goes_wrong(gateway: GatewayStandIn) -> list[str]:
    """What an account says and raises through every kind of fault, and when all is well."""
    account = gateway.account
    said = []
    with running_flex(account, token=TOKEN) as flex:
        access = flex_access(flex)
        with opened(gateway, fields=IMPATIENT, flex=access) as broker:
            said += [repr(broker), repr(access), repr(broker.submit(order("a", symbol="SXLK.L")))]
            said += [repr(broker.fills_since(ALWAYS)), repr(broker.positions())]
            for request in (POSITIONS, SUMMARY, EXECUTIONS, PLACE_ORDER):
                for fault in (Fault("silence", request, times=9), Fault("drop", request, times=9)):
                    gateway.faults.scripted = [fault]
                    said.append(repr(broker.submit(order(f"{request}-{fault.kind}"))))
                    try:
                        broker.account().require()
                    except BrokerUnknownError:
                        said.append(traceback.format_exc())
            gateway.faults.scripted.clear()
            gateway.drop_all()
            account.reject_next("SXLK", "MARGIN")
            said.append(repr(broker.submit(order("b", symbol="SXLK.L"))))
            # A message with the number in it that the library cannot read.
            account.fills_by_itself = False
            account.place_by_hand("SXLK", "BUY", "3").order_id = "x"  # type: ignore[assignment]
            unread = broker.open_orders()
            assert isinstance(unread, Unknown)
            said.append(repr(unread))
            account.orders.clear()
            said.append(repr(broker.cash_activities_since(ALWAYS)))
            flex.garbled = True
        with opened(gateway, flex=access) as broker:
            said.append(repr(broker.cash_activities_since(ALWAYS)))
        for fields in ({"account_number": "DU0000001"}, {"is_paper": False}):
            with opened(gateway, fields=fields) as broker:
                try:
                    broker.positions()
                except ConfigurationError:
                    said.append(traceback.format_exc())
    return said


def test_the_number_and_the_token_are_in_nothing_that_is_said_raised_or_logged(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    account = GatewayAccount(number=NUMBER)
    account.market.add(SXLK, "62.50")
    with running_gateway(account) as gateway:
        said = everything_goes_wrong(gateway)
    logged = [f"{record.getMessage()} {record.exc_text or ''}" for record in caplog.records]
    printed = capfd.readouterr()
    everywhere = [*said, *logged, printed.out, printed.err]
    assert not [text for text in everywhere if NUMBER in text or TOKEN in text]
    # The statement of the account is for the guard alone, and the only place that has the number.
    assert any("could not read what the gateway sent" in text for text in said)
    assert any("no answer within" in text for text in said)
