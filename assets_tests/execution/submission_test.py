"""Sending an order exactly once: what is recorded, what is asked, what leaves, in which order.

The broker here follows a script and writes down every call into the same list as the book, so a
test reads as the sequence of what happened.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from decimal import Decimal

import msgspec
import pytest
from msgspec.structs import replace

from trading_assets.brokers.base import BrokerCapabilities
from trading_assets.errors import BrokerUnknownError, SubmissionRefusedError
from trading_assets.execution.submission import Submitter, order_request
from trading_assets.ledger.orders import OrderBook, OrderState
from trading_assets.model.account import (
    AccountStatement,
    Answer,
    BrokerOrder,
    CashActivity,
    Execution,
    Known,
    MarketClock,
    Unknown,
)
from trading_assets.model.events import NewEvent
from trading_assets.model.order import (
    OrderRequest,
    OrderStatus,
    OrderType,
    PositionEffect,
    Side,
    TimeInForce,
)
from trading_assets.model.order_events import OrderIntended
from trading_assets.model.plan import PlannedOrder
from trading_assets.portfolio.order_rules import InstrumentTraits
from trading_assets.risk.limits import MINUTE_NANOSECONDS, OrderRate
from trading_assets.risk.policies import RiskLimits

MONDAY = dt.date(2024, 3, 4)
OPEN = dt.datetime(2024, 3, 4, 14, 30, tzinfo=dt.UTC)
LOST = Unknown("timed out")


def request(name: str = "a", quantity: str = "10") -> OrderRequest:
    return OrderRequest(
        client_order_id=name,
        symbol="AAA",
        side=Side.BUY,
        quantity=Decimal(quantity),
        order_type=OrderType.BRACKET,
        time_in_force=TimeInForce.DAY,
        position_effect=PositionEffect.OPEN,
        take_profit_price=Decimal("110"),
        stop_loss_price=Decimal("95"),
    )


def held(wanted: OrderRequest, status: OrderStatus = OrderStatus.ACCEPTED) -> BrokerOrder:
    return BrokerOrder(
        request=wanted,
        broker_order_id=f"broker-{wanted.client_order_id}",
        status=status,
        filled_quantity=Decimal(0),
    )


def refused(wanted: OrderRequest, code: str) -> BrokerOrder:
    return BrokerOrder(
        request=wanted,
        broker_order_id="",
        status=OrderStatus.REJECTED,
        filled_quantity=Decimal(0),
        reject_code=code,
        reject_reason=f"because of {code}",
    )


class ScriptedBroker:
    """Answers look-ups and submissions from lists, in turn; the last answer is repeated."""

    def __init__(
        self,
        happened: list[str],
        look_ups: Sequence[Answer[BrokerOrder | None]] = (Known(None),),
        answers: Sequence[Answer[BrokerOrder] | Exception] = (),
        *,
        deduplicates: bool = True,
        orders_per_commit: int = 1,
    ) -> None:
        self.capabilities = BrokerCapabilities(
            is_real=True,
            deduplicates_client_order_ids=deduplicates,
            orders_per_commit=orders_per_commit,
            lookup_delay_seconds=2.5,
        )
        self._happened = happened
        self._look_ups = list(look_ups)
        self._answers = list(answers)

    def order_by_client_id(self, client_order_id: str) -> Answer[BrokerOrder | None]:
        self._happened.append(f"look up {client_order_id}")
        return self._look_ups.pop(0) if len(self._look_ups) > 1 else self._look_ups[0]

    def submit(self, request: OrderRequest) -> Answer[BrokerOrder]:
        self._happened.append(f"send {request.client_order_id}")
        if not self._answers:
            return Known(held(request))
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def account(self) -> Answer[AccountStatement]:
        raise NotImplementedError

    def clock(self) -> Answer[MarketClock | None]:
        raise NotImplementedError

    def positions(self) -> Answer[dict[str, Decimal]]:
        raise NotImplementedError

    def open_orders(self) -> Answer[tuple[BrokerOrder, ...]]:
        raise NotImplementedError

    def cancel(self, client_order_id: str) -> Answer[BrokerOrder]:
        raise NotImplementedError

    def traits(self, symbols: Iterable[str]) -> Answer[dict[str, InstrumentTraits]]:
        raise NotImplementedError

    def average_costs(self) -> Answer[dict[str, Decimal] | None]:
        raise NotImplementedError

    def cash_activities_since(self, moment: dt.datetime) -> Answer[tuple[CashActivity, ...]]:
        raise NotImplementedError

    def fills_since(self, moment: dt.datetime) -> Answer[tuple[Execution, ...]]:
        raise NotImplementedError


class Trial:
    """A submitter on a scripted broker; `happened` is everything in its order."""

    def __init__(self, **script: object) -> None:
        self.happened: list[str] = []
        self.broker = ScriptedBroker(self.happened, **script)  # type: ignore[arg-type]
        self.book = OrderBook()
        self.events: list[NewEvent] = []
        self.submitter = Submitter(self.broker, MONDAY, OPEN, self._record, self._sleep)

    def _record(self, events: Sequence[NewEvent]) -> None:
        for new in events:
            kind = type(new.event).__name__
            self.happened.append(f"record {kind} {new.key}")
            self.book.apply_event(new.session, new.event)
        self.events.extend(events)

    def _sleep(self, seconds: float) -> None:
        self.happened.append(f"sleep {seconds}")

    def intend(self, *requests: OrderRequest) -> frozenset[str]:
        self.submitter.intend(
            [
                OrderIntended(request=one, batch_id="batch", leg=2, plan_price=Decimal(100))
                for one in requests
            ]
        )
        return frozenset(one.client_order_id for one in requests)

    @property
    def orders(self) -> tuple[OrderState, ...]:
        return self.book.of_session(MONDAY)

    def send_fresh(self, *requests: OrderRequest) -> None:
        """As the process does that has just intended the orders."""
        fresh = self.intend(*requests)
        self.submitter.submit(self.orders, fresh)

    def recover(self) -> None:
        """As the next process does: it knows nothing but the book."""
        self.happened.clear()
        self.submitter.submit(self.orders, frozenset())

    def status(self, name: str = "a") -> OrderStatus:
        found = self.book.get(name)
        assert found is not None
        return found.status


def test_a_fresh_order_is_durable_before_it_leaves_and_is_not_looked_up() -> None:
    trial = Trial()
    trial.send_fresh(request("a"), request("b"))
    assert trial.happened == [
        "record OrderIntended a",
        "record OrderIntended b",
        "record OrderSubmitted a/1",
        "record OrderSubmitted b/1",
        "send a",
        "record OrderAccepted a",
        "send b",
        "record OrderAccepted b",
    ]
    assert trial.orders[0].broker_order_id == "broker-a"


def test_without_deduplication_each_order_is_marked_as_leaving_only_right_before_it_does() -> None:
    trial = Trial(deduplicates=False)
    trial.send_fresh(request("a"), request("b"))
    assert trial.happened == [
        "record OrderIntended a",
        "record OrderIntended b",
        "look up a",
        "record OrderSubmitted a/1",
        "send a",
        "record OrderAccepted a",
        "look up b",
        "record OrderSubmitted b/1",
        "send b",
        "record OrderAccepted b",
    ]


def test_without_deduplication_an_id_that_the_broker_knows_already_is_for_a_person() -> None:
    trial = Trial(deduplicates=False, look_ups=[Known(held(request("a")))])
    with pytest.raises(SubmissionRefusedError) as error:
        trial.send_fresh(request("a"))
    assert error.value.code == "ID_TAKEN"
    assert trial.happened[1:] == ["look up a"]


def test_without_deduplication_nothing_is_recorded_as_sent_while_the_broker_cannot_say() -> None:
    trial = Trial(deduplicates=False, look_ups=[LOST])
    with pytest.raises(BrokerUnknownError):
        trial.send_fresh(request("a"))
    assert trial.happened == ["record OrderIntended a", "look up a"]
    assert trial.status() is OrderStatus.NEW


def test_acknowledgements_wait_for_each_other_where_the_broker_is_faster_than_the_disk() -> None:
    trial = Trial(orders_per_commit=2)
    trial.send_fresh(request("a"), request("b"), request("c"))
    assert trial.happened[-6:] == [
        "send a",
        "send b",
        "record OrderAccepted a",
        "record OrderAccepted b",
        "send c",
        "record OrderAccepted c",
    ]


def test_events_belong_to_their_order_and_to_the_sessions_open() -> None:
    trial = Trial()
    trial.send_fresh(request("a"))
    assert {(e.session, e.occurred_at, e.correlation_id) for e in trial.events} == {
        (MONDAY, OPEN, "a")
    }


def test_a_recovered_order_is_looked_up_first_and_adopted() -> None:
    trial = Trial(look_ups=[Known(held(request("a")))])
    trial.intend(request("a"))
    trial.recover()
    assert trial.happened == ["look up a", "record OrderAccepted a"]


def test_a_recovered_order_that_was_rejected_meanwhile_is_recorded_as_that() -> None:
    trial = Trial(look_ups=[Known(refused(request("a"), "NOT_TRADABLE"))])
    trial.intend(request("a"))
    trial.recover()
    assert trial.happened == ["look up a", "record OrderRejected a"]
    assert trial.orders[0].reject_code == "NOT_TRADABLE"
    assert trial.orders[0].reason == "because of NOT_TRADABLE"


@pytest.mark.parametrize(
    "change",
    [
        {"symbol": "BBB"},
        {"side": Side.SELL},
        {"quantity": Decimal(11)},
        {"order_type": OrderType.MARKET},
        {"time_in_force": TimeInForce.GTC},
        {"position_effect": PositionEffect.CLOSE},
        {"take_profit_price": Decimal("110.01")},
        {"stop_loss_price": None},
        {"limit_price": Decimal(100)},
        {"stop_price": Decimal(100)},
        {"client_order_id": "b"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_an_order_that_differs_in_any_field_is_not_adopted(change: dict[str, object]) -> None:
    other = msgspec.structs.replace(request("a"), **change)
    trial = Trial(look_ups=[Known(held(other))])
    trial.intend(request("a"))
    with pytest.raises(SubmissionRefusedError) as error:
        trial.recover()
    assert error.value.code == "ID_TAKEN"
    assert trial.happened == ["look up a"]
    assert trial.status() is OrderStatus.SUBMITTED


def test_every_field_of_a_request_is_among_those_tried() -> None:
    assert set(OrderRequest.__struct_fields__) == {
        "client_order_id",
        "symbol",
        "side",
        "quantity",
        "order_type",
        "time_in_force",
        "position_effect",
        "take_profit_price",
        "stop_loss_price",
        "limit_price",
        "stop_price",
    }


def test_quantities_that_are_spelt_differently_are_the_same_order() -> None:
    trial = Trial(look_ups=[Known(held(request("a", quantity="10.000")))])
    trial.intend(request("a", quantity="10"))
    trial.recover()
    assert trial.status() is OrderStatus.ACCEPTED


def test_an_order_not_found_twice_is_sent_again_under_its_id() -> None:
    trial = Trial()
    trial.intend(request("a"))
    trial.recover()
    assert trial.happened == [
        "look up a",
        "sleep 2.5",
        "look up a",
        "record OrderOutcomeUnknown a/1",
        "record OrderSubmitted a/2",
        "send a",
        "record OrderAccepted a",
    ]
    assert trial.orders[0].attempts == 2


def test_an_order_that_turns_up_at_the_second_look_is_adopted() -> None:
    trial = Trial(look_ups=[Known(None), Known(held(request("a")))])
    trial.intend(request("a"))
    trial.recover()
    assert trial.happened == ["look up a", "sleep 2.5", "look up a", "record OrderAccepted a"]


def test_without_deduplication_an_order_that_may_have_left_is_left_to_a_person() -> None:
    trial = Trial(deduplicates=False, answers=[ConnectionError("process died")])
    with pytest.raises(ConnectionError):
        trial.send_fresh(request("a"))
    with pytest.raises(SubmissionRefusedError) as error:
        trial.recover()
    assert error.value.code == "OUTCOME_UNKNOWN"
    assert trial.happened == ["look up a", "sleep 2.5", "look up a"]


def test_without_deduplication_an_order_that_never_left_is_sent_by_the_next_process() -> None:
    trial = Trial(deduplicates=False)
    trial.intend(request("a"))
    trial.recover()
    assert trial.happened == [
        "look up a",
        "record OrderSubmitted a/1",
        "send a",
        "record OrderAccepted a",
    ]


def test_an_unknown_outcome_is_recorded_looked_up_and_adopted() -> None:
    trial = Trial(answers=[LOST], look_ups=[Known(held(request("a")))])
    trial.send_fresh(request("a"))
    assert trial.happened[-4:] == [
        "send a",
        "record OrderOutcomeUnknown a/1",
        "look up a",
        "record OrderAccepted a",
    ]


def test_an_unknown_outcome_that_is_not_found_stops_everything() -> None:
    trial = Trial(answers=[LOST])
    with pytest.raises(BrokerUnknownError, match=r"order a: sent, not acknowledged \(timed out\)"):
        trial.send_fresh(request("a"), request("b"))
    assert "send b" not in trial.happened
    assert trial.status("a") is OrderStatus.UNKNOWN
    assert trial.status("b") is OrderStatus.SUBMITTED


def test_what_was_acknowledged_before_a_stop_is_kept() -> None:
    trial = Trial(answers=[Known(held(request("a"))), LOST], orders_per_commit=1000)
    with pytest.raises(BrokerUnknownError):
        trial.send_fresh(request("a"), request("b"))
    assert trial.status("a") is OrderStatus.ACCEPTED
    assert trial.status("b") is OrderStatus.UNKNOWN


def test_the_run_after_an_unknown_outcome_looks_again_then_sends_a_second_attempt() -> None:
    trial = Trial(answers=[LOST, Known(held(request("a")))])
    with pytest.raises(BrokerUnknownError):
        trial.send_fresh(request("a"))
    trial.recover()
    assert trial.happened == [
        "look up a",
        "sleep 2.5",
        "look up a",
        "record OrderSubmitted a/2",
        "send a",
        "record OrderAccepted a",
    ]
    assert trial.orders[0].attempts == 2


def test_a_look_up_without_an_answer_stops_and_nothing_is_sent() -> None:
    trial = Trial(look_ups=[LOST])
    trial.intend(request("a"))
    with pytest.raises(BrokerUnknownError, match="timed out"):
        trial.recover()
    assert trial.happened == ["look up a"]


def test_an_error_of_the_connection_leaves_the_order_to_be_looked_up() -> None:
    trial = Trial(answers=[ConnectionError("reset")], look_ups=[Known(held(request("a")))])
    with pytest.raises(ConnectionError):
        trial.send_fresh(request("a"))
    assert trial.status() is OrderStatus.SUBMITTED
    trial.recover()
    assert trial.happened == ["look up a", "record OrderAccepted a"]


def test_a_refusal_is_recorded_with_its_code_and_the_next_order_is_sent() -> None:
    trial = Trial(answers=[Known(refused(request("a"), "NOT_TRADABLE")), Known(held(request("b")))])
    trial.send_fresh(request("a"), request("b"))
    assert trial.status("a") is OrderStatus.REJECTED
    assert trial.orders[0].reject_code == "NOT_TRADABLE"
    assert trial.status("b") is OrderStatus.ACCEPTED


def test_a_refusal_for_a_used_id_means_that_the_order_is_there_already() -> None:
    used = Known(refused(request("a"), "DUPLICATE_ID"))
    trial = Trial(
        look_ups=[Known(None), Known(None), Known(held(request("a")))],
        answers=[used],
    )
    trial.intend(request("a"))
    trial.recover()
    assert trial.happened == [
        "look up a",
        "sleep 2.5",
        "look up a",
        "record OrderOutcomeUnknown a/1",
        "record OrderSubmitted a/2",
        "send a",
        "record OrderOutcomeUnknown a/2",
        "look up a",
        "record OrderAccepted a",
    ]


def test_an_id_that_somebody_else_used_is_not_taken_for_ours() -> None:
    used = Known(refused(request("a"), "DUPLICATE_ID"))
    trial = Trial(look_ups=[Known(held(request("a", quantity="99")))], answers=[used])
    with pytest.raises(SubmissionRefusedError, match="ID_TAKEN"):
        trial.send_fresh(request("a"))
    assert trial.status() is OrderStatus.UNKNOWN


@pytest.mark.parametrize("states_effect", [True, False])
def test_a_short_is_adopted_where_the_broker_does_not_say_that_it_opens(
    states_effect: bool,
) -> None:
    wanted = replace(request("a"), side=Side.SELL, position_effect=PositionEffect.OPEN)
    guessed = replace(wanted, position_effect=PositionEffect.CLOSE)
    found = replace(held(guessed), states_effect=states_effect)
    trial = Trial(look_ups=[Known(found)], answers=[Unknown("timed out")])
    if states_effect:
        with pytest.raises(SubmissionRefusedError, match="ID_TAKEN"):
            trial.send_fresh(wanted)
    else:
        trial.send_fresh(wanted)
        assert trial.status() is OrderStatus.ACCEPTED


def test_a_halt_between_two_orders_keeps_the_first_and_holds_back_the_second() -> None:
    trial = Trial(orders_per_commit=1000)
    trial.submitter = Submitter(
        trial.broker,
        MONDAY,
        OPEN,
        trial._record,
        trial._sleep,
        halted=lambda: "send a" in trial.happened,
    )
    with pytest.raises(SubmissionRefusedError, match="before order b left") as error:
        trial.send_fresh(request("a"), request("b"))
    assert error.value.code == "HALTED"
    assert "send b" not in trial.happened
    assert trial.status("a") is OrderStatus.ACCEPTED
    assert trial.status("b") is OrderStatus.SUBMITTED


def test_without_deduplication_a_halted_order_is_not_marked_as_leaving() -> None:
    trial = Trial(deduplicates=False)
    trial.submitter = Submitter(
        trial.broker, MONDAY, OPEN, trial._record, trial._sleep, halted=lambda: True
    )
    with pytest.raises(SubmissionRefusedError, match="HALTED"):
        trial.send_fresh(request("a"))
    assert trial.happened == ["record OrderIntended a"]


def test_acknowledged_and_finished_orders_are_left_alone() -> None:
    trial = Trial(answers=[Known(held(request("a"))), Known(refused(request("b"), "NO"))])
    trial.send_fresh(request("a"), request("b"))
    trial.recover()
    assert trial.happened == []


def test_the_request_says_what_the_line_of_the_plan_says() -> None:
    line = PlannedOrder(
        asset_id="001690",
        symbol="AAA",
        side=Side.BUY,
        position_effect=PositionEffect.OPEN,
        leg=2,
        planned_quantity=Decimal("10.7"),
        quantity=Decimal(10),
        price=Decimal(100),
        order_type=OrderType.BRACKET,
        time_in_force=TimeInForce.DAY,
        take_profit_price=Decimal("110"),
        stop_loss_price=Decimal("95"),
        cuts=(),
        client_order_id="a",
    )
    assert order_request(line) == request("a", quantity="10")


def test_an_order_too_many_within_a_minute_does_not_leave_and_leaves_a_minute_later() -> None:
    trial, now = Trial(deduplicates=False), 0
    rate = OrderRate(RiskLimits(max_orders_per_minute=1))
    trial.submitter = Submitter(
        trial.broker,
        MONDAY,
        OPEN,
        trial._record,
        trial._sleep,
        rate_refusal=lambda symbol: rate.refusal(symbol, now),
    )
    with pytest.raises(SubmissionRefusedError, match="Order b did not leave") as error:
        trial.send_fresh(request("a"), request("b"))
    assert error.value.code == "RATE_LIMIT_GLOBAL"
    assert trial.status("a") is OrderStatus.ACCEPTED
    # It is not marked as leaving, so nobody has to ask for it.
    assert trial.happened[-1] == "record OrderAccepted a"
    assert trial.status("b") is OrderStatus.NEW
    now = MINUTE_NANOSECONDS
    trial.recover()
    assert trial.happened == [
        "look up b",
        "record OrderSubmitted b/1",
        "send b",
        "record OrderAccepted b",
    ]
