"""An account of several strategies in short notation: what happens, and what each book then holds.

The real fold books it; plans are given by what each strategy asks for as a weight of equity.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal

from trading_assets.analytics.strategy_pnl import (
    books_against_account,
    strategy_session,
)
from trading_assets.ledger.history import BookFold, ClosedSession
from trading_assets.model.cash_events import CashFlow, CashFlowKind
from trading_assets.model.events import (
    AnyEvent,
    BrokerStatement,
    EventRecord,
    Mark,
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
    OrderExpired,
    OrderIntended,
    OrderRejected,
    OrderSubmitted,
    SessionPlanned,
)
from trading_assets.model.plan import OrderPlan, PlannedOrder, RebalanceLine
from trading_assets.model.policies import AccountingPolicy
from trading_assets.model.result import StrategyResult
from trading_assets.model.target import UNATTRIBUTED, Contribution

FIRST = dt.date(2024, 1, 8)
NOON = dt.datetime(2024, 1, 8, 17, tzinfo=dt.UTC)


def amounts(text: str) -> dict[str, Decimal]:
    """'a 10, b -4' to numbers by name without zeros; '?' stands for what is unattributed."""
    pairs = (item.split() for item in text.split(",") if item.strip())
    return {
        UNATTRIBUTED if name == "?" else name: Decimal(value)
        for name, value in pairs
        if Decimal(value)
    }


class Account:
    """Tells a fold what happens, session by session."""

    def __init__(
        self, shares: str = "a 0.5, b 0.5", policy: AccountingPolicy | None = None
    ) -> None:
        self.shares = amounts(shares)
        self.policy = policy or AccountingPolicy()
        self.fold = BookFold(self.policy, "USD", self.shares)
        self.session = FIRST
        self.closed: list[ClosedSession] = []
        self.records: list[EventRecord] = []
        self.intended: set[str] = set()
        self._sequence = 0

    def tell(self, *events: AnyEvent) -> None:
        """Fold events of the session."""
        for event in events:
            self._sequence += 1
            record = EventRecord(
                sequence=self._sequence,
                event_id=str(self._sequence),
                event_type="",
                version=1,
                portfolio="test",
                session=self.session,
                occurred_at=NOON,
                recorded_at=NOON,
                source="test",
                correlation_id="",
                causation_id="",
                previous_hash="",
                hash="",
                event=event,
            )
            self.records.append(record)
            closed = self.fold.apply(record)
            if closed is not None:
                self.closed.append(closed)

    def deposit(self, amount: str) -> None:
        """Money in (above 0) or out."""
        kind = CashFlowKind.DEPOSIT if Decimal(amount) > 0 else CashFlowKind.WITHDRAWAL
        self.tell(CashFlow(kind=kind, amount=Decimal(amount), currency="USD", reference="r"))

    def plan(
        self, prices: Mapping[str, str], targets: Mapping[str, str], equity: str = "10000"
    ) -> None:
        """Weights of `equity` by strategy for each symbol, all of it invested; what is held and
        not targeted is sold. Orders are whatever leads from the book to the targets."""
        lines, orders = [], []
        held = self.fold.ledger.positions
        for symbol in sorted({*targets, *held}):
            wanted = amounts(targets.get(symbol, ""))
            price, weight = Decimal(prices[symbol]), sum(wanted.values(), Decimal(0))
            target = (weight * Decimal(equity) / price).quantize(Decimal("0.000001"))
            current = held.get(symbol, Decimal(0))
            contributions = tuple(Contribution(strategy_id=n, weight=w) for n, w in wanted.items())
            lines.append(
                RebalanceLine(
                    asset_id=symbol,
                    symbol=symbol,
                    price=price,
                    price_session=self.session,
                    current_quantity=current,
                    target_weight=weight,
                    target_quantity=target,
                    real_target_quantity=target,
                    contributions=contributions,
                )
            )
            if target != current:
                orders.append(_order(symbol, target - current, price))
        self._plan(tuple(lines), tuple(orders), Decimal(equity))

    def _plan(
        self,
        lines: tuple[RebalanceLine, ...],
        orders: tuple[PlannedOrder, ...],
        equity: Decimal,
    ) -> None:
        plan = OrderPlan(
            session=self.session,
            strategy_id="+".join(sorted(self.shares)),
            signal_asof=self.session,
            equity=equity,
            cash=equity,
            scale=Decimal(1),
            expected_fees=Decimal(0),
            orders=orders,
            lines=lines,
        )
        self.tell(SessionPlanned(plan=plan, inputs_digest=""))

    def order(self, symbol: str, quantity: str) -> str:
        """Intend and place an order for signed shares; its id."""
        name = f"{self.session}-{symbol}-{len(self.intended)}"
        self.intended.add(name)
        request = OrderRequest(
            client_order_id=name,
            symbol=symbol,
            side=Side.BUY if Decimal(quantity) > 0 else Side.SELL,
            quantity=abs(Decimal(quantity)),
            order_type=OrderType.MARKET,
            time_in_force=TimeInForce.DAY,
            position_effect=PositionEffect.OPEN,
            take_profit_price=None,
            stop_loss_price=None,
        )
        self.tell(
            OrderIntended(request=request, batch_id="1", leg=1, plan_price=Decimal(1)),
            OrderSubmitted(client_order_id=name, attempt=1),
            OrderAccepted(client_order_id=name, broker_order_id=name),
        )
        return name

    def reject(self, order: str) -> None:
        """The broker refuses an order after all."""
        self.tell(OrderRejected(client_order_id=order, code="NO", reason="not today"))

    def fill(
        self,
        order: str,
        symbol: str,
        quantity: str,
        price: str,
        commission: str = "0",
        currency: str = "USD",
    ) -> None:
        """Signed shares executed; an empty order is a foreign trade."""
        self.tell(
            Fill(
                execution_id=f"x{self._sequence}",
                client_order_id=order,
                symbol=symbol,
                side=Side.BUY if Decimal(quantity) > 0 else Side.SELL,
                quantity=abs(Decimal(quantity)),
                price=Decimal(price),
                commission=Decimal(commission),
                currency=currency,
                executed_at=NOON,
            )
        )

    def trade(self, symbol: str, quantity: str, price: str, commission: str = "0") -> None:
        """An order of the plan, filled whole."""
        self.fill(self.order(symbol, quantity), symbol, quantity, price, commission)

    def close(self, prices: Mapping[str, str]) -> ClosedSession:
        """Let open orders expire and close the session at these prices; the books must add up to
        the account."""
        ledger = self.fold.ledger
        for order in self.fold.orders.of_session(self.session):
            if order.is_open:
                self.tell(OrderExpired(client_order_id=order.client_order_id))
        if self.fold.planned is None:
            self._plan((), (), Decimal(0))
        marks = {
            symbol: Mark(price=Decimal(price), session=self.session, source="test")
            for symbol, price in prices.items()
        }
        rates = {name: ledger.fx_rates[name] for name in sorted(ledger.currencies_in_use)}
        value = ledger.valued(marks, rates)
        self.tell(
            SessionClosed(
                marks=marks,
                cash=value.cash,
                market_value=value.market_value,
                equity=value.equity,
                statement=BrokerStatement(
                    account_number="1", positions=ledger.positions, cash=value.cash
                ),
                cash_balances=ledger.cash_balances,
                fx_rates=rates,
                accruals=value.accruals,
            )
        )
        self.session += dt.timedelta(days=1)
        assert self.gaps == ()
        return self.closed[-1]

    @property
    def gaps(self) -> tuple[str, ...]:
        """Where the books do not add up at the latest close."""
        closed = self.closed[-1]
        return books_against_account(closed, strategy_session(closed))

    def shares_of(self, symbol: str) -> dict[str, Decimal]:
        """Signed shares by book at the latest close."""
        return self.closed[-1].strategies.holdings.get(symbol, {})

    @property
    def cash(self) -> dict[str, Decimal]:
        """Cash by book at the latest close, without zeros."""
        parts = self.closed[-1].strategies.cash.get("USD", {})
        return {name: part for name, part in parts.items() if part}

    def result(self, strategy: str) -> StrategyResult:
        """One book's result of the latest closed session."""
        name = UNATTRIBUTED if strategy == "?" else strategy
        return next(
            one for one in strategy_session(self.closed[-1]).results if one.strategy_id == name
        )


def _order(symbol: str, quantity: Decimal, price: Decimal) -> PlannedOrder:
    return PlannedOrder(
        asset_id=symbol,
        symbol=symbol,
        side=Side.BUY if quantity > 0 else Side.SELL,
        position_effect=PositionEffect.OPEN,
        leg=2,
        planned_quantity=abs(quantity),
        quantity=abs(quantity),
        price=price,
        order_type=OrderType.MARKET,
        time_in_force=TimeInForce.DAY,
        take_profit_price=None,
        stop_loss_price=None,
        cuts=(),
    )
