"""The account: its orders and everything that can happen to them.

The public methods are what a test drives the broker with; the server calls the same ones. Every
method takes the account's lock, so that a test may drive it while requests are under way.
"""

from __future__ import annotations

import datetime as dt
import random
import threading
import uuid
from collections.abc import Callable, Mapping
from decimal import Decimal, localcontext
from typing import Any

from assets_tests.alpaca import rules
from assets_tests.alpaca.activities import Activity, cash_activity, fill_activity
from assets_tests.alpaca.clock import BrokerClock, new_york, stamp
from assets_tests.alpaca.holdings import Holdings
from assets_tests.alpaca.market import ListedAsset, Market, PricePoint
from assets_tests.alpaca.matching import execution_price
from assets_tests.alpaca.orders import REPLACEABLE, BrokerOrder, text
from assets_tests.alpaca.rules import INVALID, UNPROCESSABLE, OrderAsk, RefusalError

NANO = Decimal("0.000000001")
TradeUpdateListener = Callable[[dict[str, object]], None]


class BrokerAccount:
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
        if previous is not None:
            self.holdings.closing_equity[previous.day] = cash

    # What is held

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

    # Orders

    def submit(self, body: Mapping[str, object], foreign: bool = False) -> BrokerOrder:
        """Accepts an order or raises RefusalError; nothing executes before `settle` is called."""
        with self.lock:
            ask = rules.read_order(body)
            if ask.client_order_id is not None and ask.client_order_id in self.by_client_id:
                status, code = self.duplicate_id_answer
                raise RefusalError(status, code, "client_order_id must be unique")
            asset = rules.check_form(ask, self.market.find(ask.symbol))
            opening = rules.check_against_account(ask, asset, self)
            order = self._new_order(ask, asset, opening, foreign)
            self._publish(order.status, order)
            return order

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

    def place_by_hand(self, symbol: str, side: str, quantity: str, **fields: str) -> BrokerOrder:
        """An order that somebody placed in the same account: a market order unless told."""
        body: dict[str, object] = {"symbol": symbol, "side": side, "qty": quantity}
        body |= {"type": "market", "time_in_force": "day"} | fields
        with self.lock:
            order = self.submit(body, foreign=True)
            self.settle(order)
            return order

    def cancel(self, order: BrokerOrder) -> None:
        """Asks for a cancel; RefusalError when the order is done."""
        with self.lock:
            if not order.is_open:
                message = f'order is already in "{order.status}" state'
                raise RefusalError(422, UNPROCESSABLE, message)
            if self.cancels_wait:
                self._move(order, "pending_cancel", "pending_cancel")
            else:
                self.confirm_cancel(order)

    def confirm_cancel(self, order: BrokerOrder) -> None:
        """The exchange confirms: the order and its legs are canceled."""
        with self.lock:
            order.canceled_at = self.clock.tick()
            self._move(order, "canceled", "canceled")
            self._cancel_related(order)

    def replace(self, order: BrokerOrder, change: Mapping[str, object]) -> BrokerOrder:
        """Replaces quantity, prices or duration; returns the order that takes its place.

        With `replaces_wait` both wait: the test then confirms or refuses.
        """
        with self.lock:
            ask = self._changed(order, change)
            successor = self._new_order(ask, self.market.assets[order.symbol], order.opening, False)
            successor.replaces, successor.foreign = order.id, order.foreign
            # The shares that were executed before are part of the new quantity.
            successor.filled, successor.value = order.filled, order.value
            successor.parent, successor.role, successor.legs = order.parent, order.role, order.legs
            if self.replaces_wait:
                self._move(order, "pending_replace", "pending_replace")
                self._move(successor, "accepted", "accepted")
            else:
                self.confirm_replace(successor)
            return successor

    def confirm_replace(self, successor: BrokerOrder) -> None:
        """The exchange took the replacement."""
        with self.lock:
            order = self.orders[str(successor.replaces)]
            order.replaced_by, order.replaced_at = successor.id, self.clock.tick()
            self._move(order, "replaced", "replaced")
            status = "partially_filled" if successor.filled else "new"
            self._move(successor, status, "new")
            if self.matches_by_itself and self.clock.is_open:
                self._match(successor)

    def refuse_replace(self, successor: BrokerOrder) -> None:
        """The exchange did not take it: the first order lives on (or has been filled)."""
        with self.lock:
            order = self.orders[str(successor.replaces)]
            self.reject(successor)
            if order.status == "pending_replace":
                self._move(order, "partially_filled" if order.filled else "new", "new")

    # What the test makes happen

    def list_asset(self, symbol: str, price: str | Decimal | None = None, **traits: Any) -> None:
        """Lists an asset (traits of `ListedAsset`) and lets it trade at a price."""
        with self.lock:
            self.market.assets[symbol] = ListedAsset(symbol, **traits)
            if price is not None:
                self.set_price(symbol, price)
                self.market.closes[symbol] = Decimal(price)

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

    def book_cash(
        self, kind: str, amount: str, day: dt.date | None = None, **details: str | None
    ) -> Activity:
        """Cash to (or from) the account as an activity: DIV, DIVNRA, FEE, CSD, CSW, JNLC, INT."""
        with self.lock:
            at = self.clock.tick()
            activity = cash_activity(
                kind, day or self.clock.today, Decimal(amount), self.new_id(), at, details
            )
            self.holdings.cash += Decimal(amount)
            self.activities.append(activity)
            return activity

    def pay_dividend(self, symbol: str, per_share: str, day: dt.date | None = None) -> Activity:
        """A dividend on what is held now, to the cent; a short pays it."""
        quantity = self.quantity(symbol)
        amount = (quantity * Decimal(per_share)).quantize(Decimal("0.01"))
        return self.book_cash(
            "DIV",
            text(amount),
            day,
            symbol=symbol,
            qty=text(quantity),
            per_share_amount=per_share,
        )

    def split(self, symbol: str, new_per_old: str, day: dt.date | None = None) -> None:
        """Shares times the factor; shows as a SPLIT activity with the shares that came in."""
        with self.lock:
            before = self.quantity(symbol)
            self.holdings.split(symbol, Decimal(new_per_old))
            added = text(self.quantity(symbol) - before)
            self.book_cash("SPLIT", "0", day, symbol=symbol, qty=added)

    def announce(self, kind: str, symbol: str, ex_date: dt.date, **fields: str) -> None:
        """A corporate action announcement; kind dividend, split, spinoff or merger."""
        announcement: dict[str, object] = {
            "id": self.new_id(),
            "corporate_action_id": self.new_id(),
            "ca_type": kind,
            "ca_sub_type": {"dividend": "cash", "split": "stock_split"}.get(kind, kind),
            "initiating_symbol": symbol,
            "initiating_original_cusip": "037833100",
            "target_symbol": symbol,
            "target_original_cusip": "037833100",
            "declaration_date": ex_date.isoformat(),
            "ex_date": ex_date.isoformat(),
            "record_date": ex_date.isoformat(),
            "payable_date": ex_date.isoformat(),
            "cash": "0",
            "old_rate": "1",
            "new_rate": "1",
        }
        self.announcements.append(announcement | fields)

    def advance_to(self, moment: dt.datetime | str) -> None:
        """Moves the clock (a time in New York where it is text); opens and closes on the way
        happen: queued orders go out at the open, day orders expire at the close."""
        until = new_york(moment) if isinstance(moment, str) else moment
        with self.lock:
            assert until >= self.clock.now, "the clock does not go back"
            while (turn := self.clock.next_turn(until)) is not None:
                self.clock.now = turn[0]
                if turn[1] == "open":
                    self._open_session()
                else:
                    self._close_session()
            self.clock.now = max(until, self.clock.now)

    # How it happens

    def _new_order(
        self, ask: OrderAsk, asset: ListedAsset, opening: bool, foreign: bool
    ) -> BrokerOrder:
        order_id = self.new_id()
        order = BrokerOrder(
            id=order_id,
            client_order_id=ask.client_order_id or self.new_id(),
            asset_id=asset.id,
            symbol=asset.symbol,
            side=ask.side,
            type=ask.type,
            time_in_force=ask.time_in_force,
            order_class=ask.order_class,
            quantity=ask.quantity,
            notional=ask.notional,
            limit_price=ask.limit_price,
            stop_price=ask.stop_price,
            extended_hours=ask.extended_hours,
            created_at=self.clock.tick(),
            opening=opening,
            status="pending_new" if self.clock.is_open else "accepted",
            foreign=foreign,
            client_id_given=ask.client_order_id is not None,
        )
        self.orders[order.id] = order
        self.by_client_id[order.client_order_id] = order
        if ask.order_class == "bracket":
            self._add_legs(order, ask)
        return order

    def _add_legs(self, parent: BrokerOrder, ask: OrderAsk) -> None:
        stop_type = "stop" if ask.stop_loss_limit is None else "stop_limit"
        for role, kind, limit, stop in (
            ("take_profit", "limit", ask.take_profit, None),
            ("stop_loss", stop_type, ask.stop_loss_limit, ask.stop_loss),
        ):
            leg = BrokerOrder(
                id=self.new_id(),
                client_order_id=self.new_id(),
                asset_id=parent.asset_id,
                symbol=parent.symbol,
                side="sell" if parent.is_buy else "buy",
                type=kind,
                time_in_force=parent.time_in_force,
                order_class="bracket",
                quantity=parent.quantity,
                notional=None,
                limit_price=limit,
                stop_price=stop,
                extended_hours=False,
                created_at=self.clock.tick(),
                opening=False,
                status="held",
                foreign=parent.foreign,
                parent=parent,
                role=role,
            )
            parent.legs.append(leg)
            self.orders[leg.id] = leg
            self.by_client_id[leg.client_order_id] = leg

    def _changed(self, order: BrokerOrder, change: Mapping[str, object]) -> OrderAsk:
        if order.status not in REPLACEABLE:
            message = f'unable to replace order in "{order.status}" state'
            raise RefusalError(422, UNPROCESSABLE, message)
        if order.quantity is None:
            raise RefusalError(422, UNPROCESSABLE, "notional orders cannot be replaced")
        body = {
            "symbol": order.symbol,
            "side": order.side,
            "type": order.type,
            "time_in_force": change.get("time_in_force", order.time_in_force),
            "qty": change.get("qty", order.quantity),
            "limit_price": change.get("limit_price", order.limit_price),
            "stop_price": change.get("stop_price", order.stop_price),
            "client_order_id": change.get("client_order_id"),
            "extended_hours": order.extended_hours,
        }
        ask = rules.read_order(body)
        assert ask.quantity is not None
        if ask.client_order_id is not None and ask.client_order_id in self.by_client_id:
            status, code = self.duplicate_id_answer
            raise RefusalError(status, code, "client_order_id must be unique")
        fractional = order.quantity != order.quantity.to_integral_value() or ask.is_fractional
        if fractional and ask.quantity != order.quantity:
            raise RefusalError(422, UNPROCESSABLE, "qty of fractional orders cannot be changed")
        if ask.quantity <= order.filled:
            raise RefusalError(422, UNPROCESSABLE, "qty must be greater than filled qty")
        rules.check_form(ask, self.market.assets[order.symbol])
        self._check_change_affordable(order, ask)
        return ask

    def _check_change_affordable(self, order: BrokerOrder, ask: OrderAsk) -> None:
        """Buying power is reduced by the larger of the two orders, shares likewise."""
        assert ask.quantity is not None
        assert order.quantity is not None
        if order.opening:
            added = rules.reserve(self, ask) - rules.reserve(self, order)
            rules.check_buying_power(self, max(Decimal(0), added), added)
        elif ask.quantity > order.quantity:
            more = ask.quantity - order.quantity
            rules.check_available(self, order.symbol, order.side, more)

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
        self.holdings.book_fill(order.symbol, shares if order.is_buy else -shares, price)
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
