"""What the compiled loops of the vectorised path work on: named tuples of arrays and numbers."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.int32]
Integers = npt.NDArray[np.int64]
Signals = npt.NDArray[np.uint8]
Flags = npt.NDArray[np.bool_]


class Prices(NamedTuple):
    """Prices per share, shape (places, symbols), NaN where a symbol has no bar."""

    closes: Floats
    opens: Floats


class Terms(NamedTuple):
    """What trading costs, how it is rounded and when it happens, as numbers.

    `initial_money`, `per_order`, `per_share` and `minimum` are money units, of which a currency
    unit has `money_unit`; `slippage`, `commission_rate`, `invested` (of equity, by all targets) and
    `position_size` (of what is invested, by one entry) fractions. A share has `share_steps` steps.
    """

    initial_money: float
    money_unit: float
    share_steps: float
    slippage: float
    per_order: float
    per_share: float
    commission_rate: float
    minimum: float
    invested: float
    position_size: float
    allow_short: bool
    allow_borrowing: bool
    at_open: bool
    keep_fills: bool


class Rebalances(NamedTuple):
    """Target weights of the names alone: rebalance r happens at place `places[r]` and names
    `symbols` and `weights` from `starts[r]` up to `starts[r + 1]`."""

    places: Integers
    starts: Integers
    symbols: Places
    weights: Floats


class Demand(NamedTuple):
    """What is asked for, in one of three forms, of which the other two are empty: `weights` of
    shape (places, symbols), the names of `rebalances`, or `signals` as bits in shape (places,
    symbols)."""

    weights: Floats
    rebalances: Rebalances
    signals: Signals


class Only(NamedTuple):
    """Closes and signals of all symbols as one column each: those of the only one, where there is
    one."""

    closes: Floats
    signals: Signals


class Orders(NamedTuple):
    """Market orders: symbol, signed quantity (shares), and what is held afterwards."""

    symbol: Places
    quantity: Floats
    after: Floats


class Book(NamedTuple):
    """The account while it is simulated.

    `quantity` (signed shares) and `mark` (latest close, NaN before the first) have one element for
    each symbol, and so has `marked`, the place up to which closes were looked through for it.
    `held[:n]` are the symbols that are or were lately held, `listed` which those are. `totals` is
    cash, commission, slippage and traded notional (money units); `counts` the number of fills, of
    symbols in `held`, of orders in `waiting`, and of rebalances done. `named_at` is the rebalance
    that named a symbol last; `orders`, `asked` and `columns` are room for what is done at a place.
    """

    quantity: Floats
    mark: Floats
    marked: Integers
    held: Places
    listed: Flags
    totals: Floats
    counts: Integers
    waiting: Orders
    named_at: Integers
    orders: Orders
    asked: Places
    columns: Floats


class Fills(NamedTuple):
    """Columns of fills, in the order in which they happen; the arrays may be longer than used."""

    place: Places
    symbol: Places
    quantity: Floats
    price: Floats
    commission: Floats


# Elements of `Book.totals` and `Book.counts`, and rows of the history.
CASH, COMMISSION, SLIPPAGE, TRADED = range(4)
FILLS, HELD, WAITING, REBALANCED = range(4)
EQUITY = 1

ENTER_LONG, EXIT_LONG, ENTER_SHORT, EXIT_SHORT = 1, 2, 4, 8
NOTHING, GO_LONG, GO_SHORT, CLOSE_LONG, CLOSE_SHORT, CLOSE = range(6)
# What the 16 combinations of the four signals mean: an entry and an exit of one side at once cancel
# each other, and so do entries to both sides.
MEANINGS = np.array(
    [
        NOTHING, GO_LONG, CLOSE_LONG, NOTHING,
        GO_SHORT, NOTHING, GO_SHORT, GO_SHORT,
        CLOSE_SHORT, GO_LONG, CLOSE, CLOSE_SHORT,
        NOTHING, GO_LONG, CLOSE_LONG, NOTHING,
    ],
    dtype=np.int8,
)  # fmt: skip


def read_only(array: Any) -> Any:
    """A contiguous view that must not be written to: loops are compiled once, for such arrays."""
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view
