"""Performance statistics, each with its convention; the numbers are empyrical's where it has them.

Statistics are floats and fractions (0.01 is 1 %). None is *undefined*, never 0 or NaN.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from decimal import Decimal
from enum import StrEnum

import msgspec

from trading_assets.analytics.returns import (
    Returns,
    SessionValue,
    benchmark_returns,
    compound,
    equity_index,
    portfolio_returns,
    record,
)
from trading_assets.model.money import ZERO
from trading_assets.model.policies import ReportPolicy
from trading_assets.model.result import DailyResult

CONVENTIONS: dict[str, str] = {
    "cumulative_return": (
        "Time-weighted, net of fees: daily returns chained, Π(1 + r) - 1. A day's return is "
        "(profit - fees) / (opening equity + flows); flows count from the session's start."
    ),
    "annualised_return": (
        "Compound rate by number of sessions: (1 + cumulative)^(sessions in a year / sessions) - 1"
        " (empyrical annual_return)."
    ),
    "volatility": (
        "Sample standard deviation (n - 1) of daily returns x √(sessions in a year) "
        "(empyrical annual_volatility)."
    ),
    "sharpe_ratio": (
        "Mean of daily returns less the daily risk-free rate, (1 + annual rate)^(1 / sessions in a"
        " year) - 1, over their sample standard deviation, x √(sessions in a year) "
        "(empyrical sharpe_ratio)."
    ),
    "max_drawdown": (
        "Deepest fall of the chained daily returns from their highest close so far, the start "
        "included (empyrical max_drawdown). Recovery is the first close at that high again."
    ),
    "turnover": (
        "Σ |notional| of fills / (2 x mean closing equity) over the period, not annualised: "
        "1 is the portfolio bought and sold once."
    ),
    "benchmark_return": (
        "Close to close over the same sessions, from the close before the first of them; since "
        "inception from the first session's close. As quoted: dividends only if the quotes "
        "hold them."
    ),
    "best_day": "Highest daily return.",
    "worst_day": "Lowest daily return.",
}
"""Metric → how it is computed, as the report states it."""


class Drawdown(msgspec.Struct, frozen=True, kw_only=True):
    """A fall from a high. `depth` is a fraction <= 0.

    `peak` is None where the high is the start of the period, `recovery` None while the high has
    not been reached again; all three are None at depth 0.
    """

    depth: float
    peak: dt.date | None
    trough: dt.date | None
    recovery: dt.date | None


class Statistics(msgspec.Struct, frozen=True, kw_only=True):
    """Statistics of one series of daily returns; `sessions` counts the defined returns.

    See CONVENTIONS for each. With one return, only the cumulative return, the drawdown and the
    days are defined; with none, or an undefined one in between, nothing is.
    """

    sessions: int
    cumulative_return: float | None
    annualised_return: float | None
    volatility: float | None
    sharpe_ratio: float | None
    max_drawdown: Drawdown | None
    best_day: SessionValue | None
    worst_day: SessionValue | None


class Performance(msgspec.Struct, frozen=True, kw_only=True):
    """A period: first and last session (None for an empty one), portfolio, benchmark.

    `benchmark` has sessions 0 where there is none; `turnover` None where equity is not positive.
    """

    first: dt.date | None
    last: dt.date | None
    portfolio: Statistics
    benchmark: Statistics
    turnover: float | None


class Period(StrEnum):
    """Periods that end with the last session of the record."""

    MONTH = "month"
    QUARTER_TO_DATE = "quarter_to_date"
    YEAR_TO_DATE = "year_to_date"
    SINCE_INCEPTION = "since_inception"


def statistics(returns: Returns, policy: ReportPolicy) -> Statistics:
    """Statistics of daily returns (fractions, ascending by session) under a policy's
    annualisation and risk-free rate."""
    defined = record(returns)
    if defined is None:
        return Statistics(
            sessions=0,
            cumulative_return=None,
            annualised_return=None,
            volatility=None,
            sharpe_ratio=None,
            max_drawdown=None,
            best_day=None,
            worst_day=None,
        )
    values = [value for _, value in defined]
    annualised, volatility, sharpe = _annual(values, policy)
    best = max(defined, key=lambda one: one[1])
    worst = min(defined, key=lambda one: one[1])
    return Statistics(
        sessions=len(defined),
        cumulative_return=compound(returns),
        annualised_return=annualised,
        volatility=volatility,
        sharpe_ratio=sharpe,
        max_drawdown=max_drawdown(returns),
        best_day=SessionValue(*best),
        worst_day=SessionValue(*worst),
    )


def _annual(
    values: list[float], policy: ReportPolicy
) -> tuple[float | None, float | None, float | None]:
    """Annualised return, volatility and Sharpe ratio; None for fewer than two values."""
    if len(values) < 2:
        return None, None, None
    # Importing empyrical takes longer than everything else here.
    import empyrical
    import numpy as np

    year = policy.annualisation_sessions
    daily_rate = float(1 + policy.risk_free_rate) ** (1 / year) - 1
    array = np.asarray(values)
    # Below a total loss there is no real root to annualise by.
    ruined = math.prod(1 + value for value in values) < 0
    return (
        None if ruined else _finite(empyrical.annual_return(array, annualization=year)),
        _finite(empyrical.annual_volatility(array, annualization=year)),
        _finite(empyrical.sharpe_ratio(array, risk_free=daily_rate, annualization=year)),
    )


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def max_drawdown(returns: Returns) -> Drawdown | None:
    """Deepest fall with its dates, the first of equals; None when undefined (see `record`)."""
    if record(returns) is None:
        return None
    high, high_session = 1.0, None
    deepest = Drawdown(depth=0.0, peak=None, trough=None, recovery=None)
    level_to_recover: float | None = None
    for session, level in equity_index(returns):
        if level is None:
            continue
        if level / high - 1 < deepest.depth:
            deepest = Drawdown(
                depth=level / high - 1, peak=high_session, trough=session, recovery=None
            )
            level_to_recover = high
        elif level_to_recover is not None and level >= level_to_recover:
            deepest = msgspec.structs.replace(deepest, recovery=session)
            level_to_recover = None
        if level >= high:
            high, high_session = level, session
    return deepest


def turnover(results: Sequence[DailyResult]) -> float | None:
    """See CONVENTIONS; None for no results or where mean closing equity is not positive."""
    equity = sum((result.closing_equity for result in results), ZERO)
    if equity <= 0:
        return None
    traded = sum((result.traded for result in results), ZERO)
    return float(traded * len(results) / (Decimal(2) * equity))


def performance(results: Sequence[DailyResult], policy: ReportPolicy) -> Performance:
    """Performance over all `results` (ascending by session, none missing)."""
    return _performance(results, portfolio_returns(results), benchmark_returns(results), policy)


def by_period(results: Sequence[DailyResult], policy: ReportPolicy) -> dict[Period, Performance]:
    """Performance of each period that ends with the last of `results`; empty for none.

    Give the whole record since inception: a period's benchmark starts from the close before it.
    """
    if not results:
        return {}
    portfolio, benchmark = portfolio_returns(results), benchmark_returns(results)
    found = {}
    for period in Period:
        start = _start(period, results[-1].session)
        first = next(place for place, one in enumerate(results) if one.session >= start)
        found[period] = _performance(results[first:], portfolio[first:], benchmark[first:], policy)
    return found


def _start(period: Period, last: dt.date) -> dt.date:
    """First calendar day of the period that `last` lies in."""
    if period is Period.SINCE_INCEPTION:
        return dt.date.min
    first_month = {
        Period.MONTH: last.month,
        Period.QUARTER_TO_DATE: 3 * ((last.month - 1) // 3) + 1,
        Period.YEAR_TO_DATE: 1,
    }[period]
    return dt.date(last.year, first_month, 1)


def _performance(
    results: Sequence[DailyResult], portfolio: Returns, benchmark: Returns, policy: ReportPolicy
) -> Performance:
    return Performance(
        first=results[0].session if results else None,
        last=results[-1].session if results else None,
        portfolio=statistics(portfolio, policy),
        benchmark=statistics(benchmark, policy),
        turnover=turnover(results),
    )
