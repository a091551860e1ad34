"""What happened between two closes, and the book at a close: what a session's result is made of."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal

import msgspec

from trading_assets.errors import LedgerError
from trading_assets.model.events import Mark
from trading_assets.model.money import ZERO, notional


class InstrumentActivity(msgspec.Struct, frozen=True, kw_only=True):
    """One instrument between two closes; money is positive, quantities are signed shares.

    `bought` and `sold` hold fills and adjusted shares at their values, `traded` = Σ |notional| of
    fills alone. `realized_pnl` is gross of commission. `filled_quantity` is the net of fills,
    `adjusted_quantity` the net of adjustments.
    """

    symbol: str
    bought: Decimal
    sold: Decimal
    traded: Decimal
    realized_pnl: Decimal
    commission: Decimal
    filled_quantity: Decimal
    adjusted_quantity: Decimal


class SessionActivity(msgspec.Struct, frozen=True, kw_only=True):
    """Everything booked since the previous close, in money; instruments sorted by symbol.

    `flows` is what came in from outside (signed): deposits less withdrawals, and adjustments, in
    cash and in kind; `flows_in_kind` is the part of it that came as shares. An event booked after
    its session's close counts here, in the next session that closes.
    """

    session: dt.date
    flows: Decimal
    flows_in_kind: Decimal
    fees: Decimal
    instruments: tuple[InstrumentActivity, ...]


class BookClose(msgspec.Struct, frozen=True, kw_only=True):
    """The book at a session's close.

    `positions` signed shares without zeros, `values` their market values (signed money) by the
    same symbols; equity = Σ values + cash. `benchmark` is the benchmark's close, None if unknown.
    """

    session: dt.date
    positions: dict[str, Decimal]
    values: dict[str, Decimal]
    marks: dict[str, Mark]
    cash: Decimal
    equity: Decimal
    benchmark: Decimal | None


class ActivityCounter:
    """Adds up one instrument's activity; the mutable side of `InstrumentActivity`."""

    __slots__ = ("adjusted", "bought", "commission", "filled", "realized", "sold", "traded")

    def __init__(self) -> None:
        self.bought = self.sold = self.traded = ZERO
        self.realized = self.commission = ZERO
        self.filled = self.adjusted = ZERO

    def freeze(self, symbol: str) -> InstrumentActivity:
        """The sums so far."""
        return InstrumentActivity(
            symbol=symbol,
            bought=self.bought,
            sold=self.sold,
            traded=self.traded,
            realized_pnl=self.realized,
            commission=self.commission,
            filled_quantity=self.filled,
            adjusted_quantity=self.adjusted,
        )


def market_values(
    positions: Mapping[str, Decimal], marks: Mapping[str, Mark]
) -> dict[str, Decimal]:
    """Market value by symbol: signed money, each position rounded to the cent once.

    Raises LedgerError naming the positions that have no mark.
    """
    missing = sorted(symbol for symbol in positions if symbol not in marks)
    if missing:
        raise LedgerError(
            f"no mark for {', '.join(missing)}: a position that is held must be valued. "
            "Give a price, or the last one known with the session it is from."
        )
    return {symbol: notional(held, marks[symbol].price) for symbol, held in positions.items()}
