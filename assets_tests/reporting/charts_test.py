"""PNG charts and the axis arithmetic behind the drawn ones."""

from __future__ import annotations

import datetime as dt
import math
import struct
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal

import pytest

from trading_assets.reporting.axes import date_ticks, decimals_for, value_ticks
from trading_assets.reporting.charts import drawdown_png, equity_png, weights_png
from trading_assets.reporting.monthly_content import Series
from trading_assets.reporting.number_format import decimals_of, fixed, percent

_DAYS = tuple(dt.date(2023, 7, 1) + dt.timedelta(days=at) for at in range(250))
_RISING = tuple(100.0 + at * 0.1 for at in range(250))
_WAVE = tuple(100.0 + 9 * math.sin(at / 20) for at in range(250))
_EQUITY = Series(sessions=_DAYS, portfolio=_RISING, benchmark=_WAVE)
_DRAWDOWN = Series(sessions=_DAYS, portfolio=tuple(-at % 40 / -200 for at in range(250)))
_WEIGHTS = [("AAPL", Decimal("0.4")), ("KO", Decimal("-0.1")), ("$X$", Decimal("0.2"))]


def size_of(png: bytes) -> tuple[int, int]:
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", png[16:24])
    return width, height


def test_charts_are_png_images_of_the_same_width() -> None:
    """They stand below each other in the user interface."""
    images = (
        equity_png(_EQUITY, "Core", "Index"),
        drawdown_png(_DRAWDOWN),
        weights_png(_WEIGHTS),
    )
    assert {size_of(image)[0] for image in images} == {770}


def test_same_data_gives_same_bytes_without_software_or_time_stamp() -> None:
    """The image itself is all that is in the file."""
    first, second = (equity_png(_EQUITY, "Core", "Index") for _ in range(2))
    assert first == second
    assert b"tEXt" not in first
    assert b"tIME" not in first


def test_other_data_gives_another_image() -> None:
    """The chart depends on its values, not only on its labels."""
    other = Series(sessions=_DAYS, portfolio=_WAVE, benchmark=_EQUITY.benchmark)
    assert equity_png(other, "Core", "Index") != equity_png(_EQUITY, "Core", "Index")


@pytest.mark.parametrize(
    "draw",
    [
        lambda: equity_png(Series(), "Core"),
        lambda: equity_png(Series(sessions=_DAYS[:2], portfolio=(None, None)), "Core"),
        lambda: equity_png(Series(sessions=_DAYS[:1], portfolio=(100.0,)), "Core $1 & <b>"),
        lambda: equity_png(Series(sessions=_DAYS[:3], portfolio=(100.0, None, -5.0)), "Core"),
        lambda: drawdown_png(Series()),
        lambda: weights_png([]),
    ],
    ids=["none", "undefined", "one", "gap", "no drawdown", "no weights"],
)
def test_little_data_still_gives_an_image(draw: Callable[[], bytes]) -> None:
    """An asset's metadata never fails for want of data."""
    assert size_of(draw())[1] > 100


def test_five_hundred_positions_stay_one_legible_image() -> None:
    """30 bars and one for the others."""
    tall = size_of(weights_png([(f"S{at}", Decimal(at) / 1000) for at in range(500)]))[1]
    assert tall == size_of(weights_png([(f"S{at}", Decimal(at) / 1000) for at in range(31)]))[1]


def test_drawing_leaves_pyplot_unloaded() -> None:
    """pyplot holds figures in a process-wide registry, which a long-lived worker would fill."""
    script = (
        "import sys;from trading_assets.reporting.charts import weights_png;"
        "weights_png([('A', 0.5)]);assert 'matplotlib.pyplot' not in sys.modules"
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
