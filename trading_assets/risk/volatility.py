"""Volatility of returns, and the weights at which positions share it equally.

Statistics: floats, fractions, arrays of numpy. Undefined is a refusal, as in `sizing.py`.

Risk parity. Weights w > 0 are sought for which each position contributes the same to the
volatility of all: w_i (Σw)_i equal for all i. There is no closed form for more than two correlated
positions. Options: a general optimiser (scipy's SLSQP: slow, unreliable above a hundred names),
Newton steps (Spinu 2013), cyclical coordinate descent (Griveau-Billion, Richard and Roncalli 2013,
"A Fast Algorithm for Computing High-dimensional Risk Parity Portfolios"). Choice: the last, on the
correlation matrix (Choi and Chen 2022, "Improved iterative methods for solving risk parity
portfolio"). It minimises the strictly convex ½ x'Cx - Σ ln x_i / n one coordinate at a time, each
by a quadratic equation: every step goes down, and there is one end.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from trading_assets.risk.sizing import SizingCode, SizingRefusal

FloatArray = npt.NDArray[np.float64]

TOLERANCE = 1e-10
"""By how much a contribution may differ from an equal one, as a part of the whole."""
_SWEEPS = 10_000


def annual_volatility(returns: FloatArray, bars_per_year: float) -> float | None:
    """Sample standard deviation (n - 1) of `returns` (one for each bar) x √`bars_per_year`.

    None where there are fewer than two returns or one is not finite.
    """
    if returns.size < 2 or not np.isfinite(returns).all():
        return None
    return float(np.std(returns, ddof=1)) * math.sqrt(bars_per_year)


def risk_parity_weights(returns: FloatArray) -> FloatArray | SizingRefusal:
    """`equal_risk_weights` of the sample covariance of `returns`, one row a bar, one column a
    symbol."""
    if returns.shape[0] < 2 or not np.isfinite(returns).all():
        return SizingRefusal(
            SizingCode.VOLATILITY_UNKNOWN,
            f"{returns.shape[0]} returns, some of them missing: covariances need at least 2 of "
            "every symbol; wait, or leave the symbol out",
        )
    return equal_risk_weights(np.atleast_2d(np.cov(returns, rowvar=False)))


def equal_risk_weights(covariance: FloatArray) -> FloatArray | SizingRefusal:
    """Positive weights that add up to 1 and contribute equally to volatility.

    `covariance` is n x n, symmetric and positive semidefinite. The contributions w_i (Σw)_i differ
    from an n-th of their sum by at most `TOLERANCE`. Refused where a value is not finite, a
    variance is not positive, or positions hedge each other so fully that no such weights exist.
    """
    if not np.isfinite(covariance).all():
        return SizingRefusal(
            SizingCode.VOLATILITY_UNKNOWN,
            "a covariance is not finite; it needs a full lookback of returns of every symbol",
        )
    variances = np.diag(covariance)
    if (variances <= 0).any():
        return SizingRefusal(
            SizingCode.VOLATILITY_ZERO,
            f"{int((variances <= 0).sum())} of {variances.size} symbols did not move, so their "
            "share of the risk is undefined; leave them out",
        )
    deviations = np.sqrt(variances)
    scaled = _equal_contributions(covariance / np.outer(deviations, deviations))
    if scaled is None:
        return SizingRefusal(
            SizingCode.WEIGHT_UNKNOWN,
            "positions hedge each other fully, so equal contributions to their risk are "
            "undefined; leave one of them out",
        )
    weights = scaled / deviations
    return np.asarray(weights / weights.sum())


def _equal_contributions(correlation: FloatArray) -> FloatArray | None:
    """x > 0 with x_i (Cx)_i = 1/n for all i; None where the descent does not end."""
    count = correlation.shape[0]
    budget = 1.0 / count
    total = correlation.sum()
    if total <= 0:
        return None
    x = np.full(count, 1.0 / math.sqrt(total))
    for _ in range(_SWEEPS):
        for i in range(count):
            row = correlation[i]
            others = float(row @ x) - x[i]
            x[i] = (math.sqrt(others * others + 4.0 * budget) - others) / 2.0
        contributions = x * (correlation @ x)
        if np.abs(contributions - budget).max() <= TOLERANCE:
            return np.asarray(x)
    return None
