"""What the environment says of services of bars other than a broker's."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, SecretStr

from trading_assets.safe_url import require_safe_url

_KEY = "FINNHUB_API_KEY"
_COINBASE_URL = "TRADING_ASSETS_COINBASE_URL"
_FINNHUB_URL = "TRADING_ASSETS_FINNHUB_URL"


class BarVendorEnvironment(BaseModel):
    """Finnhub's key, which shows itself nowhere by itself, and hosts that take the place of the
    services' own; None where they are not set."""

    model_config = ConfigDict(frozen=True)

    finnhub_key: SecretStr | None = None
    finnhub_url: str | None = None
    coinbase_url: str | None = None


def bar_vendors(values: Mapping[str, str]) -> BarVendorEnvironment:
    """From FINNHUB_API_KEY, TRADING_ASSETS_FINNHUB_URL and TRADING_ASSETS_COINBASE_URL.

    ConfigurationError for a host that would get the key, or be believed, in plain text.
    """
    for name in (_COINBASE_URL, _FINNHUB_URL):
        require_safe_url(name, values.get(name))
    key = (values.get(_KEY) or "").strip()
    return BarVendorEnvironment(
        finnhub_key=SecretStr(key) if key else None,
        finnhub_url=values.get(_FINNHUB_URL) or None,
        coinbase_url=values.get(_COINBASE_URL) or None,
    )
