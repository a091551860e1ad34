"""Financing: interest on cash, and fees of shares that are borrowed to be short.

Problem: a book that is levered or short costs money every night, and a backtest that does not
charge it flatters both. Charged is what the ledger books for a portfolio, by the same day count
(`ledger/interest.py`), at the open of each session and on what there was at the close before it.
Rates are those of the rules, by default 0 (assumption 16 of `matching.py`).

Cash is the account's, not a strategy's: interest belongs to no symbol and no strategy. A borrow fee
is its symbol's, and that of the strategies that are short, in proportion.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np

from trading_assets.engine.account import NO_ONE, Account
from trading_assets.engine.bars import Market
from trading_assets.engine.book import Book
from trading_assets.engine.corporate import NEVER, CorporateActionDesk, in_proportion
from trading_assets.engine.matching import Exchange
from trading_assets.engine.rules import FinancingRules
from trading_assets.engine.scaled import price_decimal, price_units
from trading_assets.model.cash_events import BorrowFee, Interest


class FinancingDesk:
    """Charges the nights of one run, those after the session of `first_place`.

    `next_place` is the place of the timeline at which a session begins next.
    """

    def __init__(
        self,
        market: Market,
        account: Account,
        book: Book,
        rules: FinancingRules,
        currency: str,
        first_place: int,
    ) -> None:
        self._market = market
        self._account = account
        self._book = book
        self._rules = rules
        self._currency = currency
        sessions = market.sessions
        starts = np.flatnonzero(sessions[1:] != sessions[:-1]) + 1
        self._starts: list[int] = [] if rules.is_none else starts[starts > first_place].tolist()
        self._next = 0
        self.next_place = NEVER
        self.resume(0)

    def resume(self, place: int) -> None:
        """Go on with the sessions that begin at `place` or after it."""
        self._next = int(np.searchsorted(self._starts, place))
        self.next_place = self._starts[self._next] if self._next < len(self._starts) else NEVER

    def apply(self, place: int) -> None:
        """Charge the night before the session that begins at `place`."""
        account, rules = self._account, self._rules
        self.resume(place + 1)
        cash = account.scale.money_decimal(account.cash)
        shorts = np.flatnonzero(account.held < 0).tolist()
        rate = rules.credit_rate if cash > 0 else rules.debit_rate
        interest = self._accrued(place, cash, rate)
        if interest:
            self._book.apply(
                place,
                Interest(
                    amount=interest,
                    balance=cash,
                    annual_rate=rate,
                    **self._stated(place, "interest"),
                ),
            )
            account.transfer(place, NO_ONE, NO_ONE, account.scale.money_of(interest), 0, 0)
        for symbol in shorts:
            self._borrowed(place, symbol)

    def _borrowed(self, place: int, symbol: int) -> None:
        """The fee for a short of the account."""
        account, name = self._account, self._market.symbols[symbol]
        shares = account.scale.shares_decimal(-int(account.held[symbol]))
        value = self._book.rounded(shares * self._latest_close(symbol, place - 1))
        fee = self._accrued(place, value, self._rules.borrow_rate)
        if not fee:
            return
        self._book.apply(
            place,
            BorrowFee(
                symbol=name,
                amount=fee,
                market_value=value,
                annual_rate=self._rules.borrow_rate,
                **self._stated(place, f"borrow_fee/{name}"),
            ),
        )
        short_of = np.minimum(account.by_strategy[:, symbol], 0).tolist()
        parts = in_proportion(-account.scale.money_of(fee), short_of, short_of)
        for strategy, part in enumerate(parts):
            if part:
                account.transfer(place, strategy, symbol, part, 0, 0)

    def _latest_close(self, symbol: int, place: int) -> Decimal:
        """The close of a symbol's latest bar up to `place`; it has one where it is held."""
        rows = self._market.rows[symbol]
        if rows is not None:
            while rows.item(place) < 0:
                place -= 1
            place = rows.item(place)
        return price_decimal(price_units(self._market.columns[symbol].close.item(place)))

    def _accrued(self, place: int, balance: Decimal, rate: Decimal) -> Decimal:
        market = self._market
        return self._book.accrued(
            balance,
            rate,
            market.session_date(place - 1),
            market.session_date(place),
            self._rules.day_count,
        )

    def _stated(self, place: int, kind: str) -> dict[str, Any]:
        market = self._market
        start, end = market.session_date(place - 1), market.session_date(place)
        return {
            "currency": self._currency,
            "reference": f"{kind}/{end}",
            "start": start,
            "end": end,
            "day_count": self._rules.day_count,
        }


class Opening:
    """What happens at an open before anything trades: the night is charged, then corporate actions
    are booked. `next_place` is where something is due next."""

    def __init__(self, financing: FinancingDesk, corporate: CorporateActionDesk) -> None:
        self._financing = financing
        self._corporate = corporate
        self.next_place = min(financing.next_place, corporate.next_place)

    def apply(self, place: int, exchange: Exchange) -> None:
        """Book everything that is due at `place`."""
        if self._financing.next_place == place:
            self._financing.apply(place)
        if self._corporate.next_place == place:
            self._corporate.apply(place, exchange)
        self.next_place = min(self._financing.next_place, self._corporate.next_place)

    def resume(self, place: int) -> None:
        """Go on from `place`, where corporate actions have been taken up already."""
        self._financing.resume(place)
        self.next_place = min(self._financing.next_place, self._corporate.next_place)
