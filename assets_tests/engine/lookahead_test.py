"""The look-ahead guard finds a strategy that knows the future, and leaves an honest one alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from trading_assets.engine.lookahead import check_lookahead
from trading_assets.engine.settings import BacktestSettings
from trading_assets.errors import ConfigurationError

HONEST = """
from trading_assets.strategies.base import Strategy, open_long, close_long

class Honest(Strategy):
    def on_bar(self, bar, context):
        mean = context.history(bar.symbol, 5).mean()
        return (open_long(bar.symbol),) if bar.close > mean else (close_long(bar.symbol),)
"""
# The mean of the whole file: what every notebook does before it splits its data.
PEEKING = """
from trading_assets.strategies.base import Strategy, open_long, close_long

class Peeking(Strategy):
    def on_bar(self, bar, context):
        mean = context._engine.market.columns[0].close.mean()
        return (open_long(bar.symbol),) if bar.close > mean else (close_long(bar.symbol),)
"""
LEVEL = """
from trading_assets.strategies.base import Strategy, open_long, close_long

class Level(Strategy):
    def on_bar(self, bar, context):
        return (open_long(bar.symbol),) if bar.close > 104.5 else (close_long(bar.symbol),)
"""


def settings(folder: Path, strategy: str, **data: object) -> BacktestSettings:
    rows = [f"AAA,2024-01-{place + 1:02},{100 + place + (place % 3)}" for place in range(30)]
    (folder / "bars.csv").write_text("\n".join(["symbol,date,close", *rows]))
    (folder / "actions.csv").write_text(
        "ex_date,symbol,action,amount_per_share,currency\n2024-01-28,AAA,dividend,20,USD\n"
    )
    (folder / "own.py").write_text(strategy)
    return BacktestSettings.model_validate(
        {
            "data": {"path": "bars.csv", **data},
            "strategies": [{"id": "own", "strategy": "own.py"}],
        }
    )


def test_an_honest_strategy_decides_the_same_without_the_future(tmp_path: Path) -> None:
    found = check_lookahead(settings(tmp_path, HONEST), tmp_path, cuts=3)
    assert found.changed == ()
    assert (found.decisions, len(found.ends)) == (30, 3)


def test_a_mean_over_the_whole_period_is_found_with_the_decisions_that_change(
    tmp_path: Path,
) -> None:
    """With all 30 bars the mean is 115.5: no bar of the first days is above it. With the first 15
    it is 108."""
    found = check_lookahead(settings(tmp_path, PEEKING), tmp_path, cuts=1)
    assert found.changed
    first = found.changed[0]
    assert first.with_future is not None
    assert first.without_future is not None
    assert "close_long" in first.with_future
    assert "open_long" in first.without_future


def test_a_level_on_prices_adjusted_backwards_is_found_on_raw_ones_it_is_not(
    tmp_path: Path,
) -> None:
    """The dividend of the 28th lowers every adjusted price before it, once it is known."""
    changed = {
        treatment: check_lookahead(
            settings(tmp_path, LEVEL, prices=treatment, corporate_actions="actions.csv"),
            tmp_path,
            cuts=2,
        ).changed
        for treatment in ("adjusted", "raw")
    }
    assert changed["adjusted"]
    assert changed["raw"] == ()


def test_more_cuts_than_sessions_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="fewer than there are sessions"):
        check_lookahead(settings(tmp_path, HONEST), tmp_path, cuts=30)
