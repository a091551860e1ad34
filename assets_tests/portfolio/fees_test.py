"""Commission: worked by hand for each part of the schedule, and its inverse."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading_assets.model.policies import CommissionPolicy
from trading_assets.portfolio.fees import (
    affordable_quantity,
    cash_to_set_aside,
    commission,
    cost_of_buying,
)


@pytest.mark.parametrize(
    ("policy", "quantity", "notional", "expected"),
    [
        # 1 + 0.005 x 300 + 2 bp of 15,000 = 1 + 1.5 + 3
        ({"per_order": "1", "per_share": "0.005", "bps": "2"}, "300", "15000", "5.50"),
        ({"per_share": "0.005", "minimum": "1"}, "100", "5000", "1.00"),
        ({"per_share": "0.005", "minimum": "1"}, "200", "5000", "1.00"),
        ({"per_share": "0.005", "minimum": "1"}, "201", "5000", "1.00"),  # 1.005, half to even
        ({"per_share": "0.005", "minimum": "1"}, "203", "5000", "1.02"),  # 1.015, half to even
        ({"bps": "5"}, "1", "9.99", "0.00"),
        ({}, "100", "5000", "0"),
        ({"minimum": "1"}, "0", "0", "0"),
    ],
)
def test_commission_is_the_schedule_rounded_to_the_cent(
    policy: dict[str, str], quantity: str, notional: str, expected: str
) -> None:
    found = commission(
        CommissionPolicy.model_validate(policy), Decimal(quantity), Decimal(notional)
    )
    assert found == Decimal(expected)


def test_a_sale_costs_what_the_purchase_costs() -> None:
    policy = CommissionPolicy(per_share=Decimal("0.01"), bps=Decimal(1))
    assert commission(policy, Decimal(-100), Decimal(-5000)) == Decimal("1.50")


def test_buying_takes_notional_and_commission() -> None:
    policy = CommissionPolicy(per_order=Decimal(1))
    assert cost_of_buying(policy, Decimal("1.5"), Decimal("10.01")) == Decimal("16.02")
    assert cost_of_buying(policy, Decimal(0), Decimal(10)) == 0


def test_cash_set_aside_rounds_nothing_in_favour_of_the_buyer() -> None:
    """1.5 x 10.015 = 15.0225, booked as 15.02; 3 bp of it are 0.0045, charged as 0.00."""
    policy = CommissionPolicy(bps=Decimal(3))
    shares, price = Decimal("1.5"), Decimal("10.015")
    assert cost_of_buying(policy, shares, price) == Decimal("15.02")
    assert cash_to_set_aside(policy, shares, price) == Decimal("15.0325")
    assert cash_to_set_aside(policy, Decimal(0), price) == 0


@pytest.mark.parametrize(
    ("policy", "cash", "expected"),
    [
        ({}, "1000", "20"),
        ({"per_order": "10"}, "1010", "20"),
        ({"minimum": "10"}, "1010", "20"),
        ({"per_share": "0.5"}, "1010", "20"),
        ({"bps": "100"}, "1010", "20"),
        ({"per_order": "10"}, "9", "0"),
    ],
)
def test_cash_buys_what_is_left_after_commission(
    policy: dict[str, str], cash: str, expected: str
) -> None:
    found = affordable_quantity(CommissionPolicy.model_validate(policy), Decimal(50), Decimal(cash))
    assert found == Decimal(expected)


@given(
    shares=st.integers(1, 10_000),
    price=st.decimals("1.00", "500.00", places=2),
    per_share=st.decimals("0", "0.05", places=3),
    minimum=st.decimals("0", "5", places=2),
)
def test_what_a_purchase_costs_buys_that_purchase(
    shares: int, price: Decimal, per_share: Decimal, minimum: Decimal
) -> None:
    policy = CommissionPolicy(per_share=per_share, minimum=minimum)
    cost = cost_of_buying(policy, Decimal(shares), price)
    # Half a cent of rounding is worth at most that many shares.
    assert affordable_quantity(policy, price, cost + Decimal("0.005")) >= shares
