"""`trading_assets verify`: each figure of a report, recomputed from its evidence alone.

The evidence is folded to the content of the report by the same functions that made it, the report
is laid out again, and three things are compared with it: the text that is printed, the figures that
the report carries in its attachment, and how each page is drawn. The report's file must have the
hash that the evidence states, for what nobody sees of it. The chain of records, the hashes and the
prices of the evidence are checked by themselves.

What it cannot show: that a whole report was made up together with its evidence. For that, compare
the heads with those of earlier reports (`heads`): a book that was made anew does not hold them.
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Collection, Iterator, Sequence
from enum import StrEnum
from importlib.metadata import version

import msgspec

from trading_assets.errors import EvidenceError, LedgerError, OrderTransitionError
from trading_assets.evidence.configuration import settings_of
from trading_assets.evidence.evidence_file import (
    Evidence,
    PriceLine,
    evidence_name,
    price_lines,
    read_about,
    read_evidence,
)
from trading_assets.evidence.month import MADE_WITH, month_of_records, report_content
from trading_assets.evidence.printed import PrintedReport, read_report
from trading_assets.reporting.figures import Figure
from trading_assets.reporting.monthly_content import (
    EvidenceReference,
    MonthlyContent,
)
from trading_assets.reporting.monthly_pdf import render_monthly_pdf, report_figures
from trading_assets.settings import PortfolioSettings

MISSING = "(missing)"
COMMENTARY = "Commentary"
COMPARED_PACKAGES = ("trading-assets", "reportlab")
"""Whose version decides what a report shows, and how."""


class Agreement(StrEnum):
    """AGREES: printed, carried and recomputed are the same. DIFFERS: they are not. STATED: the
    report says it and the evidence repeats it, but no record of the book implies it."""

    AGREES = "agrees"
    DIFFERS = "differs"
    STATED = "stated"


class FigureCheck(msgspec.Struct, frozen=True, kw_only=True):
    """One figure: `figure.text` as recomputed, beside it as printed and as carried."""

    figure: Figure
    printed: str
    embedded: str
    agreement: Agreement


class ReportVerification(msgspec.Struct, frozen=True, kw_only=True):
    """What came out. `problems` are about the files as a whole; `notes` are no problems."""

    portfolio: str
    month: str
    records: int
    head: str
    figures: tuple[FigureCheck, ...]
    problems: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def verified(self) -> bool:
        """True where no figure differs and nothing else was found."""
        return not self.problems and not self.differing

    @property
    def differing(self) -> tuple[FigureCheck, ...]:
        """The figures that do not agree."""
        return tuple(one for one in self.figures if one.agreement is Agreement.DIFFERS)


def verify_report(
    report: bytes, evidence: bytes, heads: Collection[str] = ()
) -> ReportVerification:
    """Recompute a report from its evidence and compare. `heads` are hashes that the book is known
    to have had, as other reports printed them.

    Raises EvidenceError where one of the files is not of its kind; evidence in which something was
    changed beyond reading is a problem.
    """
    printed, about = read_report(report), read_about(evidence)
    try:
        found = read_evidence(evidence)
        settings = settings_of(found.configuration)
    except EvidenceError as error:
        if about is None:
            raise
        # It is evidence, and something in it was changed beyond reading.
        return ReportVerification(
            portfolio=about.portfolio,
            month=about.month,
            records=about.records,
            head=about.head,
            figures=(),
            problems=(f"nothing was recomputed: {error}",),
            notes=(),
        )
    problems = [f"evidence: {problem}" for problem in found.problems]
    problems += [*_file(found, report), *_identity(found, settings, printed)]
    problems += _heads(found, heads)
    try:
        facts = month_of_records(settings, found.about.month, found.records)
    except (LedgerError, OrderTransitionError, AssertionError) as error:
        problems.append(f"the records cannot be booked, so nothing was recomputed: {error}")
        return _verification(found, (), problems, ())
    reference = EvidenceReference(
        file=evidence_name(found.about.portfolio, found.about.month, found.about.records),
        sha256=found.sha256,
        records=found.about.records,
        head=found.about.head,
    )
    content = report_content(settings, facts, found.stated, reference)
    problems += _prices(found, [*price_lines(facts.closed)])
    again = read_report(render_monthly_pdf(content))
    figures = _compared(content, found, printed, again)
    problems += _other_text(figures, printed, again)
    notes = []
    others = _other_versions(found)
    if others:
        notes.append(f"the report was made with {others}; verify it with that where figures differ")
    if printed.drawings != again.drawings:
        where = _drawn_differently(printed, again)
        # Other versions draw otherwise; the text they print is the same.
        (notes if others and printed.pages == again.pages else problems).append(where)
    return _verification(found, figures, problems, notes)


def _verification(
    found: Evidence,
    figures: Sequence[FigureCheck],
    problems: Sequence[str],
    notes: Sequence[str],
) -> ReportVerification:
    return ReportVerification(
        portfolio=found.about.portfolio,
        month=found.about.month,
        records=found.head.sequence,
        head=found.head.hash,
        figures=tuple(figures),
        problems=tuple(problems),
        notes=tuple(notes),
    )


def _heads(found: Evidence, heads: Collection[str]) -> Iterator[str]:
    hashes = {record.hash for record in found.records}
    for head in heads:
        if head not in hashes:
            yield (
                f"the book of this evidence never had the head {head}: it is another book than the "
                "one that this head was printed from, or the evidence ends before it"
            )


def _file(found: Evidence, report: bytes) -> Iterator[str]:
    """Whether the report's file is the one that the evidence was written with."""
    actual = hashlib.sha256(report).hexdigest()
    if found.report_sha256 not in (None, actual):
        yield (
            f"the report's file has the SHA-256 {actual}, the evidence states "
            f"{found.report_sha256}: it is not the file that was made with this evidence"
        )


def _identity(
    found: Evidence, settings: PortfolioSettings, printed: PrintedReport
) -> Iterator[str]:
    """Whether report and evidence say that they belong together."""
    if settings.id != found.about.portfolio:
        yield f"evidence: of {found.about.portfolio}, but its configuration is {settings.id}'s"
    embedded = printed.embedded
    if embedded is None:
        yield f"the report carries no figures that can be read ({MISSING} attachment)"
        return
    if (embedded.portfolio, embedded.month) != (found.about.portfolio, found.about.month):
        yield (
            f"the report is of {embedded.portfolio}, {embedded.month}; the evidence of "
            f"{found.about.portfolio}, {found.about.month}"
        )
    if embedded.evidence_sha256 != found.sha256:
        yield (
            f"the lines of the evidence have the SHA-256 {found.sha256}, the report was made from "
            f"{embedded.evidence_sha256}: one of the two was changed"
        )


def _prices(found: Evidence, expected: Sequence[PriceLine]) -> Iterator[str]:
    """Whether the lines of prices are those of the records."""
    if list(found.prices) == list(expected):
        return
    stated = {(one.session, one.symbol): one for one in found.prices}
    booked = {(one.session, one.symbol): one for one in expected}
    for key in sorted(stated.keys() | booked.keys()):
        here, there = stated.get(key), booked.get(key)
        if here != there:
            session, symbol = key
            told, known = (one.close if one else MISSING for one in (here, there))
            yield (
                f"evidence: the close of {symbol} in {session} is {told} in the line of prices and "
                f"{known} in the book"
            )


def _compared(
    content: MonthlyContent, found: Evidence, printed: PrintedReport, again: PrintedReport
) -> list[FigureCheck]:
    """Each recomputed figure beside the printed and the carried one."""
    figures = report_figures(content)
    shown = _printed_texts(figures, printed, again)
    carried = _embedded_texts(figures, printed)
    stated = {row.label for row in found.stated.provenance}
    checks = []
    for figure, on_page, in_attachment in zip(figures, shown, carried, strict=True):
        same = _squeezed(figure.text) == _squeezed(on_page) and figure.text == in_attachment
        agreement = Agreement.AGREES if same else Agreement.DIFFERS
        if same and (figure.row in stated or figure.section == COMMENTARY):
            agreement = Agreement.STATED
        checks.append(
            FigureCheck(figure=figure, printed=on_page, embedded=in_attachment, agreement=agreement)
        )
    return checks


def _embedded_texts(figures: Sequence[Figure], printed: PrintedReport) -> list[str]:
    """The text that the attachment has for each figure."""
    if printed.embedded is None:
        return [MISSING] * len(figures)
    carried = printed.embedded.figures
    if [_place(one) for one in carried] == [_place(one) for one in figures]:
        return [one.text for one in carried]
    # Rows came or went: the first unused one of the same place is meant.
    by_place: dict[tuple[str, str, str], list[str]] = {}
    for one in carried:
        by_place.setdefault(_place(one), []).append(one.text)
    return [texts.pop(0) if (texts := by_place.get(_place(one))) else MISSING for one in figures]


def _place(figure: Figure) -> tuple[str, str, str]:
    return figure.section, figure.row, figure.column


def _printed_texts(
    figures: Sequence[Figure], printed: PrintedReport, again: PrintedReport
) -> list[str]:
    """The text that the pages have where the report laid out again has each figure."""
    runs = [run for page in again.pages for run in page]
    beside = _beside(again, printed)
    found, at = [], 0
    for figure in figures:
        places = _located(_squeezed(figure.text), runs, at)
        if places is None:
            # In a paragraph that runs over pages: its parts are among the runs, not in a row.
            found.append(figure.text if printed.pages == again.pages else MISSING)
            continue
        at = places.stop
        found.append(" ".join(beside[place] for place in places if beside[place]) or MISSING)
    return found


def _located(text: str, runs: Sequence[str], start: int) -> range | None:
    """The first runs in a row, from `start` on, that together are `text`."""
    for first in range(start, len(runs)):
        rest = text
        for place in range(first, len(runs)):
            part = _squeezed(runs[place])
            if not rest.startswith(part):
                break
            rest = rest[len(part) :]
            if not rest:
                return range(first, place + 1)
    return None


def _squeezed(text: str) -> str:
    return "".join(text.split())


def _beside(expected: PrintedReport, printed: PrintedReport) -> list[str]:
    """For each run of `expected`, in order, what stands in its place in `printed`; "" for none."""
    found: list[str] = []
    for number, page in enumerate(expected.pages):
        other = printed.pages[number] if number < len(printed.pages) else ()
        if len(page) == len(other):
            found += other
            continue
        part = [""] * len(page)
        matcher = difflib.SequenceMatcher(None, page, other, autojunk=False)
        for _, first, last, first_other, last_other in matcher.get_opcodes():
            for at, text in zip(range(first, last), other[first_other:last_other], strict=False):
                part[at] = text
        found += part
    return found


def _other_text(
    figures: Sequence[FigureCheck], printed: PrintedReport, again: PrintedReport
) -> Iterator[str]:
    """Text that differs and is no figure: words, and rows that came or went."""
    told = "".join(
        _squeezed(one.figure.text) for one in figures if one.agreement is Agreement.DIFFERS
    )
    for number in range(max(len(printed.pages), len(again.pages))):
        here = printed.pages[number] if number < len(printed.pages) else ()
        there = again.pages[number] if number < len(again.pages) else ()
        if here == there:
            continue
        matcher = difflib.SequenceMatcher(None, there, here, autojunk=False)
        for tag, first, last, first_here, last_here in matcher.get_opcodes():
            expected, found = " ".join(there[first:last]), " ".join(here[first_here:last_here])
            if tag != "equal" and not (tag == "replace" and _squeezed(expected) in told):
                yield (
                    f"page {number + 1} prints {found or MISSING!r} where the evidence gives "
                    f"{expected or MISSING!r}"
                )


def _drawn_differently(printed: PrintedReport, again: PrintedReport) -> str:
    """Which pages are."""
    pages = [
        str(number + 1)
        for number in range(max(len(printed.drawings), len(again.drawings)))
        if printed.drawings[number : number + 1] != again.drawings[number : number + 1]
    ]
    where = f"pages drawn differently than the evidence gives: {', '.join(pages)}"
    if printed.pages == again.pages:
        where += " (the text is the same: something was drawn over it, or another font put in)"
    return where


def _other_versions(found: Evidence) -> str:
    """What the report was made with and this is not, in words; empty where it is the same."""
    made_with = {
        row.label.removeprefix(MADE_WITH): row.value
        for row in found.stated.provenance
        if row.label.startswith(MADE_WITH)
    }
    return ", ".join(
        f"{package} {made_with[package]}, this is {version(package)}"
        for package in COMPARED_PACKAGES
        if made_with.get(package, version(package)) != version(package)
    )
