"""The life of an order at the stand-in, as alpaca-py sees it."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from alpaca.common.enums import Sort
from alpaca.trading.enums import OrderSide, QueryOrderStatus, TimeInForce
from alpaca.trading.models import Order
from alpaca.trading.requests import (
    GetOrdersRequest,
    LimitOrderRequest,
    ReplaceOrderRequest,
    StopLossRequest,
    TakeProfitRequest,
)

from assets_tests.alpaca.account import BrokerAccount
from assets_tests.alpaca.clients import Trader, refusal
from assets_tests.alpaca.invariants import violations
from assets_tests.alpaca.server import AlpacaStandIn

LIMIT: dict[str, Any] = {"type": "limit", "limit_price": "180"}


def listed(trader: Trader, **filters: Any) -> list[Order]:
    """The orders that a filter finds."""
    orders = trader.client.get_orders(GetOrdersRequest(**filters))
    assert isinstance(orders, list)
    return orders


def ids(orders: list[Order]) -> list[str]:
    """Their client order ids."""
    return [order.client_order_id for order in orders]


def test_a_market_order_executes_after_its_answer_was_written(trader: Trader) -> None:
    answer = trader.ask("AAPL", "buy", "3", client_order_id="a")

    assert (answer.status, answer.filled_qty, answer.filled_avg_price) == ("pending_new", "0", None)
    later = trader.order("a")
    assert (later.status, later.filled_qty, later.filled_avg_price) == ("filled", "3", "190")


def test_a_limit_rests_until_its_price_is_reached_and_takes_the_better_one(
    alpaca: AlpacaStandIn, trader: Trader
) -> None:
    trader.ask("AAPL", "buy", "3", client_order_id="a", **LIMIT)

    alpaca.account.set_price("AAPL", "180.01")
    assert trader.order("a").status == "new"
    alpaca.account.set_price("AAPL", "179.50")
    assert (trader.order("a").status, trader.order("a").filled_avg_price) == ("filled", "179.5")


def test_a_buy_pays_the_ask_and_a_sale_gets_the_bid(alpaca: AlpacaStandIn, trader: Trader) -> None:
    alpaca.account.market.quotes["AAPL"] = (Decimal("189.90"), Decimal("190.10"))

    trader.ask("AAPL", "buy", "1", client_order_id="a")
    trader.ask("AAPL", "sell", "1", client_order_id="b")

    assert trader.order("a").filled_avg_price == "190.1"
    assert trader.order("b").filled_avg_price == "189.9"


def test_a_stop_becomes_a_market_order_and_a_stop_limit_a_limit(
    alpaca: AlpacaStandIn, trader: Trader
) -> None:
    trader.ask("AAPL", "buy", "2")
    trader.ask("AAPL", "sell", "1", client_order_id="a", type="stop", stop_price="185")
    fields: dict[str, Any] = {"type": "stop_limit", "stop_price": "185", "limit_price": "184"}
    trader.ask("AAPL", "sell", "1", client_order_id="b", **fields)

    alpaca.account.set_price("AAPL", "185.01")
    assert [trader.order(name).status for name in "ab"] == ["new", "new"]
    alpaca.account.set_price("AAPL", "183")
    assert [trader.order(name).status for name in "ab"] == ["filled", "new"]
    # Once triggered it is a limit order: 184.50 is above its stop's limit of 184.
    alpaca.account.set_price("AAPL", "184.50")
    assert trader.order("b").filled_avg_price == "184.5"


def test_an_order_may_need_several_executions_at_prices_the_test_gives(
    alpaca: AlpacaStandIn, trader: Trader
) -> None:
    """2 at 190.10 and 1 at 190.40: mean 570.60 / 3 = 190.20."""
    alpaca.account.matches_by_itself = False
    trader.ask("AAPL", "buy", "3", client_order_id="a")
    order = alpaca.account.by_client_id["a"]

    alpaca.account.fill(order, "2", "190.10")
    assert (trader.order("a").status, trader.order("a").filled_qty) == ("partially_filled", "2")
    alpaca.account.fill(order, "1", "190.40")

    assert (trader.order("a").status, trader.order("a").filled_avg_price) == ("filled", "190.2")
    assert trader.account().cash == "99429.4"
    rows = trader.get("/account/activities/FILL", {"direction": "asc"})
    assert [(row["type"], row["qty"], row["cum_qty"], row["leaves_qty"]) for row in rows] == [
        ("partial_fill", "2", "2", "1"),
        ("fill", "1", "3", "0"),
    ]
    assert {row["order_id"] for row in rows} == {order.id}


def test_a_thin_market_executes_in_slices(alpaca: AlpacaStandIn, trader: Trader) -> None:
    alpaca.account.largest_execution["AAPL"] = Decimal(4)
    trader.ask("AAPL", "buy", "10", client_order_id="a")

    filled = [trader.order("a").filled_qty]
    for _ in range(2):
        alpaca.account.match()
        filled.append(trader.order("a").filled_qty)

    assert filled == ["4", "8", "10"]


def test_an_order_by_value_becomes_shares_to_nine_decimals(trader: Trader) -> None:
    """100 / 190 = 0.526315789 (rounded down), costing 99.99999991."""
    body = {"symbol": "AAPL", "side": "buy", "type": "market", "time_in_force": "day"}
    trader.post(body | {"notional": "100", "client_order_id": "a"})

    assert trader.order("a").filled_qty == "0.526315789"
    assert trader.account().cash == "99900.00000009"


@pytest.mark.parametrize(("duration", "left"), [("ioc", "canceled"), ("fok", "canceled")])
def test_immediate_orders_do_not_rest(
    alpaca: AlpacaStandIn, trader: Trader, duration: str, left: str
) -> None:
    alpaca.account.largest_execution["AAPL"] = Decimal(4)

    trader.ask("AAPL", "buy", "10", client_order_id="a", time_in_force=duration)

    order = trader.order("a")
    assert (order.status, order.filled_qty) == (left, "4" if duration == "ioc" else "0")


def test_a_cancel_ends_an_order_once(trader: Trader) -> None:
    order = trader.ask("AAPL", "buy", "1", client_order_id="a", **LIMIT)

    trader.client.cancel_order_by_id(order.id)

    assert trader.order("a").status == "canceled"
    assert trader.order("a").canceled_at is not None
    status, body = refusal(lambda: trader.client.cancel_order_by_id(order.id))
    assert (status, body["code"]) == (422, 42210000)
    assert body["message"] == 'order is already in "canceled" state'


def test_a_fill_may_win_over_a_cancel(alpaca: AlpacaStandIn, trader: Trader) -> None:
    alpaca.account.cancels_wait = True
    order = trader.ask("AAPL", "buy", "3", client_order_id="a", **LIMIT)
    trader.client.cancel_order_by_id(order.id)
    assert trader.order("a").status == "pending_cancel"

    kept = alpaca.account.by_client_id["a"]
    alpaca.account.fill(kept, "1")
    assert (trader.order("a").status, trader.order("a").filled_qty) == ("pending_cancel", "1")
    alpaca.account.confirm_cancel(kept)

    assert (trader.order("a").status, trader.order("a").filled_qty) == ("canceled", "1")
    assert violations(alpaca.account) == []


def test_all_open_orders_are_canceled_at_once(trader: Trader) -> None:
    for name in "ab":
        trader.ask("AAPL", "buy", "1", client_order_id=name, **LIMIT)
    trader.ask("AAPL", "buy", "1", client_order_id="done")

    answers = trader.client.cancel_orders()

    assert [answer.status for answer in answers if not isinstance(answer, str)] == [200, 200]
    assert [trader.order(name).status for name in ("a", "b", "done")] == [
        "canceled",
        "canceled",
        "filled",
    ]


def test_a_replacement_is_a_new_order_that_names_the_old(trader: Trader) -> None:
    order = trader.ask("AAPL", "buy", "3", client_order_id="a", **LIMIT)

    change = ReplaceOrderRequest(qty=5, limit_price=181.5, client_order_id="b")
    trader.client.replace_order_by_id(order.id, change)

    old, new = trader.order("a"), trader.order("b")
    assert (old.status, old.replaced_by) == ("replaced", new.id)
    assert (new.status, new.replaces, new.qty, new.limit_price) == ("new", order.id, "5", "181.5")


def test_a_replacement_accepted_is_not_yet_one_made(alpaca: AlpacaStandIn, trader: Trader) -> None:
    """The first order is filled before the replacement arrives, which is then rejected."""
    alpaca.account.replaces_wait = True
    order = trader.ask("AAPL", "buy", "3", client_order_id="a", **LIMIT)
    trader.client.replace_order_by_id(order.id, ReplaceOrderRequest(qty=5, client_order_id="b"))
    assert [trader.order(name).status for name in "ab"] == ["pending_replace", "accepted"]

    alpaca.account.set_price("AAPL", "180")

    assert [trader.order(name).status for name in "ab"] == ["filled", "rejected"]
    assert trader.quantities() == {"AAPL": "3"}


def test_a_refused_replacement_leaves_the_order_working(
    alpaca: AlpacaStandIn, trader: Trader
) -> None:
    alpaca.account.replaces_wait = True
    order = trader.ask("AAPL", "buy", "3", client_order_id="a", **LIMIT)
    trader.client.replace_order_by_id(order.id, ReplaceOrderRequest(qty=5, client_order_id="b"))

    alpaca.account.refuse_replace(alpaca.account.by_client_id["b"])

    assert [trader.order(name).status for name in "ab"] == ["new", "rejected"]


def test_what_cannot_be_replaced(alpaca: AlpacaStandIn, trader: Trader) -> None:
    alpaca.account.matches_by_itself = False
    fraction = trader.ask("AAPL", "buy", "1.5", client_order_id="fraction", **LIMIT)
    body = {"symbol": "AAPL", "side": "buy", "type": "market", "time_in_force": "day"}
    value = trader.post(body | {"notional": "100"})
    done = trader.ask("AAPL", "buy", "1", client_order_id="done", **LIMIT)
    trader.client.cancel_order_by_id(done.id)

    for order, reason in (
        (fraction, "fractional orders cannot be changed"),
        (value, "notional orders cannot be replaced"),
        (done, 'unable to replace order in "canceled" state'),
    ):
        change = ReplaceOrderRequest(qty=2)
        client, order_id = trader.client, order.id
        status, answer = refusal(lambda: client.replace_order_by_id(order_id, change))  # noqa: B023
        assert status == 422
        assert reason in answer["message"]


def test_a_day_order_expires_at_the_close_and_another_lives_on(
    alpaca: AlpacaStandIn, trader: Trader
) -> None:
    trader.ask("AAPL", "buy", "1", client_order_id="day", **LIMIT)
    trader.ask("AAPL", "buy", "1", client_order_id="gtc", time_in_force="gtc", **LIMIT)

    alpaca.account.advance_to("2024-06-03 15:59")
    assert trader.order("day").status == "new"
    alpaca.account.advance_to("2024-06-03 16:00")

    assert [trader.order(name).status for name in ("day", "gtc")] == ["expired", "new"]


def test_an_order_of_the_evening_goes_out_at_the_next_open(
    alpaca: AlpacaStandIn, trader: Trader
) -> None:
    """Friday evening; the market opens on Monday at 09:30."""
    alpaca.account.advance_to("2024-06-07 18:00")
    trader.ask("AAPL", "buy", "1", client_order_id="a")
    assert trader.order("a").status == "accepted"

    alpaca.account.advance_to("2024-06-10 09:29")
    assert trader.order("a").status == "accepted"
    alpaca.account.advance_to("2024-06-10 09:30")

    order = trader.order("a")
    assert order.status == "filled"
    assert order.filled_at is not None
    assert order.filled_at.date() == dt.date(2024, 6, 10)


def test_an_extended_hours_limit_executes_in_the_evening(
    alpaca: AlpacaStandIn, trader: Trader
) -> None:
    alpaca.account.advance_to("2024-06-03 17:00")
    fields: dict[str, Any] = {"type": "limit", "limit_price": "190", "extended_hours": True}

    trader.ask("AAPL", "buy", "1", client_order_id="a", **fields)

    assert trader.order("a").status == "filled"


def test_an_order_on_the_close_executes_at_the_closing_price(
    alpaca: AlpacaStandIn, trader: Trader
) -> None:
    trader.ask("AAPL", "buy", "1", client_order_id="a", time_in_force="cls")
    alpaca.account.set_price("AAPL", "191.25")
    assert trader.order("a").status == "new"

    alpaca.account.advance_to("2024-06-03 16:00")

    assert (trader.order("a").status, trader.order("a").filled_avg_price) == ("filled", "191.25")


def test_an_accepted_order_may_be_rejected_later(alpaca: AlpacaStandIn, trader: Trader) -> None:
    alpaca.account.reject_next("AAPL")

    answer = trader.ask("AAPL", "buy", "1", client_order_id="a")

    assert answer.status == "pending_new"
    assert trader.order("a").status == "rejected"
    assert trader.order("a").failed_at is not None
    trader.ask("AAPL", "buy", "1", client_order_id="b")
    assert trader.order("b").status == "filled"


def test_in_a_halted_symbol_orders_rest_until_trading_resumes(
    alpaca: AlpacaStandIn, trader: Trader
) -> None:
    alpaca.account.halt("AAPL")
    trader.ask("AAPL", "buy", "1", client_order_id="a")
    alpaca.account.set_price("AAPL", "189")
    assert trader.order("a").status == "new"

    alpaca.account.resume("AAPL")

    assert trader.order("a").status == "filled"


def test_a_bracket_protects_what_its_entry_bought(alpaca: AlpacaStandIn, trader: Trader) -> None:
    order = trader.submit(
        LimitOrderRequest(
            symbol="AAPL",
            qty=2,
            side=OrderSide.BUY,
            time_in_force=TimeInForce.GTC,
            limit_price=185,
            order_class="bracket",
            take_profit=TakeProfitRequest(limit_price=200),
            stop_loss=StopLossRequest(stop_price=175),
            client_order_id="a",
        )
    )
    assert [leg.status for leg in order.legs or []] == ["held", "held"]

    alpaca.account.set_price("AAPL", "185")
    assert [leg.status for leg in trader.order("a").legs or []] == ["new", "held"]
    # One of the two legs will sell, so that the shares are held once.
    assert trader.get("/positions/AAPL")["qty_available"] == "0"
    alpaca.account.set_price("AAPL", "174")

    legs = trader.order("a").legs or []
    assert [(leg.status, leg.filled_avg_price) for leg in legs] == [
        ("canceled", None),
        ("filled", "174"),
    ]
    assert trader.quantities() == {}
    assert violations(alpaca.account) == []


def test_canceling_everything_frees_the_shares_that_legs_hold(trader: Trader) -> None:
    fields: dict[str, Any] = {
        "order_class": "bracket",
        "take_profit": {"limit_price": "200"},
        "stop_loss": {"stop_price": "175"},
    }
    trader.ask("AAPL", "buy", "2", client_order_id="a", **fields)
    assert trader.get("/positions/AAPL")["qty_available"] == "0"

    trader.client.close_all_positions(cancel_orders=True)

    assert [leg.status for leg in trader.order("a").legs or []] == ["canceled", "canceled"]
    assert trader.quantities() == {}


def test_a_canceled_entry_takes_its_legs_along(trader: Trader) -> None:
    fields: dict[str, Any] = {
        "order_class": "bracket",
        "take_profit": {"limit_price": "200"},
        "stop_loss": {"stop_price": "175"},
    }
    order = trader.ask("AAPL", "buy", "2", client_order_id="a", **LIMIT, **fields)

    trader.client.cancel_order_by_id(order.id)

    assert [leg.status for leg in trader.order("a").legs or []] == ["canceled", "canceled"]


def test_orders_are_listed_by_status_symbol_side_and_time(
    alpaca: AlpacaStandIn, trader: Trader
) -> None:
    trader.ask("AAPL", "buy", "2", client_order_id="filled")
    trader.ask("AAPL", "buy", "1", client_order_id="low", **LIMIT)
    middle = alpaca.account.clock.now
    alpaca.account.advance_to("2024-06-03 11:00")
    trader.ask("MSFT", "buy", "1", client_order_id="msft", type="limit", limit_price="400")
    trader.ask("AAPL", "sell", "1", client_order_id="high", type="limit", limit_price="200")

    assert ids(listed(trader)) == ["high", "msft", "low"]
    assert ids(listed(trader, status=QueryOrderStatus.CLOSED)) == ["filled"]
    oldest_first = {"status": QueryOrderStatus.ALL, "direction": Sort.ASC}
    assert ids(listed(trader, **oldest_first)) == ["filled", "low", "msft", "high"]
    assert ids(listed(trader, symbols=["MSFT"])) == ["msft"]
    assert ids(listed(trader, side=OrderSide.SELL)) == ["high"]
    assert ids(listed(trader, after=middle)) == ["high", "msft"]
    assert ids(listed(trader, until=middle)) == ["low"]


def test_a_long_list_is_read_page_by_page(trader: Trader) -> None:
    """`after` excludes its own time, so that the last order's time goes on where a page ended."""
    names = [f"order-{number:02}" for number in range(7)]
    for name in names:
        trader.ask("AAPL", "buy", "1", client_order_id=name, **LIMIT)

    seen: list[str] = []
    after = dt.datetime(2024, 6, 1, tzinfo=dt.UTC)
    while page := listed(trader, limit=3, direction=Sort.ASC, after=after):
        seen += ids(page)
        after = page[-1].submitted_at

    assert seen == names
    assert len(listed(trader)) == 7
    assert refusal(lambda: listed(trader, limit=501))[0] == 422


def test_legs_are_listed_on_their_own_or_under_their_entry(trader: Trader) -> None:
    fields: dict[str, Any] = {
        "order_class": "bracket",
        "take_profit": {"limit_price": "200"},
        "stop_loss": {"stop_price": "175"},
    }
    trader.ask("AAPL", "buy", "2", client_order_id="a", **LIMIT, **fields)

    assert len(listed(trader)) == 3
    nested = listed(trader, nested=True)
    assert ids(nested) == ["a"]
    assert len(nested[0].legs or []) == 2


def test_an_unknown_order_is_not_found(trader: Trader) -> None:
    status, body = refusal(lambda: trader.order("never"))

    assert (status, body) == (404, {"code": 40410000, "message": "order not found for never"})


def test_orders_placed_by_hand_are_in_the_same_account(
    alpaca: AlpacaStandIn, trader: Trader
) -> None:
    alpaca.account.place_by_hand("MSFT", "buy", "2")

    assert trader.quantities() == {"MSFT": "2"}
    assert len(listed(trader, status=QueryOrderStatus.ALL)) == 1
    assert alpaca.requests[0].method == "GET"


def test_the_same_seed_makes_the_same_ids() -> None:
    def first_order(seed: int) -> str:
        account = BrokerAccount(seed=seed)
        account.list_asset("AAPL", "190")
        return account.place_by_hand("AAPL", "buy", "1").id

    assert first_order(1) == first_order(1) != first_order(2)
