"""Rebalancing all symbols at once: the same orders as one by one, as arrays.

A strategy that answers with target weights of five hundred symbols places as many orders a day. As
long as nobody asks for them as objects they stay columns: sized, moved through the order table,
matched and booked by the array, to the same cent. What a bar leaves over (no bar, not enough
volume) goes on as an order of its own. Where orders are kept, or several strategies place them in
turn, all of them are.

Sales come before purchases, each in the order of the market's symbols.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from trading_assets.engine.account import FIELD_COUNT
from trading_assets.engine.bars import Market
from trading_assets.engine.capital import GROSS_LIMIT, INSUFFICIENT_CAPITAL, SHORT_NOT_ALLOWED
from trading_assets.engine.chunks import Chunk
from trading_assets.engine.clock import Floats, Integers
from trading_assets.engine.matching import Exchange
from trading_assets.engine.orders import (
    ACCEPT,
    FILL_PART,
    FILL_REST,
    FOK,
    GTC,
    IOC,
    MARKET,
    NEW,
    SUBMIT,
    TIME_IN_FORCE_NAMES,
    WorkingOrder,
    advanced_array,
)
from trading_assets.engine.rules import BacktestRules, FillPrice
from trading_assets.engine.scaled import price_unit_array
from trading_assets.engine.sizing import target_share_array

_PRICE_FIELD = {
    FillPrice.NEXT_OPEN: "open",
    FillPrice.NEXT_CLOSE: "close",
    FillPrice.CLOSE: "close",
}


@dataclass(slots=True)
class OrderBatch:
    """Market orders of one strategy and moment, each of another symbol; arrays of equal length:
    indices of symbols, signed share units, numbers and statuses of the orders."""

    strategy: int
    placed: int
    symbols: Integers
    changes: Integers
    numbers: Integers
    statuses: npt.NDArray[np.int8]


class Rebalancer:
    """Orders of target weights: what is placed after a bar trades in the next (or at its close)."""

    def __init__(
        self,
        market: Market,
        chunk: Chunk,
        exchange: Exchange,
        rules: BacktestRules,
        rejections: Counter[str],
        *,
        by_the_array: bool,
        refusal: Callable[[WorkingOrder, float], str] = lambda _order, _price: "",
    ) -> None:
        self._market = market
        self._chunk = chunk
        self._exchange = exchange
        self._allow_short = rules.account.allow_short
        self._allow_borrowing = rules.account.allow_borrowing
        self._investable = 1.0 - float(rules.account.cash_buffer)
        self._time_in_force = TIME_IN_FORCE_NAMES.index(rules.matching.time_in_force.value)
        self._fill_price = rules.matching.fill_price
        self._rejections = rejections
        self._by_the_array = by_the_array
        self._refusal = refusal
        self.waiting: list[OrderBatch] = []
        """Batches that trade in the next bar."""

    def rebalance(
        self,
        strategy: int,
        weights: Floats,
        marks: Floats,
        stake: float,
        place: int,
        signal: int = 0,
    ) -> None:
        """Order what leads to `weights` (signed fractions of `stake`, by symbol; NaN to leave one
        as it is) after the bar at `place`, at `marks` (price per share, NaN for none); `signal` is
        the number of the answer that they are."""
        asked = ~np.isnan(weights)
        self._withdraw(strategy, asked, place)
        if not self._allow_borrowing and not self._is_covered(
            strategy, weights, asked, marks, stake
        ):
            self._rejections[INSUFFICIENT_CAPITAL] += int(asked.sum())
            return
        exchange = self._exchange
        held = exchange.account.by_strategy[strategy]
        wanted = target_share_array(
            weights, stake, marks, held, exchange.commission, exchange.scale
        )
        asked &= marks > 0
        if not self._allow_short:
            short = asked & (wanted < 0)
            if short.any():
                self._rejections[SHORT_NOT_ALLOWED] += int(short.sum())
                asked &= ~short
        changes = np.where(asked, wanted - held, 0)
        symbols = np.concatenate((np.flatnonzero(changes < 0), np.flatnonzero(changes > 0)))
        if len(symbols):
            self._place(strategy, place, symbols, changes[symbols], wanted[symbols], signal)

    def _is_covered(
        self,
        strategy: int,
        weights: Floats,
        asked: npt.NDArray[np.bool_],
        marks: Floats,
        stake: float,
    ) -> bool:
        """True where the weights come to no more than 1, and with what is left as it is to no more
        than the strategy's equity; or to less than is held."""
        gross = float(np.abs(weights[asked]).sum())
        if gross > GROSS_LIMIT:
            return False
        if stake <= 0 or asked.all():
            return True
        unit, prices = self._exchange.scale.share_unit, np.nan_to_num(marks)
        units = np.abs(self._exchange.account.by_strategy[strategy])
        before = float(units[asked] @ prices[asked]) / unit
        kept = float(units[~asked] @ prices[~asked]) / unit
        for key, orders in self._exchange.by_holder.items():
            holder, symbol = divmod(key, len(asked))
            if holder == strategy and not asked[symbol]:
                waiting = sum(order.remaining for order in orders if order.opens)
                kept += waiting / unit * prices.item(symbol)
        wanted = gross * stake
        return wanted <= before or kept + wanted <= stake / self._investable * GROSS_LIMIT

    def _withdraw(self, strategy: int, asked: npt.NDArray[np.bool_], place: int) -> None:
        """Cancel what still works towards earlier targets."""
        exchange, count = self._exchange, len(asked)
        for key in list(exchange.by_holder):
            holder, symbol = divmod(key, count)
            if holder == strategy and asked[symbol]:
                for order in exchange.orders_of(strategy, symbol):
                    exchange.cancel(order, place, "replaced by a new target")

    def _place(
        self,
        strategy: int,
        place: int,
        symbols: Integers,
        changes: Integers,
        wanted: Integers,
        signal: int,
    ) -> None:
        exchange = self._exchange
        if not self._by_the_array:
            marks = self._chunk.marks[place - self._chunk.first]
            for symbol, change, aim in zip(
                symbols.tolist(), changes.tolist(), wanted.tolist(), strict=True
            ):
                order = self._order(strategy, symbol, change, place, exchange.new_number())
                order.signal, order.key = signal, "target"
                order.opens = abs(aim) > abs(aim - change) or aim * (aim - change) < 0
                refusal = self._refusal(order, marks.item(symbol))
                if refusal:
                    self._rejections[refusal] += 1
                    exchange.reject(order, place, refusal)
                else:
                    exchange.submit(order, place)
            return
        first = exchange.next_number
        exchange.next_number = first + len(symbols)
        statuses = np.full(len(symbols), NEW, dtype=np.int8)
        statuses = advanced_array(advanced_array(statuses, SUBMIT), ACCEPT)
        numbers = np.arange(first, first + len(symbols))
        batch = OrderBatch(strategy, place, symbols, changes, numbers, statuses)
        if self._fill_price is FillPrice.CLOSE:
            self._trade(batch, place)
        else:
            self.waiting.append(batch)

    def _order(
        self, strategy: int, symbol: int, change: int, placed: int, number: int
    ) -> WorkingOrder:
        sign = 1 if change > 0 else -1
        return WorkingOrder(
            number, strategy, symbol, sign, abs(change), MARKET, self._time_in_force, placed
        )

    def _order_of(self, batch: OrderBatch, index: int, number: int) -> WorkingOrder:
        """What waits at `index` of a batch, as an order of its own."""
        symbol, change = int(batch.symbols[index]), int(batch.changes[index])
        order = self._order(batch.strategy, symbol, change, batch.placed, number)
        order.status = int(batch.statuses[index])
        held = self._exchange.account.by_strategy.item(batch.strategy, symbol)
        order.opens = held * change >= 0 or abs(change) > abs(held)
        return order

    def release(self, place: int) -> None:
        """Turn the batches that wait after the bar at `place` into orders of their own, which trade
        as the batches would."""
        for batch in self.waiting:
            for index, number in enumerate(batch.numbers.tolist()):
                order = self._order_of(batch, index, number)
                if order.time_in_force != GTC:
                    order.expires = self._exchange.session_of_next(batch.placed)
                self._exchange.take_over(order, place, is_done=False)
        self.waiting.clear()

    def match(self, place: int) -> None:
        """Let the batches that wait trade in the bars at `place`."""
        for batch in self.waiting:
            self._trade(batch, place)
        self.waiting.clear()

    def _trade(self, batch: OrderBatch, place: int) -> None:
        exchange, scale = self._exchange, self._exchange.scale
        symbols, changes = batch.symbols, batch.changes
        exchange.begin(place)
        signs, ordered = np.sign(changes), np.abs(changes)
        prices = self._prices(place)[symbols]
        volumes = self._chunk.raw("volume")[place - self._chunk.first][symbols]
        quantities = np.where(np.isnan(prices), 0, self._tradable(symbols, ordered, volumes))
        if self._time_in_force == FOK:
            quantities = np.where(quantities < ordered, 0, quantities)
        units = price_unit_array(prices)
        if not exchange.slippage.is_none:
            share = np.where(volumes > 0, quantities / scale.share_unit / volumes, 0.0)
            units = exchange.slippage.slipped_array(units, signs, share)
        values = scale.values(quantities, units)
        commissions = exchange.commission.of_orders(quantities, values)
        traded = quantities > 0
        rows = np.empty((len(symbols), FIELD_COUNT), dtype=np.int64)
        rows[:, 0] = place
        rows[:, 1] = batch.strategy
        rows[:, 2] = symbols
        rows[:, 3] = batch.numbers
        rows[:, 4] = quantities * signs
        rows[:, 5] = units
        rows[:, 6] = values * signs
        rows[:, 7] = commissions
        rows[:, 8] = 0
        exchange.account.book_rows(rows if traded.all() else rows[traded])
        whole = quantities == ordered
        batch.statuses[whole] = advanced_array(batch.statuses[whole], FILL_REST)
        part = traded & ~whole
        if part.any():
            batch.statuses[part] = advanced_array(batch.statuses[part], FILL_PART)
        rest = np.flatnonzero(quantities < ordered)
        if len(rest):
            self._carry(batch, place, rest, ~np.isnan(prices), rows)

    def _prices(self, place: int) -> Floats:
        """Price per share of all symbols, NaN without a bar."""
        chunk, offset = self._chunk, place - self._chunk.first
        field = _PRICE_FIELD.get(self._fill_price)
        if field is not None:
            row: Floats = chunk.raw(field)[offset]
            return row
        return self._exchange.averages(place)

    def _tradable(self, symbols: Integers, ordered: Integers, volumes: Floats) -> Integers:
        """What the volume cap leaves of each order, in share units."""
        available = self._exchange.available_array(symbols, volumes)
        return ordered if available is None else np.minimum(ordered, available)

    def _carry(
        self,
        batch: OrderBatch,
        place: int,
        rest: Integers,
        has_bar: npt.NDArray[np.bool_],
        rows: Integers,
    ) -> None:
        """What did not trade goes on, each as an order, or is canceled by its time in force."""
        exchange = self._exchange
        for index in rest.tolist():
            number = int(batch.numbers[index])
            order = self._order_of(batch, index, number)
            order.filled = filled = abs(int(rows[index, 4]))
            if filled:
                value = abs(int(rows[index, 6]))
                order.variable = exchange.commission.variable(filled, value, False)
                order.charged = int(rows[index, 7])
            if order.time_in_force != GTC:
                order.expires = exchange.session_of_next(batch.placed)
            was_asked = has_bar[index] or self._fill_price is FillPrice.CLOSE
            exchange.take_over(order, place, is_done=order.time_in_force >= IOC and was_asked)
