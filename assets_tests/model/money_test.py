"""The one place where money, quantities, weights and prices are rounded."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading_assets.model.money import (
    CENT,
    apportioned,
    in_proportion,
    money,
    notional,
    plain,
    price_per_share,
    round_to_tick,
    truncate_quantity,
    weight,
)


@pytest.mark.parametrize(
    ("amount", "rounded"),
    [("1.005", "1.00"), ("1.015", "1.02"), ("-1.005", "-1.00"), ("2.0049", "2.00")],
)
def test_money_is_rounded_to_the_cent_half_to_even(amount: str, rounded: str) -> None:
    assert str(money(Decimal(amount))) == rounded


def test_a_notional_is_rounded_once_and_keeps_its_sign() -> None:
    assert notional(Decimal("-33.333"), Decimal("3.01")) == Decimal("-100.33")


@pytest.mark.parametrize(
    ("quantity", "decimals", "cut"),
    [("1.9999999", 6, "1.999999"), ("-1.9", 0, "-1"), ("0.5", 0, "0"), ("7", 9, "7")],
)
def test_a_quantity_is_cut_towards_zero_never_away(quantity: str, decimals: int, cut: str) -> None:
    assert truncate_quantity(Decimal(quantity), decimals) == Decimal(cut)


@pytest.mark.parametrize(
    ("price", "tick", "rounded"),
    [("10.013", "0.01", "10.01"), ("10.025", "0.05", "10.00"), ("0.12345", "0.0001", "0.1234")],
)
def test_a_price_goes_to_the_nearest_tick(price: str, tick: str, rounded: str) -> None:
    assert round_to_tick(Decimal(price), Decimal(tick)) == Decimal(rounded)


def test_a_weight_has_ten_decimals() -> None:
    assert weight(Decimal(1), Decimal(3)) == Decimal("0.3333333333")


@pytest.mark.parametrize(
    ("value", "text"),
    [("1.0", "1"), ("1E+3", "1000"), ("-0.00", "0"), ("0.0000001", "0.0000001"), ("100", "100")],
)
def test_each_value_has_one_spelling(value: str, text: str) -> None:
    assert plain(Decimal(value)) == text


@pytest.mark.parametrize(
    ("text", "price"),
    [
        ("10.5", "10.5"),
        ("123.12345678912345", "123.12345679"),
        ("1.5E2", "1.5E+2"),
        ("0.00000001", "1E-8"),
    ],
)
def test_a_price_keeps_its_spelling_up_to_eight_decimals(text: str, price: str) -> None:
    assert str(price_per_share(text)) == price


def decimals(**values: str) -> dict[str, Decimal]:
    return {name: Decimal(value) for name, value in values.items()}


def test_cents_that_do_not_divide_evenly_go_to_the_first_names() -> None:
    parts = in_proportion(Decimal("100.01"), decimals(a="1", b="1", c="1"), CENT)
    assert parts == decimals(a="33.34", b="33.34", c="33.33")


def test_a_cost_is_divided_as_an_income_of_its_size() -> None:
    parts = in_proportion(Decimal("-100.01"), decimals(a="1", b="1", c="1"), CENT)
    assert parts == decimals(a="-33.34", b="-33.34", c="-33.33")


def test_the_cent_goes_to_the_largest_remainder() -> None:
    # 0.10 x 1/6, 2/6, 3/6 = 1.66…, 3.33…, 5 cents
    parts = in_proportion(Decimal("0.10"), decimals(a="1", b="2", c="3"), CENT)
    assert parts == decimals(a="0.02", b="0.03", c="0.05")


def test_parts_of_both_signs_add_up_to_their_rounded_sum() -> None:
    # 10.005 - 4.002 = 6.003, which is 6.00 to the cent; neither is a cent off.
    parts = apportioned(Decimal("6.00"), decimals(a="10.005", b="-4.002"), CENT)
    assert parts == decimals(a="10.00", b="-4.00")


def test_a_total_that_is_not_the_sum_is_spread_by_size() -> None:
    # 1.00 short of 40: spread 0.75 and 0.25 over 30 and 10.
    parts = apportioned(Decimal("39.00"), decimals(a="30", b="10"), CENT)
    assert parts == decimals(a="29.25", b="9.75")


def test_stakes_finer_than_the_quantum_are_no_parts_even_where_they_add_up() -> None:
    # At a price of 1 the value equals the shares; it is still divided in cents.
    parts = in_proportion(Decimal("10.50"), decimals(a="3.3333", b="7.1667"), CENT)
    assert parts == decimals(a="3.33", b="7.17")


@given(
    st.decimals("-1000000000", "1000000000", places=2),
    st.dictionaries(
        st.text("abcdef", min_size=1), st.decimals("-100000", "100000", places=7), min_size=1
    ).filter(lambda fair: any(fair.values())),
)
def test_parts_always_add_up(total: Decimal, fair: dict[str, Decimal]) -> None:
    parts = apportioned(total, fair, CENT)
    assert sum(parts.values()) == total
    assert parts.keys() == fair.keys()
    assert all(part == money(part) for part in parts.values())
