"""Projections keep exact numbers, nulls and order, and are found by DuckDB."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from trading_assets.lake import DATE, EXACT, TEXT, Lake, make_table, parquet_bytes

COLUMNS = {"session": DATE, "symbol": TEXT, "quantity": EXACT}
MONDAY, TUESDAY = dt.date(2024, 3, 4), dt.date(2024, 3, 5)


def row(session: dt.date, symbol: str, quantity: str | None) -> dict[str, object]:
    amount = None if quantity is None else Decimal(quantity)
    return {"session": session, "symbol": symbol, "quantity": amount}


def test_numbers_come_back_exactly_and_an_unknown_one_stays_unknown(tmp_path: Path) -> None:
    lake = Lake(tmp_path, "alpha")
    rows = [row(MONDAY, "A", "0.1234567891"), row(MONDAY, "B", None)]
    lake.write("positions_eod", MONDAY, make_table(COLUMNS, rows))
    found = lake.read("positions_eod", MONDAY)
    assert found is not None
    assert found.column("quantity").to_pylist() == [Decimal("0.1234567891"), None]


def test_a_number_that_would_lose_digits_is_refused() -> None:
    with pytest.raises(ValueError, match="Rescaling Decimal value would cause data loss"):
        make_table(COLUMNS, [row(MONDAY, "A", "0.12345678912")])


def test_a_projection_that_was_never_made_is_none(tmp_path: Path) -> None:
    assert Lake(tmp_path, "alpha").read("positions_eod", MONDAY) is None


def test_the_same_rows_give_the_same_bytes() -> None:
    rows = [row(MONDAY, "A", "1"), row(MONDAY, "B", "2")]
    assert parquet_bytes(make_table(COLUMNS, rows)) == parquet_bytes(make_table(COLUMNS, rows))


def test_duckdb_reads_all_sessions_of_an_asset_as_one_table(tmp_path: Path) -> None:
    lake = Lake(tmp_path, "alpha")
    lake.write("positions_eod", MONDAY, make_table(COLUMNS, [row(MONDAY, "A", "1.5")]))
    lake.write("positions_eod", TUESDAY, make_table(COLUMNS, [row(TUESDAY, "A", "2.5")]))
    pattern = lake.folder / "positions_eod" / "session=*" / "data.parquet"
    with duckdb.connect() as connection:
        total = connection.execute(
            f"select sum(quantity) from read_parquet('{pattern}')"
        ).fetchall()
    assert total == [(Decimal("4.0000000000"),)]
