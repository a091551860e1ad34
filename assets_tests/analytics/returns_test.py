"""Returns by session: chained, as an index, as drawdowns, by month and year."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading_assets.analytics.returns import (
    SessionValue,
    benchmark_returns,
    compound,
    drawdown_series,
    equity_index,
    monthly_returns,
    portfolio_returns,
    yearly_returns,
)
from trading_assets.model.result import DailyResult


def day(
    session: dt.date, daily_return: str | None = None, benchmark: str | None = None
) -> DailyResult:
    zero = Decimal(0)
    return DailyResult(
        session=session,
        opening_equity=zero,
        flows=zero,
        pnl=zero,
        realized_pnl=zero,
        fees=zero,
        closing_equity=Decimal(100),
        cash=zero,
        market_value=zero,
        traded=zero,
        daily_return=None if daily_return is None else Decimal(daily_return),
        turnover=None,
        benchmark=None if benchmark is None else Decimal(benchmark),
        instruments=(),
    )


def series(*values: float | None) -> list[SessionValue]:
    return [SessionValue(dt.date(2024, 1, 1 + n), value) for n, value in enumerate(values)]


def values(points: tuple[SessionValue, ...]) -> list[float | None]:
    return [point.value for point in points]


def test_returns_are_taken_from_the_results_as_they_are() -> None:
    results = [day(dt.date(2024, 1, 2)), day(dt.date(2024, 1, 3), "0.0125")]
    assert portfolio_returns(results) == (
        (dt.date(2024, 1, 2), None),
        (dt.date(2024, 1, 3), 0.0125),
    )


def test_benchmark_moves_from_close_to_close_and_has_no_return_on_the_first() -> None:
    closes = ["100", "102", None, "103", "0", "10"]
    results = [day(dt.date(2024, 1, 2 + n), None, close) for n, close in enumerate(closes)]
    assert values(benchmark_returns(results)) == [None, pytest.approx(0.02), None, None, -1.0, None]
    assert benchmark_returns([]) == ()


def test_returns_are_chained() -> None:
    """1.1 x 0.9 x 1.05 = 1.0395."""
    assert compound(series(0.1, -0.1, 0.05)) == pytest.approx(0.0395)


def test_days_before_the_first_return_do_not_count_and_a_hole_makes_it_undefined() -> None:
    assert compound(series(None, None, 0.1)) == pytest.approx(0.1)
    assert compound(series(0.1, None, 0.1)) is None
    assert compound(series(None)) is None
    assert compound([]) is None


def test_index_grows_from_its_base_and_stops_at_a_hole() -> None:
    assert values(equity_index(series(None, 0.1, -0.5, None, 0.1), base=100)) == [
        None,
        pytest.approx(110),
        pytest.approx(55),
        None,
        None,
    ]


def test_drawdown_is_measured_from_the_highest_close_the_start_included() -> None:
    """Index 0.9, 1.2, 0.6, 1.2."""
    assert values(drawdown_series(series(-0.1, 1 / 3, -0.5, 1.0))) == [
        pytest.approx(-0.1),
        pytest.approx(0),
        pytest.approx(-0.5),
        pytest.approx(0),
    ]


def test_months_and_years_are_chained_apart() -> None:
    returns = [
        SessionValue(dt.date(2023, 12, 29), 0.1),
        SessionValue(dt.date(2024, 1, 2), 0.1),
        SessionValue(dt.date(2024, 1, 31), 0.1),
        SessionValue(dt.date(2024, 2, 1), None),
    ]
    assert monthly_returns(returns) == {
        (2023, 12): pytest.approx(0.1),
        (2024, 1): pytest.approx(0.21),
        (2024, 2): None,
    }
    assert yearly_returns(returns) == {2023: pytest.approx(0.1), 2024: None}


@given(st.lists(st.floats(-0.5, 0.5), min_size=1, max_size=20))
def test_the_index_ends_at_the_compounded_return(returns: list[float]) -> None:
    last = equity_index(series(*returns))[-1].value
    assert last is not None
    assert compound(series(*returns)) == pytest.approx(last - 1)
    assert all(
        value is not None and value <= 0 for value in values(drawdown_series(series(*returns)))
    )
