"""Trades that a person placed, against the trade list: which line each execution belongs to.

Problem: the list says what to trade; the broker says what was traded, under the order ids of its
own screen, in any number of executions, perhaps more or less than asked for, perhaps other things.

Options: (a) one execution to one line by equal quantities fails on the first partial fill; (b) net
shares of a symbol hide what was done on purpose; (c) executions in their order fill the lines of
their symbol and side, and what is left over belongs to no line.

Choice: (c). An execution that names a line (its client order id as the order's reference) belongs
to that line before any other. What is left over is a foreign trade: it is booked, because the
account did it, and asked about until a person has said why (an annotation of that trade).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from enum import StrEnum

import msgspec

from trading_assets.model.account import Execution
from trading_assets.model.money import CENT, ZERO, in_proportion, plain
from trading_assets.model.order import Side
from trading_assets.model.order_events import Fill
from trading_assets.model.plan import PlannedOrder

_PART_MARK = "#"
FOREIGN_SUFFIX = f"{_PART_MARK}foreign"
"""Ends the execution id of the part that no line asked for, where one execution is both."""
IMPLAUSIBLE_FACTOR = Decimal(5)


class LineStatus(StrEnum):
    """How much of a line was traded."""

    OPEN = "open"
    PARTLY_FILLED = "partly_filled"
    FILLED = "filled"


class TradeListLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the trade list: what to trade, and what was. Shares positive, prices per share;
    `average_price` None while nothing was traded."""

    client_order_id: str
    symbol: str
    side: Side
    quantity: Decimal
    plan_price: Decimal
    filled_quantity: Decimal
    average_price: Decimal | None
    commission: Decimal

    @property
    def remaining_quantity(self) -> Decimal:
        """Shares still to be traded."""
        return self.quantity - self.filled_quantity

    @property
    def status(self) -> LineStatus:
        """How much of it was traded."""
        if not self.filled_quantity:
            return LineStatus.OPEN
        return LineStatus.PARTLY_FILLED if self.remaining_quantity else LineStatus.FILLED


class MatchedPart(msgspec.Struct, frozen=True, kw_only=True):
    """Shares of one execution that belong together: to a line, or (empty id) to none.

    `fill_id` is the execution's id, for the foreign part of a divided one with FOREIGN_SUFFIX.
    """

    execution: Execution
    fill_id: str
    client_order_id: str
    quantity: Decimal
    commission: Decimal


class QuestionCode(StrEnum):
    """Why a trade is asked about."""

    NOT_PLANNED = "not_planned"
    MORE_THAN_PLANNED = "more_than_planned"
    OTHER_SIDE = "other_side"


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """A trade that no plan asked for; `trade_id` is what an annotation that answers it names."""

    code: QuestionCode
    trade_id: str
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    text: str


def trade_list(orders: Sequence[PlannedOrder], fills: Iterable[Fill]) -> tuple[TradeListLine, ...]:
    """The plan's real orders with what was traded of each, in the plan's order."""
    by_line: dict[str, list[Fill]] = {order.client_order_id: [] for order in orders}
    for fill in fills:
        if fill.client_order_id in by_line:
            by_line[fill.client_order_id].append(fill)
    return tuple(_line(order, by_line[order.client_order_id]) for order in orders)


def _line(order: PlannedOrder, fills: Sequence[Fill]) -> TradeListLine:
    filled = sum((fill.quantity for fill in fills), ZERO)
    paid = sum((fill.quantity * fill.price for fill in fills), ZERO)
    return TradeListLine(
        client_order_id=order.client_order_id,
        symbol=order.symbol,
        side=order.side,
        quantity=order.quantity,
        plan_price=order.price,
        filled_quantity=filled,
        average_price=paid / filled if filled else None,
        commission=sum((fill.commission for fill in fills), ZERO),
    )


def matched(
    lines: Sequence[TradeListLine], executions: Iterable[Execution]
) -> tuple[MatchedPart, ...]:
    """Every share of every execution, with its line or none; executions in the order given.

    The parts of one execution add up to it exactly, commission included. `lines` must already
    contain what was booked before; an execution that was booked before must not be given again.
    """
    remaining = {line.client_order_id: line.remaining_quantity for line in lines}
    parts: list[MatchedPart] = []
    for execution in executions:
        shares: dict[str, Decimal] = {}
        left = execution.quantity
        for line in _candidates(lines, execution):
            taken = min(left, remaining[line.client_order_id])
            if taken > 0:
                shares[line.client_order_id] = taken
                remaining[line.client_order_id] -= taken
                left -= taken
        if left:
            shares[""] = left
        parts += _parts(execution, shares)
    return tuple(parts)


def _candidates(lines: Sequence[TradeListLine], execution: Execution) -> list[TradeListLine]:
    """Lines that an execution may belong to, the one that it names first."""
    same = [
        line for line in lines if (line.symbol, line.side) == (execution.symbol, execution.side)
    ]
    return sorted(same, key=lambda line: line.client_order_id != execution.client_order_id)


def _parts(execution: Execution, shares: Mapping[str, Decimal]) -> list[MatchedPart]:
    commissions = in_proportion(execution.commission, shares, CENT)
    several = len(shares) > 1
    parts = []
    for place, (name, quantity) in enumerate(shares.items()):
        suffix = "" if not several else FOREIGN_SUFFIX if not name else f"{_PART_MARK}{place + 1}"
        parts.append(
            MatchedPart(
                execution=execution,
                fill_id=f"{execution.execution_id}{suffix}",
                client_order_id=name,
                quantity=quantity,
                commission=commissions[name],
            )
        )
    return parts


def execution_of(fill_id: str) -> str:
    """The execution that a booked fill is of, whole or in part."""
    return fill_id.partition(_PART_MARK)[0]


def implausible(
    lines: Sequence[TradeListLine], executions: Iterable[Execution]
) -> tuple[Execution, ...]:
    """Executions whose price is so far from their line's plan price that one of the two must be in
    another unit (pence for pounds); nothing of them may be booked."""
    prices = {(line.symbol, line.side): line.plan_price for line in lines}
    found = []
    for execution in executions:
        planned = prices.get((execution.symbol, execution.side))
        if planned is not None and not (
            planned / IMPLAUSIBLE_FACTOR < execution.price < planned * IMPLAUSIBLE_FACTOR
        ):
            found.append(execution)
    return tuple(found)


def open_questions(
    orders: Sequence[PlannedOrder], fills: Iterable[Fill], answered: Collection[str]
) -> tuple[Question, ...]:
    """What a person has to say something about: each foreign fill of a session whose trade is not
    in `answered` (ids of annotated trades), in the order of the fills."""
    sides = {(order.symbol, order.side) for order in orders}
    symbols = {order.symbol for order in orders}
    questions = []
    for fill in fills:
        if fill.client_order_id or fill.execution_id in answered:
            continue
        code, why = QuestionCode.NOT_PLANNED, "is on no line of the trade list"
        if (fill.symbol, fill.side) in sides:
            code, why = QuestionCode.MORE_THAN_PLANNED, "is more than the trade list asked for"
        elif fill.symbol in symbols:
            code, why = (
                QuestionCode.OTHER_SIDE,
                "is the other side of what the trade list asked for",
            )
        questions.append(
            Question(
                code=code,
                trade_id=fill.execution_id,
                symbol=fill.symbol,
                side=fill.side,
                quantity=fill.quantity,
                price=fill.price,
                text=(
                    f"{fill.side.value} {plain(fill.quantity)} {fill.symbol} at "
                    f"{plain(fill.price)} {fill.currency} {why}. Why was it done?"
                ),
            )
        )
    return tuple(questions)
