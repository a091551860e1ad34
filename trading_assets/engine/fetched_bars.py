"""Bars of a backtest from a service: asked for once, then from the cache on disk.

What prices are asked for follows from `data.prices`: as_quoted takes them as the source gives them
of its own accord, raw needs them raw, and adjusted without a file of corporate actions asks for
those that the source has adjusted for splits and dividends.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable
from pathlib import Path

from trading_assets.alpaca_api.client import AlpacaAccess, AlpacaApi
from trading_assets.alpaca_settings import AlpacaBrokerSettings
from trading_assets.engine.bars import BarColumns, bar_columns
from trading_assets.engine.settings import DataSettings, PriceTreatment
from trading_assets.errors import ConfigurationError, InputError, PricesUnknownError
from trading_assets.market_data.alpaca import NEW_YORK, AlpacaMarketData
from trading_assets.market_data.bar_cache import BAR_CACHE, BarCache
from trading_assets.market_data.bar_source import (
    DAY,
    PRICE_FIELDS,
    BarQuery,
    BarSource,
    earliest,
    midnight,
)
from trading_assets.market_data.cached_bars import CachedBars
from trading_assets.market_data.coinbase import CoinbaseBars
from trading_assets.market_data.finnhub import FinnhubBars
from trading_assets.market_data.yahoo import YahooClient
from trading_assets.market_data.yahoo_bars import YahooBars
from trading_assets.model.account import Unknown
from trading_assets.model.market_events import PriceAdjustment
from trading_assets.settings import (
    alpaca_environment,
    bar_vendor_environment,
    yahoo_relay,
)

_CLOSE = dt.time(16)
_SESSION_HOURS = 6.5
_DAYS_PER_SESSION = 1.5
_SPARE_DAYS = 7
_TIMEOUT_SECONDS = 10.0

Clock = Callable[[], dt.datetime]


def fetched_bars(
    data: DataSettings,
    warm_up_bars: int,
    cache: Path,
    now: Clock = lambda: dt.datetime.now(dt.UTC),
    requests: Path | None = None,
) -> list[BarColumns]:
    """Bars of the settings' symbols from their source, with enough before `start` for the warm-up;
    those that are final are kept in the folder `cache`, requests to Alpaca counted in `requests`.

    ConfigurationError where start, end, symbols or keys are missing, or the source has no such
    bars; PricesUnknownError where it did not answer; InputError for a symbol without bars.
    """
    if data.start is None or data.end is None or not data.symbols:
        raise ConfigurationError(
            f"bars from {data.source} need symbols, start and end. Give all three "
            "(--symbol, --start, --end)."
        )
    source = _opened(data, cache, now, requests)
    kept = BarCache(cache / BAR_CACHE, now)
    try:
        return answered(CachedBars(source, kept, now), data, warm_up_bars, now())
    finally:
        kept.close()


def answered(
    bars: CachedBars, data: DataSettings, warm_up_bars: int, now: dt.datetime
) -> list[BarColumns]:
    """The same from a source that is open."""
    assert data.start is not None
    assert data.end is not None
    source, timeframe = bars.source, str(data.source_bars)
    start = midnight(data.start - _history(data, warm_up_bars))
    limit = earliest(source, timeframe, now)
    if limit is not None:
        # Less warm-up, where the source keeps no more of it; too early a start is its to refuse.
        start = min(max(start, limit), midnight(data.start))
    # A session may begin on the date before, or end on the date after, in UTC.
    around = dt.timedelta(days=0 if timeframe == DAY or data.is_around_the_clock else 1)
    answer = bars.bars(
        BarQuery(
            symbols=data.symbols,
            timeframe=timeframe,
            start=start,
            end=midnight(data.end + dt.timedelta(days=1)) + around,
            adjustment=_adjustment(source, data, timeframe),
        )
    )
    if isinstance(answer, Unknown):
        raise PricesUnknownError(
            f"{answer.reason}. Run it again when {data.source} can be reached, or give bars from a "
            "file (data.path, --data FILE)."
        )
    if answer.value.missing:
        raise InputError(
            file=source.name,
            value=", ".join(answer.value.missing),
            rule="every symbol asked for must have bars in the period",
            remedy="Correct the symbols as the source spells them, or choose another period",
        )
    return [
        bar_columns(
            symbol,
            rows["start"],
            [rows[name] for name in PRICE_FIELDS],
            rows["volume"],
            timeframe=data.source_bars,
            source=source.name,
        )
        for symbol, rows in answer.value.bars.items()
    ]


def _opened(data: DataSettings, cache: Path, now: Clock, requests: Path | None) -> BarSource:
    if data.source == "coinbase":
        return CoinbaseBars(bar_vendor_environment().coinbase_url, now=now)
    if data.source == "finnhub":
        environment = bar_vendor_environment()
        if environment.finnhub_key is None:
            raise ConfigurationError(
                "FINNHUB_API_KEY must be set to a key of Finnhub, of a plan that has candles."
            )
        return FinnhubBars(environment.finnhub_key, environment.finnhub_url, now=now)
    if data.source == "yahoo":
        return YahooBars(YahooClient(_TIMEOUT_SECONDS, yahoo_relay(), cache / "yahoo"), now=now)
    try:
        given, limits = alpaca_environment(), AlpacaBrokerSettings()
    except ConfigurationError as error:
        raise ConfigurationError(
            f"{error} Or take bars of another source (data.source, --source) or a file."
        ) from error
    access = AlpacaAccess(
        key=given.key,
        secret=given.secret,
        paper=True,
        trading_url=given.trading_url,
        stream_url=given.stream_url,
        data_url=given.data_url,
    )
    # The rest of the account's limit is left to orders, which another process may be sending.
    allowed = limits.requests_per_minute * 2 // 3
    api = AlpacaApi(access, allowed, limits.timeout_seconds, requests_folder=requests)
    return AlpacaMarketData(api, data.feed, _closes_at, now=now)


def _adjustment(source: BarSource, data: DataSettings, timeframe: str) -> PriceAdjustment:
    offered = source.adjustments.get(timeframe, (PriceAdjustment.RAW,))
    if data.prices is PriceTreatment.AS_QUOTED:
        return offered[0]
    if data.prices is PriceTreatment.RAW or data.corporate_actions or data.adjustment_factors:
        return PriceAdjustment.RAW
    if PriceAdjustment.ALL not in offered and data.is_around_the_clock:
        # There is nothing to adjust for.
        return PriceAdjustment.RAW
    return PriceAdjustment.ALL


def _history(data: DataSettings, warm_up_bars: int) -> dt.timedelta:
    """Calendar days that hold so many bars of the backtest, generously."""
    length = data.bars.nanoseconds
    if data.is_around_the_clock and length is not None:
        return dt.timedelta(days=math.ceil(warm_up_bars * length / (24 * 3600 * 1e9)) + 1)
    sessions = float(warm_up_bars * 252 // data.bars.in_a_year)
    if length is not None:
        sessions = warm_up_bars * length / (_SESSION_HOURS * 3600 * 1e9)
    return dt.timedelta(days=math.ceil(sessions * _DAYS_PER_SESSION) + _SPARE_DAYS)


def _closes_at(session: dt.date) -> dt.datetime:
    """When a session's bar is complete at the latest: the close of a full day."""
    return dt.datetime.combine(session, _CLOSE, NEW_YORK).astimezone(dt.UTC)
