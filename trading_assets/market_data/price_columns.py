"""A price file as checked columns, sorted by symbol and session.

Half a million rows are checked column by column: a rule is one vectorised test, and only the first
row that breaks it is looked at by itself. Closes stay text, so that they are exact.
"""

from __future__ import annotations

import datetime as dt
import gzip
import zlib
from bisect import bisect_left
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from trading_assets.data_files import (
    DataFile,
    damaged,
    parse_date,
    read_file,
    require_columns,
)
from trading_assets.errors import InputError
from trading_assets.model.currency import MINOR_UNITS, in_major_unit
from trading_assets.model.money import PRICE_QUANTUM, plain

if TYPE_CHECKING:
    import numpy as np

# pyarrow has no type information.
Arrow = Any

REQUIRED = ("session", "symbol", "close")
OPTIONAL = ("volume", "currency")
_NUMBER = r"^\+?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?$"
_NO_PLACE = -1
_NO_SESSION = -2


class PriceColumns(msgspec.Struct, frozen=True, kw_only=True):
    """Rows sorted by symbol, then session; those of `symbols[i]` are `starts[i]:starts[i + 1]`.

    `places` are indices into the calendar's sessions, `closes` and `volumes` decimals as text (an
    empty volume is unknown; `volumes` is None where the file has no such column). Rows dated before
    the first or after the last session of the calendar are left out; their symbols are not.
    """

    name: str
    sha256: str
    symbols: list[str]
    starts: list[int]
    places: list[int]
    closes: list[str]
    volumes: list[str] | None


def read_price_columns(path: Path, currency: str, sessions: Sequence[dt.date]) -> PriceColumns:
    """Read and check a .csv, .csv.gz or .parquet file; see FilePriceSource for the errors."""
    import numpy as np
    import pyarrow.compute as pc

    file = read_file(path, "Put the price file there, or correct prices.path in the portfolio")
    table = _read_text_table(path, file)
    if table.num_rows == 0:
        raise InputError(
            file=file.name,
            rule="there must be a price below the header",
            remedy="Put the price file there, or correct prices.path in the portfolio",
        )
    minor_units = [code for code, major in MINOR_UNITS.items() if major == currency]
    _check_values(file.name, table, currency, minor_units)
    table = _in_major_unit(table, minor_units)
    place_of_row = _places(file.name, table["session"], sessions)
    symbols, code_of_row = _encoded(table["symbol"])
    order = np.lexsort((place_of_row, code_of_row))
    _check_unique(file.name, table, order, place_of_row, code_of_row)
    order = order[place_of_row[order] >= 0]
    starts = np.searchsorted(code_of_row[order], np.arange(len(symbols) + 1))
    has_volume = "volume" in table.column_names
    return PriceColumns(
        name=file.name,
        sha256=file.sha256,
        symbols=symbols,
        starts=starts.tolist(),
        places=place_of_row[order].tolist(),
        closes=pc.take(table["close"], order).to_pylist(),
        volumes=pc.take(table["volume"], order).to_pylist() if has_volume else None,
    )


def _read_text_table(path: Path, file: DataFile) -> Arrow:
    """The known columns as trimmed text, null being empty text."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    name = path.name.lower()
    if name.endswith((".csv", ".csv.gz")):
        table = _read_csv(file, compressed=name.endswith(".gz"))
    elif name.endswith(".parquet"):
        try:
            table = pq.read_table(pa.BufferReader(file.content))
        except (pa.ArrowException, OSError) as error:
            raise damaged(file.name, "Parquet", error) from error
    else:
        raise InputError(
            file=file.name,
            value=path.suffix,
            rule="the price file's suffix must be .csv, .csv.gz or .parquet",
            remedy="Save it in one of these formats",
        )
    require_columns(file.name, table.column_names, REQUIRED)
    wanted = [*REQUIRED, *(column for column in OPTIONAL if column in table.column_names)]
    require_columns(file.name, table.column_names, wanted)
    try:
        texts = [
            pc.fill_null(pc.utf8_trim_whitespace(pc.cast(table[column], pa.string())), "")
            for column in wanted
        ]
    except pa.ArrowException as error:
        raise damaged(file.name, "a table of text and numbers", error) from error
    return pa.table(dict(zip(wanted, texts, strict=True)))


def _read_csv(file: DataFile, *, compressed: bool) -> Arrow:
    import pyarrow as pa
    import pyarrow.csv as arrow_csv

    content = file.content
    if compressed:
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise damaged(file.name, "gzip", error) from error
    wrong: list[tuple[int, str]] = []

    def note(row: Any) -> str:
        wrong.append((row.number, row.text))
        return "skip"

    text = pa.string()
    try:
        table = arrow_csv.read_csv(
            pa.BufferReader(content.rstrip() + b"\n"),
            # One thread, because only then are rows numbered.
            read_options=arrow_csv.ReadOptions(use_threads=False),
            parse_options=arrow_csv.ParseOptions(
                ignore_empty_lines=False, invalid_row_handler=note
            ),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys((*REQUIRED, *OPTIONAL), text),
                strings_can_be_null=False,
            ),
        )
    except pa.ArrowException as error:
        raise damaged(file.name, "CSV in UTF-8", error) from error
    if wrong:
        raise InputError(
            file=file.name,
            row=wrong[0][0],
            value=wrong[0][1],
            rule=f"a row must have as many cells as the header ({table.num_columns})",
            remedy="Complete the row or remove it",
        )
    return table


def _in_major_unit(table: Arrow, minor_units: Sequence[str]) -> Arrow:
    """The closes in pence turned into pounds, exactly; the others as they are written."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not minor_units or "currency" not in table.column_names:
        return table
    is_minor = pc.is_in(table["currency"], value_set=pa.array(minor_units, pa.string()))
    if not pc.any(is_minor).as_py():
        return table
    closes = [
        plain(in_major_unit(Decimal(close), code)[0]) if minor else close
        for close, code, minor in zip(
            table["close"].to_pylist(),
            table["currency"].to_pylist(),
            is_minor.to_pylist(),
            strict=True,
        )
    ]
    place = table.column_names.index("close")
    return table.set_column(place, "close", pa.array(closes, pa.string()))


def _check_values(name: str, table: Arrow, currency: str, minor_units: Sequence[str]) -> None:
    import pyarrow as pa
    import pyarrow.compute as pc

    def reject(column: str, good: Arrow, rule: str, remedy: str) -> None:
        row = pc.index(good, False).as_py()
        if row >= 0:
            value = table[column][row].as_py()
            raise InputError(file=name, row=row + 2, value=value, rule=rule, remedy=remedy)

    def numbers(column: str, accept: Callable[[Arrow], Arrow]) -> Arrow:
        texts = table[column]
        spelled = pc.match_substring_regex(texts, _NUMBER)
        values = pc.cast(pc.if_else(spelled, texts, "nan"), pa.float64())
        return pc.and_(pc.and_(spelled, pc.is_finite(values)), accept(values))

    reject(
        "symbol",
        pc.not_equal(table["symbol"], ""),
        "symbol must not be empty",
        "Fill the symbol in, or remove the row",
    )
    reject(
        "close",
        numbers("close", lambda values: pc.greater_equal(values, float(PRICE_QUANTUM))),
        "close must be a positive number",
        "Write the price per share with a decimal point, or remove the row: a missing close is "
        "handled, a wrong one is not",
    )
    if "volume" in table.column_names:
        unknown = pc.equal(table["volume"], "")
        reject(
            "volume",
            pc.or_(unknown, numbers("volume", lambda values: pc.greater_equal(values, 0))),
            "volume must be a number of shares, at least 0, or empty",
            "Correct the volume, or leave it empty where it is unknown",
        )
    if "currency" in table.column_names:
        taken = [currency, *minor_units]
        reject(
            "currency",
            pc.is_in(table["currency"], value_set=pa.array(taken, pa.string())),
            f"prices must be in the portfolio's currency, {' or '.join(taken)}",
            "Convert the closes, or correct the portfolio's currency",
        )


def _places(name: str, column: Arrow, sessions: Sequence[dt.date]) -> np.ndarray[Any, Any]:
    """Place of each row's session in the calendar, _NO_PLACE before or after the calendar."""
    import numpy as np

    texts, codes = _encoded(column)
    dates = [parse_date(text) for text in texts]
    place_of_text = np.array([_place(date, sessions) for date in dates], dtype=np.int64)
    places: np.ndarray[Any, Any] = place_of_text[codes]
    wrong = np.flatnonzero(places == _NO_SESSION)
    if len(wrong):
        row = int(wrong[0])
        date = dates[codes[row]]
        raise InputError(
            file=name,
            row=row + 2,
            value=texts[codes[row]],
            rule="session must be a date" if date is None else _not_a_session(date, sessions),
            remedy="Write it as YYYY-MM-DD"
            if date is None
            else "Remove the row or correct its "
            "date; if the exchange did trade, correct sessions.calendar in the portfolio",
        )
    return places


def _place(date: dt.date | None, sessions: Sequence[dt.date]) -> int:
    if date is None:
        return _NO_SESSION
    if not sessions or not sessions[0] <= date <= sessions[-1]:
        return _NO_PLACE
    place = bisect_left(sessions, date)
    return place if sessions[place] == date else _NO_SESSION


def _not_a_session(date: dt.date, sessions: Sequence[dt.date]) -> str:
    place = bisect_left(sessions, date)
    return (
        "the date must be a session of the calendar "
        f"(the nearest are {sessions[place - 1]} and {sessions[place]})"
    )


def _encoded(column: Arrow) -> tuple[list[str], np.ndarray[Any, Any]]:
    """Distinct texts, and for each row the index of its text."""
    encoded = column.combine_chunks().dictionary_encode()
    return encoded.dictionary.to_pylist(), encoded.indices.to_numpy()


def _check_unique(
    name: str,
    table: Arrow,
    order: np.ndarray[Any, Any],
    place_of_row: np.ndarray[Any, Any],
    code_of_row: np.ndarray[Any, Any],
) -> None:
    import numpy as np

    places, codes = place_of_row[order], code_of_row[order]
    same = (places[1:] == places[:-1]) & (codes[1:] == codes[:-1]) & (places[1:] >= 0)
    if not same.any():
        return
    # The sort is stable: of two equal rows the later one in the file stands second.
    at = 1 + int(np.flatnonzero(same)[np.argmin(order[1:][same])])
    row, other = int(order[at]), int(order[at - 1])
    session, symbol = table["session"][row].as_py(), table["symbol"][row].as_py()
    raise InputError(
        file=name,
        row=row + 2,
        value=f"{session} {symbol}",
        rule=f"a symbol must have one close for each session, and row {other + 2} gives one",
        remedy="Remove one of the two rows",
    )
