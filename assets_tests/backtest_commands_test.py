"""The command `backtest`: a file, a few options, a sweep in processes, and what goes wrong."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from assets_tests.waves_backtest import waves_home
from trading_assets import backtest_runs
from trading_assets.backtest_runs import run_and_write, write_events
from trading_assets.cli import main
from trading_assets.engine.journal import run_events
from trading_assets.engine.settings import load_backtest
from trading_assets.errors import DeliveryError
from trading_assets.model.order_events import Fill
from trading_assets.settings import directories


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return waves_home(tmp_path, monkeypatch)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["backtest", *arguments])


def test_a_backtest_of_a_few_options(home: Path) -> None:
    options = "--data bars.csv --start 2024-01-10 --end 2024-03-20 --timeframe 1Day"
    more = (
        "--capital 50000 --position-size 0.05 --slippage 10 --parameter fast=2 --parameter slow=4"
    )
    ended = run("--symbol", "AAA", *options.split(), *more.split())
    assert ended.exit_code == 0, ended.output
    folder = home / "state" / "backtests" / "aaa"
    result = json.loads((folder / "result.json").read_text())
    assert result["initial_capital"] == 50000
    assert result["total_trades"] == len(result["trades"]) > 3
    with (folder / "fills.csv").open() as file:
        fills = list(csv.DictReader(file))
    assert float(fills[0]["notional"]) == pytest.approx(2500, rel=0.1)
    curve = (folder / "equity_curve.csv").read_text().splitlines()
    assert curve[0] == "session,equity,drawdown,benchmark"
    assert curve[1].startswith("2024-01-10,")
    report = (folder / "report.html").read_text()
    assert report.count("<svg") == 3
    assert "http://" not in report.replace("http://www.w3.org", "")


def test_a_backtest_of_a_file_and_its_sweep(home: Path) -> None:
    assert run("--name", "waves").exit_code == 0
    ended = run("--name", "waves", "--sweep", "--workers", "1")
    assert ended.exit_code == 0, ended.output
    folder = home / "state" / "backtests" / "waves"
    with (folder / "comparison.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["fast"] for row in rows] == ["2", "3"]
    alone = json.loads((folder / "result.json").read_text())
    assert float(rows[0]["final_value"]) == alone["final_value"]
    assert (folder / "fast=3" / "report.html").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ((), 2, "either --name, or --symbol"),
        (("--name", "nothing"), 2, "there are: waves"),
        (("--symbol", "AAA", "--sweep"), 2, "--sweep needs --name"),
        (("--symbol", "ZZZ", "--data", "bars.csv"), 3, "there are: AAA"),
        (("--symbol", "AAA", "--data", "bars.csv", "--capital", "-5"), 3, "initial_capital"),
        (("--symbol", "AAA", "--data", "none.csv"), 3, "must exist"),
        (("--symbol", "AAA", "--data", "bars.csv", "--parameter", "fast"), 2, "no parameter"),
    ],
)
@pytest.mark.usefixtures("home")
def test_what_goes_wrong_has_a_code_and_a_remedy(
    arguments: tuple[str, ...], code: int, message: str
) -> None:
    ended = run(*arguments)
    assert ended.exit_code == code
    assert message in ended.output


def test_the_guard_and_the_events_and_checkpoints_of_a_run(home: Path) -> None:
    ended = CliRunner().invoke(main, ["lookahead", "--name", "waves", "--cuts", "2"])
    assert ended.exit_code == 0, ended.output
    assert "none changes" in ended.output
    folder = home / "state" / "backtests" / "waves"
    assert run("--name", "waves", "--events").exit_code == 0
    kinds = [
        json.loads(line)["event_type"]
        for line in (folder / "events.jsonl").read_text().splitlines()
    ]
    assert kinds[0] == "cash_flow"
    assert kinds.count("session_closed") == 84
    whole = json.loads((folder / "result.json").read_text())
    assert run("--name", "waves", "--checkpoint-every", "10").exit_code == 0
    assert json.loads((folder / "result.json").read_text()) == whole


@pytest.mark.usefixtures("home")
def test_events_that_the_ledger_cannot_follow_are_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = load_backtest(directories().data / "backtests" / "waves.yaml")
    kept = settings.model_copy(update={"keep_orders": True})
    result, _ = run_and_write(kept, directories(), "waves", tmp_path)
    told = write_events(result, tmp_path).read_bytes()
    events = list(run_events(result.engine))
    fill = next(place for place, one in enumerate(events) if isinstance(one.event, Fill))
    monkeypatch.setattr(
        backtest_runs, "run_events", lambda _engine: iter(events[:fill] + events[fill + 1 :])
    )
    with pytest.raises(DeliveryError, match=r"ledger raised .*states cash 89444.00"):
        write_events(result, tmp_path)
    assert (tmp_path / "events.jsonl").read_bytes() == told
