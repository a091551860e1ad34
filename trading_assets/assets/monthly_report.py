"""The asset `monthly_report`: the PDF of a month, computed from the book."""

import datetime as dt
import hashlib
import json
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from typing import Any

import dagster as dg
import msgspec

from trading_assets.assets.metadata import image
from trading_assets.assets.portfolio_graph import PortfolioGraph
from trading_assets.atomic_file import replace_file
from trading_assets.execution.book import read_closed_sessions
from trading_assets.model.money import plain
from trading_assets.reporting.charts import drawdown_png, equity_png
from trading_assets.reporting.monthly_content import MonthlyContent, ProvenanceRow
from trading_assets.reporting.monthly_report import MonthFacts, gather_month, monthly_content
from trading_assets.resources import BookResource, LakeResource, MarketDataResource
from trading_assets.settings import PortfolioSettings
from trading_assets.signal_files import instrument_names, read_signal_file

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
        deps=[graph.key("pnl_daily")],
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
        expected = graph.calendar.month(month)
        with books.open(settings) as log:
            facts = gather_month(settings, month, expected, read_closed_sessions(log, settings))
        prices = market_data.open(settings, graph.calendar)
        more = (
            ProvenanceRow(label=f"Prices {prices.name}", value=prices.sha256),
            ProvenanceRow(
                label="Session runs",
                value=", ".join(_session_runs(context, graph, expected)) or "unknown",
            ),
        )
        facts = msgspec.structs.replace(
            facts,
            names=instrument_names(settings),
            provenance=(*_provenance(settings, facts, context.run.run_id), *more),
        )
        content = monthly_content(settings, facts)
        # ReportLab takes longer to import than a whole session to run.
        from trading_assets.reporting.monthly_pdf import render_monthly_pdf

        pdf = render_monthly_pdf(content)
        path = lake.reports / settings.id / f"{settings.id}_{month}.pdf"
        replace_file(path, pdf, durable=True)
        yield dg.MaterializeResult(metadata=_metadata(content, path.as_posix(), len(pdf)))
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


def _metadata(content: MonthlyContent, path: str, size: int) -> dict[str, Any]:
    return {
        "pdf": dg.MetadataValue.path(path),
        "bytes": size,
        "as_of": str(content.as_of),
        "equity": "undefined" if content.equity is None else plain(content.equity),
        "trades": len(content.trades),
        "equity_curve": image(
            equity_png(content.equity_series, content.portfolio_name, content.benchmark_name),
            "equity against benchmark",
        ),
        "drawdown": image(drawdown_png(content.drawdown_series), "drawdown"),
        "book_head": content.book_head_hash,
    }


def _provenance(
    settings: PortfolioSettings, facts: MonthFacts, run_id: str
) -> tuple[ProvenanceRow, ...]:
    """Everything that has to be the same for the report to come out the same, and the run."""
    rows = [("Report run", run_id), ("Configuration", settings_digest(settings))]
    if facts.closed:
        first, last = facts.closed[0], facts.closed[-1]
        rows += [
            ("Sessions", f"{first.session} to {last.session}, {len(facts.closed)} closed"),
            ("First plan", first.planned.plan.digest),
            ("Last plan", last.planned.plan.digest),
        ]
    for strategy in settings.signals.strategies:
        file = read_signal_file(strategy)
        rows.append((f"Signals {file.name}", file.sha256))
    rows += [(f"Version of {package}", version(package)) for package in PACKAGES]
    return tuple(ProvenanceRow(label=label, value=value) for label, value in rows)


def settings_digest(settings: PortfolioSettings) -> str:
    """SHA-256 of a portfolio's settings, without the places where its files lie."""
    content = settings.model_dump(mode="json")
    content["prices"].pop("path")
    for strategy in content["signals"]["strategies"]:
        strategy.pop("path")
        if strategy["id_mapping"]:
            strategy["id_mapping"].pop("path")
    text = json.dumps(content, sort_keys=True, default=_sorted)
    return hashlib.sha256(text.encode()).hexdigest()


def _sorted(value: object) -> object:
    if isinstance(value, set | frozenset):
        return sorted(value)
    if isinstance(value, dt.date):
        return value.isoformat()
    raise TypeError(f"{value!r} has no JSON form")
