"""What stops a session before orders leave, what is kept then, and how it goes on."""

from __future__ import annotations

import datetime as dt
import errno
from pathlib import Path
from typing import Any

import pytest

from assets_tests.assets.graph_home import (
    FIRST,
    FOURTH,
    PORTFOLIO,
    SECOND,
    THIRD,
    GraphHome,
    failures,
    steps_started,
)
from trading_assets.brokers.simulated import SimulatedBroker

TRADING = f"{PORTFOLIO}__trading_session"
AFTER_TRADING = {"reconciliation", "pnl_daily", "strategy_pnl", "slippage", "risk_snapshot"}


@pytest.fixture
def home(tmp_path: Path) -> GraphHome:
    return GraphHome(tmp_path)


def events(home: GraphHome, session: str) -> list[str]:
    return [type(r.event).__name__ for r in home.records() if r.session.isoformat() == session]


def orders_at_broker(home: GraphHome) -> int:
    count: int = home.broker_rows("SELECT count(*) FROM orders")[0][0]
    return count


class LosesAnExecution(SimulatedBroker):
    """From the third session on, the broker's statement lacks its first execution."""

    def begin_session(self, session: dt.date, *rest: Any) -> None:
        if session.isoformat() == THIRD:
            self._database.execute("DELETE FROM executions WHERE place = 1")
            self._read()
        super().begin_session(session, *rest)


class FindsAShareAtTheClose(SimulatedBroker):
    """After the last order, and before its statement, the broker finds a share more."""

    def end_session(self) -> None:
        super().end_session()
        self._positions["AAA"] += 1


# The broker's statement


def test_execution_missing_at_the_broker_stops_the_next_session_before_it_is_planned(
    home: GraphHome,
) -> None:
    assert home.run(FIRST).success
    home.broker_rows("DELETE FROM executions WHERE place = 1")
    orders = orders_at_broker(home)
    result = home.run(SECOND)
    assert not result.success
    assert "OPENING_BREAK" in failures(result)[TRADING]
    assert home.checks("order_plan", "opening_book_equals_broker") == {FIRST: True, SECOND: False}
    assert SECOND not in home.checks("order_plan", "orders_may_be_sent")
    assert not steps_started(result) & AFTER_TRADING
    assert events(home, SECOND) == []
    assert orders_at_broker(home) == orders
    assert home.materialized("order_plan") == [FIRST]


def test_break_within_a_range_keeps_the_sessions_closed_before_it_and_runs_none_after_it(
    home: GraphHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trading_assets.resources.SimulatedBroker", LosesAnExecution)
    result = home.run(FIRST, FOURTH)
    assert not result.success
    assert THIRD in failures(result)[TRADING]
    assert home.closed_sessions() == [FIRST, SECOND]
    for asset in ("order_plan", "execution_log", "positions_eod"):
        assert home.materialized(asset) == [FIRST, SECOND]
    assert home.checks("order_plan", "opening_book_equals_broker") == {
        FIRST: True,
        SECOND: True,
        THIRD: False,
    }
    assert events(home, THIRD) == events(home, FOURTH) == []


def test_range_that_stops_while_the_disk_is_full_says_what_stopped_it_and_tells_of_no_files(
    home: GraphHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> object:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("trading_assets.resources.SimulatedBroker", LosesAnExecution)
    with monkeypatch.context() as disk:
        disk.setattr("trading_assets.assets.session_projections.order_plan_table", full)
        result = home.run(FIRST, FOURTH)
    assert not result.success
    assert "OPENING_BREAK" in failures(result)[TRADING]
    assert home.materialized("order_plan") == []
    assert home.closed_sessions() == [FIRST, SECOND]
    # What was recorded is shown by the next run, and not done again.
    orders = orders_at_broker(home)
    assert home.run(FIRST, SECOND).success
    assert home.materialized("positions_eod") == [FIRST, SECOND]
    assert orders_at_broker(home) == orders


def test_gap_that_nothing_explains_blocks_the_profit_and_loss(
    home: GraphHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trading_assets.resources.SimulatedBroker", FindsAShareAtTheClose)
    result = home.run(FIRST)
    assert not result.success
    assert home.checks("reconciliation", "unexplained_is_zero") == {FIRST: False}
    assert home.checks("reconciliation", "book_equals_broker") == {FIRST: False}
    assert home.materialized("reconciliation") == [FIRST]
    assert "pnl_daily" not in steps_started(result)
    assert home.materialized("pnl_daily") == []


# The plan's limits


def test_plan_above_the_total_limit_fails_its_check_and_sends_nothing(tmp_path: Path) -> None:
    home = GraphHome(tmp_path, limits={"max_total_notional": 50000})
    result = home.run(FIRST)
    assert not result.success
    assert home.checks("order_plan", "orders_may_be_sent") == {FIRST: False}
    assert home.materialized("order_plan") == [FIRST]
    assert home.materialized("execution_log") == home.materialized("positions_eod") == []
    assert not steps_started(result) & AFTER_TRADING
    assert orders_at_broker(home) == 0
    assert "OrderIntended" not in events(home, FIRST)


def test_range_whose_first_session_is_refused_shows_a_plan_for_that_session_alone(
    tmp_path: Path,
) -> None:
    home = GraphHome(tmp_path, limits={"max_total_notional": 50000})
    assert not home.run(FIRST, FOURTH).success
    assert home.materialized("order_plan") == [FIRST]
    assert home.checks("order_plan", "orders_may_be_sent") == {FIRST: False}


def test_range_refused_after_a_session_without_orders_keeps_that_session_only(
    tmp_path: Path,
) -> None:
    # From all AAA to all BBB on the third session trades twice what the first one did.
    home = GraphHome(tmp_path, limits={"max_total_notional": 150000})
    home.write_signals({"2023-12-29": {"AAA": 1}, SECOND: {"BBB": 1}})
    assert home.run(FIRST).success
    result = home.run(SECOND, FOURTH)
    assert not result.success
    assert f"{THIRD}: MAX_TOTAL_NOTIONAL" in failures(result)[TRADING]
    assert home.closed_sessions() == [FIRST, SECOND]
    assert home.materialized("order_plan") == [FIRST, SECOND, THIRD]
    assert home.materialized("positions_eod") == [FIRST, SECOND]


def test_refused_plan_is_sent_once_the_limit_allows_it(tmp_path: Path) -> None:
    home = GraphHome(tmp_path, limits={"max_total_notional": 50000})
    assert not home.run(FIRST).success
    home.write_portfolio(PORTFOLIO, limits={"max_total_notional": 500000})
    assert home.run(FIRST).success
    assert home.closed_sessions() == [FIRST]
    assert orders_at_broker(home) == 3


# Market data


def test_range_that_runs_into_missing_closes_keeps_the_sessions_before_them(
    home: GraphHome,
) -> None:
    home.write_prices(through=SECOND)
    result = home.run(FIRST, FOURTH)
    assert not result.success
    assert f"no price of {THIRD} is known" in failures(result)[TRADING]
    assert home.closed_sessions() == [FIRST, SECOND]
    assert home.materialized("positions_eod") == [FIRST, SECOND]
    home.write_prices()
    assert home.run(THIRD, FOURTH).success
    assert home.closed_sessions() == [FIRST, SECOND, THIRD, FOURTH]


# The halt switch


def test_halt_stops_orders_and_resuming_sends_what_was_planned(home: GraphHome) -> None:
    home.press("halt_trading")
    result = home.run(FIRST)
    assert not result.success
    assert home.checks("order_plan", "orders_may_be_sent") == {FIRST: False}
    assert home.materialized("execution_log") == []
    assert orders_at_broker(home) == 0
    planned = [record for record in home.records() if record.session.isoformat() == FIRST]
    home.press("resume_trading")
    assert home.run(FIRST).success
    assert home.records()[: len(planned)] == planned
    assert home.checks("order_plan", "orders_may_be_sent") == {FIRST: True}
    assert orders_at_broker(home) == 3


def test_halted_session_that_was_closed_before_can_be_shown_again(home: GraphHome) -> None:
    assert home.run(FIRST).success
    home.press("halt_trading")
    book = home.records()
    assert home.run(FIRST).success
    assert home.records() == book


# Plan now, send later


def test_run_that_stops_after_the_plan_sends_nothing_and_the_next_run_sends_that_plan(
    home: GraphHome,
) -> None:
    result = home.run(FIRST, session_config={"stop_after_plan": True})
    assert result.success, failures(result)
    assert home.materialized("order_plan") == [FIRST]
    assert home.materialized("execution_log") == home.materialized("pnl_daily") == []
    assert home.checks("execution_log", "each_order_sent_once_and_done") == {}
    assert orders_at_broker(home) == 0
    planned = home.records()
    assert [type(r.event).__name__ for r in planned] == ["CashFlow", "SessionPlanned"]
    assert home.run(FIRST).success
    assert home.records()[:2] == planned
    assert home.closed_sessions() == [FIRST]


def test_stopping_after_the_plan_is_refused_for_several_sessions(home: GraphHome) -> None:
    result = home.run(FIRST, SECOND, session_config={"stop_after_plan": True})
    assert not result.success
    assert "one session" in failures(result)[TRADING]
    assert not (home.places.books / f"{PORTFOLIO}.sqlite").exists()
