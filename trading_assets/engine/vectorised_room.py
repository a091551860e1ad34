"""The arrays that the compiled loops write to.

Sizes are for what can happen at one place: two orders of each symbol, and as many that wait.
"""

from __future__ import annotations

import numpy as np

from trading_assets.engine.compilation import compiled
from trading_assets.engine.vectorised_columns import CASH, Book, Fills, Orders


@compiled
def room_for_orders(length: int) -> Orders:
    """Columns for `length` orders."""
    return Orders(np.empty(length, dtype=np.int32), np.empty(length), np.empty(length))


@compiled
def room_for_fills(length: int) -> Fills:
    """Columns for `length` fills."""
    return Fills(
        np.empty(length, dtype=np.int32),
        np.empty(length, dtype=np.int32),
        np.empty(length),
        np.empty(length),
        np.empty(length),
    )


@compiled
def with_room(fills: Fills, length: int) -> Fills:
    """The same fills in columns that have room for `length`."""
    before = fills.place.size
    larger = room_for_fills(length)
    larger.place[:before] = fills.place
    larger.symbol[:before] = fills.symbol
    larger.quantity[:before] = fills.quantity
    larger.price[:before] = fills.price
    larger.commission[:before] = fills.commission
    return larger


@compiled
def opened_book(symbols: int, initial_money: float) -> Book:
    """An account that holds its initial capital and nothing else."""
    totals = np.zeros(4)
    totals[CASH] = initial_money
    return Book(
        np.zeros(symbols),
        np.full(symbols, np.nan),
        np.full(symbols, -1),
        np.empty(symbols + 1, dtype=np.int32),
        np.zeros(symbols, dtype=np.bool_),
        totals,
        np.zeros(4, dtype=np.int64),
        room_for_orders(4 * symbols + 1),
        np.full(symbols, -1),
        room_for_orders(4 * symbols + 1),
        np.empty(symbols + 1, dtype=np.int32),
        np.empty((4, 4 * symbols + 1)),
    )
