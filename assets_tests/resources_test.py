"""What is opened on an installation's directories keeps to one limit for one key."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from assets_tests.alpaca.server import running_alpaca
from assets_tests.execution.alpaca_desk import CALENDAR, SESSIONS
from assets_tests.execution.small_portfolio import portfolio_settings
from trading_assets.dashboard import sources_in
from trading_assets.resources import MarketDataResource, broker_resource, resources
from trading_assets.settings import directories

SIGNALS = "trade_date,asset_id,weight\n2024-06-03,AAPL,1\n"


def test_requests_for_the_account_and_for_prices_are_counted_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "alpha.csv").write_text(SIGNALS)
    settings = portfolio_settings(
        mode="paper",
        sessions=SESSIONS,
        prices={"kind": "alpaca", "adjustment": "raw"},
        signals={"strategies": [{"id": "alpha", "path": str(tmp_path / "alpha.csv")}]},
    )
    places = directories({"TRADING_ASSETS_DATA": str(tmp_path)})
    with running_alpaca() as alpaca:
        monkeypatch.setenv("TRADING_ASSETS_ALPACA_KEY", alpaca.api_key)
        monkeypatch.setenv("TRADING_ASSETS_ALPACA_SECRET", alpaca.secret_key)
        monkeypatch.setenv("TRADING_ASSETS_ALPACA_URL", alpaca.base_url)
        prices = resources(places)["market_data"]
        assert isinstance(prices, MarketDataResource)
        prices.open(settings, CALENDAR)
        asked_for_prices = len(alpaca.requests)
        with broker_resource(places).open(settings) as broker:
            broker.account().require()
        assert 0 < asked_for_prices < len(alpaca.requests)
        with sources_in(places, settings) as sources:
            sources.prices()
        (file,) = (places.state / "api_requests").glob("*.json")
        assert len(json.loads(file.read_text())["moments"]) == len(alpaca.requests)
        assert alpaca.api_key not in file.name + file.read_text()
