"""End of the monthly report: what vouches for its figures."""

from __future__ import annotations

from reportlab.lib.units import mm
from reportlab.platypus import Flowable

from trading_assets.model.result import GapCause
from trading_assets.reporting.monthly_content import EVIDENCE_SUFFIX, MonthlyContent
from trading_assets.reporting.number_format import (
    NOT_APPLICABLE,
    UNDEFINED,
    decimals_of,
    fixed,
    money,
)
from trading_assets.reporting.sections import headed, nothing, together, words
from trading_assets.reporting.styles import ALERT, BODY, SMALL, SUBSECTION, paragraph
from trading_assets.reporting.tables import Column, Kind, TableSpec, data_table

CAUSES = {
    GapCause.ROUNDING: "Whole shares, or the decimals that an order may have.",
    GapCause.MINIMUM_NOTIONAL: "The order would have been smaller than the smallest one allowed.",
    GapCause.NO_TRADE_BAND: "The weight was close enough to its target to be left alone.",
    GapCause.BETWEEN_REBALANCES: "The session is not one on which the portfolio trades.",
    GapCause.CASH_OVERFLOW: "Purchases were reduced to the cash that there was.",
    GapCause.CASH_BUFFER: "The part of equity that is never invested.",
    GapCause.CLIPPED_BY_LIMIT: "A limit on the order reduced or dropped it.",
    GapCause.RISK_LIMIT: "A limit on the portfolio's risk reduced or dropped it.",
    GapCause.BROKER_RULE: "The broker does not accept such an order.",
    GapCause.MISSING_PRICE: "There was no usable price to plan with.",
    GapCause.PLAN_REFUSED: "A limit refused the plan as a whole.",
    GapCause.NOT_SENT: "The order was planned and not sent.",
    GapCause.PARTIAL_FILL: "The market filled a part of the order.",
    GapCause.REJECTION: "The broker rejected the order.",
    GapCause.PRICE_MOVE: "The price at the close was not the one planned with.",
    GapCause.FEE: "Commission and fees.",
    GapCause.COST_METHOD: "Book and broker reckon the cost of a position by different methods.",
    GapCause.FOREIGN_TRADE: "A trade that no plan asked for.",
    GapCause.UNDEFINED: "Nothing to compare with: no equity, or a cost known to the broker alone.",
    GapCause.UNEXPLAINED: "No cause is known: a break.",
}
"""What each cause of a difference means."""


def evidence_part(content: MonthlyContent) -> list[Flowable]:
    """Reconciliation to provenance, in the order of the page."""
    return [
        *_reconciliation(content),
        *_corrections(content),
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
            CAUSES[gap.cause],
        )
        for gap in found.gaps
    )
    spec = TableSpec(
        columns=(
            Column("Comparison", Kind.TEXT, 80),
            Column("Cause", Kind.TEXT, 80),
            Column("Findings"),
            Column(f"Amount, {content.currency}"),
            Column("Meaning", Kind.TEXT, 150),
        ),
        rows=rows,
    )
    note = "Amounts are signed sums over the month; a cause can occur and sum to 0.00."
    return headed(title, [*body, data_table(spec), paragraph(note, SMALL)], room=60 * mm)


def _corrections(content: MonthlyContent) -> list[Flowable]:
    """What people corrected, with their reasons; left out of a month without."""
    if not content.corrections:
        return []
    lines = content.corrections
    quantity = decimals_of((one.quantity for one in lines), least=0, most=6)
    rows = tuple(
        (
            one.session.isoformat(),
            one.symbol or NOT_APPLICABLE,
            fixed(one.quantity, quantity, signed=True) if one.quantity else NOT_APPLICABLE,
            fixed(one.price, 4) if one.quantity else NOT_APPLICABLE,
            f"{money(one.cash, signed=True)} {one.currency}" if one.cash else NOT_APPLICABLE,
            one.reason,
        )
        for one in lines
    )
    spec = TableSpec(
        columns=(
            Column("Session", Kind.TEXT),
            Column("Symbol", Kind.TEXT),
            Column("Shares"),
            Column("Price"),
            Column("Cash"),
            Column("Reason", Kind.TEXT, 150),
        ),
        rows=rows,
    )
    note = (
        "A person brought the book to what the broker states, or let a close stand, and said why. "
        "Shares and cash that came or went so count as deposits and withdrawals."
    )
    title = "Corrections by people"
    return headed(title, [data_table(spec), paragraph(note, SMALL)], room=30 * mm)


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
                ("Evidence SHA-256, without its last line", evidence.sha256),
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
