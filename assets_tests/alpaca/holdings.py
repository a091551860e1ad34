"""Cash and positions, kept exactly: a few lines of their own, none of the application's."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from decimal import Decimal, localcontext


@dataclass
class BrokerPosition:
    """Signed shares and their signed cost in USD; the average entry price is cost / shares.

    During the day a sale takes cost out in proportion (weighted average); `Holdings.restate` is the
    next morning.
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
    traded: dict[str, list[tuple[dt.date, Decimal, Decimal]]] = field(default_factory=dict)
    """By symbol: day, signed shares and price of what a position came from, oldest first."""
    restated_on: dt.date = dt.date.min

    def restate(self, day: dt.date) -> None:
        """The morning of `day`: costs become those of compressed FIFO.

        Each day's purchases are one lot at their average, and so are its sales; the two queues are
        matched from the front, and what is left of the longer one is the position.
        """
        if day <= self.restated_on:
            return
        self.restated_on = day
        self.traded = {name: told for name, told in self.traded.items() if name in self.positions}
        with localcontext(prec=50):
            for symbol, trades in self.traded.items():
                self.positions[symbol].cost = _left_of(trades)

    def book_fill(self, symbol: str, signed: Decimal, price: Decimal, day: dt.date) -> None:
        """Books signed shares at a price: cash moves by exactly shares x price."""
        self.traded.setdefault(symbol, []).append((day, signed, price))
        position = self.positions.setdefault(symbol, BrokerPosition())
        position.book(signed, price)
        self.cash -= signed * price
        if not position.quantity:
            del self.positions[symbol]

    def quantity(self, symbol: str) -> Decimal:
        """Signed shares held; 0 where there are none."""
        position = self.positions.get(symbol)
        return Decimal(0) if position is None else position.quantity

    def remove(self, symbol: str, quantity: Decimal) -> None:
        """Takes signed shares out of a position and their part of its cost, of every trade alike:
        which lots a fraction comes from is not documented."""
        position = self.positions[symbol]
        rest = (position.quantity - quantity) / position.quantity
        position.cost *= rest
        position.quantity -= quantity
        self.traded[symbol] = [
            (day, signed * rest, price) for day, signed, price in self.traded[symbol]
        ]
        if not position.quantity:
            del self.positions[symbol]

    def split(self, symbol: str, new_per_old: Decimal) -> None:
        """Multiplies the shares and keeps the cost."""
        position = self.positions.get(symbol)
        if position is not None:
            position.quantity *= new_per_old
            self.traded[symbol] = [
                (day, signed * new_per_old, price / new_per_old)
                for day, signed, price in self.traded[symbol]
            ]


def _left_of(trades: list[tuple[dt.date, Decimal, Decimal]]) -> Decimal:
    queues: dict[bool, dict[dt.date, tuple[Decimal, Decimal]]] = {True: {}, False: {}}
    for day, signed, price in trades:
        quantity, cost = queues[signed > 0].get(day, (Decimal(0), Decimal(0)))
        queues[signed > 0][day] = (quantity + signed, cost + signed * price)
    side = sum(signed for _, signed, _ in trades) > 0
    matched = sum((abs(quantity) for quantity, _ in queues[not side].values()), Decimal(0))
    left = Decimal(0)
    for quantity, cost in queues[side].values():
        gone = min(matched, abs(quantity))
        matched -= gone
        left += cost * (abs(quantity) - gone) / abs(quantity)
    return left
