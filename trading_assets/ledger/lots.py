"""Lots: which of them a trade closes first, and what a corporate action makes of them.

A lot keeps its whole cost in money, never a cost per share: closing part of it takes cost in
proportion, rounded to the cent, and leaves the remainder in the lot. So costs taken plus costs
left always equal what was paid, to the cent, whatever the order of closings.

Lots are kept oldest first. FIFO and LIFO take from the ends; HIFO looks for the highest cost per
share (of a short: the lowest sale price, which is the smallest gain), the oldest of equals;
average cost pools everything into one lot. Under the specific method a trade names its lots; one
that names none takes the oldest, as 26 CFR 1.1012-1(c) has it for shares not identified.
"""

from __future__ import annotations

import datetime as dt
from collections import deque
from collections.abc import Iterable, Sequence
from decimal import Decimal

import msgspec
from msgspec.structs import replace

from trading_assets.errors import LedgerError
from trading_assets.model.lot import Lot, LotChoice
from trading_assets.model.money import QUANTITY_DECIMALS_MAX, ZERO, money, truncate_quantity
from trading_assets.model.policies import AccountingPolicy, LotMethod

# Looked up once: attributes of an enum cost more than those of a module.
_LIFO = LotMethod.LIFO
_HIFO = LotMethod.HIFO


class ClosedLot(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What was taken off one lot: signed shares and signed money, as in the lot."""

    lot_id: str
    opened: dt.date
    opened_at: dt.datetime | None
    quantity: Decimal
    cost_basis: Decimal
    base_cost_basis: Decimal


def closing_method(policy: AccountingPolicy, position: Decimal) -> LotMethod:
    """The method by which lots of `position` (signed shares, not 0) are closed."""
    return policy.long_lots if position > ZERO else policy.short_lots


def add_lot(lots: deque[Lot], lot: Lot, method: LotMethod) -> None:
    """Add a new lot in its place by day, after those of the same; under average cost it joins the
    one that is there, whose day remains."""
    if method is LotMethod.AVERAGE_COST and lots:
        pool = lots.pop()
        lot = replace(
            pool,
            quantity=pool.quantity + lot.quantity,
            cost_basis=pool.cost_basis + lot.cost_basis,
            base_cost_basis=pool.base_cost_basis + lot.base_cost_basis,
        )
    later = 0
    # A trade that is told late: rare, and not far from the end.
    while later < len(lots) and lots[-1 - later].opened > lot.opened:
        later += 1
    if later:
        lots.insert(len(lots) - later, lot)
    else:
        lots.append(lot)


def require_choice(lots: Iterable[Lot], quantity: Decimal, choice: Sequence[LotChoice]) -> None:
    """LedgerError unless `choice` names open lots for exactly `quantity` (signed) shares."""
    held: dict[str, Decimal] = {}
    for lot in lots:
        held[lot.lot_id] = held.get(lot.lot_id, ZERO) + abs(lot.quantity)
    chosen: dict[str, Decimal] = {}
    for one in choice:
        if one.quantity <= 0:
            raise LedgerError(f"lot {one.lot_id}: {one.quantity} shares chosen; choose above 0.")
        chosen[one.lot_id] = chosen.get(one.lot_id, ZERO) + one.quantity
    for lot_id, shares in chosen.items():
        if shares > held.get(lot_id, ZERO):
            raise LedgerError(
                f"lot {lot_id!r}: {shares} shares chosen, {held.get(lot_id, ZERO)} are open. "
                f"Open: {', '.join(f'{name} {left}' for name, left in held.items()) or 'none'}."
            )
    if sum(chosen.values(), ZERO) != abs(quantity):
        raise LedgerError(
            f"{sum(chosen.values(), ZERO)} shares chosen from lots, the trade closes "
            f"{abs(quantity)}. Choose lots for exactly what it closes."
        )


def close_lots(
    lots: deque[Lot],
    quantity: Decimal,
    method: LotMethod,
    choice: Sequence[LotChoice] = (),
    closed: list[ClosedLot] | None = None,
) -> tuple[Decimal, Decimal]:
    """Take `quantity` shares off `lots` in place; return the cost basis taken, in the instrument's
    and in the portfolio's currency (signed money).

    `lots` are of one symbol and one sign, oldest first; `quantity` has their sign. What was taken
    off each lot is appended to `closed`. A `choice` must have passed `require_choice`. Raises
    LedgerError when there are fewer shares than asked for; `lots` is then used up and must be
    discarded.
    """
    if choice:
        sign = 1 if quantity > 0 else -1
        taken = base_taken = ZERO
        for one in choice:
            cost, base_cost = _close_by_id(lots, one.lot_id, sign * one.quantity, closed)
            taken, base_taken = taken + cost, base_taken + base_cost
        return taken, base_taken
    remaining = quantity
    taken = base_taken = ZERO
    while remaining:
        if not lots:
            raise LedgerError(
                f"cannot close {quantity} shares: {remaining} more than the lots hold. "
                "Close what is held and open the rest as a new position."
            )
        if method is _LIFO:
            index = len(lots) - 1
        elif method is _HIFO:
            index = _dearest(lots)
        else:
            index = 0
        lot = lots[index]
        part = lot.quantity if abs(lot.quantity) <= abs(remaining) else remaining
        cost, base_cost = _take(lots, index, lot, part, closed)
        if part == quantity:
            return cost, base_cost
        taken, base_taken = taken + cost, base_taken + base_cost
        remaining -= part
    return taken, base_taken


def _dearest(lots: deque[Lot]) -> int:
    """Index of the lot whose closing gains least; the oldest of equals."""
    # Cost and quantity of a short are both negative: its quotient is the price it was sold at.
    sign = 1 if lots[0].quantity > 0 else -1
    return max(
        range(len(lots)), key=lambda index: sign * lots[index].cost_basis / lots[index].quantity
    )


def _close_by_id(
    lots: deque[Lot], lot_id: str, quantity: Decimal, closed: list[ClosedLot] | None
) -> tuple[Decimal, Decimal]:
    taken = base_taken = ZERO
    while quantity:
        index = next(index for index, lot in enumerate(lots) if lot.lot_id == lot_id)
        lot = lots[index]
        part = lot.quantity if abs(lot.quantity) <= abs(quantity) else quantity
        cost, base_cost = _take(lots, index, lot, part, closed)
        taken, base_taken, quantity = taken + cost, base_taken + base_cost, quantity - part
    return taken, base_taken


def _take(
    lots: deque[Lot], index: int, lot: Lot, quantity: Decimal, closed: list[ClosedLot] | None
) -> tuple[Decimal, Decimal]:
    """Take `quantity` (signed) off the lot at `index`; the cost taken in both currencies."""
    if quantity == lot.quantity:
        cost, base_cost = lot.cost_basis, lot.base_cost_basis
        if index:
            del lots[index]
        else:
            lots.popleft()
    else:
        cost = money(lot.cost_basis * quantity / lot.quantity)
        if lot.base_cost_basis is lot.cost_basis:
            base_cost = cost
        else:
            base_cost = money(lot.base_cost_basis * quantity / lot.quantity)
        rest = lot.cost_basis - cost
        lots[index] = Lot(
            symbol=lot.symbol,
            lot_id=lot.lot_id,
            quantity=lot.quantity - quantity,
            cost_basis=rest,
            base_cost_basis=rest if base_cost is cost else lot.base_cost_basis - base_cost,
            opened=lot.opened,
            opened_at=lot.opened_at,
        )
    if closed is not None:
        closed.append(
            ClosedLot(
                lot_id=lot.lot_id,
                opened=lot.opened,
                opened_at=lot.opened_at,
                quantity=quantity,
                cost_basis=cost,
                base_cost_basis=base_cost,
            )
        )
    return cost, base_cost


def scaled_lots(lots: Sequence[Lot], new_shares: int, old_shares: int) -> list[Lot]:
    """`lots` after every `old_shares` became `new_shares`: other quantities, the same costs.

    The position as a whole is cut to nine decimals towards zero; what cutting each lot leaves of
    that is added to the newest one, so that the lots add up to the position. Empty where nothing
    of the position is left.
    """
    total = sum((lot.quantity for lot in lots), ZERO)
    position = truncate_quantity(total * new_shares / old_shares, QUANTITY_DECIMALS_MAX)
    scaled = [
        replace(
            lot,
            quantity=truncate_quantity(
                lot.quantity * new_shares / old_shares, QUANTITY_DECIMALS_MAX
            ),
        )
        for lot in lots
    ]
    left = position - sum((lot.quantity for lot in scaled), ZERO)
    if left:
        scaled[-1] = replace(scaled[-1], quantity=scaled[-1].quantity + left)
    return _without_empty(scaled)


def _without_empty(lots: list[Lot]) -> list[Lot]:
    """`lots` where the cost of one that was cut to nothing is borne by a neighbour."""
    kept: list[Lot] = []
    cost = base_cost = ZERO
    for lot in lots:
        if not lot.quantity:
            cost, base_cost = cost + lot.cost_basis, base_cost + lot.base_cost_basis
            continue
        if cost or base_cost:
            lot = _dearer(lot, cost, base_cost)
            cost = base_cost = ZERO
        kept.append(lot)
    if kept and (cost or base_cost):
        kept[-1] = _dearer(kept[-1], cost, base_cost)
    return kept


def _dearer(lot: Lot, cost: Decimal, base_cost: Decimal) -> Lot:
    return replace(
        lot, cost_basis=lot.cost_basis + cost, base_cost_basis=lot.base_cost_basis + base_cost
    )


def spun_off_lots(
    lots: Sequence[Lot], new_symbol: str, ratio: tuple[int, int], basis_fraction: Decimal
) -> tuple[list[Lot], list[Lot]]:
    """`lots` of the parent with the cost that stays, and the lots of the spun-off shares.

    `ratio` is (new shares, old shares). Each new lot takes `basis_fraction` of its lot's cost, to
    the cent, and keeps its day and id: the holding period of the parent counts.
    """
    parents, children = [], []
    for lot in lots:
        moved = money(lot.cost_basis * basis_fraction)
        base_moved = money(lot.base_cost_basis * basis_fraction)
        parents.append(_dearer(lot, -moved, -base_moved))
        children.append(
            replace(lot, symbol=new_symbol, cost_basis=moved, base_cost_basis=base_moved)
        )
    return parents, scaled_lots(children, *ratio)
