"""Quotes and daily bars by the same login as the account, in money per share.

A quote is what of a snapshot arrived within QUOTE_SECONDS: the gateway ends one after some eleven
seconds where a price is missing. Without a subscription it sends delayed prices and says so. Daily
bars are of regular hours, as traded (not adjusted for dividends, adjusted for splits).
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import msgspec

from trading_assets.brokers.ibkr_connection import GatewayConnection, Refusal, answer_of
from trading_assets.brokers.ibkr_contracts import Contracts, Instrument, exact
from trading_assets.model.account import Answer, Known, Unknown
from trading_assets.model.arrival import MarketQuote

NO_DATA = 162
LIVE_DATA_TYPE = 1
DELAYED_IF_NOT_LIVE = 3
SOURCE = "ibkr"
QUOTE_SECONDS = 2.0
_POLL_SECONDS = 0.005
_DAYS_OF_A_YEAR = 365


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

    def quotes(self, symbols: Iterable[str]) -> Answer[dict[str, MarketQuote]]:
        """What the market is at, money per share, for orders that must not wait: nothing is asked
        twice. A symbol of which nothing arrived, or that nobody knows, is absent.

        Bid and ask are of the moment at which they arrived; the last trade's time is not told.
        """
        instruments = []
        for symbol in sorted(set(symbols)):
            found = self._contracts.of_symbol(symbol)
            if isinstance(found, Unknown):
                return found
            if isinstance(found, Known):
                instruments.append(found.value)
        if not instruments:
            return Known({})

        async def snapshot(ib: Any) -> list[Any]:
            # One of before would stand in for what does not arrive now.
            ib.wrapper.tickers.clear()
            ib.reqMarketDataType(DELAYED_IF_NOT_LIVE)
            return await _arrived(ib, [one.contract() for one in instruments])

        reply = answer_of(self._connection.ask_once("quotes", snapshot))
        if isinstance(reply, Unknown):
            return reply
        shown = zip(instruments, reply.value, strict=True)
        quotes = (_quote(instrument, ticker) for instrument, ticker in shown)
        return Known({one.symbol: one for one in quotes if one.bid or one.ask or one.last})

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


async def _arrived(ib: Any, contracts: list[Any]) -> list[Any]:
    """The tickers of the contracts, as soon as each has both sides or its snapshot ended."""
    # Asked together, the refusal of one would end the waiting for all.
    asked = [asyncio.ensure_future(ib.reqTickersAsync(contract)) for contract in contracts]
    await asyncio.sleep(0)
    tickers = [ib.ticker(contract) for contract in contracts]
    loop = asyncio.get_running_loop()
    deadline = loop.time() + QUOTE_SECONDS
    while loop.time() < deadline and not all(
        task.done() or _is_whole(ticker) for task, ticker in zip(asked, tickers, strict=True)
    ):
        await asyncio.sleep(_POLL_SECONDS)
    for task in asked:
        task.cancel()
    await asyncio.gather(*asked, return_exceptions=True)
    return tickers


def _is_whole(ticker: Any) -> bool:
    return bool(ticker.bid > 0 and ticker.ask > 0)


def _quote(instrument: Instrument, ticker: Any) -> MarketQuote:
    return MarketQuote(
        symbol=instrument.symbol,
        source=SOURCE,
        bid=_price(instrument, ticker.bid),
        ask=_price(instrument, ticker.ask),
        quoted_at=dt.datetime.now(dt.UTC),
        last=_price(instrument, ticker.last),
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
