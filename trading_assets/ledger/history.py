"""The book folded session by session: what was planned, ordered and filled, and how it closed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal

import msgspec

from trading_assets.ledger.activity import BookClose, SessionActivity
from trading_assets.ledger.broker_costs import BrokerCost, BrokerCosts, CostHolding
from trading_assets.ledger.fold import Ledger, LedgerState
from trading_assets.ledger.orders import OrderBook, OrderBookState, OrderState
from trading_assets.ledger.strategies import StrategyBooks
from trading_assets.ledger.strategy_state import StrategyClose, StrategyState
from trading_assets.model.events import EventRecord, SessionClosed
from trading_assets.model.lot import Lot
from trading_assets.model.order_events import Fill, SessionPlanned
from trading_assets.model.policies import AccountingPolicy
from trading_assets.model.round_trip import RoundTrip


class ClosedSession(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the book holds of one closed session.

    `previous` is the book at the close before, None for the first session; `lots` are those open
    at the close, `cost_bases` their signed money by symbol, `broker_costs` what the broker must
    state instead by its own method (none where that is not known) and `round_trips` what was closed
    in the session, in order. `strategies` are the books of the strategies at the close,
    `previous_strategies` those at the close before; `currency` is the portfolio's. `sequence` and
    `hash` are those of the SessionClosed record: the head of the book when the session was
    complete.
    """

    session: dt.date
    planned: SessionPlanned
    orders: tuple[OrderState, ...]
    fills: tuple[Fill, ...]
    previous: BookClose | None
    close: BookClose
    activity: SessionActivity
    lots: tuple[Lot, ...]
    round_trips: tuple[RoundTrip, ...]
    cost_bases: dict[str, Decimal]
    broker_costs: dict[str, BrokerCost]
    previous_strategies: StrategyClose | None
    strategies: StrategyClose
    closed: SessionClosed
    currency: str
    sequence: int
    hash: str

    @property
    def opening_positions(self) -> dict[str, Decimal]:
        """Signed shares by symbol before the session."""
        return {} if self.previous is None else self.previous.positions


class FoldState(msgspec.Struct, frozen=True, kw_only=True):
    """All of a fold at some sequence number: what a checkpoint of the book holds."""

    ledger: LedgerState
    orders: OrderBookState
    strategies: StrategyState
    broker_costs: dict[str, CostHolding]
    planned: SessionPlanned | None
    round_trips: tuple[RoundTrip, ...]


class BookFold:
    """Feeds ledger, order book and strategies' books together and hands out each session when it
    closes. `shares` are the strategies' shares of the portfolio; without any, cash is allotted to
    none."""

    def __init__(
        self,
        accounting: AccountingPolicy,
        currency: str,
        shares: Mapping[str, Decimal] | None = None,
    ) -> None:
        self._round_trips: list[RoundTrip] = []
        self.ledger = Ledger(accounting, currency, self._round_trips.append)
        self.orders = OrderBook()
        self.strategies = StrategyBooks(shares or {})
        self.broker_costs = BrokerCosts()
        self.planned: SessionPlanned | None = None

    def apply(self, record: EventRecord) -> ClosedSession | None:
        """Fold one record that counts; the closed session if this record closes one."""
        event = record.event
        if isinstance(event, SessionPlanned):
            self.planned = event
            self.strategies.follow(event, self.ledger)
            return None
        self.orders.apply(record)
        self.ledger.apply(record)
        self.strategies.follow(event, self.ledger)
        if not isinstance(event, SessionClosed):
            self.broker_costs.follow(record.session, event, self.ledger)
            return None
        return self._close(record, event)

    def state(self) -> FoldState:
        """Everything that the fold is, to go on from with `from_state`."""
        return FoldState(
            ledger=self.ledger.state(),
            orders=self.orders.state(),
            strategies=self.strategies.state(),
            broker_costs=self.broker_costs.state(),
            planned=self.planned,
            round_trips=tuple(self._round_trips),
        )

    @classmethod
    def from_state(cls, state: FoldState, accounting: AccountingPolicy, currency: str) -> BookFold:
        """The fold that gave `state`, under the same policy, currency and shares."""
        fold = cls(accounting, currency)
        fold._round_trips.extend(state.round_trips)
        fold.ledger = Ledger.from_state(
            state.ledger, accounting, currency, fold._round_trips.append
        )
        fold.orders = OrderBook.from_state(state.orders)
        fold.strategies = StrategyBooks.from_state(state.strategies)
        fold.broker_costs = BrokerCosts(state.broker_costs)
        fold.planned = state.planned
        return fold

    def _close(self, record: EventRecord, closed: SessionClosed) -> ClosedSession:
        close, activity = self.ledger.last_close, self.ledger.last_activity
        strategies = self.strategies.last_close
        assert close is not None
        assert activity is not None
        assert strategies is not None
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
            round_trips=tuple(self._round_trips),
            cost_bases=self.ledger.cost_bases,
            broker_costs=self.broker_costs.close(record.session, closed, self.ledger),
            previous_strategies=self.strategies.previous_close,
            strategies=strategies,
            closed=closed,
            currency=self.ledger.currency,
            sequence=record.sequence,
            hash=record.hash,
        )
        self.planned = None
        self._round_trips.clear()
        # What is booked of one session may have been traded in the next, and be told of again.
        previous = self.ledger.previous_close
        self.orders.forget_before(record.session if previous is None else previous.session)
        return session


def closed_sessions(
    records: Iterable[EventRecord],
    accounting: AccountingPolicy,
    currency: str,
    shares: Mapping[str, Decimal] | None = None,
) -> Iterator[ClosedSession]:
    """Fold records that count, oldest first, to their closed sessions, one at a time."""
    fold = BookFold(accounting, currency, shares)
    for record in records:
        closed = fold.apply(record)
        if closed is not None:
            yield closed
