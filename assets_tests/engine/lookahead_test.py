"""The look-ahead guard finds a strategy that knows the future, and leaves an honest one alone."""

from __future__ import annotations

import datetime as dt
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
# Rarely decides, and then on the next bar alone.
TOMORROW = """
from trading_assets.strategies.base import Strategy, open_long

class Tomorrow(Strategy):
    def on_bar(self, bar, context):
        column = context._engine.market.columns[0]
        row = int((column.starts <= bar.start).sum())
        if row % 9 == 1 and GUARD column.close[row] > bar.close:
            return (open_long(bar.symbol),)
"""
READS = """
import csv
from pathlib import Path
from trading_assets.strategies.base import Strategy, open_long

with (Path(__file__).parent / "bars.csv").open() as file:
    LAST = float(list(csv.DictReader(file))[-1]["close"])

class Reads(Strategy):
    def on_bar(self, bar, context):
        return (open_long(bar.symbol),) if bar.close < LAST else None
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


def test_who_looks_one_bar_ahead_is_found_at_each_of_its_few_decisions(tmp_path: Path) -> None:
    """Closes go 100, 101, 102 and again: after the 1st, 10th, 19th and 28th (100) they rise."""
    peeking = TOMORROW.replace("GUARD", "row < len(column) and")
    found = check_lookahead(settings(tmp_path, peeking), tmp_path, cuts=8)
    assert found.decisions == 4
    assert {str(one.end)[-2:] for one in found.changed} == {"01", "10", "19", "28"}
    assert all(one.without_future is None for one in found.changed)


def test_who_fails_without_the_future_is_found_by_that(tmp_path: Path) -> None:
    peeking = TOMORROW.replace("GUARD", "")
    found = check_lookahead(settings(tmp_path, peeking), tmp_path, cuts=8)
    stopped = [one.without_future for one in found.changed if one.without_future]
    assert len(stopped) == 4
    assert all("IndexError" in one for one in stopped)


@pytest.mark.parametrize("timeframe", ["1Week", "1Month"])
def test_a_week_or_month_is_left_whole(tmp_path: Path, timeframe: str) -> None:
    """A bar of which only the first day is left would be another bar, and no look-ahead."""
    daily = settings(tmp_path, HONEST, timeframe=timeframe, source_timeframe="1Day")
    rows = [
        f"AAA,{dt.date(2024, 1, 1) + dt.timedelta(days=place)},{100 + place * 7 % 13}"
        for place in range(400)
    ]
    (tmp_path / "bars.csv").write_text("\n".join(["symbol,date,close", *rows]))
    found = check_lookahead(daily, tmp_path, cuts=9)
    assert found.decisions > 9
    assert found.changed == ()


EQUAL = """
import numpy as np
from trading_assets.strategies.base import Strategy, TargetWeights

class Equal(Strategy):
    frequency = "month"

    def generate_signals(self, snapshot):
        known = ~np.isnan(snapshot.close)
        return TargetWeights(known / max(known.sum(), 1))
"""


@pytest.mark.parametrize("treatment", ["as_quoted", "raw", "adjusted"])
def test_a_symbol_that_begins_later_is_no_look_ahead(tmp_path: Path, treatment: str) -> None:
    own = settings(tmp_path, EQUAL, prices=treatment, corporate_actions="actions.csv")
    days = [dt.date(2024, 1, 1) + dt.timedelta(days=place) for place in range(200)]
    rows = [f"AAA,{day},100" for day in days] + [f"AA,{day},50" for day in days[100:]]
    (tmp_path / "bars.csv").write_text("\n".join(["symbol,date,close", *rows]))
    found = check_lookahead(own, tmp_path, cuts=9)
    assert found.decisions == 7
    assert found.changed == ()


def test_a_file_that_a_strategy_reads_itself_is_told(tmp_path: Path) -> None:
    found = check_lookahead(settings(tmp_path, READS), tmp_path, cuts=3)
    assert found.changed == ()
    assert found.files == (str(tmp_path / "bars.csv"),)
    assert check_lookahead(settings(tmp_path, HONEST), tmp_path, cuts=3).files == ()


def test_more_cuts_than_sessions_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="fewer than there are sessions"):
        check_lookahead(settings(tmp_path, HONEST), tmp_path, cuts=30)
