"""The Alpaca account beyond the contract: faults, pages, foreign orders, replacing, other words."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from assets_tests.alpaca.account import BrokerAccount
from assets_tests.alpaca.description import public_description
from assets_tests.alpaca.faults import Fault
from assets_tests.alpaca.server import AlpacaStandIn, running_alpaca
from assets_tests.brokers.alpaca_accounts import opened
from assets_tests.brokers.broker_contract import ALWAYS, CLOSE, OPEN, SELL, found, order
from trading_assets.brokers.alpaca import AlpacaBroker
from trading_assets.brokers.alpaca_orders import STATUSES, OrderRow, broker_order
from trading_assets.brokers.base import DUPLICATE_ID
from trading_assets.event_log.contracts import encode
from trading_assets.execution.cash_activities import booked_as
from trading_assets.model.account import CashActivityKind, Known, Unknown
from trading_assets.model.order import OrderChange, OrderStatus, OrderType, TimeInForce
from trading_assets.portfolio.order_rules import InstrumentTraits

LIMIT: dict[str, Any] = {"order_type": OrderType.LIMIT, "limit_price": Decimal(150)}


@pytest.fixture
def alpaca() -> Iterator[AlpacaStandIn]:
    """A margin account of $100,000 on Monday 3 June 2024, 10:00 in New York."""
    with running_alpaca(BrokerAccount(multiplier=2)) as running:
        running.account.list_asset("AAPL", "190.00")
        running.account.list_asset("MSFT", "410.00")
        yield running


@pytest.fixture
def broker(alpaca: AlpacaStandIn) -> AlpacaBroker:
    return opened(alpaca, timeout_seconds=1.0)


FAULTS = {
    "504 before": Fault("status", status=504),
    "504 after": Fault("status", status=504, stage="after"),
    "502 in HTML": Fault("status", status=502, stage="after", html=True),
    "500": Fault("status", status=500, stage="after"),
    "socket dropped before": Fault("drop"),
    "socket dropped after": Fault("drop", stage="after"),
    "hang before": Fault("hang"),
    "hang after": Fault("hang", stage="after"),
    "rate limit": Fault("rate_limit", retry_after_seconds=0),
}


@pytest.mark.parametrize("name", FAULTS)
def test_an_order_whose_answer_is_lost_is_unknown_was_sent_once_and_can_be_looked_up(
    alpaca: AlpacaStandIn, broker: AlpacaBroker, name: str
) -> None:
    fault = alpaca.faults.add(FAULTS[name])
    assert isinstance(broker.submit(order("a")), Unknown)
    assert len(alpaca.posts("a")) == 1
    alpaca.faults.scripted.clear()
    held = broker.order_by_client_id("a").require()
    assert (held is not None) == (fault.stage == "after")


READS = {
    "/v2/account": "account",
    "/v2/positions": "positions",
    "/v2/orders": "open_orders",
    "/v2/account/activities": "fills_since",
}


@pytest.mark.parametrize("path", READS)
def test_a_question_without_an_answer_is_unknown_never_empty(
    alpaca: AlpacaStandIn, broker: AlpacaBroker, path: str
) -> None:
    alpaca.faults.add(Fault("status", "GET", path, status=504, times=100))
    method = getattr(broker, READS[path])
    answer = method(ALWAYS) if READS[path] == "fills_since" else method()
    assert isinstance(answer, Unknown)


@pytest.mark.parametrize("path", READS)
def test_a_question_that_fails_three_times_is_answered_the_fourth(
    alpaca: AlpacaStandIn, broker: AlpacaBroker, path: str
) -> None:
    alpaca.faults.add(Fault("status", "GET", path, status=502, html=True, times=3))
    method = getattr(broker, READS[path])
    answer = method(ALWAYS) if READS[path] == "fills_since" else method()
    assert isinstance(answer, Known)
    assert broker.api_statistics().retries == 3


def test_a_page_of_activities_that_fails_makes_all_of_them_unknown(
    alpaca: AlpacaStandIn, broker: AlpacaBroker
) -> None:
    for _ in range(120):
        alpaca.account.place_by_hand("AAPL", "buy", "1")
    path = "/v2/account/activities"
    alpaca.faults.add(Fault("status", "GET", path, status=504, nth=2, times=100))
    assert isinstance(broker.fills_since(ALWAYS), Unknown)


def test_fills_of_several_pages_are_all_there_once_also_where_rows_are_sent_twice(
    alpaca: AlpacaStandIn, broker: AlpacaBroker
) -> None:
    for _ in range(250):
        alpaca.account.place_by_hand("AAPL", "buy", "1")
    alpaca.faults.duplicate_activities = True
    fills = broker.fills_since(ALWAYS).require()
    assert len(fills) == len({fill.execution_id for fill in fills}) == 250
    pages = [r for r in alpaca.requests if r.path == "/v2/account/activities"]
    assert all("page_token" in page.query for page in pages[1:])


def test_orders_of_a_thousand_fills_are_named_in_a_few_requests(
    alpaca: AlpacaStandIn, broker: AlpacaBroker
) -> None:
    """A new process has to learn the client order id of each: 1000 orders are two pages of 500, not
    a thousand requests."""
    alpaca.account.holdings.cash = Decimal(1_000_000)
    placed = [alpaca.account.place_by_hand("AAPL", "buy", "1") for _ in range(1000)]
    fills = broker.fills_since(ALWAYS).require()
    assert [f.client_order_id for f in fills] == [o.client_order_id for o in placed]
    assert sum(r.path == "/v2/orders" for r in alpaca.requests) == 2
    assert not [r for r in alpaca.requests if r.path.startswith("/v2/orders/")]


def test_partial_fills_are_single_executions_and_the_order_counts_them(
    alpaca: AlpacaStandIn, broker: AlpacaBroker
) -> None:
    alpaca.account.matches_by_itself = False
    broker.submit(order("a"))
    alpaca.account.fill(alpaca.account.by_client_id["a"], "4", "190.10")
    held = found(broker, "a")
    assert (held.status, held.filled_quantity) == (OrderStatus.PARTIALLY_FILLED, Decimal(4))
    alpaca.account.fill(alpaca.account.by_client_id["a"], "6", "190.20")
    fills = broker.fills_since(ALWAYS).require()
    assert [(f.quantity, f.price) for f in fills] == [
        (Decimal(4), Decimal("190.10")),
        (Decimal(6), Decimal("190.20")),
    ]
    assert found(broker, "a").status is OrderStatus.FILLED


def test_an_order_placed_by_hand_is_seen_with_its_fill(
    alpaca: AlpacaStandIn, broker: AlpacaBroker
) -> None:
    by_hand = alpaca.account.place_by_hand("MSFT", "buy", "2")
    resting = alpaca.account.place_by_hand("AAPL", "buy", "1", type="limit", limit_price="100")
    (fill,) = broker.fills_since(ALWAYS).require()
    assert (fill.symbol, fill.client_order_id) == ("MSFT", by_hand.client_order_id)
    (open_order,) = broker.open_orders().require()
    assert open_order.request.client_order_id == resting.client_order_id


def test_a_short_is_negative_with_its_average_cost(broker: AlpacaBroker) -> None:
    broker.submit(order("a", SELL, "5"))
    assert broker.positions().require() == {"AAPL": Decimal(-5)}
    (position,) = broker.position_details().require()
    assert (position.quantity, position.average_cost) == (Decimal(-5), Decimal(190))
    # An effect that is opposite to what side alone would suggest comes back as sent.
    assert found(broker, "a").request.position_effect is OPEN


def test_executions_since_ever_name_their_orders_however_many_there_are(
    broker: AlpacaBroker,
) -> None:
    for name in "abcd":
        broker.submit(order(name))
    other = AlpacaBroker(broker._api, lookup_delay_seconds=0.0)
    ever = dt.datetime.min.replace(tzinfo=dt.UTC)
    executions = other.fills_since(ever).require()
    assert [each.client_order_id for each in executions] == ["a", "b", "c", "d"]


@pytest.mark.parametrize("answer", [(409, 40910000), (422, 42210000), (422, 40010001)])
def test_a_used_id_is_known_by_its_status_or_by_its_words(
    alpaca: AlpacaStandIn, broker: AlpacaBroker, answer: tuple[int, int]
) -> None:
    alpaca.account.duplicate_id_answer = answer
    broker.submit(order("a"))
    assert broker.submit(order("a")).require().reject_code == DUPLICATE_ID


def test_refusals_have_names_of_ours(alpaca: AlpacaStandIn, broker: AlpacaBroker) -> None:
    alpaca.account.list_asset("HARD", "50", easy_to_borrow=False)
    alpaca.account.list_asset("WHOLE", "50", fractionable=False)
    alpaca.account.list_asset("GONE", "50", tradable=False)
    broker.submit(order("resting", **LIMIT))
    cases = {
        "INSUFFICIENT_BUYING_POWER": order("1", quantity="10000"),
        "BROKER_MINIMUM": order("2", quantity="0.001", symbol="MSFT"),
        "NOT_SHORTABLE": order("3", SELL, "1", symbol="HARD"),
        "FRACTION_NOT_ALLOWED": order("4", quantity="1.5", symbol="WHOLE"),
        "NOT_TRADABLE": order("5", symbol="GONE"),
        "PRICE_INCREMENT": order("7", order_type=OrderType.LIMIT, limit_price=Decimal("150.001")),
        "POSITION_INTENT": order("8", SELL, "1", symbol="MSFT", effect=CLOSE),
    }
    refused = {name: broker.submit(request).require() for name, request in cases.items()}
    assert {name: each.reject_code for name, each in refused.items()} == {n: n for n in cases}
    assert all(each.status is OrderStatus.REJECTED for each in refused.values())


def test_a_replaced_order_ends_and_the_new_one_has_its_own_id(broker: AlpacaBroker) -> None:
    broker.submit(order("a", time_in_force=TimeInForce.GTC, **LIMIT))
    change = OrderChange(client_order_id="b", quantity=Decimal(7), limit_price=Decimal("151.25"))
    wanted = order(
        "b",
        quantity="7",
        order_type=OrderType.LIMIT,
        limit_price=Decimal("151.25"),
        time_in_force=TimeInForce.GTC,
    )
    assert broker.replace("a", change).require().request == wanted
    assert found(broker, "a").status is OrderStatus.CANCELED
    assert [each.request for each in broker.open_orders().require()] == [wanted]


def test_a_replacement_that_is_not_taken_is_refused_under_the_new_id(broker: AlpacaBroker) -> None:
    broker.submit(order("a", quantity="1.5", **LIMIT))
    answer = broker.replace("a", OrderChange(client_order_id="b", quantity=Decimal(2))).require()
    assert (answer.request.client_order_id, answer.status) == ("b", OrderStatus.REJECTED)
    assert found(broker, "a").status is OrderStatus.ACCEPTED
    assert broker.order_by_client_id("b").require() is None


def test_a_replacement_whose_answer_is_lost_is_unknown_and_asked_for_once(
    alpaca: AlpacaStandIn, broker: AlpacaBroker
) -> None:
    broker.submit(order("a", **LIMIT))
    alpaca.faults.add(Fault("status", "PATCH", "/v2/orders/.*", status=504, stage="after"))
    change = OrderChange(client_order_id="b", limit_price=Decimal(151))
    assert isinstance(broker.replace("a", change), Unknown)
    assert sum(r.method == "PATCH" for r in alpaca.requests) == 1
    assert found(broker, "b").request.limit_price == 151


def test_a_cancel_that_waits_leaves_the_order_working(
    alpaca: AlpacaStandIn, broker: AlpacaBroker
) -> None:
    alpaca.account.cancels_wait = True
    broker.submit(order("a", **LIMIT))
    assert broker.cancel("a").require().status is OrderStatus.ACCEPTED
    alpaca.account.confirm_cancel(alpaca.account.by_client_id["a"])
    assert found(broker, "a").status is OrderStatus.CANCELED


def test_a_bracket_whose_entry_filled_leaves_two_open_legs(
    alpaca: AlpacaStandIn, broker: AlpacaBroker
) -> None:
    legs: dict[str, Any] = {"take_profit_price": Decimal(200), "stop_loss_price": Decimal(180)}
    sent = order("a", order_type=OrderType.BRACKET, limit_price=Decimal(185), **legs)
    broker.submit(sent)
    listed = broker.open_orders().require()
    assert sent in [each.request for each in listed]
    alpaca.account.set_price("AAPL", "185")
    legs_open = {each.request.order_type: each.request for each in broker.open_orders().require()}
    assert legs_open[OrderType.LIMIT].limit_price == 200
    assert legs_open[OrderType.STOP].stop_price == 180
    alpaca.account.set_price("AAPL", "201")
    assert broker.positions().require() == {}
    entry, leg = broker.fills_since(ALWAYS).require()
    assert (entry.client_order_id, entry.price) == ("a", Decimal(185))
    assert (leg.side, leg.price) == (SELL, Decimal(201))
    assert leg.client_order_id != "a"


def test_cash_activities_have_their_kinds_and_signs(
    alpaca: AlpacaStandIn, broker: AlpacaBroker
) -> None:
    for kind, amount in (
        ("CSD", "500"),
        ("CSW", "-20"),
        ("JNLC", "-5"),
        ("FEE", "-0.02"),
        ("INT", "-1.25"),
        ("DIVNRA", "-0.38"),
    ):
        alpaca.account.book_cash(kind, amount)
    found = broker.cash_activities_since(ALWAYS).require()
    assert {(each.kind, each.amount) for each in found} == {
        (CashActivityKind.DEPOSIT, Decimal(500)),
        (CashActivityKind.WITHDRAWAL, Decimal(-20)),
        (CashActivityKind.WITHDRAWAL, Decimal(-5)),
        (CashActivityKind.FEE, Decimal("-0.02")),
        (CashActivityKind.INTEREST, Decimal("-1.25")),
        (CashActivityKind.TAX, Decimal("-0.38")),
    }


def test_a_returned_deposit_is_a_deposit_though_it_is_called_a_withdrawal(
    alpaca: AlpacaStandIn, broker: AlpacaBroker
) -> None:
    """The broker's words: CSD includes returned withdrawals, CSW returned deposits."""
    alpaca.account.book_cash("CSW", "20")
    alpaca.account.book_cash("CSD", "-30")
    found = broker.cash_activities_since(ALWAYS).require()
    assert {(each.kind, each.amount) for each in found} == {
        (CashActivityKind.DEPOSIT, Decimal(20)),
        (CashActivityKind.WITHDRAWAL, Decimal(-30)),
    }


def test_cash_in_lieu_names_its_instrument(alpaca: AlpacaStandIn, broker: AlpacaBroker) -> None:
    alpaca.account.book_cash("CIL", "35.00", symbol="AAPL")
    (found,) = broker.cash_activities_since(ALWAYS).require()
    assert (found.kind, found.symbol, found.amount, found.broker_type) == (
        CashActivityKind.CASH_IN_LIEU,
        "AAPL",
        Decimal(35),
        "",
    )


@pytest.mark.parametrize(
    ("kind", "symbol"),
    [("MA", "AAPL"), ("REO", "AAPL"), ("NEWTYPE", None), ("DIV", None), ("CIL", None)],
)
def test_cash_that_is_booked_from_elsewhere_or_of_no_known_kind_is_told_by_its_name(
    alpaca: AlpacaStandIn, broker: AlpacaBroker, kind: str, symbol: str | None
) -> None:
    alpaca.account.book_cash(kind, "0", symbol=symbol)
    assert broker.cash_activities_since(ALWAYS).require() == ()
    alpaca.account.book_cash(kind, "3", symbol=symbol)
    (found,) = broker.cash_activities_since(ALWAYS).require()
    assert (found.kind, found.broker_type) == (CashActivityKind.NOT_BOOKED, kind)
    assert (found.symbol, found.amount) == (symbol or "", Decimal(3))


@pytest.mark.parametrize("amount", ["1.00", "-1.00"])
def test_every_activity_of_the_public_description_can_be_booked_or_is_told(
    alpaca: AlpacaStandIn, broker: AlpacaBroker, amount: str
) -> None:
    """Whichever way the cash went: none leaves the account unknown, or is refused by the book."""
    listed = public_description().spec / "components" / "schemas" / "ActivityType" / "enum"
    types = [kind for kind in listed.read_value() if kind != "FILL"]
    for kind in types:
        alpaca.account.book_cash(kind, amount, symbol="AAPL")
    found = broker.cash_activities_since(ALWAYS).require()
    assert len(found) == len(types)
    told = {each.broker_type for each in found if each.kind is CashActivityKind.NOT_BOOKED}
    assert told == {"ACATS", "FOPT", "JNLS", "MA", "MISC", "NC", "REORG", "SPIN", "SPLIT"} | {
        kind for kind in types if kind.startswith("OP")
    }
    for each in found:
        if each.broker_type not in told:
            encode(booked_as(each, dt.date(2024, 6, 3)))


def test_a_blocked_account_says_so(alpaca: AlpacaStandIn, broker: AlpacaBroker) -> None:
    assert broker.account().require().restriction == ""
    alpaca.account.trading_blocked = True
    assert broker.account().require().restriction != ""


def test_wrong_keys_make_everything_unknown_and_reject_nothing(alpaca: AlpacaStandIn) -> None:
    broker = opened(alpaca)
    alpaca.gateway.key_forbidden = True
    assert isinstance(broker.account(), Unknown)
    assert isinstance(broker.submit(order("a")), Unknown)


def test_traits_are_asked_once_and_an_unlisted_symbol_is_not_tradable(
    alpaca: AlpacaStandIn, broker: AlpacaBroker
) -> None:
    alpaca.account.list_asset("HARD", "50", easy_to_borrow=False, fractionable=False)
    asked = ["AAPL", "HARD", "NONE"]
    wanted = {
        "AAPL": InstrumentTraits(),
        "HARD": InstrumentTraits(easy_to_borrow=False, fractionable=False),
        "NONE": InstrumentTraits(tradable=False),
    }
    assert broker.traits(asked).require() == wanted
    count = len(alpaca.requests)
    assert broker.traits(asked).require() == wanted
    assert len(alpaca.requests) == count


def test_traits_of_many_symbols_are_one_request(
    alpaca: AlpacaStandIn, broker: AlpacaBroker
) -> None:
    names = [f"S{number}" for number in range(50)]
    for name in names:
        alpaca.account.list_asset(name, "10")
    assert set(broker.traits(names).require()) == set(names)
    assert len(alpaca.requests) == 1


def row(**fields: object) -> OrderRow:
    """An order as Alpaca describes it."""
    terms: dict[str, object] = {
        "id": "1",
        "client_order_id": "a",
        "status": "new",
        "time_in_force": "day",
        "symbol": "AAPL",
        "qty": Decimal(10),
        "filled_qty": Decimal(0),
        "type": "market",
        "side": "buy",
    }
    return OrderRow(**(terms | fields))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("word", "status"),
    {
        "new": "accepted",
        "accepted": "accepted",
        "pending_new": "accepted",
        "partially_filled": "partially_filled",
        "filled": "filled",
        "done_for_day": "accepted",
        "canceled": "canceled",
        "expired": "expired",
        "replaced": "canceled",
        "pending_cancel": "accepted",
        "pending_replace": "accepted",
        "rejected": "rejected",
        "suspended": "accepted",
        "stopped": "accepted",
        "calculated": "accepted",
        "accepted_for_bidding": "accepted",
        "held": "accepted",
        "pending_review": "accepted",
    }.items(),
)
def test_every_status_of_the_documentation_has_its_place(word: str, status: str) -> None:
    assert broker_order(row(status=word)).require().status.value == status


def test_no_status_is_translated_that_is_not_tried() -> None:
    assert len(STATUSES) == 18


@pytest.mark.parametrize(
    "fields",
    [
        {"status": "vaporised"},
        {"time_in_force": "gtd"},
        {"type": "iceberg"},
        {"side": None, "symbol": None, "order_class": "mleg"},
        {"position_intent": "buy_to_hold"},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_a_word_without_translation_is_unknown_and_names_the_order(
    fields: dict[str, object],
) -> None:
    answer = broker_order(row(**fields))
    assert isinstance(answer, Unknown)
    assert "order a:" in answer.reason


def test_an_order_by_value_is_seen_without_a_quantity() -> None:
    assert broker_order(row(qty=None)).require().request.quantity == 0


def test_a_working_order_with_fills_is_partially_filled_whatever_it_waits_for() -> None:
    order_row = row(status="pending_cancel", filled_qty=Decimal(3))
    assert broker_order(order_row).require().status is OrderStatus.PARTIALLY_FILLED


def test_a_moment_before_everything_asks_for_everything(
    alpaca: AlpacaStandIn, broker: AlpacaBroker
) -> None:
    broker.submit(order("a"))
    assert len(broker.fills_since(dt.datetime.min.replace(tzinfo=dt.UTC)).require()) == 1
    last = [r for r in alpaca.requests if r.path == "/v2/account/activities"][-1]
    assert "after" not in last.query
