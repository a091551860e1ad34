"""Alert rules, each at its edge."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from trading_assets.analytics.alerts import SessionFacts, session_alerts
from trading_assets.ledger.activity import BookClose
from trading_assets.ledger.orders import OrderState
from trading_assets.model.events import Mark
from trading_assets.model.order import (
    OrderRequest,
    OrderStatus,
    OrderType,
    PositionEffect,
    Side,
    TimeInForce,
)
from trading_assets.model.policies import AlertPolicy
from trading_assets.model.result import Gap, GapCause

D = Decimal
MONDAY, FRIDAY = dt.date(2024, 1, 8), dt.date(2024, 1, 5)
QUIET = AlertPolicy(unexplained_break=False, max_rejected_orders=None, max_mark_age_sessions=None)


def facts(**changed: Any) -> SessionFacts:
    """A book with one share of AAA marked at Monday's close, at its highest equity."""
    close = BookClose(
        session=MONDAY,
        positions={"AAA": D(1)},
        values={"AAA": D(50)},
        marks={"AAA": Mark(price=D(50), session=changed.pop("marked", MONDAY), source="test")},
        cash=D(40),
        equity=D(90),
        benchmark=None,
        peak_equity=changed.pop("peak", D(90)),
    )
    usual: dict[str, Any] = {
        "close": close,
        "orders": (),
        "unexplained": (),
        "mark_age": lambda marked: (MONDAY - marked).days // 3,
    }
    return SessionFacts(**(usual | changed))


def order(status: OrderStatus, code: str = "") -> OrderState:
    request = OrderRequest(
        client_order_id="a",
        symbol="AAA",
        side=Side.BUY,
        quantity=D(1),
        order_type=OrderType.MARKET,
        time_in_force=TimeInForce.DAY,
        position_effect=PositionEffect.OPEN,
    )
    return OrderState(
        request=request,
        session=MONDAY,
        batch_id="batch",
        leg=2,
        plan_price=D(50),
        status=status,
        reject_code=code,
    )


def codes(found: SessionFacts, policy: AlertPolicy) -> list[str]:
    return [alert.code.value for alert in session_alerts("alpha", found, policy)]


def test_a_book_where_all_is_well_raises_nothing() -> None:
    assert codes(facts(), AlertPolicy(max_drawdown=D("0.01"))) == []


def test_an_unexplained_break_is_always_heard_of_unless_switched_off() -> None:
    gap = Gap(
        view="book_vs_broker",
        symbol="AAA",
        cause=GapCause.UNEXPLAINED,
        quantity=D(1),
        amount=D(50),
        weight=D(0),
    )
    (alert,) = session_alerts("alpha", facts(unexplained=(gap,)), AlertPolicy())
    assert (alert.session, alert.subject) == (MONDAY, "AAA")
    assert alert.message.startswith(
        "book_vs_broker: 1 shares and 50 money of alpha that nothing explains. Compare"
    )
    assert codes(facts(unexplained=(gap,)), QUIET) == []


@pytest.mark.parametrize(("peak", "heard"), [(100, True), (99, False), (0, False)])
def test_a_drawdown_of_ten_percent(peak: int, heard: bool) -> None:
    policy = AlertPolicy(max_drawdown=D("0.10"))
    assert codes(facts(peak=D(peak)), policy) == (["DRAWDOWN"] if heard else [])


def test_more_rejected_orders_than_are_let_pass() -> None:
    rejected = order(OrderStatus.REJECTED, "INSUFFICIENT_CAPITAL")
    orders = (order(OrderStatus.FILLED), rejected)
    (alert,) = session_alerts("alpha", facts(orders=orders), AlertPolicy())
    assert alert.message.startswith(
        "1 of 2 orders were rejected, alert above 0: AAA (INSUFFICIENT_CAPITAL)."
    )
    assert codes(facts(orders=orders), AlertPolicy(max_rejected_orders=1)) == []


def test_a_position_valued_at_an_older_close() -> None:
    (alert,) = session_alerts("alpha", facts(marked=FRIDAY), AlertPolicy())
    assert (alert.code.value, alert.subject) == ("STALE_PRICE", "AAA")
    assert "valued at 50 of 2024-01-05, 1 sessions old, alert above 0" in alert.message
    assert codes(facts(marked=FRIDAY), AlertPolicy(max_mark_age_sessions=1)) == []
