"""Exact amounts: the only place where money, quantities and prices are rounded.

Money is `Decimal` in the portfolio's currency, rounded to the cent where a broker would round it:
once per fill, once per position when it is valued. Quantities carry at most nine decimals, the
finest that a supported broker accepts. Statistics may turn these into floats; nothing turns back.

These few lines run millions of times in a backfill: `quantize` is given its rounding by position,
which takes half the time of giving it by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Decimal
from functools import cache

ZERO = Decimal(0)
ONE = Decimal(1)
CENT = Decimal("0.01")
BASIS_POINT = Decimal("0.0001")
QUANTITY_DECIMALS_MAX = 9
QUANTITY_QUANTUM = Decimal("0.000000001")
PRICE_QUANTUM = Decimal("0.00000001")
"""The finest price per share that is kept: adjusted closes come with the digits of a float."""
WEIGHT_QUANTUM = Decimal("0.0000000001")
"""Weights are kept to ten decimals: a cent on a hundred million."""


def money(amount: Decimal) -> Decimal:
    """Round to the cent, half to even, as the amount that is booked."""
    return amount.quantize(CENT, ROUND_HALF_EVEN)


def notional(quantity: Decimal, price: Decimal) -> Decimal:
    """Signed money value of `quantity` (shares, negative when short) at `price` per share."""
    return money(quantity * price)


@cache
def quantity_step(decimals: int) -> Decimal:
    """The smallest quantity with this many decimals: 0.01 for 2, a whole share for 0."""
    return ONE.scaleb(-decimals)


def truncate_quantity(quantity: Decimal, decimals: int) -> Decimal:
    """Cut `quantity` towards zero to `decimals` places (0 means whole shares).

    Towards zero, never away from it: an order may be smaller than intended, not larger.
    """
    return quantity.quantize(quantity_step(decimals), ROUND_DOWN)


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
    if not value:
        return "0"
    text = str(value)
    if "E" in text:
        text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def apportioned(
    total: Decimal, fair: Mapping[str, Decimal], quantum: Decimal
) -> dict[str, Decimal]:
    """Parts near `fair` that are multiples of `quantum` and add up to `total` exactly.

    `total` less Σ `fair` is spread in proportion to |fair|; then each part is cut towards zero and
    the quanta left over go one by one to the largest remainders, ties by name. Signs may be mixed.
    A single part is the total. `fair` must not be empty, nor all 0 unless `total` is 0.
    """
    if len(fair) == 1:
        return dict.fromkeys(fair, total)
    missing = total - sum(fair.values(), ZERO)
    if missing:
        gross = sum((abs(part) for part in fair.values()), ZERO)
        fair = {name: part + missing * abs(part) / gross for name, part in fair.items()}
    return _cut(total, fair, quantum)


def in_proportion(
    total: Decimal, stakes: Mapping[str, Decimal], quantum: Decimal
) -> dict[str, Decimal]:
    """`total` in proportion to `stakes`, whose sum must not be 0; exact as in `apportioned`.

    Where `total` is the stakes' sum and they are multiples of `quantum`, each gets its stake.
    """
    if len(stakes) == 1:
        return dict.fromkeys(stakes, total)
    whole = sum(stakes.values(), ZERO)
    if whole == total:
        return _cut(total, stakes, quantum)
    ratio = total / whole
    return _cut(total, {name: ratio * stake for name, stake in stakes.items()}, quantum)


def _cut(total: Decimal, fair: Mapping[str, Decimal], quantum: Decimal) -> dict[str, Decimal]:
    parts, left = {}, total
    for name, part in fair.items():
        parts[name] = cut = part.quantize(quantum, ROUND_DOWN)
        left -= cut
    if not left:
        return parts
    step = quantum.copy_sign(left)
    count = int(left / step)
    by_remainder = sorted(fair, key=lambda name: ((parts[name] - fair[name]) / step, name))
    for place in range(count):
        parts[by_remainder[place % len(by_remainder)]] += step
    # A total that is finer than the quantum keeps what is below it.
    parts[by_remainder[0]] += left - count * step
    return parts
