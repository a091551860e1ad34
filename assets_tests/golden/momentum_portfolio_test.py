"""The sample portfolio `momentum` on its first session, every figure worked out by hand."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
COMMAND = str(Path(sys.executable).parent / "trading_assets")


def test_the_first_session_buys_the_three_strongest_factors(tmp_path: Path) -> None:
    for part in ("portfolios", "market"):
        shutil.copytree(ROOT / "data" / part, tmp_path / "data" / part)
    for other in ("sample", "minvar"):
        (tmp_path / "data" / "portfolios" / f"{other}.yaml").unlink()
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("TRADING_ASSETS", "DAGSTER"))
    } | {
        "TRADING_ASSETS_DATA": str(tmp_path / "data"),
        "TRADING_ASSETS_STATE": str(tmp_path / "state"),
    }
    done = subprocess.run(
        [COMMAND, "run", "--portfolio", "momentum", "--session", "2021-01-04"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    folder = tmp_path / "state/exports/momentum/20210104"
    with (folder / "filled_orders.csv").open() as file:
        fills = {row["symbol"]: row for row in csv.DictReader(file)}
    # From 2019-12-31 to 2020-11-30 MTUM rose 25.5 %, QUAL 12.9 %, SIZE 11.5 %, USMV 3.3 %, and VLUE
    # fell 3.0 %. A third of 98,000 at the closes of 2020-12-31 (155.951, 112.247, 107.283) is 209,
    # 291 and 304 whole shares. They fill at the closes of 2021-01-04 (154.772, 110.46, 105.594) and
    # 5 bps, for half a cent a share.
    assert {
        symbol: (row["qty"], row["price"], row["notional"], row["commission"])
        for symbol, row in fills.items()
    } == {
        "MTUM": ("209", "154.8494", "32363.52", "1.04"),
        "QUAL": ("291", "110.5152", "32159.92", "1.46"),
        "SIZE": ("304", "105.6468", "32116.63", "1.52"),
    }
    with (folder / "positions_eod_20210104.csv").open() as file:
        positions = {row["symbol"]: row for row in csv.DictReader(file)}
    # 100,000.00 - 96,640.07 - 4.02
    assert positions["CASH"]["market_value"] == "3355.91"
    assert positions["MTUM"]["market_value"] == "32347.35"
