"""Speed of opening a long book: folded from its first record, and from its newest checkpoint.

    python -m assets_tests.bench.book_opening [--sessions 1260] [--orders 50]

The book is written through `Book`, as a run would, so its checkpoints are those that runs leave:
each session plans, sends and fills its orders at a price of 100 a share, commission 1 each, and
closes. Opening is timed in turns, best of three; states are compared.
"""

from __future__ import annotations

import argparse
import datetime as dt
import tempfile
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

from assets_tests.execution.small_portfolio import portfolio_settings
from trading_assets.event_log.checkpoints import Checkpoints
from trading_assets.event_log.store import EventLog, open_event_log
from trading_assets.execution.book import Book, read_closed_sessions
from trading_assets.execution.book_start import fold_state
from trading_assets.model.cash_events import CashFlow, CashFlowKind
from trading_assets.model.events import (
    AnyEvent,
    BrokerStatement,
    Mark,
    NewEvent,
    SessionClosed,
)
from trading_assets.model.order import (
    OrderRequest,
    OrderType,
    PositionEffect,
    Side,
    TimeInForce,
)
from trading_assets.model.order_events import (
    Fill,
    OrderAccepted,
    OrderIntended,
    OrderSubmitted,
    SessionPlanned,
)
from trading_assets.model.plan import OrderPlan
from trading_assets.settings import PortfolioSettings

FIRST = dt.date(2019, 1, 1)
PRICE = Decimal(100)
COMMISSION = Decimal(1)
ROUNDS = 3


class Writer:
    """Writes sessions whose money can be told in advance: every order buys or sells 10 shares."""

    def __init__(self, log: EventLog, settings: PortfolioSettings, orders: int) -> None:
        self.book = Book(log, settings)
        self.orders = orders
        self.cash = Decimal(10_000_000)
        self.held: dict[str, Decimal] = {}
        flow = CashFlow(
            kind=CashFlowKind.DEPOSIT, amount=self.cash, currency="USD", reference="start"
        )
        self.session = FIRST
        self.book.record([self._fact("start", flow)])

    def _fact(self, key: str, event: AnyEvent) -> NewEvent:
        moment = dt.datetime.combine(self.session, dt.time(21), dt.UTC)
        return NewEvent(
            key=f"{self.session}/{key}",
            session=self.session,
            occurred_at=moment,
            source="bench",
            event=event,
        )

    def write(self, number: int) -> None:
        """Session `number` (from 0), from its plan to its close."""
        self.session = FIRST + dt.timedelta(days=number)
        facts = [self._fact("plan", SessionPlanned(plan=self._plan(), inputs_digest="x"))]
        for order in range(self.orders):
            facts += self._order(number, order)
        self.book.record(facts)
        self.book.record([self._fact("close", self._close())])

    def _plan(self) -> OrderPlan:
        return OrderPlan(
            session=self.session,
            strategy_id="bench",
            signal_asof=self.session,
            equity=Decimal(1),
            cash=Decimal(1),
            scale=Decimal(1),
            expected_fees=Decimal(0),
            orders=(),
            lines=(),
        )

    def _order(self, number: int, order: int) -> list[NewEvent]:
        # Three purchases, then a sale of what two of them bought: lots are opened and closed.
        side, shares = (Side.SELL, 20) if number % 4 == 3 else (Side.BUY, 10)
        symbol, name = f"S{order:03d}", f"o{number:05d}-{order:03d}"
        quantity = Decimal(shares)
        request = OrderRequest(
            client_order_id=name,
            symbol=symbol,
            side=side,
            quantity=quantity,
            order_type=OrderType.MARKET,
            time_in_force=TimeInForce.DAY,
            position_effect=PositionEffect.OPEN if side is Side.BUY else PositionEffect.CLOSE,
        )
        fill = Fill(
            execution_id=f"{name}.1",
            client_order_id=name,
            symbol=symbol,
            side=side,
            quantity=quantity,
            price=PRICE,
            commission=COMMISSION,
            currency="USD",
            executed_at=dt.datetime.combine(self.session, dt.time(21), dt.UTC),
        )
        self.held[symbol] = self.held.get(symbol, Decimal(0)) + side.sign * quantity
        self.cash -= side.sign * quantity * PRICE + COMMISSION
        events: list[AnyEvent] = [
            OrderIntended(request=request, batch_id="b", leg=2, plan_price=PRICE),
            OrderSubmitted(client_order_id=name, attempt=1),
            OrderAccepted(client_order_id=name, broker_order_id=f"B{name}"),
            fill,
        ]
        return [self._fact(f"{name}/{place}", event) for place, event in enumerate(events)]

    def _close(self) -> SessionClosed:
        value = sum(self.held.values()) * PRICE
        return SessionClosed(
            marks={
                name: Mark(price=PRICE, session=self.session, source="bench") for name in self.held
            },
            cash=self.cash,
            market_value=value,
            equity=self.cash + value,
            statement=BrokerStatement(
                account_number="BENCH", positions=dict(self.held), cash=self.cash
            ),
            cash_balances={"USD": self.cash},
            fx_rates={},
            accruals=Decimal(0),
        )


def best_seconds(work: Callable[[], object]) -> float:
    """The quickest of a few rounds."""
    found = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        work()
        found.append(time.perf_counter() - start)
    return min(found)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--sessions", type=int, default=1260)
    parser.add_argument("--orders", type=int, default=50)
    options = parser.parse_args()
    settings = portfolio_settings(accounting={"long_lots": "fifo"})
    with tempfile.TemporaryDirectory() as folder:
        log = open_event_log(Path(folder), settings.id)
        writer = Writer(log, settings, options.orders)
        start = time.perf_counter()
        for number in range(options.sessions):
            writer.write(number)
        written = time.perf_counter() - start
        records, last = log.head().sequence, writer.session
        kept = Checkpoints(log).sequences()
        size = (Path(folder) / f"{settings.id}.sqlite").stat().st_size / 1e6
        print(
            f"{options.sessions} sessions, {records:,} records, {size:.0f} MB, "
            f"{len(kept)} checkpoints; written in {written:.1f} s"
        )
        results: dict[str, float] = {}
        states = [fold_state(Book(log, settings).fold)]
        results["open, from the newest checkpoint"] = best_seconds(lambda: Book(log, settings))
        results["last session, from a checkpoint"] = best_seconds(
            lambda: list(read_closed_sessions(log, settings, last))
        )
        results["walk the chain (verify)"] = best_seconds(log.verify)
        Checkpoints(log).delete()
        states.append(fold_state(Book(log, settings).fold))
        results["open, from the first record"] = best_seconds(lambda: Book(log, settings))
        assert states[0] == states[1], "the checkpoint gave another state"
        for name, seconds in results.items():
            print(f"{name:36s}{seconds:8.3f} s")
        log.close()


if __name__ == "__main__":
    main()
