"""A backtest on bars from Alpaca, over the wire, from the local stand-in."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from assets_tests.alpaca.clock import NEW_YORK
from assets_tests.alpaca.market import BarPoint
from assets_tests.alpaca.server import AlpacaStandIn, running_alpaca
from assets_tests.brokers.alpaca_accounts import api
from trading_assets.engine.alpaca_bars import fetched
from trading_assets.engine.bars import aligned
from trading_assets.engine.clock import iso
from trading_assets.engine.settings import DataSettings
from trading_assets.errors import ConfigurationError, InputError
from trading_assets.market_data.alpaca import AlpacaMarketData


@pytest.fixture
def alpaca() -> Iterator[AlpacaStandIn]:
    """Hourly bars of Thursday and Friday before the stand-in's Monday, 3 June 2024."""
    with running_alpaca() as running:
        running.account.list_asset("AAPL", "190.00")
        running.account.list_asset("MSFT", "410.00")
        points = []
        for day in (30, 31):
            for hour in range(10, 16):
                at = dt.datetime(2024, 5, day, hour, tzinfo=NEW_YORK).astimezone(dt.UTC)
                price = Decimal(day + hour)
                points.append(BarPoint(at, price, price, price, price))
        running.account.market.bars[("AAPL", "1Hour")] = points
        yield running


def source(alpaca: AlpacaStandIn) -> AlpacaMarketData:
    def closes_at(session: dt.date) -> dt.datetime:
        return dt.datetime.combine(session, dt.time(16), NEW_YORK)

    return AlpacaMarketData(api(alpaca), "iex", closes_at, now=lambda: alpaca.account.clock.now)


def data(**changes: object) -> DataSettings:
    given = {
        "kind": "alpaca",
        "symbols": ["AAPL"],
        "timeframe": "1Hour",
        "start": "2024-05-31",
        "end": "2024-05-31",
    }
    return DataSettings.model_validate({**given, **changes})


def test_hours_come_with_those_of_the_warm_up_before(alpaca: AlpacaStandIn) -> None:
    (columns,) = fetched(source(alpaca), data(), warm_up_bars=3)
    assert len(columns) == 12
    assert columns.close.tolist()[0] == 40.0
    assert iso(int(columns.starts[0]), columns.timeframe) == "2024-05-30T14:00:00+00:00"
    assert str(aligned([columns]).session_date(11)) == "2024-05-31"


def test_a_symbol_without_bars_and_a_missing_period_are_named(alpaca: AlpacaStandIn) -> None:
    with pytest.raises(InputError, match="MSFT"):
        fetched(source(alpaca), data(symbols=["AAPL", "MSFT"]), warm_up_bars=0)
    with pytest.raises(ConfigurationError, match="need symbols, start, end"):
        fetched(source(alpaca), data(end=None), warm_up_bars=0)


def test_without_keys_nothing_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from trading_assets.engine.alpaca_bars import alpaca_bars

    for name in ("TRADING_ASSETS_ALPACA_KEY", "TRADING_ASSETS_ALPACA_SECRET"):
        monkeypatch.delenv(name, raising=False)
    for name in ("APCA_API_KEY_ID", "APCA_API_SECRET_KEY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigurationError, match="must be set"):
        alpaca_bars(data(), 0, tmp_path)
