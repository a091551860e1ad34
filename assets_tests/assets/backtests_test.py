"""Backtests as assets: a run by Dagster itself, variants as partitions, a table over them."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from assets_tests.waves_backtest import BACKTEST
from trading_assets.assets.backtests import build_backtests
from trading_assets.errors import ConfigurationError
from trading_assets.settings import Directories


@pytest.fixture
def places(tmp_path: Path) -> Directories:
    data = tmp_path / "data"
    (data / "backtests").mkdir(parents=True)
    (data / "portfolios").mkdir()
    rows = [f"AAA,2024-01-{1 + place:02},{100 + (place % 7) * (place % 5)}" for place in range(31)]
    (data / "bars.csv").write_text("\n".join(["symbol,date,close", *rows]))
    (data / "backtests" / "waves.yaml").write_text(BACKTEST)
    (data / "backtests" / "plain.yaml").write_text(BACKTEST.split("sweep:")[0])
    return Directories(data=data, state=tmp_path / "state")


def test_a_backtest_is_materialised_with_charts_and_figures(places: Directories) -> None:
    assets = build_backtests(places)
    with dg.instance_for_test() as instance:
        run = dg.materialize(
            assets, selection=["backtest/plain"], instance=instance, raise_on_error=True
        )
    (event,) = run.get_asset_materialization_events()
    metadata = event.materialization.metadata
    assert metadata["bars"].value == 31
    assert "data:image/svg+xml" in str(metadata["equity"].value)
    assert Path(str(metadata["report"].value)).read_text().startswith("<!doctype html>")


def test_a_file_that_is_wrong_is_an_asset_that_says_so_and_the_others_are_there(
    places: Directories,
) -> None:
    wrong = places.data / "backtests" / "wrong.yaml"
    wrong.write_text(BACKTEST.replace("strategies:", "strategeis:"))
    swept = places.data / "backtests" / "swept.yaml"
    swept.write_text(BACKTEST.split("sweep:")[0] + "sweep: {nowhere.at_all: [1]}\n")
    assets = {asset.key.path[-1]: asset for asset in build_backtests(places)}
    assert set(assets) == {"waves", "waves_comparison", "plain", "wrong", "swept"}
    assert "strategeis" in str(assets["wrong"].descriptions_by_key[assets["wrong"].key])
    assert "nowhere" in str(assets["swept"].descriptions_by_key[assets["swept"].key])
    with dg.instance_for_test() as instance, pytest.raises(ConfigurationError, match="strategeis"):
        dg.materialize([assets["wrong"]], instance=instance)


FALLING = """
data:
  path: falling.csv
  symbols: [AAA]
strategies:
  - id: hold
    strategy: buy_and_hold
risk:
  id: strict
  sizing: {method: equity_percent, fraction: 0.9}
  circuit_breaker: {max_drawdown: 0.10}
"""


def test_a_backtest_that_the_circuit_breaker_stopped_warns_and_says_why(
    places: Directories,
) -> None:
    """900 of 1,000 shares' worth at 100; at 80 equity is 82,000 of 100,000."""
    closes = [100, 100, 100, 80, 80]
    rows = [f"AAA,2024-01-{1 + place:02},{close}" for place, close in enumerate(closes)]
    (places.data / "falling.csv").write_text("\n".join(["symbol,date,close", *rows]))
    (places.data / "backtests" / "falling.yaml").write_text(FALLING)
    with dg.instance_for_test() as instance:
        run = dg.materialize(
            build_backtests(places),
            selection=["backtest/falling", "backtest/plain"],
            instance=instance,
        )
    checks = {one.asset_key.path[1]: one for one in run.get_asset_check_evaluations()}
    assert checks["plain"].passed
    stopped = checks["falling"]
    assert (stopped.passed, stopped.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert stopped.description == (
        "halted 2024-01-04: equity 82000 is 0.18 below the highest equity 100000, limit 0.1"
    )


def test_a_sweep_is_partitions_and_a_table_over_those_that_have_run(places: Directories) -> None:
    assets = build_backtests(places)
    with dg.instance_for_test() as instance:
        for variant in ("fast=2", "fast=3"):
            dg.materialize(
                assets, selection=["backtest/waves"], partition_key=variant, instance=instance
            )
        run = dg.materialize(assets, selection=["backtest/waves_comparison"], instance=instance)
    (event,) = run.get_asset_materialization_events()
    metadata = event.materialization.metadata
    assert (metadata["variants"].value, metadata["missing"].value) == (2, 0)
    table = metadata["comparison"].value
    assert [record.data["fast"] for record in table.records] == ["2", "3"]  # type: ignore[union-attr]
