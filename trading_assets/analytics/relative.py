"""A portfolio against its benchmark; the numbers are empyrical's. See `conventions.py` for each."""

from __future__ import annotations

import math
from collections.abc import Callable

import msgspec

from trading_assets.analytics.returns import Returns, record
from trading_assets.model.policies import ReportPolicy


class Relative(msgspec.Struct, frozen=True, kw_only=True):
    """Figures of the sessions in which both returns are defined; None is undefined.

    `beta` and the captures are ratios; `alpha` a year's fraction, `tracking_error` a fraction,
    `information_ratio` annualised.
    """

    sessions: int
    beta: float | None = None
    alpha: float | None = None
    tracking_error: float | None = None
    information_ratio: float | None = None
    up_capture: float | None = None
    down_capture: float | None = None


def relative(portfolio: Returns, benchmark: Returns, policy: ReportPolicy) -> Relative:
    """Compare returns of the same sessions (fractions, ascending).

    Sessions before the benchmark's first return are left out; an undefined return in between
    leaves nothing defined, as for all statistics. Fewer than two sessions: nothing is defined.
    """
    both = _paired(portfolio, benchmark)
    if len(both) < 2:
        return Relative(sessions=len(both))
    # Importing empyrical takes longer than everything else here.
    import empyrical
    import numpy as np

    ours, theirs = np.asarray(both).T
    year = policy.annualisation_sessions
    daily_rate = float(1 + policy.risk_free_rate) ** (1 / year) - 1
    information = _finite(empyrical.excess_sharpe(ours, theirs))
    alpha = None
    if len(both) >= year:
        alpha = _finite(empyrical.alpha_aligned(ours, theirs, daily_rate, annualization=year))

    def capture(function: Callable[..., float], sessions: int) -> float | None:
        # A year of one session: the geometric mean by session instead of an annualised return.
        # More than everything lost has none.
        with np.errstate(invalid="ignore", divide="ignore"):
            return _finite(function(ours, theirs, period="yearly")) if sessions else None

    return Relative(
        sessions=len(both),
        beta=_finite(empyrical.beta_aligned(ours, theirs, daily_rate)),
        alpha=alpha,
        tracking_error=_finite(empyrical.annual_volatility(ours - theirs, annualization=year)),
        information_ratio=None if information is None else information * math.sqrt(year),
        up_capture=capture(empyrical.up_capture, int((theirs > 0).sum())),
        down_capture=capture(empyrical.down_capture, int((theirs < 0).sum())),
    )


def _paired(portfolio: Returns, benchmark: Returns) -> list[tuple[float, float]]:
    """Both returns of each session from the benchmark's first on; none where one is undefined."""
    theirs = record(benchmark)
    if not theirs:
        return []
    ours = record([one for one in portfolio if one.session >= theirs[0][0]])
    if ours is None:
        return []
    by_session = dict(theirs)
    return [(value, by_session[session]) for session, value in ours]


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
