"""Small PNG charts for the metadata of assets in Dagster's UI.

Drawn with matplotlib's Figure objects on the Agg canvas: no window, no pyplot, no state shared
between runs, and the same bytes for the same data.
"""

from __future__ import annotations

import datetime as dt
import io
import math
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from trading_assets.reporting.monthly_content import Series
from trading_assets.reporting.number_format import fixed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PORTFOLIO, _BENCHMARK, _SHORT = "#0072B2", "#E08A00", "#D55E00"
_MUTED, _RULE = "#5C6675", "#C9D0D9"
_DPI = 110
_BARS_MAX = 30

Number = Decimal | float


def equity_png(series: Series, portfolio_label: str, benchmark_label: str | None = None) -> bytes:
    """Line of an index over sessions, the benchmark dashed. None breaks a line; no sessions give
    an image that says so."""
    figure, axes = _canvas(height=2.6)
    if not _any_defined(series.portfolio):
        return _empty(figure, axes, "no data")
    axes.plot(
        _numbers(series.sessions),
        _floats(series.portfolio),
        color=_PORTFOLIO,
        linewidth=1.6,
        zorder=3,
        marker="o" if len(series.sessions) == 1 else None,
        label=_literal(portfolio_label),
    )
    if series.benchmark is not None:
        axes.plot(
            _numbers(series.sessions),
            _floats(series.benchmark),
            color=_BENCHMARK,
            linewidth=1.2,
            linestyle="--",
            label=_literal(benchmark_label or "Benchmark"),
        )
    axes.axhline(100.0, color=_MUTED, linewidth=0.6)
    axes.legend(loc="upper left", frameon=False, fontsize=8)
    _date_axis(axes, series.sessions)
    return _png(figure)


def drawdown_png(series: Series) -> bytes:
    """Area of drawdowns (fractions <= 0) over sessions, labelled in percent."""
    figure, axes = _canvas(height=1.8)
    if not _any_defined(series.portfolio):
        return _empty(figure, axes, "no data")
    sessions = _numbers(series.sessions)
    percents = [value * 100 for value in _floats(series.portfolio)]
    axes.fill_between(sessions, percents, 0.0, color=_PORTFOLIO, alpha=0.2, linewidth=0)
    axes.plot(
        sessions,
        percents,
        color=_PORTFOLIO,
        linewidth=1.2,
        marker="o" if len(sessions) == 1 else None,
    )
    axes.set_ylabel("drawdown, %", fontsize=8, color=_MUTED)
    _date_axis(axes, series.sessions)
    return _png(figure)


def weights_png(weights: Sequence[tuple[str, Number]]) -> bytes:
    """Horizontal bars of weights (fractions of equity, negative for a short), largest first.

    Above 30 instruments the smallest ones are summed in one bar that says how many they are.
    """
    ordered = sorted(weights, key=lambda entry: (-abs(float(entry[1])), entry[0]))
    shown = [(symbol, float(weight) * 100) for symbol, weight in ordered[:_BARS_MAX]]
    rest = ordered[_BARS_MAX:]
    if rest:
        shown.append((f"{len(rest)} others", sum(float(weight) for _, weight in rest) * 100))
    figure, axes = _canvas(height=max(1.2, 0.5 + 0.21 * len(shown)))
    if not shown:
        return _empty(figure, axes, "no positions")
    values = [percent for _, percent in shown]
    places = list(range(len(shown)))
    colors = [_SHORT if percent < 0 else _PORTFOLIO for percent in values]
    bars = axes.barh(places, values, color=colors, height=0.68)
    written = [fixed(percent, 2) for percent in values]
    axes.bar_label(bars, labels=written, padding=3, fontsize=7, color=_MUTED)
    axes.set_yticks(places, [_literal(label) for label, _ in shown], fontsize=8)
    axes.invert_yaxis()
    axes.margins(x=0.14)
    axes.axvline(0.0, color=_MUTED, linewidth=0.6)
    axes.set_xlabel("weight, % of equity", fontsize=8, color=_MUTED)
    return _png(figure)


def _canvas(height: float) -> tuple[Figure, Axes]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, height), dpi=_DPI, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(_RULE)
    axes.tick_params(colors=_MUTED, labelsize=8)
    return figure, axes


def _date_axis(axes: Axes, sessions: Sequence[dt.date]) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    axes.grid(axis="y", color=_RULE, linewidth=0.5)
    axes.set_axisbelow(True)
    if len(sessions) == 1:
        # The locator needs a span to choose ticks from.
        axes.set_xticks(_numbers(sessions), [sessions[0].isoformat()])
        return
    locator = AutoDateLocator(maxticks=8)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(
        ConciseDateFormatter(locator)  # type: ignore[no-untyped-call]
    )


def _empty(figure: Figure, axes: Axes, text: str) -> bytes:
    axes.set_axis_off()
    axes.text(0.5, 0.5, text, ha="center", va="center", color=_MUTED, transform=axes.transAxes)
    return _png(figure)


def _png(figure: Figure) -> bytes:
    stream = io.BytesIO()
    # matplotlib writes its version into the file unless told not to.
    figure.savefig(stream, format="png", dpi=_DPI, metadata={"Software": None})
    return stream.getvalue()


def _any_defined(values: Sequence[float | None]) -> bool:
    return any(value is not None and math.isfinite(value) for value in values)


def _floats(values: Sequence[float | None]) -> list[float]:
    return [math.nan if value is None else value for value in values]


def _numbers(sessions: Sequence[dt.date]) -> list[float]:
    from matplotlib.dates import date2num

    numbers = date2num(list(sessions))  # type: ignore[no-untyped-call]
    return [float(number) for number in numbers]


def _literal(text: str) -> str:
    """`text` with dollar signs that matplotlib does not read as mathematics."""
    return text.replace("$", r"\$")
