"""Orders: what is asked of a broker, and the one table of how an order's state may change."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

from trading_assets.errors import OrderTransitionError
from trading_assets.model.fields import Name, Positive, Symbol


class Side(StrEnum):
    """Direction of an order or fill. Selling short is SELL; the position tells the difference."""

    BUY = "buy"
    SELL = "sell"

    @property
    def sign(self) -> int:
        """+1 for a buy, -1 for a sell."""
        return 1 if self is Side.BUY else -1


class OrderType(StrEnum):
    """How an order is to be executed.

    LIMIT: at `limit_price` or better. STOP: at the market once `stop_price` has traded.
    STOP_LIMIT: as a limit once it has. BRACKET: an entry, at the market or at `limit_price`, with
    a take-profit and a stop-loss attached. TRAILING_STOP is known from orders placed elsewhere and
    never sent.
    """

    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"
    STOP_LIMIT = "stop_limit"
    BRACKET = "bracket"
    TRAILING_STOP = "trailing_stop"


class TimeInForce(StrEnum):
    """How long an order works.

    DAY: until the session's close. GTC: until it is canceled. IOC: what trades at once, the rest
    is canceled. FOK: all at once or nothing. AT_OPEN, AT_CLOSE: in that auction only.
    """

    DAY = "day"
    GTC = "gtc"
    IOC = "ioc"
    FOK = "fok"
    AT_OPEN = "at_open"
    AT_CLOSE = "at_close"


class PositionEffect(StrEnum):
    """Whether an order reduces a position or opens/extends one; it never does both."""

    CLOSE = "close"
    OPEN = "open"


class OrderRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One order as the broker is asked for it."""

    client_order_id: Annotated[
        Name, Meta(description="Identity given by the plan, the same for every attempt to send it.")
    ]
    symbol: Symbol
    side: Annotated[Side, Meta(description="Whether shares are bought or sold.")]
    quantity: Annotated[Positive, Meta(description="Shares, always positive.")]
    order_type: Annotated[OrderType, Meta(description="How the order is to be executed.")]
    time_in_force: Annotated[TimeInForce, Meta(description="How long the order works.")]
    position_effect: Annotated[
        PositionEffect, Meta(description="Whether it reduces a position, or opens or extends one.")
    ]
    take_profit_price: Annotated[
        Positive | None, Meta(description="Limit of a bracket's profit leg, per share; else null.")
    ] = None
    stop_loss_price: Annotated[
        Positive | None, Meta(description="Trigger of a bracket's loss leg, per share; else null.")
    ] = None
    limit_price: Annotated[
        Positive | None,
        Meta(description="Worst price per share that is taken; null where any price is."),
    ] = None
    stop_price: Annotated[
        Positive | None,
        Meta(description="Price per share that has to trade first; null where none has to."),
    ] = None


class OrderChange(msgspec.Struct, frozen=True, kw_only=True):
    """What an order that takes another's place has of its own, None where it stays as it was.

    `client_order_id` is the new order's; `quantity` is in shares and counts what the first has
    filled already, prices are per share.
    """

    client_order_id: str
    quantity: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    time_in_force: TimeInForce | None = None


class OrderStatus(StrEnum):
    """Where an order stands, as the book knows it."""

    NEW = "new"
    SUBMITTED = "submitted"
    ACCEPTED = "accepted"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELED = "canceled"
    REJECTED = "rejected"
    EXPIRED = "expired"
    UNKNOWN = "unknown"


class OrderTrigger(StrEnum):
    """What can happen to an order."""

    SUBMIT = "submit"
    ACCEPT = "accept"
    REJECT = "reject"
    FILL_PART = "fill_part"
    FILL_REST = "fill_rest"
    CANCEL = "cancel"
    EXPIRE = "expire"
    LOSE_TRACK = "lose_track"


_WORKING = {
    OrderTrigger.FILL_PART: OrderStatus.PARTIALLY_FILLED,
    OrderTrigger.FILL_REST: OrderStatus.FILLED,
    OrderTrigger.CANCEL: OrderStatus.CANCELED,
    OrderTrigger.EXPIRE: OrderStatus.EXPIRED,
}
_OUTCOMES = {
    OrderTrigger.ACCEPT: OrderStatus.ACCEPTED,
    OrderTrigger.REJECT: OrderStatus.REJECTED,
    OrderTrigger.LOSE_TRACK: OrderStatus.UNKNOWN,
}

TRANSITIONS: dict[OrderStatus, dict[OrderTrigger, OrderStatus]] = {
    OrderStatus.NEW: {
        OrderTrigger.SUBMIT: OrderStatus.SUBMITTED,
        # Withdrawn before it was ever sent: a halted or restated session.
        OrderTrigger.CANCEL: OrderStatus.CANCELED,
    },
    OrderStatus.SUBMITTED: {**_OUTCOMES, OrderTrigger.CANCEL: OrderStatus.CANCELED},
    # Looked up: the broker has it, or it was resent under the same id, or a person settled it.
    OrderStatus.UNKNOWN: {
        **_OUTCOMES,
        OrderTrigger.SUBMIT: OrderStatus.SUBMITTED,
        OrderTrigger.CANCEL: OrderStatus.CANCELED,
    },
    OrderStatus.ACCEPTED: {**_WORKING, OrderTrigger.REJECT: OrderStatus.REJECTED},
    OrderStatus.PARTIALLY_FILLED: _WORKING,
    OrderStatus.FILLED: {},
    # A cancel can cross a fill on its way: the fill happened and is booked.
    OrderStatus.CANCELED: {
        OrderTrigger.FILL_PART: OrderStatus.CANCELED,
        OrderTrigger.FILL_REST: OrderStatus.FILLED,
    },
    OrderStatus.REJECTED: {},
    OrderStatus.EXPIRED: {},
}
"""(state, trigger) → state. What is absent here must not happen, and raises."""

TERMINAL = frozenset(
    {OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.REJECTED, OrderStatus.EXPIRED}
)


def advance(client_order_id: str, status: OrderStatus, trigger: OrderTrigger) -> OrderStatus:
    """Next status of an order, or OrderTransitionError naming order, state and trigger."""
    following = TRANSITIONS[status].get(trigger)
    if following is None:
        raise OrderTransitionError(
            f"order {client_order_id} is {status.value}: {trigger.value!r} is not possible; "
            f"possible: {', '.join(t.value for t in TRANSITIONS[status]) or 'nothing, it is done'}"
        )
    return following
