"""A planted secret is nowhere: not in logs, exceptions, records, metadata or files."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from assets_tests.alpaca.clients import wait_until
from assets_tests.alpaca.faults import Fault
from assets_tests.alpaca.server import AlpacaStandIn, running_alpaca
from assets_tests.brokers.alpaca_accounts import access, api
from assets_tests.brokers.broker_contract import ALWAYS, order
from trading_assets.brokers.alpaca import AlpacaBroker
from trading_assets.brokers.alpaca_reference import AlpacaReference
from trading_assets.brokers.alpaca_stream import TradeUpdateFeed
from trading_assets.errors import BrokerUnknownError, ConfigurationError
from trading_assets.resources import BrokerResource
from trading_assets.settings import Mode, load_portfolio

KEY, SECRET = "PKPLANTED7Q", "planted-secret-5d3f"
DATA = Path(__file__).parents[2] / "data" / "portfolios"


@pytest.fixture
def alpaca() -> Iterator[AlpacaStandIn]:
    with running_alpaca(api_key=KEY, secret_key=SECRET) as running:
        running.account.list_asset("AAPL", "190.00")
        yield running


def everything_goes_wrong(alpaca: AlpacaStandIn) -> list[str]:
    """What an account and its stream say and raise, through every kind of fault."""
    broker = AlpacaBroker(api(alpaca, timeout_seconds=0.3), lookup_delay_seconds=0.0)
    said = [repr(broker), repr(access(alpaca)), str(access(alpaca)), repr(api(alpaca))]
    faults = [
        Fault("status", status=504, times=99),
        Fault("status", status=502, html=True, times=99),
        Fault("drop", times=99),
        Fault("hang", times=99),
        Fault("rate_limit", retry_after_seconds=0, times=99),
    ]
    for fault in faults:
        alpaca.faults.scripted = [fault, asked_instead(fault)]
        said.append(repr(broker.submit(order(f"a-{fault.kind}-{fault.status}"))))
        try:
            broker.account().require()
        except BrokerUnknownError:
            said.append(traceback.format_exc())
    alpaca.faults.scripted.clear()
    alpaca.gateway.key_forbidden = True
    said.append(repr(broker.account()))
    alpaca.gateway.key_forbidden = False
    said.append(repr(broker.submit(order("b"))))
    said.append(repr(broker.fills_since(ALWAYS)))
    said.append(repr(AlpacaReference(api(alpaca)).clock()))
    said.append(msgspec.json.encode(broker.api_statistics()).decode())
    alpaca.account.trading_blocked = True
    said.append(repr(broker.submit(order("c"))))
    return said


def asked_instead(fault: Fault) -> Fault:
    """The same fault for questions."""
    return Fault(
        fault.kind,
        "GET",
        "/v2/.*",
        status=fault.status,
        html=fault.html,
        retry_after_seconds=0,
        times=99,
    )


def test_the_secret_is_in_nothing_that_is_said_raised_or_logged(
    alpaca: AlpacaStandIn, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    said = everything_goes_wrong(alpaca)
    with TradeUpdateFeed(access(alpaca)) as feed:
        wait_until(lambda: alpaca.trade_updates.listeners, "listener")
        alpaca.account.trading_blocked = False
        alpaca.account.place_by_hand("AAPL", "buy", "1")
        assert feed.wait(5)
        alpaca.trade_updates.drop()
        said.append(repr(feed))
    # The stand-in's own server logs what it receives; it is no part of the product.
    logged = [
        f"{record.name} {record.getMessage()} {record.exc_text or ''}"
        for record in caplog.records
        if not record.name.startswith("uvicorn")
    ]
    assert len(logged) > 20
    assert not [text for text in said + logged if SECRET in text]
    # Their statistics and reasons are there, so it is not for want of anything said.
    assert any("no answer within" in text for text in said)


def test_a_wrong_secret_is_not_logged_by_the_stream_either(
    alpaca: AlpacaStandIn, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with TradeUpdateFeed(access(alpaca, secret="another-planted-secret")) as feed:
        assert not feed.wait(0.3)
    logged = [
        record.getMessage() + (record.exc_text or "")
        for record in caplog.records
        if not record.name.startswith("uvicorn")
    ]
    assert not [text for text in logged if "another-planted-secret" in text]


def test_opening_an_account_leaves_no_secret_in_files_or_metadata(
    alpaca: AlpacaStandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRADING_ASSETS_ALPACA_KEY", KEY)
    monkeypatch.setenv("TRADING_ASSETS_ALPACA_SECRET", SECRET)
    monkeypatch.setenv("TRADING_ASSETS_ALPACA_URL", alpaca.base_url)
    text = (DATA / "sample.yaml").read_text(encoding="utf-8")
    file = tmp_path / "portfolios" / "sample.yaml"
    file.parent.mkdir()
    file.write_text(text.replace("mode: simulated", "mode: paper"), encoding="utf-8")
    settings = load_portfolio(file)
    brokers = BrokerResource(folder=str(tmp_path / "state"), halt_switch=str(tmp_path / "HALT"))
    with brokers.open(settings) as broker:
        assert isinstance(broker, AlpacaBroker)
        assert broker.account().require().account_number == alpaca.account.number
    assert SECRET not in repr(brokers) + settings.model_dump_json()
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.suffix == ".lock" for path in written)
    for path in written:
        assert SECRET.encode() not in path.read_bytes()
        assert KEY.encode() not in path.read_bytes()
        assert KEY not in path.name


def test_without_keys_nothing_is_opened_and_the_variables_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TRADING_ASSETS_ALPACA_KEY", "TRADING_ASSETS_ALPACA_SECRET"):
        monkeypatch.delenv(name, raising=False)
    for name in ("APCA_API_KEY_ID", "APCA_API_SECRET_KEY"):
        monkeypatch.delenv(name, raising=False)
    settings = load_portfolio(DATA / "sample.yaml").model_copy(update={"mode": Mode.PAPER})
    brokers = BrokerResource(folder=str(tmp_path), halt_switch=str(tmp_path / "HALT"))
    refused = pytest.raises(ConfigurationError, match="TRADING_ASSETS_ALPACA_KEY")
    with refused, brokers.open(settings):
        pass
