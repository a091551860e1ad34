"""A whole book against the limits."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from trading_assets.risk.book_limits import BookMeasures, breaches
from trading_assets.risk.policies import RiskLimits

D = Decimal


def book(**changed: Any) -> BookMeasures:
    usual: dict[str, Any] = {
        "equity": D(1_000),
        "gross": D(1_300),
        "net": D(-500),
        "largest_symbol": "BBB",
        "largest_weight": -0.6,
        "drawdown": -0.2,
        "sector_weights": {"energy": 0.8},
    }
    return BookMeasures(**(usual | changed))


@pytest.mark.parametrize(
    ("limit", "at", "below", "message"),
    [
        ("max_total_exposure", "1300", "1299", "exposure 1300.0000, limit 1299"),
        ("max_gross_leverage", "1.3", "1.29", "gross leverage 1.3000, limit 1.29"),
        ("max_net_leverage", "0.5", "0.49", "net leverage 0.5000, limit 0.49"),
        ("max_concentration", "0.6", "0.59", "BBB 0.6000, limit 0.59"),
        ("max_drawdown", "0.2", "0.19", "drawdown 0.2000, limit 0.19"),
        ("max_sector_weight", "0.8", "0.79", "energy 0.8000, limit 0.79"),
    ],
)
def test_a_book_at_a_limit_is_within_it_and_beyond_it_is_not(
    limit: str, at: str, below: str, message: str
) -> None:
    def limits(value: str) -> RiskLimits:
        return RiskLimits.model_validate({limit: value, "sectors": {"BBB": "energy"}})

    assert breaches(book(), limits(at)) == ()
    (found,) = breaches(book(), limits(below))
    assert found.message.endswith(message)


def test_every_breach_is_named() -> None:
    found = breaches(book(), RiskLimits(max_gross_leverage=D(1), max_concentration=D("0.5")))
    assert [one.code.value for one in found] == ["GROSS_LEVERAGE_LIMIT", "CONCENTRATION_LIMIT"]


def test_a_book_without_equity_is_beyond_everything_once() -> None:
    (found,) = breaches(book(equity=D(0)), RiskLimits(max_gross_leverage=D(1)))
    assert found.code.value == "NO_EQUITY"
    assert breaches(book(equity=D(0), gross=D(0)), RiskLimits()) == ()
