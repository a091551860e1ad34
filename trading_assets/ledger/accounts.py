"""Double entry: the accounts of a book, and the rule that what is posted adds up to nothing.

Every event that moves money does so by postings, each to one account, in one currency, and at the
same time in the portfolio's own currency (`base_amount`, the same where that is the currency). The
postings of an event add up to 0 in each currency, and so do their base amounts; nothing else ever
changes a balance. A debit is positive: assets and expenses have positive balances, income and
capital negative ones.

    cash                   by currency                                  asset
    positions              cost of the open lots, by symbol             asset
    dividends_receivable   gone ex and not paid yet, by symbol          asset (owed by a short: < 0)
    capital                deposits, withdrawals, adjustments           equity
    realized_pnl           price gain of closed lots, by symbol         income
    dividends              by symbol                                    income
    interest                                                            income
    fx_gain                realized exchange gain, by currency          income, in base only
    fees                   commission and other fees, by symbol         expense
    borrow_fees            by symbol                                    expense
    taxes                  withheld at the source, by symbol            expense
    conversion             the two sides of an exchange of currencies   0 in base
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from enum import StrEnum

import msgspec

from trading_assets.errors import LedgerError
from trading_assets.model.money import ZERO


class Account(StrEnum):
    """The kinds of accounts; see the module."""

    CASH = "cash"
    POSITIONS = "positions"
    DIVIDENDS_RECEIVABLE = "dividends_receivable"
    CAPITAL = "capital"
    REALIZED_PNL = "realized_pnl"
    DIVIDENDS = "dividends"
    INTEREST = "interest"
    FX_GAIN = "fx_gain"
    FEES = "fees"
    BORROW_FEES = "borrow_fees"
    TAXES = "taxes"
    CONVERSION = "conversion"

    # An enum's own hash is a Python function, called twice for every posting.
    __hash__ = str.__hash__


class Posting(msgspec.Struct, frozen=True, gc=False):
    """One entry: signed money of `currency` and of the portfolio's currency, debit positive.

    `symbol` is empty where the account is not kept by symbol.
    """

    account: Account
    symbol: str
    currency: str
    amount: Decimal
    base_amount: Decimal


AccountKey = tuple[Account, str, str]
"""Account, symbol (or ""), currency."""


class Accounts:
    """Balances of all accounts; changed by balanced postings only."""

    def __init__(self, base_currency: str) -> None:
        self.base_currency = base_currency
        self._balances: dict[AccountKey, Decimal] = {}
        self._carried: dict[AccountKey, Decimal] = {}

    def post(self, postings: Sequence[Posting]) -> None:
        """Add the postings of one event; LedgerError, and nothing is posted, unless they balance.

        The error is a defect of the booking, not of the event: no event can be unbalanced.
        """
        base = self.base_currency
        for posting in postings:
            if posting.currency != base:
                self._require_balance(postings)
                self._carry(postings)
                self._add(postings)
                return
        self.post_in_base(postings)

    def post_in_base(self, postings: Sequence[Posting]) -> None:
        """As `post`, for postings that are all in the portfolio's currency, as nearly all are."""
        total = ZERO
        for posting in postings:
            total += posting.amount
        if total:
            self._require_balance(postings)
        self._add(postings)

    def _add(self, postings: Sequence[Posting]) -> None:
        balances = self._balances
        for posting in postings:
            key = (posting.account, posting.symbol, posting.currency)
            try:
                balances[key] += posting.amount
            except KeyError:
                balances[key] = posting.amount

    def _require_balance(self, postings: Sequence[Posting]) -> None:
        sums: dict[str, tuple[Decimal, Decimal]] = {}
        for posting in postings:
            amount, in_base = sums.get(posting.currency, (ZERO, ZERO))
            sums[posting.currency] = (amount + posting.amount, in_base + posting.base_amount)
        if any(any(both) for both in sums.values()):
            shown = "; ".join(f"{p.account} {p.symbol} {p.amount} {p.currency}" for p in postings)
            raise LedgerError(f"postings do not balance, left over are {sums}: {shown}")

    def _carry(self, postings: Sequence[Posting]) -> None:
        """What foreign balances are worth in base, each posting at the rate of its day."""
        for posting in postings:
            if posting.currency != self.base_currency:
                key = (posting.account, posting.symbol, posting.currency)
                self._carried[key] = self._carried.get(key, ZERO) + posting.base_amount

    def balance(self, account: Account, symbol: str, currency: str) -> Decimal:
        """Signed money of `currency`; 0 for an account never posted to."""
        return self._balances.get((account, symbol, currency), ZERO)

    def base_balance(self, account: Account, symbol: str, currency: str) -> Decimal:
        """The same in the portfolio's currency, each posting at the rate of its day."""
        carried = self._balances if currency == self.base_currency else self._carried
        return carried.get((account, symbol, currency), ZERO)

    def cash_balances(self) -> dict[str, Decimal]:
        """Cash by currency, each in its own, sorted, without zeros."""
        # Asked for several times a session: the accounts of all symbols are not walked for it.
        foreign = {currency for account, _, currency in self._carried if account is Account.CASH}
        balances = {
            currency: self.balance(Account.CASH, "", currency)
            for currency in sorted({self.base_currency, *foreign})
        }
        return {currency: amount for currency, amount in balances.items() if amount}

    def total(self, account: Account) -> Decimal:
        """Base balance of one account over all symbols and currencies."""
        return sum(
            (self.base_balance(*key) for key in self._balances if key[0] is account),
            ZERO,
        )

    def trial_balance(self) -> dict[tuple[str, str], Decimal]:
        """Balance by (account, currency), in that currency; adds up to 0 in each currency."""
        found: dict[tuple[str, str], Decimal] = {}
        for (account, _symbol, currency), amount in self._balances.items():
            key = (account.value, currency)
            found[key] = found.get(key, ZERO) + amount
        return dict(sorted(found.items()))

    def entries(self) -> list[Posting]:
        """Every account with its balances: what a checkpoint keeps."""
        return [
            Posting(*key, amount, self.base_balance(*key)) for key, amount in self._balances.items()
        ]

    def restore(self, entries: Sequence[Posting]) -> None:
        """Take up the balances that `entries` gave."""
        for entry in entries:
            key = (entry.account, entry.symbol, entry.currency)
            self._balances[key] = entry.amount
            if entry.currency != self.base_currency:
                self._carried[key] = entry.base_amount
