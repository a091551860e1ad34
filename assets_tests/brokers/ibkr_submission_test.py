"""Orders through the submitter to a gateway at which things go wrong, by seed.

A process sends the orders of a session, dies now and then, and is followed by another; connections
drop, questions and orders are lost on the way there and back; between two processes the gateway is
reset, loses the broker, finds the client id taken, numbers orders anew, rejects. When it is over,
every order is at the gateway at most once, what the book says of it is true, and one that may or
may not have left has stopped everything until a person looked.

`TRADING_ASSETS_IBKR_SEEDS` is how many seeds are tried, `TRADING_ASSETS_IBKR_FIRST_SEED` where they
begin; a failure names its seed.
"""

from __future__ import annotations

import datetime as dt
import os
import random
from collections.abc import Sequence
from decimal import Decimal

import pytest

from assets_tests.brokers.broker_contract import ALWAYS, SELL, order
from assets_tests.brokers.ibkr_accounts import opened
from assets_tests.ibkr.account import GatewayAccount
from assets_tests.ibkr.faults import PLACE_ORDER, Fault, SeededFaults
from assets_tests.ibkr.funds import SXLE, SXLK
from assets_tests.ibkr.invariants import violations
from assets_tests.ibkr.mishaps import SeededMishaps
from assets_tests.ibkr.server import GatewayStandIn, running_gateway
from trading_assets.brokers.ibkr import NOT_SENT, IbkrBroker
from trading_assets.errors import BrokerUnknownError, SubmissionRefusedError
from trading_assets.execution.submission import UNSENT, Submitter
from trading_assets.ledger.orders import OrderBook
from trading_assets.model.account import Known
from trading_assets.model.events import NewEvent
from trading_assets.model.order import OrderRequest, OrderStatus
from trading_assets.model.order_events import OrderIntended

MONDAY = dt.date(2024, 6, 3)
OPEN = dt.datetime(2024, 6, 3, 7, tzinfo=dt.UTC)
SEEDS = int(os.environ.get("TRADING_ASSETS_IBKR_SEEDS", "25"))
FIRST_SEED = int(os.environ.get("TRADING_ASSETS_IBKR_FIRST_SEED", "1"))
RUNS_MOST = 40
TIMEOUT_SECONDS = 0.25


class ProcessDiedError(Exception):
    """The process ends here."""


class Journal:
    """What is durable; it may die right before or right after something becomes that."""

    def __init__(self, seed: int, death_rate: float = 0.08) -> None:
        self.book = OrderBook()
        self._random = random.Random(f"journal {seed}")
        self._death_rate = death_rate
        self._is_dead = False

    def begin(self) -> None:
        """Another process."""
        self._is_dead = False

    def record(self, events: Sequence[NewEvent]) -> None:
        self._may_die()
        for new in events:
            self.book.apply_event(new.session, new.event)
        self._may_die()

    def _may_die(self) -> None:
        if self._is_dead or self._random.random() < self._death_rate:
            self._is_dead = True
            raise ProcessDiedError


def requests() -> list[OrderRequest]:
    """What a session wants: three sales, then three purchases."""
    symbols = ("SXLK.L", "SXLE.L", "SXLK.L")
    sales = [
        order(f"sell-{place}", SELL, str(place + 1), symbol) for place, symbol in enumerate(symbols)
    ]
    buys = [
        order(f"buy-{place}", quantity=str(10 + place), symbol=symbol)
        for place, symbol in enumerate(symbols)
    ]
    return [*sales, *buys]


def account() -> GatewayAccount:
    found = GatewayAccount()
    found.market.add(SXLK, "62.50")
    found.market.add(SXLE, "40.00")
    return found


def one_process(gateway: GatewayStandIn, journal: Journal) -> str:
    """A run of the session by a process of its own; why it ended, empty where all is settled."""
    journal.begin()
    with opened(gateway, fields={"timeout_seconds": TIMEOUT_SECONDS}) as broker:
        submitter = Submitter(broker, MONDAY, OPEN, journal.record, sleep=lambda _: None)
        try:
            if not journal.book.of_session(MONDAY):
                submitter.intend(
                    [
                        OrderIntended(request=one, batch_id="b", leg=1, plan_price=Decimal(50))
                        for one in requests()
                    ]
                )
            submitter.submit(journal.book.of_session(MONDAY), frozenset())
        except ProcessDiedError:
            return "died"
        except BrokerUnknownError:
            return "unknown"
        except SubmissionRefusedError as refusal:
            return refusal.code
    return ""


def run_until_settled(gateway: GatewayStandIn, journal: Journal, mishaps: SeededMishaps) -> str:
    """Process after process, until all is settled or only a person can go on."""
    for _ in range(RUNS_MOST):
        mishaps.befall(gateway)
        ending = one_process(gateway, journal)
        if ending in ("", "OUTCOME_UNKNOWN"):
            return ending
    return "never settled"


def check(gateway: GatewayStandIn, journal: Journal, ending: str) -> None:
    """What must be true whatever happened."""
    assert violations(gateway.account) == []
    for request in requests():
        assert gateway.placed(request.client_order_id) <= 1
    gateway.faults.seeded = None
    with opened(gateway) as broker:
        for state in journal.book.of_session(MONDAY):
            check_order(gateway, broker, state.client_order_id, state.status, ending)
        told = {fill.execution_id for fill in broker.fills_since(ALWAYS).require()}
        assert told == {each.execution_id for each in gateway.account.executions}
        assert broker.positions().require() == {
            f"{symbol}.L": gateway.account.quantity(symbol)
            for symbol in ("SXLK", "SXLE")
            if gateway.account.quantity(symbol)
        }


def check_order(
    gateway: GatewayStandIn, broker: IbkrBroker, name: str, status: OrderStatus, ending: str
) -> None:
    held = gateway.account.with_ref(name)
    found = broker.order_by_client_id(name)
    assert isinstance(found, Known)
    assert (found.value is not None) == bool(held)
    if status is OrderStatus.ACCEPTED:
        assert len(held) == 1
    elif status is OrderStatus.REJECTED:
        assert held == []
    else:
        # Only where a person was asked may anything be left, and nothing is sent after it.
        assert ending == "OUTCOME_UNKNOWN"
        assert status in UNSENT


@pytest.mark.parametrize("seed", range(FIRST_SEED, FIRST_SEED + SEEDS))
def test_no_seed_sends_an_order_twice_or_loses_one(seed: int) -> None:
    with running_gateway(account()) as gateway:
        gateway.account.largest_execution["SXLK"] = Decimal(1 + seed % 7)
        gateway.faults.seeded = SeededFaults(seed, rate=0.06)
        journal = Journal(seed)
        mishaps = SeededMishaps(seed)
        ending = run_until_settled(gateway, journal, mishaps)
        mishaps.end(gateway)
        try:
            assert ending in ("", "OUTCOME_UNKNOWN")
            check(gateway, journal, ending)
        except AssertionError as error:
            raise AssertionError(
                f"seed {seed} ({mishaps.happened}) ended {ending!r}: {error}"
            ) from error


def test_an_order_that_was_lost_on_the_way_there_is_never_sent_again_by_itself() -> None:
    with running_gateway(account()) as gateway:
        gateway.faults.add(Fault("drop", PLACE_ORDER, "before"))
        journal = Journal(0, death_rate=0.0)
        assert one_process(gateway, journal) == "unknown"
        for _ in range(3):
            assert one_process(gateway, journal) == "OUTCOME_UNKNOWN"
        assert gateway.placed("sell-0") == 1
        assert gateway.account.orders == []


def test_an_order_that_was_lost_on_the_way_back_is_adopted_and_the_others_follow() -> None:
    with running_gateway(account()) as gateway:
        gateway.faults.add(Fault("drop", PLACE_ORDER, "after"))
        journal = Journal(0, death_rate=0.0)
        assert one_process(gateway, journal) == ""
        assert len(gateway.account.orders) == 6
        check(gateway, journal, "")


def test_a_gateway_that_goes_down_between_two_orders_leaves_the_rest_for_the_next_run() -> None:
    with running_gateway(account()) as gateway:
        journal = Journal(0, death_rate=0.0)

        def go_down(*_: object) -> None:
            gateway.account.listeners.remove(go_down)
            gateway.drop_all()
            gateway.refuse_logins = 99

        gateway.account.listeners.append(go_down)
        assert one_process(gateway, journal) == "unknown"
        assert journal.book.of_session(MONDAY)[-1].status is OrderStatus.NEW
        gateway.refuse_logins = 0
        assert one_process(gateway, journal) == ""
        assert not [
            state for state in journal.book.of_session(MONDAY) if state.reject_code == NOT_SENT
        ]
        check(gateway, journal, "")
