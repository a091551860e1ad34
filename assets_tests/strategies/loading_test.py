"""Strategies by name and by file, and what is said where one cannot be had."""

from __future__ import annotations

from pathlib import Path

import pytest

from trading_assets.errors import ConfigurationError, InputError
from trading_assets.strategies.loading import BUILT_IN, load_strategy
from trading_assets.strategies.sma_cross import SmaCross

OWN = """
from trading_assets.strategies.base import Strategy, open_long

class BuyAbove(Strategy):
    def __init__(self, level: float) -> None:
        self.level = level

    def on_bar(self, bar, context):
        return (open_long(bar.symbol),) if bar.close > self.level else None
"""


def test_a_built_in_strategy_is_had_by_its_name_and_parameters(tmp_path: Path) -> None:
    strategy = load_strategy("sma_cross", {"fast": 3, "slow": 8}, tmp_path)
    assert isinstance(strategy, SmaCross)
    assert (strategy.fast, strategy.slow, strategy.warm_up_bars) == (3, 8, 8)


@pytest.mark.parametrize("name", [name for name in BUILT_IN if name != "signal_file"])
def test_every_built_in_strategy_has_a_face(name: str, tmp_path: Path) -> None:
    strategy = load_strategy(name, {}, tmp_path)
    assert strategy.watches_bars or strategy.watches_cross_section


def test_a_strategy_of_ones_own_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(OWN)
    strategy = load_strategy("mine.py", {"level": 10.0}, tmp_path)
    assert strategy.watches_bars
    assert vars(strategy)["level"] == 10.0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("x = 1", "defines none"),
        (OWN + OWN.replace("BuyAbove", "Other"), "BuyAbove, Other"),
        ("import nothing_of_that_name", "ModuleNotFoundError"),
        ("x = (", "SyntaxError"),
    ],
)
def test_a_file_that_is_no_strategy_is_named_with_the_reason(
    content: str, message: str, tmp_path: Path
) -> None:
    (tmp_path / "mine.py").write_text(content)
    with pytest.raises(ConfigurationError, match=message):
        load_strategy("mine.py", {}, tmp_path)


def test_unknown_names_and_parameters_say_which_there_are(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="buy_and_hold, sma_cross"):
        load_strategy("nothing", {}, tmp_path)
    with pytest.raises(ConfigurationError, match="fast, slow, stop_loss, take_profit"):
        load_strategy("sma_cross", {"quick": 3}, tmp_path)
    with pytest.raises(ConfigurationError, match="not there"):
        load_strategy("none.py", {}, tmp_path)
    with pytest.raises(ConfigurationError, match="fast is the shorter"):
        load_strategy("sma_cross", {"fast": 50, "slow": 20}, tmp_path)


def test_a_signal_file_that_breaks_a_rule_is_named_by_row(tmp_path: Path) -> None:
    (tmp_path / "signals.csv").write_text("date,symbol,weight\n2024-01-02,AAA,much\n")
    with pytest.raises(InputError, match=r"signals\.csv, row 2"):
        load_strategy("signal_file", {"path": "signals.csv"}, tmp_path)
    (tmp_path / "signals.csv").write_text(
        "date,symbol,weight\n2024-01-02,AAA,1\n2024-01-02,AAA,0\n"
    )
    with pytest.raises(InputError, match="one weight"):
        load_strategy("signal_file", {"path": "signals.csv"}, tmp_path)
