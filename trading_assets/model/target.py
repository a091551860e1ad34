"""Signals and target weights: what the strategies ask for."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Annotated

import msgspec
from msgspec import Meta

from trading_assets.model.fields import Name, PlanDecimal

UNATTRIBUTED = "unattributed"
"""Stands for a strategy where there is none: what nobody asked for, cash allotted to nobody."""


class SignalRow(msgspec.Struct, frozen=True, kw_only=True):
    """One strategy's wish for one instrument: weight of equity, negative for a short.

    `trade_date` is the day the signal file gives; `row` is the line of the file (as a spreadsheet
    shows it, the header being row 1), kept so that every target can be walked back to it.
    """

    strategy_id: str
    trade_date: dt.date
    asset_id: str
    symbol: str
    weight: Decimal
    row: int


class StrategySignal(msgspec.Struct, frozen=True, kw_only=True):
    """The latest signal of one strategy that was known before a session.

    `asof` is the signal's trade date, `age_days` the calendar days from it to the session,
    `file` and `file_sha256` say which bytes it was read from.
    """

    strategy_id: str
    session: dt.date
    asof: dt.date
    age_days: int
    file: str
    file_sha256: str
    rows: tuple[SignalRow, ...]


class Contribution(msgspec.Struct, frozen=True, kw_only=True):
    """The part of a target weight that one strategy asked for."""

    strategy_id: Annotated[Name, Meta(description="The strategy.")]
    weight: Annotated[PlanDecimal, Meta(description="Signed fraction of equity it asked for.")]


class TargetWeight(msgspec.Struct, frozen=True, kw_only=True):
    """Target of one instrument: signed fraction of equity; its contributions add up to it."""

    asset_id: str
    symbol: str
    weight: Decimal
    contributions: tuple[Contribution, ...]


class TargetPortfolio(msgspec.Struct, frozen=True, kw_only=True):
    """Consolidated targets of a session. An empty `weights` means: hold cash only.

    `asof` is the oldest trade date among the signals used; `strategy_id` is the selected strategy,
    or the names of the blended ones joined by "+". `notes` say what the constraints changed.
    """

    session: dt.date
    asof: dt.date
    strategy_id: str
    weights: tuple[TargetWeight, ...]
    notes: tuple[str, ...] = ()
