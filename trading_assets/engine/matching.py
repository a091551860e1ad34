"""The simulated exchange: which orders trade in a bar, how much of them, and at what price.

Problem: a bar says where the price began, ended and has been, not in which order. Each gap in that
knowledge is a choice, and a choice that nobody wrote down is usually the one that flatters.

Assumptions, each with a test of its number (assets_tests/engine/):

 1. An order trades no earlier than in the bar after the one that was decided on. Only where the
    fill price is `close` does a market order trade at the close of that bar itself.
 2. A market order trades at the next bar's open, close or volume-weighted average price, as the
    rules say. A bar without that average has (high + low + close) / 3 in its place.
 3. Where a symbol has no bar, nothing of it trades; its orders wait, or expire with the
    session.
 4. A limit order that the open meets trades at the open, which may be better than its limit.
    Otherwise it trades at its limit as soon as the bar touches it, as a maker, without
    slippage.
 5. A stop that the open is beyond (a gap) trades at the open, otherwise at its stop price as
    soon as the bar touches it; both with slippage.
 6. A stop-limit order is a limit order once its stop is touched: from the open on where the
    open is beyond the stop. Touched within the bar, it trades at its stop price if that meets
    its limit, and waits for the next bar otherwise, for nothing is known of what came after.
 7. The legs of a bracket work as soon as its entry fills. Of an entry at the open that is the
    same bar; of one within the bar (at a limit or stop price) the next, unless the bar's close
    is beyond a leg, which must then have been passed after the entry.
 8. Where one bar touches a stop and a limit of the same group, the stop traded: the worse
    outcome. A price at the open comes before all others.
 9. What one order of a group (a bracket's legs, one-cancels-other) trades, the others no longer
    can.
10. DAY orders expire with the session of the first bar that they could trade in; GTC never do;
    IOC orders trade what they can at that bar's first price and cancel the rest; FOK orders
    trade all of it there or nothing. IOC and FOK are for market and limit orders; others are
    rejected.
11. All orders of a symbol together trade at most a fraction of the bar's volume (10 %), in the
    order in which they were placed; the rest waits or is canceled by its time in force. A bar
    of unknown volume has no such cap, one without volume trades nothing.
12. Slippage is paid by whoever takes: market and stop orders, and limit orders at the open,
    never beyond their limit. It may lead beyond the bar's range.
13. Commission is that of the order: a minimum is charged once, with the first of its fills.
14. A split replaces working orders of its symbol: other quantities and prices, the same order
    otherwise. Whatever else ends or renames a symbol cancels them.
15. There is no randomness and no clock: the same bars, rules and strategies give the same
    fills.
16. Cash bears no interest, and borrowed cash and borrowed shares cost nothing, unless the rules
    name rates (`financing`). Then each session's open books interest on the cash of the close
    before it and a fee on the value of each short at that close, for the calendar days between
    the two (ACT/360 where no other day count is named), each rounded to the account's unit of
    money.
17. A margin account (a risk policy with `margin`) whose equity at a bar's close is below its
    maintenance margin is called: nothing opens until it is not. Positions are reduced by market
    orders, which trade as all do: the position with the largest maintenance margin first (of
    equals in the order of the symbols), by the fewest shares that meet the call at that close,
    then the next. What a bar leaves of the call is ordered anew at its close. With
    `on_margin_call: halt` nothing is sold, and nothing opens any more.
18. A trailing stop is judged by a bar as it stood before the bar, and follows the bar's best price
    after it, never back. Of a bar in which its entry filled after the open only the close is
    known to have come after that.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from trading_assets.engine.account import Account
from trading_assets.engine.bars import Market
from trading_assets.engine.clock import Floats, Integers
from trading_assets.engine.costs import Commission, Slippage
from trading_assets.engine.order_groups import open_legs, reduce_group, withdraw_for_split
from trading_assets.engine.orders import (
    ACCEPT,
    CANCEL,
    EXPIRE,
    FILL_PART,
    FILL_REST,
    FOK,
    GTC,
    IOC,
    IS_TERMINAL,
    LIMIT,
    MARKET,
    NEW,
    NEXT,
    REJECT,
    STOP,
    STOP_LIMIT,
    SUBMIT,
    WorkingOrder,
)
from trading_assets.engine.rules import BacktestRules, FillPrice
from trading_assets.engine.scaled import price_units

_MILLION = 1_000_000
# What the order table makes of each new order, looked up once.
_SUBMITTED = NEXT[NEW][SUBMIT]
_ACCEPTED = NEXT[_SUBMITTED][ACCEPT]
OrderLog = Callable[[int, WorkingOrder, int, str], None]
"""Told of (place, order, trigger, reason) when an order's status changes other than by a fill."""


class Exchange:
    """Orders at work, and the account that their fills are booked to.

    Times are places of the market's timeline. `working` holds the orders in the sequence in which
    they were placed.
    """

    def __init__(
        self, market: Market, account: Account, rules: BacktestRules, log: OrderLog | None = None
    ) -> None:
        self.account = account
        self.scale = account.scale
        self.commission = Commission(rules.commission, self.scale)
        self.slippage = Slippage(rules.slippage)
        self.fill_price = rules.matching.fill_price
        cap = rules.matching.volume_cap
        self.cap_millionths = None if cap is None else int(cap * _MILLION)
        self.working: list[WorkingOrder] = []
        self.by_holder: dict[int, list[WorkingOrder]] = {}
        """Working orders by strategy x number of symbols + symbol."""
        self.next_number = 1
        self.changes = 0
        """How many times an order came or went."""
        self._log = log
        self._market = market
        self._symbols = len(market.columns)
        self._sessions = market.sessions
        self._rows = market.rows
        self._bind_columns()
        self._traded: dict[int, int] = {}
        """Share units of each symbol that have traded in the bar at `_traded_at`."""
        self._traded_at = -1

    def _bind_columns(self) -> None:
        columns = self._market.columns
        self._open = [column.open.item for column in columns]
        self._high = [column.high.item for column in columns]
        self._low = [column.low.item for column in columns]
        self._close = [column.close.item for column in columns]
        self._volume = [column.volume.item for column in columns]
        self._may_share = True
        self._always_shared = self.fill_price is FillPrice.CLOSE
        self._at_open = self.fill_price in (FillPrice.NEXT_OPEN, FillPrice.CLOSE)

    # What a desk does

    def session_of_next(self, place: int) -> int:
        """The session that an order placed after the bar at `place` first works in."""
        following = place + 1
        if following < len(self._sessions):
            return int(self._sessions[following])
        return int(self._sessions[-1]) + 1

    def new_number(self) -> int:
        """The next order's number, from 1."""
        number = self.next_number
        self.next_number = number + 1
        return number

    def submit(self, order: WorkingOrder, place: int) -> None:
        """Take an order, or reject it where its time in force is not for its kind."""
        if order.status != NEW:
            order.move(SUBMIT)
        order.status = _SUBMITTED
        immediate = order.time_in_force in (IOC, FOK)
        if immediate and (order.kind in (STOP, STOP_LIMIT) or order.take_profit or order.stop_loss):
            order.move(REJECT)
            order.reason = "TIME_IN_FORCE_NOT_SUPPORTED"
            self._note(place, order, REJECT)
            return
        order.status = _ACCEPTED
        if order.time_in_force != GTC and not order.expires:
            order.expires = self.session_of_next(place)
        if self._log is not None:
            self._note(place, order, ACCEPT)
        self._enlist(order)
        if self.fill_price is FillPrice.CLOSE and order.kind == MARKET:
            self._trade_at_close(order, place)

    def reject(self, order: WorkingOrder, place: int, reason: str) -> None:
        """An order that a limit forbids: it was never sent anywhere, and is done."""
        order.move(SUBMIT)
        order.move(REJECT)
        order.reason = reason
        self._note(place, order, REJECT)

    def cancel(self, order: WorkingOrder, place: int, reason: str) -> None:
        """Take the rest of an order back; nothing happens where it is done."""
        if not IS_TERMINAL[order.status]:
            order.move(CANCEL)
            order.reason = reason
            self._note(place, order, CANCEL)
            self._delist(order)

    def _cancel_rest(self, order: WorkingOrder, place: int) -> None:
        """Take back what an order that may not wait has left."""
        is_whole = order.time_in_force == FOK
        self.cancel(order, place, "fill or kill" if is_whole else "immediate or cancel")

    def orders_of(self, strategy: int, symbol: int) -> list[WorkingOrder]:
        """Working orders of a strategy and symbol, in the sequence of placing; a copy."""
        return list(self.by_holder.get(strategy * self._symbols + symbol, ()))

    # What a rebalance does, by the array

    @property
    def keeps_orders(self) -> bool:
        """True where every order is told of, so that each must be an object."""
        return self._log is not None

    def available_array(self, symbols: Integers, volumes: Floats) -> Integers | None:
        """Share units that the volume cap leaves to orders of these symbols; None for all."""
        if self.cap_millionths is None:
            return None
        unit, step = self.scale.share_unit, self.scale.step
        known = ~np.isnan(volumes)
        units = (np.where(known, volumes, 0.0) * unit).astype(np.int64)
        whole, rest = np.divmod(units, _MILLION)
        units = whole * self.cap_millionths + rest * self.cap_millionths // _MILLION
        if self._traded:
            units -= np.array([self._traded.get(symbol, 0) for symbol in symbols.tolist()])
        units = np.maximum(units - units % step, 0)
        available: Integers = np.where(known, units, np.iinfo(np.int64).max)
        return available

    def take_over(self, order: WorkingOrder, place: int, *, is_done: bool) -> None:
        """Go on from the next bar with what a rebalance could not trade, or cancel it."""
        order.works_from = place + 1
        self._enlist(order)
        if is_done:
            self._cancel_rest(order, place)
            self.working.pop()

    def restore(self, working: list[WorkingOrder], holders: list[list[WorkingOrder]]) -> None:
        """Take up the orders of a checkpoint, and those of each strategy and symbol, all in the
        sequence that they had."""
        # The engine's loop holds on to the list.
        self.working[:] = working
        for held in holders:
            self.by_holder[held[0].strategy * self._symbols + held[0].symbol] = held

    def averages(self, place: int) -> Floats:
        """Volume-weighted average price of each symbol's bar at `place`, NaN without one."""
        found = np.full(self._symbols, np.nan)
        for symbol, rows in enumerate(self._rows):
            row = place if rows is None else rows.item(place)
            if row >= 0:
                found[symbol] = self._average(symbol, row)
        return found

    def begin(self, place: int) -> None:
        """Forget what traded in the bar before."""
        if self._traded_at != place:
            self._traded.clear()
            self._traded_at = place

    def _note(self, place: int, order: WorkingOrder, trigger: int) -> None:
        if self._log is not None:
            self._log(place, order, trigger, order.reason)

    def _enlist(self, order: WorkingOrder) -> None:
        self.changes += 1
        key = order.strategy * self._symbols + order.symbol
        beside = self.by_holder.get(key)
        if beside is None:
            self.by_holder[key] = [order]
        else:
            beside.append(order)
        if order.group is not None:
            # Assumption 8: of a group, stops are looked at before limits.
            order.group.orders.append(order)
            if order.kind != LIMIT:
                for index, other in enumerate(self.working):
                    if other.group is order.group and other.kind == LIMIT:
                        self.working.insert(index, order)
                        return
        self.working.append(order)

    def _delist(self, order: WorkingOrder) -> None:
        self.changes += 1
        key = order.strategy * self._symbols + order.symbol
        beside = self.by_holder[key]
        beside.remove(order)
        if not beside:
            del self.by_holder[key]

    # What a bar does

    def match(self, place: int, *, others_follow: bool = False) -> None:
        """Let the bars at `place` trade with all working orders; `others_follow` where a rebalance
        trades after them."""
        working = self.working
        session = self._sessions.item(place)
        self.begin(place)
        index = 0
        # Legs of an entry that fills in this bar are added while it is walked.
        while index < len(working):
            order = working[index]
            index += 1
            if IS_TERMINAL[order.status]:
                continue
            if order.expires and order.expires < session:
                self._expire(order, place)
                continue
            rows = self._rows[order.symbol]
            row = place if rows is None else rows.item(place)
            if row < 0 or order.works_from > place:
                continue
            if order.kind == MARKET:
                # Nobody comes after the only order there is.
                self._may_share = others_follow or len(working) > 1 or self._always_shared
                self._match_market(order, place, row)
                self._may_share = True
            else:
                self._match_priced(order, place, row)
            if order.time_in_force >= IOC and not IS_TERMINAL[order.status]:
                self._cancel_rest(order, place)
        working[:] = [order for order in working if not IS_TERMINAL[order.status]]

    def _expire(self, order: WorkingOrder, place: int) -> None:
        order.move(EXPIRE)
        self._note(place, order, EXPIRE)
        self._delist(order)

    def _match_market(self, order: WorkingOrder, place: int, row: int) -> None:
        symbol = order.symbol
        if self._at_open:
            price = self._open[symbol](row)
        elif self.fill_price is FillPrice.NEXT_CLOSE:
            price = self._close[symbol](row)
        else:
            price = self._average(symbol, row)
        self._fill(order, place, row, price_units(price), False, self._at_open)

    def _average(self, symbol: int, row: int) -> float:
        weighted = self._market.columns[symbol].vwap
        if weighted is not None and weighted.item(row) > 0:
            average: float = weighted.item(row)
            return average
        return float(
            (self._high[symbol](row) + self._low[symbol](row) + self._close[symbol](row)) / 3
        )

    def _trade_at_close(self, order: WorkingOrder, place: int) -> None:
        """Assumption 1, fill price `close`: the bar that was decided on."""
        self.begin(place)
        rows = self._rows[order.symbol]
        row = place if rows is None else rows.item(place)
        if row >= 0:
            self._take(
                order, place, row, price_units(self._close[order.symbol](row)), at_open=False
            )
        if order.time_in_force >= IOC and not IS_TERMINAL[order.status]:
            self._cancel_rest(order, place)
        if IS_TERMINAL[order.status] and self.working and self.working[-1] is order:
            self.working.pop()

    def _match_priced(self, order: WorkingOrder, place: int, row: int) -> None:
        """Limit, stop and stop-limit orders; prices in 1e-8."""
        symbol = order.symbol
        opened = price_units(self._open[symbol](row))
        high, low = price_units(self._high[symbol](row)), price_units(self._low[symbol](row))
        is_buy = order.sign > 0
        if order.kind == LIMIT or order.triggered:
            if order.kind == STOP:
                # What a stop could not trade when it was touched is a market order.
                self._take(order, place, row, opened, at_open=True)
            else:
                self._match_limit(order, place, row, opened, low if is_buy else high)
            return
        reach = high if is_buy else low
        if (opened - order.stop) * order.sign >= 0:
            order.triggered = True
            if order.kind == STOP:
                self._take(order, place, row, opened, at_open=True)
            else:
                self._match_limit(order, place, row, opened, low if is_buy else high)
        elif (reach - order.stop) * order.sign >= 0 and not self._sibling_at_open(order, opened):
            order.triggered = True
            if order.kind == STOP or (order.limit - order.stop) * order.sign >= 0:
                self._take(order, place, row, order.stop, at_open=False)

    def _match_limit(
        self, order: WorkingOrder, place: int, row: int, opened: int, reach: int
    ) -> None:
        """`reach` is the bar's extreme on the order's side: its low for a buy."""
        if (order.limit - opened) * order.sign >= 0:
            self._take(order, place, row, opened, at_open=True)
        elif order.time_in_force < IOC and (order.limit - reach) * order.sign >= 0:
            self._fill(order, place, row, order.limit, True)

    def _sibling_at_open(self, order: WorkingOrder, opened: int) -> bool:
        """True where a limit of the same group trades at the open, before anything else."""
        return order.group is not None and any(
            other.kind == LIMIT
            and not IS_TERMINAL[other.status]
            and (other.limit - opened) * other.sign >= 0
            for other in order.group.orders
        )

    def _take(
        self, order: WorkingOrder, place: int, row: int, price: int, *, at_open: bool
    ) -> None:
        """Trade as a taker at `price` made worse by slippage, not beyond a limit."""
        self._fill(order, place, row, price, False, at_open)

    def _available(self, symbol: int, row: int) -> int | None:
        """Share units that may still trade in the bar, a multiple of the step; None for all."""
        if self.cap_millionths is None:
            return None
        volume = self._volume[symbol](row)
        if volume != volume:
            return None
        scale = self.scale
        left = int(volume * scale.share_unit) * self.cap_millionths // _MILLION
        if self._traded:
            left -= self._traded.get(symbol, 0)
        return left - left % scale.step if left > 0 else 0

    def _fill(
        self,
        order: WorkingOrder,
        place: int,
        row: int,
        price: int,
        is_maker: bool,
        at_open: bool = False,
    ) -> None:
        quantity = order.quantity - order.filled
        group, symbol = order.group, order.symbol
        if group is not None and group.open_quantity < quantity:
            quantity = group.open_quantity
        if self.cap_millionths is not None:
            available = self._available(symbol, row)
            if available is not None and available < quantity:
                if order.time_in_force == FOK:
                    return
                quantity = available
        if quantity <= 0:
            return
        sign, scale = order.sign, self.scale
        if not is_maker and not self.slippage.is_none:
            price = self._slipped(order, row, price, quantity)
        divisor = scale.value_divisor
        value, rest = divmod(quantity * price, divisor)
        if rest * 2 >= divisor and (rest * 2 > divisor or value & 1):
            value += 1
        charge = 0
        commission = self.commission
        if not commission.is_free:
            order.variable += commission.variable(quantity, value, is_maker)
            owed = commission.booked(order.variable)
            charge, order.charged = owed - order.charged, owed
        order.filled += quantity
        if self._may_share and self.cap_millionths is not None:
            self._traded[symbol] = self._traded.get(symbol, 0) + quantity
        self.account.book(
            place,
            order.strategy,
            symbol,
            order.number,
            quantity * sign,
            price,
            value * sign,
            charge,
            is_maker,
        )
        following = NEXT[order.status][FILL_REST if order.filled == order.quantity else FILL_PART]
        if following < 0:
            order.move(FILL_REST)
        order.status = following
        if self._log is not None:
            self._note(place, order, FILL_REST if IS_TERMINAL[following] else FILL_PART)
        if IS_TERMINAL[following]:
            self._delist(order)
        if group is not None:
            reduce_group(self, order, group, quantity, place)
        if order.take_profit or order.stop_loss:
            passed = open_legs(
                self, order, place, quantity, None if at_open else self.close(symbol, row)
            )
            if passed is not None:
                self._trade_passed_leg(passed, place, row)

    def _slipped(self, order: WorkingOrder, row: int, price: int, quantity: int) -> int:
        share = 0.0
        if self.slippage.impact:
            volume = self._volume[order.symbol](row)
            if volume > 0:
                share = quantity / self.scale.share_unit / volume
        worse = self.slippage.slipped(price, order.sign, share)
        has_limit = order.kind in (LIMIT, STOP_LIMIT)
        if has_limit and (worse - order.limit) * order.sign > 0:
            return order.limit
        return worse

    def _trade_passed_leg(self, leg: WorkingOrder, place: int, row: int) -> None:
        if leg.kind == LIMIT:
            self._fill(leg, place, row, leg.limit, True)
        else:
            leg.triggered = True
            self._take(leg, place, row, leg.stop, at_open=False)

    def close(self, symbol: int, row: int) -> int:
        """Close of a symbol's bar in row `row` of its columns, in 1e-8."""
        return price_units(self._close[symbol](row))

    def place_order(self, order: WorkingOrder, place: int) -> None:
        """Take an order that the exchange makes itself: a leg, or one in another's place."""
        order.move(SUBMIT)
        order.move(ACCEPT)
        self._note(place, order, ACCEPT)
        self._enlist(order)

    def withdraw_for_split(
        self, symbol: int, place: int, new_shares: int, old_shares: int
    ) -> list[WorkingOrder]:
        """Assumption 14: cancel the orders of the symbol; those of the new shares that take their
        place, to be placed once the split is booked."""
        replacing = withdraw_for_split(self, symbol, place, (new_shares, old_shares))
        self.working[:] = [one for one in self.working if not IS_TERMINAL[one.status]]
        return replacing

    def cancel_all(self, symbol: int, place: int, reason: str) -> None:
        """Take back every order of a symbol."""
        for order in [one for one in self.working if one.symbol == symbol]:
            self.cancel(order, place, reason)
        self.working[:] = [one for one in self.working if not IS_TERMINAL[one.status]]
