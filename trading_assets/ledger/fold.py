"""The ledger: the book's events folded, one by one and in order, to lots, positions and cash.

At every moment, exactly and to the cent,

    cash + Σ cost basis - Σ realized P&L - flows + fees = 0.

The fold keeps open lots, totals, and what happened since the last close; nothing in it grows with
the length of the book (but the set of symbols ever traded does).
"""

from __future__ import annotations

import datetime as dt
from collections import deque
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from trading_assets.errors import LedgerError
from trading_assets.ledger.activity import (
    ActivityCounter,
    BookClose,
    SessionActivity,
    market_values,
)
from trading_assets.ledger.lots import close_lots, closing_method
from trading_assets.model.cash_events import Adjustment, CashFlow, CashFlowKind
from trading_assets.model.events import AnyEvent, EventRecord, Mark, SessionClosed
from trading_assets.model.lot import Lot
from trading_assets.model.money import ZERO, money, notional
from trading_assets.model.order import Side
from trading_assets.model.order_events import Fill
from trading_assets.model.policies import AccountingPolicy

ADJUSTMENT_LOT = "adjustment"


class Ledger:
    """Positions, lots, cash and totals of one portfolio in one currency.

    Feed it the events that still count (`still_counting`), in the order of the book. Order and
    plan events are ignored. An event that cannot be booked raises LedgerError before anything has
    changed.
    """

    def __init__(self, policy: AccountingPolicy, currency: str) -> None:
        self._policy = policy
        self._currency = currency
        self._lots: dict[str, deque[Lot]] = {}
        self._positions: dict[str, Decimal] = {}
        self._costs: dict[str, Decimal] = {}
        self._realized: dict[str, Decimal] = {}
        self._cash = self._flows = self._fees = ZERO
        self._counters: dict[str, ActivityCounter] = {}
        self._session_flows = self._session_in_kind = self._session_fees = ZERO
        self._previous_close: BookClose | None = None
        self._last_close: BookClose | None = None
        self._last_activity: SessionActivity | None = None
        self._bookings = self._dispatch()

    def _dispatch(self) -> dict[type, Callable[[dt.date, Any], None]]:
        return {
            Fill: self._book_fill,
            CashFlow: self._book_cash_flow,
            Adjustment: self._book_adjustment,
            SessionClosed: self._close_session,
        }

    def apply(self, record: EventRecord) -> None:
        """Book one record of the event log."""
        self.apply_event(record.session, record.event)

    def apply_event(self, session: dt.date, event: AnyEvent) -> None:
        """Book one event of `session`; LedgerError (nothing changed) if it cannot be booked."""
        booking = self._bookings.get(type(event))
        if booking is not None:
            booking(session, event)

    @property
    def currency(self) -> str:
        """The portfolio's currency (ISO 4217)."""
        return self._currency

    @property
    def cash(self) -> Decimal:
        """Cash in money; negative when borrowed."""
        return self._cash

    @property
    def positions(self) -> dict[str, Decimal]:
        """Signed shares by symbol, sorted, without zeros; a copy."""
        return dict(sorted(self._positions.items()))

    def lots(self, symbol: str) -> tuple[Lot, ...]:
        """Open lots of `symbol`, oldest first; empty when nothing is held."""
        return tuple(self._lots.get(symbol, ()))

    def cost_basis(self, symbol: str) -> Decimal:
        """Signed money that the open lots of `symbol` cost; 0 when nothing is held."""
        return self._costs.get(symbol, ZERO)

    @property
    def cost_bases(self) -> dict[str, Decimal]:
        """`cost_basis` of every symbol held, sorted."""
        return {symbol: self.cost_basis(symbol) for symbol in sorted(self._lots)}

    @property
    def realized_pnl(self) -> dict[str, Decimal]:
        """Profit of all lots closed so far by symbol, in money, gross of commission; a copy."""
        return dict(sorted(self._realized.items()))

    @property
    def fees(self) -> Decimal:
        """All commission so far, money, positive for a cost."""
        return self._fees

    @property
    def flows(self) -> Decimal:
        """All money and value from outside so far: deposits less withdrawals, and adjustments."""
        return self._flows

    @property
    def last_close(self) -> BookClose | None:
        """The book at the latest close; None before the first."""
        return self._last_close

    @property
    def previous_close(self) -> BookClose | None:
        """The book one close before `last_close`; None when there are fewer than two."""
        return self._previous_close

    @property
    def last_activity(self) -> SessionActivity | None:
        """What led from `previous_close` to `last_close`; None before the first close."""
        return self._last_activity

    @property
    def marks(self) -> dict[str, Mark]:
        """Marks of the latest close; empty before the first."""
        return {} if self._last_close is None else dict(self._last_close.marks)

    def activity(self, session: dt.date) -> SessionActivity:
        """What was booked since the latest close, labelled as `session`'s."""
        return SessionActivity(
            session=session,
            flows=self._session_flows,
            flows_in_kind=self._session_in_kind,
            fees=self._session_fees,
            instruments=tuple(
                counter.freeze(symbol) for symbol, counter in sorted(self._counters.items())
            ),
        )

    def _require_currency(self, currency: str, what: str) -> None:
        if currency != self._currency:
            raise LedgerError(
                f"{what} is in {currency}, the portfolio's currency is {self._currency}: other "
                f"currencies cannot be booked yet. Trade it in a portfolio kept in {currency}."
            )

    def _book_cash_flow(self, _session: dt.date, flow: CashFlow) -> None:
        self._require_currency(flow.currency, f"cash flow {flow.reference!r}")
        if (flow.amount > 0) is not (flow.kind is CashFlowKind.DEPOSIT) or not flow.amount:
            raise LedgerError(
                f"{flow.kind.value} {flow.reference!r} of {flow.amount}: a deposit must be above "
                "0, a withdrawal below 0. Record it again with the right sign."
            )
        amount = money(flow.amount)
        self._cash += amount
        self._flows += amount
        self._session_flows += amount

    def _book_fill(self, session: dt.date, fill: Fill) -> None:
        if fill.currency != self._currency:
            self._require_currency(fill.currency, f"fill {fill.execution_id} of {fill.symbol}")
        if fill.quantity <= 0 or fill.price < 0 or fill.commission < 0:
            raise LedgerError(
                f"fill {fill.execution_id} of {fill.symbol}: quantity {fill.quantity}, price "
                f"{fill.price}, commission {fill.commission}: the quantity must be above 0, "
                "price and commission not below 0. The direction belongs in `side`."
            )
        quantity = fill.quantity if fill.side is Side.BUY else -fill.quantity
        value = self._trade(
            session, fill.symbol, quantity, fill.price, fill.executed_at, fill.execution_id
        )
        commission = money(fill.commission)
        self._cash -= value + commission
        self._fees += commission
        self._session_fees += commission
        counter = self._counters[fill.symbol]
        counter.traded += abs(value)
        counter.commission += commission
        counter.filled += quantity

    def _book_adjustment(self, session: dt.date, adjustment: Adjustment) -> None:
        self._require_currency(adjustment.currency, f"adjustment of {adjustment.symbol!r}")
        if adjustment.price < 0 or (adjustment.quantity and not adjustment.symbol):
            raise LedgerError(
                f"adjustment of {adjustment.quantity} {adjustment.symbol!r} at "
                f"{adjustment.price}: shares need a symbol and a price not below 0."
            )
        value = ZERO
        if adjustment.quantity:
            value = self._trade(
                session,
                adjustment.symbol,
                adjustment.quantity,
                adjustment.price,
                None,
                ADJUSTMENT_LOT,
            )
            self._counters[adjustment.symbol].adjusted += adjustment.quantity
        cash = money(adjustment.cash)
        self._cash += cash
        self._flows += cash + value
        self._session_flows += cash + value
        self._session_in_kind += value

    def _trade(
        self,
        session: dt.date,
        symbol: str,
        quantity: Decimal,
        price: Decimal,
        at: dt.datetime | None,
        execution_id: str,
    ) -> Decimal:
        """Move `quantity` signed shares through the lots; returns their signed value in money.

        Where the trade crosses zero, the value is split: the closing part is rounded, the opening
        part is what remains of the whole, so that both add up to what is paid.
        """
        value = notional(quantity, price)
        held = self._positions.get(symbol, ZERO)
        lots = self._lots.get(symbol)
        if lots is None:
            lots = self._lots[symbol] = deque()
        counter = self._counters.get(symbol)
        if counter is None:
            counter = self._counters[symbol] = ActivityCounter()
        if quantity > 0:
            counter.bought += value
        else:
            counter.sold -= value

        opening, opening_value = quantity, value
        if held and (held > 0) is not (quantity > 0):
            closing = quantity if abs(quantity) <= abs(held) else -held
            closing_value = value if closing == quantity else notional(closing, price)
            cost = close_lots(lots, -closing, closing_method(self._policy, held))
            realized = -closing_value - cost
            self._costs[symbol] -= cost
            self._realized[symbol] = self._realized.get(symbol, ZERO) + realized
            counter.realized += realized
            opening, opening_value = quantity - closing, value - closing_value
        elif symbol not in self._realized:
            self._realized[symbol] = ZERO
        if opening:
            self._costs[symbol] = self._costs.get(symbol, ZERO) + opening_value
            lots.append(
                Lot(
                    symbol=symbol,
                    quantity=opening,
                    cost_basis=opening_value,
                    base_cost_basis=opening_value,
                    opened=session,
                    opened_at=at,
                    lot_id=execution_id,
                )
            )
        position = held + quantity
        if position:
            self._positions[symbol] = position
        else:
            del self._positions[symbol], self._lots[symbol], self._costs[symbol]
        return value

    def _close_session(self, session: dt.date, closed: SessionClosed) -> None:
        last = self._last_close
        if last is not None and session <= last.session:
            raise LedgerError(
                f"session {session} cannot be closed: {last.session} is closed already. Sessions "
                "close once and in order; a simulated portfolio may be restated first."
            )
        positions = self.positions
        values = market_values(positions, closed.marks)
        market_value = sum(values.values(), ZERO)
        for name, stated, booked in (
            ("cash", closed.cash, self._cash),
            ("market value", closed.market_value, market_value),
            ("equity", closed.equity, market_value + self._cash),
        ):
            if stated != booked:
                raise LedgerError(
                    f"close of {session} states {name} {stated}, the book has {booked}: an event "
                    "is missing or was booked twice. Compare the book with the broker."
                )
        self._last_activity = self.activity(session)
        self._previous_close = last
        self._last_close = BookClose(
            session=session,
            positions=positions,
            values=values,
            marks=dict(closed.marks),
            cash=self._cash,
            equity=closed.equity,
            benchmark=closed.benchmark,
        )
        self._counters = {}
        self._session_flows = self._session_in_kind = self._session_fees = ZERO
