"""Money-weighted return: what the owner's money earned, given when it came and went."""

from __future__ import annotations

import datetime as dt
import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from trading_assets.model.result import DailyResult

DAYS_IN_A_YEAR = 365
LOG_GROWTH_MAX = 14.0
"""Growth looked for, over the whole period: between e⁻¹⁴ (all but a millionth lost) and e¹⁴."""
_STEPS = 560


class DatedFlow(NamedTuple):
    """Money at the end of a day; positive is paid out to the owner, negative paid in."""

    day: dt.date
    amount: float


class MoneyWeighted(msgspec.Struct, frozen=True, kw_only=True):
    """Internal rate of return: `over_period`, and a year's (`annual`), as fractions; None where
    undefined. `days` is how long the period is in calendar days."""

    over_period: float | None
    annual: float | None
    days: int


UNDEFINED = MoneyWeighted(over_period=None, annual=None, days=0)


def money_weighted(
    results: Sequence[DailyResult], close_before: dt.date | None = None
) -> MoneyWeighted:
    """Return of `results` (ascending, none missing); `close_before` is the session before the
    first of them, None at inception (the day before then stands for it).

    Opening equity and inflows are dated at the close before their session, outflows at its own, as
    the time-weighted return counts them; without flows inside the period both are the same.
    """
    if not results:
        return UNDEFINED
    first = results[0]
    before = close_before or first.session - dt.timedelta(days=1)
    flows = [DatedFlow(before, -float(first.opening_equity))]
    for result in results:
        inflow = result.flows > 0
        flows.append(DatedFlow(before if inflow else result.session, -float(result.flows)))
        before = result.session
    flows.append(DatedFlow(results[-1].session, float(results[-1].closing_equity)))
    return internal_rate(flows)


def internal_rate(flows: Sequence[DatedFlow]) -> MoneyWeighted:
    """The rate r that solves Σ amount x (1 + r)^(-days / 365) = 0, days from the first flow, which
    is what spreadsheets call XIRR.

    Undefined where all is on one day, where nothing is paid in or out, or where several rates
    solve it (as they may when the balance changed sign).
    """
    moved = sorted(flow for flow in flows if flow.amount)
    if not moved:
        return UNDEFINED
    start = moved[0].day
    days = (moved[-1].day - start).days
    undefined = MoneyWeighted(over_period=None, annual=None, days=days)
    if days == 0:
        return undefined
    scale = max(abs(flow.amount) for flow in moved)
    terms = [((flow.day - start).days / days, flow.amount / scale) for flow in moved]

    def present_value(log_growth: float) -> float:
        return sum(amount * math.exp(-log_growth * part) for part, amount in terms)

    grid = [LOG_GROWTH_MAX * (2 * step / _STEPS - 1) for step in range(_STEPS + 1)]
    values = [present_value(growth) for growth in grid]
    brackets = [
        (low, high)
        for (low, at_low), (high, at_high) in itertools.pairwise(zip(grid, values, strict=True))
        if (at_low < 0) is not (at_high < 0)
    ]
    if len(brackets) != 1:
        return undefined
    # Imported where it is used: it takes longer than a whole session.
    from scipy.optimize import brentq

    growth = float(brentq(present_value, *brackets[0], xtol=1e-14))
    return MoneyWeighted(
        over_period=math.expm1(growth),
        annual=_finite_expm1(growth * DAYS_IN_A_YEAR / days),
        days=days,
    )


def _finite_expm1(power: float) -> float | None:
    return math.expm1(power) if power < 700 else None
