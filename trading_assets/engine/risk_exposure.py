"""What an account would hold if every working order were done: what limits on an order look at.

A rebalance of a thousand names asks a thousand times at one place of the timeline. Adding all
positions and orders up for each would cost their product. So the totals are made once at a place,
and an order that was asked about and then sent is added to them. Whether nothing else has happened
in between is seen from two counters: of the account's bookings and of the orders that came or went.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import numpy as np

from trading_assets.engine.bars import Market
from trading_assets.engine.chunks import Chunk
from trading_assets.engine.matching import Exchange
from trading_assets.engine.orders import IS_TERMINAL, NEW, STATUSES, WorkingOrder
from trading_assets.model.money import ZERO
from trading_assets.model.order import OrderStatus
from trading_assets.risk.limits import AccountExposure, OrderExposure
from trading_assets.risk.margin import buying_power, margin_requirement
from trading_assets.risk.policies import MarginPolicy, RiskLimits
from trading_assets.risk.sizing import exact

_FILLED = STATUSES.index(OrderStatus.FILLED)


class WorkingExposure:
    """Totals of one backtest's account, money as Decimals at the closes of a place.

    Legs of brackets do not count: they close what their entry opens. `equity` gives the account's
    value at a place.
    """

    def __init__(
        self,
        limits: RiskLimits,
        margin: MarginPolicy | None,
        market: Market,
        chunk: Chunk,
        exchange: Exchange,
        equity: Callable[[int], float],
    ) -> None:
        self._margin = margin if limits.check_capital else None
        self._sector_of = [
            limits.sectors.get(symbol) if limits.max_sector_weight is not None else None
            for symbol in market.symbols
        ]
        self._symbols = market.symbols
        self._chunk = chunk
        self._exchange = exchange
        self._equity = equity
        self._place = self._version = self._changes = -1
        self._sent: WorkingOrder | None = None
        self._units: dict[int, int] = {}
        self._gross = self._net = self._initial = ZERO
        self._sectors: dict[str, Decimal] = {}

    def seen_by(
        self, order: WorkingOrder, price: float, peak_equity: float
    ) -> tuple[OrderExposure, AccountExposure]:
        """An order that is to be sent, and the account without it."""
        exchange, place = self._exchange, order.placed
        self._catch_up(place)
        scale = exchange.scale
        equity = exact(self._equity(place))
        fee = exchange.commission.estimate_one(order.quantity / scale.share_unit, price)
        return (
            OrderExposure(
                symbol=self._symbols[order.symbol],
                change=scale.shares_decimal(order.sign * order.quantity),
                held=scale.shares_decimal(self._units.get(order.symbol, 0)),
                price=exact(price),
                fees=exact(fee),
            ),
            AccountExposure(
                equity=equity,
                peak_equity=exact(peak_equity) if peak_equity > 0 else equity,
                capital=self._capital(equity),
                gross=self._gross,
                net=self._net,
                sector_gross=self._sectors,
            ),
        )

    def expect(self, order: WorkingOrder) -> None:
        """`order` is sent next: it counts from then on, if it is taken."""
        if order.placed == self._place:
            self._catch_up(order.placed)
            self._sent = order

    def _catch_up(self, place: int) -> None:
        """Bring the totals to now: by the order sent last where nothing else has happened, anew
        otherwise."""
        account, exchange = self._exchange.account, self._exchange
        version, changes, sent = account.version, exchange.changes, self._sent
        self._sent = None
        booked, changed = version - self._version, changes - self._changes
        if place == self._place and not booked and not changed:
            return
        came = 1 if sent is None or sent.status != _FILLED else 2
        if (
            place == self._place
            and sent is not None
            and sent.status != NEW
            and (sent.status == _FILLED or not IS_TERMINAL[sent.status])
            and changed == came
            and booked == (1 if sent.filled else 0)
            and sent.legs is None
        ):
            self._move(sent.symbol, sent.sign * sent.quantity)
        else:
            self._place = place
            self._add_up()
        self._version, self._changes = version, changes

    def _add_up(self) -> None:
        """All positions and orders."""
        exchange = self._exchange
        held = exchange.account.held
        units = {symbol: held.item(symbol) for symbol in np.flatnonzero(held).tolist()}
        for order in exchange.working:
            is_leg = order.group is not None and order.group.entry is not None
            if not is_leg and not IS_TERMINAL[order.status]:
                units[order.symbol] = units.get(order.symbol, 0) + order.sign * order.remaining
        self._units = units
        self._gross = self._net = self._initial = ZERO
        self._sectors = {}
        for symbol, count in units.items():
            self._count(symbol, count, 1)

    def _move(self, symbol: int, change: int) -> None:
        before = self._units.get(symbol, 0)
        self._units[symbol] = after = before + change
        self._count(symbol, before, -1)
        self._count(symbol, after, 1)

    def _count(self, symbol: int, units: int, sign: int) -> None:
        """Add a position to the totals, or (`sign` -1) take it out."""
        if not units:
            return
        mark = self._chunk.marks.item(self._place - self._chunk.first, symbol)
        price = exact(mark) if mark == mark else ZERO
        shares = self._exchange.scale.shares_decimal(units)
        value = shares * price
        self._net += sign * value
        self._gross += sign * abs(value)
        sector = self._sector_of[symbol]
        if sector is not None:
            self._sectors[sector] = self._sectors.get(sector, ZERO) + sign * abs(value)
        if self._margin is not None:
            self._initial += sign * margin_requirement(shares, price, self._margin).initial

    def _capital(self, equity: Decimal) -> Decimal:
        """What a margin account may still spend; nobody asks in a cash account."""
        if self._margin is None:
            return ZERO
        short = (self._gross - self._net) / 2
        free_cash = max(equity - self._net - short, ZERO)
        return buying_power(equity, self._initial, free_cash, self._margin)
