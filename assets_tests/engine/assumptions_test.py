"""Every numbered assumption of the simulated exchange has a test of its number."""

from __future__ import annotations

import re
from pathlib import Path

from trading_assets.engine import matching

NUMBERED = re.compile(r"^ ?(\d+)\. ", re.MULTILINE)
TESTED = re.compile(r"^def test_(\d+)_", re.MULTILINE)


def test_every_numbered_assumption_has_a_test_of_its_number() -> None:
    numbers = [int(found) for found in NUMBERED.findall(matching.__doc__ or "")]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) >= 18
    tested = {
        int(found)
        for path in Path(__file__).parent.glob("*_test.py")
        for found in TESTED.findall(path.read_text(encoding="utf-8"))
    }
    assert tested == set(numbers)
