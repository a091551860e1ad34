"""Interest on cash, borrowed cash and borrowed shares (assumption 16 of `engine/matching.py`)."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from assets_tests.engine.journal_test import assert_same, replayed
from assets_tests.engine.loop_test import random_market
from assets_tests.engine.scripted import Row, Scripted, bars, buy, market, rules, run, sell
from trading_assets.engine.loop import Engine, StrategySlot
from trading_assets.engine.price_panel import panel_of
from trading_assets.engine.results import BacktestResult
from trading_assets.engine.rules import BacktestRules
from trading_assets.engine.vectorised import backtest_weights
from trading_assets.errors import ConfigurationError
from trading_assets.model.cash_events import BorrowFee, DayCount, Interest
from trading_assets.strategies.base import open_long, open_short, target_weight

AT_50: Row = (50.0, 50.0, 50.0, 50.0)
HUNDRED_THOUSAND = {"initial_capital": 100_000}
RATES = {"credit_rate": "0.036", "debit_rate": "0.072", "borrow_rate": "0.072"}


def charged(engine: Engine) -> list[tuple[int, str, Decimal]]:
    """Place, what for, and amount of each charge."""
    return [
        (place, event.symbol if isinstance(event, BorrowFee) else "cash", event.amount)
        for place, event in engine.book.booked
        if isinstance(event, Interest | BorrowFee)
    ]


def test_16_nothing_is_charged_unless_the_rules_name_rates() -> None:
    engine = run([AT_50] * 4, {0: [buy(3000)]}, account=HUNDRED_THOUSAND)
    assert charged(engine) == []
    assert BacktestResult(engine).final_value == 100_000


def test_16_cash_bears_interest_for_the_calendar_days_since_the_last_close() -> None:
    """100,000 at 3.6 % are 10.00 a day of 360; then 10.001 a day, for three days: 30.00."""
    engine = run([AT_50, AT_50, None, None, AT_50], {}, account=HUNDRED_THOUSAND, financing=RATES)
    assert charged(engine) == [(1, "cash", Decimal("10.00")), (2, "cash", Decimal("30.00"))]
    result = BacktestResult(engine)
    assert result.final_value == Decimal("100040.00")
    assert (result.metrics()["interest"], result.metrics()["borrow_fees"]) == (40, 0)


def test_16_days_count_as_the_rules_say() -> None:
    """100,000 at 3.65 % are 10.00 a day of 365."""
    financing = {"credit_rate": "0.0365", "day_count": "actual/365"}
    engine = run([AT_50] * 2, {}, account=HUNDRED_THOUSAND, financing=financing)
    assert charged(engine) == [(1, "cash", Decimal("10.00"))]
    ((_, told),) = engine.book.booked
    assert isinstance(told, Interest)
    assert (told.balance, told.annual_rate, told.day_count) == (
        Decimal(100_000),
        Decimal("0.0365"),
        DayCount.ACTUAL_365,
    )


def test_16_borrowed_cash_costs_the_debit_rate() -> None:
    """3,000 shares at 50 are 150,000: 50,000 are borrowed, 7.2 % of them are 10.00 a day. What was
    free before the purchase bears interest for its own night."""
    engine = run([AT_50] * 3, {0: [buy(3000)]}, account=HUNDRED_THOUSAND, financing=RATES)
    assert charged(engine) == [(1, "cash", Decimal("10.00")), (2, "cash", Decimal("-10.00"))]


def test_16_a_short_costs_the_borrow_rate_of_its_value_at_the_last_close() -> None:
    """100 shares short at 50, worth 60 at the close: 7.2 % of 6,000 are 1.20 a day. The proceeds
    are cash: 105,010 at 3.6 % are 10.50."""
    rows: list[Row] = [AT_50, (50.0, 60.0, 50.0, 60.0), (60.0, 60.0, 60.0, 60.0)]
    engine = run(rows, {0: [sell(100)]}, account=HUNDRED_THOUSAND, financing=RATES)
    assert charged(engine) == [
        (1, "cash", Decimal("10.00")),
        (2, "cash", Decimal("10.50")),
        (2, "AAA", Decimal("1.20")),
    ]
    result = BacktestResult(engine)
    (aaa,) = [one for one in result.by_symbol if one.name == "AAA"]
    assert (aaa.income, aaa.pnl) == (Decimal("-1.20"), Decimal("-1001.20"))
    assert result.final_value == 100_000 - 1000 + Decimal("20.50") - Decimal("1.20")


def test_16_a_session_of_minutes_is_charged_once_at_its_first_bar() -> None:
    engine = run([AT_50] * 30, {}, account=HUNDRED_THOUSAND, minutes=60, financing=RATES)
    # 14:30 UTC on, every hour: nine bars of the first day.
    assert [place for place, *_ in charged(engine)] == [
        place
        for place in range(1, 30)
        if engine.market.sessions[place] != engine.market.sessions[place - 1]
    ]
    assert len(charged(engine)) > 0


def test_16_a_finer_account_is_charged_to_its_own_unit() -> None:
    """A second day's interest on 100,010 is 10.001."""
    account = HUNDRED_THOUSAND | {"money_decimals": 4}
    engine = run([AT_50] * 3, {}, account=account, financing=RATES)
    assert [amount for *_, amount in charged(engine)] == [Decimal("10.0000"), Decimal("10.0010")]
    assert engine.account.cash == 1_000_200_010


def test_nothing_is_charged_before_signals_count() -> None:
    engine = Engine(
        market(bars([AT_50] * 4)),
        [StrategySlot("s", Scripted({}))],
        rules(account=HUNDRED_THOUSAND, financing=RATES),
        first_place=2,
    )
    engine.run()
    assert charged(engine) == [(3, "cash", Decimal("10.00"))]


@pytest.mark.parametrize("seed", range(3))
def test_charges_are_among_the_events_and_the_result_adds_up(seed: int, tmp_path: Path) -> None:
    answers: dict[int, Any] = {
        place: [open_short("S0"), open_long("S1"), target_weight("S2", -0.1 * (place % 3))]
        for place in range(0, 60, 7)
    }
    engine = Engine(
        random_market(seed),
        [StrategySlot("one", Scripted(answers)), StrategySlot("two", Scripted(answers))],
        rules(commission={"bps": 3}, financing=RATES | {"debit_rate": "0.1"}),
        keep_orders=True,
    )
    engine.run()
    kinds = {name for _, name, _ in charged(engine)}
    assert {"cash", "S0"} <= kinds
    assert_same(engine, *replayed(engine, tmp_path))
    result = BacktestResult(engine)
    gained = result.final_value - result.initial_capital
    assert sum(one.pnl for one in result.by_symbol) == gained
    assert sum(one.pnl for one in result.by_strategy) == gained


def test_the_vectorised_path_refuses_rates() -> None:
    charging = BacktestRules.model_validate(
        {"financing": {"borrow_rate": "0.01"}, "matching": {"volume_cap": None}}
    )
    panel = panel_of(market(bars([AT_50] * 2)))
    with pytest.raises(ConfigurationError, match="financing is not followed"):
        backtest_weights(panel, [[0.5], [0.5]], charging)
