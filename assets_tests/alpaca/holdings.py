"""Cash and positions, kept exactly: a few lines of their own, none of the application's."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from decimal import Decimal, localcontext


@dataclass
class BrokerPosition:
    """Signed shares and their signed cost in USD; the average entry price is cost / shares.

    A sale takes cost out in proportion (weighted average).
    """

    quantity: Decimal = Decimal(0)
    cost: Decimal = Decimal(0)

    def book(self, signed: Decimal, price: Decimal) -> None:
        """Adds an execution; it may open, extend or reduce, never cross zero."""
        assert not self.quantity or self.quantity + signed == 0 or _same_sign(self, signed)
        with localcontext(prec=50):
            if not self.quantity or (self.quantity > 0) == (signed > 0):
                self.cost += signed * price
            else:
                self.cost += self.cost * signed / self.quantity
        self.quantity += signed
        if not self.quantity:
            self.cost = Decimal(0)


def _same_sign(position: BrokerPosition, signed: Decimal) -> bool:
    return (position.quantity + signed > 0) == (position.quantity > 0)


@dataclass
class Holdings:
    """Cash in USD, positions by symbol, and what the account was worth at past closes."""

    cash: Decimal
    positions: dict[str, BrokerPosition] = field(default_factory=dict)
    closing_equity: dict[dt.date, Decimal] = field(default_factory=dict)

    def book_fill(self, symbol: str, signed: Decimal, price: Decimal) -> None:
        """Books signed shares at a price: cash moves by exactly shares x price."""
        position = self.positions.setdefault(symbol, BrokerPosition())
        position.book(signed, price)
        self.cash -= signed * price
        if not position.quantity:
            del self.positions[symbol]

    def quantity(self, symbol: str) -> Decimal:
        """Signed shares held; 0 where there are none."""
        position = self.positions.get(symbol)
        return Decimal(0) if position is None else position.quantity

    def split(self, symbol: str, new_per_old: Decimal) -> None:
        """Multiplies the shares and keeps the cost."""
        position = self.positions.get(symbol)
        if position is not None:
            position.quantity *= new_per_old
