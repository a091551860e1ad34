"""The asset `reconciliation`: every gap with its cause; what is unexplained must be nothing."""

from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg
import msgspec

from trading_assets.assets.ahead import computed_ahead
from trading_assets.assets.closed_sessions import closed_sessions_of
from trading_assets.assets.metadata import Metadata, preview, rows_metadata
from trading_assets.assets.partitions import sessions_of
from trading_assets.assets.portfolio_graph import PortfolioGraph
from trading_assets.assets.session_checks import Finding, SessionCheck, check_spec, results
from trading_assets.assets.targets import require
from trading_assets.atomic_file import flush_files
from trading_assets.execution.annotating import read_annotations
from trading_assets.lake import Lake
from trading_assets.ledger.history import ClosedSession
from trading_assets.model.money import plain
from trading_assets.model.result import ReconciliationReport
from trading_assets.progress import tracked_until
from trading_assets.reconciliation import reconcile, summary_text
from trading_assets.reconciliation.manual_matching import open_questions
from trading_assets.reconciliation.statement import BOOK_VS_BROKER
from trading_assets.reporting.exports import SessionExports
from trading_assets.reporting.projections import gap_table, reconciliation_table
from trading_assets.resources import BookResource, LakeResource
from trading_assets.settings import Mode, PortfolioSettings


class _Reconciled(msgspec.Struct, frozen=True, kw_only=True):
    """What is told of a session once its files are written."""

    rows: int
    causes: tuple[str, ...]
    findings: tuple[Finding, ...]
    summary: str
    account: str


def build_reconciliation(graph: PortfolioGraph) -> dg.AssetsDefinition:
    """The asset `reconciliation` of one portfolio."""
    settings = graph.settings
    key = graph.key("reconciliation")

    def new_checks() -> tuple[SessionCheck, ...]:
        checks = (
            SessionCheck(
                key,
                "unexplained_is_zero",
                "Every gap between plan, fills, targets, book and broker has a cause; what remains "
                "is 0.",
            ),
            SessionCheck(
                key,
                "book_equals_broker",
                "Positions and cash of the book are those of the broker's statement at the close.",
            ),
        )
        asked = SessionCheck(
            key,
            "every_trade_was_planned_or_explained",
            "Trades that no plan asked for have an annotation that says why "
            "(`trading_assets trades` lists what is asked).",
            blocking=False,
        )
        # Nobody trades by hand in a simulated account.
        return (*checks, asked) if settings.mode.is_real else checks

    @dg.asset(
        key=key,
        deps=[graph.key(name) for name in ("order_plan", "execution_log", "positions_eod")],
        **graph.asset_arguments("reconciliation"),
        kinds={"parquet"},
        description="Planned against filled, target against final (in the book, and by the "
        "account's own statement of that close), book against broker: every gap with a cause and "
        "an amount. What remains unexplained must be 0.",
        check_specs=[check_spec(check) for check in new_checks()],
    )
    def reconciliation(
        context: dg.AssetExecutionContext, books: BookResource, lake: LakeResource
    ) -> Iterator[Any]:
        store, checks = lake.open(settings), new_checks()
        rows = 0
        causes: Counter[str] = Counter()
        sessions = sessions_of(context)
        with books.reading(settings) as log:
            annotated = frozenset(read_annotations(log))
        project = partial(
            _project, settings=settings, store=store, exports=lake.exports, annotated=annotated
        )
        closed_sessions = closed_sessions_of(books, settings, sessions)
        with closing(computed_ahead(project, closed_sessions)) as projected:
            for found in tracked_until("reconciliation", projected, len(sessions)):
                rows += found.rows
                causes.update(found.causes)
                for check, finding in zip(checks, found.findings, strict=False):
                    yield check.add(finding)
        flush_files()
        table, gaps = (
            require(store, name, sessions[-1]) for name in ("reconciliation", "reconciliation_gaps")
        )
        figures: Metadata = {
            "account": found.account,
            "summary": dg.MetadataValue.md(f"```\n{found.summary}\n```"),
            "causes": dg.MetadataValue.table(
                [
                    dg.TableRecord({"view and cause": name, "gaps": count})
                    for name, count in sorted(causes.items())
                ],
                schema=dg.TableSchema(
                    columns=[dg.TableColumn("view and cause"), dg.TableColumn("gaps", "int")]
                ),
            ),
            "gaps_of_last_session": preview(gaps),
        }
        path = store.path("reconciliation", sessions[-1])
        yield dg.MaterializeResult(metadata=figures | rows_metadata(rows, path, table))
        yield from results(*checks)

    return reconciliation


def _project(
    closed: ClosedSession,
    *,
    settings: PortfolioSettings,
    store: Lake,
    exports: Path,
    annotated: Collection[str],
) -> _Reconciled:
    """Reconcile a session and write its tables and files."""
    report = reconcile(closed, sent=settings.mode is not Mode.DRY)
    store.write("reconciliation", report.session, reconciliation_table(report))
    store.write("reconciliation_gaps", report.session, gap_table(report))
    summary = summary_text(report, portfolio=settings.id, currency=settings.currency)
    SessionExports(exports, settings.id, report.session).reconciliation(report, summary)
    return _Reconciled(
        rows=len(report.rows),
        causes=tuple(f"{gap.view}: {gap.cause.value}" for gap in report.gaps),
        findings=(*_findings(report), _asked(closed, annotated)),
        summary=summary,
        account=f"the broker's statement that record {closed.sequence} of the book holds, "
        f"asked when {closed.session} closed",
    )


def _findings(report: ReconciliationReport) -> tuple[Finding, Finding]:
    unexplained = report.unexplained
    at_broker = [gap for gap in unexplained if gap.view == BOOK_VS_BROKER]
    return (
        Finding(
            report.session,
            not unexplained,
            f"{len(unexplained)} unexplained",
            "0 unexplained",
            detail="; ".join(
                f"{gap.view} {gap.symbol} {plain(gap.quantity)} shares {plain(gap.amount)}"
                for gap in unexplained[:10]
            ),
        ),
        Finding(
            report.session,
            not at_broker,
            f"{len(at_broker)} differences, cash {plain(report.broker_cash)} at the broker",
            f"0 differences, cash {plain(report.book_cash)} in the book",
        ),
    )


def _asked(closed: ClosedSession, annotated: Collection[str]) -> Finding:
    questions = open_questions(closed.planned.plan.real_orders, closed.fills, annotated)
    return Finding(
        closed.session,
        not questions,
        f"{len(questions)} trades that nobody planned or explained",
        "0",
        detail=" ".join(question.text for question in questions[:10]),
    )
