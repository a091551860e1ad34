"""Facts of cash: flows, fees, taxes, interest, exchange of currencies, and corrections by hand."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from enum import StrEnum

from trading_assets.model.event import Event


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


class FeeKind(StrEnum):
    """What a fee that is not part of a fill is for."""

    COMMISSION = "commission"
    EXCHANGE = "exchange"
    REGULATORY = "regulatory"
    MARKET_DATA = "market_data"
    ACCOUNT = "account"
    OTHER = "other"


class Fee(Event, frozen=True, kw_only=True, tag="fee"):
    """A fee beside the commission in a fill: `amount` money, positive for a cost, negative for a
    rebate. `symbol` is empty where it is for no instrument."""

    kind: FeeKind
    amount: Decimal
    currency: str
    reference: str
    symbol: str = ""


class TaxWithheld(Event, frozen=True, kw_only=True, tag="tax_withheld"):
    """Tax taken at the source: `amount` money, positive for a cost, negative for a refund.

    `symbol` is the instrument whose income was taxed, empty for interest.
    """

    amount: Decimal
    currency: str
    reference: str
    symbol: str = ""


class DayCount(StrEnum):
    """How days become a fraction of a year: actual days over 360 or 365, or 30-day months."""

    ACTUAL_360 = "actual/360"
    ACTUAL_365 = "actual/365"
    THIRTY_360 = "30/360"


class Interest(Event, frozen=True, kw_only=True, tag="interest"):
    """Interest on a cash balance: `amount` money, positive where it was received (a credit
    balance), negative where it was paid (a debit balance, borrowed on margin).

    `balance` is the signed cash it was computed on, `annual_rate` a fraction, for the days from
    `start` up to but not including `end` by `day_count`; all None where the broker does not say.
    """

    amount: Decimal
    currency: str
    reference: str
    balance: Decimal | None = None
    annual_rate: Decimal | None = None
    start: dt.date | None = None
    end: dt.date | None = None
    day_count: DayCount | None = None


class BorrowFee(Event, frozen=True, kw_only=True, tag="borrow_fee"):
    """Fee for shares borrowed to be short: `amount` money, positive for a cost.

    `market_value` is the (positive) value it was computed on, `annual_rate` a fraction, for the
    days from `start` up to but not including `end`; all None where the broker does not say.
    """

    symbol: str
    amount: Decimal
    currency: str
    reference: str
    market_value: Decimal | None = None
    annual_rate: Decimal | None = None
    start: dt.date | None = None
    end: dt.date | None = None
    day_count: DayCount | None = None


class FxRate(Event, frozen=True, kw_only=True, tag="fx_rate"):
    """Exchange rate from here on: money of the portfolio's currency for one unit of `currency`."""

    currency: str
    rate: Decimal
    as_of: dt.datetime


class CurrencyConversion(Event, frozen=True, kw_only=True, tag="currency_conversion"):
    """Cash of one currency exchanged for another: both amounts positive money of their currency.

    What the bank or broker charges beside the rate is a Fee of its own.
    """

    sold_currency: str
    sold_amount: Decimal
    bought_currency: str
    bought_amount: Decimal
    reference: str


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
