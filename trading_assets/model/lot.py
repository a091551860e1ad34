"""Lots: what each open share was bought or sold short for."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Annotated

import msgspec
from msgspec import Meta

from trading_assets.model.fields import Name, Positive


class LotChoice(msgspec.Struct, frozen=True, kw_only=True):
    """Part of a lot that a person chose to close."""

    lot_id: Annotated[Name, Meta(description="The execution, or action, that opened the lot.")]
    quantity: Annotated[Positive, Meta(description="How many of its shares are closed.")]


class Lot(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Shares opened by one execution that are still open.

    `quantity` in signed shares (negative: short). `cost_basis` in signed money of the instrument's
    currency, with the sign of `quantity`: what was paid for a long, minus what was received for a
    short. Commission is in it only where the portfolio's accounting says so. `base_cost_basis` is
    the same in the portfolio's currency, at the rate of the day it was opened. `opened` is the
    session, `lot_id` the execution that opened it (for shares that came without a trade: what
    brought them). Shares that came of a spin-off keep the day and id of the lot they came from.
    """

    symbol: str
    lot_id: str
    quantity: Decimal
    cost_basis: Decimal
    base_cost_basis: Decimal
    opened: dt.date
    opened_at: dt.datetime | None
