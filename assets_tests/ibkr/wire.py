"""The wire of TWS and IB Gateway: frames of NUL-terminated fields behind a four-byte length.

A client opens with `API\\0` and a frame that names the protocol versions it speaks; the server
answers with the version it chose and its time. From there on both sides send frames whose first
field is the number of the message.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Iterable
from decimal import Decimal

Field = str | int | float | bool | Decimal | None

GREETING = b"API\0"
_LENGTH = struct.Struct(">I")
_LONGEST = 1 << 20


def text(field: Field) -> str:
    """A field as it is written: booleans 0 and 1, nothing for None, decimals never as 1E+2."""
    if field is None:
        return ""
    if isinstance(field, bool):
        return "1" if field else "0"
    if isinstance(field, Decimal):
        return f"{field:f}"
    return str(field)


def frame(fields: Iterable[Field]) -> bytes:
    """One message."""
    content = "".join(f"{text(field)}\0" for field in fields).encode()
    return _LENGTH.pack(len(content)) + content


async def read_frame(reader: asyncio.StreamReader) -> bytes:
    """The next frame's content; IncompleteReadError when the connection ends first."""
    (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
    assert length < _LONGEST, f"a frame of {length} bytes"
    return await reader.readexactly(length)


def fields_of(content: bytes) -> list[str]:
    """A frame's fields."""
    return content.decode().split("\0")[:-1]


class Cursor:
    """Reads the fields of a request in their order."""

    def __init__(self, fields: list[str], start: int = 0) -> None:
        self._fields = fields
        self._place = start

    def text(self) -> str:
        """The next field."""
        self._place += 1
        return self._fields[self._place - 1]

    def whole(self) -> int:
        """The next field as a number, 0 where it is empty."""
        return int(self.text() or 0)

    def decimal(self) -> Decimal | None:
        """The next field as a decimal, None where it is empty."""
        found = self.text()
        return Decimal(found) if found else None

    def flag(self) -> bool:
        """The next field as a boolean."""
        return self.text() in ("1", "True", "true")

    def skip(self, count: int) -> None:
        """Passes over fields that do not matter."""
        self._place += count
