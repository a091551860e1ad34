"""The book folded session by session: what was planned, ordered and filled, and how it closed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from decimal import Decimal

import msgspec

from trading_assets.ledger.activity import BookClose, SessionActivity
from trading_assets.ledger.fold import Ledger
from trading_assets.ledger.orders import OrderBook, OrderState
from trading_assets.model.events import EventRecord, SessionClosed
from trading_assets.model.lot import Lot
from trading_assets.model.order_events import Fill, SessionPlanned
from trading_assets.model.policies import AccountingPolicy


class ClosedSession(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the book holds of one closed session.

    `previous` is the book at the close before, None for the first session; `lots` are those open
    at the close and `cost_bases` their signed money by symbol. `sequence` and `hash` are those of
    the SessionClosed record: the head of the book when the session was complete.
    """

    session: dt.date
    planned: SessionPlanned
    orders: tuple[OrderState, ...]
    fills: tuple[Fill, ...]
    previous: BookClose | None
    close: BookClose
    activity: SessionActivity
    lots: tuple[Lot, ...]
    cost_bases: dict[str, Decimal]
    closed: SessionClosed
    sequence: int
    hash: str

    @property
    def opening_positions(self) -> dict[str, Decimal]:
        """Signed shares by symbol before the session."""
        return {} if self.previous is None else self.previous.positions


class BookFold:
    """Feeds ledger and order book together and hands out each session when it closes."""

    def __init__(self, accounting: AccountingPolicy, currency: str) -> None:
        self.ledger = Ledger(accounting, currency)
        self.orders = OrderBook()
        self.planned: SessionPlanned | None = None

    def apply(self, record: EventRecord) -> ClosedSession | None:
        """Fold one record that counts; the closed session if this record closes one."""
        event = record.event
        if isinstance(event, SessionPlanned):
            self.planned = event
            return None
        self.orders.apply(record)
        self.ledger.apply(record)
        if not isinstance(event, SessionClosed):
            return None
        return self._close(record, event)

    def _close(self, record: EventRecord, closed: SessionClosed) -> ClosedSession:
        close, activity = self.ledger.last_close, self.ledger.last_activity
        assert close is not None
        assert activity is not None
        assert self.planned is not None, "a session closes only after it was planned"
        session = ClosedSession(
            session=record.session,
            planned=self.planned,
            orders=self.orders.of_session(record.session),
            fills=self.orders.fills(record.session),
            previous=self.ledger.previous_close,
            close=close,
            activity=activity,
            lots=tuple(lot for name in close.positions for lot in self.ledger.lots(name)),
            cost_bases=self.ledger.cost_bases,
            closed=closed,
            sequence=record.sequence,
            hash=record.hash,
        )
        self.planned = None
        self.orders.forget_before(record.session)
        return session


def closed_sessions(
    records: Iterable[EventRecord], accounting: AccountingPolicy, currency: str
) -> Iterator[ClosedSession]:
    """Fold records that count, oldest first, to their closed sessions, one at a time."""
    fold = BookFold(accounting, currency)
    for record in records:
        closed = fold.apply(record)
        if closed is not None:
            yield closed
