"""Mode online: planned from the account at Alpaca as it is, nothing ever sent, and a book that goes
on when orders are."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from assets_tests.alpaca.account import BrokerAccount
from assets_tests.alpaca.clock import new_york
from assets_tests.alpaca.server import AlpacaStandIn, running_alpaca
from assets_tests.brokers.alpaca_accounts import opened
from assets_tests.execution.alpaca_desk import TUESDAY, AlpacaDesk
from assets_tests.execution.submission_test import request
from trading_assets.errors import SubmissionRefusedError
from trading_assets.execution.session import SessionStatus
from trading_assets.model.order import OrderChange
from trading_assets.reconciliation import reconcile

PRICES = {"AAA": "50", "BBB": "200"}
HALF = {"AAA": "0.5"}


@pytest.fixture
def alpaca() -> Iterator[AlpacaStandIn]:
    """An account of $10,000 that somebody holds 20 AAA in, before the open."""
    account = BrokerAccount(cash=Decimal(11_000), now=new_york("2024-05-31 15:00"), multiplier=2)
    with running_alpaca(account) as running:
        for symbol, price in PRICES.items():
            account.list_asset(symbol, price)
        account.place_by_hand("AAA", "buy", "20")
        account.advance_to("2024-06-03 09:00")
        yield running


def desk(folder: Path, alpaca: AlpacaStandIn, mode: str) -> AlpacaDesk:
    return AlpacaDesk(folder, alpaca, mode=mode)


def sent(alpaca: AlpacaStandIn) -> list[str]:
    """Every request that could change something."""
    return [f"{one.method} {one.path}" for one in alpaca.requests if one.method != "GET"]


def planned_orders(work: AlpacaDesk) -> list[tuple[str, str, Decimal]]:
    assert work.book.planned is not None
    plan = work.book.planned.plan
    return [(o.symbol, o.side.value, o.quantity) for o in plan.real_orders]


def test_a_day_is_planned_from_the_account_and_closed_and_nothing_is_sent(
    alpaca: AlpacaStandIn, tmp_path: Path
) -> None:
    """11,000 less 20 x 50 leaves 10,000 of cash. Half of 11,000 is 110 AAA: 90 more."""
    work = desk(tmp_path, alpaca, "online")
    assert work.run(HALF, PRICES).status is SessionStatus.PLANNED
    assert planned_orders(work) == [("AAA", "buy", Decimal(90))]
    for clock in ("09:30", "12:00"):
        alpaca.account.advance_to(f"2024-06-03 {clock}")
        assert work.run(HALF, PRICES).status is SessionStatus.WORKING
    alpaca.account.advance_to("2024-06-03 16:20")
    outcome = work.run(HALF, PRICES, closes=PRICES)
    assert outcome.closed is not None
    assert (work.book.positions, work.book.cash) == ({"AAA": Decimal(20)}, Decimal(10_000))
    assert sent(alpaca) == []
    report = reconcile(outcome.closed)
    assert report.unexplained == ()
    (gap,) = [one for one in report.gaps if one.view == "planned_vs_filled"]
    assert (gap.cause.value, gap.quantity) == ("not_sent", Decimal(90))
    assert gap.detail.endswith("mode is online: none is sent")


def test_what_is_traded_by_hand_meanwhile_is_booked_and_planned_from(
    alpaca: AlpacaStandIn, tmp_path: Path
) -> None:
    """With 60 AAA bought there are 80: 30 are wanted, where 90 were."""
    work = desk(tmp_path, alpaca, "online")
    work.run(HALF, PRICES)
    alpaca.account.advance_to("2024-06-03 11:00")
    alpaca.account.place_by_hand("AAA", "buy", "60")
    assert work.run(HALF, PRICES).status is SessionStatus.WORKING
    assert planned_orders(work) == [("AAA", "buy", Decimal(30))]
    alpaca.account.advance_to("2024-06-03 16:20")
    outcome = work.run(HALF, PRICES, closes=PRICES)
    assert outcome.closed is not None
    assert work.book.positions == {"AAA": Decimal(80)}
    assert reconcile(outcome.closed).unexplained == ()
    assert sent(alpaca) == []


def test_runs_that_find_nothing_new_record_nothing(alpaca: AlpacaStandIn, tmp_path: Path) -> None:
    work = desk(tmp_path, alpaca, "online")
    work.run(HALF, PRICES)
    head = work.book.log.head()
    alpaca.account.advance_to("2024-06-03 10:00")
    work.run(HALF, PRICES)
    assert work.book.log.head() == head


@pytest.mark.parametrize("by_hand", ["0", "60"], ids=["as it was", "traded by hand meanwhile"])
def test_orders_may_be_sent_on_the_same_day(
    alpaca: AlpacaStandIn, tmp_path: Path, by_hand: str
) -> None:
    """Whatever was planned before: the account ends with 110 AAA, bought once."""
    desk(tmp_path, alpaca, "online").run(HALF, PRICES)
    alpaca.account.advance_to("2024-06-03 11:00")
    desk(tmp_path, alpaca, "online").run(HALF, PRICES)
    if by_hand != "0":
        alpaca.account.place_by_hand("AAA", "buy", by_hand)
    work = desk(tmp_path, alpaca, "paper")
    assert work.run(HALF, PRICES).block_code == ""
    assert work.book.positions == {"AAA": Decimal(110)}
    assert len(sent(alpaca)) == 1
    alpaca.account.advance_to("2024-06-03 16:20")
    outcome = work.run(HALF, PRICES, closes=PRICES)
    assert outcome.closed is not None
    assert reconcile(outcome.closed).unexplained == ()


def test_orders_may_be_sent_on_the_day_after(alpaca: AlpacaStandIn, tmp_path: Path) -> None:
    work = desk(tmp_path, alpaca, "online")
    work.run(HALF, PRICES)
    alpaca.account.advance_to("2024-06-03 16:20")
    work.run(HALF, PRICES, closes=PRICES)
    alpaca.account.advance_to("2024-06-04 09:31")
    work = desk(tmp_path, alpaca, "paper")
    assert work.run(HALF, PRICES, session=TUESDAY).block_code == ""
    assert work.book.positions == {"AAA": Decimal(110)}
    assert len(sent(alpaca)) == 1


def test_what_was_sent_before_is_followed_to_its_end_and_not_touched(
    alpaca: AlpacaStandIn, tmp_path: Path
) -> None:
    """A paper day is gone on with online: the order that works is let work, and expires."""
    alpaca.account.matches_by_itself = False
    alpaca.account.advance_to("2024-06-03 09:31")
    desk(tmp_path, alpaca, "paper").run(HALF, PRICES)
    (order,) = [one for one in alpaca.account.orders.values() if not one.foreign]
    alpaca.account.fill(order, "40", "50")
    alpaca.account.advance_to("2024-06-03 12:00")
    work = desk(tmp_path, alpaca, "online")
    work.run(HALF, PRICES)
    alpaca.account.advance_to("2024-06-03 16:20")
    outcome = work.run(HALF, PRICES, closes=PRICES)
    assert outcome.closed is not None, outcome.block_message
    assert work.book.positions == {"AAA": Decimal(60)}
    assert reconcile(outcome.closed).unexplained == ()
    assert sent(alpaca) == ["POST /v2/orders"]


def test_a_broker_that_is_only_read_lets_nothing_leave(alpaca: AlpacaStandIn) -> None:
    broker = opened(alpaca, sends=False)
    change = OrderChange(client_order_id="b", quantity=Decimal(1))
    with pytest.raises(SubmissionRefusedError, match="only read"):
        broker.submit(request())
    with pytest.raises(SubmissionRefusedError, match="only read"):
        broker.cancel("a")
    with pytest.raises(SubmissionRefusedError, match="only read"):
        broker.replace("a", change)
    assert alpaca.requests == []
    assert broker.positions().require() == {"AAA": Decimal(20)}
