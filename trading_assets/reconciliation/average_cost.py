"""What positions cost by the book's lots, against the average cost that the broker keeps."""

from __future__ import annotations

from decimal import Decimal

from trading_assets.ledger.history import ClosedSession
from trading_assets.model.money import BASIS_POINT, CENT, ZERO, money, plain
from trading_assets.model.result import Gap, GapCause

AVERAGE_COST = "average_cost"


def compare_average_costs(session: ClosedSession) -> tuple[Gap, ...]:
    """One COST_METHOD gap for each position, sorted, whose cost in the book differs from the
    broker's average cost: signed money, book - broker; none where the broker states no costs.

    Until something of a position is sold both are what was paid. After that the book's lots have
    left by the portfolio's method (FIFO unless told), while a broker takes the average, or another
    method for taxes. So a difference says how cost is kept and is no break. What the broker rounds
    (a hundredth of a cent a share) and a cent in all are no difference.
    """
    stated = session.closed.statement.average_costs
    gaps = []
    for symbol, quantity in sorted(session.close.positions.items()):
        if stated is None or symbol not in stated or symbol not in session.cost_bases:
            continue
        booked, theirs = session.cost_bases[symbol], money(quantity * stated[symbol])
        amount = booked - theirs
        if abs(amount) > abs(quantity) * BASIS_POINT + CENT:
            gaps.append(
                Gap(
                    view=AVERAGE_COST,
                    symbol=symbol,
                    cause=GapCause.COST_METHOD,
                    quantity=ZERO,
                    amount=amount,
                    weight=ZERO,
                    detail=f"book {plain(_each(booked, quantity))} a share, broker "
                    f"{plain(stated[symbol])}",
                )
            )
    return tuple(gaps)


def _each(cost: Decimal, quantity: Decimal) -> Decimal:
    return (cost / quantity).quantize(BASIS_POINT)
