"""Files for people: columns mean what they are called."""

from __future__ import annotations

import csv
from pathlib import Path

from assets_tests.execution.small_portfolio import MONDAY, Desk, session_inputs
from trading_assets.analytics.pnl import daily_result
from trading_assets.analytics.strategy_pnl import strategy_session
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


def test_strategies_end_with_the_portfolio_and_their_positions_are_its_own(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.run(session_inputs(MONDAY, {"AAA": "0.5"}, {"AAA": "100"}, {"AAA": "102"}))
    (closed,) = read_closed_sessions(desk.log, desk.settings)
    desk.close()
    exports = SessionExports(tmp_path / "exports", "small", MONDAY)
    exports.strategies(strategy_session(closed))
    # 50 shares at 102, which is the plan's 5,000 and 100 more.
    assert (exports.folder / "strategy_pnl_20240304.csv").read_text().splitlines() == [
        "session,strategy_id,opening_equity,flows,pnl,fees,closing_equity,market_value,cash,"
        "accruals",
        "2024-03-04,alpha,0,10000,0,0,10000,5100,4900,0",
        "2024-03-04,unattributed,0,0,0,0,0,0,0,0",
        "2024-03-04,TOTAL,0,10000,0,0,10000,5100,4900,0",
    ]
    assert (exports.folder / "strategy_positions_20240304.csv").read_text().splitlines() == [
        "strategy_id,symbol,qty,market_value,weight",
        "alpha,AAA,50,5100,0.51",
    ]
