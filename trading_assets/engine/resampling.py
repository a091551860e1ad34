"""Longer bars from shorter ones."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import numpy as np

from trading_assets.engine.adjustment import adjusted
from trading_assets.engine.bars import BarColumns
from trading_assets.engine.clock import (
    DAY_NANOSECONDS,
    Floats,
    Integers,
    date_of,
    moment,
    nanoseconds_of,
    session_days,
)
from trading_assets.engine.timeframe import Timeframe, TimeUnit
from trading_assets.errors import ConfigurationError


def resampled(
    columns: BarColumns, timeframe: Timeframe, time_zone: str = "America/New_York"
) -> BarColumns:
    """Bars of `timeframe` made of those in `columns`, which stay as they are.

    Open is the first, close the last, high and low the extremes, volume the sum (NaN where none is
    known), the volume-weighted price weighted again. Intraday bars begin at whole multiples of
    their length since midnight in `time_zone`, the exchange's, so that a session has the same ones
    in summer and winter; longer ones are made of sessions and begin at midnight UTC of the
    session's date, a week's Monday, or the first day of the (first) month. A bar that the data
    ends within is there as far as it goes. Where a factor makes the prices that strategies see, a
    bar has that of its end, and its earlier prices are told in the shares that there are then.
    ConfigurationError where the lengths do not divide, or a bar would reach over the end of one.
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
    if not timeframe.is_intraday:
        starts = first_days(starts, timeframe) * DAY_NANOSECONDS
    first = np.concatenate(([True], starts[1:] != starts[:-1]))
    rows = np.flatnonzero(first)
    return _with(_of_bar_ends(columns, rows), timeframe, starts[rows], rows)


def first_days(days: Integers, timeframe: Timeframe) -> Integers:
    """First day of the week or months that each session belongs to, both as days since 1970-01-01;
    the sessions themselves for days."""
    if timeframe.unit is TimeUnit.WEEK:
        # 1970-01-01 was a Thursday.
        weeks: Integers = days - (days + 3) % 7
        return weeks
    if timeframe.unit is TimeUnit.MONTH:
        months = days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
        months -= months % timeframe.count
        return months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    return days


def _starts(columns: BarColumns, timeframe: Timeframe, time_zone: str) -> Integers:
    """What the longer bar of each bar is known by: where it begins (nanoseconds UTC) where it is
    intraday, its session (days since 1970-01-01) otherwise."""
    days = session_days(columns.starts, columns.timeframe, time_zone).astype(np.int64)
    length, part = timeframe.nanoseconds, columns.timeframe.nanoseconds
    if length is None or part is None:
        return days
    begins, place = np.unique(days, return_inverse=True)
    zone = ZoneInfo(time_zone)
    midnights = np.array(
        [
            nanoseconds_of(dt.datetime.combine(date_of(day), dt.time(), zone))
            for day in begins.tolist()
        ],
        dtype=np.int64,
    )[place]
    inside = (columns.starts - midnights) % length
    if (inside + part > length).any():
        row = int(np.argmax(inside + part > length))
        raise ConfigurationError(
            f"{columns.symbol}: the bar of {columns.timeframe} at "
            f"{moment(int(columns.starts[row])).isoformat()} reaches over the end of one of "
            f"{timeframe}, which begin at whole multiples since midnight. Load shorter bars."
        )
    found: Integers = columns.starts - inside
    return found


def _of_bar_ends(columns: BarColumns, rows: Integers) -> BarColumns:
    """Prices in the shares, and without the dividends, that there are at the end of the longer bar,
    where `rows` are the first of each: by the factors, of which only the ratio to the last counts.
    """
    if columns.factor is None:
        return columns
    ends = np.append(rows[1:], len(columns)) - 1
    last = np.repeat(columns.factor[ends], ends - rows + 1)
    if (columns.factor == last).all():
        return columns
    scale = columns.factor / last
    told = adjusted(columns, scale)

    def where_it_differs(before: Floats, after: Floats) -> Floats:
        return np.where(scale == 1, before, after)

    return BarColumns(
        symbol=columns.symbol,
        timeframe=columns.timeframe,
        starts=columns.starts,
        open=where_it_differs(columns.open, told.open),
        high=where_it_differs(columns.high, told.high),
        low=where_it_differs(columns.low, told.low),
        close=where_it_differs(columns.close, told.close),
        volume=columns.volume,
        vwap=None
        if columns.vwap is None or told.vwap is None
        else where_it_differs(columns.vwap, told.vwap),
        factor=columns.factor,
    )


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
        factor=None if columns.factor is None else columns.factor[last],
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
