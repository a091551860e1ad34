"""An `AlpacaBroker` on the stand-in, through alpaca-py itself."""

from __future__ import annotations

import datetime as dt

from pydantic import SecretStr

from assets_tests.alpaca.server import AlpacaStandIn
from trading_assets.alpaca_api.client import AlpacaAccess, AlpacaApi
from trading_assets.brokers.alpaca import AlpacaBroker
from trading_assets.market_data.alpaca import AlpacaMarketData


def access(alpaca: AlpacaStandIn, **keys: str) -> AlpacaAccess:
    """Access to the stand-in, with its own keys unless told."""
    return AlpacaAccess(
        key=SecretStr(keys.get("key", alpaca.api_key)),
        secret=SecretStr(keys.get("secret", alpaca.secret_key)),
        paper=True,
        trading_url=alpaca.trading_url,
        stream_url=alpaca.stream_url,
        data_url=alpaca.base_url,
    )


def api(
    alpaca: AlpacaStandIn, requests_per_minute: int = 100_000, timeout_seconds: float = 5.0
) -> AlpacaApi:
    """The stand-in's interface, which pauses between reads only as long as it has to."""
    return AlpacaApi(
        access(alpaca), requests_per_minute, timeout_seconds, sleep=lambda _seconds: None
    )


def opened(
    alpaca: AlpacaStandIn,
    timeout_seconds: float = 5.0,
    *,
    quotes: bool = False,
    sends: bool = True,
) -> AlpacaBroker:
    """The stand-in's account; it shows no market unless asked to."""
    interface = api(alpaca, timeout_seconds=timeout_seconds)
    feed = AlpacaMarketData(interface, "iex", _never).quotes if quotes else None
    return AlpacaBroker(interface, lookup_delay_seconds=0.0, quotes=feed, sends=sends)


def _never(session: dt.date) -> dt.datetime:
    raise AssertionError(f"the close of {session} is of no use to a quote")
