"""`trading_assets screen`: every variant of a backtest's sweep on the vectorised path."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec
from rich.console import Console
from rich.table import Table

from trading_assets.atomic_file import replace_file
from trading_assets.backtest_commands import parameter_of, path_of
from trading_assets.command_options import reports_errors
from trading_assets.engine.settings import BacktestSettings, load_backtest
from trading_assets.errors import ConfigurationError
from trading_assets.settings import directories

if TYPE_CHECKING:
    from trading_assets.engine.screening import Screened

SCREENING = "screening.csv"
_FIGURES = ("final_value", "total_return_pct", "sharpe_ratio", "max_drawdown", "fills")


@click.command()
@click.option("--name", required=True, metavar="NAME", help="A file in data/backtests/.")
@click.option(
    "--over",
    "ranges",
    multiple=True,
    metavar="KEY=VALUES",
    help="Instead of the file's sweep: fast=5:60:5 (first, last, step) or fast=5,10,20; a "
    "parameter of the strategy or a dotted key of the file. All are tried with all.",
)
@click.option("--top", default=20, show_default=True, type=click.IntRange(1), help="Rows shown.")
@click.option("--to", "target", type=click.Path(path_type=Path), help="Where the table is put.")
@reports_errors
def screen(name: str, ranges: tuple[str, ...], top: int, target: Path | None) -> None:
    """Screen variants of a backtest: thousands in a minute, by Sharpe ratio, as a CSV file."""
    # Loads numba, which the other commands do without.
    from trading_assets.engine.preparation import load_market
    from trading_assets.engine.screening import screened

    places, console = directories(), Console()
    settings = load_backtest(path_of(places, name))
    if ranges:
        settings = settings.model_copy(update={"sweep": _sweep(settings, ranges)})
    variants = settings.variants()
    if not variants:
        raise ConfigurationError(f"backtest {name} has no sweep. Add one to it, or use --over.")
    market, actions = load_market(
        settings.data, places.data, settings.account.currency, cache=places.bars
    )
    if actions:
        raise ConfigurationError(
            "data.prices: raw is not followed by a screening. Set it to adjusted."
        )
    rows = sorted(screened(variants, market), key=_rank)
    if rows[0].refused:
        raise ConfigurationError(
            f"none of the {len(rows)} variants of backtest {name} can be screened: "
            f"{rows[0].refused}"
        )
    path = target or places.backtests / name / SCREENING
    write_screening(rows, path)
    _show(console, name, rows, top)
    console.print(str(path), soft_wrap=True)


def _rank(row: Screened) -> tuple[bool, float]:
    return bool(row.refused), -(float("-inf") if row.sharpe_ratio is None else row.sharpe_ratio)


def _sweep(settings: BacktestSettings, ranges: tuple[str, ...]) -> dict[str, list[Any]]:
    """Values by dotted key."""
    sweep: dict[str, list[Any]] = {}
    for pair in ranges:
        key, separator, text = pair.partition("=")
        try:
            values = _values(text)
        except ValueError:
            values = []
        if not separator or not values:
            raise click.BadParameter(f"{pair!r} is no range; write fast=5:60:5 or fast=5,10,20")
        if "." not in key and key not in BacktestSettings.model_fields:
            key = f"strategies.{settings.strategies[0].id}.parameters.{key}"
        if ".parameters." in key:
            values = [parameter_of(one) if isinstance(one, str) else one for one in values]
        sweep[key] = values
    return sweep


def _values(text: str) -> list[Any]:
    """First to last, both included, by a step of 1 or as given; or the values themselves. Whole
    numbers as numbers, others as text, which settings take exactly."""
    if ":" in text:
        first, last, step = (int(part) for part in [*text.split(":"), "1"][:3])
        return list(range(first, last + 1, step))
    return [int(part) if part.lstrip("-").isdigit() else part for part in text.split(",") if part]


def write_screening(rows: list[Screened], path: Path) -> None:
    """The table as CSV, replaced as a whole: the values of each variant, then its figures; empty
    where undefined."""
    tried = [_tried(row) for row in rows]
    figures = [msgspec.structs.asdict(row) for row in rows]
    text = io.StringIO()
    columns = [*tried[0], *(name for name in figures[0] if name != "name")]
    writer = csv.DictWriter(text, columns, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows({**values, **numbers} for values, numbers in zip(tried, figures, strict=True))
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, text.getvalue().encode())


def _tried(row: Screened) -> dict[str, str]:
    """The values of a variant, which its name spells."""
    return dict(pair.split("=", 1) for pair in row.name.split(";"))


def _show(console: Console, name: str, rows: list[Screened], top: int) -> None:
    ran = [row for row in rows if not row.refused]
    table = Table(title=f"{name}: {len(ran)} variants, best Sharpe ratio first")
    for column in (*_tried(rows[0]), *_FIGURES):
        table.add_column(column.replace("_", " "), justify="right")
    for row in ran[:top]:
        figures = (getattr(row, figure) for figure in _FIGURES)
        table.add_row(
            *_tried(row).values(),
            *("n/a" if value is None else f"{value:,.2f}".removesuffix(".00") for value in figures),
        )
    console.print(table)
    refused = [row for row in rows if row.refused]
    if refused:
        console.print(f"{len(refused)} could not be run, the first because: {refused[0].refused}")
