"""The asset `summary_dashboard`: the dashboard as a file, written once at the end of a run."""

import datetime as dt
from typing import Any

import dagster as dg

from trading_assets.assets.portfolio_graph import PortfolioGraph
from trading_assets.atomic_file import replace_file
from trading_assets.dashboard import FILE_NAME, DashboardSources, read_dashboard
from trading_assets.resources import (
    BookResource,
    BrokerResource,
    LakeResource,
    MarketDataResource,
)


def build_summary_dashboard(graph: PortfolioGraph) -> dg.AssetsDefinition:
    """The asset `summary_dashboard` of one portfolio; it has no partitions, for it shows the latest
    state, however many sessions a run had."""
    settings = graph.settings

    @dg.asset(
        key=graph.key("summary_dashboard"),
        deps=[graph.key(name) for name in ("pnl_daily", "reconciliation", "slippage")],
        group_name=graph.group("reporting"),
        owners=graph.owners,
        tags=graph.tags,
        kinds={"html"},
        description="One page for people: equity, positions, what the signal proposes, the last "
        "reconciliation, slippage, annotations, health. The same page is served by `trading_assets "
        "dashboard`.",
    )
    def summary_dashboard(
        market_data: MarketDataResource,
        books: BookResource,
        brokers: BrokerResource,
        lake: LakeResource,
    ) -> dg.MaterializeResult[Any]:
        with books.reading(settings) as log:
            sources = DashboardSources(
                calendar=graph.calendar,
                log=log,
                lake=lake.open(settings),
                halted=brokers.surroundings().halted(),
                prices=lambda: market_data.open(settings, graph.calendar),
            )
            content = read_dashboard(settings, sources, dt.datetime.now(dt.UTC))
        # ReportLab, which draws the charts, is imported with the page.
        from trading_assets.reporting.dashboard_page import dashboard_page

        page = dashboard_page([content]).encode()
        path = lake.reports / settings.id / FILE_NAME
        replace_file(path, page)
        return dg.MaterializeResult(
            metadata={
                "page": dg.MetadataValue.path(path.as_posix()),
                "bytes": len(page),
                "closed_through": str(content.health.closed_through or "none"),
                "book_head": content.health.head,
            }
        )

    return summary_dashboard
