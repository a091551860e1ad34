"""What each strategy's book is worth and earned; over all books it is the account's, to the cent.

The account's amounts are taken as they are and apportioned: a position is rounded to the cent once,
in the account, and never again for each strategy.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal

import msgspec

from trading_assets.errors import LedgerError
from trading_assets.ledger.activity import BookClose
from trading_assets.ledger.history import ClosedSession
from trading_assets.ledger.strategy_state import StrategyClose, added
from trading_assets.model.money import CENT, ONE, ZERO, apportioned, plain, weight
from trading_assets.model.result import StrategyPosition, StrategyResult

Amounts = dict[str, Decimal]


class StrategySession(msgspec.Struct, frozen=True, kw_only=True):
    """The books' session: a result for each, strategies by name, what is unattributed last, and
    what each holds at the close, in the same order, then by symbol."""

    session: dt.date
    results: tuple[StrategyResult, ...]
    positions: tuple[StrategyPosition, ...]


def strategy_session(
    closed: ClosedSession, before: StrategySession | None = None
) -> StrategySession:
    """What each book holds and earned. `before` is that of the close before, where it is at hand.

    Raises LedgerError where books hold a symbol that has no price.
    """
    close, books, currency = closed.close, closed.strategies, closed.currency
    values = {symbol: _values(symbol, close, books, currency) for symbol in sorted(books.holdings)}
    market_values: Amounts = {}
    for of_symbol in values.values():
        market_values = added(market_values, of_symbol)
    cash = _apportioned(close.cash, _in_base(books.cash, close, currency))
    accruals = _apportioned(close.accruals, _in_base(books.owed, close, currency))
    opening = _opening_equities(closed, before)
    results = []
    for name in books.names:
        worth = [part.get(name, ZERO) for part in (market_values, cash, accruals)]
        flows, fees = (_since(closed, name, kind) for kind in ("flows", "fees"))
        equity, opening_equity = sum(worth, ZERO), opening.get(name, ZERO)
        results.append(
            StrategyResult(
                session=closed.session,
                strategy_id=name,
                opening_equity=opening_equity,
                flows=flows,
                pnl=equity - opening_equity - flows + fees,
                fees=fees,
                closing_equity=equity,
                market_value=worth[0],
                cash=worth[1],
                accruals=worth[2],
            )
        )
    positions = tuple(
        StrategyPosition(
            session=closed.session,
            strategy_id=name,
            symbol=symbol,
            quantity=books.holdings[symbol][name],
            market_value=of_symbol[name],
            weight=weight(of_symbol[name], close.equity) if close.equity else ZERO,
        )
        for name in books.names
        for symbol, of_symbol in values.items()
        if name in of_symbol
    )
    return StrategySession(session=closed.session, results=tuple(results), positions=positions)


def _opening_equities(closed: ClosedSession, before: StrategySession | None) -> Amounts:
    close, books = closed.previous, closed.previous_strategies
    if close is None or books is None:
        return {}
    if before is not None and before.session == close.session:
        return {one.strategy_id: one.closing_equity for one in before.results}
    equities = added(
        _apportioned(close.cash, _in_base(books.cash, close, closed.currency)),
        _apportioned(close.accruals, _in_base(books.owed, close, closed.currency)),
    )
    for symbol in books.holdings:
        equities = added(equities, _values(symbol, close, books, closed.currency))
    return equities


def books_against_account(closed: ClosedSession, found: StrategySession) -> tuple[str, ...]:
    """Where the books do not add up to the account, in words; empty where they do, to the cent and
    the last share."""
    close, activity = closed.close, closed.activity
    opening = ZERO if closed.previous is None else closed.previous.equity
    fees = activity.fees + activity.borrow_fees + activity.taxes
    account: Amounts = {
        "opening equity": opening,
        "flows": activity.flows,
        "pnl": close.equity - opening - activity.flows + fees,
        "fees": fees,
        "closing equity": close.equity,
        "market value": sum(close.values.values(), ZERO),
        "cash": close.cash,
        "accruals": close.accruals,
    }
    books: Amounts = dict.fromkeys(account, ZERO)
    for one in found.results:
        for what in account:
            books[what] += getattr(one, what.replace(" ", "_"))
    for symbol, quantity in close.positions.items():
        account[f"{symbol} shares"] = quantity
        account[f"{symbol} value"] = close.values[symbol]
    for held in found.positions:
        for what, amount in (("shares", held.quantity), ("value", held.market_value)):
            key = f"{held.symbol} {what}"
            books[key] = books.get(key, ZERO) + amount
    return tuple(
        f"{what}: books {plain(books.get(what, ZERO))}, account {plain(account.get(what, ZERO))}"
        for what in sorted({*account, *books})
        if books.get(what, ZERO) != account.get(what, ZERO)
    )


def _since(closed: ClosedSession, name: str, kind: str) -> Decimal:
    """Flows or fees of one book since the close before."""
    before = closed.previous_strategies
    total: Decimal = getattr(closed.strategies, kind).get(name, ZERO)
    return total if before is None else total - getattr(before, kind).get(name, ZERO)


def _values(symbol: str, close: BookClose, books: StrategyClose, base: str) -> Amounts:
    """Market value of one symbol by book; books that hold it against each other add up to 0."""
    held = books.holdings[symbol]
    total = close.values.get(symbol, ZERO)
    if len(held) == 1:
        return dict.fromkeys(held, total)
    mark = close.marks.get(symbol)
    price = books.prices.get(symbol) if mark is None else mark.price
    if price is None:
        raise LedgerError(
            f"no price for {symbol}, which {', '.join(sorted(held))} hold against each other: what "
            "a strategy holds must be valued. Give its price in the price file."
        )
    own = books.currencies.get(symbol, base)
    rate = _rate(close.currencies.get(symbol, own), close, base)
    return _apportioned(total, {name: part * price * rate for name, part in held.items()})


def _in_base(
    by_currency: Mapping[str, Mapping[str, Decimal]], close: BookClose, base: str
) -> Amounts:
    """Amounts by book over all currencies, at the close's rates, unrounded."""
    total: Amounts = {}
    for currency, parts in by_currency.items():
        if any(parts.values()):
            rate = _rate(currency, close, base)
            for name, part in parts.items():
                total[name] = total.get(name, ZERO) + part * rate
    return total


def _rate(currency: str, close: BookClose, base: str) -> Decimal:
    if currency == base:
        return ONE
    rate = close.fx_rates.get(currency)
    if rate is None:
        raise LedgerError(
            f"close of {close.session}: no rate of {currency}, in which strategies hold amounts "
            "against each other. Record the session's fx_rate of it."
        )
    return rate


def _apportioned(total: Decimal, fair: Amounts) -> Amounts:
    return apportioned(total, fair, CENT) if any(fair.values()) else dict.fromkeys(fair, ZERO)
