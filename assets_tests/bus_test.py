"""Everybody is told of what they asked for, in order, and a failure loses nothing."""

from __future__ import annotations

import datetime as dt
from contextlib import suppress
from decimal import Decimal

import pytest

from trading_assets.bus import EventBus, Message
from trading_assets.errors import DeliveryError, SubscriptionError
from trading_assets.model.cash_events import CashFlow, CashFlowKind
from trading_assets.model.events import AnyEvent, NewEvent
from trading_assets.model.market_events import PriceAdjustment, PriceBar, ValuationTrigger
from trading_assets.model.order_events import OrderAccepted, OrderExpired

MONDAY = dt.date(2024, 3, 4)
CLOSE = dt.datetime(2024, 3, 4, 21, tzinfo=dt.UTC)


def message(key: str, event: AnyEvent) -> NewEvent:
    return NewEvent(key=key, session=MONDAY, occurred_at=CLOSE, source="test", event=event)


def bar(key: str = "bar") -> NewEvent:
    event = PriceBar(
        symbol="AAA",
        timeframe="1Day",
        start=dt.datetime(2024, 3, 4, 14, 30, tzinfo=dt.UTC),
        end=CLOSE,
        open=Decimal(100),
        high=Decimal(102),
        low=Decimal(99),
        close=Decimal(101),
        currency="USD",
        adjustment=PriceAdjustment.RAW,
    )
    return message(key, event)


def deposit(key: str = "deposit") -> NewEvent:
    event = CashFlow(
        kind=CashFlowKind.DEPOSIT, amount=Decimal(100), currency="USD", reference="wire"
    )
    return message(key, event)


def accepted(key: str = "accepted") -> NewEvent:
    return message(key, OrderAccepted(client_order_id="o", broker_order_id="b"))


def expired(key: str = "expired") -> NewEvent:
    return message(key, OrderExpired(client_order_id="o"))


def valuation(key: str = "valuation") -> NewEvent:
    return message(key, ValuationTrigger(as_of=CLOSE, reason="close"))


class Diary:
    """A subscriber that writes down what it gets; raises while `broken` names the message."""

    def __init__(self, name: str = "", shared: list[str] | None = None) -> None:
        self.name = name
        self.entries: list[str] = [] if shared is None else shared
        self.broken: set[str] = set()

    def __call__(self, received: Message) -> None:
        assert isinstance(received, NewEvent)
        if received.key in self.broken:
            raise OSError(f"no space for {received.key}")
        self.entries.append(f"{self.name}{received.key}")


# Topics and order


def test_a_subscriber_gets_the_types_that_it_asked_for_and_one_without_topics_gets_all() -> None:
    bus = EventBus()
    bars, orders, flows_and_bars, everything = Diary(), Diary(), Diary(), Diary()
    bus.subscribe(bars, "price_bar")
    bus.subscribe(orders, "order_*")
    bus.subscribe(flows_and_bars, "cash_flow", "price_*")
    bus.subscribe(everything)
    bus.publish(bar(), deposit(), accepted(), expired(), valuation())
    assert bars.entries == ["bar"]
    assert orders.entries == ["accepted", "expired"]
    assert flows_and_bars.entries == ["bar", "deposit"]
    assert everything.entries == ["bar", "deposit", "accepted", "expired", "valuation"]


def test_who_asks_for_a_type_twice_is_told_once() -> None:
    bus, diary = EventBus(), Diary()
    bus.subscribe(diary, "price_bar", "price_*", "*")
    bus.publish(bar())
    assert diary.entries == ["bar"]


def test_subscribers_are_told_in_the_order_of_subscribing_each_event_by_all_first() -> None:
    bus, told = EventBus(), list[str]()
    bus.subscribe(Diary("wildcard:", told))
    bus.subscribe(Diary("topic:", told), "price_bar")
    bus.publish(bar("1"), bar("2"))
    assert told == ["wildcard:1", "topic:1", "wildcard:2", "topic:2"]


@pytest.mark.parametrize("topic", ["price_bars", "Fill", "order", ""])
def test_a_topic_that_no_event_has_is_refused_with_the_types_that_there_are(topic: str) -> None:
    bus, diary = EventBus(), Diary()
    with pytest.raises(SubscriptionError, match=rf"'{topic}'.*price_bar.*session_closed"):
        bus.subscribe(diary, "price_bar", topic)
    bus.publish(bar())
    assert diary.entries == []


def test_what_nobody_wants_is_published_all_the_same() -> None:
    bus = EventBus(history=None)
    bus.publish(bar())
    assert bus.history == (bar(),)


# Publishing while something is delivered


def test_what_a_subscriber_publishes_goes_out_when_all_have_the_event_before() -> None:
    bus, told = EventBus(), list[str]()
    depth = 0

    def strategy(received: Message) -> None:
        nonlocal depth
        assert isinstance(received, NewEvent)
        depth += 1
        assert depth == 1, "a delivery within a delivery"
        told.append(f"strategy:{received.key}")
        bus.publish(valuation(f"after {received.key}"), deposit(f"then {received.key}"))
        depth -= 1

    bus.subscribe(strategy, "price_bar")
    bus.subscribe(Diary("all:", told))
    bus.publish(bar("1"), bar("2"))
    assert told == [
        "strategy:1",
        "all:1",
        "strategy:2",
        "all:2",
        "all:after 1",
        "all:then 1",
        "all:after 2",
        "all:then 2",
    ]


def test_a_chain_of_ten_thousand_events_that_follow_from_each_other_does_not_recurse() -> None:
    bus, count = EventBus(), 0

    def follow(_received: Message) -> None:
        nonlocal count
        count += 1
        if count < 10_000:
            bus.publish(valuation())

    bus.subscribe(follow, "valuation_trigger")
    bus.publish(valuation())
    assert count == 10_000


# Life of a subscription


def test_a_closed_subscription_gets_nothing_more_and_closing_twice_is_harmless() -> None:
    bus, diary = EventBus(), Diary()
    subscription = bus.subscribe(diary)
    bus.publish(bar("1"))
    subscription.close()
    subscription.close()
    bus.publish(bar("2"))
    assert diary.entries == ["1"]
    assert subscription.is_closed


def test_a_subscription_ends_with_its_block_also_when_that_raises() -> None:
    bus, diary = EventBus(), Diary()
    with suppress(KeyError), bus.subscribe(diary) as subscription:
        bus.publish(bar("1"))
        raise KeyError
    bus.publish(bar("2"))
    assert diary.entries == ["1"]
    assert subscription.is_closed


def test_who_subscribes_during_a_delivery_gets_what_is_published_after_that() -> None:
    bus, late = EventBus(), Diary()

    def invite(received: Message) -> None:
        if received == bar("1"):
            bus.publish(deposit("queued before"))
            bus.subscribe(late)
            bus.publish(deposit("queued after"))

    bus.subscribe(invite, "price_bar")
    bus.publish(bar("1"), bar("2"))
    assert late.entries == ["queued after"]
    bus.publish(bar("3"))
    assert late.entries == ["queued after", "3"]


def test_who_is_closed_during_a_delivery_does_not_even_get_what_is_queued() -> None:
    bus, closed = EventBus(), Diary()

    def dismiss(_received: Message) -> None:
        subscription.close()

    bus.subscribe(dismiss, "cash_flow")
    subscription = bus.subscribe(closed)
    bus.publish(bar("1"), deposit("2"), bar("3"))
    assert closed.entries == ["1"]


def test_a_subscriber_can_close_itself_with_the_first_event() -> None:
    bus, seen = EventBus(), list[str]()

    def once(received: Message) -> None:
        assert isinstance(received, NewEvent)
        seen.append(received.key)
        subscription.close()

    subscription = bus.subscribe(once)
    bus.publish(bar("1"), bar("2"))
    assert seen == ["1"]
    assert bus.stalled == ()


# History


@pytest.mark.parametrize(
    ("history", "kept"), [(0, []), (2, ["2", "3"]), (9, ["1", "2", "3"]), (None, ["1", "2", "3"])]
)
def test_history_keeps_the_latest_messages_up_to_its_bound(
    history: int | None, kept: list[str]
) -> None:
    bus = EventBus(history=history)
    bus.publish(bar("1"), deposit("2"), bar("3"))
    assert [received.key for received in bus.history if isinstance(received, NewEvent)] == kept


def test_replay_gives_a_late_subscriber_what_it_would_have_been_told_and_then_the_rest() -> None:
    bus, early, late = EventBus(history=None), Diary(), Diary()
    bus.subscribe(early, "price_bar")
    bus.publish(bar("1"), deposit("2"), bar("3"))
    bus.subscribe(late, "price_bar", replay=True)
    bus.publish(bar("4"))
    assert late.entries == early.entries == ["1", "3", "4"]


def test_replay_during_a_delivery_tells_nobody_anything_twice() -> None:
    bus, late = EventBus(history=None), Diary()

    def invite(received: Message) -> None:
        if received == bar("1"):
            bus.subscribe(late, replay=True)

    bus.subscribe(invite)
    bus.publish(bar("1"), bar("2"))
    bus.publish(bar("3"))
    assert late.entries == ["1", "2", "3"]


# Subscribers that raise


def test_a_subscriber_that_raises_keeps_nobody_else_from_any_event_and_is_reported() -> None:
    bus, told = EventBus(), list[str]()
    broken = Diary("broken:", told)
    broken.broken = {"2"}
    bus.subscribe(Diary("before:", told))
    subscription = bus.subscribe(broken, name="archive")
    bus.subscribe(Diary("after:", told))
    with pytest.raises(
        DeliveryError, match=r"archive raised OSError: no space for 2 \(2 events wait"
    ) as caught:
        bus.publish(bar("1"), bar("2"), bar("3"))
    assert caught.value.subscribers == ("archive",)
    assert isinstance(caught.value.__cause__, OSError)
    assert told == [
        "before:1",
        "broken:1",
        "after:1",
        "before:2",
        "after:2",
        "before:3",
        "after:3",
    ]
    assert bus.stalled == (subscription,)
    assert list(subscription.missed) == [bar("2"), bar("3")]
    assert isinstance(subscription.error, OSError)


def test_what_a_subscriber_missed_is_delivered_in_order_once_it_works_again() -> None:
    bus, diary = EventBus(), Diary()
    diary.broken = {"2"}
    subscription = bus.subscribe(diary)
    with pytest.raises(DeliveryError):
        bus.publish(bar("1"), bar("2"), bar("3"))
    # Still stalled: the next event waits too, and its publisher is told.
    with pytest.raises(DeliveryError, match="3 events wait"):
        bus.publish(bar("4"))
    diary.broken = set()
    subscription.retry()
    bus.publish(bar("5"))
    assert diary.entries == ["1", "2", "3", "4", "5"]
    assert bus.stalled == ()
    assert subscription.error is None


def test_a_retry_that_fails_keeps_what_is_left() -> None:
    bus, diary = EventBus(), Diary()
    diary.broken = {"1", "2"}
    subscription = bus.subscribe(diary)
    with pytest.raises(DeliveryError):
        bus.publish(bar("1"), bar("2"))
    diary.broken = {"2"}
    with pytest.raises(DeliveryError, match="no space for 2"):
        bus.retry()
    assert diary.entries == ["1"]
    assert list(subscription.missed) == [bar("2")]


def test_a_publisher_whose_event_concerns_no_stalled_subscriber_is_not_troubled() -> None:
    bus, diary = EventBus(), Diary()
    diary.broken = {"1"}
    bus.subscribe(diary, "price_bar")
    with pytest.raises(DeliveryError):
        bus.publish(bar("1"))
    bus.publish(deposit("2"))


def test_two_that_raise_are_both_named() -> None:
    bus = EventBus()
    for name in ("archive", "monitor"):
        diary = Diary()
        diary.broken = {"1"}
        bus.subscribe(diary, name=name)
    with pytest.raises(DeliveryError) as caught:
        bus.publish(bar("1"))
    assert caught.value.subscribers == ("archive", "monitor")


def test_the_failure_of_a_queued_event_is_told_to_the_publisher_whose_call_delivers_it() -> None:
    bus, diary, inner = EventBus(), Diary(), list[str]()
    diary.broken = {"follow-up"}

    def strategy(_received: Message) -> None:
        bus.publish(deposit("follow-up"))
        inner.append("went on")

    bus.subscribe(strategy, "price_bar")
    bus.subscribe(diary, "cash_flow")
    with pytest.raises(DeliveryError, match="no space for follow-up"):
        bus.publish(bar("1"))
    assert inner == ["went on"]


def test_closing_a_stalled_subscription_gives_up_what_it_missed() -> None:
    bus, diary = EventBus(), Diary()
    diary.broken = {"1"}
    subscription = bus.subscribe(diary)
    with pytest.raises(DeliveryError):
        bus.publish(bar("1"))
    subscription.close()
    bus.publish(bar("2"))
    assert bus.stalled == ()
    assert diary.entries == []


def test_a_subscriber_that_publishes_while_it_catches_up_is_not_entered_again() -> None:
    bus, seen, works = EventBus(), list[str](), False

    def subscriber(received: Message) -> None:
        assert isinstance(received, NewEvent)
        if not works:
            raise OSError("down")
        seen.append(received.key)
        if received.key == "1":
            bus.publish(bar("3"))

    subscription = bus.subscribe(subscriber)
    with pytest.raises(DeliveryError):
        bus.publish(bar("1"), bar("2"))
    works = True
    subscription.retry()
    assert seen == ["1", "2", "3"]


def test_an_interrupt_ends_the_delivery_at_once_and_the_next_one_takes_up_all_that_is_left() -> (
    None
):
    bus, told = EventBus(), list[str]()
    interrupted = True

    def subscriber(received: Message) -> None:
        assert isinstance(received, NewEvent)
        if interrupted:
            raise KeyboardInterrupt
        told.append(f"subscriber:{received.key}")

    subscription = bus.subscribe(subscriber)
    bus.subscribe(Diary("other:", told))
    with pytest.raises(KeyboardInterrupt):
        bus.publish(bar("1"), bar("2"))
    assert told == []
    interrupted = False
    subscription.retry()
    assert sorted(told) == ["other:1", "other:2", "subscriber:1", "subscriber:2"]
    assert [entry for entry in told if entry.startswith("subscriber")] == [
        "subscriber:1",
        "subscriber:2",
    ]
