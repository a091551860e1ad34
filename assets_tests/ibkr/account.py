"""The account behind the gateway: its clock, cash, positions, orders and executions.

What the test drives: `market.add`, `fill`, `match`, `reject_next`, `place_by_hand`,
`cancel_by_broker`, `pay`, `next_day`; the switches `fills_by_itself`, `largest_execution[symbol]`,
`commission`, `commission_waits`, `is_open`, `preset_time_in_force`. What is true: `cash`,
`positions`, `orders`, `executions`.
"""

from __future__ import annotations

import datetime as dt
import itertools
import threading
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from zoneinfo import ZoneInfo

from assets_tests.ibkr import messages
from assets_tests.ibkr.listings import AskedContract, Listing, Market
from assets_tests.ibkr.messages import Message
from assets_tests.ibkr.orders import ZERO, GatewayExecution, GatewayOrder, OrderAsk

LONDON = ZoneInfo("Europe/London")
Listener = Callable[[int, list[Message]], None]


@dataclass
class Holding:
    """Signed shares and their average cost per share, money of the contract's currency."""

    quantity: Decimal = ZERO
    average_cost: Decimal = ZERO


@dataclass(frozen=True)
class CashTransaction:
    """Cash that moved without a trade, as a statement tells it."""

    transaction_id: str
    kind: str
    amount: Decimal
    currency: str
    listing: Listing | None
    moved_at: dt.datetime


class GatewayAccount:
    """One account; every method that changes it is to be called with `lock` held or from a test."""

    def __init__(
        self,
        number: str = "DU1234567",
        cash: dict[str, str] | None = None,
        now: str = "2024-06-03 10:00",
        base_currency: str = "USD",
    ) -> None:
        self.number = number
        self.base_currency = base_currency
        self.cash = {name: Decimal(amount) for name, amount in (cash or {"USD": "100000"}).items()}
        self.paid_in = dict(self.cash)
        self.fx_rates: dict[str, Decimal] = {"USD": Decimal(1), "GBP": Decimal("1.25")}
        self.now = dt.datetime.fromisoformat(now).replace(tzinfo=LONDON).astimezone(dt.UTC)
        self.market = Market()
        self.positions: dict[int, Holding] = {}
        self.orders: list[GatewayOrder] = []
        self.executions: list[GatewayExecution] = []
        self.cash_transactions: list[CashTransaction] = []
        self.lock = threading.RLock()
        self.listeners: list[Listener] = []
        self.is_open = True
        self.fills_by_itself = True
        self.largest_execution: dict[str, Decimal] = {}
        self.commission = Decimal("1.70")
        self.commission_waits = False
        self.preset_time_in_force = False
        self._rejections: dict[str, str] = {}
        self._perm_ids = itertools.count(730_211_001)
        self._execution_ids = itertools.count(1)

    # What a client asks for

    def place(self, client_id: int, ask: OrderAsk) -> list[Message]:
        """Take an order, or say why not; the answer to the client that asked."""
        with self.lock:
            refusal = self._refusal(client_id, ask)
            if refusal is not None:
                return [messages.error(ask.order_id, *refusal)]
            order = self._taken(client_id, ask, self._listing(ask.contract))
            answer = [messages.open_order(order), messages.order_status(order)]
            if self.preset_time_in_force:
                words = "Order TIF was set to DAY based on order preset."
                answer.append(messages.error(ask.order_id, 10349, words))
            if self.is_open:
                order.status = "Submitted"
                answer += [messages.open_order(order), messages.order_status(order)]
            return answer

    def cancel(self, client_id: int, order_id: int) -> list[Message]:
        """Cancel what is left of an order, as its client asks."""
        with self.lock:
            for order in self.orders:
                if (order.client_id, order.order_id) == (client_id, order_id) and order.is_open:
                    self._end(order, "Cancelled", "Cancelled by Trader")
                    words = "Order Canceled - reason:"
                    return [
                        messages.order_status(order),
                        messages.error(order_id, 202, words),
                    ]
            return [messages.error(order_id, 10147, f"OrderId {order_id} is not found.")]

    # What the test does to it

    def match(self) -> None:
        """Let every open order trade that can."""
        with self.lock:
            for order in list(self.orders):
                while self.is_open and order.is_open and self._is_marketable(order):
                    self.fill(order, self._execution_size(order))

    def fill(self, order: GatewayOrder, quantity: Decimal, price: str | None = None) -> None:
        """Execute part of an order, at the last price unless told, and tell its client."""
        with self.lock:
            listing = order.listing
            paid = self.market.last[listing.con_id] if price is None else Decimal(price)
            assert 0 < quantity <= order.remaining, f"{quantity} of {order.remaining}"
            self.now += dt.timedelta(seconds=1)
            before = sum((each.quantity * each.price for each in order.executions), ZERO)
            cumulative = order.filled + quantity
            execution = GatewayExecution(
                order=order,
                execution_id=f"00025b49.665d8a1f.{next(self._execution_ids):02d}.01",
                quantity=quantity,
                price=paid,
                commission=self.commission,
                executed_at=self.now,
                cumulative=cumulative,
                average_price=round((before + quantity * paid) / cumulative, 8),
            )
            order.executions.append(execution)
            self.executions.append(execution)
            self._book(execution)
            if order.remaining == 0:
                self._end(order, "Filled", f"Filled Size: {order.filled}")
            told = [messages.execution_details(-1, execution)]
            if not self.commission_waits:
                told.append(messages.commission_report(execution))
            told += [messages.open_order(order), messages.order_status(order)]
            self._tell(order.client_id, told)

    def report_commissions(self) -> None:
        """Send the commissions that waited."""
        with self.lock:
            self.commission_waits = False
            for execution in self.executions:
                report = messages.commission_report(execution)
                self._tell(execution.order.client_id, [report])

    def place_by_hand(
        self, symbol: str, action: str, quantity: str, order_ref: str = ""
    ) -> GatewayOrder:
        """An order from the broker's own screen; it fills as the others do."""
        with self.lock:
            listing = self.market.by_symbol(symbol)
            contract = AskedContract(listing.con_id, symbol, "SMART", "", listing.currency)
            ask = OrderAsk(
                order_id=0,
                contract=contract,
                action=action,
                quantity=Decimal(quantity),
                order_type="MKT",
                limit_price=None,
                stop_price=None,
                time_in_force="DAY",
                account=self.number,
                order_ref=order_ref,
                transmit=True,
            )
            order = self._taken(0, ask, listing)
            order.status = "Submitted" if self.is_open else "PreSubmitted"
            if self.fills_by_itself:
                self.match()
            return order

    def cancel_by_broker(self, order: GatewayOrder, words: str = "Cancelled by System") -> None:
        """End an order without anybody asking."""
        with self.lock:
            self._end(order, "Cancelled", words)
            reason = messages.error(order.order_id, 202, f"Order Canceled - reason:{words}")
            self._tell(order.client_id, [messages.order_status(order), reason])

    def reject_next(self, symbol: str, reason: str) -> None:
        """The next order of a symbol is refused with error 201."""
        self._rejections[symbol] = reason

    def pay(self, kind: str, amount: str, currency: str = "USD", symbol: str = "") -> None:
        """Cash moves without a trade: `kind` is the word of the broker's statements."""
        with self.lock:
            self.now += dt.timedelta(seconds=1)
            self.cash[currency] = self.cash.get(currency, ZERO) + Decimal(amount)
            self.paid_in[currency] = self.paid_in.get(currency, ZERO) + Decimal(amount)
            self.cash_transactions.append(
                CashTransaction(
                    transaction_id=str(26_310_000_001 + len(self.cash_transactions)),
                    kind=kind,
                    amount=Decimal(amount),
                    currency=currency,
                    listing=self.market.by_symbol(symbol) if symbol else None,
                    moved_at=self.now,
                )
            )

    def next_day(self) -> None:
        """The next weekday at ten: orders for the day are over, and only today's executions and
        completed orders are told from here on."""
        with self.lock:
            for order in self.orders:
                if order.is_open and order.time_in_force == "DAY":
                    self._end(order, "Cancelled", "Cancelled by System")
            local = self.now.astimezone(LONDON)
            day = local.date() + dt.timedelta(days=3 if local.weekday() == 4 else 1)
            self.now = dt.datetime.combine(day, dt.time(10), tzinfo=LONDON).astimezone(dt.UTC)

    # What it says

    @property
    def open_orders(self) -> list[GatewayOrder]:
        """Orders that can still trade, whoever placed them."""
        return [order for order in self.orders if order.is_open]

    @property
    def completed_today(self) -> list[GatewayOrder]:
        """Orders that ended today."""
        return [
            order for order in self.orders if not order.is_open and self._is_today(order.changed_at)
        ]

    @property
    def executions_today(self) -> list[GatewayExecution]:
        """Executions since midnight in the gateway's zone."""
        return [each for each in self.executions if self._is_today(each.executed_at)]

    def quantity(self, symbol: str) -> Decimal:
        """Signed shares held of a symbol."""
        holding = self.positions.get(self.market.by_symbol(symbol).con_id)
        return ZERO if holding is None else holding.quantity

    def with_ref(self, order_ref: str) -> list[GatewayOrder]:
        """Every order that was taken under a reference."""
        return [order for order in self.orders if order.order_ref == order_ref]

    def values(self) -> list[tuple[str, str, str]]:
        """(tag, value, currency) of the account, with its cash by currency."""
        total_cash = sum((amount * self.fx_rates[name] for name, amount in self.cash.items()), ZERO)
        held = sum(
            (
                holding.quantity * self._market_price(con_id) * self._rate(con_id)
                for con_id, holding in self.positions.items()
            ),
            ZERO,
        )
        base = self.base_currency
        rows = [
            ("AccountType", "INDIVIDUAL", ""),
            ("NetLiquidation", f"{total_cash + held:.2f}", base),
            ("TotalCashValue", f"{total_cash:.2f}", base),
            ("BuyingPower", f"{total_cash:.2f}", base),
        ]
        for name, amount in sorted(self.cash.items()):
            rows += [
                ("CashBalance", f"{amount:.4f}", name),
                ("ExchangeRate", f"{self.fx_rates[name]:.2f}", name),
            ]
        return [*rows, ("CashBalance", f"{total_cash:.4f}", "BASE")]

    def position_messages(self) -> list[Message]:
        """One message for each position."""
        return [
            messages.position(
                self.number, self.market.listings[con_id], holding.quantity, holding.average_cost
            )
            for con_id, holding in self.positions.items()
        ]

    def portfolio_messages(self) -> list[Message]:
        """One message for each position with its value."""
        return [
            messages.portfolio_item(
                self.number,
                self.market.listings[con_id],
                holding.quantity,
                holding.average_cost,
                self._market_price(con_id),
            )
            for con_id, holding in self.positions.items()
        ]

    # Within

    def _refusal(self, client_id: int, ask: OrderAsk) -> tuple[int, str] | None:
        """Code and words with which an order is refused, None where it is taken."""
        used = {(order.client_id, order.order_id) for order in self.open_orders}
        if (client_id, ask.order_id) in used:
            return 103, "Duplicate order id"
        if len(list(self.market.matching(ask.contract))) != 1:
            return 200, "No security definition has been found for the request"
        if ask.account not in ("", self.number):
            return 435, "You must specify an account."
        if ask.quantity != ask.quantity.to_integral_value():
            return 10243, "Fractional-sized order cannot be placed via API."
        listing = self._listing(ask.contract)
        tick = Decimal(listing.min_tick)
        for price in (ask.limit_price, ask.stop_price):
            if price is not None and price % tick:
                return 110, "The price does not conform to the minimum price variation."
        if listing.symbol in self._rejections:
            return 201, f"Order rejected - reason:{self._rejections.pop(listing.symbol)}"
        cost = ask.quantity * listing.money(self.market.last[listing.con_id])
        if ask.action == "BUY" and cost > self.cash.get(listing.currency, ZERO):
            return 201, "Order rejected - reason:Available funds are in sufficient."
        return None

    def _taken(self, client_id: int, ask: OrderAsk, listing: Listing) -> GatewayOrder:
        order = GatewayOrder(
            order_id=ask.order_id,
            client_id=client_id,
            perm_id=next(self._perm_ids),
            account=self.number,
            listing=listing,
            exchange=ask.contract.exchange or "SMART",
            action=ask.action,
            quantity=ask.quantity,
            order_type=ask.order_type,
            limit_price=ask.limit_price,
            stop_price=ask.stop_price,
            time_in_force=ask.time_in_force or "DAY",
            order_ref=ask.order_ref,
            changed_at=self.now,
        )
        self.orders.append(order)
        return order

    def _listing(self, contract: AskedContract) -> Listing:
        (listing,) = self.market.matching(contract)
        return listing

    def _is_marketable(self, order: GatewayOrder) -> bool:
        last, limit, stop = (
            self.market.last[order.listing.con_id],
            order.limit_price,
            order.stop_price,
        )
        if stop is not None and order.sign * (last - stop) < 0:
            return False
        return limit is None or order.sign * (limit - last) >= 0

    def _execution_size(self, order: GatewayOrder) -> Decimal:
        return min(
            order.remaining, self.largest_execution.get(order.listing.symbol, order.remaining)
        )

    def _book(self, execution: GatewayExecution) -> None:
        order = execution.order
        listing, signed = order.listing, order.sign * execution.quantity
        price = listing.money(execution.price)
        holding = self.positions.setdefault(listing.con_id, Holding())
        if holding.quantity * signed >= 0:
            # The broker's average cost includes commissions.
            total = holding.quantity * holding.average_cost + signed * price + execution.commission
            holding.average_cost = round(total / (holding.quantity + signed), 8)
        holding.quantity += signed
        if holding.quantity == 0:
            del self.positions[listing.con_id]
        cash = self.cash.get(listing.currency, ZERO)
        self.cash[listing.currency] = cash - signed * price - execution.commission

    def _end(self, order: GatewayOrder, status: str, words: str) -> None:
        order.status, order.completed_status, order.changed_at = status, words, self.now

    def _is_today(self, moment: dt.datetime) -> bool:
        return moment.astimezone(LONDON).date() == self.now.astimezone(LONDON).date()

    def _market_price(self, con_id: int) -> Decimal:
        return self.market.listings[con_id].money(self.market.last[con_id])

    def _rate(self, con_id: int) -> Decimal:
        return self.fx_rates[self.market.listings[con_id].currency]

    def _tell(self, client_id: int, told: list[Message]) -> None:
        for listener in self.listeners:
            listener(client_id, told)
