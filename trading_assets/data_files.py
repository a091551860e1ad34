"""Input files as bytes, digest, portable name and table; the same for CSV, Excel and Parquet.

Cells keep what the file holds: text stays text (CSV is text throughout, so decimals are exact),
Excel and Parquet may also give numbers, dates and None. What a cell means is the caller's business,
with the parsers at the end of this module.
"""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import io
import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from xml.etree.ElementTree import ParseError

import msgspec

from trading_assets.errors import InputError

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?")
_DATE = re.compile(r"(\d{4})-?(\d{2})-?(\d{2})([T ]00:00(:00(\.0+)?)?)?")


class DataFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file's bytes with the `name` to show for it and the SHA-256 of the bytes in hex."""

    name: str
    sha256: str
    content: bytes


class Row(msgspec.Struct, frozen=True):
    """Cells of one line in the order asked for; `number` as a spreadsheet shows it (header: 1)."""

    number: int
    cells: tuple[object, ...]


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """The asked-for columns of a file; rows without any content are left out."""

    name: str
    sha256: str
    rows: tuple[Row, ...]


def portable_name(path: Path) -> str:
    """Name that is the same on every machine: `path` relative to its data directory.

    The data directory is the nearest folder above that holds `portfolios/`; a file that lies
    under none is shown by its bare name.
    """
    for parent in path.absolute().parents:
        if (parent / "portfolios").is_dir():
            return path.absolute().relative_to(parent).as_posix()
    return path.name


def read_file(path: Path, remedy: str) -> DataFile:
    """The whole file; InputError with `remedy` when it is missing, unreadable or has no bytes."""
    name = portable_name(path)
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise InputError(file=name, rule="the file must exist", remedy=remedy) from error
    except OSError as error:
        rule = f"the file must be readable ({error.strerror})"
        raise InputError(file=name, rule=rule, remedy=remedy) from error
    if not content:
        raise InputError(file=name, rule="the file must not be empty", remedy=remedy)
    return DataFile(name=name, sha256=hashlib.sha256(content).hexdigest(), content=content)


def read_table(
    path: Path,
    columns: Sequence[str],
    *,
    sheet: str | None,
    remedy: str,
    optional: Sequence[str] = (),
    may_be_empty: bool = False,
) -> Table:
    """The named `columns` of a .csv, .xlsx or .parquet file (header in the first line), and after
    them those of `optional`, whose cells are None where the file has no such column.

    `sheet` is the Excel worksheet, None for the first; other kinds have none. `remedy` is what to
    do when the file is missing or empty; with `may_be_empty` a header alone will do. Raises
    InputError for a missing, empty, damaged or unknown kind of file, a missing worksheet, a missing
    or repeated column and a line with more cells than the header.
    """
    file = read_file(path, remedy)
    suffix = path.suffix.lower()
    if sheet is not None and suffix != ".xlsx":
        raise InputError(
            file=file.name,
            value=sheet,
            rule="only an Excel workbook has worksheets",
            remedy="Remove `sheet` from the portfolio's settings, or give a .xlsx file",
        )
    if suffix == ".csv":
        lines = _csv_lines(file)
    elif suffix == ".xlsx":
        lines = _excel_lines(file, sheet)
    elif suffix == ".parquet":
        lines = _parquet_lines(file)
    else:
        raise InputError(
            file=file.name,
            value=path.suffix,
            rule="the file's suffix must be .csv, .xlsx or .parquet",
            remedy="Save it in one of these formats",
        )
    rows = tuple(_rows(file.name, lines, columns, optional))
    if not rows and not may_be_empty:
        raise InputError(file=file.name, rule="there must be a row below the header", remedy=remedy)
    return Table(name=file.name, sha256=file.sha256, rows=rows)


def damaged(file: str, kind: str, error: Exception) -> InputError:
    """The error for bytes that are not what the file's suffix says."""
    return InputError(
        file=file,
        rule=f"the file must be readable as {kind} ({error})",
        remedy="Write it again from its source; it is damaged or has the wrong suffix",
    )


def require_columns(file: str, header: Sequence[object], columns: Iterable[str]) -> None:
    """InputError unless each of `columns` is in `header` exactly once."""
    for column in columns:
        if header.count(column) != 1:
            found = ", ".join(str(name) for name in header if not is_blank(name)) or "none"
            raise InputError(
                file=file,
                row=1,
                value=column,
                rule=f"the column must be there exactly once (columns found: {found})",
                remedy="Rename the column in the file, or name it in the portfolio's settings",
            )


def _rows(
    file: str,
    lines: Iterable[Sequence[object]],
    columns: Sequence[str],
    optional: Sequence[str],
) -> Iterator[Row]:
    numbered = enumerate(lines, start=1)
    _, header = next(numbered, (1, ()))
    names = [cell.strip() if isinstance(cell, str) else cell for cell in header]
    there = [column for column in optional if column in names]
    require_columns(file, names, (*columns, *there))
    places = [
        names.index(column) if column in names else len(names) for column in (*columns, *optional)
    ]
    for number, line in numbered:
        if all(is_blank(cell) for cell in line):
            continue
        if any(not is_blank(cell) for cell in line[len(names) :]):
            raise InputError(
                file=file,
                row=number,
                value=line[len(names)],
                rule=f"a row must not have more cells than the header ({len(names)})",
                remedy="Put text that contains a comma in double quotes",
            )
        yield Row(number, tuple(line[i] if i < len(line) else None for i in places))


def _csv_lines(file: DataFile) -> Iterable[Sequence[object]]:
    try:
        text = file.content.decode("utf-8-sig")
        yield from csv.reader(io.StringIO(text, newline=""), strict=True)
    except (UnicodeDecodeError, csv.Error) as error:
        raise damaged(file.name, "CSV in UTF-8", error) from error


def _excel_lines(file: DataFile, sheet: str | None) -> list[Sequence[object]]:
    from openpyxl import load_workbook

    try:
        workbook = load_workbook(io.BytesIO(file.content), read_only=True, data_only=True)
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError, OSError, ParseError) as error:
        raise damaged(file.name, "an Excel workbook", error) from error
    if sheet is not None and sheet not in workbook.sheetnames:
        raise InputError(
            file=file.name,
            value=sheet,
            rule=f"the worksheet must be there (found: {', '.join(workbook.sheetnames)})",
            remedy="Correct `sheet` in the portfolio's settings",
        )
    worksheet = workbook[sheet or workbook.sheetnames[0]]
    try:
        return [tuple(line) for line in worksheet.iter_rows(values_only=True)]
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError, ParseError) as error:
        raise damaged(file.name, "an Excel workbook", error) from error


def _parquet_lines(file: DataFile) -> list[Sequence[object]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(pa.BufferReader(file.content))
    except (pa.ArrowException, OSError) as error:
        raise damaged(file.name, "Parquet", error) from error
    columns = [column.to_pylist() for column in table.columns]
    return [tuple(table.column_names), *zip(*columns, strict=True)]


def is_blank(cell: object) -> bool:
    """True for None, NaN and text of white space: a cell that says nothing."""
    return cell is None or cell != cell or (isinstance(cell, str) and not cell.strip())


def parse_decimal(cell: object) -> Decimal | None:
    """A finite number exactly as written, None when `cell` is no such number.

    A float is taken by its shortest decimal spelling (0.1 is 0.1). Thousands separators, per cent
    signs and truth values are no numbers.
    """
    if isinstance(cell, bool) or not isinstance(cell, str | int | float | Decimal):
        return None
    text = repr(cell) if isinstance(cell, float) else str(cell).strip()
    if not _NUMBER.fullmatch(text):
        return None
    try:
        return Decimal(text)
    except InvalidOperation:
        return None


def parse_date(cell: object) -> dt.date | None:
    """A date, None when `cell` is none: YYYY-MM-DD, YYYYMMDD or a date cell.

    A time of day other than midnight makes it no date, for it would be ambiguous across zones.
    """
    if isinstance(cell, dt.datetime):
        return cell.date() if cell.time() == dt.time() and cell.tzinfo is None else None
    if isinstance(cell, dt.date):
        return cell
    if isinstance(cell, bool) or not isinstance(cell, str | int):
        return None
    found = _DATE.fullmatch(str(cell).strip())
    if found is None:
        return None
    try:
        return dt.date(int(found[1]), int(found[2]), int(found[3]))
    except ValueError:
        return None
