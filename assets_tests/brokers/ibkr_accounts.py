"""An account at the gateway's stand-in, as the product opens it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pydantic import SecretStr

from assets_tests.ibkr.flex import FlexStandIn
from assets_tests.ibkr.server import GatewayStandIn
from trading_assets.brokers.ibkr import IbkrBroker
from trading_assets.brokers.ibkr_connection import GatewayAccess, GatewayConnection
from trading_assets.brokers.ibkr_flex import FlexAccess

TIMEOUT_SECONDS = 3.0
IMPATIENT = {"timeout_seconds": 0.3}
"""For what is never answered: each question costs the time limit, and is asked three times."""


def access(gateway: GatewayStandIn, **fields: Any) -> GatewayAccess:
    """Where the stand-in listens; a paper account, client id 7, short time limits."""
    given: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": gateway.port,
        "client_id": 7,
        "is_paper": True,
        "timeout_seconds": TIMEOUT_SECONDS,
        "login_delays_seconds": (0.0, 0.0, 0.0),
    } | fields
    return GatewayAccess(**given)


def flex_access(flex: FlexStandIn, **fields: Any) -> FlexAccess:
    """Where the statements' stand-in listens, without pauses."""
    given: dict[str, Any] = {
        "token": SecretStr(flex.token),
        "query_id": flex.query_id,
        "url": flex.url,
        "timeout_seconds": 2.0,
        "pause_seconds": 0.0,
    } | fields
    return FlexAccess(**given)


@contextmanager
def opened(
    gateway: GatewayStandIn,
    currency: str = "USD",
    fields: dict[str, Any] | None = None,
    **more: Any,
) -> Iterator[IbkrBroker]:
    """The account behind the broker's protocol; `fields` are those of the access."""
    connection = GatewayConnection(access(gateway, **(fields or {})))
    broker = IbkrBroker(connection, currency, lookup_delay_seconds=0.0, **more)
    try:
        yield broker
    finally:
        broker.close()
