"""Quotes and daily bars by the same login as the account, in money per share.

A quote is one snapshot. Without a subscription the gateway sends delayed prices and says so. Daily
bars are of regular hours, as traded (not adjusted for dividends, adjusted for splits).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import msgspec

from trading_assets.brokers.ibkr_connection import GatewayConnection, Refusal, answer_of
from trading_assets.brokers.ibkr_contracts import Contracts, Instrument, exact
from trading_assets.model.account import Answer, Known, Unknown

NO_DATA = 162
LIVE_DATA_TYPE = 1
DELAYED_IF_NOT_LIVE = 3
_DAYS_OF_A_YEAR = 365


class Quote(msgspec.Struct, frozen=True, kw_only=True):
    """A snapshot of one instrument's prices, money per share in `currency`; None where there is
    none. `as_of` (UTC) is when it was received; a delayed one is some 15 minutes older."""

    symbol: str
    currency: str
    bid: Decimal | None
    ask: Decimal | None
    last: Decimal | None
    as_of: dt.datetime
    is_delayed: bool


class DailyBar(msgspec.Struct, frozen=True, kw_only=True):
    """One session's prices of one instrument, money per share in `currency`; volume in shares."""

    symbol: str
    session: dt.date
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal | None
    currency: str


class IbkrMarketData:
    """Market data of the instruments that `contracts` describes."""

    def __init__(self, connection: GatewayConnection, contracts: Contracts) -> None:
        self._connection = connection
        self._contracts = contracts

    def server_time(self) -> Answer[dt.datetime]:
        """The gateway's clock, UTC."""

        async def now(ib: Any) -> dt.datetime:
            found: dt.datetime = await ib.reqCurrentTimeAsync()
            return found.astimezone(dt.UTC)

        return answer_of(self._connection.ask("server time", now))

    def quotes(self, symbols: Iterable[str]) -> Answer[dict[str, Quote]]:
        """A snapshot of each symbol, all or none; without a price it is unknown, not left out."""
        instruments = []
        for symbol in sorted(set(symbols)):
            found = answer_of(self._contracts.of_symbol(symbol))
            if isinstance(found, Unknown):
                return found
            instruments.append(found.value)

        async def snapshot(ib: Any) -> list[Any]:
            ib.reqMarketDataType(DELAYED_IF_NOT_LIVE)
            return list(await ib.reqTickersAsync(*(each.contract() for each in instruments)))

        if not instruments:
            return Known({})
        tickers = answer_of(self._connection.ask("quotes", snapshot))
        if isinstance(tickers, Unknown):
            return tickers
        quotes = {}
        for instrument, ticker in zip(instruments, tickers.value, strict=True):
            quote = _quote(instrument, ticker)
            if quote.bid is None and quote.ask is None and quote.last is None:
                return Unknown(f"quotes: there is no price of {instrument.symbol}")
            quotes[instrument.symbol] = quote
        return Known(quotes)

    def daily_bars(
        self, symbol: str, first: dt.date, last: dt.date
    ) -> Answer[tuple[DailyBar, ...]]:
        """Bars of the sessions from `first` to `last` (both included), oldest first; empty where
        the broker has none in that time."""
        instrument = answer_of(self._contracts.of_symbol(symbol))
        if isinstance(instrument, Unknown):
            return instrument
        days = (last - first).days + 1
        duration = f"{days} D" if days <= _DAYS_OF_A_YEAR else f"{days // _DAYS_OF_A_YEAR + 1} Y"
        end = dt.datetime.combine(last + dt.timedelta(days=1), dt.time(), tzinfo=dt.UTC)

        async def bars(ib: Any) -> list[Any]:
            # Its own time limit would turn silence into no bars; the connection's is shorter.
            found = await ib.reqHistoricalDataAsync(
                instrument.value.contract(),
                endDateTime=end,
                durationStr=duration,
                barSizeSetting="1 day",
                whatToShow="TRADES",
                useRTH=True,
                formatDate=1,
                timeout=0,
            )
            return list(found)

        reply = self._connection.ask(f"bars {symbol}", bars)
        if isinstance(reply, Refusal) and reply.code == NO_DATA:
            return Known(())
        rows = answer_of(reply)
        if isinstance(rows, Unknown):
            return rows
        found = (_bar(instrument.value, row) for row in rows.value)
        return Known(tuple(bar for bar in found if first <= bar.session <= last))


def _quote(instrument: Instrument, ticker: Any) -> Quote:
    return Quote(
        symbol=instrument.symbol,
        currency=instrument.currency,
        bid=_price(instrument, ticker.bid),
        ask=_price(instrument, ticker.ask),
        last=_price(instrument, ticker.last),
        as_of=dt.datetime.now(dt.UTC),
        is_delayed=ticker.marketDataType != LIVE_DATA_TYPE,
    )


def _bar(instrument: Instrument, row: Any) -> DailyBar:
    prices = {name: exact(getattr(row, name)) for name in ("open", "high", "low", "close")}
    volume = exact(row.volume)
    return DailyBar(
        symbol=instrument.symbol,
        session=row.date.date() if isinstance(row.date, dt.datetime) else row.date,
        currency=instrument.currency,
        volume=None if volume is None or volume < 0 else volume,
        **{name: instrument.money(price or Decimal(0)) for name, price in prices.items()},
    )


def _price(instrument: Instrument, quoted: float) -> Decimal | None:
    """-1 and nothing are the gateway's ways of saying that there is no price."""
    found = exact(quoted)
    return None if found is None or found <= 0 else instrument.money(found)
