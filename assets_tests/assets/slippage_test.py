"""The asset `slippage` in the graph: a table and a file for each session, and who is warned."""

from __future__ import annotations

import csv
import datetime as dt
from decimal import Decimal
from pathlib import Path

from assets_tests.assets.graph_home import FIRST, SECOND, THIRD, GraphHome
from trading_assets.lake import Lake


def test_each_fill_stands_beside_what_was_intended(tmp_path: Path) -> None:
    home = GraphHome(tmp_path)
    assert home.run(FIRST, THIRD).success
    assert home.materialized("slippage") == [FIRST, SECOND, THIRD]
    folder = home.places.exports / "alpha"
    with (folder / "20240102" / "slippage_20240102.csv").open() as file:
        rows = {row["symbol"]: row for row in csv.DictReader(file)}
    assert sorted(rows) == ["AAA", "BBB", "CCC"]
    for row in rows.values():
        # The simulation fills 2 bps above the close; in steps of a hundredth of a cent.
        assert abs(float(row["arrival_slippage_bps"]) - 2) < 0.03
        cost = Decimal(row["quantity"]) * (
            Decimal(row["fill_price"]) - Decimal(row["arrival_price"])
        )
        assert abs(Decimal(row["arrival_cost"]) - cost) <= Decimal("0.005")
        assert row["commission"] == "1"
        assert row["plan_price"] != row["arrival_price"]
        assert row["decision_price"] == ""
    # Nothing was traded on the second session: an empty table, no file.
    table = Lake(home.places.lake, "alpha").read("slippage", dt.date.fromisoformat(SECOND))
    assert table is not None
    assert table.num_rows == 0
    assert not (folder / "20240103" / "slippage_20240103.csv").exists()
    assert home.checks("slippage", "no_slippage_outliers") == dict.fromkeys(
        (FIRST, SECOND, THIRD), True
    )


def test_outliers_warn_and_stop_nothing(tmp_path: Path) -> None:
    home = GraphHome(tmp_path, slippage={"outlier_bps": 1})
    result = home.run(FIRST, SECOND)
    assert result.success
    assert home.checks("slippage", "no_slippage_outliers") == {FIRST: False, SECOND: True}
    (found,) = [
        evaluation
        for evaluation in result.get_asset_check_evaluations()
        if evaluation.check_name == "no_slippage_outliers" and evaluation.partition == FIRST
    ]
    assert "3 of 3 trades, 0 undefined" in str(found.description)
    shown = str(found.metadata["detail"].value)
    assert "buy" in shown
    assert "+2.0 bps" in shown
    assert home.closed_sessions() == [FIRST, SECOND]
