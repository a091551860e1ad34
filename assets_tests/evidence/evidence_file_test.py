"""The evidence of a long book is compressed; what is read from it is the same."""

from __future__ import annotations

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
    version=1,
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


def test_a_long_book_is_compressed_and_its_name_says_so() -> None:
    assert evidence_name("small", "2024-03", PLAIN_RECORDS_MAX) == "small_2024-03.evidence.jsonl"
    longer = evidence_name("small", "2024-03", PLAIN_RECORDS_MAX + 1)
    assert longer == "small_2024-03.evidence.jsonl.gz"


def test_plain_and_compressed_files_hold_the_same(tmp_path: Path) -> None:
    plain, packed = tmp_path / "a.evidence.jsonl", tmp_path / "a.evidence.jsonl.gz"
    digests = {path: write_evidence(path, lines()) for path in (plain, packed)}
    assert plain.read_bytes() == b"".join(lines())
    assert packed.read_bytes()[:2] == b"\x1f\x8b"
    for path, digest in digests.items():
        found = read_evidence(path.read_bytes())
        assert (found.problems, found.sha256) == ((), digest)
        assert (found.about, found.stated) == (ABOUT, STATED)
        assert read_about(path.read_bytes()) == ABOUT
    # Written again it is the same file: no time stands in it.
    assert write_evidence(packed, lines()) == digests[packed]


def test_a_file_that_cannot_be_made_whole_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "a.evidence.jsonl"
    write_evidence(path, lines())

    def broken() -> list[bytes]:
        raise RuntimeError("the book is gone")

    with pytest.raises(RuntimeError):
        write_evidence(path, (line for line in broken()))
    assert path.read_bytes() == b"".join(lines())
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


def test_another_format_is_refused() -> None:
    head, *rest = lines()
    with pytest.raises(EvidenceError, match="has format 2, this version reads 1"):
        read_evidence(b"".join([head.replace(b'"version":1', b'"version":2'), *rest]))
