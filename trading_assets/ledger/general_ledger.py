"""The state that events are booked to: accounts, lots, exchange rates, accrued dividends.

Problem: shares, cash, income and cost come in several currencies, each exact in its own, while the
portfolio is judged in one of them.

Choice: every amount is kept in its own currency and beside it in the portfolio's, at the rate of
the day it was booked. Shares carry the rate of the day they were opened, lot by lot; cash of a
foreign currency is one pool at its average rate. What leaves is taken out at the rate it was
carried at; the difference to today's rate is a realized exchange gain, so that price gain and
exchange gain stay apart and add up. A position's price gain is translated at the rate of the day
it is closed. In the portfolio's own currency all of this costs nothing.

The operations here keep to the rules of `accounts.py`; which events call them is in `trades.py`,
`cash_bookings.py`, `dividends.py` and `corporate_bookings.py`.
"""

from __future__ import annotations

import datetime as dt
from collections import deque
from collections.abc import Callable, Sequence
from decimal import Decimal

import msgspec

from trading_assets.errors import LedgerError
from trading_assets.ledger.accounts import Account, Accounts, Posting
from trading_assets.ledger.activity import ActivityCounter, SessionCounter
from trading_assets.ledger.lots import ClosedLot, add_lot, close_lots, closing_method
from trading_assets.model.currency import MINOR_UNITS
from trading_assets.model.events import Mark
from trading_assets.model.lot import Lot, LotChoice
from trading_assets.model.money import ONE, ZERO, money
from trading_assets.model.policies import AccountingPolicy
from trading_assets.model.round_trip import PositionSide, RoundTrip

# Looked up once: attributes of an enum cost more than those of a module.
_CASH = Account.CASH
_POSITIONS = Account.POSITIONS
_REALIZED_PNL = Account.REALIZED_PNL
_FX_GAIN = Account.FX_GAIN

OnRoundTrip = Callable[[RoundTrip], None]


class Holding:
    """What is held of one symbol: signed shares, and its lots, oldest first."""

    __slots__ = ("currency", "lots", "quantity", "symbol")

    def __init__(self, symbol: str, currency: str) -> None:
        self.symbol = symbol
        self.currency = currency
        self.quantity = ZERO
        self.lots: deque[Lot] = deque()


class Claim(msgspec.Struct, frozen=True):
    """A dividend that went ex and is not paid: signed money of its currency, and of the
    portfolio's at the rate of the ex-date."""

    amount: Decimal
    base_amount: Decimal


class DividendClaims(msgspec.Struct, frozen=True, kw_only=True):
    """Of one symbol and ex-date, what one of the two kinds of event has brought and the other has
    not: the dividends owed (a special one is beside the regular one), and what was paid early."""

    symbol: str
    ex_date: dt.date
    currency: str
    owed: tuple[Claim, ...] = ()
    paid: Decimal = ZERO

    @property
    def amount(self) -> Decimal:
        """Signed money that is owed."""
        return sum((claim.amount for claim in self.owed), ZERO)

    @property
    def base_amount(self) -> Decimal:
        """The same in the portfolio's currency, at the rates of the ex-date."""
        return sum((claim.base_amount for claim in self.owed), ZERO)


class ShareMove(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Signed shares that enter or leave a position at a price per share.

    `commission` is the part of the cost that belongs to the lots: 0 where it is an expense.
    `lot_id` names the lot that is opened, `choice` those to be closed.
    """

    session: dt.date
    symbol: str
    currency: str
    quantity: Decimal
    price: Decimal
    lot_id: str
    at: dt.datetime | None = None
    commission: Decimal = ZERO
    choice: tuple[LotChoice, ...] = ()


class GeneralLedger:
    """Accounts, holdings and rates of one portfolio, and the operations that change them."""

    def __init__(
        self, policy: AccountingPolicy, currency: str, on_round_trip: OnRoundTrip | None = None
    ) -> None:
        self.policy = policy
        self.currency = currency
        self.accounts = Accounts(currency)
        self.holdings: dict[str, Holding] = {}
        self.symbol_currencies: dict[str, str] = {}
        """The one currency of each symbol that was ever held."""
        self.rates: dict[str, Decimal] = {}
        self.dividends: dict[tuple[str, dt.date], DividendClaims] = {}
        """By symbol and ex-date, what is owed or was paid early."""
        self.counters: dict[str, ActivityCounter] = {}
        self.session_counter = SessionCounter()
        self.marks: dict[str, Mark] = {}
        """Prices of the latest close, as corporate actions since then have changed them."""
        self.last_values: dict[str, Decimal] = {}
        """Market values of the latest close by symbol, in the portfolio's currency."""
        self.opening_quantities: dict[str, Decimal] = {}
        """Signed shares at the session's open of the symbols that were traded in it."""
        self.postings: list[Posting] = []
        """Those of the event booked last."""
        self.on_round_trip = on_round_trip

    # What an event may be checked against before anything changes

    def rate(self, currency: str, what: str = "") -> Decimal:
        """Money of the portfolio's currency for one unit of `currency`; LedgerError, which begins
        with `what`, if unknown."""
        if currency == self.currency:
            return ONE
        found = self.rates.get(currency)
        if found is None:
            if currency in MINOR_UNITS:
                raise LedgerError(
                    f"{what}{currency} is a minor unit: divide the amount by 100 and book it in "
                    f"{MINOR_UNITS[currency]}."
                )
            raise LedgerError(
                f"{what}no exchange rate of {currency} to {self.currency} is known. Record an "
                "fx_rate of the session before the first event in that currency."
            )
        return found

    def held(self, symbol: str) -> Decimal:
        """Signed shares; 0 where nothing is held."""
        holding = self.holdings.get(symbol)
        return ZERO if holding is None else holding.quantity

    def is_traded(self, symbol: str) -> bool:
        """True once the session has a fill or an adjustment of `symbol`."""
        return symbol in self.opening_quantities

    def opening_quantity(self, symbol: str) -> Decimal:
        """Signed shares at the session's open, after its corporate actions."""
        return self.opening_quantities.get(symbol, self.held(symbol))

    def require_currency(self, symbol: str, currency: str, what: str) -> None:
        """LedgerError where `symbol` is of another currency, or `currency` has no rate."""
        if currency != self.currency:
            self.rate(currency, f"{what} of {symbol}: ")
        known = self.symbol_currencies.get(symbol, currency)
        if known != currency:
            raise LedgerError(
                f"{what} of {symbol} is in {currency}, its books are kept in {known}: one symbol "
                "has one currency. Give the other listing a symbol of its own."
            )

    def open_holding(self, symbol: str, currency: str) -> Holding:
        """A holding of a symbol that is not held, whose currency is checked."""
        self.symbol_currencies[symbol] = currency
        holding = self.holdings[symbol] = Holding(symbol, currency)
        return holding

    # Operations

    def post(self, entries: Sequence[Posting]) -> None:
        """Post one event's entries."""
        self.accounts.post(entries)
        self.postings += entries

    def settle(self, entries: list[Posting], currency: str, cash: Decimal) -> None:
        """Post `entries` against the cash that comes (> 0) or goes; their base amounts say what it
        is worth today.

        Foreign cash goes at the average rate it came at, and what that differs from today's is an
        exchange gain. Borrowed cash (a negative balance) is the same with the signs turned.
        """
        if currency == self.currency:
            if cash:
                entries.append(Posting(_CASH, "", currency, cash, cash))
            self.accounts.post_in_base(entries)
            self.postings += entries
            return
        at_rate = -sum((entry.base_amount for entry in entries), ZERO)
        self.session_counter.cash_at_rate += at_rate
        balance = self.accounts.balance(_CASH, "", currency)
        moved = at_rate
        if balance and (balance > 0) is not (cash > 0):
            carried = self.accounts.base_balance(_CASH, "", currency)
            if abs(cash) < abs(balance):
                moved = money(carried * cash / balance)
            else:
                # Through zero: all that is there goes at its own rate, the rest begins at today's.
                moved = -carried + at_rate - money(at_rate * -balance / cash)
            if at_rate != moved:
                entries.append(Posting(_FX_GAIN, "", currency, ZERO, at_rate - moved))
        if cash or moved:
            entries.append(Posting(_CASH, "", currency, cash, moved))
        self.post(entries)

    def note_trade(self, symbol: str) -> None:
        """Remember what was held at the session's open of a symbol that is about to be traded."""
        if symbol not in self.opening_quantities:
            self.opening_quantities[symbol] = self.held(symbol)

    def counter(self, symbol: str) -> ActivityCounter:
        """The session's sums of `symbol`."""
        counter = self.counters.get(symbol)
        if counter is None:
            counter = self.counters[symbol] = ActivityCounter()
        return counter

    def count_dividend(self, symbol: str, in_base: Decimal) -> None:
        """Add signed dividend income to the session's sums."""
        self.counter(symbol).dividends += in_base
        self.session_counter.dividends += in_base

    def in_base(self, amount: Decimal, currency: str) -> Decimal:
        """`amount` of `currency` in the portfolio's, at the rate known now, to the cent."""
        if currency == self.currency:
            return amount
        return money(amount * self.rate(currency))

    def move_shares(self, move: ShareMove) -> tuple[Decimal, Decimal, list[Posting]]:
        """Take shares through the lots; return their signed value, in their currency and in base,
        and the entries beside cash.

        The value is rounded once. Where the move crosses zero it is split: the closing part is
        rounded, the opening part is what remains of the whole, so that both add up to what is
        paid. The caller settles the entries with the cash (or capital) that pays. Currency and
        choice must be checked already.
        """
        symbol, currency, quantity = move.symbol, move.currency, move.quantity
        is_base = currency == self.currency
        value = money(quantity * move.price)
        cost_value = value + move.commission
        holding = self.holdings.get(symbol)
        if holding is None:
            holding = self.open_holding(symbol, currency)
        held = holding.quantity
        opening, opening_value = quantity, cost_value
        cost = base_cost = realized = base_realized = base_closing = fx_gain = ZERO
        if held and (held > ZERO) is not (quantity > ZERO):
            closing, closing_value = quantity, cost_value
            if abs(quantity) > abs(held):
                closing = -held
                closing_value = money(closing * move.price)
                if move.commission:
                    closing_value += money(move.commission * closing / quantity)
            method = closing_method(self.policy, held)
            closed: list[ClosedLot] | None = None if self.on_round_trip is None else []
            cost, base_cost = close_lots(holding.lots, -closing, method, move.choice, closed)
            realized = -closing_value - cost
            if is_base:
                base_closing, base_realized = closing_value, realized
            else:
                base_closing = self.in_base(closing_value, currency)
                base_realized = self.in_base(realized, currency)
                fx_gain = -base_closing - base_cost - base_realized
            if closed:
                self._report_round_trips(move, closed, -closing_value)
            opening, opening_value = quantity - closing, cost_value - closing_value
        base_opening = opening_value if is_base else self.in_base(opening_value, currency)
        if opening:
            lot = Lot(
                symbol=symbol,
                lot_id=move.lot_id,
                quantity=opening,
                cost_basis=opening_value,
                base_cost_basis=base_opening,
                opened=move.session,
                opened_at=move.at,
            )
            add_lot(holding.lots, lot, closing_method(self.policy, opening))
        position = held + quantity
        if position:
            holding.quantity = position
        else:
            del self.holdings[symbol]
        counter = self.counter(symbol)
        if realized or fx_gain:
            counter.realized += base_realized + fx_gain
        base_value = value
        if not is_base:
            # What is paid in base less commission, so that the parts of a result add up.
            base_value = base_opening + base_closing - self.in_base(move.commission, currency)
        if quantity > ZERO:
            counter.bought += base_value
        else:
            counter.sold -= base_value
        entries = [
            Posting(_POSITIONS, symbol, currency, opening_value - cost, base_opening - base_cost)
        ]
        if realized or base_realized:
            entries.append(Posting(_REALIZED_PNL, symbol, currency, -realized, -base_realized))
        if fx_gain:
            entries.append(Posting(_FX_GAIN, symbol, currency, ZERO, -fx_gain))
        return value, base_value, entries

    def _report_round_trips(
        self, move: ShareMove, closed: Sequence[ClosedLot], proceeds: Decimal
    ) -> None:
        """One round trip for each lot closed; `proceeds` are shared by quantity, to the cent."""
        assert self.on_round_trip is not None
        left, shares_left = proceeds, sum((part.quantity for part in closed), ZERO)
        for part in closed:
            share = money(left * part.quantity / shares_left)
            left, shares_left = left - share, shares_left - part.quantity
            pnl = share - part.cost_basis
            entry_value = abs(part.cost_basis)
            self.on_round_trip(
                RoundTrip(
                    symbol=move.symbol,
                    lot_id=part.lot_id,
                    side=PositionSide.LONG if part.quantity > 0 else PositionSide.SHORT,
                    quantity=abs(part.quantity),
                    currency=move.currency,
                    opened=part.opened,
                    opened_at=part.opened_at,
                    entry_price=part.cost_basis / part.quantity,
                    closed=move.session,
                    closed_at=move.at,
                    exit_price=share / part.quantity,
                    pnl=pnl,
                    base_pnl=self.in_base(share, move.currency) - part.base_cost_basis,
                    return_=pnl / entry_value if entry_value else None,
                    holding_days=(move.session - part.opened).days,
                )
            )
