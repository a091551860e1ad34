"""The rules that one order, and a plan as a whole, must keep to."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from trading_assets.model.money import ZERO
from trading_assets.model.plan import PlanReason
from trading_assets.model.policies import LimitPolicy, MissingPricePolicy, PlanningPolicy
from trading_assets.portfolio.limits import (
    OrderRules,
    apply_order_rules,
    price_refusals,
    total_refusal,
)
from trading_assets.portfolio.sizing import DraftOrder, Instrument, draft_orders

WHOLE = PlanningPolicy(fractional=False)


def instrument(
    current: str = "0",
    *,
    symbol: str = "AAA",
    weight: str = "0.5",
    price: str | None = "100",
    unusable: PlanReason | None = None,
    deviation: str | None = None,
) -> Instrument:
    return Instrument(
        asset_id=symbol,
        symbol=symbol,
        price=None if price is None else Decimal(price),
        price_session=dt.date(2025, 2, 28),
        unusable=unusable,
        deviation=None if deviation is None else Decimal(deviation),
        current=Decimal(current),
        weight=Decimal(weight),
        contributions=(),
    )


def judge(
    held: Instrument,
    target: str,
    *,
    planning: PlanningPolicy = WHOLE,
    limits: LimitPolicy | None = None,
    band: str = "0",
) -> list[tuple[Decimal, list[tuple[str, Decimal]]]]:
    """(real quantity, cuts as (reason, quantity)) of each order from current to `target`."""
    rules = OrderRules(
        minimum=planning.min_order_notional,
        limits=limits or LimitPolicy(),
        band_value=Decimal(band),
        equity=Decimal(100000),
    )
    drafts = apply_order_rules(draft_orders(held, Decimal(target), planning), rules)
    return [(d.quantity, [(c.reason.value, c.quantity) for c in d.cuts]) for d in drafts]


def test_an_order_inside_all_limits_is_untouched() -> None:
    assert judge(instrument(), "10") == [(Decimal(10), [])]


def test_no_orders_are_judged_to_no_orders() -> None:
    assert judge(instrument("10"), "10") == []


def test_an_order_worth_exactly_the_minimum_stands_and_a_cent_less_does_not() -> None:
    planning = PlanningPolicy(fractional=False, min_order_notional=Decimal(500))
    assert judge(instrument(), "5", planning=planning) == [(Decimal(5), [])]
    assert judge(instrument(price="99.998"), "5", planning=planning) == [
        (ZERO, [("MIN_ORDER_NOTIONAL", Decimal(5))])
    ]


def test_an_order_worth_exactly_the_band_stands_and_a_cent_less_does_not() -> None:
    assert judge(instrument("20"), "15", band="500") == [(Decimal(5), [])]
    assert judge(instrument("20"), "15", band="500.01") == [(ZERO, [("NO_TRADE_BAND", Decimal(5))])]


def test_the_band_is_compared_with_what_was_wanted_before_rounding() -> None:
    """5.4 shares are 540, outside a band of 520, although the 5 that may be ordered are inside."""
    assert judge(instrument(), "5.4", band="520") == [(Decimal(5), [("ROUNDED", Decimal("0.4"))])]


def test_an_exit_is_never_inside_the_band() -> None:
    assert judge(instrument("5", weight="0"), "0", band="1000") == [(Decimal(5), [])]


def test_a_flip_inside_the_band_does_neither_leg() -> None:
    assert judge(instrument("2", weight="-0.5"), "-2", band="500") == [
        (ZERO, [("NO_TRADE_BAND", Decimal(2))]),
        (ZERO, [("NO_TRADE_BAND", Decimal(2))]),
    ]


def test_a_price_that_jumped_by_more_than_the_limit_drops_the_order() -> None:
    limits = LimitPolicy(max_price_deviation=Decimal("0.2"))
    assert judge(instrument(deviation="0.2"), "5", limits=limits) == [(Decimal(5), [])]
    assert judge(instrument(deviation="0.2001"), "5", limits=limits) == [
        (ZERO, [("PRICE_DEVIATION", Decimal(5))])
    ]
    assert judge(instrument(deviation=None), "5", limits=limits) == [(Decimal(5), [])]


def test_shares_and_notional_clip_one_after_the_other() -> None:
    """20 wanted; at most 15.5 shares, whole: 15; at most 1,250 at 100 is 12.5, whole: 12."""
    limits = LimitPolicy(max_order_shares=Decimal("15.5"), max_order_notional=Decimal(1250))
    assert judge(instrument(), "20", limits=limits) == [
        (
            Decimal(12),
            [("MAX_ORDER_SHARES", Decimal(5)), ("MAX_ORDER_NOTIONAL", Decimal(3))],
        )
    ]


def test_a_clip_keeps_the_fraction_where_fractions_may_be_ordered() -> None:
    planning = PlanningPolicy(fractional=True, quantity_decimals=2)
    limits = LimitPolicy(max_order_notional=Decimal(1250))
    assert judge(instrument(price="30"), "60", planning=planning, limits=limits) == [
        (Decimal("41.66"), [("MAX_ORDER_NOTIONAL", Decimal("18.34"))])
    ]


def test_a_clip_to_below_the_minimum_drops_the_rest_too() -> None:
    planning = PlanningPolicy(fractional=False, min_order_notional=Decimal(300))
    limits = LimitPolicy(max_order_shares=Decimal(2))
    assert judge(instrument(), "5", planning=planning, limits=limits) == [
        (ZERO, [("MAX_ORDER_SHARES", Decimal(3)), ("MIN_ORDER_NOTIONAL", Decimal(2))])
    ]


def test_a_flip_whose_closing_leg_is_clipped_does_not_open() -> None:
    limits = LimitPolicy(max_order_shares=Decimal(5))
    assert judge(instrument("8", weight="-0.5"), "-3", limits=limits) == [
        (Decimal(5), [("MAX_ORDER_SHARES", Decimal(3))]),
        (ZERO, [("FLIP_NOT_CLOSED", Decimal(3))]),
    ]


def test_a_flip_whose_closing_leg_is_dropped_does_not_open() -> None:
    """Half a share at 1.50 is below the minimum of 1: it cannot be closed, so nothing opens."""
    assert judge(instrument("0.5", price="1.50", weight="-0.5"), "-30") == [
        (ZERO, [("MIN_ORDER_NOTIONAL", Decimal("0.5"))]),
        (ZERO, [("FLIP_NOT_CLOSED", Decimal(30))]),
    ]


@pytest.mark.parametrize("reason", [PlanReason.STALE_PRICE, PlanReason.MISSING_PRICE])
def test_an_unusable_price_drops_the_order_whole(reason: PlanReason) -> None:
    assert judge(instrument(unusable=reason), "5") == [(ZERO, [(reason.value, Decimal(5))])]


def test_a_symbol_never_seen_in_prices_is_recorded_without_a_quantity() -> None:
    held = instrument(price=None, unusable=PlanReason.MISSING_PRICE)
    assert judge(held, "0") == [(ZERO, [("MISSING_PRICE", ZERO)])]


def test_price_refusals_name_the_symbols() -> None:
    instruments = [
        instrument(symbol="OLD", unusable=PlanReason.STALE_PRICE),
        instrument(symbol="NON", price=None, unusable=PlanReason.MISSING_PRICE),
        instrument(symbol="HLD", current="5", price=None, unusable=PlanReason.MISSING_PRICE),
        instrument(symbol="OFF", weight="0", price=None, unusable=PlanReason.MISSING_PRICE),
        instrument(symbol="FIN"),
    ]
    missing, stale = price_refusals(instruments, LimitPolicy())
    assert (missing.code, stale.code) == ("MISSING_PRICE", "STALE_PRICE")
    assert "NON, HLD." in missing.message
    assert "OLD." in stale.message
    hold = LimitPolicy(missing_price=MissingPricePolicy.HOLD)
    (unknown,) = price_refusals(instruments, hold)
    assert "no price for HLD." in unknown.message
    assert price_refusals(instruments[-1:], LimitPolicy()) == ()


def test_total_notional_may_reach_its_limit_but_not_pass_it() -> None:
    drafts: list[DraftOrder] = [
        *draft_orders(instrument("10"), Decimal(0), WHOLE),
        *draft_orders(instrument(symbol="BBB"), Decimal(5), WHOLE),
    ]
    assert total_refusal(drafts, LimitPolicy()) is None
    assert total_refusal(drafts, LimitPolicy(max_total_notional=Decimal(1500))) is None
    refusal = total_refusal(drafts, LimitPolicy(max_total_notional=Decimal("1499.99")))
    assert refusal is not None
    assert (refusal.code, refusal.actual, refusal.limit) == (
        "MAX_TOTAL_NOTIONAL",
        "1500",
        "1499.99",
    )
