"""The reference market, where it is on this machine."""

from __future__ import annotations

import pytest

from assets_tests.golden.reference_market import PLACE_VARIABLE, Security, place, read_market


@pytest.fixture(scope="session")
def market() -> dict[str, Security]:
    folder = place()
    if folder is None:
        pytest.skip(
            "the reference market data is neither in ../shared/reference beside the repository "
            f"nor where {PLACE_VARIABLE} says"
        )
    return read_market(folder)
