"""What the stand-in lists, and what it quotes: contracts, quotes and daily bars.

Prices here are in the unit in which the contract is quoted. For a line in pence that is pence, the
currency is GBP and the price magnifier 100; positions' costs and values are in pounds.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from assets_tests.ibkr.wire import Cursor

LONDON_HOURS = "20240603:0800-20240603:1630"


@dataclass(frozen=True)
class Listing:
    """One contract on one exchange."""

    con_id: int
    symbol: str
    currency: str
    exchange: str
    isin: str
    long_name: str
    price_magnifier: int = 1
    min_tick: str = "0.01"
    time_zone: str = "Europe/London"
    stock_type: str = "ETF"

    def money(self, price: Decimal) -> Decimal:
        """A quoted price in money of the currency."""
        return price / self.price_magnifier


@dataclass(frozen=True)
class Bar:
    """One daily bar, in the unit of the quotes."""

    day: dt.date
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: int


@dataclass
class Market:
    """All listings with their last prices, quotes and bars, by contract id; `data_type` 3 where
    prices are delayed."""

    listings: dict[int, Listing] = field(default_factory=dict)
    last: dict[int, Decimal] = field(default_factory=dict)
    quotes: dict[int, tuple[Decimal, Decimal]] = field(default_factory=dict)
    bars: dict[int, list[Bar]] = field(default_factory=dict)
    data_type: int = 1

    def add(self, listing: Listing, last: str) -> Listing:
        """Lists a contract, trading at `last`."""
        self.listings[listing.con_id] = listing
        self.last[listing.con_id] = Decimal(last)
        return listing

    def add_bars(self, con_id: int, bars: list[Bar]) -> None:
        """Adds daily bars, oldest first."""
        self.bars.setdefault(con_id, []).extend(bars)

    def bars_until(self, con_id: int, last_day: dt.date, days: int) -> list[Bar]:
        """The bars of the `days` calendar days that end with `last_day`."""
        first = last_day - dt.timedelta(days=days)
        return [bar for bar in self.bars.get(con_id, []) if first < bar.day <= last_day]

    def by_symbol(self, symbol: str) -> Listing:
        """The only listing of a symbol."""
        (found,) = (each for each in self.listings.values() if each.symbol == symbol)
        return found

    def matching(self, asked: AskedContract) -> Iterator[Listing]:
        """Every listing that a request's contract may mean."""
        for listing in self.listings.values():
            if asked.con_id:
                if listing.con_id == asked.con_id:
                    yield listing
                continue
            if asked.sec_id_type == "ISIN":
                if listing.isin == asked.sec_id and asked.currency in ("", listing.currency):
                    yield listing
                continue
            exchanges = {asked.exchange, asked.primary_exchange} - {"", "SMART"}
            if (
                listing.symbol == asked.symbol
                and asked.currency in ("", listing.currency)
                and exchanges <= {listing.exchange}
            ):
                yield listing


@dataclass(frozen=True)
class AskedContract:
    """A contract as a request describes it."""

    con_id: int
    symbol: str
    exchange: str
    primary_exchange: str
    currency: str
    sec_id_type: str = ""
    sec_id: str = ""


def asked_contract(cursor: Cursor) -> AskedContract:
    """The twelve fields with which a request describes a contract."""
    con_id, symbol = cursor.whole(), cursor.text()
    cursor.skip(5)  # type, expiry, strike, right, multiplier
    exchange, primary_exchange, currency = cursor.text(), cursor.text(), cursor.text()
    cursor.skip(2)  # local symbol, trading class
    return AskedContract(con_id, symbol, exchange, primary_exchange, currency)
