"""What a broker says: every answer is data, possibly empty, or *unknown*, which is never empty."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Generic, NoReturn, TypeVar

import msgspec

from trading_assets.errors import BrokerUnknownError
from trading_assets.model.order import OrderRequest, OrderStatus, Side

T = TypeVar("T")


class Known(msgspec.Struct, Generic[T], frozen=True):
    """An answer that was had; an empty collection inside it means that there is nothing."""

    value: T

    def require(self) -> T:
        """The answer."""
        return self.value


class Unknown(msgspec.Struct, frozen=True):
    """An answer that could not be had, and why."""

    reason: str

    def require(self) -> NoReturn:
        """Raise BrokerUnknownError: what is not known must stop whoever needs it."""
        raise BrokerUnknownError(self.reason)


Answer = Known[T] | Unknown


class AccountStatement(msgspec.Struct, frozen=True, kw_only=True):
    """Account figures as the broker states them, in `currency`; `cash` may be negative."""

    account_number: str
    currency: str
    cash: Decimal
    as_of: dt.datetime


class BrokerOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An order as the broker holds it. `filled_quantity` is cumulative, in positive shares."""

    request: OrderRequest
    broker_order_id: str
    status: OrderStatus
    filled_quantity: Decimal
    reject_code: str = ""
    reject_reason: str = ""


class Execution(msgspec.Struct, frozen=True, kw_only=True):
    """One execution at the broker, keyed by the broker's own `execution_id`.

    `quantity` is this execution alone (never cumulative), positive shares; `price` per share;
    `commission` in money, positive for a cost. `client_order_id` is empty for an order that was
    placed elsewhere (by hand): a foreign trade. `executed_at` is UTC.
    """

    execution_id: str
    client_order_id: str
    broker_order_id: str
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    commission: Decimal
    currency: str
    executed_at: dt.datetime
