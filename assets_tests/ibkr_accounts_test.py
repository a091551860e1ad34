"""A portfolio at Interactive Brokers, opened from its file and the environment."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import dagster as dg
import pytest

from assets_tests.brokers.broker_contract import ALWAYS, order
from assets_tests.ibkr.account import GatewayAccount
from assets_tests.ibkr.flex import running_flex
from assets_tests.ibkr.funds import SXLK
from assets_tests.ibkr.server import GatewayStandIn, running_gateway
from trading_assets.brokers.ibkr import IbkrBroker
from trading_assets.errors import ConfigurationError
from trading_assets.ibkr_accounts import gateway_name, open_ibkr
from trading_assets.model.account import Unknown
from trading_assets.resources import BrokerResource
from trading_assets.settings import PortfolioSettings, ibkr_environment, load_portfolio

TEMPLATES = Path(__file__).parents[1] / "data" / "portfolios" / "templates"
PORTFOLIO = """\
id: sectors
name: Sector momentum
mode: {mode}
broker:
  kind: ibkr
  port: {port}
  client_id: 31
  timeout_seconds: 2
  flex_query_id: "1234567"
  contracts:
    SXLK.L: {{symbol: SXLK, primary_exchange: LSEETF, isin: IE00BWBXM948}}
initial_cash: 100000
sessions: {{calendar: XLON, start: 2024-06-03}}
prices: {{path: market/closes.csv}}
signals:
  strategies:
    - {{id: momentum, path: raw_signals/momentum.csv}}
combination: {{method: select, strategy: momentum}}
planning: {{fractional: false}}
report: {{title: Sectors}}
"""


def portfolio(folder: Path, port: int = 4002, mode: str = "paper") -> PortfolioSettings:
    path = folder / "portfolios" / "sectors.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(PORTFOLIO.format(port=port, mode=mode), encoding="utf-8")
    return load_portfolio(path)


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Iterator[GatewayStandIn]:
    account = GatewayAccount()
    account.market.add(SXLK, "62.50")
    with running_gateway(account) as running, running_flex(account) as flex:
        monkeypatch.setenv("TRADING_ASSETS_IBKR_FLEX_TOKEN", flex.token)
        monkeypatch.setenv("TRADING_ASSETS_IBKR_FLEX_URL", flex.url)
        monkeypatch.delenv("TRADING_ASSETS_IBKR_ACCOUNT", raising=False)
        yield running


def brokers(folder: Path) -> BrokerResource:
    return BrokerResource(folder=str(folder / "state"), halt_switch=str(folder / "HALT"))


def test_the_resource_opens_the_account_that_the_file_names(
    tmp_path: Path, gateway: GatewayStandIn
) -> None:
    settings = portfolio(tmp_path, gateway.port)
    with brokers(tmp_path).open(settings) as broker:
        assert isinstance(broker, IbkrBroker)
        assert broker.account().require().cash == Decimal(100_000)
        assert broker.submit(order("a", symbol="SXLK.L")).require().broker_order_id
        assert broker.cash_activities_since(ALWAYS).require() == ()
    assert gateway.logins == [31]
    written = [path for path in (tmp_path / "state").rglob("*") if path.is_file()]
    assert [path.name for path in written] == [f"ibkr-127.0.0.1-{gateway.port}.lock"]
    assert gateway.account.number not in settings.model_dump_json()


def test_the_account_of_the_environment_must_be_the_logins(
    tmp_path: Path, gateway: GatewayStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRADING_ASSETS_IBKR_ACCOUNT", "DU9999999")
    with brokers(tmp_path).open(portfolio(tmp_path, gateway.port)) as broker:
        with pytest.raises(ConfigurationError, match="TRADING_ASSETS_IBKR_ACCOUNT") as refused:
            broker.account()
        assert "9999999" not in str(refused.value)


def test_live_is_refused_at_a_paper_login(tmp_path: Path, gateway: GatewayStandIn) -> None:
    settings = portfolio(tmp_path, gateway.port, mode="live")
    with (
        brokers(tmp_path).open(settings) as broker,
        pytest.raises(ConfigurationError, match="logged in to a paper account"),
    ):
        broker.submit(order("a", symbol="SXLK.L"))
    assert gateway.account.orders == []


def test_a_gateway_that_is_not_there_is_unknown_not_flat(
    tmp_path: Path, gateway: GatewayStandIn
) -> None:
    settings = portfolio(tmp_path, 1)
    opened = open_ibkr(settings)
    opened._connection._sleep = lambda _: None
    assert isinstance(opened.positions(), Unknown)
    opened.close()
    assert gateway.logins == []


def test_without_a_port_it_is_the_gateways_own(tmp_path: Path) -> None:
    for mode, port in (("paper", 4002), ("live", 4001)):
        settings = portfolio(tmp_path, mode=mode)
        assert settings.ibkr is not None
        unset = settings.model_copy(
            update={"broker": settings.ibkr.model_copy(update={"port": None})}
        )
        assert gateway_name(unset) == f"ibkr-127.0.0.1-{port}"


def test_a_query_without_a_token_names_the_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TRADING_ASSETS_IBKR_FLEX_TOKEN", raising=False)
    with pytest.raises(ConfigurationError, match="TRADING_ASSETS_IBKR_FLEX_TOKEN"):
        open_ibkr(portfolio(tmp_path))


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ("fractional: false", "fractional: true", "whole shares"),
        ("mode: paper", "mode: simulated", "does not go with broker ibkr"),
        ("isin: IE00BWBXM948", "isin: SXLK", "isin"),
    ],
)
def test_settings_that_the_broker_cannot_serve_are_refused(
    tmp_path: Path, before: str, after: str, reason: str
) -> None:
    portfolio(tmp_path)
    path = tmp_path / "portfolios" / "sectors.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace(before, after), encoding="utf-8")
    with pytest.raises(ConfigurationError, match=reason):
        load_portfolio(path)


def test_the_token_goes_to_nobody_in_plain_text() -> None:
    with pytest.raises(ConfigurationError, match="TRADING_ASSETS_IBKR_FLEX_URL must begin"):
        ibkr_environment({"TRADING_ASSETS_IBKR_FLEX_URL": "http://example.org"})
    given = ibkr_environment({"TRADING_ASSETS_IBKR_FLEX_TOKEN": "planted"})
    assert "planted" not in f"{given!r}{given.model_dump_json()}"


def test_it_is_asked_from_an_op_and_from_one_inside_a_running_loop(
    tmp_path: Path, gateway: GatewayStandIn
) -> None:
    settings, resource = portfolio(tmp_path, gateway.port), brokers(tmp_path)
    gateway.account.place_by_hand("SXLK", "BUY", "3")

    @dg.op
    def in_an_op(brokers: BrokerResource) -> str:
        with brokers.open(settings) as broker:
            return str(broker.positions().require()["SXLK.L"])

    @dg.op
    async def in_a_loop(brokers: BrokerResource, before: str) -> str:
        with brokers.open(settings) as broker:
            return before + str(broker.positions().require()["SXLK.L"])

    @dg.job(resource_defs={"brokers": resource})
    def ask_twice() -> None:
        in_a_loop(in_an_op())

    result = ask_twice.execute_in_process()
    assert result.output_for_node("in_a_loop") == "33"


def test_the_template_of_the_sectors_may_be_traded_by_hand_here(tmp_path: Path) -> None:
    template = TEMPLATES / "sector_momentum.yaml"
    path = tmp_path / "portfolios" / template.name
    path.parent.mkdir()
    text = template.read_text(encoding="utf-8").replace("mode: simulated", "mode: paper")
    by_hand = "broker: {kind: ibkr}\nexecution: {placement: manual}\n"
    path.write_text(text + by_hand, encoding="utf-8")
    assert gateway_name(load_portfolio(path)) == "ibkr-127.0.0.1-4002"
