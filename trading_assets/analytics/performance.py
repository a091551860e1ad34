"""Performance statistics, each with its convention; the numbers are empyrical's where it has them.

Statistics are floats and fractions (0.01 is 1 %). None is *undefined*, never 0 or NaN.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

import msgspec

from trading_assets.analytics.money_weighted import MoneyWeighted, money_weighted
from trading_assets.analytics.relative import Relative, relative
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

    See `conventions.py` for each. With one return, only the cumulative return, the drawdown, the
    win rate, the profit factor and the days are defined; with none, or an undefined one in between,
    nothing is.
    """

    sessions: int
    cumulative_return: float | None
    annualised_return: float | None
    volatility: float | None
    sharpe_ratio: float | None
    sortino_ratio: float | None
    max_drawdown: Drawdown | None
    win_rate: float | None
    profit_factor: float | None
    best_day: SessionValue | None
    worst_day: SessionValue | None


class Performance(msgspec.Struct, frozen=True, kw_only=True):
    """A period: first and last session (None for an empty one), portfolio, benchmark.

    `benchmark` and `relative` have sessions 0 where there is none; `turnover` is None where equity
    is not positive.
    """

    first: dt.date | None
    last: dt.date | None
    portfolio: Statistics
    benchmark: Statistics
    relative: Relative
    money_weighted: MoneyWeighted
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
            sortino_ratio=None,
            max_drawdown=None,
            win_rate=None,
            profit_factor=None,
            best_day=None,
            worst_day=None,
        )
    values = [value for _, value in defined]
    annualised, volatility, sharpe, sortino = _annual(values, policy)
    best = max(defined, key=lambda one: one[1])
    worst = min(defined, key=lambda one: one[1])
    return Statistics(
        sessions=len(defined),
        cumulative_return=compound(returns),
        annualised_return=annualised,
        volatility=volatility,
        sharpe_ratio=sharpe,
        sortino_ratio=sortino,
        max_drawdown=max_drawdown(returns),
        win_rate=win_rate(values),
        profit_factor=profit_factor(values),
        best_day=SessionValue(*best),
        worst_day=SessionValue(*worst),
    )


def win_rate(values: Sequence[float]) -> float | None:
    """Part of the returns that are above 0 among those that are not 0; None where all are."""
    moved = [value for value in values if value]
    return sum(value > 0 for value in moved) / len(moved) if moved else None


def profit_factor(values: Sequence[float]) -> float | None:
    """Sum of the positive returns over that of the negative ones (as a positive number); None
    without a negative one."""
    losses = -sum(value for value in values if value < 0)
    return sum(value for value in values if value > 0) / losses if losses else None


def _annual(
    values: list[float], policy: ReportPolicy
) -> tuple[float | None, float | None, float | None, float | None]:
    """Annualised return, volatility, Sharpe and Sortino ratio; None for fewer than two values."""
    if len(values) < 2:
        return None, None, None, None
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
        _finite(empyrical.sortino_ratio(array, required_return=daily_rate, annualization=year)),
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
    """See `conventions.py`; None for no results or where mean closing equity is not positive."""
    equity = sum((result.closing_equity for result in results), ZERO)
    if equity <= 0:
        return None
    traded = sum((result.traded for result in results), ZERO)
    return float(traded * len(results) / (Decimal(2) * equity))


def performance(results: Sequence[DailyResult], policy: ReportPolicy) -> Performance:
    """Performance over all `results` (ascending by session, none missing)."""
    whole = _Part(results, portfolio_returns(results), benchmark_returns(results), None)
    return _performance(whole, policy)


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
        before = results[first - 1].session if first else None
        part = _Part(results[first:], portfolio[first:], benchmark[first:], before)
        found[period] = _performance(part, policy)
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


class _Part(NamedTuple):
    """A stretch of the record; `close_before` is the session before it, None at inception."""

    results: Sequence[DailyResult]
    portfolio: Returns
    benchmark: Returns
    close_before: dt.date | None


def _performance(part: _Part, policy: ReportPolicy) -> Performance:
    results = part.results
    return Performance(
        first=results[0].session if results else None,
        last=results[-1].session if results else None,
        portfolio=statistics(part.portfolio, policy),
        benchmark=statistics(part.benchmark, policy),
        relative=relative(part.portfolio, part.benchmark, policy),
        money_weighted=money_weighted(results, part.close_before),
        turnover=turnover(results),
    )
