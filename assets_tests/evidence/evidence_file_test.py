"""The evidence of a long book is compressed; what is read from it is the same."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path

import pytest

from trading_assets.errors import EvidenceError
from trading_assets.event_log.chain import GENESIS
from trading_assets.evidence.evidence_file import (
    PLAIN_RECORDS_MAX,
    EvidenceHead,
    Stated,
    evidence_lines,
    evidence_name,
    read_about,
    read_evidence,
    write_evidence,
)
from trading_assets.reporting.monthly_content import Commentary, ProvenanceRow

ABOUT = EvidenceHead(
    version=2,
    portfolio="small",
    month="2024-03",
    software="trading-assets 0.1.0",
    records=0,
    head=GENESIS,
)
STATED = Stated(
    names={"KO": "The Coca-Cola Company"},
    provenance=(ProvenanceRow(label="Report run", value="7d1f"),),
    commentary=Commentary(text="Quiet.\n\nVery quiet.", file="small/2024-03.txt"),
)


def lines() -> list[bytes]:
    return list(evidence_lines(ABOUT, {"id": "small"}, STATED, (), ()))


SHA256 = hashlib.sha256(b"".join(lines())).hexdigest()


def report(sha256: str) -> bytes:
    return b"the report made from " + sha256.encode()


def whole() -> bytes:
    stated = {
        "kind": "end",
        "lines": len(lines()),
        "sha256": SHA256,
        "report_sha256": hashlib.sha256(report(SHA256)).hexdigest(),
    }
    return b"".join(lines()) + json.dumps(stated, separators=(",", ":")).encode() + b"\n"


def test_a_long_book_is_compressed_and_its_name_says_so() -> None:
    assert evidence_name("small", "2024-03", PLAIN_RECORDS_MAX) == "small_2024-03.evidence.jsonl"
    longer = evidence_name("small", "2024-03", PLAIN_RECORDS_MAX + 1)
    assert longer == "small_2024-03.evidence.jsonl.gz"


def test_plain_and_compressed_files_hold_the_same(tmp_path: Path) -> None:
    plain, packed = tmp_path / "a.evidence.jsonl", tmp_path / "a.evidence.jsonl.gz"
    for path in (plain, packed):
        assert write_evidence(path, lines(), report) == report(SHA256)
    assert plain.read_bytes() == whole()
    assert packed.read_bytes()[:2] == b"\x1f\x8b"
    assert gzip.decompress(packed.read_bytes()) == whole()
    for path in (plain, packed):
        found = read_evidence(path.read_bytes())
        assert (found.problems, found.sha256) == ((), SHA256)
        assert found.report_sha256 == hashlib.sha256(report(SHA256)).hexdigest()
        assert (found.about, found.stated) == (ABOUT, STATED)
        assert read_about(path.read_bytes()) == ABOUT
    # Written again it is the same file: no time stands in it.
    before = packed.read_bytes()
    write_evidence(packed, lines(), report)
    assert packed.read_bytes() == before


def test_each_bit_of_what_surrounds_packed_lines_is_looked_at(tmp_path: Path) -> None:
    """Of the ten bytes before the data gzip itself passes over six, and over zeros that follow."""
    packed = tmp_path / "a.evidence.jsonl.gz"
    write_evidence(packed, lines(), report)
    content = packed.read_bytes()
    outside = [*range(2, 10), *range(len(content) - 8, len(content))]
    changed = [
        content[:at] + bytes([content[at] ^ 1 << bit]) + content[at + 1 :]
        for at in outside
        for bit in range(8)
    ]
    for other in [*changed, content + bytes(4), content[:-1]]:
        with pytest.raises(EvidenceError, match="cannot be unpacked"):
            read_evidence(other)


def test_a_bit_of_the_last_line_is_told_wherever_it_changes(tmp_path: Path) -> None:
    """Neither the lines' hash nor the report's covers it: it is compared with what it says."""
    path = tmp_path / "a.evidence.jsonl"
    write_evidence(path, lines(), report)
    content = path.read_bytes()
    for at in range(len(b"".join(lines())), len(content)):
        for bit in range(8):
            other = content[:at] + bytes([content[at] ^ 1 << bit]) + content[at + 1 :]
            try:
                found = read_evidence(other)
            except EvidenceError:
                continue
            stated = found.report_sha256 != hashlib.sha256(report(SHA256)).hexdigest()
            assert found.problems or stated, f"byte {at}, bit {bit}"


def test_a_file_that_cannot_be_made_whole_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "a.evidence.jsonl"
    write_evidence(path, lines(), report)

    def broken() -> list[bytes]:
        raise RuntimeError("the book is gone")

    with pytest.raises(RuntimeError):
        write_evidence(path, (line for line in broken()), report)
    with pytest.raises(RuntimeError):
        write_evidence(path, lines(), lambda _: b"".join(broken()))
    assert path.read_bytes() == whole()
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


def test_another_format_is_refused() -> None:
    head, *rest = whole().splitlines(keepends=True)
    rest[-1] = rest[-1].replace(b"report_sha256", b"what_stood_there")
    with pytest.raises(EvidenceError, match="has format 1, this version reads 2"):
        read_evidence(b"".join([head.replace(b'"version":2', b'"version":1'), *rest]))
