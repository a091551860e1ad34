"""The built-in momentum signal in the graph: ranked each month, traded by the plan that follows."""

from __future__ import annotations

import csv
import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from assets_tests.assets.graph_home import GraphHome, failures
from trading_assets.calendar import TradingCalendar
from trading_assets.daily_run import QUIET
from trading_assets.lake import Lake
from trading_assets.settings import SessionSettings

START, END = dt.date(2024, 1, 2), dt.date(2024, 3, 28)
# Month-ends that are looked at: closes by symbol. Between them prices stand still.
CLOSES = {
    "2022-12-30": {"AAA": 10, "BBB": 10, "CCC": 10},
    "2023-01-31": {"AAA": 10, "BBB": 10, "CCC": 20},
    "2023-11-30": {"AAA": 13, "BBB": 12, "CCC": 21},
    "2023-12-29": {"AAA": 9, "BBB": 12, "CCC": 26},
    "2024-01-31": {"AAA": 9, "BBB": 12, "CCC": 26},
}


class MomentumHome(GraphHome):
    """Three funds of which two are held; NEW came to the exchange lately."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        (self.places.portfolios / "alpha.yaml").unlink()
        path = self.places.data / "market" / "funds.csv"
        calendar = TradingCalendar(SessionSettings(start=START, end=END))
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("session", "symbol", "close"))
            now: dict[str, int] = {}
            for session in calendar.history:
                now = CLOSES.get(session.isoformat(), now)
                writer.writerows((session, symbol, close) for symbol, close in now.items())
                if session >= dt.date(2023, 12, 1):
                    writer.writerow((session, "NEW", 5))
        content: dict[str, Any] = {
            "id": "funds",
            "name": "Funds",
            "mode": "simulated",
            "initial_cash": 10000,
            "sessions": {"start": START, "end": END},
            "prices": {"path": "market/funds.csv"},
            "signals": {
                "strategies": [
                    {
                        "id": "mom",
                        "kind": "momentum",
                        "universe": {"AAA": "Energy", "BBB": "Health", "CCC": "Retail", "NEW": "X"},
                        "top_n": 2,
                    }
                ]
            },
            "combination": {"method": "select", "strategy": "mom"},
            "planning": {"fractional": False, "cash_buffer": 0, "rebalance": "monthly"},
            "report": {"title": "Funds"},
        }
        (self.places.portfolios / "funds.yaml").write_text(yaml.safe_dump(content))

    def signal(self, month: str) -> dg.ExecuteInProcessResult:
        job = self.definitions.resolve_job_def("funds__rank_mom")
        return job.execute_in_process(
            QUIET, instance=self.instance, partition_key=f"{month}-01", raise_on_error=False
        )

    def text(self, day: str) -> str:
        folder = self.places.exports / "funds" / day
        return (folder / f"momentum_signal_mom_{day}.txt").read_text()

    def held(self, session: str) -> dict[str, Decimal]:
        table = Lake(self.places.lake, "funds").read(
            "positions_eod", dt.date.fromisoformat(session)
        )
        assert table is not None
        rows = table.to_pylist()
        return {row["symbol"]: row["quantity"] for row in rows if row["symbol"] != "CASH"}


@pytest.fixture
def home(tmp_path: Path) -> MomentumHome:
    return MomentumHome(tmp_path)


def test_a_months_signal_is_ranked_told_and_traded_and_the_next_too(
    home: MomentumHome,
) -> None:
    assert home.signal("2024-01").success
    # 2022-12-30 to 2023-11-30: AAA +30 %, BBB +20 %, CCC +110 %. What fell in December counts not.
    text = home.text("20240102")
    assert "Momentum signal mom for 2024-01-02" in text
    assert "As of the close of 2023-12-29: total return from 2022-12-30 to 2023-11-30" in text
    ranked = [line.split() for line in text.splitlines() if " %" in line and "->" not in line]
    assert [(row[0], row[1], row[2]) for row in ranked] == [
        ("1", "CCC", "110"),
        ("2", "AAA", "30"),
        ("3", "BBB", "20"),
    ]
    assert "Not ranked, for they have no closes near 2022-12-30 and 2023-11-30: NEW" in text
    assert "Proposed trades against nothing yet:" in text
    with (home.places.exports / "funds/20240102/momentum_signal_mom_20240102.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["rank"], row["symbol"], row["target_weight"]) for row in rows] == [
        ("1", "CCC", "0.5"),
        ("2", "AAA", "0.5"),
        ("3", "BBB", "0"),
        ("", "NEW", ""),
    ]
    assert rows[0]["sector"] == "Retail"
    result = home.run("2024-01-02", "2024-02-01", portfolio="funds")
    assert result.success, failures(result)
    # 5,000 each: 192 CCC at 26, 555 AAA at 9.
    assert home.held("2024-01-02") == {"AAA": Decimal(555), "CCC": Decimal(192)}
    assert home.held("2024-01-31") == home.held("2024-01-02")
    # In February BBB (+20 %) and CCC (+30 %) are before AAA (-10 %): 2023-01-31 to 2023-12-29.
    assert sorted(home.held("2024-02-01")) == ["BBB", "CCC"]
    # The month's report proposes the same trades against what was held before it.
    assert home.signal("2024-02").success
    text = home.text("20240201")
    assert "Proposed trades against the close of 2024-01-31:" in text
    trades = [line.split() for line in text.splitlines() if "->" in line]
    # 555 · 9 = 4,995 and 192 · 26 = 4,992 of 10,000.
    assert [(row[0], row[1], row[4]) for row in trades] == [
        ("AAA", "49.95", "0"),
        ("BBB", "0", "50"),
    ]
    assert "Left alone, changes below 2 %: CCC" in text


def test_months_that_were_missed_are_ranked_in_one_run_as_the_schedule_asks_for_them(
    home: MomentumHome,
) -> None:
    job = home.definitions.resolve_job_def("funds__rank_mom")
    tags = {
        "dagster/asset_partition_range_start": "2024-01-01",
        "dagster/asset_partition_range_end": "2024-03-01",
    }
    result = job.execute_in_process(QUIET, instance=home.instance, tags=tags)
    assert result.success
    months = ["2024-01-01", "2024-02-01", "2024-03-01"]
    assert home.materialized("momentum_signal_mom", "funds") == months
    for day in ("20240102", "20240201", "20240301"):
        assert "Proposed trades against nothing yet:" in home.text(day)


def test_a_month_without_a_years_history_fails_and_says_what_is_missing(
    home: MomentumHome,
) -> None:
    path = home.places.data / "market" / "funds.csv"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if not line.startswith(("2021", "2022"))))
    (message,) = failures(home.signal("2024-01")).values()
    assert "strategy mom needs adjusted closes from 12 months before session 2024-01-02" in message
    assert not (home.places.exports / "funds").exists()
