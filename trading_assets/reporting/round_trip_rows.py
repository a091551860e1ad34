"""Round trips as a table and as a ledger in CSV: a row for each part of a lot that was closed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from operator import attrgetter

import pyarrow as pa

from trading_assets.lake import DATE, EXACT, INTEGER, MOMENT, NUMBER, TEXT
from trading_assets.model.money import plain
from trading_assets.model.round_trip import RoundTrip

ROUND_TRIP_COLUMNS = {
    "symbol": TEXT,
    "side": TEXT,
    "quantity": EXACT,
    "opened": DATE,
    "opened_at": MOMENT,
    "entry_price": EXACT,
    "closed": DATE,
    "closed_at": MOMENT,
    "exit_price": EXACT,
    "currency": TEXT,
    "pnl": EXACT,
    "base_pnl": EXACT,
    "return": NUMBER,
    "holding_days": INTEGER,
    "lot_id": TEXT,
}
"""Columns of the table: see `RoundTrip`. Prices are to ten decimals, `return` is a fraction; null
where it is not defined."""
_PRICES = ("entry_price", "exit_price")
_FIELDS = {"return": "return_"}


def round_trip_table(trips: Sequence[RoundTrip]) -> pa.Table:
    """One row for each round trip, in order; `closed` is the session."""
    arrays = []
    for name, kind in ROUND_TRIP_COLUMNS.items():
        values = list(map(attrgetter(_FIELDS.get(name, name)), trips))
        if name in _PRICES:
            values = [round(value, 10) for value in values]
        elif kind is NUMBER:
            values = [None if value is None else float(value) for value in values]
        arrays.append(pa.array(values, kind))
    return pa.Table.from_arrays(arrays, schema=pa.schema(list(ROUND_TRIP_COLUMNS.items())))


def round_trip_row(trip: RoundTrip) -> tuple[str, ...]:
    """The same columns as text: decimals written out, moments UTC, nothing for what is not
    defined."""
    return tuple(_text(getattr(trip, _FIELDS.get(name, name)), name) for name in ROUND_TRIP_COLUMNS)


def _text(value: object, name: str) -> str:
    if value is None:
        return ""
    if isinstance(value, Decimal):
        return plain(round(value, 10) if name in (*_PRICES, "return") else value)
    return value.isoformat() if isinstance(value, dt.date | dt.datetime) else str(value)
