"""The account at Interactive Brokers: what the traps of the gateway must not lead to."""

from __future__ import annotations

import asyncio
import datetime as dt
import threading
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from assets_tests.brokers.broker_contract import ALWAYS, CLOSE, SELL, found, order
from assets_tests.brokers.ibkr_accounts import IMPATIENT, access, opened
from assets_tests.ibkr.account import GatewayAccount
from assets_tests.ibkr.faults import (
    COMPLETED_ORDERS,
    EXECUTIONS,
    OPEN_ORDERS,
    PLACE_ORDER,
    POSITIONS,
    SUMMARY,
    Fault,
)
from assets_tests.ibkr.funds import ISF, SXLE, SXLK
from assets_tests.ibkr.invariants import violations
from assets_tests.ibkr.listings import Listing
from assets_tests.ibkr.server import GatewayStandIn, running_gateway
from trading_assets.brokers.ibkr import NOT_SENT, IbkrBroker
from trading_assets.brokers.ibkr_connection import GatewayConnection
from trading_assets.brokers.ibkr_contracts import ContractTerms
from trading_assets.errors import ConfigurationError
from trading_assets.model.account import Known, Unknown
from trading_assets.model.order import OrderStatus, OrderType
from trading_assets.portfolio.order_rules import IBKR, InstrumentTraits

SXLK_L = "SXLK.L"


@pytest.fixture
def account() -> GatewayAccount:
    opened_account = GatewayAccount(cash={"USD": "100000", "GBP": "20000"})
    opened_account.market.add(SXLK, "62.50")
    opened_account.market.add(SXLE, "40.00")
    opened_account.market.add(ISF, "800.0")
    return opened_account


@pytest.fixture
def gateway(account: GatewayAccount) -> Iterator[GatewayStandIn]:
    with running_gateway(account) as running:
        yield running


@pytest.fixture
def broker(gateway: GatewayStandIn) -> Iterator[IbkrBroker]:
    with opened(gateway) as running:
        yield running


@pytest.fixture
def impatient(gateway: GatewayStandIn) -> Iterator[IbkrBroker]:
    with opened(gateway, fields=IMPATIENT) as running:
        yield running


def sxlk(name: str, quantity: str = "10", **fields: Any) -> Any:
    return order(name, quantity=quantity, symbol=SXLK_L, **fields)


# Accounts and instruments


def test_cash_is_told_by_currency_and_the_statement_is_in_the_portfolios(
    broker: IbkrBroker,
) -> None:
    assert broker.cash_by_currency().require() == {"USD": Decimal(100000), "GBP": Decimal(20000)}
    statement = broker.account().require()
    assert (statement.currency, statement.cash) == ("USD", Decimal(100000))
    # 100,000 + 20,000 x 1.25
    assert statement.equity == Decimal(125000)
    assert statement.account_number == "DU1234567"


def test_a_position_has_its_average_cost_in_money(
    broker: IbkrBroker, account: GatewayAccount
) -> None:
    account.place_by_hand("SXLK", "BUY", "10")
    account.market.last[SXLK.con_id] = Decimal("64.50")
    account.place_by_hand("SXLK", "BUY", "10")
    (position,) = broker.position_details().require()
    assert (position.symbol, position.quantity) == (SXLK_L, Decimal(20))
    # (10 x 62.50 + 10 x 64.50 + 2 x 1.70) / 20
    assert position.average_cost == Decimal("63.67")


def test_a_line_in_pence_is_bought_and_reported_in_pounds(
    gateway: GatewayStandIn, account: GatewayAccount
) -> None:
    with opened(gateway, currency="GBP") as broker:
        sent = order(
            "a",
            quantity="100",
            symbol="ISF.L",
            order_type=OrderType.LIMIT,
            limit_price=Decimal("8.05"),
        )
        assert broker.submit(sent).require().status is OrderStatus.ACCEPTED
        assert account.orders[0].limit_price == Decimal("805")
        assert found(broker, "a").request == sent
        (execution,) = broker.fills_since(ALWAYS).require()
        assert (execution.price, execution.currency) == (Decimal("8"), "GBP")
        # 20,000 - 100 x 8.00 - 1.70
        assert broker.account().require().cash == Decimal("19198.30")
        (position,) = broker.position_details().require()
        # (100 x 8.00 + 1.70) / 100
        assert position.average_cost == Decimal("8.017")


def test_a_contract_is_described_with_isin_currency_and_pence(broker: IbkrBroker) -> None:
    reply = broker.contracts.of_symbol(SXLK_L)
    assert isinstance(reply, Known)
    instrument = reply.value
    assert (instrument.con_id, instrument.broker_symbol) == (SXLK.con_id, "SXLK")
    assert (instrument.isin, instrument.primary_exchange) == ("IE00BWBXM948", "LSEETF")
    assert (instrument.currency, instrument.price_magnifier) == ("USD", 1)


@pytest.mark.parametrize(
    ("terms", "reason"),
    [
        (ContractTerms(symbol="SXLK", currency="USD", isin="IE00BWBXM492"), "ISIN"),
        (ContractTerms(symbol="NOPE", currency="USD"), "No security definition"),
        (ContractTerms(symbol="SXLK", currency=""), "trades in USD"),
    ],
)
def test_an_order_for_another_contract_than_was_meant_is_not_sent(
    gateway: GatewayStandIn, account: GatewayAccount, terms: ContractTerms, reason: str
) -> None:
    with opened(gateway, contracts={SXLK_L: terms}) as broker:
        answer = broker.submit(sxlk("a")).require()
    assert (answer.status, answer.reject_code) == (OrderStatus.REJECTED, "NOT_TRADABLE")
    assert reason in answer.reject_reason
    assert account.orders == []


def test_two_contracts_of_one_name_are_not_guessed_between(
    gateway: GatewayStandIn, account: GatewayAccount
) -> None:
    account.market.add(Listing(5, "SXLK", "USD", "EBS", "IE00BWBXM948", "SAME FUND"), "62.40")
    terms = ContractTerms(symbol="SXLK", currency="USD")
    with opened(gateway, contracts={SXLK_L: terms}) as broker:
        answer = broker.submit(sxlk("a")).require()
        assert "2 contracts are called SXLK (EBS, LSEETF)" in answer.reject_reason
    with opened(gateway) as broker:
        assert broker.submit(sxlk("a")).require().status is OrderStatus.ACCEPTED


# Orders


def test_selling_what_is_held_leaves_nothing_of_it(broker: IbkrBroker) -> None:
    broker.submit(sxlk("a"))
    broker.submit(order("b", quantity="2", symbol="SXLE.L"))
    broker.submit(sxlk("c", side=SELL, effect=CLOSE))
    assert broker.positions().require() == {"SXLE.L": Decimal(2)}
    # 100,000 - 2 x 40 and three commissions of 1.70
    assert broker.account().require().cash == Decimal("99914.90")


def test_what_a_working_order_sells_already_cannot_be_sold_again(
    broker: IbkrBroker, account: GatewayAccount
) -> None:
    broker.submit(sxlk("a"))
    account.fills_by_itself = False
    assert broker.submit(sxlk("b", "8", side=SELL, effect=CLOSE)).require().broker_order_id
    refused = broker.submit(sxlk("c", "3", side=SELL, effect=CLOSE)).require()
    assert refused.reject_code == "INSUFFICIENT_QUANTITY"
    assert gateway_orders(account) == ["a", "b"]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"quantity": "1.5"}, "FRACTION_NOT_ALLOWED"),
        (
            {
                "order_type": OrderType.BRACKET,
                "take_profit_price": Decimal(70),
                "stop_loss_price": Decimal(60),
            },
            "ORDER_TYPE",
        ),
    ],
)
def test_what_the_broker_does_not_take_is_refused_before_it_leaves(
    broker: IbkrBroker, gateway: GatewayStandIn, fields: dict[str, Any], code: str
) -> None:
    assert broker.submit(sxlk("a", **fields)).require().reject_code == code
    assert gateway.placed("a") == 0


@pytest.mark.parametrize(
    ("reason", "code"), [("MARGIN", "REJECTED"), ("The price does not conform", "PRICE_INCREMENT")]
)
def test_a_refusal_of_the_broker_is_final_and_says_why(
    broker: IbkrBroker, account: GatewayAccount, reason: str, code: str
) -> None:
    if code == "REJECTED":
        account.reject_next("SXLK", "MARGIN")
        sent = sxlk("a")
    else:
        sent = sxlk("a", order_type=OrderType.LIMIT, limit_price=Decimal("62.505"))
    answer = broker.submit(sent).require()
    assert (answer.status, answer.reject_code) == (OrderStatus.REJECTED, code)
    assert reason in answer.reject_reason
    assert broker.order_by_client_id("a").require() is None


def test_a_notice_that_the_library_takes_for_a_cancel_leaves_the_order_open(
    broker: IbkrBroker, account: GatewayAccount
) -> None:
    account.preset_time_in_force = True
    account.fills_by_itself = False
    assert broker.submit(sxlk("a")).require().status is OrderStatus.ACCEPTED
    assert found(broker, "a").status is OrderStatus.ACCEPTED
    account.match()
    assert found(broker, "a").status is OrderStatus.FILLED


def test_the_time_in_force_is_always_said(broker: IbkrBroker, gateway: GatewayStandIn) -> None:
    broker.submit(sxlk("a"))
    (request,) = [fields for fields in gateway.requests if fields[0] == str(PLACE_ORDER)]
    assert request[21] == "DAY"


def test_an_order_in_parts_is_told_cumulatively_and_its_fills_are_not(
    broker: IbkrBroker, account: GatewayAccount
) -> None:
    account.fills_by_itself = False
    broker.submit(sxlk("a"))
    account.fill(account.orders[0], Decimal(4), "62.40")
    part = found(broker, "a")
    assert (part.status, part.filled_quantity) == (OrderStatus.PARTIALLY_FILLED, Decimal(4))
    account.fill(account.orders[0], Decimal(6), "62.60")
    assert found(broker, "a").status is OrderStatus.FILLED
    fills = broker.fills_since(ALWAYS).require()
    assert [(fill.quantity, fill.price) for fill in fills] == [
        (Decimal(4), Decimal("62.4")),
        (Decimal(6), Decimal("62.6")),
    ]
    assert broker.fills_since(fills[0].executed_at).require() == fills[1:]


def test_a_partly_filled_order_that_is_canceled_keeps_what_it_filled(
    broker: IbkrBroker, account: GatewayAccount
) -> None:
    account.fills_by_itself = False
    broker.submit(sxlk("a"))
    account.fill(account.orders[0], Decimal(4))
    answer = broker.cancel("a").require()
    assert (answer.status, answer.filled_quantity) == (OrderStatus.CANCELED, Decimal(4))
    assert answer.request.quantity == 10


def test_an_order_of_an_earlier_run_is_canceled_by_the_next(
    gateway: GatewayStandIn, account: GatewayAccount
) -> None:
    account.fills_by_itself = False
    with opened(gateway) as broker:
        broker.submit(sxlk("a"))
    with opened(gateway) as broker:
        assert broker.cancel("a").require().status is OrderStatus.CANCELED


def test_an_order_of_another_client_id_stays_as_it_is(
    gateway: GatewayStandIn, account: GatewayAccount
) -> None:
    account.fills_by_itself = False
    with opened(gateway, fields={"client_id": 8}) as other:
        other.submit(sxlk("a"))
    with opened(gateway) as broker:
        assert broker.cancel("a").require().status is OrderStatus.ACCEPTED
    assert account.orders[0].is_open


def test_a_trade_by_hand_is_told_with_its_reference_or_none(
    broker: IbkrBroker, account: GatewayAccount
) -> None:
    account.place_by_hand("SXLK", "BUY", "3")
    account.place_by_hand("SXLE", "BUY", "5", order_ref="mine")
    assert [
        (fill.client_order_id, fill.symbol, fill.quantity)
        for fill in broker.fills_since(ALWAYS).require()
    ] == [("", SXLK_L, Decimal(3)), ("mine", "SXLE.L", Decimal(5))]


def test_an_order_by_hand_is_listed_and_cannot_be_canceled_here(
    broker: IbkrBroker, account: GatewayAccount
) -> None:
    account.fills_by_itself = False
    placed = account.place_by_hand("SXLK", "BUY", "3")
    (listed,) = broker.open_orders().require()
    assert listed.request.client_order_id == f"ibkr-{placed.perm_id}"
    named = account.place_by_hand("SXLE", "BUY", "3", order_ref="mine")
    answer = broker.cancel("mine")
    assert isinstance(answer, Unknown)
    assert "cancel it there" in answer.reason
    assert named.is_open


def test_a_commission_that_is_not_told_yet_is_unknown_not_nothing(
    impatient: IbkrBroker, account: GatewayAccount
) -> None:
    account.commission_waits = True
    impatient.submit(sxlk("a"))
    answer = impatient.fills_since(ALWAYS)
    assert isinstance(answer, Unknown)
    assert "commission is not reported yet" in answer.reason
    account.report_commissions()
    (fill,) = impatient.fills_since(ALWAYS).require()
    assert fill.commission == Decimal("1.7")


def test_a_corrected_execution_is_for_a_person(broker: IbkrBroker, account: GatewayAccount) -> None:
    broker.submit(sxlk("a"))
    first = account.executions[0]
    account.executions.append(
        type(first)(**{**vars(first), "execution_id": first.execution_id[:-2] + "02"})
    )
    answer = broker.fills_since(ALWAYS)
    assert isinstance(answer, Unknown)
    assert "was corrected by the broker" in answer.reason


# Identity


def test_order_ids_that_begin_anew_do_not_confuse_orders(
    gateway: GatewayStandIn, account: GatewayAccount
) -> None:
    with opened(gateway) as broker:
        broker.submit(sxlk("a"))
    gateway.reset_order_ids()
    account.fills_by_itself = False
    with opened(gateway) as broker:
        broker.submit(sxlk("b", "3"))
        assert account.orders[0].order_id == account.orders[1].order_id
        assert found(broker, "a").filled_quantity == 10
        assert found(broker, "b").filled_quantity == 0
        (fill,) = broker.fills_since(ALWAYS).require()
        assert fill.client_order_id == "a"
        assert fill.broker_order_id == str(account.orders[0].perm_id)


def test_two_orders_under_one_reference_are_for_a_person(
    broker: IbkrBroker, account: GatewayAccount
) -> None:
    account.fills_by_itself = False
    for _ in range(2):
        account.place_by_hand("SXLK", "BUY", "3", order_ref="a")
    answer = broker.order_by_client_id("a")
    assert isinstance(answer, Unknown)
    assert "2 orders under this reference" in answer.reason


def test_an_executed_order_that_no_list_has_is_unknown_not_absent(
    broker: IbkrBroker, account: GatewayAccount
) -> None:
    broker.submit(sxlk("a"))
    account.orders.clear()
    assert isinstance(broker.order_by_client_id("a"), Unknown)


# What gets lost


def test_an_order_that_was_taken_and_not_acknowledged_is_unknown_and_then_found(
    broker: IbkrBroker, gateway: GatewayStandIn, account: GatewayAccount
) -> None:
    gateway.faults.add(Fault("drop", PLACE_ORDER, "after"))
    assert isinstance(broker.submit(sxlk("a")), Unknown)
    held = found(broker, "a")
    assert (held.request, held.status) == (sxlk("a"), OrderStatus.FILLED)
    assert gateway.placed("a") == 1
    assert account.quantity("SXLK") == 10


@pytest.mark.parametrize("fault", [("silence", "before"), ("drop", "before"), ("drop", "after")])
def test_an_order_leaves_once_whatever_happens_to_it(
    impatient: IbkrBroker, gateway: GatewayStandIn, account: GatewayAccount, fault: tuple[Any, Any]
) -> None:
    gateway.faults.add(Fault(fault[0], PLACE_ORDER, fault[1]))
    assert isinstance(impatient.submit(sxlk("a")), Unknown)
    assert gateway.placed("a") == 1
    assert violations(account) == []


@pytest.mark.parametrize("question", [OPEN_ORDERS, COMPLETED_ORDERS, EXECUTIONS])
def test_an_order_is_not_sent_where_its_reference_could_not_be_looked_for(
    impatient: IbkrBroker, gateway: GatewayStandIn, question: int
) -> None:
    gateway.faults.add(Fault("silence", question, times=99))
    answer = impatient.submit(sxlk("a")).require()
    assert (answer.status, answer.reject_code) == (OrderStatus.REJECTED, NOT_SENT)
    assert gateway.placed("a") == 0


@pytest.mark.parametrize(
    ("question", "ask"),
    [
        (POSITIONS, IbkrBroker.positions),
        (SUMMARY, IbkrBroker.account),
        (OPEN_ORDERS, IbkrBroker.open_orders),
        (EXECUTIONS, lambda broker: broker.fills_since(ALWAYS)),
    ],
    ids=["positions", "account", "open orders", "fills"],
)
@pytest.mark.parametrize("kind", ["silence", "drop"])
def test_what_is_not_answered_is_unknown_never_empty(
    impatient: IbkrBroker, gateway: GatewayStandIn, kind: Any, question: int, ask: Any
) -> None:
    gateway.faults.add(Fault(kind, question, "after", times=99))
    answer = ask(impatient)
    assert isinstance(answer, Unknown)
    expected = "no answer within 0.3 s" if kind == "silence" else "the connection ended"
    assert expected in answer.reason


@pytest.mark.parametrize("kind", ["silence", "drop"])
def test_a_question_that_was_lost_is_asked_again_after_a_new_login(
    impatient: IbkrBroker, gateway: GatewayStandIn, account: GatewayAccount, kind: Any
) -> None:
    account.place_by_hand("SXLK", "BUY", "3")
    gateway.faults.add(Fault(kind, POSITIONS))
    assert impatient.positions().require() == {SXLK_L: Decimal(3)}
    assert gateway.logins == [7, 7]


def test_what_the_library_cannot_read_is_unknown(
    broker: IbkrBroker, account: GatewayAccount
) -> None:
    account.fills_by_itself = False
    account.place_by_hand("SXLK", "BUY", "3")
    account.orders[0].limit_price = Decimal("NaN")
    account.orders[0].order_id = "seven"  # type: ignore[assignment]
    answer = broker.open_orders()
    assert isinstance(answer, Unknown)
    assert "could not read what the gateway sent" in answer.reason


# Connections


def test_the_nightly_reset_costs_a_login_and_nothing_else(
    broker: IbkrBroker, gateway: GatewayStandIn, account: GatewayAccount
) -> None:
    account.fills_by_itself = False
    broker.submit(sxlk("a"))
    gateway.drop_all()
    gateway.refuse_logins = 2
    account.match()
    assert found(broker, "a").status is OrderStatus.FILLED
    (fill,) = broker.fills_since(ALWAYS).require()
    assert fill.client_order_id == "a"
    assert broker.positions().require() == {SXLK_L: Decimal(10)}


@pytest.mark.parametrize("data_lost", [True, False])
def test_after_connectivity_is_restored_everything_is_asked_anew(
    broker: IbkrBroker, gateway: GatewayStandIn, account: GatewayAccount, data_lost: bool
) -> None:
    assert broker.positions().require() == {}
    gateway.lose_connectivity()
    # Whatever happened meanwhile was told to nobody.
    account.place_by_hand("SXLK", "BUY", "3")
    restored = threading.Timer(0.1, gateway.restore_connectivity, kwargs={"data_lost": data_lost})
    restored.start()
    assert broker.positions().require() == {SXLK_L: Decimal(3)}
    restored.join()
    assert gateway.logins[0] == 7
    assert len(gateway.logins) > 1


def test_without_connectivity_the_answer_is_unknown(
    impatient: IbkrBroker, gateway: GatewayStandIn
) -> None:
    assert impatient.positions().require() == {}
    gateway.lose_connectivity()
    assert isinstance(impatient.positions(), Unknown)
    assert isinstance(impatient.order_by_client_id("a"), Unknown)


def test_a_client_id_that_is_taken_is_named_at_once(gateway: GatewayStandIn) -> None:
    gateway.taken_client_ids.add(7)
    began = dt.datetime.now(dt.UTC)
    with opened(gateway, fields={"timeout_seconds": 5.0}) as broker:
        answer = broker.account()
    assert isinstance(answer, Unknown)
    assert "client id 7 is in use" in answer.reason
    # The library alone would wait for 5 s, three times.
    assert dt.datetime.now(dt.UTC) - began < dt.timedelta(seconds=4)


def test_a_client_id_of_a_connection_that_is_about_to_end_is_waited_for(
    gateway: GatewayStandIn,
) -> None:
    gateway.taken_client_ids.add(7)
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        gateway.taken_client_ids.clear()

    connection = GatewayConnection(
        access(gateway, login_delays_seconds=(0.0, 1.0, 2.0)), sleep=sleep
    )
    broker = IbkrBroker(connection, "USD")
    assert broker.positions().require() == {}
    broker.close()
    assert pauses == [1.0]


def test_a_gateway_that_is_not_there_is_unknown(gateway: GatewayStandIn) -> None:
    with opened(gateway, fields={"port": 1}) as broker:
        answer = broker.positions()
    assert isinstance(answer, Unknown)
    assert "nothing listens at 127.0.0.1:1" in answer.reason


@pytest.mark.parametrize(
    ("number", "fields", "message"),
    [
        ("U7654321", {}, "the mode is paper, the gateway .* is logged in to a live account"),
        ("DU1234567", {"is_paper": False}, "the mode is live, .* to a paper account"),
        ("DU1234567", {"account_number": "DU9999999"}, "TRADING_ASSETS_IBKR_ACCOUNT"),
    ],
)
def test_another_account_than_the_one_meant_stops_everything(
    account: GatewayAccount, number: str, fields: dict[str, Any], message: str
) -> None:
    account.number = number
    with running_gateway(account) as gateway, opened(gateway, fields=fields) as broker:
        with pytest.raises(ConfigurationError, match=message) as refused:
            broker.submit(sxlk("a"))
        assert "1234567" not in str(refused.value)
        assert "7654321" not in str(refused.value)
    assert account.orders == []


# Where it runs


def test_it_works_in_a_thread_and_inside_a_running_loop(gateway: GatewayStandIn) -> None:
    said: list[Any] = []

    def in_a_thread() -> None:
        with opened(gateway) as broker:
            said.append(broker.positions())

    thread = threading.Thread(target=in_a_thread)
    thread.start()
    thread.join()

    async def in_a_loop() -> None:
        with opened(gateway) as broker:
            said.append(broker.positions())

    asyncio.run(in_a_loop())
    assert said == [Known({}), Known({})]


def test_closing_leaves_no_thread(gateway: GatewayStandIn) -> None:
    with opened(gateway) as broker:
        broker.positions()
        assert "ibkr" in {thread.name for thread in threading.enumerate()}
    assert "ibkr" not in {thread.name for thread in threading.enumerate()}


def gateway_orders(account: GatewayAccount) -> list[str]:
    return [each.order_ref for each in account.orders]


def test_what_planner_and_submitter_must_know_is_said(broker: IbkrBroker) -> None:
    assert not broker.capabilities.deduplicates_client_order_ids
    assert broker.capabilities.order_rules is IBKR
    assert broker.traits([SXLK_L, "NOPE.L"]).require() == {
        SXLK_L: InstrumentTraits(tradable=True, fractionable=False),
        "NOPE.L": InstrumentTraits(tradable=False, fractionable=False),
    }


def test_average_costs_are_told_by_symbol(broker: IbkrBroker, account: GatewayAccount) -> None:
    account.place_by_hand("SXLK", "BUY", "10")
    # (10 x 62.50 + 1.70) / 10
    assert broker.average_costs().require() == {SXLK_L: Decimal("62.67")}


def test_an_order_of_another_run_does_not_say_what_it_does_to_the_position(
    gateway: GatewayStandIn, account: GatewayAccount
) -> None:
    account.fills_by_itself = False
    short = sxlk("a", side=SELL)
    with opened(gateway) as broker:
        broker.submit(short)
        assert (found(broker, "a").request, found(broker, "a").states_effect) == (short, True)
    with opened(gateway) as broker:
        assert not found(broker, "a").states_effect


def test_the_gateways_clock_is_utc(broker: IbkrBroker, account: GatewayAccount) -> None:
    told = broker.clock().require()
    assert told is not None
    assert told.now == account.now
    assert told.is_open is None
