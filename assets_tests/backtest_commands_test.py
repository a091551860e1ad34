"""The command `backtest`: a file, a few options, a sweep in processes, and what goes wrong."""

from __future__ import annotations

import csv
import datetime as dt
import json
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from assets_tests.alpaca.clock import NEW_YORK
from assets_tests.alpaca.market import BarPoint
from assets_tests.alpaca.server import running_alpaca
from assets_tests.bar_vendors.coinbase import CoinbaseStandIn
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


SIMPLE = (
    "--start 2024-05-20 --end 2024-05-31 --timeframe 1Hour --capital 50000 --position-size 0.05 "
    "--slippage 10 --parameter fast=2 --parameter slow=4"
)


def test_a_backtest_on_hours_of_alpaca_needs_no_more_than_the_keys(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bars shorter than a day come from there where nothing else is said."""
    with running_alpaca(api_key="key", secret_key="secret") as alpaca:
        alpaca.account.list_asset("AAPL", "190.00")
        points = []
        for day in (20, 21, 22, 23, 24, 28, 29, 30, 31):
            for hour in range(10, 16):
                at = dt.datetime(2024, 5, day, hour, tzinfo=NEW_YORK).astimezone(dt.UTC)
                price = Decimal(100 + (day * hour) % 7)
                points.append(BarPoint(at, price, price, price, price))
        alpaca.account.market.bars["AAPL", "1Hour"] = points
        for name, value in {
            "TRADING_ASSETS_ALPACA_KEY": "key",
            "TRADING_ASSETS_ALPACA_SECRET": "secret",
            "TRADING_ASSETS_ALPACA_DATA_URL": alpaca.base_url,
        }.items():
            monkeypatch.setenv(name, value)
        ended = run("--symbol", "AAPL", *SIMPLE.split())
    assert ended.exit_code == 0, ended.output
    result = json.loads((home / "state" / "backtests" / "aapl" / "result.json").read_text())
    assert (result["symbol"], result["bar_count"], result["initial_capital"]) == ("AAPL", 54, 50000)
    assert result["total_trades"] > 3
    assert (home / "state" / "bars" / "bars.sqlite").exists()


def test_a_backtest_on_coins_buys_parts_of_them_around_the_clock(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with CoinbaseStandIn() as coinbase:
        monkeypatch.setenv("TRADING_ASSETS_COINBASE_URL", coinbase.url)
        first = int(dt.datetime(2024, 5, 19, tzinfo=dt.UTC).timestamp())
        coinbase.candles["BTC-USD", 3600] = {
            first + place * 3600: (p - 10, p + 10, p, p, 900.0)
            for place in range(14 * 24)
            for p in [67000.0 + 500 * ((place * place) % 5)]
        }
        ended = run("--symbol", "BTC-USD", "--source", "coinbase", *SIMPLE.split())
    assert ended.exit_code == 0, ended.output
    folder = home / "state" / "backtests" / "btc-usd"
    with (folder / "fills.csv").open() as file:
        fills = list(csv.DictReader(file))
    assert float(fills[0]["notional"]) == pytest.approx(2500, rel=0.02)
    # Every day has a return, those of the weekend too.
    curve = (folder / "equity_curve.csv").read_text().splitlines()
    assert len(curve) == 1 + 12


def test_the_sample_of_days_is_not_run_as_hours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRADING_ASSETS_STATE", str(tmp_path))
    options = "--symbol AAPL --start 2021-01-04 --end 2021-06-30 --timeframe 1Hour --capital 50000"
    ended = run(*options.split(), "--data", "market/sp500_daily_closes.csv")
    assert ended.exit_code == 3
    assert "bars of 1Hour are asked for; these are longer" in ended.output


def test_parameters_of_a_strategy_are_read_as_in_a_file(home: Path) -> None:
    (home / "own.py").write_text(
        "from trading_assets.strategies.base import Strategy, open_long\n"
        "class Own(Strategy):\n"
        "    def __init__(self, stop, eager, name):\n"
        "        assert (stop, eager, name) == (0.05, True, 'mine')\n"
        "    def on_bar(self, bar, context):\n"
        "        return [open_long(bar.symbol)]\n"
    )
    more = "--strategy own.py --parameter stop=0.05 --parameter eager=true --parameter name=mine"
    ended = run("--symbol", "AAA", "--data", "bars.csv", *more.split())
    assert ended.exit_code == 0, ended.output


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
        (("--symbol", "AAA", "--data", "bars.csv", "--source", "yahoo"), 2, "not both"),
        (("--symbol", "AAA", "--data", "bars.csv", "--timeframe", "1Hour"), 3, "these are longer"),
        (("--symbol", "AAA", "--data", "bars.csv", "--timeframe", "1Week"), 3, "source_timeframe"),
        (("--symbol", "AAA", "--source", "coinbase"), 3, "need symbols, start and end"),
        (
            ("--symbol", "AAA", "--timeframe=1Hour", "--start=2024-01-02", "--end=2024-01-31"),
            3,
            "TRADING_ASSETS_ALPACA_KEY",
        ),
    ],
)
@pytest.mark.usefixtures("home")
def test_what_goes_wrong_has_a_code_and_a_remedy(
    monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], code: int, message: str
) -> None:
    for name in ("TRADING_ASSETS_ALPACA_KEY", "TRADING_ASSETS_ALPACA_SECRET"):
        monkeypatch.delenv(name, raising=False)
    for name in ("APCA_API_KEY_ID", "APCA_API_SECRET_KEY"):
        monkeypatch.delenv(name, raising=False)
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
