"""Bars as columns: one array for each of open, high, low, close and volume, per symbol.

Problem: a million bars as objects take a second and half a gigabyte before a strategy has seen one.

Choice: columns of floats, as data comes, and an object only for the bar that a strategy asks for.
Symbols are aligned by a timeline, the union of their bars' times; a symbol that has a bar at each
place of it needs nothing more, another keeps which bar belongs to which place. A missing bar is
missing: nothing is filled in for a strategy to see or an order to trade at.

Times are the start of a bar in nanoseconds UTC. A bar made of sessions (days and longer) starts at
midnight UTC of its (first) session's date.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from trading_assets.engine.clock import Floats, Integers, date_of, session_days
from trading_assets.engine.timeframe import DAILY, Timeframe
from trading_assets.errors import InputError

PRICES = ("open", "high", "low", "close")


@dataclass(frozen=True, slots=True, eq=False)
class BarColumns:
    """Bars of one symbol, ascending by `starts`; arrays of equal length that must not be changed.

    Prices per share, as quoted (raw) or adjusted, whichever the backtest trades at; `volume` in
    shares, NaN where unknown. `vwap` is None where the source has none. `factor` turns the prices
    into those that strategies see (price x factor); None for the prices as they are.
    """

    symbol: str
    timeframe: Timeframe
    starts: Integers
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    vwap: Floats | None = None
    factor: Floats | None = None

    def __len__(self) -> int:
        return len(self.starts)

    def between(self, first: int, last: int) -> BarColumns:
        """Rows `first` up to but not including `last`, as views."""
        return BarColumns(
            symbol=self.symbol,
            timeframe=self.timeframe,
            starts=self.starts[first:last],
            open=self.open[first:last],
            high=self.high[first:last],
            low=self.low[first:last],
            close=self.close[first:last],
            volume=self.volume[first:last],
            vwap=None if self.vwap is None else self.vwap[first:last],
            factor=None if self.factor is None else self.factor[first:last],
        )


def bar_columns(
    symbol: str,
    starts: npt.ArrayLike,
    prices: Sequence[npt.ArrayLike],
    volume: npt.ArrayLike | None = None,
    vwap: npt.ArrayLike | None = None,
    *,
    timeframe: Timeframe = DAILY,
    source: str = "bars",
) -> BarColumns:
    """Checked columns of one symbol.

    `starts` are times (nanoseconds UTC, or anything that numpy makes a datetime64 of), `prices` the
    four columns open, high, low, close, or closes alone. Arrays of numbers are not copied, also
    where they are parts of larger ones. InputError, naming `source`, row (1 is the first bar) and
    rule, where times do not ascend, a price is not positive and finite, high or low does not
    enclose open and close, or a volume is negative.
    """
    times = np.asarray(starts)
    if times.dtype.kind != "i":
        times = times.astype("datetime64[ns]").astype(np.int64)
    times = times.astype(np.int64, copy=False)
    columns = [np.asarray(column, dtype=np.float64) for column in prices]
    if len(columns) == 1:
        columns *= 4
    shares = (
        np.broadcast_to(np.nan, len(times))
        if volume is None
        else np.asarray(volume, dtype=np.float64)
    )
    weighted = None if vwap is None else np.asarray(vwap, dtype=np.float64)
    # A column that is part of a larger array is gone through once, not at each question.
    gathered = {id(column): np.ascontiguousarray(column) for column in columns}
    _check(symbol, source, times, [gathered[id(one)] for one in columns], shares, weighted)
    opens, highs, lows, closes = columns
    return BarColumns(symbol, timeframe, times, opens, highs, lows, closes, shares, weighted)


def _check(
    symbol: str,
    source: str,
    times: Integers,
    columns: Sequence[Floats],
    volume: Floats,
    vwap: Floats | None,
) -> None:
    """InputError at the first row that breaks a rule."""

    def require(good: npt.NDArray[np.bool_], values: Any, rule: str, remedy: str) -> None:
        if not good.all():
            row = int(np.argmin(good))
            raise InputError(
                file=f"{source}, {symbol}",
                row=row + 1,
                value=values[row],
                rule=rule,
                remedy=remedy,
            )

    every = [*columns, volume, *(() if vwap is None else (vwap,))]
    if any(len(column) != len(times) for column in every):
        raise InputError(
            file=f"{source}, {symbol}",
            value=[len(times), *map(len, every)],
            rule="all columns must have as many rows as there are times",
            remedy="Give a value for every bar",
        )
    if len(times) > 1:
        ascending = np.concatenate(([True], times[1:] > times[:-1]))
        require(
            ascending,
            times,
            "bars must ascend in time, each time once",
            "Sort the bars and remove the ones that are there twice",
        )
    opens, highs, lows, closes = columns
    for name, column in zip(PRICES, columns, strict=True):
        if column is closes and name != "close":
            continue
        # NaN is not above 0 either. Whether all are good is asked without an array of answers.
        if len(column) and column.min() > 0 and column.max() < np.inf:
            continue
        require(
            (column > 0) & (column < np.inf),
            column,
            f"{name} must be a positive number",
            "Correct the price, or remove the bar: a missing bar is handled, a wrong one is not",
        )
    if highs is not closes:
        enclosed = (highs >= opens) & (highs >= closes) & (lows <= opens) & (lows <= closes)
        require(
            enclosed,
            closes,
            "high and low must enclose open and close",
            "Correct the bar, or remove it",
        )
    require(
        ~(volume < 0),
        volume,
        "volume must not be negative",
        "Correct the volume, or leave it empty where it is unknown",
    )


@dataclass(frozen=True, slots=True, eq=False)
class Market:
    """Bars of several symbols on one timeline.

    `timeline` is the ascending union of the symbols' times (nanoseconds UTC). `rows[i]` gives for
    each place of the timeline the row of symbol i's bar, -1 where it has none; it is None where the
    symbol has a bar at every place, so that place and row are the same. `sessions` gives for each
    place its session as days since 1970-01-01.
    """

    timeframe: Timeframe
    columns: tuple[BarColumns, ...]
    timeline: Integers
    rows: tuple[npt.NDArray[np.int32] | None, ...]
    sessions: npt.NDArray[np.int32]

    @property
    def symbols(self) -> tuple[str, ...]:
        """Symbols in the order of `columns`."""
        return tuple(column.symbol for column in self.columns)

    def __len__(self) -> int:
        return len(self.timeline)

    @property
    def bar_count(self) -> int:
        """Number of bars of all symbols together."""
        return sum(len(column) for column in self.columns)

    def until(self, place: int) -> Market:
        """The market as it was known before `place` of the timeline: earlier bars alone."""
        kept = []
        for column, rows in zip(self.columns, self.rows, strict=True):
            count = place if rows is None else int(np.count_nonzero(rows[:place] >= 0))
            kept.append(column.between(0, count))
        return Market(
            timeframe=self.timeframe,
            columns=tuple(kept),
            timeline=self.timeline[:place],
            rows=tuple(None if rows is None else rows[:place] for rows in self.rows),
            sessions=self.sessions[:place],
        )

    def since(self, place: int) -> Market:
        """The market from `place` of the timeline on."""
        if place == 0:
            return self
        kept, rows_since = [], []
        for column, rows in zip(self.columns, self.rows, strict=True):
            before = place if rows is None else int(np.count_nonzero(rows[:place] >= 0))
            kept.append(column.between(before, len(column)))
            rows_since.append(
                None
                if rows is None
                else np.where(rows[place:] >= 0, rows[place:] - before, -1).astype(np.int32)
            )
        return Market(
            timeframe=self.timeframe,
            columns=tuple(kept),
            timeline=self.timeline[place:],
            rows=tuple(rows_since),
            sessions=self.sessions[place:],
        )

    def session_date(self, place: int) -> dt.date:
        """The session that the bar at `place` belongs to."""
        return date_of(int(self.sessions[place]))


def aligned(columns: Sequence[BarColumns], time_zone: str = "America/New_York") -> Market:
    """The symbols on one timeline.

    `time_zone` is that of the exchange: an intraday bar belongs to the session of its start's date
    there. InputError for no symbols, one that is there twice, or different timeframes.
    """
    names = [column.symbol for column in columns]
    frames = {column.timeframe for column in columns}
    if not columns or len(set(names)) < len(names) or len(frames) > 1:
        raise InputError(
            file="bars",
            value=[f"{column.symbol} {column.timeframe}" for column in columns],
            rule="a market needs symbols, each once, all of one timeframe",
            remedy="Resample the bars to one timeframe, and give each symbol once",
        )
    first = columns[0].starts
    if all(
        column.starts is first or np.array_equal(column.starts, first) for column in columns[1:]
    ):
        timeline = first
    else:
        timeline = first
        for column in columns[1:]:
            timeline = np.union1d(timeline, column.starts)
    rows: list[npt.NDArray[np.int32] | None] = []
    for column in columns:
        if len(column) == len(timeline):
            rows.append(None)
            continue
        row = np.full(len(timeline), -1, dtype=np.int32)
        row[np.searchsorted(timeline, column.starts)] = np.arange(len(column), dtype=np.int32)
        rows.append(row)
    frame = columns[0].timeframe
    return Market(
        timeframe=frame,
        columns=tuple(columns),
        timeline=timeline,
        rows=tuple(rows),
        sessions=session_days(timeline, frame, time_zone),
    )
