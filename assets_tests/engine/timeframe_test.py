"""Timeframes: which exist, and which bars can be made of which."""

from __future__ import annotations

import pytest

from trading_assets.engine.timeframe import parse_timeframe
from trading_assets.errors import ConfigurationError


@pytest.mark.parametrize(
    "text", ["1Min", "59Min", "1Hour", "23Hour", "1Day", "1Week", "1Month", "3Month", "12Month"]
)
def test_a_timeframe_is_spelled_as_it_was_read(text: str) -> None:
    assert str(parse_timeframe(text)) == text


@pytest.mark.parametrize("text", ["", "0Min", "60Min", "24Hour", "2Day", "5Month", "1min", "Min"])
def test_what_is_no_timeframe_is_refused_with_those_that_are(text: str) -> None:
    with pytest.raises(ConfigurationError, match="1Min to 59Min"):
        parse_timeframe(text)


@pytest.mark.parametrize(
    ("small", "large", "divides"),
    [
        ("1Min", "5Min", True),
        ("5Min", "7Min", False),
        ("15Min", "1Hour", True),
        ("1Min", "1Day", True),
        ("1Hour", "1Month", True),
        ("1Day", "1Week", True),
        ("1Day", "1Month", True),
        ("1Week", "1Month", False),
        ("1Month", "3Month", True),
        ("1Hour", "1Min", False),
        ("1Day", "1Hour", False),
    ],
)
def test_bars_are_made_of_whole_smaller_ones(small: str, large: str, divides: bool) -> None:
    assert parse_timeframe(small).divides(parse_timeframe(large)) is divides
