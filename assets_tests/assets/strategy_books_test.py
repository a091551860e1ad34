"""The sample portfolio through the graph: its strategies' tables add up to the account's."""

from __future__ import annotations

import csv
import datetime as dt
import shutil
from decimal import Decimal
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from trading_assets.automation import range_tags
from trading_assets.daily_run import QUIET
from trading_assets.lake import Lake
from trading_assets.settings import Directories

DATA = Path(__file__).parents[2] / "data"
FIRST, LAST = dt.date(2021, 1, 4), dt.date(2021, 2, 5)
STRATEGIES = ("equal_weight", "mean_variance", "minimum_variance", "momentum_12_1")
Rows = list[dict[str, Any]]


class SampleRun:
    """Five weeks of the sample portfolio, a new signal of each strategy among them, in one run."""

    def __init__(self, folder: Path) -> None:
        self.places = Directories(data=folder / "data", state=folder / "state")
        for part in ("portfolios", "market", "mapping", "raw_signals"):
            shutil.copytree(DATA / part, self.places.data / part)
        from trading_assets.definitions import build_definitions

        self.instance = dg.DagsterInstance.ephemeral(tempdir=str(folder))
        job = build_definitions(self.places).resolve_job_def("sample__daily_cycle")
        tags = range_tags(FIRST, LAST)
        assert job.execute_in_process(QUIET, instance=self.instance, tags=tags).success
        lake = Lake(self.places.lake, "sample")
        self.sessions = [
            dt.date.fromisoformat(path.name.removeprefix("session="))
            for path in sorted((lake.folder / "strategy_pnl").iterdir())
        ]
        self._lake = lake

    def rows(self, asset: str, session: dt.date) -> Rows:
        """One table of one session."""
        table = self._lake.read(asset, session)
        assert table is not None
        rows: Rows = table.to_pylist()
        return rows


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> SampleRun:
    return SampleRun(tmp_path_factory.mktemp("sample"))


def total(rows: Rows, column: str) -> Decimal:
    return sum((row[column] for row in rows), Decimal(0))


def test_each_session_has_a_row_of_each_strategy_and_they_add_up_to_the_account(
    sample: SampleRun,
) -> None:
    assert len(sample.sessions) == 24
    for session in sample.sessions:
        (account,) = sample.rows("pnl_daily", session)
        books = sample.rows("strategy_pnl", session)
        assert tuple(row["strategy_id"] for row in books) == (*STRATEGIES, "unattributed")
        for column in (
            "opening_equity",
            "flows",
            "pnl",
            "fees",
            "closing_equity",
            "market_value",
            "cash",
            "accruals",
        ):
            assert total(books, column) == account[column], (session, column)


def test_what_the_strategies_hold_adds_up_to_the_positions(sample: SampleRun) -> None:
    for session in sample.sessions:
        account = {row["symbol"]: row for row in sample.rows("positions_eod", session)}
        held: dict[str, Rows] = {}
        for row in sample.rows("strategy_positions", session):
            held.setdefault(row["symbol"], []).append(row)
        assert held.keys() == account.keys()
        for symbol, rows in held.items():
            assert total(rows, "quantity") == account[symbol]["quantity"]
            assert total(rows, "market_value") == account[symbol]["market_value"]


def test_nothing_is_left_to_nobody_and_a_close_is_the_next_opening(sample: SampleRun) -> None:
    before: dict[str, Decimal] = {}
    for session in sample.sessions:
        books = {row["strategy_id"]: row for row in sample.rows("strategy_pnl", session)}
        assert books["unattributed"]["closing_equity"] == 0
        if before:
            assert {name: row["opening_equity"] for name, row in books.items()} == before
        before = {name: row["closing_equity"] for name, row in books.items()}


def test_the_check_passed_for_every_session(sample: SampleRun) -> None:
    key = dg.AssetCheckKey(
        dg.AssetKey(["sample", "strategy_pnl"]), "strategies_add_up_to_the_account"
    )
    records = sample.instance.event_log_storage.get_asset_check_execution_history(key, limit=99)
    passed = {record.partition for record in records if record.status.value == "SUCCEEDED"}
    assert passed >= {session.isoformat() for session in sample.sessions}


def test_the_file_of_a_session_ends_with_the_portfolio(sample: SampleRun) -> None:
    folder = sample.places.exports / "sample" / f"{LAST:%Y%m%d}"
    with (folder / f"strategy_pnl_{LAST:%Y%m%d}.csv").open(newline="", encoding="utf-8") as file:
        *books, account = list(csv.DictReader(file))
    assert [row["strategy_id"] for row in books] == [*STRATEGIES, "unattributed"]
    assert account["strategy_id"] == "TOTAL"
    (pnl,) = sample.rows("pnl_daily", LAST)
    assert Decimal(account["pnl"]) == pnl["pnl"]
    assert Decimal(account["closing_equity"]) == pnl["closing_equity"]
    with (folder / f"strategy_positions_{LAST:%Y%m%d}.csv").open(encoding="utf-8") as file:
        assert file.readline() == "strategy_id,symbol,qty,market_value,weight\n"
