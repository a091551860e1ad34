"""Longer bars from shorter ones."""

from __future__ import annotations

import numpy as np

from trading_assets.engine.bars import BarColumns
from trading_assets.engine.clock import DAY_NANOSECONDS, Floats, Integers, session_days
from trading_assets.engine.timeframe import Timeframe, TimeUnit
from trading_assets.errors import ConfigurationError


def resampled(
    columns: BarColumns, timeframe: Timeframe, time_zone: str = "America/New_York"
) -> BarColumns:
    """Bars of `timeframe` made of those in `columns`, which stay as they are.

    Open is the first, close the last, high and low the extremes, volume the sum (NaN where none is
    known), the volume-weighted price weighted again. Intraday bars begin at whole multiples of
    their length since midnight UTC; longer ones are made of sessions and begin at midnight UTC of
    the session's date, a week's Monday, or the first day of the (first) month. A bar that the data
    ends within is there as far as it goes. ConfigurationError where the lengths do not divide.
    """
    if timeframe == columns.timeframe:
        return columns
    if not columns.timeframe.divides(timeframe):
        raise ConfigurationError(
            f"{columns.symbol}: bars of {columns.timeframe} do not make up whole bars of "
            f"{timeframe}. Load shorter bars, or choose a timeframe that is a multiple."
        )
    if not len(columns):
        return _with(columns, timeframe, columns.starts, np.zeros(0, dtype=np.int64))
    starts = _starts(columns, timeframe, time_zone)
    first = np.concatenate(([True], starts[1:] != starts[:-1]))
    rows = np.flatnonzero(first)
    return _with(columns, timeframe, starts[rows], rows)


def _starts(columns: BarColumns, timeframe: Timeframe, time_zone: str) -> Integers:
    """Start of the longer bar that each bar belongs to, nanoseconds UTC."""
    length = timeframe.nanoseconds
    if length is not None:
        midnight = columns.starts // DAY_NANOSECONDS * DAY_NANOSECONDS
        inside: Integers = midnight + (columns.starts - midnight) // length * length
        return inside
    days = session_days(columns.starts, columns.timeframe, time_zone).astype(np.int64)
    if timeframe.unit is TimeUnit.WEEK:
        # 1970-01-01 was a Thursday.
        days -= (days + 3) % 7
    elif timeframe.unit is TimeUnit.MONTH:
        months = days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
        months -= months % timeframe.count
        days = months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    made: Integers = days * DAY_NANOSECONDS
    return made


def _with(
    columns: BarColumns, timeframe: Timeframe, starts: Integers, rows: Integers
) -> BarColumns:
    """One bar for each of `rows`, the first row of its bars."""
    if not len(rows):
        return BarColumns(
            columns.symbol,
            timeframe,
            starts,
            *(np.zeros(0) for _ in range(5)),
        )
    last = np.append(rows[1:], len(columns)) - 1
    known = ~np.isnan(columns.volume)
    volume = np.add.reduceat(np.where(known, columns.volume, 0.0), rows)
    volume = np.where(np.logical_or.reduceat(known, rows), volume, np.nan)
    return BarColumns(
        symbol=columns.symbol,
        timeframe=timeframe,
        starts=starts,
        open=columns.open[rows],
        high=np.maximum.reduceat(columns.high, rows),
        low=np.minimum.reduceat(columns.low, rows),
        close=columns.close[last],
        volume=volume,
        vwap=None if columns.vwap is None else _weighted(columns, rows),
    )


def _weighted(columns: BarColumns, rows: Integers) -> Floats:
    """Volume-weighted price over longer bars; the plain mean where no volume is known."""
    assert columns.vwap is not None
    weights = np.nan_to_num(columns.volume)
    total = np.add.reduceat(weights, rows)
    count = np.diff(np.append(rows, len(columns)))
    plain = np.add.reduceat(columns.vwap, rows) / count
    weighted = np.add.reduceat(columns.vwap * weights, rows) / np.where(total > 0, total, 1.0)
    found: Floats = np.where(total > 0, weighted, plain)
    return found
