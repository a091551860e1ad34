"""The content of a month's report, from the book or from its evidence: the same function for both,
so that what can be verified is all there is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from trading_assets.calendar import TradingCalendar
from trading_assets.evidence.configuration import settings_digest
from trading_assets.evidence.evidence_file import Stated
from trading_assets.ledger.history import ClosedSession, closed_sessions
from trading_assets.ledger.restatement import still_counting
from trading_assets.model.events import BookRestated, EventRecord
from trading_assets.reporting.monthly_content import (
    EvidenceReference,
    MonthlyContent,
    ProvenanceRow,
)
from trading_assets.reporting.monthly_report import (
    LISTED_TYPES,
    MonthFacts,
    gather_month,
    monthly_content,
)
from trading_assets.settings import PortfolioSettings

MADE_WITH = "Version of "
"""How the provenance of a package's version begins."""


def month_of_records(
    settings: PortfolioSettings, month: str, records: Sequence[EventRecord]
) -> MonthFacts:
    """Fold a whole chain of records, superseded ones among them, to the facts of a month."""
    restatements = [record for record in records if isinstance(record.event, BookRestated)]
    counting = list(still_counting(records, restatements))
    sessions = closed_sessions(
        counting, settings.accounting, settings.currency, settings.combination.shares
    )
    return month_of_sessions(
        settings,
        month,
        sessions,
        (record for record in counting if record.event_type in LISTED_TYPES),
    )


def month_of_sessions(
    settings: PortfolioSettings,
    month: str,
    sessions: Iterable[ClosedSession],
    listed: Iterable[EventRecord],
) -> MonthFacts:
    """The facts of a month (YYYY-MM) from all closed sessions, ascending, and those records of
    LISTED_TYPES that count."""
    expected = TradingCalendar(settings.sessions).month(month)
    return gather_month(settings, month, expected, sessions, listed)


def report_content(
    settings: PortfolioSettings,
    facts: MonthFacts,
    stated: Stated,
    evidence: EvidenceReference | None,
) -> MonthlyContent:
    """What the report of a month shows: its facts, and what is stated beside them."""
    return monthly_content(
        settings,
        msgspec.structs.replace(
            facts,
            names=stated.names,
            commentary=stated.commentary,
            provenance=(*_computed(settings, facts), *stated.provenance),
            evidence=evidence,
        ),
    )


def _computed(settings: PortfolioSettings, facts: MonthFacts) -> tuple[ProvenanceRow, ...]:
    """The part of the provenance that follows from settings and book."""
    rows = [ProvenanceRow(label="Configuration", value=settings_digest(settings))]
    if facts.closed:
        first, last = facts.closed[0], facts.closed[-1]
        span = f"{first.session} to {last.session}, {len(facts.closed)} closed"
        rows += [
            ProvenanceRow(label="Sessions", value=span),
            ProvenanceRow(label="First plan", value=first.planned.plan.digest),
            ProvenanceRow(label="Last plan", value=last.planned.plan.digest),
        ]
    sources = {mark.source for one in facts.closed for mark in one.close.marks.values()}
    named = ", ".join(sorted(sources)) or "none"
    return (*rows, ProvenanceRow(label="Sources of closing prices", value=named))
