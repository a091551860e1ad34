"""A portfolio against its benchmark: by hand, and against empyrical and quantstats."""

from __future__ import annotations

import datetime as dt
import importlib
import math
from decimal import Decimal
from pathlib import Path
from typing import Any

import empyrical
import numpy as np
import pandas as pd
import pytest

from trading_assets.analytics.performance import statistics
from trading_assets.analytics.relative import Relative, relative
from trading_assets.analytics.returns import SessionValue
from trading_assets.model.policies import ReportPolicy

PRICES = Path(__file__).parents[2] / "data" / "market" / "sp500_daily_closes.csv"
FOUR = ReportPolicy(title="t", annualisation_sessions=4)
YEAR = ReportPolicy(title="t")


def series(*values: float | None) -> list[SessionValue]:
    return [SessionValue(dt.date(2024, 1, 1) + dt.timedelta(n), v) for n, v in enumerate(values)]


def test_beta_alpha_and_tracking_error_by_hand() -> None:
    """The portfolio is 1 % plus twice the benchmark of ±1 %: 3, -1, 3, -1 against 1, -1, 1, -1.

    Beta 2; alpha 1.01⁴ - 1; active 2, 0, 2, 0: mean 1, deviation √(4/3), so tracking error
    2 √(4/3) % and information ratio 2 / √(4/3).
    """
    found = relative(series(0.03, -0.01, 0.03, -0.01), series(0.01, -0.01, 0.01, -0.01), FOUR)
    assert found.sessions == 4
    assert found.beta == pytest.approx(2.0)
    assert found.alpha == pytest.approx(1.01**4 - 1)
    assert found.tracking_error == pytest.approx(0.02 * math.sqrt(4 / 3))
    assert found.information_ratio == pytest.approx(2 / math.sqrt(4 / 3))
    assert found.up_capture == pytest.approx(3.0)
    assert found.down_capture == pytest.approx(1.0)


def test_captures_are_geometric_means_by_session() -> None:
    """In the up sessions 21 % and 0 % against 10 % twice: (√1.21 - 1) / 0.1 = 1."""
    found = relative(series(0.21, 0.0, 0.5), series(0.1, 0.1, 0.0), FOUR)
    assert found.up_capture == pytest.approx(1.0)
    assert found.down_capture is None


def test_alpha_below_a_year_is_undefined_the_rest_is_not() -> None:
    found = relative(series(0.03, -0.01, 0.03), series(0.01, -0.01, 0.01), FOUR)
    assert found.alpha is None
    assert found.beta == pytest.approx(2.0)


def test_sessions_before_the_benchmarks_first_return_are_left_out() -> None:
    with_start = relative(series(0.5, 0.03, -0.01), series(None, 0.01, -0.01), FOUR)
    assert with_start.sessions == 2
    assert with_start.beta == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("portfolio", "benchmark"),
    [
        ((), ()),
        ((0.1, 0.2), (None, None)),
        ((0.1, None, 0.2), (0.1, 0.1, 0.1)),
        ((0.1, 0.2), (0.1, None)),
        ((0.1, 0.2), (None, 0.1)),
    ],
)
def test_without_two_sessions_in_common_nothing_is_defined(
    portfolio: tuple[float | None, ...], benchmark: tuple[float | None, ...]
) -> None:
    found = relative(series(*portfolio), series(*benchmark), FOUR)
    assert found == Relative(sessions=found.sessions)
    assert found.sessions < 2


def test_against_a_benchmark_that_never_moves_there_is_no_beta() -> None:
    found = relative(series(0.1, 0.2), series(0.0, 0.0), FOUR)
    assert found.beta is None
    assert found.up_capture is None
    assert found.tracking_error == pytest.approx(np.std([0.1, 0.2], ddof=1) * 2)


def test_a_portfolio_that_is_the_benchmark_has_no_information_ratio() -> None:
    found = relative(series(0.1, 0.2), series(0.1, 0.2), FOUR)
    assert found.beta == pytest.approx(1.0)
    assert found.tracking_error == pytest.approx(0.0)
    assert found.information_ratio is None


@pytest.fixture(scope="module")
def market() -> tuple[pd.Series, pd.Series]:
    """Session returns of JPM and of the index, 2019 to 2021."""
    frame = pd.read_csv(PRICES, parse_dates=["session"])
    wide = frame.pivot_table(index="session", columns="symbol", values="close")
    returns = wide.loc["2018-12-31":"2021-12-31"].pct_change().dropna(how="all")
    index = next(name for name in ("SPX", "^GSPC", "SP500", "SPY") if name in returns)
    return returns["JPM"], returns[index]


@pytest.fixture(scope="module")
def qs() -> Any:
    """quantstats, whose signatures are only partly typed."""
    return importlib.import_module("quantstats.stats")


def as_series(values: pd.Series) -> list[SessionValue]:
    return [
        SessionValue(day.date(), float(value))
        for day, value in zip(values.index, values, strict=True)
    ]


def test_real_returns_agree_with_quantstats(market: tuple[pd.Series, pd.Series], qs: Any) -> None:
    """Where conventions are the same the figures are; where not, the convention is the factor."""
    ours, theirs = market
    found = statistics(as_series(ours), YEAR)
    assert found.cumulative_return == pytest.approx(qs.comp(ours))
    assert found.volatility == pytest.approx(qs.volatility(ours, prepare_returns=False))
    assert found.sharpe_ratio == pytest.approx(qs.sharpe(ours))
    assert found.sortino_ratio == pytest.approx(qs.sortino(ours))
    assert found.win_rate == pytest.approx(qs.win_rate(ours))
    assert found.profit_factor == pytest.approx(qs.profit_factor(ours))
    assert found.max_drawdown is not None
    assert found.max_drawdown.depth == pytest.approx(qs.max_drawdown(ours))
    assert found.annualised_return is not None
    assert found.annualised_return == pytest.approx(qs.cagr(ours, periods=252))
    against = relative(as_series(ours), as_series(theirs), YEAR)
    greeks = qs.greeks(ours, theirs)
    assert against.beta == pytest.approx(greeks["beta"])
    # quantstats adds the alpha of a session up over a year, ours is compounded.
    assert against.alpha == pytest.approx((1 + greeks["alpha"] / 252) ** 252 - 1)
    # quantstats gives the information ratio by session.
    assert against.information_ratio == pytest.approx(
        qs.information_ratio(ours, theirs) * math.sqrt(252)
    )


def test_a_risk_free_rate_is_deannualised_as_quantstats_does(
    market: tuple[pd.Series, pd.Series],
    qs: Any,
) -> None:
    ours, _ = market
    found = statistics(as_series(ours), ReportPolicy(title="t", risk_free_rate=Decimal("0.02")))
    assert found.sharpe_ratio == pytest.approx(qs.sharpe(ours, rf=0.02, periods=252))
    assert found.sortino_ratio == pytest.approx(qs.sortino(ours, rf=0.02, periods=252))


def test_real_returns_agree_with_empyrical(market: tuple[pd.Series, pd.Series]) -> None:
    ours, theirs = market
    found = relative(as_series(ours), as_series(theirs), YEAR)
    alpha, beta = empyrical.alpha_beta(ours, theirs)
    assert found.alpha == pytest.approx(alpha)
    assert found.beta == pytest.approx(beta)
    # empyrical annualises both sides of a capture first: of the geometric means, that is a power.
    up, theirs_up = ours[theirs > 0], theirs[theirs > 0]
    mean = math.prod(1 + up) ** (1 / len(up)) - 1
    their_mean = math.prod(1 + theirs_up) ** (1 / len(up)) - 1
    assert found.up_capture == pytest.approx(mean / their_mean)
    assert empyrical.up_capture(ours, theirs) == pytest.approx(
        ((1 + mean) ** 252 - 1) / ((1 + their_mean) ** 252 - 1)
    )
