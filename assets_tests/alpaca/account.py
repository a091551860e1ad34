"""The account: what a client asks of it and what else a test makes happen to it.

The public methods are what a test drives the broker with; the server calls the same ones. Every
method takes the account's lock, so that a test may drive it while requests are under way.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from assets_tests.alpaca import rules
from assets_tests.alpaca.activities import Activity, cash_activity
from assets_tests.alpaca.executions import ExecutingAccount
from assets_tests.alpaca.market import ListedAsset
from assets_tests.alpaca.order_ask import UNPROCESSABLE, OrderAsk, RefusalError, read_order
from assets_tests.alpaca.orders import REPLACEABLE, BrokerOrder, text


class BrokerAccount(ExecutingAccount):
    """One account of the broker; amounts in USD, quantities in shares."""

    def submit(self, body: Mapping[str, object], foreign: bool = False) -> BrokerOrder:
        """Accepts an order or raises RefusalError; nothing executes before `settle` is called."""
        with self.lock:
            ask = read_order(body)
            if ask.client_order_id is not None and ask.client_order_id in self.by_client_id:
                status, code = self.duplicate_id_answer
                raise RefusalError(status, code, "client_order_id must be unique")
            asset = rules.check_form(ask, self.market.find(ask.symbol))
            opening = rules.check_against_account(ask, asset, self)
            order = self._new_order(ask, asset, opening, foreign)
            self._publish(order.status, order)
            return order

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

    def list_asset(self, symbol: str, price: str | Decimal | None = None, **traits: Any) -> None:
        """Lists an asset (traits of `ListedAsset`) and lets it trade at a price."""
        with self.lock:
            self.market.assets[symbol] = ListedAsset(symbol, **traits)
            if price is not None:
                self.set_price(symbol, price)
                self.market.closes[symbol] = Decimal(price)

    def book_cash(
        self, kind: str, amount: str, day: dt.date | None = None, **details: str | None
    ) -> Activity:
        """Cash to (or from) the account as an activity: DIV, DIVNRA, FEE, CSD, CSW, JNLC, INT,
        CIL, MA."""
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

    def cancel_cash(self, activity: Activity) -> None:
        """Cash that was booked is taken back; its row stays, as canceled."""
        with self.lock:
            self.holdings.cash -= activity.amount
            row = activity.row | {"status": "canceled"}
            place = self.activities.index(activity)
            self.activities[place] = replace(activity, row=row, amount=Decimal(0))

    def correct_cash(self, activity: Activity, amount: str) -> None:
        """Another amount for cash that was booked; its row stays, with another status."""
        with self.lock:
            self.holdings.cash += Decimal(amount) - activity.amount
            row = activity.row | {"status": "correct", "net_amount": amount}
            place = self.activities.index(activity)
            self.activities[place] = replace(activity, row=row, amount=Decimal(amount))

    def take_fraction(self, symbol: str) -> Decimal:
        """Shares that are no whole share leave the account, for which it is paid later; the signed
        shares that left."""
        with self.lock:
            fraction = self.quantity(symbol) % 1
            if fraction:
                self.holdings.remove(symbol, fraction)
                self.book_cash("SPLIT", "0", symbol=symbol, qty=text(-fraction))
            return fraction

    def pay_in_lieu(self, symbol: str, amount: str) -> Activity:
        """Cash for a fraction that was taken before."""
        return self.book_cash("CIL", amount, symbol=symbol)

    def take_over(self, symbol: str, price: str) -> None:
        """Every share is taken out and paid for: an MA activity with both."""
        with self.lock:
            quantity = self.quantity(symbol)
            amount = (quantity * Decimal(price)).quantize(Decimal("0.01"))
            self.holdings.remove(symbol, quantity)
            self.book_cash("MA", text(amount), symbol=symbol, qty=text(-quantity))

    def announce(self, kind: str, symbol: str, ex_date: dt.date, **fields: str) -> None:
        """Announces a dividend (cash=), a split (new_rate=, old_rate=) or a spinoff."""
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
        ask = read_order(body)
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
