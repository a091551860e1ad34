"""Margin calls in a backtest: seen at a bar's close, answered with orders that reduce positions.

The rules are those of `risk/margin.py`; what follows is assumption 17 of `matching.py`. Orders are
placed before strategies are asked, and again after each answer, for a strategy may sell by itself,
or take back what was placed. They are of the strategies that hold the position, in proportion, and
join the group of a bracket's legs: its stop then closes what is left, and no more.
"""

from __future__ import annotations

import numpy as np

from trading_assets.engine.bars import Market
from trading_assets.engine.chunks import Chunk
from trading_assets.engine.clock import Floats, Integers
from trading_assets.engine.corporate import in_proportion
from trading_assets.engine.matching import Exchange
from trading_assets.engine.orders import (
    GTC,
    IS_TERMINAL,
    MARKET,
    NO_SIGNAL,
    OrderGroup,
    WorkingOrder,
)
from trading_assets.model.money import ZERO
from trading_assets.risk.margin import MarginCall, MarginPosition, margin_statement, reductions
from trading_assets.risk.policies import MarginCallAction, MarginPolicy
from trading_assets.risk.refusals import RiskCode, RiskRefusal
from trading_assets.risk.sizing import exact

KEY = "margin_call"
_Wanted = tuple[int, int, int, int, OrderGroup | None]
"""Strategy, symbol, sign and share units of an order, and the group that it joins."""


class MarginDesk:
    """The margin account of one backtest. `is_called` from a bar's close at which equity is below
    maintenance margin to the first at which it is not; `calls` are told once each."""

    def __init__(
        self, policy: MarginPolicy, market: Market, chunk: Chunk, exchange: Exchange, decimals: int
    ) -> None:
        self._policy = policy
        self._market = market
        self._chunk = chunk
        self._exchange = exchange
        self._decimals = decimals
        self._version = -1
        self._is_exposed = False
        self.is_called = False
        self.calls: list[MarginCall] = []

    @property
    def halts(self) -> bool:
        """True where a call stops trading, and sells nothing."""
        return self._policy.on_margin_call is MarginCallAction.HALT

    def restore(self, calls: list[MarginCall], *, is_called: bool) -> None:
        """Take up the calls of a checkpoint."""
        self.calls, self.is_called = calls, is_called

    def refusal(self, symbol: str) -> RiskRefusal | None:
        """Why nothing may be opened while a call is not met; None where none is."""
        if not self.is_called:
            return None
        call = self.calls[-1]
        return RiskRefusal(RiskCode.MARGIN_CALL, symbol, call.equity, call.maintenance)

    def see(self, place: int, equity: float) -> MarginCall | None:
        """Look at the account after the bar at `place`; the call that begins there, if one does."""
        account = self._exchange.account
        if account.version != self._version:
            self._version = account.version
            # Without shorts and with nothing borrowed equity is at least what positions need.
            held = account.held
            self._is_exposed = bool((held < 0).any()) or (account.cash < 0 and bool(held.any()))
        if not self._is_exposed or equity > self._maintenance(place) * (1 + 1e-9):
            self._end(place)
            return None
        positions = self._positions(account.held, place)
        cash = account.scale.money_decimal(account.cash + account.accruals)
        stated = margin_statement(cash, positions, self._policy)
        if not stated.call:
            self._end(place)
            return None
        begins = not self.is_called
        self.is_called = True
        for order in [one for one in self._exchange.working if one.opens]:
            self._exchange.cancel(order, place, "margin call")
        if begins:
            self.calls.append(
                MarginCall(
                    session=self._market.session_date(place),
                    equity=stated.equity,
                    maintenance=stated.maintenance,
                    call=stated.call,
                )
            )
        self.reduce(place)
        return self.calls[-1] if begins else None

    def reduce(self, place: int) -> None:
        """Place the orders that meet the call at the closes of `place`, in place of those that are
        at work already, where they are others."""
        if not self.is_called or self.halts:
            return
        exchange = self._exchange
        held = exchange.account.by_strategy.copy()
        for order in exchange.working:
            if _closes_by_itself(order):
                held[order.strategy, order.symbol] += order.sign * order.remaining
        wanted = self._wanted(held, place)
        at_work = [
            one
            for one in exchange.working
            if one.signal == NO_SIGNAL and not IS_TERMINAL[one.status]
        ]
        if wanted == [
            (one.strategy, one.symbol, one.sign, one.remaining, one.group) for one in at_work
        ]:
            return
        for order in at_work:
            exchange.cancel(order, place, "another margin call")
        for strategy, symbol, sign, quantity, group in wanted:
            self._withdraw(strategy, symbol, place)
            exchange.submit(
                WorkingOrder(
                    exchange.new_number(),
                    strategy,
                    symbol,
                    sign,
                    quantity,
                    MARKET,
                    GTC,
                    place,
                    opens=False,
                    group=group,
                    signal=NO_SIGNAL,
                    key=KEY,
                ),
                place,
            )

    def _end(self, place: int) -> None:
        """Nothing is called, or any more: orders that were to meet a call are taken back."""
        if self.is_called:
            self.is_called = False
            for order in [one for one in self._exchange.working if one.signal == NO_SIGNAL]:
                self._exchange.cancel(order, place, "the margin call is met")

    def _maintenance(self, place: int) -> float:
        """Maintenance margin of what is held, estimated in floats."""
        policy = self._policy
        marks = np.nan_to_num(self._chunk.marks[place - self._chunk.first])
        shares = self._exchange.account.held_shares
        values: Floats = shares * marks
        longs = float(values[values > 0].sum()) * float(policy.maintenance_long)
        is_short = shares < 0
        if not is_short.any():
            return longs
        prices, owed = marks[is_short], -shares[is_short]
        each = np.where(
            prices < float(policy.low_price),
            np.maximum(prices, float(policy.low_price_minimum)),
            np.maximum(prices * float(policy.maintenance_short), float(policy.short_minimum)),
        )
        return longs + float(owed @ each)

    def _positions(self, held: Integers, place: int) -> list[MarginPosition]:
        scale = self._exchange.scale
        return [
            MarginPosition(
                self._market.columns[index].symbol,
                scale.shares_decimal(held.item(index)),
                exact(self._chunk.marks.item(place - self._chunk.first, index)),
            )
            for index in np.flatnonzero(held).tolist()
        ]

    def _wanted(self, held: Integers, place: int) -> list[_Wanted]:
        """The orders that meet the call, with `held` share units by strategy and symbol."""
        account, scale = self._exchange.account, self._exchange.scale
        cash = scale.money_decimal(account.cash + account.accruals)
        equity = cash + sum(
            (one.quantity * one.price for one in self._positions(account.held, place)), ZERO
        )
        positions = self._positions(held.sum(axis=0), place)
        wanted: list[_Wanted] = []
        for position, shares in reductions(equity, positions, self._policy, self._decimals):
            symbol = self._market.symbols.index(position.symbol)
            sign = 1 if shares > 0 else -1
            units = int(abs(shares) * scale.share_unit)
            stakes = [max(-sign * one, 0) for one in held[:, symbol].tolist()]
            parts = in_proportion(units // scale.step, stakes, stakes)
            for strategy, part in enumerate(parts):
                rest = min(part * scale.step, stakes[strategy])
                for group in self._legs(strategy, symbol):
                    quantity = min(rest, group.open_quantity)
                    if quantity > 0:
                        wanted.append((strategy, symbol, sign, quantity, group))
                        rest -= quantity
                if rest > 0:
                    wanted.append((strategy, symbol, sign, rest, None))
        return wanted

    def _legs(self, strategy: int, symbol: int) -> list[OrderGroup]:
        """The groups of legs that work for a strategy's position, in their sequence."""
        found: list[OrderGroup] = []
        for order in self._exchange.orders_of(strategy, symbol):
            group = order.group
            if group is not None and group.entry is not None and group not in found:
                found.append(group)
        return found

    def _withdraw(self, strategy: int, symbol: int, place: int) -> None:
        """Take back a strategy's orders that would close what is sold now once more."""
        for order in self._exchange.orders_of(strategy, symbol):
            is_leg = order.group is not None and order.group.entry is not None
            if not is_leg and order.signal != NO_SIGNAL and not _closes_by_itself(order):
                self._exchange.cancel(order, place, "margin call")


def _closes_by_itself(order: WorkingOrder) -> bool:
    """True for a strategy's own order that reduces at the next price, whatever that is."""
    return (
        order.kind == MARKET
        and not order.opens
        and order.signal != NO_SIGNAL
        and not IS_TERMINAL[order.status]
    )
