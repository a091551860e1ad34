"""Trade updates as a reason to poll: they may be lost or repeated, and nothing depends on them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from assets_tests.alpaca.clients import wait_until
from assets_tests.alpaca.server import AlpacaStandIn, running_alpaca
from assets_tests.brokers.alpaca_accounts import access, opened
from assets_tests.brokers.broker_contract import ALWAYS
from trading_assets.brokers.alpaca_stream import TradeUpdate, TradeUpdateFeed, waiting_on


@pytest.fixture
def alpaca() -> Iterator[AlpacaStandIn]:
    with running_alpaca() as running:
        running.account.list_asset("AAPL", "190.00")
        yield running


@pytest.fixture
def feed(alpaca: AlpacaStandIn) -> Iterator[TradeUpdateFeed]:
    with TradeUpdateFeed(access(alpaca)) as connected:
        wait_until(lambda: alpaca.trade_updates.listeners, "listener")
        yield connected


def collected(feed: TradeUpdateFeed, event: str) -> list[TradeUpdate]:
    """Updates as they come in, until one of an event is among them."""
    found: list[TradeUpdate] = []
    while not any(update.event == event for update in found):
        assert feed.wait(10), f"no {event} came in"
        found.extend(feed.take())
    return found


def test_a_fill_ends_the_wait_and_polling_tells_what_it_was(
    alpaca: AlpacaStandIn, feed: TradeUpdateFeed
) -> None:
    placed = alpaca.account.place_by_hand("AAPL", "buy", "3")
    updates = collected(feed, "fill")
    assert {update.client_order_id for update in updates} == {placed.client_order_id}
    assert updates[-1].execution_id
    (fill,) = opened(alpaca).fills_since(ALWAYS).require()
    assert fill.client_order_id == placed.client_order_id


def test_nothing_that_happens_is_no_update(feed: TradeUpdateFeed) -> None:
    assert not feed.wait(0.05)
    assert feed.take() == ()


def test_an_execution_that_is_sent_twice_is_one(
    alpaca: AlpacaStandIn, feed: TradeUpdateFeed
) -> None:
    alpaca.trade_updates.duplicates = 1.0
    alpaca.account.place_by_hand("AAPL", "buy", "3")
    alpaca.account.place_by_hand("AAPL", "buy", "4")
    fills: list[str] = []
    while len(set(fills)) < 2:
        # Updates that are no execution have no id; they would count as one.
        fills += [update.execution_id for update in collected(feed, "fill") if update.execution_id]
    assert not feed.wait(0.2) or all(u.execution_id not in fills for u in feed.take())
    assert len(fills) == len(set(fills))


def test_after_a_lost_connection_updates_come_again(
    alpaca: AlpacaStandIn, feed: TradeUpdateFeed
) -> None:
    alpaca.trade_updates.drop()
    wait_until(lambda: not alpaca.trade_updates.listeners, "end of the connection")
    wait_until(lambda: alpaca.trade_updates.listeners, "new connection")
    alpaca.account.place_by_hand("AAPL", "buy", "3")
    assert collected(feed, "fill")


def test_without_a_stream_one_waits_in_vain_and_polls(alpaca: AlpacaStandIn) -> None:
    alpaca.trade_updates.accepts = False
    with TradeUpdateFeed(access(alpaca)) as feed:
        alpaca.account.place_by_hand("AAPL", "buy", "3")
        assert not feed.wait(0.2)
        assert not feed.is_connected
        assert len(opened(alpaca).fills_since(ALWAYS).require()) == 1


def test_a_feed_stops_at_once_and_may_be_stopped_twice(alpaca: AlpacaStandIn) -> None:
    feed = TradeUpdateFeed(access(alpaca))
    feed.stop()
    feed.start()
    wait_until(lambda: alpaca.trade_updates.listeners, "listener")
    with pytest.raises(RuntimeError, match="running already"):
        feed.start()
    feed.stop()
    feed.stop()
    wait_until(lambda: not alpaca.trade_updates.listeners, "end of the connection")


def test_waiting_connects_when_it_is_first_needed_and_ends_with_what_happens(
    alpaca: AlpacaStandIn,
) -> None:
    feed = TradeUpdateFeed(access(alpaca))
    with waiting_on(feed) as wait:
        assert not feed.is_started
        wait(0.0)
        wait_until(lambda: alpaca.trade_updates.listeners, "listener")
        order = threading.Timer(0.2, lambda: alpaca.account.place_by_hand("AAPL", "buy", "3"))
        order.start()
        started = time.monotonic()
        wait(20.0)
        assert time.monotonic() - started < 10
        order.join()
        wait_until(lambda: len(opened(alpaca).fills_since(ALWAYS).require()) == 1, "fill")
    assert not feed.is_started
