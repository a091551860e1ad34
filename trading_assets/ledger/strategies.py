"""A book for each strategy of an account, folded beside the ledger; they add up to it.

Problem. The ledger knows what the account holds. Which strategy holds it, paid for it and earned
from it must follow from the same facts, to the cent, without a second truth beside the first.

Options. (1) A ledger for each strategy, fed with events that were split beforehand: lots, rounding
and dividends of each would be right alone and wrong in sum. (2) Books that follow the ledger: it
books an event, then what it changed is taken apart. Choice: the second. A book is shares, cash,
dividends owed, flows and fees; every change of the account's is split by `attribution.py`, so that
after each event the books add up to the account. What it changed is what the ledger posted. The
books hold no lots: a cross between two strategies realises a gain for one of them and nothing in
the account, so realised and unrealised gain cannot be added up over the books, but their sum can,
and is.

How each fact is split:

    fill                  to those who ask (attribution.py); a foreign trade to UNATTRIBUTED
    cross                 at the close, at the average price of the session's fills of the symbol;
                          where it had none at the close's mark, at which nobody gains by the cross
                          itself; where it has no mark (the account holds none of it) at the last
                          price known. No commission. None where the plan was not acted on (dry)
    deposit, withdrawal   by the strategies' shares of the portfolio; the rest to UNATTRIBUTED
    dividend              by shares held at the ex-date, shorts pay; its payment as it was owed;
                          what a long is owed by another strategy's short is settled at once
    tax withheld          as the symbol's latest dividend, among those who received
    split, stock dividend, spin-off, symbol change, delisting, merger: by shares held; what a
                          fraction cut off costs, in proportion to holdings
    borrow fee            by shares short
    fee of a symbol       by value traded in the session, else by shares held
    interest, other fees, conversions of currencies, adjustments: to UNATTRIBUTED

Interest is not split because cash is pooled: strategies draw on one account, a book may owe while
another has plenty, and the broker pays or charges for the sum. A strategy's equity is therefore
what it was allotted plus what it earned; capital is never moved between books afterwards.

Cash and dividends owed are kept by currency, shares by symbol; flows and fees in the portfolio's
currency.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from trading_assets.ledger.attribution import Parts, crossed, plan_asks, served
from trading_assets.ledger.fold import Ledger
from trading_assets.ledger.strategy_bookings import BOOKINGS
from trading_assets.ledger.strategy_state import AttributedFill, StrategyClose, StrategyState, added
from trading_assets.model.cash_events import CashFlow
from trading_assets.model.events import AnyEvent, SessionClosed
from trading_assets.model.money import CENT, ONE, ZERO, in_proportion, money, notional
from trading_assets.model.order import Side
from trading_assets.model.order_events import Fill, OrderIntended, SessionPlanned
from trading_assets.model.plan import OrderPlan
from trading_assets.model.target import UNATTRIBUTED


class StrategyBooks:
    """The books of an account's strategies, and of what is UNATTRIBUTED.

    `shares` are the strategies' shares of the portfolio (fractions of equity, at least 0), by which
    deposits and withdrawals are allotted. Call `follow` with every event, after the ledger has
    booked it.
    """

    def __init__(self, shares: Mapping[str, Decimal]) -> None:
        allotted = {name: share for name, share in shares.items() if share}
        rest = ONE - sum(allotted.values(), ZERO)
        if rest:
            allotted[UNATTRIBUTED] = rest
        self._state = StrategyState(shares=allotted)

    @classmethod
    def from_state(cls, state: StrategyState) -> StrategyBooks:
        """The books that gave `state`."""
        books = cls({})
        books._state = _copy(state)
        return books

    def state(self) -> StrategyState:
        """Everything, to go on from with `from_state`; later events do not change it."""
        return _copy(self._state)

    @property
    def previous_close(self) -> StrategyClose | None:
        """The books one close before `last_close`; None when there are fewer than two."""
        return self._state.previous_close

    @property
    def last_close(self) -> StrategyClose | None:
        """The books at the latest close; None before the first."""
        return self._state.last_close

    @property
    def symbols(self) -> set[str]:
        """Every symbol that a book holds, or that books will cross at the close: each needs a
        price then."""
        opposing = (
            symbol
            for symbol, asks in self._state.asks.items()
            if min(asks.values(), default=ZERO) < 0 < max(asks.values(), default=ZERO)
        )
        return {*self._state.holdings, *opposing}

    def follow(self, event: AnyEvent, ledger: Ledger) -> None:
        """Take what `event` changed in `ledger` apart; kinds that move nothing change nothing."""
        if isinstance(event, Fill):
            self._fill(event, ledger)
            return
        booking = BOOKINGS.get(type(event))
        if booking is not None:
            booking(self._state, event, ledger)
        elif isinstance(event, OrderIntended):
            self._state.plan_is_traded = True
        elif isinstance(event, SessionPlanned):
            self._plan(event.plan)
        elif isinstance(event, SessionClosed):
            self._close(event, ledger)
        elif isinstance(event, CashFlow):
            self._state.share(ledger.postings, self._state.shares)

    def _plan(self, plan: OrderPlan) -> None:
        state = self._state
        state.asks = plan_asks(plan, state.holdings)
        # Without an order nothing is left to act on: strategies that want opposite things cross.
        state.plan_is_traded = not plan.real_orders
        for line in plan.lines:
            if line.price is not None and len(state.asks.get(line.symbol, ())) > 1:
                state.prices[line.symbol] = line.price

    def _fill(self, fill: Fill, ledger: Ledger) -> None:
        state, symbol, currency = self._state, fill.symbol, fill.currency
        quantity = fill.quantity if fill.side is Side.BUY else -fill.quantity
        asks = state.asks.get(symbol) if fill.client_order_id else None
        shares = served(asks, quantity) if asks else {UNATTRIBUTED: quantity}
        values = in_proportion(notional(quantity, fill.price), shares, CENT)
        state.hold(symbol, shares)
        paid = values
        commission = money(fill.commission)
        if commission:
            costs = in_proportion(commission, shares, CENT)
            paid = {name: value + costs[name] for name, value in values.items()}
            if currency != ledger.currency:
                in_base = money(commission * ledger.fx_rates[currency])
                costs = in_proportion(in_base, shares, CENT)
            state.fees = added(state.fees, costs)
        state.add_cash(currency, {name: -value for name, value in paid.items()})
        if currency != ledger.currency:
            state.currencies[symbol] = currency
        attributed = AttributedFill(quantity=fill.quantity, values=values)
        state.fills.setdefault(symbol, []).append(attributed)

    def _close(self, closed: SessionClosed, ledger: Ledger) -> None:
        state, marks = self._state, closed.marks
        if state.plan_is_traded:
            for symbol, asks in state.asks.items():
                if len(asks) > 1:
                    self._cross(symbol, asks, closed, ledger)
        inside = sorted(state.holdings.keys() - ledger.positions.keys())
        known = {name: mark.price for name, mark in marks.items()} if inside else {}
        known = state.prices | known
        state.prices = {symbol: known[symbol] for symbol in inside if symbol in known}
        state.asks, state.fills, state.plan_is_traded = {}, {}, False
        state.previous_close = state.last_close
        state.last_close = StrategyClose(
            names=self._names(),
            # Parts are never changed in place, so that sharing them is safe.
            holdings=dict(state.holdings),
            cash=dict(state.cash),
            owed=state.owed(),
            flows=state.flows,
            fees=state.fees,
            prices=state.prices.copy(),
            currencies={
                name: state.currencies[name] for name in inside if name in state.currencies
            },
        )

    def _cross(self, symbol: str, asks: Parts, closed: SessionClosed, ledger: Ledger) -> None:
        state = self._state
        price = state.average_price(symbol)
        if price is None:
            mark = closed.marks.get(symbol)
            price = state.prices[symbol] if mark is None else mark.price
        shares, cash = crossed(asks, price)
        state.hold(symbol, shares)
        state.add_cash(state.currencies.get(symbol, ledger.currency), cash)
        state.prices[symbol] = price

    def _names(self) -> tuple[str, ...]:
        """All books: strategies by name, UNATTRIBUTED last."""
        state = self._state
        seen = {*state.shares, *state.flows, *state.fees}
        for parts in (*state.holdings.values(), *state.cash.values()):
            seen.update(parts)
        return (*sorted(seen - {UNATTRIBUTED}), UNATTRIBUTED)


def _copy(state: StrategyState) -> StrategyState:
    return msgspec.convert(msgspec.to_builtins(state), StrategyState)
