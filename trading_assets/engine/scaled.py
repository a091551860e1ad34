"""Exact amounts as scaled integers, one by one and by the array.

Problem: half a million fills in `Decimal` take longer than all the rest of a backtest, and floats
do not add up.

Choice: whole numbers of the smallest unit. Prices count 1e-8 of a currency unit (the finest that
`model/money.py` keeps), money 1e-m with m = 2 for cents, shares either whole or 1e-9. A product is
rounded once, half to even, as `money()` rounds it: both give the same cent. Python's own integers
have no bounds; arrays are 64 bits wide, so their products are taken in parts that fit.
"""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import numpy.typing as npt

from trading_assets.engine.clock import Floats, Integers
from trading_assets.model.money import QUANTITY_DECIMALS_MAX

PRICE_DECIMALS = 8
PRICE_UNIT = 10**PRICE_DECIMALS
_PART = 10**4
"""A price is taken apart into units of 1e-4 and the rest."""


def halves_to_even(numerator: int, denominator: int) -> int:
    """`numerator / denominator` to the nearest whole number, halves to even; denominator > 0."""
    quotient, rest = divmod(numerator, denominator)
    twice = 2 * rest
    if twice > denominator or (twice == denominator and quotient & 1):
        return quotient + 1
    return quotient


def price_units(price: float) -> int:
    """A price as whole 1e-8, to the nearest: exact for any that was written with at most eight
    decimals and is below 10 million."""
    return int(price * PRICE_UNIT + 0.5)


def price_unit_array(prices: Floats) -> Integers:
    """The same for an array; NaN becomes 0."""
    units: Integers = (np.nan_to_num(prices) * PRICE_UNIT + 0.5).astype(np.int64)
    return units


def price_decimal(units: int) -> Decimal:
    """Price per share of so many 1e-8, without trailing zeros beyond the cent."""
    price = Decimal(units).scaleb(-PRICE_DECIMALS)
    short = price.quantize(Decimal("0.01"))
    return short if short == price else price.normalize()


class Scale:
    """How many decimals shares and money have in one account.

    Shares are counted whole, or in 1e-9 where `quantity_decimals` > 0; orders are multiples of
    `step`. Money is counted in 10^-money_decimals.
    """

    __slots__ = (
        "money_decimals",
        "money_unit",
        "quantity_decimals",
        "share_decimals",
        "share_unit",
        "step",
        "value_divisor",
    )

    def __init__(self, quantity_decimals: int, money_decimals: int) -> None:
        self.quantity_decimals = quantity_decimals
        self.share_decimals = QUANTITY_DECIMALS_MAX if quantity_decimals else 0
        self.share_unit: int = 10**self.share_decimals
        self.step: int = 10 ** (self.share_decimals - quantity_decimals)
        self.money_decimals = money_decimals
        self.money_unit: int = 10**money_decimals
        self.value_divisor: int = 10 ** (PRICE_DECIMALS + self.share_decimals - money_decimals)

    def value(self, shares: int, price: int) -> int:
        """Signed money of signed `shares` at `price` (1e-8), rounded once."""
        return halves_to_even(shares * price, self.value_divisor)

    def values(self, shares: Integers, prices: Integers) -> Integers:
        """The same for arrays.

        Exact while a position is worth less than 9e10 in currency units (9e16 / 10^m where m > 2)
        and, with parts of shares, a price is below 900,000.
        """
        if self.share_decimals == 0:
            return rounded_array(shares * prices, self.value_divisor)
        whole, part = np.divmod(shares, self.share_unit)
        high, low = np.divmod(prices, _PART)
        # shares x price = whole x price + part x high x 1e4 / 1e9 + part x low / 1e9
        whole_divisor = self.value_divisor // self.share_unit
        units, rest = np.divmod(whole * prices, whole_divisor)
        part_divisor = self.value_divisor // _PART
        more, rest_of_part = np.divmod(part * high, part_divisor)
        rest = rest * self.share_unit + rest_of_part * _PART + part * low
        value: Integers = units + more + _rounded_after(rest, self.value_divisor, units + more)
        return value

    def shares_decimal(self, shares: int) -> Decimal:
        """Signed shares as a Decimal without trailing zeros."""
        if self.share_decimals == 0:
            return Decimal(shares)
        exact = Decimal(shares).scaleb(-self.share_decimals)
        whole = exact.to_integral_value()
        return whole if whole == exact else exact.normalize()

    def money_decimal(self, money: int) -> Decimal:
        """Signed money as a Decimal."""
        return Decimal(money).scaleb(-self.money_decimals)

    def money_of(self, amount: Decimal) -> int:
        """Money of an amount, rounded once, half to even."""
        scaled = amount.scaleb(self.money_decimals)
        return int(scaled.to_integral_value())

    def truncated(self, shares: float) -> int:
        """Shares of a float, cut towards zero to a multiple of `step`.

        What is within 1e-9 of a multiple is that multiple: 0.1 x 30 is 3 shares, not 2.
        """
        steps = shares * (self.share_unit // self.step)
        return int(steps + (1e-9 if steps > 0 else -1e-9)) * self.step

    def truncated_array(self, shares: Floats) -> Integers:
        """The same for an array; NaN becomes 0."""
        steps = np.nan_to_num(shares) * (self.share_unit // self.step)
        cut = np.trunc(steps + np.copysign(1e-9, steps))
        units: Integers = cut.astype(np.int64) * self.step
        return units


def rounded_array(numerators: Integers, denominator: int) -> Integers:
    """`numerators / denominator` to the nearest whole numbers, halves to even."""
    quotients, rests = np.divmod(numerators, denominator)
    nearest: Integers = quotients + _up(rests, denominator, quotients)
    return nearest


def _rounded_after(rests: Integers, denominator: int, whole: Integers) -> Integers:
    """Whole units in `rests`, the last rounded so that `whole` plus them is even on a half."""
    more, rest = np.divmod(rests, denominator)
    nearest: Integers = more + _up(rest, denominator, whole + more)
    return nearest


def _up(rests: Integers, denominator: int, quotients: Integers) -> npt.NDArray[np.bool_]:
    twice = 2 * rests
    up: npt.NDArray[np.bool_] = (twice > denominator) | (
        (twice == denominator) & ((quotients & 1) == 1)
    )
    return up


def scaled_by(prices: Integers, numerator: int) -> Integers:
    """`prices` x `numerator` / 1e8 for arrays, halves to even; `numerator` below 9e8 (so that
    slippage may be up to 80,000 bps) and prices below 1 million."""
    high, low = np.divmod(prices, _PART)
    more, rest = np.divmod(high * numerator, _PART)
    scaled: Integers = more + _rounded_after(rest * _PART + low * numerator, PRICE_UNIT, more)
    return scaled
