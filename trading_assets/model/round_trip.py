"""Round trips: shares followed from the trade that opened them to the one that closed them."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from enum import StrEnum

import msgspec


class PositionSide(StrEnum):
    """Whether shares are owned or owed."""

    LONG = "long"
    SHORT = "short"


class RoundTrip(msgspec.Struct, frozen=True, kw_only=True):
    """Part of a lot that was closed, by the same lots as the books.

    `quantity` positive shares; `entry_price` and `exit_price` per share in `currency`, unrounded,
    after splits, and with commission where it is part of the basis; `pnl` signed money of
    `currency`, `base_pnl` in the portfolio's, exchange gains included; `return_` = pnl / value at
    entry, None where that is 0. `opened` and `closed` are sessions, `opened_at` and `closed_at`
    the moments (UTC; None for what came or went without a trade), `holding_days` calendar days.
    """

    symbol: str
    lot_id: str
    side: PositionSide
    quantity: Decimal
    currency: str
    opened: dt.date
    opened_at: dt.datetime | None
    entry_price: Decimal
    closed: dt.date
    closed_at: dt.datetime | None
    exit_price: Decimal
    pnl: Decimal
    base_pnl: Decimal
    return_: Decimal | None
    holding_days: int
