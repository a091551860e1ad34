"""Charts of the PDF, drawn as vectors in the page's own fonts: sharp at any zoom, small, and the
same bytes for the same content."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable
from typing import Literal

import msgspec
from reportlab.graphics.shapes import Circle, Drawing, Line, Polygon, PolyLine, String
from reportlab.lib.colors import Color
from reportlab.pdfbase.pdfmetrics import stringWidth

from trading_assets.reporting.axes import date_ticks, decimals_for, value_ticks
from trading_assets.reporting.monthly_content import Series
from trading_assets.reporting.number_format import fixed, percent
from trading_assets.reporting.styles import (
    BENCHMARK,
    CONTENT_WIDTH,
    INK,
    MUTED,
    PORTFOLIO,
    RULE,
    SANS,
    SANS_BOLD,
    fitted,
    register_fonts,
)

_LABEL_SIZE = 6.2
_DATES_MAX, _DATE_ROOM = 8, 42.0
"""Of the labels below a chart: how many there are, and how wide one is with the space beside it."""
_LEFT, _RIGHT, _TOP, _BOTTOM = 34.0, 42.0, 15.0, 14.0

Anchor = Literal["start", "middle", "end"]
Points = list[tuple[float, float]]


class ChartSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A line chart over sessions; `filled` draws the portfolio as an area below zero.

    `as_percent` writes values as percentages of 1, otherwise as index points. Sizes in points.
    """

    series: Series
    portfolio_label: str
    benchmark_label: str | None
    height: float
    filled: bool = False
    as_percent: bool = False
    width: float = CONTENT_WIDTH
    fonts: tuple[str, str] = (SANS, SANS_BOLD)
    """For labels, and for the last values."""


class _Frame(msgspec.Struct, frozen=True):
    """Maps sessions and values to points on the drawing."""

    first: dt.date
    days: int
    ticks: list[float]
    width: float
    height: float

    def x(self, session: dt.date) -> float:
        room = self.width - _LEFT - _RIGHT
        if self.days == 0:
            return _LEFT + room / 2
        return _LEFT + room * (session - self.first).days / self.days

    def y(self, value: float) -> float:
        low, high = self.ticks[0], self.ticks[-1]
        return _BOTTOM + (self.height - _TOP - _BOTTOM) * (value - low) / (high - low)


def has_points(series: Series) -> bool:
    """Whether there is anything to draw for the portfolio."""
    return any(_defined(value) for value in series.portfolio)


def line_chart(spec: ChartSpec) -> Drawing:
    """Portfolio and benchmark over time. Undefined values break the line, a value that stands
    alone is a dot. `spec.series` must have a point to draw (`has_points`)."""
    if SANS in spec.fonts:
        register_fonts()
    series = spec.series
    values = [
        value
        for value in (*series.portfolio, *(series.benchmark or ()))
        if value is not None and math.isfinite(value)
    ]
    if spec.filled:
        values.append(0.0)
    frame = _Frame(
        series.sessions[0],
        (series.sessions[-1] - series.sessions[0]).days,
        value_ticks(min(values), max(values), 5 if spec.height > 110 else 3),
        spec.width,
        spec.height,
    )
    drawing = Drawing(spec.width, spec.height)
    _draw_axes(drawing, frame, spec, base=0.0 if spec.filled else 100.0)
    runs = _runs(series.sessions, series.portfolio, frame)
    if spec.filled:
        _draw_area(drawing, runs, frame)
    if series.benchmark is not None:
        _draw_line(drawing, _runs(series.sessions, series.benchmark, frame), BENCHMARK, dashed=True)
    _draw_line(drawing, runs, PORTFOLIO, dashed=False)
    _draw_ends(drawing, spec, frame)
    _draw_legend(drawing, spec)
    return drawing


def _defined(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _writer(spec: ChartSpec, ticks: list[float]) -> Callable[[float], str]:
    if spec.as_percent:
        decimals = decimals_for([tick * 100 for tick in ticks])
        return lambda value: percent(value, decimals)
    decimals = decimals_for(ticks)
    return lambda value: fixed(value, decimals)


def _draw_axes(drawing: Drawing, frame: _Frame, spec: ChartSpec, base: float) -> None:
    right = frame.width - _RIGHT
    write, font = _writer(spec, frame.ticks), spec.fonts[0]
    for tick in frame.ticks:
        at = frame.y(tick)
        strong = abs(tick - base) < 1e-9
        drawing.add(
            Line(
                _LEFT,
                at,
                right,
                at,
                strokeColor=MUTED if strong else RULE,
                strokeWidth=0.6 if strong else 0.35,
            )
        )
        drawing.add(_label(_LEFT - 4, at - 2.1, write(tick), font, "end"))
    most = max(3, min(_DATES_MAX, int((right - _LEFT) / _DATE_ROOM)))
    for day, text in date_ticks(frame.first, frame.first + dt.timedelta(days=frame.days), most):
        at = frame.x(day)
        drawing.add(Line(at, _BOTTOM, at, _BOTTOM - 2.5, strokeColor=MUTED, strokeWidth=0.35))
        drawing.add(_label(at, _BOTTOM - 9.5, text, font, "middle"))


def _label(x: float, y: float, text: str, font: str, anchor: Anchor) -> String:
    return String(
        x, y, text, fontName=font, fontSize=_LABEL_SIZE, fillColor=MUTED, textAnchor=anchor
    )


def _runs(
    sessions: tuple[dt.date, ...], values: tuple[float | None, ...], frame: _Frame
) -> list[Points]:
    """The unbroken stretches of a line."""
    runs: list[Points] = [[]]
    for session, value in zip(sessions, values, strict=True):
        if value is not None and math.isfinite(value):
            runs[-1].append((round(frame.x(session), 2), round(frame.y(value), 2)))
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def _flat(points: Points) -> list[float]:
    return [coordinate for point in points for coordinate in point]


def _draw_line(drawing: Drawing, runs: list[Points], color: Color, *, dashed: bool) -> None:
    for run in runs:
        if len(run) == 1:
            drawing.add(Circle(*run[0], 1.7, fillColor=color, strokeColor=None))
            continue
        drawing.add(
            PolyLine(
                _flat(run),
                strokeColor=color,
                strokeWidth=0.9 if dashed else 1.2,
                strokeDashArray=[3, 1.6] if dashed else [],
                strokeLineJoin=1,
            )
        )


def _draw_area(drawing: Drawing, runs: list[Points], frame: _Frame) -> None:
    zero = round(frame.y(0.0), 2)
    pale = Color(PORTFOLIO.red, PORTFOLIO.green, PORTFOLIO.blue, alpha=0.14)
    for run in runs:
        if len(run) > 1:
            outline = [(run[0][0], zero), *run, (run[-1][0], zero)]
            drawing.add(Polygon(_flat(outline), fillColor=pale, strokeColor=None))


def _draw_ends(drawing: Drawing, spec: ChartSpec, frame: _Frame) -> None:
    """The last value of each line at its right, moved apart where they would overlap."""
    lines = [(spec.series.portfolio, PORTFOLIO)]
    if spec.series.benchmark is not None:
        lines.append((spec.series.benchmark, BENCHMARK))
    ends: list[tuple[float, str, Color]] = []
    for values, color in lines:
        last = next((v for v in reversed(values) if v is not None and math.isfinite(v)), None)
        if last is not None:
            text = percent(last, 1) if spec.as_percent else fixed(last, 1)
            ends.append((frame.y(last), text, color))
    ends.sort(key=lambda end: end[0])
    if len(ends) == 2 and ends[1][0] - ends[0][0] < 8:
        middle = (ends[0][0] + ends[1][0]) / 2
        ends = [(middle - 4, *ends[0][1:]), (middle + 4, *ends[1][1:])]
    for at, text, color in ends:
        drawing.add(
            String(
                frame.width - _RIGHT + 4,
                at - 2.2,
                text,
                fontName=spec.fonts[1],
                fontSize=_LABEL_SIZE,
                fillColor=color,
            )
        )


def _draw_legend(drawing: Drawing, spec: ChartSpec) -> None:
    entries = [(spec.portfolio_label, PORTFOLIO, False)]
    if spec.series.benchmark is not None and spec.benchmark_label is not None:
        entries.append((spec.benchmark_label, BENCHMARK, True))
    room = (spec.width - _LEFT) / len(entries) - 28
    x, y = _LEFT, spec.height - 6.5
    font = spec.fonts[0]
    for text, color, dashed in entries:
        if spec.filled and not dashed:
            pale = Color(color.red, color.green, color.blue, alpha=0.3)
            corners = [x, y - 0.8, x + 14, y - 0.8, x + 14, y + 4.2, x, y + 4.2]
            drawing.add(Polygon(corners, fillColor=pale, strokeColor=None))
        drawing.add(
            Line(
                x,
                y + 2,
                x + 14,
                y + 2,
                strokeColor=color,
                strokeWidth=0.9 if dashed else 1.3,
                strokeDashArray=[3, 1.6] if dashed else [],
            )
        )
        shown = fitted(text, font, 6.8, room)
        drawing.add(String(x + 18, y, shown, fontName=font, fontSize=6.8, fillColor=INK))
        x += 18 + stringWidth(shown, font, 6.8) + 16
