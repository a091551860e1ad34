"""Minor units become major ones where they enter."""

from __future__ import annotations

from decimal import Decimal

import pytest

from trading_assets.model.currency import in_major_unit


@pytest.mark.parametrize(
    ("amount", "currency", "expected"),
    [
        ("2345.5", "GBX", ("23.455", "GBP")),
        ("2345.5", "GBp", ("23.455", "GBP")),
        ("0.0001", "ZAc", ("0.000001", "ZAR")),
        ("120", "ILA", ("1.2", "ILS")),
        ("23.455", "GBP", ("23.455", "GBP")),
        ("10", "USD", ("10", "USD")),
    ],
)
def test_pence_are_a_hundredth_of_a_pound(
    amount: str, currency: str, expected: tuple[str, str]
) -> None:
    assert in_major_unit(Decimal(amount), currency) == (Decimal(expected[0]), expected[1])
