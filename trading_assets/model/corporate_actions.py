"""Corporate actions: what an issuer does to the holders of its shares.

Each belongs to the session of its ex-date (or the date it takes effect) and is booked on what was
held at that session's open, before anything is traded.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated

from msgspec import Meta

from trading_assets.model.event import Event
from trading_assets.model.fields import (
    AmountCurrency,
    CashInLieuPrice,
    EffectiveDate,
    ExDate,
    Fraction,
    Name,
    NewShares,
    NotNegative,
    OldShares,
    Positive,
    Reference,
    Signed,
    Symbol,
)


class Dividend(Event, frozen=True, kw_only=True, tag="dividend"):
    """A cash dividend goes ex: holders at the open are owed it, those who are short owe it."""

    symbol: Symbol
    ex_date: ExDate
    amount_per_share: Annotated[Positive, Meta(description="Gross money for one share.")]
    currency: AmountCurrency
    pay_date: Annotated[
        dt.date | None, Meta(description="When it is paid; null where not known.")
    ] = None


class DividendPayment(Event, frozen=True, kw_only=True, tag="dividend_payment"):
    """Cash of a dividend arrives. Tax withheld from it is a TaxWithheld of its own."""

    symbol: Symbol
    ex_date: Annotated[dt.date, Meta(description="Ex-date of the dividend that is paid.")]
    amount: Annotated[
        Signed, Meta(description="Gross money: positive where received, negative on a short.")
    ]
    currency: AmountCurrency
    reference: Reference
    takes_back: Annotated[
        str,
        Meta(
            description="Reference of the payment that this takes back whole, its amount being the "
            "opposite; empty for a payment."
        ),
    ] = ""


class CashInLieu(Event, frozen=True, kw_only=True, tag="cash_in_lieu"):
    """The broker paid for a fraction of a share that a corporate action left."""

    symbol: Symbol
    quantity: Annotated[
        Signed,
        Meta(
            description="Signed shares that the book still held and that it is paid for; 0 where "
            "they are gone already."
        ),
    ]
    amount: Annotated[
        Signed, Meta(description="Money: positive where received, negative on a short.")
    ]
    currency: AmountCurrency
    reference: Reference


class Split(Event, frozen=True, kw_only=True, tag="split"):
    """`old_shares` become `new_shares`: 4 for 1 is (4, 1), a reverse split of 1 for 8 is (1, 8).

    Where a price for cash in lieu is given, whole shares remain; where it is null, fractions do.
    """

    symbol: Symbol
    ex_date: ExDate
    new_shares: Annotated[int, Meta(ge=1, description="Shares that `old_shares` become.")]
    old_shares: Annotated[int, Meta(ge=1, description="Shares that become `new_shares`.")]
    cash_in_lieu_price: CashInLieuPrice = None


class StockDividend(Event, frozen=True, kw_only=True, tag="stock_dividend"):
    """`new_shares` are added for every `old_shares` held: 5 % is (1, 20). Cash as in a Split."""

    symbol: Symbol
    ex_date: ExDate
    new_shares: NewShares
    old_shares: OldShares
    cash_in_lieu_price: CashInLieuPrice = None


class SpinOff(Event, frozen=True, kw_only=True, tag="spin_off"):
    """`new_shares` of `new_symbol` are given for every `old_shares` of `symbol`, which stay.

    Cash in lieu as in a Split.
    """

    symbol: Symbol
    ex_date: ExDate
    new_symbol: Annotated[Name, Meta(description="Symbol of the shares that are given.")]
    new_shares: NewShares
    old_shares: OldShares
    basis_fraction: Annotated[
        Fraction,
        Meta(
            description="Part of each lot's cost that goes to the new shares, 0 to 1, as the "
            "issuer publishes it."
        ),
    ]
    cash_in_lieu_price: CashInLieuPrice = None


class SymbolChange(Event, frozen=True, kw_only=True, tag="symbol_change"):
    """An instrument is called otherwise; nothing else changes."""

    symbol: Annotated[Name, Meta(description="Symbol until now.")]
    effective_date: EffectiveDate
    new_symbol: Annotated[Name, Meta(description="Symbol from then on.")]


class Delisting(Event, frozen=True, kw_only=True, tag="delisting"):
    """An instrument ceases to trade."""

    symbol: Symbol
    effective_date: EffectiveDate
    price: Annotated[
        NotNegative, Meta(description="What every share ends at; 0 where it is worthless.")
    ]


class CashMerger(Event, frozen=True, kw_only=True, tag="cash_merger"):
    """Every share is taken over for cash."""

    symbol: Symbol
    effective_date: EffectiveDate
    price: Annotated[Positive, Meta(description="Money paid for each share.")]


CorporateAction = Dividend | Split | StockDividend | SpinOff | SymbolChange | Delisting | CashMerger
"""What changes a holding without a trade; a DividendPayment is the cash of one of them, as is a
CashInLieu where the broker tells what it paid."""


def ex_date_of(action: CorporateAction) -> dt.date:
    """The session at whose open the action takes effect, whatever it is called there."""
    return (
        action.effective_date
        if isinstance(action, SymbolChange | Delisting | CashMerger)
        else action.ex_date
    )


def share_ratio(action: Split | StockDividend) -> tuple[int, int]:
    """(shares after, shares before): a 5 % stock dividend of (1, 20) is (21, 20)."""
    if isinstance(action, StockDividend):
        return action.old_shares + action.new_shares, action.old_shares
    return action.new_shares, action.old_shares
