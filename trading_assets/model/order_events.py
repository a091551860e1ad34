"""Facts of orders: the plan, what was intended and sent, what became of it, and executions."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from trading_assets.model.arrival import ArrivalPrice
from trading_assets.model.event import Event
from trading_assets.model.fields import (
    ClientOrderId,
    Currency,
    Moment,
    Name,
    NotNegative,
    Positive,
    Symbol,
)
from trading_assets.model.lot import LotChoice
from trading_assets.model.order import OrderRequest, Side
from trading_assets.model.plan import OrderPlan


class SessionPlanned(Event, frozen=True, kw_only=True, tag="session_planned"):
    """The plan of a session, whole, with the digest of everything it was computed from."""

    plan: Annotated[OrderPlan, Meta(description="The plan.")]
    inputs_digest: Annotated[
        str, Meta(description="SHA-256 of targets, prices and rules that the plan follows from.")
    ]
    is_dry: Annotated[
        bool,
        Meta(
            description="True where it was planned from a real account by a run that sends nothing."
        ),
    ] = False


class OrderIntended(Event, frozen=True, kw_only=True, tag="order_intended"):
    """An order that is about to be sent; durable before any request leaves."""

    request: Annotated[OrderRequest, Meta(description="The order as it will be sent.")]
    batch_id: Annotated[str, Meta(description="The batch of orders that it belongs to.")]
    leg: Annotated[
        int,
        Meta(ge=1, le=2, description="1 for what reduces a position, 2 for what opens or extends."),
    ]
    plan_price: Annotated[Positive, Meta(description="The price per share it was planned at.")]
    left_out: Annotated[
        tuple[ClientOrderId, ...] | None,
        Meta(
            description="Client order ids of the leg's planned orders that are not intended with "
            "this one, for want of means or because the other side is still held; told by the "
            "first intent of a leg that opens, null where it is not told."
        ),
    ] = None


class OrderSubmitted(Event, frozen=True, kw_only=True, tag="order_submitted"):
    """The request for this order may have left from here on."""

    client_order_id: ClientOrderId
    attempt: Annotated[int, Meta(ge=1, description="Which attempt to send it, from 1.")]
    arrival: Annotated[
        ArrivalPrice | None,
        Meta(description="The market right before it left; null where that is not known."),
    ] = None
    arrival_unknown: Annotated[
        str,
        Meta(description="Why the market is not known; empty where it is, or nobody asked."),
    ] = ""


class OrderAccepted(Event, frozen=True, kw_only=True, tag="order_accepted"):
    """The broker holds the order."""

    client_order_id: ClientOrderId
    broker_order_id: Annotated[Name, Meta(description="The broker's own id of the order.")]


class OrderRejected(Event, frozen=True, kw_only=True, tag="order_rejected"):
    """The broker refused the order; nothing of it will trade."""

    client_order_id: ClientOrderId
    code: Annotated[str, Meta(description="The broker's code of the refusal; may be empty.")]
    reason: Annotated[str, Meta(description="The refusal in the broker's words; may be empty.")]


class OrderCanceled(Event, frozen=True, kw_only=True, tag="order_canceled"):
    """The rest of the order will not trade, by request."""

    client_order_id: ClientOrderId
    reason: Annotated[str, Meta(description="Who asked for it, and why.")]


class OrderExpired(Event, frozen=True, kw_only=True, tag="order_expired"):
    """The rest of the order will not trade: its time in force ended."""

    client_order_id: ClientOrderId


class OrderOutcomeUnknown(Event, frozen=True, kw_only=True, tag="order_outcome_unknown"):
    """The request may or may not have reached the broker; it is looked up before anything else."""

    client_order_id: ClientOrderId
    error: Annotated[str, Meta(description="What happened instead of an answer.")]


class Fill(Event, frozen=True, kw_only=True, tag="fill"):
    """One execution."""

    execution_id: Annotated[Name, Meta(description="The broker's own id of this execution.")]
    client_order_id: Annotated[
        str,
        Meta(
            description="The order it belongs to; empty for a foreign trade, placed outside this "
            "portfolio's plans."
        ),
    ]
    symbol: Symbol
    side: Annotated[Side, Meta(description="Whether shares were bought or sold.")]
    quantity: Annotated[
        Positive, Meta(description="Shares of this execution alone, never cumulative.")
    ]
    price: Annotated[Positive, Meta(description="Price per share.")]
    commission: Annotated[NotNegative, Meta(description="What the broker charges for it, money.")]
    currency: Annotated[Currency, Meta(description="Of price and commission, by ISO 4217.")]
    executed_at: Annotated[Moment, Meta(description="When it was executed, UTC.")]
    lots: Annotated[
        tuple[LotChoice, ...],
        Meta(
            description="The lots that it closes, where the portfolio's lot method is specific; "
            "otherwise none."
        ),
    ] = ()
