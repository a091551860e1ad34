"""Compiled checks of large arrays, given flat: one pass, no copies, by blocks that are looked
through again only where something in them is wrong."""

from __future__ import annotations

import numpy as np

from trading_assets.engine.compilation import borrowing
from trading_assets.engine.vectorised_columns import Floats

BLOCK = 4096


@borrowing
def first_wrong_price(prices: Floats) -> int:
    """Place of the first of `prices` that is neither NaN nor positive and finite; -1 for none."""
    for start in range(0, prices.size, BLOCK):
        block = prices[start : start + BLOCK]
        wrong = 0
        for place in range(block.size):
            wrong += 1 if (block[place] <= 0.0) | (block[place] == np.inf) else 0
        if wrong:
            for place in range(block.size):
                if block[place] <= 0.0 or block[place] == np.inf:
                    return start + place
    return -1


@borrowing
def first_infinite(values: Floats) -> int:
    """Place of the first of `values` that is infinite; -1 for none."""
    for start in range(0, values.size, BLOCK):
        block = values[start : start + BLOCK]
        wrong = 0
        for place in range(block.size):
            wrong += 1 if abs(block[place]) == np.inf else 0
        if wrong:
            for place in range(block.size):
                if abs(block[place]) == np.inf:
                    return start + place
    return -1


@borrowing
def first_unpaired(closes: Floats, opens: Floats) -> int:
    """Place of the first of `closes` that is NaN where `opens` is not, or the other way round; -1
    for none."""
    for start in range(0, closes.size, BLOCK):
        close, opened = closes[start : start + BLOCK], opens[start : start + BLOCK]
        no_close = no_open = neither = 0
        for place in range(close.size):
            gap = close[place] - opened[place]
            no_close += 0 if close[place] == close[place] else 1
            no_open += 0 if opened[place] == opened[place] else 1
            neither += 0 if gap == gap else 1
        # A gap is missing where either is: only if both always are, all three are as many.
        if no_close != neither or no_open != neither:
            for place in range(close.size):
                if (close[place] == close[place]) != (opened[place] == opened[place]):
                    return start + place
    return -1
