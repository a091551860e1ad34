"""Orders and executions as the gateway keeps them."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from decimal import Decimal

from assets_tests.ibkr.listings import AskedContract, Listing, asked_contract
from assets_tests.ibkr.wire import Cursor

ZERO = Decimal(0)
OPEN_STATUSES = ("PendingSubmit", "PreSubmitted", "Submitted", "PendingCancel")


@dataclass(frozen=True)
class OrderAsk:
    """A request to place an order, as it came in."""

    order_id: int
    contract: AskedContract
    action: str
    quantity: Decimal
    order_type: str
    limit_price: Decimal | None
    stop_price: Decimal | None
    time_in_force: str
    account: str
    order_ref: str
    transmit: bool


def order_ask(fields: list[str]) -> OrderAsk:
    """The request from message 3; what lies behind the order reference is not looked at."""
    cursor = Cursor(fields, 1)
    order_id, contract = cursor.whole(), asked_contract(cursor)
    cursor.skip(2)  # security id
    action, quantity = cursor.text(), cursor.decimal() or ZERO
    order_type, limit_price, stop_price = cursor.text(), cursor.decimal(), cursor.decimal()
    time_in_force = cursor.text()
    cursor.skip(1)  # OCA group
    account = cursor.text()
    cursor.skip(2)  # open or close, origin
    return OrderAsk(
        order_id=order_id,
        contract=contract,
        action=action,
        quantity=quantity,
        order_type=order_type,
        limit_price=limit_price,
        stop_price=stop_price,
        time_in_force=time_in_force,
        account=account,
        order_ref=cursor.text(),
        transmit=cursor.flag(),
    )


@dataclass
class GatewayOrder:
    """An order that the gateway took; prices are in the unit of the quotes."""

    order_id: int
    client_id: int
    perm_id: int
    account: str
    listing: Listing
    exchange: str
    action: str
    quantity: Decimal
    order_type: str
    limit_price: Decimal | None
    stop_price: Decimal | None
    time_in_force: str
    order_ref: str
    changed_at: dt.datetime
    status: str = "PreSubmitted"
    completed_status: str = ""
    executions: list[GatewayExecution] = field(default_factory=list)

    @property
    def is_open(self) -> bool:
        """Whether it can still trade."""
        return self.status in OPEN_STATUSES

    @property
    def filled(self) -> Decimal:
        """Shares executed so far."""
        return sum((each.quantity for each in self.executions), ZERO)

    @property
    def remaining(self) -> Decimal:
        """Shares that did not trade."""
        return self.quantity - self.filled

    @property
    def average_price(self) -> Decimal:
        """Average price of what executed, 0 while nothing has."""
        paid = sum((each.quantity * each.price for each in self.executions), ZERO)
        return round(paid / self.filled, 8) if self.filled else ZERO

    @property
    def last_price(self) -> Decimal:
        """Price of the last execution, 0 while there is none."""
        return self.executions[-1].price if self.executions else ZERO

    @property
    def sign(self) -> int:
        """+1 for a buy, -1 for a sell."""
        return 1 if self.action == "BUY" else -1


@dataclass(frozen=True)
class GatewayExecution:
    """One execution: its own shares, and how many of the order had traded with it."""

    order: GatewayOrder
    execution_id: str
    quantity: Decimal
    price: Decimal
    commission: Decimal
    executed_at: dt.datetime
    cumulative: Decimal
    average_price: Decimal
