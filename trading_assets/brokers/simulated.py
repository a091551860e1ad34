"""A broker in a file: accepts orders, fills them at the session's close, keeps its own account.

It stands in the place of a real broker, so it shares nothing with the book: its own SQLite file,
its own orders, executions and cash, folded by its own few lines. What the reconciliation compares
is therefore two accounts, not one number with itself.

How it matches (each rule has a test):
 1. An order is accepted or rejected when it is submitted; a used client order id is refused.
 2. Orders fill when `match` is called, at that session's close, in order of submission; slippage
    moves the price against the order, to four decimals.
 3. One order takes at most `volume_cap` of the session's volume, where there is a volume; a whole
    order stays whole. The rest expires with the session.
 4. A symbol without a price in the session does not trade; its orders expire.
 5. An opening order must leave gross exposure <= margin multiplier x equity, valued at the
    session's closes (the last known one where there is none) and after commission; otherwise it is
    rejected. With a multiplier of 1 this means: no borrowed money.
 6. An order must not cross from long to short or back, nor sell what is not held without being an
    opening order.
 7. The legs of a bracket are DAY orders: the entry fills at the close, so they expire with it.

What happens before a session opens, once (`overnight.py`), in the order of the actions given:
 8. A split or stock dividend multiplies the shares, cut to nine decimals; a spin-off gives shares
    of the new symbol. With a price for cash in lieu, what is no whole share is paid out: of all
    shares after a split, of the shares added by a stock dividend or given by a spin-off.
 9. A dividend goes to who holds at the open of its ex-date (who is short owes it), and is paid at
    the first session from its pay date on; on the ex-date where no pay date is known.
10. A symbol change renames shares and dividends owed.
11. A merger for cash or a delisting ends every share at its price.
12. Cash of the previous close bears interest (`credit_rate`, `debit_rate`), shares sold short cost
    `borrow_rate` of their value at that close, for the calendar days since.
13. Dividends paid, interest and borrow fees are reported as cash activities; cash in lieu and
    take-over money are not, they belong to their corporate action.
14. Limits, stops and fill-or-kill: see `marketable.py`.
"""

from __future__ import annotations

import datetime as dt
import sqlite3
from collections.abc import Iterable, Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path

import msgspec

from trading_assets.brokers.base import DUPLICATE_ID, BrokerCapabilities, rejected_order
from trading_assets.brokers.marketable import is_covered, is_killed, is_marketable, within_limit
from trading_assets.brokers.overnight import Holdings, Night, Overnight, charges
from trading_assets.model.account import (
    AccountStatement,
    Answer,
    BrokerOrder,
    CashActivity,
    Execution,
    Known,
    MarketClock,
    Unknown,
)
from trading_assets.model.corporate_actions import CorporateAction
from trading_assets.model.instrument import PriceSnapshot
from trading_assets.model.money import BASIS_POINT, ONE, ZERO, notional, truncate_quantity
from trading_assets.model.order import OrderRequest, OrderStatus, PositionEffect, Side
from trading_assets.model.policies import CommissionPolicy, SimulationPolicy
from trading_assets.portfolio.fees import commission
from trading_assets.portfolio.order_rules import InstrumentTraits

PRICE_QUANTUM = Decimal("0.0001")
WORKING = (OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS orders (
    place INTEGER PRIMARY KEY, client_order_id TEXT UNIQUE NOT NULL, session TEXT NOT NULL,
    body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS executions (
    place INTEGER PRIMARY KEY, session TEXT NOT NULL, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS cash_movements (
    reference TEXT PRIMARY KEY, session TEXT NOT NULL, amount TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS marks (session TEXT PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS overnights (session TEXT PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS restarts (revision INTEGER PRIMARY KEY, session TEXT NOT NULL);
"""


class SimulatedBroker:
    """One simulated account, stored in `path`. Not shared between threads."""

    capabilities = BrokerCapabilities(
        is_real=False,
        deduplicates_client_order_ids=True,
        orders_per_commit=1000,
        lookup_delay_seconds=0.0,
    )

    def __init__(
        self,
        path: Path,
        account_number: str,
        currency: str,
        simulation: SimulationPolicy,
        fees: CommissionPolicy,
    ) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._database = sqlite3.connect(path, isolation_level=None, timeout=30)
        self._database.execute("PRAGMA journal_mode=WAL")
        # A commit survives a kill; after a power cut those of an open session may be missing, which
        # its close reports. `end_session` flushes them.
        self._database.execute("PRAGMA synchronous=NORMAL")
        # As the book has it, for the same reason.
        self._database.execute("PRAGMA wal_autocheckpoint=4000")
        self._database.executescript(_SCHEMA)
        self.account_number = account_number
        self.currency = currency
        self.simulation = simulation
        self.fees = fees
        self._session = dt.date.min
        self._last_session: dt.date | None = None
        self._read()

    # The account

    def account(self) -> Answer[AccountStatement]:
        """Cash after the last execution."""
        return Known(
            AccountStatement(
                account_number=self.account_number, currency=self.currency, cash=self._cash
            )
        )

    def clock(self) -> Answer[MarketClock | None]:
        """None: it knows the time of its session only."""
        return Known(None)

    def positions(self) -> Answer[dict[str, Decimal]]:
        """Signed shares by symbol, without zeros."""
        return Known({s: quantity for s, quantity in self._positions.items() if quantity})

    def open_orders(self) -> Answer[tuple[BrokerOrder, ...]]:
        """Orders that can still trade, oldest first."""
        return Known(tuple(self._orders[key] for key in self._working))

    def order_by_client_id(self, client_order_id: str) -> Answer[BrokerOrder | None]:
        """The order sent under this id, or None."""
        order = self._orders.get(client_order_id) or self._stored_order(client_order_id)
        return Known(order)

    def fills_since(self, moment: dt.datetime) -> Answer[tuple[Execution, ...]]:
        """Executions later than `moment`, oldest first."""
        found: list[Execution] = []
        for execution in reversed(self._executions):
            if execution.executed_at <= moment:
                break
            found.append(execution)
        return Known(tuple(reversed(found)))

    def cash_activities_since(self, moment: dt.datetime) -> Answer[tuple[CashActivity, ...]]:
        """Dividends, interest and borrow fees later than `moment`, oldest first."""
        found: list[CashActivity] = []
        for activity in reversed(self._activities):
            if activity.occurred_at <= moment:
                break
            found.append(activity)
        return Known(tuple(reversed(found)))

    def traits(self, symbols: Iterable[str]) -> Answer[dict[str, InstrumentTraits]]:
        """Nothing: every symbol may be traded freely, or is refused when it is ordered."""
        del symbols
        return Known({})

    def average_costs(self) -> Answer[dict[str, Decimal] | None]:
        """None: what was paid for a position is not kept here."""
        return Known(None)

    # Orders

    def submit(self, request: OrderRequest) -> Answer[BrokerOrder]:
        """Accept or reject; nothing trades before `match`."""
        refusal = self._refusal(request)
        if refusal is not None:
            order = rejected_order(request, *refusal)
        else:
            order = BrokerOrder(
                request=request,
                broker_order_id=f"sim-{request.client_order_id}",
                status=OrderStatus.ACCEPTED,
                filled_quantity=ZERO,
            )
        # A statement outside a transaction is one of its own.
        stored = self._database.execute(
            "INSERT OR IGNORE INTO orders (client_order_id, session, body) VALUES (?, ?, ?)",
            (request.client_order_id, self._session.isoformat(), msgspec.json.encode(order)),
        ).rowcount
        if not stored:
            return Known(rejected_order(request, DUPLICATE_ID, "client_order_id was used before"))
        self._remember(order)
        return Known(order)

    def cancel(self, client_order_id: str) -> Answer[BrokerOrder]:
        """Stop the rest of an order from trading."""
        order = self._orders.get(client_order_id) or self._stored_order(client_order_id)
        if order is None:
            return Unknown(f"no order {client_order_id} was ever sent to this account")
        if order.status in WORKING:
            order = msgspec.structs.replace(order, status=OrderStatus.CANCELED)
            self._store([order], [])
        return Known(order)

    def place_by_hand(self, symbol: str, side: Side, quantity: Decimal) -> Execution:
        """Trade at the session's close outside any plan, as a person at a terminal would."""
        place = len(self._executions) + 1
        execution = self._execution(
            f"hand-{self._session:%Y%m%d}-{place}", "", symbol, side, quantity
        )
        self._store([], [execution])
        return execution

    def _refusal(self, request: OrderRequest) -> tuple[str, str] | None:
        if request.symbol in self.simulation.reject_symbols:
            return "NOT_TRADABLE", f"{request.symbol} is not tradable"
        held = self._positions.get(request.symbol, ZERO)
        signed = request.side.sign * request.quantity
        closes = held * signed < 0
        if request.position_effect is PositionEffect.CLOSE and (
            not closes or abs(signed) > abs(held)
        ):
            return "INSUFFICIENT_QUANTITY", (
                f"insufficient qty available for order (requested: {request.quantity}, "
                f"available: {abs(held)})"
            )
        if request.position_effect is PositionEffect.OPEN and closes:
            return "POSITION_OPPOSITE", "close the opposite position first"
        return None

    # The market

    def pass_night(
        self, session: dt.date, opens_at: dt.datetime, actions: Sequence[CorporateAction] = ()
    ) -> None:
        """Rules 8 to 13, once for each session, in one durable step; before `begin_session`.

        `actions` are those that take effect at the session's open, in order, whoever holds them.
        """
        if session in self._nights or not (actions or self._holdings.owed or self._bears_interest):
            return
        # Whoever traded by hand has entered the session: what was before it is read again.
        is_entered = session <= self._session
        if is_entered:
            self._read(before=session)
        night = self._overnight(session, opens_at, actions)
        if night.actions or night.activities:
            with self._transaction():
                self._database.execute(
                    "INSERT INTO overnights VALUES (?, ?)",
                    (session.isoformat(), msgspec.json.encode(night)),
                )
        if is_entered:
            self._read()
        elif night.actions or night.activities:
            self._take_night(session, night)

    def _overnight(
        self, session: dt.date, opens_at: dt.datetime, actions: Iterable[CorporateAction]
    ) -> Overnight:
        """What the night before `session` brings; changes nothing."""
        activities: list[CashActivity] = []
        if self._last_session is not None:
            night = Night(
                previous=self._last_session, session=session, at=opens_at, currency=self.currency
            )
            activities += charges(night, self._cash, self._positions, self._marks, self.simulation)
        trial, marks = self._holdings.copy(), dict(self._marks)
        taken = []
        for action in actions:
            if trial.concerns(action):
                trial.take(action, marks)
                taken.append(action)
        activities += trial.payments(session, opens_at, self.currency)
        return Overnight(actions=tuple(taken), activities=tuple(activities))

    @property
    def _bears_interest(self) -> bool:
        rules = self.simulation
        return bool(rules.credit_rate or rules.debit_rate or rules.borrow_rate)

    def _take_night(self, session: dt.date, night: Overnight) -> None:
        # Prices that were noted after it, at a later close, are in its shares already.
        is_marked = self._last_session is not None and session <= self._last_session
        marks = {} if is_marked else self._marks
        for action in night.actions:
            self._cash += self._holdings.take(action, marks)
        for activity in night.activities:
            self._cash += activity.amount
            self._holdings.owed.pop(activity.activity_id, None)
        self._activities += night.activities
        self._nights.add(session)

    def begin_session(
        self, session: dt.date, closes_at: dt.datetime, closes: PriceSnapshot
    ) -> None:
        """Enter a session: what is submitted from here on trades at its `closes`."""
        self._session = session
        self._closes_at = closes_at
        self._closes = closes
        for symbol, price in closes.prices.items():
            self._marks[symbol] = price.price

    def deposit(self, reference: str, session: dt.date, amount: Decimal) -> None:
        """Money in (positive) or out; the same reference is booked once."""
        with self._transaction():
            inserted = self._database.execute(
                "INSERT OR IGNORE INTO cash_movements VALUES (?, ?, ?)",
                (reference, session.isoformat(), str(amount)),
            ).rowcount
        if inserted:
            self._cash += amount

    def match(self) -> None:
        """Fill what can be filled at the session's close, all in one durable step."""
        orders: list[BrokerOrder] = []
        executions: list[Execution] = []
        for key in self._working:
            order, execution = self._matched(self._orders[key])
            if order is not self._orders[key]:
                orders.append(order)
            if execution is not None:
                executions.append(execution)
                self._book(execution)
        if orders:
            self._store(orders, executions, booked=True)

    def end_session(self) -> None:
        """Expire what is still working: every order is good for its session only.

        What is held is marked, so that a later process values it as this one does. The step is
        flushed to disk, and everything before it with it: no book closes on what a power cut takes.
        """
        expired = [
            msgspec.structs.replace(self._orders[key], status=OrderStatus.EXPIRED)
            for key in self._working
        ]
        marks = {symbol: self._marks[symbol] for symbol in self._positions}
        self._database.execute("PRAGMA synchronous=FULL")
        with self._transaction():
            self._database.execute(
                "INSERT OR REPLACE INTO marks VALUES (?, ?)",
                (self._session.isoformat(), msgspec.json.encode(marks)),
            )
            self._update(expired)
        self._database.execute("PRAGMA synchronous=NORMAL")
        self._last_session = self._session
        for order in expired:
            self._remember(order)

    def restart_from(self, session: dt.date, revision: int) -> None:
        """Forget `session` and everything later, once for each revision of the book."""
        done = self._database.execute(
            "SELECT 1 FROM restarts WHERE revision = ?", (revision,)
        ).fetchone()
        if done:
            return
        with self._transaction():
            for table in ("orders", "executions", "cash_movements", "marks", "overnights"):
                self._database.execute(
                    f"DELETE FROM {table} WHERE session >= ?", (session.isoformat(),)
                )
            self._database.execute(
                "INSERT INTO restarts VALUES (?, ?)", (revision, session.isoformat())
            )
        self._read()

    def close(self) -> None:
        """Give the file back."""
        self._database.close()

    def _matched(self, order: BrokerOrder) -> tuple[BrokerOrder, Execution | None]:
        request = order.request
        price = self._closes.prices.get(request.symbol)
        if price is None:
            return order, None
        if not is_marketable(request, price.price):
            return order, None
        quantity = request.quantity - order.filled_quantity
        if self.simulation.volume_cap is not None and price.volume is not None:
            whole = request.quantity == truncate_quantity(request.quantity, 0)
            room = truncate_quantity(self.simulation.volume_cap * price.volume, 0 if whole else 9)
            quantity = min(quantity, room - order.filled_quantity)
        if quantity <= 0 or is_killed(request, quantity):
            return order, None
        execution = self._execution(
            f"{request.client_order_id}.1",
            request.client_order_id,
            request.symbol,
            request.side,
            quantity,
            request.limit_price,
        )
        if request.position_effect is PositionEffect.OPEN and not is_covered(
            execution,
            self._cash,
            self._positions,
            self._marks,
            self.simulation.margin_multiplier,
        ):
            wanted = f"{request.side.value} {quantity} {request.symbol} at {execution.price}"
            return msgspec.structs.replace(
                order,
                status=OrderStatus.REJECTED,
                reject_code="INSUFFICIENT_BUYING_POWER",
                reject_reason=f"{wanted} exceeds buying power (cash {self._cash})",
            ), None
        filled = order.filled_quantity + quantity
        status = OrderStatus.FILLED if filled == request.quantity else OrderStatus.PARTIALLY_FILLED
        return msgspec.structs.replace(order, status=status, filled_quantity=filled), execution

    def _execution(
        self,
        execution_id: str,
        client_order_id: str,
        symbol: str,
        side: Side,
        quantity: Decimal,
        limit: Decimal | None = None,
    ) -> Execution:
        close = self._closes.prices[symbol].price
        factor = ONE + side.sign * self.simulation.slippage_bps * BASIS_POINT
        slipped = (close * factor).quantize(PRICE_QUANTUM, rounding=ROUND_HALF_EVEN)
        price = within_limit(side, slipped, limit)
        return Execution(
            execution_id=execution_id,
            client_order_id=client_order_id,
            broker_order_id=f"sim-{client_order_id}" if client_order_id else "",
            symbol=symbol,
            side=side,
            quantity=quantity,
            price=price,
            commission=commission(self.fees, quantity, notional(quantity, price)),
            currency=self.currency,
            executed_at=self._closes_at,
        )

    # Its own books

    def _book(self, execution: Execution) -> None:
        signed = execution.side.sign * execution.quantity
        held = self._positions.get(execution.symbol, ZERO) + signed
        if held:
            self._positions[execution.symbol] = held
        else:
            self._positions.pop(execution.symbol, None)
        self._cash -= notional(signed, execution.price) + execution.commission
        self._marks.setdefault(execution.symbol, execution.price)
        self._executions.append(execution)

    def _store(
        self, orders: list[BrokerOrder], executions: list[Execution], booked: bool = False
    ) -> None:
        session = self._session.isoformat()
        with self._transaction():
            self._update(orders)
            self._database.executemany(
                "INSERT INTO executions (session, body) VALUES (?, ?)",
                [(session, msgspec.json.encode(execution)) for execution in executions],
            )
        for order in orders:
            self._remember(order)
        if not booked:
            for execution in executions:
                self._book(execution)

    def _update(self, orders: list[BrokerOrder]) -> None:
        self._database.executemany(
            "UPDATE orders SET body = ? WHERE client_order_id = ?",
            [(msgspec.json.encode(o), o.request.client_order_id) for o in orders],
        )

    def _remember(self, order: BrokerOrder) -> None:
        key = order.request.client_order_id
        if order.status in WORKING:
            self._orders[key] = order
            self._working[key] = None
        else:
            # Done: it is looked up in the file when somebody asks.
            self._orders.pop(key, None)
            self._working.pop(key, None)

    def _stored_order(self, client_order_id: str) -> BrokerOrder | None:
        row = self._database.execute(
            "SELECT body FROM orders WHERE client_order_id = ?", (client_order_id,)
        ).fetchone()
        return None if row is None else msgspec.json.decode(row[0], type=BrokerOrder)

    def _read(self, before: dt.date = dt.date.max) -> None:
        """The account as the file has it, up to but not including session `before`."""
        day = before.isoformat()
        self._cash = ZERO
        self._positions: dict[str, Decimal] = {}
        self._marks: dict[str, Decimal] = {}
        self._executions: list[Execution] = []
        self._orders: dict[str, BrokerOrder] = {}
        self._working: dict[str, None] = {}
        self._activities: list[CashActivity] = []
        self._nights: set[dt.date] = set()
        self._last_session = None
        marked = self._database.execute(
            "SELECT session, body FROM marks WHERE session < ? ORDER BY session DESC LIMIT 1",
            (day,),
        ).fetchone()
        if marked is not None:
            self._last_session = dt.date.fromisoformat(marked[0])
            self._marks = msgspec.json.decode(marked[1], type=dict[str, Decimal])
        self._holdings = Holdings(self._positions)
        for (amount,) in self._database.execute(
            "SELECT amount FROM cash_movements WHERE session < ?", (day,)
        ):
            self._cash += Decimal(amount)
        self._read_executions(day)
        for (body,) in self._database.execute("SELECT body FROM orders ORDER BY place"):
            self._remember(msgspec.json.decode(body, type=BrokerOrder))

    def _read_executions(self, day: str) -> None:
        """Executions of sessions before `day`, and before those of each session its night."""
        nights = self._database.execute(
            "SELECT session, body FROM overnights WHERE session < ? ORDER BY session DESC", (day,)
        ).fetchall()
        decoder = msgspec.json.Decoder(Execution)
        for session, body in self._database.execute(
            "SELECT session, body FROM executions WHERE session < ? ORDER BY place", (day,)
        ):
            while nights and nights[-1][0] <= session:
                self._read_night(*nights.pop())
            self._book(decoder.decode(body))
        while nights:
            self._read_night(*nights.pop())

    def _read_night(self, session: str, body: bytes) -> None:
        night = msgspec.json.decode(body, type=Overnight)
        self._take_night(dt.date.fromisoformat(session), night)

    def _transaction(self) -> _Transaction:
        return _Transaction(self._database)


class _Transaction:
    """BEGIN IMMEDIATE … COMMIT, or ROLLBACK when the block raises."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def __enter__(self) -> None:
        self._database.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self._database.execute("COMMIT" if kind is None else "ROLLBACK")
