"""The ledger: the book's events folded, one by one and in order, to lots, positions and cash.

At every moment, exactly and to the cent, the accounts add up to 0 (see `accounts.py`). The fold
keeps open lots, balances, and what happened since the last close; nothing in it grows with the
length of the book (but the set of symbols ever traded does).
"""

from __future__ import annotations

import datetime as dt
from collections import deque
from collections.abc import Callable, Mapping
from copy import copy
from decimal import Decimal
from typing import Any

import msgspec

from trading_assets.errors import LedgerError
from trading_assets.ledger.accounts import Account, Posting
from trading_assets.ledger.activity import (
    ActivityCounter,
    BookClose,
    SessionActivity,
    SessionCounter,
    Valuation,
    market_values,
    peak_equity,
)
from trading_assets.ledger.cash_bookings import (
    book_borrow_fee,
    book_cash_flow,
    book_currency_conversion,
    book_fee,
    book_fx_rate,
    book_interest,
    book_tax_withheld,
)
from trading_assets.ledger.corporate_bookings import (
    book_cash_in_lieu,
    book_cash_merger,
    book_delisting,
    book_spin_off,
    book_split,
    book_stock_dividend,
    book_symbol_change,
)
from trading_assets.ledger.dividends import book_dividend, book_dividend_payment
from trading_assets.ledger.general_ledger import DividendClaims, GeneralLedger, OnRoundTrip
from trading_assets.ledger.trades import book_adjustment, book_fill
from trading_assets.model.cash_events import (
    Adjustment,
    BorrowFee,
    CashFlow,
    CurrencyConversion,
    Fee,
    FxRate,
    Interest,
    TaxWithheld,
)
from trading_assets.model.corporate_actions import (
    CashInLieu,
    CashMerger,
    Delisting,
    Dividend,
    DividendPayment,
    SpinOff,
    Split,
    StockDividend,
    SymbolChange,
)
from trading_assets.model.events import AnyEvent, EventRecord, Mark, SessionClosed
from trading_assets.model.lot import Lot
from trading_assets.model.money import ZERO, money
from trading_assets.model.order_events import Fill
from trading_assets.model.policies import AccountingPolicy

Booking = Callable[[GeneralLedger, dt.date, Any], None]
BOOKINGS: dict[type, Booking] = {
    Fill: book_fill,
    Adjustment: book_adjustment,
    CashFlow: book_cash_flow,
    Fee: book_fee,
    TaxWithheld: book_tax_withheld,
    Interest: book_interest,
    BorrowFee: book_borrow_fee,
    FxRate: book_fx_rate,
    CurrencyConversion: book_currency_conversion,
    Dividend: book_dividend,
    DividendPayment: book_dividend_payment,
    Split: book_split,
    StockDividend: book_stock_dividend,
    SpinOff: book_spin_off,
    SymbolChange: book_symbol_change,
    Delisting: book_delisting,
    CashMerger: book_cash_merger,
    CashInLieu: book_cash_in_lieu,
}
"""What books each kind of event; kinds that are not here move neither shares nor money."""


class HoldingState(msgspec.Struct, frozen=True, kw_only=True):
    """A holding as a checkpoint keeps it."""

    symbol: str
    currency: str
    quantity: Decimal
    lots: tuple[Lot, ...]


class LedgerState(msgspec.Struct, frozen=True, kw_only=True):
    """All of a ledger at some sequence number: `Ledger.from_state` goes on from there."""

    accounts: tuple[Posting, ...]
    holdings: tuple[HoldingState, ...]
    rates: dict[str, Decimal]
    symbol_currencies: dict[str, str]
    dividends: tuple[DividendClaims, ...]
    counters: dict[str, ActivityCounter]
    session_counter: SessionCounter
    marks: dict[str, Mark]
    opening_quantities: dict[str, Decimal]
    session: dt.date | None
    previous_close: BookClose | None
    last_close: BookClose | None
    last_activity: SessionActivity | None


class Ledger:
    """Positions, lots, cash and accounts of one portfolio, reported in one currency.

    Feed it the events that still count (`still_counting`), in the order of the book. Order and
    plan events are ignored. An event that cannot be booked raises LedgerError before anything has
    changed. `on_round_trip` is told of every part of a lot that is closed.
    """

    def __init__(
        self, policy: AccountingPolicy, currency: str, on_round_trip: OnRoundTrip | None = None
    ) -> None:
        self._currency = currency
        self._ledger = GeneralLedger(policy, currency, on_round_trip)
        self._session: dt.date | None = None
        self._previous_close: BookClose | None = None
        self._last_close: BookClose | None = None
        self._last_activity: SessionActivity | None = None

    def apply(self, record: EventRecord) -> None:
        """Book one record of the event log."""
        self.apply_event(record.session, record.event)

    def apply_event(self, session: dt.date, event: AnyEvent) -> None:
        """Book one event of `session`; LedgerError (nothing changed) if it cannot be booked."""
        ledger = self._ledger
        ledger.postings = []
        booking = BOOKINGS.get(type(event))
        if booking is not None:
            if session == self._session:
                booking(ledger, session, event)
            else:
                self._book_first(session, event, booking)
        elif isinstance(event, SessionClosed):
            self._close_session(session, event)

    def _book_first(self, session: dt.date, event: AnyEvent, booking: Booking) -> None:
        """Book the first event of another session; where it is refused, that has not begun."""
        ledger, before = self._ledger, self._ledger.opening_quantities
        ledger.opening_quantities = {}
        try:
            booking(ledger, session, event)
        except BaseException:
            ledger.opening_quantities = before
            raise
        self._session = session

    @property
    def currency(self) -> str:
        """The portfolio's currency (ISO 4217)."""
        return self._currency

    @property
    def postings(self) -> tuple[Posting, ...]:
        """The entries of the event that was booked last; empty where it moved no money."""
        return tuple(self._ledger.postings)

    @property
    def cash(self) -> Decimal:
        """Cash of all currencies at the rates known now, in the portfolio's currency; negative
        when borrowed."""
        return self._cash_at(self._ledger.rates)

    def _cash_at(self, rates: Mapping[str, Decimal]) -> Decimal:
        balances = self.cash_balances
        if not balances.keys() - {self._currency}:
            return balances.get(self._currency, ZERO)
        return sum(
            (self._valued(amount, currency, rates) for currency, amount in balances.items()), ZERO
        )

    def _valued(self, amount: Decimal, currency: str, rates: Mapping[str, Decimal]) -> Decimal:
        return amount if currency == self._currency else money(amount * rates[currency])

    @property
    def cash_balances(self) -> dict[str, Decimal]:
        """Cash by currency, each in its own, sorted, without zeros."""
        return self._ledger.accounts.cash_balances()

    @property
    def accruals(self) -> Decimal:
        """Dividends owed to the book less those it owes, at the rates known now, in the
        portfolio's currency."""
        return self._accruals_at(self._ledger.rates)

    def _accruals_at(self, rates: Mapping[str, Decimal]) -> Decimal:
        owed = self._ledger.dividends.values()
        return sum((self._valued(one.amount, one.currency, rates) for one in owed), ZERO)

    def dividends_owed(self, symbol: str) -> list[dt.date]:
        """Ex-dates of the dividends of `symbol` that are accrued and not paid, oldest first."""
        return sorted(
            claims.ex_date
            for claims in self._ledger.dividends.values()
            if claims.symbol == symbol and claims.owed
        )

    def _own_accruals(self) -> Decimal:
        """The part of them that is in the portfolio's own currency."""
        return sum(
            (
                one.amount
                for one in self._ledger.dividends.values()
                if one.currency == self._currency
            ),
            ZERO,
        )

    @property
    def fx_rates(self) -> dict[str, Decimal]:
        """Latest known rate of each other currency: the portfolio's money for one unit; a copy."""
        return dict(self._ledger.rates)

    @property
    def currencies_in_use(self) -> set[str]:
        """Other currencies than the portfolio's that cash, shares or dividends owed are in."""
        used = set(self.cash_balances)
        used |= {holding.currency for holding in self._ledger.holdings.values()}
        used |= {one.currency for one in self._ledger.dividends.values() if one.owed}
        return used - {self._currency}

    @property
    def positions(self) -> dict[str, Decimal]:
        """Signed shares by symbol, sorted, without zeros; a copy."""
        return {name: held.quantity for name, held in sorted(self._ledger.holdings.items())}

    def currency_of(self, symbol: str) -> str:
        """The currency that `symbol` is held in; the portfolio's where nothing is held."""
        holding = self._ledger.holdings.get(symbol)
        return self._currency if holding is None else holding.currency

    def lots(self, symbol: str) -> tuple[Lot, ...]:
        """Open lots of `symbol`, oldest first; empty when nothing is held."""
        holding = self._ledger.holdings.get(symbol)
        return () if holding is None else tuple(holding.lots)

    def cost_basis(self, symbol: str) -> Decimal:
        """Signed money that the open lots of `symbol` cost, in its currency; 0 when nothing is
        held."""
        return self._ledger.accounts.balance(Account.POSITIONS, symbol, self.currency_of(symbol))

    @property
    def cost_bases(self) -> dict[str, Decimal]:
        """Cost of every symbol held in the portfolio's currency, each lot at its day's rate;
        sorted."""
        accounts = self._ledger.accounts
        return {
            symbol: accounts.base_balance(Account.POSITIONS, symbol, holding.currency)
            for symbol, holding in sorted(self._ledger.holdings.items())
        }

    @property
    def realized_pnl(self) -> dict[str, Decimal]:
        """Price gain of all lots closed so far by symbol, each in the symbol's currency, without
        exchange gains; every symbol ever held is there. Gross of commission unless that is in the
        basis. A copy."""
        accounts = self._ledger.accounts
        gained: dict[str, Decimal] = {}
        for entry in accounts.entries():
            if entry.account is Account.POSITIONS:
                gained.setdefault(entry.symbol, ZERO)
            elif entry.account is Account.REALIZED_PNL:
                gained[entry.symbol] = gained.get(entry.symbol, ZERO) - entry.amount
        return dict(sorted(gained.items()))

    @property
    def realized_fx_gain(self) -> Decimal:
        """Exchange gains of cash, shares and dividends that were turned over so far, in the
        portfolio's currency."""
        return -self._ledger.accounts.total(Account.FX_GAIN)

    @property
    def fees(self) -> Decimal:
        """Commission (unless it is in the basis) and other fees so far, positive for a cost, in
        the portfolio's currency; without borrow fees and taxes."""
        return self._ledger.accounts.total(Account.FEES)

    @property
    def flows(self) -> Decimal:
        """All money and value from outside so far: deposits less withdrawals, and adjustments, in
        the portfolio's currency."""
        return -self._ledger.accounts.total(Account.CAPITAL)

    @property
    def accounts(self) -> dict[tuple[str, str], Decimal]:
        """The trial balance: (account, currency) → balance in that currency, debit positive."""
        return self._ledger.accounts.trial_balance()

    def account_balances(self) -> list[Posting]:
        """Every account by symbol and currency, with its balance there and in base."""
        return self._ledger.accounts.entries()

    @property
    def last_close(self) -> BookClose | None:
        """The book at the latest close; None before the first."""
        return self._last_close

    @property
    def previous_close(self) -> BookClose | None:
        """The book one close before `last_close`; None when there are fewer than two."""
        return self._previous_close

    @property
    def last_activity(self) -> SessionActivity | None:
        """What led from `previous_close` to `last_close`; None before the first close."""
        return self._last_activity

    @property
    def marks(self) -> dict[str, Mark]:
        """Marks of the latest close, as splits and new symbols since have changed them; empty
        before the first."""
        return dict(self._ledger.marks)

    def activity(self, session: dt.date) -> SessionActivity:
        """What was booked since the latest close, labelled as `session`'s, at the rates known
        now."""
        counted = self._ledger.session_counter
        return SessionActivity(
            session=session,
            flows=counted.flows,
            flows_in_kind=counted.flows_in_kind,
            fees=counted.fees,
            instruments=tuple(
                counter.freeze(symbol) for symbol, counter in sorted(self._ledger.counters.items())
            ),
            borrow_fees=counted.borrow_fees,
            taxes=counted.taxes,
            dividends=counted.dividends,
            interest=counted.interest,
            fx_pnl=self._fx_pnl(self._ledger.rates),
            cash_flows=dict(counted.cash_flows),
            other_cash=dict(counted.other_cash),
        )

    def _fx_pnl(self, rates: Mapping[str, Decimal]) -> Decimal:
        """What rates did since the last close to cash and dividends owed: what they are worth now
        less what they were worth then and what moved them."""
        counted = self._ledger.session_counter
        base = self._currency
        cash = self._cash_at(rates) - self.cash_balances.get(base, ZERO)
        now = cash + self._accruals_at(rates) - self._own_accruals()
        last = self._last_close
        then = ZERO if last is None else last.foreign_cash + last.foreign_accruals
        return now - then - counted.cash_at_rate - counted.accrued_at_rate

    def _foreign_holdings(self) -> dict[str, str]:
        """Currency of each symbol that is held in another than the portfolio's."""
        return {
            symbol: holding.currency
            for symbol, holding in self._ledger.holdings.items()
            if holding.currency != self._currency
        }

    def valued(self, marks: Mapping[str, Mark], fx_rates: Mapping[str, Decimal]) -> Valuation:
        """The book as it stands at these prices (by symbol) and rates (the portfolio's money for
        one unit, by currency).

        LedgerError naming what is held without a mark, or in a currency without a rate.
        """
        unknown = sorted(self.currencies_in_use - fx_rates.keys())
        if unknown:
            raise LedgerError(
                f"no exchange rate of {', '.join(unknown)}, which the book holds. Give the "
                f"session's rate: {self._currency} for one unit."
            )
        held = {symbol: fx_rates[name] for symbol, name in self._foreign_holdings().items()}
        values = market_values(self.positions, marks, held)
        return Valuation(
            values=values,
            market_value=sum(values.values(), ZERO),
            cash=self._cash_at(fx_rates),
            accruals=self._accruals_at(fx_rates),
        )

    def _close_session(self, session: dt.date, closed: SessionClosed) -> None:
        last, ledger = self._last_close, self._ledger
        if last is not None and session <= last.session:
            raise LedgerError(
                f"session {session} cannot be closed: {last.session} is closed already. Sessions "
                "close once and in order; a simulated portfolio may be restated first."
            )
        value = self.valued(closed.marks, closed.fx_rates)
        for name, stated, booked in (
            ("cash", closed.cash, value.cash),
            ("market value", closed.market_value, value.market_value),
            ("accruals", closed.accruals, value.accruals),
            ("equity", closed.equity, value.equity),
        ):
            if stated != booked:
                raise LedgerError(
                    f"close of {session} states {name} {stated}, the book has {booked}: an event "
                    "is missing or was booked twice. Compare the book with the broker."
                )
        balances = self.cash_balances
        stated_balances = closed.cash_balances
        if stated_balances is not None:
            stated_balances = {name: held for name, held in stated_balances.items() if held}
            if stated_balances != balances:
                raise LedgerError(
                    f"close of {session} states cash {stated_balances}, the book has {balances}."
                )
        ledger.rates = {**ledger.rates, **closed.fx_rates}
        self._last_activity = self.activity(session)
        self._previous_close = last
        self._last_close = BookClose(
            session=session,
            positions=self.positions,
            values=value.values,
            marks=dict(closed.marks),
            cash=value.cash,
            equity=value.equity,
            benchmark=closed.benchmark,
            accruals=value.accruals,
            currencies=self._foreign_holdings(),
            cash_balances=balances,
            fx_rates=dict(closed.fx_rates),
            foreign_cash=value.cash - balances.get(self._currency, ZERO),
            foreign_accruals=value.accruals - self._own_accruals(),
            peak_equity=peak_equity(last, self._last_activity.flows, value.equity),
        )
        self._begin_session()

    def _begin_session(self) -> None:
        """Nothing has happened since the latest close."""
        ledger, last = self._ledger, self._last_close
        ledger.counters = {}
        ledger.session_counter = SessionCounter()
        ledger.marks = {} if last is None else dict(last.marks)
        ledger.last_values = {} if last is None else last.values

    def state(self) -> LedgerState:
        """Everything that the fold is, to go on from with `from_state`."""
        ledger = self._ledger
        return LedgerState(
            accounts=tuple(ledger.accounts.entries()),
            holdings=tuple(
                HoldingState(
                    symbol=holding.symbol,
                    currency=holding.currency,
                    quantity=holding.quantity,
                    lots=tuple(holding.lots),
                )
                for holding in ledger.holdings.values()
            ),
            rates=dict(ledger.rates),
            symbol_currencies=dict(ledger.symbol_currencies),
            dividends=tuple(ledger.dividends.values()),
            counters={symbol: copy(counter) for symbol, counter in ledger.counters.items()},
            session_counter=ledger.session_counter.copy(),
            marks=dict(ledger.marks),
            opening_quantities=dict(ledger.opening_quantities),
            session=self._session,
            previous_close=self._previous_close,
            last_close=self._last_close,
            last_activity=self._last_activity,
        )

    @classmethod
    def from_state(
        cls,
        state: LedgerState,
        policy: AccountingPolicy,
        currency: str,
        on_round_trip: OnRoundTrip | None = None,
    ) -> Ledger:
        """The ledger that gave `state`, under the same policy and currency."""
        fold = cls(policy, currency, on_round_trip)
        fold._session = state.session
        fold._previous_close = state.previous_close
        fold._last_close = state.last_close
        fold._last_activity = state.last_activity
        fold._begin_session()
        ledger = fold._ledger
        ledger.accounts.restore(state.accounts)
        for one in state.holdings:
            holding = ledger.open_holding(one.symbol, one.currency)
            holding.quantity, holding.lots = one.quantity, deque(one.lots)
        ledger.rates = dict(state.rates)
        ledger.symbol_currencies = dict(state.symbol_currencies)
        ledger.dividends = {(one.symbol, one.ex_date): one for one in state.dividends}
        ledger.counters = {symbol: copy(counter) for symbol, counter in state.counters.items()}
        ledger.session_counter = state.session_counter.copy()
        ledger.marks = dict(state.marks)
        ledger.opening_quantities = dict(state.opening_quantities)
        return fold
