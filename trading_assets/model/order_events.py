"""Facts of orders: the plan, what was intended and sent, what became of it, and executions."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from trading_assets.model.event import Event
from trading_assets.model.lot import LotChoice
from trading_assets.model.order import OrderRequest, Side
from trading_assets.model.plan import OrderPlan


class SessionPlanned(Event, frozen=True, kw_only=True, tag="session_planned"):
    """The plan of a session, whole, with the digest of everything it was computed from."""

    plan: OrderPlan
    inputs_digest: str


class OrderIntended(Event, frozen=True, kw_only=True, tag="order_intended"):
    """An order that is about to be sent; durable before any request leaves.

    `plan_price` is per share; `leg` as in the plan; `batch_id` the batch it belongs to.
    """

    request: OrderRequest
    batch_id: str
    leg: int
    plan_price: Decimal


class OrderSubmitted(Event, frozen=True, kw_only=True, tag="order_submitted"):
    """The request for this order may have left from here on: `attempt` counts from 1."""

    client_order_id: str
    attempt: int


class OrderAccepted(Event, frozen=True, kw_only=True, tag="order_accepted"):
    """The broker holds the order under `broker_order_id`."""

    client_order_id: str
    broker_order_id: str


class OrderRejected(Event, frozen=True, kw_only=True, tag="order_rejected"):
    """The broker refused the order; nothing of it will trade."""

    client_order_id: str
    code: str
    reason: str


class OrderCanceled(Event, frozen=True, kw_only=True, tag="order_canceled"):
    """The rest of the order will not trade, by request."""

    client_order_id: str
    reason: str


class OrderExpired(Event, frozen=True, kw_only=True, tag="order_expired"):
    """The rest of the order will not trade: its time in force ended."""

    client_order_id: str


class OrderOutcomeUnknown(Event, frozen=True, kw_only=True, tag="order_outcome_unknown"):
    """The request may or may not have reached the broker; it is looked up before anything else."""

    client_order_id: str
    error: str


class Fill(Event, frozen=True, kw_only=True, tag="fill"):
    """One execution. `quantity` positive shares, `price` per share, `commission` money >= 0.

    `client_order_id` is empty for a foreign trade (placed outside this portfolio's plans). `lots`
    names the lots that it closes where the portfolio's lot method is specific; otherwise empty.
    """

    execution_id: str
    client_order_id: str
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    commission: Decimal
    currency: str
    executed_at: dt.datetime
    lots: tuple[LotChoice, ...] = ()
