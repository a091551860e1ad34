"""What qualifies the performance of the monthly report: commentary, benchmark, drawdowns."""

from __future__ import annotations

import datetime as dt
import re

from reportlab.lib.units import mm
from reportlab.platypus import Flowable

from trading_assets.reporting.monthly_content import DrawdownLine, MonthlyContent
from trading_assets.reporting.number_format import NOT_APPLICABLE, figure, percent
from trading_assets.reporting.sections import headed, nothing, together
from trading_assets.reporting.styles import BODY, SMALL, paragraph
from trading_assets.reporting.tables import Column, Kind, TableSpec, data_table


def track_record_part(content: MonthlyContent) -> list[Flowable]:
    """Commentary to drawdowns, in the order of the page."""
    return [*_commentary(content), *_relative(content), *_drawdowns(content)]


def _commentary(content: MonthlyContent) -> list[Flowable]:
    found = content.commentary
    if found is None or not found.text.strip():
        return together("Commentary", [nothing("No commentary was written for this month.")])
    paragraphs = [part for part in re.split(r"\n\s*\n", found.text.strip()) if part.strip()]
    return headed("Commentary", [paragraph(part, BODY) for part in paragraphs], room=24 * mm)


def _relative(content: MonthlyContent) -> list[Flowable]:
    title = "Against the benchmark"
    if content.benchmark_name is None:
        return []
    if not content.relative_rows:
        return together(title, [nothing("No session has a return of both.")])
    spec = TableSpec(
        columns=(
            Column("", Kind.TEXT, 90),
            *(Column(name) for name in content.performance_columns),
        ),
        rows=tuple(
            (row.label, *(figure(value, row.unit) for value in row.portfolio))
            for row in content.relative_rows
        ),
        even=True,
    )
    note = f"Benchmark: {content.benchmark_name}. n/a is undefined, see Definitions."
    return together(title, [data_table(spec), paragraph(note, SMALL)])


def _drawdowns(content: MonthlyContent) -> list[Flowable]:
    title = "Maximum drawdown and recovery"
    if not content.drawdowns:
        return together(title, [nothing("There is no closed session to measure.")])
    spec = TableSpec(
        columns=(
            Column("", Kind.TEXT, 90),
            Column("Depth"),
            Column("Peak"),
            Column("Trough"),
            Column("Recovery"),
        ),
        rows=tuple(_drawdown(line) for line in content.drawdowns),
        even=True,
    )
    return together(title, [data_table(spec)])


def _drawdown(line: DrawdownLine) -> tuple[str, ...]:
    fell = line.trough is not None

    def day(value: dt.date | None, otherwise: str) -> str:
        return value.isoformat() if value else otherwise if fell else NOT_APPLICABLE

    return (
        line.period,
        percent(line.depth, signed=True),
        day(line.peak, "start"),
        day(line.trough, NOT_APPLICABLE),
        day(line.recovery, "not yet"),
    )
