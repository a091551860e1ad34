"""Projections on disk: Parquet, one file for each asset and session, replaced atomically.

    <lake>/<portfolio>/<asset>/session=YYYY-MM-DD/data.parquet

Money, prices, quantities and weights are DECIMAL(38, 10). Everything here can be deleted and
materialised again; the book is the record.
"""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from trading_assets.atomic_file import replace_file

EXACT = pa.decimal128(38, 10)
TEXT = pa.string()
DATE = pa.date32()
INTEGER = pa.int64()
NUMBER = pa.float64()
MOMENT = pa.timestamp("us", tz="UTC")
Rows = Sequence[Mapping[str, Any]]


def make_table(columns: Mapping[str, pa.DataType], rows: Rows) -> pa.Table:
    """Arrow table with exactly `columns`; a missing key is an error, None a null."""
    schema = pa.schema(list(columns.items()))
    arrays = [pa.array([row[name] for row in rows], type=kind) for name, kind in columns.items()]
    return pa.Table.from_arrays(arrays, schema=schema)


def record_table(
    columns: Mapping[str, pa.DataType],
    records: Sequence[object],
    fields: Mapping[str, str] | None = None,
    **same: object,
) -> pa.Table:
    """Arrow table of `columns` taken from records' fields: those of the column's name, or of the
    name that `fields` gives for it. `same` are columns that have one value in every row."""
    named = fields or {}
    arrays = [
        pa.repeat(pa.scalar(same[name], kind), len(records))
        if name in same
        else pa.array(list(map(attrgetter(named.get(name, name)), records)), kind)
        for name, kind in columns.items()
    ]
    return pa.Table.from_arrays(arrays, schema=pa.schema(list(columns.items())))


def parquet_bytes(table: pa.Table) -> bytes:
    """The table as a Parquet file, the same bytes for the same content."""
    # A stream of Arrow's own is written to without coming back to Python for each column.
    sink = pa.BufferOutputStream()
    # A file of fifty rows costs by its columns: statistics, a dictionary and zstd for each take
    # three times as long as what is left without them, and the last saves a third of the bytes.
    pq.write_table(table, sink, compression="snappy", use_dictionary=False, write_statistics=False)
    return bytes(sink.getvalue())


class Lake:
    """The projections of one portfolio."""

    def __init__(self, root: Path, portfolio: str) -> None:
        self.folder = root / portfolio

    def path(self, asset: str, session: dt.date) -> Path:
        """Where the projection of `asset` for `session` lies, whether or not it is there."""
        return self.folder / asset / f"session={session.isoformat()}" / "data.parquet"

    def write(self, asset: str, session: dt.date, table: pa.Table) -> Path:
        """Replace the projection of one asset and session."""
        return replace_file(self.path(asset, session), parquet_bytes(table))

    def forget_from(self, assets: Iterable[str], session: dt.date) -> None:
        """Remove the projections of `assets` for `session` and every later one."""
        for asset in assets:
            for folder in (self.folder / asset).glob("session=*"):
                if folder.name.removeprefix("session=") >= session.isoformat():
                    shutil.rmtree(folder)

    def read(self, asset: str, session: dt.date) -> pa.Table | None:
        """The projection, or None when it was never materialised."""
        path = self.path(asset, session)
        return pq.ParquetFile(path).read(use_threads=False) if path.exists() else None

    def sessions(self, asset: str) -> list[dt.date]:
        """Sessions of which there is a projection of `asset`, ascending; empty for none."""
        folders = (self.folder / asset).glob("session=*")
        return sorted(
            dt.date.fromisoformat(folder.name.removeprefix("session=")) for folder in folders
        )
