"""Each rule of the broker, as alpaca-py meets it: the status, the code and the words."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from alpaca.trading.enums import OrderSide, TimeInForce
from alpaca.trading.requests import LimitOrderRequest, MarketOrderRequest

from assets_tests.alpaca.account import BrokerAccount
from assets_tests.alpaca.clients import Trader, refusal
from assets_tests.alpaca.server import AlpacaStandIn, running_alpaca

Body = dict[str, Any]
INVALID, UNPROCESSABLE, FORBIDDEN = 40010001, 42210000, 40310000


@pytest.fixture
def margin() -> Iterator[AlpacaStandIn]:
    """A margin account of $10,000 that may sell short; AAPL at 190."""
    with running_alpaca(BrokerAccount(Decimal(10_000), multiplier=2)) as running:
        running.account.list_asset("AAPL", "190.00")
        yield running


def refused(trader: Trader, **body: object) -> tuple[int, int | None, str]:
    """Status, code and message of a refused order; a day market buy of AAPL unless told."""
    asked: Body = {"symbol": "AAPL", "side": "buy", "type": "market", "time_in_force": "day"}
    status, answer = refusal(lambda: trader.post(asked | body))
    return status, answer.get("code"), answer["message"]


FORM: list[tuple[str, Body, int, int, str]] = [
    ("ten decimals", {"qty": "1.0000000001"}, 422, UNPROCESSABLE, "9 decimal places"),
    ("a tenth of a cent", {"notional": "10.001"}, 422, UNPROCESSABLE, "2 decimal places"),
    ("qty and notional", {"qty": "1", "notional": "10"}, 422, INVALID, "only one of them"),
    ("neither", {}, 422, INVALID, "qty or notional is required"),
    ("zero", {"qty": "0"}, 422, INVALID, "qty must be > 0"),
    ("no number", {"qty": "many"}, 422, INVALID, "qty is not a number"),
    ("unknown symbol", {"symbol": "ZZZZ", "qty": "1"}, 422, UNPROCESSABLE, '"ZZZZ" not found'),
    ("no side", {"side": "hold", "qty": "1"}, 422, INVALID, "invalid side"),
    ("limit without price", {"type": "limit", "qty": "1"}, 422, INVALID, "require limit price"),
    ("market with price", {"qty": "1", "limit_price": "9"}, 422, INVALID, "require no limit price"),
    (
        "fraction good till canceled",
        {"qty": "0.5", "time_in_force": "gtc"},
        422,
        UNPROCESSABLE,
        "fractional orders must be DAY orders",
    ),
    (
        "fraction in a bracket",
        {
            "qty": "1.5",
            "order_class": "bracket",
            "take_profit": {"limit_price": "200"},
            "stop_loss": {"stop_price": "180"},
        },
        422,
        UNPROCESSABLE,
        "fractional orders must be simple orders",
    ),
    (
        "value with a limit",
        {"notional": "50", "type": "limit", "limit_price": "190"},
        422,
        UNPROCESSABLE,
        "notional orders must be market orders",
    ),
    (
        "market in extended hours",
        {"qty": "1", "extended_hours": True},
        422,
        UNPROCESSABLE,
        "extended hours order must be DAY or GTC limit orders",
    ),
    (
        "stop that is immediate or canceled",
        {"qty": "1", "type": "stop", "stop_price": "200", "time_in_force": "ioc"},
        422,
        UNPROCESSABLE,
        "ioc orders must be market or limit orders",
    ),
    (
        "client order id of 129 characters",
        {"qty": "1", "client_order_id": "x" * 129},
        422,
        INVALID,
        "no more than 128 characters",
    ),
    ("99 cents", {"notional": "0.99"}, 403, FORBIDDEN, "minimal amount of order 1"),
    ("0.005 shares at 190", {"qty": "0.005"}, 403, FORBIDDEN, "minimal amount of order 1"),
]


@pytest.mark.parametrize(
    ("body", "status", "code", "message"), [case[1:] for case in FORM], ids=[c[0] for c in FORM]
)
def test_an_order_of_the_wrong_form_is_refused(
    trader: Trader, body: Body, status: int, code: int, message: str
) -> None:
    answer = refused(trader, **body)

    assert answer[:2] == (status, code)
    assert message in answer[2]


def test_what_is_just_within_the_form_is_accepted(trader: Trader) -> None:
    assert trader.ask("AAPL", "buy", "1.000000001").qty == "1.000000001"
    assert trader.ask("AAPL", "buy", "1", client_order_id="x" * 128).client_order_id == "x" * 128
    # 1 / 190 of a share is worth less than a dollar, the ninth decimal rounded up is not.
    assert trader.ask("AAPL", "buy", "0.005263158").qty == "0.005263158"
    value = trader.submit(
        MarketOrderRequest(
            symbol="AAPL", notional=1.00, side=OrderSide.BUY, time_in_force=TimeInForce.DAY
        )
    )
    assert (value.notional, value.qty) == ("1", None)


@pytest.mark.parametrize(
    ("price", "accepted"),
    [("190.01", True), ("190.015", False), ("0.9999", True), ("0.99995", False), ("1.0001", False)],
)
def test_prices_keep_to_their_increment(trader: Trader, price: str, accepted: bool) -> None:
    body: Body = {"qty": "2", "type": "limit", "limit_price": price}

    if accepted:
        asked = {"symbol": "AAPL", "side": "buy", "time_in_force": "day"} | body
        assert trader.post(asked).limit_price == price
    else:
        status, code, message = refused(trader, **body)
        assert (status, code) == (422, UNPROCESSABLE)
        assert "sub-penny increment does not fulfill minimum pricing criteria" in message


def test_a_number_that_alpaca_py_sends_as_a_float_is_read_exactly(trader: Trader) -> None:
    order = trader.submit(
        LimitOrderRequest(
            symbol="AAPL",
            qty=0.1,
            limit_price=190.07,
            side=OrderSide.BUY,
            time_in_force=TimeInForce.DAY,
        )
    )

    assert (order.qty, order.limit_price) == ("0.1", "190.07")


def test_an_asset_says_what_may_be_done_with_it(alpaca: AlpacaStandIn, trader: Trader) -> None:
    alpaca.account.list_asset("WHOLE", "50", fractionable=False)
    alpaca.account.list_asset("GONE", "50", active=False)
    alpaca.account.list_asset("STUCK", "50", tradable=False)

    assert refused(trader, symbol="WHOLE", qty="0.5") == (
        403,
        FORBIDDEN,
        'asset "WHOLE" is not fractionable',
    )
    assert refused(trader, symbol="GONE", qty="1") == (422, INVALID, "asset GONE is not active")
    assert refused(trader, symbol="STUCK", qty="1")[:2] == (422, UNPROCESSABLE)


def test_a_client_order_id_is_unique_for_ever(alpaca: AlpacaStandIn, trader: Trader) -> None:
    fields: Body = {"client_order_id": "once", "type": "limit", "limit_price": "100"}
    order = trader.ask("AAPL", "buy", "1", **fields)
    duplicate = (422, INVALID, "client_order_id must be unique")

    assert refused(trader, qty="1", client_order_id="once") == duplicate
    trader.client.cancel_order_by_id(order.id)
    assert trader.order("once").status == "canceled"
    assert refused(trader, qty="1", client_order_id="once") == duplicate

    alpaca.account.duplicate_id_answer = (409, 40910000)
    assert refused(trader, qty="1", client_order_id="once")[:2] == (409, 40910000)


def test_the_same_order_under_another_id_is_accepted(trader: Trader) -> None:
    """The broker is no backstop."""
    trader.ask("AAPL", "buy", "1", client_order_id="one")
    trader.ask("AAPL", "buy", "1", client_order_id="two")

    assert trader.quantities() == {"AAPL": "2"}


def test_a_sale_beyond_what_is_held_is_refused_and_names_what_is_free(trader: Trader) -> None:
    trader.ask("AAPL", "buy", "10")
    resting = trader.ask("AAPL", "sell", "4", type="limit", limit_price="200")

    status, body = refusal(lambda: trader.ask("AAPL", "sell", "7"))

    assert status == 403
    assert body == {
        "code": FORBIDDEN,
        "message": "insufficient qty available for order (requested: 7, available: 6)",
        "available": "6",
        "existing_qty": "10",
        "held_for_orders": "4",
        "related_orders": [str(resting.id)],
        "symbol": "AAPL",
    }
    position = trader.client.get_open_position("AAPL")
    assert not isinstance(position, dict)
    assert (position.qty, position.qty_available) == ("10", "6")
    assert trader.ask("AAPL", "sell", "6").status == "pending_new"


def test_an_order_never_crosses_zero(margin: AlpacaStandIn) -> None:
    trader = Trader(margin)
    trader.ask("AAPL", "sell", "5")
    assert trader.quantities() == {"AAPL": "-5"}

    status, body = refusal(lambda: trader.ask("AAPL", "buy", "6"))

    assert (status, body["available"]) == (403, "5")
    trader.ask("AAPL", "buy", "5")
    trader.ask("AAPL", "buy", "1")
    assert trader.quantities() == {"AAPL": "1"}


def test_a_short_is_whole_and_borrowable_and_needs_equity(margin: AlpacaStandIn) -> None:
    trader = Trader(margin)
    margin.account.list_asset("HARD", "20", easy_to_borrow=False)
    margin.account.list_asset("NEVER", "20", shortable=False)

    assert refused(trader, side="sell", qty="1.5") == (
        422,
        UNPROCESSABLE,
        "fractional orders cannot be sold short",
    )
    for symbol in ("HARD", "NEVER"):
        answer = refused(trader, side="sell", qty="1", symbol=symbol)
        assert answer == (422, UNPROCESSABLE, f'asset "{symbol}" cannot be sold short')

    margin.account.book_cash("CSW", "-8000.01")
    assert refused(trader, side="sell", qty="1") == (
        403,
        FORBIDDEN,
        "account is not allowed to short",
    )
    margin.account.book_cash("CSD", "0.01")
    assert trader.ask("AAPL", "sell", "1").position_intent == "sell_to_open"


def test_a_cash_account_does_not_sell_short(trader: Trader) -> None:
    answer = refused(trader, side="sell", qty="1")

    assert answer == (403, FORBIDDEN, "account is not allowed to short")


def test_no_short_sale_while_a_buy_is_open(margin: AlpacaStandIn) -> None:
    trader = Trader(margin)
    trader.ask("AAPL", "buy", "1", type="limit", limit_price="150")

    answer = refused(trader, side="sell", qty="1")

    assert answer[:2] == (403, FORBIDDEN)
    assert "short sell while a long buy order is open" in answer[2]


def test_no_buy_while_a_short_sale_is_open(margin: AlpacaStandIn) -> None:
    trader = Trader(margin)
    trader.ask("AAPL", "sell", "1", type="limit", limit_price="250")

    answer = refused(trader, qty="1")

    assert answer[:2] == (403, FORBIDDEN)
    assert "long buy while a short sell order is open" in answer[2]


def test_a_wash_trade_is_refused_and_names_the_order_in_the_way(trader: Trader) -> None:
    trader.ask("AAPL", "buy", "10")
    resting = trader.ask("AAPL", "sell", "4", type="stop", stop_price="180")

    status, body = refusal(lambda: trader.ask("AAPL", "buy", "1"))

    assert status == 403
    assert body == {
        "code": FORBIDDEN,
        "message": "potential wash trade detected. use complex orders",
        "existing_order_id": str(resting.id),
        "reject_reason": "opposite side stop order exists",
    }


def test_limits_that_do_not_cross_are_no_wash_trade(trader: Trader) -> None:
    trader.ask("AAPL", "buy", "10")
    trader.ask("AAPL", "sell", "4", type="limit", limit_price="200")

    assert trader.ask("AAPL", "buy", "1", type="limit", limit_price="199.99").status
    crossing: Body = {"qty": "1", "type": "limit", "limit_price": "200"}
    assert "wash trade" in refused(trader, **crossing)[2]


def test_a_bracket_is_exempt_from_the_wash_trade_rule(trader: Trader) -> None:
    trader.ask("AAPL", "buy", "10")
    trader.ask("AAPL", "sell", "4", type="limit", limit_price="200")
    bracket: Body = {
        "order_class": "bracket",
        "take_profit": {"limit_price": "199"},
        "stop_loss": {"stop_price": "180"},
    }

    assert trader.ask("AAPL", "buy", "1", **bracket).status == "pending_new"


@pytest.mark.parametrize(
    ("profit", "stop", "message"),
    [
        ("200.01", "199.99", None),
        ("200", "199.99", "take_profit.limit_price must be >= base_price + 0.01"),
        ("200.01", "200", "stop_loss.stop_price must be <= base_price - 0.01"),
        (None, "190", "bracket orders require take_profit.limit_price"),
        ("210", None, "bracket orders require stop_loss.stop_price"),
    ],
)
def test_the_legs_of_a_bracket_keep_a_cent_from_the_entry(
    trader: Trader, profit: str | None, stop: str | None, message: str | None
) -> None:
    legs: Body = {"order_class": "bracket"}
    legs["take_profit"] = None if profit is None else {"limit_price": profit}
    legs["stop_loss"] = None if stop is None else {"stop_price": stop}
    entry: Body = {"qty": "1", "type": "limit", "limit_price": "200", **legs}

    if message is None:
        asked = {"symbol": "AAPL", "side": "buy", "time_in_force": "gtc"} | entry
        assert trader.post(asked).order_class == "bracket"
    else:
        assert refused(trader, **entry)[0::2] == (422, message)


@pytest.mark.parametrize("field", [{"time_in_force": "ioc"}, {"extended_hours": True}])
def test_a_bracket_is_for_regular_hours_by_day_or_till_canceled(
    trader: Trader, field: Body
) -> None:
    bracket: Body = {
        "qty": "1",
        "type": "limit",
        "limit_price": "190",
        "order_class": "bracket",
        "take_profit": {"limit_price": "200"},
        "stop_loss": {"stop_price": "180"},
    }

    assert refused(trader, **bracket | field)[:2] == (422, UNPROCESSABLE)


def test_buying_power_is_net_of_open_buys(trader: Trader) -> None:
    """100,000 less 400 x 150 leaves 40,000: 210 x 190 = 39,900 fit, 211 x 190 = 40,090 do not."""
    trader.ask("AAPL", "buy", "400", type="limit", limit_price="150")
    assert trader.account().buying_power == "40000"

    status, body = refusal(lambda: trader.ask("AAPL", "buy", "211"))

    assert status == 403
    assert body == {
        "code": FORBIDDEN,
        "message": "insufficient buying power",
        "buying_power": "40000",
        "cost_basis": "40090",
    }
    trader.ask("AAPL", "buy", "210")
    assert trader.account().buying_power == "100"


def test_a_short_takes_buying_power_at_the_ask_and_three_percent(margin: AlpacaStandIn) -> None:
    """10,000 x 2 over 190 x 1.03 = 195.70: 102 shares are 19,961.40, 103 are 20,157.10."""
    trader = Trader(margin)

    assert refused(trader, side="sell", qty="103") == (
        403,
        FORBIDDEN,
        "insufficient buying power",
    )
    assert trader.ask("AAPL", "sell", "102").position_intent == "sell_to_open"


def test_a_position_intent_that_is_not_so_is_refused(trader: Trader) -> None:
    answer = refused(trader, qty="1", position_intent="buy_to_close")

    assert answer == (
        422,
        UNPROCESSABLE,
        "position intent mismatch, inferred: buy_to_open, specified: buy_to_close",
    )


def test_a_suspended_account_takes_no_orders(alpaca: AlpacaStandIn, trader: Trader) -> None:
    alpaca.account.trading_blocked = True

    assert refused(trader, qty="1") == (403, FORBIDDEN, "new orders are rejected by user request")
