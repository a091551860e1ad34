"""Interest by day count; expected values worked by hand, 30/360 days from ISDA's examples."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from trading_assets.ledger.interest import accrued_interest, days_between
from trading_assets.model.cash_events import DayCount

JANUARY = dt.date(2024, 1, 31)
MARCH = dt.date(2024, 3, 31)


@pytest.mark.parametrize(
    ("start", "end", "day_count", "days"),
    [
        # A leap year's February counts as it is, or as 30 days.
        (JANUARY, MARCH, DayCount.ACTUAL_360, 60),
        (JANUARY, MARCH, DayCount.ACTUAL_365, 60),
        (JANUARY, MARCH, DayCount.THIRTY_360, 60),
        (dt.date(2024, 1, 15), MARCH, DayCount.THIRTY_360, 76),
        (dt.date(2023, 2, 28), dt.date(2023, 3, 1), DayCount.THIRTY_360, 3),
        (dt.date(2023, 2, 28), dt.date(2023, 3, 1), DayCount.ACTUAL_365, 1),
        (JANUARY, JANUARY, DayCount.ACTUAL_360, 0),
    ],
)
def test_days_are_counted_as_the_convention_says(
    start: dt.date, end: dt.date, day_count: DayCount, days: int
) -> None:
    assert days_between(start, end, day_count) == days


def test_a_debit_over_a_weekend_pays_three_days() -> None:
    """-12,000.00 at 6 % for 3 of 360 days: -6.00."""
    friday = dt.date(2024, 1, 5)
    owed = accrued_interest(
        Decimal(-12000), Decimal("0.06"), friday, friday + dt.timedelta(3), DayCount.ACTUAL_360
    )
    assert owed == Decimal("-6.00")


def test_interest_is_rounded_to_the_cent_half_to_even() -> None:
    """365.00 at 0.5 % for one day: 0.005, to the even cent 0.00; for three days 0.015 to 0.02."""
    rate, day = Decimal("0.005"), dt.date(2024, 1, 1)
    one, three = day + dt.timedelta(1), day + dt.timedelta(3)
    assert accrued_interest(Decimal(365), rate, day, one, DayCount.ACTUAL_365) == 0
    assert accrued_interest(Decimal(365), rate, day, three, DayCount.ACTUAL_365) == Decimal("0.02")


def test_an_end_before_the_start_is_refused() -> None:
    with pytest.raises(ValueError, match="the end is before the start"):
        accrued_interest(Decimal(1), Decimal(1), MARCH, JANUARY, DayCount.ACTUAL_360)
