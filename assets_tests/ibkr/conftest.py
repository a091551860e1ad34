"""A stand-in for the gateway with LSE-listed funds, in dollars and in pence."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from assets_tests.ibkr.account import GatewayAccount
from assets_tests.ibkr.listings import Listing
from assets_tests.ibkr.server import GatewayStandIn, running_gateway

SXLK = Listing(
    173_418_084, "SXLK", "USD", "LSEETF", "IE00BWBXM948", "SPDR S&P US TECHNOLOGY SELECT"
)
SXLE = Listing(173_418_001, "SXLE", "USD", "LSEETF", "IE00BWBXM492", "SPDR S&P US ENERGY SELECT")
ISF = Listing(
    45_679_230,
    *("ISF", "GBP", "LSEETF", "IE0005042456", "ISHARES CORE FTSE 100"),
    price_magnifier=100,
    min_tick="0.1",
)


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
