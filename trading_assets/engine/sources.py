"""Bars from files, tables and databases as columns.

| where                         | what                                                        |
|-------------------------------|-------------------------------------------------------------|
| `.parquet`                    | one file, or a folder of them                               |
| `.csv`, `.csv.gz`             | with a header                                               |
| `.arrow`, `.feather`, `.ipc`  | Arrow's file format                                         |
| `.duckdb`, `.db`              | a DuckDB database: `table` names a table or view            |
| an Arrow table                | in memory                                                   |

Columns: a time (`time`, `timestamp`, `start`, `date` or `session`), `close`, and where there are
such `symbol`, `open`, `high`, `low`, `volume`, `vwap`. Times without a zone are UTC; a daily bar is
of the date that is written. Rows may come in any order. Adjusted or raw prices are the user's
business: what is in the file is what is traded at.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from trading_assets.data_files import portable_name
from trading_assets.engine.bars import PRICES, BarColumns, bar_columns
from trading_assets.engine.clock import DAY_NANOSECONDS, Integers, nanoseconds_of
from trading_assets.engine.timeframe import DAILY, Timeframe, TimeUnit
from trading_assets.errors import InputError

# pyarrow has no type information.
Arrow = Any

TIME_COLUMNS = ("time", "timestamp", "start", "date", "session")
_REMEDY = "Name the columns as the documentation of backtest data says"
_ARROW_SUFFIXES = (".arrow", ".feather", ".ipc")
_DATABASE_SUFFIXES = (".duckdb", ".db")


def read_bars(
    source: Path | Arrow,
    symbols: Sequence[str] = (),
    *,
    timeframe: Timeframe = DAILY,
    first: dt.date | None = None,
    last: dt.date | None = None,
    table: str = "bars",
) -> list[BarColumns]:
    """Bars of `symbols` (of all there are, where none are named) between two dates (UTC, both
    included), in the order asked for.

    `table` names the table of a database; a source without a symbol column is of the one symbol
    that is asked for. InputError where a file, column, symbol or value is wrong.
    """
    if isinstance(source, Path):
        name, found = portable_name(source), _read(source, table)
    else:
        name, found = "table", source
    starts = _starts(name, found, timeframe)
    codes, names = _symbols(name, found, symbols)
    order = np.lexsort((starts, codes))
    if not timeframe.is_intraday:
        starts = starts // DAY_NANOSECONDS * DAY_NANOSECONDS
    keep = np.ones(len(starts), dtype=np.bool_)
    if first is not None:
        keep &= starts >= nanoseconds_of(first)
    if last is not None:
        keep &= starts < nanoseconds_of(last + dt.timedelta(days=1))
    order = order[keep[order]]
    columns = {column: _numbers(name, found, column)[order] for column in _present(name, found)}
    starts, codes = starts[order], codes[order]
    wanted = tuple(symbols) or tuple(sorted(names))
    unknown = [symbol for symbol in wanted if symbol not in names]
    if unknown:
        raise InputError(
            file=name,
            value=", ".join(unknown[:10]),
            rule="every symbol asked for must have bars",
            remedy=f"Correct the symbols; there are: {', '.join(sorted(names)[:20])}",
        )
    return [
        _of_symbol(name, symbol, names.index(symbol), codes, starts, columns, timeframe)
        for symbol in wanted
    ]


def _of_symbol(
    name: str,
    symbol: str,
    code: int,
    codes: Integers,
    starts: Integers,
    columns: dict[str, Any],
    timeframe: Timeframe,
) -> BarColumns:
    low, high = np.searchsorted(codes, [code, code + 1])
    if low == high:
        raise InputError(
            file=name,
            value=symbol,
            rule="the period must have bars of every symbol",
            remedy="Choose another period, or remove the symbol",
        )
    _require_length(f"{name}, {symbol}", starts[low:high], timeframe)
    prices = ["close"] if "open" not in columns else PRICES
    volume, vwap = columns.get("volume"), columns.get("vwap")
    return bar_columns(
        symbol,
        starts[low:high],
        [columns[column][low:high] for column in prices],
        None if volume is None else volume[low:high],
        None if vwap is None else vwap[low:high],
        timeframe=timeframe,
        source=name,
    )


def _require_length(name: str, starts: Integers, timeframe: Timeframe) -> None:
    """InputError for bars that are plainly shorter or longer than the timeframe they are said to
    be of: hours made of days would trade, and be annualised, as what they are not."""
    if len(starts) < 3:
        return
    shortest, longest = _apart(timeframe)
    apart = float(np.median(np.diff(starts)))
    if shortest <= apart < longest:
        return
    remedies = {
        "shorter": f"Name their length as data.source_timeframe, and {timeframe} is made of them",
        "longer": "Give shorter bars, or choose the timeframe that these are of",
    }
    found = "shorter" if apart < shortest else "longer"
    raise InputError(
        file=name,
        value=f"{len(starts)} bars, mostly {dt.timedelta(microseconds=apart / 1000)} apart",
        rule=f"bars of {timeframe} are asked for; these are {found}",
        remedy=remedies[found],
    )


def _apart(timeframe: Timeframe) -> tuple[int, int]:
    """Nanoseconds that most bars of a timeframe are apart: at least the first, less than the
    second. Weeks and months may be named after any of their days."""
    if timeframe.nanoseconds is not None:
        return timeframe.nanoseconds, DAY_NANOSECONDS
    least, most = {TimeUnit.DAY: (1, 5), TimeUnit.WEEK: (4, 25), TimeUnit.MONTH: (20, 80)}[
        timeframe.unit
    ]
    return least * timeframe.count * DAY_NANOSECONDS, most * timeframe.count * DAY_NANOSECONDS


def _read(path: Path, table: str) -> Arrow:
    import pyarrow as pa
    import pyarrow.csv as arrow_csv
    import pyarrow.feather
    import pyarrow.parquet

    name = path.name.lower()
    if not path.exists():
        raise InputError(
            file=portable_name(path),
            rule="the file must exist",
            remedy="Put the bars there, or correct the path",
        )
    try:
        if path.is_dir() or name.endswith(".parquet"):
            return pyarrow.parquet.read_table(path)
        if name.endswith((".csv", ".csv.gz")):
            numbers = dict.fromkeys((*PRICES, "volume", "vwap"), pa.float64())
            return arrow_csv.read_csv(
                path,
                convert_options=arrow_csv.ConvertOptions(
                    column_types={**numbers, "symbol": pa.string()}
                ),
            )
        if name.endswith(_ARROW_SUFFIXES):
            return pyarrow.feather.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise InputError(
            file=portable_name(path),
            value=str(error).split("\n", maxsplit=1)[0],
            rule=f"the file must be readable as {path.suffix or 'a folder of Parquet files'}",
            remedy="Write it anew",
        ) from error
    if name.endswith(_DATABASE_SUFFIXES):
        return _read_database(path, table)
    raise InputError(
        file=portable_name(path),
        value=path.suffix,
        rule="bars are read from .parquet, .csv, .csv.gz, .arrow, .feather, .ipc, .duckdb or .db",
        remedy="Save them in one of these formats",
    )


def _read_database(path: Path, table: str) -> Arrow:
    import duckdb

    try:
        with duckdb.connect(str(path), read_only=True) as connection:
            return connection.table(table).to_arrow_table()
    except duckdb.Error as error:
        raise InputError(
            file=portable_name(path),
            value=table,
            rule=f"the database must have that table ({str(error).splitlines()[0]})",
            remedy="Correct data.table",
        ) from error


def _starts(name: str, table: Arrow, timeframe: Timeframe) -> Integers:
    """Times as nanoseconds UTC; those of bars of sessions as they are written in their zone."""
    import pyarrow as pa
    import pyarrow.compute as pc

    column = next((one for one in TIME_COLUMNS if one in table.column_names), None)
    if column is None:
        raise InputError(
            file=name,
            value=", ".join(table.column_names),
            rule=f"there must be a column {' or '.join(TIME_COLUMNS)}",
            remedy=_REMEDY,
        )
    values = table[column].combine_chunks()
    if values.null_count:
        row = int(pc.index(pc.is_null(values), True).as_py())
        raise InputError(
            file=name, row=row + 2, rule=f"{column} must not be empty", remedy="Fill it in"
        )
    try:
        if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
            values = pc.cast(values, pa.timestamp("us"))
        if pa.types.is_date(values.type):
            values = pc.cast(values, pa.timestamp("s"))
        stamps = pc.cast(values, pa.timestamp("ns", tz=getattr(values.type, "tz", None)))
        if not timeframe.is_intraday and stamps.type.tz is not None:
            # Midnight in London is the evening before, in UTC.
            stamps = pc.local_timestamp(stamps)
    except pa.ArrowException as error:
        raise InputError(
            file=name,
            value=str(error).split("\n", maxsplit=1)[0],
            rule=f"{column} must hold dates or times",
            remedy="Write them as in 2024-01-31 or 2024-01-31T14:30:00Z",
        ) from error
    starts: Integers = np.array(pc.cast(stamps, pa.int64()), dtype=np.int64)
    return starts


def _symbols(name: str, table: Arrow, wanted: Sequence[str]) -> tuple[Integers, list[str]]:
    """A code for each row, and the symbols by code."""
    import pyarrow.compute as pc

    if "symbol" not in table.column_names:
        if len(wanted) != 1:
            raise InputError(
                file=name,
                value=", ".join(wanted) or None,
                rule="a source without a column symbol is of one symbol, which must be named",
                remedy="Name it, or add the column",
            )
        return np.zeros(table.num_rows, dtype=np.int64), list(wanted)
    encoded = pc.dictionary_encode(table["symbol"].combine_chunks())
    if encoded.null_count:
        raise InputError(file=name, rule="symbol must not be empty", remedy="Fill it in")
    codes = np.array(encoded.indices, dtype=np.int64)
    return codes, [str(symbol) for symbol in encoded.dictionary.to_pylist()]


def _present(name: str, table: Arrow) -> list[str]:
    """The columns of numbers that are there: all prices or the close alone."""
    names = table.column_names
    missing = [column for column in PRICES if column not in names]
    if "close" in missing or len(missing) not in (0, 3):
        raise InputError(
            file=name,
            value=", ".join(names),
            rule="there must be open, high, low and close, or close alone",
            remedy=_REMEDY,
        )
    prices = ["close"] if missing else list(PRICES)
    return [*prices, *(column for column in ("volume", "vwap") if column in names)]


def _numbers(name: str, table: Arrow, column: str) -> Any:
    """One column as floats, NaN where it is empty."""
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        values = pc.cast(table[column], pa.float64(), safe=False)
    except pa.ArrowException as error:
        raise InputError(
            file=name, value=column, rule=f"{column} must hold numbers", remedy=_REMEDY
        ) from error
    return np.asarray(pc.fill_null(values, float("nan")).to_numpy(), dtype=np.float64)
