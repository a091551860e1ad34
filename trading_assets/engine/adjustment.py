"""Adjusted prices: what a series of quoted prices looks like with corporate actions taken out.

Three ways to trade and look at prices:

    raw        orders trade at what was quoted, actions are booked on positions; signals are taken
               from prices adjusted forwards
    adjusted   orders trade at prices adjusted backwards, nothing is booked: dividends are in the
               price. What published backtests of "adjusted data" do
    as quoted  neither

Backwards, the factors of all later actions apply to a price, as vendors publish it: the last price
is as quoted, and every price changes when another action becomes known. Forwards, the factors of
all earlier actions are divided out: the first price is as quoted, and a price depends on nothing
that happened after it, so that a strategy which looks at levels sees no future.

Factor of an ex-date (Standard & Poor's and CRSP call it the price adjustment factor):

    cash dividend     1 - amount x split ratio of the same session / close before
    split n for m     m / n
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence

import msgspec
import numpy as np

from trading_assets.engine.bars import BarColumns
from trading_assets.engine.clock import Floats, date_of, day_of, session_days
from trading_assets.errors import InputError
from trading_assets.model.corporate_actions import (
    CorporateAction,
    Dividend,
    SpinOff,
    Split,
    StockDividend,
    ex_date_of,
    share_ratio,
)

NEW_YORK = "America/New_York"


class FactorRow(msgspec.Struct, frozen=True):
    """A published adjustment factor: prices of sessions up to and including `through` (after the
    row before) are multiplied by `price_factor` x `split_factor`."""

    through: dt.date
    price_factor: float
    split_factor: float = 1.0


def action_factors(
    columns: BarColumns,
    actions: Iterable[CorporateAction],
    time_zone: str = NEW_YORK,
) -> tuple[list[int], list[float]]:
    """Rows at which something goes ex, ascending, and the factor that applies to all bars before.

    An intraday bar is of the session of its date in `time_zone`, the exchange's.
    Actions before the second bar or after the last have no row. InputError for a dividend that is
    not less than the close before it.
    """
    days = session_days(columns.starts, columns.timeframe, time_zone)
    shares: dict[int, float] = {}
    paid: dict[int, float] = {}
    kept: dict[int, float] = {}
    for action in actions:
        if action.symbol != columns.symbol:
            continue
        row = int(np.searchsorted(days, day_of(ex_date_of(action))))
        if not 0 < row < len(columns):
            continue
        if isinstance(action, Split | StockDividend):
            after, before = share_ratio(action)
            shares[row] = shares.get(row, 1.0) * after / before
        elif isinstance(action, Dividend):
            paid[row] = paid.get(row, 0.0) + float(action.amount_per_share)
        elif isinstance(action, SpinOff):
            kept[row] = kept.get(row, 1.0) * (1.0 - float(action.basis_fraction))
    rows = sorted({*shares, *paid, *kept})
    factors = []
    for row in rows:
        ratio = shares.get(row, 1.0)
        # A dividend of the session of a split is per new share, the close before per old one.
        factor = 1.0 - paid.get(row, 0.0) * ratio / float(columns.close[row - 1])
        if factor <= 0:
            raise InputError(
                file=f"corporate actions of {columns.symbol}",
                value=paid[row],
                rule=f"a dividend ({date_of(int(days[row]))}) must be less than the close before",
                remedy="Correct the amount, or the prices",
            )
        factors.append(factor / ratio * kept.get(row, 1.0))
    return rows, factors


def backward_factors(
    columns: BarColumns,
    actions: Iterable[CorporateAction],
    time_zone: str = NEW_YORK,
) -> Floats:
    """For each bar the product of the factors of all later ex-dates; the last bar's is 1."""
    factors = np.ones(len(columns))
    rows, steps = action_factors(columns, actions, time_zone)
    for row, step in zip(rows, steps, strict=True):
        factors[:row] *= step
    return factors


def forward_factors(
    columns: BarColumns,
    actions: Iterable[CorporateAction],
    time_zone: str = NEW_YORK,
) -> Floats:
    """For each bar 1 over the product of the factors of all ex-dates up to it; the first bar's is
    1. Multiplied by it, a price is what one share at the start has grown to, dividends reinvested.
    """
    factors = np.ones(len(columns))
    rows, steps = action_factors(columns, actions, time_zone)
    for row, step in zip(rows, steps, strict=True):
        factors[row:] /= step
    return factors


def published_factors(
    columns: BarColumns, table: Sequence[FactorRow], time_zone: str = NEW_YORK
) -> Floats:
    """For each bar the factor that `table` publishes for its session; 1 after its last row.

    InputError for rows that do not ascend.
    """
    through = [row.through for row in table]
    if sorted(set(through)) != through:
        raise InputError(
            file=f"adjustment factors of {columns.symbol}",
            value=[str(day) for day in through[:5]],
            rule="rows must ascend by date, each date once",
            remedy="Sort the rows",
        )
    values = np.array([row.price_factor * row.split_factor for row in table] + [1.0])
    ends = np.array([day_of(day) for day in through], dtype=np.int64)
    sessions = session_days(columns.starts, columns.timeframe, time_zone)
    found: Floats = values[np.searchsorted(ends, sessions)]
    return found


def adjusted(columns: BarColumns, factors: Floats) -> BarColumns:
    """Bars whose prices are multiplied by `factors`, to eight decimals; volumes as they are."""

    def times(prices: Floats) -> Floats:
        product: Floats = np.round(prices * factors, 8)
        return product

    return BarColumns(
        symbol=columns.symbol,
        timeframe=columns.timeframe,
        starts=columns.starts,
        open=times(columns.open),
        high=times(columns.high),
        low=times(columns.low),
        close=times(columns.close),
        volume=columns.volume,
        vwap=None if columns.vwap is None else times(columns.vwap),
    )


def seen_through(columns: BarColumns, factors: Floats) -> BarColumns:
    """The same bars, of which strategies see the prices times `factors`."""
    return BarColumns(
        symbol=columns.symbol,
        timeframe=columns.timeframe,
        starts=columns.starts,
        open=columns.open,
        high=columns.high,
        low=columns.low,
        close=columns.close,
        volume=columns.volume,
        vwap=columns.vwap,
        factor=factors,
    )
