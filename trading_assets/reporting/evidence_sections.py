"""End of the monthly report: what vouches for its figures."""

from __future__ import annotations

from reportlab.lib.units import mm
from reportlab.platypus import Flowable

from trading_assets.reporting.monthly_content import EVIDENCE_SUFFIX, MonthlyContent
from trading_assets.reporting.number_format import UNDEFINED, money
from trading_assets.reporting.sections import headed, nothing, together, words
from trading_assets.reporting.styles import ALERT, BODY, CONTENT_WIDTH, SMALL, SUBSECTION, paragraph
from trading_assets.reporting.tables import Column, Kind, TableSpec, data_table


def evidence_part(content: MonthlyContent) -> list[Flowable]:
    """Reconciliation to provenance, in the order of the page."""
    return [
        *_reconciliation(content),
        *_notes(content),
        *_definitions(content),
        *_provenance(content),
        *_disclaimer(content),
    ]


def _reconciliation(content: MonthlyContent) -> list[Flowable]:
    title = "Reconciliation"
    found = content.reconciliation
    if found is None:
        return together(title, [nothing("No reconciliation is on record for this month.")])
    whole = found.sessions_closed == found.sessions_expected
    closed = f"{found.sessions_closed} of {found.sessions_expected} sessions of the month closed."
    body: list[Flowable] = [paragraph(closed, BODY if whole else ALERT)]
    if found.missing_sessions:
        days = ", ".join(day.isoformat() for day in found.missing_sessions)
        body.append(paragraph(f"Not closed: {days}.", ALERT))
    if found.breaks:
        body.append(paragraph(f"Unexplained breaks: {found.breaks}.", ALERT))
    else:
        body.append(paragraph("Every difference found is explained; unexplained: 0.", BODY))
    if not found.gaps:
        body.append(nothing("No differences were found."))
        return together(title, body)
    rows = tuple(
        (
            words(gap.view),
            words(gap.cause.value),
            f"{gap.count:,}",
            money(gap.amount, signed=True),
        )
        for gap in found.gaps
    )
    spec = TableSpec(
        columns=(
            Column("Comparison", Kind.TEXT, 80),
            Column("Cause", Kind.TEXT, 80),
            Column("Findings"),
            Column(f"Amount, {content.currency}"),
        ),
        rows=rows,
        width=CONTENT_WIDTH * 0.8,
    )
    note = "Amounts are signed sums over the month; a cause can occur and sum to 0.00."
    return headed(title, [*body, data_table(spec), paragraph(note, SMALL)], room=60 * mm)


def _notes(content: MonthlyContent) -> list[Flowable]:
    if not content.notes:
        return together("Notes on the data", [nothing("There are no notes on this month.")])
    body: list[Flowable] = [
        paragraph(f"{number}.  {note}", BODY) for number, note in enumerate(content.notes, 1)
    ]
    return headed("Notes on the data", body, room=28 * mm)


def _definitions(content: MonthlyContent) -> list[Flowable]:
    if not content.definitions:
        return together("Definitions", [nothing("No conventions are on record.")])
    spec = TableSpec(
        columns=(Column("Metric", Kind.TEXT, 90), Column("Convention", Kind.TEXT, 90)),
        rows=tuple((entry.metric, entry.convention) for entry in content.definitions),
    )
    return headed("Definitions", [data_table(spec)])


def _provenance(content: MonthlyContent) -> list[Flowable]:
    head = content.book_head_hash or UNDEFINED
    evidence = content.evidence
    rows = (
        ("Book head", head),
        ("Book head sequence", f"{content.book_head_sequence}"),
        *(
            (
                ("Evidence file", evidence.file),
                ("Evidence SHA-256", evidence.sha256),
                ("Evidence records", f"{evidence.records}"),
                ("Evidence head", evidence.head or UNDEFINED),
            )
            if evidence is not None
            else ()
        ),
        *((entry.label, entry.value) for entry in content.provenance),
    )
    spec = TableSpec(
        columns=(Column("Source", Kind.TEXT, 110), Column("Value", Kind.CODE, 150)), rows=rows
    )
    body: list[Flowable] = [paragraph(content.prepared_from, BODY)] if content.prepared_from else []
    if evidence is not None:
        how = f"trading_assets verify {evidence.file.partition(EVIDENCE_SUFFIX)[0]}.pdf"
        body.append(
            paragraph(
                "Whoever has this report and its evidence file can recompute every figure, without "
                f"access to the portfolio: {how} {evidence.file}",
                BODY,
            )
        )
    body.append(data_table(spec))
    return headed("Appendix: provenance", body)


def _disclaimer(content: MonthlyContent) -> list[Flowable]:
    if not content.disclaimer:
        return []
    return [
        paragraph("Important information", SUBSECTION),
        paragraph(content.disclaimer, SMALL),
    ]
