"""Book against broker."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from trading_assets.model.events import BrokerStatement
from trading_assets.model.money import ZERO, plain
from trading_assets.model.result import Gap, GapCause

BOOK_VS_BROKER = "book_vs_broker"
CASH = "CASH"


def compare_statement(
    positions: Mapping[str, Decimal],
    cash: Decimal,
    statement: BrokerStatement,
    cash_balances: Mapping[str, Decimal] | None = None,
) -> tuple[Gap, ...]:
    """Differences between the book's `positions` (signed shares) and `cash` and the broker's.

    One UNEXPLAINED gap (book - broker) for each symbol that differs, sorted, and then those of
    CASH: where both sides state their balances by currency, one for each currency that differs
    (named "CASH EUR", its amount in that currency), otherwise of all cash in the portfolio's.
    Empty when they agree. A symbol or currency that one side lacks counts as 0 there.
    """
    gaps = []
    for symbol in sorted(positions.keys() | statement.positions.keys()):
        book = positions.get(symbol, ZERO)
        broker = statement.positions.get(symbol, ZERO)
        if book != broker:
            gaps.append(
                Gap(
                    view=BOOK_VS_BROKER,
                    symbol=symbol,
                    cause=GapCause.UNEXPLAINED,
                    quantity=book - broker,
                    amount=ZERO,
                    weight=ZERO,
                    detail=f"book {plain(book)} shares, broker {plain(broker)}",
                )
            )
    compared = {CASH: (cash, statement.cash)}
    if cash_balances is not None and statement.cash_balances is not None:
        theirs = statement.cash_balances
        compared = {
            f"{CASH} {currency}": (cash_balances.get(currency, ZERO), theirs.get(currency, ZERO))
            for currency in sorted(cash_balances.keys() | theirs.keys())
        }
    for name, (booked, stated) in compared.items():
        if booked != stated:
            gaps.append(
                Gap(
                    view=BOOK_VS_BROKER,
                    symbol=name,
                    cause=GapCause.UNEXPLAINED,
                    quantity=ZERO,
                    amount=booked - stated,
                    weight=ZERO,
                    detail=f"book {plain(booked)}, broker {plain(stated)}",
                )
            )
    return tuple(gaps)
