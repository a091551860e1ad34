"""First half of the monthly report: header band, performance, charts, returns by month."""

from __future__ import annotations

import math
from itertools import zip_longest
from typing import Any

import msgspec
from reportlab.lib.colors import Color
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.platypus import Flowable, Spacer, Table, TableStyle

from trading_assets.reporting.drawings import ChartSpec, has_points, line_chart
from trading_assets.reporting.monthly_content import MonthlyContent, Series
from trading_assets.reporting.number_format import (
    NOT_APPLICABLE,
    UNDEFINED,
    figure,
    fixed,
    percent,
)
from trading_assets.reporting.sections import headed, nothing, together
from trading_assets.reporting.styles import (
    ALERT,
    BAND_MONTH,
    BAND_RIGHT,
    BAND_TEXT,
    BAND_TITLE,
    BENCHMARK,
    CONTENT_WIDTH,
    KEY_DETAIL,
    KEY_LABEL,
    KEY_VALUE,
    NAVY,
    PORTFOLIO,
    RULE,
    SANS_BOLD,
    SMALL,
    paragraph,
)
from trading_assets.reporting.tables import Column, Kind, TableSpec, data_table

_MODES = {
    "simulated": "Simulated: hypothetical performance",
    "dry": "Dry run: no orders sent",
    "online": "Account as it is: no orders sent",
    "paper": "Paper account: no money at risk",
    "live": "Live account",
}
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_FIGURES_PER_ROW = 5
_DEEPEST_SHADE = 0.06
"""The monthly return at which the shade of the returns table is deepest."""


def mode_label(mode: str) -> str:
    """What a reader must know about where the orders went; an unknown mode is shown as it is."""
    return _MODES.get(mode, mode)


def performance_part(content: MonthlyContent) -> list[Flowable]:
    """Everything up to the returns by month, in the order of the page."""
    return [
        _band(content),
        Spacer(1, 3 * mm),
        *_key_figures(content),
        _status(content),
        *_performance(content),
        *_charts(content),
        *_returns_by_month(content),
    ]


def _band(content: MonthlyContent) -> Flowable:
    name = content.portfolio_name
    if content.portfolio_id != name:
        name = f"{name} ({content.portfolio_id})"
    left = [paragraph(content.title, BAND_TITLE), paragraph(name, BAND_TEXT)]
    if content.manager:
        left.append(paragraph(content.manager, BAND_TEXT))
    as_of = f"as of {content.as_of.isoformat()}" if content.as_of else "no session closed"
    right = [
        paragraph(f"{content.month:%B %Y}", BAND_MONTH),
        paragraph(f"{content.currency}, {as_of}", BAND_RIGHT),
        paragraph(mode_label(content.mode), BAND_RIGHT),
    ]
    style = [
        ("BACKGROUND", (0, 0), (-1, -1), NAVY),
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("LEFTPADDING", (0, 0), (-1, -1), 10),
        ("RIGHTPADDING", (0, 0), (-1, -1), 10),
        ("TOPPADDING", (0, 0), (-1, -1), 9),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 10),
    ]
    widths = [CONTENT_WIDTH * 0.64, CONTENT_WIDTH * 0.36]
    return Table([[left, right]], colWidths=widths, style=TableStyle(style), hAlign="LEFT")


def _key_figures(content: MonthlyContent) -> list[Flowable]:
    if not content.key_figures:
        return []
    across = min(_FIGURES_PER_ROW, len(content.key_figures))
    # The first figure is money, which needs more room than a percentage.
    first = CONTENT_WIDTH * (0.28 if across == _FIGURES_PER_ROW else 1 / across)
    widths = [first, *[(CONTENT_WIDTH - first) / max(1, across - 1)] * (across - 1)]
    cells: list[Any] = [
        [
            paragraph(entry.label, KEY_LABEL),
            _key_value(figure(entry.value, entry.unit), widths[at % across] - 12),
            paragraph(entry.detail, KEY_DETAIL),
        ]
        for at, entry in enumerate(content.key_figures)
    ]
    rows = [list(row) for row in zip_longest(*[iter(cells)] * across, fillvalue="")]
    style: list[Any] = [
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("LEFTPADDING", (0, 0), (-1, -1), 7),
        ("RIGHTPADDING", (0, 0), (-1, -1), 3),
        ("TOPPADDING", (0, 0), (-1, -1), 3),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 4),
    ]
    style += [
        ("LINEBEFORE", place, place, 1.1, PORTFOLIO)
        for place in ((at % across, at // across) for at in range(len(cells)))
    ]
    return [Table(rows, colWidths=widths, style=TableStyle(style), hAlign="LEFT")]


def _key_value(text: str, width: float) -> Flowable:
    """A key figure on one line, set smaller where it would not fit."""
    size = KEY_VALUE.fontSize
    needed = stringWidth(text, KEY_VALUE.fontName, size)
    if needed > width:
        size *= width / needed
    return paragraph(text, ParagraphStyle("key_value", KEY_VALUE, fontSize=size))


def _status(content: MonthlyContent) -> Flowable:
    """One line on whether the figures above rest on complete, reconciled books."""
    found = content.reconciliation
    if found is None:
        return paragraph("The month has not been reconciled.", ALERT)
    text = (
        f"Sessions closed: {found.sessions_closed} of {found.sessions_expected}.  "
        f"Reconciliation breaks: {found.breaks}.  Notes on the data: {len(content.notes)}."
    )
    if content.trades:
        text += f"  Trades annotated: {content.annotated} of {len(content.trades)}."
    sound = found.breaks == 0 and found.sessions_closed == found.sessions_expected
    return paragraph(text, SMALL if sound else ALERT)


def _performance(content: MonthlyContent) -> list[Flowable]:
    title = "Performance"
    if content.benchmark_name is not None:
        title = "Performance against the benchmark"
    if not content.performance_rows or not content.performance_columns:
        return together(title, [nothing("No performance has been computed for this month.")])
    compared = content.benchmark_name is not None
    columns = [Column("", Kind.TEXT, 90)]
    for name in content.performance_columns:
        columns += [Column("Portfolio"), Column("Benchmark")] if compared else [Column(name)]
    rows = []
    for row in content.performance_rows:
        benchmark = row.benchmark
        cells = [row.label]
        for at, value in enumerate(row.portfolio):
            cells.append(figure(value, row.unit))
            if compared:
                cells.append(
                    NOT_APPLICABLE if benchmark is None else figure(benchmark[at], row.unit)
                )
        rows.append(tuple(cells))
    groups = [("", 1), *((name, 2) for name in content.performance_columns)] if compared else []
    table = data_table(
        TableSpec(columns=tuple(columns), rows=tuple(rows), groups=tuple(groups), even=True)
    )
    note = f"Benchmark: {content.benchmark_name}." if compared else "No benchmark is set."
    return together(title, [table, paragraph(f"{note} Conventions: see Definitions.", SMALL)])


def _charts(content: MonthlyContent) -> list[Flowable]:
    return [
        *together("Growth of 100", [_chart(content, content.equity_series, 138.0)]),
        *together(
            "Drawdown from the last peak",
            [_chart(content, content.drawdown_series, 86.0, drawdown=True)],
        ),
    ]


def _chart(
    content: MonthlyContent, series: Series, height: float, *, drawdown: bool = False
) -> Flowable:
    if not has_points(series):
        return nothing("There is no closed session to draw.")
    if content.benchmark_name is None:
        # A line that the legend cannot name would be a riddle.
        series = msgspec.structs.replace(series, benchmark=None)
    return line_chart(
        ChartSpec(
            series=series,
            portfolio_label=content.portfolio_name,
            benchmark_label=content.benchmark_name,
            height=height,
            filled=drawdown,
            as_percent=drawdown,
        )
    )


def _returns_by_month(content: MonthlyContent) -> list[Flowable]:
    title = "Returns by month"
    if not content.monthly_returns:
        return together(title, [nothing("No month of returns is on record.")])
    years = sorted(content.monthly_returns, key=lambda entry: entry.year)
    columns = (Column("", Kind.TEXT), *(Column(name) for name in _MONTHS), Column("Year"))
    rows = []
    shades: list[tuple[Any, ...]] = []
    for index, year in enumerate(years):
        cells = [_cell(value) for value in year.months]
        rows.append((str(year.year), *cells, _cell(year.total) or UNDEFINED))
        for month, value in enumerate(year.months):
            if value is not None and math.isfinite(value):
                place = (month + 1, index + 1)
                shades.append(("BACKGROUND", place, place, _shade(value)))
    shades += [
        ("INNERGRID", (1, 1), (12, -1), 0.8, Color(1, 1, 1), "butt"),
        # Again, because the white grid would cut them.
        ("LINEBELOW", (0, 0), (-1, 0), 0.5, NAVY),
        ("LINEBELOW", (0, -1), (-1, -1), 0.5, RULE),
        ("FONTNAME", (13, 1), (13, -1), SANS_BOLD),
    ]
    spec = TableSpec(
        columns=columns, rows=tuple(rows), commands=tuple(shades), zebra=False, even=True
    )
    note = (
        f"In percent, {content.currency}. Blue is a gain, orange a loss; deepest at "
        f"{percent(_DEEPEST_SHADE, 0)} or more. Empty: outside the record, or undefined."
    )
    body: list[Flowable] = [data_table(spec), paragraph(note, SMALL)]
    return together(title, body) if len(rows) < 20 else headed(title, body)


def _cell(value: float | None) -> str:
    return "" if value is None or not math.isfinite(value) else fixed(value * 100, 2)


def _shade(value: float) -> Color:
    """Blue for a gain, orange for a loss, the paler the smaller."""
    full = PORTFOLIO if value >= 0 else BENCHMARK
    strength = 0.5 * min(1.0, abs(value) / _DEEPEST_SHADE)
    return Color(*(1 - strength * (1 - part) for part in (full.red, full.green, full.blue)))
