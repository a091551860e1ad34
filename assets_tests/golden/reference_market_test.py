"""The independent total returns, on histories short enough to work by hand."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from fractions import Fraction

import pytest

from assets_tests.golden.reference_market import (
    PLACE_VARIABLE,
    Bar,
    Security,
    place,
    total_return_at_the_close,
    total_return_of_adjusted_closes,
)

DAYS = [dt.date(2024, 1, day) for day in (8, 9, 10)]


def security(*closes: str) -> Security:
    bars = [Bar(day, Decimal(c), Decimal(c)) for day, c in zip(DAYS, closes, strict=True)]
    return Security("X", bars)


def test_without_actions_the_total_return_is_that_of_the_price() -> None:
    held = security("100", "105", "120")
    assert total_return_at_the_close(held, held.bars) == pytest.approx(1.2)
    assert total_return_of_adjusted_closes(held, held.bars) == pytest.approx(1.2)


def test_a_split_does_not_change_the_return() -> None:
    """One share at 100 becomes four at 30."""
    held = security("100", "25", "30")
    held.splits[DAYS[1]] = Fraction(4)
    assert total_return_at_the_close(held, held.bars) == pytest.approx(1.2)
    assert total_return_of_adjusted_closes(held, held.bars) == pytest.approx(1.2)


def test_a_dividend_is_reinvested_at_the_close_or_at_the_close_before_less_the_dividend() -> None:
    """10.00 at the close of 80 are 1/8 share: 1.125 x 96 / 100. At 100 - 10 they are 1/9."""
    held = security("100", "80", "96")
    held.dividends[DAYS[1]] = [Decimal(4), Decimal(6)]
    assert total_return_at_the_close(held, held.bars) == pytest.approx(1.08)
    assert total_return_of_adjusted_closes(held, held.bars) == pytest.approx(96 / 90)


def test_the_place_can_be_named(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setenv(PLACE_VARIABLE, str(tmp_path))
    assert place() is None
