"""`backtest/<name>`: one asset for each file in data/backtests/, with charts in its metadata.

A backtest with a sweep has a partition for each variant, so that a backfill runs them in parallel,
and beside it `backtest/<name>_comparison`, a table over those that have run.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa

from trading_assets.assets.metadata import Metadata, image, preview
from trading_assets.backtest_runs import (
    run_and_write,
    sweep_rows,
    variant_folder,
    variant_of,
    write_comparison,
)
from trading_assets.engine.results import BacktestResult
from trading_assets.engine.settings import backtest_files, load_backtest
from trading_assets.errors import TradingAssetsError
from trading_assets.reporting.backtest_report import drawdown_line, equity_series
from trading_assets.reporting.charts import drawdown_svg, equity_svg
from trading_assets.settings import Directories

GROUP = "backtests"
PREFIX = "backtest"
NEVER_STOPPED = "never_stopped"
_STOPPED = "The risk policy's circuit breaker did not trip, and no margin was called."


def build_backtests(places: Directories) -> list[dg.AssetsDefinition]:
    """The assets of all backtests found in these directories.

    A file that cannot be read becomes an asset that says why, here and when it is run: a mistake in
    an experiment must not take the portfolios beside it out of the code location.
    """
    found = []
    for name, path in backtest_files(places.backtest_settings).items():
        try:
            settings = load_backtest(path)
            title, variants = settings.title or name, list(settings.variants())
        except TradingAssetsError as error:
            found.append(_backtest(places, name, path, None, f"cannot be run: {error}"))
            continue
        partitions = dg.StaticPartitionsDefinition(variants) if variants else None
        description = (
            f"{title}: result, trades, fills, report of the event-driven backtest in "
            f"`backtests/{path.name}`."
        )
        found.append(_backtest(places, name, path, partitions, description))
        if variants:
            found.append(_comparison(places, name, variants))
    return found


def _backtest(
    places: Directories,
    name: str,
    path: Path,
    partitions: dg.StaticPartitionsDefinition | None,
    description: str,
) -> dg.AssetsDefinition:
    key = dg.AssetKey([PREFIX, name])

    @dg.asset(
        key=key,
        group_name=GROUP,
        kinds={"python"},
        check_specs=[dg.AssetCheckSpec(NEVER_STOPPED, asset=key, description=_STOPPED)],
        partitions_def=partitions,
        description=description,
    )
    def backtest(context: dg.AssetExecutionContext) -> Iterator[Any]:
        # Read when it runs: the file may have changed since the code location was loaded.
        settings, folder = load_backtest(path), places.backtests / name
        if context.has_partition_key:
            settings = variant_of(settings, name, context.partition_key)
            folder = variant_folder(places, name, context.partition_key)
        result, files = run_and_write(settings, places, name, folder)
        yield dg.MaterializeResult(
            metadata=_metadata(result, files), check_results=[_never_stopped(result)]
        )

    return backtest


def _never_stopped(result: BacktestResult) -> dg.AssetCheckResult:
    """A warning where the run's figures are those of a backtest that was stopped on its way."""
    desk = result.engine.desk
    told = [*(f"halted {halt}" for halt in desk.halts), *desk.margin_calls]
    return dg.AssetCheckResult(
        check_name=NEVER_STOPPED,
        passed=not told,
        severity=dg.AssetCheckSeverity.WARN,
        description="; ".join(told) or "The circuit breaker did not trip, no margin was called.",
    )


def _metadata(result: BacktestResult, files: dict[str, Path]) -> Metadata:
    statistics = result.statistics
    drawdown = statistics.max_drawdown
    figures: dict[str, Any] = {
        "final_value": float(result.final_value),
        "total_return_pct": result.total_return * 100,
        "sharpe_ratio": statistics.sharpe_ratio,
        "max_drawdown": None if drawdown is None else drawdown.depth,
        "trades": len(result.trades),
        "bars": result.bar_count,
    }
    rejections = sorted(result.engine.desk.rejections.items())
    return {
        **{key: value for key, value in figures.items() if value is not None},
        "rejections": ", ".join(f"{code} {count:,}" for code, count in rejections) or "none",
        "equity": image(equity_svg(equity_series(result), result.name, result.benchmark), "equity"),
        "drawdown": image(drawdown_svg(drawdown_line(result)), "drawdown"),
        "report": dg.MetadataValue.path(files["report.html"]),
        "result": dg.MetadataValue.path(files["result.json"]),
    }


def _comparison(places: Directories, name: str, variants: list[str]) -> dg.AssetsDefinition:
    @dg.asset(
        key=dg.AssetKey([PREFIX, f"{name}_comparison"]),
        group_name=GROUP,
        kinds={"csv"},
        deps=[dg.AssetDep(dg.AssetKey([PREFIX, name]))],
        description=f"Every variant of `{name}` that has run, side by side.",
    )
    def comparison() -> dg.MaterializeResult[None]:
        rows = list(sweep_rows(places, name, variants))
        table = pa.Table.from_pylist(rows)
        path = write_comparison(places, name, rows)
        return dg.MaterializeResult(
            metadata={
                "variants": len(rows),
                "missing": len(variants) - len(rows),
                "file": dg.MetadataValue.path(path),
                "comparison": preview(table),
            }
        )

    return comparison
