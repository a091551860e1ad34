"""Tables whose columns are as wide as their figures, so that no number is ever cut or wrapped.

Figures are right-aligned and keep their natural width; text takes what is left and wraps. Spare
width is spread evenly. A table too wide for the page is set smaller rather than cut.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec
from reportlab.lib.styles import ParagraphStyle
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.platypus import LongTable, Paragraph, TableStyle

from trading_assets.reporting.styles import (
    BODY_SIZE,
    CONTENT_WIDTH,
    INK,
    MONO,
    MUTED,
    NAVY,
    RULE,
    SANS,
    SANS_BOLD,
    SHADE,
    paragraph,
    plain_text,
    register_fonts,
)

_PADDING = 3.2
_SMALLEST_SIZE = 4.0


class Kind(StrEnum):
    """TEXT wraps at the left, CODE wraps anywhere in a monospace font, FIGURE stands right."""

    TEXT = "text"
    CODE = "code"
    FIGURE = "figure"


class Column(msgspec.Struct, frozen=True):
    """Heading and kind of a column; `minimum` is the width in points below which text may not
    be squeezed."""

    heading: str
    kind: Kind = Kind.FIGURE
    minimum: float = 42.0


class TableSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A table before layout. The last `totals` rows are set bold below a rule.

    `groups` is an optional upper heading: (label, number of columns) from left to right.
    With `even` all figure columns are equally wide. `commands` are further ReportLab table style
    commands.
    """

    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    totals: int = 0
    groups: tuple[tuple[str, int], ...] = ()
    commands: tuple[tuple[Any, ...], ...] = ()
    width: float = CONTENT_WIDTH
    zebra: bool = True
    even: bool = False


class DataTable(LongTable):
    """A table that still knows what it was laid out from."""

    spec: TableSpec


def data_table(spec: TableSpec) -> DataTable:
    """Lay out `spec` over its width (points); headings repeat on every page it runs over."""
    register_fonts()
    size, widths = _fit(spec)
    heading = [paragraph(column.heading, _heading_style(column, size)) for column in spec.columns]
    first_total = len(spec.rows) - spec.totals
    body = [
        [
            _cell(text, column, widths[at], size, bold=index >= first_total)
            for at, (text, column) in enumerate(zip(row, spec.columns, strict=True))
        ]
        for index, row in enumerate(spec.rows)
    ]
    head: list[list[Any]] = [heading]
    if spec.groups:
        head.insert(0, _group_row(spec, size))
    table = DataTable(
        [*head, *body],
        colWidths=widths,
        repeatRows=len(head),
        style=TableStyle([*_base_style(spec, size, len(head)), *spec.commands]),
        hAlign="LEFT",
    )
    table.spec = spec
    return table


def _fit(spec: TableSpec) -> tuple[float, list[float]]:
    size = BODY_SIZE
    while True:
        widths = _widths(spec, size)
        if sum(widths) <= spec.width + 0.01:
            return size, widths
        if size <= _SMALLEST_SIZE:
            scale = spec.width / sum(widths)
            return size, [width * scale for width in widths]
        size -= 0.4


def _widths(spec: TableSpec, size: float) -> list[float]:
    """Natural widths with the spare spread, or, where text must wrap, text squeezed to fit; the
    sum exceeds the table's width only if its figures alone do."""
    natural = [_natural(spec, at, size) for at in range(len(spec.columns))]
    if spec.even:
        figures = [at for at, column in enumerate(spec.columns) if column.kind is Kind.FIGURE]
        widest = max((natural[at] for at in figures), default=0.0)
        natural = [widest if at in figures else width for at, width in enumerate(natural)]
    spare = spec.width - sum(natural)
    if spare >= 0:
        return [width + spare / len(natural) for width in natural]
    squeezable = [
        0.0 if column.kind is Kind.FIGURE else max(0.0, width - column.minimum)
        for column, width in zip(spec.columns, natural, strict=True)
    ]
    part = min(1.0, -spare / sum(squeezable)) if sum(squeezable) else 0.0
    return [width - give * part for width, give in zip(natural, squeezable, strict=True)]


def _natural(spec: TableSpec, at: int, size: float) -> float:
    column = spec.columns[at]
    font = {Kind.CODE: MONO}.get(column.kind, SANS_BOLD if spec.totals else SANS)
    cells = max((stringWidth(plain_text(row[at]), font, size) for row in spec.rows), default=0.0)
    words = max(
        (stringWidth(word, SANS_BOLD, size * 0.92) for word in column.heading.split()), default=0.0
    )
    return max(cells, words) + 2 * _PADDING + 0.5


def _heading_style(column: Column, size: float) -> ParagraphStyle:
    return ParagraphStyle(
        "heading",
        fontName=SANS_BOLD,
        fontSize=size * 0.92,
        leading=size * 1.2,
        textColor=NAVY,
        alignment=2 if column.kind is Kind.FIGURE else 0,
    )


def _group_row(spec: TableSpec, size: float) -> list[Any]:
    style = ParagraphStyle(
        "group",
        fontName=SANS_BOLD,
        fontSize=size * 0.92,
        leading=size * 1.2,
        textColor=NAVY,
        alignment=1,
    )
    cells: list[Any] = []
    for label, span in spec.groups:
        cells += [paragraph(label, style), *[""] * (span - 1)]
    return cells


def _cell(text: str, column: Column, width: float, size: float, *, bold: bool) -> str | Paragraph:
    """Plain text where it fits, which is fast and enough; a wrapping paragraph where not."""
    font = SANS_BOLD if bold else MONO if column.kind is Kind.CODE else SANS
    clean = plain_text(text)
    if column.kind is Kind.FIGURE or (
        column.kind is Kind.TEXT and stringWidth(clean, font, size) <= width - 2 * _PADDING
    ):
        return clean
    style = ParagraphStyle(
        "cell",
        fontName=font,
        fontSize=size,
        leading=size * 1.25,
        textColor=INK,
        wordWrap="CJK" if column.kind is Kind.CODE else None,
    )
    return paragraph(clean, style)


def _base_style(spec: TableSpec, size: float, head: int) -> list[tuple[Any, ...]]:
    commands: list[tuple[Any, ...]] = [
        ("FONT", (0, 0), (-1, -1), SANS, size, size * 1.25),
        ("TEXTCOLOR", (0, head), (-1, -1), INK),
        ("LEFTPADDING", (0, 0), (-1, -1), _PADDING),
        ("RIGHTPADDING", (0, 0), (-1, -1), _PADDING),
        ("TOPPADDING", (0, 0), (-1, -1), 2.1),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 2.3),
        ("VALIGN", (0, 0), (-1, head - 1), "BOTTOM"),
        ("VALIGN", (0, head), (-1, -1), "TOP"),
        ("LINEABOVE", (0, 0), (-1, 0), 0.9, NAVY),
        ("LINEBELOW", (0, head - 1), (-1, head - 1), 0.5, NAVY),
        ("LINEBELOW", (0, -1), (-1, -1), 0.5, RULE),
    ]
    if spec.zebra:
        last = -1 - spec.totals
        commands.append(("ROWBACKGROUNDS", (0, head), (-1, last), [None, SHADE]))
    commands += [
        ("ALIGN", (at, head), (at, -1), "RIGHT")
        for at, column in enumerate(spec.columns)
        if column.kind is Kind.FIGURE
    ]
    commands += [
        ("FONT", (0, -spec.totals), (-1, -1), SANS_BOLD, size, size * 1.25),
        ("LINEABOVE", (0, -spec.totals), (-1, -spec.totals), 0.5, NAVY),
        # Sums stay together, and below at least one of the rows that they sum.
        ("NOSPLIT", (0, max(head, head + len(spec.rows) - spec.totals - 1)), (-1, -1)),
    ] * bool(spec.totals)
    commands += _group_style(spec)
    return commands


def _group_style(spec: TableSpec) -> list[tuple[Any, ...]]:
    commands: list[tuple[Any, ...]] = []
    at = 0
    for label, span in spec.groups:
        commands.append(("SPAN", (at, 0), (at + span - 1, 0)))
        if label:
            commands.append(("LINEBELOW", (at, 0), (at + span - 1, 0), 0.4, MUTED))
        at += span
    return commands
