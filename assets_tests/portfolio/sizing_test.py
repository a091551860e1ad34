"""Quantities, legs, rounding and bracket prices of a single instrument."""

from __future__ import annotations

from decimal import Decimal

import pytest

from trading_assets.model.order import Side
from trading_assets.model.policies import BracketPolicy, PlanningPolicy
from trading_assets.portfolio.sizing import (
    DraftOrder,
    Instrument,
    bracket_prices,
    draft_orders,
    target_quantity,
)

WHOLE = PlanningPolicy(fractional=False)
FRACTIONAL = PlanningPolicy(fractional=True, quantity_decimals=6)
CENT = Decimal("0.01")


def instrument(current: str, weight: str = "0.5", price: str | None = "100") -> Instrument:
    return Instrument(
        asset_id="ID-AAA",
        symbol="AAA",
        price=None if price is None else Decimal(price),
        price_session=None,
        unusable=None,
        deviation=None,
        current=Decimal(current),
        weight=Decimal(weight),
        contributions=(),
    )


def told(drafts: tuple[DraftOrder, ...]) -> list[tuple[str, int, Decimal, Decimal]]:
    return [(d.side.value, d.leg, d.planned_quantity, d.quantity) for d in drafts]


@pytest.mark.parametrize(
    ("weight", "investable", "price", "decimals", "expected"),
    [
        ("0.5", "10000", "30", 6, "166.666666"),
        ("0.5", "10000", "30", 0, "166"),
        ("-0.5", "10000", "30", 0, "-166"),
        ("0.5", "10000", "50", 0, "100"),
        ("0", "10000", "30", 6, "0"),
        ("0.5", "0", "30", 6, "0"),
        ("0.5", "-10", "30", 6, "0"),
    ],
)
def test_target_quantity_is_truncated_towards_zero(
    weight: str, investable: str, price: str, decimals: int, expected: str
) -> None:
    found = target_quantity(Decimal(weight), Decimal(investable), Decimal(price), decimals)
    assert found == Decimal(expected)


@pytest.mark.parametrize(
    ("current", "target", "planning", "expected"),
    [
        # opens, extends, reduces, closes
        ("0", "10.7", WHOLE, [("buy", 2, "10.7", "10")]),
        ("0", "10.7", FRACTIONAL, [("buy", 2, "10.7", "10.7")]),
        ("4", "10.7", WHOLE, [("buy", 2, "6.7", "6")]),
        ("10", "5.5", WHOLE, [("sell", 1, "4.5", "4")]),
        ("10", "5.5", FRACTIONAL, [("sell", 1, "4.5", "4.5")]),
        ("10.5", "0", WHOLE, [("sell", 1, "10.5", "10.5")]),
        ("10.123456789", "0", FRACTIONAL, [("sell", 1, "10.123456789", "10.123456789")]),
        ("10", "10", WHOLE, []),
        ("10", "10.4", WHOLE, [("buy", 2, "0.4", "0")]),
        # shorts are whole shares even where fractions may be held
        ("0", "-7.6", FRACTIONAL, [("sell", 2, "7.6", "7")]),
        ("-5", "-7.6", FRACTIONAL, [("sell", 2, "2.6", "2")]),
        ("-7", "-5.5", FRACTIONAL, [("buy", 1, "1.5", "1")]),
        ("-7", "0", FRACTIONAL, [("buy", 1, "7", "7")]),
        # a change of sign is two orders
        ("10.5", "-3.2", WHOLE, [("sell", 1, "10.5", "10.5"), ("sell", 2, "3.2", "3")]),
        ("-4", "2.5", FRACTIONAL, [("buy", 1, "4", "4"), ("buy", 2, "2.5", "2.5")]),
        ("-4", "2.5", WHOLE, [("buy", 1, "4", "4"), ("buy", 2, "2.5", "2")]),
    ],
)
def test_orders_from_current_to_target(
    current: str,
    target: str,
    planning: PlanningPolicy,
    expected: list[tuple[str, int, str, str]],
) -> None:
    found = told(draft_orders(instrument(current), Decimal(target), planning))
    assert found == [(side, leg, Decimal(p), Decimal(q)) for side, leg, p, q in expected]


def test_rounding_is_recorded_as_a_cut() -> None:
    (draft,) = draft_orders(instrument("0"), Decimal("10.7"), WHOLE)
    assert [(c.reason.value, c.quantity) for c in draft.cuts] == [("ROUNDED", Decimal("0.7"))]


def test_an_instrument_without_a_price_gives_an_order_of_nothing() -> None:
    drafts = draft_orders(instrument("0", "-0.5", None), Decimal(0), WHOLE)
    assert told(drafts) == [("sell", 2, Decimal(0), Decimal(0))]
    assert draft_orders(instrument("0", "0", None), Decimal(0), WHOLE) == ()


@pytest.mark.parametrize(
    ("side", "price", "tick", "expected"),
    [
        # take profit 10 %, stop 5 %
        (Side.BUY, "100", "0.01", ("110.00", "95.00")),
        (Side.SELL, "100", "0.01", ("90.00", "105.00")),
        (Side.BUY, "33.33", "0.01", ("36.66", "31.66")),  # 36.663 and 31.6635
        (Side.BUY, "33.33", "0.05", ("36.65", "31.65")),
        # ten per cent of five cents rounds to the price itself: a cent away is the least
        (Side.BUY, "0.05", "0.01", ("0.06", "0.04")),
        (Side.SELL, "0.05", "0.01", ("0.04", "0.06")),
        # a cent from 0.055 is no tick: the next tick further out
        (Side.BUY, "0.0550", "0.01", ("0.07", "0.04")),
    ],
)
def test_bracket_prices_stand_a_tick_away_on_the_right_side(
    side: Side, price: str, tick: str, expected: tuple[str, str]
) -> None:
    bracket = BracketPolicy(take_profit=Decimal("0.1"), stop_loss=Decimal("0.05"))
    found = bracket_prices(bracket, side, Decimal(price), Decimal(tick))
    assert found == (Decimal(expected[0]), Decimal(expected[1]))


def test_no_bracket_where_a_leg_would_not_be_positive() -> None:
    bracket = BracketPolicy(take_profit=Decimal("1.5"), stop_loss=Decimal("0.05"))
    assert bracket_prices(bracket, Side.SELL, Decimal(100), CENT) is None
    assert bracket_prices(bracket, Side.BUY, CENT, CENT) is None
