"""Running what was run before changes nothing, however the sessions are cut into runs."""

from __future__ import annotations

import datetime as dt
import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import pypdf
import pytest

from assets_tests.assets.graph_home import (
    CALENDAR,
    FIRST,
    FOURTH,
    PORTFOLIO,
    REBALANCED,
    SECOND,
    THIRD,
    GraphHome,
    failures,
)
from trading_assets.assets import ahead
from trading_assets.automation import DAILY_ASSETS

CHECKS = {
    ("consolidated_targets", "weights_keep_constraints"),
    ("prices", "prices_are_complete_and_fresh"),
    ("order_plan", "opening_book_equals_broker"),
    ("order_plan", "orders_may_be_sent"),
    ("execution_log", "each_order_sent_once_and_done"),
    ("positions_eod", "lots_and_cash_balance"),
    ("reconciliation", "unexplained_is_zero"),
    ("reconciliation", "book_equals_broker"),
    ("pnl_daily", "equity_change_is_explained"),
    ("strategy_pnl", "strategies_add_up_to_the_account"),
    ("risk_snapshot", "exposure_adds_up_to_equity"),
    ("slippage", "no_slippage_outliers"),
}


@pytest.fixture(scope="module")
def two_months(tmp_path_factory: pytest.TempPathFactory) -> GraphHome:
    """All sessions of the portfolio in one run, and the report of January."""
    home = GraphHome(tmp_path_factory.mktemp("two_months"))
    result = home.run(FIRST, "2024-02-29")
    assert result.success, failures(result)
    assert home.report("2024-01").success
    return home


def daily_checks(home: GraphHome) -> set[dg.AssetCheckKey]:
    graph = home.definitions.resolve_asset_graph()
    return {key for key in graph.asset_check_keys if key.asset_key.path[-1] in DAILY_ASSETS}


def pdf_text(home: GraphHome) -> str:
    path = home.places.reports / PORTFOLIO / f"{PORTFOLIO}_2024-01.pdf"
    return "\n".join(page.extract_text() for page in pypdf.PdfReader(path).pages)


def test_range_in_one_run_has_every_session_and_a_result_of_each_check_for_each(
    two_months: GraphHome,
) -> None:
    sessions = [day.isoformat() for day in CALENDAR.sessions]
    for asset in DAILY_ASSETS:
        assert two_months.materialized(asset) == sessions
    declared = {(key.asset_key.path[-1], key.name) for key in daily_checks(two_months)}
    assert declared == CHECKS
    for asset, check in CHECKS:
        assert two_months.checks(asset, check) == dict.fromkeys(sessions, True), check
    assert two_months.closed_sessions() == sessions


def test_range_run_again_leaves_book_projections_and_files_as_they_were(
    two_months: GraphHome,
) -> None:
    book, files = two_months.records(), two_months.files()
    orders = two_months.broker_rows("SELECT count(*) FROM orders")
    assert two_months.run("2024-01-29", "2024-02-05").success
    assert two_months.run(FIRST).success
    assert two_months.records() == book
    assert two_months.files() == files
    assert two_months.broker_rows("SELECT count(*) FROM orders") == orders


def evidence(home: GraphHome) -> str:
    folder = home.places.reports / PORTFOLIO
    return (folder / f"{PORTFOLIO}_2024-01.evidence.jsonl").read_text()


def test_report_made_again_differs_by_the_run_that_made_it_only(two_months: GraphHome) -> None:
    first, before, proof = two_months.report("2024-01"), pdf_text(two_months), evidence(two_months)
    second, after = two_months.report("2024-01"), pdf_text(two_months)
    proof_again = evidence(two_months)
    assert first.run_id in before
    assert first.run_id in proof
    # The run is named in both, and with it the evidence has another digest, which the report names.
    *lines, _end = proof.replace(first.run_id, second.run_id).splitlines()
    assert proof_again.splitlines()[:-1] == lines
    expected = before.replace(first.run_id, second.run_id)
    assert after == expected.replace(digest(proof), digest(proof_again))


def digest(evidence: str) -> str:
    """What the report states of its evidence: all lines but the last, which states the report."""
    lines = evidence.splitlines(keepends=True)[:-1]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def test_one_run_per_session_gives_the_same_tables_as_one_run_for_all(
    two_months: GraphHome, tmp_path: Path
) -> None:
    one_by_one = GraphHome(tmp_path)
    for session in (FIRST, SECOND, THIRD):
        assert one_by_one.run(session).success
    tables = one_by_one.files()
    assert len(tables) > 3 * len(DAILY_ASSETS)
    assert tables == {name: two_months.files()[name] for name in tables}


def test_second_process_makes_the_same_tables_and_the_same_findings(
    two_months: GraphHome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ahead, "FEWEST", 8)
    monkeypatch.setattr(ahead, "MOST", 16)
    parts: list[int] = []
    fork = ahead._Forked.__init__

    def counted(forked: ahead._Forked[Any, Any], function: Any, items: Sequence[Any]) -> None:
        parts.append(len(items))
        fork(forked, function, items)

    monkeypatch.setattr(ahead._Forked, "__init__", counted)
    monkeypatch.setattr(ahead, "_may_fork", lambda: sys.platform == "linux")
    monkeypatch.setattr(ahead._Forked, "given_up", False)
    home = GraphHome(tmp_path)
    assert home.run(FIRST, "2024-02-29").success
    # 41 sessions: five times eight behind the trading, and 16, 16 and 9 for each of six assets.
    assert sorted(parts) == ([8] * 5 + [9] * 6 + [16] * 12 if sys.platform == "linux" else [])
    assert not ahead._Forked.given_up
    assert home.files() == two_months.files()
    for asset, check in CHECKS:
        assert home.checks(asset, check) == two_months.checks(asset, check)


def test_tables_that_were_deleted_come_back_as_they_were(tmp_path: Path) -> None:
    home = GraphHome(tmp_path)
    assert home.run(FIRST, SECOND).success
    files, book = home.files(), home.records()
    for path in (*home.places.lake.rglob("*.parquet"), *home.places.exports.rglob("*.*")):
        if path.is_file():
            path.unlink()
    assert home.files() == {}
    assert home.run(FIRST, SECOND).success
    assert home.files() == files
    assert home.records() == book


def test_changed_signal_restates_the_simulated_book_from_its_first_session_on(
    tmp_path: Path,
) -> None:
    home = GraphHome(tmp_path)
    assert home.run(FIRST, THIRD).success
    before = home.records()
    home.write_signals(
        {
            "2023-12-29": {"AAA": 0.5, "BBB": 0.3, "CCC": 0.2},
            "2024-01-03": {"AAA": 0.2, "BBB": 0.2, "CCC": 0.6},
        }
    )
    assert home.run(FIRST, THIRD).success
    after = home.records()
    assert after[: len(before)] == before
    added = after[len(before) :]
    assert {record.session.isoformat() for record in added} == {THIRD}
    assert type(added[0].event).__name__ == "BookRestated"


def test_session_out_of_order_is_refused_and_names_the_one_to_run_first(tmp_path: Path) -> None:
    home = GraphHome(tmp_path)
    assert home.run(FIRST).success
    book = home.records()
    result = home.run(FOURTH)
    assert not result.success
    message = failures(result)[f"{PORTFOLIO}__trading_session"]
    assert f"{FOURTH} cannot be planned" in message
    assert f"Materialise {SECOND} first" in message
    assert home.records() == book
    assert home.materialized("order_plan") == [FIRST]


def test_only_sessions_with_another_target_trade(two_months: GraphHome) -> None:
    traded = {
        record.session for record in two_months.records() if type(record.event).__name__ == "Fill"
    }
    assert traded == {dt.date.fromisoformat(FIRST), dt.date.fromisoformat(REBALANCED)}


def test_warehouse_shows_each_projection_of_each_session(two_months: GraphHome) -> None:
    import duckdb

    job = two_months.definitions.resolve_implicit_global_asset_job_def()
    assert job.execute_in_process(
        instance=two_months.instance, asset_selection=[dg.AssetKey("warehouse")]
    ).success
    with duckdb.connect(str(two_months.places.warehouse), read_only=True) as warehouse:
        rows = warehouse.execute(
            f"SELECT count(DISTINCT session), count(*) FROM {PORTFOLIO}.positions_eod"
        ).fetchone()
    assert rows == (len(CALENDAR.sessions), 3 * len(CALENDAR.sessions))
