"""Bars of a backtest from Alpaca, with the keys in the environment; raw bars are kept on disk."""

from __future__ import annotations

import datetime as dt
import math
from pathlib import Path

from trading_assets.alpaca_api.client import AlpacaAccess, AlpacaApi
from trading_assets.engine.bars import BarColumns
from trading_assets.engine.settings import DataSettings
from trading_assets.engine.sources import columns_of_bars
from trading_assets.errors import ConfigurationError, InputError, PricesUnknownError
from trading_assets.market_data.alpaca import NEW_YORK, TIMEFRAMES, AlpacaMarketData, BarQuery
from trading_assets.market_data.bar_cache import BarCache
from trading_assets.model.account import Unknown
from trading_assets.settings import AlpacaBrokerSettings, alpaca_environment

_CLOSE = dt.time(16)
_SESSION_HOURS = 6.5
_DAYS_PER_SESSION = 1.5
_SPARE_DAYS = 7


def alpaca_bars(data: DataSettings, warm_up_bars: int, cache: Path) -> list[BarColumns]:
    """Bars of the settings' symbols from Alpaca, with enough before `start` for the warm-up.

    ConfigurationError where start, end, symbols or keys are missing or there is no such timeframe;
    PricesUnknownError where Alpaca did not answer; InputError for a symbol without bars.
    """
    given = alpaca_environment()
    access = AlpacaAccess(
        key=given.key,
        secret=given.secret,
        paper=True,
        trading_url=given.trading_url,
        stream_url=given.stream_url,
        data_url=given.data_url,
    )
    limits = AlpacaBrokerSettings()
    api = AlpacaApi(access, limits.requests_per_minute, limits.timeout_seconds)
    source = AlpacaMarketData(api, data.feed, _closes_at, cache=BarCache(cache / "alpaca.sqlite"))
    return fetched(source, data, warm_up_bars)


def fetched(source: AlpacaMarketData, data: DataSettings, warm_up_bars: int) -> list[BarColumns]:
    """The same from a source that is open."""
    name = str(data.source)
    if data.start is None or data.end is None or not data.symbols or name not in TIMEFRAMES:
        raise ConfigurationError(
            f"bars from Alpaca need symbols, start, end and one of the timeframes "
            f"{', '.join(TIMEFRAMES)} (as source_timeframe where the backtest's is longer)."
        )
    answer = source.bars(
        BarQuery(
            symbols=data.symbols,
            timeframe=name,
            start=_midnight(data.start - _history(data, warm_up_bars)),
            end=_midnight(data.end + dt.timedelta(days=1)),
        )
    )
    if isinstance(answer, Unknown):
        raise PricesUnknownError(f"bars of {', '.join(data.symbols)}: {answer.reason}")
    if answer.value.missing:
        raise InputError(
            file="Alpaca",
            value=", ".join(answer.value.missing),
            rule="every symbol asked for must have bars in the period",
            remedy="Correct the symbols, or choose another period",
        )
    return columns_of_bars(bar for symbol in data.symbols for bar in answer.value.bars[symbol])


def _history(data: DataSettings, warm_up_bars: int) -> dt.timedelta:
    """Calendar days that hold so many bars of the backtest, generously."""
    length = data.bars.nanoseconds
    sessions = float(warm_up_bars * 252 // data.bars.in_a_year)
    if length is not None:
        sessions = warm_up_bars * length / (_SESSION_HOURS * 3600 * 1e9)
    return dt.timedelta(days=math.ceil(sessions * _DAYS_PER_SESSION) + _SPARE_DAYS)


def _midnight(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), NEW_YORK).astimezone(dt.UTC)


def _closes_at(session: dt.date) -> dt.datetime:
    """When a session's bar is complete at the latest: the close of a full day."""
    return dt.datetime.combine(session, _CLOSE, NEW_YORK).astimezone(dt.UTC)
