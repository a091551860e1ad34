"""The desk: what a strategy's answer becomes in orders.

    open_long, open_short   an order for `position_size` of the strategy's equity, a bracket where
                            the signal has a stop-loss or take-profit. Ignored where the strategy
                            holds the symbol in that direction already, or is about to; a position
                            in the other direction is closed first. Rejected where the stop-loss
                            or take-profit is not on its side of the close
    close_long, close_short an order for all that the strategy holds; its working orders of the
                            symbol are canceled before. Ignored where it holds nothing.
    target_weight           the order that leads to the weight (sizing.py), in place of what is
                            still working towards an earlier one. Without borrowing it waits for the
                            other signals of the same bar where the strategy would hold more than
                            its equity, and is rejected where it still would
    an order of its own     as it is, within what the account may do

Each order carries the number of the signal that it comes from and what it is for there. A strategy
may give a key of its own; the same key again gives no second order (`order_of` finds the first).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from trading_assets.engine.account import Account
from trading_assets.engine.answers import signals_of, weights_of
from trading_assets.engine.bars import Market
from trading_assets.engine.capital import INSUFFICIENT_CAPITAL, SHORT_NOT_ALLOWED, Capital
from trading_assets.engine.chunks import Chunk
from trading_assets.engine.clock import Floats, Integers
from trading_assets.engine.intents import kind_of, time_in_force_code
from trading_assets.engine.matching import Exchange
from trading_assets.engine.orders import (
    IS_TERMINAL,
    MARKET,
    NO_SIGNAL,
    TIME_IN_FORCE_NAMES,
    OrderGroup,
    WorkingOrder,
)
from trading_assets.engine.rebalance import Rebalancer
from trading_assets.engine.rules import BacktestRules
from trading_assets.engine.scaled import price_units
from trading_assets.engine.sizing import target_shares
from trading_assets.errors import ConfigurationError
from trading_assets.model.market_events import SignalAction
from trading_assets.model.order import Side
from trading_assets.model.round_trip import RoundTrip
from trading_assets.strategies.base import (
    Answer,
    OrderIntent,
    Signal,
    TargetWeights,
    target_weight,
)

if TYPE_CHECKING:
    from trading_assets.engine.risk_desk import RiskDesk

# Looked up once: attributes of an enum cost more than those of a module.
_OPEN_LONG = SignalAction.OPEN_LONG
_CLOSE_LONG = SignalAction.CLOSE_LONG
_OPEN_SHORT = SignalAction.OPEN_SHORT
_CLOSE_SHORT = SignalAction.CLOSE_SHORT

SignalLog = Callable[[int, int, int, Iterable[tuple[int, Signal]]], None]
"""Told of (place, number of the answer, strategy, symbols and their signals)."""
NO_PRICE = "NO_PRICE"
QUANTITY_TOO_SMALL = "QUANTITY_TOO_SMALL"
STOP_ON_WRONG_SIDE = "STOP_ON_WRONG_SIDE"
TAKE_PROFIT_ON_WRONG_SIDE = "TAKE_PROFIT_ON_WRONG_SIDE"


class Desk:
    """Turns answers into orders at the exchange; one for a backtest.

    `shares_of_equity` is the part of the account's equity that each strategy trades with, `shown`
    the symbols that each may trade, as indices of the market's (None for all);
    `trade_results` gives what each closed round trip earned, for sizing by it.
    """

    def __init__(
        self,
        market: Market,
        chunk: Chunk,
        exchange: Exchange,
        rules: BacktestRules,
        strategy_ids: tuple[str, ...],
        shares_of_equity: tuple[float, ...],
        shown: Sequence[Integers | None],
        trade_results: Callable[[], Sequence[RoundTrip]] = lambda: (),
        tell: SignalLog | None = None,
    ) -> None:
        self._market = market
        self._chunk = chunk
        self.exchange = exchange
        self.account: Account = exchange.account
        self._scale = exchange.scale
        self._strategy_ids = strategy_ids
        self._index = {symbol: place for place, symbol in enumerate(market.symbols)}
        self._factors = [column.factor for column in market.columns]
        self._position_size = float(rules.position_size)
        self._investable = 1.0 - float(rules.account.cash_buffer)
        self._allow_short = rules.account.allow_short
        self._capital = Capital(market, chunk, exchange, rules.account)
        self._time_in_force = TIME_IN_FORCE_NAMES.index(rules.matching.time_in_force.value)
        self._shares_of_equity = shares_of_equity
        self._tell = tell
        self._by_key: dict[tuple[int, str], WorkingOrder | None] = {}
        self._shown = tuple(shown)
        self._may_trade = [None if one is None else set(one.tolist()) for one in shown]
        self.postponed: dict[tuple[int, int], tuple[Signal, int]] = {}
        """Targets of strategies and symbols that wait for the other signals of the same bar,
        with the numbers of their signals."""
        self._groups: dict[tuple[int, str], OrderGroup] = {}
        self._valued_at = self._valued_version = -1
        self._equity = 0.0
        self.rejections: Counter[str] = Counter()
        """How many orders were rejected, by code."""
        self.risk: RiskDesk | None = None
        if rules.risk is not None:
            # It brings TA-Lib, and that brings pandas: seconds that most backtests need not wait.
            from trading_assets.engine.risk_desk import RiskDesk

            self.risk = RiskDesk(rules.risk, market, chunk, exchange, self.equity, trade_results)
        self.signal_count = 0
        self.rebalancer = Rebalancer(
            market,
            chunk,
            exchange,
            rules,
            self.rejections,
            by_the_array=len(strategy_ids) == 1 and not exchange.keeps_orders and self.risk is None,
            refusal=self.risk_refusal,
        )

    @property
    def margin_calls(self) -> list[str]:
        """Session, equity and margin of each margin call."""
        margin = None if self.risk is None else self.risk.margin
        return [] if margin is None else [one.message for one in margin.calls]

    @property
    def halts(self) -> list[str]:
        """Session and reason of each time that the risk policy's circuit breaker tripped."""
        breakers = [] if self.risk is None else self.risk.breakers
        return [f"{one.session}: {one.trip.detail}" for one in breakers if one.trip is not None]

    def equity(self, place: int) -> float:
        """The account's value at the closes of `place`, money as a float."""
        version = self.account.version
        if place != self._valued_at or version != self._valued_version:
            marks = self._chunk.marks[place - self._chunk.first]
            equity = self.account.equity_estimate(marks)
            if equity != equity:
                # A symbol without a bar so far; it is not held, and 0 x NaN is NaN.
                equity = self.account.equity_estimate(np.nan_to_num(marks))
            self._equity = equity
            self._valued_at, self._valued_version = place, version
        return self._equity

    def take(self, strategy: int, answer: Answer, place: int) -> None:
        """Act on an answer after the bar at `place`."""
        if answer is None:
            return
        self._act(strategy, answer, place)
        if self.risk is not None:
            self.risk.meet_call(place)

    def _act(
        self, strategy: int, answer: Iterable[Signal | OrderIntent] | TargetWeights, place: int
    ) -> None:
        if isinstance(answer, TargetWeights):
            self.signal_count += 1
            weights = self._weights(strategy, answer)
            if self._tell is not None:
                self._tell(place, self.signal_count, strategy, self._wishes(weights))
            marks = self._chunk.marks[place - self._chunk.first]
            stake = self._stake(strategy, place)
            number = self.signal_count
            self.rebalancer.rebalance(strategy, weights, marks, stake, place, number)
            return
        for one in signals_of(answer, self._strategy_ids[strategy]):
            symbol = self._symbol_of(strategy, one.symbol)
            self.signal_count += 1
            if self._tell is not None:
                wishes = ((symbol, one),) if isinstance(one, Signal) else ()
                self._tell(place, self.signal_count, strategy, wishes)
            act: Callable[..., WorkingOrder | None] = (
                self._take_signal if isinstance(one, Signal) else self._take_intent
            )
            if one.idempotency_key:
                key = (strategy, one.idempotency_key)
                if key not in self._by_key:
                    self._by_key[key] = act(strategy, symbol, one, place)
            else:
                act(strategy, symbol, one, place)

    def _wishes(self, weights: Floats) -> Iterator[tuple[int, Signal]]:
        """The signals that target weights are: one for each symbol that is not left as it is."""
        for symbol, weight in enumerate(weights.tolist()):
            if weight == weight:
                yield symbol, target_weight(self._market.columns[symbol].symbol, weight)

    def order_of(self, strategy: int, key: str) -> WorkingOrder | None:
        """The first order of a strategy's idempotency key; None where there was no such key, or
        nothing had to be ordered."""
        return self._by_key.get((strategy, key))

    def _weights(self, strategy: int, answer: TargetWeights) -> Floats:
        """Weights of the symbols that a strategy is shown as weights of all, the others left as
        they are."""
        shown, count = self._shown[strategy], len(self._index)
        asked = count if shown is None else len(shown)
        weights = weights_of(answer.weights, asked, self._strategy_ids[strategy])
        if shown is None:
            return weights
        spread = np.full(count, np.nan)
        spread[shown] = weights
        return spread

    def _symbol_of(self, strategy: int, name: str) -> int:
        """Index of a symbol that a strategy may trade; ConfigurationError for another."""
        symbol = self._index.get(name)
        allowed = self._may_trade[strategy]
        if symbol is None or (allowed is not None and symbol not in allowed):
            symbols = self._market.symbols
            known = [one for index, one in enumerate(symbols) if not allowed or index in allowed]
            why = "the backtest has no bars of" if symbol is None else "is not among its symbols"
            raise ConfigurationError(
                f"strategy {self._strategy_ids[strategy]} asks for {name!r}, which {why}. It may "
                f"trade: {', '.join(known[:20])}."
            )
        return symbol

    def _stake(self, strategy: int, place: int) -> float:
        """What a strategy may invest: its share of equity, less the cash buffer."""
        return self.equity(place) * self._shares_of_equity[strategy] * self._investable

    def _mark(self, symbol: int, place: int) -> float:
        mark: float = self._chunk.marks.item(place - self._chunk.first, symbol)
        return mark

    def _raw(self, symbol: int, price: float | None, place: int) -> int:
        """A price that a strategy gave, in 1e-8 of what is traded; 0 for none."""
        if not price:
            return 0
        factor = self._factors[symbol]
        if factor is not None:
            rows = self._market.rows[symbol]
            row = place if rows is None else int(rows[: place + 1].max())
            price = price / factor.item(row)
        return price_units(price)

    def _take_signal(
        self, strategy: int, symbol: int, signal: Signal, place: int
    ) -> WorkingOrder | None:
        """Act on a signal; the order that leads to what it asks for, None where none is needed."""
        action = signal.action
        held = self.account.by_strategy.item(strategy, symbol)
        if action is _OPEN_LONG or action is _OPEN_SHORT:
            sign = 1 if action is _OPEN_LONG else -1
            return self._open(strategy, symbol, signal, place, held, sign)
        if action is _CLOSE_LONG or action is _CLOSE_SHORT:
            if held and (held > 0) is (action is _CLOSE_LONG):
                return self._close(strategy, symbol, signal, place, held)
            # An order that would have opened it is not wanted any more.
            self._cancel_opening(strategy, symbol, place, 1 if action is _CLOSE_LONG else -1)
            return None
        return self._aim(strategy, symbol, signal, place, held)

    def _open(
        self, strategy: int, symbol: int, signal: Signal, place: int, held: int, sign: int
    ) -> WorkingOrder | None:
        working = self.exchange.by_holder.get(strategy * len(self._index) + symbol)
        if held * sign > 0 or (working and any(o.opens and o.sign == sign for o in working)):
            return None
        if held:
            self._close(strategy, symbol, signal, place, held)
        price = self._mark(symbol, place)
        if not price > 0:
            return self._refuse(strategy, symbol, signal, place, sign, NO_PRICE)
        if signal.quantity is not None:
            quantity = self._scale.truncated(signal.quantity)
        elif self.risk is not None:
            quantity = 0
        else:
            size = self._position_size
            if signal.confidence is not None:
                size *= signal.confidence
            stake = self._stake(strategy, place)
            quantity = target_shares(size, stake, price, 0, self.exchange.commission, self._scale)
        order = self._new(strategy, symbol, signal, place, sign, quantity, "open")
        if signal.stop_loss_price is not None:
            order.stop_loss = self._raw(symbol, signal.stop_loss_price, place)
        if signal.take_profit_price is not None:
            order.take_profit = self._raw(symbol, signal.take_profit_price, place)
        now = self.account.by_strategy.item(strategy, symbol)
        refusal = self._sized_by_risk(order, signal, price) or self._refusal(order, price, now)
        if refusal:
            self.rejections[refusal] += 1
            self.exchange.reject(order, place, refusal)
        else:
            self.exchange.submit(order, place)
        return order

    def _sized_by_risk(self, order: WorkingOrder, signal: Signal, price: float) -> str:
        """Give an order that opens the risk policy's stops and size, where it has none; the code of
        why it cannot have them, else empty."""
        if self.risk is None:
            return ""
        refusal = self.risk.add_stops(order, price)
        if not refusal and signal.quantity is None:
            stake = self._stake(order.strategy, order.placed)
            sized = self.risk.quantity(order, stake, price, signal.confidence)
            if isinstance(sized, str):
                return sized
            order.quantity = sized
        return refusal

    def _close(
        self, strategy: int, symbol: int, signal: Signal, place: int, held: int
    ) -> WorkingOrder:
        sign = -1 if held > 0 else 1
        working = self.exchange.by_holder.get(strategy * len(self._index) + symbol)
        if working:
            for order in working:
                is_own = not order.opens and order.signal != NO_SIGNAL
                if is_own and order.sign == sign and order.kind == MARKET:
                    return order
            for order in list(working):
                self.exchange.cancel(order, place, "the position is closed by a signal")
        order = self._new(strategy, symbol, signal, place, sign, abs(held), "close")
        order.opens = False
        self.exchange.submit(order, place)
        return order

    def _cancel_opening(self, strategy: int, symbol: int, place: int, sign: int) -> None:
        working = self.exchange.by_holder.get(strategy * len(self._index) + symbol)
        if working:
            for order in [one for one in working if one.opens and one.sign == sign]:
                self.exchange.cancel(order, place, "closed by a signal before it was filled")

    def settle(self, place: int) -> None:
        """Act on the targets that waited for the other signals after the bar at `place`."""
        postponed = list(self.postponed.items())
        self.postponed.clear()
        for (strategy, symbol), (signal, number) in postponed:
            held = self.account.by_strategy.item(strategy, symbol)
            order = self._aim(strategy, symbol, signal, place, held, number)
            if signal.idempotency_key:
                self._by_key[strategy, signal.idempotency_key] = order

    def _aim(
        self,
        strategy: int,
        symbol: int,
        signal: Signal,
        place: int,
        held: int,
        postponed: int = 0,
    ) -> WorkingOrder | None:
        """Order what leads to a target weight; None where nothing has to be, or not yet: what the
        equity does not cover is postponed once. `postponed` is the number of a signal that was."""
        self.postponed.pop((strategy, symbol), None)
        for order in self.exchange.orders_of(strategy, symbol):
            self.exchange.cancel(order, place, "replaced by a new target")
        price = self._mark(symbol, place)
        weight = signal.weight or 0.0
        if not price > 0:
            return self._refuse(strategy, symbol, signal, place, 1, NO_PRICE)
        stake = self._stake(strategy, place)
        wanted = target_shares(weight, stake, price, held, self.exchange.commission, self._scale)
        change = wanted - held
        if not change:
            return None
        opens = abs(wanted) > abs(held) or wanted * held < 0
        equity = self.equity(place) * self._shares_of_equity[strategy]
        is_covered = not opens or self._capital.can_hold(strategy, symbol, wanted, equity, place)
        if not is_covered and not postponed:
            self.postponed[strategy, symbol] = signal, self.signal_count
            return None
        sign = 1 if change > 0 else -1
        order = self._new(strategy, symbol, signal, place, sign, abs(change), "target")
        order.signal = postponed or order.signal
        order.opens = opens
        if wanted < 0 and not self._allow_short:
            refusal = SHORT_NOT_ALLOWED
        elif not is_covered:
            refusal = INSUFFICIENT_CAPITAL
        else:
            refusal = self.risk_refusal(order, price)
        if refusal:
            self.rejections[refusal] += 1
            self.exchange.reject(order, place, refusal)
        else:
            self.exchange.submit(order, place)
        return order

    def risk_refusal(self, order: WorkingOrder, price: float) -> str:
        """The code of the risk policy's limit that an order breaks; empty for one that only
        reduces, or without a policy. What no bar has priced so far cannot be judged."""
        if self.risk is None:
            return ""
        if not order.opens:
            self.risk.expect(order)
            return ""
        if not price > 0:
            return NO_PRICE
        return self.risk.refusal(order, price)

    def _new(
        self,
        strategy: int,
        symbol: int,
        signal: Signal,
        place: int,
        sign: int,
        quantity: int,
        purpose: str,
    ) -> WorkingOrder:
        """An order of the signal that is being acted on; `purpose` is what it is for there."""
        return WorkingOrder(
            self.exchange.new_number(),
            strategy,
            symbol,
            sign,
            quantity,
            MARKET,
            self._time_in_force,
            place,
            signal=self.signal_count,
            key=signal.idempotency_key or purpose,
            reason=signal.reason,
        )

    def _refuse(
        self, strategy: int, symbol: int, signal: Signal, place: int, sign: int, code: str
    ) -> WorkingOrder:
        order = self._new(strategy, symbol, signal, place, sign, 0, "refused")
        self.rejections[code] += 1
        self.exchange.reject(order, place, code)
        return order

    def _refusal(self, order: WorkingOrder, price: float, held: int) -> str:
        """Why an order that opens may not be sent; empty where it may."""
        if order.quantity <= 0:
            return QUANTITY_TOO_SMALL
        named = order.limit or order.stop
        # Not above 0 where the order is at the market of a symbol that has had no bar.
        if not named and not price > 0:
            return NO_PRICE
        if order.stop_loss or order.take_profit:
            entry = named or price_units(price)
            if order.stop_loss and (entry - order.stop_loss) * order.sign <= 0:
                return STOP_ON_WRONG_SIDE
            if order.take_profit and (order.take_profit - entry) * order.sign <= 0:
                return TAKE_PROFIT_ON_WRONG_SIDE
        if order.sign < 0 and not self._allow_short:
            return SHORT_NOT_ALLOWED
        if not self._capital.covers(order, price, held):
            return INSUFFICIENT_CAPITAL
        return self.risk_refusal(order, price)

    def _take_intent(
        self, strategy: int, symbol: int, intent: OrderIntent, place: int
    ) -> WorkingOrder:
        sign = 1 if intent.side is Side.BUY else -1
        kind, is_bracket = kind_of(intent)
        in_force = intent.time_in_force
        order = WorkingOrder(
            self.exchange.new_number(),
            strategy,
            symbol,
            sign,
            self._scale.truncated(intent.quantity),
            kind,
            self._time_in_force if in_force is None else time_in_force_code(in_force),
            place,
            limit=self._raw(symbol, intent.limit_price, place),
            stop=self._raw(symbol, intent.stop_price, place),
            signal=self.signal_count,
            key=intent.idempotency_key or "order",
            reason=intent.reason,
        )
        if is_bracket:
            order.take_profit = self._raw(symbol, intent.take_profit_price, place)
            order.stop_loss = self._raw(symbol, intent.stop_loss_price, place)
        held = self.account.by_strategy.item(strategy, symbol)
        order.opens = held * sign >= 0 or order.quantity > abs(held)
        refusal = ""
        if order.quantity <= 0:
            refusal = QUANTITY_TOO_SMALL
        elif order.opens:
            refusal = self._refusal(order, self._mark(symbol, place), held)
        if refusal:
            self.rejections[refusal] += 1
            self.exchange.reject(order, place, refusal)
            return order
        if intent.one_cancels_other:
            self._join(order, intent.one_cancels_other)
        self.exchange.submit(order, place)
        return order

    def _join(self, order: WorkingOrder, name: str) -> None:
        """Put an order into the strategy's group of that name, a new one where none of its orders
        works any more."""
        key = (order.strategy, name)
        group = self._groups.get(key)
        if group is None or all(IS_TERMINAL[one.status] for one in group.orders):
            group = self._groups[key] = OrderGroup(order.number, order.quantity, orders=[])
        order.group = group

    def named_groups(self) -> list[tuple[int, str, OrderGroup]]:
        """Strategy, name and group of each that a strategy named and that is open."""
        return [
            (strategy, name, group)
            for (strategy, name), group in self._groups.items()
            if group.open_quantity > 0
        ]

    def first_orders(self) -> list[tuple[int, str, WorkingOrder | None]]:
        """Strategy, idempotency key and first order of each key that was used."""
        return [(*key, order) for key, order in self._by_key.items()]

    def restore(
        self,
        groups: dict[tuple[int, str], OrderGroup],
        keys: dict[tuple[int, str], WorkingOrder | None],
    ) -> None:
        """Take up the groups and keys of a checkpoint."""
        self._groups, self._by_key = groups, keys
