"""What every broker behind the protocol does, numbered; `*_contract_test.py` runs it on each.

A bench holds one account with $100,000, AAPL at 190 and MSFT at 410, on a day on which both trade.
`trade` lets everything trade that can; `later` is any moment before the account's first.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Protocol

from trading_assets.brokers.base import DUPLICATE_ID, Broker
from trading_assets.model.account import BrokerOrder, CashActivityKind, Unknown
from trading_assets.model.order import (
    OrderRequest,
    OrderStatus,
    OrderType,
    PositionEffect,
    Side,
    TimeInForce,
)

ALWAYS = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
BUY, SELL = Side.BUY, Side.SELL
OPEN, CLOSE = PositionEffect.OPEN, PositionEffect.CLOSE


class Bench(Protocol):
    """One account and what the world does to it."""

    broker: Broker

    def trade(self) -> None:
        """Let every order trade that can."""

    def pay_dividend(self, symbol: str, per_share: str) -> None:
        """A dividend on what is held reaches the account."""


def order(
    name: str,
    side: Side = BUY,
    quantity: str = "10",
    symbol: str = "AAPL",
    effect: PositionEffect = OPEN,
    **fields: Any,
) -> OrderRequest:
    """A market order for the day, unless the fields say otherwise."""
    terms: dict[str, Any] = {
        "order_type": OrderType.MARKET,
        "time_in_force": TimeInForce.DAY,
    } | fields
    return OrderRequest(
        client_order_id=name,
        symbol=symbol,
        side=side,
        quantity=Decimal(quantity),
        position_effect=effect,
        **terms,
    )


def found(broker: Broker, name: str) -> BrokerOrder:
    """The order that the broker holds under a client order id."""
    held = broker.order_by_client_id(name).require()
    assert held is not None
    return held


def case_01_a_new_account_is_flat_and_says_so(bench: Bench) -> None:
    broker = bench.broker
    assert broker.account().require().cash == 100_000
    assert broker.account().require().currency == "USD"
    assert broker.account().require().account_number
    told = broker.clock().require()
    assert told is None or told.now.utcoffset() == dt.timedelta(0)
    assert broker.positions().require() == {}
    assert broker.open_orders().require() == ()
    assert broker.fills_since(ALWAYS).require() == ()
    assert broker.cash_activities_since(ALWAYS).require() == ()


def case_02_an_order_that_nobody_sent_is_known_to_be_none(bench: Bench) -> None:
    assert bench.broker.order_by_client_id("nobody").require() is None


def case_03_a_market_order_is_accepted_and_fills(bench: Bench) -> None:
    answer = bench.broker.submit(order("a")).require()
    assert (answer.request, answer.status) == (order("a"), OrderStatus.ACCEPTED)
    assert answer.broker_order_id
    bench.trade()
    held = found(bench.broker, "a")
    assert held.request == order("a")
    assert (held.status, held.filled_quantity) == (OrderStatus.FILLED, Decimal(10))
    assert held.broker_order_id == answer.broker_order_id
    assert bench.broker.positions().require() == {"AAPL": Decimal(10)}
    # 100,000 - 10 x 190
    assert bench.broker.account().require().cash == 98_100


def case_04_an_execution_names_its_order_and_is_told_again_with_the_same_id(bench: Bench) -> None:
    bench.broker.submit(order("a"))
    bench.trade()
    (execution,) = bench.broker.fills_since(ALWAYS).require()
    assert (execution.client_order_id, execution.symbol, execution.side) == ("a", "AAPL", BUY)
    assert (execution.quantity, execution.price) == (Decimal(10), Decimal(190))
    assert execution.currency == "USD"
    assert execution.broker_order_id == found(bench.broker, "a").broker_order_id
    assert execution.executed_at.utcoffset() == dt.timedelta(0)
    assert bench.broker.fills_since(ALWAYS).require() == (execution,)
    assert bench.broker.fills_since(execution.executed_at).require() == ()


def case_05_a_used_id_is_refused_and_the_first_order_stands(bench: Bench) -> None:
    bench.broker.submit(order("a"))
    again = bench.broker.submit(order("a", quantity="99")).require()
    assert (again.status, again.reject_code) == (OrderStatus.REJECTED, DUPLICATE_ID)
    bench.trade()
    assert found(bench.broker, "a").request == order("a")
    assert bench.broker.positions().require() == {"AAPL": Decimal(10)}


def case_06_a_used_id_stays_used_after_a_cancel(bench: Bench) -> None:
    resting = order("a", order_type=OrderType.LIMIT, limit_price=Decimal(150))
    bench.broker.submit(resting)
    bench.broker.cancel("a")
    again = bench.broker.submit(resting).require()
    assert again.reject_code == DUPLICATE_ID


def case_07_nine_decimals_of_a_share_come_back_as_they_were_sent(bench: Bench) -> None:
    sent = order("a", quantity="1.123456789")
    bench.broker.submit(sent)
    bench.trade()
    assert found(bench.broker, "a").request == sent
    assert bench.broker.positions().require() == {"AAPL": Decimal("1.123456789")}


def case_08_a_limit_below_the_market_rests_and_is_listed(bench: Bench) -> None:
    resting = order("a", order_type=OrderType.LIMIT, limit_price=Decimal("150.25"))
    bench.broker.submit(resting)
    bench.trade()
    (listed,) = bench.broker.open_orders().require()
    assert listed.request == resting
    assert (listed.status, listed.filled_quantity) == (OrderStatus.ACCEPTED, Decimal(0))
    assert bench.broker.positions().require() == {}


def case_09_a_limit_above_the_market_fills_no_worse_than_it(bench: Bench) -> None:
    bench.broker.submit(order("a", order_type=OrderType.LIMIT, limit_price=Decimal("200")))
    bench.trade()
    (execution,) = bench.broker.fills_since(ALWAYS).require()
    assert execution.price == 190


def case_10_a_stop_rests_until_its_price_trades(bench: Bench) -> None:
    stops: dict[str, dict[str, Any]] = {
        "stop": {"order_type": OrderType.STOP, "stop_price": Decimal(195)},
        "stop-limit": {
            "order_type": OrderType.STOP_LIMIT,
            "stop_price": Decimal(195),
            "limit_price": Decimal("195.50"),
        },
    }
    for name, fields in stops.items():
        sent = order(name, **fields)
        bench.broker.submit(sent)
        bench.trade()
        held = found(bench.broker, name)
        assert (held.request, held.status) == (sent, OrderStatus.ACCEPTED)
        bench.broker.cancel(name)
    assert bench.broker.positions().require() == {}


def case_11_a_bracket_is_found_with_the_prices_of_its_legs(bench: Bench) -> None:
    sent = order(
        "a",
        order_type=OrderType.BRACKET,
        take_profit_price=Decimal(210),
        stop_loss_price=Decimal("171.50"),
    )
    assert bench.broker.submit(sent).require().request == sent
    bench.trade()
    held = found(bench.broker, "a")
    assert (held.request, held.status) == (sent, OrderStatus.FILLED)
    assert bench.broker.positions().require() == {"AAPL": Decimal(10)}


def case_12_a_canceled_order_trades_no_more(bench: Bench) -> None:
    bench.broker.submit(order("a", order_type=OrderType.LIMIT, limit_price=Decimal(150)))
    assert bench.broker.cancel("a").require().status is OrderStatus.CANCELED
    bench.trade()
    assert found(bench.broker, "a").status is OrderStatus.CANCELED
    assert bench.broker.open_orders().require() == ()


def case_13_canceling_what_is_filled_changes_nothing(bench: Bench) -> None:
    bench.broker.submit(order("a"))
    bench.trade()
    assert bench.broker.cancel("a").require().status is OrderStatus.FILLED
    assert bench.broker.positions().require() == {"AAPL": Decimal(10)}


def case_14_canceling_what_is_not_there_is_unknown(bench: Bench) -> None:
    assert isinstance(bench.broker.cancel("nobody"), Unknown)


def case_15_selling_more_than_is_held_is_refused(bench: Bench) -> None:
    bench.broker.submit(order("a"))
    bench.trade()
    answer = bench.broker.submit(order("b", SELL, "11", effect=CLOSE)).require()
    assert (answer.status, answer.reject_code) == (OrderStatus.REJECTED, "INSUFFICIENT_QUANTITY")
    assert answer.reject_reason
    bench.trade()
    assert bench.broker.positions().require() == {"AAPL": Decimal(10)}


def case_16_selling_what_is_held_leaves_nothing_of_it(bench: Bench) -> None:
    bench.broker.submit(order("a", quantity="1.5"))
    bench.broker.submit(order("b", symbol="MSFT", quantity="2"))
    bench.trade()
    bench.broker.submit(order("c", SELL, "1.5", effect=CLOSE))
    bench.trade()
    assert bench.broker.positions().require() == {"MSFT": Decimal(2)}
    # 100,000 - 2 x 410
    assert bench.broker.account().require().cash == 99_180


def case_17_fills_come_oldest_first_each_with_an_id_of_its_own(bench: Bench) -> None:
    for name, symbol in (("a", "AAPL"), ("b", "MSFT"), ("c", "AAPL")):
        bench.broker.submit(order(name, symbol=symbol, quantity="1"))
        bench.trade()
    fills = bench.broker.fills_since(ALWAYS).require()
    assert [fill.client_order_id for fill in fills] == ["a", "b", "c"]
    assert len({fill.execution_id for fill in fills}) == 3
    assert [fill.executed_at for fill in fills] == sorted(fill.executed_at for fill in fills)


def case_18_a_refused_order_is_no_order(bench: Bench) -> None:
    bench.broker.submit(order("a", SELL, "1", effect=CLOSE))
    bench.trade()
    assert bench.broker.open_orders().require() == ()
    assert bench.broker.fills_since(ALWAYS).require() == ()


def case_19_a_dividend_is_cash_that_is_no_fill(bench: Bench) -> None:
    bench.broker.submit(order("a"))
    bench.trade()
    bench.pay_dividend("AAPL", "0.25")
    (activity,) = bench.broker.cash_activities_since(ALWAYS).require()
    assert (activity.kind, activity.symbol) == (CashActivityKind.DIVIDEND, "AAPL")
    assert (activity.amount, activity.currency) == (Decimal("2.50"), "USD")
    assert bench.broker.cash_activities_since(ALWAYS).require() == (activity,)
    assert bench.broker.cash_activities_since(activity.occurred_at).require() == ()
    assert len(bench.broker.fills_since(ALWAYS).require()) == 1
    assert bench.broker.account().require().cash == Decimal("98102.50")


CASES: tuple[Callable[[Bench], None], ...] = tuple(
    case for name, case in sorted(globals().items()) if name.startswith("case_")
)
