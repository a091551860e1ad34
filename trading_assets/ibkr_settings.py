"""Settings of an account at Interactive Brokers: its part of a portfolio file, and what the
environment says of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from trading_assets.model.policies import Policy
from trading_assets.safe_url import require_safe_url


class IbkrContract(Policy):
    """Which contract a symbol means at Interactive Brokers; `isin` is checked where it is given.

    `currency` None means the portfolio's.
    """

    symbol: str
    exchange: str = "SMART"
    primary_exchange: str = ""
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] | None = None
    isin: Annotated[str, Field(pattern=r"^[A-Z]{2}[A-Z0-9]{9}[0-9]$")] | None = None


class IbkrBrokerSettings(Policy):
    """An account at Interactive Brokers, by a TWS or IB Gateway that somebody is logged in to.

    `port` None means IB Gateway's own: 4002 for paper, 4001 for live (TWS: 7497, 7496).
    `client_id` must be nobody else's at that gateway. `contracts` says which contract a symbol
    means where its name does not: `.L` is a fund in London, anything else is looked for by SMART.
    `timeout_seconds` is for each question, `lookup_delay_seconds` how long an order that is not
    found may still turn up. `flex_query_id` names the Flex query that lists cash transactions and,
    if it has that section, trades.
    """

    kind: Literal["ibkr"]
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    client_id: Annotated[int, Field(ge=0, le=999_999)] = 17
    timeout_seconds: Annotated[float, Field(gt=0, le=120)] = 10.0
    lookup_delay_seconds: Annotated[float, Field(ge=0, le=60)] = 5.0
    contracts: dict[str, IbkrContract] = Field(default_factory=dict)
    flex_query_id: Annotated[str, Field(pattern=r"^[0-9]+$")] | None = None


class IbkrEnvironment(BaseModel):
    """What the environment says of Interactive Brokers, None where it says nothing: the account to
    trade in, the token of the Flex Web Service, and a host in place of that service's own."""

    model_config = ConfigDict(frozen=True)

    account_number: SecretStr | None
    flex_token: SecretStr | None
    flex_url: str | None


def read_ibkr_environment(values: Mapping[str, str]) -> IbkrEnvironment:
    """The account number from TRADING_ASSETS_IBKR_ACCOUNT (needed where a login manages several),
    the token from TRADING_ASSETS_IBKR_FLEX_TOKEN, the host from TRADING_ASSETS_IBKR_FLEX_URL.

    Raises ConfigurationError where a host would get the token in plain text.
    """
    url = values.get("TRADING_ASSETS_IBKR_FLEX_URL")
    require_safe_url("TRADING_ASSETS_IBKR_FLEX_URL", url)
    number = (values.get("TRADING_ASSETS_IBKR_ACCOUNT") or "").strip()
    token = (values.get("TRADING_ASSETS_IBKR_FLEX_TOKEN") or "").strip()
    return IbkrEnvironment(
        account_number=SecretStr(number) if number else None,
        flex_token=SecretStr(token) if token else None,
        flex_url=(url or "").rstrip("/") or None,
    )
