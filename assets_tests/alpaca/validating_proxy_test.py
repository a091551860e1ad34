"""The stand-in through a proxy that validates every byte by the public OpenAPI description: orders
of each kind by alpaca-py, and whole sessions of the product.

Deviations on purpose, which therefore do not pass here: a client order id that is too long for the
description (a test asks it to see the refusal), and what faults answer (HTML, 5xx), which no
description has.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from openapi_core import OpenAPI

from assets_tests.alpaca.account import BrokerAccount
from assets_tests.alpaca.clients import Trader
from assets_tests.alpaca.conformance_test import close, read_everything, trade
from assets_tests.alpaca.description import public_description
from assets_tests.alpaca.server import AlpacaStandIn, running_alpaca
from assets_tests.alpaca.validating_proxy import ValidatingProxy, validating_proxy
from assets_tests.simulation.alpaca_simulation import survive

BRACKETS, SHORTS = 15, 7
"""Seeds whose plan has them."""


@pytest.fixture(scope="module")
def description() -> OpenAPI:
    """The public description of the trading API."""
    return public_description()


def listed(alpaca: AlpacaStandIn) -> AlpacaStandIn:
    alpaca.account.list_asset("AAPL", "190.00")
    alpaca.account.list_asset("MSFT", "410.00")
    return alpaca


def test_what_alpaca_py_asks_and_is_answered_passes(description: OpenAPI) -> None:
    with (
        running_alpaca(BrokerAccount(multiplier=2)) as alpaca,
        validating_proxy(listed(alpaca), description) as proxy,
    ):
        trader = Trader(alpaca)
        trade(alpaca, trader)
        read_everything(trader)
        close(trader)
        assert proxy.faults == []
        assert len(proxy.asked) == len(alpaca.requests) > 30


@pytest.mark.parametrize(("seed", "is_short"), [(1, False), (BRACKETS, True), (SHORTS, True)])
def test_whole_sessions_of_the_product_pass(
    description: OpenAPI, tmp_path: Path, seed: int, *, is_short: bool
) -> None:
    """With trades by hand, cash, halts, rejects and runs that die, on a sound line; two days, or
    one of brackets, or of short sales."""
    proxies: list[ValidatingProxy] = []

    @contextmanager
    def before(alpaca: AlpacaStandIn) -> Iterator[None]:
        with validating_proxy(alpaca, description) as proxy:
            proxies.append(proxy)
            yield

    survive(tmp_path, seed, is_short=is_short, before=before)
    (proxy,) = proxies
    assert proxy.faults == []
    assert {method for method, _, _ in proxy.asked} >= {"GET", "POST"}


def test_what_is_not_as_described_is_kept_and_refused(description: OpenAPI) -> None:
    with running_alpaca() as alpaca, validating_proxy(listed(alpaca), description) as proxy:
        headers = {"APCA-API-KEY-ID": alpaca.api_key, "APCA-API-SECRET-KEY": alpaca.secret_key}
        wrong = {"symbol": "AAPL", "side": "hold", "type": "market"}
        asked = requests.post(
            f"{alpaca.trading_url}/v2/orders", json=wrong, headers=headers, timeout=5
        )
        assert asked.status_code == 500
        assert proxy.faults[0].startswith("request of POST /v2/orders")
        unknown = requests.get(f"{alpaca.trading_url}/v2/flights", headers=headers, timeout=5)
        assert unknown.status_code == 500
        assert "/v2/flights" in proxy.faults[-1]
