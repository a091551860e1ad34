"""A report is verified from its evidence alone, and says what was changed in either."""

from __future__ import annotations

import datetime as dt
import gzip
import hashlib
import io
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from pypdf import PdfReader, PdfWriter
from pypdf.generic import NameObject, StreamObject

from assets_tests.assets.graph_home import END, PORTFOLIO, GraphHome, failures
from trading_assets.errors import EvidenceError
from trading_assets.event_log.chain import record_hash
from trading_assets.event_log.json_lines import record_line, row_of_line
from trading_assets.evidence.evidence_file import write_evidence
from trading_assets.evidence.verification import (
    Agreement,
    FigureCheck,
    ReportVerification,
    verify_report,
)

MONTH = "2024-02"
SHORT = {"start": dt.date(2024, 1, 29), "end": END}
"""Three sessions of January and then February, whose first session trades."""


class Pair(msgspec.Struct, frozen=True):
    """A report and its evidence, as they left the machine."""

    report: bytes
    evidence: bytes

    def lines(self) -> list[bytes]:
        return self.evidence.splitlines(keepends=True)

    def records(self, kind: str) -> list[int]:
        """Numbers of the lines that hold records of a type."""
        wanted = f'"event_type":"{kind}"'.encode()
        return [number for number, line in enumerate(self.lines()) if wanted in line]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """The end of January and the first sessions of February, in which the second signal is
    traded."""
    home = GraphHome(tmp_path_factory.mktemp("home"), sessions=SHORT)
    (home.places.commentary / PORTFOLIO).mkdir(parents=True)
    (home.places.commentary / PORTFOLIO / f"{MONTH}.txt").write_text("We sold AAA at 49.\n")
    assert home.run("2024-01-29", "2024-02-06").success
    return report_of(home)


def report_of(home: GraphHome, month: str = MONTH) -> Pair:
    result = home.report(month)
    assert result.success, failures(result)
    folder = home.places.reports / PORTFOLIO
    return Pair(
        (folder / f"{PORTFOLIO}_{month}.pdf").read_bytes(),
        (folder / f"{PORTFOLIO}_{month}.evidence.jsonl").read_bytes(),
    )


def differing(found: ReportVerification) -> set[tuple[str, str, str]]:
    return {(one.figure.section, one.figure.row, one.figure.column) for one in found.differing}


def figure(found: ReportVerification, section: str, row: str, column: str) -> FigureCheck:
    return next(
        one
        for one in found.figures
        if (one.figure.section, one.figure.row, one.figure.column) == (section, row, column)
    )


def with_line(pair: Pair, number: int, change: Callable[[dict[str, Any]], None]) -> bytes:
    """The evidence with one line changed, written as its maker would have."""
    lines = pair.lines()
    content = json.loads(lines[number])
    change(content)
    lines[number] = json.dumps(content, separators=(",", ":")).encode() + b"\n"
    return b"".join(lines)


def chained_anew(evidence: bytes) -> bytes:
    """The evidence with all hashes computed again over what now stands in it."""
    lines, before = [], None
    for line in evidence.splitlines(keepends=True):
        row = row_of_line(line)
        if row is not None:
            row = row._replace(previous_hash=before or row.previous_hash)
            row = row._replace(hash=record_hash(row))
            before, line = row.hash, record_line(row)
        lines.append(line)
    head = json.loads(lines[0])
    lines[0] = json.dumps(head | {"head": before}, separators=(",", ":")).encode() + b"\n"
    end = json.loads(lines[-1])
    end["sha256"] = hashlib.sha256(b"".join(lines[:-1])).hexdigest()
    return b"".join(lines[:-1]) + json.dumps(end, separators=(",", ":")).encode() + b"\n"


def with_hash_of(pair: Pair, report: bytes) -> bytes:
    """The evidence with the hash of another report put in, as whoever changes a report may."""
    end = json.loads(pair.lines()[-1])
    end["report_sha256"] = hashlib.sha256(report).hexdigest()
    return b"".join(pair.lines()[:-1]) + json.dumps(end, separators=(",", ":")).encode() + b"\n"


def verify_changed(pair: Pair, report: bytes) -> ReportVerification:
    """A changed report: its file's hash is told, and here what else there is to tell."""
    told = verify_report(report, pair.evidence)
    assert any("is not the file that was made with this evidence" in one for one in told.problems)
    return verify_report(report, with_hash_of(pair, report))


def rewritten(report: bytes, change: Callable[[PdfWriter], None]) -> bytes:
    """The report opened in another program, changed and saved."""
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(report)))
    change(writer)
    saved = io.BytesIO()
    writer.write(saved)
    return saved.getvalue()


def drawing(page: int, old: bytes, new: bytes) -> Callable[[PdfWriter], None]:
    """Replaces what is drawn on a page (from 0), the last time that it is."""

    def change(writer: PdfWriter) -> None:
        contents = writer.pages[page].get_contents()
        assert contents is not None
        data = contents.get_data()
        assert old in data
        head, _, tail = data.rpartition(old)
        stream = StreamObject()
        stream.set_data(head + new + tail)
        writer.pages[page][NameObject("/Contents")] = writer._add_object(stream)

    return change


# Nothing was changed


def test_an_unchanged_report_is_verified_figure_by_figure(pair: Pair) -> None:
    found = verify_report(pair.report, pair.evidence)
    assert found.verified
    assert (found.problems, found.notes, found.differing) == ((), (), ())
    assert len(found.figures) > 250
    # The month's return, worked out from the equity that the statement of the book shows.
    assert figure(found, "Header", "Return, month", "").agreement is Agreement.AGREES
    stated = {one.figure.section for one in found.figures if one.agreement is Agreement.STATED}
    assert stated == {"Appendix: provenance", "Commentary"}


def test_the_machine_that_verifies_needs_no_portfolio(pair: Pair, tmp_path: Path) -> None:
    """In an empty folder, with data and state that are not there, through the command line."""
    (tmp_path / "report.pdf").write_bytes(pair.report)
    (tmp_path / "evidence.jsonl").write_bytes(pair.evidence)
    environment = os.environ | {
        "TRADING_ASSETS_DATA": str(tmp_path / "no_data"),
        "TRADING_ASSETS_STATE": str(tmp_path / "no_state"),
    }
    command = Path(sys.executable).with_name("trading_assets")
    done = subprocess.run(
        [command, "verify", "report.pdf", "evidence.jsonl"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "VERIFIED: every figure of the report is what the evidence gives" in done.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["evidence.jsonl", "report.pdf"]


def test_a_report_that_was_saved_anew_is_another_file_that_shows_the_same(pair: Pair) -> None:
    def change(writer: PdfWriter) -> None:
        for page in writer.pages:
            page.compress_content_streams(level=1)

    saved = rewritten(pair.report, change)
    assert saved != pair.report
    (problem,) = verify_report(saved, pair.evidence).problems
    assert "is not the file that was made with this evidence" in problem
    assert verify_changed(pair, saved).verified


def test_no_single_bit_of_the_report_changes_unnoticed(pair: Pair) -> None:
    """In what no page draws as well: titles, dates, the outline, the folds of a viewer.
    EVIDENCE_BITS of them, of places that a seed chooses."""
    title = pair.report.index(b"/Title")
    source = random.Random(7)
    places = [
        source.randrange(len(pair.report)) for _ in range(int(os.environ.get("EVIDENCE_BITS", "3")))
    ]
    for at in (title + 9, len(pair.report) - 1, *places):
        changed = bytearray(pair.report)
        changed[at] ^= 1 << source.randrange(8)
        try:
            found = verify_report(bytes(changed), pair.evidence)
        except EvidenceError:
            continue
        assert not found.verified, f"byte {at}"


def test_no_single_bit_of_the_evidence_changes_unnoticed(pair: Pair) -> None:
    """A bit can make bytes that are no text; EVIDENCE_BITS others, where a seed chooses."""
    source = random.Random(7)
    size = len(pair.evidence)
    places = [
        (source.randrange(size), source.randrange(8))
        for _ in range(int(os.environ.get("EVIDENCE_BITS", "3")))
    ]
    # The highest bit within a hash, a name of the configuration and the last line.
    chosen = [
        pair.evidence.index(word) + 9
        for word in (b'"previous_hash":', b'"initial_cash":', b'"kind":"end"')
    ]
    for at, bit in (*((place, 7) for place in chosen), *places):
        changed = bytearray(pair.evidence)
        changed[at] ^= 1 << bit
        try:
            found = verify_report(pair.report, bytes(changed))
        except EvidenceError:
            # The first line no longer says what the file is.
            assert at < len(pair.lines()[0]), f"byte {at}"
        else:
            assert not found.verified, f"byte {at}, bit {bit}"


# The evidence was changed


def test_one_changed_fill_is_named_by_its_record_and_cannot_be_booked(pair: Pair) -> None:
    """A close states cash and equity, so the session does not close with another fill."""
    number = pair.records("fill")[-1]
    row = row_of_line(pair.lines()[number])
    assert row is not None

    def change(record: dict[str, Any]) -> None:
        record["event"]["price"] = "48.00"

    found = verify_report(pair.report, with_line(pair, number, change))
    assert not found.verified
    text = "\n".join(found.problems)
    assert f"record {row.sequence} (fill of {row.session}) does not match its hash" in text
    assert "the records cannot be booked, so nothing was recomputed" in text
    assert "one of the two was changed" in text


def test_a_changed_fill_with_all_hashes_made_anew_cannot_be_booked_either(pair: Pair) -> None:
    """The chain holds again; what the closes state does not."""

    def change(record: dict[str, Any]) -> None:
        record["event"]["quantity"] = "1"

    forged = chained_anew(with_line(pair, pair.records("fill")[-1], change))
    found = verify_report(pair.report, forged)
    text = "\n".join(found.problems)
    assert "does not match its hash" not in text
    assert "the records cannot be booked" in text
    assert "one of the two was changed" in text


def test_a_book_that_was_made_up_whole_differs_in_head_and_figures(
    pair: Pair, tmp_path: Path
) -> None:
    """Sound in itself, with better fills than there were: not what the report was made from."""
    home = GraphHome(tmp_path, sessions=SHORT, simulation={"slippage_bps": 0})
    assert home.run("2024-01-29", "2024-02-06").success
    found = verify_report(pair.report, report_of(home).evidence)
    assert any("one of the two was changed" in problem for problem in found.problems)
    assert ("Appendix: provenance", "Book head", "Value") in differing(found)
    sections = {one.figure.section for one in found.differing}
    assert {"Header", "Trades", "Statement of the month"} <= sections


def test_one_changed_price_of_the_book_is_named_by_its_record(pair: Pair) -> None:
    number = pair.records("session_closed")[-1]

    def change(record: dict[str, Any]) -> None:
        record["event"]["marks"]["AAA"]["price"] = "51.00"

    found = verify_report(pair.report, with_line(pair, number, change))
    text = "\n".join(found.problems)
    assert "(session_closed of 2024-02-06) does not match its hash" in text


def test_a_changed_close_of_the_benchmark_changes_the_figures_beside_it(pair: Pair) -> None:
    """Nothing else in the book depends on it, so that all can be recomputed."""
    number = pair.records("session_closed")[-1]

    def change(record: dict[str, Any]) -> None:
        record["event"]["benchmark"] = "3000.00"

    found = verify_report(pair.report, with_line(pair, number, change))
    text = "\n".join(found.problems)
    assert "(session_closed of 2024-02-06) does not match its hash" in text
    assert "the close of benchmark in 2024-02-06" in text
    rows = {one.figure.row for one in found.differing if one.figure.column == "Month Benchmark"}
    assert {"Return", "Volatility"} <= rows
    assert not any(one.figure.column == "Month Portfolio" for one in found.differing)


def test_one_changed_line_of_prices_is_named_with_both_closes(pair: Pair) -> None:
    number = next(n for n, line in enumerate(pair.lines()) if b'"symbol":"CCC"' in line)
    told = json.loads(pair.lines()[number])

    def change(price: dict[str, Any]) -> None:
        price["close"] = "99.00"

    found = verify_report(pair.report, with_line(pair, number, change))
    assert not found.verified
    assert any(
        f"the close of CCC in {told['session']} is 99.00 in the line of prices and "
        f"{told['close']} in the book" in problem
        for problem in found.problems
    )


@pytest.mark.parametrize("field", ["hash", "previous_hash"])
def test_one_changed_hash_is_named_by_its_record(pair: Pair, field: str) -> None:
    number = pair.records("fill")[0]
    row = row_of_line(pair.lines()[number])
    assert row is not None

    def change(record: dict[str, Any]) -> None:
        record[field] = record[field][:-1] + ("0" if record[field][-1] != "0" else "1")

    found = verify_report(pair.report, with_line(pair, number, change))
    assert any(f"record {row.sequence} (fill" in problem for problem in found.problems)


@pytest.mark.parametrize(
    ("field", "value"),
    [("recorded_at", "yesterday"), ("event_type", "fall"), ("version", 9), ("event", {})],
)
def test_a_record_that_was_changed_beyond_reading_is_named_by_its_line(
    pair: Pair, field: str, value: object
) -> None:
    number = pair.records("fill")[0]

    def change(record: dict[str, Any]) -> None:
        record[field] = value

    found = verify_report(pair.report, with_line(pair, number, change))
    (problem,) = found.problems
    assert problem.startswith(
        f"nothing was recomputed: line {number + 1} of the evidence cannot be read: "
    )
    assert not found.verified


def test_whatever_single_value_of_the_evidence_is_changed_it_is_not_verified(pair: Pair) -> None:
    """EVIDENCE_SEEDS changes of one value, anywhere in the file, that a seed chooses."""
    lines = pair.lines()
    for seed in range(int(os.environ.get("EVIDENCE_SEEDS", "6"))):
        source = random.Random(seed)
        number = source.randrange(len(lines))
        content = json.loads(lines[number])
        places = list(values_of(content))
        holder, key = source.choice(places)
        before = holder[key]
        holder[key] = not before if isinstance(before, bool) else f"{before}1"
        changed = json.dumps(content, separators=(",", ":")).encode() + b"\n"
        evidence = b"".join([*lines[:number], changed, *lines[number + 1 :]])
        try:
            found = verify_report(pair.report, evidence)
        except EvidenceError:
            # The first line no longer says what the file is.
            assert number == 0, f"seed {seed}"
        else:
            assert not found.verified, f"seed {seed}: {key} of line {number + 1}, {before!r}"


def values_of(node: Any) -> Iterator[tuple[Any, Any]]:
    """Where each single value of parsed JSON stands: what holds it, and under which key."""
    for key, value in node.items() if isinstance(node, dict) else enumerate(node):
        if isinstance(value, dict | list):
            yield from values_of(value)
        else:
            yield node, key


def test_records_that_are_missing_are_noticed(pair: Pair) -> None:
    lines = pair.lines()
    del lines[pair.records("order_accepted")[3]]
    found = verify_report(pair.report, b"".join(lines))
    assert any("is missing" in problem for problem in found.problems)


def test_a_file_that_was_cut_off_or_added_to_is_noticed(pair: Pair) -> None:
    cut = verify_report(pair.report, b"".join(pair.lines()[:-1]))
    assert any("the last line is missing" in problem for problem in cut.problems)
    longer = verify_report(pair.report, pair.evidence + pair.lines()[-2])
    assert any("1 lines follow the last one" in problem for problem in longer.problems)


def test_another_configuration_changes_the_figures_that_follow_from_it(pair: Pair) -> None:
    number = next(n for n, line in enumerate(pair.lines()) if b'"configuration"' in line)

    def change(line: dict[str, Any]) -> None:
        line["settings"]["report"]["risk_free_rate"] = "0.05"

    found = verify_report(pair.report, with_line(pair, number, change))
    assert ("Appendix: provenance", "Configuration", "Value") in differing(found)
    assert any(row == "Sharpe ratio" for _, row, _ in differing(found))


# The report was changed


def test_one_printed_figure_that_was_changed_is_named_and_no_other(pair: Pair) -> None:
    """The equity in the band of the first page, as anybody may edit it."""
    check = figure(verify_report(pair.report, pair.evidence), "Header", "Equity", "")
    text = check.figure.text
    other = "9" + text[1:]
    changed = rewritten(pair.report, drawing(0, f"({text})".encode(), f"({other})".encode()))
    found = verify_changed(pair, changed)
    assert not found.verified
    (only,) = found.differing
    assert (only.figure.section, only.figure.row) == ("Header", "Equity")
    assert (only.figure.text, only.printed, only.embedded) == (text, other, text)


def test_a_figure_that_is_changed_in_the_attachment_alone_is_named(pair: Pair) -> None:
    def change(writer: PdfWriter) -> None:
        content = json.loads(writer.attachments["figures.json"][0])
        place = next(f for f in content["figures"] if f["row"] == "Volatility")
        place["text"] = "0.01%"
        names = writer.root_object["/Names"]["/EmbeddedFiles"]["/Names"]  # type: ignore[index]
        stream = names[1].get_object()["/EF"]["/F"].get_object()
        stream.set_data(json.dumps(content).encode())

    found = verify_changed(pair, rewritten(pair.report, change))
    (only,) = found.differing
    assert (only.figure.row, only.embedded) == ("Volatility", "0.01%")
    assert only.printed == only.figure.text


def test_words_that_were_changed_are_shown_with_their_page(pair: Pair) -> None:
    changed = rewritten(pair.report, drawing(0, b"hypothetical", b"audited real"))
    found = verify_changed(pair, changed)
    assert any(
        "page 1 prints 'Simulated: audited real performance' where the evidence gives "
        "'Simulated: hypothetical performance'" in problem
        for problem in found.problems
    )


def test_what_is_drawn_over_the_text_is_noticed(pair: Pair) -> None:
    """The text below is untouched, and a reader would not see it."""

    def cover(writer: PdfWriter) -> None:
        contents = writer.pages[1].get_contents()
        assert contents is not None
        stream = StreamObject()
        stream.set_data(contents.get_data() + b"\nq 1 1 1 rg 50 400 500 200 re f Q\n")
        writer.pages[1][NameObject("/Contents")] = writer._add_object(stream)

    found = verify_changed(pair, rewritten(pair.report, cover))
    assert found.differing == ()
    (problem,) = found.problems
    assert problem.startswith("pages drawn differently than the evidence gives: 2 (the text is")


def test_a_page_that_was_taken_out_is_noticed(pair: Pair) -> None:
    def change(writer: PdfWriter) -> None:
        writer.remove_page(1)

    found = verify_changed(pair, rewritten(pair.report, change))
    assert found.differing
    assert any("drawn differently" in problem for problem in found.problems)


# Report and evidence do not belong together


def test_evidence_of_another_month_is_not_this_reports(pair: Pair, tmp_path: Path) -> None:
    home = GraphHome(tmp_path)
    assert home.run("2024-01-02", "2024-01-04").success
    other = report_of(home, "2024-01")
    assert verify_report(other.report, other.evidence).verified
    found = verify_report(pair.report, other.evidence)
    assert any(
        "the report is of alpha, 2024-02; the evidence of alpha, 2024-01" in one
        for one in found.problems
    )


def test_a_head_that_an_earlier_report_printed_must_be_in_the_chain(pair: Pair) -> None:
    earlier = [row_of_line(pair.lines()[n]) for n in pair.records("session_closed")][3]
    assert earlier is not None
    assert verify_report(pair.report, pair.evidence, [earlier.hash]).verified
    found = verify_report(pair.report, pair.evidence, ["ab" * 32])
    assert found.problems[0].startswith(f"the book of this evidence never had the head {'ab' * 32}")


# Other books


def test_a_restated_book_is_verified_with_what_it_superseded(tmp_path: Path) -> None:
    """The signal file is corrected after the fact: the evidence has both histories."""
    home = GraphHome(tmp_path)
    assert home.run("2024-01-02", "2024-01-04").success
    home.write_signals({"2023-12-29": {"AAA": 0.2, "BBB": 0.3, "CCC": 0.5}})
    assert home.run("2024-01-03", "2024-01-04").success
    restated = report_of(home, "2024-01")
    assert restated.records("book_restated")
    assert verify_report(restated.report, restated.evidence).verified


def test_a_month_in_which_nothing_closed_yet_is_verified_as_such(tmp_path: Path) -> None:
    empty = report_of(GraphHome(tmp_path), "2024-01")
    found = verify_report(empty.report, empty.evidence)
    assert found.verified
    assert found.records == 0


def test_other_software_than_the_report_was_made_with_is_named(pair: Pair) -> None:
    """The evidence states the versions; figures may differ for no other reason."""
    number = next(n for n, line in enumerate(pair.lines()) if b"Version of trading-assets" in line)

    def change(line: dict[str, Any]) -> None:
        line["value"] = "0.0.1"

    found = verify_report(pair.report, with_line(pair, number, change))
    (note,) = found.notes
    assert note.startswith("the report was made with trading-assets 0.0.1, this is ")


def test_packed_evidence_is_read_as_it_is(pair: Pair, tmp_path: Path) -> None:
    """The report states the hash of its lines; packed by another program it is not what was
    made."""
    path = tmp_path / "a.gz"
    write_evidence(path, pair.lines()[:-1], lambda _: pair.report)
    packed = path.read_bytes()
    assert verify_report(pair.report, packed).verified
    (cut,) = verify_report(pair.report, packed[:-20]).problems
    assert "cannot be unpacked (its end is missing)" in cut
    (other,) = verify_report(pair.report, gzip.compress(pair.evidence, mtime=1)).problems
    assert "it was packed by another program" in other


# No files of ours


@pytest.mark.parametrize("content", [b"", b"not a pdf", b"%PDF-1.4\nnothing"])
def test_what_is_no_pdf_is_refused(pair: Pair, content: bytes) -> None:
    with pytest.raises(EvidenceError, match="cannot be read as a PDF"):
        verify_report(content, pair.evidence)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no evidence of a report"),
        (b"hello\n", "line 1 of the evidence cannot be read"),
        (b'{"sequence":1}\n', "line 1 of the evidence is no record of a book"),
        (b"\x1f\x8bnot gzip", "cannot be unpacked"),
        (b'{"kind":"names","names":{}}\n', "no evidence of a report"),
    ],
)
def test_what_is_no_evidence_is_refused(pair: Pair, content: bytes, words: str) -> None:
    with pytest.raises(EvidenceError, match=words):
        verify_report(pair.report, content)
