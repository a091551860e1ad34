"""The command line as a scheduler and a person use it: real processes, real exit codes."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from trading_assets.cli import main

ROOT = Path(__file__).parent.parent
COMMAND = str(Path(sys.executable).parent / "trading_assets")


class Home:
    """A data folder of its own with the sample data, and an empty state.

    `environment` is what commands are given besides the folders.
    """

    def __init__(self, folder: Path, **environment: str) -> None:
        self.environment = environment
        self.data = folder / "data"
        self.state = folder / "state"
        for part in ("portfolios", "market", "mapping", "raw_signals"):
            shutil.copytree(ROOT / "data" / part, self.data / part)
        for other in ("minvar", "momentum", "three_funds"):
            (self.data / "portfolios" / f"{other}.yaml").unlink()

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("TRADING_ASSETS", "DAGSTER"))
        } | {
            "TRADING_ASSETS_DATA": str(self.data),
            "TRADING_ASSETS_STATE": str(self.state),
            "COLUMNS": "200",
            **self.environment,
        }
        return subprocess.run(
            [COMMAND, *arguments],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """The first three sessions are run once for all tests that only look."""
    home = Home(tmp_path_factory.mktemp("home"))
    done = home.run("run", "--portfolio", "sample", "--from", "2021-01-01", "--to", "2021-01-06")
    assert done.returncode == 0, done.stdout + done.stderr
    home.summary = done.stdout  # type: ignore[attr-defined]
    return home


def columns(path: Path) -> list[str]:
    with path.open() as file:
        return next(csv.reader(file))


def test_a_run_ends_with_where_things_are_and_what_reconciled(home: Home) -> None:
    summary = home.summary  # type: ignore[attr-defined]
    assert "Sessions closed     3 of 3" in summary
    assert "3 sessions, 0 unexplained gaps" in summary
    assert str(home.state / "exports" / "sample") in summary
    assert "trading_session        3/3" in summary


def test_a_session_leaves_the_files_that_scripts_expect(home: Home) -> None:
    folder = home.state / "exports" / "sample" / "20210104"
    assert sorted(path.name for path in folder.iterdir()) == [
        "current_positions.csv",
        "execution_log.csv",
        "filled_orders.csv",
        "planned_orders.csv",
        "planned_orders_real.csv",
        "pnl_daily_20210104.csv",
        "positions_eod_20210104.csv",
        "real_prices.csv",
        "rebalance_plan.csv",
        "rebalance_plan_real.csv",
        "recon_final_20210104.csv",
        "recon_report_20210104.csv",
        "recon_single_20210104.csv",
        "recon_summary_20210104.txt",
        "slippage_20210104.csv",
        "strategy_pnl_20210104.csv",
        "strategy_positions_20210104.csv",
        "targets_consolidated_20210104.parquet",
    ]
    assert columns(folder / "planned_orders.csv") == [
        "asset_id", "symbol", "side", "qty", "order_type", "tp_price", "sl_price",
    ]  # fmt: skip
    assert columns(folder / "execution_log.csv") == [
        "ts", "mode", "symbol", "side", "qty", "order_type", "tp_price", "sl_price",
        "time_in_force", "client_order_id", "batch_id", "price_used", "notional", "status",
        "order_id", "error",
    ]  # fmt: skip
    assert columns(folder / "recon_report_20210104.csv") == [
        "symbol", "planned_qty", "actual_qty", "delta_qty", "status", "target_weight",
        "actual_weight", "weight_deviation",
    ]  # fmt: skip


def test_the_causes_of_a_symbol_add_up_to_its_delta_in_the_exported_file(home: Home) -> None:
    from decimal import Decimal

    path = home.state / "exports" / "sample" / "20210105" / "recon_final_20210105.csv"
    deviations: dict[str, Decimal] = {}
    causes: dict[str, Decimal] = {}
    with path.open() as file:
        for row in csv.DictReader(file):
            symbol = row["symbol"]
            deviations[symbol] = Decimal(row["weight_deviation"])
            causes[symbol] = causes.get(symbol, Decimal(0)) + Decimal(row["cause_weight"])
    assert len(deviations) == 20
    assert causes == deviations
    assert any(deviations.values())


def test_running_again_changes_nothing_in_the_book(home: Home) -> None:
    before = home.run("status").stdout
    again = home.run("run", "--portfolio", "sample", "--session", "2021-01-05")
    assert again.returncode == 0, again.stdout + again.stderr
    assert home.run("status").stdout == before


def test_status_says_how_far_the_book_is_closed(home: Home) -> None:
    done = home.run("status", "--portfolio", "sample")
    assert done.returncode == 0
    for part in ("2021-01-06", "2021-01-07", "verified"):
        assert part in done.stdout


def test_plan_shows_the_next_session_and_writes_nothing(home: Home) -> None:
    before = home.run("status").stdout
    done = home.run("plan", "--portfolio", "sample", "--session", "2021-01-07")
    assert done.returncode == 0
    assert "orders are to be sent" in done.stdout
    assert home.run("status").stdout == before


def test_looking_at_a_portfolio_that_was_never_run_leaves_nothing_behind(tmp_path: Path) -> None:
    home = Home(tmp_path)
    planned = home.run("plan", "--portfolio", "sample", "--session", "2021-01-04")
    assert planned.returncode == 0, planned.stdout + planned.stderr
    assert "20 of 20 orders are to be sent" in planned.stdout
    assert home.run("status").returncode == 0
    assert not (home.state / "books").exists()


def test_a_month_is_reported_once_its_last_session_is_run_and_not_before(tmp_path: Path) -> None:
    home = Home(tmp_path)
    path = home.data / "portfolios" / "sample.yaml"
    path.write_text(path.read_text().replace("start: 2021-01-04", "start: 2021-01-27"))
    reports = home.state / "reports" / "sample"
    first = home.run("run", "--portfolio", "sample", "--from", "2021-01-27", "--to", "2021-01-28")
    assert first.returncode == 0, first.stdout + first.stderr
    assert not list(reports.glob("*.pdf"))
    early = home.run("report", "--portfolio", "sample", "--month", "2021-01")
    assert early.returncode == 1
    assert "report_is_complete" in early.stdout
    last = home.run("run", "--portfolio", "sample", "--session", "2021-01-29")
    assert last.returncode == 0, last.stdout + last.stderr
    assert (reports / "sample_2021-01.pdf").exists()


def test_a_changed_rule_restates_removes_what_is_outdated_and_asks_for_the_rest(
    tmp_path: Path,
) -> None:
    home = Home(tmp_path)
    assert (
        home.run(
            "run", "--portfolio", "sample", "--from", "2021-01-04", "--to", "2021-01-07"
        ).returncode
        == 0
    )
    path = home.data / "portfolios" / "sample.yaml"
    path.write_text(path.read_text().replace("cash_buffer: 0.02", "cash_buffer: 0.05"))
    again = home.run("run", "--portfolio", "sample", "--session", "2021-01-05")
    assert again.returncode == 1, again.stdout + again.stderr
    assert "2 later sessions are open again" in again.stdout
    assert "--from 2021-01-06 --to 2021-01-07" in again.stdout
    lake = home.state / "lake" / "sample" / "pnl_daily"
    assert sorted(folder.name for folder in lake.iterdir()) == [
        "session=2021-01-04",
        "session=2021-01-05",
    ]
    later = home.state / "exports" / "sample" / "20210107"
    assert {path.name for path in later.iterdir()} == {
        "real_prices.csv",
        "targets_consolidated_20210107.parquet",
    }
    rest = home.run("run", "--portfolio", "sample", "--from", "2021-01-06", "--to", "2021-01-07")
    assert rest.returncode == 0, rest.stdout + rest.stderr


def test_export_needs_neither_the_signal_files_nor_the_rules_of_that_time(
    home: Home, tmp_path: Path
) -> None:
    path = home.data / "portfolios" / "sample.yaml"
    signals, before = home.data / "raw_signals", path.read_text()
    signals.rename(home.data / "gone")
    path.write_text(before.replace("max_weight: ", "max_weight: 0.1 # "))
    try:
        done = home.run(
            "export", "--portfolio", "sample", "--session", "2021-01-05", "--to", str(tmp_path)
        )
    finally:
        (home.data / "gone").rename(signals)
        path.write_text(before)
    assert done.returncode == 0, done.stderr
    name = "targets_consolidated_20210105.parquet"
    written = home.state / "exports" / "sample" / "20210105" / name
    assert (tmp_path / "sample" / "20210105" / name).read_bytes() == written.read_bytes()


def test_reconcile_prints_the_verdict(home: Home) -> None:
    done = home.run("reconcile", "--portfolio", "sample", "--session", "2021-01-06")
    assert done.returncode == 0
    assert "RECONCILED" in done.stdout


def test_export_writes_the_same_files_again_elsewhere(home: Home, tmp_path: Path) -> None:
    done = home.run(
        "export", "--portfolio", "sample", "--session", "2021-01-05", "--to", str(tmp_path)
    )
    assert done.returncode == 0, done.stderr
    written = home.state / "exports" / "sample" / "20210105"
    for path in written.iterdir():
        assert (tmp_path / "sample" / "20210105" / path.name).read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("plan", "--portfolio", "sample", "--session", "2021-01-11"), 4, "closed through 2021-01"),
        (("plan", "--portfolio", "sample", "--session", "2021-01-09"), 4, "not a trading session"),
        (("run", "--portfolio", "sample", "--session", "2021-03-01"), 4, "Materialise 2021-01-07"),
        (("reconcile", "--portfolio", "sample", "--session", "2021-02-01"), 4, "is not closed"),
        (("run", "--portfolio", "sample"), 2, "Give either --session, or both"),
        (("run", "--portfolio", "none", "--session", "2021-01-04"), 2, "there are: sample"),
        (("report", "--portfolio", "sample", "--month", "13/2021"), 2, "is not a month"),
        (("report", "--portfolio", "sample", "--month", "2031-01"), 4, "no session in 2031-01"),
        (
            ("run", "--portfolio", "sample", "--from", "2021-01-04", "--to", "2023-03-01"),
            4,
            "after the last session",
        ),
    ],
)
def test_what_cannot_be_done_has_its_own_exit_code_and_says_why(
    home: Home, arguments: tuple[str, ...], code: int, message: str
) -> None:
    done = home.run(*arguments)
    assert (done.returncode, message in done.stderr) == (code, True), done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_signal_file_ends_with_3_and_leaves_the_book_empty(tmp_path: Path) -> None:
    home = Home(tmp_path)
    path = home.data / "raw_signals" / "equal_weight.csv"
    path.write_text(path.read_text().replace("0.05", "a lot", 1))
    done = home.run("run", "--portfolio", "sample", "--session", "2021-01-04")
    assert done.returncode == 3, done.stdout + done.stderr
    assert "raw_signals/equal_weight.csv, row 2: 'a lot'" in done.stderr
    assert (
        not (home.state / "books" / "sample.sqlite").exists() or "none" in home.run("status").stdout
    )


def test_a_wrong_portfolio_file_ends_with_3_and_names_the_key(tmp_path: Path) -> None:
    home = Home(tmp_path)
    path = home.data / "portfolios" / "sample.yaml"
    path.write_text(path.read_text().replace("initial_cash: 1000000", "initial_cash: lots"))
    done = home.run("status")
    assert done.returncode == 3
    assert "initial_cash: 'lots'" in done.stderr


def test_while_trading_is_halted_nothing_is_sent_and_resume_goes_on(tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert home.run("halt", "--reason", "drill").returncode == 0
    stopped = home.run("run", "--portfolio", "sample", "--session", "2021-01-04")
    assert stopped.returncode == 1, stopped.stdout + stopped.stderr
    assert home.run("status").returncode == 1
    assert home.run("resume").returncode == 0
    done = home.run("run", "--portfolio", "sample", "--session", "2021-01-04")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "20 orders, 20 fills" in done.stdout


def every_command(group: click.Group, prefix: str = "") -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        yield f"{prefix}{name}", command
        if isinstance(command, click.Group):
            yield from every_command(command, f"{prefix}{name} ")


def test_every_command_and_option_has_help_and_the_readme_names_every_command() -> None:
    readme = (ROOT / "README.md").read_text()
    for name, command in every_command(main):
        assert command.help, name
        assert f"`trading_assets {name}" in readme or f"`{name}`" in readme, name
        for option in command.params:
            if isinstance(option, click.Option):
                assert option.help, f"{name} {option.name}"
