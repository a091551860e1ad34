"""The book's orders: from intent to the last fill, and what must never happen to one."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from trading_assets.errors import LedgerError, OrderTransitionError
from trading_assets.ledger.orders import OrderBook, OrderState
from trading_assets.model.events import AnyEvent
from trading_assets.model.order import (
    OrderRequest,
    OrderStatus,
    OrderType,
    PositionEffect,
    Side,
    TimeInForce,
)
from trading_assets.model.order_events import (
    Fill,
    OrderAccepted,
    OrderCanceled,
    OrderExpired,
    OrderIntended,
    OrderOutcomeUnknown,
    OrderRejected,
    OrderSubmitted,
)

MONDAY = dt.date(2024, 1, 8)
TUESDAY = dt.date(2024, 1, 9)


def intended(name: str = "A", quantity: str = "10") -> OrderIntended:
    return OrderIntended(
        request=OrderRequest(
            client_order_id=name,
            symbol="SPY",
            side=Side.SELL,
            quantity=Decimal(quantity),
            order_type=OrderType.MARKET,
            time_in_force=TimeInForce.DAY,
            position_effect=PositionEffect.CLOSE,
        ),
        batch_id="b1",
        leg=1,
        plan_price=Decimal("50"),
    )


def fill(
    quantity: str, price: str = "50", name: str = "A", side: Side = Side.SELL, symbol: str = "SPY"
) -> Fill:
    return Fill(
        execution_id=f"x-{name}-{quantity}-{price}",
        client_order_id=name,
        symbol=symbol,
        side=side,
        quantity=Decimal(quantity),
        price=Decimal(price),
        commission=Decimal("0.10"),
        currency="USD",
        executed_at=dt.datetime(2024, 1, 8, 17, tzinfo=dt.UTC),
    )


SUBMITTED = OrderSubmitted(client_order_id="A", attempt=1)
ACCEPTED = OrderAccepted(client_order_id="A", broker_order_id="77")
REJECTED = OrderRejected(client_order_id="A", code="BUYING_POWER", reason="not enough")
CANCELED = OrderCanceled(client_order_id="A", reason="halted")
EXPIRED = OrderExpired(client_order_id="A")
UNKNOWN = OrderOutcomeUnknown(client_order_id="A", error="timeout")
WORKING = (intended(), SUBMITTED, ACCEPTED)


def book(*events: AnyEvent) -> OrderBook:
    orders = OrderBook()
    for event in events:
        orders.apply_event(MONDAY, event)
    return orders


def order(*events: AnyEvent) -> OrderState:
    (state,) = book(*events).of_session(MONDAY)
    return state


def test_partial_fills_add_up_to_a_filled_order() -> None:
    """4 @ 50.005 is 200.02, 6 @ 50.10 is 300.60."""
    state = order(*WORKING, fill("4", "50.005"), fill("6", "50.10"))
    assert state.status is OrderStatus.FILLED
    assert state.filled_quantity == 10
    assert state.signed_filled_quantity == -10
    assert state.filled_notional == Decimal("500.62")
    assert state.average_price == Decimal("50.062")
    assert state.commission == Decimal("0.20")
    assert state.broker_order_id == "77"
    assert not state.is_open


def test_an_order_filled_in_part_and_expired_keeps_its_fill_and_its_rest() -> None:
    state = order(*WORKING, fill("4"), EXPIRED)
    assert state.status is OrderStatus.EXPIRED
    assert state.filled_quantity == 4
    assert state.remaining_quantity == 6


def test_rejection_keeps_code_and_reason() -> None:
    state = order(intended(), SUBMITTED, REJECTED)
    assert (state.status, state.reject_code) == (OrderStatus.REJECTED, "BUYING_POWER")
    assert state.reason == "not enough"
    assert state.average_price is None


def test_lost_and_sent_again_counts_two_attempts() -> None:
    again = OrderSubmitted(client_order_id="A", attempt=2)
    state = order(intended(), SUBMITTED, UNKNOWN, again, ACCEPTED)
    assert (state.status, state.attempts) == (OrderStatus.ACCEPTED, 2)


def test_an_order_of_unknown_outcome_is_open() -> None:
    state = order(intended(), SUBMITTED, UNKNOWN)
    assert (state.status, state.is_open) == (OrderStatus.UNKNOWN, True)


def test_a_fill_that_crosses_its_cancel_is_booked() -> None:
    state = order(*WORKING, CANCELED, fill("4"))
    assert state.status is OrderStatus.CANCELED
    assert state.filled_quantity == 4
    assert order(*WORKING, CANCELED, fill("10")).status is OrderStatus.FILLED


def test_a_fill_beyond_the_ordered_quantity_is_refused_and_changes_nothing() -> None:
    orders = book(*WORKING, fill("7"))
    with pytest.raises(LedgerError, match="to 11 shares, 10 were ordered"):
        orders.apply_event(MONDAY, fill("4"))
    assert orders.of_session(MONDAY) == (order(*WORKING, fill("7")),)
    assert len(orders.fills(MONDAY)) == 1


@pytest.mark.parametrize("wrong", [fill("1", side=Side.BUY), fill("1", symbol="IWM")])
def test_a_fill_that_does_not_match_its_order_is_refused(wrong: Fill) -> None:
    with pytest.raises(LedgerError, match="its order A is sell SPY"):
        book(*WORKING, wrong)


def test_a_fill_of_an_order_never_intended_is_refused() -> None:
    with pytest.raises(LedgerError, match="never intended"):
        book(fill("1"))


@pytest.mark.parametrize("event", [ACCEPTED, REJECTED, EXPIRED, UNKNOWN, fill("1")])
def test_nothing_comes_back_for_an_order_that_was_not_sent(event: AnyEvent) -> None:
    with pytest.raises(OrderTransitionError, match="order A is new"):
        book(intended(), event)


def test_one_identity_is_intended_once() -> None:
    with pytest.raises(LedgerError, match="intended already"):
        book(intended(), intended())


def test_a_foreign_fill_is_kept_and_moves_no_order() -> None:
    foreign = fill("3", name="", side=Side.BUY, symbol="GME")
    orders = book(*WORKING, fill("4"), foreign)
    assert orders.fills(MONDAY) == (fill("4"), foreign)
    assert orders.fills(TUESDAY) == ()
    assert [o.filled_quantity for o in orders.of_session(MONDAY)] == [4]


def test_forgetting_drops_what_is_done_and_keeps_what_is_open() -> None:
    orders = book(*WORKING, fill("10"), intended("B"))
    orders.apply_event(TUESDAY, intended("C"))
    orders.forget_before(TUESDAY)
    assert orders.fills(MONDAY) == ()
    assert [o.client_order_id for o in orders.of_session(MONDAY)] == ["B"]
    assert [o.client_order_id for o in orders.of_session(TUESDAY)] == ["C"]
    orders.apply_event(TUESDAY, OrderCanceled(client_order_id="B", reason="old"))
    orders.forget_before(TUESDAY)
    assert orders.of_session(MONDAY) == ()
