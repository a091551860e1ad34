"""The asset `prices`: what the plan is made with."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import msgspec

from trading_assets.assets.metadata import rows_metadata
from trading_assets.assets.partitions import sessions_of
from trading_assets.assets.portfolio_graph import PortfolioGraph
from trading_assets.assets.session_checks import Finding, SessionCheck, check_spec, results
from trading_assets.atomic_file import flush_files
from trading_assets.market_data.base import api_statistics_of, warnings_of
from trading_assets.progress import tracked
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
        for session in tracked("prices", sessions_of(context)):
            snapshot = source.before(session, symbols)
            table = price_table(snapshot)
            store.write("prices", session, table)
            SessionExports(lake.exports, settings.id, session).prices(snapshot)
            rows += table.num_rows
            stale = [p.symbol for p in snapshot.prices.values() if p.age_sessions > max_age]
            yield check.add(
                Finding(
                    session,
                    not stale and not snapshot.missing,
                    f"{len(snapshot.missing)} missing, {len(stale)} stale",
                    "0 missing, 0 stale",
                    f"{max_age} sessions old",
                    ", ".join([*snapshot.missing, *stale][:20]),
                )
            )
        flush_files()
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
            | rows_metadata(rows, store.path("prices", session), table)
        )
        yield from results(check)

    return prices
