"""A backtest as a file: what it says, what is refused, and the variants of a sweep."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from trading_assets.engine.preparation import run_backtest
from trading_assets.engine.settings import load_backtest
from trading_assets.errors import ConfigurationError
from trading_assets.risk.policies import BUILT_IN

BARS = """symbol,date,close
AAA,2024-01-02,10
AAA,2024-01-03,10
AAA,2024-01-04,8
AAA,2024-01-05,4
AAA,2024-01-08,4.4
"""
FILE = """
data:
  path: bars.csv
  start: 2024-01-03
strategies:
  - {id: hold, strategy: buy_and_hold}
position_size: 1
account: {initial_capital: 1000}
"""
ACTIONS = """ex_date,symbol,action,amount_per_share,currency,new_shares,old_shares
2024-01-05,AAA,split,,,2,1
2024-01-08,AAA,dividend,0.4,USD,,
"""


def written(folder: Path, text: str) -> Path:
    (folder / "bars.csv").write_text(BARS)
    (folder / "actions.csv").write_text(ACTIONS)
    path = folder / "backtest.yaml"
    path.write_text(text)
    return path


def test_a_file_is_a_backtest(tmp_path: Path) -> None:
    """Bought 125 (1,000 / 8) after January 3rd at 10 would be 100; at the next open of 8 they cost
    800; 4.40 at the end."""
    result = run_backtest(load_backtest(written(tmp_path, FILE)), tmp_path)
    assert result.final_value == 1000 - 800 + 440
    assert result.bar_count == 4


def test_raw_prices_book_actions_and_adjusted_ones_hold_them(tmp_path: Path) -> None:
    """Raw: 100 at 8, 200 after the split, 80 of dividend, 880 at the end: 1,160. Adjusted by
    1/2 and by 1 - 0.4 / 4 = 0.9: 3.6 on January 4th; 222 bought after 4.5 cost 799.20 and are worth
    976.80."""
    more = "  prices: {}\n  corporate_actions: actions.csv\nstrategies:"
    results = [
        run_backtest(
            load_backtest(written(tmp_path, FILE.replace("strategies:", more.format(treatment)))),
            tmp_path,
        )
        for treatment in ("raw", "adjusted")
    ]
    assert str(results[0].final_value) == "1160.00"
    assert str(results[1].final_value) == "1177.60"


def test_published_factors_replace_those_that_actions_would_give(tmp_path: Path) -> None:
    (tmp_path / "factors.csv").write_text("symbol,date,price_factor\nAAA,2024-01-04,0.5\n")
    more = "  prices: adjusted\n  adjustment_factors: factors.csv\nstrategies:"
    path = written(tmp_path, FILE.replace("strategies:", more))
    result = run_backtest(load_backtest(path), tmp_path)
    # 1,000 / 5 = 200 shares at 4, worth 4.40 at the end.
    assert result.final_value == 1000 - 800 + 880


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("path: bars.csv", "path: bars.csv\n  prices: raw"), "needs corporate_actions"),
        (("path: bars.csv", "path: bars.csv\n  timeframe: 2Day"), "not one of 1Min"),
        (("path: bars.csv", "path: bars.csv\n  source_timeframe: 1Week"), "cannot be made"),
        (("position_size: 1", "position_size: 0"), "position_size"),
        (("position_size: 1", "position_sise: 1"), "position_sise"),
        (("id: hold", "id: Hold It"), "strategies.0.id"),
    ],
)
def test_a_wrong_key_or_value_is_named(
    tmp_path: Path, change: tuple[str, str], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        load_backtest(written(tmp_path, FILE.replace(*change)))


def test_a_sweep_is_every_combination_under_a_name_that_spells_it(tmp_path: Path) -> None:
    text = FILE + "sweep:\n  position_size: [0.5, 1]\n  matching.fill_price: [next_open, close]\n"
    variants = load_backtest(written(tmp_path, text)).variants()
    assert list(variants) == [
        "position_size=0.5;fill_price=next_open",
        "position_size=0.5;fill_price=close",
        "position_size=1;fill_price=next_open",
        "position_size=1;fill_price=close",
    ]
    chosen = variants["position_size=0.5;fill_price=close"]
    assert (str(chosen.position_size), chosen.matching.fill_price.value) == ("0.5", "close")
    assert chosen.variants() == {}


def test_a_sweep_of_a_strategy_names_it_by_id(tmp_path: Path) -> None:
    good = FILE + "sweep:\n  strategies.hold.share_of_equity: [0.5]\n"
    (variant,) = load_backtest(written(tmp_path, good)).variants().values()
    assert str(variant.strategies[0].share_of_equity) == "0.5"
    bad = FILE + "sweep:\n  strategies.other.share_of_equity: [0.5]\n"
    with pytest.raises(ConfigurationError, match=r"no 'strategies\.other'"):
        load_backtest(written(tmp_path, bad)).variants()


def test_a_start_after_the_data_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, FILE.replace("2024-01-03", "2025-01-03"))
    with pytest.raises(ConfigurationError, match="after the last bar"):
        run_backtest(load_backtest(path), tmp_path)


def test_a_risk_policy_is_named_by_its_file_beside_the_backtests(tmp_path: Path) -> None:
    for part in ("backtests", "risk"):
        (tmp_path / part).mkdir()
    half = "id: half\nsizing: {method: equity_percent, fraction: 0.5}\n"
    (tmp_path / "risk" / "half.yaml").write_text(half)
    swept = "\nrisk: half\nsweep: {strategies.hold.share_of_equity: [0.25]}\n"
    settings = load_backtest(written(tmp_path / "backtests", FILE + swept))
    assert settings.risk is not None
    assert settings.risk.id == "half"
    (variant,) = settings.variants().values()
    assert variant.risk == settings.rules.risk == settings.risk
    with pytest.raises(ConfigurationError, match=r"'third' is not there.* Known: built_in, half"):
        load_backtest(written(tmp_path / "backtests", FILE + "\nrisk: third\n"))
    built_in = load_backtest(written(tmp_path / "backtests", FILE + "\nrisk: built_in\n"))
    assert built_in.risk is BUILT_IN


def test_a_risk_policy_may_be_written_out_in_the_backtest(tmp_path: Path) -> None:
    text = FILE + "\nrisk: {id: own, sizing: {method: fixed_quantity, quantity: 3}}\n"
    settings = load_backtest(written(tmp_path, text))
    assert settings.risk is not None
    assert settings.risk.id == "own"
    bad = FILE + "\nrisk: {id: own, sizing: {method: fixed_quantity, quantity: 0}}\n"
    with pytest.raises(ConfigurationError, match=r"risk\.sizing\.fixed_quantity\.quantity: '?0"):
        load_backtest(written(tmp_path, bad))


def test_risk_policies_may_be_tried_by_name(tmp_path: Path) -> None:
    """The built-in policy invests a tenth of equity: 10 shares at the close of 10."""
    for part in ("backtests", "risk"):
        (tmp_path / part).mkdir()
    three = "id: three\nsizing: {method: fixed_quantity, quantity: 3}\n"
    (tmp_path / "risk" / "three.yaml").write_text(three)
    text = FILE + "sweep:\n  risk: [built_in, three]\n  position_size: [0.1]\n"
    written(tmp_path, FILE)
    variants = load_backtest(written(tmp_path / "backtests", text)).variants()
    assert {
        name: run_backtest(one, tmp_path).engine.account.held.tolist()
        for name, one in variants.items()
    } == {"risk=built_in;position_size=0.1": [10], "risk=three;position_size=0.1": [3]}


def test_fractions_among_a_strategys_parameters_are_numbers(tmp_path: Path) -> None:
    """Bought at 8 with a stop 40 % below the close of 10 that was decided on: sold at 4.

    Tried with 15 %, the stop of 8.50 is above the open of 8 and sells at once."""
    (tmp_path / "own.py").write_text(
        "from trading_assets.strategies.base import Strategy, open_long\n"
        "class Own(Strategy):\n"
        "    def __init__(self, stop, levels):\n"
        "        self.stop = stop + levels[0] * 0\n"
        "    def on_bar(self, bar, context):\n"
        "        if bar.close == 10:\n"
        "            return [open_long(bar.symbol, stop_loss_price=bar.close * (1 - self.stop))]\n"
    )
    own = "{id: hold, strategy: own.py, parameters: {stop: 0.4, levels: [1.5]}}"
    text = FILE.replace("{id: hold, strategy: buy_and_hold}", own)
    text += "sweep:\n  strategies.hold.parameters.stop: [0.4, 0.15]\n"
    settings = load_backtest(written(tmp_path, text))
    whole = [settings, *settings.variants().values()]
    values = [run_backtest(one, tmp_path).final_value for one in whole]
    assert values == [600, 600, 1000]


def test_what_is_tried_of_two_strategies_is_told_apart(tmp_path: Path) -> None:
    two = FILE.replace(
        "strategies:\n",
        "strategies:\n  - {id: other, strategy: sma_cross, parameters: {fast: 2}}\n",
    )
    text = two + (
        "sweep:\n  strategies.hold.parameters.fast: [1]\n  strategies.other.parameters.fast: [2]\n"
        "  slippage.bps: [3]\n  commission.bps: [4]\n  account.initial_capital: [5]\n"
    )
    assert list(load_backtest(written(tmp_path, text)).variants()) == [
        "hold.fast=1;other.fast=2;slippage.bps=3;commission.bps=4;initial_capital=5"
    ]


def test_the_strategy_of_the_readme_runs(tmp_path: Path) -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    code = readme.split("```python\n")[1].split("```")[0]
    (tmp_path / "breakout.py").write_text(code)
    text = FILE.replace("strategy: buy_and_hold", "strategy: breakout.py, parameters: {bars: 1}")
    result = run_backtest(
        load_backtest(written(tmp_path, text.replace("2024-01-03", "2024-01-02"))), tmp_path
    )
    assert result.bar_count == 5


def test_the_backtests_that_are_shipped_run() -> None:
    data = Path(__file__).parents[2] / "data"
    for path in sorted((data / "backtests").glob("*.yaml")):
        result = run_backtest(load_backtest(path), data, path.stem)
        assert result.engine.account.fill_count > 10
        assert result.final_value == result.initial_capital + sum(
            (one.pnl for one in result.by_symbol), Decimal(0)
        )
