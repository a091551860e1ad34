"""What the account was worth after every bar: exact, computed once the run is over.

Between two fills nothing changes but prices, so nobody has to value the account while it trades.
Each position is rounded to the account's unit of money by itself, as the ledger rounds it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trading_assets.engine.account import Account
from trading_assets.engine.bars import Market
from trading_assets.engine.clock import Floats, Integers
from trading_assets.engine.scaled import price_unit_array


@dataclass(frozen=True, slots=True, eq=False)
class AccountCurve:
    """By place of the timeline, in money units: cash, dividends owed, Σ of the positions' signed
    values (net) and of their absolute ones (gross). `final_values` are the positions' by symbol at
    the last place."""

    cash: Integers
    accruals: Integers
    net: Integers
    gross: Integers
    final_values: Integers

    @property
    def equity(self) -> Integers:
        """Cash, dividends owed and positions together."""
        return self.cash + self.accruals + self.net


def account_curve(market: Market, account: Account, places: int) -> AccountCurve:
    """Value the account after each of the first `places` bars of the timeline.

    A position is worth its symbol's latest close. Costs as much as what is held, not what there is.
    """
    fills, transfers = account.fills(), account.transfers
    cash = np.zeros(places, dtype=np.int64)
    accruals = np.zeros(places, dtype=np.int64)
    np.subtract.at(cash, fills[:, 0], fills[:, 6] + fills[:, 7])
    np.add.at(cash, transfers[:, 0], transfers[:, 4])
    np.add.at(accruals, transfers[:, 0], transfers[:, 5])
    cash[0] += account.initial_cash
    net = np.zeros(places, dtype=np.int64)
    gross = np.zeros(places, dtype=np.int64)
    final = np.zeros(len(market.columns), dtype=np.int64)
    transfers = transfers[transfers[:, 6] != 0]
    moved = np.concatenate((fills[:, [0, 2, 4]], transfers[:, [0, 3, 6]]))
    moved = moved[np.argsort(moved[:, 1], kind="stable")]
    symbols, starts = np.unique(moved[:, 1], return_index=True)
    bounds = [*starts.tolist(), len(moved)]
    for index, symbol in enumerate(symbols.tolist()):
        rows = moved[bounds[index] : bounds[index + 1]]
        first = int(rows[:, 0].min())
        held = np.zeros(places - first, dtype=np.int64)
        np.add.at(held, rows[:, 0] - first, rows[:, 2])
        held = np.cumsum(held)
        closes = latest_closes(market, symbol, first, places)
        values = account.scale.values(held, price_unit_array(closes))
        net[first:] += values
        gross[first:] += np.abs(values)
        final[symbol] = values[-1] if len(values) else 0
    return AccountCurve(np.cumsum(cash), np.cumsum(accruals), net, gross, final)


def latest_closes(market: Market, symbol: int, first: int, last: int) -> Floats:
    """The latest raw close of a symbol at each place from `first` up to `last`; NaN before its
    first bar."""
    column, rows = market.columns[symbol], market.rows[symbol]
    if rows is None:
        return column.close[first:last]
    latest = np.maximum.accumulate(rows[:last])[first:]
    return np.where(latest >= 0, column.close[np.maximum(latest, 0)], np.nan)
