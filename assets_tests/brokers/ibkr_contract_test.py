"""The broker contract, case by case, on an account at Interactive Brokers' stand-in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from decimal import Decimal

import pytest

from assets_tests.brokers.broker_contract import CASES, Bench
from assets_tests.brokers.ibkr_accounts import flex_access, opened
from assets_tests.ibkr.account import GatewayAccount
from assets_tests.ibkr.flex import running_flex
from assets_tests.ibkr.invariants import violations
from assets_tests.ibkr.listings import Listing
from assets_tests.ibkr.server import GatewayStandIn, running_gateway
from trading_assets.brokers.base import Broker
from trading_assets.brokers.ibkr import IbkrBroker

AAPL = Listing(265_598, "AAPL", "USD", "NASDAQ", "US0378331005", "APPLE INC", stock_type="COMMON")
MSFT = Listing(272_093, "MSFT", "USD", "NASDAQ", "US5949181045", "MICROSOFT", stock_type="COMMON")

NOT_HERE = {
    "case_07": "whole shares only",
    "case_11": "no brackets",
    "case_16": "whole shares only, see ibkr_test.py",
}


class IbkrBench:
    """A paper account at the stand-in, on Monday 3 June 2024."""

    def __init__(self, gateway: GatewayStandIn, reopened: Callable[[], IbkrBroker]) -> None:
        self.gateway = gateway
        self.reopened = reopened
        self.broker: Broker = reopened()

    def trade(self) -> None:
        self.gateway.account.match()

    def pay_dividend(self, symbol: str, per_share: str) -> None:
        account = self.gateway.account
        amount = account.quantity(symbol) * Decimal(per_share)
        account.pay("Dividends", str(amount), symbol=symbol)
        # Statements are made once a day; the next one is asked for by the next run.
        self.broker = self.reopened()


@pytest.fixture
def bench() -> Iterator[Bench]:
    account = GatewayAccount()
    account.commission *= 0
    account.market.add(AAPL, "190")
    account.market.add(MSFT, "410")
    with ExitStack() as stack:
        gateway = stack.enter_context(running_gateway(account))
        flex = flex_access(stack.enter_context(running_flex(account)))

        def reopened() -> IbkrBroker:
            runs.close()
            return runs.enter_context(opened(gateway, flex=flex))

        runs = stack.enter_context(ExitStack())
        yield IbkrBench(gateway, reopened)
        assert violations(account) == []


@pytest.mark.parametrize(
    "case",
    [case for case in CASES if case.__name__[:7] not in NOT_HERE],
    ids=lambda case: case.__name__,
)
def test_contract(bench: Bench, case: Callable[[Bench], None]) -> None:
    case(bench)
