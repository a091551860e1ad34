"""What an account that may not borrow can pay for.

It is judged when an order is placed: at its limit or stop, where it has one, at the close that was
decided on otherwise. An open beyond that close may cost more than there is; a cash buffer is for
that. Opening orders may spend free cash alone; targets may count on what other orders of the same
strategy will sell, for all of them trade together.
"""

from __future__ import annotations

import numpy as np

from trading_assets.engine.bars import Market
from trading_assets.engine.chunks import Chunk
from trading_assets.engine.matching import Exchange
from trading_assets.engine.orders import IS_TERMINAL, WorkingOrder
from trading_assets.engine.rules import AccountRules
from trading_assets.engine.scaled import PRICE_UNIT

SHORT_NOT_ALLOWED = "SHORT_NOT_ALLOWED"
INSUFFICIENT_CAPITAL = "INSUFFICIENT_CAPITAL"
GROSS_LIMIT = 1 + 1e-9
"""What weights may add up to without borrowing."""
_ROUNDING = 1 + 1e-12


class Capital:
    """The means of one backtest's account; everything is covered where it may borrow."""

    def __init__(
        self, market: Market, chunk: Chunk, exchange: Exchange, rules: AccountRules
    ) -> None:
        self._symbols = len(market.columns)
        self._chunk = chunk
        self._exchange = exchange
        self._account = exchange.account
        self._scale = exchange.scale
        self._allow_short = rules.allow_short
        self._allow_borrowing = rules.allow_borrowing

    def covers(self, order: WorkingOrder, price: float, held: int) -> bool:
        """True where free cash pays for an order that opens, at a latest close of `price` (money
        per share) and with `held` signed share units of its symbol."""
        if self._allow_borrowing:
            return True
        shares, exchange = order.quantity / self._scale.share_unit, self._exchange
        paid = _expected_price(order, price)
        notional, commission = shares * paid, exchange.commission
        # Most orders are far from what there is to spend: that takes no closer look.
        if (
            commission.is_below_notional
            and not exchange.working
            and not self._allow_short
            and self._account.cash > 2 * notional * self._scale.money_unit
        ):
            return True
        needed = notional + commission.estimate_one(shares, paid)
        return needed <= self._spendable(held, price, order.placed) * _ROUNDING

    def _spendable(self, held: int, price: float, place: int) -> float:
        """Cash less what working orders that open will need, plus what a flip's closing brings."""
        account, scale = self._account, self._scale
        cash = account.cash / scale.money_unit
        cash += max(held, 0) / scale.share_unit * price
        marks = self._chunk.marks[place - self._chunk.first]
        if self._allow_short:
            # Short sales bring cash that secures them, and as much again is not free.
            shorts = account.held_shares < 0
            if shorts.any():
                cash += 2 * float(account.held_shares[shorts] @ np.nan_to_num(marks)[shorts])
        for order in self._exchange.working:
            if order.opens and not IS_TERMINAL[order.status]:
                paid = _expected_price(order, marks.item(order.symbol))
                cash -= order.remaining / scale.share_unit * paid
        return cash

    def can_hold(self, strategy: int, symbol: int, wanted: int, equity: float, place: int) -> bool:
        """True where a strategy holds no more than its `equity` (money) once it has `wanted` signed
        share units of a symbol and its other working orders are done."""
        if self._allow_borrowing:
            return True
        units = self._account.by_strategy[strategy].copy()
        for key, orders in self._exchange.by_holder.items():
            holder, other = divmod(key, self._symbols)
            if holder == strategy:
                units[other] += sum(one.sign * one.remaining for one in orders if not one.group)
        units[symbol] = wanted
        marks = np.nan_to_num(self._chunk.marks[place - self._chunk.first])
        return float(np.abs(units) @ marks) / self._scale.share_unit <= equity * GROSS_LIMIT


def _expected_price(order: WorkingOrder, mark: float) -> float:
    """What an order is expected to trade at: its limit or stop, where it has one."""
    named = order.limit or order.stop
    return named / PRICE_UNIT if named else mark
