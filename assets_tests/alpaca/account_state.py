"""What the account holds and owes, and what of it is free."""

from __future__ import annotations

import datetime as dt
import random
import threading
import uuid
from collections.abc import Callable
from decimal import Decimal

from assets_tests.alpaca import rules
from assets_tests.alpaca.activities import Activity
from assets_tests.alpaca.clock import BrokerClock, new_york
from assets_tests.alpaca.holdings import Holdings
from assets_tests.alpaca.market import Market
from assets_tests.alpaca.order_ask import INVALID
from assets_tests.alpaca.orders import BrokerOrder

TradeUpdateListener = Callable[[dict[str, object]], None]


class AccountState:
    """One account, its market and its clock. Amounts in USD, quantities in shares, all exact."""

    def __init__(
        self,
        cash: Decimal = Decimal(100_000),
        now: dt.datetime | None = None,
        multiplier: int = 1,
        number: str = "PA3STANDIN01",
        seed: int = 0,
    ) -> None:
        self.lock = threading.RLock()
        self.clock = BrokerClock(now or new_york("2024-06-03 10:00"))
        self.market = Market(self.clock)
        self.holdings = Holdings(cash)
        self.initial_cash = cash
        self.number = number
        self.multiplier = multiplier
        self.shorting_enabled = multiplier > 1
        self.trading_blocked = False
        # What a market purchase takes of buying power above the ask, a fraction of it.
        self.purchase_collar = Decimal(0)
        self.orders: dict[str, BrokerOrder] = {}
        self.by_client_id: dict[str, BrokerOrder] = {}
        self.activities: list[Activity] = []
        self.announcements: list[dict[str, object]] = []
        # (status, code) of the answer to a client order id that was used before.
        self.duplicate_id_answer = (422, INVALID)
        # False: nothing executes, orders rest until the test fills them.
        self.matches_by_itself = True
        # The most shares of one execution by symbol; what is left rests until `match`.
        self.largest_execution: dict[str, Decimal] = {}
        # True: a cancel only reaches pending_cancel, a replace pending_replace.
        self.cancels_wait = False
        self.replaces_wait = False
        self.update_listeners: list[TradeUpdateListener] = []
        self._rejections: dict[str, str] = {}
        self._random = random.Random(seed)
        self.id = self.new_id()
        self.created_at = self.clock.now
        previous = self.clock.last_close_before(self.clock.now)
        self.holdings.closing_equity[previous.day] = cash

    def new_id(self) -> str:
        """A UUID that depends only on the seed and on how many were made before."""
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def quantity(self, symbol: str) -> Decimal:
        """Signed shares held."""
        return self.holdings.quantity(symbol)

    def market_value(self, symbol: str) -> Decimal:
        """Signed value at the last price; at cost where there is none."""
        position = self.holdings.positions[symbol]
        price = self.market.price(symbol)
        return position.cost if price is None else position.quantity * price

    def equity(self) -> Decimal:
        """Cash and every position at its last price."""
        values = (self.market_value(symbol) for symbol in self.holdings.positions)
        return self.holdings.cash + sum(values, Decimal(0))

    def buying_power(self) -> Decimal:
        """Equity times the multiplier less every position's value and what open orders reserve."""
        positions = (abs(self.market_value(symbol)) for symbol in self.holdings.positions)
        reserved = (
            rules.reserve(self, order)
            for order in self.orders.values()
            if order.is_open and order.opening and order.parent is None
        )
        used = sum(positions, Decimal(0)) + sum(reserved, Decimal(0))
        return max(Decimal(0), self.equity() * self.multiplier - used)

    def open_orders(self, symbol: str) -> list[BrokerOrder]:
        """Open orders of a symbol, oldest first."""
        return [o for o in self.orders.values() if o.symbol == symbol and o.is_open]

    def held_for_orders(self, symbol: str, side: str) -> Decimal:
        """Shares that open closing orders hold; the legs of a bracket hold theirs once."""
        total = Decimal(0)
        for order in self.open_orders(symbol):
            holds = order.role != "stop_loss" and order.status != "held"
            if order.side == side and not order.opening and holds:
                if order.leaves is not None:
                    total += order.leaves
                elif order.notional is not None:
                    total += order.notional / (self.market.price(symbol) or Decimal(1))
        return total
