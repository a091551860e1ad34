"""A stand-in with two assets that trade, and alpaca-py's client on it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from assets_tests.alpaca.clients import Trader
from assets_tests.alpaca.server import AlpacaStandIn, running_alpaca


@pytest.fixture
def alpaca() -> Iterator[AlpacaStandIn]:
    """A cash account of $100,000 on Monday 3 June 2024, 10:00 in New York; AAPL 190, MSFT 410."""
    with running_alpaca() as running:
        running.account.list_asset("AAPL", "190.00")
        running.account.list_asset("MSFT", "410.00")
        yield running


@pytest.fixture
def trader(alpaca: AlpacaStandIn) -> Trader:
    """alpaca-py's TradingClient on the stand-in."""
    return Trader(alpaca)
