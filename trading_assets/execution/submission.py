"""Sending an order exactly once, however often the process dies in between.

Problem: a request can be lost on its way out, on its way back, or with the process that sent it.
Sending again without looking doubles the position; not sending again loses it.

Choice: the intent and the fact that a request may leave are durable before it does. Whoever finds
an order in that state, the same process or the next one, asks the broker for its client order id
first. Found: every field is compared and the order adopted. Not found: the broker is asked again
after a delay, and then the order is sent under the *same* id if the broker refuses used ids;
otherwise a person decides. Not answered: the outcome is recorded as unknown and everything stops.
There is no other recovery code: this is also the way of a first submission. A broker that does not
refuse used ids is asked before a first submission too, and has to know nothing of the id.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec

from trading_assets.brokers.base import DUPLICATE_ID, Broker
from trading_assets.errors import BrokerUnknownError, SubmissionRefusedError
from trading_assets.execution.arrival import Arrival
from trading_assets.ledger.orders import OrderState
from trading_assets.model.account import Answer, BrokerOrder, Unknown
from trading_assets.model.events import AnyEvent, NewEvent
from trading_assets.model.order import OrderRequest, OrderStatus
from trading_assets.model.order_events import (
    OrderAccepted,
    OrderCanceled,
    OrderIntended,
    OrderOutcomeUnknown,
    OrderRejected,
    OrderSubmitted,
)
from trading_assets.model.plan import OrderPlan, PlannedOrder
from trading_assets.portfolio.sizing import OPENING_LEG
from trading_assets.risk.refusals import RiskRefusal

Record = Callable[[Sequence[NewEvent]], None]
SOURCE = "execution"
ATTACHED = "it was attached to another order"
UNSENT = (OrderStatus.NEW, OrderStatus.SUBMITTED, OrderStatus.UNKNOWN)


def order_request(order: PlannedOrder) -> OrderRequest:
    """What the broker is asked for, from the line of the plan."""
    return OrderRequest(
        client_order_id=order.client_order_id,
        symbol=order.symbol,
        side=order.side,
        quantity=order.quantity,
        order_type=order.order_type,
        time_in_force=order.time_in_force,
        position_effect=order.position_effect,
        take_profit_price=order.take_profit_price,
        stop_loss_price=order.stop_loss_price,
    )


def leg_intents(
    plan: OrderPlan, leg: int, wanted: Sequence[PlannedOrder], sized: Sequence[PlannedOrder]
) -> list[OrderIntended]:
    """Intents of a leg's orders as they are `sized` now; the first one of a leg that opens tells
    which of the `wanted` ones are not among them."""
    intents = [
        OrderIntended(
            request=order_request(order), batch_id=plan.batch_id, leg=leg, plan_price=order.price
        )
        for order in sized
    ]
    if intents and leg == OPENING_LEG:
        names = {order.client_order_id for order in sized}
        left = (one.client_order_id for one in wanted if one.client_order_id not in names)
        intents[0] = msgspec.structs.replace(intents[0], left_out=tuple(left))
    return intents


class Submitter:
    """Sends the orders of one session to one broker and records every step with `record`.

    `halted` is asked before each order leaves, and so is `rate_refusal`, which counts it: too many
    orders a minute of its symbol or in all. Acknowledgements are recorded with `learn`, which
    may leave them waiting to be durable where asking the broker again is as good. `arrivals` is
    what the market is at by symbol; it is recorded with the fact that a request may leave.
    """

    def __init__(
        self,
        broker: Broker,
        session: dt.date,
        occurred_at: dt.datetime,
        record: Record,
        sleep: Callable[[float], None] = time.sleep,
        halted: Callable[[], bool] = lambda: False,
        learn: Record | None = None,
        rate_refusal: Callable[[str], RiskRefusal | None] = lambda _symbol: None,
        arrivals: Mapping[str, Arrival] | None = None,
    ) -> None:
        self.broker = broker
        self.session = session
        self.occurred_at = occurred_at
        self._record = record
        self._learn = learn or record
        self._sleep = sleep
        self._halted = halted
        self._rate_refusal = rate_refusal
        self._arrivals = arrivals or {}

    def intend(self, intents: Sequence[OrderIntended]) -> None:
        """Make the intents durable; where the broker refuses used ids, also that they may leave."""
        events = [self._new(intent.request.client_order_id, intent) for intent in intents]
        if self.broker.capabilities.deduplicates_client_order_ids:
            events += [self._submitted(intent.request, 1) for intent in intents]
        self._record(events)

    def submit(self, orders: Sequence[OrderState], fresh: frozenset[str]) -> None:
        """Bring every order of `orders` that is not yet acknowledged to an outcome.

        `fresh` holds the ids that this process itself has just intended: for those, and only
        those, it is certain that no request has left.
        Raises BrokerUnknownError when an outcome cannot be learnt, after recording that, and
        SubmissionRefusedError when trading is halted (HALTED) or too many orders were sent within a
        minute (RATE_LIMIT_GLOBAL, RATE_LIMIT_SYMBOL) before the next order leaves; what was
        acknowledged until then is recorded.
        """
        pending: list[NewEvent] = []
        try:
            for order in orders:
                if order.status not in UNSENT:
                    continue
                pending.extend(self._outcome(order, order.request.client_order_id in fresh))
                if len(pending) >= self.broker.capabilities.orders_per_commit:
                    self._learn(pending)
                    pending = []
        finally:
            self._learn(pending)

    def withdraw(self, orders: Sequence[OrderState], reason: str) -> None:
        """Settle every order of `orders` that is not acknowledged, sending nothing: what is at the
        broker is adopted, what is not is recorded as canceled for `reason`.

        Raises BrokerUnknownError where the broker cannot say, SubmissionRefusedError where an
        order may have left and its absence proves nothing.
        """
        for order in orders:
            if order.status not in UNSENT:
                continue
            key = order.client_order_id
            found = None if order.status is OrderStatus.NEW else self._look_up(order.request)
            if found is None and order.status is not OrderStatus.NEW:
                self._require_resend_allowed(key)
            canceled = OrderCanceled(client_order_id=key, reason=reason)
            self._record(
                [self._new(key, canceled)] if found is None else [*self._adopted(order, found)]
            )

    def _outcome(self, order: OrderState, fresh: bool) -> Iterator[NewEvent]:
        key = order.request.client_order_id
        attempt = max(order.attempts, 1)
        may_have_left = order.status is not OrderStatus.NEW and not fresh
        if may_have_left:
            found = self._look_up(order.request)
            if found is not None:
                yield from self._adopted(order, found)
                return
            self._require_resend_allowed(key)
        self._require_not_halted(key)
        self._require_rate(order.request)
        if may_have_left:
            self._record(self._resent(order, attempt))
            attempt += 1
        elif order.status is OrderStatus.NEW:
            self._require_free(key)
            self._record([self._submitted(order.request, attempt)])
        answer = self.broker.submit(order.request)
        doubt = _doubt(answer)
        if doubt:
            self._record([self._unknown(key, attempt, doubt)])
            found = self._look_up(order.request)
            if found is None:
                raise BrokerUnknownError(
                    f"order {key}: sent, not acknowledged ({doubt}) and not found at the "
                    "broker. Run the session again: it is looked up before anything is sent."
                )
            yield from self._adopted(order, found)
            return
        yield from self._acknowledged(order, answer.require())

    def _look_up(self, request: OrderRequest) -> BrokerOrder | None:
        """The order at the broker, asked twice before it counts as absent."""
        for delay in (0.0, self.broker.capabilities.lookup_delay_seconds):
            if delay:
                self._sleep(delay)
            found = self.broker.order_by_client_id(request.client_order_id).require()
            if found is not None:
                _require_same(request, found)
                return found
        return None

    def _require_free(self, client_order_id: str) -> None:
        """A broker that takes any number of orders under one id must have none under this one.

        Asked before anything is recorded: where it cannot say, nothing has left, and the next run
        goes on from there.
        """
        if self.broker.capabilities.deduplicates_client_order_ids:
            return
        if self.broker.order_by_client_id(client_order_id).require() is not None:
            raise SubmissionRefusedError(
                "ID_TAKEN",
                f"the broker holds an order under {client_order_id}, which this book never sent. "
                "Nothing was sent; find out who used this id, or whether the book is an old copy.",
            )

    def _require_resend_allowed(self, client_order_id: str) -> None:
        if not self.broker.capabilities.deduplicates_client_order_ids:
            raise SubmissionRefusedError(
                "OUTCOME_UNKNOWN",
                f"order {client_order_id} may have been sent and is not found at the broker, which "
                "would not refuse a second one. Look at the account; where it is not, say so with "
                "`trading_assets settle-order`, then run the session again.",
            )

    def _require_not_halted(self, client_order_id: str) -> None:
        if self._halted():
            raise SubmissionRefusedError(
                "HALTED",
                f"trading was halted before order {client_order_id} left; nothing was sent from "
                "there on. `trading_assets resume` lifts it, then run the session again.",
            )

    def _require_rate(self, request: OrderRequest) -> None:
        refusal = self._rate_refusal(request.symbol)
        if refusal is not None:
            raise SubmissionRefusedError(
                refusal.code.value,
                f"{refusal.message}. Order {request.client_order_id} did not leave, nor those "
                "after it. Run the session again in a minute: it sends them.",
            )

    def _resent(self, order: OrderState, attempt: int) -> list[NewEvent]:
        """What is recorded before an order that may have left is sent once more."""
        key = order.client_order_id
        events = [self._submitted(order.request, attempt + 1)]
        if order.status is OrderStatus.SUBMITTED:
            events.insert(0, self._unknown(key, attempt, "not found at the broker"))
        return events

    def _adopted(self, order: OrderState, found: BrokerOrder) -> Iterator[NewEvent]:
        """An order that was found: one with a number was accepted, whatever became of it since,
        which is booked where the end of every accepted order is."""
        if found.broker_order_id:
            return self._accepted(order, found)
        return self._acknowledged(order, found)

    def _acknowledged(self, order: OrderState, found: BrokerOrder) -> Iterator[NewEvent]:
        if found.status is not OrderStatus.REJECTED:
            yield from self._accepted(order, found)
            return
        key = order.client_order_id
        rejected = OrderRejected(
            client_order_id=key, code=found.reject_code, reason=found.reject_reason
        )
        yield self._new(key, rejected)

    def _accepted(self, order: OrderState, found: BrokerOrder) -> Iterator[NewEvent]:
        """The broker holds the order, and the orders attached to it, whose fills are their own."""
        key = order.client_order_id
        accepted = OrderAccepted(client_order_id=key, broker_order_id=found.broker_order_id)
        yield self._new(key, accepted)
        for leg in found.legs:
            name, request = leg.request.client_order_id, leg.request
            intent = OrderIntended(
                request=request,
                batch_id=order.batch_id,
                leg=order.leg,
                plan_price=request.limit_price or request.stop_price or order.plan_price,
            )
            taken = OrderAccepted(client_order_id=name, broker_order_id=leg.broker_order_id)
            yield self._new(name, intent)
            attached = OrderSubmitted(client_order_id=name, attempt=1, arrival_unknown=ATTACHED)
            yield self._new(name, attached, f"{name}/1")
            yield self._new(name, taken)

    def _submitted(self, request: OrderRequest, attempt: int) -> NewEvent:
        name, arrival = request.client_order_id, self._arrivals.get(request.symbol, "")
        event = OrderSubmitted(
            client_order_id=name,
            attempt=attempt,
            arrival=None if isinstance(arrival, str) else arrival,
            arrival_unknown=arrival if isinstance(arrival, str) else "",
        )
        return self._new(name, event, f"{name}/{attempt}")

    def _unknown(self, client_order_id: str, attempt: int, error: str) -> NewEvent:
        event = OrderOutcomeUnknown(client_order_id=client_order_id, error=error)
        return self._new(client_order_id, event, f"{client_order_id}/{attempt}")

    def _new(self, client_order_id: str, event: AnyEvent, key: str | None = None) -> NewEvent:
        return NewEvent(
            key=key or client_order_id,
            session=self.session,
            occurred_at=self.occurred_at,
            source=SOURCE,
            event=event,
            correlation_id=client_order_id,
        )


def _doubt(answer: Answer[BrokerOrder]) -> str:
    """Why an answer does not say what became of the order; empty where it does.

    A refusal for a used id means that an earlier request under it arrived: it refuses this
    request, not the order.
    """
    if isinstance(answer, Unknown):
        return answer.reason
    if answer.value.status is OrderStatus.REJECTED and answer.value.reject_code == DUPLICATE_ID:
        return f"{DUPLICATE_ID}: {answer.value.reject_reason}"
    return ""


def _require_same(wanted: OrderRequest, order: BrokerOrder) -> None:
    found = order.request
    if not order.states_effect:
        found = msgspec.structs.replace(found, position_effect=wanted.position_effect)
    if wanted != found:
        raise SubmissionRefusedError(
            "ID_TAKEN",
            f"the broker holds another order under {wanted.client_order_id}: {found}; "
            f"wanted {wanted}. Nothing was sent; find out who used this id.",
        )
