"""Prices from Alpaca: latest trades, snapshots and bars, each with its own time.

A symbol that Alpaca knows nothing of is listed as missing, whether it leaves it out or refuses the
whole question because of it. Numbers keep the digits in which they were sent. A bar is given out
once it is complete; until then there is none.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import msgspec

from trading_assets.alpaca_api.client import AlpacaApi, Refusal, Reply
from trading_assets.alpaca_api.statistics import ApiStatistics
from trading_assets.market_data.bar_source import (
    DAY,
    BarQuery,
    BarRows,
    Bars,
    answer_of,
    checked,
    complete,
    midnight,
    nanoseconds,
    rows_of,
    within,
)
from trading_assets.model.account import CLOCK_ERROR_MAX, Answer, Known, Unknown
from trading_assets.model.arrival import MarketQuote
from trading_assets.model.market_events import PriceAdjustment
from trading_assets.model.money import rounded_price

T = TypeVar("T")

NEW_YORK = ZoneInfo("America/New_York")
CURRENCY = "USD"
TIMEFRAMES = ("1Min", "5Min", "15Min", "30Min", "1Hour", DAY)
SYMBOLS_AT_ONCE = 100
_BAD_REQUEST = 400
_INVALID_SYMBOL = re.compile(r"invalid symbol: ?\"?([^\s\",]+)")


class LastTrade(msgspec.Struct, frozen=True, kw_only=True):
    """The last trade of a symbol: price per share, and when it was made (UTC)."""

    symbol: str
    price: Decimal
    as_of: dt.datetime


class LastTrades(msgspec.Struct, frozen=True, kw_only=True):
    """Last trades by symbol; those older than asked for, or of a time that has not come, are in
    `stale`, not in `trades`, and symbols without any are listed in `missing`."""

    trades: dict[str, LastTrade]
    stale: dict[str, LastTrade]
    missing: tuple[str, ...]


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """A symbol at a moment; None where Alpaca does not say. Prices are per share, moments UTC;
    `previous_close` is the close of the session before the latest one."""

    symbol: str
    trade: LastTrade | None
    bid: Decimal | None
    ask: Decimal | None
    quoted_at: dt.datetime | None
    previous_close: Decimal | None


class Snapshots(msgspec.Struct, frozen=True, kw_only=True):
    """Snapshots by symbol; symbols without one are listed in `missing`."""

    snapshots: dict[str, Snapshot]
    missing: tuple[str, ...]


class AlpacaMarketData:
    """Prices of one feed, a `BarSource` too. `closes_at` says when a session closes (UTC), `wait`
    how long after its end a bar counts as complete."""

    kept: Mapping[str, dt.timedelta] = {}
    adjustments = dict.fromkeys(TIMEFRAMES, tuple(PriceAdjustment))

    def __init__(
        self,
        api: AlpacaApi,
        feed: str,
        closes_at: Callable[[dt.date], dt.datetime],
        wait: dt.timedelta = dt.timedelta(minutes=15),
        now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
    ) -> None:
        self.feed = feed
        self.name = f"alpaca/{feed}"
        self.wait = wait
        self.now = now
        self._api = api
        self._client = api.stock_data()
        self._closes_at = closes_at

    def api_statistics(self) -> ApiStatistics:
        """How the interface was used and how it answered."""
        return self._api.statistics()

    def last_trades(self, symbols: Iterable[str], max_age: dt.timedelta) -> Answer[LastTrades]:
        """The last trade of each symbol; one older than `max_age` is stale, as is one that is
        further ahead of this machine's clock than the broker's may be."""
        from alpaca.data.requests import StockLatestTradeRequest

        def ask(names: list[str]) -> Any:
            request = StockLatestTradeRequest(symbol_or_symbols=names, feed=self._feed())
            return self._client.get_stock_latest_trade(request)

        found = self._gather("latest trades", symbols, ask, dict[str, _TradeRow])
        if isinstance(found, Unknown):
            return found
        rows, missing = found.value
        trades = {symbol: row.trade(symbol) for symbol, row in rows.items()}
        now = self.now()
        fresh = {
            symbol: trade
            for symbol, trade in trades.items()
            if now - max_age <= trade.as_of <= now + CLOCK_ERROR_MAX
        }
        stale = {symbol: trade for symbol, trade in trades.items() if symbol not in fresh}
        return Known(LastTrades(trades=fresh, stale=stale, missing=missing))

    def quotes(self, symbols: Iterable[str]) -> Answer[dict[str, MarketQuote]]:
        """What the market is at, for an order that must not wait: nothing is asked twice."""
        found = self.snapshots(symbols, only_once=True)
        if isinstance(found, Unknown):
            return found
        return Known(
            {
                symbol: MarketQuote(
                    symbol=symbol,
                    source=f"alpaca/{self.feed}",
                    bid=shown.bid,
                    ask=shown.ask,
                    quoted_at=shown.quoted_at,
                    last=None if shown.trade is None else shown.trade.price,
                    traded_at=None if shown.trade is None else shown.trade.as_of,
                )
                for symbol, shown in found.value.snapshots.items()
            }
        )

    def snapshots(self, symbols: Iterable[str], *, only_once: bool = False) -> Answer[Snapshots]:
        """Last trade, quote and previous close of each symbol; with `only_once` a request that is
        not answered is not repeated."""
        from alpaca.data.requests import StockSnapshotRequest

        def ask(names: list[str]) -> Any:
            request = StockSnapshotRequest(symbol_or_symbols=names, feed=self._feed())
            return self._client.get_stock_snapshot(request)

        read = self._api.ask if only_once else self._api.read
        found = self._gather("snapshots", symbols, ask, dict[str, _SnapshotRow | None], read)
        if isinstance(found, Unknown):
            return found
        rows, missing = found.value
        snapshots = {s: row.snapshot(s) for s, row in rows.items() if row is not None}
        unsaid = [symbol for symbol, row in rows.items() if row is None]
        return Known(Snapshots(snapshots=snapshots, missing=tuple(sorted({*missing, *unsaid}))))

    def fetch(self, query: BarQuery) -> Answer[Bars]:
        """See `BarSource`."""
        from alpaca.data.enums import Adjustment
        from alpaca.data.requests import StockBarsRequest

        start, end = query.start, min(query.end, self.now())
        if start >= end:
            return Known(answer_of(query.symbols, {}))
        if query.timeframe == DAY:
            start, end = _at_the_exchange(query.start), _at_the_exchange(query.end)

        def ask(names: list[str]) -> Any:
            request = StockBarsRequest(
                symbol_or_symbols=names,
                timeframe=_timeframe(query.timeframe),
                start=start,
                end=end,
                adjustment=Adjustment(query.adjustment.value),
                feed=self._feed(),
            )
            return self._client.get_stock_bars(request)

        found = self._gather("bars", query.symbols, ask, dict[str, list[_BarRow]])
        if isinstance(found, Unknown):
            return found
        rows, _ = found.value
        try:
            bars = {symbol: self._rows(symbol, points, query) for symbol, points in rows.items()}
        except ValueError as error:
            return Unknown(f"bars: {error}")
        return Known(answer_of(query.symbols, bars))

    def _rows(self, symbol: str, points: Sequence[_BarRow], query: BarQuery) -> BarRows:
        """The complete bars of one symbol; ValueError where one cannot be."""
        now = self.now()
        values = []
        for point in points:
            start = point.t.astimezone(dt.UTC)
            if query.timeframe == DAY:
                day = start.astimezone(NEW_YORK).date()
                try:
                    closed = self._closes_at(day)
                except KeyError:
                    raise ValueError(f"{symbol} has a bar of {day}, which is no session") from None
                if closed + self.wait > now:
                    continue
                start = midnight(day)
            prices = [float(rounded_price(price)) for price in (point.o, point.h, point.l, point.c)]
            values.append((nanoseconds(start), *prices, float(point.v)))
        rows = checked(symbol, rows_of(values))
        if query.timeframe == DAY:
            return within(rows, query.start, query.end)
        return complete(rows, query, now, self.wait)

    def _gather(
        self,
        what: str,
        symbols: Iterable[str],
        ask: Callable[[list[str]], Any],
        row: type[Mapping[str, T]],
        read: Callable[[str, Callable[[], Any]], Reply[Any]] | None = None,
    ) -> Known[tuple[dict[str, T], tuple[str, ...]]] | Unknown:
        """What `ask` answers for all symbols, some at a time, and the symbols that it lacks; by
        `read`, which repeats a request that is not answered unless another is given."""
        read = read or self._api.read
        wanted = list(dict.fromkeys(symbols))
        found: dict[str, T] = {}
        for first in range(0, len(wanted), SYMBOLS_AT_ONCE):
            names = wanted[first : first + SYMBOLS_AT_ONCE]
            while names:
                reply: Reply[Any] = read(what, _bound(ask, names))
                invalid = _invalid_symbol(reply)
                if invalid in names:
                    names = [name for name in names if name != invalid]
                    continue
                rows = self._api.record(what, reply, row)
                if isinstance(rows, Unknown):
                    return rows
                found.update(rows.value)
                break
        return Known((found, tuple(symbol for symbol in wanted if symbol not in found)))

    def _feed(self) -> Any:
        from alpaca.data.enums import DataFeed

        return DataFeed(self.feed)


class _TradeRow(msgspec.Struct, frozen=True):
    t: dt.datetime
    p: Decimal

    def trade(self, symbol: str) -> LastTrade:
        return LastTrade(
            symbol=symbol, price=rounded_price(self.p), as_of=self.t.astimezone(dt.UTC)
        )


class _QuoteRow(msgspec.Struct, frozen=True):
    t: dt.datetime
    bp: Decimal
    ap: Decimal


class _BarRow(msgspec.Struct, frozen=True):
    t: dt.datetime
    o: Decimal
    h: Decimal
    l: Decimal  # noqa: E741 - the vendor's name
    c: Decimal
    v: Decimal


class _SnapshotRow(msgspec.Struct, frozen=True, rename="camel"):
    latest_trade: _TradeRow | None = None
    latest_quote: _QuoteRow | None = None
    prev_daily_bar: _BarRow | None = None

    def snapshot(self, symbol: str) -> Snapshot:
        trade, quote, bar = self.latest_trade, self.latest_quote, self.prev_daily_bar
        return Snapshot(
            symbol=symbol,
            trade=None if trade is None else trade.trade(symbol),
            # A side without a quote is priced at 0.
            bid=None if quote is None or not quote.bp else rounded_price(quote.bp),
            ask=None if quote is None or not quote.ap else rounded_price(quote.ap),
            quoted_at=None if quote is None else quote.t.astimezone(dt.UTC),
            previous_close=None if bar is None else rounded_price(bar.c),
        )


def _at_the_exchange(moment: dt.datetime) -> dt.datetime:
    """Where the bar of a day that begins at `moment`, midnight UTC of its date, begins for Alpaca;
    for a later moment of the date the next day's."""
    utc = moment.astimezone(dt.UTC)
    begun = utc.time() != dt.time()
    day = utc.date() + dt.timedelta(days=1 if begun else 0)
    return dt.datetime.combine(day, dt.time(), NEW_YORK).astimezone(dt.UTC)


def _timeframe(name: str) -> Any:
    from alpaca.data.timeframe import TimeFrame, TimeFrameUnit

    amount, unit = re.fullmatch(r"(\d+)(\D+)", name).groups()  # type: ignore[union-attr]
    return TimeFrame(int(amount), TimeFrameUnit(unit))


def _invalid_symbol(reply: Reply[Any]) -> str | None:
    if not isinstance(reply, Refusal) or reply.status != _BAD_REQUEST:
        return None
    found = _INVALID_SYMBOL.search(reply.message)
    return None if found is None else found.group(1)


def _bound(ask: Callable[[list[str]], Any], names: list[str]) -> Callable[[], Any]:
    return lambda: ask(names)
