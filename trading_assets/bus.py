"""The bus: who wants to know of an event is told, in order, within the process.

Problem: what happens (a bar, a signal, a fill that was just recorded) concerns several parts that
must not know each other, and one of them failing must neither lose an event nor hide one.

Choice: synchronous delivery from one queue. A message goes to its subscribers in the order in
which they subscribed, and only when all have it does the next one go out; what a subscriber
publishes meanwhile is queued behind, so everybody sees the same events in the same order and
nothing recurses. A subscriber that raises is *stalled*: the event and those after it wait for it,
in order, until `retry`, while everybody else goes on. The publisher is told by a DeliveryError once
all is done.

Rejected: threads or asyncio (a backtest must repeat exactly), going on with a subscriber after a
failure (it would see events out of order), taking a failure as a veto (facts are durable before
they are published; what may refuse them is `before_commit` of the log).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from fnmatch import fnmatchcase
from types import TracebackType
from typing import get_args

from trading_assets.errors import DeliveryError, SubscriptionError
from trading_assets.model.event import event_type
from trading_assets.model.events import AnyEvent, EventRecord, NewEvent

Message = NewEvent | EventRecord
"""An event in its envelope: on its way, or as the book holds it."""
Receiver = Callable[[Message], None]

EVENT_TYPES = tuple(str(kind.__struct_config__.tag) for kind in get_args(AnyEvent))


class Subscription:
    """What one subscriber asked for. A context manager: closed at the end of the block.

    `error` is what the subscriber raised, None unless it is stalled; `missed` are the messages that
    wait for it, the first being the one that it raised on.
    """

    def __init__(self, bus: EventBus, receiver: Receiver, topics: tuple[str, ...], name: str):
        self.name = name
        self.topics = topics
        self.error: BaseException | None = None
        self.missed: deque[Message] = deque()
        self.is_closed = False
        self._bus = bus
        self._receiver = receiver

    def wants(self, topic: str) -> bool:
        """Whether events of this type go to the subscriber."""
        return not self.is_closed and any(fnmatchcase(topic, each) for each in self.topics)

    def retry(self) -> None:
        """Deliver what was missed, oldest first; DeliveryError if the subscriber raises again,
        and then it stays stalled with what is left."""
        self._bus.retry(self)

    def close(self) -> None:
        """Deliver nothing more, not even what is queued or missed already."""
        self.is_closed = True
        self.missed.clear()
        self._bus.forget(self)

    def __enter__(self) -> Subscription:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def receive(self, message: Message) -> bool:
        """Take a message, or keep it where others wait before it; whether it was taken."""
        if self.is_closed:
            return True
        self.missed.append(message)
        return self.error is None and self.catch_up()

    def catch_up(self) -> bool:
        """Take what waits, oldest first, up to the first that raises; whether all was taken."""
        self.error = None
        while self.missed:
            try:
                self._receiver(self.missed[0])
            except BaseException as error:
                self.error = error
                # An interrupt is nobody's failure and ends the delivery at once, losing nothing.
                if not isinstance(error, Exception):
                    raise
                return False
            if self.missed:  # The receiver may have closed its own subscription.
                self.missed.popleft()
        return True


class EventBus:
    """Delivers events to those who subscribed. Not shared between threads.

    `history` is how many of the latest messages are kept for `replay`, None for all.
    """

    def __init__(self, history: int | None = 0) -> None:
        self._history: deque[Message] = deque(maxlen=history)
        self._subscriptions: list[Subscription] = []
        self._wanting: dict[str, tuple[Subscription, ...]] = {}
        # What is to be delivered, and to whom; without a message: what was missed.
        self._queue: deque[tuple[Message | None, deque[Subscription]]] = deque()
        self._is_delivering = False

    @property
    def history(self) -> tuple[Message, ...]:
        """The latest messages, oldest first, as many as are kept."""
        return tuple(self._history)

    @property
    def stalled(self) -> tuple[Subscription, ...]:
        """The subscriptions whose subscriber raised, in the order of subscribing."""
        return tuple(each for each in self._subscriptions if each.error is not None)

    def subscribe(
        self, receiver: Receiver, *topics: str, name: str = "", replay: bool = False
    ) -> Subscription:
        """Deliver what is published from now on: events of the types `topics`, which may hold
        wildcards ("order_*"), all where none is given.

        With `replay` the kept history comes first. Who subscribes during a delivery gets what is
        published after that, nothing that is queued. Raises SubscriptionError for a topic that no
        type of event matches.
        """
        for topic in topics:
            if not any(fnmatchcase(kind, topic) for kind in EVENT_TYPES):
                raise SubscriptionError(
                    f"no type of event matches {topic!r}; the types are {', '.join(EVENT_TYPES)}."
                )
        label = name or getattr(receiver, "__qualname__", repr(receiver))
        subscription = Subscription(self, receiver, topics or ("*",), label)
        self._subscriptions.append(subscription)
        self._wanting.clear()
        if replay:
            for message in self._history:
                if subscription.wants(event_type(message.event)):
                    self._queue.append((message, deque([subscription])))
            self._deliver()
        return subscription

    def publish(self, *messages: Message) -> None:
        """Deliver messages to all who want them; from within a delivery, after it.

        Raises DeliveryError, once everything is delivered, if a subscriber could not take one.
        """
        for message in messages:
            self._history.append(message)
            recipients = self._recipients(event_type(message.event))
            if recipients:
                self._queue.append((message, deque(recipients)))
        self._deliver()

    def retry(self, *subscriptions: Subscription) -> None:
        """Deliver what stalled subscriptions (all where none is named) missed, oldest first.

        Raises DeliveryError if a subscriber raises again.
        """
        self._queue.append((None, deque(subscriptions or self.stalled)))
        self._deliver()

    def forget(self, subscription: Subscription) -> None:
        """Take a closed subscription off."""
        if subscription in self._subscriptions:
            self._subscriptions.remove(subscription)
            self._wanting.clear()

    def _recipients(self, topic: str) -> tuple[Subscription, ...]:
        found = self._wanting.get(topic)
        if found is None:
            found = tuple(each for each in self._subscriptions if each.wants(topic))
            self._wanting[topic] = found
        return found

    def _deliver(self) -> None:
        if self._is_delivering:
            return
        self._is_delivering = True
        failed: dict[Subscription, None] = {}
        try:
            while self._queue:
                message, recipients = self._queue[0]
                while recipients:
                    each = recipients.popleft()
                    taken = each.catch_up() if message is None else each.receive(message)
                    if not taken:
                        failed[each] = None
                self._queue.popleft()
        finally:
            self._is_delivering = False
        # Who was stalled at first may have caught up since.
        left = tuple(each for each in failed if each.error is not None)
        if left:
            raise _delivery_error(left) from left[0].error


def _delivery_error(failed: tuple[Subscription, ...]) -> DeliveryError:
    parts = [
        f"{each.name} raised {type(each.error).__name__}: {each.error} "
        f"({len(each.missed)} events wait for it)"
        for each in failed
    ]
    return DeliveryError(
        f"{'; '.join(parts)}. Every other subscriber has what was published. Remedy the cause and "
        "retry the subscription, or close it.",
        tuple(each.name for each in failed),
    )
