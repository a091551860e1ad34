"""Commission and slippage, worked by hand; arrays charge what single orders are charged."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading_assets.engine.costs import Commission, Slippage
from trading_assets.engine.rules import CommissionRules, SlippageRules
from trading_assets.engine.scaled import Scale
from trading_assets.errors import ConfigurationError

CENTS = Scale(0, 2)


def charged(rules: CommissionRules, shares: int, value: int, scale: Scale = CENTS) -> int:
    commission = Commission(rules, scale)
    return commission.booked(commission.variable(shares, value, False))


def commission(**rules: object) -> CommissionRules:
    return CommissionRules.model_validate(rules)


@pytest.mark.parametrize(
    ("rules", "shares", "value", "cents"),
    [
        (commission(per_share="0.005", minimum=1), 100, 100_000, 100),
        (commission(per_share="0.005", minimum=1), 512, 5_009_408, 256),
        # 3.485 is a tie: half to even, as all money.
        (commission(per_share="0.005", minimum=1), 697, 10_000_000, 348),
        (commission(bps=1), 100, 1_000_000, 100),
        (commission(bps="0.5"), 100, 1_000_000, 50),
        (commission(per_order="1.5", bps=10), 10, 100_000, 250),
        (commission(), 10, 100_000, 0),
    ],
)
def test_an_order_is_charged_by_share_order_minimum_and_notional(
    rules: CommissionRules, shares: int, value: int, cents: int
) -> None:
    assert charged(rules, shares, value) == cents
    found = Commission(rules, CENTS).of_orders(np.array([shares, 0]), np.array([value, 0]))
    assert found.tolist() == [cents, 0]


def test_a_finer_account_keeps_what_is_below_a_cent() -> None:
    rules = commission(per_share="0.005", minimum=1)
    assert charged(rules, 697, 10_000_000, Scale(0, 6)) == 3_485_000


@given(
    st.integers(1, 10**11),
    st.integers(1, 10**12),
    st.sampled_from(["0", "0.005", "0.00123456"]),
    st.sampled_from([0, 1, 100]),
    st.sampled_from(["0", "1", "0.25"]),
)
def test_arrays_of_orders_are_charged_as_single_ones(
    shares: int, value: int, per_share: str, minimum: int, bps: str
) -> None:
    rules = commission(per_share=per_share, minimum=minimum, bps=bps)
    for scale in (CENTS, Scale(9, 2)):
        found = Commission(rules, scale).of_orders(np.array([shares]), np.array([value]))
        assert found.tolist() == [charged(rules, shares, value, scale)]


def test_a_price_per_share_finer_than_is_kept_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="more than 8 decimals"):
        Commission(commission(per_share="0.000000001"), CENTS)


def test_ten_basis_points_of_100_are_ten_cents_against_whoever_trades() -> None:
    slippage = Slippage(SlippageRules.model_validate({"bps": 10}))
    assert slippage.slipped(100 * 10**8, 1, 0.0) == 10_010_000_000
    assert slippage.slipped(100 * 10**8, -1, 0.0) == 9_990_000_000
    both = slippage.slipped_array(np.array([10**10, 10**10]), np.array([1, -1]), np.zeros(2))
    assert both.tolist() == [10_010_000_000, 9_990_000_000]


@given(st.integers(1, 10**14), st.sampled_from([-1, 1]), st.floats(0, 1))
def test_arrays_of_prices_slip_as_single_ones(price: int, sign: int, share: float) -> None:
    rules = SlippageRules.model_validate({"bps": "2.5", "volume_share_impact": "0.1"})
    slippage = Slippage(rules)
    found = slippage.slipped_array(np.array([price]), np.array([sign]), np.array([share]))
    assert found.tolist() == [slippage.slipped(price, sign, share)]
