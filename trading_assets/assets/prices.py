"""The asset `prices`: what the plan is made with."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import dagster as dg
import msgspec

from trading_assets.assets.ahead import computed_ahead
from trading_assets.assets.metadata import rows_metadata
from trading_assets.assets.partitions import sessions_of
from trading_assets.assets.portfolio_graph import PortfolioGraph
from trading_assets.assets.session_checks import Finding, SessionCheck, check_spec, results
from trading_assets.assets.targets import require
from trading_assets.atomic_file import flush_files
from trading_assets.market_data.base import api_statistics_of, warnings_of
from trading_assets.model.instrument import PriceSnapshot
from trading_assets.progress import tracked_until
from trading_assets.reporting.exports import SessionExports
from trading_assets.reporting.projections import price_table
from trading_assets.resources import LakeResource, MarketDataResource


def build_prices(graph: PortfolioGraph) -> dg.AssetsDefinition:
    """The asset `prices` of one portfolio."""
    settings = graph.settings
    max_age = settings.limits.max_price_age_sessions

    def fresh_check() -> SessionCheck:
        return SessionCheck(
            graph.key("prices"),
            "prices_are_complete_and_fresh",
            "Every instrument has a price of the session before. Warns only: whether a missing or "
            "old one stops the plan is for the plan's limits to say.",
            blocking=False,
        )

    @dg.asset(
        key=graph.key("prices"),
        **graph.asset_arguments("market_data"),
        kinds={"parquet"},
        description="The latest price of each instrument known before the session, with source, "
        "session, currency and age. The plan uses these; fills come at the session's own prices.",
        check_specs=[check_spec(fresh_check())],
    )
    def prices(
        context: dg.AssetExecutionContext, market_data: MarketDataResource, lake: LakeResource
    ) -> Iterator[Any]:
        store, check = lake.open(settings), fresh_check()
        source = market_data.open(settings, graph.calendar)
        symbols = source.symbols
        rows = 0
        sessions = sessions_of(context)

        def project(snapshot: PriceSnapshot) -> tuple[int, Finding]:
            table = price_table(snapshot)
            store.write("prices", snapshot.session, table)
            SessionExports(lake.exports, settings.id, snapshot.session).prices(snapshot)
            return table.num_rows, _finding(snapshot, max_age)

        snapshots = (source.before(session, symbols) for session in sessions)
        with closing(computed_ahead(project, snapshots)) as projected:
            for number, finding in tracked_until("prices", projected, len(sessions)):
                rows += number
                yield check.add(finding)
        flush_files()
        table = require(store, "prices", sessions[-1])
        warnings = warnings_of(source)
        for line in warnings:
            context.log.warning(line)
        used = api_statistics_of(source)
        api = {} if used is None else {"api": dg.MetadataValue.json(msgspec.to_builtins(used))}
        yield dg.MaterializeResult(
            metadata={
                "source": source.name,
                "source_sha256": source.sha256,
                "source_warnings": "\n".join(warnings) or "none",
            }
            | api
            | rows_metadata(rows, store.path("prices", sessions[-1]), table)
        )
        yield from results(check)

    return prices


def _finding(snapshot: PriceSnapshot, max_age_sessions: int) -> Finding:
    stale = [p.symbol for p in snapshot.prices.values() if p.age_sessions > max_age_sessions]
    return Finding(
        snapshot.session,
        not stale and not snapshot.missing,
        f"{len(snapshot.missing)} missing, {len(stale)} stale",
        "0 missing, 0 stale",
        f"{max_age_sessions} sessions old",
        ", ".join([*snapshot.missing, *stale][:20]),
    )
