"""A data folder with one small backtest: 84 sessions of one symbol, and a sweep of two."""

from __future__ import annotations

from pathlib import Path

import pytest

BACKTEST = """
data:
  path: bars.csv
strategies:
  - {id: trend, strategy: sma_cross, parameters: {fast: 2, slow: 4}}
sweep:
  strategies.trend.parameters.fast: [2, 3]
"""


def waves_home(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`folder` with the backtest `waves`, and the environment that names it."""
    (folder / "backtests").mkdir()
    (folder / "portfolios").mkdir()
    rows = [
        f"AAA,2024-{1 + place // 28:02}-{1 + place % 28:02},{100 + (place % 7) * (place % 5)}"
        for place in range(84)
    ]
    (folder / "bars.csv").write_text("\n".join(["symbol,date,close", *rows]))
    (folder / "backtests" / "waves.yaml").write_text(BACKTEST)
    monkeypatch.setenv("TRADING_ASSETS_DATA", str(folder))
    monkeypatch.setenv("TRADING_ASSETS_STATE", str(folder / "state"))
    return folder
