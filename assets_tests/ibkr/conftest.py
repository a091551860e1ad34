"""A stand-in for the gateway with LSE-listed funds, in dollars and in pence."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from assets_tests.ibkr.account import GatewayAccount
from assets_tests.ibkr.funds import ISF, SXLE, SXLK
from assets_tests.ibkr.server import GatewayStandIn, running_gateway


@pytest.fixture
def account() -> GatewayAccount:
    """$100,000 and £20,000 on Monday 3 June 2024 at 10:00; SXLK 62.50, SXLE 40, ISF 800p."""
    opened = GatewayAccount(cash={"USD": "100000", "GBP": "20000"})
    opened.market.add(SXLK, "62.50")
    opened.market.add(SXLE, "40.00")
    opened.market.add(ISF, "800.0")
    return opened


@pytest.fixture
def gateway(account: GatewayAccount) -> Iterator[GatewayStandIn]:
    """The stand-in, running."""
    with running_gateway(account) as running:
        yield running
