"""How figures are written: thousands separators, fixed decimals, a real minus sign.

Undefined (None, NaN, infinite) is "n/a". Where a figure cannot exist, pages write a dash.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from decimal import Decimal

from trading_assets.reporting.monthly_content import Unit

UNDEFINED = "n/a"
NOT_APPLICABLE = "\u2013"
_MINUS = "\u2212"

Figure = Decimal | float | None


def fixed(value: Figure, decimals: int, *, signed: bool = False) -> str:
    """`value` with `decimals` places, 1,234.50; with `signed`, a gain carries its plus."""
    if value is None or not math.isfinite(value):
        return UNDEFINED
    text = format(abs(value), f",.{decimals}f")
    if not any(digit in text for digit in "123456789"):
        return text
    if value < 0:
        return _MINUS + text
    return "+" + text if signed else text


def money(value: Figure, *, signed: bool = False) -> str:
    """Money with two decimals, without a currency sign."""
    return fixed(value, 2, signed=signed)


def percent(value: Figure, decimals: int = 2, *, signed: bool = False) -> str:
    """A fraction as a percentage: 0.0123 is 1.23%."""
    if value is None:
        return UNDEFINED
    text = fixed(value * 100, decimals, signed=signed)
    return text if text == UNDEFINED else text + "%"


def figure(value: Figure, unit: Unit) -> str:
    """`value` as its unit is written."""
    match unit:
        case Unit.MONEY:
            return money(value)
        case Unit.PERCENT:
            return percent(value)
        case Unit.SIGNED_PERCENT:
            return percent(value, signed=True)
        case Unit.RATIO:
            return fixed(value, 2)
        case Unit.BASIS_POINTS:
            return fixed(value, 1)
        case Unit.COUNT:
            return fixed(value, 0)


def decimals_of(values: Iterable[Decimal], *, least: int, most: int) -> int:
    """Decimals that a whole column needs, so that its points stand below each other."""
    places = [-int(value.normalize().as_tuple().exponent) for value in values if value.is_finite()]
    return min(most, max([least, *places]))
