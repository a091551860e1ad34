"""`trading_assets backtest`: a backtest from a file, or from a few options."""

from __future__ import annotations

import datetime as dt
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import yaml
from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from trading_assets.command_options import NEEDS_A_PERSON, SESSION, reports_errors
from trading_assets.engine.settings import BacktestSettings, backtest_files, load_backtest
from trading_assets.engine.timeframe import DAILY, parse_timeframe
from trading_assets.errors import ConfigurationError
from trading_assets.progress import observed
from trading_assets.settings import Directories, directories

SAMPLE_DATA = "market/sp500_daily_closes.csv"
SERVICES = ("alpaca", "yahoo", "coinbase", "finnhub")
DEFAULT_SERVICE = "alpaca"
COIN_DECIMALS = 8
_SHOWN = (
    ("cumulative_return", "Total return"),
    ("annualised_return", "Annualised return"),
    ("volatility", "Volatility"),
    ("sharpe_ratio", "Sharpe ratio"),
    ("max_drawdown", "Max drawdown"),
    ("benchmark_return", "Benchmark return"),
    ("turnover", "Turnover"),
    ("trades", "Trades"),
    ("trade_win_rate", "Trades that gained"),
    ("commission", "Commission"),
    ("interest", "Interest"),
    ("borrow_fees", "Borrow fees"),
    ("fills", "Fills"),
)
_CHANGES_SHOWN = 20
_SWEEP_SHOWN = ("final_value", "annualised_return", "sharpe_ratio", "max_drawdown", "trades")
_PERCENT = {
    "cumulative_return",
    "annualised_return",
    "volatility",
    "max_drawdown",
    "benchmark_return",
    "trade_win_rate",
}


@click.command()
@click.option("--name", metavar="NAME", help="A file in data/backtests/, without .yaml.")
@click.option("--symbol", "symbols", multiple=True, metavar="SYMBOL", help="Several may be given.")
@click.option(
    "--data",
    "path",
    metavar="FILE",
    help="Bars, relative to the data directory (Parquet, CSV, Arrow, DuckDB).",
)
@click.option(
    "--source",
    type=click.Choice(SERVICES),
    help="A service that is asked for bars. Without it and --data: the sample's daily closes, or "
    "Alpaca for bars shorter than a day.",
)
@click.option("--start", type=SESSION, help="First session on which signals count.")
@click.option("--end", type=SESSION, help="Last session.")
@click.option("--timeframe", default="1Day", show_default=True, help="1Min to 1Month.")
@click.option("--source-timeframe", help="Timeframe of the data, where it is shorter.")
@click.option("--capital", default="100000", show_default=True, help="Initial capital.")
@click.option("--position-size", default="0.1", show_default=True, help="Fraction of equity.")
@click.option("--slippage", default="0", show_default=True, help="Basis points.")
@click.option("--commission", default="0", show_default=True, help="Basis points of notional.")
@click.option(
    "--strategy", default="sma_cross", show_default=True, help="A built-in name, or a file."
)
@click.option(
    "--parameter", "parameters", multiple=True, metavar="KEY=VALUE", help="Of the strategy."
)
@click.option("--benchmark", metavar="SYMBOL", help="Compared with.")
@click.option("--sweep", is_flag=True, help="Run every variant of the file's sweep.")
@click.option("--workers", type=click.IntRange(1), default=os.cpu_count() or 1, help="Processes.")
@click.option(
    "--checkpoint-every",
    type=click.IntRange(1),
    metavar="BARS",
    help="Write a checkpoint after so many bars, and go on from the one that is there.",
)
@click.option(
    "--events",
    is_flag=True,
    help="Write every event of the run (with keep_orders) to events.jsonl.",
)
@click.option("--to", "folder", type=click.Path(path_type=Path), help="Where the files are put.")
@reports_errors
def backtest(
    name: str | None,
    sweep: bool,
    workers: int,
    folder: Path | None,
    checkpoint_every: int | None,
    events: bool,
    **options: Any,
) -> None:
    """Run a backtest: --name of a file, or --symbol with the options of a simple one."""
    if (name is None) == (not options["symbols"]):
        raise click.UsageError("Give either --name, or --symbol (one or several).")
    if sweep and name is None:
        raise click.UsageError("--sweep needs --name of a file with a sweep.")
    places, console = directories(), Console()
    if name is None:
        settings, name = _simple(options), "-".join(options["symbols"]).lower()
    else:
        path = path_of(places, name)
        if sweep:
            _sweep(console, places, name, path, workers)
            return
        settings = load_backtest(path)
    from trading_assets.backtest_runs import run_and_write, write_events

    folder = folder or places.backtests / name
    if events:
        settings = settings.model_copy(update={"keep_orders": True})
    with shown_progress(console):
        result, files = run_and_write(settings, places, name, folder, checkpoint_every)
    if events:
        write_events(result, folder)
    _show(console, name, result.to_dict(), files["report.html"])


@click.command()
@click.option("--name", required=True, metavar="NAME", help="A file in data/backtests/.")
@click.option(
    "--cuts", type=click.IntRange(1), default=20, show_default=True, help="How many ends are tried."
)
@reports_errors
def lookahead(name: str, cuts: int) -> None:
    """Run a backtest on truncated data and report every decision that changes."""
    places, console = directories(), Console()
    settings = load_backtest(path_of(places, name))
    from trading_assets.engine.lookahead import check_lookahead

    with shown_progress(console):
        found = check_lookahead(settings, places.data, cuts, places.bars)
    ends = ", ".join(str(end) for end in found.ends)
    click.echo(f"{name}: {found.decisions} decisions, compared on data that ends {ends}")
    for file in found.files:
        click.echo(f"not covered: a strategy reads {file} itself, whatever the data end with")
    for one in found.changed[:_CHANGES_SHOWN]:
        click.echo(
            f"data to {one.end}: after {one.time} {one.strategy} decides\n"
            f"  with the future     {one.with_future or 'nothing'}\n"
            f"  without the future  {one.without_future or 'nothing'}"
        )
    click.echo(f"{len(found.changed)} decision(s) change" if found.changed else "none changes")
    sys.exit(NEEDS_A_PERSON if found.changed else 0)


def path_of(places: Directories, name: str) -> Path:
    """The file of the backtest `name`; BadParameter that lists those there are."""
    known = backtest_files(places.backtest_settings)
    if name not in known:
        raise click.BadParameter(f"no backtest {name!r}; there are: {', '.join(known) or 'none'}")
    return known[name]


def _data(options: dict[str, Any]) -> dict[str, str]:
    """Where the bars come from."""
    path, source = options["path"], options["source"]
    if path and source:
        raise click.UsageError("Give either --data or --source, not both.")
    if source:
        return {"source": source}
    if not path and parse_timeframe(options["timeframe"]).is_intraday:
        return {"source": DEFAULT_SERVICE}
    if path:
        return {"path": path}
    return {"path": SAMPLE_DATA, "source_timeframe": options["source_timeframe"] or str(DAILY)}


def _simple(options: dict[str, Any]) -> BacktestSettings:
    """A backtest of one strategy from options; ConfigurationError that names the wrong ones."""
    parameters = {}
    for pair in options["parameters"]:
        key, separator, value = pair.partition("=")
        if not separator:
            raise click.BadParameter(f"{pair!r} is no parameter; write it as fast=20")
        parameters[key] = parameter_of(value)
    benchmark = options["benchmark"]
    symbols = dict.fromkeys((*options["symbols"], *([benchmark] if benchmark else [])))
    content = {
        "data": {
            "source_timeframe": options["source_timeframe"],
            **_data(options),
            "symbols": list(symbols),
            "timeframe": options["timeframe"],
            "start": _date(options["start"]),
            "end": _date(options["end"]),
        },
        "strategies": [
            {"id": "strategy", "strategy": options["strategy"], "parameters": parameters}
        ],
        "account": {
            "initial_capital": options["capital"],
            # A coin is bought in parts.
            "quantity_decimals": COIN_DECIMALS if options["source"] == "coinbase" else 0,
        },
        "position_size": options["position_size"],
        "slippage": {"bps": options["slippage"]},
        "commission": {"bps": options["commission"]},
        "benchmark": benchmark,
    }
    try:
        return BacktestSettings.model_validate(content)
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, one['loc']))}: {one['input']!r} {one['msg']}"
            for one in error.errors()
        )
        raise ConfigurationError(f"options of the backtest: {wrong}") from error


def parameter_of(text: str) -> Any:
    """A strategy's parameter as a YAML file would have it: 20, 0.05, true, [1, 2], text."""
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text


def _date(value: dt.datetime | None) -> dt.date | None:
    return None if value is None else value.date()


def _sweep(console: Console, places: Directories, name: str, path: Path, workers: int) -> None:
    from trading_assets.backtest_runs import COMPARED, COMPARISON, run_sweep

    with _bar(console, "variants") as show:
        rows = run_sweep(
            path, places, name, workers, lambda done, total: show("variants", done, total)
        )
    table = Table(title=f"{name}: {len(rows)} variants, best Sharpe ratio first")
    columns = [key for key in rows[0] if key not in COMPARED or key in _SWEEP_SHOWN]
    for column in columns:
        table.add_column(column.replace("_", " "), justify="right")
    for row in sorted(rows, key=lambda one: -(one["sharpe_ratio"] or float("-inf"))):
        table.add_row(*(_figure(key, row[key]) for key in columns))
    console.print(table)
    console.print(str(places.backtests / name / COMPARISON), soft_wrap=True)


def _show(console: Console, name: str, result: dict[str, Any], report: Path) -> None:
    table = Table(title=name, show_header=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_row("Initial capital", f"{result['initial_capital']:,.2f}")
    table.add_row("Final value", f"{result['final_value']:,.2f}")
    for key, label in _SHOWN:
        if key in result["metrics"]:
            table.add_row(label, _figure(key, result["metrics"][key]))
    for halt in result["metrics"]["halts"]:
        table.add_row("Halted", halt)
    for call in result["metrics"]["margin_calls"]:
        table.add_row("Margin call", call)
    for code, count in result["metrics"]["rejections"].items():
        table.add_row(f"Rejected: {code}", f"{count:,}")
    console.print(table)
    console.print(str(report), soft_wrap=True)


def _figure(key: str, value: Any) -> str:
    if value is None:
        return "n/a"
    if isinstance(value, str):
        return value
    if key in _PERCENT:
        return f"{value * 100:,.2f}%"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"


@contextmanager
def shown_progress(console: Console) -> Iterator[None]:
    """A bar for the loop that runs in the block; nothing where the output is not a terminal."""
    if not console.is_terminal:
        yield
        return
    with _bar(console, "bars") as show, observed(show):
        yield


@contextmanager
def _bar(console: Console, unit: str) -> Iterator[Any]:
    columns = (
        TextColumn("{task.description:<12}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit if unit == "variants" else "chunks of bars"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        tasks: dict[str, Any] = {}

        def show(label: str, done: int, total: int) -> None:
            if label not in tasks:
                tasks[label] = progress.add_task(label, total=total)
            progress.update(tasks[label], completed=done)

        yield show
