"""Currencies, and the minor units that some exchanges quote in.

London quotes many securities in pence (GBX, also written GBp), Johannesburg in cents (ZAc), Tel
Aviv in agorot (ILA). Such an amount is turned into the major unit where it enters, so that inside
only ISO 4217 codes exist and no price is ever a hundred times too large.
"""

from __future__ import annotations

from decimal import Decimal

MINOR_UNITS = {
    "GBX": "GBP",
    "GBp": "GBP",
    "ZAc": "ZAR",
    "ZAX": "ZAR",
    "ILA": "ILS",
}
"""Codes of minor units and the currency that a hundred of them make."""
_PER_MAJOR_UNIT = Decimal(100)


def in_major_unit(amount: Decimal, currency: str) -> tuple[Decimal, str]:
    """`amount` (a price or money) and its currency, pence turned into pounds; others unchanged.

    Exact: a division by a hundred only moves the decimal point.
    """
    major = MINOR_UNITS.get(currency)
    return (amount, currency) if major is None else (amount / _PER_MAJOR_UNIT, major)
