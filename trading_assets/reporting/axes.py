"""Axis arithmetic for the drawn charts: round tick values, and dates at which people read time."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence

_MONTH_STEPS = (1, 2, 3, 6, 12, 24, 60, 120, 240)


def value_ticks(low: float, high: float, count: int = 5) -> list[float]:
    """About `count` round values (1, 2, 2.5, 5 times a power of ten) that enclose [low, high].

    Equal bounds are widened by 1 % of their size (or 0.01), so there are always two ticks.
    """
    if high - low <= 1e-12:
        margin = max(abs(high) * 0.01, 0.01)
        low, high = low - margin, high + margin
    rough = (high - low) / count
    magnitude = 10.0 ** math.floor(math.log10(rough))
    step = next(s * magnitude for s in (1.0, 2.0, 2.5, 5.0, 10.0) if s * magnitude >= rough * 0.999)
    first = math.floor(low / step + 1e-9)
    last = math.ceil(high / step - 1e-9)
    return [round(at * step, 12) for at in range(first, last + 1)]


def decimals_for(ticks: Sequence[float], most: int = 4) -> int:
    """Fewest decimals at which every tick is written exactly (at most `most`)."""
    for decimals in range(most):
        if all(abs(tick - round(tick, decimals)) < 1e-9 * max(1.0, abs(tick)) for tick in ticks):
            return decimals
    return most


def date_ticks(first: dt.date, last: dt.date, most: int = 8) -> list[tuple[dt.date, str]]:
    """Dates in [first, last] with labels: starts of months or years, or days of a short span.

    The step is the smallest with at most `most` labels (3 or more); never empty.
    """
    days = (last - first).days
    if days < 70:
        step = max(1, math.ceil((days + 1) / most))
        marks = [first + dt.timedelta(days=at) for at in range(0, days + 1, step)]
        return [(mark, f"{mark.day} {mark:%b}") for mark in marks]
    for step in _MONTH_STEPS:
        starts = [
            start
            for at in range(first.year * 12, last.year * 12 + 12)
            if at % step == 0 and first <= (start := dt.date(at // 12, at % 12 + 1, 1)) <= last
        ]
        if len(starts) <= most:
            break
    written = "%Y" if step >= 12 else "%b %Y"
    return [(start, start.strftime(written)) for start in starts]
