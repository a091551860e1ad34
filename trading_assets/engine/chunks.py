"""The part of the market that the loop is in, as blocks of rows and lists of bars.

Whatever is made of columns for a strategy or for valuing the account is made for some thousand bars
at a time, so that memory does not grow with the length of the backtest.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain, repeat
from typing import Any

import numpy as np
import numpy.typing as npt

from trading_assets.engine.bars import BarColumns, Market
from trading_assets.engine.clock import Floats, Integers
from trading_assets.strategies.base import Bar

FIELDS = ("open", "high", "low", "close", "volume")
_CELLS = 262_144
_PLACES = (16, 8192)
_BARS = 2048


def places_at_once(symbols: int) -> int:
    """How many places of the timeline are worked on together."""
    least, most = _PLACES
    return max(least, min(most, _CELLS // symbols))


def seen(column: BarColumns, field: str, first: int, last: int) -> Floats:
    """Rows of one column as strategies see them: prices times the factor, volumes as they are."""
    values: Floats = getattr(column, field)[first:last]
    if column.factor is None or field == "volume":
        return values
    return values * column.factor[first:last]


class Chunk:
    """Places `first` up to `last` of a market, with what has been asked for of them."""

    def __init__(self, market: Market) -> None:
        self.market = market
        self.first = self.last = 0
        self._has_factors = any(column.factor is not None for column in market.columns)
        self._blocks: dict[str, Floats] = {}
        self._raw: dict[str, Floats] = {}
        self._marks: Floats | None = None
        self._bounds: list[tuple[int, int]] = []
        self._carried = np.full(len(market.columns), np.nan)
        """Closes of the latest bar before the chunk, raw."""

    def move(self, first: int, last: int) -> None:
        """Go on to the next places."""
        market = self.market
        if self._marks is not None and self.last == first:
            self._carried = self._marks[-1].copy()
        elif first:
            self._carried = self._closes_before(first)
        self.first, self.last = first, last
        self._blocks.clear()
        self._raw.clear()
        self._marks = None
        self._bounds = [
            (first, last) if rows is None else self._row_bounds(rows, first, last)
            for rows in market.rows
        ]

    @staticmethod
    def _row_bounds(rows: Any, first: int, last: int) -> tuple[int, int]:
        """Rows of the bars at these places; equal numbers where there are none."""
        there = rows[first:last]
        there = there[there >= 0]
        return (int(there[0]), int(there[-1]) + 1) if len(there) else (0, 0)

    def _closes_before(self, place: int) -> Floats:
        closes = np.full(len(self.market.columns), np.nan)
        for symbol, (column, rows) in enumerate(
            zip(self.market.columns, self.market.rows, strict=True)
        ):
            row = place - 1 if rows is None else int(rows[:place].max())
            if row >= 0:
                closes[symbol] = column.close[row]
        return closes

    def block(self, field: str) -> Floats:
        """A column of all symbols as strategies see it, shape (places, symbols); NaN without a
        bar. Must not be changed."""
        known = self._blocks.get(field)
        if known is None:
            # What has no factor is seen as it is traded: one block for both.
            is_raw = field == "volume" or not self._has_factors
            known = self.raw(field) if is_raw else self._block(field, raw=False)
            self._blocks[field] = known
        return known

    def raw(self, field: str) -> Floats:
        """The same of what is traded: prices without the factor."""
        known = self._raw.get(field)
        if known is None:
            known = self._raw[field] = self._block(field, raw=True)
        return known

    def _block(self, field: str, *, raw: bool) -> Floats:
        market = self.market
        block = np.full((self.last - self.first, len(market.columns)), np.nan)
        for symbol, (column, rows) in enumerate(zip(market.columns, market.rows, strict=True)):
            low, high = self._bounds[symbol]
            values = getattr(column, field)[low:high] if raw else seen(column, field, low, high)
            if rows is None:
                block[:, symbol] = values
            else:
                block[rows[self.first : self.last] >= 0, symbol] = values
        block.flags.writeable = False
        return block

    @property
    def marks(self) -> Floats:
        """The latest raw close of each symbol at each place, shape (places, symbols); NaN before
        its first bar."""
        if self._marks is None:
            self._marks = self._filled_forward()
        return self._marks

    def _filled_forward(self) -> Floats:
        block = self.raw("close")
        if all(rows is None for rows in self.market.rows):
            return block
        known = ~np.isnan(block)
        latest = np.where(known, np.arange(len(block))[:, None], -1)
        np.maximum.accumulate(latest, axis=0, out=latest)
        filled = block[np.maximum(latest, 0), np.arange(block.shape[1])]
        return np.where(latest >= 0, filled, self._carried)

    def bars(self, watched: Sequence[int]) -> list[Iterable[Bar | None]]:
        """For each of these symbols its bars at every place, None without one. They are made some
        at a time, as they are asked for: what was made long ago is far away by then."""
        at_once = max(_PLACES[0], _BARS // len(watched))
        return [self._bars_of(symbol, at_once) for symbol in watched]

    def _bars_of(self, symbol: int, at_once: int) -> Iterable[Bar | None]:
        column, rows = self.market.columns[symbol], self.market.rows[symbol]
        low, high = self._bounds[symbol]
        if rows is None:
            sessions = self.market.sessions[low:high]
        else:
            there = rows[self.first : self.last] >= 0
            sessions = self.market.sessions[self.first : self.last][there]
        made = chain.from_iterable(
            _bars(column, sessions[first - low : first - low + at_once], first)
            for first in range(low, high, at_once)
        )
        if rows is None:
            return made
        return [next(made) if has else None for has in there.tolist()]


def _bars(column: BarColumns, sessions: npt.NDArray[np.int32], first: int) -> Iterable[Bar]:
    """Bars of the rows from `first` on, one for each of `sessions`."""
    last = first + len(sessions)
    return map(
        Bar,
        repeat(column.symbol),
        column.starts[first:last].tolist(),
        sessions.tolist(),
        *(seen(column, field, first, last).tolist() for field in FIELDS),
    )


class CrossSection:
    """A snapshot of all symbols after the bar at one place: `strategies.base.Snapshot`.

    Arrays are views of the chunk: they stay what they are, and cost nothing that is not asked for.
    """

    __slots__ = ("_chunk", "_context", "_offset", "_shown", "place", "symbols")

    def __init__(
        self,
        chunk: Chunk,
        place: int,
        context: Any,
        symbols: tuple[str, ...],
        shown: Integers | None = None,
    ) -> None:
        """`symbols` at the indices `shown` of the market's, None for all of them."""
        self._chunk = chunk
        self._offset = place - chunk.first
        self._context = context
        self._shown = shown
        self.place = place
        self.symbols = symbols

    @property
    def start(self) -> int:
        """Start of the bar, nanoseconds UTC."""
        return int(self._chunk.market.timeline[self.place])

    @property
    def session(self) -> int:
        """Its session, days since 1970-01-01."""
        return int(self._chunk.market.sessions[self.place])

    @property
    def open(self) -> Floats:
        """Opens per share."""
        return self._row("open")

    @property
    def high(self) -> Floats:
        """Highs per share."""
        return self._row("high")

    @property
    def low(self) -> Floats:
        """Lows per share."""
        return self._row("low")

    @property
    def close(self) -> Floats:
        """Closes per share."""
        return self._row("close")

    @property
    def volume(self) -> Floats:
        """Shares traded; NaN where unknown too."""
        return self._row("volume")

    @property
    def context(self) -> Any:
        """Positions, equity, history."""
        return self._context

    def history(self, count: int, field: str = "close") -> Floats:
        """The latest `count` places of a column up to this one, shape (places, symbols)."""
        market, place = self._chunk.market, self.place
        first = max(0, place + 1 - count)
        if first >= self._chunk.first:
            block = self._chunk.block(field)[first - self._chunk.first : self._offset + 1]
            return block if self._shown is None else block[:, self._shown]
        found = np.full((place + 1 - first, len(market.columns)), np.nan)
        for symbol, (column, rows) in enumerate(zip(market.columns, market.rows, strict=True)):
            if rows is None:
                found[:, symbol] = seen(column, field, first, place + 1)
                continue
            there = rows[first : place + 1]
            has = there >= 0
            if has.any():
                low, high = int(there[has][0]), int(there[has][-1]) + 1
                found[has, symbol] = seen(column, field, low, high)
        return found if self._shown is None else found[:, self._shown]

    def _row(self, field: str) -> Floats:
        row: Floats = self._chunk.block(field)[self._offset]
        return row if self._shown is None else row[self._shown]
