"""The asset `pnl_daily`: what each session earned, exact to the cent."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import dagster as dg
import msgspec

from trading_assets.analytics.performance import max_drawdown
from trading_assets.analytics.pnl import daily_result
from trading_assets.analytics.returns import compound, portfolio_returns
from trading_assets.assets.ahead import computed_ahead
from trading_assets.assets.closed_sessions import closed_sessions_of
from trading_assets.assets.metadata import Metadata, image, preview, rows_metadata
from trading_assets.assets.partitions import sessions_of
from trading_assets.assets.portfolio_graph import PortfolioGraph
from trading_assets.assets.session_checks import Finding, SessionCheck, check_spec, results
from trading_assets.assets.targets import require
from trading_assets.atomic_file import flush_files
from trading_assets.ledger.history import ClosedSession
from trading_assets.model.money import plain
from trading_assets.model.result import DailyResult
from trading_assets.progress import tracked_until
from trading_assets.reporting.charts import equity_svg
from trading_assets.reporting.exports import SessionExports
from trading_assets.reporting.performance_content import equity_series
from trading_assets.reporting.projections import instrument_pnl_table, pnl_table
from trading_assets.reporting.round_trip_rows import round_trip_table
from trading_assets.resources import BookResource, LakeResource


def build_pnl_daily(graph: PortfolioGraph) -> dg.AssetsDefinition:
    """The asset `pnl_daily` of one portfolio."""
    settings = graph.settings

    def new_check() -> SessionCheck:
        return SessionCheck(
            graph.key("pnl_daily"),
            "equity_change_is_explained",
            "Change in equity = P&L + flows - fees, to the cent.",
        )

    @dg.asset(
        key=graph.key("pnl_daily"),
        deps=[graph.key(name) for name in ("positions_eod", "reconciliation")],
        **graph.asset_arguments("analytics"),
        kinds={"parquet"},
        description="Profit and loss of the session, in all and by instrument, with the identity "
        "change in equity = P&L + flows - fees, exact to the cent.",
        check_specs=[check_spec(new_check())],
    )
    def pnl_daily(
        context: dg.AssetExecutionContext, books: BookResource, lake: LakeResource
    ) -> Iterator[Any]:
        store, check = lake.open(settings), new_check()
        found: list[DailyResult] = []
        sessions = sessions_of(context)

        def project(closed: ClosedSession) -> DailyResult:
            result = daily_result(closed.previous, closed.activity, closed.close)
            store.write("pnl_daily", result.session, pnl_table(result))
            store.write("pnl_by_instrument", result.session, instrument_pnl_table(result))
            if closed.round_trips:
                # Nothing is written for the many sessions that close nothing.
                trips = round_trip_table(closed.round_trips)
                store.write("round_trips", result.session, trips)
            SessionExports(lake.exports, settings.id, result.session).pnl(result)
            return msgspec.structs.replace(result, instruments=())

        closed_sessions = closed_sessions_of(books, settings, sessions)
        with closing(computed_ahead(project, closed_sessions)) as results_ahead:
            for result in tracked_until("pnl_daily", results_ahead, len(sessions)):
                found.append(result)
                yield check.add(_identity(result))
        flush_files()
        path = store.path("pnl_daily", sessions[-1])
        by_instrument = require(store, "pnl_by_instrument", sessions[-1])
        yield dg.MaterializeResult(
            metadata=_performance_metadata(found, graph)
            | rows_metadata(len(found), path, pnl_table(found[-1]))
            | {"by_instrument": preview(by_instrument)}
        )
        yield from results(check)

    return pnl_daily


def _identity(result: DailyResult) -> Finding:
    return Finding(
        result.session,
        result.identity_gap == 0,
        plain(result.closing_equity - result.opening_equity),
        plain(result.pnl + result.flows - result.fees),
    )


def _performance_metadata(found: list[DailyResult], graph: PortfolioGraph) -> Metadata:
    """The run's sessions together; for one session there is nothing to chart."""
    if len(found) < 2:
        return {}
    returns = portfolio_returns(found)
    drawdown = max_drawdown(returns)
    chart = equity_svg(
        equity_series(found), graph.settings.name, graph.settings.prices.benchmark_label
    )
    figures: Metadata = {"equity_curve": image(chart, "equity against benchmark")}
    for name, value in (
        ("return_of_these_sessions", compound(returns)),
        ("max_drawdown", None if drawdown is None else drawdown.depth),
    ):
        figures[name] = "undefined" if value is None else value
    return figures
