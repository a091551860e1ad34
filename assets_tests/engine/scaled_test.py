"""Scaled integers give the cent that `Decimal` gives, one by one and by the array."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trading_assets.engine.scaled import (
    PRICE_UNIT,
    Scale,
    halves_to_even,
    price_decimal,
    price_units,
    scaled_by,
)
from trading_assets.model.money import money, notional, truncate_quantity


@pytest.mark.parametrize(
    ("numerator", "nearest"), [(5, 0), (15, 2), (25, 2), (-5, 0), (-15, -2), (-25, -2), (26, 3)]
)
def test_a_half_goes_to_the_even_neighbour(numerator: int, nearest: int) -> None:
    assert halves_to_even(numerator, 10) == nearest


@given(st.integers(1, 10**15))
def test_a_price_of_eight_decimals_survives_being_a_float(units: int) -> None:
    assert price_units(float(Decimal(units).scaleb(-8))) == units
    assert price_decimal(units) == Decimal(units).scaleb(-8)


@given(st.integers(-(10**6), 10**6), st.integers(1, 9 * 10**12))
def test_whole_shares_are_worth_what_money_says(shares: int, price: int) -> None:
    exact = notional(Decimal(shares), Decimal(price).scaleb(-8))
    scale = Scale(0, 2)
    assert scale.money_decimal(scale.value(shares, price)) == exact
    assert scale.values(np.array([shares]), np.array([price])).tolist() == [
        scale.value(shares, price)
    ]


@settings(max_examples=300)
@given(st.integers(-(10**15), 10**15), st.integers(1, 9 * 10**12), st.sampled_from([2, 4, 6]))
def test_parts_of_shares_are_too(shares: int, price: int, decimals: int) -> None:
    """Up to a million shares in 1e-9 at up to 90,000."""
    scale = Scale(9, decimals)
    quantity, per_share = Decimal(shares).scaleb(-9), Decimal(price).scaleb(-8)
    if decimals == 2:
        assert scale.money_decimal(scale.value(shares, price)) == notional(quantity, per_share)
    if abs(shares * price) < 9 * 10**33 // 10**decimals:
        found = scale.values(np.array([shares]), np.array([price]))
        assert found.tolist() == [scale.value(shares, price)]


def test_a_tie_in_the_cents_is_rounded_as_money_rounds_it() -> None:
    """0.5 x 0.01 and 1.5 x 0.01 are 0.005 and 0.015: 0.00 and 0.02."""
    scale = Scale(9, 2)
    halves = np.array([500_000_000, 1_500_000_000])
    cents = scale.values(halves, np.array([10**6, 10**6]))
    assert cents.tolist() == [0, 2]
    assert [int(money(Decimal(text)) * 100) for text in ("0.005", "0.015")] == [0, 2]


@given(st.integers(1, 10**14), st.integers(PRICE_UNIT // 2, 9 * PRICE_UNIT))
def test_a_price_is_scaled_in_an_array_as_it_is_alone(price: int, numerator: int) -> None:
    found = scaled_by(np.array([price]), numerator)
    assert found.tolist() == [halves_to_even(price * numerator, PRICE_UNIT)]


@pytest.mark.parametrize("decimals", [0, 2, 6, 9])
@given(value=st.floats(-1e6, 1e6))
def test_sizes_are_cut_towards_zero_and_alike_in_arrays(decimals: int, value: float) -> None:
    scale = Scale(decimals, 2)
    units = scale.truncated(value)
    assert scale.truncated_array(np.array([value, np.nan])).tolist() == [units, 0]
    assert units % scale.step == 0
    exact = truncate_quantity(Decimal(value), decimals)
    step = Decimal(1).scaleb(-decimals)
    assert abs(scale.shares_decimal(units) - exact) <= step
    # What a float cannot tell from the next multiple is that multiple.
    blur = step * Decimal("1e-8") + abs(Decimal(value)) * Decimal("1e-15")
    assert abs(scale.shares_decimal(units)) <= abs(Decimal(value)) + blur


def test_three_tenths_of_ten_are_three_shares() -> None:
    """0.1 x 3 is 0.30000000000000004 and 0.3 x 10 / 0.1 is 29.999999999999996 as floats."""
    assert Scale(0, 2).truncated(0.29 * 100) == 29
