"""What a risk policy does in a backtest: sizes positions, refuses orders, stops them out, halts.

The rules are those of `risk/`; here they are asked with what the engine knows at a place of the
timeline. Nothing later than that place is looked at: an indicator is computed over the whole column
once, and read at the row of the bar that was decided on.

    sizing      of signals that open a position; `position_size` is not used then
    limits      on every order that opens or extends a position, target weights included. What
                working orders will do counts as done. The rate is that of the bars' times
    margin      what an order may cost is the buying power; without it cash, as the account's rules
                have it. Calls are answered by `margin_desk.py`
    stops       legs of a bracket for signals that open and name none themselves. They are measured
                from the close that was decided on; a trailing one follows from the entry's fill on
    breaker     sees equity at each bar's close; once tripped, orders that would open are canceled
                and refused

Sizes and equity are estimates in floats, as all decisions of a backtest; they become exact in
`risk.sizing.exact`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from decimal import Decimal

import numpy as np

from trading_assets.engine.bars import Market
from trading_assets.engine.chunks import Chunk, seen
from trading_assets.engine.clock import Floats, date_of
from trading_assets.engine.margin_desk import MarginDesk
from trading_assets.engine.matching import Exchange
from trading_assets.engine.orders import GTC, MARKET, STOP, WorkingOrder
from trading_assets.engine.risk_exposure import WorkingExposure
from trading_assets.engine.risk_state import RiskState
from trading_assets.engine.rules import FillPrice
from trading_assets.engine.scaled import PRICE_UNIT, price_units
from trading_assets.indicators.indicator import indicator
from trading_assets.model.order import Side
from trading_assets.model.round_trip import RoundTrip
from trading_assets.risk.circuit_breaker import (
    CircuitBreaker,
    EquityObserved,
    MarginCalled,
    observe,
    trip_equity,
)
from trading_assets.risk.limits import OrderRate, order_refusal
from trading_assets.risk.policies import (
    AtrStop,
    AtrVolatility,
    Kelly,
    RiskParity,
    RiskPolicy,
    TrailingStop,
    VolatilityTarget,
)
from trading_assets.risk.sizing import (
    SizingInputs,
    SizingRefusal,
    TradeStatistics,
    TradeTally,
    exact,
    position_quantity,
)
from trading_assets.risk.stops import Stops, stops_at_entry, trailing_stop
from trading_assets.risk.volatility import annual_volatility, risk_parity_weights

_TRIPPED = "the circuit breaker has tripped"


class RiskDesk:
    """One backtest's risk policy at work.

    `equity` gives the account's value at the closes of a place, `trade_results` the round trips
    closed so far. `breakers` are the states that the circuit breaker has tripped into.
    """

    def __init__(
        self,
        policy: RiskPolicy,
        market: Market,
        chunk: Chunk,
        exchange: Exchange,
        equity: Callable[[int], float],
        trade_results: Callable[[], Sequence[RoundTrip]],
    ) -> None:
        self._policy = policy
        self._market = market
        self._chunk = chunk
        self._exchange = exchange
        self._equity = equity
        self._trade_results = trade_results
        has_margin = policy.margin is not None
        self._limits = policy.limits.model_copy(
            update={"check_capital": policy.limits.check_capital and has_margin}
        )
        self._rate = OrderRate(policy.limits)
        self._exposure = WorkingExposure(
            self._limits, policy.margin, market, chunk, exchange, equity
        )
        self._breaker = CircuitBreaker()
        self._breaker_policy = policy.circuit_breaker
        self._trip_at = -math.inf
        self._session = self._version = -1
        self._is_flat = False
        self._sessions = market.sessions
        self._peak = -math.inf
        self._trailing: dict[int, int] = {}
        """Best price (1e-8) since the fill of each entry whose stop follows, by its number."""
        self._ranges: dict[int, Floats] = {}
        decimals = exchange.scale.quantity_decimals
        self.margin = (
            None
            if policy.margin is None
            else MarginDesk(policy.margin, market, chunk, exchange, decimals)
        )
        self._counted, self._tally = 0, TradeTally()
        self.breakers: list[CircuitBreaker] = []

    @property
    def watches_places(self) -> bool:
        """True where every bar must be seen, not only those at which something is due."""
        breaker = self._breaker_policy
        return (
            breaker.max_daily_loss is not None
            or breaker.max_drawdown is not None
            or self._policy.limits.max_drawdown is not None
            or self._policy.margin is not None
            or isinstance(self._policy.stops.stop_loss, TrailingStop)
        )

    @property
    def needs_trade_results(self) -> bool:
        """True where positions are sized by what earlier ones earned."""
        return isinstance(self._policy.sizing, Kelly)

    def state(self) -> RiskState:
        """What is remembered after a bar. Statistics of trades are not: they are taken again."""
        sent, sent_each = self._rate.state()
        return RiskState(
            breaker=self._breaker,
            breakers=self.breakers,
            peak=self._peak if self._peak > -math.inf else None,
            session=self._session,
            version=self._version,
            is_flat=self._is_flat,
            trailing=list(self._trailing.items()),
            sent=sent,
            sent_each=sent_each,
            is_called=self.margin is not None and self.margin.is_called,
            margin_calls=[] if self.margin is None else self.margin.calls,
        )

    def restore(self, kept: RiskState) -> None:
        """Take up what `state` gave."""
        self._breaker, self.breakers = kept.breaker, list(kept.breakers)
        level = trip_equity(kept.breaker, self._breaker_policy)
        self._trip_at = -math.inf if level is None else float(level)
        self._peak = -math.inf if kept.peak is None else kept.peak
        self._session, self._version, self._is_flat = kept.session, kept.version, kept.is_flat
        self._trailing = dict(kept.trailing)
        self._rate.restore(kept.sent, kept.sent_each)
        if self.margin is not None:
            self.margin.restore(kept.margin_calls, is_called=kept.is_called)

    # Before an order

    def quantity(
        self, order: WorkingOrder, stake: float, price: float, confidence: float | None
    ) -> int | str:
        """Share units of a position that `order` is to open, on `stake` money at `price` per share
        and with the order's own stop-loss, or the code of why it cannot be sized."""
        inputs = SizingInputs(
            side=Side.BUY if order.sign > 0 else Side.SELL,
            equity=exact(stake),
            price=exact(price),
            decimals=self._exchange.scale.share_decimals,
            stop_price=Decimal(order.stop_loss) / PRICE_UNIT if order.stop_loss else None,
            average_true_range=self._range_for_sizing(order),
            volatility=self._volatility(order),
            trades=self._trades() if self.needs_trade_results else None,
            risk_weight=self._parity_weight(order),
        )
        sized = position_quantity(self._policy.sizing, inputs)
        if isinstance(sized, SizingRefusal):
            return sized.code.value
        return self._exchange.scale.truncated(
            float(sized) * (1.0 if confidence is None else confidence)
        )

    def add_stops(self, order: WorkingOrder, price: float) -> str:
        """Give an order that opens at about `price` the policy's stops where it has none of its
        own; the code of why there can be none, else empty."""
        rule = self._policy.stops
        if order.stop_loss or order.take_profit or (not rule.stop_loss and not rule.take_profit):
            return ""
        moved = None
        if isinstance(rule.stop_loss, AtrStop):
            moved = self._range_at(order, rule.stop_loss.period)
        side = Side.BUY if order.sign > 0 else Side.SELL
        stops = stops_at_entry(rule, side, exact(price), moved)
        if not isinstance(stops, Stops):
            return stops.code.value
        order.stop_loss = 0 if stops.stop_loss is None else price_units(float(stops.stop_loss))
        order.take_profit = (
            0 if stops.take_profit is None else price_units(float(stops.take_profit))
        )
        # A stop that ended with the session would leave the position without one.
        order.time_in_force = GTC
        if stops.trail is not None:
            self._trailing[order.number] = 0
        return ""

    def refusal(self, order: WorkingOrder, price: float) -> str:
        """The code of why an order that opens or extends a position may not be sent at `price` per
        share; empty where it may, and then it counts for the rate."""
        place, symbol = order.placed, order.symbol
        name = self._market.columns[symbol].symbol
        found = self._breaker.refusal(name, reduces=False)
        if found is None and self.margin is not None:
            found = self.margin.refusal(name)
        if found is None:
            seen_by = self._exposure.seen_by(order, price, self._peak)
            found = order_refusal(*seen_by, self._limits)
        if found is None:
            found = self._rate.refusal(name, int(self._market.timeline[place]))
        if found is None:
            self._exposure.expect(order)
        return "" if found is None else found.code.value

    def expect(self, order: WorkingOrder) -> None:
        """An order that only reduces is sent next, of which nobody asks."""
        self._exposure.expect(order)

    # Statistics up to the bar that was decided on

    def _trades(self) -> TradeStatistics | None:
        """Of all round trips so far; only those since the last time are looked at."""
        trips = self._trade_results()
        results = [trip.pnl for trip in trips[self._counted :]]
        self._counted = len(trips)
        self._tally = self._tally.with_results(results)
        return self._tally.statistics()

    def _row(self, symbol: int, place: int) -> int:
        """The row of a symbol's latest bar at a place."""
        rows = self._market.rows[symbol]
        return place if rows is None else int(rows[: place + 1].max())

    def _range_for_sizing(self, order: WorkingOrder) -> float | None:
        rule = self._policy.sizing
        return self._range_at(order, rule.period) if isinstance(rule, AtrVolatility) else None

    def _range_at(self, order: WorkingOrder, period: int) -> float | None:
        """Average true range in money per share as it is traded; None before there is one."""
        symbol, row = order.symbol, self._row(order.symbol, order.placed)
        column = self._market.columns[symbol]
        key = symbol * 100_000 + period
        ranges = self._ranges.get(key)
        if ranges is None:
            bars = {name: seen(column, name, 0, len(column)) for name in ("high", "low", "close")}
            (ranges,) = indicator("atr", period=period).values(bars)
            if column.factor is not None:
                ranges = ranges / column.factor
            self._ranges[key] = ranges
        found = ranges.item(row)
        return None if math.isnan(found) else found

    def _returns(self, symbol: int, place: int, count: int) -> Floats | None:
        """The last `count` returns of a symbol's closes as strategies see them; None for fewer."""
        row = self._row(symbol, place)
        if row < count:
            return None
        closes = seen(self._market.columns[symbol], "close", row - count, row + 1)
        returns: Floats = closes[1:] / closes[:-1] - 1
        return returns

    def _volatility(self, order: WorkingOrder) -> float | None:
        rule = self._policy.sizing
        if not isinstance(rule, VolatilityTarget):
            return None
        count, place = rule.lookback_bars, order.placed
        returns = self._returns(order.symbol, place, count)
        if returns is None:
            return None
        sessions = np.unique(self._market.sessions[max(place - count + 1, 0) : place + 1]).size
        return annual_volatility(returns, self._market.timeframe.in_a_year * count / sessions)

    def _parity_weight(self, order: WorkingOrder) -> float | None:
        """The symbol's weight among all symbols that have a full lookback of bars."""
        rule = self._policy.sizing
        if not isinstance(rule, RiskParity):
            return None
        count, place = rule.lookback_bars, order.placed
        known = {
            symbol: returns
            for symbol in range(len(self._market.columns))
            if (returns := self._returns(symbol, place, count)) is not None
        }
        if order.symbol not in known:
            return None
        weights = risk_parity_weights(np.column_stack(list(known.values())))
        if isinstance(weights, SizingRefusal):
            return None
        return float(weights[list(known).index(order.symbol)])

    # After a bar

    def see(self, place: int) -> None:
        """Let trailing stops follow the bar at `place`, which has traded, and see its equity."""
        if self._trailing:
            self._follow(place)
        account = self._exchange.account
        session = int(self._sessions[place])
        if account.version != self._version:
            self._version = account.version
            self._is_flat = not account.held.any()
        elif self._is_flat and session == self._session:
            # Nothing is held and nothing was booked: equity is what it was.
            return
        equity = self._equity(place)
        if math.isnan(equity):
            return
        if self.margin is not None:
            self._see_margin(place, equity)
        if session == self._session and self._trip_at < equity <= self._peak:
            return
        self._session, self._peak = session, max(self._peak, equity)
        before = self._breaker
        seen_now = EquityObserved(date_of(session), exact(equity))
        self._breaker = after = observe(before, seen_now, self._breaker_policy)
        level = trip_equity(after, self._breaker_policy)
        self._trip_at = -math.inf if level is None else float(level)
        self._note_trip(before, place)

    def _note_trip(self, before: CircuitBreaker, place: int) -> None:
        """Withdraw what would open where the breaker has just tripped."""
        after, exchange = self._breaker, self._exchange
        if after.trip is not None and after.status is not before.status:
            self.breakers.append(after)
            for order in [one for one in exchange.working if one.opens]:
                exchange.cancel(order, place, f"{_TRIPPED}: {after.trip.detail}")

    def _see_margin(self, place: int, equity: float) -> None:
        """Answer a margin call; one that halts is the circuit breaker's."""
        assert self.margin is not None
        call = self.margin.see(place, equity)
        if call is not None and self.margin.halts:
            before, policy = self._breaker, self._breaker_policy
            now = observe(before, EquityObserved(call.session, exact(equity)), policy)
            called = MarginCalled(call.equity, call.maintenance)
            self._breaker = observe(now, called, policy)
            self._note_trip(before, place)

    def meet_call(self, place: int) -> None:
        """After a strategy's answer: what it did may meet a margin call, or stand in its way."""
        if self.margin is not None and self.margin.is_called:
            self.margin.reduce(place)

    def _follow(self, place: int) -> None:
        """Trailing stops move with the best price since their entry filled, never back."""
        rule = self._policy.stops.stop_loss
        if not isinstance(rule, TrailingStop):
            return
        distance = float(rule.distance)
        working = self._exchange.working
        if len(self._trailing) > 2 * len(working) + 64:
            alive = {one.number if one.opens else _entry_of(one) for one in working}
            self._trailing = {n: best for n, best in self._trailing.items() if n in alive}
        for leg in working:
            entry = None if leg.group is None else leg.group.entry
            if leg.kind != STOP or entry is None or entry.number not in self._trailing:
                continue
            rows = self._market.rows[leg.symbol]
            row = place if rows is None else rows.item(place)
            if row < 0:
                continue
            column = self._market.columns[leg.symbol]
            best = self._trailing[entry.number]
            if best and (trailing_stop(best, entry.sign, distance) - leg.stop) * entry.sign > 1:
                # A stop is never worse than it was, unless a split has changed what a share is.
                best = self._trailing[entry.number] = int(leg.stop / (1.0 - entry.sign * distance))
            if not best and not self._filled_at_open(entry):
                # Where in its bar the entry filled is unknown: only the close came after it.
                extreme = column.close.item(row)
            else:
                extreme = (column.high if entry.sign > 0 else column.low).item(row)
            reached = price_units(extreme)
            if not best or (reached - best) * entry.sign > 0:
                self._trailing[entry.number] = best = reached
                level = trailing_stop(best, entry.sign, distance)
                if (level - leg.stop) * entry.sign > 0:
                    leg.stop = level

    def _filled_at_open(self, entry: WorkingOrder) -> bool:
        """True where all of the first bar that its stop sees came after the entry."""
        at_open = (FillPrice.NEXT_OPEN, FillPrice.CLOSE)
        return entry.kind == MARKET and self._exchange.fill_price in at_open


def _entry_of(leg: WorkingOrder) -> int:
    """Number of the order that a leg of a bracket belongs to; 0 for an order that is no leg."""
    return 0 if leg.group is None or leg.group.entry is None else leg.group.entry.number
