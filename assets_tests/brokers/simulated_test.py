"""The simulated broker's rules, numbered as in its module, and what it keeps over a restart."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from trading_assets.brokers.simulated import SimulatedBroker
from trading_assets.model.account import BrokerOrder
from trading_assets.model.instrument import Price, PriceSnapshot
from trading_assets.model.order import (
    OrderRequest,
    OrderStatus,
    OrderType,
    PositionEffect,
    Side,
    TimeInForce,
)
from trading_assets.model.policies import CommissionPolicy, SimulationPolicy

MONDAY = dt.date(2024, 3, 4)
TUESDAY = dt.date(2024, 3, 5)
BEGINNING = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)


def closing_time(session: dt.date) -> dt.datetime:
    return dt.datetime.combine(session, dt.time(21), tzinfo=dt.UTC)


def snapshot(session: dt.date, volume: str | None = None, **closes: str) -> PriceSnapshot:
    prices = {
        symbol: Price(
            symbol=symbol,
            price=Decimal(close),
            currency="USD",
            session=session,
            age_sessions=0,
            source="test",
            volume=None if volume is None else Decimal(volume),
        )
        for symbol, close in closes.items()
    }
    return PriceSnapshot(session=session, prices=prices)


def order(
    name: str,
    symbol: str = "AAA",
    side: Side = Side.BUY,
    quantity: str = "10",
    effect: PositionEffect = PositionEffect.OPEN,
) -> OrderRequest:
    return OrderRequest(
        client_order_id=name,
        symbol=symbol,
        side=side,
        quantity=Decimal(quantity),
        order_type=OrderType.MARKET,
        time_in_force=TimeInForce.DAY,
        position_effect=effect,
    )


def close_order(name: str, side: Side, quantity: str, symbol: str = "AAA") -> OrderRequest:
    return order(name, symbol, side, quantity, PositionEffect.CLOSE)


def open_broker(
    folder: Path, cash: str = "10000", fees: CommissionPolicy | None = None, **simulation: Any
) -> SimulatedBroker:
    broker = SimulatedBroker(
        folder / "account.sqlite",
        "SIM-1",
        "USD",
        SimulationPolicy(**simulation),
        fees or CommissionPolicy(),
    )
    broker.deposit("initial", MONDAY, Decimal(cash))
    return broker


def on_monday(broker: SimulatedBroker, **closes: str) -> SimulatedBroker:
    broker.begin_session(MONDAY, closing_time(MONDAY), snapshot(MONDAY, **closes))
    return broker


def status_of(broker: SimulatedBroker, name: str) -> BrokerOrder:
    found = broker.order_by_client_id(name).require()
    assert found is not None
    return found


def cash_of(broker: SimulatedBroker) -> Decimal:
    return broker.account().require().cash


def test_rule_1_a_used_client_order_id_is_refused_and_the_first_order_stands(
    tmp_path: Path,
) -> None:
    broker = on_monday(open_broker(tmp_path), AAA="100")
    assert broker.submit(order("one")).require().status is OrderStatus.ACCEPTED
    again = broker.submit(order("one", quantity="99")).require()
    assert (again.status, again.reject_code) == (OrderStatus.REJECTED, "DUPLICATE_ID")
    broker.match()
    assert broker.positions().require() == {"AAA": Decimal(10)}


def test_rule_2_a_buy_fills_above_and_a_sale_below_the_close_by_the_slippage(
    tmp_path: Path,
) -> None:
    broker = on_monday(open_broker(tmp_path, slippage_bps=5), AAA="100")
    broker.submit(order("buy"))
    broker.match()
    broker.submit(close_order("sell", Side.SELL, "10"))
    broker.match()
    prices = [e.price for e in broker.fills_since(BEGINNING).require()]
    assert prices == [Decimal("100.0500"), Decimal("99.9500")]
    assert cash_of(broker) == Decimal("9999.00")


def test_commission_is_charged_for_each_execution(tmp_path: Path) -> None:
    fees = CommissionPolicy(per_share=Decimal("0.005"), minimum=Decimal(1), bps=Decimal(2))
    broker = on_monday(open_broker(tmp_path, cash="100000", fees=fees), AAA="100")
    broker.submit(order("small", quantity="10"))
    broker.submit(order("large", quantity="500"))
    broker.match()
    # small: 0.05 + 0.20 is below the minimum; large: 2.50 + 2 bp of 50,000.
    commissions = [e.commission for e in broker.fills_since(BEGINNING).require()]
    assert commissions == [Decimal("1.00"), Decimal("12.50")]
    assert cash_of(broker) == Decimal("100000") - 1000 - 50000 - Decimal("13.50")


def test_rule_3_an_order_takes_its_share_of_the_volume_and_the_rest_expires(
    tmp_path: Path,
) -> None:
    broker = open_broker(tmp_path, volume_cap=Decimal("0.1"))
    broker.begin_session(MONDAY, closing_time(MONDAY), snapshot(MONDAY, volume="75", AAA="10"))
    broker.submit(order("whole", quantity="20"))
    broker.submit(order("fraction", quantity="20.5"))
    broker.match()
    assert status_of(broker, "whole").filled_quantity == 7
    assert status_of(broker, "fraction").filled_quantity == Decimal("7.5")
    assert status_of(broker, "whole").status is OrderStatus.PARTIALLY_FILLED
    broker.end_session()
    assert status_of(broker, "whole").status is OrderStatus.EXPIRED
    assert broker.open_orders().require() == ()


def test_rule_3_matching_again_does_not_take_more_of_the_same_volume(tmp_path: Path) -> None:
    broker = open_broker(tmp_path, volume_cap=Decimal("0.1"))
    broker.begin_session(MONDAY, closing_time(MONDAY), snapshot(MONDAY, volume="75", AAA="10"))
    broker.submit(order("whole", quantity="20"))
    broker.match()
    broker.match()
    assert status_of(broker, "whole").filled_quantity == 7
    assert len(broker.fills_since(BEGINNING).require()) == 1
    assert broker.positions().require() == {"AAA": Decimal(7)}


def test_rule_4_a_symbol_without_a_price_does_not_trade(tmp_path: Path) -> None:
    broker = on_monday(open_broker(tmp_path), AAA="100")
    broker.submit(order("halted", symbol="ZZZ"))
    broker.match()
    broker.end_session()
    assert status_of(broker, "halted").status is OrderStatus.EXPIRED
    assert broker.positions().require() == {}


@pytest.mark.parametrize(
    ("multiplier", "quantity", "expected"),
    [
        ("1", "99", OrderStatus.FILLED),  # 9,900 + 1 of 10,000
        ("1", "100", OrderStatus.REJECTED),  # the commission of 1 is not there
        ("2", "199", OrderStatus.FILLED),  # 19,900 <= 2 x 9,999
        ("2", "200", OrderStatus.REJECTED),
    ],
)
def test_rule_5_what_equity_does_not_carry_is_rejected(
    tmp_path: Path, multiplier: str, quantity: str, expected: OrderStatus
) -> None:
    fees = CommissionPolicy(per_order=Decimal(1))
    broker = open_broker(tmp_path, fees=fees, margin_multiplier=Decimal(multiplier))
    on_monday(broker, AAA="100")
    broker.submit(order("buy", quantity=quantity))
    broker.match()
    assert status_of(broker, "buy").status is expected
    if expected is OrderStatus.REJECTED:
        assert status_of(broker, "buy").reject_code == "INSUFFICIENT_BUYING_POWER"
        assert cash_of(broker) == 10000


def test_rule_5_a_short_sale_needs_equity_too(tmp_path: Path) -> None:
    broker = on_monday(open_broker(tmp_path), AAA="100")
    broker.submit(order("short", side=Side.SELL, quantity="101"))
    broker.submit(order("smaller", side=Side.SELL, quantity="100"))
    broker.match()
    assert status_of(broker, "short").status is OrderStatus.REJECTED
    assert status_of(broker, "smaller").status is OrderStatus.FILLED
    assert broker.positions().require() == {"AAA": Decimal(-100)}
    assert cash_of(broker) == 20000


@pytest.mark.parametrize("opened_again", [False, True], ids=["same process", "new process"])
def test_rule_5_a_holding_without_a_close_counts_at_its_last_one(
    tmp_path: Path, opened_again: bool
) -> None:
    broker = on_monday(open_broker(tmp_path, margin_multiplier=Decimal(2)), AAA="100")
    broker.submit(order("fifty", quantity="50"))
    broker.match()
    broker.end_session()
    broker.begin_session(TUESDAY, closing_time(TUESDAY), snapshot(TUESDAY, AAA="40"))
    broker.end_session()
    if opened_again:
        broker.close()
        broker = open_broker(tmp_path, margin_multiplier=Decimal(2))
    wednesday = dt.date(2024, 3, 6)
    broker.begin_session(wednesday, closing_time(wednesday), snapshot(wednesday, BBB="10"))
    # 5,000 of cash and 50 at 40: gross 2,000 + x <= 2 x 7,000 up to x = 12,000.
    broker.submit(order("too much", symbol="BBB", quantity="1201"))
    broker.submit(order("just right", symbol="BBB", quantity="1200"))
    broker.match()
    assert status_of(broker, "too much").status is OrderStatus.REJECTED
    assert status_of(broker, "just right").status is OrderStatus.FILLED


def test_rule_6_no_order_crosses_zero_and_nothing_is_sold_that_is_not_held(
    tmp_path: Path,
) -> None:
    broker = on_monday(open_broker(tmp_path), AAA="100", BBB="50")
    broker.submit(order("buy"))
    broker.match()
    too_many = broker.submit(close_order("too many", Side.SELL, "11")).require()
    assert too_many.reject_code == "INSUFFICIENT_QUANTITY"
    assert "requested: 11, available: 10" in too_many.reject_reason
    not_held = broker.submit(close_order("not held", Side.SELL, "1", "BBB")).require()
    assert not_held.reject_code == "INSUFFICIENT_QUANTITY"
    crossing = broker.submit(order("crossing", side=Side.SELL, quantity="5")).require()
    assert crossing.reject_code == "POSITION_OPPOSITE"


def test_symbols_can_be_made_untradable(tmp_path: Path) -> None:
    broker = on_monday(open_broker(tmp_path, reject_symbols=frozenset({"AAA"})), AAA="100")
    assert broker.submit(order("one")).require().reject_code == "NOT_TRADABLE"


def test_canceling_leaves_what_was_filled(tmp_path: Path) -> None:
    broker = open_broker(tmp_path, volume_cap=Decimal("0.1"))
    broker.begin_session(MONDAY, closing_time(MONDAY), snapshot(MONDAY, volume="50", AAA="10"))
    broker.submit(order("part", quantity="20"))
    broker.match()
    broker.cancel("part")
    broker.match()
    canceled = status_of(broker, "part")
    assert (canceled.status, canceled.filled_quantity) == (OrderStatus.CANCELED, Decimal(5))


def test_everything_is_there_after_the_process_ends(tmp_path: Path) -> None:
    broker = on_monday(open_broker(tmp_path), AAA="100", BBB="20")
    broker.submit(order("filled"))
    broker.match()
    broker.submit(order("working", symbol="BBB", quantity="3"))
    broker.close()
    again = on_monday(open_broker(tmp_path), AAA="100", BBB="20")
    assert again.positions().require() == {"AAA": Decimal(10)}
    assert cash_of(again) == 9000
    assert [o.request.client_order_id for o in again.open_orders().require()] == ["working"]
    again.match()
    assert again.positions().require() == {"AAA": Decimal(10), "BBB": Decimal(3)}


def test_a_deposit_is_booked_once_for_its_reference(tmp_path: Path) -> None:
    broker = open_broker(tmp_path)
    broker.deposit("initial", MONDAY, Decimal(10000))
    assert cash_of(broker) == 10000


def test_a_restart_forgets_the_session_and_later_ones_and_happens_once(tmp_path: Path) -> None:
    broker = on_monday(open_broker(tmp_path), AAA="100")
    broker.submit(order("monday"))
    broker.match()
    broker.begin_session(TUESDAY, closing_time(TUESDAY), snapshot(TUESDAY, AAA="110"))
    broker.submit(close_order("tuesday", Side.SELL, "10"))
    broker.match()
    assert cash_of(broker) == 10100
    broker.restart_from(TUESDAY, revision=1)
    assert broker.positions().require() == {"AAA": Decimal(10)}
    assert cash_of(broker) == 9000
    broker.begin_session(TUESDAY, closing_time(TUESDAY), snapshot(TUESDAY, AAA="110"))
    assert broker.submit(close_order("tuesday", Side.SELL, "4")).require().reject_code == ""
    broker.match()
    broker.restart_from(TUESDAY, revision=1)
    assert broker.positions().require() == {"AAA": Decimal(6)}


def test_fills_since_gives_only_later_ones_and_marks_those_placed_by_hand(
    tmp_path: Path,
) -> None:
    broker = on_monday(open_broker(tmp_path), AAA="100")
    broker.submit(order("monday"))
    broker.match()
    broker.begin_session(TUESDAY, closing_time(TUESDAY), snapshot(TUESDAY, AAA="110"))
    broker.place_by_hand("AAA", Side.BUY, Decimal(1))
    later = broker.fills_since(closing_time(MONDAY)).require()
    assert [(e.client_order_id, e.quantity) for e in later] == [("", Decimal(1))]
    assert len(broker.fills_since(BEGINNING).require()) == 2
