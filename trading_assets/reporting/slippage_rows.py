"""Slippage as a table: a row for each trade."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any

import pyarrow as pa

from trading_assets.analytics.slippage import (
    Slippage,
    TradeSlippage,
    session_slippage,
    simulated_arrival_prices,
)
from trading_assets.lake import DATE, EXACT, NUMBER, TEXT
from trading_assets.ledger.annotations import TradeAnnotations
from trading_assets.ledger.history import ClosedSession
from trading_assets.settings import Mode, PortfolioSettings

TRADE_COLUMNS = {
    "session": DATE,
    "trade_id": TEXT,
    "symbol": TEXT,
    "side": TEXT,
    "quantity": EXACT,
    "fill_price": EXACT,
    "currency": TEXT,
    "commission": EXACT,
}
MEASURES = {"intended_price": EXACT, "slippage_bps": NUMBER, "cost": EXACT, "deviation": NUMBER}
INTENDED = ("decision", "arrival", "plan")
SLIPPAGE_COLUMNS = TRADE_COLUMNS | {
    f"{intended}_{measure.removeprefix('intended_')}": kind
    for intended in INTENDED
    for measure, kind in MEASURES.items()
}
SLIPPAGE_COLUMNS["arrival_basis"] = TEXT
"""Columns of the table: a trade, then price, slippage in basis points, cost in money and plain
deviation against each intended price; null where it is not known. `arrival_basis` says of what
market the arrival price is, or why there is none."""


def booked_slippage(
    closed: ClosedSession, settings: PortfolioSettings, annotations: Mapping[str, TradeAnnotations]
) -> tuple[TradeSlippage, ...]:
    """A session's trades against every intended price that the book has; `annotations` are all of
    the book's, by trade id."""
    simulated = settings.mode is Mode.SIMULATED
    arrival = simulated_arrival_prices(closed) if simulated else None
    return session_slippage(closed, annotations, arrival)


def slippage_columns(trades: Sequence[TradeSlippage]) -> dict[str, list[Any]]:
    """The values of `SLIPPAGE_COLUMNS`, one for each trade; None where a price is not known."""
    columns: dict[str, list[Any]] = {
        name: list(map(attrgetter(name), trades)) for name in TRADE_COLUMNS
    }
    for intended in INTENDED:
        found: list[Slippage | None] = list(map(attrgetter(intended), trades))
        for measure in MEASURES:
            values = [None if one is None else getattr(one, measure) for one in found]
            columns[f"{intended}_{measure.removeprefix('intended_')}"] = values
    columns["arrival_basis"] = [trade.arrival_basis for trade in trades]
    return columns


def slippage_table(columns: Mapping[str, list[Any]]) -> pa.Table:
    """One row for each trade, of what `slippage_columns` gives."""
    arrays = [pa.array(columns[name], kind) for name, kind in SLIPPAGE_COLUMNS.items()]
    return pa.Table.from_arrays(arrays, schema=pa.schema(list(SLIPPAGE_COLUMNS.items())))
