"""`trading_assets alerts` on a book: what it says, and the code that it leaves with."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from click.testing import CliRunner

from assets_tests.assets.graph_home import FIRST, PORTFOLIO, SECOND, GraphHome, failures
from trading_assets.alert_commands import alerts_command, alerts_of
from trading_assets.errors import SessionNotReadyError
from trading_assets.settings import load_portfolio


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> GraphHome:
    """Two sessions; the broker refuses BBB."""
    home = GraphHome(
        tmp_path_factory.mktemp("alerts"),
        simulation={"reject_symbols": ["BBB"]},
        alerts={"max_drawdown": "0.00001"},
    )
    result = home.run(FIRST, SECOND)
    assert result.success, failures(result)
    return home


def test_drawdown_and_rejections_are_told_of_the_session_asked_for_or_the_last(
    home: GraphHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRADING_ASSETS_DATA", str(home.places.data))
    monkeypatch.setenv("TRADING_ASSETS_STATE", str(home.places.state))
    # The first day's commission is 0.002 % of equity; prices make up for it.
    first = CliRunner().invoke(alerts_command, ["--portfolio", PORTFOLIO, "--session", FIRST])
    assert first.exit_code == 1
    assert [line.split()[:3] for line in first.output.splitlines()] == [
        [FIRST, "DRAWDOWN", f"{PORTFOLIO}:"],
        [FIRST, "REJECTED_ORDERS", f"{PORTFOLIO}:"],
    ]
    last = CliRunner().invoke(alerts_command, ["--portfolio", PORTFOLIO])
    assert last.exit_code == 1
    (line,) = last.output.splitlines()
    assert line.startswith(f"{SECOND} REJECTED_ORDERS {PORTFOLIO}: 1 of 1 orders")
    assert "BBB" in line


def test_a_book_where_all_is_well_leaves_with_code_0(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = GraphHome(tmp_path)
    assert home.run(FIRST).success
    monkeypatch.setenv("TRADING_ASSETS_DATA", str(home.places.data))
    monkeypatch.setenv("TRADING_ASSETS_STATE", str(home.places.state))
    answer = CliRunner().invoke(alerts_command, ["--portfolio", PORTFOLIO])
    assert (answer.exit_code, answer.output) == (0, "no alerts\n")


def test_a_session_that_is_not_closed_has_no_alerts_yet(home: GraphHome) -> None:
    settings = load_portfolio(home.places.portfolios / f"{PORTFOLIO}.yaml")
    with pytest.raises(SessionNotReadyError, match="session 2024-02-01 is closed in the book"):
        alerts_of(home.places, settings, dt.date(2024, 2, 1))
    empty = home.places.model_copy(update={"state": home.places.state / "elsewhere"})
    with pytest.raises(SessionNotReadyError, match="no session is closed"):
        alerts_of(empty, settings, None)
