"""Sizing: each rule's quantity worked by hand, and what cannot be sized is refused by name."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading_assets.model.order import Side
from trading_assets.risk.policies import (
    AtrVolatility,
    EquityPercent,
    FixedQuantity,
    Kelly,
    RiskParity,
    RiskPerTrade,
    SizingPolicy,
    VolatilityTarget,
)
from trading_assets.risk.sizing import (
    SizingCode,
    SizingInputs,
    SizingRefusal,
    TradeStatistics,
    exact,
    kelly_fraction,
    position_quantity,
    trade_statistics,
)

D = Decimal
FIXED = FixedQuantity(method="fixed_quantity", quantity=D(250))
TENTH = EquityPercent(method="equity_percent", fraction=D("0.10"))
ONE_PERCENT_RISK = RiskPerTrade(method="risk_per_trade", fraction=D("0.01"))
TURTLE = AtrVolatility(method="atr_volatility", fraction=D("0.01"))
HALF_KELLY = Kelly(method="kelly")
TARGET = VolatilityTarget(method="volatility_target", annual_volatility=D("0.10"))
PARITY = RiskParity(method="risk_parity")


def sized(policy: SizingPolicy, **given_inputs: Any) -> Decimal | SizingRefusal:
    inputs: dict[str, Any] = {"side": Side.BUY, "equity": D(100_000), "price": D(50)} | given_inputs
    return position_quantity(policy, SizingInputs(**inputs))


def test_fixed_quantity_is_the_same_whatever_the_price() -> None:
    assert sized(FIXED) == 250
    assert sized(FIXED, price=D(5000)) == 250


def test_equity_percent_buys_a_tenth_of_equity_in_whole_shares() -> None:
    # 10,000 / 33 = 303.03…
    assert sized(TENTH, price=D(33)) == 303


def test_fractions_are_cut_towards_zero_at_the_decimals_allowed() -> None:
    # 10,000 / 33 = 303.030303…
    assert sized(TENTH, price=D(33), decimals=4) == D("303.0303")


def test_risk_per_trade_loses_one_percent_when_the_stop_is_hit() -> None:
    # 1,000 at risk, 2.50 lost a share.
    quantity = sized(ONE_PERCENT_RISK, stop_price=D("47.50"))
    assert quantity == 400


def test_risk_per_trade_of_a_short_has_its_stop_above() -> None:
    assert sized(ONE_PERCENT_RISK, side=Side.SELL, stop_price=D("54")) == 250


def test_the_turtles_heating_oil_position_is_sixteen_contracts() -> None:
    # Faith, "The Original Turtle Trading Rules" (2003), position sizing: 0.01 x $1,000,000 /
    # (0.0141 x 42,000 gallons) = 16.88 contracts, cut to 16. The move of one contract is in money.
    moved = 0.0141 * 42_000
    assert sized(TURTLE, equity=D(1_000_000), average_true_range=moved) == 16


def test_two_ranges_at_risk_halve_the_position() -> None:
    wide = AtrVolatility(method="atr_volatility", fraction=D("0.01"), multiple=D(2))
    # 1,000 / 1.25 a share = 800; with twice the range 400.
    assert sized(TURTLE, average_true_range=1.25) == 800
    assert sized(wide, average_true_range=1.25) == 400


def test_kelly_of_an_even_bet_won_with_probability_p_is_two_p_minus_one() -> None:
    # Kelly (1956): at even odds the stake is q - p, here 0.53 - 0.47 (Thorp 2006, section 2).
    assert kelly_fraction(0.53, 1.0) == pytest.approx(0.06)


def test_half_kelly_halves_the_stake() -> None:
    trades = TradeStatistics(count=100, win_rate=0.6, payoff_ratio=1.5)
    # 0.6 - 0.4 / 1.5 = 1/3; half of it 1/6; of 100,000 at 50: 333.3 shares.
    roomy = Kelly(method="kelly", max_weight=D(1))
    assert sized(roomy, trades=trades) == 333


def test_kelly_is_capped() -> None:
    trades = TradeStatistics(count=100, win_rate=0.9, payoff_ratio=3.0)
    # 0.9 - 0.1 / 3 = 0.8667, half of it 0.43, capped at 0.25: 25,000 / 50.
    assert sized(HALF_KELLY, trades=trades) == 500


def test_volatility_target_holds_half_in_what_is_twice_as_volatile() -> None:
    # 0.10 / 0.20 = 0.5 of 100,000 at 50.
    assert sized(TARGET, volatility=0.20) == 1000


def test_volatility_target_is_capped_where_the_market_is_calm() -> None:
    # 0.10 / 0.02 = 5, capped at 1.
    assert sized(TARGET, volatility=0.02) == 2000


def test_risk_parity_takes_the_symbols_share_of_the_fraction() -> None:
    parity = RiskParity(method="risk_parity", fraction=D("0.8"))
    # 0.8 x 0.25 of 100,000 at 50.
    assert sized(parity, risk_weight=0.25) == 400


ENOUGH = TradeStatistics(count=30, win_rate=0.4, payoff_ratio=1.5)


@pytest.mark.parametrize(
    ("policy", "inputs", "code"),
    [
        (TENTH, {"equity": D(0)}, SizingCode.NO_EQUITY),
        (FIXED, {"equity": D(-5)}, SizingCode.NO_EQUITY),
        (TENTH, {"price": None}, SizingCode.NO_PRICE),
        (TENTH, {"price": D(0)}, SizingCode.NO_PRICE),
        (ONE_PERCENT_RISK, {}, SizingCode.STOP_UNKNOWN),
        (ONE_PERCENT_RISK, {"stop_price": D(50)}, SizingCode.STOP_ON_WRONG_SIDE),
        (ONE_PERCENT_RISK, {"stop_price": D(51)}, SizingCode.STOP_ON_WRONG_SIDE),
        (
            ONE_PERCENT_RISK,
            {"side": Side.SELL, "stop_price": D(49)},
            SizingCode.STOP_ON_WRONG_SIDE,
        ),
        (TURTLE, {}, SizingCode.RANGE_UNKNOWN),
        (TURTLE, {"average_true_range": math.nan}, SizingCode.RANGE_UNKNOWN),
        (TURTLE, {"average_true_range": 0.0}, SizingCode.RANGE_ZERO),
        (HALF_KELLY, {}, SizingCode.EDGE_UNKNOWN),
        (
            HALF_KELLY,
            {"trades": TradeStatistics(count=29, win_rate=0.6, payoff_ratio=2.0)},
            SizingCode.EDGE_UNKNOWN,
        ),
        (
            HALF_KELLY,
            {"trades": TradeStatistics(count=50, win_rate=1.0, payoff_ratio=None)},
            SizingCode.EDGE_UNKNOWN,
        ),
        # 0.4 - 0.6 / 1.5 = 0: a fair game has no edge.
        (HALF_KELLY, {"trades": ENOUGH}, SizingCode.EDGE_NOT_POSITIVE),
        (TARGET, {}, SizingCode.VOLATILITY_UNKNOWN),
        (TARGET, {"volatility": math.nan}, SizingCode.VOLATILITY_UNKNOWN),
        (TARGET, {"volatility": 0.0}, SizingCode.VOLATILITY_ZERO),
        (PARITY, {}, SizingCode.WEIGHT_UNKNOWN),
        (TENTH, {"price": D(10_001)}, SizingCode.QUANTITY_TOO_SMALL),
    ],
)
def test_what_cannot_be_sized_is_refused_by_code(
    policy: SizingPolicy, inputs: dict[str, Any], code: SizingCode
) -> None:
    refusal = sized(policy, **inputs)
    assert isinstance(refusal, SizingRefusal)
    assert refusal.code is code
    assert len(refusal.message) > 20


def test_exactly_the_smallest_order_is_not_too_small() -> None:
    assert sized(TENTH, price=D(10_000)) == 1


def test_trade_statistics_of_six_trades() -> None:
    results = [D(300), D(-100), D(100), D(-50), D(200), D(0)]
    found = trade_statistics(results)
    # 3 of 6 gained; average gain 200, average loss 75.
    assert found == TradeStatistics(count=6, win_rate=0.5, payoff_ratio=200 / 75)


def test_payoff_is_undefined_without_a_loss() -> None:
    assert trade_statistics([]) is None
    found = trade_statistics([D(5)])
    assert found is not None
    assert found.payoff_ratio is None


def test_a_statistic_becomes_the_decimal_that_it_is_spelled_as() -> None:
    assert exact(0.1) == D("0.1")
    assert exact(1e-7) == D("0.0000001")


@given(
    equity=st.decimals(1, 10**9, places=2),
    price=st.decimals("0.01", 10**5, places=2),
    stop=st.decimals("0.01", 10**5, places=2),
    side=st.sampled_from(Side),
    decimals=st.integers(0, 9),
)
def test_a_stop_never_loses_more_than_was_to_be_risked(
    equity: Decimal, price: Decimal, stop: Decimal, side: Side, decimals: int
) -> None:
    quantity = position_quantity(
        ONE_PERCENT_RISK,
        SizingInputs(side=side, equity=equity, price=price, stop_price=stop, decimals=decimals),
    )
    if isinstance(quantity, SizingRefusal):
        return
    assert quantity > 0
    assert quantity * abs(price - stop) <= equity * D("0.01") * (1 + D("1e-24"))
