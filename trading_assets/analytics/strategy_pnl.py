"""What each strategy's book is worth and earned; over all books it is the account's, to the cent.

The account's amounts are taken as they are and apportioned: a position is rounded to the cent once,
in the account, and never again for each strategy.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

from trading_assets.errors import LedgerError
from trading_assets.ledger.activity import BookClose
from trading_assets.ledger.history import ClosedSession
from trading_assets.ledger.strategy_state import StrategyClose
from trading_assets.model.money import CENT, ONE, ZERO, apportioned, plain, weight
from trading_assets.model.result import StrategyPosition, StrategyResult

Amounts = dict[str, Decimal]


def strategy_results(closed: ClosedSession) -> tuple[StrategyResult, ...]:
    """Each book's session, strategies by name, what is unattributed last.

    Raises LedgerError where books hold a symbol that has no price.
    """
    currency = closed.currency
    now = _worth(closed.close, closed.strategies, currency)
    before = None
    if closed.previous is not None and closed.previous_strategies is not None:
        before = _worth(closed.previous, closed.previous_strategies, currency)
    found = []
    for name in closed.strategies.names:
        opening = ZERO if before is None else sum((part.get(name, ZERO) for part in before), ZERO)
        value, cash, accruals = (part.get(name, ZERO) for part in now)
        flows, fees = (_since(closed, name, kind) for kind in ("flows", "fees"))
        closing = value + cash + accruals
        found.append(
            StrategyResult(
                session=closed.session,
                strategy_id=name,
                opening_equity=opening,
                flows=flows,
                pnl=closing - opening - flows + fees,
                fees=fees,
                closing_equity=closing,
                market_value=value,
                cash=cash,
                accruals=accruals,
            )
        )
    return tuple(found)


def strategy_positions(closed: ClosedSession) -> tuple[StrategyPosition, ...]:
    """What each book holds at the close, by book in the order of `strategy_results`, then symbol.

    Raises LedgerError where books hold a symbol that has no price.
    """
    books, equity = closed.strategies, closed.close.equity
    values = {
        symbol: _values(symbol, closed.close, books, closed.currency)
        for symbol in sorted(books.holdings)
    }
    return tuple(
        StrategyPosition(
            session=closed.session,
            strategy_id=name,
            symbol=symbol,
            quantity=held[name],
            market_value=values[symbol][name],
            weight=weight(values[symbol][name], equity) if equity else ZERO,
        )
        for name in books.names
        for symbol, held in sorted(books.holdings.items())
        if name in held
    )


def books_against_account(
    closed: ClosedSession,
    results: Iterable[StrategyResult],
    positions: Iterable[StrategyPosition],
) -> tuple[str, ...]:
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
    for one in results:
        for what in account:
            books[what] += getattr(one, what.replace(" ", "_"))
    for symbol, quantity in close.positions.items():
        account[f"{symbol} shares"] = quantity
        account[f"{symbol} value"] = close.values[symbol]
    for held in positions:
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


def _worth(close: BookClose, books: StrategyClose, base: str) -> tuple[Amounts, Amounts, Amounts]:
    """Market value, cash and accruals by book, in the portfolio's currency."""
    values: Amounts = {}
    for symbol in books.holdings:
        for name, part in _values(symbol, close, books, base).items():
            values[name] = values.get(name, ZERO) + part
    return (
        values,
        _apportioned(close.cash, _in_base(books.cash, close, base)),
        _apportioned(close.accruals, _in_base(books.owed, close, base)),
    )


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
