"""SVG charts and the axis arithmetic behind the drawn ones."""

from __future__ import annotations

import datetime as dt
import itertools
import math
import re
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from xml.etree.ElementTree import Element, fromstring

import pytest
from reportlab.pdfbase.pdfmetrics import stringWidth

from trading_assets.reporting.axes import date_ticks, decimals_for, value_ticks
from trading_assets.reporting.charts import dashboard_svg, drawdown_svg, equity_svg, weights_svg
from trading_assets.reporting.monthly_content import Series
from trading_assets.reporting.number_format import decimals_of, fixed, percent

_SVG = "http://www.w3.org/2000/svg"
_DAYS = tuple(dt.date(2023, 7, 1) + dt.timedelta(days=at) for at in range(250))
_RISING = tuple(100.0 + at * 0.1 for at in range(250))
_WAVE = tuple(100.0 + 9 * math.sin(at / 20) for at in range(250))
_EQUITY = Series(sessions=_DAYS, portfolio=_RISING, benchmark=_WAVE)
_DRAWDOWN = Series(sessions=_DAYS, portfolio=tuple(-at % 40 / -200 for at in range(250)))
_WEIGHTS = [("AAPL", Decimal("0.4")), ("KO", Decimal("-0.1")), ("$X$", Decimal("0.2"))]


def drawn(svg: bytes) -> Element:
    """The image as a browser would take it: refused unless it is well-formed."""
    image = fromstring(svg)
    assert image.tag == f"{{{_SVG}}}svg"
    return image


def size_of(svg: bytes) -> tuple[float, float]:
    image = drawn(svg)
    return float(image.attrib["width"]), float(image.attrib["height"])


def words_of(svg: bytes) -> list[str]:
    return [str(text.text) for text in drawn(svg).iter(f"{{{_SVG}}}text")]


def bars_of(svg: bytes) -> list[tuple[float, float]]:
    """Left edge and width of each bar, from the top; the clipping area is no bar."""
    rectangles = drawn(svg).findall(f".//{{{_SVG}}}g/{{{_SVG}}}rect")
    return [(float(bar.attrib["x"]), float(bar.attrib["width"])) for bar in rectangles]


def test_charts_are_images_of_the_same_width() -> None:
    """They stand below each other in the user interface."""
    images = (
        equity_svg(_EQUITY, "Core", "Index"),
        drawdown_svg(_DRAWDOWN),
        weights_svg(_WEIGHTS),
        weights_svg([]),
    )
    assert {size_of(image)[0] for image in images} == {770}


def test_same_data_gives_same_bytes() -> None:
    """No time stamp, no random id: an asset made again has the same metadata."""
    first, second = (equity_svg(_EQUITY, "Core", "Index") for _ in range(2))
    assert first == second


def test_other_data_gives_another_image() -> None:
    """The chart depends on its values, not only on its labels."""
    other = Series(sessions=_DAYS, portfolio=_WAVE, benchmark=_EQUITY.benchmark)
    assert equity_svg(other, "Core", "Index") != equity_svg(_EQUITY, "Core", "Index")


def test_lines_are_named_and_end_in_their_last_value() -> None:
    """249 steps of 0.1 above 100 are 124.9; 9 sin(249/20) below 100 is 99.0."""
    words = words_of(equity_svg(_EQUITY, "Core", "Index"))
    assert {"Core", "Index", "124.9", "99.0"} <= set(words)


def test_weights_are_bars_as_long_as_they_are_largest_first() -> None:
    """40 %, 20 % and a short of 10 %, which lies left of where the others begin."""
    svg = weights_svg(_WEIGHTS)
    (x_40, w_40), (x_20, w_20), (x_short, w_short) = bars_of(svg)
    assert w_40 == pytest.approx(2 * w_20, rel=1e-3)
    assert w_20 == pytest.approx(2 * w_short, rel=1e-3)
    assert x_40 == x_20 == pytest.approx(x_short + w_short, abs=0.01)
    words = words_of(svg)
    assert words == ["AAPL", "40.00", "$X$", "20.00", "KO", "\u221210.00", "weight, % of equity"]


def test_every_bar_and_its_figure_lie_inside_the_image() -> None:
    """The largest of one sign leaves room for its figure, whatever the other sign has."""
    for weights in ([("A", -1.0), ("B", 2.0)], [("A", -0.3)], [("A", 1.0)], [("A", 0.0)]):
        for left, width in bars_of(weights_svg(weights)):
            assert left >= 0
            assert left + width <= 770 - 40


@pytest.mark.parametrize(
    ("draw", "says"),
    [
        (lambda: equity_svg(Series(), "Core"), "no data"),
        (
            lambda: equity_svg(Series(sessions=_DAYS[:2], portfolio=(None, None)), "Core"),
            "no data",
        ),
        (
            lambda: equity_svg(Series(sessions=_DAYS[:1], portfolio=(100.0,)), "Core $1 & <b>"),
            "Core $1 & <b>",
        ),
        (
            lambda: equity_svg(Series(sessions=_DAYS[:3], portfolio=(100.0, None, -5.0)), "Core"),
            "\u22125.0",
        ),
        (lambda: drawdown_svg(Series()), "no data"),
        (lambda: weights_svg([]), "no positions"),
        (lambda: weights_svg([("<A&B\x00>", 0.5)]), "<A&B>"),
    ],
    ids=["none", "undefined", "one", "gap", "no drawdown", "no weights", "odd name"],
)
def test_little_data_still_gives_an_image(draw: Callable[[], bytes], says: str) -> None:
    """An asset's metadata never fails for want of data."""
    svg = draw()
    assert size_of(svg)[1] > 40
    assert says in words_of(svg)


def test_five_hundred_positions_stay_one_legible_image() -> None:
    """30 bars and one for the others."""
    svg = weights_svg([(f"S{at}", Decimal(at) / 1000) for at in range(500)])
    assert len(bars_of(svg)) == 31
    assert "470 others" in words_of(svg)


def test_code_location_is_loaded_without_a_drawing_library() -> None:
    """Each takes longer to import than a session to run; they are imported where they draw."""
    script = (
        "import sys, trading_assets.assets.metadata, trading_assets.assets.performance;"
        "assert not {'matplotlib', 'reportlab'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (84.0, 139.0, [80.0, 100.0, 120.0, 140.0]),
        (-0.2, 0.0, [-0.2, -0.15, -0.1, -0.05, 0.0]),
        (0.0, 0.0, [-0.01, -0.005, 0.0, 0.005, 0.01]),
        (-20.0, 100.0, [-25.0, 0.0, 25.0, 50.0, 75.0, 100.0]),
    ],
)
def test_value_ticks_are_round_and_enclose_the_values(
    low: float, high: float, ticks: list[float]
) -> None:
    """Worked by hand from steps of 1, 2, 2.5 and 5."""
    assert value_ticks(low, high) == pytest.approx(ticks)


def test_tick_decimals_are_as_few_as_needed() -> None:
    """100, 102.5 needs one; 0.0025 needs four."""
    assert decimals_for([100.0, 120.0]) == 0
    assert decimals_for([100.0, 102.5]) == 1
    assert decimals_for([0.0025]) == 4


@pytest.mark.parametrize("years", [1, 3, 10, 40, 120])
def test_date_ticks_are_few_and_within_the_span(years: int) -> None:
    """Any length of record has between two and nine labels."""
    first, last = dt.date(1990, 2, 14), dt.date(1990 + years, 2, 13)
    ticks = date_ticks(first, last)
    assert 2 <= len(ticks) <= 9
    assert all(first <= day <= last for day, _ in ticks)


@pytest.mark.parametrize("width", [358.0, 420.0, 770.0])
@pytest.mark.parametrize("days", [20, 69, 100, 365, 1200])
def test_dates_below_a_chart_stand_apart_on_a_phone_too(width: float, days: int) -> None:
    sessions = tuple(dt.date(2021, 1, 4) + dt.timedelta(days=at) for at in range(days))
    series = Series(sessions=sessions, portfolio=(100.0,) * days)
    svg = dashboard_svg(series, "Core", None, width=width)
    found = [
        (float(text.attrib["x"]), text.text)
        for text in drawn(svg).iter(f"{{{_SVG}}}text")
        if text.text and re.fullmatch(r"(\d+ )?[A-Z][a-z]{2}( \d{4})?|\d{4}", text.text)
    ]
    assert found
    # Each begins after the one before has ended.
    for (left, text), (right, _) in itertools.pairwise(found):
        assert right - left > stringWidth(text, "Helvetica", 6.2), (text, found)


def test_date_ticks_of_a_year_and_of_a_day() -> None:
    """Months of a year, the day of a single session."""
    year = date_ticks(dt.date(2023, 4, 14), dt.date(2024, 3, 28))
    assert [label for _, label in year][:2] == ["May 2023", "Jul 2023"]
    assert date_ticks(dt.date(2024, 3, 5), dt.date(2024, 3, 5)) == [(dt.date(2024, 3, 5), "5 Mar")]


@pytest.mark.parametrize(
    ("value", "signed", "text"),
    [
        (Decimal("1234567.891"), False, "1,234,567.89"),
        (-0.004, True, "0.00"),
        (Decimal("-0.00"), False, "0.00"),
        (12.0, True, "+12.00"),
        (-12.0, True, "\u221212.00"),
        (None, True, "n/a"),
        (float("inf"), False, "n/a"),
        (Decimal("NaN"), False, "n/a"),
    ],
)
def test_figures_are_written_with_two_decimals(
    value: Decimal | float | None, signed: bool, text: str
) -> None:
    """No negative zero, no plus on zero, undefined is said."""
    assert fixed(value, 2, signed=signed) == text


def test_percent_and_column_decimals() -> None:
    """0.12345 is 12.35% rounded; 1.50 needs one decimal, 1E+3 none."""
    assert percent(0.123456) == "12.35%"
    assert percent(float("nan")) == "n/a"
    assert decimals_of([Decimal("1.50"), Decimal("1E+3")], least=0, most=6) == 1
    assert decimals_of([], least=2, most=4) == 2
