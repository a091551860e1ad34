"""The asset `strategy_pnl`: what each strategy of an account earned; together it is the account."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import dagster as dg

from trading_assets.analytics.strategy_pnl import (
    StrategySession,
    books_against_account,
    strategy_session,
)
from trading_assets.assets.ahead import computed_ahead
from trading_assets.assets.closed_sessions import closed_sessions_of
from trading_assets.assets.metadata import preview, rows_metadata
from trading_assets.assets.partitions import sessions_of
from trading_assets.assets.portfolio_graph import PortfolioGraph
from trading_assets.assets.session_checks import Finding, SessionCheck, check_spec, results
from trading_assets.assets.targets import require
from trading_assets.atomic_file import flush_files
from trading_assets.ledger.history import ClosedSession
from trading_assets.model.money import ZERO, plain
from trading_assets.progress import tracked_until
from trading_assets.reporting.exports import SessionExports
from trading_assets.reporting.projections import strategy_pnl_table, strategy_position_table
from trading_assets.resources import BookResource, LakeResource


def build_strategy_pnl(graph: PortfolioGraph) -> dg.AssetsDefinition:
    """The asset `strategy_pnl` of one portfolio."""
    settings = graph.settings

    def new_check() -> SessionCheck:
        return SessionCheck(
            graph.key("strategy_pnl"),
            "strategies_add_up_to_the_account",
            "Shares and value of each symbol, cash, P&L, fees, flows and equity of the strategies' "
            "books are those of the account, to the cent.",
        )

    @dg.asset(
        key=graph.key("strategy_pnl"),
        deps=[graph.key(name) for name in ("positions_eod", "reconciliation")],
        **graph.asset_arguments("analytics"),
        kinds={"parquet"},
        description="P&L, fees, flows, equity, cash and positions of each strategy's book: fills "
        "by what each asked for, internal crosses included. What no strategy asked for, and cash "
        "allotted to none, is unattributed.",
        check_specs=[check_spec(new_check())],
    )
    def strategy_pnl(
        context: dg.AssetExecutionContext, books: BookResource, lake: LakeResource
    ) -> Iterator[Any]:
        store, check = lake.open(settings), new_check()
        before: StrategySession | None = None
        sessions = sessions_of(context)
        rows = 0

        def project(closed: ClosedSession) -> tuple[int, Finding]:
            # The one before saves a computation where it is at hand, and changes nothing.
            nonlocal before
            found = before = strategy_session(closed, before)
            table = strategy_pnl_table(found)
            store.write("strategy_pnl", found.session, table)
            store.write("strategy_positions", found.session, strategy_position_table(found))
            SessionExports(lake.exports, settings.id, found.session).strategies(found)
            return table.num_rows, _finding(closed, found)

        closed_sessions = closed_sessions_of(books, settings, sessions)
        with closing(computed_ahead(project, closed_sessions)) as projected:
            for number, finding in tracked_until("strategy_pnl", projected, len(sessions)):
                rows += number
                yield check.add(finding)
        flush_files()
        path = store.path("strategy_pnl", sessions[-1])
        table, held = (
            require(store, name, sessions[-1]) for name in ("strategy_pnl", "strategy_positions")
        )
        yield dg.MaterializeResult(
            metadata=rows_metadata(rows, path, table) | {"positions": preview(held)}
        )
        yield from results(check)

    return strategy_pnl


def _finding(closed: ClosedSession, found: StrategySession) -> Finding:
    differences = books_against_account(closed, found)
    equity = sum((one.closing_equity for one in found.results), ZERO)
    return Finding(
        closed.session,
        not differences,
        f"equity {plain(equity)}, {len(differences)} differences",
        f"equity {plain(closed.close.equity)}, 0 differences",
        detail="; ".join(differences[:10]),
    )
