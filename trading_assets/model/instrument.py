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
