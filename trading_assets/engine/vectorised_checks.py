"""Compiled checks of large arrays: one pass, no copies. Where all is well nothing is looked up."""

from __future__ import annotations

import numpy as np

from trading_assets.engine.compilation import compiled
from trading_assets.engine.vectorised_columns import Floats


@compiled
def first_wrong_price(prices: Floats) -> int:
    """Place in the flattened `prices` of the first that is neither NaN nor positive and finite;
    -1 where there is none."""
    rows, columns = prices.shape
    for row in range(rows):
        wrong = False
        for column in range(columns):
            price = prices[row, column]
            wrong |= (price <= 0.0) | (price == np.inf)
        if wrong:
            for column in range(columns):
                price = prices[row, column]
                if price <= 0.0 or price == np.inf:
                    return int(row * columns + column)
    return -1


@compiled
def first_infinite(values: Floats) -> int:
    """Place in the flattened `values` of the first infinite one; -1 where there is none."""
    rows, columns = values.shape
    for row in range(rows):
        wrong = False
        for column in range(columns):
            wrong |= abs(values[row, column]) == np.inf
        if wrong:
            for column in range(columns):
                if abs(values[row, column]) == np.inf:
                    return int(row * columns + column)
    return -1


@compiled
def first_unpaired(closes: Floats, opens: Floats) -> int:
    """Place in the flattened `closes` of the first that is NaN where `opens` is not, or the other
    way round; -1 where there is none."""
    rows, columns = closes.shape
    for row in range(rows):
        wrong = False
        for column in range(columns):
            close, opened = closes[row, column], opens[row, column]
            wrong |= (close == close) != (opened == opened)
        if wrong:
            for column in range(columns):
                close, opened = closes[row, column], opens[row, column]
                if (close == close) != (opened == opened):
                    return int(row * columns + column)
    return -1
