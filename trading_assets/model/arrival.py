"""What the market was at when an order left for the broker."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

from trading_assets.model.fields import Moment, Name, Positive


class MarketQuote(msgspec.Struct, frozen=True, kw_only=True):
    """A symbol as a feed shows it, money per share; None where it does not show that.

    `quoted_at` and `traded_at` (UTC) are the feed's own times of bid and ask and of the last trade,
    or when they were received where it gives none. A delayed quote is minutes old whatever its
    times say.
    """

    symbol: str
    source: str
    bid: Decimal | None = None
    ask: Decimal | None = None
    quoted_at: dt.datetime | None = None
    last: Decimal | None = None
    traded_at: dt.datetime | None = None
    is_delayed: bool = False


class ArrivalPriceKind(StrEnum):
    """What an arrival price is of the market."""

    QUOTE_MIDPOINT = "quote_midpoint"
    LAST_TRADE = "last_trade"


class ArrivalPrice(msgspec.Struct, frozen=True, kw_only=True):
    """The market when an order was about to leave."""

    price: Annotated[Positive, Meta(description="Price per share.")]
    kind: Annotated[ArrivalPriceKind, Meta(description="What it is of the market.")]
    as_of: Annotated[Moment, Meta(description="The price's own time, UTC.")]
    source: Annotated[Name, Meta(description="Where it comes from.")]
