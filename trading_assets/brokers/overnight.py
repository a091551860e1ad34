"""What happens to the simulated account overnight: corporate actions, dividends, interest.

These are the account's own few lines, on purpose none of the ledger's: what the reconciliation
compares stays two accounts. The rules are numbered with those of `simulated.py`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from decimal import Decimal

import msgspec

from trading_assets.ledger.interest import accrued_interest
from trading_assets.model.account import CashActivity, CashActivityKind, ChargeBasis
from trading_assets.model.corporate_actions import (
    CashMerger,
    CorporateAction,
    Delisting,
    Dividend,
    SpinOff,
    StockDividend,
    SymbolChange,
)
from trading_assets.model.money import QUANTITY_DECIMALS_MAX, ZERO, notional, truncate_quantity
from trading_assets.model.policies import SimulationPolicy


class OwedDividend(msgspec.Struct, frozen=True, kw_only=True):
    """A dividend that went ex and is not paid yet: signed money, negative where it is owed on a
    short, due at the first session from `due` on."""

    activity_id: str
    symbol: str
    ex_date: dt.date
    amount: Decimal
    due: dt.date


class Overnight(msgspec.Struct, frozen=True, kw_only=True):
    """What the account did before one session opened: the actions that concerned it, in order, and
    then the cash that came and went."""

    actions: tuple[CorporateAction, ...]
    activities: tuple[CashActivity, ...]


class Holdings:
    """Signed shares and dividends owed, of one account."""

    def __init__(self, positions: dict[str, Decimal]) -> None:
        self.positions = positions
        self.owed: dict[str, OwedDividend] = {}

    def copy(self) -> Holdings:
        """The same holdings, to try something out on."""
        copied = Holdings(dict(self.positions))
        copied.owed = dict(self.owed)
        return copied

    def concerns(self, action: CorporateAction) -> bool:
        """True where the action's symbol is held, or owes a dividend."""
        return action.symbol in self.positions or any(
            dividend.symbol == action.symbol for dividend in self.owed.values()
        )

    def take(self, action: CorporateAction, marks: dict[str, Decimal]) -> Decimal:
        """Rules 8 to 11: apply one action to what is held, and to the last known prices `marks`;
        the cash that it brings at once."""
        symbol = action.symbol
        held = self.positions.get(symbol, ZERO)
        if isinstance(action, SymbolChange):
            self._rename(symbol, action.new_symbol, marks)
            return ZERO
        if not held:
            return ZERO
        if isinstance(action, Dividend):
            self._owe(action, held)
            return ZERO
        if isinstance(action, CashMerger | Delisting):
            del self.positions[symbol]
            return notional(held, action.price)
        if isinstance(action, SpinOff):
            return self._spin_off(action, held, marks)
        new_shares = action.new_shares
        if isinstance(action, StockDividend):
            new_shares += action.old_shares
        if symbol in marks:
            marks[symbol] = marks[symbol] * action.old_shares / new_shares
        total = _shares(held, new_shares, action.old_shares)
        given = total - held if isinstance(action, StockDividend) else total
        return self._hold(symbol, total, given, action.cash_in_lieu_price)

    def _spin_off(self, action: SpinOff, held: Decimal, marks: dict[str, Decimal]) -> Decimal:
        given = _shares(held, action.new_shares, action.old_shares)
        if not given:
            return ZERO
        symbol, new_symbol = action.symbol, action.new_symbol
        if symbol in marks:
            value = marks[symbol] * action.basis_fraction
            marks[symbol] -= value
            marks.setdefault(new_symbol, value * action.old_shares / action.new_shares)
        total = self.positions.get(new_symbol, ZERO) + given
        return self._hold(new_symbol, total, given, action.cash_in_lieu_price)

    def _hold(
        self, symbol: str, quantity: Decimal, given: Decimal, cash_in_lieu_price: Decimal | None
    ) -> Decimal:
        """Hold `quantity`; with a price, cash for what is no whole share of what was `given`."""
        cash = ZERO
        if cash_in_lieu_price is not None:
            fraction = given - truncate_quantity(given, 0)
            cash, quantity = notional(fraction, cash_in_lieu_price), quantity - fraction
        self.positions[symbol] = quantity
        if not quantity:
            del self.positions[symbol]
        return cash

    def _rename(self, symbol: str, new_symbol: str, marks: dict[str, Decimal]) -> None:
        if symbol in self.positions:
            self.positions[new_symbol] = self.positions.pop(symbol)
        if symbol in marks:
            marks[new_symbol] = marks.pop(symbol)
        for name, dividend in self.owed.items():
            if dividend.symbol == symbol:
                self.owed[name] = msgspec.structs.replace(dividend, symbol=new_symbol)

    def _owe(self, dividend: Dividend, held: Decimal) -> None:
        amount = notional(held, dividend.amount_per_share)
        if not amount:
            return
        name = f"dividend/{dividend.symbol}/{dividend.ex_date}"
        self.owed[name] = OwedDividend(
            activity_id=name,
            symbol=dividend.symbol,
            ex_date=dividend.ex_date,
            amount=amount,
            due=dividend.pay_date or dividend.ex_date,
        )

    def payments(self, session: dt.date, at: dt.datetime, currency: str) -> Iterator[CashActivity]:
        """Rule 9: the dividends that are due by `session`, in the order in which they went ex."""
        for dividend in self.owed.values():
            if dividend.due <= session:
                yield CashActivity(
                    activity_id=dividend.activity_id,
                    kind=CashActivityKind.DIVIDEND,
                    amount=dividend.amount,
                    currency=currency,
                    occurred_at=at,
                    symbol=dividend.symbol,
                    ex_date=dividend.ex_date,
                )


def _shares(held: Decimal, new_shares: int, old_shares: int) -> Decimal:
    return truncate_quantity(held * new_shares / old_shares, QUANTITY_DECIMALS_MAX)


class Night(msgspec.Struct, frozen=True, kw_only=True):
    """From the close of `previous` to the open of `session`, which is at `at` (UTC)."""

    previous: dt.date
    session: dt.date
    at: dt.datetime
    currency: str


def charges(
    night: Night,
    cash: Decimal,
    positions: Mapping[str, Decimal],
    marks: Mapping[str, Decimal],
    policy: SimulationPolicy,
) -> Iterator[CashActivity]:
    """Rule 12: interest on the cash of the previous close, and the fee for each short held then;
    none where it rounds to 0."""
    rate = policy.credit_rate if cash > 0 else policy.debit_rate
    interest = _accrued(night, cash, rate, policy)
    if interest:
        yield _charge(night, CashActivityKind.INTEREST, interest, "", (cash, rate), policy)
    for symbol, held in sorted(positions.items()):
        if held < 0:
            value = notional(-held, marks[symbol])
            fee = _accrued(night, value, policy.borrow_rate, policy)
            if fee:
                basis = (value, policy.borrow_rate)
                yield _charge(night, CashActivityKind.BORROW_FEE, -fee, symbol, basis, policy)


def _accrued(night: Night, balance: Decimal, rate: Decimal, policy: SimulationPolicy) -> Decimal:
    return accrued_interest(balance, rate, night.previous, night.session, policy.day_count)


def _charge(
    night: Night,
    kind: CashActivityKind,
    amount: Decimal,
    symbol: str,
    basis: tuple[Decimal, Decimal],
    policy: SimulationPolicy,
) -> CashActivity:
    balance, rate = basis
    name = f"{kind.value}/{symbol}/{night.session}" if symbol else f"{kind.value}/{night.session}"
    return CashActivity(
        activity_id=name,
        kind=kind,
        amount=amount,
        currency=night.currency,
        occurred_at=night.at,
        symbol=symbol,
        basis=ChargeBasis(
            balance=balance,
            annual_rate=rate,
            start=night.previous,
            end=night.session,
            day_count=policy.day_count,
        ),
    )
