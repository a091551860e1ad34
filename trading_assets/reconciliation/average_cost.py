"""What positions cost by the book's lots, against the average cost that the broker keeps."""

from __future__ import annotations

from decimal import Decimal

from trading_assets.ledger.broker_costs import BrokerCost
from trading_assets.ledger.history import ClosedSession
from trading_assets.model.money import BASIS_POINT, CENT, ZERO, money, plain
from trading_assets.model.result import Gap, GapCause

AVERAGE_COST = "average_cost"


def compare_average_costs(session: ClosedSession) -> tuple[Gap, ...]:
    """Parts of book - broker (signed money) of each position's cost, by symbol; none where the
    broker states no costs.

    Book and broker keep cost by different methods: by the book's the lots leave (FIFO unless told),
    by the broker's its own. What the executions of the book give by the broker's method
    (`ledger/broker_costs.py`) less what the book has is COST_METHOD; what it is off what the broker
    states is ROUNDING as far as the last digit stated goes, else UNEXPLAINED. Where only the
    statement says what the shares cost, or not even it does, the difference is UNDEFINED: nothing
    can be compared. Of a broker whose method is not documented all of it is COST_METHOD.

    Together less than a cent and a hundredth of a cent a share is no difference.
    """
    statement = session.closed.statement
    if statement.average_costs is None:
        return ()
    gaps: list[Gap] = []
    for symbol, quantity in sorted(session.close.positions.items()):
        stated, booked = statement.average_costs.get(symbol), session.cost_bases.get(symbol)
        if booked is None:
            continue
        expected = session.broker_costs.get(symbol)
        if stated is None:
            if statement.average_cost_method is not None:
                detail = "the broker's average cost is not known"
                gaps.append(_gap(symbol, GapCause.UNDEFINED, ZERO, detail))
        elif statement.average_cost_method is None or expected is None:
            gaps += _undocumented(symbol, quantity, booked, stated)
        else:
            gaps += _taken_apart(symbol, quantity, booked, stated, expected)
    return tuple(gaps)


def _undocumented(symbol: str, quantity: Decimal, booked: Decimal, stated: Decimal) -> list[Gap]:
    amount = booked - money(quantity * stated)
    if _is_rounding(amount, quantity):
        return []
    return [_gap(symbol, GapCause.COST_METHOD, amount, _each(quantity, booked, stated))]


def _taken_apart(
    symbol: str, quantity: Decimal, booked: Decimal, stated: Decimal, expected: BrokerCost
) -> list[Gap]:
    theirs, detail = money(quantity * stated), _each(quantity, booked, stated)
    agreeing = expected.matching(quantity, stated)
    if agreeing is None and expected.is_open:
        detail = f"{detail}; what the shares consist of is not known, so it is taken as stated"
        return [_gap(symbol, GapCause.UNDEFINED, booked - theirs, detail)]
    if agreeing is not None and _is_rounding(booked - theirs, quantity):
        return []
    rest = GapCause.ROUNDING
    if agreeing is None:
        rest = GapCause.UNEXPLAINED
        agreeing = min(expected.costs, key=lambda cost: abs(cost - theirs))
        must_be = (agreeing / quantity).quantize(BASIS_POINT)
        detail = f"{detail}, by its executions it must be {plain(must_be)}"
    due = money(agreeing)
    parts = ((GapCause.COST_METHOD, booked - due), (rest, due - theirs))
    return [
        _gap(symbol, cause, amount, detail)
        for cause, amount in parts
        if amount or cause is GapCause.UNEXPLAINED
    ]


def _is_rounding(amount: Decimal, quantity: Decimal) -> bool:
    return abs(amount) <= abs(quantity) * BASIS_POINT + CENT


def _each(quantity: Decimal, booked: Decimal, stated: Decimal) -> str:
    each = (booked / quantity).quantize(BASIS_POINT)
    return f"book {plain(each)} a share, broker {plain(stated)}"


def _gap(symbol: str, cause: GapCause, amount: Decimal, detail: str) -> Gap:
    return Gap(
        view=AVERAGE_COST,
        symbol=symbol,
        cause=cause,
        quantity=ZERO,
        amount=amount,
        weight=ZERO,
        detail=detail,
    )
