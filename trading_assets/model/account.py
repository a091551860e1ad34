"""What a broker says: every answer is data, possibly empty, or *unknown*, which is never empty."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from enum import StrEnum
from typing import Generic, NoReturn, TypeVar

import msgspec

from trading_assets.errors import BrokerUnknownError
from trading_assets.model.cash_events import DayCount
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
    """Account figures as the broker states them, in `currency`; `cash` may be negative.

    `equity`, `buying_power` and `multiplier` (how many times equity that is made of) are None where
    the broker does not state them; `restriction` says why the account may not trade, empty where it
    may.
    """

    account_number: str
    currency: str
    cash: Decimal
    equity: Decimal | None = None
    buying_power: Decimal | None = None
    multiplier: Decimal | None = None
    may_short: bool = True
    restriction: str = ""


class AverageCostMethod(StrEnum):
    """How a broker keeps the average cost that it states, where that is documented."""

    COMPRESSED_FIFO = "compressed_fifo"
    """Each trading day's purchases are one lot, the oldest lot is sold first; on the day itself a
    sale takes the average of everything held (`ledger/broker_costs.py`)."""


CLOCK_ERROR_MAX = dt.timedelta(seconds=30)
"""How far this machine's clock may be from the broker's: sessions are traded and closed by it."""


class MarketClock(msgspec.Struct, frozen=True, kw_only=True):
    """The broker's own clock, UTC, and whether its market is open; None where it does not say."""

    now: dt.datetime
    is_open: bool | None = None
    next_open: dt.datetime | None = None
    next_close: dt.datetime | None = None


class BrokerPosition(msgspec.Struct, frozen=True, kw_only=True):
    """A position as the broker keeps it: signed shares, average cost per share (None where it does
    not say) and signed market value (money), None where it has no price for it."""

    symbol: str
    quantity: Decimal
    average_cost: Decimal | None
    market_value: Decimal | None


class BrokerOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An order as the broker holds it. `filled_quantity` is cumulative, in positive shares; the
    request's quantity is 0 where somebody placed the order in money. Without `states_effect` the
    broker does not say whether it opens or closes a position, and the request's is a guess.
    `legs` are the orders attached to a bracket's entry; none where the broker does not name
    them."""

    request: OrderRequest
    broker_order_id: str
    status: OrderStatus
    filled_quantity: Decimal
    reject_code: str = ""
    reject_reason: str = ""
    states_effect: bool = True
    legs: tuple[BrokerOrder, ...] = ()


class Execution(msgspec.Struct, frozen=True, kw_only=True):
    """One execution at the broker, keyed by the broker's own `execution_id`.

    `quantity` is this execution alone (never cumulative), positive shares; `price` per share;
    `commission` in money, positive for a cost. `client_order_id` is what the order was placed
    under, by whomever, empty where that is not known: a trade whose order is not in the book is
    foreign. `executed_at` is UTC.
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


class CashActivityKind(StrEnum):
    """Why cash moved at the broker without a trade."""

    DIVIDEND = "dividend"
    INTEREST = "interest"
    BORROW_FEE = "borrow_fee"
    FEE = "fee"
    TAX = "tax"
    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"
    CASH_IN_LIEU = "cash_in_lieu"
    NOT_BOOKED = "not_booked"
    """Part of a corporate action that the book takes from elsewhere, or nobody knows what."""


class ChargeBasis(msgspec.Struct, frozen=True, kw_only=True):
    """What interest or a borrow fee was computed on: a balance of cash (signed) or the value of
    the shares borrowed (positive), at an annual rate (a fraction), from `start` up to but not
    including `end`."""

    balance: Decimal
    annual_rate: Decimal
    start: dt.date
    end: dt.date
    day_count: DayCount


class CashActivity(msgspec.Struct, frozen=True, kw_only=True):
    """One movement of cash that is no execution, keyed by the broker's own `activity_id`.

    `amount` is signed money in `currency` (ISO 4217, never pence): positive where it came in.
    `symbol` is empty where it is for no instrument; `ex_date` says which dividend it is, None where
    the broker does not; `basis` is None where it does not say either. `occurred_at` is UTC.
    `broker_type` is what the broker calls it, where it is not booked. What `is_canceled` was told
    before, and its cash is no longer in the account. What `is_correction` changed, or
    stands for, what was told before.
    """

    activity_id: str
    kind: CashActivityKind
    amount: Decimal
    currency: str
    occurred_at: dt.datetime
    symbol: str = ""
    ex_date: dt.date | None = None
    basis: ChargeBasis | None = None
    broker_type: str = ""
    is_canceled: bool = False
    is_correction: bool = False
