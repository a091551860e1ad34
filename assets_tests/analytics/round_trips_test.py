"""What round trips add up to, by hand."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from trading_assets.analytics.round_trips import round_trip_summary
from trading_assets.model.round_trip import PositionSide, RoundTrip

DAY = dt.date(2024, 3, 4)


def trip(pnl: str, days: int = 1) -> RoundTrip:
    return RoundTrip(
        symbol="SPY",
        lot_id="1",
        side=PositionSide.LONG,
        quantity=Decimal(1),
        currency="USD",
        opened=DAY,
        opened_at=None,
        entry_price=Decimal(100),
        closed=DAY + dt.timedelta(days),
        closed_at=None,
        exit_price=Decimal(100) + Decimal(pnl),
        pnl=Decimal(pnl),
        base_pnl=Decimal(pnl),
        return_=Decimal(pnl) / 100,
        holding_days=days,
    )


def test_winners_losers_and_those_that_ended_even() -> None:
    """+30, +10, -20 and 0: two of three won, 40 gained for 20 lost, (1 + 3 + 5 + 7) / 4 days."""
    found = round_trip_summary([trip("30", 1), trip("10", 3), trip("-20", 5), trip("0", 7)])
    assert (found.count, found.winners, found.losers) == (4, 2, 1)
    assert found.pnl == 20
    assert found.win_rate == pytest.approx(2 / 3)
    assert found.profit_factor == pytest.approx(2.0)
    assert found.holding_days == pytest.approx(4.0)


def test_without_a_loser_the_profit_factor_is_undefined() -> None:
    assert round_trip_summary([trip("5")]).profit_factor is None


def test_no_round_trips_have_no_rates() -> None:
    found = round_trip_summary([])
    assert found.count == 0
    assert found.pnl == 0
    assert found.win_rate is None
    assert found.holding_days is None
