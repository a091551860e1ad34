"""One look for every page: palette, fonts, paragraph styles, page geometry.

The fonts are the DejaVu family that matplotlib ships: always there, embedded in the PDF, with
tabular digits and the glyphs that names and signs need. Colours are from the Okabe-Ito set, which
people with any colour vision tell apart; the benchmark's line is dashed besides.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from reportlab.lib.colors import Color, HexColor
from reportlab.lib.enums import TA_RIGHT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import Paragraph

SANS = "Report-Sans"
SANS_BOLD = "Report-Sans-Bold"
SANS_ITALIC = "Report-Sans-Italic"
MONO = "Report-Mono"

INK = HexColor("#1B2433")
NAVY = HexColor("#16324F")
MUTED = HexColor("#5C6675")
RULE = HexColor("#C9D0D9")
SHADE = HexColor("#F4F6F9")
ON_NAVY = HexColor("#FFFFFF")
ON_NAVY_MUTED = HexColor("#C4D2E3")
PORTFOLIO = HexColor("#0072B2")
BENCHMARK = HexColor("#E08A00")
WARNING = HexColor("#A63C00")

PAGE_WIDTH, PAGE_HEIGHT = A4
MARGIN = 18 * mm
TOP_MARGIN = 22 * mm
BOTTOM_MARGIN = 18 * mm
CONTENT_WIDTH = PAGE_WIDTH - 2 * MARGIN
BODY_SIZE = 7.2


@cache
def register_fonts() -> None:
    """Make the page's fonts known to ReportLab; must run before anything is measured in them."""
    import matplotlib

    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    for name, file in (
        (SANS, "DejaVuSans.ttf"),
        (SANS_BOLD, "DejaVuSans-Bold.ttf"),
        (SANS_ITALIC, "DejaVuSans-Oblique.ttf"),
        (MONO, "DejaVuSansMono.ttf"),
    ):
        pdfmetrics.registerFont(TTFont(name, str(folder / file)))
    pdfmetrics.registerFontFamily(SANS, SANS, SANS_BOLD, SANS_ITALIC, SANS_BOLD)


def _style(name: str, size: float, color: Color, **options: Any) -> ParagraphStyle:
    look: dict[str, Any] = {
        "fontName": SANS,
        "fontSize": size,
        "leading": round(size * 1.32, 2),
        "textColor": color,
    }
    return ParagraphStyle(name, **{**look, **options})


SECTION = _style("section", 10.5, NAVY, fontName=SANS_BOLD, spaceBefore=4 * mm, spaceAfter=1.8 * mm)
SUBSECTION = _style(
    "subsection", 7.8, NAVY, fontName=SANS_BOLD, spaceBefore=2.6 * mm, spaceAfter=1.2 * mm
)
BODY = _style("body", 7.6, INK, leading=10.6, spaceAfter=1.2 * mm)
SMALL = _style("small", 6.6, MUTED, leading=9, spaceBefore=1.2 * mm, spaceAfter=1.2 * mm)
EMPTY = _style("empty", 7.6, MUTED, fontName=SANS_ITALIC, spaceAfter=1.2 * mm)
ALERT = _style("alert", 7.6, WARNING, fontName=SANS_BOLD, spaceAfter=1.2 * mm)
BAND_TITLE = _style("band_title", 17, ON_NAVY, fontName=SANS_BOLD, leading=21)
BAND_TEXT = _style("band_text", 8.2, ON_NAVY_MUTED, leading=11.4)
BAND_MONTH = _style("band_month", 11, ON_NAVY, fontName=SANS_BOLD, leading=21, alignment=TA_RIGHT)
BAND_RIGHT = _style("band_right", 8.2, ON_NAVY_MUTED, leading=11.4, alignment=TA_RIGHT)
KEY_LABEL = _style("key_label", 6.4, MUTED)
KEY_VALUE = _style("key_value", 12, NAVY, fontName=SANS_BOLD, leading=15.5)
KEY_DETAIL = _style("key_detail", 6.2, MUTED)


def plain_text(text: str) -> str:
    """`text` without control characters, which have no glyph; line ends become spaces."""
    return "".join(
        " " if char in "\n\r\t" else char
        for char in text
        if char in "\n\r\t" or unicodedata.category(char) not in ("Cc", "Cs")
    )


def paragraph(text: str, style: ParagraphStyle) -> Paragraph:
    """`text` as it is, in `style`: whatever looks like markup in it is shown, not obeyed."""
    register_fonts()
    return Paragraph(escape(plain_text(text)), style)


def fitted(text: str, font: str, size: float, width: float) -> str:
    """`text`, or as much of it as fits `width` points with an ellipsis at its end. `font` is one of
    the page's, once they are registered, or one of the fourteen that every PDF reader has."""
    clean = plain_text(text)
    if pdfmetrics.stringWidth(clean, font, size) <= width:
        return clean
    while clean and pdfmetrics.stringWidth(clean + "…", font, size) > width:
        clean = clean[:-1]
    return clean.rstrip() + "…"
