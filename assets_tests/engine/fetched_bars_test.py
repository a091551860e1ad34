"""Backtests on bars of services, over the wire, from local stand-ins."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from assets_tests.alpaca.clock import NEW_YORK
from assets_tests.alpaca.market import BarPoint
from assets_tests.alpaca.server import AlpacaStandIn, running_alpaca
from assets_tests.bar_vendors.coinbase import CoinbaseStandIn
from assets_tests.bar_vendors.finnhub import FinnhubStandIn
from assets_tests.brokers.alpaca_accounts import api
from assets_tests.execution.alpaca_desk import SESSIONS
from assets_tests.execution.small_portfolio import portfolio_settings
from assets_tests.yahoo.server import Bar, Listing, YahooStandIn
from trading_assets.engine.bars import BarColumns
from trading_assets.engine.clock import iso
from trading_assets.engine.fetched_bars import answered, fetched_bars
from trading_assets.engine.preparation import load_market
from trading_assets.engine.settings import DataSettings
from trading_assets.errors import ConfigurationError, InputError, PricesUnknownError
from trading_assets.market_data.alpaca import AlpacaMarketData
from trading_assets.market_data.cached_bars import CachedBars
from trading_assets.model.account import Known
from trading_assets.price_sources import alpaca_api

NOW = dt.datetime(2024, 6, 3, 14, tzinfo=dt.UTC)
HOUR = 3600


def data(**changes: object) -> DataSettings:
    given = {
        "source": "alpaca",
        "symbols": ["AAPL"],
        "timeframe": "1Hour",
        "start": "2024-05-31",
        "end": "2024-05-31",
    }
    return DataSettings.model_validate({**given, **changes})


def fetched(settings: DataSettings, folder: Path, warm_up_bars: int = 0) -> list[BarColumns]:
    return fetched_bars(settings, warm_up_bars, folder, now=lambda: NOW)


def times(columns: BarColumns) -> list[str]:
    return [iso(start, columns.timeframe) for start in columns.starts.tolist()]


def seconds(text: str) -> int:
    return int(dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC).timestamp())


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


def from_alpaca(
    alpaca: AlpacaStandIn, settings: DataSettings, warm_up_bars: int
) -> list[BarColumns]:
    def closes_at(session: dt.date) -> dt.datetime:
        return dt.datetime.combine(session, dt.time(16), NEW_YORK)

    source = AlpacaMarketData(api(alpaca), "iex", closes_at, now=lambda: NOW)
    return answered(CachedBars(source, None), settings, warm_up_bars, NOW)


def test_hours_come_with_those_of_the_warm_up_before(alpaca: AlpacaStandIn) -> None:
    (columns,) = from_alpaca(alpaca, data(), warm_up_bars=3)
    assert len(columns) == 12
    assert columns.close.tolist()[0] == 40.0
    assert times(columns)[0] == "2024-05-30T14:00:00+00:00"


def test_a_symbol_without_bars_is_named(alpaca: AlpacaStandIn) -> None:
    with pytest.raises(InputError, match="MSFT"):
        from_alpaca(alpaca, data(symbols=["AAPL", "MSFT"]), 0)


def test_a_period_that_is_not_named_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="need symbols, start and end"):
        fetched(data(end=None), tmp_path)


def test_bars_are_counted_with_what_a_live_account_of_the_same_key_asks(
    alpaca: AlpacaStandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRADING_ASSETS_ALPACA_KEY", alpaca.api_key)
    monkeypatch.setenv("TRADING_ASSETS_ALPACA_SECRET", alpaca.secret_key)
    monkeypatch.setenv("TRADING_ASSETS_ALPACA_URL", alpaca.base_url)
    monkeypatch.setenv("TRADING_ASSETS_ALPACA_DATA_URL", alpaca.base_url)
    requests = tmp_path / "api_requests"
    fetched_bars(data(), 0, tmp_path, now=lambda: NOW, requests=requests)
    asked_for_bars = len(alpaca.requests)
    live = alpaca_api(portfolio_settings(mode="live", sessions=SESSIONS), requests)
    client = live.trading()
    assert isinstance(live.read("clock", lambda: client.get("/clock")), Known)
    assert 0 < asked_for_bars < len(alpaca.requests)
    (file,) = requests.glob("*.json")
    assert len(json.loads(file.read_text())["moments"]) == len(alpaca.requests)


@pytest.mark.parametrize("source", ["alpaca", "finnhub"])
def test_without_keys_nothing_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    for name in (
        "TRADING_ASSETS_ALPACA_KEY", "TRADING_ASSETS_ALPACA_SECRET", "APCA_API_KEY_ID",
        "APCA_API_SECRET_KEY", "FINNHUB_API_KEY",
    ):  # fmt: skip
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigurationError, match="must be set"):
        fetched(data(source=source), tmp_path)


# Coinbase: around the clock


@pytest.fixture
def coinbase(monkeypatch: pytest.MonkeyPatch) -> Iterator[CoinbaseStandIn]:
    with CoinbaseStandIn() as running:
        monkeypatch.setenv("TRADING_ASSETS_COINBASE_URL", running.url)
        yield running


def coins(**changes: object) -> DataSettings:
    given = {
        "source": "coinbase",
        "symbols": ["BTC-USD"],
        "timeframe": "1Hour",
        "start": "2024-06-01",
        "end": "2024-06-02",
    }
    return DataSettings.model_validate({**given, **changes})


def test_a_coin_has_sessions_from_midnight_to_midnight_utc_on_weekends_too(
    coinbase: CoinbaseStandIn, tmp_path: Path
) -> None:
    first = seconds("2024-05-31")
    coinbase.candles["BTC-USD", HOUR] = {
        first + place * HOUR: (1.0, 3.0, 2.0, 2.0, 0.5) for place in range(80)
    }
    market, _ = load_market(coins(), tmp_path, "USD", cache=tmp_path)
    days = [str(market.session_date(place)) for place in range(len(market))]
    assert {day: days.count(day) for day in days[24:]} == {"2024-06-01": 24, "2024-06-02": 24}
    assert times(market.columns[0])[-1] == "2024-06-02T23:00:00+00:00"
    assert coins(timeframe="1Day").returns_in_a_year == 365
    assert coins(timeframe="1Week").returns_in_a_year == 52
    assert data(timeframe="1Day").returns_in_a_year == 252


def test_weeks_are_made_of_the_days_that_the_service_has(
    coinbase: CoinbaseStandIn, tmp_path: Path
) -> None:
    """Monday, 20 May to Sunday, 26 May 2024 is one bar, its weekend included."""
    first = seconds("2024-05-20")
    coinbase.candles["BTC-USD", 86400] = {
        first + place * 86400: (1.0, 10.0 + place, 5.0, 6.0 + place, 1.0) for place in range(7)
    }
    week = coins(timeframe="1Week", start="2024-05-20", end="2024-05-26")
    market, _ = load_market(week, tmp_path, "USD", cache=tmp_path)
    (column,) = market.columns
    assert times(column) == ["2024-05-20"]
    assert (column.low[0], column.high[0], column.close[0], column.volume[0]) == (1, 16, 12, 7)


def test_a_second_backtest_asks_nothing_and_may_run_without_a_network(
    coinbase: CoinbaseStandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = seconds("2024-05-10")
    coinbase.candles["BTC-USD", HOUR] = {
        first + place * HOUR: (1.0, 3.0, 2.0, 2.0, 0.5) for place in range(400)
    }
    settings = coins(start="2024-05-15", end="2024-05-17")
    before = fetched(settings, tmp_path, warm_up_bars=20)
    monkeypatch.setenv("TRADING_ASSETS_COINBASE_URL", "http://127.0.0.1:9")
    again = fetched(settings, tmp_path, warm_up_bars=20)
    assert before[0].starts.tolist() == again[0].starts.tolist()
    # Twenty hours before, of the day before and the one before that.
    assert times(again[0])[0] == "2024-05-13T00:00:00+00:00"


def test_without_a_network_the_error_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRADING_ASSETS_COINBASE_URL", "http://127.0.0.1:9")
    monkeypatch.setattr("trading_assets.alpaca_api.retries.PAUSE_SECONDS", 0.0)
    with pytest.raises(PricesUnknownError, match=r"Coinbase cannot be reached.*--data FILE"):
        fetched(coins(), tmp_path)


# What prices are asked for


def test_raw_prices_are_refused_of_a_source_that_adjusts_them(tmp_path: Path) -> None:
    settings = data(source="yahoo", prices="raw", corporate_actions="actions.csv")
    with pytest.raises(ConfigurationError, match="adjusted for: split; asked for was raw"):
        fetched(settings, tmp_path)
    monthly = data(source="yahoo", timeframe="1Month", prices="raw", corporate_actions="a.csv")
    with pytest.raises(ConfigurationError, match="split, all; asked for was raw"):
        fetched(monthly, tmp_path)


def test_adjusted_prices_of_yahoo_need_no_file_and_quoted_ones_are_split_adjusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with YahooStandIn() as yahoo:
        monkeypatch.setenv("TRADING_ASSETS_YAHOO_URL", yahoo.url)
        yahoo.listed["AAPL"] = Listing(
            "USD", {"2024-05-31": Bar("100", adjusted="98")}, zone="America/New_York"
        )
        daily = data(source="yahoo", timeframe="1Day")
        (quoted,) = fetched(daily, tmp_path)
        (adjusted,) = fetched(daily.model_copy(update={"prices": "adjusted"}), tmp_path)
    assert (quoted.close.tolist(), adjusted.close.tolist()) == ([100.0], [98.0])


def test_a_warm_up_longer_than_yahoo_keeps_is_cut_and_a_start_before_it_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Minutes are kept for 30 days: from 4 May on, on 3 June."""
    with YahooStandIn() as yahoo:
        monkeypatch.setenv("TRADING_ASSETS_YAHOO_URL", yahoo.url)
        yahoo.listed["AAPL"] = Listing(
            "USD", {"2024-05-06T13:30:00+00:00": Bar("100")}, zone="America/New_York"
        )
        minutes = data(source="yahoo", timeframe="1Min", start="2024-05-06", end="2024-05-06")
        assert len(fetched(minutes, tmp_path, warm_up_bars=5000)[0]) == 1
        with pytest.raises(ConfigurationError, match="keeps 1Min bars for 30 days"):
            fetched(minutes.model_copy(update={"start": dt.date(2024, 5, 3)}), tmp_path)


def test_finnhub_bars_come_with_the_key_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FinnhubStandIn("k3y") as finnhub:
        monkeypatch.setenv("TRADING_ASSETS_FINNHUB_URL", f"{finnhub.url}/api/v1")
        monkeypatch.setenv("FINNHUB_API_KEY", "k3y")
        finnhub.candles["AAPL", "D"] = {seconds("2024-05-31"): (1.0, 3.0, 0.5, 2.0, 9.0)}
        (columns,) = fetched(data(source="finnhub", timeframe="1Day"), tmp_path)
    assert (times(columns), columns.close.tolist()) == (["2024-05-31"], [2.0])


def test_a_service_is_not_asked_over_a_line_that_anybody_can_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRADING_ASSETS_FINNHUB_URL", "http://finnhub.example")
    monkeypatch.setenv("FINNHUB_API_KEY", "k3y")
    with pytest.raises(ConfigurationError, match="FINNHUB_URL must begin with https"):
        fetched(data(source="finnhub"), tmp_path)
