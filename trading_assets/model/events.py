"""The facts of the book. Each is a frozen record; nothing else is ever written to the event log.

An event says what happened, in the field's words, and carries every number that a later fold
needs. Who reports it, when and why is the envelope's business (`EventRecord`).
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from enum import StrEnum

import msgspec

from trading_assets.model.order import OrderRequest, Side
from trading_assets.model.plan import OrderPlan


class Event(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type"
):
    """Base of all facts; `type` in the stored JSON is the tag of the class."""


class CashFlowKind(StrEnum):
    """Money that enters or leaves the portfolio from outside."""

    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"


class CashFlow(Event, frozen=True, kw_only=True, tag="cash_flow"):
    """Deposit (amount > 0) or withdrawal (amount < 0) in money, before the session's trading."""

    kind: CashFlowKind
    amount: Decimal
    currency: str
    reference: str


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

    `client_order_id` is empty for a foreign trade (placed outside this portfolio's plans).
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


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """The price per share at which a position is valued, and the session whose close it is."""

    price: Decimal
    session: dt.date
    source: str


class BrokerStatement(msgspec.Struct, frozen=True, kw_only=True):
    """Positions (signed shares) and cash (money) as the broker states them after the close."""

    account_number: str
    positions: dict[str, Decimal]
    cash: Decimal


class SessionClosed(Event, frozen=True, kw_only=True, tag="session_closed"):
    """The session is complete: all its fills are booked, its positions are valued.

    `marks` holds a price for every instrument held or traded; `market_value`, `cash` and `equity`
    are money in the portfolio's currency, equity = market value + cash. `benchmark` is the
    benchmark's close, None where there is none.
    """

    marks: dict[str, Mark]
    cash: Decimal
    market_value: Decimal
    equity: Decimal
    statement: BrokerStatement
    benchmark: Decimal | None = None


class BookRestated(Event, frozen=True, kw_only=True, tag="book_restated"):
    """From here on, earlier events of `from_session` and later sessions no longer count.

    Only a simulated portfolio is restated; `revision` counts its restatements from 1.
    """

    from_session: dt.date
    revision: int
    reason: str


class Adjustment(Event, frozen=True, kw_only=True, tag="adjustment"):
    """A correction by a person, with a reason: signed shares of `symbol` and signed money.

    The shares enter or leave at `price` per share without a trade; `cash` is booked beside them.
    """

    symbol: str
    quantity: Decimal
    price: Decimal
    cash: Decimal
    currency: str
    reason: str


AnyEvent = (
    CashFlow
    | SessionPlanned
    | OrderIntended
    | OrderSubmitted
    | OrderAccepted
    | OrderRejected
    | OrderCanceled
    | OrderExpired
    | OrderOutcomeUnknown
    | Fill
    | SessionClosed
    | BookRestated
    | Adjustment
)


class NewEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A fact on its way into the book.

    `key` makes the event idempotent: recording the same key with the same content again changes
    nothing, with other content it is a BookConflictError. `correlation_id` joins the events of
    one business matter (the batch, the client order id), `causation_id` names the event or
    document that led to this one.
    """

    key: str
    session: dt.date
    occurred_at: dt.datetime
    source: str
    event: AnyEvent
    correlation_id: str = ""
    causation_id: str = ""


class EventRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A fact as the book holds it: the event in its envelope.

    Times are UTC. `hash` is the SHA-256 over the canonical content and `previous_hash`, so that
    no record can be changed, removed or inserted without every later hash failing.
    """

    sequence: int
    event_id: str
    event_type: str
    version: int
    portfolio: str
    session: dt.date
    occurred_at: dt.datetime
    recorded_at: dt.datetime
    source: str
    correlation_id: str
    causation_id: str
    previous_hash: str
    hash: str
    event: AnyEvent
