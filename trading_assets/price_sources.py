"""A portfolio's price source, from what its settings name: a file, Alpaca, or Yahoo."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable
from pathlib import Path

import msgspec

from trading_assets.alpaca_api.client import AlpacaAccess, AlpacaApi
from trading_assets.alpaca_settings import AlpacaBrokerSettings
from trading_assets.brokers.alpaca_reference import AlpacaReference
from trading_assets.calendar import TradingCalendar
from trading_assets.errors import PricesUnknownError
from trading_assets.market_data.alpaca import AlpacaMarketData
from trading_assets.market_data.alpaca_prices import AlpacaPriceSource
from trading_assets.market_data.bar_cache import BAR_CACHE, BarCache
from trading_assets.market_data.base import PriceSource
from trading_assets.market_data.corporate_actions import CorporateActions, read_corporate_actions
from trading_assets.market_data.files import open_file_prices
from trading_assets.market_data.yahoo import (
    YahooCalendar,
    YahooClient,
    YahooPriceSource,
    take_snapshot,
)
from trading_assets.market_data.yahoo_actions import splits_not_in, yahoo_actions
from trading_assets.market_data.yahoo_histories import SnapshotFolder
from trading_assets.model.account import Unknown
from trading_assets.model.market_events import PriceAdjustment
from trading_assets.settings import (
    AlpacaPrices,
    FilePrices,
    PortfolioSettings,
    YahooPrices,
    alpaca_environment,
    yahoo_relay,
)
from trading_assets.signal_files import read_signal_file
from trading_assets.signal_settings import MomentumStrategy

ANNOUNCED_DAYS = 14
"""How many days back announcements are looked at: no open session lies longer ago."""


def alpaca_api(settings: PortfolioSettings, requests_folder: Path | None = None) -> AlpacaApi:
    """Alpaca's interface for a portfolio, with the keys that are in the environment; the paper
    account's unless a live one is traded or read. Requests are counted in `requests_folder`, with
    those of others who use the same keys."""
    given = alpaca_environment()
    limits = settings.alpaca or AlpacaBrokerSettings()
    access = AlpacaAccess(
        key=given.key,
        secret=given.secret,
        paper=not settings.is_live_account,
        trading_url=given.trading_url,
        stream_url=given.stream_url,
        data_url=given.data_url,
    )
    return AlpacaApi(
        access,
        limits.requests_per_minute,
        limits.timeout_seconds,
        requests_folder=requests_folder,
    )


def alpaca_market_data(
    api: AlpacaApi,
    settings: PortfolioSettings,
    calendar: TradingCalendar,
) -> AlpacaMarketData:
    """Alpaca's prices of the feed that the portfolio names, or of the free one."""
    given = (
        settings.prices
        if isinstance(settings.prices, AlpacaPrices)
        else AlpacaPrices(kind="alpaca")
    )
    wait = dt.timedelta(minutes=given.wait_minutes)
    return AlpacaMarketData(api, given.feed, calendar.closes_at, wait)


def open_prices(
    settings: PortfolioSettings,
    calendar: TradingCalendar,
    bars: Path | None = None,
    snapshots: Path | None = None,
    requests: Path | None = None,
) -> PriceSource:
    """The price source with its corporate actions; `bars` is where bars may be kept, `snapshots`
    where prices that cannot be had again are, `requests` where those to Alpaca are counted.

    Raises InputError for a file that cannot be used, ConfigurationError where keys are missing,
    PricesUnknownError where announcements cannot be had or do not say enough.
    """
    prices = settings.prices
    if isinstance(prices, FilePrices):
        return open_file_prices(settings, calendar.history)
    if isinstance(prices, YahooPrices):
        return yahoo_prices(settings, prices, calendar, snapshots, dt.datetime.now(dt.UTC))
    api = alpaca_api(settings, requests)
    symbols = sorted(_signal_symbols(settings))
    data = alpaca_market_data(api, settings, calendar)
    if settings.corporate_actions is not None:
        actions = read_corporate_actions(
            settings.corporate_actions, settings.currency, calendar.history
        )
    elif prices.adjustment is PriceAdjustment.RAW:
        actions = announced_actions(api, symbols, dt.datetime.now(calendar.time_zone).date())
    else:
        actions = CorporateActions()
    # A close that is missing is asked for again whenever it is needed.
    never = dt.timedelta(0)
    cache = None if bars is None else BarCache(bars / BAR_CACHE, empty_for=never)

    def open_since(session: dt.date) -> dt.datetime | None:
        opened_at = calendar.opens_at(session)
        return opened_at if opened_at <= data.now() < calendar.closes_at(session) else None

    return AlpacaPriceSource(data, prices, calendar.history, symbols, actions, cache, open_since)


def yahoo_prices(
    settings: PortfolioSettings,
    prices: YahooPrices,
    calendar: TradingCalendar,
    folder: Path | None,
    now: dt.datetime,
) -> YahooPriceSource:
    """Yahoo's prices as of `now` (UTC); snapshots are kept below `folder`, nowhere when None."""
    symbols = _signal_symbols(settings)
    if prices.benchmark_symbol:
        symbols.add(prices.benchmark_symbol)
    sessions = calendar.history
    client = YahooClient(
        prices.timeout_seconds, yahoo_relay(), None if folder is None else folder / "yfinance"
    )
    snapshot = take_snapshot(
        prices,
        settings.currency,
        sorted(symbols),
        YahooCalendar(sessions, [calendar.closes_at(session) for session in sessions]),
        SnapshotFolder(None if folder is None else folder / settings.id),
        lambda symbol, first: client.history(symbol, first, now),
        now,
    )
    if settings.corporate_actions is not None:
        actions = read_corporate_actions(settings.corporate_actions, settings.currency, sessions)
        told = splits_not_in(actions, snapshot.histories)
    else:
        wanted = prices.book_dividends
        actions, told = yahoo_actions(
            snapshot.histories,
            settings.currency,
            sessions,
            # A real account is paid dividends, which its broker tells: not twice.
            with_dividends=not settings.mode.is_real if wanted is None else wanted,
        )
    return YahooPriceSource(snapshot, prices, symbols, sessions, actions, told)


def announced_actions(api: AlpacaApi, symbols: Iterable[str], today: dt.date) -> CorporateActions:
    """What Alpaca announced for the last days and today.

    Raises PricesUnknownError where it cannot say, or says too little of one of `symbols`: a
    position that changes in a way that the book does not know must not be traded on.
    """
    found = AlpacaReference(api).announcements(today - dt.timedelta(days=ANNOUNCED_DAYS), today)
    if isinstance(found, Unknown):
        raise PricesUnknownError(f"Alpaca could not say: {found.reason}. Run it again later.")
    wanted = set(symbols)
    unclear = [
        f"{each.symbol} ({each.kind} of {each.ex_date}: {each.reason})"
        for each in found.value.untranslated
        if each.symbol in wanted
    ]
    if unclear:
        raise PricesUnknownError(
            f"Alpaca announced what the book cannot be told by itself: {', '.join(unclear)}. Write "
            "the corporate actions into a file and name it in `corporate_actions`."
        )
    actions = [each.action for each in found.value.actions]
    digest = hashlib.sha256(msgspec.json.encode(found.value)).hexdigest()
    return CorporateActions(actions, "alpaca/announcements", digest)


def _signal_symbols(settings: PortfolioSettings) -> set[str]:
    found: set[str] = set()
    for strategy in settings.signals.strategies:
        if isinstance(strategy, MomentumStrategy):
            found |= strategy.universe.keys()
        else:
            found |= {row.symbol for row in read_signal_file(strategy).rows}
    return found
