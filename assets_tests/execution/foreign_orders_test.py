"""Orders that somebody else has open in the account: seen, told, and kept out of the way of."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from assets_tests.alpaca.account import BrokerAccount
from assets_tests.alpaca.clock import new_york
from assets_tests.alpaca.server import AlpacaStandIn, running_alpaca
from assets_tests.brokers.alpaca_accounts import opened
from assets_tests.simulation.alpaca_simulation import MONDAY, make_story, run_once
from trading_assets.event_log.store import open_event_log
from trading_assets.execution.book import Book
from trading_assets.execution.foreign_orders import (
    foreign_order_notice,
    foreign_orders,
)
from trading_assets.model.account import BrokerOrder, Known, Unknown


@pytest.fixture
def alpaca() -> Iterator[AlpacaStandIn]:
    """20 of AAA at 100 and some cash, before the open of Monday."""
    with running_alpaca(BrokerAccount(now=new_york("2024-06-02 12:00"))) as running:
        account = running.account
        for symbol in ("AAA", "BBB", "CCC", "DDD"):
            account.list_asset(symbol, "100")
        account.place_by_hand("AAA", "buy", "20")
        account.advance_to("2024-06-03 09:31")
        yield running


def found(alpaca: AlpacaStandIn, folder: Path) -> tuple[BrokerOrder, ...]:
    log = open_event_log(folder / "books", "fault_drill")
    answer = foreign_orders(opened(alpaca), Book(log, make_story(1).settings))
    log.close()
    assert isinstance(answer, Known)
    return answer.value


def test_an_order_by_hand_is_told_with_what_it_stops(alpaca: AlpacaStandIn, tmp_path: Path) -> None:
    placed = alpaca.account.place_by_hand("AAA", "sell", "5", type="limit", limit_price="130")
    (order,) = found(alpaca, tmp_path)
    assert foreign_order_notice(order, one_side_only=True) == (
        f"sell 5 AAA (limit, limit 130, day; order {placed.id}): no purchase of AAA is planned "
        "while it is open, shares under it are not sold again."
    )


def test_what_is_not_known_is_not_nothing(alpaca: AlpacaStandIn, tmp_path: Path) -> None:
    alpaca.gateway.key_forbidden = True
    log = open_event_log(tmp_path / "books", "fault_drill")
    answer = foreign_orders(opened(alpaca), Book(log, make_story(1).settings))
    log.close()
    assert isinstance(answer, Unknown)


def test_a_session_leaves_what_an_order_by_hand_holds(
    alpaca: AlpacaStandIn, tmp_path: Path
) -> None:
    """The target of AAA is 0, but 5 of the 20 are under a limit order by hand: selling all would be
    refused, so nothing is sent, and the order by hand stands."""
    story = make_story(1)
    story.weights[MONDAY] = {}
    story.prices = dict.fromkeys(story.prices, Decimal(100))
    by_hand = alpaca.account.place_by_hand("AAA", "sell", "5", type="limit", limit_price="130")
    assert not run_once(tmp_path, story, alpaca, MONDAY).startswith("blocked")
    assert not [record for record in alpaca.requests if record.method == "POST"]
    assert by_hand.status == "new"
    assert [order.broker_order_id for order in found(alpaca, tmp_path)] == [by_hand.id]
