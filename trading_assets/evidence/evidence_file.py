"""The evidence of a month's report as a file: JSON Lines.

Problem: whoever has the report must be able to recompute it without the portfolio, and see whether
anything was changed since.

Choice: the book's chain from its first record to the last that the report shows, line by line as
`book export` writes it. Returns since inception, lots and round trips need all of it. Rejected: a
checkpoint at the month's beginning. It is shorter, but a reader cannot recompute what stands in it,
however it is hashed, and the figures of all earlier months would be taken on trust.

Before the records stand what the report takes from elsewhere: the configuration, instruments'
names, the commentary, provenance; and the closing prices of the month, one a line, so that they can
be compared with any other source. They are in the records too.

The last line has the SHA-256 of all lines before it, which the report prints, and the SHA-256 of
the report's file: neither contains its own hash, and a bit that changes in either is told.
"""

from __future__ import annotations

import datetime as dt
import gzip
import hashlib
import io
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from trading_assets.atomic_file import replace_file_by_parts
from trading_assets.errors import (
    BookContractError,
    BookCorruptError,
    BookVersionError,
    EvidenceError,
)
from trading_assets.event_log.chain import (
    EMPTY,
    Head,
    Row,
    require_next,
    require_unchanged,
    unchecked_record,
)
from trading_assets.event_log.json_lines import UNREADABLE_JSON, record_line, row_of_line
from trading_assets.ledger.history import ClosedSession
from trading_assets.model.events import EventRecord
from trading_assets.reporting.monthly_content import EVIDENCE_SUFFIX, Commentary, ProvenanceRow

VERSION = 2
PLAIN_RECORDS_MAX = 20_000
"""A longer book's evidence is compressed: it would be some hundred megabytes a month."""
BENCHMARK = "benchmark"


class _Line(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind"):
    """A line that is no record of the book."""


class EvidenceHead(_Line, frozen=True, kw_only=True, tag="evidence"):
    """The first line: what it is the evidence of, and where the chain in it ends."""

    version: int
    portfolio: str
    month: str
    software: str
    records: int
    head: str


class Configuration(_Line, frozen=True, kw_only=True, tag="configuration"):
    """The portfolio's settings, without folders."""

    settings: dict[str, Any]


class Names(_Line, frozen=True, kw_only=True, tag="names"):
    """Instruments' names by symbol."""

    names: dict[str, str]


class Provenance(_Line, frozen=True, kw_only=True, tag="provenance"):
    """Where a part of the report comes from: stated, for the records do not say it."""

    label: str
    value: str


class WrittenCommentary(_Line, frozen=True, kw_only=True, tag="commentary"):
    """The month's commentary."""

    file: str
    text: str


class PriceLine(_Line, frozen=True, kw_only=True, tag="price"):
    """A closing price that positions were valued at in `session`: money a share, the close of
    `price_session`. `symbol` is BENCHMARK for the benchmark's close."""

    session: dt.date
    symbol: str
    close: Decimal
    price_session: dt.date
    source: str


class EvidenceEnd(_Line, frozen=True, kw_only=True, tag="end"):
    """The last line: how many lines there are before it, their SHA-256, and that of the report."""

    lines: int
    sha256: str
    report_sha256: str


AnyLine = (
    EvidenceHead | Configuration | Names | Provenance | WrittenCommentary | PriceLine | EvidenceEnd
)
_GZIP = b"\x1f\x8b"
_GZIP_HEADER = _GZIP + b"\x08" + bytes(5) + b"\x04\xff"
"""Deflated, no name, no time, fastest, of no particular system (RFC 1952, 2.3)."""
_DECODER: msgspec.json.Decoder[AnyLine] = msgspec.json.Decoder(AnyLine)
_ENCODER = msgspec.json.Encoder(decimal_format="string", order="deterministic")


class Stated(msgspec.Struct, frozen=True, kw_only=True):
    """What a report shows that is in no record of the book."""

    names: dict[str, str]
    provenance: tuple[ProvenanceRow, ...]
    commentary: Commentary | None


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """An evidence file as it was read. `problems` are what shows that it was changed, each naming
    its line or record; `sha256` is of all lines before the last, `report_sha256` what that one
    states of the report (None where it is missing), `head` that of the last record in it."""

    about: EvidenceHead
    configuration: dict[str, Any]
    stated: Stated
    prices: tuple[PriceLine, ...]
    records: tuple[EventRecord, ...]
    head: Head
    sha256: str
    report_sha256: str | None
    problems: tuple[str, ...]


def price_lines(closed: Sequence[ClosedSession]) -> Iterator[PriceLine]:
    """The prices at which sessions' positions and their benchmark were valued, in order."""
    for one in closed:
        for symbol in sorted(one.close.positions):
            mark = one.close.marks[symbol]
            yield PriceLine(
                session=one.session,
                symbol=symbol,
                close=mark.price,
                price_session=mark.session,
                source=mark.source,
            )
        if one.close.benchmark is not None:
            yield PriceLine(
                session=one.session,
                symbol=BENCHMARK,
                close=one.close.benchmark,
                price_session=one.session,
                source="the session's close in the book",
            )


def evidence_lines(
    about: EvidenceHead,
    configuration: dict[str, Any],
    stated: Stated,
    prices: Iterable[PriceLine],
    rows: Iterable[Row],
) -> Iterator[bytes]:
    """The lines of an evidence file but for the last. `rows` are the book's records up to the head
    that `about` names; BookCorruptError where one of them does not hold."""
    lines: list[_Line] = [
        about,
        Configuration(settings=configuration),
        Names(names=stated.names),
        *(Provenance(label=row.label, value=row.value) for row in stated.provenance),
    ]
    if stated.commentary is not None:
        lines.append(WrittenCommentary(file=stated.commentary.file, text=stated.commentary.text))

    for line in (*lines, *prices):
        yield _ENCODER.encode(line) + b"\n"
    for row in rows:
        require_unchanged(row, about.portfolio)
        yield record_line(row)


def evidence_name(portfolio: str, month: str, records: int) -> str:
    """What the evidence of a month is called; that of a long book is compressed."""
    packed = ".gz" if records > PLAIN_RECORDS_MAX else ""
    return f"{portfolio}_{month}{EVIDENCE_SUFFIX}{packed}"


def write_evidence(path: Path, lines: Iterable[bytes], report: Callable[[str], bytes]) -> bytes:
    """Write an evidence file, whole or not at all, durably, and give the report that it is of.

    `lines` are all but the last. `report` takes their SHA-256, which it prints, and gives the file
    whose SHA-256 the last line states. Compressed with gzip where the name ends in .gz.
    """
    made = b""

    def whole() -> Iterator[bytes]:
        nonlocal made
        digest, count = hashlib.sha256(), 0
        for line in lines:
            digest.update(line)
            count += 1
            yield line
        made = report(digest.hexdigest())
        end = EvidenceEnd(
            lines=count,
            sha256=digest.hexdigest(),
            report_sha256=hashlib.sha256(made).hexdigest(),
        )
        yield _ENCODER.encode(end) + b"\n"

    replace_file_by_parts(path, _packed(whole()) if path.suffix == ".gz" else whole())
    return made


def _packed(lines: Iterable[bytes]) -> Iterator[bytes]:
    packed = io.BytesIO()
    # Fast rather than small: what is repeated from plan to plan goes either way.
    with gzip.GzipFile("", "wb", compresslevel=1, fileobj=packed, mtime=0) as file:
        for line in lines:
            file.write(line)
            yield packed.getvalue()
            packed.seek(0)
            packed.truncate()
    yield packed.getvalue()


def _unpacked(content: bytes) -> bytes:
    """What was packed; the frame around it is checked as well, of which gzip itself passes over
    times, names and what follows. EvidenceError for a frame of another make."""
    try:
        decompressor = zlib.decompressobj(wbits=31)
        unpacked = decompressor.decompress(content)
    except zlib.error as error:
        raise _not_unpacked(str(error)) from error
    if not decompressor.eof:
        raise _not_unpacked("its end is missing")
    if not content.startswith(_GZIP_HEADER) or decompressor.unused_data:
        raise _not_unpacked("it was packed by another program, or something was added")
    return unpacked


def _not_unpacked(why: str) -> EvidenceError:
    return EvidenceError(
        f"the evidence cannot be unpacked ({why}): it was cut off or changed. Give the file as it "
        "was made."
    )


def read_evidence(content: bytes) -> Evidence:
    """An evidence file, plain or compressed.

    What was changed in it is said in `problems`, and the rest is read as it stands, so that one can
    see what the change does to the figures. Raises EvidenceError for what cannot be read at all:
    other files, lines that are no JSON, records without a known shape.
    """
    return _Reader(_unpacked(content) if content.startswith(_GZIP) else content).read()


def read_about(content: bytes) -> EvidenceHead | None:
    """The first line of an evidence file, whatever follows it; None for any other file."""
    if content.startswith(_GZIP):
        try:
            with gzip.open(io.BytesIO(content)) as unpacked:
                content = unpacked.readline()
        except (OSError, EOFError, zlib.error):
            return None
    try:
        line = _DECODER.decode(content.partition(b"\n")[0])
    except UNREADABLE_JSON:
        return None
    return line if isinstance(line, EvidenceHead) else None


def _require_format(about: EvidenceHead) -> None:
    """Before any line of another format is read."""
    if about.version != VERSION:
        raise EvidenceError(
            f"the evidence has format {about.version}, this version reads {VERSION}. Verify with "
            "the version of trading-assets that the report names."
        )


class _Reader:
    """One pass over the lines."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.sha256 = ""
        self.problems: list[str] = []
        self.records: list[EventRecord] = []
        self.head = EMPTY
        self.others: list[_Line] = []

    def read(self) -> Evidence:
        lines = self.content.splitlines(keepends=True)
        digest = hashlib.sha256()
        for number, line in enumerate(lines, start=1):
            if line.startswith(b'{"sequence"'):
                self._record(number, line)
            else:
                decoded = self._line(number, line)
                if isinstance(decoded, EvidenceHead):
                    _require_format(decoded)
                self.others.append(decoded)
                if isinstance(decoded, EvidenceEnd):
                    self._end(decoded, line, number, digest.hexdigest())
                    if number != len(lines):
                        self.problems.append(f"{len(lines) - number} lines follow the last one")
                    break
            digest.update(line)
        self.sha256 = digest.hexdigest()
        if not self.others or not isinstance(self.others[-1], EvidenceEnd):
            self.problems.append("the last line is missing: the file was cut off")
        return self._evidence()

    def _line(self, number: int, line: bytes) -> AnyLine:
        try:
            return _DECODER.decode(line)
        except UNREADABLE_JSON as error:
            raise EvidenceError(
                f"line {number} of the evidence cannot be read ({error}). Give the evidence file "
                "that lies beside the report, unchanged."
            ) from error

    def _end(self, end: EvidenceEnd, line: bytes, number: int, digest: str) -> None:
        if line != _ENCODER.encode(end) + b"\n":
            self.problems.append("the last line is not written as it was made")
        if end.lines != number - 1:
            self.problems.append(f"{end.lines} lines were written, {number - 1} are there")
        if end.sha256 != digest:
            self.problems.append(
                "the lines do not have the SHA-256 that the last one states: the file was changed "
                "after it was written"
            )

    def _record(self, number: int, line: bytes) -> None:
        row = row_of_line(line)
        if row is None:
            raise EvidenceError(
                f"line {number} of the evidence is no record of a book. Give the evidence file "
                "that lies beside the report, unchanged."
            )
        place = f"line {number}"
        for check in (require_unchanged, lambda one, where: require_next(one, self.head, where)):
            try:
                check(row, place)
            except BookCorruptError as error:
                self.problems.append(str(error).split(" Restore")[0])
        self.head = Head(row.sequence, row.hash)
        try:
            self.records.append(unchecked_record(row))
        except (BookContractError, BookVersionError, ValueError) as error:
            raise EvidenceError(f"{place} of the evidence cannot be read: {error}") from error

    def _evidence(self) -> Evidence:
        about = next((one for one in self.others if isinstance(one, EvidenceHead)), None)
        configuration = next((one for one in self.others if isinstance(one, Configuration)), None)
        if about is None or configuration is None:
            raise EvidenceError(
                "the file has no line of kind `evidence` or none of kind `configuration`: it is no "
                "evidence of a report. Give the file ending in .evidence.jsonl beside the PDF."
            )
        if (self.head.sequence, self.head.hash) != (about.records, about.head):
            self.problems.append(
                f"the records end at {self.head.sequence} with hash {self.head.hash}, stated are "
                f"{about.records} and {about.head}"
            )
        written = next((one for one in self.others if isinstance(one, WrittenCommentary)), None)
        end = self.others[-1]
        return Evidence(
            about=about,
            configuration=configuration.settings,
            stated=Stated(
                names=next((one.names for one in self.others if isinstance(one, Names)), {}),
                provenance=tuple(
                    ProvenanceRow(label=one.label, value=one.value)
                    for one in self.others
                    if isinstance(one, Provenance)
                ),
                commentary=None
                if written is None
                else Commentary(text=written.text, file=written.file),
            ),
            prices=tuple(one for one in self.others if isinstance(one, PriceLine)),
            records=tuple(self.records),
            head=self.head,
            sha256=self.sha256,
            report_sha256=end.report_sha256 if isinstance(end, EvidenceEnd) else None,
            problems=tuple(self.problems),
        )
