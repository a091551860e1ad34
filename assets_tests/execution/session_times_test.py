"""Orders and the clock at Alpaca: printed after the close, kept for the next open, or not sent."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from assets_tests.alpaca.account import BrokerAccount
from assets_tests.alpaca.clock import new_york
from assets_tests.alpaca.server import AlpacaStandIn, running_alpaca
from assets_tests.execution.alpaca_desk import MONDAY, TUESDAY, WEDNESDAY, AlpacaDesk
from trading_assets.execution.session import SessionOutcome
from trading_assets.reconciliation import reconcile

HALF, PRICES = {"AAA": "0.5"}, {"AAA": "100"}
CASH = Decimal(10_000)


@pytest.fixture
def alpaca() -> Iterator[AlpacaStandIn]:
    """An account of $10,000 at the open, and AAA at 100; nothing trades by itself."""
    account = BrokerAccount(cash=CASH, now=new_york("2024-06-03 09:30"))
    with running_alpaca(account) as running:
        account.list_asset("AAA", "100")
        account.matches_by_itself = False
        yield running


def close(desk: AlpacaDesk, session: dt.date) -> SessionOutcome:
    """The run that closes a session, at 100; what does not reconcile fails the test."""
    outcome = desk.run(HALF, PRICES, closes=PRICES, session=session)
    assert outcome.closed is not None, outcome.block_message
    assert not reconcile(outcome.closed).unexplained
    return outcome


def executed(alpaca: AlpacaStandIn, clock: str) -> None:
    """The only order is executed in whole, stamped so."""
    (order,) = alpaca.account.orders.values()
    alpaca.account.clock.now = new_york(clock)
    alpaca.account.fill(order)


def test_an_execution_that_is_printed_after_the_close_is_the_orders_session(
    alpaca: AlpacaStandIn, tmp_path: Path
) -> None:
    """5,000 of 10,000 at 100 are 50 shares, told of again the next day and booked once."""
    desk = AlpacaDesk(tmp_path, alpaca)
    desk.run(HALF, PRICES)
    executed(alpaca, "2024-06-03 16:00:02")
    alpaca.account.advance_to("2024-06-03 16:20")
    close(desk, MONDAY)
    assert (desk.book.positions, desk.book.cash) == ({"AAA": Decimal(50)}, Decimal(5000))
    for session in (TUESDAY, WEDNESDAY):
        alpaca.account.advance_to(f"{session} 16:20")
        close(desk, session)
    assert desk.book.positions == alpaca_positions(alpaca) == {"AAA": Decimal(50)}


def test_somebody_elses_trade_after_the_close_stays_out_of_the_session(
    alpaca: AlpacaStandIn, tmp_path: Path
) -> None:
    desk = AlpacaDesk(tmp_path, alpaca)
    desk.run(HALF, PRICES)
    executed(alpaca, "2024-06-03 16:00:02")
    alpaca.account.advance_to("2024-06-03 16:10")
    by_hand = {"type": "limit", "limit_price": "100", "extended_hours": True}
    order = alpaca.account.place_by_hand("AAA", "buy", "3", **by_hand)  # type: ignore[arg-type]
    alpaca.account.fill(order)
    alpaca.account.advance_to("2024-06-03 16:20")
    close(desk, MONDAY)
    assert desk.book.positions == {"AAA": Decimal(50)}
    alpaca.account.advance_to("2024-06-04 09:00")
    desk.run(HALF, PRICES, session=TUESDAY)
    assert desk.book.positions == {"AAA": Decimal(53)}


def on_its_way_at_the_close(alpaca: AlpacaStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    """The market closes between the last look at the clock and the arrival of an order."""
    accept = alpaca.account.submit
    alpaca.account.advance_to("2024-06-03 15:59:50")

    def arrive(body: Any, foreign: bool = False) -> Any:
        alpaca.account.advance_to("2024-06-03 16:00:01")
        return accept(body, foreign)

    monkeypatch.setattr(alpaca.account, "submit", arrive)


def test_an_order_that_came_after_the_close_does_not_trade_in_the_next_session(
    alpaca: AlpacaStandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Alpaca keeps it for the next open, before which it is canceled."""
    desk = AlpacaDesk(tmp_path, alpaca)
    on_its_way_at_the_close(alpaca, monkeypatch)
    desk.run(HALF, PRICES)
    assert [order.status for order in alpaca.account.orders.values()] == ["accepted"]
    alpaca.account.advance_to("2024-06-03 16:20")
    outcome = close(desk, MONDAY)
    assert [order.status for order in alpaca.account.orders.values()] == ["canceled"]
    assert outcome.closed is not None
    assert [order.reason for order in outcome.closed.orders] == ["not filled before the close"]
    assert desk.book.cash == CASH


def test_what_it_traded_in_the_next_session_is_booked_once_where_nobody_was_there_to_cancel(
    alpaca: AlpacaStandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The evening's run was missed: 50 shares at Tuesday's open are Monday's order."""
    desk = AlpacaDesk(tmp_path, alpaca)
    on_its_way_at_the_close(alpaca, monkeypatch)
    desk.run(HALF, PRICES)
    executed(alpaca, "2024-06-04 09:30:01")
    close(desk, MONDAY)
    assert desk.book.positions == {"AAA": Decimal(50)}
    for session in (TUESDAY, WEDNESDAY):
        alpaca.account.advance_to(f"{session} 16:20")
        close(desk, session)
    assert (desk.book.positions, desk.book.cash) == ({"AAA": Decimal(50)}, Decimal(5000))
    assert alpaca_positions(alpaca) == {"AAA": Decimal(50)}


@pytest.mark.parametrize(("minutes", "word"), [(-10, "behind"), (10, "ahead of")])
def test_with_a_wrong_clock_nothing_is_sent(
    alpaca: AlpacaStandIn, tmp_path: Path, minutes: int, word: str
) -> None:
    desk = AlpacaDesk(tmp_path, alpaca)
    alpaca.account.advance_to("2024-06-03 12:00")
    desk.clock_error = dt.timedelta(minutes=minutes)
    outcome = desk.run(HALF, PRICES)
    assert outcome.block_code == "CLOCK_ERROR"
    assert f"600 s {word} the broker's" in outcome.block_message
    assert alpaca.account.orders == {}


def alpaca_positions(alpaca: AlpacaStandIn) -> dict[str, Decimal]:
    return {"AAA": alpaca.account.quantity("AAA")}
