"""Internal rates of return against a published answer and worked ones; flows in returns."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading_assets.analytics.money_weighted import DatedFlow, internal_rate, money_weighted
from trading_assets.analytics.pnl import daily_result
from trading_assets.analytics.returns import compound, portfolio_returns
from trading_assets.ledger.activity import BookClose, SessionActivity
from trading_assets.model.result import DailyResult

START = dt.date(2011, 12, 31)


def record(*days: tuple[str, str]) -> list[DailyResult]:
    """Results of consecutive days, each of a flow and what was earned beside it, all in cash."""
    results: list[DailyResult] = []
    before: BookClose | None = None
    for number, (flow, earned) in enumerate(days):
        session = START + dt.timedelta(number)
        equity = (before.equity if before else Decimal(0)) + Decimal(flow) + Decimal(earned)
        close = BookClose(
            session=session,
            positions={},
            values={},
            marks={},
            cash=equity,
            equity=equity,
            benchmark=None,
        )
        activity = SessionActivity(
            session=session,
            flows=Decimal(flow),
            flows_in_kind=Decimal(0),
            fees=Decimal(0),
            instruments=(),
            interest=Decimal(earned),
        )
        results.append(daily_result(before, activity, close))
        before = close
    return results


NINE_DAYS = (
    ("10000", "0"),
    ("0", "230"),
    ("200", "200"),
    ("-400", "-234.41"),
    ("0", "293.99"),
    ("0", "293.99"),
    ("5400", "195.99"),
    ("-3697.04", "-882.52"),
    ("0", "-1003.85"),
)
"""Deposits, withdrawals, interest and fees of portfolio-performance's ClientIndexTest."""


def test_deposits_and_withdrawals_are_no_performance_as_portfolio_performance_counts_them() -> None:
    """Its published daily and accumulated returns: inflow at the start, outflow at the end."""
    results = record(*NINE_DAYS)
    daily = [one.value for one in portfolio_returns(results)]
    published = (
        "0 0.023 0.019175455 -0.0220517 0.0294117647 0.0285714286 0.012261967 -0.0545454545 "
        "-0.0865384615"
    )
    assert daily == pytest.approx([float(one) for one in published.split()], abs=1e-6)
    assert compound(portfolio_returns(results)) == pytest.approx(-0.056182678, abs=1e-6)


def test_the_published_example_of_xirr() -> None:
    """Microsoft's documentation of XIRR: 0.373362535."""
    found = internal_rate(
        [
            DatedFlow(dt.date(2008, 1, 1), -10000),
            DatedFlow(dt.date(2008, 3, 1), 2750),
            DatedFlow(dt.date(2008, 10, 30), 4250),
            DatedFlow(dt.date(2009, 2, 15), 3250),
            DatedFlow(dt.date(2009, 4, 1), 2750),
        ]
    )
    assert found.annual == pytest.approx(0.373362535, abs=1e-8)
    assert found.days == 456


def test_a_deposit_before_a_loss_makes_the_owner_worse_off_than_the_time_weighted_return() -> None:
    """100 gains 10 %, 900 comes in, then 10 % is lost: time-weighted -1 %.

    Money-weighted over two days, x a day: 100 x² + 900 x = 909, so x = (-9 + √(81 + 36.36)) / 2.
    """
    results = record(("100", "10"), ("900", "-101"))
    assert compound(portfolio_returns(results)) == pytest.approx(-0.01)
    growth = (-9 + (81 + 36.36) ** 0.5) / 2
    assert money_weighted(results).over_period == pytest.approx(growth**2 - 1)


@given(st.lists(st.integers(-300, 300), min_size=1, max_size=40))
def test_without_flows_inside_the_period_both_returns_are_the_same(earned: list[int]) -> None:
    results = record(("1000000", str(earned[0])), *(("0", str(one)) for one in earned[1:]))
    expected = compound(portfolio_returns(results))
    assert money_weighted(results).over_period == pytest.approx(expected, abs=1e-9)


def test_a_year_of_the_rate_is_by_calendar_days() -> None:
    """10 % in 73 of 365 days is 1.1⁵ - 1 in a year."""
    flows = [DatedFlow(START, -100), DatedFlow(START + dt.timedelta(73), 110)]
    found = internal_rate(flows)
    assert found.over_period == pytest.approx(0.1)
    assert found.annual == pytest.approx(1.1**5 - 1)


def test_a_later_period_begins_at_the_close_before_it() -> None:
    results = record(("100", "0"), ("0", "10"), ("0", "11"))
    part = money_weighted(results[1:], results[0].session)
    assert part.over_period == pytest.approx(0.21)
    assert part.days == 2


@pytest.mark.parametrize(
    "flows",
    [
        [],
        [DatedFlow(START, -100), DatedFlow(START, 110)],
        [DatedFlow(START, -100), DatedFlow(START + dt.timedelta(9), -5)],
        # 10 % and 20 % solve it: -100, +230, -132.
        [
            DatedFlow(START, -100),
            DatedFlow(START + dt.timedelta(365), 230),
            DatedFlow(START + dt.timedelta(730), -132),
        ],
    ],
    ids=["nothing", "one day", "nothing came back", "two rates"],
)
def test_where_no_single_rate_fits_the_return_is_undefined(flows: list[DatedFlow]) -> None:
    found = internal_rate(flows)
    assert found.over_period is None
    assert found.annual is None


def test_no_results_have_no_return() -> None:
    assert money_weighted([]).over_period is None
