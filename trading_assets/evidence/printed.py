"""What a report really shows: its text in the order in which it is drawn, and how it is drawn.

Text can be covered by a drawing, and the same text can be drawn with other shapes. So beside the
text each page is compared by everything that a viewer draws from: its content, fonts, images and
annotations, decoded, whatever compression a machine chose.
"""

from __future__ import annotations

import hashlib
import io
from typing import Any

import msgspec
from pypdf import PdfReader
from pypdf.errors import PyPdfError
from pypdf.generic import (
    ArrayObject,
    ContentStream,
    DictionaryObject,
    IndirectObject,
    StreamObject,
)

from trading_assets.errors import EvidenceError
from trading_assets.reporting.figures import ATTACHMENT, EmbeddedFigures

_NOT_DRAWN = {"/Parent", "/P", "/Length", "/Filter", "/DecodeParms"}


class PrintedReport(msgspec.Struct, frozen=True, kw_only=True):
    """A report as read from its file.

    `pages` holds for each page its runs of text, in the order of drawing, without white space at
    their ends; `drawings` a digest of each page. `embedded` is None where the report carries no
    figures, or none that can be read.
    """

    pages: tuple[tuple[str, ...], ...]
    drawings: tuple[str, ...]
    embedded: EmbeddedFigures | None


def read_report(content: bytes) -> PrintedReport:
    """Read a PDF; EvidenceError where it is none."""
    try:
        reader = PdfReader(io.BytesIO(content))
        pages = tuple(_runs(page) for page in reader.pages)
        drawings = tuple(_drawing(page) for page in reader.pages)
        attached = reader.attachments.get(ATTACHMENT, [])
    except (PyPdfError, ValueError, KeyError, AttributeError) as error:
        raise EvidenceError(
            f"the report cannot be read as a PDF ({error}). Give the file as it was made."
        ) from error
    return PrintedReport(pages=pages, drawings=drawings, embedded=_embedded(attached))


def _runs(page: Any) -> tuple[str, ...]:
    runs: list[str] = []

    def visit(text: str, *_: Any) -> None:
        if text.strip():
            runs.append(text.strip())

    page.extract_text(visitor_text=visit)
    return tuple(runs)


def _embedded(attached: Any) -> EmbeddedFigures | None:
    content = attached[0] if isinstance(attached, list) and attached else attached
    if not isinstance(content, bytes):
        return None
    try:
        return msgspec.json.decode(content, type=EmbeddedFigures)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def _drawing(page: Any) -> str:
    digest = hashlib.sha256()
    _feed(digest, page, [])
    return digest.hexdigest()


def _feed(digest: Any, value: Any, within: list[int]) -> None:
    """Feed everything that hangs on `value` in a form that does not depend on numbering and
    compression; a reference back to what it hangs on itself is passed over."""
    if isinstance(value, IndirectObject):
        if value.idnum in within:
            return
        within = [*within, value.idnum]
        value = value.get_object()
    if isinstance(value, StreamObject | ContentStream):
        digest.update(b"stream" + value.get_data())
    if isinstance(value, DictionaryObject):
        for key in sorted(set(value) - _NOT_DRAWN):
            digest.update(f"key {key}".encode())
            _feed(digest, value.raw_get(key), within)
    elif isinstance(value, ArrayObject):
        digest.update(f"array {len(value)}".encode())
        for each in list.__iter__(value):
            _feed(digest, each, within)
    else:
        digest.update(repr(value).encode())
