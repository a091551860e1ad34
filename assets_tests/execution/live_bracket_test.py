"""A bracket at Alpaca: its legs become orders of the book, and their fills are their own."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from assets_tests.alpaca.account import BrokerAccount
from assets_tests.alpaca.clock import new_york
from assets_tests.alpaca.server import AlpacaStandIn, running_alpaca
from assets_tests.execution.alpaca_desk import MONDAY, AlpacaDesk
from trading_assets.execution.book import Book
from trading_assets.execution.session import SessionOutcome
from trading_assets.ledger.orders import OrderState
from trading_assets.model.order import OrderType
from trading_assets.reconciliation import reconcile

BRACKETS = {
    "fractional": False,
    "cash_buffer": 0,
    "bracket": {"take_profit": "0.05", "stop_loss": "0.03"},
}


@pytest.fixture
def alpaca() -> Iterator[AlpacaStandIn]:
    """An account of $10,000 at the open, and AAA at 100."""
    account = BrokerAccount(cash=Decimal(10_000), now=new_york("2024-06-03 09:30"), multiplier=2)
    with running_alpaca(account) as running:
        account.list_asset("AAA", "100")
        yield running


def run(alpaca: AlpacaStandIn, folder: Path, closes: dict[str, str]) -> tuple[SessionOutcome, Book]:
    """One run, by what a process opens."""
    desk = AlpacaDesk(folder, alpaca, planning=BRACKETS)
    return desk.run({"AAA": "0.5"}, {"AAA": "100"}, closes=closes), desk.book


def by_type(book: Book) -> dict[OrderType, OrderState]:
    return {order.request.order_type: order for order in book.orders(MONDAY)}


def test_the_fill_of_a_take_profit_is_the_legs_own_and_the_stop_ends_with_it(
    alpaca: AlpacaStandIn, tmp_path: Path
) -> None:
    """50 shares at 100, sold at 105 when the price gets there: 10,000 + 50 x 5 = 10,250."""
    run(alpaca, tmp_path, {})
    alpaca.account.advance_to("2024-06-03 12:00")
    alpaca.account.set_price("AAA", "105.00")
    _, book = run(alpaca, tmp_path, {})
    orders = by_type(book)
    assert orders[OrderType.BRACKET].filled_quantity == 50
    profit = orders[OrderType.LIMIT]
    assert (profit.status.value, profit.signed_filled_quantity) == ("filled", Decimal(-50))
    assert orders[OrderType.STOP].status.value == "canceled"
    assert all(fill.client_order_id for fill in book.fold.orders.fills(MONDAY))
    alpaca.account.advance_to("2024-06-03 16:20")
    outcome, book = run(alpaca, tmp_path, {"AAA": "105"})
    assert outcome.closed is not None
    assert (book.positions, book.cash) == ({}, Decimal(10_250))
    assert not reconcile(outcome.closed).unexplained


def test_legs_that_are_not_reached_expire_with_the_session(
    alpaca: AlpacaStandIn, tmp_path: Path
) -> None:
    run(alpaca, tmp_path, {})
    alpaca.account.advance_to("2024-06-03 16:20")
    outcome, book = run(alpaca, tmp_path, {"AAA": "101"})
    assert outcome.closed is not None, outcome.block_message
    assert book.positions == {"AAA": Decimal(50)}
    statuses = {kind.value: order.status.value for kind, order in by_type(book).items()}
    assert statuses == {"bracket": "filled", "limit": "expired", "stop": "expired"}
    assert not reconcile(outcome.closed).unexplained
