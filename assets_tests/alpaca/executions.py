"""What happens to orders at the exchange: routing, executions, opens and closes."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal, localcontext

from assets_tests.alpaca.account_state import AccountState
from assets_tests.alpaca.activities import fill_activity
from assets_tests.alpaca.clock import new_york, stamp
from assets_tests.alpaca.market import PricePoint
from assets_tests.alpaca.matching import execution_price
from assets_tests.alpaca.orders import BrokerOrder, text

NANO = Decimal("0.000000001")


class ExecutingAccount(AccountState):
    """The account's orders as the exchange treats them."""

    def set_price(self, symbol: str, price: str | Decimal, size: str = "100") -> None:
        """A trade at this price now; open orders that it reaches execute."""
        with self.lock:
            at = self.clock.tick()
            self.market.trades[symbol] = PricePoint(Decimal(price), at, Decimal(size))
            if self.matches_by_itself:
                self.match(symbol)

    def match(self, symbol: str | None = None) -> None:
        """Executes what can be at the present quotes, at most `largest_execution` per order."""
        with self.lock:
            for order in list(self.orders.values()):
                if order.is_open and symbol in (None, order.symbol):
                    self._match(order)

    def fill(
        self, order: BrokerOrder, quantity: str | Decimal | None = None, price: str | None = None
    ) -> str:
        """One execution of `quantity` (what is left) at `price` (the last); returns its id."""
        with self.lock:
            given = self.market.price(order.symbol) if price is None else Decimal(price)
            assert given is not None, f"{order.symbol} has no price: give one"
            return self._execute(order, None if quantity is None else Decimal(quantity), given)

    def reject(self, order: BrokerOrder) -> None:
        """The exchange rejects an order that the broker had accepted."""
        with self.lock:
            order.failed_at = self.clock.tick()
            self._move(order, "rejected", "rejected")
            self._cancel_related(order)

    def reject_next(self, symbol: str, reason: str = "rejected by the exchange") -> None:
        """The next order of the symbol is accepted, then rejected."""
        self._rejections[symbol] = reason

    def halt(self, symbol: str) -> None:
        """Trading in the symbol stops: orders are accepted and rest."""
        self.market.assets[symbol].halted = True

    def resume(self, symbol: str) -> None:
        """Trading goes on, and what can be executed is."""
        with self.lock:
            self.market.assets[symbol].halted = False
            if self.matches_by_itself:
                self.match(symbol)

    def advance_to(self, moment: dt.datetime | str) -> None:
        """Moves the clock (a time in New York where it is text); opens and closes on the way
        happen: queued orders go out at the open, day orders expire at the close. Average costs are
        restated in the morning."""
        until = new_york(moment) if isinstance(moment, str) else moment
        with self.lock:
            assert until >= self.clock.now, "the clock does not go back"
            while (turn := self.clock.next_turn(until)) is not None:
                self.clock.now = turn[0]
                self.holdings.restate(self.clock.restated_through)
                if turn[1] == "open":
                    self._open_session()
                else:
                    self._close_session()
            self.clock.now = max(until, self.clock.now)
            self.holdings.restate(self.clock.restated_through)

    def settle(self, order: BrokerOrder) -> None:
        """What happens after the answer: routed, then rejected or executed as far as it can be."""
        with self.lock:
            reason = self._rejections.pop(order.symbol, None)
            if reason is not None:
                self.reject(order)
            elif self.clock.is_open or (self.clock.is_extended and order.extended_hours):
                self._route(order)
                if self.matches_by_itself:
                    self._match(order)

    def confirm_cancel(self, order: BrokerOrder) -> None:
        """The exchange confirms: the order and its legs are canceled."""
        with self.lock:
            order.canceled_at = self.clock.tick()
            self._move(order, "canceled", "canceled")
            self._cancel_related(order)

    def _route(self, order: BrokerOrder) -> None:
        if order.status in ("pending_new", "accepted"):
            self._move(order, "new", "new")

    def _match(self, order: BrokerOrder) -> None:
        """Executes as much as the quote and `largest_execution` allow; IOC and FOK end here."""
        asset = self.market.assets[order.symbol]
        working = order.status in ("new", "partially_filled", "pending_cancel", "pending_replace")
        if order.status == "held" and order.parent is not None:
            # A stop stays held after its entry was filled, and works all the same.
            working = order.role == "stop_loss" and order.parent.status == "filled"
        trading = self.clock.is_open or (self.clock.is_extended and order.extended_hours)
        bid, ask = self.market.bid(order.symbol), self.market.ask(order.symbol)
        if not working or order.time_in_force == "cls":
            return
        if trading and not asset.halted and bid is not None and ask is not None:
            price = execution_price(order, bid, ask)
            most = self.largest_execution.get(order.symbol)
            leaves = order.leaves
            whole = most is None or (leaves is not None and leaves <= most)
            if price is not None and (whole or order.time_in_force != "fok"):
                limited = most if leaves is None or most is None else min(most, leaves)
                self._execute(order, limited, price)
        if order.time_in_force in ("ioc", "fok") and order.is_open:
            self.confirm_cancel(order)

    def _execute(self, order: BrokerOrder, quantity: Decimal | None, price: Decimal) -> str:
        assert order.is_open, f"order {order.client_order_id} is {order.status}"
        self._route(order)
        if order.quantity is None:
            assert order.notional is not None
            with localcontext(prec=50):
                order.quantity = (order.notional / price).quantize(NANO, rounding="ROUND_DOWN")
        leaves = order.quantity - order.filled
        shares = leaves if quantity is None else quantity
        assert 0 < shares <= leaves, f"{shares} of {leaves} that are left"
        at, execution_id = self.clock.tick(), self.new_id()
        order.filled += shares
        order.value += shares * price
        order.filled_at = at
        signed = shares if order.is_buy else -shares
        self.holdings.book_fill(order.symbol, signed, price, self.clock.today)
        done = order.filled == order.quantity
        if done:
            order.status = "filled"
        elif order.status not in ("pending_cancel", "pending_replace"):
            order.status = "partially_filled"
        order.updated_at = at
        self.activities.append(fill_activity(order, execution_id, shares, price, at))
        self._publish(
            "fill" if done else "partial_fill",
            order,
            at=at,
            execution_id=execution_id,
            price=text(price),
            qty=text(shares),
            position_qty=text(self.quantity(order.symbol)),
        )
        if done:
            self._after_fill(order)
        return execution_id

    def _after_fill(self, order: BrokerOrder) -> None:
        for leg in order.legs:
            if leg.status == "held" and leg.role == "take_profit":
                self._move(leg, "new", "new")
        if order.parent is not None:
            for other in order.parent.legs:
                if other is not order and other.is_open:
                    self.confirm_cancel(other)
        for other in self.orders.values():
            # A replacement that comes too late is rejected.
            if other.replaces == order.id and other.status == "accepted":
                self.reject(other)
                break

    def _cancel_related(self, order: BrokerOrder) -> None:
        related = order.legs if order.parent is None else order.parent.legs
        for other in related:
            # Legs outlive an entry that was executed in part: they protect those shares.
            if other is not order and other.is_open:
                other.canceled_at = self.clock.tick()
                self._move(other, "canceled", "canceled")

    def _open_session(self) -> None:
        for order in list(self.orders.values()):
            if order.status == "accepted" and order.replaces is None:
                self._route(order)
        if self.matches_by_itself:
            self.match()
        for order in list(self.orders.values()):
            if order.is_open and order.time_in_force == "opg":
                self.confirm_cancel(order)

    def _close_session(self) -> None:
        day = self.clock.today
        for order in list(self.orders.values()):
            if order.is_open and order.time_in_force == "cls" and self.matches_by_itself:
                price = self.market.price(order.symbol)
                if price is not None and not self.market.assets[order.symbol].halted:
                    self._execute(order, None, price)
        for order in list(self.orders.values()):
            if order.is_open and order.time_in_force in ("day", "cls"):
                order.expired_at = self.clock.tick()
                self._move(order, "expired", "expired")
        for symbol in self.market.trades:
            self.market.closes[symbol] = self.market.trades[symbol].price
        self.holdings.closing_equity[day] = self.equity()

    def _move(self, order: BrokerOrder, status: str, event: str) -> None:
        order.status = status
        order.updated_at = self.clock.tick()
        self._publish(event, order)

    def _publish(
        self, event: str, order: BrokerOrder, at: dt.datetime | None = None, **fields: object
    ) -> None:
        when = stamp(at or self.clock.now)
        update = {"event": event, "timestamp": when, "order": order.answer(), **fields}
        for listener in self.update_listeners:
            listener(update)
