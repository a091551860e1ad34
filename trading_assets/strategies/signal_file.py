"""Target weights from a file: what somebody else's model wants held, from a date on.

The file is a table with a date, a symbol and a weight (signed fraction of the strategy's equity),
one row each, as CSV, Excel or Parquet. The rows of a date are a whole portfolio: what is held and
not among them is sold. A signal is given out once, after the first bar of its date or later, so
that it is traded in the session after its date, as the signals of a portfolio are.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from trading_assets.data_files import parse_date, parse_decimal, read_table
from trading_assets.engine.clock import DAY_NANOSECONDS, nanoseconds_of
from trading_assets.errors import InputError
from trading_assets.strategies.base import Answer, Snapshot, Strategy, TargetWeights

_REMEDY = "Put the signals there, or correct the strategy's path"


class SignalFile(Strategy):
    """Follows the file at `path`; the names of its columns may be given. A signal waits for
    `delay_days` calendar days after its date: 1 where orders fill at the close of the very bar that
    is decided on, so that the session after its date is the first to trade it."""

    def __init__(
        self,
        path: str | Path,
        date_column: str = "date",
        symbol_column: str = "symbol",
        weight_column: str = "weight",
        delay_days: int = 0,
    ) -> None:
        self.path = Path(path)
        self.delay_days = int(delay_days)
        self.given = -1
        """Index of the signal that was given out last, -1 for none."""
        self._columns = (date_column, symbol_column, weight_column)
        self._dates: list[int] = []
        self._weights: list[dict[str, float]] = []
        self._read()

    def _read(self) -> None:
        table = read_table(self.path, self._columns, sheet=None, remedy=_REMEDY)
        by_date: dict[int, dict[str, float]] = {}
        for row in table.rows:
            date, symbol = parse_date(row.cells[0]), str(row.cells[1] or "").strip()
            weight = parse_decimal(row.cells[2])
            if date is None or weight is None or not symbol:
                raise InputError(
                    file=table.name,
                    row=row.number,
                    value=row.cells,
                    rule="a signal needs a date, a symbol and a number as its weight",
                    remedy="Correct the row, or remove it",
                )
            held = by_date.setdefault(nanoseconds_of(date) // DAY_NANOSECONDS, {})
            if symbol in held:
                raise InputError(
                    file=table.name,
                    row=row.number,
                    value=symbol,
                    rule="a symbol has one weight on a date",
                    remedy="Remove the row that is there twice",
                )
            held[symbol] = float(weight)
        self._dates = sorted(by_date)
        self._weights = [by_date[day] for day in self._dates]

    def on_start(self, symbols: Sequence[str]) -> None:
        """InputError where the file wants a symbol that the backtest has no bars of."""
        unknown = sorted({name for held in self._weights for name in held} - set(symbols))
        if unknown:
            raise InputError(
                file=self.path.name,
                value=", ".join(unknown[:10]),
                rule="every symbol must be one of the backtest's",
                remedy="Add its bars, or remove its rows",
            )

    def generate_signals(self, snapshot: Snapshot) -> Answer:
        """The latest signal that counts, once."""
        latest = bisect_right(self._dates, snapshot.session - self.delay_days) - 1
        if latest <= self.given:
            return None
        self.given = latest
        held = self._weights[latest]
        return TargetWeights(np.array([held.get(symbol, 0.0) for symbol in snapshot.symbols]))

    def state(self) -> dict[str, int]:
        """Which signal was given out."""
        return {"given": self.given}
