"""The figures of a report, each with its place: what is printed, as a machine can read it.

They are taken from the very flowables that are laid out, so that nothing can stand on a page and be
missing here.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from reportlab.graphics.shapes import Drawing, Group, String
from reportlab.platypus import Flowable, KeepTogether, Paragraph, Table

from trading_assets.reporting.monthly_content import MonthlyContent
from trading_assets.reporting.number_format import UNDEFINED
from trading_assets.reporting.styles import KEY_DETAIL, KEY_LABEL, KEY_VALUE, SECTION
from trading_assets.reporting.tables import DataTable, Kind, TableSpec

ATTACHMENT = "figures.json"
"""Name under which a report carries its figures."""


class Figure(msgspec.Struct, frozen=True):
    """`text` as it is printed, in the row and column (headings) of a section; a figure outside of a
    table has no column, one in running text no row."""

    section: str
    row: str
    column: str
    text: str


class EmbeddedFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What a report says of itself in its attachment."""

    portfolio: str
    month: str
    evidence_sha256: str
    book_head: str
    figures: tuple[Figure, ...]


def embedded_figures(content: MonthlyContent, figures: tuple[Figure, ...]) -> EmbeddedFigures:
    """The attachment of a report of `content`."""
    evidence = content.evidence
    return EmbeddedFigures(
        portfolio=content.portfolio_id,
        month=f"{content.month:%Y-%m}",
        evidence_sha256="" if evidence is None else evidence.sha256,
        book_head=content.book_head_hash,
        figures=figures,
    )


def figures_of(story: Iterable[Flowable]) -> tuple[Figure, ...]:
    """All figures of a report in the order of the page: every cell of a table of figures, and every
    other text in which a digit stands."""
    return tuple(_Walk().over(story))


class _Walk:
    """Goes through flowables and remembers where it is; ReportLab has no public way into them."""

    def __init__(self) -> None:
        self.section = "Header"
        self.row = ""

    def over(self, flowables: Iterable[Any]) -> Iterator[Figure]:
        for flowable in flowables:
            if isinstance(flowable, KeepTogether):
                yield from self.over(vars(flowable)["_content"])
            elif isinstance(flowable, DataTable):
                yield from self.cells(flowable.spec)
            elif isinstance(flowable, Table):
                for row in vars(flowable)["_cellvalues"]:
                    for cell in row:
                        yield from self.over(cell if isinstance(cell, list | tuple) else [cell])
            elif isinstance(flowable, Drawing):
                yield from self.drawn(flowable)
            elif isinstance(flowable, Paragraph):
                yield from self.text(flowable)

    def text(self, paragraph: Paragraph) -> Iterator[Figure]:
        text = paragraph.getPlainText(identify=True)
        if paragraph.style.name == SECTION.name:
            self.section, self.row = text, ""
            return
        if paragraph.style.name == KEY_LABEL.name:
            self.row = text
        elif paragraph.style.name not in (KEY_VALUE.name, KEY_DETAIL.name):
            self.row = ""
        if _is_figure(text):
            yield Figure(self.section, self.row, "", text)

    def cells(self, spec: TableSpec) -> Iterator[Figure]:
        groups = [label for label, span in spec.groups for _ in range(span)]
        headings = [column.heading for column in spec.columns]
        if groups:
            headings = [" ".join(filter(None, pair)) for pair in zip(groups, headings, strict=True)]
        leading = list(itertools.takewhile(lambda one: one.kind is Kind.TEXT, spec.columns))
        for row in spec.rows:
            label = " ".join(filter(None, row[: len(leading)]))
            for heading, text, column in zip(headings, row, spec.columns, strict=True):
                if text and (column.kind is not Kind.TEXT or _is_figure(text)):
                    yield Figure(self.section, label, heading, text)

    def drawn(self, drawing: Group | Drawing) -> Iterator[Figure]:
        for shape in drawing.contents:
            if isinstance(shape, String) and _is_figure(shape.text):
                yield Figure(self.section, "chart", "", shape.text)


def _is_figure(text: str) -> bool:
    return text == UNDEFINED or any(char.isdigit() for char in text)
