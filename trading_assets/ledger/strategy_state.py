"""What the books of an account's strategies consist of, and the operations that change them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal

import msgspec

from trading_assets.ledger.accounts import Account, Posting
from trading_assets.ledger.attribution import Parts
from trading_assets.model.money import CENT, ONE, ZERO, apportioned, in_proportion
from trading_assets.model.target import UNATTRIBUTED

PartsBy = dict[str, Parts]
"""Parts by book, of each symbol or currency."""
NOBODY: Parts = {UNATTRIBUTED: ONE}
"""Whose stake it is where no strategy has one."""


_COSTS = (Account.FEES, Account.BORROW_FEES, Account.TAXES)


class Entitlement(msgspec.Struct, kw_only=True):
    """A dividend gone ex: `fair` is what each book is due of it, unrounded; `owed` what the ledger
    accrued of it and has not been paid yet, to the cent. Money of `currency`, negative where a
    short pays. `paid` ones are kept for the tax on them, until the symbol's next dividend."""

    symbol: str
    ex_date: dt.date
    currency: str
    fair: Parts
    owed: Parts
    paid: bool


class AttributedFill(msgspec.Struct, frozen=True, kw_only=True):
    """A fill since the last close: its shares (positive), and its signed value by book."""

    quantity: Decimal
    values: Parts


class StrategyClose(msgspec.Struct, frozen=True, kw_only=True):
    """The books at a session's close, each amount by book; `names` are all books, UNATTRIBUTED
    last.

    `holdings` are signed shares by symbol, `cash` and `owed` (dividends receivable less payable)
    money by currency; `flows` and `fees` (taxes and borrow fees among them) money since inception,
    in the portfolio's currency. `prices` and `currencies` are those of the symbols that books hold
    and the account does not, per share; one whose price was never known is left out.
    """

    names: tuple[str, ...]
    holdings: PartsBy
    cash: PartsBy
    owed: PartsBy
    flows: Parts
    fees: Parts
    prices: dict[str, Decimal]
    currencies: dict[str, str]


class StrategyState(msgspec.Struct, kw_only=True):
    """All that is known of the books; it changes with every event.

    `shares` are the books' shares of deposits and withdrawals, adding up to 1. `currencies` names
    those of symbols not in the portfolio's own, `prices` (per share) those that may be needed where
    there is no mark. Since the last close: `asks` is what each book still asks for, by symbol,
    `fills` what was traded of it, `plan_is_traded` whether the plan was acted on.
    """

    shares: Parts
    holdings: PartsBy = {}
    cash: PartsBy = {}
    flows: Parts = {}
    fees: Parts = {}
    entitlements: list[Entitlement] = []
    currencies: dict[str, str] = {}
    prices: dict[str, Decimal] = {}
    asks: PartsBy = {}
    fills: dict[str, list[AttributedFill]] = {}
    plan_is_traded: bool = False
    previous_close: StrategyClose | None = None
    last_close: StrategyClose | None = None

    def sizes(self, symbol: str) -> Parts:
        """Shares of `symbol` by book, without their signs; empty where no book holds any."""
        return {name: abs(part) for name, part in self.holdings.get(symbol, {}).items()}

    def traded(self, symbol: str) -> Parts:
        """Money (positive) that each book traded of `symbol` since the last close."""
        total: Parts = {}
        for fill in self.fills.get(symbol, ()):
            total = added(total, {name: abs(value) for name, value in fill.values.items()})
        return total

    def average_price(self, symbol: str) -> Decimal | None:
        """Money per share over the fills of `symbol` since the last close; None without any."""
        fills = self.fills.get(symbol)
        if fills is None:
            return None
        value = sum((abs(sum(fill.values.values(), ZERO)) for fill in fills), ZERO)
        return value / sum((fill.quantity for fill in fills), ZERO)

    def opening(self, symbol: str) -> Parts:
        """Signed shares of `symbol` by book before the session traded it."""
        if symbol in self.fills and self.last_close is not None:
            return self.last_close.holdings.get(symbol, {})
        return self.holdings.get(symbol, {})

    def hold(self, symbol: str, shares: Mapping[str, Decimal]) -> None:
        """Add signed shares to what the books hold of `symbol`."""
        held = self.holdings.get(symbol)
        self.replace(symbol, dict(shares) if held is None else added(held, shares))

    def replace(self, symbol: str, held: Parts) -> None:
        """Let the books hold these shares of `symbol`, and no others."""
        if not all(held.values()):
            held = {name: part for name, part in held.items() if part}
        if held:
            self.holdings[symbol] = held
        else:
            self.holdings.pop(symbol, None)

    def add_cash(self, currency: str, amounts: Mapping[str, Decimal]) -> None:
        """Add signed money to the books' cash."""
        self.cash[currency] = added(self.cash.get(currency, {}), amounts)

    def share(self, postings: tuple[Posting, ...], stakes: Parts) -> None:
        """Take what was posted to cash, capital and costs apart in proportion to `stakes`."""
        for one in postings:
            if one.account is Account.CASH and one.amount:
                self.add_cash(one.currency, in_proportion(one.amount, stakes, CENT))
            elif one.account is Account.CAPITAL and one.base_amount:
                parts = in_proportion(-one.base_amount, stakes, CENT)
                self.flows = added(self.flows, parts)
            elif one.account in _COSTS and one.base_amount:
                self.fees = added(self.fees, in_proportion(one.base_amount, stakes, CENT))

    def pay(self, postings: tuple[Posting, ...], currency: str, fair: Parts) -> None:
        """Take what was posted to cash apart near `fair` (signed money of `currency`, not all 0).

        Where nothing was, one book pays what another receives: the account as a whole holds none.
        """
        paid = [one for one in postings if one.account is Account.CASH and one.amount]
        for one in paid:
            self.add_cash(one.currency, apportioned(one.amount, fair, CENT))
        if not paid:
            self.add_cash(currency, apportioned(ZERO, fair, CENT))

    def owed(self) -> PartsBy:
        """Dividends not paid yet by currency and book."""
        found: PartsBy = {}
        for one in self.entitlements:
            if one.owed:
                found[one.currency] = added(found.get(one.currency, {}), one.owed)
        return found


def added(parts: Mapping[str, Decimal], more: Mapping[str, Decimal]) -> Parts:
    """Both together, by book."""
    total = dict(parts)
    for name, part in more.items():
        total[name] = total.get(name, ZERO) + part
    return total
