"""The asset `momentum_signal`: the month's ranking, and what it asks to be traded."""

import datetime as dt
from decimal import Decimal

import dagster as dg

from trading_assets.analytics.pnl import position_values
from trading_assets.assets.metadata import preview
from trading_assets.assets.portfolio_graph import ONE_RUN, PortfolioGraph
from trading_assets.atomic_file import replace_file
from trading_assets.errors import SessionUnknownError
from trading_assets.execution.book import closed_session_dates, read_closed_sessions
from trading_assets.portfolio.momentum import proposed_trades
from trading_assets.reporting.momentum_report import (
    MonthlySignal,
    ranking_csv,
    ranking_table,
    report_text,
)
from trading_assets.resources import BookResource, LakeResource, MarketDataResource
from trading_assets.signal_settings import MomentumStrategy
from trading_assets.signal_sources import MomentumSignals, adjusted_closes


def build_momentum_signal(graph: PortfolioGraph, strategy: MomentumStrategy) -> dg.AssetsDefinition:
    """The asset of one momentum strategy; its key ends in the strategy's id."""
    settings = graph.settings
    name = signal_asset(strategy)

    @dg.asset(
        key=graph.key(name),
        partitions_def=graph.months,
        backfill_policy=ONE_RUN,
        group_name=graph.group("targets"),
        owners=graph.owners,
        tags=graph.tags,
        kinds={"parquet"},
        description="The universe ranked for the month's first session by 12-1 momentum, the "
        "weights that follow, and the trades that they propose against what is held. For people: "
        "the plan computes the same ranking from the same prices.",
    )
    def momentum_signal(
        context: dg.AssetExecutionContext,
        market_data: MarketDataResource,
        books: BookResource,
        lake: LakeResource,
    ) -> dg.MaterializeResult[None]:
        store = lake.open(settings)
        closes = adjusted_closes(market_data.open(settings, graph.calendar))
        signals = MomentumSignals(strategy, closes, graph.calendar.history)
        for month in context.partition_keys:
            session = first_session(graph, month)
            held_at, held = held_before(books, graph, session)
            band = settings.planning.no_trade_band
            ranking = signals.ranking_before(session)
            signal = MonthlySignal(
                session=session,
                strategy=strategy,
                ranking=ranking,
                min_threshold=band,
                held_at=held_at,
                trades=proposed_trades(ranking, held, band),
            )
            table, text = ranking_table(signal), report_text(signal)
            path = store.write(name, session, table)
            folder = lake.exports / settings.id / f"{session:%Y%m%d}"
            replace_file(folder / f"{name}_{session:%Y%m%d}.csv", ranking_csv(signal).encode())
            replace_file(folder / f"{name}_{session:%Y%m%d}.txt", text.encode())
            context.log.info(text)
        return dg.MaterializeResult(
            metadata={
                "report": dg.MetadataValue.md(f"```\n{text}\n```"),
                "ranking": preview(table),
                "asof": ranking.asof.isoformat(),
                "ranking_sha256": ranking.sha256,
                "not_ranked": ", ".join(ranking.unranked) or "none",
                "file": dg.MetadataValue.path(path),
            }
        )

    return momentum_signal


def signal_asset(strategy: MomentumStrategy) -> str:
    """Name of the asset of a momentum strategy."""
    return f"momentum_signal_{strategy.id}"


def first_session(graph: PortfolioGraph, month: str) -> dt.date:
    """The first session of a month's partition key; SessionUnknownError where it has none."""
    sessions = graph.calendar.month(month[:7])
    if not sessions:
        raise SessionUnknownError(f"{graph.settings.id} has no session in {month[:7]}.")
    return sessions[0]


def held_before(
    books: BookResource, graph: PortfolioGraph, session: dt.date
) -> tuple[dt.date | None, dict[str, Decimal]]:
    """The last closed session before `session` and the weights held at its close; None and nothing
    for a book without one."""
    settings = graph.settings
    with books.reading(settings) as log:
        before = [day for day in closed_session_dates(log) if day < session]
        if not before:
            return None, {}
        last = next(iter(read_closed_sessions(log, settings, max(before))))
    values = position_values(last.close, last.cost_bases)
    return last.session, {value.symbol: value.weight for value in values if value.weight}
