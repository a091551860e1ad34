"""Interest and borrow fees by a named day count, worked by hand."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from trading_assets.ledger.interest import accrued_interest
from trading_assets.model.cash_events import DayCount

ACT_360, ACT_365, THIRTY_360 = DayCount.ACTUAL_360, DayCount.ACTUAL_365, DayCount.THIRTY_360


@pytest.mark.parametrize(
    ("balance", "rate", "start", "end", "day_count", "interest"),
    [
        # January has 31 days: 10000 x 5 % x 31 / 360 = 43.0555...
        ("10000", "0.05", "2024-01-01", "2024-02-01", ACT_360, "43.06"),
        # / 365 = 42.4657...
        ("10000", "0.05", "2024-01-01", "2024-02-01", ACT_365, "42.47"),
        # a month is 30 days: 41.6666...
        ("10000", "0.05", "2024-01-01", "2024-02-01", THIRTY_360, "41.67"),
        # a debit pays
        ("-10000", "0.05", "2024-01-01", "2024-02-01", ACT_360, "-43.06"),
        # a negative rate turns the sign
        ("10000", "-0.005", "2024-01-01", "2024-02-01", ACT_360, "-4.31"),
        # one night: 1000000 x 5.33 % / 360 = 148.0555...
        ("1000000", "0.0533", "2024-03-14", "2024-03-15", ACT_360, "148.06"),
        # over a weekend: three nights, 444.1666...
        ("1000000", "0.0533", "2024-03-15", "2024-03-18", ACT_360, "444.17"),
        # over a leap day: 2 actual days, 3 of 30/360
        ("360000", "0.10", "2024-02-28", "2024-03-01", ACT_360, "200.00"),
        ("365000", "0.10", "2024-02-28", "2024-03-01", ACT_365, "200.00"),
        ("360000", "0.10", "2024-02-28", "2024-03-01", THIRTY_360, "300.00"),
        # over the end of a February without one: 1 actual day, 3 of 30/360
        ("360000", "0.10", "2023-02-28", "2023-03-01", ACT_360, "100.00"),
        ("360000", "0.10", "2023-02-28", "2023-03-01", THIRTY_360, "300.00"),
        # a year: 366 or 365 actual days, always 360 of 30/360
        ("36000", "0.10", "2024-01-01", "2025-01-01", ACT_360, "3660.00"),
        ("36500", "0.10", "2024-01-01", "2025-01-01", ACT_365, "3660.00"),
        ("36000", "0.10", "2024-01-01", "2025-01-01", THIRTY_360, "3600.00"),
        ("36500", "0.10", "2023-01-01", "2024-01-01", ACT_365, "3650.00"),
        # 30/360, from a 31st to a 31st: both count as the 30th, two months
        ("36000", "0.10", "2024-01-31", "2024-03-31", THIRTY_360, "600.00"),
        # from a 30th to a 31st: two months
        ("36000", "0.10", "2024-01-30", "2024-03-31", THIRTY_360, "600.00"),
        # from the 31st to the 28th: 30th to 28th, 28 days
        ("36000", "0.10", "2023-01-31", "2023-02-28", THIRTY_360, "280.00"),
        # 29th to 31st in the bond basis: a 31st is a day of its own, 2 days
        ("36000", "0.10", "2024-01-29", "2024-01-31", THIRTY_360, "20.00"),
        # no days, no balance, no rate
        ("10000", "0.05", "2024-01-01", "2024-01-01", ACT_360, "0.00"),
        ("0", "0.05", "2024-01-01", "2024-02-01", ACT_360, "0.00"),
        ("10000", "0", "2024-01-01", "2024-02-01", ACT_360, "0.00"),
        # half a cent goes to the even one: 90 x 2 % x 1 / 360 = 0.005, 270 x ... = 0.015
        ("90", "0.02", "2024-01-01", "2024-01-02", ACT_360, "0.00"),
        ("270", "0.02", "2024-01-01", "2024-01-02", ACT_360, "0.02"),
    ],
)
def test_interest_is_balance_times_rate_times_the_part_of_the_year(
    balance: str, rate: str, start: str, end: str, day_count: DayCount, interest: str
) -> None:
    earned = accrued_interest(
        Decimal(balance),
        Decimal(rate),
        dt.date.fromisoformat(start),
        dt.date.fromisoformat(end),
        day_count,
    )
    assert earned == Decimal(interest)
    assert earned.as_tuple().exponent == -2


def test_a_borrow_fee_is_the_same_on_what_the_borrowed_shares_are_worth() -> None:
    """A market value of 50000 at 12.5 % for 7 days: 121.5277..."""
    fee = accrued_interest(
        Decimal(50000), Decimal("0.125"), dt.date(2021, 1, 22), dt.date(2021, 1, 29), ACT_360
    )
    assert fee == Decimal("121.53")
