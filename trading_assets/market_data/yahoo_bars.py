"""Bars from Yahoo, by yfinance, one symbol after the other.

Yahoo keeps short bars for a short time: those of a minute 30 days (a week of them in one answer),
others up to half an hour 60 days, hours 730 days. Every price that it has is adjusted for splits up
to now; adjusted for dividends are only those of days. A bar of a day counts as complete when the
day is over at the exchange. An hour begins when the session does, at half past nine in New York.
Bars of before the open and after the close are not asked for. Prices in pence become pounds.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import numpy as np

from trading_assets.errors import ConfigurationError
from trading_assets.market_data.bar_source import (
    BAR,
    DAY,
    PRICE_FIELDS,
    BarQuery,
    BarRows,
    Bars,
    asked_one_by_one,
    checked,
    complete,
    earliest,
    midnight,
    nanoseconds,
    rows_of,
    within,
)
from trading_assets.market_data.yahoo import FetchFailure, YahooClient
from trading_assets.market_data.yahoo_events import seven_digits
from trading_assets.model.account import Answer, Known, Unknown
from trading_assets.model.currency import in_major_unit
from trading_assets.model.market_events import PriceAdjustment

INTERVALS = {"1Min": "1m", "5Min": "5m", "15Min": "15m", "30Min": "30m", "1Hour": "1h", DAY: "1d"}
KEPT = {
    "1Min": dt.timedelta(days=30),
    "5Min": dt.timedelta(days=60),
    "15Min": dt.timedelta(days=60),
    "30Min": dt.timedelta(days=60),
    "1Hour": dt.timedelta(days=730),
}
"""How long Yahoo keeps bars; those of days for ever."""
_PAGES = {"1Min": dt.timedelta(days=7)}
_DAY = dt.timedelta(days=1)


class YahooBars:
    """Yahoo as a `BarSource`."""

    name = "yahoo"
    kept = KEPT
    adjustments: Mapping[str, tuple[PriceAdjustment, ...]] = {
        timeframe: (PriceAdjustment.SPLIT, *([PriceAdjustment.ALL] if timeframe == DAY else []))
        for timeframe in INTERVALS
    }

    def __init__(
        self,
        client: YahooClient,
        *,
        wait: dt.timedelta = dt.timedelta(minutes=15),
        now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
    ) -> None:
        self.wait = wait
        self._client = client
        self._now = now

    def fetch(self, query: BarQuery) -> Answer[Bars]:
        """See `BarSource`."""
        limit = earliest(self, query.timeframe, self._now())
        if limit is not None and query.start < limit:
            raise ConfigurationError(
                f"Yahoo keeps {query.timeframe} bars for {KEPT[query.timeframe].days} days, now "
                f"from {limit:%Y-%m-%d %H:%M} UTC on; asked for were some from "
                f"{query.start:%Y-%m-%d %H:%M} on. Begin later, or take longer bars or another "
                "source."
            )
        return asked_one_by_one(query, self._bars)

    def _bars(self, symbol: str, query: BarQuery) -> Known[BarRows] | Unknown:
        now = self._now()
        parts = []
        page, end = query.start, min(query.end, now)
        while page < end:
            last = min(page + _PAGES.get(query.timeframe, end - page), end)
            found = self._client.table(
                symbol, INTERVALS[query.timeframe], *_asked(query, page, last)
            )
            if isinstance(found, FetchFailure):
                if found.is_service:
                    return Unknown(f"bars of {symbol}: {found.reason}")
                # No prices in a page, or no such symbol.
                page = last
                continue
            try:
                table, currency, _ = found
                parts.append(_rows(table, currency, query, now - self.wait))
            except (ValueError, LookupError, TypeError, AttributeError) as error:
                return Unknown(f"bars of {symbol} cannot be read: {error}")
            page = last
        rows = np.concatenate([np.zeros(0, BAR), *parts])
        try:
            rows = checked(symbol, rows_of(rows.tolist()))
        except ValueError as error:
            return Unknown(f"bars: {error}")
        if query.timeframe != DAY:
            return Known(complete(rows, query, now, self.wait))
        return Known(within(rows, query.start, query.end))


def _asked(query: BarQuery, start: dt.datetime, end: dt.datetime) -> tuple[dt.date, dt.date]:
    """The stretch as Yahoo is asked for it: days by their dates at the exchange."""
    if query.timeframe != DAY:
        return start, end
    # The date of the end's last instant, and one more: Yahoo leaves out the end.
    last = (end.astimezone(dt.UTC) - dt.timedelta(microseconds=1)).date()
    return start.astimezone(dt.UTC).date(), last + _DAY


def _rows(table: Any, currency: str, query: BarQuery, over: dt.datetime) -> BarRows:
    """Bars of a table of yfinance that have prices, in the major unit of the currency; of days only
    those that were past at the exchange at the moment `over`."""
    unit = float(in_major_unit(Decimal(1), currency)[0])
    factor = np.full(len(table), unit)
    if query.adjustment is PriceAdjustment.ALL:
        factor *= np.asarray(table["Adj Close"] / table["Close"], dtype=np.float64)
    prices = [np.asarray(table[name.title()], dtype=np.float64) * factor for name in PRICE_FIELDS]
    values = []
    for stamp, volume, *row in zip(table.index, table["Volume"], *prices, strict=True):
        if not all(np.isfinite(price) and price > 0 for price in row):
            continue
        start = stamp.to_pydatetime()
        if query.timeframe == DAY:
            if dt.datetime.combine(start.date() + _DAY, dt.time(), start.tzinfo) > over:
                continue
            start = midnight(start.date())
        values.append(
            (nanoseconds(start), *_enclosing([float(seven_digits(one)) for one in row]), volume)
        )
    return rows_of(values)


def _enclosing(prices: list[float]) -> list[float]:
    """Open, high, low and close; where Yahoo's high or low leaves out the open or the close, which
    were traded, it is the one that was."""
    first, _, _, last = prices
    return [first, max(prices), min(prices), last]
