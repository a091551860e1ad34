"""The event loop: bars in, strategies asked, orders matched, one place of the timeline at a time.

At each place, in this order:

    1. the night before a new session is charged (interest, borrow fees), and its corporate actions
       are booked on what is held
    2. working orders trade with the bars
    3. each bar is shown to the strategies that watch bars, symbol by symbol
    4. strategies that watch the cross-section are asked, where their frequency says so
    5. what they answered becomes orders, which trade from the next place on

A place at which nothing is due, nobody watches and no order works costs nothing: it is skipped.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from trading_assets.engine.account import Account
from trading_assets.engine.bars import Market
from trading_assets.engine.book import Book
from trading_assets.engine.chunks import Chunk, CrossSection, places_at_once, seen
from trading_assets.engine.clock import Floats, Integers, first_of_each, iso
from trading_assets.engine.corporate import CorporateActionDesk
from trading_assets.engine.desk import Desk
from trading_assets.engine.financing import FinancingDesk, Opening
from trading_assets.engine.matching import Exchange
from trading_assets.engine.orders import IS_TERMINAL, NO_SIGNAL, SIGNALED, STATUSES, WorkingOrder
from trading_assets.engine.rules import BacktestRules
from trading_assets.engine.scaled import Scale
from trading_assets.errors import ConfigurationError, TradingAssetsError
from trading_assets.model.corporate_actions import CorporateAction
from trading_assets.model.round_trip import RoundTrip
from trading_assets.progress import tracked
from trading_assets.strategies.base import Bar, OrderResult, Signal, Strategy

_Watcher = tuple[Callable[[Bar, "EngineContext"], object], "EngineContext", int]


@dataclass(frozen=True, slots=True)
class StrategySlot:
    """A strategy of a backtest: its id, the symbols that it is shown (None for all), its share of
    the account's equity (None: all strategies share alike), and the parameters that it was made
    with, by which a checkpoint knows it again."""

    id: str
    strategy: Strategy
    symbols: tuple[str, ...] | None = None
    share_of_equity: Decimal | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class OrderRecords:
    """Signals, orders as they were placed and what became of them, where a run keeps them.

    `changes` are (place, order number, trigger of the order table, reason), and where a strategy
    answered (place, number of the answer, SIGNALED, ""). `signals` are (number of the answer,
    strategy, symbol, signal), those of target weights one for each symbol.
    """

    orders: dict[int, WorkingOrder] = field(default_factory=dict)
    changes: list[tuple[int, int, int, str]] = field(default_factory=list)
    signals: list[tuple[int, int, int, Signal]] = field(default_factory=list)

    def note(self, place: int, order: WorkingOrder, trigger: int, reason: str) -> None:
        """Take down a change of an order's status."""
        self.orders[order.number] = order
        self.changes.append((place, order.number, trigger, reason))

    def signal(
        self, place: int, number: int, strategy: int, wishes: Iterable[tuple[int, Signal]]
    ) -> None:
        """Take down the signals (symbol, signal) of a strategy's answer, none where it asked for an
        order itself."""
        self.changes.append((place, number, SIGNALED, ""))
        self.signals.extend((number, strategy, symbol, wish) for symbol, wish in wishes)


class EngineContext:
    """What a strategy may ask while it is shown the bar at `place`: `strategies.base.Context`."""

    __slots__ = ("_desk", "_engine", "_index", "_strategy")

    def __init__(self, engine: Engine, strategy: int) -> None:
        self._engine = engine
        self._desk = engine.desk
        self._strategy = strategy
        self._index = engine.symbol_index

    @property
    def equity(self) -> float:
        """The account's value at the latest closes, money."""
        return self._desk.equity(self._engine.place)

    @property
    def cash(self) -> float:
        """The account's cash, money; negative where it is borrowed."""
        account = self._engine.account
        return account.cash / account.scale.money_unit

    @property
    def is_warming_up(self) -> bool:
        """True while bars are shown and no signal is acted on."""
        return self._engine.place < self._engine.first_place

    def position(self, symbol: str) -> float:
        """Signed shares that this strategy holds of `symbol`; 0 for none."""
        account = self._engine.account
        units: int = account.by_strategy.item(self._strategy, self._index[symbol])
        return units / account.scale.share_unit

    def working_orders(self, symbol: str) -> Sequence[str]:
        """Ids of this strategy's orders of `symbol` that may still trade."""
        orders = self._engine.exchange.orders_of(self._strategy, self._index[symbol])
        return [str(order.number) for order in orders]

    def order(self, idempotency_key: str) -> OrderResult | None:
        """What became of the first order asked for under a key; None for none."""
        order = self._desk.order_of(self._strategy, idempotency_key)
        if order is None:
            return None
        unit = self._engine.account.scale.share_unit
        return OrderResult(
            str(order.number),
            STATUSES[order.status],
            order.sign * order.quantity / unit,
            order.sign * order.filled / unit,
            order.reason,
        )

    def cancel(self, order_id: str) -> None:
        """Take an order back; nothing happens where it is done already."""
        exchange = self._engine.exchange
        for order in exchange.working:
            is_own = order.strategy == self._strategy and order.signal != NO_SIGNAL
            if is_own and str(order.number) == order_id:
                exchange.cancel(order, self._engine.place, "canceled by the strategy")

    def history(self, symbol: str, count: int, field: str = "close") -> Floats:
        """The latest `count` values of a column up to the bar that is shown, oldest first."""
        market, index = self._engine.market, self._index[symbol]
        rows, place = market.rows[index], self._engine.place
        last = place + 1 if rows is None else int(rows[: place + 1].max()) + 1
        return seen(market.columns[index], field, max(0, last - count), last)


class Engine:
    """One run of a backtest over a market; `run` goes to its end, or to a place and on from there.

    `first_place` is where signals begin to be acted on: bars before it are the warm-up. The prices
    of the market are what orders trade at and shares are worth; with `actions` they must be raw.

    Memory is that of the data and of what is asked to be kept: `keep_orders` every order and
    signal, `keep_round_trips` what each closed, `keep_fills` what traded (72 bytes each), which
    results, checkpoints, charges and corporate actions are made from. Without it the account is all
    that is left; ConfigurationError where something else needs them.
    """

    def __init__(
        self,
        market: Market,
        slots: Sequence[StrategySlot],
        rules: BacktestRules | None = None,
        *,
        actions: Iterable[CorporateAction] = (),
        first_place: int = 0,
        keep_orders: bool = False,
        keep_round_trips: bool = True,
        keep_fills: bool = True,
    ) -> None:
        if not slots or len({slot.id for slot in slots}) < len(slots):
            raise ConfigurationError(
                f"strategies {[slot.id for slot in slots]}: a backtest needs at least one, each "
                "with an id of its own."
            )
        self.market = market
        self.rules = rules = BacktestRules() if rules is None else rules
        self.slots = tuple(slots)
        self.first_place = first_place
        self.place = 0
        """The place of the timeline that the run has come to."""
        self.symbol_index = {symbol: index for index, symbol in enumerate(market.symbols)}
        scale = Scale(rules.account.quantity_decimals, rules.account.money_decimals)
        cash = scale.money_of(rules.account.initial_capital)
        self.account = Account(scale, len(slots), len(market.columns), cash, keep_fills=keep_fills)
        self.records = OrderRecords() if keep_orders else None
        log = None if self.records is None else self.records.note
        self.exchange = Exchange(market, self.account, rules, log)
        self.chunk = Chunk(market)
        self._shown = [self._shown_to(slot) for slot in slots]
        self.desk = Desk(
            market,
            self.chunk,
            self.exchange,
            rules,
            tuple(slot.id for slot in slots),
            _shares_of_equity(slots),
            [shown for _, shown in self._shown],
            self._trade_results,
            None if self.records is None else self.records.signal,
        )
        risk = self.desk.risk
        self._see = risk.see if risk is not None and risk.watches_places else None
        keep_round_trips |= risk is not None and risk.needs_trade_results
        self.round_trips: list[RoundTrip] = []
        self.book = Book(
            market,
            self.account,
            rules.account.accounting,
            rules.account.currency,
            self.round_trips.append if keep_round_trips else None,
        )
        self.corporate = CorporateActionDesk(market, self.account, self.book, actions)
        financing = FinancingDesk(
            market, self.account, self.book, rules.financing, rules.account.currency, first_place
        )
        self.opening = Opening(financing, self.corporate)
        if not keep_fills and (
            keep_orders or keep_round_trips or self.opening.next_place < len(market)
        ):
            raise ConfigurationError(
                "keep_fills=False: orders, round trips, corporate actions and financing need the "
                "fills. Keep them, or leave all of these out."
            )
        self._contexts = [EngineContext(self, index) for index in range(len(slots))]
        self._watchers = self._bar_watchers()
        self._due, self._asked = self._cross_sections()
        self._has_begun = False

    def _trade_results(self) -> list[RoundTrip]:
        """The round trips closed so far, as the ledger has them."""
        self.book.catch_up()
        return self.round_trips

    def _bar_watchers(self) -> dict[int, tuple[_Watcher, ...]]:
        """By symbol, who is shown its bars."""
        watchers: dict[int, list[_Watcher]] = {}
        for number, slot in enumerate(self.slots):
            slot.strategy.id = slot.id
            if not slot.strategy.watches_bars:
                continue
            for symbol in self.symbols_of(slot):
                watcher = (slot.strategy.on_bar, self._contexts[number], number)
                watchers.setdefault(self.symbol_index[symbol], []).append(watcher)
        return {symbol: tuple(watchers[symbol]) for symbol in sorted(watchers)}

    def symbols_of(self, slot: StrategySlot) -> tuple[str, ...]:
        """What a strategy is shown and may trade."""
        symbols = self.market.symbols if slot.symbols is None else slot.symbols
        unknown = [symbol for symbol in symbols if symbol not in self.symbol_index]
        if unknown:
            raise ConfigurationError(
                f"strategy {slot.id} watches {', '.join(unknown)}, which the backtest has no bars "
                "of. Add them to its symbols."
            )
        return symbols

    def _cross_sections(
        self,
    ) -> tuple[list[tuple[int, npt.NDArray[np.bool_]]], npt.NDArray[np.bool_]]:
        """Who is asked about the cross-section, and where; and the places where anybody is."""
        asked = np.zeros(len(self.market), dtype=np.bool_)
        due = []
        for number, slot in enumerate(self.slots):
            if slot.strategy.watches_cross_section:
                where = first_of_each(self.market.sessions, slot.strategy.frequency)
                due.append((number, where))
                asked |= where
        return due, asked

    def _shown_to(self, slot: StrategySlot) -> tuple[tuple[str, ...], Integers | None]:
        """The symbols of a strategy's cross-section, and their indices (None for all)."""
        symbols = self.symbols_of(slot)
        if symbols == self.market.symbols:
            return symbols, None
        return symbols, np.array([self.symbol_index[symbol] for symbol in symbols])

    def begin(self) -> None:
        """Tell the strategies what they will be shown, once."""
        if not self._has_begun:
            self._has_begun = True
            for slot in self.slots:
                slot.strategy.on_start(self.symbols_of(slot))

    def run(self, until: int | None = None) -> None:
        """Go on to place `until` of the timeline (not included), by default to its end.

        LedgerError where the account and the ledger differ at a charge or a corporate action,
        ConfigurationError for whatever a strategy raises, with its line and the bar.
        """
        try:
            self._run(len(self.market) if until is None else min(until, len(self.market)))
        except TradingAssetsError:
            raise
        # A strategy is a user's code: it may raise anything.
        except Exception as error:
            line = _line_of_strategy(error, [slot.strategy for slot in self.slots])
            if line is None:
                raise
            at = iso(int(self.market.timeline[self.place]), self.market.timeframe)
            raise ConfigurationError(
                f"{line}, at the bar of {at}: {type(error).__name__}: {error}. Correct the "
                "strategy."
            ) from error

    def _run(self, end: int) -> None:
        self.begin()
        step = places_at_once(len(self.market.columns))
        for first in tracked("backtest", range(self.place, end, step)):
            self.chunk.move(first, min(first + step, end))
            if self._watchers:
                self._show_bars(first, min(first + step, end))
            else:
                self._skip_through(first, min(first + step, end))
        self.place = end

    def _show_bars(self, first: int, last: int) -> None:
        """Places of a chunk where strategies watch bars."""
        if len(self._watchers) == 1 and not self._asked[first:last].any():
            ((symbol, watching),) = self._watchers.items()
            if len(watching) == 1:
                self._show_one(first, symbol, watching[0])
                return
        exchange, opening, take = self.exchange, self.opening, self.desk.take
        waiting, working = self.desk.rebalancer.waiting, exchange.working
        watchers, postponed = tuple(self._watchers.values()), self.desk.postponed
        asked, start, see = self._asked, self.first_place, self._see
        any_asked = bool(asked[first:last].any())
        bars_by_symbol = self.chunk.bars(tuple(self._watchers))
        place = first
        for bars in zip(*bars_by_symbol, strict=True):
            self.place = place
            if place == opening.next_place:
                opening.apply(place, exchange)
            if working:
                exchange.match(place, others_follow=bool(waiting))
            if waiting:
                self.desk.rebalancer.match(place)
            if see is not None:
                see(place)
            for bar, watching in zip(bars, watchers, strict=True):
                if bar is None:
                    continue
                for on_bar, context, strategy in watching:
                    answer = on_bar(bar, context)
                    if answer and place >= start:
                        take(strategy, answer, place)  # type: ignore[arg-type]
            if any_asked and asked[place]:
                self._ask(place)
            if postponed:
                self.desk.settle(place)
            place += 1

    def _show_one(self, first: int, symbol: int, watcher: _Watcher) -> None:
        """The same for the bars of one symbol that one strategy watches: nothing to go through."""
        exchange, opening, take = self.exchange, self.opening, self.desk.take
        waiting, working = self.desk.rebalancer.waiting, exchange.working
        start, see, postponed = self.first_place, self._see, self.desk.postponed
        on_bar, context, strategy = watcher
        for place, bar in enumerate(self.chunk.bars((symbol,))[0], first):
            self.place = place
            if place == opening.next_place:
                opening.apply(place, exchange)
            if working:
                exchange.match(place, others_follow=bool(waiting))
            if waiting:
                self.desk.rebalancer.match(place)
            if see is not None:
                see(place)
            if bar is not None:
                answer = on_bar(bar, context)
                if answer and place >= start:
                    take(strategy, answer, place)  # type: ignore[arg-type]
                    if postponed:
                        self.desk.settle(place)

    def _skip_through(self, first: int, last: int) -> None:
        """Places of a chunk where nobody watches bars: only those at which something happens."""
        exchange, opening, rebalancer = self.exchange, self.opening, self.desk.rebalancer
        see = self._see
        asked = np.flatnonzero(self._asked[first:last])
        upcoming = iter((asked + first).tolist())
        next_asked = next(upcoming, last)
        place = first
        while True:
            if not exchange.working and not rebalancer.waiting and see is None:
                place = min(next_asked, opening.next_place)
            if place >= last:
                return
            self.place = place
            if place == opening.next_place:
                opening.apply(place, exchange)
            if exchange.working:
                exchange.match(place, others_follow=bool(rebalancer.waiting))
            if rebalancer.waiting:
                rebalancer.match(place)
            if see is not None:
                see(place)
            if place == next_asked:
                self._ask(place)
                next_asked = next(upcoming, last)
                if self.desk.postponed:
                    self.desk.settle(place)
            place += 1

    def _ask(self, place: int) -> None:
        """Show the cross-section to whom it is due."""
        for number, where in self._due:
            if where[place]:
                symbols, shown = self._shown[number]
                context = self._contexts[number]
                snapshot = CrossSection(self.chunk, place, context, symbols, shown)
                answer = self.slots[number].strategy.generate_signals(snapshot)
                if answer is not None and place >= self.first_place:
                    self.desk.take(number, answer, place)

    @property
    def working_orders(self) -> list[WorkingOrder]:
        """Orders that may still trade, in the sequence in which they were placed."""
        return [order for order in self.exchange.working if not IS_TERMINAL[order.status]]


def _line_of_strategy(error: Exception, strategies: Sequence[Strategy]) -> str | None:
    """Strategy, file and line that raised, or None where it was none of these."""
    found = None
    for frame, line in traceback.walk_tb(error.__traceback__):
        owner = frame.f_locals.get("self")
        of = next((one for one in strategies if one is owner), None)
        if of is not None:
            found = f"strategy {of.id}, {Path(frame.f_code.co_filename).name} line {line}"
    return found


def _shares_of_equity(slots: Sequence[StrategySlot]) -> tuple[float, ...]:
    """Each strategy's part of equity; what is not given is shared alike by the others."""
    given = sum((slot.share_of_equity or Decimal(0) for slot in slots), Decimal(0))
    others = [slot for slot in slots if slot.share_of_equity is None]
    left = Decimal(1) - given
    if left < 0 or (others and left <= 0):
        raise ConfigurationError(
            f"the strategies' shares of equity come to {given}: they must come to 1 at most, and "
            "leave something to those without one."
        )
    rest = left / len(others) if others else Decimal(0)
    return tuple(
        float(rest if slot.share_of_equity is None else slot.share_of_equity) for slot in slots
    )
