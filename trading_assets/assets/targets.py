"""Assets from signal files to one target portfolio: `strategy_signals`, `consolidated_targets`."""

import datetime as dt
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import dagster as dg

from trading_assets.assets.ahead import computed_ahead
from trading_assets.assets.metadata import Metadata, rows_metadata, weights_chart_metadata
from trading_assets.assets.partitions import sessions_of
from trading_assets.assets.portfolio_graph import PortfolioGraph
from trading_assets.assets.session_checks import Finding, SessionCheck, check_spec, results
from trading_assets.atomic_file import flush_files
from trading_assets.lake import Lake
from trading_assets.model.money import ZERO, plain
from trading_assets.model.target import TargetPortfolio
from trading_assets.portfolio.consolidation import consolidate
from trading_assets.progress import tracked, tracked_until
from trading_assets.reporting.exports import SessionExports
from trading_assets.reporting.projections import (
    read_signals,
    read_targets,
    signal_table,
    target_table,
)
from trading_assets.resources import LakeResource, MarketDataResource
from trading_assets.signal_sources import needs_prices, open_signals

STAGE = "targets"


def build_strategy_signals(graph: PortfolioGraph) -> dg.AssetsDefinition:
    """The asset `strategy_signals` of one portfolio."""
    settings = graph.settings

    @dg.asset(
        key=graph.key("strategy_signals"),
        **graph.asset_arguments(STAGE),
        kinds={"parquet"},
        description="Each strategy's target weights as known before the session's open, with the "
        "file, its hash and the row that each comes from.",
    )
    def strategy_signals(
        context: dg.AssetExecutionContext, market_data: MarketDataResource, lake: LakeResource
    ) -> dg.MaterializeResult[None]:
        store = lake.open(settings)
        prices = market_data.open(settings, graph.calendar) if needs_prices(settings) else None
        sources = open_signals(settings, graph.calendar, prices)
        rows = 0
        for session in tracked("strategy_signals", sessions_of(context)):
            signals = [source.at(session) for source in sources]
            table = signal_table(session, signals)
            store.write("strategy_signals", session, table)
            rows += table.num_rows
        flush_files()
        figures: Metadata = {
            "oldest_signal_age_days": max(signal.age_days for signal in signals),
            "files": dg.MetadataValue.table(
                [
                    dg.TableRecord(
                        {"strategy": s.strategy_id, "file": s.file, "sha256": s.file_sha256}
                    )
                    for s in signals
                ]
            ),
        }
        path = store.path("strategy_signals", session)
        return dg.MaterializeResult(metadata=figures | rows_metadata(rows, path, table))

    return strategy_signals


def build_consolidated_targets(graph: PortfolioGraph) -> dg.AssetsDefinition:
    """The asset `consolidated_targets` of one portfolio."""
    settings = graph.settings
    constraints = settings.constraints

    def weights_check() -> SessionCheck:
        return SessionCheck(
            graph.key("consolidated_targets"),
            "weights_keep_constraints",
            "Total and largest weight are inside the constraints, and each weight is the sum of "
            "what the strategies contribute.",
        )

    @dg.asset(
        key=graph.key("consolidated_targets"),
        deps=[graph.key("strategy_signals")],
        **graph.asset_arguments(STAGE),
        kinds={"parquet"},
        description="One target weight for each instrument: strategies selected or blended, "
        "constraints applied, with what each strategy contributed.",
        check_specs=[check_spec(weights_check())],
    )
    def consolidated_targets(
        context: dg.AssetExecutionContext, lake: LakeResource
    ) -> Iterator[Any]:
        store, check = lake.open(settings), weights_check()
        sessions = sessions_of(context)
        rows = 0

        def project(session: dt.date) -> tuple[int, Finding]:
            signals = read_signals(session, require(store, "strategy_signals", session))
            targets = consolidate(session, signals, settings.combination, constraints)
            table = target_table(targets)
            store.write("consolidated_targets", session, table)
            SessionExports(lake.exports, settings.id, session).targets(targets)
            return table.num_rows, _weights_finding(targets, graph)

        with closing(computed_ahead(project, sessions)) as projected:
            for number, finding in tracked_until("consolidated_targets", projected, len(sessions)):
                rows += number
                yield check.add(finding)
        flush_files()
        table = require(store, "consolidated_targets", sessions[-1])
        yield dg.MaterializeResult(
            metadata=weights_chart_metadata(read_targets(sessions[-1], table))
            | rows_metadata(rows, store.path("consolidated_targets", sessions[-1]), table)
        )
        yield from results(check)

    return consolidated_targets


def _weights_finding(targets: TargetPortfolio, graph: PortfolioGraph) -> Finding:
    constraints = graph.settings.constraints
    gross = sum((abs(target.weight) for target in targets.weights), ZERO)
    largest = max((abs(target.weight) for target in targets.weights), default=ZERO)
    explained = all(
        target.weight == sum((part.weight for part in target.contributions), ZERO)
        for target in targets.weights
    )
    short = any(target.weight < 0 for target in targets.weights)
    return Finding(
        targets.session,
        gross <= constraints.max_total_weight
        and largest <= constraints.max_weight
        and explained
        and (constraints.allow_short or not short),
        f"total {plain(gross)}, largest {plain(largest)}, contributions "
        f"{'add up' if explained else 'do not add up'}",
        f"total <= {plain(constraints.max_total_weight)}, largest <= "
        f"{plain(constraints.max_weight)}, contributions add up",
        detail="; ".join(targets.notes),
    )


def require(store: Lake, asset: str, session: Any) -> Any:
    """The projection of an upstream asset, or a Failure that names what to materialise."""
    table = store.read(asset, session)
    if table is None:
        raise dg.Failure(
            f"{asset} of {session} is not there. Materialise {asset} for {session} first."
        )
    return table
