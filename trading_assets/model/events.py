"""The facts of the book. Each is a frozen record; nothing else is ever written to the event log.

An event says what happened, in the field's words, and carries every number that a later fold
needs. Who reports it, when and why is the envelope's business (`EventRecord`). The kinds are
defined by what they are about: orders, cash, corporate actions, the market; those of the book
itself are here.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import ClassVar

import msgspec

from trading_assets.model.cash_events import (
    Adjustment,
    BorrowFee,
    CashFlow,
    CurrencyConversion,
    Fee,
    FxRate,
    Interest,
    TaxWithheld,
)
from trading_assets.model.corporate_actions import (
    CashMerger,
    Delisting,
    Dividend,
    DividendPayment,
    SpinOff,
    Split,
    StockDividend,
    SymbolChange,
)
from trading_assets.model.event import Event
from trading_assets.model.market_events import (
    PortfolioState,
    PriceBar,
    Signal,
    ValuationTrigger,
)
from trading_assets.model.order_events import (
    Fill,
    OrderAccepted,
    OrderCanceled,
    OrderExpired,
    OrderIntended,
    OrderOutcomeUnknown,
    OrderRejected,
    OrderSubmitted,
    SessionPlanned,
)


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """The price per share at which a position is valued, and the session whose close it is."""

    price: Decimal
    session: dt.date
    source: str


class BrokerStatement(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Positions (signed shares) and cash as the broker states them after the close.

    `cash` is money in the portfolio's currency, all currencies together at the broker's rates;
    `cash_balances` holds each currency's own, None where the broker does not state them.
    """

    account_number: str
    positions: dict[str, Decimal]
    cash: Decimal
    cash_balances: dict[str, Decimal] | None = None


class SessionClosed(Event, frozen=True, kw_only=True, omit_defaults=False, tag="session_closed"):
    """The session is complete: all its fills are booked, its positions are valued.

    `marks` holds a price for every instrument held or traded. `cash_balances` is cash by currency
    (None in a record of version 1, which did not state it) and `fx_rates` the session's rate of
    each currency held other than the portfolio's: its money for one unit. `market_value`, `cash`
    (all currencies), `accruals` (dividends owed to the book less those it owes) and `equity` are
    money in the portfolio's currency, equity = market value + cash + accruals. `benchmark` is the
    benchmark's close, None where there is none. Version 1 had one currency and nothing accrued.
    """

    version: ClassVar[int] = 2

    marks: dict[str, Mark]
    cash: Decimal
    market_value: Decimal
    equity: Decimal
    statement: BrokerStatement
    cash_balances: dict[str, Decimal] | None
    fx_rates: dict[str, Decimal]
    accruals: Decimal
    benchmark: Decimal | None = None


class BookRestated(Event, frozen=True, kw_only=True, tag="book_restated"):
    """From here on, earlier events of `from_session` and later sessions no longer count.

    Only a simulated portfolio is restated; `revision` counts its restatements from 1.
    """

    from_session: dt.date
    revision: int
    reason: str


AnyEvent = (
    PriceBar
    | Signal
    | SessionPlanned
    | OrderIntended
    | OrderSubmitted
    | OrderAccepted
    | OrderRejected
    | OrderCanceled
    | OrderExpired
    | OrderOutcomeUnknown
    | Fill
    | CashFlow
    | Fee
    | TaxWithheld
    | Interest
    | BorrowFee
    | FxRate
    | CurrencyConversion
    | Adjustment
    | Dividend
    | DividendPayment
    | Split
    | StockDividend
    | SpinOff
    | SymbolChange
    | Delisting
    | CashMerger
    | ValuationTrigger
    | PortfolioState
    | SessionClosed
    | BookRestated
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
