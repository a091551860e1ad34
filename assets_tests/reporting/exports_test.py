"""Files for people: columns mean what they are called."""

from __future__ import annotations

import csv
from pathlib import Path

from assets_tests.execution.small_portfolio import MONDAY, Desk, session_inputs
from trading_assets.analytics.pnl import daily_result
from trading_assets.execution.book import read_closed_sessions
from trading_assets.reporting.exports import SessionExports


def test_profit_and_loss_is_of_a_session(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.run(session_inputs(MONDAY, {"AAA": "0.5"}, {"AAA": "100"}))
    (closed,) = read_closed_sessions(desk.log, desk.settings)
    desk.close()
    exports = SessionExports(tmp_path / "exports", "small", MONDAY)
    exports.pnl(daily_result(closed.previous, closed.activity, closed.close))
    with (exports.folder / "pnl_daily_20240304.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["session"], row["symbol"]) for row in rows] == [
        ("2024-03-04", "AAA"),
        ("2024-03-04", "TOTAL"),
    ]
