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
from trading_assets.market_data.bar_cache import BarCache, Stretch
from trading_assets.model.account import Answer, Known, Unknown
from trading_assets.model.arrival import MarketQuote
from trading_assets.model.market_events import PriceAdjustment, PriceBar
from trading_assets.model.money import rounded_price

T = TypeVar("T")

NEW_YORK = ZoneInfo("America/New_York")
CURRENCY = "USD"
DAY = "1Day"
TIMEFRAMES: dict[str, dt.timedelta] = {
    "1Min": dt.timedelta(minutes=1),
    "5Min": dt.timedelta(minutes=5),
    "15Min": dt.timedelta(minutes=15),
    "1Hour": dt.timedelta(hours=1),
    # A day of 25 hours is the longest.
    DAY: dt.timedelta(hours=25),
}
SYMBOLS_AT_ONCE = 100
_BAD_REQUEST = 400
_INVALID_SYMBOL = re.compile(r"invalid symbol: ?\"?([^\s\",]+)")


class LastTrade(msgspec.Struct, frozen=True, kw_only=True):
    """The last trade of a symbol: price per share, and when it was made (UTC)."""

    symbol: str
    price: Decimal
    as_of: dt.datetime


class LastTrades(msgspec.Struct, frozen=True, kw_only=True):
    """Last trades by symbol; those older than asked for are in `stale`, not in `trades`, and
    symbols without any are listed in `missing`."""

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


class BarQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Bars that begin at `start` or later and before `end` (aware); `timeframe` is a key of
    TIMEFRAMES."""

    symbols: tuple[str, ...]
    timeframe: str
    start: dt.datetime
    end: dt.datetime
    adjustment: PriceAdjustment = PriceAdjustment.RAW


class Bars(msgspec.Struct, frozen=True, kw_only=True):
    """Complete bars by symbol, oldest first; symbols without any are listed in `missing`."""

    bars: dict[str, tuple[PriceBar, ...]]
    missing: tuple[str, ...]


class AlpacaMarketData:
    """Prices of one feed. `closes_at` says when a session closes, `wait` how long after its end a
    bar counts as complete; `cache` keeps raw bars, None keeps nothing."""

    def __init__(
        self,
        api: AlpacaApi,
        feed: str,
        closes_at: Callable[[dt.date], dt.datetime],
        wait: dt.timedelta = dt.timedelta(minutes=15),
        cache: BarCache | None = None,
        now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
    ) -> None:
        self.feed = feed
        self._api = api
        self._client = api.stock_data()
        self._closes_at = closes_at
        self._wait = wait
        self._cache = cache
        self._now = now

    def last_trades(self, symbols: Iterable[str], max_age: dt.timedelta) -> Answer[LastTrades]:
        """The last trade of each symbol; one older than `max_age` is stale."""
        from alpaca.data.requests import StockLatestTradeRequest

        def ask(names: list[str]) -> Any:
            request = StockLatestTradeRequest(symbol_or_symbols=names, feed=self._feed())
            return self._client.get_stock_latest_trade(request)

        found = self._gather("latest trades", symbols, ask, dict[str, _TradeRow])
        if isinstance(found, Unknown):
            return found
        rows, missing = found.value
        trades = {symbol: row.trade(symbol) for symbol, row in rows.items()}
        oldest = self._now() - max_age
        return Known(
            LastTrades(
                trades={s: trade for s, trade in trades.items() if trade.as_of >= oldest},
                stale={s: trade for s, trade in trades.items() if trade.as_of < oldest},
                missing=missing,
            )
        )

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

    def bars(self, query: BarQuery) -> Answer[Bars]:
        """Every complete bar of a query, from the cache as far as it goes."""
        length, series = TIMEFRAMES[query.timeframe], f"alpaca/{self.feed}/{query.timeframe}"
        cache = self._cache if query.adjustment is PriceAdjustment.RAW else None
        symbols = list(dict.fromkeys(query.symbols))
        wanted = Stretch(query.start, query.end)
        final = Stretch(query.start, min(query.end, self._now() - self._wait - length))
        found: dict[str, tuple[PriceBar, ...]] = {}
        asked = {
            symbol: wanted
            if cache is None or final.is_empty
            else Stretch(cache.lacking(series, symbol, final).start, query.end)
            for symbol in symbols
        }
        for stretch in dict.fromkeys(asked.values()):
            names = [symbol for symbol in symbols if asked[symbol] == stretch]
            fetched = self._fetched(query, names, stretch)
            if isinstance(fetched, Unknown):
                return fetched
            found.update(fetched.value)
            if cache is not None:
                cache.store(series, Stretch(stretch.start, final.end), fetched.value)
        if cache is not None:
            for symbol in symbols:
                kept = {bar.start: bar for bar in cache.read(series, symbol, wanted)}
                kept |= {bar.start: bar for bar in found.get(symbol, ())}
                found[symbol] = tuple(bar for _, bar in sorted(kept.items()))
        return Known(
            Bars(
                bars={symbol: found[symbol] for symbol in symbols if found.get(symbol)},
                missing=tuple(symbol for symbol in symbols if not found.get(symbol)),
            )
        )

    def _fetched(
        self, query: BarQuery, symbols: Sequence[str], stretch: Stretch
    ) -> Known[dict[str, tuple[PriceBar, ...]]] | Unknown:
        """The complete bars of a stretch, an empty tuple for a symbol without any."""
        from alpaca.data.enums import Adjustment
        from alpaca.data.requests import StockBarsRequest

        bars: dict[str, tuple[PriceBar, ...]] = dict.fromkeys(symbols, ())
        if stretch.is_empty:
            return Known(bars)

        def ask(names: list[str]) -> Any:
            request = StockBarsRequest(
                symbol_or_symbols=names,
                timeframe=_timeframe(query.timeframe),
                start=stretch.start,
                end=stretch.end,
                adjustment=Adjustment(query.adjustment.value),
                feed=self._feed(),
            )
            return self._client.get_stock_bars(request)

        found = self._gather("bars", symbols, ask, dict[str, list[_BarRow]])
        if isinstance(found, Unknown):
            return found
        rows, _ = found.value
        try:
            for symbol, points in rows.items():
                complete = [self._bar(symbol, row, query) for row in points]
                bars[symbol] = tuple(
                    bar
                    for bar in sorted(complete, key=lambda bar: bar.start)
                    if stretch.start <= bar.start < stretch.end
                    and bar.end + self._wait <= self._now()
                )
        except ValueError as error:
            return Unknown(f"bars: {error}")
        return Known(bars)

    def _bar(self, symbol: str, row: _BarRow, query: BarQuery) -> PriceBar:
        start = row.t.astimezone(dt.UTC)
        end = start + TIMEFRAMES[query.timeframe]
        if query.timeframe == DAY:
            day = start.astimezone(NEW_YORK).date()
            try:
                end = self._closes_at(day)
            except KeyError:
                raise ValueError(f"{symbol} has a bar of {day}, which is no session") from None
        if min(row.o, row.h, row.l, row.c) <= 0:
            raise ValueError(f"the bar of {symbol} at {start} has a price that is not positive")
        return PriceBar(
            symbol=symbol,
            timeframe=query.timeframe,
            start=start,
            end=end,
            open=rounded_price(row.o),
            high=rounded_price(row.h),
            low=rounded_price(row.l),
            close=rounded_price(row.c),
            currency=CURRENCY,
            adjustment=query.adjustment,
            volume=row.v,
        )

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
