"""The asset `risk_snapshot` in a run of two months, and again for one session by itself."""

from __future__ import annotations

import datetime as dt
import math
import statistics
from typing import Any

import dagster as dg
import pytest

from assets_tests.assets.graph_home import END, PORTFOLIO, SIGNALS, GraphHome, failures
from trading_assets.analytics.returns import SessionValue, drawdown_series
from trading_assets.daily_run import QUIET
from trading_assets.lake import Lake

FIRST, LAST = "2023-12-04", END.isoformat()
"""Sixty sessions: the last has a volatility."""
RISK = {
    "max_drawdown": 0.001,
    "max_sector_weight": 0.9,
    "sectors": {"AAA": "energy", "BBB": "energy", "CCC": "health"},
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> GraphHome:
    home = GraphHome(
        tmp_path_factory.mktemp("risk"),
        risk=RISK,
        sessions={"start": dt.date.fromisoformat(FIRST), "end": END},
    )
    home.write_signals({"2023-12-01": SIGNALS["2023-12-29"], **SIGNALS})
    result = home.run(FIRST, LAST)
    assert result.success, failures(result)
    return home


def rows(home: GraphHome, asset: str) -> list[dict[str, Any]]:
    """One row of each session."""
    lake = Lake(home.places.lake, PORTFOLIO)
    found: list[dict[str, Any]] = []
    for session in lake.sessions(asset):
        table = lake.read(asset, session)
        assert table is not None
        found.extend(table.to_pylist())
    return found


def test_each_sessions_exposure_is_that_of_its_positions(home: GraphHome) -> None:
    positions: dict[dt.date, list[dict[str, Any]]] = {}
    for row in rows(home, "positions_eod"):
        positions.setdefault(row["session"], []).append(row)
    found = rows(home, "risk_snapshot")
    assert len(found) == len(home.materialized("risk_snapshot")) == 60
    for row in found:
        held = positions[row["session"]]
        assert row["gross_exposure"] == sum(abs(one["market_value"]) for one in held)
        assert row["position_count"] == len(held) == 3
        largest = max(held, key=lambda one: one["market_value"])
        assert row["largest_symbol"] == largest["symbol"]
        assert row["largest_weight"] == pytest.approx(float(largest["weight"]), abs=1e-9)


def test_drawdown_and_volatility_are_those_of_the_daily_returns(home: GraphHome) -> None:
    returns = [SessionValue(r["session"], r["daily_return"]) for r in rows(home, "pnl_daily")]
    found = rows(home, "risk_snapshot")
    assert [row["drawdown"] for row in found] == pytest.approx(
        [one.value for one in drawdown_series(returns)], abs=1e-12
    )
    assert [row["volatility"] for row in found[:59]] == [None] * 59
    values = [one.value for one in returns if one.value is not None]
    assert found[-1]["volatility"] == pytest.approx(statistics.stdev(values) * math.sqrt(252))


def test_sectors_add_up_to_gross_exposure(home: GraphHome) -> None:
    by_session: dict[dt.date, Any] = {}
    for row in rows(home, "risk_by_sector"):
        by_session.setdefault(row["session"], []).append(row["long_value"] + row["short_value"])
    for row in rows(home, "risk_snapshot"):
        assert sum(by_session[row["session"]]) == row["gross_exposure"]
        assert len(by_session[row["session"]]) == 2


def test_a_session_by_itself_gives_the_table_that_it_had_in_the_run(home: GraphHome) -> None:
    before = home.files(home.places.lake / PORTFOLIO / "risk_snapshot")
    job = home.definitions.resolve_job_def(f"{PORTFOLIO}__daily_cycle")
    result = job.execute_in_process(
        QUIET,
        instance=home.instance,
        partition_key=LAST,
        asset_selection=[dg.AssetKey([PORTFOLIO, "risk_snapshot"])],
        raise_on_error=False,
    )
    assert result.success, failures(result)
    assert home.files(home.places.lake / PORTFOLIO / "risk_snapshot") == before


def test_the_books_limits_are_judged_at_each_close_and_stop_nothing(home: GraphHome) -> None:
    adds_up = home.checks("risk_snapshot", "exposure_adds_up_to_equity")
    within = home.checks("risk_snapshot", "book_is_within_risk_limits")
    assert len(adds_up) == len(within) == 60
    assert all(adds_up.values())
    # Prices carry the book beyond 0.1 % below its highest and back.
    drawdowns = {r["session"].isoformat(): r["drawdown"] for r in rows(home, "risk_snapshot")}
    assert within == {session: fallen >= -0.001 for session, fallen in drawdowns.items()}
    assert set(within.values()) == {True, False}
