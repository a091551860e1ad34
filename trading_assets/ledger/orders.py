"""The orders of the book: its order events and fills folded to the state of each order."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
from msgspec.structs import replace

from trading_assets.errors import LedgerError
from trading_assets.model.arrival import ArrivalPrice
from trading_assets.model.corporate_actions import (
    CashMerger,
    CorporateAction,
    Delisting,
    SpinOff,
    Split,
    StockDividend,
    SymbolChange,
)
from trading_assets.model.events import AnyEvent, EventRecord
from trading_assets.model.money import ZERO, money, notional
from trading_assets.model.order import TERMINAL, OrderRequest, OrderStatus, OrderTrigger, advance
from trading_assets.model.order_events import (
    Fill,
    OrderAccepted,
    OrderCanceled,
    OrderExpired,
    OrderIntended,
    OrderOutcomeUnknown,
    OrderRejected,
    OrderSubmitted,
)


class OrderState(msgspec.Struct, frozen=True, kw_only=True):
    """One order as the book knows it.

    `session` is the one it was intended in; `filled_quantity` positive shares, `filled_notional`
    positive money (each fill rounded to the cent), `commission` money. `attempts` counts how
    often a request may have left. `reason` is why it was rejected, canceled, or lost from view.
    `arrival` is the market right before the last request left, `arrival_unknown` why it is None.
    `left_out` are the planned orders that were not intended with it; see OrderIntended.
    """

    request: OrderRequest
    session: dt.date
    batch_id: str
    leg: int
    plan_price: Decimal
    status: OrderStatus = OrderStatus.NEW
    filled_quantity: Decimal = ZERO
    filled_notional: Decimal = ZERO
    commission: Decimal = ZERO
    broker_order_id: str = ""
    reject_code: str = ""
    reason: str = ""
    attempts: int = 0
    arrival: ArrivalPrice | None = None
    arrival_unknown: str = ""
    left_out: tuple[str, ...] | None = None

    @property
    def client_order_id(self) -> str:
        """The identity under which the order was, or will be, sent."""
        return self.request.client_order_id

    @property
    def remaining_quantity(self) -> Decimal:
        """Shares not filled (positive)."""
        return self.request.quantity - self.filled_quantity

    @property
    def signed_filled_quantity(self) -> Decimal:
        """Shares filled: positive bought, negative sold."""
        return self.request.side.sign * self.filled_quantity

    @property
    def average_price(self) -> Decimal | None:
        """Money per share over all fills, unrounded; None before the first."""
        return self.filled_notional / self.filled_quantity if self.filled_quantity else None

    @property
    def is_open(self) -> bool:
        """True while the order may still trade, or it is not known whether it may."""
        return self.status not in TERMINAL


class OrderBookState(msgspec.Struct, frozen=True, kw_only=True):
    """An order book as a checkpoint keeps it: orders and fills in their order."""

    orders: tuple[OrderState, ...]
    fills: tuple[tuple[dt.date, tuple[Fill, ...]], ...]


class OrderBook:
    """State of every order by client order id, and the fills of each session.

    Events must come in the order of the book, and only those that still count. An event that its
    order's state does not allow raises OrderTransitionError; one of an unknown order, a second
    intent under one id, or a fill beyond the ordered quantity raises LedgerError. Nothing has
    changed then. Other events are ignored.
    """

    def __init__(self) -> None:
        self._orders: dict[str, OrderState] = {}
        self._by_session: dict[dt.date, list[str]] = {}
        self._fills: dict[dt.date, list[Fill]] = {}
        self._bookings = self._dispatch()

    def _dispatch(self) -> dict[type, Callable[[dt.date, Any], None]]:
        return {
            OrderIntended: self._intend,
            OrderSubmitted: self._submit,
            OrderAccepted: self._accept,
            OrderRejected: self._reject,
            OrderCanceled: self._cancel,
            OrderExpired: self._expire,
            OrderOutcomeUnknown: self._lose_track,
            Fill: self._fill,
            Split: self._require_none_open,
            StockDividend: self._require_none_open,
            SpinOff: self._require_none_open,
            SymbolChange: self._require_none_open,
            Delisting: self._require_none_open,
            CashMerger: self._require_none_open,
        }

    def apply(self, record: EventRecord) -> None:
        """Fold one record of the event log."""
        self.apply_event(record.session, record.event)

    def apply_event(self, session: dt.date, event: AnyEvent) -> None:
        """Fold one event of `session`."""
        booking = self._bookings.get(type(event))
        if booking is not None:
            booking(session, event)

    def state(self) -> OrderBookState:
        """Everything that the order book is, to go on from with `from_state`."""
        return OrderBookState(
            orders=tuple(self._orders.values()),
            fills=tuple((session, tuple(fills)) for session, fills in self._fills.items()),
        )

    @classmethod
    def from_state(cls, state: OrderBookState) -> OrderBook:
        """The order book that gave `state`."""
        book = cls()
        for order in state.orders:
            book._orders[order.client_order_id] = order
            book._by_session.setdefault(order.session, []).append(order.client_order_id)
        book._fills = {session: list(fills) for session, fills in state.fills}
        return book

    def open_orders(self, symbol: str) -> tuple[OrderState, ...]:
        """Orders of `symbol` that may still trade, in the order of intent: what must be canceled
        before a corporate action makes their quantities and prices wrong."""
        return tuple(
            order
            for order in self._orders.values()
            if order.is_open and order.request.symbol == symbol
        )

    def still_open(self) -> tuple[OrderState, ...]:
        """Every order that may still trade, of whatever session, in the order of intent."""
        return tuple(order for order in self._orders.values() if order.is_open)

    def get(self, client_order_id: str) -> OrderState | None:
        """The order with this id, None when the book has none (or has forgotten it)."""
        return self._orders.get(client_order_id)

    def of_session(self, session: dt.date) -> tuple[OrderState, ...]:
        """Orders intended in `session`, in the order of intent."""
        return tuple(self._orders[name] for name in self._by_session.get(session, ()))

    def fills(self, session: dt.date) -> tuple[Fill, ...]:
        """All fills of `session`, foreign ones too, in the order they were booked."""
        return tuple(self._fills.get(session, ()))

    def forget_before(self, session: dt.date) -> None:
        """Drop the terminal orders and the fills of sessions before `session`.

        Orders that are still open stay, however old. Costs as much as what is dropped.
        """
        for old in [known for known in self._fills if known < session]:
            del self._fills[old]
        for old in [known for known in self._by_session if known < session]:
            still_open = []
            for name in self._by_session[old]:
                if self._orders[name].is_open:
                    still_open.append(name)
                else:
                    del self._orders[name]
            if still_open:
                self._by_session[old] = still_open
            else:
                del self._by_session[old]

    def _require(self, client_order_id: str, what: str) -> OrderState:
        order = self._orders.get(client_order_id)
        if order is None:
            raise LedgerError(
                f"{what} of order {client_order_id!r}, which the book never intended or has "
                "forgotten. Record it as a foreign fill (empty order id) or an adjustment."
            )
        return order

    def _move(self, order: OrderState, trigger: OrderTrigger, **changes: Any) -> None:
        name = order.client_order_id
        status = advance(name, order.status, trigger)
        self._orders[name] = replace(order, status=status, **changes)

    def _require_none_open(self, session: dt.date, action: CorporateAction) -> None:
        working = self.open_orders(action.symbol)
        if working:
            raise LedgerError(
                f"{action.symbol} has a corporate action in {session} while order "
                f"{working[0].client_order_id} is {working[0].status.value}: its quantity and "
                "prices would be wrong. Cancel it before the ex-date, then plan it anew."
            )

    def _intend(self, session: dt.date, event: OrderIntended) -> None:
        name = event.request.client_order_id
        if not name or name in self._orders:
            raise LedgerError(
                f"order id {name!r} is empty or intended already: each order has one identity "
                "and is intended once."
            )
        self._orders[name] = OrderState(
            request=event.request,
            session=session,
            batch_id=event.batch_id,
            leg=event.leg,
            plan_price=event.plan_price,
            left_out=event.left_out,
        )
        self._by_session.setdefault(session, []).append(name)

    def _submit(self, _session: dt.date, event: OrderSubmitted) -> None:
        order = self._require(event.client_order_id, "submission")
        self._move(
            order,
            OrderTrigger.SUBMIT,
            attempts=event.attempt,
            arrival=event.arrival,
            arrival_unknown=event.arrival_unknown,
        )

    def _accept(self, _session: dt.date, event: OrderAccepted) -> None:
        order = self._require(event.client_order_id, "acceptance")
        # Whatever kept the outcome unknown for a while is over.
        self._move(order, OrderTrigger.ACCEPT, broker_order_id=event.broker_order_id, reason="")

    def _reject(self, _session: dt.date, event: OrderRejected) -> None:
        order = self._require(event.client_order_id, "rejection")
        self._move(order, OrderTrigger.REJECT, reject_code=event.code, reason=event.reason)

    def _cancel(self, _session: dt.date, event: OrderCanceled) -> None:
        order = self._require(event.client_order_id, "cancellation")
        self._move(order, OrderTrigger.CANCEL, reason=event.reason)

    def _expire(self, _session: dt.date, event: OrderExpired) -> None:
        self._move(self._require(event.client_order_id, "expiry"), OrderTrigger.EXPIRE)

    def _lose_track(self, _session: dt.date, event: OrderOutcomeUnknown) -> None:
        order = self._require(event.client_order_id, "unknown outcome")
        self._move(order, OrderTrigger.LOSE_TRACK, reason=event.error)

    def _fill(self, session: dt.date, fill: Fill) -> None:
        if fill.client_order_id:
            self._fill_order(fill)
        self._fills.setdefault(session, []).append(fill)

    def _fill_order(self, fill: Fill) -> None:
        order = self._require(fill.client_order_id, f"fill {fill.execution_id}")
        request = order.request
        if (fill.symbol, fill.side) != (request.symbol, request.side):
            raise LedgerError(
                f"fill {fill.execution_id} is {fill.side.value} {fill.symbol}, its order "
                f"{order.client_order_id} is {request.side.value} {request.symbol}."
            )
        filled = order.filled_quantity + fill.quantity
        if filled > request.quantity:
            raise LedgerError(
                f"fill {fill.execution_id} brings order {order.client_order_id} to {filled} "
                f"shares, {request.quantity} were ordered: the same execution came under two "
                "ids, or the broker overfilled. Compare with the broker's executions."
            )
        whole = filled == request.quantity
        self._move(
            order,
            OrderTrigger.FILL_REST if whole else OrderTrigger.FILL_PART,
            filled_quantity=filled,
            filled_notional=order.filled_notional + notional(fill.quantity, fill.price),
            commission=order.commission + money(fill.commission),
        )
