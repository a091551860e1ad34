"""Fractions of a cent between a book that rounds each fill and a broker that does not.

The book's fills are whole cents. A broker may keep the digits of a fraction of a share, or round
them otherwise; each such fill then leaves less than a cent between the two. What lies within that
bound is booked as a fee (or rebate) of its own, so that cash agrees to the cent and the cents are
there to be seen; anything more is a difference that nobody can explain, and stays one.
"""

from __future__ import annotations

from decimal import Decimal

from trading_assets.execution.book import Book
from trading_assets.model.cash_events import Fee, FeeKind
from trading_assets.model.money import CENT, money
from trading_assets.model.order_events import Fill


def rounding_fee(
    book: Book, fills: tuple[Fill, ...], stated_cash: Decimal, currency: str
) -> Fee | None:
    """The fee that brings the book's cash to the broker's cent; None where it is there already, or
    is further away than `fills`, those since the last close, can explain."""
    gap = book.cash - money(stated_cash)
    inexact = sum(1 for fill in fills if not _is_whole_cents(fill))
    if not gap or abs(gap) > CENT * inexact:
        return None
    head = book.log.head()
    return Fee(
        kind=FeeKind.OTHER,
        amount=gap,
        currency=currency,
        reference=f"rounding of {inexact} fills/{head.sequence}",
    )


def _is_whole_cents(fill: Fill) -> bool:
    value = fill.quantity * fill.price
    return value == money(value) and fill.commission == money(fill.commission)
