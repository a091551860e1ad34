"""What follows the close gets the same sessions, handed on within a run or folded from the book."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from assets_tests.assets.graph_home import FIRST, PORTFOLIO, SECOND, THIRD, GraphHome
from trading_assets.assets import closed_sessions
from trading_assets.daily_run import QUIET
from trading_assets.settings import load_portfolio

AFTER_THE_CLOSE = ("reconciliation", "reconciliation_gaps", "pnl_daily", "pnl_by_instrument")
OTHER_SIGNALS = {
    "2023-12-29": {"AAA": 0.5, "BBB": 0.3, "CCC": 0.2},
    "2024-01-02": {"AAA": 0.2, "BBB": 0.2, "CCC": 0.6},
}


@pytest.fixture
def home(tmp_path: Path) -> GraphHome:
    """Three sessions in one run."""
    home = GraphHome(tmp_path)
    assert home.run(FIRST, THIRD).success
    return home


def made_again(home: GraphHome, session: str) -> dict[str, bytes]:
    """The tables of `session` after the close, removed and made again by a run of their own."""
    for asset in AFTER_THE_CLOSE:
        (home.places.lake / PORTFOLIO / asset / f"session={session}/data.parquet").unlink()
    job = home.definitions.resolve_job_def(f"{PORTFOLIO}__daily_cycle")
    assert job.execute_in_process(
        QUIET,
        instance=home.instance,
        partition_key=session,
        asset_selection=[dg.AssetKey([PORTFOLIO, name]) for name in AFTER_THE_CLOSE[::2]],
    ).success
    return tables(home, session)


def tables(home: GraphHome, session: str) -> dict[str, bytes]:
    """The tables of `session` after the close."""
    return {
        name: content
        for name, content in home.files(home.places.lake).items()
        if session in name and any(f"/{asset}/" in name for asset in AFTER_THE_CLOSE)
    }


@pytest.mark.parametrize("process", ["the same", "another"])
def test_assets_run_alone_make_the_tables_of_the_run(
    home: GraphHome, process: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tables(home, SECOND)
    assert len(before) == len(AFTER_THE_CLOSE)
    if process == "another":
        monkeypatch.setattr(closed_sessions, "_KEPT", {})
    assert made_again(home, SECOND) == before


def test_sessions_handed_on_are_not_folded_again(
    home: GraphHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(closed_sessions, "read_closed_sessions", _must_not_be_called)
    assert len(made_again(home, THIRD)) == len(AFTER_THE_CLOSE)


def test_book_that_went_on_elsewhere_is_folded_anew(
    home: GraphHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    handed_on = dict(closed_sessions._KEPT)
    before = tables(home, THIRD)
    home.write_signals(OTHER_SIGNALS)
    assert home.run(SECOND, THIRD).success
    restated = tables(home, THIRD)
    assert restated != before
    # As in a process that still has what it folded before another one restated the book.
    monkeypatch.setattr(closed_sessions, "_KEPT", handed_on)
    assert made_again(home, THIRD) == restated


def test_book_folded_by_other_rules_is_folded_anew(
    home: GraphHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.write_portfolio(PORTFOLIO, name="Renamed")
    settings = load_portfolio(home.places.portfolios / f"{PORTFOLIO}.yaml")
    assert closed_sessions._KEPT[PORTFOLIO].settings != settings
    monkeypatch.setattr(closed_sessions, "read_closed_sessions", _must_not_be_called)
    with pytest.raises(AssertionError, match="folded"):
        made_again(home, THIRD)


def _must_not_be_called(*_arguments: object) -> None:
    raise AssertionError("the book was folded")
