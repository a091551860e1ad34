"""Whole plans, each with the numbers worked by hand. Prices are 100 unless said otherwise."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from assets_tests.portfolio.plan_scenarios import (
    FRACTIONAL,
    PLAN_PRICE_SESSION,
    cuts,
    filled,
    inputs,
    price,
    told,
)
from trading_assets.errors import InputError
from trading_assets.model.money import ONE, ZERO
from trading_assets.model.plan import OrderPlan
from trading_assets.model.policies import (
    BracketPolicy,
    CommissionPolicy,
    LimitPolicy,
    MissingPricePolicy,
    PlanningPolicy,
)
from trading_assets.portfolio.planning import make_plan

ORDER_FEE = CommissionPolicy(per_order=ONE)
HOLD = LimitPolicy(missing_price=MissingPricePolicy.HOLD)


def codes(plan: OrderPlan) -> list[str]:
    return [refusal.code for refusal in plan.refusals]


# Sizing


def test_first_purchases_come_from_equity() -> None:
    """10,000 x 0.5 / 50 = 100 and 10,000 x 0.3 / 40 = 75."""
    plan = make_plan(
        inputs(
            weights={"AAA": "0.5", "BBB": "0.3"}, prices={"AAA": "50", "BBB": "40"}, cash="10000"
        )
    )
    assert told(plan) == [("AAA", "buy", Decimal(100)), ("BBB", "buy", Decimal(75))]
    assert (plan.equity, plan.cash, plan.scale) == (Decimal(10000), Decimal(10000), ONE)
    assert plan.refusals == ()


def test_the_buffer_is_not_invested_and_rounding_is_recorded() -> None:
    """10,000 x 0.98 x 0.3 / 40 = 73.5: 73 ordered, 0.5 recorded."""
    plan = make_plan(
        inputs(
            weights={"BBB": "0.3"},
            prices={"BBB": "40"},
            cash="10000",
            planning=PlanningPolicy(fractional=False, cash_buffer=Decimal("0.02")),
        )
    )
    (order,) = plan.orders
    assert (order.planned_quantity, order.quantity) == (Decimal("73.5"), Decimal(73))
    assert cuts(order) == [("ROUNDED", Decimal("0.5"))]


def test_equity_is_cash_and_positions_and_names_without_target_are_sold() -> None:
    """Equity 5,000 + 30 x 100 + 10 x 200 = 10,000; OLD leaves, AAA goes from 30 to 50."""
    plan = make_plan(
        inputs(
            weights={"AAA": "0.5"},
            prices={"AAA": "100", "OLD": "200"},
            positions={"AAA": "30", "OLD": "10"},
            cash="5000",
            asset_ids={"OLD": "ID-OLD"},
        )
    )
    assert plan.equity == Decimal(10000)
    assert told(plan) == [("OLD", "sell", Decimal(10)), ("AAA", "buy", Decimal(20))]
    assert [(line.asset_id, line.real_target_quantity) for line in plan.lines] == [
        ("ID-AAA", Decimal(50)),
        ("ID-OLD", ZERO),
    ]


def test_a_held_name_that_nobody_mapped_is_its_own_asset_id() -> None:
    plan = make_plan(inputs(weights={}, prices={"OLD": "100"}, positions={"OLD": "1", "NIL": "0"}))
    assert [line.asset_id for line in plan.lines] == ["OLD"]


def test_orders_are_sized_net_of_their_own_commission() -> None:
    """1 for the order leaves 9,999 to invest: 99.99 shares of 100, and cash ends at 0."""
    book = inputs(
        weights={"AAA": "1"},
        prices={"AAA": "100"},
        cash="10000",
        planning=FRACTIONAL,
        commission=ORDER_FEE,
    )
    plan = make_plan(book)
    assert told(plan) == [("AAA", "buy", Decimal("99.99"))]
    assert plan.expected_fees == ONE
    assert filled(plan, {}, book.cash, ORDER_FEE) == ({"AAA": Decimal("99.99")}, ZERO)


def test_an_order_that_its_own_commission_makes_needless_is_not_given() -> None:
    """Equity 10,000, half of it 50 shares, 49 held. After the fee of 1 the target is 49.995."""
    book = inputs(
        weights={"AAA": "0.5"},
        prices={"AAA": "100"},
        positions={"AAA": "49"},
        cash="5100",
        commission=ORDER_FEE,
    )
    plan = make_plan(book)
    assert plan.real_orders == ()
    assert cuts(plan.orders[0]) == [("ROUNDED", ONE)]
    assert plan.expected_fees == ZERO
    free = make_plan(msgspec.structs.replace(book, commission=CommissionPolicy()))
    assert told(free) == [("AAA", "buy", ONE)]


def test_the_band_is_a_fraction_of_equity_net_of_commission() -> None:
    """Two orders cost 200, which leaves 9,800: AAA wants 980 - 485 = 495, outside 5 % = 490."""
    plan = make_plan(
        inputs(
            weights={"AAA": "0.1", "BBB": "0.5"},
            prices={"AAA": "1", "BBB": "1"},
            positions={"AAA": "485"},
            cash="9515",
            planning=PlanningPolicy(
                fractional=False, cash_buffer=ZERO, no_trade_band=Decimal("0.05")
            ),
            commission=CommissionPolicy(per_order=Decimal(100)),
        )
    )
    assert told(plan) == [("AAA", "buy", Decimal(495)), ("BBB", "buy", Decimal(4900))]


def test_commission_beyond_all_equity_buys_nothing() -> None:
    plan = make_plan(
        inputs(
            weights={"AAA": "1"},
            prices={"AAA": "1"},
            cash="50",
            commission=CommissionPolicy(per_order=Decimal(100)),
        )
    )
    assert plan.real_orders == ()
    assert plan.refusals == ()


def test_no_targets_and_no_positions_give_an_empty_plan() -> None:
    plan = make_plan(inputs(weights={}, prices={}, cash="10000"))
    assert (plan.orders, plan.lines, plan.refusals) == ((), (), ())
    assert plan.equity == Decimal(10000)
    assert plan.batch_id.startswith("20250303-")


def test_a_fractional_leftover_is_sold_as_held_where_only_whole_shares_are_ordered() -> None:
    plan = make_plan(
        inputs(
            weights={"AAA": "0"},
            prices={"AAA": "100", "BBB": "100"},
            positions={"AAA": "10.5", "BBB": "0.25"},
        )
    )
    assert told(plan) == [("AAA", "sell", Decimal("10.5")), ("BBB", "sell", Decimal("0.25"))]


# Prices that are not there


@pytest.mark.parametrize("limits", [LimitPolicy(), HOLD])
def test_a_held_name_without_a_price_refuses_the_plan_because_equity_is_unknown(
    limits: LimitPolicy,
) -> None:
    plan = make_plan(
        inputs(
            weights={"AAA": "1"},
            prices={"AAA": "100"},
            positions={"GONE": "5"},
            cash="1000",
            limits=limits,
        )
    )
    assert codes(plan) == ["MISSING_PRICE"]
    assert "GONE" in plan.refusals[0].message
    assert (plan.orders, plan.equity) == ((), ZERO)
    gone = plan.lines[1]
    assert (gone.price, gone.target_quantity, gone.real_target_quantity) == (
        None,
        Decimal(5),
        Decimal(5),
    )


def test_a_target_without_a_price_refuses_the_plan_and_what_was_planned_stays_visible() -> None:
    plan = make_plan(
        inputs(weights={"AAA": "0.5", "NEW": "0.5"}, prices={"AAA": "100"}, cash="1000")
    )
    assert codes(plan) == ["MISSING_PRICE"]
    assert plan.real_orders == ()
    ours, new = plan.orders
    assert (ours.planned_quantity, ours.quantity, ours.client_order_id) == (Decimal(5), ZERO, "")
    assert cuts(ours) == [("PLAN_REFUSED", Decimal(5))]
    assert cuts(new) == [("MISSING_PRICE", ZERO)]
    assert [line.real_target_quantity for line in plan.lines] == [ZERO, ZERO]
    assert plan.expected_fees == ZERO


def test_with_hold_a_target_without_a_price_is_left_out_and_the_rest_trades() -> None:
    plan = make_plan(
        inputs(
            weights={"AAA": "0.5", "NEW": "0.5"},
            prices={"AAA": "100"},
            cash="1000",
            limits=HOLD,
        )
    )
    assert plan.refusals == ()
    assert told(plan) == [("AAA", "buy", Decimal(5))]


def test_a_price_that_is_not_positive_is_no_price() -> None:
    plan = make_plan(inputs(weights={"AAA": "1"}, prices={"AAA": "0"}, cash="1000"))
    assert codes(plan) == ["MISSING_PRICE"]


def test_with_hold_a_stale_name_is_valued_and_kept_and_purchases_fit_the_cash_left() -> None:
    """Equity 500 + 10 x 100 = 1,500, so BBB wants 30 of 50; the cash of 500 buys 10."""
    book = inputs(
        weights={"BBB": "1"},
        prices={"AAA": price("AAA", "100", age=2), "BBB": "50"},
        positions={"AAA": "10"},
        cash="500",
        limits=HOLD.model_copy(update={"max_price_age_sessions": 1}),
    )
    plan = make_plan(book)
    assert plan.equity == Decimal(1500)
    assert told(plan) == [("BBB", "buy", Decimal(10))]
    assert cuts(plan.orders[0]) == [("STALE_PRICE", Decimal(10))]
    assert cuts(plan.orders[1]) == [("CASH_OVERFLOW", Decimal(20))]
    # Below 11/30 no eleventh share, from 11/30 on one too many.
    assert plan.scale == Decimal("0.366666")
    allowed = LimitPolicy(max_price_age_sessions=2)
    assert told(make_plan(msgspec.structs.replace(book, limits=allowed))) == [
        ("AAA", "sell", Decimal(10)),
        ("BBB", "buy", Decimal(30)),
    ]


def test_a_stale_price_refuses_the_plan_otherwise() -> None:
    plan = make_plan(
        inputs(weights={"AAA": "1"}, prices={"AAA": price("AAA", "100", age=1)}, cash="1000")
    )
    assert codes(plan) == ["STALE_PRICE"]
    assert "AAA" in plan.refusals[0].message


def test_a_price_that_jumped_drops_its_order_only() -> None:
    plan = make_plan(
        inputs(
            weights={"AAA": "0.5", "BBB": "0.5"},
            prices={"AAA": price("AAA", "100", reference="80"), "BBB": price("BBB", "100")},
            cash="1000",
            limits=LimitPolicy(max_price_deviation=Decimal("0.2")),
        )
    )
    assert told(plan) == [("BBB", "buy", Decimal(5))]
    assert cuts(plan.orders[0]) == [("PRICE_DEVIATION", Decimal(5))]


# Equity, shorts, flips


@pytest.mark.parametrize(
    ("cash", "positions", "equity"), [("0", {}, "0"), ("-1500", {"AAA": "10"}, "-500")]
)
def test_a_book_that_is_worth_nothing_is_not_planned(
    cash: str, positions: dict[str, str], equity: str
) -> None:
    plan = make_plan(
        inputs(weights={"AAA": "1"}, prices={"AAA": "100"}, positions=positions, cash=cash)
    )
    assert codes(plan) == ["NO_EQUITY"]
    assert (plan.orders, plan.equity) == ((), Decimal(equity))


def test_long_to_short_closes_first_and_opens_after() -> None:
    """Equity 1,000 + 10 x 100 = 2,000; minus half of it is 10 shares short."""
    plan = make_plan(
        inputs(weights={"AAA": "-0.5"}, prices={"AAA": "100"}, positions={"AAA": "10"}, cash="1000")
    )
    assert [(o.side.value, o.leg, o.position_effect.value, o.quantity) for o in plan.orders] == [
        ("sell", 1, "close", Decimal(10)),
        ("sell", 2, "open", Decimal(10)),
    ]
    assert plan.lines[0].real_target_quantity == Decimal(-10)


def test_short_to_long_closes_first_and_opens_after() -> None:
    """Equity 3,000 - 10 x 100 = 2,000: cover 10 with what the short brought in, buy 10."""
    plan = make_plan(
        inputs(weights={"AAA": "0.5"}, prices={"AAA": "100"}, positions={"AAA": "-10"}, cash="3000")
    )
    assert [(o.side.value, o.leg, o.quantity) for o in plan.orders] == [
        ("buy", 1, Decimal(10)),
        ("buy", 2, Decimal(10)),
    ]
    assert plan.scale == ONE


def test_a_flip_whose_closing_order_is_clipped_waits_for_the_next_session() -> None:
    plan = make_plan(
        inputs(
            weights={"AAA": "-0.5"},
            prices={"AAA": "100"},
            positions={"AAA": "10"},
            cash="1000",
            limits=LimitPolicy(max_order_shares=Decimal(5)),
        )
    )
    assert told(plan) == [("AAA", "sell", Decimal(5))]
    assert cuts(plan.orders[1]) == [
        ("MAX_ORDER_SHARES", Decimal(5)),
        ("FLIP_NOT_CLOSED", Decimal(5)),
    ]


def test_a_short_target_is_refused_where_shorts_are_not_allowed() -> None:
    plan = make_plan(
        inputs(
            weights={"AAA": "-0.5"},
            prices={"AAA": "100"},
            positions={"AAA": "10"},
            allow_short=False,
        )
    )
    assert codes(plan) == ["SHORT_NOT_ALLOWED"]
    assert "AAA" in plan.refusals[0].message
    assert plan.real_orders == ()


def test_a_short_is_covered_even_where_shorts_are_not_allowed() -> None:
    plan = make_plan(
        inputs(
            weights={},
            prices={"AAA": "100"},
            positions={"AAA": "-5"},
            cash="1000",
            allow_short=False,
        )
    )
    assert told(plan) == [("AAA", "buy", Decimal(5))]


def test_short_proceeds_do_not_pay_for_purchases_today_or_tomorrow() -> None:
    """130 wanted for 13,000, 3,000 of it from a short sale: only the 10,000 of cash count."""
    book = inputs(
        weights={"AAA": "1.3", "BBB": "-0.3"}, prices={"AAA": "100", "BBB": "100"}, cash="10000"
    )
    plan = make_plan(book)
    assert told(plan) == [("BBB", "sell", Decimal(30)), ("AAA", "buy", Decimal(100))]
    positions, cash = filled(plan, {}, book.cash, book.commission)
    assert cash == Decimal(3000)
    tomorrow = make_plan(msgspec.structs.replace(book, positions=positions, cash=cash))
    assert tomorrow.real_orders == ()


# Cash


def test_an_exact_fit_is_bought_in_full() -> None:
    plan = make_plan(
        inputs(
            weights={"AAA": "0.6", "BBB": "0.4"}, prices={"AAA": "100", "BBB": "50"}, cash="1000"
        )
    )
    assert told(plan) == [("AAA", "buy", Decimal(6)), ("BBB", "buy", Decimal(8))]
    assert plan.scale == ONE


def test_weights_above_one_are_scaled_to_the_cash_by_one_factor() -> None:
    """10,000 and 5,000 wanted, two thirds of it there.

    66.67 of AAA (reached at 0.6667) and 133.34 of BBB would cost 10,000.50. Just below, 66.66 cost
    6,666, and the other 3,334 buy 133.36.
    """
    plan = make_plan(
        inputs(
            weights={"AAA": "1", "BBB": "0.5"},
            prices={"AAA": "100", "BBB": "25"},
            cash="10000",
            planning=PlanningPolicy(fractional=True, quantity_decimals=2, cash_buffer=ZERO),
        )
    )
    assert plan.scale == Decimal("0.666699")
    assert told(plan) == [
        ("AAA", "buy", Decimal("66.66")),
        ("BBB", "buy", Decimal("133.36")),
    ]


def test_without_adjustment_too_little_cash_refuses_the_plan() -> None:
    """150 shares cost 15,000 of 10,000; the buffer is 0."""
    plan = make_plan(
        inputs(
            weights={"AAA": "1.5"},
            prices={"AAA": "100"},
            cash="10000",
            planning=PlanningPolicy(fractional=False, cash_buffer=ZERO, adjust_for_overflow=False),
        )
    )
    (refusal,) = plan.refusals
    assert (refusal.code, refusal.actual, refusal.limit) == ("CASH_BUFFER", "-5000", "0")
    assert cuts(plan.orders[0]) == [("PLAN_REFUSED", Decimal(150))]


def test_without_adjustment_what_rounding_kept_in_the_book_is_scaled_away_not_refused() -> None:
    """Of 1.5 AAA to sell 1 can be; its 100 buy 2 of 50 instead of 3."""
    plan = make_plan(
        inputs(
            weights={"AAA": "0.5", "BBB": "0.5"},
            prices={"AAA": "100", "BBB": "50"},
            positions={"AAA": "3"},
            planning=PlanningPolicy(fractional=False, cash_buffer=ZERO, adjust_for_overflow=False),
        )
    )
    assert plan.refusals == ()
    assert told(plan) == [("AAA", "sell", ONE), ("BBB", "buy", Decimal(2))]


def test_cents_of_rounding_trim_one_purchase_and_leave_the_scale_alone() -> None:
    """5 x 3.335 = 16.675 is booked as 16.68, so both together cost a cent more than 33.35."""
    plan = make_plan(
        inputs(
            weights={"AAA": "0.5", "BBB": "0.5"},
            prices={"AAA": "3.335", "BBB": "3.335"},
            cash="33.35",
        )
    )
    assert plan.scale == ONE
    assert told(plan) == [("AAA", "buy", Decimal(5)), ("BBB", "buy", Decimal(4))]
    assert cuts(plan.orders[1]) == [("CASH_OVERFLOW", ONE)]


def test_the_plan_may_trade_its_maximum_and_not_a_cent_more() -> None:
    book = inputs(
        weights={"AAA": "1"},
        prices={"AAA": "100"},
        cash="1000",
        limits=LimitPolicy(max_total_notional=Decimal(1000)),
    )
    assert told(make_plan(book)) == [("AAA", "buy", Decimal(10))]
    tighter = LimitPolicy(max_total_notional=Decimal("999.99"))
    plan = make_plan(msgspec.structs.replace(book, limits=tighter))
    assert codes(plan) == ["MAX_TOTAL_NOTIONAL"]
    assert plan.real_orders == ()


# Orders


def test_orders_are_sent_closing_first_and_sales_first() -> None:
    plan = make_plan(
        inputs(
            weights={"DDD": "0.1", "CCC": "-0.1", "BBB": "0.05"},
            prices=dict.fromkeys(("AAA", "BBB", "CCC", "DDD", "EEE"), "100"),
            positions={"AAA": "-10", "BBB": "20", "EEE": "10"},
            cash="8000",
        )
    )
    assert [(o.leg, o.side.value, o.symbol) for o in plan.real_orders] == [
        (1, "sell", "BBB"),
        (1, "sell", "EEE"),
        (1, "buy", "AAA"),
        (2, "sell", "CCC"),
        (2, "buy", "DDD"),
    ]


def test_whole_opening_orders_carry_brackets_and_no_others_do() -> None:
    plan = make_plan(
        inputs(
            weights={"FRC": "0.155", "LNG": "0.2", "SHT": "-0.2"},
            prices=dict.fromkeys(("FRC", "LNG", "OUT", "SHT"), "100"),
            positions={"OUT": "10"},
            cash="9000",
            planning=PlanningPolicy(
                fractional=True,
                cash_buffer=ZERO,
                bracket=BracketPolicy(take_profit=Decimal("0.1"), stop_loss=Decimal("0.05")),
            ),
        )
    )
    kinds = {
        o.symbol: (o.order_type.value, o.take_profit_price, o.stop_loss_price)
        for o in plan.real_orders
    }
    assert kinds == {
        "FRC": ("market", None, None),
        "LNG": ("bracket", Decimal(110), Decimal(95)),
        "OUT": ("market", None, None),
        "SHT": ("bracket", Decimal(90), Decimal(105)),
    }
    assert {o.time_in_force.value for o in plan.orders} == {"day"}


def test_lines_say_where_each_instrument_is_and_where_it_goes() -> None:
    """Target 0.5 x 4,500 / 100 = 22.5; 22 shares can be had."""
    plan = make_plan(
        inputs(weights={"AAA": "0.5"}, prices={"AAA": "100"}, positions={"AAA": "10"}, cash="3500")
    )
    (line,) = plan.lines
    assert line.asset_id == "ID-AAA"
    assert (line.price, line.price_session) == (Decimal(100), PLAN_PRICE_SESSION)
    assert line.current_quantity == Decimal(10)
    assert line.target_weight == Decimal("0.5")
    assert line.target_quantity == Decimal("22.5")
    assert line.real_target_quantity == Decimal(22)
    assert [part.strategy_id for part in line.contributions] == ["momentum"]


def test_two_targets_for_one_symbol_are_an_error() -> None:
    book = inputs(weights={"AAA": "0.5"}, prices={"AAA": "100"}, cash="1000")
    twice = msgspec.structs.replace(book.targets, weights=book.targets.weights * 2)
    with pytest.raises(InputError, match=r"AAA.*more than one target"):
        make_plan(msgspec.structs.replace(book, targets=twice))


def test_between_rebalances_orders_are_considered_and_none_is_sent() -> None:
    plan = make_plan(
        inputs(
            weights={"AAA": "0.5", "BBB": "0.5"},
            prices={"AAA": "100", "BBB": "50"},
            positions={"AAA": "8"},
            cash="200",
            rebalances=False,
        )
    )
    # Equity 1,000: AAA should fall from 8 to 5 shares, BBB rise to 10.
    assert [(o.symbol, o.planned_quantity, o.quantity) for o in plan.orders] == [
        ("AAA", Decimal(3), ZERO),
        ("BBB", Decimal(10), ZERO),
    ]
    assert cuts(plan.orders[0]) == [("BETWEEN_REBALANCES", Decimal(3))]
    assert (plan.real_orders, plan.expected_fees) == ((), ZERO)
    assert [line.real_target_quantity for line in plan.lines] == [Decimal(8), ZERO]
