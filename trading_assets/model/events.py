"""The facts of the book. Each is a frozen record; nothing else is ever written to the event log.

An event says what happened, in the field's words, and carries every number that a later fold
needs. Who reports it, when and why is the envelope's business (`EventRecord`). The kinds are
defined by what they are about: orders, cash, corporate actions, the market, what people thought of
trades; those of the book itself are here.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated, ClassVar

import msgspec
from msgspec import Meta

from trading_assets.model.account import AverageCostMethod
from trading_assets.model.annotation_events import PostTradeAnnotation, PreTradeAnnotation
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
    CashInLieu,
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
from trading_assets.model.fields import (
    Currency,
    Name,
    NotNegative,
    Positive,
    Signed,
    StoredMoment,
    text_rule,
)
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


def _hexadecimal(digits: int) -> Meta:
    return text_rule(f"{digits} hexadecimal digits", f"^[0-9a-f]{{{digits}}}$")


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """The price at which a position is valued."""

    price: Annotated[NotNegative, Meta(description="Price per share.")]
    session: Annotated[dt.date, Meta(description="The session whose close it is.")]
    source: Annotated[str, Meta(description="Where the price comes from.")]


class BrokerStatement(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The account as the broker states it after the close."""

    account_number: Annotated[str, Meta(description="The broker's number of the account.")]
    positions: Annotated[dict[Name, Signed], Meta(description="Signed shares by symbol.")]
    cash: Annotated[
        Signed,
        Meta(
            description="Cash of all currencies together, money of the portfolio's currency at the "
            "broker's rates."
        ),
    ]
    cash_balances: Annotated[
        dict[Currency, Signed] | None,
        Meta(description="Cash by currency; null where the broker does not state it."),
    ] = None
    average_costs: Annotated[
        dict[Name, NotNegative] | None,
        Meta(
            description="Average cost per share by symbol, as the broker keeps it; null where it "
            "does not state it, without the symbols of which it is not known."
        ),
    ] = None
    average_cost_method: Annotated[
        AverageCostMethod | None,
        Meta(description="How the broker keeps it; null where that is not documented."),
    ] = None


class SessionClosed(Event, frozen=True, kw_only=True, omit_defaults=False, tag="session_closed"):
    """The session is complete: all its fills are booked, its positions are valued.

    Money is of the portfolio's currency, and equity = market value + cash + accruals. Version 1
    had one currency and nothing accrued.
    """

    version: ClassVar[int] = 2

    marks: Annotated[
        dict[Name, Mark],
        Meta(description="Prices by symbol, for every instrument held or traded."),
    ]
    cash: Annotated[Signed, Meta(description="Cash of all currencies together, money.")]
    market_value: Annotated[Signed, Meta(description="Signed value of all positions, money.")]
    equity: Annotated[Signed, Meta(description="What the portfolio is worth, money.")]
    statement: Annotated[BrokerStatement, Meta(description="What the broker says of it.")]
    cash_balances: Annotated[
        dict[Currency, Signed] | None,
        Meta(
            description="Cash by currency, money of that currency; null in a close of version 1, "
            "which did not state it."
        ),
    ]
    fx_rates: Annotated[
        dict[Currency, Positive],
        Meta(
            description="Rates by currency, for each held other than the portfolio's: money of the "
            "portfolio's currency for one unit."
        ),
    ]
    accruals: Annotated[
        Signed, Meta(description="Dividends owed to the book less those it owes, money.")
    ]
    benchmark: Annotated[
        Positive | None, Meta(description="The benchmark's close; null where there is none.")
    ] = None


class BookRestated(Event, frozen=True, kw_only=True, tag="book_restated"):
    """From here on, earlier events of `from_session` and later sessions no longer count.

    Only a simulated portfolio is restated.
    """

    from_session: Annotated[dt.date, Meta(description="The first session that counts no more.")]
    revision: Annotated[int, Meta(ge=1, description="Which restatement of the book, from 1.")]
    reason: Annotated[Name, Meta(description="What made it necessary.")]


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
    | CashInLieu
    | Split
    | StockDividend
    | SpinOff
    | SymbolChange
    | Delisting
    | CashMerger
    | ValuationTrigger
    | PortfolioState
    | PreTradeAnnotation
    | PostTradeAnnotation
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

    `hash` is the SHA-256 over the canonical content and `previous_hash`, so that no record can be
    changed, removed or inserted without every later hash failing.
    """

    sequence: Annotated[int, Meta(ge=1, description="Place in the portfolio's chain, from 1.")]
    event_id: Annotated[
        str,
        _hexadecimal(32),
        Meta(description="Identity of the fact, the same for every attempt to record it."),
    ]
    event_type: Annotated[Name, Meta(description="Kind of event, which names its schema.")]
    version: Annotated[int, Meta(ge=1, description="Version of that schema.")]
    portfolio: Annotated[Name, Meta(description="The portfolio whose book it is.")]
    session: Annotated[dt.date, Meta(description="The trading session that it belongs to.")]
    occurred_at: Annotated[StoredMoment, Meta(description="When it happened, UTC.")]
    recorded_at: Annotated[StoredMoment, Meta(description="When the book learnt of it, UTC.")]
    source: Annotated[str, Meta(description="Who reports it.")]
    correlation_id: Annotated[
        str, Meta(description="Joins the events of one business matter; empty for none.")
    ]
    causation_id: Annotated[
        str, Meta(description="The event or document that led to it; empty where none is known.")
    ]
    previous_hash: Annotated[
        str, _hexadecimal(64), Meta(description="Hash of the record before; zeros for the first.")
    ]
    hash: Annotated[
        str, _hexadecimal(64), Meta(description="SHA-256 over this record and `previous_hash`.")
    ]
    event: Annotated[AnyEvent, Meta(description="The event, by the schema of its version.")]
