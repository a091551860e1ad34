"""Facts of the market and of strategies: bars, signals, and moments at which books are valued."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar

import msgspec
from msgspec import Meta

from trading_assets.model.event import Condition, Event
from trading_assets.model.fields import (
    Currency,
    Fraction,
    Moment,
    Name,
    NotNegative,
    Positive,
    Signed,
    Symbol,
)


class PriceAdjustment(StrEnum):
    """What the prices of a bar are adjusted for: nothing, splits, or splits and dividends."""

    RAW = "raw"
    SPLIT = "split"
    ALL = "all"


class PriceBar(Event, frozen=True, kw_only=True, tag="price_bar"):
    """A complete bar of one instrument, from `start` up to but not including `end`."""

    symbol: Symbol
    timeframe: Annotated[Name, Meta(description='Length of the bar, such as "1Min" or "1Day".')]
    start: Annotated[Moment, Meta(description="Where the bar begins, UTC.")]
    end: Annotated[Moment, Meta(description="Where the bar ends, UTC.")]
    open: Annotated[Positive, Meta(description="First price per share.")]
    high: Annotated[Positive, Meta(description="Highest price per share.")]
    low: Annotated[Positive, Meta(description="Lowest price per share.")]
    close: Annotated[Positive, Meta(description="Last price per share.")]
    currency: Annotated[Currency, Meta(description="Of the prices, by ISO 4217.")]
    adjustment: Annotated[PriceAdjustment, Meta(description="What the prices are adjusted for.")]
    volume: Annotated[
        NotNegative | None, Meta(description="Shares traded; null where not known.")
    ] = None


class SignalAction(StrEnum):
    """What a strategy asks for."""

    OPEN_LONG = "open_long"
    CLOSE_LONG = "close_long"
    OPEN_SHORT = "open_short"
    CLOSE_SHORT = "close_short"
    TARGET_WEIGHT = "target_weight"


class Signal(Event, frozen=True, kw_only=True, tag="signal"):
    """A strategy's wish for one instrument."""

    conditions: ClassVar[tuple[Condition, ...]] = (
        {
            "if": {"properties": {"action": {"const": "target_weight"}}},
            "then": {"properties": {"weight": {"type": "string"}}, "required": ["weight"]},
        },
    )

    strategy_id: Annotated[Name, Meta(description="The strategy.")]
    symbol: Symbol
    action: Annotated[SignalAction, Meta(description="What it asks for.")]
    price: Annotated[
        Positive | None, Meta(description="Price per share it was decided at; null if not given.")
    ] = None
    weight: Annotated[
        Signed | None,
        Meta(description="Signed fraction of equity, of a target weight; null for the others."),
    ] = None
    confidence: Annotated[
        Fraction | None, Meta(description="How sure the strategy is, 0 to 1; null if not given.")
    ] = None
    stop_loss_price: Annotated[
        Positive | None, Meta(description="Where to give up, per share; null if not given.")
    ] = None
    take_profit_price: Annotated[
        Positive | None, Meta(description="Where to take profit, per share; null if not given.")
    ] = None
    reason: Annotated[str, Meta(description="Why, in words; may be empty.")] = ""


class ValuationTrigger(Event, frozen=True, kw_only=True, tag="valuation_trigger"):
    """Something asks for the book to be valued: a close, a month's end."""

    as_of: Annotated[Moment, Meta(description="The moment to value it at, UTC.")]
    reason: Annotated[Name, Meta(description="What asks for it.")]


class PositionState(msgspec.Struct, frozen=True, kw_only=True):
    """One position of a valued book."""

    quantity: Annotated[Signed, Meta(description="Signed shares.")]
    mark: Annotated[NotNegative, Meta(description="Price per share it is valued at.")]
    market_value: Annotated[
        Signed, Meta(description="Signed value, money of the portfolio's currency.")
    ]


class PortfolioState(Event, frozen=True, kw_only=True, tag="portfolio_state"):
    """The book valued at a moment."""

    as_of: Annotated[Moment, Meta(description="The moment, UTC.")]
    currency: Annotated[Currency, Meta(description="The portfolio's currency, by ISO 4217.")]
    cash: Annotated[
        dict[Currency, Signed], Meta(description="Cash by currency, money of that currency.")
    ]
    positions: Annotated[dict[Name, PositionState], Meta(description="Positions by symbol.")]
    equity: Annotated[Signed, Meta(description="All of it, money of the portfolio's currency.")]
