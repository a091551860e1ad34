"""A backtest's result as files: JSON, CSV, and the report.

result.json         the dictionary of the result, money as exact numbers
equity_curve.csv    time, equity, drawdown (and the benchmark's growth) at every session's close
trades.csv          round trips by lots
fills.csv           every fill
attribution.csv     what every symbol and every strategy contributed
report.html         all of it to look at, in one file
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from trading_assets.analytics.returns import drawdown_series, equity_index
from trading_assets.atomic_file import replace_file
from trading_assets.engine.results import BacktestResult, fill_rows, trade_row
from trading_assets.reporting.backtest_report import report_html

TRADE_COLUMNS = (
    "strategy",
    "symbol",
    "side",
    "quantity",
    "opened",
    "entry_price",
    "closed",
    "exit_price",
    "pnl",
    "return_pct",
    "holding_days",
)
FILL_COLUMNS = (
    "time",
    "strategy",
    "symbol",
    "order",
    "side",
    "quantity",
    "price",
    "notional",
    "commission",
    "liquidity",
)
ATTRIBUTION_COLUMNS = (
    "kind",
    "name",
    "pnl",
    "income",
    "commission",
    "traded",
    "fills",
    "final_value",
)
CURVE_COLUMNS = ("session", "equity", "drawdown", "benchmark")


def result_json(result: BacktestResult) -> bytes:
    """The dictionary of the result; Decimals are written as numbers with every digit."""
    encoder = msgspec.json.Encoder(decimal_format="number")
    return msgspec.json.format(encoder.encode(result.to_dict()), indent=1)


def write_result(result: BacktestResult, folder: Path) -> dict[str, Path]:
    """Write all files into `folder`, each replaced as a whole; their paths by name."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {
        "result.json": result_json(result),
        "equity_curve.csv": _csv(CURVE_COLUMNS, _curve_rows(result)),
        "trades.csv": _csv(TRADE_COLUMNS, map(trade_row, result.trades)),
        "fills.csv": _csv(FILL_COLUMNS, fill_rows(result)),
        "attribution.csv": _csv(ATTRIBUTION_COLUMNS, _attribution_rows(result)),
        "report.html": report_html(result).encode(),
    }
    paths = {}
    for name, body in content.items():
        paths[name] = folder / name
        replace_file(paths[name], body)
    return paths


def _curve_rows(result: BacktestResult) -> Iterable[Mapping[str, Any]]:
    drawdowns = drawdown_series(result.returns)
    benchmark: Sequence[float | None] = [None] * len(drawdowns)
    if result.benchmark is not None:
        benchmark = [one.value for one in equity_index(result.benchmark_returns)]
    for (session, equity), drawdown, level in zip(
        result.session_equity, drawdowns, benchmark, strict=True
    ):
        yield {
            "session": session.isoformat(),
            "equity": equity,
            "drawdown": drawdown.value,
            "benchmark": level,
        }


def _attribution_rows(result: BacktestResult) -> Iterable[Mapping[str, Any]]:
    for kind, found in (("symbol", result.by_symbol), ("strategy", result.by_strategy)):
        for one in found:
            yield {"kind": kind, **msgspec.structs.asdict(one)}


def _csv(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()
