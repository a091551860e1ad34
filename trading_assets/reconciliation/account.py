"""Final weights by the account's own word, against those of the book.

The account is the broker's statement that was asked for and recorded when the session closed. So a
session that is reconciled again years later is compared with what the account said then, never
with what it holds now, and nothing in the comparison comes from the book but prices.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from trading_assets.ledger.history import ClosedSession
from trading_assets.model.money import ONE, ZERO, money, plain, weight
from trading_assets.model.result import Gap, GapCause
from trading_assets.reconciliation.continuity import rate_of

FINAL_VS_ACCOUNT = "final_vs_account"


def account_weights(session: ClosedSession) -> dict[str, Decimal] | None:
    """Signed fractions of the account's equity by symbol, from its statement alone: positions and
    cash at the marks and rates of the close, dividends owed included as in the book's equity.

    None where that equity is 0, or a position has no mark or a balance no rate: then weights are
    undefined.
    """
    statement = session.closed.statement
    balances, cash = statement.cash_balances, statement.cash
    if balances is not None:
        rates = session.close.fx_rates | {session.currency: ONE}
        if not balances.keys() <= rates.keys():
            return None
        cash = sum((money(amount * rates[name]) for name, amount in balances.items()), ZERO)
    return _weights(session, statement.positions, cash)


def final_vs_account(
    session: ClosedSession, theirs: Mapping[str, Decimal] | None
) -> tuple[Gap, ...]:
    """Book - account of each weight that differs, sorted by symbol, all of them UNEXPLAINED; one
    UNDEFINED gap where the account has no weights. `theirs` are its `account_weights`."""
    ours = _weights(session, session.close.positions, session.close.cash)
    if theirs is None or ours is None:
        if session.closed.statement.positions or session.close.positions:
            return (_gap("EQUITY", GapCause.UNDEFINED, ZERO, "weights are undefined"),)
        return ()
    gaps = []
    for symbol in sorted(ours.keys() | theirs.keys()):
        booked, stated = ours.get(symbol, ZERO), theirs.get(symbol, ZERO)
        if booked != stated:
            detail = f"book {plain(booked)} of equity, account {plain(stated)}"
            gaps.append(_gap(symbol, GapCause.UNEXPLAINED, booked - stated, detail))
    return tuple(gaps)


def _weights(
    session: ClosedSession, positions: Mapping[str, Decimal], cash: Decimal
) -> dict[str, Decimal] | None:
    marks = session.close.marks
    if not positions.keys() <= marks.keys():
        return None
    values = {
        symbol: money(held * marks[symbol].price * rate_of(session.close, symbol))
        for symbol, held in positions.items()
    }
    equity = sum(values.values(), cash + session.closed.accruals)
    if not equity:
        return None
    return {symbol: weight(value, equity) for symbol, value in values.items()}


def _gap(symbol: str, cause: GapCause, share: Decimal, detail: str) -> Gap:
    return Gap(
        view=FINAL_VS_ACCOUNT,
        symbol=symbol,
        cause=cause,
        quantity=ZERO,
        amount=ZERO,
        weight=share,
        detail=detail,
    )
