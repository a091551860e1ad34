"""The account at the simulated exchange: cash, shares, and every fill as a row of numbers.

It is to the book what a broker's account is: it knows what is held and what there is to spend, and
no more. Lots, realised gains and income are the ledger's, which folds the same fills (`book.py`);
the two are compared to the last unit of money. Fills are kept as rows of integers, some seventy
bytes each, and become events when somebody asks for them.
"""

from __future__ import annotations

from array import array

import numpy as np

from trading_assets.engine.clock import Floats, Integers
from trading_assets.engine.scaled import Scale
from trading_assets.errors import ConfigurationError

FILL_FIELDS = (
    "place",
    "strategy",
    "symbol",
    "order",
    "shares",
    "price",
    "value",
    "commission",
    "is_maker",
)
"""A fill: place of the timeline; indices of strategy and symbol; number of the order; signed share
units; price in 1e-8; signed value (what is paid for a purchase, > 0) and commission in money units;
1 for a maker."""
FIELD_COUNT = len(FILL_FIELDS)


TRANSFER_FIELDS = ("place", "fills_before", "strategy", "symbol", "cash", "accruals", "shares")
"""Shares and money that come or go without a trade: what a corporate action did to one strategy's
holding of one symbol, a borrow fee, interest (of NO_ONE). `fills_before` is the number of fills
booked before it; cash and accruals (dividends owed) in money units, signed share units."""
TRANSFER_FIELD_COUNT = len(TRANSFER_FIELDS)


NO_ONE = -1
"""Index of a strategy or symbol in the row of what is the account's alone: interest on cash."""


class Account:
    """What is held, by strategy and in all; arrays are in the order of the market's symbols.

    Without `keep_fills` they are counted, and forgotten once they are booked.
    """

    def __init__(
        self, scale: Scale, strategies: int, symbols: int, cash: int, *, keep_fills: bool = True
    ) -> None:
        self.scale = scale
        self.initial_cash = cash
        self.cash = cash
        self.accruals = 0
        self.held = np.zeros(symbols, dtype=np.int64)
        """Signed share units of each symbol."""
        self.held_shares = np.zeros(symbols)
        """The same in shares, as floats: what equity is estimated from while trading."""
        # One strategy holds what the account holds: one array, seen twice.
        self.by_strategy = (
            self.held.reshape(1, symbols)
            if strategies == 1
            else np.zeros((strategies, symbols), dtype=np.int64)
        )
        self._one_strategy = strategies == 1
        self._whole = scale.share_decimals == 0
        self.keeps_fills = keep_fills
        self.fill_rows = array("q")
        self.fill_count = 0
        """Fills so far."""
        self.transfer_rows = array("q")
        self.commission = 0
        self.traded = 0
        """Σ |value| of all fills, money units."""

    def fills(self, first: int = 0) -> Integers:
        """Rows of fills from number `first` on, shape (fills, fields of FILL_FIELDS); a copy.
        ConfigurationError where they were not kept."""
        if not self.keeps_fills:
            raise ConfigurationError(
                "the fills of this backtest were not kept. Run it with keep_fills=True."
            )
        return np.array(self.fill_rows[first * FIELD_COUNT :], dtype=np.int64).reshape(
            -1, FIELD_COUNT
        )

    def book(
        self,
        place: int,
        strategy: int,
        symbol: int,
        order: int,
        shares: int,
        price: int,
        value: int,
        commission: int,
        is_maker: int,
    ) -> None:
        """Book one fill; the arguments are the fields of FILL_FIELDS."""
        if self.keeps_fills:
            self.fill_rows.extend(
                (place, strategy, symbol, order, shares, price, value, commission, is_maker)
            )
        self.fill_count += 1
        held = self.held.item(symbol) + shares
        self.held[symbol] = held
        self.held_shares[symbol] = held if self._whole else held / self.scale.share_unit
        if not self._one_strategy:
            self.by_strategy[strategy, symbol] += shares
        self.cash -= value + commission
        self.commission += commission
        self.traded += value if value > 0 else -value

    def book_rows(self, rows: Integers) -> None:
        """Book many fills of one strategy, each of another symbol; shape (fills, fields)."""
        if not len(rows):
            return
        if self.keeps_fills:
            self.fill_rows.frombytes(np.ascontiguousarray(rows, dtype=np.int64).tobytes())
        self.fill_count += len(rows)
        symbols, shares = rows[:, 2], rows[:, 4]
        self.held[symbols] += shares
        self.held_shares[symbols] = self.held[symbols] / self.scale.share_unit
        if not self._one_strategy:
            self.by_strategy[rows[0, 1], symbols] += shares
        values, commissions = rows[:, 6], rows[:, 7]
        self.cash -= int(values.sum()) + int(commissions.sum())
        self.commission += int(commissions.sum())
        self.traded += int(np.abs(values).sum())

    def transfer(
        self, place: int, strategy: int, symbol: int, cash: int, accruals: int, shares: int
    ) -> None:
        """Take in (or give) what moves without a trade; see TRANSFER_FIELDS."""
        self.transfer_rows.extend(
            (place, self.fill_count, strategy, symbol, cash, accruals, shares)
        )
        self.cash += cash
        self.accruals += accruals
        if shares:
            self.held[symbol] += shares
            self.held_shares[symbol] = self.held.item(symbol) / self.scale.share_unit
            if not self._one_strategy:
                self.by_strategy[strategy, symbol] += shares

    @property
    def transfers(self) -> Integers:
        """Rows of what moved without a trade, shape (n, fields of TRANSFER_FIELDS); a copy."""
        return np.array(self.transfer_rows, dtype=np.int64).reshape(-1, TRANSFER_FIELD_COUNT)

    @property
    def version(self) -> int:
        """A number that changes with every booking."""
        return self.fill_count + len(self.transfer_rows)

    def equity_estimate(self, marks: Floats) -> float:
        """Cash, dividends owed and shares at `marks` (price per share by symbol), as a float in
        currency units: what sizes are taken from, not what is reported."""
        money = (self.cash + self.accruals) / self.scale.money_unit
        # The method, which takes half as long as the operator for so few.
        return money + float(self.held_shares.dot(marks))
