"""Rebalance sessions, with weeks and months that begin on holidays."""

from __future__ import annotations

import datetime as dt

import pytest

from trading_assets.model.policies import RebalanceFrequency
from trading_assets.portfolio.rebalance_dates import is_rebalance


@pytest.mark.parametrize(
    ("frequency", "previous", "session", "expected"),
    [
        ("every_session", "2024-03-05", "2024-03-06", True),
        ("monthly", "2024-03-28", "2024-04-01", True),  # Good Friday between
        ("monthly", "2024-04-01", "2024-04-02", False),
        ("monthly", "2023-12-29", "2024-01-02", True),  # 1 January is a holiday
        ("monthly", "2023-01-31", "2024-01-02", True),  # the same month of another year
        ("weekly", "2024-01-12", "2024-01-16", True),  # Monday is Martin Luther King Day
        ("weekly", "2024-01-16", "2024-01-17", False),
        ("weekly", "2024-12-31", "2025-01-02", False),  # one week over the turn of the year
    ],
)
def test_the_first_session_of_a_week_or_month_rebalances(
    frequency: str, previous: str, session: str, expected: bool
) -> None:
    found = is_rebalance(
        RebalanceFrequency(frequency),
        dt.date.fromisoformat(session),
        dt.date.fromisoformat(previous),
    )
    assert found is expected


@pytest.mark.parametrize("frequency", list(RebalanceFrequency))
def test_the_portfolios_first_session_always_rebalances(frequency: RebalanceFrequency) -> None:
    assert is_rebalance(frequency, dt.date(2024, 3, 6), None)
