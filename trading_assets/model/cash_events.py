"""Facts of cash: flows, fees, taxes, interest, exchange of currencies, and corrections by hand."""

from __future__ import annotations

import datetime as dt
from enum import StrEnum
from typing import Annotated, ClassVar

from msgspec import Meta

from trading_assets.model.event import Condition, Event
from trading_assets.model.fields import (
    NEGATIVE,
    POSITIVE,
    AmountCurrency,
    Currency,
    Moment,
    Name,
    NotNegative,
    OptionalSymbol,
    Positive,
    Reference,
    Signed,
    Symbol,
)


class CashFlowKind(StrEnum):
    """Money that enters or leaves the portfolio from outside."""

    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"


class CashFlow(Event, frozen=True, kw_only=True, tag="cash_flow"):
    """Money paid in or taken out, before the session's trading."""

    conditions: ClassVar[tuple[Condition, ...]] = (
        {
            "if": {"properties": {"kind": {"const": "deposit"}}},
            "then": {"properties": {"amount": POSITIVE}},
            "else": {"properties": {"amount": NEGATIVE}},
        },
    )

    kind: Annotated[CashFlowKind, Meta(description="Whether it is paid in or taken out.")]
    amount: Annotated[
        Signed, Meta(description="Money: positive for a deposit, negative for a withdrawal.")
    ]
    currency: AmountCurrency
    reference: Reference


class FeeKind(StrEnum):
    """What a fee that is not part of a fill is for."""

    COMMISSION = "commission"
    EXCHANGE = "exchange"
    REGULATORY = "regulatory"
    MARKET_DATA = "market_data"
    ACCOUNT = "account"
    OTHER = "other"


class Fee(Event, frozen=True, kw_only=True, tag="fee"):
    """A fee beside the commission in a fill."""

    kind: Annotated[FeeKind, Meta(description="What it is for.")]
    amount: Annotated[
        Signed, Meta(description="Money: positive for a cost, negative for a rebate.")
    ]
    currency: AmountCurrency
    reference: Reference
    symbol: OptionalSymbol = ""


class TaxWithheld(Event, frozen=True, kw_only=True, tag="tax_withheld"):
    """Tax taken at the source."""

    amount: Annotated[
        Signed, Meta(description="Money: positive for a cost, negative for a refund.")
    ]
    currency: AmountCurrency
    reference: Reference
    symbol: Annotated[
        str,
        Meta(description="The instrument whose income was taxed; empty for interest."),
    ] = ""


class DayCount(StrEnum):
    """How days become a fraction of a year: actual days over 360 or 365, or 30-day months."""

    ACTUAL_360 = "actual/360"
    ACTUAL_365 = "actual/365"
    THIRTY_360 = "30/360"


AnnualRate = Annotated[
    Signed | None,
    Meta(description="Rate a year as a fraction, 0.05 for 5 %; null where not stated."),
]
PeriodStart = Annotated[
    dt.date | None, Meta(description="First day it is for; null where not stated.")
]
PeriodEnd = Annotated[
    dt.date | None, Meta(description="First day it is no longer for; null where not stated.")
]
PeriodDayCount = Annotated[
    DayCount | None,
    Meta(description="How the days become a fraction of a year; null where not stated."),
]


class Interest(Event, frozen=True, kw_only=True, tag="interest"):
    """Interest on a cash balance, which the broker may state how it was computed."""

    amount: Annotated[
        Signed,
        Meta(
            description="Money: positive where it was received (a credit balance), negative where "
            "it was paid (a debit balance, borrowed on margin)."
        ),
    ]
    currency: AmountCurrency
    reference: Reference
    balance: Annotated[
        Signed | None,
        Meta(description="Signed cash it was computed on; null where not stated."),
    ] = None
    annual_rate: AnnualRate = None
    start: PeriodStart = None
    end: PeriodEnd = None
    day_count: PeriodDayCount = None


class BorrowFee(Event, frozen=True, kw_only=True, tag="borrow_fee"):
    """Fee for shares borrowed to be short."""

    symbol: Symbol
    amount: Annotated[
        Signed, Meta(description="Money: positive for a cost, negative for a refund.")
    ]
    currency: AmountCurrency
    reference: Reference
    market_value: Annotated[
        NotNegative | None,
        Meta(description="Value of the borrowed shares it was computed on; null where not stated."),
    ] = None
    annual_rate: AnnualRate = None
    start: PeriodStart = None
    end: PeriodEnd = None
    day_count: PeriodDayCount = None


class FxRate(Event, frozen=True, kw_only=True, tag="fx_rate"):
    """Exchange rate from here on."""

    currency: Annotated[Currency, Meta(description="The currency that is priced, by ISO 4217.")]
    rate: Annotated[
        Positive, Meta(description="Money of the portfolio's currency for one unit of it.")
    ]
    as_of: Annotated[Moment, Meta(description="When the rate was observed, UTC.")]


class CurrencyConversion(Event, frozen=True, kw_only=True, tag="currency_conversion"):
    """Cash of one currency exchanged for another.

    What the bank or broker charges beside the rate is a Fee of its own.
    """

    sold_currency: Annotated[Currency, Meta(description="The currency given, by ISO 4217.")]
    sold_amount: Annotated[Positive, Meta(description="Money given, of that currency.")]
    bought_currency: Annotated[Currency, Meta(description="The currency taken, by ISO 4217.")]
    bought_amount: Annotated[Positive, Meta(description="Money taken, of that currency.")]
    reference: Reference


class Adjustment(Event, frozen=True, kw_only=True, tag="adjustment"):
    """A correction by a person, with a reason: shares that enter or leave without a trade, and
    cash booked beside them."""

    symbol: Annotated[
        str, Meta(description="Symbol of the shares; empty where cash alone is corrected.")
    ]
    quantity: Annotated[Signed, Meta(description="Signed shares that enter or leave; 0 for none.")]
    price: Annotated[NotNegative, Meta(description="Price per share at which they are booked.")]
    cash: Annotated[Signed, Meta(description="Signed money booked beside the shares; 0 for none.")]
    currency: AmountCurrency
    reason: Annotated[Name, Meta(description="Why the book has to be corrected.")]
