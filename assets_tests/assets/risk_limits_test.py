"""The portfolio's limits on risk, from its file to its orders, and what comes after them."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from assets_tests.assets.graph_home import FIRST, FOURTH, PORTFOLIO, THIRD, GraphHome, failures
from trading_assets.lake import Lake

LIMITS = {"max_concentration": 0.45, "max_drawdown": 0.0001}
SIGNALS = {
    "2023-12-29": {"AAA": 0.5, "BBB": 0.3, "CCC": 0.2},
    "2024-01-04": {"AAA": 0.4, "BBB": 0.1, "CCC": 0.5},
}
"""The second is traded on in the fourth session."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> GraphHome:
    home = GraphHome(tmp_path_factory.mktemp("limits"), risk=LIMITS)
    home.write_signals(SIGNALS)
    result = home.run(FIRST, FOURTH)
    assert result.success, failures(result)
    return home


def table(home: GraphHome, asset: str, session: str) -> list[dict[str, Any]]:
    found = Lake(home.places.lake, PORTFOLIO).read(asset, dt.date.fromisoformat(session))
    assert found is not None
    rows: list[dict[str, Any]] = found.to_pylist()
    return rows


def test_a_position_beyond_the_limit_is_not_opened_and_the_reason_is_in_the_plan(
    home: GraphHome,
) -> None:
    orders = {row["symbol"]: row for row in table(home, "order_plan", FIRST)}
    assert orders["AAA"]["quantity"] == 0
    assert "CONCENTRATION_LIMIT AAA" in orders["AAA"]["cuts"]
    assert orders["BBB"]["quantity"] > 0
    assert {row["symbol"] for row in table(home, "positions_eod", FIRST)} == {"BBB", "CCC"}


def test_after_a_fall_beyond_the_limit_positions_are_only_reduced(home: GraphHome) -> None:
    (risk,) = table(home, "risk_snapshot", THIRD)
    assert risk["drawdown"] <= -0.0001
    orders = {row["symbol"]: row for row in table(home, "order_plan", FOURTH)}
    assert orders["BBB"]["side"] == "sell"
    assert orders["BBB"]["quantity"] > 0
    assert orders["CCC"]["quantity"] == 0
    assert "DRAWDOWN_LIMIT CCC" in orders["CCC"]["cuts"]


def test_what_a_limit_kept_back_is_a_cause_and_nothing_is_unexplained(home: GraphHome) -> None:
    causes = {(row["symbol"], row["cause"]) for row in table(home, "reconciliation_gaps", FIRST)}
    assert ("AAA", "risk_limit") in causes
    assert all(home.checks("reconciliation", "unexplained_is_zero").values())


def test_other_limits_are_other_inputs_and_the_session_is_run_again(tmp_path: Path) -> None:
    home = GraphHome(tmp_path)
    assert home.run(FIRST).success
    before = len(home.records())
    assert home.run(FIRST).success
    assert len(home.records()) == before
    home.write_portfolio(PORTFOLIO, risk=LIMITS)
    result = home.run(FIRST)
    assert result.success, failures(result)
    assert {row["symbol"] for row in table(home, "positions_eod", FIRST)} == {"BBB", "CCC"}
