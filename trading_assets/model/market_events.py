"""Facts of the market and of strategies: bars, signals, and moments at which books are valued."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from enum import StrEnum

import msgspec

from trading_assets.model.event import Event


class PriceAdjustment(StrEnum):
    """What the prices of a bar are adjusted for: nothing, splits, or splits and dividends."""

    RAW = "raw"
    SPLIT = "split"
    ALL = "all"


class PriceBar(Event, frozen=True, kw_only=True, tag="price_bar"):
    """A complete bar: prices per share in `currency`, `volume` in shares (None if unknown).

    It covers the time from `start` up to `end`, UTC; `timeframe` is its length ("1Min", "1Day").
    """

    symbol: str
    timeframe: str
    start: dt.datetime
    end: dt.datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    currency: str
    adjustment: PriceAdjustment
    volume: Decimal | None = None


class SignalAction(StrEnum):
    """What a strategy asks for."""

    OPEN_LONG = "open_long"
    CLOSE_LONG = "close_long"
    OPEN_SHORT = "open_short"
    CLOSE_SHORT = "close_short"
    TARGET_WEIGHT = "target_weight"


class Signal(Event, frozen=True, kw_only=True, tag="signal"):
    """A strategy's wish for one instrument.

    `price` is the one it was decided at and `weight` the signed fraction of equity of a
    TARGET_WEIGHT; `confidence` lies in 0 to 1; prices are per share. None where not given.
    """

    strategy_id: str
    symbol: str
    action: SignalAction
    price: Decimal | None = None
    weight: Decimal | None = None
    confidence: Decimal | None = None
    stop_loss_price: Decimal | None = None
    take_profit_price: Decimal | None = None
    reason: str = ""


class ValuationTrigger(Event, frozen=True, kw_only=True, tag="valuation_trigger"):
    """Something asks for the book to be valued as of a moment (UTC): a close, a month's end."""

    as_of: dt.datetime
    reason: str


class PositionState(msgspec.Struct, frozen=True, kw_only=True):
    """One position: signed shares, price per share, signed market value in the base currency."""

    quantity: Decimal
    mark: Decimal
    market_value: Decimal


class PortfolioState(Event, frozen=True, kw_only=True, tag="portfolio_state"):
    """The book valued at a moment (UTC): cash by currency, positions by symbol, and in the
    portfolio's `currency` the equity."""

    as_of: dt.datetime
    currency: str
    cash: dict[str, Decimal]
    positions: dict[str, PositionState]
    equity: Decimal
