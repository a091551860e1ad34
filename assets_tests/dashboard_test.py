"""What the dashboard reads, from a small portfolio in its own files."""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from assets_tests.assets.graph_home import END, PORTFOLIO, REBALANCED, GraphHome
from trading_assets.dashboard import FILE_NAME, read_dashboard, sources_in
from trading_assets.execution.halt import halt, resume
from trading_assets.reporting.dashboard_content import DashboardContent
from trading_assets.settings import load_portfolio

LAST = dt.date(2024, 1, 31)
AFTER_THE_CLOSE = dt.datetime(2024, 1, 31, 21, 5, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def run_home(tmp_path_factory: pytest.TempPathFactory) -> GraphHome:
    """The end of January, in one run; on the next session the second signal is traded."""
    sessions = {"start": dt.date(2024, 1, 26), "end": END}
    home = GraphHome(tmp_path_factory.mktemp("home"), sessions=sessions)
    assert home.run("2024-01-26", LAST.isoformat()).success
    return home


@pytest.fixture
def home(run_home: GraphHome) -> Iterator[GraphHome]:
    yield run_home
    resume(run_home.places.halt_switch)


def content_of(home: GraphHome, now: dt.datetime = AFTER_THE_CLOSE) -> DashboardContent:
    settings = load_portfolio(home.places.portfolios / f"{PORTFOLIO}.yaml")
    with sources_in(home.places, settings) as sources:
        return read_dashboard(settings, sources, now)


def test_equity_positions_and_returns_are_those_of_the_last_close(home: GraphHome) -> None:
    found = content_of(home)
    assert found.equity is not None
    assert found.cash is not None
    assert [one.symbol for one in found.positions] == ["AAA", "BBB", "CCC"]
    assert sum(one.market_value for one in found.positions) + found.cash == found.equity
    # All money came in on the first session, so that nothing but the market moved the equity.
    expected = float(found.equity / 100_000 - 1)
    assert found.returns.inception == pytest.approx(expected, abs=1e-9)
    assert found.returns.month == found.returns.year == found.returns.inception
    assert found.equity_series.portfolio[-1] == pytest.approx(100 * (1 + expected))
    assert found.missing_sessions == 0


def test_the_current_signal_is_held_against_what_is_there(home: GraphHome) -> None:
    """AAA goes from half to a tenth, CCC from a fifth to three fifths."""
    plan = content_of(home).proposal.plan
    assert plan is not None
    assert plan.session.isoformat() == REBALANCED
    sides = {order.symbol: order.side.value for order in plan.real_orders}
    assert sides == {"AAA": "sell", "CCC": "buy"}
    assert not content_of(home).proposal.recorded


def test_looking_writes_nothing(home: GraphHome) -> None:
    before = home.files(home.places.state)
    content_of(home)
    assert home.files(home.places.state) == before


def test_health_says_what_is_due_and_when_the_broker_was_seen(home: GraphHome) -> None:
    found = content_of(home).health
    assert (found.closed_through, found.sessions_due) == (LAST, 0)
    closes = [one for one in home.records() if type(one.event).__name__ == "SessionClosed"]
    assert found.broker_seen_at == closes[-1].recorded_at
    assert (found.records, found.head) == (closes[-1].sequence, closes[-1].hash)
    later = content_of(home, dt.datetime(2024, 2, 2, 21, 5, tzinfo=dt.UTC)).health
    assert later.sessions_due == 2
    assert not later.halted
    halt(home.places.halt_switch, "test")
    assert content_of(home).health.halted


def test_the_last_reconciliation_and_the_months_slippage_are_shown(home: GraphHome) -> None:
    found = content_of(home)
    assert found.reconciliation is not None
    assert found.reconciliation.session == LAST
    assert found.breaks == 0
    arrival = next(one for one in found.month_slippage if one.intended.value == "arrival_price")
    # Three trades on the first session, each 2 bps dearer than the close; prices are in cents.
    assert (arrival.count, found.trades) == (3, 3)
    assert arrival.mean_bps == pytest.approx(2, abs=0.5)
    assert arrival.cost > Decimal(0)


def test_the_graph_writes_the_page_once_for_all_sessions_of_a_run(home: GraphHome) -> None:
    path = home.places.reports / PORTFOLIO / FILE_NAME
    assert "2024-01-31" in path.read_text()
    assert "Signal against holdings, session 2024-02-01" in path.read_text()


def test_a_plan_that_is_recorded_is_shown_as_such(tmp_path: Path) -> None:
    home = GraphHome(tmp_path)
    assert home.run("2024-01-02").success
    home.run("2024-01-03", session_config={"stop_after_plan": True})
    found = content_of(home).proposal
    assert found.recorded
    assert found.plan is not None
    assert found.plan.session == dt.date(2024, 1, 3)


def test_tables_that_were_deleted_are_counted_as_missing(tmp_path: Path) -> None:
    home = GraphHome(tmp_path)
    assert home.run("2024-01-02", "2024-01-04").success
    shutil.rmtree(home.places.lake / PORTFOLIO / "pnl_daily" / "session=2024-01-03")
    found = content_of(home)
    assert found.missing_sessions == 1
    assert len(found.equity_series.sessions) == 2


def test_a_portfolio_that_never_ran_has_a_page_with_its_first_plan(tmp_path: Path) -> None:
    found = content_of(GraphHome(tmp_path), dt.datetime(2024, 1, 3, 22, tzinfo=dt.UTC))
    assert found.equity is None
    assert found.health.sessions_due == 2
    plan = found.proposal.plan
    assert plan is not None
    assert plan.equity == 100_000


def test_a_plan_that_cannot_be_made_says_why(tmp_path: Path) -> None:
    home = GraphHome(tmp_path)
    (home.places.data / "market/prices.csv").unlink()
    proposal = content_of(home).proposal
    assert proposal.plan is None
    assert proposal.note.startswith("2024-01-02 cannot be planned now: ")
