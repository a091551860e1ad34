"""Small charts for the metadata of assets in Dagster's UI, as SVG: sharp at any zoom, a few
kilobytes, the same bytes for the same data.

Lines are those of the PDF (`drawings.py`). A plotting library drew them before as PNG, and took
half a second for its first chart: a fifth of what a session takes in all. ReportLab is imported
where it draws, so that what has no chart does not wait for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from trading_assets.reporting.monthly_content import Series
from trading_assets.reporting.number_format import fixed

if TYPE_CHECKING:
    from reportlab.graphics.shapes import Drawing, String
    from reportlab.lib.colors import Color

_WIDTH = 770.0
"""Of every chart, in pixels: they stand below each other."""
_ZOOM = 1.56
NARROW = 500.0
"""Up to this width in pixels a chart is for a phone: higher for its width."""
_FONT, _BOLD_FONT, _FONT_SIZE = "Helvetica", "Helvetica-Bold", 10.5
_BAR, _PITCH, _MARGIN, _GAP = 15.0, 22.0, 10.0, 4.0
_LABEL_MAX = 24
_BARS_MAX = 30

Number = Decimal | float


def equity_svg(series: Series, portfolio_label: str, benchmark_label: str | None = None) -> bytes:
    """Line of an index over sessions, the benchmark dashed. None breaks a line; no sessions give
    an image that says so."""
    return _line_chart(series, portfolio_label, benchmark_label or "Benchmark", height=180.0)


def drawdown_svg(series: Series) -> bytes:
    """Area of drawdowns (fractions <= 0) over sessions, in percent."""
    return _line_chart(series, "Drawdown", None, height=125.0, filled=True, as_percent=True)


def leverage_svg(series: Series) -> bytes:
    """Lines of gross and, dashed, net leverage over sessions, in percent of equity."""
    return _line_chart(series, "Gross", "Net", height=125.0, as_percent=True)


def dashboard_svg(
    series: Series,
    portfolio_label: str,
    benchmark_label: str | None,
    *,
    width: float,
    drawdown: bool = False,
) -> bytes:
    """Line of an index, or area of drawdowns, `width` pixels wide; its words stay as large on a
    narrow screen as on a wide one."""
    height = width * (0.26 if width > NARROW else 0.5)
    return _line_chart(
        series,
        portfolio_label,
        benchmark_label,
        height=(height * 0.7 if drawdown else height) / _ZOOM,
        filled=drawdown,
        as_percent=drawdown,
        width=width,
    )


def weights_svg(weights: Sequence[tuple[str, Number]]) -> bytes:
    """Horizontal bars of weights (fractions of equity, negative for a short), largest first, each
    with its percentage.

    Above 30 instruments the smallest ones are summed in one bar that says how many they are.
    """
    ordered = sorted(weights, key=lambda entry: (-abs(float(entry[1])), entry[0]))
    shown = [(symbol, float(weight) * 100) for symbol, weight in ordered[:_BARS_MAX]]
    rest = ordered[_BARS_MAX:]
    if rest:
        shown.append((f"{len(rest)} others", sum(float(weight) for _, weight in rest) * 100))
    return _bars(shown) if shown else _words("no positions")


def _line_chart(
    series: Series,
    label: str,
    benchmark: str | None,
    *,
    height: float,
    filled: bool = False,
    as_percent: bool = False,
    width: float = _WIDTH,
) -> bytes:
    from trading_assets.reporting.drawings import ChartSpec, has_points, line_chart

    if not has_points(series):
        return _words("no data")
    drawing = line_chart(
        ChartSpec(
            series=series,
            portfolio_label=label,
            benchmark_label=benchmark,
            height=height,
            filled=filled,
            as_percent=as_percent,
            width=width / _ZOOM,
            # The page's own are embedded in it and take a fifth of a second to read.
            fonts=(_FONT, _BOLD_FONT),
        )
    )
    # Drawn for the page, in points; the screen's width in pixels is half as much again.
    drawing.scale(_ZOOM, _ZOOM)
    drawing.width, drawing.height = width, drawing.height * _ZOOM
    return _svg(drawing)


def _bars(shown: Sequence[tuple[str, float]]) -> bytes:
    from reportlab.graphics.shapes import Drawing, Line, Rect
    from reportlab.pdfbase.pdfmetrics import stringWidth

    from trading_assets.reporting.styles import INK, MUTED, PORTFOLIO, WARNING, plain_text

    labels = [_shortened(plain_text(label)) for label, _ in shown]
    values = [percent for _, percent in shown]
    low, high = min(0.0, *values), max(0.0, *values)
    for_figure = stringWidth("-100.00", _FONT, _FONT_SIZE) + 3 * _GAP
    left = max(stringWidth(label, _FONT, _FONT_SIZE) for label in labels) + 2 * _MARGIN
    left += for_figure if low < 0 else 0.0
    scale = (_WIDTH - left - for_figure - _MARGIN) / ((high - low) or 1.0)
    zero = left - low * scale
    height = len(shown) * _PITCH + 3 * _MARGIN
    drawing = Drawing(_WIDTH, height)
    for place, (label, percent) in enumerate(zip(labels, values, strict=True), start=1):
        bottom, end = height - _MARGIN - place * _PITCH, zero + percent * scale
        bar = Rect(min(zero, end), bottom, abs(end - zero), _BAR)
        bar.fillColor, bar.strokeColor = WARNING if percent < 0 else PORTFOLIO, None
        drawing.add(bar)
        drawing.add(_text(_MARGIN, bottom + _GAP, label, INK))
        figure = _text(end + _GAP, bottom + _GAP, fixed(percent, 2), MUTED)
        if percent < 0:
            figure.x, figure.textAnchor = end - 2 * _GAP, "end"
        drawing.add(figure)
    drawing.add(Line(zero, 2 * _MARGIN, zero, height - _MARGIN, strokeColor=MUTED))
    drawing.add(_text(zero, _MARGIN / 2, "weight, % of equity", MUTED))
    return _svg(drawing)


def _words(text: str) -> bytes:
    from reportlab.graphics.shapes import Drawing

    from trading_assets.reporting.styles import MUTED

    drawing = Drawing(_WIDTH, 120.0)
    words = _text(_WIDTH / 2, 60.0, text, MUTED)
    words.textAnchor = "middle"
    drawing.add(words)
    return _svg(drawing)


def _text(x: float, y: float, text: str, color: Color) -> String:
    from reportlab.graphics.shapes import String

    return String(x, y, text, fontName=_FONT, fontSize=_FONT_SIZE, fillColor=color)


def _shortened(label: str) -> str:
    return label if len(label) <= _LABEL_MAX else f"{label[: _LABEL_MAX - 1]}…"


def _svg(drawing: Drawing) -> bytes:
    from reportlab.graphics import renderSVG

    # The screen's own fonts: those of the same widths come first.
    family = "Helvetica, Arial, Liberation Sans, sans-serif"
    fonts = {_FONT: {"family": family}, _BOLD_FONT: {"family": family, "weight": "bold"}}
    return renderSVG.drawToString(drawing, fontHacks=fonts).encode()
