"""The asset `monthly_report`: the PDF of a month, computed from the book, and its evidence."""

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import dagster as dg
import msgspec

from trading_assets.assets.metadata import image
from trading_assets.assets.portfolio_graph import PortfolioGraph
from trading_assets.atomic_file import replace_file
from trading_assets.errors import InputError, PricesUnknownError
from trading_assets.event_log.chain import GENESIS
from trading_assets.event_log.store import EventLog
from trading_assets.evidence.configuration import configuration_of
from trading_assets.evidence.evidence_file import (
    VERSION,
    EvidenceHead,
    Stated,
    evidence_lines,
    evidence_name,
    price_lines,
    write_evidence,
)
from trading_assets.evidence.month import MADE_WITH, month_of_sessions, report_content
from trading_assets.execution.book import counting_records, read_closed_sessions
from trading_assets.lake import Lake
from trading_assets.market_data.base import PriceSource
from trading_assets.model.money import plain
from trading_assets.reporting.charts import drawdown_svg, equity_svg
from trading_assets.reporting.commentary import read_commentary
from trading_assets.reporting.monthly_content import (
    EvidenceReference,
    MonthlyContent,
    ProvenanceRow,
)
from trading_assets.reporting.monthly_report import LISTED_TYPES, MonthFacts
from trading_assets.resources import BookResource, LakeResource, MarketDataResource
from trading_assets.settings import PortfolioSettings
from trading_assets.signal_files import instrument_names

PACKAGES = ("trading-assets", "dagster", "duckdb", "pandas", "reportlab", "empyrical-reloaded")


def build_monthly_report(graph: PortfolioGraph) -> dg.AssetsDefinition:
    """The asset `monthly_report` of one portfolio."""
    settings = graph.settings
    complete = dg.AssetCheckSpec(
        "report_is_complete",
        asset=graph.key("monthly_report"),
        description="Every session of the month is closed and reconciled without a break.",
    )

    @dg.asset(
        key=graph.key("monthly_report"),
        deps=[graph.key("pnl_daily"), graph.key("strategy_pnl")],
        partitions_def=graph.months,
        group_name=graph.group("reporting"),
        owners=graph.owners,
        tags=graph.tags,
        kinds={"pdf"},
        description="The month as a PDF for an investor: performance against the benchmark, "
        "positions, trades, costs, reconciliation, and what it was computed from.",
        check_specs=[complete],
    )
    def monthly_report(
        context: dg.AssetExecutionContext,
        market_data: MarketDataResource,
        books: BookResource,
        lake: LakeResource,
    ) -> Iterator[Any]:
        month = context.partition_key[:7]
        path = lake.reports / settings.id / f"{settings.id}_{month}.pdf"
        with books.open(settings) as log:
            facts = month_of_sessions(
                settings,
                month,
                read_closed_sessions(log, settings),
                counting_records(log, LISTED_TYPES),
            )
            runs = _session_runs(context, graph, graph.calendar.month(month))
            stated = Stated(
                names=_names(settings),
                commentary=read_commentary(lake.commentary, settings.id, month),
                provenance=(
                    *signals_used(lake.open(settings), [one.session for one in facts.closed]),
                    *_prices_used(lambda: market_data.open(settings, graph.calendar)),
                    *(_row(f"{MADE_WITH}{package}", version(package)) for package in PACKAGES),
                    _row("Report run", context.run.run_id),
                    _row("Session runs", ", ".join(runs) or "unknown"),
                ),
            )
            content, pdf = _with_evidence(path, settings, facts, stated, log)
        replace_file(path, pdf, durable=True)
        yield dg.MaterializeResult(metadata=_metadata(content, path, len(pdf)))
        reconciled = content.reconciliation
        assert reconciled is not None
        yield dg.AssetCheckResult(
            check_name=complete.name,
            passed=reconciled.sessions_closed == reconciled.sessions_expected
            and not reconciled.breaks,
            metadata={
                "actual": f"{reconciled.sessions_closed} sessions closed, "
                f"{reconciled.breaks} breaks",
                "expected": f"{reconciled.sessions_expected} sessions closed, 0 breaks",
                "tolerance": "0",
            },
        )

    return monthly_report


def _session_runs(
    context: dg.AssetExecutionContext, graph: PortfolioGraph, sessions: Sequence[dt.date]
) -> list[str]:
    """The runs that last made the month's P&L, in the order of their first session."""
    runs: dict[str, None] = {}
    for session in sessions:
        key = graph.key("pnl_daily")
        records = context.instance.fetch_materializations(
            dg.AssetRecordsFilter(key, asset_partitions=[session.isoformat()]), limit=1
        ).records
        runs.update((record.run_id, None) for record in records)
    return list(runs)


def _with_evidence(
    report: Path, settings: PortfolioSettings, facts: MonthFacts, stated: Stated, log: EventLog
) -> tuple[MonthlyContent, bytes]:
    """Write what the report can be recomputed from beside it; the report's content and file."""
    # ReportLab takes longer to import than a whole session to run.
    from trading_assets.reporting.monthly_pdf import render_monthly_pdf

    name = evidence_name(settings.id, facts.month, facts.last_record)
    head = log.hash_at(facts.last_record) or GENESIS
    about = EvidenceHead(
        version=VERSION,
        portfolio=settings.id,
        month=facts.month,
        software=f"trading-assets {version('trading-assets')}",
        records=facts.last_record,
        head=head,
    )
    lines = evidence_lines(
        about,
        configuration_of(settings),
        stated,
        price_lines(facts.closed),
        log.rows(up_to=facts.last_record),
    )
    content = report_content(settings, facts, stated, None)

    def rendered(sha256: str) -> bytes:
        nonlocal content
        reference = EvidenceReference(
            file=name, sha256=sha256, records=facts.last_record, head=head
        )
        content = msgspec.structs.replace(content, evidence=reference)
        return render_monthly_pdf(content)

    pdf = write_evidence(report.with_name(name), lines, rendered)
    return content, pdf


def _metadata(content: MonthlyContent, path: Path, size: int) -> dict[str, Any]:
    assert content.evidence is not None
    return {
        "pdf": dg.MetadataValue.path(path.as_posix()),
        "evidence": dg.MetadataValue.path(path.with_name(content.evidence.file).as_posix()),
        "evidence_sha256": content.evidence.sha256,
        "bytes": size,
        "as_of": str(content.as_of),
        "equity": "undefined" if content.equity is None else plain(content.equity),
        "trades": len(content.trades),
        "equity_curve": image(
            equity_svg(content.equity_series, content.portfolio_name, content.benchmark_name),
            "equity against benchmark",
        ),
        "drawdown": image(drawdown_svg(content.drawdown_series), "drawdown"),
        "book_head": content.book_head_hash,
    }


def signals_used(store: Lake, sessions: Sequence[dt.date]) -> tuple[ProvenanceRow, ...]:
    """The signal files that `sessions` were planned from, each version once, as
    `strategy_signals` recorded them; the files themselves may have changed since, or be gone."""
    used: dict[tuple[str, str], None] = {}
    missing: list[dt.date] = []
    for session in sessions:
        table = store.read("strategy_signals", session)
        if table is None:
            missing.append(session)
            continue
        names, digests = (table.column(name).to_pylist() for name in ("file", "file_sha256"))
        used.update(dict.fromkeys(zip(names, digests, strict=True)))
    rows = [_row(f"Signals {name}", digest) for name, digest in used]
    if missing:
        days = ", ".join(day.isoformat() for day in missing)
        rows.append(_row("Signals of other sessions" if used else "Signals", f"not kept: {days}"))
    return tuple(rows)


def _prices_used(open_prices: Callable[[], PriceSource]) -> tuple[ProvenanceRow, ...]:
    """The files of prices and corporate actions as they are now."""
    corporate: tuple[ProvenanceRow, ...] = ()
    try:
        prices = open_prices()
    except (InputError, PricesUnknownError) as error:
        now = f"cannot be read: {error}"
    else:
        # The hash first, so that it stands on one line.
        now = f"{prices.sha256} {prices.name}"
        actions = prices.actions
        if actions.name:
            corporate = (
                _row(
                    "Corporate actions file, as of this report", f"{actions.sha256} {actions.name}"
                ),
            )
    return (
        _row("Prices file, as of this report", now),
        *corporate,
    )


def _names(settings: PortfolioSettings) -> dict[str, str]:
    """Instruments' names; none where a mapping file is gone, for a report is right without."""
    try:
        return instrument_names(settings)
    except InputError:
        return {}


def _row(label: str, value: str) -> ProvenanceRow:
    return ProvenanceRow(label=label, value=value)
