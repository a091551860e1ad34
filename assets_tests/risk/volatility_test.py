"""Volatility and risk parity against published weights, closed forms and skfolio."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skfolio.optimization import RiskBudgeting

from trading_assets.risk.sizing import SizingCode, SizingRefusal
from trading_assets.risk.volatility import (
    FloatArray,
    annual_volatility,
    equal_risk_weights,
    risk_parity_weights,
)


def covariance(deviations: list[float], correlation: list[list[float]]) -> FloatArray:
    return np.asarray(np.outer(deviations, deviations) * np.array(correlation))


def weights_of(matrix: FloatArray) -> FloatArray:
    found = equal_risk_weights(matrix)
    assert not isinstance(found, SizingRefusal)
    return found


def test_volatility_of_four_returns_by_hand() -> None:
    # Mean 0.01; deviations 0.01, -0.03, 0.02, 0: Σ² = 0.0014; / 3; root 0.0216; x √252.
    returns = np.array([0.02, -0.02, 0.03, 0.01])
    assert annual_volatility(returns, 252) == pytest.approx(math.sqrt(0.0014 / 3 * 252))


def test_volatility_of_one_return_or_of_a_gap_is_unknown() -> None:
    assert annual_volatility(np.array([0.01]), 252) is None
    assert annual_volatility(np.array([0.01, math.nan, 0.02]), 252) is None


def test_two_assets_are_weighted_by_inverse_volatility_whatever_their_correlation() -> None:
    for correlation in (-0.9, 0.0, 0.7):
        matrix = covariance([0.10, 0.30], [[1, correlation], [correlation, 1]])
        assert weights_of(matrix) == pytest.approx([0.75, 0.25])


def test_the_published_four_asset_portfolio() -> None:
    # Maillard, Roncalli and Teiletche (2010), "The Properties of Equally Weighted Risk Contribution
    # Portfolios", the example with volatilities of 10, 20, 30 and 40 %: 38.4, 19.2, 24.3, 18.2 %.
    matrix = covariance(
        [0.10, 0.20, 0.30, 0.40],
        [[1, 0.8, 0, 0], [0.8, 1, 0, 0], [0, 0, 1, -0.5], [0, 0, -0.5, 1]],
    )
    assert weights_of(matrix) == pytest.approx([0.384, 0.192, 0.243, 0.182], abs=5e-4)


def test_weights_agree_with_skfolio() -> None:
    returns = np.random.default_rng(7).normal(0, 0.01, (250, 8)) @ np.diag(np.linspace(0.5, 2, 8))
    returns[:, 1] += returns[:, 0]
    # skfolio solves the same problem by a conic solver, to about four decimals.
    found = risk_parity_weights(returns)
    assert found == pytest.approx(RiskBudgeting().fit(returns).weights_, abs=1e-4)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), count=st.integers(1, 30))
def test_every_position_contributes_the_same(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    matrix = np.cov(rng.normal(0, rng.uniform(0.001, 0.05, count), (60, count)), rowvar=False)
    matrix = np.atleast_2d(matrix)
    weights = weights_of(matrix)
    contributions = weights * (matrix @ weights)
    assert weights.sum() == pytest.approx(1)
    assert (weights > 0).all()
    assert contributions / contributions.sum() == pytest.approx(np.full(count, 1 / count), abs=1e-8)


@pytest.mark.parametrize(
    ("matrix", "code"),
    [
        ([[0.04, 0.0], [0.0, 0.0]], SizingCode.VOLATILITY_ZERO),
        ([[0.04, math.nan], [math.nan, 0.01]], SizingCode.VOLATILITY_UNKNOWN),
        ([[0.04, -0.04], [-0.04, 0.04]], SizingCode.WEIGHT_UNKNOWN),
    ],
)
def test_weights_that_are_undefined_are_refused(
    matrix: list[list[float]], code: SizingCode
) -> None:
    refusal = equal_risk_weights(np.array(matrix))
    assert isinstance(refusal, SizingRefusal)
    assert refusal.code is code


def test_a_missing_return_leaves_the_weights_unknown() -> None:
    returns = np.array([[0.01, 0.02], [math.nan, 0.01], [0.0, 0.01]])
    refusal = risk_parity_weights(returns)
    assert isinstance(refusal, SizingRefusal)
    assert refusal.code is SizingCode.VOLATILITY_UNKNOWN
    one_row = risk_parity_weights(returns[:1])
    assert isinstance(one_row, SizingRefusal)
