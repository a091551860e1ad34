"""Lots: what each open share was bought or sold short for, and which of them a trade closes first.

A lot keeps its whole cost in money, never a cost per share: closing part of it takes cost in
proportion, rounded to the cent, and leaves the remainder in the lot. So costs taken plus costs
left always equal what was paid, to the cent, whatever the order of closings.
"""

from __future__ import annotations

from collections import deque
from decimal import Decimal

from trading_assets.errors import LedgerError
from trading_assets.model.lot import Lot
from trading_assets.model.money import ZERO, money
from trading_assets.model.policies import AccountingPolicy, LotMethod


def closing_method(policy: AccountingPolicy, position: Decimal) -> LotMethod:
    """The method by which lots of `position` (signed shares, not 0) are closed."""
    return policy.long_lots if position > 0 else policy.short_lots


def close_lots(lots: deque[Lot], quantity: Decimal, method: LotMethod) -> Decimal:
    """Take `quantity` shares off `lots` in place and return the cost basis taken (signed money).

    `lots` are of one symbol and one sign, oldest first; `quantity` has their sign. FIFO takes the
    oldest, LIFO the newest first. Raises LedgerError when there are fewer shares than asked for;
    `lots` is then used up and must be discarded.
    """
    newest_first = method is LotMethod.LIFO
    remaining = quantity
    taken = ZERO
    while remaining:
        if not lots:
            raise LedgerError(
                f"cannot close {quantity} shares: {remaining} more than the lots hold. "
                "Close what is held and open the rest as a new position."
            )
        lot = lots.pop() if newest_first else lots.popleft()
        if abs(lot.quantity) <= abs(remaining):
            taken += lot.cost_basis
            remaining -= lot.quantity
            continue
        cost = money(lot.cost_basis * remaining / lot.quantity)
        taken += cost
        rest = Lot(
            symbol=lot.symbol,
            quantity=lot.quantity - remaining,
            cost_basis=lot.cost_basis - cost,
            base_cost_basis=lot.base_cost_basis - cost,
            opened=lot.opened,
            opened_at=lot.opened_at,
            lot_id=lot.lot_id,
        )
        if newest_first:
            lots.append(rest)
        else:
            lots.appendleft(rest)
        break
    return taken
