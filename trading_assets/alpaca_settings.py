"""Settings of an account at Alpaca: its part of a portfolio file, and what the environment says of
it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from trading_assets.errors import ConfigurationError
from trading_assets.model.policies import Policy
from trading_assets.safe_url import require_safe_url

_ALPACA_KEYS = ("TRADING_ASSETS_ALPACA_KEY", "APCA_API_KEY_ID")
_ALPACA_SECRETS = ("TRADING_ASSETS_ALPACA_SECRET", "APCA_API_SECRET_KEY")
_ALPACA_URLS = ("TRADING_ASSETS_ALPACA_URL", "TRADING_ASSETS_ALPACA_DATA_URL")


class AlpacaBrokerSettings(Policy):
    """An account at Alpaca; `mode` says whether it is the paper or the live one, `account` does
    where the mode is online (None: paper).

    `requests_per_minute` must stay below what Alpaca allows the account (200, unless it says
    otherwise), of all that use its keys together. `timeout_seconds` is for each request,
    `lookup_delay_seconds` how long an order that is not found may still turn up.
    """

    kind: Literal["alpaca"] = "alpaca"
    account: Literal["paper", "live"] | None = None
    requests_per_minute: Annotated[int, Field(ge=1)] = 180
    timeout_seconds: Annotated[float, Field(gt=0, le=120)] = 10.0
    lookup_delay_seconds: Annotated[float, Field(ge=0, le=60)] = 2.0


class AlpacaEnvironment(BaseModel):
    """What the environment says of Alpaca: the keys, which show themselves nowhere by themselves,
    and hosts that take the place of Alpaca's own, None where none do."""

    model_config = ConfigDict(frozen=True)

    key: SecretStr
    secret: SecretStr
    trading_url: str | None = None
    data_url: str | None = None

    @property
    def stream_url(self) -> str | None:
        """Where trade updates come from; None for Alpaca's own host."""
        if self.trading_url is None:
            return None
        return f"ws{self.trading_url.removeprefix('http')}/stream"


def read_alpaca_environment(values: Mapping[str, str]) -> AlpacaEnvironment:
    """Keys from TRADING_ASSETS_ALPACA_KEY and _SECRET, or from APCA_API_KEY_ID and
    APCA_API_SECRET_KEY as Alpaca's own tools call them; hosts from TRADING_ASSETS_ALPACA_URL
    (orders) and TRADING_ASSETS_ALPACA_DATA_URL (prices).

    Raises ConfigurationError where a key is missing, or a host would get the keys in plain text;
    it never shows a key.
    """
    pairs = list(zip(_ALPACA_KEYS, _ALPACA_SECRETS, strict=True))
    given = [pair for pair in pairs if values.get(pair[0]) or values.get(pair[1])]
    missing = [name for name in (given or pairs)[0] if not values.get(name)]
    if missing:
        raise ConfigurationError(
            f"{' and '.join(missing)} must be set to the keys of the Alpaca account. Alpaca shows "
            "them when they are made; a paper account has its own."
        )
    key, secret = (values[name].strip() for name in given[0])
    for name in _ALPACA_URLS:
        require_safe_url(name, values.get(name))
    trading_url, data_url = ((values.get(name) or "").rstrip("/") or None for name in _ALPACA_URLS)
    return AlpacaEnvironment(
        key=SecretStr(key), secret=SecretStr(secret), trading_url=trading_url, data_url=data_url
    )
