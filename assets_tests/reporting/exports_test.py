"""Files for people: columns mean what they are called."""

from __future__ import annotations

import csv
import datetime as dt
import io
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets_tests.execution.small_portfolio import MONDAY, Desk, session_inputs
from trading_assets.analytics.pnl import daily_result
from trading_assets.analytics.strategy_pnl import strategy_session
from trading_assets.execution.book import read_closed_sessions
from trading_assets.model.order import Side
from trading_assets.reporting.exports import SessionExports, csv_text


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


def test_cells_are_written_plain_exact_and_empty_where_unknown() -> None:
    row = (
        Decimal("1E+3"),
        Decimal("-0.500"),
        None,
        Side.BUY,
        7,
        dt.date(2024, 3, 4),
        dt.datetime(2024, 3, 4, 21, tzinfo=dt.UTC),
        "AAA",
    )
    assert csv_text([row]) == "1000,-0.5,,buy,7,2024-03-04,2024-03-04T21:00:00+00:00,AAA\n"


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        ("AAA, Inc.", '"AAA, Inc."'),
        ('the "A"', '"the ""A"""'),
        ("two\nlines", '"two\nlines"'),
        (" A ", " A "),
    ],
)
def test_cells_that_would_break_a_line_are_quoted_as_rfc_4180_has_it(
    cell: str, written: str
) -> None:
    assert csv_text([("symbol", "name"), ("AAA", cell)]) == f"symbol,name\nAAA,{written}\n"


@given(st.lists(st.lists(st.text(',"\n\r aé', max_size=4), min_size=3, max_size=3), max_size=4))
def test_text_is_that_of_the_csv_module_whatever_the_cells_hold(rows: list[list[str]]) -> None:
    expected = io.StringIO()
    csv.writer(expected, lineterminator="\n").writerows([("a", "b", "c"), *rows])
    assert csv_text([("a", "b", "c"), *rows]) == expected.getvalue()


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
