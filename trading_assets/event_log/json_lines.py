"""The book as JSON Lines: one record a line, envelope and event, in the order of the chain.

What is written is what is stored: the event stands in its line byte for byte as its hash was
computed over it. So a file can be checked, and taken into an empty book, by whoever has it, and its
last hash is the head of the book that it came from.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NoReturn

import msgspec

from trading_assets.errors import BookContractError, BookCorruptError, BookVersionError, InputError
from trading_assets.event_log import contracts
from trading_assets.event_log.chain import (
    EMPTY,
    Head,
    Row,
    record_of,
    require_next,
    require_unchanged,
)
from trading_assets.model.events import EventRecord


class RecordLine(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of an export, in the order in which its fields are written."""

    sequence: int
    event_id: str
    event_type: str
    version: int
    portfolio: str
    session: str
    occurred_at: str
    recorded_at: str
    source: str
    correlation_id: str
    causation_id: str
    previous_hash: str
    hash: str
    event: msgspec.Raw


_DECODER = msgspec.json.Decoder(RecordLine)
UNREADABLE_JSON = (msgspec.MsgspecError, UnicodeDecodeError)
"""What decoding raises; bytes that are no UTF-8 are not an error of msgspec's own."""
_ENVELOPE = tuple(name for name in RecordLine.__struct_fields__ if name != "event")


def record_line(row: Row) -> bytes:
    """The line of a stored record, its newline included."""
    envelope = {name: getattr(row, name) for name in _ENVELOPE}
    line = RecordLine(**envelope, event=msgspec.Raw(row.payload.encode()))
    return msgspec.json.encode(line) + b"\n"


def row_of_line(line: bytes) -> Row | None:
    """The record of a line as it stands there, nothing of it checked; None where the line does not
    have the fields of a record."""
    try:
        return _row(_DECODER.decode(line))
    except UNREADABLE_JSON:
        return None


def _row(read: RecordLine) -> Row:
    return Row(
        **{name: getattr(read, name) for name in _ENVELOPE},
        payload=bytes(read.event).decode(errors="replace"),
    )


def record_lines(rows: Iterable[Row], place: str) -> Iterator[bytes]:
    """The lines of stored records; each record is checked before it is written.

    Raises BookCorruptError, naming the book as `place`, at the first record that does not hold or
    whose line does not fit the contract of an exported record.
    """
    for row in rows:
        require_unchanged(row, place)
        line = record_line(row)
        try:
            contracts.check_exported(line)
        except BookContractError as error:
            raise BookCorruptError(
                f"{place}: record {row.sequence} cannot be exported: {error}"
            ) from error
        yield line


def read_record_lines(path: Path, portfolio: str) -> Iterator[tuple[Row, EventRecord]]:
    """The records of an exported book of `portfolio`, first to last, as stored and as events.

    Every line is checked: that it fits the contract of an exported record, its hash, and that it
    follows the one before, from record 1 on. Raises InputError with file, line, value, rule and
    remedy.
    """
    before = EMPTY
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            row, record = _read_line(path, number, line, portfolio, before)
            before = Head(row.sequence, row.hash)
            yield row, record


def _read_line(
    path: Path, number: int, line: bytes, portfolio: str, before: Head
) -> tuple[Row, EventRecord]:
    def refuse(value: object, rule: str) -> NoReturn:
        raise InputError(
            file=str(path),
            row=number,
            value=value,
            rule=rule,
            remedy="Export the book again, or take an unchanged copy of the file",
        )

    try:
        read = _DECODER.decode(line)
        contracts.check_exported(line)
    except UNREADABLE_JSON as error:
        refuse(line[:120].decode(errors="replace"), f"not a record of a book ({error})")
    except BookContractError as error:
        refuse(
            error.value, f"{error.event_type} version {error.version} {error.field} {error.rule}"
        )
    except BookVersionError as error:
        refuse(None, str(error).rstrip("."))
    if read.portfolio != portfolio:
        refuse(read.portfolio, f"the record is not of the book of {portfolio!r}")
    row = _row(read)
    if line != record_line(row):
        refuse(line[:120].decode(errors="replace"), "the line is not written as an export is")
    try:
        require_next(row, before, str(path))
        return row, record_of(row, str(path))
    except BookCorruptError as error:
        refuse(row.hash, str(error).removeprefix(f"{path}: "))
