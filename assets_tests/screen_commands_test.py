"""The command `screen`: the sweep of a file, ranges in its place, and what goes wrong."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from assets_tests.waves_backtest import waves_home
from trading_assets.cli import main


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return waves_home(tmp_path, monkeypatch)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def table(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def test_the_sweep_of_a_file_is_screened_to_the_numbers_of_its_backtests(home: Path) -> None:
    ended = run("screen", "--name", "waves")
    assert ended.exit_code == 0, ended.output
    folder = home / "state" / "backtests" / "waves"
    rows = {row["fast"]: row for row in table(folder / "screening.csv")}
    assert run("backtest", "--name", "waves", "--sweep", "--workers", "1").exit_code == 0
    for exact in table(folder / "comparison.csv"):
        quick = rows[exact["fast"]]
        assert float(quick["final_value"]) == float(exact["final_value"])
        assert float(quick["sharpe_ratio"]) == pytest.approx(float(exact["sharpe_ratio"]))


def test_ranges_replace_the_sweep_best_first_and_count_what_cannot_be_run(home: Path) -> None:
    target = home / "out" / "table.csv"
    ended = run(
        *("screen", "--name", "waves", "--top", "3", "--to", str(target)),
        *("--over", "fast=2:6:2", "--over", "slow=5,9", "--over", "position_size=0.1,0.5"),
    )
    assert ended.exit_code == 0, ended.output
    rows = table(target)
    assert len(rows) == 3 * 2 * 2
    ran = [row for row in rows if not row["refused"]]
    assert len(ran) == 10
    ratios = [float(row["sharpe_ratio"]) for row in ran]
    assert ratios == sorted(ratios, reverse=True)
    assert "2 could not be run" in ended.output
    assert "fast 6 and slow 5" in ended.output.replace("\n", " ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--name", "none"], "there are: waves"),
        (["--name", "waves", "--over", "fast"], "write fast=5:60:5"),
        (["--name", "waves", "--over", "fast=a:b"], "write fast=5:60:5"),
        (["--name", "waves", "--over", "fast=6", "--over", "slow=5"], "none of the 1 variants"),
        (["--name", "waves", "--over", "nowhere.fast=1,2"], "there is no 'nowhere'"),
    ],
)
def test_what_goes_wrong_is_said(home: Path, arguments: list[str], message: str) -> None:
    assert home.exists()
    ended = run("screen", *arguments)
    assert ended.exit_code != 0
    assert message in ended.output
