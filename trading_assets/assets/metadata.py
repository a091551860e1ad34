"""Metadata that makes an asset worth looking at: counts, links, a table of the last session."""

from __future__ import annotations

import base64
from decimal import Decimal
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa

from trading_assets.model.money import plain
from trading_assets.model.target import TargetPortfolio
from trading_assets.reporting.charts import weights_svg

PREVIEW_ROWS = 25
CONSTANT_COLUMNS = frozenset({"session", "asof", "batch_id", "plan_digest", "file_sha256"})
"""The same in every row of a session, and shown as figures of their own."""

NO_BREAK_SPACE = "\u00a0"
Metadata = dict[str, Any]


def rows_metadata(rows: int, path: Path, table: pa.Table) -> Metadata:
    """Row count over all sessions of the run, and file and first rows of its last session. Long,
    so it comes after an asset's own figures."""
    return {
        "dagster/row_count": rows,
        "file": dg.MetadataValue.path(path),
        "last_session": preview(table),
    }


def preview(table: pa.Table) -> dg.TableMetadataValue:
    """The first rows of a projection as a table, without columns that are constant or empty; exact
    numbers as plain text, and each row one line high."""
    names = [
        name
        for name in table.column_names
        if name not in CONSTANT_COLUMNS and table[name].null_count < max(table.num_rows, 1)
    ]
    schema = dg.TableSchema(columns=[dg.TableColumn(name) for name in names])
    records = [
        dg.TableRecord({name: _cell(value) for name, value in row.items()})
        for row in table.select(names).slice(0, PREVIEW_ROWS).to_pylist()
    ]
    return dg.MetadataValue.table(records, schema=schema)


def image(svg: bytes, label: str) -> dg.MarkdownMetadataValue:
    """A small picture that Dagster shows in place."""
    return dg.MetadataValue.md(
        f"![{label}](data:image/svg+xml;base64,{base64.b64encode(svg).decode()})"
    )


def weights_chart_metadata(targets: TargetPortfolio) -> Metadata:
    """The target weights as bars, with how they came about."""
    weights = [(target.symbol, target.weight) for target in targets.weights]
    return {
        "target_weights": image(weights_svg(weights), "target weights"),
        "strategies": targets.strategy_id,
        "signals_as_of": targets.asof.isoformat(),
        "notes": "; ".join(targets.notes) or "none",
    }


def _cell(value: Any) -> str | int | float | bool | None:
    if isinstance(value, Decimal):
        return plain(value)
    if value is None or isinstance(value, int | float | bool):
        return value
    if isinstance(value, list):
        value = ", ".join(f"{part['strategy_id']} {plain(part['weight'])}" for part in value)
    # The page would break a cell at each space before it scrolls sideways.
    return str(value).replace(" ", NO_BREAK_SPACE)
