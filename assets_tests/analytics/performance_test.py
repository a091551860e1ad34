"""Performance statistics against published answers and figures worked out by hand.

Published: empyrical's tests/test_stats.py (its `flat_line_1` and `mixed_returns` series).
"""

from __future__ import annotations

import datetime as dt
import math
import subprocess
import sys
from decimal import Decimal

import empyrical
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading_assets.analytics.conventions import CONVENTIONS
from trading_assets.analytics.performance import (
    Drawdown,
    Period,
    Statistics,
    by_period,
    max_drawdown,
    performance,
    statistics,
    turnover,
)
from trading_assets.analytics.relative import Relative
from trading_assets.analytics.returns import SessionValue
from trading_assets.model.policies import ReportPolicy
from trading_assets.model.result import DailyResult

POLICY = ReportPolicy(title="t")
FLAT_LINE_1 = [0.01] * 9
MIXED = [0.01, 0.1, -0.04, 0.02, 0.03, 0.02, 0.01, -0.1]


def date(number: int) -> dt.date:
    return dt.date(2024, 1, 1) + dt.timedelta(number)


def series(*values: float | None) -> list[SessionValue]:
    return [SessionValue(date(n), value) for n, value in enumerate(values)]


def day(
    session: dt.date,
    daily_return: str | None,
    benchmark: str | None = None,
    traded: str = "0",
    equity: str = "100",
) -> DailyResult:
    zero = Decimal(0)
    return DailyResult(
        session=session,
        opening_equity=zero,
        flows=zero,
        pnl=zero,
        realized_pnl=zero,
        fees=zero,
        closing_equity=Decimal(equity),
        cash=zero,
        market_value=zero,
        traded=Decimal(traded),
        daily_return=None if daily_return is None else Decimal(daily_return),
        turnover=None,
        benchmark=None if benchmark is None else Decimal(benchmark),
        instruments=(),
    )


def test_published_annual_return_of_one_percent_a_day() -> None:
    found = statistics(series(*FLAT_LINE_1), POLICY)
    assert found.annualised_return == pytest.approx(11.274002099240244)
    assert found.sessions == 9


def test_published_volatility_and_sharpe_of_mixed_returns() -> None:
    found = statistics(series(*MIXED), POLICY)
    assert found.volatility == pytest.approx(0.9136465399704637)
    assert found.sharpe_ratio == pytest.approx(1.7238613961706866)
    assert found.max_drawdown is not None
    assert found.max_drawdown.depth == pytest.approx(-0.1)


def test_statistics_of_two_days_by_hand() -> None:
    """+2 %, 0 %: mean 1 %, sample deviation √2 %; a year of 4 sessions, no free rate.

    Chained 1.02; annualised 1.02², volatility √2 % x 2, Sharpe 1/√2 x 2.
    """
    year = ReportPolicy(title="t", annualisation_sessions=4)
    found = statistics(series(0.02, 0.0), year)
    assert found.cumulative_return == pytest.approx(0.02)
    assert found.annualised_return == pytest.approx(0.0404)
    assert found.volatility == pytest.approx(0.02 * math.sqrt(2))
    assert found.sharpe_ratio == pytest.approx(math.sqrt(2))
    assert found.best_day == (date(0), 0.02)
    assert found.worst_day == (date(1), 0.0)


def test_the_annual_risk_free_rate_is_taken_to_a_daily_one() -> None:
    """1.01² - 1 a year of two sessions is 1 % a day, the mean of the returns: Sharpe 0."""
    year = ReportPolicy(title="t", annualisation_sessions=2, risk_free_rate=Decimal("0.0201"))
    assert statistics(series(0.02, 0.0), year).sharpe_ratio == pytest.approx(0, abs=1e-12)


def test_without_dispersion_there_is_no_sharpe_ratio() -> None:
    found = statistics(series(0.01, 0.01, 0.01), POLICY)
    assert found.sharpe_ratio is None
    assert found.volatility == pytest.approx(0)


def test_one_return_defines_no_annual_figure() -> None:
    found = statistics(series(None, -0.5), POLICY)
    assert found == Statistics(
        sessions=1,
        cumulative_return=-0.5,
        annualised_return=None,
        volatility=None,
        sharpe_ratio=None,
        sortino_ratio=None,
        max_drawdown=Drawdown(depth=-0.5, peak=None, trough=date(1), recovery=None),
        win_rate=0.0,
        profit_factor=0.0,
        best_day=SessionValue(date(1), -0.5),
        worst_day=SessionValue(date(1), -0.5),
    )


@pytest.mark.parametrize("returns", [(), (None,), (0.1, None, 0.1)])
def test_nothing_is_defined_without_returns_or_across_an_undefined_one(
    returns: tuple[float | None, ...],
) -> None:
    found = statistics(series(*returns), POLICY)
    assert found.sessions == 0
    assert found.cumulative_return is None
    assert found.max_drawdown is None
    assert found.best_day is None


def test_more_than_everything_lost_cannot_be_annualised() -> None:
    found = statistics(series(-1.5, 0.1), POLICY)
    assert found.annualised_return is None
    assert found.cumulative_return == pytest.approx(-1.55)


def test_drawdown_names_peak_trough_and_recovery() -> None:
    """Index 2, 1, 1.5, 2, 1.5: halved from day 0 to day 1, recovered on day 3."""
    found = max_drawdown(series(1.0, -0.5, 0.5, 1 / 3, -0.25))
    assert found == Drawdown(depth=-0.5, peak=date(0), trough=date(1), recovery=date(3))


def test_drawdown_from_the_start_has_no_peak_session_and_may_not_have_recovered() -> None:
    found = max_drawdown(series(-0.5, 0.5))
    assert found == Drawdown(depth=-0.5, peak=None, trough=date(0), recovery=None)


def test_a_second_deeper_fall_takes_over() -> None:
    """Index 0.75, 1.5, 0.75: the first fall recovered, the second is deeper and has not."""
    found = max_drawdown(series(-0.25, 1.0, -0.5))
    assert found == Drawdown(depth=-0.5, peak=date(1), trough=date(2), recovery=None)


def test_a_portfolio_that_never_fell_has_a_drawdown_of_zero_without_dates() -> None:
    expected = Drawdown(depth=0.0, peak=None, trough=None, recovery=None)
    assert max_drawdown(series(0.1, 0.0)) == expected


def test_sortino_win_rate_and_profit_factor_by_hand() -> None:
    """+3 %, -1 %, 0, +2 %, a year of 4 sessions: mean 1 %, downside √(0.01² / 4) = 0.5 %.

    Sortino 1 / 0.5 x √4 = 4; two of the three that moved gained; 5 % gained for 1 % lost.
    """
    year = ReportPolicy(title="t", annualisation_sessions=4)
    found = statistics(series(0.03, -0.01, 0.0, 0.02), year)
    assert found.sortino_ratio == pytest.approx(4.0)
    assert found.win_rate == pytest.approx(2 / 3)
    assert found.profit_factor == pytest.approx(5.0)


def test_without_a_loss_neither_sortino_nor_profit_factor_is_defined() -> None:
    found = statistics(series(0.01, 0.0, 0.03), POLICY)
    assert found.sortino_ratio is None
    assert found.profit_factor is None
    assert found.win_rate == 1
    assert statistics(series(0.0, 0.0), POLICY).win_rate is None


def test_published_sortino_of_mixed_returns() -> None:
    """empyrical's test_sortino for `mixed_returns` without a required return."""
    found = statistics(series(*MIXED), POLICY)
    assert found.sortino_ratio == pytest.approx(2.605531251673693)


@given(st.lists(st.floats(-0.9, 0.9), min_size=1, max_size=30))
def test_drawdown_depth_agrees_with_empyrical(returns: list[float]) -> None:
    found = max_drawdown(series(*returns))
    assert found is not None
    expected = float(empyrical.max_drawdown(np.array(returns)))
    assert found.depth == pytest.approx(expected, abs=1e-12)


def test_turnover_is_half_of_what_was_traded_over_mean_equity() -> None:
    """(300 + 100) / 2 over a mean of 200."""
    results = [
        day(date(0), None, traded="300", equity="100"),
        day(date(1), None, traded="100", equity="300"),
    ]
    assert turnover(results) == pytest.approx(1.0)
    assert turnover([]) is None
    assert turnover([day(date(0), None, equity="0")]) is None


RECORD = [
    day(dt.date(2023, 12, 29), "0.5", "100"),
    day(dt.date(2024, 1, 31), "0.1", "110", traded="20"),
    day(dt.date(2024, 4, 30), "0.2", "121"),
    day(dt.date(2024, 5, 31), "-0.5", "242"),
]


@pytest.mark.parametrize(
    ("period", "portfolio", "benchmark"),
    [
        (Period.MONTH, -0.5, 1.0),
        (Period.QUARTER_TO_DATE, -0.4, 1.2),
        (Period.YEAR_TO_DATE, -0.34, 1.42),
        (Period.SINCE_INCEPTION, -0.01, 1.42),
    ],
)
def test_periods_end_with_the_last_session_and_the_benchmark_starts_at_the_close_before(
    period: Period, portfolio: float, benchmark: float
) -> None:
    found = by_period(RECORD, POLICY)[period]
    assert found.portfolio.cumulative_return == pytest.approx(portfolio)
    assert found.benchmark.cumulative_return == pytest.approx(benchmark)


def test_a_period_has_its_own_first_session_and_turnover() -> None:
    found = by_period(RECORD, POLICY)
    assert found[Period.QUARTER_TO_DATE].first == dt.date(2024, 4, 30)
    assert found[Period.QUARTER_TO_DATE].turnover == 0
    assert found[Period.YEAR_TO_DATE].turnover == pytest.approx(20 / 200)
    assert found[Period.SINCE_INCEPTION] == performance(RECORD, POLICY)


def test_a_record_without_results_or_benchmark() -> None:
    assert by_period([], POLICY) == {}
    empty = performance([], POLICY)
    assert (empty.first, empty.last, empty.turnover) == (None, None, None)
    alone = performance([day(date(0), "0.1"), day(date(1), "0.1")], POLICY)
    assert alone.benchmark.sessions == 0
    assert alone.portfolio.cumulative_return == pytest.approx(0.21)


def test_every_statistic_states_its_convention() -> None:
    named = {*Statistics.__struct_fields__, *Relative.__struct_fields__} - {"sessions"}
    named |= {"turnover", "benchmark_return", "money_weighted_return"}
    assert named == set(CONVENTIONS)


def test_the_slow_library_is_not_imported_before_it_is_needed() -> None:
    code = "import sys, trading_assets.analytics.performance; sys.exit('empyrical' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
