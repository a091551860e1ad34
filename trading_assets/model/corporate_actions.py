"""Corporate actions: what an issuer does to the holders of its shares.

Each belongs to the session of its ex-date (or the date it takes effect) and is booked on what was
held at that session's open, before anything is traded.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from trading_assets.model.event import Event


class Dividend(Event, frozen=True, kw_only=True, tag="dividend"):
    """A cash dividend goes ex: holders at the open are owed `amount_per_share`, those who are
    short owe it. `pay_date` is None where it is not known."""

    symbol: str
    ex_date: dt.date
    amount_per_share: Decimal
    currency: str
    pay_date: dt.date | None = None


class DividendPayment(Event, frozen=True, kw_only=True, tag="dividend_payment"):
    """Cash of a dividend arrives: `amount` gross money, negative where it is paid on a short.

    Tax withheld from it is a TaxWithheld of its own. `ex_date` says which dividend it is.
    """

    symbol: str
    ex_date: dt.date
    amount: Decimal
    currency: str
    reference: str


class Split(Event, frozen=True, kw_only=True, tag="split"):
    """`old_shares` become `new_shares`: 4 for 1 is (4, 1), a reverse split of 1 for 8 is (1, 8).

    Where `cash_in_lieu_price` (per new share) is given, whole shares remain and the fraction is
    paid out in cash at it; where it is None, fractions are kept.
    """

    symbol: str
    ex_date: dt.date
    new_shares: int
    old_shares: int
    cash_in_lieu_price: Decimal | None = None


class StockDividend(Event, frozen=True, kw_only=True, tag="stock_dividend"):
    """`new_shares` are added for every `old_shares` held: 5 % is (1, 20). Cash as in a Split."""

    symbol: str
    ex_date: dt.date
    new_shares: int
    old_shares: int
    cash_in_lieu_price: Decimal | None = None


class SpinOff(Event, frozen=True, kw_only=True, tag="spin_off"):
    """`new_shares` of `new_symbol` are given for every `old_shares` of `symbol`, which stay.

    `basis_fraction` of each lot's cost goes to the new shares (the issuer publishes it). Cash in
    lieu, at a price per new share, as in a Split.
    """

    symbol: str
    ex_date: dt.date
    new_symbol: str
    new_shares: int
    old_shares: int
    basis_fraction: Decimal
    cash_in_lieu_price: Decimal | None = None


class SymbolChange(Event, frozen=True, kw_only=True, tag="symbol_change"):
    """`symbol` is called `new_symbol` from `effective_date` on; nothing else changes."""

    symbol: str
    effective_date: dt.date
    new_symbol: str


class Delisting(Event, frozen=True, kw_only=True, tag="delisting"):
    """`symbol` ceases to trade and every share ends at `price`, 0 where it is worthless."""

    symbol: str
    effective_date: dt.date
    price: Decimal


class CashMerger(Event, frozen=True, kw_only=True, tag="cash_merger"):
    """Every share of `symbol` is taken over for `price` in cash."""

    symbol: str
    effective_date: dt.date
    price: Decimal


CorporateAction = Dividend | Split | StockDividend | SpinOff | SymbolChange | Delisting | CashMerger
"""What changes a holding without a trade; a DividendPayment is the cash of one of them."""
