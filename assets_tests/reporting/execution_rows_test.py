"""The execution log says the same in the lake and in the file for people."""

from __future__ import annotations

import csv
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from assets_tests.execution.small_portfolio import (
    MONDAY,
    Desk,
    portfolio_settings,
    session_inputs,
)
from trading_assets.execution.book import read_closed_sessions
from trading_assets.ledger.history import ClosedSession
from trading_assets.model.money import plain
from trading_assets.reporting.execution_rows import ExecutionRow, execution_rows
from trading_assets.reporting.exports import EXECUTION_COLUMNS, SessionExports
from trading_assets.reporting.projections import execution_table


def monday(folder: Path, mode: str) -> ClosedSession:
    """49 of AAA are planned at 100 and, where orders are sent, bought at 102."""
    settings = portfolio_settings(mode=mode, commission={"per_order": 1})
    desk = Desk(folder, settings)
    desk.run(session_inputs(MONDAY, {"AAA": "0.499"}, {"AAA": "100"}, {"AAA": "102"}))
    (closed,) = read_closed_sessions(desk.log, settings)
    desk.close()
    return closed


def test_a_filled_order_has_what_was_filled_and_when(tmp_path: Path) -> None:
    closed = monday(tmp_path, "simulated")
    (row,) = execution_rows(closed, "simulated")
    assert (row.symbol, row.side, row.quantity, row.status) == ("AAA", "buy", Decimal(49), "filled")
    assert (row.plan_price, row.average_price) == (Decimal(100), Decimal(102))
    assert (row.notional, row.commission) == (Decimal("4998.00"), Decimal("1.00"))
    assert row.executed_at == closed.fills[0].executed_at
    assert row.broker_order_id


def test_an_order_that_was_not_sent_is_shown_at_its_plan_price(tmp_path: Path) -> None:
    (row,) = execution_rows(monday(tmp_path, "dry"), "dry")
    assert (row.mode, row.status, row.quantity) == ("dry", "not_sent", Decimal(49))
    assert (row.notional, row.filled_quantity) == (Decimal("4900.00"), Decimal(0))
    assert (row.executed_at, row.average_price, row.broker_order_id) == (None, None, "")


@pytest.mark.parametrize("mode", ["simulated", "dry"])
def test_lake_and_file_show_the_same_rows(tmp_path: Path, mode: str) -> None:
    closed = monday(tmp_path, mode)
    rows = execution_rows(closed, mode)
    assert execution_table(closed, mode).to_pylist() == [msgspec.structs.asdict(r) for r in rows]
    exports = SessionExports(tmp_path / "exports", "small", MONDAY)
    exports.execution(closed, mode)
    with (exports.folder / "execution_log.csv").open(encoding="utf-8", newline="") as file:
        written = list(csv.DictReader(file))
    assert written == [
        {column: text(row, field) for column, field in EXECUTION_COLUMNS.items()} for row in rows
    ]


def text(row: ExecutionRow, field: str) -> str:
    value = getattr(row, field)
    if value is None:
        return ""
    if field == "executed_at":
        return str(value.isoformat())
    return plain(value) if isinstance(value, Decimal) else str(value)
