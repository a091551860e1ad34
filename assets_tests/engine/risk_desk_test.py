"""A risk policy in a backtest: sizes, refusals, stops and the circuit breaker, bar by bar."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from assets_tests.engine.scripted import (
    FIRST_DAY,
    Row,
    Scripted,
    bars,
    buy,
    fills,
    market,
    rules,
    run,
    statuses,
    traded,
)
from trading_assets.engine.clock import Frequency
from trading_assets.engine.loop import Engine, StrategySlot
from trading_assets.engine.results import BacktestResult
from trading_assets.engine.timeframe import Timeframe, parse_timeframe
from trading_assets.model.corporate_actions import Split
from trading_assets.model.market_events import SignalAction
from trading_assets.reporting.backtest_report import report_html
from trading_assets.risk.policies import BUILT_IN
from trading_assets.strategies.base import Answer, Signal, Strategy, TargetWeights

FLAT: list[Row] = [(100, 100, 100, 100)] * 6
TENTH = {"method": "equity_percent", "fraction": "0.10"}
UNBOUND = {"check_capital": False}


def opening(symbol: str = "AAA", **details: Any) -> Signal:
    return Signal(symbol, SignalAction.OPEN_LONG, **details)


def short(**details: Any) -> Signal:
    return Signal("AAA", SignalAction.OPEN_SHORT, **details)


def closing() -> Signal:
    return Signal("AAA", SignalAction.CLOSE_LONG)


def policy(**parts: Any) -> dict[str, Any]:
    return {"id": "tried", "sizing": TENTH, "limits": UNBOUND} | parts


def tried(
    rows: Sequence[Row],
    answers: dict[int, Any],
    matching: dict[str, Any] | None = None,
    **parts: Any,
) -> Engine:
    """A million of capital, no costs, market orders at the next open."""
    return run(rows, answers, risk=policy(**parts), matching=matching or {})


# Sizing


def test_the_policy_sizes_instead_of_the_position_size() -> None:
    # A tenth of 1,000,000 at 100.
    assert fills(tried(FLAT, {0: [opening()]})) == [traded(1, 1000, "100")]


def test_confidence_scales_the_policys_size() -> None:
    assert fills(tried(FLAT, {0: [opening(confidence=0.25)]})) == [traded(1, 250, "100")]


def test_a_quantity_of_the_signals_own_is_not_sized() -> None:
    assert fills(tried(FLAT, {0: [opening(quantity=7)]})) == [traded(1, 7, "100")]


def test_risk_per_trade_is_sized_by_the_signals_stop() -> None:
    # 1 % of 1,000,000 over 4 a share.
    sizing = {"method": "risk_per_trade", "fraction": "0.01"}
    found = tried(FLAT, {0: [opening(stop_loss_price=96.0)]}, sizing=sizing)
    assert fills(found) == [traded(1, 2500, "100")]


def test_risk_per_trade_is_sized_by_the_policys_stop_where_the_signal_has_none() -> None:
    sizing = {"method": "risk_per_trade", "fraction": "0.01"}
    stops = {"stop_loss": {"kind": "fixed", "distance": "0.05"}}
    found = tried(FLAT, {0: [opening()]}, sizing=sizing, stops=stops)
    assert fills(found) == [traded(1, 2000, "100")]


def test_what_cannot_be_sized_is_rejected_by_code() -> None:
    found = tried(FLAT, {0: [opening()]}, sizing={"method": "risk_per_trade", "fraction": "0.01"})
    assert (fills(found), statuses(found)) == ([], ["rejected"])
    assert found.desk.rejections == {"STOP_UNKNOWN": 1}


def test_average_true_range_is_that_of_the_bars_shown_so_far() -> None:
    # True ranges 4 and 2 with period 2: average 3. 1 % of 1,000,000 over 3 a share; the range of 50
    # that comes after the decision is not known.
    rows: list[Row] = [
        (100, 100, 100, 100),
        (100, 102, 98, 100),
        (100, 101, 99, 100),
        (100, 150, 100, 100),
        (100, 100, 100, 100),
    ]
    sizing = {"method": "atr_volatility", "fraction": "0.01", "period": 2}
    assert fills(tried(rows, {2: [opening()]}, sizing=sizing)) == [traded(3, 3333, "100")]
    early = tried(rows, {1: [opening()]}, sizing=sizing)
    assert early.desk.rejections == {"RANGE_UNKNOWN": 1}


def test_volatility_target_halves_what_is_twice_as_volatile() -> None:
    # Closes 100, 110, 99: returns 0.1 and -0.1, deviation 0.1414, a year 2.245: 0.1 / 2.245.
    rows: list[Row] = [(x, x, x, x) for x in (100.0, 110.0, 99.0, 100.0, 100.0)]
    sizing = {"method": "volatility_target", "annual_volatility": "0.1", "lookback_bars": 2}
    (found,) = fills(tried(rows, {2: [opening()]}, sizing=sizing))
    expected = int(1_000_000 * 0.1 / (np.sqrt(0.02) * np.sqrt(252)) / 99)
    assert found.shares == expected
    early = tried(rows, {1: [opening()]}, sizing=sizing)
    assert early.desk.rejections == {"VOLATILITY_UNKNOWN": 1}


def test_the_volatility_of_weekly_bars_is_that_of_52_a_year() -> None:
    rows: list[Row] = [(x, x, x, x) for x in (100.0, 110.0, 99.0, 100.0)]
    sizing = {"method": "volatility_target", "annual_volatility": "0.1", "lookback_bars": 2}
    weekly = run(
        rows,
        {2: [opening()]},
        timeframe=parse_timeframe("1Week"),
        minutes=7 * 24 * 60,
        risk={"id": "p", "sizing": sizing},
    )
    expected = int(1_000_000 * 0.1 / (np.sqrt(0.02) * np.sqrt(52)) / 99)
    assert [fill.shares for fill in fills(weekly)] == [expected]


def test_kelly_waits_for_trades_and_then_stakes_by_what_they_earned() -> None:
    rows: list[Row] = [(x, x, x, x) for x in (100.0, 100.0, 110.0, 100.0, 95.0, 100.0, 100.0)]
    sizing = {"method": "kelly", "min_trades": 2, "max_weight": 1, "fraction": 1}
    answers = {
        0: [opening(quantity=10)],  # 10 at 100, sold at 110: +100
        1: [closing()],
        2: [opening(quantity=10)],  # 10 at 100, sold at 95: -50
        3: [closing()],
        4: [opening()],
    }
    # Win rate 0.5, payoff 2: 0.5 - 0.5 / 2 = 0.25 of 1,000,050 at 95.
    assert fills(tried(rows, answers, sizing=sizing))[-1] == traded(5, 2631, "100")
    early = tried(rows, {4: [opening()]}, sizing=sizing)
    assert early.desk.rejections == {"EDGE_UNKNOWN": 1}


# Limits


def test_a_position_above_a_limit_is_refused_and_its_closing_never() -> None:
    limits = UNBOUND | {"max_position_value": "50000"}
    found = tried(FLAT, {0: [opening()]}, limits=limits)
    assert found.desk.rejections == {"POSITION_VALUE_LIMIT": 1}
    found = tried(FLAT, {0: [opening(quantity=500)], 2: [closing()]}, limits=limits)
    assert [one.shares for one in fills(found)] == [500, -500]


def test_orders_at_work_count_as_done() -> None:
    limits = UNBOUND | {"max_gross_leverage": "0.15"}
    found = tried(FLAT, {0: [buy(1000), buy(501), buy(500)]}, limits=limits)
    assert [one.shares for one in fills(found)] == [1000, 500]
    assert found.desk.rejections == {"GROSS_LEVERAGE_LIMIT": 1}


def test_an_order_of_what_has_no_price_yet_cannot_be_judged() -> None:
    engine = Engine(
        market(bars(FLAT), bars([None, None, *FLAT[2:]], "BBB")),
        [StrategySlot("s", Scripted({0: [buy(5, symbol="BBB")], 3: [buy(7, symbol="BBB")]}))],
        rules(risk=policy()),
    )
    engine.run()
    assert [one.shares for one in fills(engine)] == [7]
    assert engine.desk.rejections == {"NO_PRICE": 1}


def test_a_flip_is_judged_by_what_it_opens() -> None:
    limits = UNBOUND | {"max_concentration": "0.10"}
    found = tried(FLAT, {0: [opening()], 2: [short()]}, limits=limits)
    assert [one.shares for one in fills(found)] == [1000, -1000, -1000]


def test_orders_beyond_the_rate_of_a_minute_are_refused() -> None:
    rows: list[Row] = [(100, 100, 100, 100)] * 8
    limits = UNBOUND | {"max_orders_per_minute": 1}
    answers = {0: [buy(1), buy(2)], 1: [buy(3)]}
    found = run(rows, answers, minutes=1, timeframe=_minute(), risk=policy(limits=limits))
    assert [one.shares for one in fills(found)] == [1, 3]
    assert found.desk.rejections == {"RATE_LIMIT_GLOBAL": 1}


def _minute() -> Timeframe:
    return parse_timeframe("1Min")


def test_buying_power_of_a_margin_account_is_twice_its_excess() -> None:
    limits = {"check_capital": True}
    found = tried(FLAT, {0: [buy(20_000)]}, limits=limits, margin={})
    assert [one.shares for one in fills(found)] == [20_000]
    found = tried(FLAT, {0: [buy(20_001)]}, limits=limits, margin={})
    assert found.desk.rejections == {"INSUFFICIENT_CAPITAL": 1}
    found = tried(FLAT, {0: [buy(10_000)], 2: [buy(10_001)]}, limits=limits, margin={})
    assert found.desk.rejections == {"INSUFFICIENT_CAPITAL": 1}


class TwoNames(Strategy):
    """Half of equity in each of two names, on the first bar."""

    frequency = Frequency.BAR

    def generate_signals(self, snapshot: Any) -> Answer:
        return TargetWeights(np.array([0.5, 0.3])) if snapshot.place == 0 else None


def test_target_weights_are_held_to_the_limits_too() -> None:
    engine = Engine(
        market(bars(FLAT, "AAA"), bars(FLAT, "BBB")),
        [StrategySlot("two", TwoNames())],
        rules(risk=policy(limits=UNBOUND | {"max_concentration": "0.4"})),
    )
    engine.run()
    assert [one.shares for one in fills(engine)] == [3000]
    assert engine.desk.rejections == {"CONCENTRATION_LIMIT": 1}


# Stops


def test_a_fixed_stop_of_the_policy_closes_the_position() -> None:
    rows = [*FLAT[:3], (98, 98, 94, 96), (96, 96, 96, 96)]
    stops = {"stop_loss": {"kind": "fixed", "distance": "0.05"}}
    found = tried(rows, {0: [opening()]}, stops=stops)
    assert fills(found) == [traded(1, 1000, "100"), traded(3, -1000, "95")]


def test_18_a_trailing_stop_follows_the_high_water_mark_and_a_gap_fills_at_the_open() -> None:
    rows: list[Row] = [
        (100, 100, 100, 100),
        (100, 100, 100, 100),  # bought at 100: stop at 90
        (110, 120, 110, 115),  # high 120: stop at 108 from the next bar on
        (112, 112, 109, 110),  # low 109: not hit
        (105, 106, 104, 105),  # opens below 108: filled at the open
    ]
    stops = {"stop_loss": {"kind": "trailing", "distance": "0.10"}}
    found = tried(rows, {0: [opening()]}, stops=stops)
    assert fills(found) == [traded(1, 1000, "100"), traded(4, -1000, "105")]


def test_18_a_bar_is_judged_by_the_trailing_stop_before_it() -> None:
    rows: list[Row] = [
        (100, 100, 100, 100),
        (100, 100, 100, 100),
        (100, 130, 95, 120),  # 130 lifts the stop to 117, but 95 may have come first
        (120, 121, 116, 118),  # now it is hit
    ]
    stops = {"stop_loss": {"kind": "trailing", "distance": "0.10"}}
    found = tried(rows, {0: [opening()]}, stops=stops)
    assert fills(found) == [traded(1, 1000, "100"), traded(3, -1000, "117")]


def test_18_a_trailing_stop_of_a_short_follows_down() -> None:
    rows: list[Row] = [
        (100, 100, 100, 100),
        (100, 100, 100, 100),
        (90, 90, 80, 85),  # low 80: stop at 88
        (86, 89, 85, 88),
    ]
    stops = {"stop_loss": {"kind": "trailing", "distance": "0.10"}}
    found = tried(rows, {0: [short()]}, stops=stops)
    assert fills(found) == [traded(1, -1000, "100"), traded(3, 1000, "88")]


def test_18_of_a_bar_in_which_its_entry_filled_after_the_open_only_the_close_counts() -> None:
    rows: list[Row] = [
        (100, 100, 100, 100),
        (100, 130, 95, 110),  # bought at its close: 130 was before, the stop is at 99
        (110, 110, 100, 105),  # not hit: at 117 it would have been
        (105, 105, 98, 98),
    ]
    stops = {"stop_loss": {"kind": "trailing", "distance": "0.10"}}
    entry = opening(quantity=1000)
    found = tried(rows, {0: [entry]}, stops=stops, matching={"fill_price": "next_close"})
    assert fills(found) == [traded(1, 1000, "110"), traded(3, -1000, "99")]


def stopped_out(rows: Sequence[Row], sign: int, distance: float) -> tuple[int, float] | None:
    """Place and price at which a stop that trails a position entered at the open of the second bar
    is hit, bar by bar: judged first, then moved."""
    best = rows[0][3]
    stop = best * (1 - sign * distance)
    for place, (opened, high, low, *_) in enumerate(rows[1:], start=1):
        worst, reached = (low, high) if sign > 0 else (high, low)
        if sign * (opened - stop) <= 0:
            return place, opened
        if sign * (worst - stop) <= 0:
            return place, stop
        if place == 1 or sign * (reached - best) > 0:
            best = reached
            stop = max(stop * sign, best * (1 - sign * distance) * sign) * sign
    return None


@pytest.mark.parametrize("sign", [1, -1])
def test_18_over_random_bars_it_is_hit_where_bar_by_bar_it_would_be(sign: int) -> None:
    hit = 0
    for seed in range(40):
        random = np.random.default_rng(seed)
        closes = 100 * np.exp(np.cumsum(random.normal(0, 0.02, 60)))
        opens = closes * np.exp(random.normal(0, 0.01, 60))
        rows: list[Row] = [
            (o, max(o, c) * 1.004, min(o, c) * 0.996, c)
            for o, c in zip(opens.round(2).tolist(), closes.round(2).tolist(), strict=True)
        ]
        stops = {"stop_loss": {"kind": "trailing", "distance": "0.07"}}
        wish = opening(quantity=10) if sign > 0 else short(quantity=10)
        found = fills(tried(rows, {0: [wish]}, stops=stops))
        expected = stopped_out(rows, sign, 0.07)
        if expected is None:
            assert len(found) == 1
        else:
            hit += 1
            assert found[1].place == expected[0]
            assert float(found[1].price) == pytest.approx(expected[1], abs=2e-8)
    assert hit > 20


def test_a_trailing_stop_goes_on_in_the_shares_of_after_a_split() -> None:
    rows: list[Row] = [
        (100, 100, 100, 100),
        (100, 100, 100, 100),
        (110, 120, 110, 115),  # stop at 108
        (57, 60, 57, 58),  # two for one: stop at 54, best 60
        (60, 70, 60, 68),  # high 70: stop at 63
        (65, 65, 62, 64),
    ]
    stops = {"stop_loss": {"kind": "trailing", "distance": "0.10"}}
    engine = Engine(
        market(bars(rows)),
        [StrategySlot("scripted", Scripted({0: [opening()]}))],
        rules(risk=policy(stops=stops)),
        actions=[
            Split(symbol="AAA", ex_date=FIRST_DAY + dt.timedelta(3), new_shares=2, old_shares=1)
        ],
    )
    engine.run()
    assert fills(engine) == [traded(1, 1000, "100"), traded(5, -2000, "63")]


def test_the_signals_own_stop_comes_before_the_policys() -> None:
    rows = [*FLAT[:3], (98, 98, 94, 96), (96, 96, 96, 96)]
    stops = {"stop_loss": {"kind": "fixed", "distance": "0.05"}}
    found = tried(rows, {0: [opening(stop_loss_price=97.0)]}, stops=stops)
    assert fills(found)[-1] == traded(3, -1000, "97")


# The circuit breaker


def fallen(*closes: float) -> list[Row]:
    return [(x, x, x, x) for x in closes]


def test_after_a_drawdown_only_closing_orders_trade_and_the_reason_is_kept() -> None:
    # 5,000 shares: 500,000 of 1,000,000. At 80 equity is 900,000, 10 % below the highest.
    rows = fallen(100, 100, 100, 80, 80, 80, 80)
    answers: dict[int, Any] = {0: [buy(5000)], 3: [buy(1)], 4: [closing()]}
    found = tried(rows, answers, circuit_breaker={"max_drawdown": "0.10"})
    assert fills(found) == [traded(1, 5000, "100"), traded(5, -5000, "80")]
    assert found.desk.rejections == {"TRADING_HALTED": 1}
    assert found.desk.risk is not None
    (tripped,) = found.desk.risk.breakers
    assert tripped.trip is not None
    assert tripped.trip.detail == (
        "equity 900000 is 0.1 below the highest equity 1000000, limit 0.1"
    )
    result = BacktestResult(found)
    assert result.metrics()["halts"] == [f"2024-01-04: {tripped.trip.detail}"]
    assert f"2024-01-04: {tripped.trip.detail}" in report_html(result)


def test_orders_that_wait_to_open_are_canceled_when_it_trips() -> None:
    rows = fallen(100, 100, 100, 80, 60, 60)
    answers: dict[int, Any] = {0: [buy(5000), buy(10, order_type="limit", limit_price=70.0)]}
    found = tried(rows, answers, circuit_breaker={"max_drawdown": "0.10"})
    assert fills(found) == [traded(1, 5000, "100")]
    assert statuses(found) == ["filled", "canceled"]


def test_a_days_loss_ends_with_the_session_where_the_policy_says_so() -> None:
    # Each bar is a session. Down 5 % on the fourth, and level on the fifth.
    rows = fallen(100, 100, 100, 90, 90, 90)
    answers: dict[int, Any] = {0: [buy(5000)], 3: [buy(1)], 4: [buy(2)]}
    breaker = {"max_daily_loss": "0.05", "resume_next_session": True}
    found = tried(rows, answers, circuit_breaker=breaker)
    assert [one.shares for one in fills(found)] == [5000, 2]
    breaker["resume_next_session"] = False
    found = tried(rows, answers, circuit_breaker=breaker)
    assert [one.shares for one in fills(found)] == [5000]


def test_a_fall_between_two_signals_is_seen() -> None:
    # 120 makes 1,100,000; back at 100 it is 9.1 % below that, though nothing was lost in all.
    rows = fallen(100, 100, 120, 100, 100, 100)
    answers: dict[int, Any] = {0: [buy(5000)], 4: [buy(1)]}
    found = tried(rows, answers, circuit_breaker={"max_drawdown": "0.09"})
    assert found.desk.rejections == {"TRADING_HALTED": 1}
    limits = UNBOUND | {"max_drawdown": "0.09"}
    assert tried(rows, answers, limits=limits).desk.rejections == {"DRAWDOWN_LIMIT": 1}


# All of it


def test_the_built_in_policy_is_named() -> None:
    assert rules(risk="built_in").risk is BUILT_IN
    found = run(FLAT, {0: [opening()]}, risk="built_in")
    assert fills(found) == [traded(1, 1000, "100")]


def test_a_policy_that_never_binds_changes_nothing() -> None:
    rows = fallen(100, 101, 99, 102, 98, 103, 100)
    answers: dict[int, Any] = {0: [buy(100)], 2: [closing()], 3: [buy(50)]}
    loose = policy(
        limits=UNBOUND | {"max_gross_leverage": 9, "max_drawdown": "0.9"},
        circuit_breaker={"max_drawdown": "0.9", "max_daily_loss": "0.9"},
    )
    assert fills(run(rows, answers, risk=loose)) == fills(run(rows, answers))


def test_trailing_state_does_not_grow_with_the_number_of_trades() -> None:
    rows: list[Row] = [(100, 100, 100, 100)] * 802
    answers: dict[int, Any] = {}
    for place in range(0, 800, 4):
        answers[place], answers[place + 2] = [opening(quantity=1)], [closing()]
    stops = {"stop_loss": {"kind": "trailing", "distance": "0.10"}}
    found = tried(rows, answers, stops=stops)
    assert len(fills(found)) == 400
    assert found.desk.risk is not None
    assert len(found.desk.risk._trailing) < 80
