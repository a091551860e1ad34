"""The one place where money, quantities, weights and prices are rounded."""

from __future__ import annotations

from decimal import Decimal

import pytest

from trading_assets.model.money import (
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
