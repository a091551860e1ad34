"""The asset `slippage`: what it cost that fills were not at the prices that were intended."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from decimal import Decimal
from typing import Any

import dagster as dg

from trading_assets.analytics.slippage import (
    Grouping,
    SlippageStatistics,
    TradeSlippage,
    is_outlier,
    slippage_statistics,
)
from trading_assets.assets.ahead import computed_ahead
from trading_assets.assets.closed_sessions import closed_sessions_of
from trading_assets.assets.metadata import Metadata, rows_metadata
from trading_assets.assets.partitions import sessions_of
from trading_assets.assets.portfolio_graph import PortfolioGraph
from trading_assets.assets.session_checks import Finding, SessionCheck, check_spec, results
from trading_assets.assets.targets import require
from trading_assets.atomic_file import flush_files
from trading_assets.execution.annotating import read_annotations
from trading_assets.ledger.history import ClosedSession
from trading_assets.model.money import plain
from trading_assets.model.policies import IntendedPrice
from trading_assets.progress import tracked_until
from trading_assets.reporting.exports import SessionExports
from trading_assets.reporting.slippage_rows import booked_slippage, slippage_columns, slippage_table
from trading_assets.resources import BookResource, LakeResource

SHOWN_TRADES = 10
UNDEFINED = "undefined"


def build_slippage(graph: PortfolioGraph) -> dg.AssetsDefinition:
    """The asset `slippage` of one portfolio."""
    settings, intended = graph.settings, graph.settings.judged_price
    outlier_bps = settings.slippage.outlier_bps

    def new_check() -> SessionCheck:
        return SessionCheck(
            graph.key("slippage"),
            "no_slippage_outliers",
            f"No trade was filled more than {plain(outlier_bps)} bps away from its "
            f"{intended.value}. Warns only: the market moved, or somebody should look.",
            blocking=False,
        )

    @dg.asset(
        key=graph.key("slippage"),
        deps=[graph.key(name) for name in ("positions_eod", "reconciliation")],
        **graph.asset_arguments("analytics"),
        kinds={"parquet"},
        description="Each trade's fill against the prices that were intended (decision, arrival, "
        "plan): in basis points and money, positive being a cost, with the commission beside it.",
        check_specs=[check_spec(new_check())],
    )
    def slippage(
        context: dg.AssetExecutionContext, books: BookResource, lake: LakeResource
    ) -> Iterator[Any]:
        store, check = lake.open(settings), new_check()
        with books.reading(settings) as log:
            annotations = read_annotations(log)
        found: list[TradeSlippage] = []
        sessions = sessions_of(context)

        def project(closed: ClosedSession) -> tuple[Sequence[TradeSlippage], Finding]:
            trades = booked_slippage(closed, settings, annotations)
            columns = slippage_columns(trades)
            store.write("slippage", closed.session, slippage_table(columns))
            SessionExports(lake.exports, settings.id, closed.session).slippage(columns)
            return trades, _finding(closed, trades, intended, float(outlier_bps))

        closed_sessions = closed_sessions_of(books, settings, sessions)
        with closing(computed_ahead(project, closed_sessions)) as projected:
            for trades, finding in tracked_until("slippage", projected, len(sessions)):
                found += trades
                yield check.add(finding)
        flush_files()
        table = require(store, "slippage", sessions[-1])
        yield dg.MaterializeResult(
            metadata=_statistics_metadata(found, outlier_bps)
            | rows_metadata(len(found), store.path("slippage", sessions[-1]), table)
        )
        yield from results(check)

    return slippage


def _finding(
    closed: ClosedSession,
    trades: Sequence[TradeSlippage],
    intended: IntendedPrice,
    outlier_bps: float,
) -> Finding:
    outliers = [trade for trade in trades if is_outlier(trade, intended, outlier_bps)]
    undefined = sum(trade.against(intended) is None for trade in trades)
    return Finding(
        closed.session,
        not outliers,
        f"{len(outliers)} of {len(trades)} trades, {undefined} {UNDEFINED}",
        "0 trades",
        f"{outlier_bps:g} bps",
        "; ".join(_words(trade, intended) for trade in outliers[:SHOWN_TRADES]),
    )


def _words(trade: TradeSlippage, intended: IntendedPrice) -> str:
    found = trade.against(intended)
    assert found is not None
    return (
        f"{trade.side.value} {plain(trade.quantity)} {trade.symbol} at {plain(trade.fill_price)}, "
        f"{intended.value} {plain(found.intended_price)}: {found.slippage_bps:+.1f} bps, "
        f"{plain(found.cost)} {trade.currency}"
    )


def _statistics_metadata(trades: Sequence[TradeSlippage], outlier_bps: Decimal) -> Metadata:
    """Figures over all sessions of the run: of all trades, by side, by month and by symbol."""
    if not trades:
        return {}
    return {
        f"slippage_by_{by.value}" if by is not Grouping.ALL else "slippage": dg.MetadataValue.table(
            [
                _record(figures)
                for intended in IntendedPrice
                for figures in slippage_statistics(trades, intended, by, outlier_bps)
                # Where nobody intended any such price, one line says so.
                if figures.count or by is Grouping.ALL
            ]
        )
        for by in Grouping
    }


def _record(figures: SlippageStatistics) -> dg.TableRecord:
    def bps(value: float | None) -> str:
        return UNDEFINED if value is None else f"{value:.2f}"

    return dg.TableRecord(
        {
            "intended price": figures.intended.value,
            "group": figures.group,
            "trades": figures.count,
            UNDEFINED: figures.undefined,
            "mean bps": bps(figures.mean_bps),
            "median bps": bps(figures.median_bps),
            "std bps": bps(figures.std_bps),
            "cost": plain(figures.cost) if figures.count else UNDEFINED,
            "commission": plain(figures.commission),
            "outliers": len(figures.outliers),
        }
    )
