"""Interest of cash balances and fees of borrowed shares, by a named day count."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from trading_assets.model.cash_events import DayCount
from trading_assets.model.money import money

_DAYS_IN_YEAR = {
    DayCount.ACTUAL_360: Decimal(360),
    DayCount.ACTUAL_365: Decimal(365),
    DayCount.THIRTY_360: Decimal(360),
}


def days_between(start: dt.date, end: dt.date, day_count: DayCount) -> int:
    """Days from `start` up to but not including `end`, as `day_count` counts them.

    30/360 is the US bond basis without the end-of-February rule: day 31 counts as 30 at the
    start, and at the end where the start is day 30 or 31 (ISDA 2006, section 4.16(f)).
    """
    if day_count is not DayCount.THIRTY_360:
        return (end - start).days
    first = min(start.day, 30)
    last = 30 if end.day == 31 and first == 30 else end.day
    return 360 * (end.year - start.year) + 30 * (end.month - start.month) + (last - first)


def accrued_interest(
    balance: Decimal, annual_rate: Decimal, start: dt.date, end: dt.date, day_count: DayCount
) -> Decimal:
    """Simple interest on `balance` from `start` up to but not including `end`, to the cent.

    The sign is that of the balance: positive interest on credit is received, negative interest
    on a debit is paid. `annual_rate` is a fraction (0.05 is 5 %). A borrow fee is the same on the
    market value of the shares borrowed. ValueError where `end` is before `start`.
    """
    if end < start:
        raise ValueError(f"interest from {start} to {end}: the end is before the start")
    days = days_between(start, end, day_count)
    return money(balance * annual_rate * days / _DAYS_IN_YEAR[day_count])
