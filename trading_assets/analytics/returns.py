"""Returns by session, and what is read off them in order: index, drawdown, months.

Statistics are floats; None is *undefined*, and nothing is computed across an undefined return.
Returns before the first defined one (a portfolio without money yet, a benchmark before its first
close) are no part of the record.
"""

from __future__ import annotations

import datetime as dt
import itertools
import math
from collections.abc import Callable, Hashable, Sequence
from typing import NamedTuple, TypeVar

from trading_assets.model.result import DailyResult

Period = TypeVar("Period", bound=Hashable)


class SessionValue(NamedTuple):
    """A number that belongs to a session; None where it is undefined."""

    session: dt.date
    value: float | None


Returns = Sequence[SessionValue]


def portfolio_returns(results: Sequence[DailyResult]) -> tuple[SessionValue, ...]:
    """Return of each session as a fraction, net of fees; results ascending by session."""
    return tuple(
        SessionValue(
            result.session, None if result.daily_return is None else float(result.daily_return)
        )
        for result in results
    )


def benchmark_returns(results: Sequence[DailyResult]) -> tuple[SessionValue, ...]:
    """Close-to-close return of the benchmark over the same sessions, as a fraction.

    None for the first session, and wherever either close is unknown or not positive.
    """
    returns = [SessionValue(result.session, None) for result in results[:1]]
    for before, after in itertools.pairwise(results):
        value = None
        if before.benchmark is not None and after.benchmark is not None and before.benchmark > 0:
            value = float(after.benchmark / before.benchmark - 1)
        returns.append(SessionValue(after.session, value))
    return tuple(returns)


def record(returns: Returns) -> list[tuple[dt.date, float]] | None:
    """The returns from the first defined one on; None when there is none, or one in between is
    undefined."""
    first = next((place for place, one in enumerate(returns) if one.value is not None), None)
    if first is None:
        return None
    found = [(one.session, one.value) for one in returns[first:] if one.value is not None]
    return found if len(found) == len(returns) - first else None


def compound(returns: Returns) -> float | None:
    """Time-weighted return: Π(1 + r) - 1; None when undefined (see `record`)."""
    defined = record(returns)
    return None if defined is None else math.prod(1 + value for _, value in defined) - 1


def equity_index(returns: Returns, base: float = 1.0) -> tuple[SessionValue, ...]:
    """Value of `base` invested before the first defined return, after each session.

    Same sessions as `returns`. None before the first defined return and from an undefined one on.
    """
    level: float | None = None
    lost = False
    points = []
    for session, value in returns:
        if value is None:
            lost = lost or level is not None
            level = None
        elif not lost:
            level = (base if level is None else level) * (1 + value)
        points.append(SessionValue(session, level))
    return tuple(points)


def drawdown_series(returns: Returns) -> tuple[SessionValue, ...]:
    """Index over its highest value so far, less 1: a fraction <= 0, None where the index is.

    The start (1, before the first return) counts as a high.
    """
    high = 1.0
    points = []
    for session, level in equity_index(returns):
        if level is not None:
            high = max(high, level)
        points.append(SessionValue(session, None if level is None else level / high - 1))
    return tuple(points)


def compound_by(
    returns: Returns, period: Callable[[dt.date], Period]
) -> dict[Period, float | None]:
    """`compound` of each period's sessions, in order; `period` names a session's period."""
    groups: dict[Period, list[SessionValue]] = {}
    for one in returns:
        groups.setdefault(period(one.session), []).append(one)
    return {name: compound(group) for name, group in groups.items()}


def monthly_returns(returns: Returns) -> dict[tuple[int, int], float | None]:
    """Time-weighted return of each (year, month) that has a session."""
    return compound_by(returns, lambda session: (session.year, session.month))


def yearly_returns(returns: Returns) -> dict[int, float | None]:
    """Time-weighted return of each year, as far as it is recorded."""
    return compound_by(returns, lambda session: session.year)
