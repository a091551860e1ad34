"""Trades made at the broker outside any plan, as the graph meets them."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from assets_tests.assets.graph_home import (
    CALENDAR,
    FIRST,
    PORTFOLIO,
    SECOND,
    THIRD,
    GraphHome,
    failures,
)
from trading_assets.brokers.simulated import SimulatedBroker
from trading_assets.execution.session import SessionRunner
from trading_assets.model.events import SessionClosed
from trading_assets.model.instrument import Price, PriceSnapshot
from trading_assets.model.order import Side
from trading_assets.model.order_events import Fill, SessionPlanned
from trading_assets.model.plan import OrderPlan
from trading_assets.model.policies import CommissionPolicy, SimulationPolicy

TRADING = f"{PORTFOLIO}__trading_session"


@pytest.fixture
def home(tmp_path: Path) -> GraphHome:
    """A portfolio that never targets CCC, of which there are prices all the same."""
    home = GraphHome(tmp_path)
    home.write_signals({"2023-12-29": {"AAA": 0.6, "BBB": 0.4}})
    return home


def trade_by_hand(home: GraphHome, session: str, symbol: str, quantity: int) -> None:
    day = dt.date.fromisoformat(session)
    broker = SimulatedBroker(
        home.places.simulated_brokers / f"{PORTFOLIO}.sqlite",
        "by-hand",
        "USD",
        SimulationPolicy(),
        CommissionPolicy(),
    )
    price = Price(
        symbol=symbol,
        price=Decimal(20),
        currency="USD",
        session=day,
        age_sessions=0,
        source="by hand",
    )
    closes = PriceSnapshot(session=day, prices={symbol: price})
    broker.begin_session(day, CALENDAR.closes_at(day), closes)
    broker.place_by_hand(symbol, Side.BUY, Decimal(quantity))
    broker.close()


def fills(home: GraphHome, session: str, symbol: str) -> list[tuple[str, Decimal, bool]]:
    """(side, shares, foreign) of a symbol's fills."""
    return [
        (event.side.value, event.quantity, not event.client_order_id)
        for record in home.records()
        if isinstance(event := record.event, Fill)
        and record.session.isoformat() == session
        and event.symbol == symbol
    ]


def test_name_bought_by_hand_without_a_target_is_sold_in_the_next_session(home: GraphHome) -> None:
    first = home.run(FIRST)
    assert first.success, failures(first)
    trade_by_hand(home, FIRST, "CCC", 10)
    result = home.run(SECOND)
    assert result.success, failures(result)
    assert fills(home, SECOND, "CCC") == [("buy", Decimal(10), True), ("sell", Decimal(10), False)]
    (closed,) = [
        record.event
        for record in home.records()
        if isinstance(record.event, SessionClosed) and record.session.isoformat() == SECOND
    ]
    assert "CCC" not in closed.statement.positions
    book = home.records()
    assert home.run(SECOND).success
    assert home.records() == book
    assert home.run(THIRD).success
    assert home.checks("reconciliation", "unexplained_is_zero") == {
        FIRST: True,
        SECOND: True,
        THIRD: True,
    }


def test_name_bought_by_hand_while_a_plan_waits_is_in_the_plan_that_is_sent(
    home: GraphHome,
) -> None:
    first = home.run(FIRST)
    assert first.success, failures(first)
    assert home.run(SECOND, session_config={"stop_after_plan": True}).success
    trade_by_hand(home, FIRST, "CCC", 10)
    result = home.run(SECOND)
    assert result.success, failures(result)
    plans = [r.event.plan for r in home.records() if isinstance(r.event, SessionPlanned)]
    assert [[line.symbol for line in plan.lines] for plan in plans[1:]] == [
        ["AAA", "BBB"],
        ["AAA", "BBB", "CCC"],
    ]
    assert fills(home, SECOND, "CCC") == [("buy", Decimal(10), True), ("sell", Decimal(10), False)]


def test_sessions_closed_before_an_unforeseen_error_are_known(
    home: GraphHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    close = SessionRunner._close

    def fails_on_the_third(runner: SessionRunner, plan: OrderPlan, *rest: Any) -> None:
        if plan.session.isoformat() == THIRD:
            raise ZeroDivisionError
        close(runner, plan, *rest)

    monkeypatch.setattr(SessionRunner, "_close", fails_on_the_third)
    result = home.run(FIRST, THIRD)
    assert not result.success
    for asset in ("order_plan", "execution_log", "positions_eod"):
        assert home.materialized(asset) == [FIRST, SECOND]
