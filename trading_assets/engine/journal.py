"""The events of a run: everything that happened in it, as a book of a portfolio holds it.

A run that keeps its orders can be written to an event log. Folded from there by the ledger and the
order book, as any portfolio is, it gives the same cash, shares, lots and orders: each session's
close states what the backtest had, and the ledger refuses a close that it does not come to itself.

A signal's id is `signal/<strategy>/<symbol>/<time of the bar>/<number of the answer>`, with `order`
in place of `signal` where the strategy asked for an order itself. The event of a signal has it as
its correlation; the events of an order have it as their cause, which is the order's intent. Its
batch is the same followed by what it is for there (open, close, target, a leg) or by the strategy's
own key: its idempotency key. An order's id is `<strategy>-<number>`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal

import numpy as np
from msgspec.structs import replace

from trading_assets.engine.chunks import seen
from trading_assets.engine.clock import Integers, iso, moment
from trading_assets.engine.loop import Engine
from trading_assets.engine.orders import (
    ACCEPT,
    CANCEL,
    EXPIRE,
    FILL_PART,
    FILL_REST,
    KIND_NAMES,
    LIMIT,
    NO_SIGNAL,
    REJECT,
    SIGNALED,
    TIME_IN_FORCE_NAMES,
    WorkingOrder,
)
from trading_assets.engine.scaled import price_decimal, price_units
from trading_assets.engine.valuation import AccountCurve, account_curve
from trading_assets.errors import ConfigurationError
from trading_assets.model.cash_events import CashFlow, CashFlowKind
from trading_assets.model.events import (
    AnyEvent,
    BrokerStatement,
    Mark,
    NewEvent,
    SessionClosed,
)
from trading_assets.model.market_events import Signal
from trading_assets.model.money import ZERO, notional
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
    OrderCanceled,
    OrderExpired,
    OrderIntended,
    OrderRejected,
    OrderSubmitted,
)
from trading_assets.risk.sizing import exact
from trading_assets.strategies.base import Signal as Wish

SOURCE = "backtest"


def run_events(engine: Engine) -> Iterator[NewEvent]:
    """The events of a run in the order in which they happened.

    ConfigurationError where orders were not kept, or money is finer than a book's cents.
    """
    if engine.records is None or engine.account.scale.money_decimals != 2:
        raise ConfigurationError(
            "only a run that keeps its orders (keep_orders: true) and books cents (money_decimals: "
            "2) can be written as events."
        )
    yield from _Journal(engine).events()


class _Journal:
    """What is needed to tell one run."""

    def __init__(self, engine: Engine) -> None:
        assert engine.records is not None
        self.engine = engine
        self.orders = engine.records.orders
        self.changes = engine.records.changes
        self.signals = iter(engine.records.signals)
        self.signal = next(self.signals, None)
        self._signals_of = {number for number, *_ in engine.records.signals}
        self._answered = {
            number: place for place, number, trigger, _ in self.changes if trigger == SIGNALED
        }
        """Place of each answer, by its number."""
        self.market = engine.market
        self.fills: Iterator[tuple[dt.date, Fill]] = engine.book.fills()
        self.curve: AccountCurve = account_curve(engine.market, engine.account, engine.place)
        self._units: dict[int, int] = {}
        """Share units held by symbol, as far as the closes have come."""
        self._moves = self._share_moves()
        self._moved = 0

    def events(self) -> Iterator[NewEvent]:
        """Deposit, then place by place what happened, and the close of each session."""
        engine, market = self.engine, self.market
        scale = engine.account.scale
        amount = scale.money_decimal(engine.account.initial_cash)
        currency = engine.rules.account.currency
        deposit = CashFlow(
            kind=CashFlowKind.DEPOSIT, amount=amount, currency=currency, reference="capital"
        )
        yield self._event(0, "deposit", deposit)
        changes = iter(self.changes)
        change = next(changes, None)
        booked = iter(enumerate(engine.book.booked))
        action = next(booked, None)
        for place in range(engine.place):
            # What a corporate action withdraws comes before it, everything else after it.
            while change is not None and change[0] == place and self._is_withdrawn(change):
                yield from self._changed(change)
                change = next(changes, None)
            while action is not None and action[1][0] == place:
                number, (_, what) = action
                yield self._event(place, f"action/{number}", what)
                action = next(booked, None)
            while change is not None and change[0] == place:
                yield from self._changed(change)
                change = next(changes, None)
            last = place + 1 == engine.place
            if last or market.sessions[place + 1] != market.sessions[place]:
                yield self._event(place, "close", self._close(place))

    @staticmethod
    def _is_withdrawn(change: tuple[int, int, int, str]) -> bool:
        _, _, trigger, reason = change
        return trigger == CANCEL and reason.startswith(("replaced: split", "a corporate action"))

    def _event(
        self, place: int, key: str, event: AnyEvent, order: str = "", cause: str = ""
    ) -> NewEvent:
        session = self.market.session_date(place)
        return NewEvent(
            key=f"{session}/{place}/{key}",
            session=session,
            occurred_at=moment(int(self.market.timeline[place])),
            source=SOURCE,
            event=event,
            correlation_id=order,
            causation_id=cause,
        )

    def _changed(self, change: tuple[int, int, int, str]) -> Iterator[NewEvent]:
        place, number, trigger, reason = change
        if trigger == SIGNALED:
            yield from self._signaled(place, number)
            return
        order = self.orders[number]
        name, cause = self._id(order), self._cause(order)

        def event(key: str, what: AnyEvent) -> NewEvent:
            return self._event(place, f"{name}/{key}", what, name, cause)

        if trigger in (ACCEPT, REJECT):
            yield event("intended", self._intended(order))
            yield event("submitted", OrderSubmitted(client_order_id=name, attempt=1))
        if trigger == ACCEPT:
            accepted = OrderAccepted(client_order_id=name, broker_order_id=str(number))
            yield event("accepted", accepted)
        elif trigger == REJECT:
            rejected = OrderRejected(client_order_id=name, code=reason, reason="")
            yield event("rejected", rejected)
        elif trigger == CANCEL:
            yield event("canceled", OrderCanceled(client_order_id=name, reason=reason))
        elif trigger == EXPIRE:
            yield event("expired", OrderExpired(client_order_id=name))
        elif trigger in (FILL_PART, FILL_REST):
            _, fill = next(self.fills)
            yield event(f"fill/{fill.execution_id}", replace(fill, client_order_id=name))

    def _id(self, order: WorkingOrder) -> str:
        return f"{self.engine.slots[order.strategy].id}-{order.number}"

    def _cause(self, order: WorkingOrder) -> str:
        if order.signal == NO_SIGNAL:
            when = iso(int(self.market.timeline[order.placed]), self.market.timeframe)
            return f"margin_call/{self.market.symbols[order.symbol]}/{when}"
        return self._signal_id(order.strategy, order.symbol, order.signal)

    def _signal_id(self, strategy: int, symbol: int, number: int) -> str:
        """Id of a signal, or of an order that a strategy asked for, by the number of the answer."""
        kind = "signal" if number in self._signals_of else "order"
        when = iso(int(self.market.timeline[self._answered[number]]), self.market.timeframe)
        name, of = self.engine.slots[strategy].id, self.market.symbols[symbol]
        return f"{kind}/{name}/{of}/{when}/{number}"

    def _signaled(self, place: int, number: int) -> Iterator[NewEvent]:
        """The signals of one answer."""
        while self.signal is not None and self.signal[0] == number:
            _, strategy, symbol, wish = self.signal
            self.signal = next(self.signals, None)
            name = self._signal_id(strategy, symbol, number)
            yield self._event(place, name, self._signal(strategy, symbol, place, wish), name)

    def _signal(self, strategy: int, symbol: int, place: int, wish: Wish) -> Signal:
        """A signal as the book's event; decided at the bar's close where it gives no price."""
        price, row = wish.price, self._row(symbol, place)
        if price is None and row >= 0:
            price = float(seen(self.market.columns[symbol], "close", row, row + 1)[0])
        return Signal(
            strategy_id=self.engine.slots[strategy].id,
            symbol=wish.symbol,
            action=wish.action,
            price=_seen_price(price),
            weight=None if wish.weight is None else exact(wish.weight),
            confidence=None if wish.confidence is None else exact(wish.confidence),
            stop_loss_price=_seen_price(wish.stop_loss_price),
            take_profit_price=_seen_price(wish.take_profit_price),
            reason=wish.reason,
        )

    def _row(self, symbol: int, place: int) -> int:
        """Row of a symbol's latest bar at a place; -1 before its first."""
        rows = self.market.rows[symbol]
        return place if rows is None else int(rows[: place + 1].max())

    def _intended(self, order: WorkingOrder) -> OrderIntended:
        scale = self.engine.account.scale
        is_bracket = bool(order.take_profit or order.stop_loss)
        kind = "bracket" if is_bracket else KIND_NAMES[order.kind]
        column, row = self.market.columns[order.symbol], self._row(order.symbol, order.placed)
        close = price_decimal(price_units(column.close.item(row))) if row >= 0 else Decimal(1)
        return OrderIntended(
            request=OrderRequest(
                client_order_id=self._id(order),
                symbol=column.symbol,
                side=Side.BUY if order.sign > 0 else Side.SELL,
                # An order too small to be placed was rejected, and is told with the least quantity.
                quantity=scale.shares_decimal(max(order.quantity, scale.step)),
                order_type=OrderType(kind),
                time_in_force=TimeInForce(TIME_IN_FORCE_NAMES[order.time_in_force]),
                position_effect=PositionEffect.OPEN if order.opens else PositionEffect.CLOSE,
                take_profit_price=_price(order.take_profit),
                stop_loss_price=_price(order.stop_loss),
                limit_price=_price(order.limit if order.kind == LIMIT or order.limit else 0),
                stop_price=_price(order.stop),
            ),
            batch_id=f"{self._cause(order)}/{order.key}",
            leg=2 if order.opens else 1,
            plan_price=close,
        )

    def _close(self, place: int) -> SessionClosed:
        """The session's close: what the backtest had after the bar at `place`."""
        scale, curve, market = self.engine.account.scale, self.curve, self.market
        held = self._positions(place)
        session = market.session_date(place)
        marks = {
            symbol: Mark(price=price, session=session, source=SOURCE)
            for symbol, (_, price) in held.items()
        }
        cash = scale.money_decimal(int(curve.cash[place]))
        accruals = scale.money_decimal(int(curve.accruals[place]))
        value = sum((notional(shares, price) for shares, price in held.values()), ZERO)
        return SessionClosed(
            marks=marks,
            cash=cash,
            market_value=value,
            equity=cash + value + accruals,
            statement=BrokerStatement(
                account_number=SOURCE,
                positions={symbol: shares for symbol, (shares, _) in held.items()},
                cash=cash,
            ),
            cash_balances={self.engine.rules.account.currency: cash},
            fx_rates={},
            accruals=accruals,
            benchmark=None,
        )

    def _share_moves(self) -> Integers:
        """Place, symbol and share units of all that moved shares, by place."""
        account = self.engine.account
        moved = account.transfers[account.transfers[:, 6] != 0]
        moves = np.concatenate((account.fills()[:, [0, 2, 4]], moved[:, [0, 3, 6]]))
        ordered: Integers = moves[np.argsort(moves[:, 0], kind="stable")]
        return ordered

    def _positions(self, place: int) -> dict[str, tuple[Decimal, Decimal]]:
        """Shares and latest close of each symbol held after the bar at `place`."""
        account, market, units = self.engine.account, self.market, self._units
        upto = int(np.searchsorted(self._moves[:, 0], place, side="right"))
        for _, symbol, shares in self._moves[self._moved : upto].tolist():
            units[symbol] = units.get(symbol, 0) + shares
        self._moved = upto
        found = {}
        for index in sorted(units):
            if units[index]:
                row = self._row(index, place)
                close = price_decimal(price_units(market.columns[index].close.item(row)))
                found[market.symbols[index]] = (account.scale.shares_decimal(units[index]), close)
        return found


def _seen_price(price: float | None) -> Decimal | None:
    """A price that a strategy gave or saw; None where it is none."""
    units = 0 if price is None or not price > 0 else price_units(price)
    return _price(units)


def _price(units: int) -> Decimal | None:
    return price_decimal(units) if units else None
