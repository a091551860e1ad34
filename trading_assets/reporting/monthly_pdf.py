"""The monthly report as a PDF: A4, vector charts, embedded fonts, reproducible bytes.

The same content gives the same file, so that a report can be recomputed from the book and
compared by its hash. "Page x of y" needs the number of pages before the first is drawn: the
document is laid out twice rather than patched afterwards.
"""

from __future__ import annotations

import io
from typing import Any

import msgspec
from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfdoc
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import BaseDocTemplate, Flowable, Frame, PageTemplate, Paragraph

from trading_assets.reporting.book_sections import book_part
from trading_assets.reporting.evidence_sections import evidence_part
from trading_assets.reporting.figures import (
    ATTACHMENT,
    EmbeddedFigures,
    Figure,
    embedded_figures,
    figures_of,
)
from trading_assets.reporting.monthly_content import MonthlyContent
from trading_assets.reporting.performance_sections import mode_label, performance_part
from trading_assets.reporting.styles import (
    BOTTOM_MARGIN,
    CONTENT_WIDTH,
    MARGIN,
    MUTED,
    PAGE_HEIGHT,
    PAGE_WIDTH,
    RULE,
    SANS,
    SANS_BOLD,
    SECTION,
    TOP_MARGIN,
    fitted,
    plain_text,
    register_fonts,
)
from trading_assets.reporting.track_record_sections import track_record_part

_HASH_SHOWN = 12


def render_monthly_pdf(content: MonthlyContent) -> bytes:
    """The report of `content` as PDF bytes, the same for the same content.

    Every section is there: one without data says so. Text of users is shown as it is, whatever
    markup it looks like. More than 200 trades: the largest are listed, the rest is counted and
    summed.
    """
    register_fonts()
    pages = _build(content, pages=None).page
    return _build(content, pages=pages).stream.getvalue()


def report_figures(content: MonthlyContent) -> tuple[Figure, ...]:
    """The figures that the report of `content` prints and carries."""
    return figures_of(story(content))


def story(content: MonthlyContent) -> list[Flowable]:
    """All of the report in the order of the page."""
    register_fonts()
    return [
        *performance_part(content),
        *track_record_part(content),
        *book_part(content),
        *evidence_part(content),
    ]


def _build(content: MonthlyContent, pages: int | None) -> _Report:
    flowables = story(content)
    figures = embedded_figures(content, figures_of(flowables)) if pages is not None else None
    report = _Report(content, pages, figures)
    report.build(flowables)
    return report


class _Report(BaseDocTemplate):
    """Draws what stands on every page, and gives each section an entry in the outline."""

    def __init__(
        self, content: MonthlyContent, pages: int | None, figures: EmbeddedFigures | None
    ) -> None:
        self.stream = io.BytesIO()
        self._figures = figures
        self._content = content
        self._pages = pages
        self._sections = 0
        month = f"{content.month:%B %Y}"
        super().__init__(
            self.stream,
            pagesize=A4,
            invariant=1,
            pageCompression=1,
            lang="en",
            title=plain_text(f"{content.title}: {content.portfolio_name}, {month}"),
            author=plain_text(content.manager or content.portfolio_name),
            subject=plain_text(
                f"Monthly report of portfolio {content.portfolio_id}, {month}, "
                f"{mode_label(content.mode)}, book head {content.book_head_hash}"
            ),
            creator="trading_assets",
        )
        frame = Frame(
            MARGIN,
            BOTTOM_MARGIN,
            CONTENT_WIDTH,
            PAGE_HEIGHT - TOP_MARGIN - BOTTOM_MARGIN,
            leftPadding=0,
            rightPadding=0,
            topPadding=0,
            bottomPadding=0,
        )
        self.addPageTemplates(PageTemplate("page", [frame], onPage=self._furniture))

    def afterFlowable(self, flowable: Flowable) -> None:  # noqa: N802
        if isinstance(flowable, Paragraph) and flowable.style.name == SECTION.name:
            self._sections += 1
            key = f"section-{self._sections}"
            self.canv.bookmarkPage(key)
            self.canv.addOutlineEntry(flowable.getPlainText(), key, 0)

    def _furniture(self, canvas: Canvas, document: BaseDocTemplate) -> None:
        if document.page == 1 and self._figures is not None:
            _attach(canvas, ATTACHMENT, msgspec.json.encode(self._figures))
        content = self._content
        canvas.saveState()
        canvas.setStrokeColor(RULE)
        canvas.setLineWidth(0.5)
        top, bottom = PAGE_HEIGHT - 14.5 * mm, 13 * mm
        right = PAGE_WIDTH - MARGIN
        canvas.line(MARGIN, top - 5, right, top - 5)
        canvas.line(MARGIN, bottom + 9, right, bottom + 9)
        canvas.setFillColor(MUTED)
        canvas.setFont(SANS_BOLD, 6.6)
        name = fitted(content.portfolio_name, SANS_BOLD, 6.6, CONTENT_WIDTH * 0.7)
        canvas.drawString(MARGIN, top, name)
        canvas.setFont(SANS, 6.6)
        canvas.drawRightString(right, top, f"{content.month:%B %Y}")
        head = content.book_head_hash[:_HASH_SHOWN] or "n/a"
        canvas.drawString(MARGIN, bottom, f"Book head {head}")
        canvas.drawCentredString(PAGE_WIDTH / 2, bottom, mode_label(content.mode))
        canvas.drawRightString(right, bottom, f"Page {document.page} of {self._pages or '?'}")
        canvas.restoreState()


def _attach(canvas: Any, name: str, content: bytes) -> None:
    """Embed a JSON file in the document, as viewers list attachments."""
    document = canvas._doc
    kind = pdfdoc.PDFDictionary({"Type": pdfdoc.PDFName("EmbeddedFile")})
    stream = pdfdoc.PDFStream(kind, content, [pdfdoc.PDFZCompress])
    file = document.Reference(stream, "attached-content")
    specification = pdfdoc.PDFDictionary(
        {
            "Type": pdfdoc.PDFName("Filespec"),
            "F": pdfdoc.PDFString(name),
            "UF": pdfdoc.PDFString(name),
            "EF": pdfdoc.PDFDictionary({"F": file}),
        }
    )
    names = pdfdoc.PDFArray(
        [pdfdoc.PDFString(name), document.Reference(specification, "attached-file")]
    )
    document.Catalog.Names = pdfdoc.PDFDictionary(
        {"EmbeddedFiles": pdfdoc.PDFDictionary({"Names": names})}
    )
