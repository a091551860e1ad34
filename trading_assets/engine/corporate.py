"""Corporate actions in a backtest on raw prices: booked at the open of their session.

The ledger decides what an action does to shares, cash and dividends owed, as it does for a
portfolio; the exchange's account takes over what changed. Working orders of the symbol are replaced
(splits) or canceled. A dividend is paid on its pay date where one is known, otherwise on the
ex-date. A fraction of a share that a split leaves to an account of whole shares is paid out at the
session's open.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from decimal import Decimal

import numpy as np
from msgspec.structs import replace

from trading_assets.engine.account import Account
from trading_assets.engine.bars import Market
from trading_assets.engine.book import Book
from trading_assets.engine.clock import Integers
from trading_assets.engine.matching import Exchange
from trading_assets.engine.orders import WorkingOrder
from trading_assets.engine.scaled import price_decimal, price_units
from trading_assets.errors import ConfigurationError
from trading_assets.model.corporate_actions import (
    CorporateAction,
    Dividend,
    DividendPayment,
    SpinOff,
    Split,
    StockDividend,
    SymbolChange,
    ex_date_of,
    share_ratio,
)
from trading_assets.model.money import ZERO

_EPOCH = dt.date(1970, 1, 1)
NEVER = 2**62
"""A place that no timeline comes to."""


class CorporateActionDesk:
    """Books the actions of a market's symbols as their sessions come.

    `next_place` is the place of the timeline at which something is due next. Actions of other
    symbols, and of sessions before the first bar, are ignored. ConfigurationError where an action
    leads to a symbol that the backtest has no bars of.
    """

    def __init__(
        self, market: Market, account: Account, book: Book, actions: Iterable[CorporateAction]
    ) -> None:
        self._market = market
        self._account = account
        self._book = book
        self._symbols = {symbol: index for index, symbol in enumerate(market.symbols)}
        self._due: list[tuple[int, int, CorporateAction | DividendPayment]] = []
        for action in actions:
            if action.symbol in self._symbols:
                self._require_known(action)
                self._plan(action, ex_date_of(action))
        # At one open, what changes the shares comes before what is paid on them.
        self._due.sort(key=lambda due: due[:2])
        self._next = 0
        self.next_place = self._due[0][0] if self._due else NEVER

    def _require_known(self, action: CorporateAction) -> None:
        if isinstance(action, SpinOff | SymbolChange) and action.new_symbol not in self._symbols:
            raise ConfigurationError(
                f"{action.symbol} becomes {action.new_symbol} on {ex_date_of(action)}, which the "
                "backtest has no bars of. Add its bars, or end the backtest before."
            )

    def _plan(self, action: CorporateAction | DividendPayment, date: dt.date) -> None:
        day = (date - _EPOCH).days
        sessions = self._market.sessions
        place = int(np.searchsorted(sessions, day))
        if place < len(sessions) and day >= sessions[0]:
            rank = 1 if isinstance(action, Dividend) else 2
            self._due.append((place, 0 if isinstance(action, Split) else rank, action))

    def apply(self, place: int, exchange: Exchange) -> None:
        """Book everything that is due at `place`, before anything trades there."""
        while self.next_place == place:
            action = self._due[self._next][2]
            self._next += 1
            self.next_place = self._due[self._next][0] if self._next < len(self._due) else NEVER
            if isinstance(action, DividendPayment):
                self._book_action(place, action)
                continue
            symbol = self._symbols[action.symbol]
            replacing: list[WorkingOrder] = []
            if isinstance(action, Split | StockDividend):
                replacing = exchange.withdraw_for_split(symbol, place, *share_ratio(action))
            elif not isinstance(action, Dividend | SpinOff):
                exchange.cancel_all(symbol, place, "a corporate action ends the symbol")
            if self._account.held[symbol]:
                self._book_action(place, self._of_session(action, symbol, place))
            for order in replacing:
                exchange.place_order(order, place)

    def still_due(self) -> list[tuple[int, int, CorporateAction | DividendPayment]]:
        """What is still to be booked: place, rank among those of the same place, action."""
        return self._due[self._next :]

    def resume(self, due: list[tuple[int, int, CorporateAction | DividendPayment]]) -> None:
        """Go on with what was still due when a run was stopped."""
        self._due, self._next = list(due), 0
        self.next_place = self._due[0][0] if self._due else NEVER

    def _of_session(self, action: CorporateAction, symbol: int, place: int) -> CorporateAction:
        """The action as the book takes it: of the session that it takes effect in, with a price for
        the fraction of a share where the account holds whole ones."""
        session = self._market.session_date(place)
        if isinstance(action, Dividend):
            return action if action.ex_date == session else replace(action, ex_date=session)
        whole = self._account.scale.share_decimals == 0
        if isinstance(action, Split | StockDividend | SpinOff):
            if action.cash_in_lieu_price is None and whole:
                action = replace(action, cash_in_lieu_price=self._open(action, symbol, place))
            return replace(action, ex_date=session)
        return replace(action, effective_date=session)

    def _open(self, action: Split | StockDividend | SpinOff, symbol: int, place: int) -> Decimal:
        of = self._symbols[action.new_symbol] if isinstance(action, SpinOff) else symbol
        column, rows = self._market.columns[of], self._market.rows[of]
        row = place if rows is None else int(rows[place])
        if row >= 0:
            return price_decimal(price_units(column.open.item(row)))
        return ZERO

    def _book_action(self, place: int, action: CorporateAction | DividendPayment) -> None:
        book = self._book
        before = self._account.by_strategy.copy()
        book.apply(place, action)
        self._adopt(place, self._symbols[action.symbol], before)
        if isinstance(action, Dividend):
            self._pay(place, action, book)

    def _pay(self, place: int, dividend: Dividend, book: Book) -> None:
        """Pay a dividend that has just gone ex, or put its payment on the calendar."""
        account = self._account
        held = account.scale.shares_decimal(int(account.held[self._symbols[dividend.symbol]]))
        amount = book.owed(held, dividend.amount_per_share)
        if not amount:
            return
        payment = DividendPayment(
            symbol=dividend.symbol,
            ex_date=dividend.ex_date,
            amount=amount,
            currency=dividend.currency,
            reference="",
        )
        if dividend.pay_date is None or dividend.pay_date <= dividend.ex_date:
            self._book_action(place, payment)
            return
        kept = self._due[self._next :]
        self._due = []
        self._plan(payment, dividend.pay_date)
        self._due = sorted(kept + self._due, key=lambda due: due[:2])
        self._next = 0
        self.next_place = self._due[0][0] if self._due else NEVER

    def _adopt(self, place: int, cause: int, before: Integers) -> None:
        """Take over what the ledger now has: shares in proportion to what each strategy held."""
        account, book = self._account, self._book
        cash, accruals = book.cash - account.cash, book.accruals - account.accruals
        stakes = before[:, cause].tolist()
        for symbol, held in enumerate(book.held()):
            change = held - int(account.held[symbol])
            if change:
                parts = in_proportion(change, before[:, symbol].tolist(), stakes)
                for strategy, part in enumerate(parts):
                    if part:
                        account.transfer(place, strategy, symbol, 0, 0, part)
        if cash or accruals:
            for strategy, (paid, owed) in enumerate(
                zip(
                    in_proportion(cash, stakes, stakes),
                    in_proportion(accruals, stakes, stakes),
                    strict=True,
                )
            ):
                if paid or owed:
                    account.transfer(place, strategy, cause, paid, owed, 0)


def in_proportion(total: int, stakes: list[int], otherwise: list[int]) -> list[int]:
    """`total` in proportion to `stakes` (`otherwise` where they are all 0), as whole parts that
    add up; what is left over goes to the largest stake."""
    weights = stakes if any(stakes) else otherwise
    whole = sum(weights)
    if not whole:
        # Nothing is held any more of what it was paid for: the first strategy bears it.
        return [total] + [0] * (len(weights) - 1)
    parts = [total * weight // whole if len(weights) > 1 else total for weight in weights]
    largest = max(range(len(weights)), key=lambda index: abs(weights[index]))
    parts[largest] += total - sum(parts)
    return parts
