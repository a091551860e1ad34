"""The assumptions of the simulated exchange, by their numbers in `engine/matching.py`; then the
tables of time in force, order type and gap. Prices and fills are worked by hand."""

from __future__ import annotations

from typing import Any

import pytest

from assets_tests.engine.scripted import (
    Row,
    Scripted,
    Traded,
    bars,
    buy,
    fills,
    market,
    rules,
    run,
    sell,
    statuses,
    traded,
)
from trading_assets.engine.bars import bar_columns
from trading_assets.engine.loop import Engine, StrategySlot
from trading_assets.engine.timeframe import parse_timeframe
from trading_assets.model.corporate_actions import Split
from trading_assets.strategies.base import OrderIntent, Signal, close_long, open_long

# open, high, low, close: decided on the first, traded in the second.
SEEN: Row = (10.0, 10.5, 9.5, 10.0)
NEXT: Row = (11.0, 12.0, 8.0, 9.0)
AFTER: Row = (9.0, 9.5, 8.5, 9.0)


def test_1_an_order_trades_no_earlier_than_the_next_bar() -> None:
    """What peers get wrong: the open of the very bar whose close the strategy has seen is 10."""
    assert fills(run([SEEN, NEXT], {0: [buy()]})) == [traded(1, 100, "11.00")]


def test_1_an_order_of_the_last_bar_never_trades() -> None:
    engine = run([SEEN, NEXT], {1: [buy()]})
    assert fills(engine) == []
    assert statuses(engine) == ["accepted"]


def test_1_at_the_close_it_trades_with_the_bar_that_was_decided_on_and_only_if_asked_for() -> None:
    engine = run([SEEN, NEXT], {0: [buy()]}, matching={"fill_price": "close"})
    assert fills(engine) == [traded(0, 100, "10.00")]


@pytest.mark.parametrize(
    ("fill_price", "price"),
    [("next_open", "11.00"), ("next_close", "9.00"), ("next_vwap", "9.66666667")],
)
def test_2_a_market_order_trades_at_the_price_that_the_rules_name(
    fill_price: str, price: str
) -> None:
    """Without a volume-weighted price (12 + 8 + 9) / 3 stands in for it."""
    engine = run([SEEN, NEXT], {0: [buy()]}, matching={"fill_price": fill_price})
    assert fills(engine) == [traded(1, 100, price)]


def test_2_the_volume_weighted_price_is_the_source_s_where_it_has_one() -> None:
    columns = bar_columns(
        "AAA",
        [0, 86_400_000_000_000],
        [[10.0, 11.0], [10.5, 12.0], [9.5, 8.0], [10.0, 9.0]],
        vwap=[10.1, 10.4],
    )
    engine = Engine(
        market(columns),
        [StrategySlot("scripted", Scripted({0: [buy()]}))],
        rules(matching={"fill_price": "next_vwap"}),
    )
    engine.run()
    assert fills(engine) == [traded(1, 100, "10.40")]


def test_3_nothing_trades_where_there_is_no_bar_and_the_order_waits() -> None:
    other = bars([SEEN, SEEN, SEEN], symbol="BBB")
    gap = bars([SEEN, None, AFTER])
    engine = Engine(
        market(gap, other),
        [StrategySlot("scripted", Scripted({0: [buy()]}), ("AAA",))],
        rules(),
        keep_orders=True,
    )
    engine.run()
    assert fills(engine) == [traded(2, 100, "9.00")]


def test_3_a_day_order_does_not_outlive_a_session_without_a_bar() -> None:
    other = bars([SEEN, SEEN, SEEN], symbol="BBB")
    gap = bars([SEEN, None, AFTER])
    engine = Engine(
        market(gap, other),
        [StrategySlot("scripted", Scripted({0: [buy(time_in_force="day")]}), ("AAA",))],
        rules(),
        keep_orders=True,
    )
    engine.run()
    assert fills(engine) == []
    assert statuses(engine) == ["expired"]


def test_4_a_limit_that_the_open_meets_trades_at_the_better_open() -> None:
    engine = run([SEEN, NEXT], {0: [buy(order_type="limit", limit_price=11.5)]})
    assert fills(engine) == [traded(1, 100, "11.00")]


def test_4_a_limit_that_the_bar_touches_trades_at_its_limit_without_slippage() -> None:
    engine = run(
        [SEEN, NEXT], {0: [buy(order_type="limit", limit_price=8.0)]}, slippage={"bps": 100}
    )
    assert fills(engine) == [traded(1, 100, "8.00")]


def test_5_a_stop_that_the_open_is_beyond_trades_at_the_open() -> None:
    """The position was to be given up at 9.5; the next session opens at 9."""
    engine = run([SEEN, SEEN, AFTER], {0: [buy()], 1: [sell(order_type="stop", stop_price=9.5)]})
    assert fills(engine) == [traded(1, 100, "10.00"), traded(2, -100, "9.00")]


def test_5_a_stop_within_the_bar_trades_at_its_price_with_slippage() -> None:
    """1 % worse than 11.5 is 11.615."""
    engine = run(
        [SEEN, NEXT], {0: [buy(order_type="stop", stop_price=11.5)]}, slippage={"bps": 100}
    )
    assert fills(engine) == [traded(1, 100, "11.615")]


def test_6_a_stop_limit_beyond_its_stop_at_the_open_is_a_limit_order_from_there() -> None:
    """Stop 10.5, limit 10: the open of 11 is beyond the stop, and the bar falls to the limit."""
    order = buy(order_type="stop_limit", stop_price=10.5, limit_price=10.0)
    assert fills(run([SEEN, NEXT], {0: [order]})) == [traded(1, 100, "10.00")]


def test_6_touched_within_the_bar_it_trades_at_its_stop_if_the_limit_allows() -> None:
    order = buy(order_type="stop_limit", stop_price=11.5, limit_price=11.6)
    assert fills(run([SEEN, NEXT], {0: [order]})) == [traded(1, 100, "11.50")]


def test_6_otherwise_it_waits_for_the_next_bar_whatever_the_first_one_touched() -> None:
    """Stop 11.5, limit 9.2: that the bar also traded at 8 may have been before the stop."""
    order = buy(order_type="stop_limit", stop_price=11.5, limit_price=9.2)
    assert fills(run([SEEN, NEXT], {0: [order]})) == []
    assert fills(run([SEEN, NEXT, AFTER], {0: [order]})) == [traded(2, 100, "9.00")]


def test_7_the_legs_of_an_entry_at_the_open_work_in_that_bar() -> None:
    order = buy(order_type="bracket", take_profit_price=14.0, stop_loss_price=8.5)
    engine = run([SEEN, NEXT], {0: [order]})
    assert fills(engine) == [traded(1, 100, "11.00"), traded(1, -100, "8.50")]
    assert statuses(engine) == ["filled", "filled", "canceled"]


def test_7_the_legs_of_an_entry_within_the_bar_wait_for_the_next() -> None:
    """Bought at the limit of 10; that the bar had traded at 12 may have been before."""
    order = buy(order_type="bracket", limit_price=10.0, take_profit_price=11.5, stop_loss_price=8.2)
    rows: list[Row] = [SEEN, (11.0, 12.0, 8.0, 9.0), (11.7, 11.8, 11.0, 11.0)]
    assert fills(run(rows, {0: [order]})) == [traded(1, 100, "10.00"), traded(2, -100, "11.70")]


def test_7_a_close_beyond_a_leg_was_reached_after_the_entry() -> None:
    """Bought at 10 on the way down, closed at 9: the stop of 9.5 was passed in between."""
    order = buy(order_type="bracket", limit_price=10.0, take_profit_price=13.0, stop_loss_price=9.5)
    assert fills(run([SEEN, NEXT], {0: [order]})) == [
        traded(1, 100, "10.00"),
        traded(1, -100, "9.50"),
    ]


def test_8_where_a_bar_touches_both_legs_the_stop_traded() -> None:
    order = buy(order_type="bracket", take_profit_price=11.8, stop_loss_price=8.5)
    assert fills(run([SEEN, NEXT], {0: [order]}))[1] == traded(1, -100, "8.50")


def test_8_a_profit_at_the_open_comes_before_a_stop_within_the_bar() -> None:
    order = buy(order_type="bracket", take_profit_price=11.0, stop_loss_price=9.0)
    rows: list[Row] = [SEEN, SEEN, (11.5, 12.0, 8.0, 9.0)]
    assert fills(run(rows, {0: [order]})) == [traded(1, 100, "10.00"), traded(2, -100, "11.50")]


def test_9_of_orders_that_cancel_each_other_one_trades() -> None:
    pair = [
        sell(order_type="limit", limit_price=12.0, one_cancels_other="exit"),
        sell(order_type="stop", stop_price=8.5, one_cancels_other="exit"),
    ]
    engine = run([SEEN, SEEN, NEXT], {0: [buy()], 1: pair})
    assert fills(engine) == [traded(1, 100, "10.00"), traded(2, -100, "8.50")]
    assert statuses(engine) == ["filled", "canceled", "filled"]


def test_9_a_part_that_one_has_traded_is_no_longer_there_for_the_other() -> None:
    """60 of 100 go at the profit (10 % of 600); the stop of the next bar finds 40 left."""
    order = buy(order_type="bracket", take_profit_price=11.0, stop_loss_price=9.0)
    rows: list[Row] = [
        (*SEEN, 1e6),
        (*SEEN, 1e6),
        (10.5, 11.0, 10.2, 10.8, 600),
        (8.8, 8.9, 8.0, 8.5, 1e6),
    ]
    assert fills(run(rows, {0: [order]})) == [
        traded(1, 100, "10.00"),
        traded(2, -60, "11.00"),
        traded(3, -40, "8.80"),
    ]


def test_9_legs_follow_an_entry_that_fills_in_parts() -> None:
    """50 shares at each of two opens; the stop closes all 100."""
    order = buy(order_type="bracket", stop_loss_price=8.5)
    rows: list[Row] = [
        (*SEEN, 1e6),
        (10.0, 10.2, 9.8, 10.0, 500),
        (10.0, 10.2, 9.8, 10.0, 500),
        (8.0, 8.2, 7.8, 8.0, 1e6),
    ]
    assert fills(run(rows, {0: [order]})) == [
        traded(1, 50, "10.00"),
        traded(2, 50, "10.00"),
        traded(3, -100, "8.00"),
    ]


def test_9_a_name_of_a_group_serves_again_once_none_of_its_orders_works() -> None:
    """The first 10 are closed by a signal, which takes both exits back; then there are 20."""
    pairs = {
        shares: [
            sell(shares, order_type="limit", limit_price=12.0, one_cancels_other="exit"),
            sell(shares, order_type="stop", stop_price=8.5, one_cancels_other="exit"),
        ]
        for shares in (10, 20)
    }
    answers: dict[int, list[Any]] = {
        0: [buy(10)],
        1: pairs[10],
        2: [close_long("AAA")],
        3: [buy(20)],
        4: pairs[20],
    }
    rows: list[Row] = [SEEN, SEEN, SEEN, SEEN, SEEN, (12.5, 12.5, 12.5, 12.5)]
    assert fills(run(rows, answers)) == [
        traded(1, 10, "10.00"),
        traded(3, -10, "10.00"),
        traded(4, 20, "10.00"),
        traded(5, -20, "12.50"),
    ]


def test_9_what_an_entry_fills_after_a_leg_has_traded_is_protected_by_another() -> None:
    """50 of 90 are bought at the limit of 10 and sold at the profit of 11; the other 40 are bought
    later, and their profit is taken too."""
    order = buy(
        90,
        order_type="bracket",
        limit_price=10.0,
        take_profit_price=11.0,
        stop_loss_price=8.5,
    )
    rows: list[Row] = [
        (*SEEN, 1e6),
        (10.0, 10.2, 9.8, 10.0, 500),
        (10.5, 11.0, 10.2, 10.8, 1e6),
        (10.0, 10.2, 9.8, 10.0, 1e6),
        (10.5, 11.0, 10.2, 10.8, 1e6),
    ]
    engine = run(rows, {0: [order]})
    assert fills(engine) == [
        traded(1, 50, "10.00"),
        traded(2, -50, "11.00"),
        traded(3, 40, "10.00"),
        traded(4, -40, "11.00"),
    ]
    assert statuses(engine) == ["filled", "canceled", "filled", "filled"]


def test_10_a_day_order_of_minutes_works_to_the_end_of_its_session() -> None:
    """Bars of 390 minutes: the second is 21:00 UTC of the same day, the third the day after."""
    rows: list[Row] = [SEEN, SEEN, SEEN, SEEN, AFTER]
    order = buy(order_type="limit", limit_price=9.0, time_in_force="day")
    minute = parse_timeframe("6Hour")
    engine = run(rows, {0: [order]}, minutes=390, timeframe=minute)
    assert fills(engine) == []
    assert statuses(engine) == ["expired"]


def test_10_a_stop_is_not_sent_immediate_or_cancel() -> None:
    engine = run([SEEN, NEXT], {0: [buy(order_type="stop", stop_price=11, time_in_force="ioc")]})
    assert statuses(engine) == ["rejected"]
    assert engine.records is not None
    assert engine.records.orders[1].reason == "TIME_IN_FORCE_NOT_SUPPORTED"


@pytest.mark.parametrize(
    ("in_force", "reason"), [("ioc", "immediate or cancel"), ("fok", "fill or kill")]
)
def test_10_what_may_not_wait_is_canceled_for_that_reason(in_force: str, reason: str) -> None:
    engine = run([(*SEEN, 500), (*SEEN, 500)], {0: [buy(90, time_in_force=in_force)]})
    assert statuses(engine) == ["canceled"]
    assert engine.records is not None
    assert engine.records.orders[1].reason == reason


def test_11_all_orders_of_a_symbol_share_a_tenth_of_the_volume_in_their_sequence() -> None:
    rows: list[Row] = [(*SEEN, 1e6), (*SEEN, 1000), (*SEEN, 1000)]
    engine = run(rows, {0: [buy(70), buy(70)]})
    assert fills(engine) == [
        traded(1, 70, "10.00"),
        traded(1, 30, "10.00"),
        traded(2, 40, "10.00"),
    ]


def test_11_a_bar_without_volume_trades_nothing() -> None:
    rows: list[Row] = [(*SEEN, 1e6), (*SEEN, 0), (*AFTER, 1e6)]
    assert fills(run(rows, {0: [buy()]})) == [traded(2, 100, "9.00")]


def test_11_without_a_cap_all_of_it_trades() -> None:
    rows: list[Row] = [(*SEEN, 1e6), (*SEEN, 10)]
    engine = run(rows, {0: [buy()]}, matching={"volume_cap": None})
    assert fills(engine) == [traded(1, 100, "10.00")]


def test_12_slippage_never_leads_beyond_a_limit() -> None:
    """1 % worse than the open of 11 is 11.11, the limit 11.05."""
    engine = run(
        [SEEN, NEXT], {0: [buy(order_type="limit", limit_price=11.05)]}, slippage={"bps": 100}
    )
    assert fills(engine) == [traded(1, 100, "11.05")]


def test_12_slippage_grows_with_the_square_of_the_share_of_volume() -> None:
    """100 of 1,000 shares: 0.1 x 0.1² = 0.1 % of 10."""
    rows: list[Row] = [(*SEEN, 1e6), (*SEEN, 1000)]
    engine = run(rows, {0: [buy(), sell(50)]}, slippage={"volume_share_impact": "0.1"})
    assert fills(engine) == [traded(1, 100, "10.01")]


def test_12_who_sells_gets_less() -> None:
    engine = run([SEEN, NEXT], {0: [sell()]}, slippage={"bps": 10})
    assert fills(engine) == [traded(1, -100, "10.989")]


def test_13_a_minimum_is_charged_once_for_an_order_that_fills_in_parts() -> None:
    """0.005 a share, at least 1.00: 60 shares owe 0.30, all 300 owe 1.50."""
    rows: list[Row] = [(*SEEN, 1e6), (*SEEN, 600), (*SEEN, 1e6)]
    engine = run(rows, {0: [buy(300)]}, commission={"per_share": "0.005", "minimum": 1})
    assert fills(engine) == [traded(1, 60, "10.00", "1.00"), traded(2, 240, "10.00", "0.50")]


def test_13_makers_and_takers_pay_their_own_rates() -> None:
    """Bought 100 at 11 as a taker (2 bps of 1,100), sold 100 at 12 as a maker (1 bps)."""
    engine = run(
        [SEEN, NEXT, NEXT],
        {0: [buy()], 1: [sell(order_type="limit", limit_price=12.0)]},
        commission={"taker_bps": 2, "maker_bps": 1},
    )
    assert fills(engine) == [traded(1, 100, "11.00", "0.22"), traded(2, -100, "12.00", "0.12")]


def test_14_a_split_replaces_the_working_order_by_one_of_the_new_shares() -> None:
    """A stop at 9 for 100 shares is one at 4.5 for 200 after 2 for 1."""
    halved: Row = (5.0, 5.2, 4.4, 4.6)
    engine = Engine(
        market(bars([SEEN, SEEN, halved])),
        [
            StrategySlot(
                "scripted", Scripted({0: [buy()], 1: [sell(order_type="stop", stop_price=9.0)]})
            )
        ],
        rules(),
        actions=[
            Split(
                symbol="AAA",
                ex_date=market(bars([SEEN] * 3)).session_date(2),
                new_shares=2,
                old_shares=1,
            )
        ],
        keep_orders=True,
    )
    engine.run()
    assert fills(engine) == [traded(1, 100, "10.00"), traded(2, -200, "4.50")]
    assert statuses(engine) == ["filled", "canceled", "filled"]


def test_15_the_same_run_gives_the_same_fills() -> None:
    answers: dict[int, list[Signal | OrderIntent]] = {
        0: [open_long("AAA"), buy(order_type="limit", limit_price=9.0)],
        1: [sell(50)],
    }
    first, second = run([SEEN, NEXT, AFTER], answers), run([SEEN, NEXT, AFTER], answers)
    assert fills(first) == fills(second) != []


# Volume 500: 50 of the 100 ordered shares may trade in a bar.
THIN: list[Row] = [(*SEEN, 1e6), (10.0, 10.4, 9.6, 10.0, 500), (10.1, 10.3, 9.4, 9.9, 500)]
HALF_THEN_HALF = [traded(1, 50, "10.00"), traded(2, 50, "10.10")]


@pytest.mark.parametrize(
    ("time_in_force", "expected", "status"),
    [
        ("gtc", HALF_THEN_HALF, "filled"),
        ("day", [traded(1, 50, "10.00")], "expired"),
        ("ioc", [traded(1, 50, "10.00")], "canceled"),
        ("fok", [], "canceled"),
    ],
)
def test_what_the_volume_leaves_of_a_market_order_is_up_to_its_time_in_force(
    time_in_force: str, expected: list[Traded], status: str
) -> None:
    engine = run(THIN, {0: [buy(time_in_force=time_in_force)]})
    assert fills(engine) == expected
    assert statuses(engine) == [status]


@pytest.mark.parametrize(
    ("time_in_force", "expected", "status"),
    [
        ("gtc", [traded(1, 50, "9.70"), traded(2, 50, "9.70")], "filled"),
        ("day", [traded(1, 50, "9.70")], "expired"),
        # The open of 10 does not meet a limit of 9.70, and nothing else is immediate.
        ("ioc", [], "canceled"),
        ("fok", [], "canceled"),
    ],
)
def test_what_the_volume_leaves_of_a_limit_order_is_up_to_its_time_in_force(
    time_in_force: str, expected: list[Traded], status: str
) -> None:
    order = buy(order_type="limit", limit_price=9.7, time_in_force=time_in_force)
    engine = run(THIN, {0: [order]})
    assert fills(engine) == expected
    assert statuses(engine) == [status]


@pytest.mark.parametrize(
    ("time_in_force", "expected", "status"),
    [
        ("gtc", [traded(1, 50, "10.30"), traded(2, 50, "10.10")], "filled"),
        ("day", [traded(1, 50, "10.30")], "expired"),
    ],
)
def test_what_the_volume_leaves_of_a_stop_is_a_market_order(
    time_in_force: str, expected: list[Traded], status: str
) -> None:
    order = buy(order_type="stop", stop_price=10.3, time_in_force=time_in_force)
    engine = run(THIN, {0: [order]})
    assert fills(engine) == expected
    assert statuses(engine) == [status]


ORDERS: dict[str, dict[str, Any]] = {
    "market": {"order_type": "market"},
    "limit": {"order_type": "limit", "limit_price": 10.0},
    "stop": {"order_type": "stop", "stop_price": 10.0},
    "stop_limit": {"order_type": "stop_limit", "stop_price": 10.0, "limit_price": 10.2},
}
BARS: dict[str, Row] = {
    "gap up, stays": (12.0, 12.5, 11.5, 12.2),
    "gap up, falls through": (12.0, 12.5, 9.0, 9.5),
    "from below": (9.0, 11.0, 8.5, 10.5),
    "from above": (11.0, 11.5, 9.0, 9.5),
    "gap down, stays": (8.0, 8.5, 7.5, 8.2),
    "just touched": (9.5, 10.0, 9.0, 9.8),
}


@pytest.mark.parametrize(
    ("kind", "bar", "price"),
    [
        ("market", "gap up, stays", "12.00"),
        ("market", "gap down, stays", "8.00"),
        ("limit", "gap up, stays", None),
        ("limit", "gap up, falls through", "10.00"),
        ("limit", "from below", "9.00"),
        ("limit", "from above", "10.00"),
        ("limit", "gap down, stays", "8.00"),
        ("limit", "just touched", "9.50"),
        ("stop", "gap up, stays", "12.00"),
        ("stop", "gap up, falls through", "12.00"),
        ("stop", "from below", "10.00"),
        ("stop", "from above", "11.00"),
        ("stop", "gap down, stays", None),
        ("stop", "just touched", "10.00"),
        ("stop_limit", "gap up, stays", None),
        ("stop_limit", "gap up, falls through", "10.20"),
        ("stop_limit", "from below", "10.00"),
        ("stop_limit", "from above", "10.20"),
        ("stop_limit", "gap down, stays", None),
        ("stop_limit", "just touched", "10.00"),
    ],
)
def test_where_a_buy_at_10_trades_by_type_and_gap(kind: str, bar: str, price: str | None) -> None:
    found = fills(run([SEEN, BARS[bar]], {0: [buy(**ORDERS[kind])]}))
    assert found == ([] if price is None else [traded(1, 100, price)])


def mirrored(row: Row) -> Row:
    """The bar upside down around 10."""
    opened, high, low, close = (20.0 - price for price in row[:4])
    return (opened, low, high, close)


@pytest.mark.parametrize("kind", list(ORDERS))
@pytest.mark.parametrize("bar", list(BARS))
def test_a_sale_is_a_purchase_upside_down(kind: str, bar: str) -> None:
    bought = fills(run([SEEN, BARS[bar]], {0: [buy(**ORDERS[kind])]}))
    order = {
        name: 20.0 - price if name.endswith("price") else price
        for name, price in ORDERS[kind].items()
    }
    sold = fills(run([SEEN, mirrored(BARS[bar])], {0: [sell(**order)]}))
    assert [(one.shares, 20 - one.price) for one in sold] == [
        (-one.shares, one.price) for one in bought
    ]
