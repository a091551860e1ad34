"""A portfolio's account at Interactive Brokers, from its settings and the environment."""

from __future__ import annotations

from trading_assets.brokers.ibkr import IbkrBroker
from trading_assets.brokers.ibkr_connection import GatewayAccess, GatewayConnection
from trading_assets.brokers.ibkr_contracts import ContractTerms
from trading_assets.brokers.ibkr_flex import FLEX_URL, FlexAccess
from trading_assets.errors import ConfigurationError
from trading_assets.ibkr_settings import IbkrBrokerSettings, IbkrEnvironment
from trading_assets.settings import Mode, PortfolioSettings, ibkr_environment

GATEWAY_PORTS = {Mode.PAPER: 4002, Mode.LIVE: 4001}


def open_ibkr(settings: PortfolioSettings) -> IbkrBroker:
    """The account; it logs in when something is asked. To be closed.

    Raises ConfigurationError where a Flex query is named and there is no token for it.
    """
    given, environment = _given(settings), ibkr_environment()
    number = environment.account_number
    access = GatewayAccess(
        host=given.host,
        port=_port(settings),
        client_id=given.client_id,
        is_paper=settings.mode is not Mode.LIVE,
        account_number=None if number is None else number.get_secret_value(),
        timeout_seconds=given.timeout_seconds,
    )
    contracts = {
        symbol: ContractTerms(
            symbol=each.symbol,
            exchange=each.exchange,
            primary_exchange=each.primary_exchange,
            currency=each.currency or settings.currency,
            isin=each.isin or "",
        )
        for symbol, each in given.contracts.items()
    }
    flex = _flex(settings, given, environment)
    return IbkrBroker(
        GatewayConnection(access), settings.currency, contracts, given.lookup_delay_seconds, flex
    )


def gateway_name(settings: PortfolioSettings) -> str:
    """Tells gateways apart, for the lock of the one submitter."""
    return f"ibkr-{_given(settings).host}-{_port(settings)}"


def _given(settings: PortfolioSettings) -> IbkrBrokerSettings:
    if settings.ibkr is None:
        raise ValueError(f"portfolio {settings.id} is not at Interactive Brokers")
    return settings.ibkr


def _port(settings: PortfolioSettings) -> int:
    return _given(settings).port or GATEWAY_PORTS[settings.mode]


def _flex(
    settings: PortfolioSettings, given: IbkrBrokerSettings, environment: IbkrEnvironment
) -> FlexAccess | None:
    if given.flex_query_id is None:
        return None
    if environment.flex_token is None:
        raise ConfigurationError(
            f"portfolio {settings.id}: `broker.flex_query_id` needs the token of the Flex Web "
            "Service in TRADING_ASSETS_IBKR_FLEX_TOKEN (client portal, Flex Queries)."
        )
    return FlexAccess(
        token=environment.flex_token,
        query_id=given.flex_query_id,
        url=environment.flex_url or FLEX_URL,
    )
