"""Exact amounts: the only place where money, quantities and prices are rounded.

Money is `Decimal` in the portfolio's currency, rounded to the cent where a broker would round it:
once per fill, once per position when it is valued. Quantities carry at most nine decimals, the
finest that a supported broker accepts. Statistics may turn these into floats; nothing turns back.
"""

from __future__ import annotations

from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Decimal

ZERO = Decimal(0)
ONE = Decimal(1)
CENT = Decimal("0.01")
BASIS_POINT = Decimal("0.0001")
QUANTITY_DECIMALS_MAX = 9
PRICE_QUANTUM = Decimal("0.00000001")
"""The finest price per share that is kept: adjusted closes come with the digits of a float."""
WEIGHT_QUANTUM = Decimal("0.0000000001")
"""Weights are kept to ten decimals: a cent on a hundred million."""


def money(amount: Decimal) -> Decimal:
    """Round to the cent, half to even, as the amount that is booked."""
    # Positional: a keyword costs this call more than the rounding does.
    return amount.quantize(CENT, ROUND_HALF_EVEN)


def notional(quantity: Decimal, price: Decimal) -> Decimal:
    """Signed money value of `quantity` (shares, negative when short) at `price` per share."""
    return money(quantity * price)


def truncate_quantity(quantity: Decimal, decimals: int) -> Decimal:
    """Cut `quantity` towards zero to `decimals` places (0 means whole shares).

    Towards zero, never away from it: an order may be smaller than intended, not larger.
    """
    return quantity.quantize(Decimal(1).scaleb(-decimals), ROUND_DOWN)


def round_to_tick(price: Decimal, tick_size: Decimal) -> Decimal:
    """Nearest multiple of `tick_size`, half to even."""
    return (price / tick_size).quantize(ONE, ROUND_HALF_EVEN) * tick_size


def price_per_share(text: str) -> Decimal:
    """The price that a source spells as `text`, to at most eight decimals, half to even.

    Fewer decimals stay as they are written: 10.5 is not turned into 10.50000000.
    """
    return rounded_price(Decimal(text))


def rounded_price(price: Decimal) -> Decimal:
    """`price` per share to at most eight decimals, half to even; fewer stay as they are."""
    if price >= PRICE_QUANTUM and price == price.quantize(PRICE_QUANTUM):
        return price
    return price.quantize(PRICE_QUANTUM, ROUND_HALF_EVEN)


def weight(numerator: Decimal, denominator: Decimal) -> Decimal:
    """`numerator / denominator` to ten decimals; `denominator` must not be zero."""
    return (numerator / denominator).quantize(WEIGHT_QUANTUM, ROUND_HALF_EVEN)


def plain(value: Decimal) -> str:
    """Decimal as text without exponent or trailing zeros: one spelling for each value.

    Hashes and order identities are computed from this text, so 1, 1.0 and 1E0 must agree.
    """
    if value == 0:
        return "0"
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
