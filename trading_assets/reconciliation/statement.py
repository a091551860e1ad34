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
    positions: Mapping[str, Decimal], cash: Decimal, statement: BrokerStatement
) -> tuple[Gap, ...]:
    """Differences between the book's `positions` (signed shares) and `cash` and the broker's.

    One UNEXPLAINED gap (book - broker) for each symbol that differs, sorted, and then one for
    CASH; empty when they agree. A symbol that one side lacks counts as 0 there.
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
    if cash != statement.cash:
        gaps.append(
            Gap(
                view=BOOK_VS_BROKER,
                symbol=CASH,
                cause=GapCause.UNEXPLAINED,
                quantity=ZERO,
                amount=cash - statement.cash,
                weight=ZERO,
                detail=f"book {plain(cash)}, broker {plain(statement.cash)}",
            )
        )
    return tuple(gaps)
