"""The market as the test sets it: assets, prices, quotes, bars, halts."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass, field
from decimal import Decimal

from assets_tests.alpaca.clock import BrokerClock, stamp

ASSET_NAMESPACE = uuid.UUID("b0b6dd9d-8b9b-48a9-ba46-b9d54906e415")


@dataclass
class ListedAsset:
    """One asset and what may be done with it."""

    symbol: str
    exchange: str = "NASDAQ"
    name: str = ""
    active: bool = True
    tradable: bool = True
    fractionable: bool = True
    shortable: bool = True
    easy_to_borrow: bool = True
    halted: bool = False

    @property
    def id(self) -> str:
        """The same for a symbol in every run."""
        return str(uuid.uuid5(ASSET_NAMESPACE, self.symbol))

    def answer(self) -> dict[str, object]:
        """The asset as the API describes it; a halt is not part of it."""
        return {
            "id": self.id,
            "class": "us_equity",
            "exchange": self.exchange,
            "symbol": self.symbol,
            "name": self.name or f"{self.symbol} Common Stock",
            "status": "active" if self.active else "inactive",
            "tradable": self.tradable,
            "marginable": True,
            "shortable": self.shortable,
            "easy_to_borrow": self.easy_to_borrow,
            "borrow_status": "easy_to_borrow" if self.easy_to_borrow else "hard_to_borrow",
            "fractionable": self.fractionable,
            "maintenance_margin_requirement": 30,
            "margin_requirement_long": "30",
            "margin_requirement_short": "30",
            "attributes": [],
        }


@dataclass(frozen=True)
class PricePoint:
    """The last trade of a symbol: price in USD, shares, time of the trade."""

    price: Decimal
    at: dt.datetime
    size: Decimal = Decimal(100)


@dataclass(frozen=True)
class BarPoint:
    """One bar, left-labelled, unadjusted; prices in USD, volume in shares."""

    at: dt.datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal = Decimal(1000)


@dataclass(frozen=True)
class Adjustment:
    """Bars before `at` are multiplied by `price_factor` (volume by `volume_factor`)."""

    kind: str
    at: dt.datetime
    price_factor: Decimal
    volume_factor: Decimal = Decimal(1)


@dataclass
class Market:
    """What trades, at which prices."""

    clock: BrokerClock
    assets: dict[str, ListedAsset] = field(default_factory=dict)
    trades: dict[str, PricePoint] = field(default_factory=dict)
    quotes: dict[str, tuple[Decimal, Decimal]] = field(default_factory=dict)
    closes: dict[str, Decimal] = field(default_factory=dict)
    bars: dict[tuple[str, str], list[BarPoint]] = field(default_factory=dict)
    adjustments: dict[str, list[Adjustment]] = field(default_factory=dict)
    sip_subscription: bool = True

    def find(self, symbol_or_id: str) -> ListedAsset | None:
        """An asset by symbol or id."""
        asset = self.assets.get(symbol_or_id)
        if asset is not None:
            return asset
        return next((asset for asset in self.assets.values() if asset.id == symbol_or_id), None)

    def price(self, symbol: str) -> Decimal | None:
        """Last price, or None where the symbol has never traded."""
        trade = self.trades.get(symbol)
        return None if trade is None else trade.price

    def bid(self, symbol: str) -> Decimal | None:
        """Best bid; the last price where the test set no quote."""
        return self.quotes[symbol][0] if symbol in self.quotes else self.price(symbol)

    def ask(self, symbol: str) -> Decimal | None:
        """Best ask; the last price where the test set no quote."""
        return self.quotes[symbol][1] if symbol in self.quotes else self.price(symbol)

    def add_bars(self, symbol: str, timeframe: str, bars: list[BarPoint]) -> None:
        """Adds unadjusted bars; `timeframe` as the API writes it ("1Day", "1Min")."""
        kept = self.bars.setdefault((symbol, timeframe), [])
        kept.extend(bars)
        kept.sort(key=lambda bar: bar.at)

    def split(self, symbol: str, at: dt.datetime, new_per_old: Decimal) -> None:
        """Bars before `at` are adjusted for a split when the caller asks for it."""
        self._adjust(symbol, Adjustment("split", at, 1 / new_per_old, new_per_old))

    def dividend(self, symbol: str, at: dt.datetime, price_factor: Decimal) -> None:
        """Bars before `at` times 1 - dividend / price before, when the caller asks for it."""
        self._adjust(symbol, Adjustment("dividend", at, price_factor))

    def spin_off(self, symbol: str, at: dt.datetime, price_factor: Decimal) -> None:
        """Bars before `at` times the value kept per share, when the caller asks for it."""
        self._adjust(symbol, Adjustment("spin-off", at, price_factor))

    def _adjust(self, symbol: str, adjustment: Adjustment) -> None:
        self.adjustments.setdefault(symbol, []).append(adjustment)

    def bar_answers(
        self, symbol: str, timeframe: str, adjustment: str
    ) -> list[tuple[dt.datetime, dict[str, object]]]:
        """Every bar of a symbol as the API describes it, with its time, oldest first."""
        kinds = {"split", "dividend", "spin-off"} if adjustment == "all" else {adjustment}
        answers = []
        for bar in self.bars.get((symbol, timeframe), []):
            price, volume = Decimal(1), Decimal(1)
            for change in self.adjustments.get(symbol, []):
                if change.kind in kinds and bar.at < change.at:
                    price *= change.price_factor
                    volume *= change.volume_factor
            answers.append((bar.at, bar_answer(bar, price, volume)))
        return answers

    def trade_answer(self, symbol: str) -> dict[str, object] | None:
        """The last trade as the API describes it, or None where there is none."""
        trade = self.trades.get(symbol)
        if trade is None:
            return None
        return {
            "t": stamp(trade.at),
            "x": "V",
            "p": float(trade.price),
            "s": float(trade.size),
            "c": ["@"],
            "i": 1,
            "z": "C",
        }

    def quote_answer(self, symbol: str) -> dict[str, object] | None:
        """The last quote as the API describes it, or None where there is none."""
        trade, bid, ask = self.trades.get(symbol), self.bid(symbol), self.ask(symbol)
        if trade is None or bid is None or ask is None:
            return None
        quote: dict[str, object] = {"t": stamp(trade.at), "c": ["R"], "z": "C"}
        quote |= {"ax": "V", "ap": float(ask), "as": 100, "bx": "V", "bp": float(bid), "bs": 100}
        return quote


def bar_answer(
    bar: BarPoint, price_factor: Decimal = Decimal(1), volume_factor: Decimal = Decimal(1)
) -> dict[str, object]:
    """A bar as the API describes it."""
    return {
        "t": bar.at.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "o": float(bar.open * price_factor),
        "h": float(bar.high * price_factor),
        "l": float(bar.low * price_factor),
        "c": float(bar.close * price_factor),
        "v": float(bar.volume * volume_factor),
        "n": 10,
        "vw": float((bar.high + bar.low + bar.close) / 3 * price_factor),
    }
