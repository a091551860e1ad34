"""Instruments and the prices at which they are planned and valued."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import msgspec


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """One price of one symbol, with where and when it comes from.

    `price` is per share in `currency`; `session` is the trading session whose close it is;
    `age_sessions` counts the sessions between that close and the moment of use (0: the latest
    session that was complete, 1: one session was missing, ...). `reference_price` is the close one
    session before it, against which a jump is judged; None when there is none.
    `volume` is in shares, None where the source has none.
    """

    symbol: str
    price: Decimal
    currency: str
    session: dt.date
    age_sessions: int
    source: str
    reference_price: Decimal | None = None
    volume: Decimal | None = None


class AdjustedPair(msgspec.Struct, frozen=True, kw_only=True):
    """Closes of one symbol at two sessions, the first one adjusted for the splits and dividends in
    between, so that together they say what holding it from the first close to the second earned."""

    start_session: dt.date
    start_close: Decimal
    end_session: dt.date
    end_close: Decimal

    @property
    def growth(self) -> Decimal:
        """Total return, a fraction: 0.12 is 12 %."""
        return self.end_close / self.start_close - 1


class LatestPrice(Price, frozen=True, kw_only=True):
    """A price within a session: that of the last trade, made at `as_of` (UTC)."""

    as_of: dt.datetime


class PriceSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """Prices for one purpose at one moment. A symbol without a price is listed, never dropped."""

    session: dt.date
    prices: dict[str, Price]
    missing: tuple[str, ...] = ()

    def price_of(self, symbol: str) -> Decimal | None:
        """Price per share, or None where it is not known."""
        found = self.prices.get(symbol)
        return None if found is None else found.price
