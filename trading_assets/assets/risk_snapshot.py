"""The asset `risk_snapshot`: what the book risks at each close."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dagster as dg

from trading_assets.analytics.risk_snapshot import (
    VOLATILITY_SESSIONS,
    RiskSnapshot,
    daily_return,
    risk_snapshot,
    with_volatility,
)
from trading_assets.assets.closed_sessions import closed_sessions_of
from trading_assets.assets.metadata import Metadata, image, preview, rows_metadata
from trading_assets.assets.partitions import sessions_of
from trading_assets.assets.portfolio_graph import PortfolioGraph
from trading_assets.assets.session_checks import Finding, SessionCheck, check_spec, results
from trading_assets.atomic_file import flush_files
from trading_assets.lake import Lake
from trading_assets.ledger.activity import BookClose
from trading_assets.model.money import plain
from trading_assets.progress import tracked_until
from trading_assets.reporting.charts import drawdown_svg, leverage_svg
from trading_assets.reporting.monthly_content import Series
from trading_assets.reporting.risk_tables import risk_table, sector_table
from trading_assets.resources import BookResource, LakeResource
from trading_assets.risk.book_limits import BookMeasures, breaches
from trading_assets.risk.policies import RiskLimits


def build_risk_snapshot(graph: PortfolioGraph) -> dg.AssetsDefinition:
    """The asset `risk_snapshot` of one portfolio."""
    settings = graph.settings
    limits = settings.risk
    sectors: Mapping[str, str] = {} if limits is None else limits.sectors

    def new_checks() -> list[SessionCheck]:
        key = graph.key("risk_snapshot")
        adds_up = SessionCheck(
            key,
            "exposure_adds_up_to_equity",
            "Net exposure + cash + accruals = equity, to the cent.",
        )
        within = SessionCheck(
            key,
            "book_is_within_risk_limits",
            "Concentration, sectors, exposure, leverage and drawdown at the close against the "
            "portfolio's limits. Prices can carry a book beyond them; orders cannot.",
            blocking=False,
        )
        # A portfolio without limits has nothing to be held against.
        return [adds_up] if limits is None else [adds_up, within]

    @dg.asset(
        key=graph.key("risk_snapshot"),
        deps=[graph.key(name) for name in ("positions_eod", "reconciliation", "pnl_daily")],
        **graph.asset_arguments("analytics"),
        kinds={"parquet"},
        description="Gross and net exposure, leverage, concentration, sectors, drawdown and "
        f"volatility (of {VOLATILITY_SESSIONS} daily returns) at the session's close.",
        check_specs=[check_spec(check) for check in new_checks()],
    )
    def risk_snapshot_asset(
        context: dg.AssetExecutionContext, books: BookResource, lake: LakeResource
    ) -> Iterator[Any]:
        store, sessions = lake.open(settings), sessions_of(context)
        checks = new_checks()
        found: list[RiskSnapshot] = []
        returns: list[float | None] = []
        closed_sessions = closed_sessions_of(books, settings, sessions)
        for closed in tracked_until("risk_snapshot", closed_sessions, len(sessions)):
            snapshot = risk_snapshot(closed.close, sectors)
            found.append(snapshot)
            returns.append(daily_return(closed.previous, closed.activity, closed.close))
            yield checks[0].add(_sum(closed.close, snapshot))
            if limits is not None:
                yield checks[1].add(_limits(snapshot, limits))
        before = graph.calendar.before(sessions[0], VOLATILITY_SESSIONS - 1)
        earlier = _earlier_returns(store, before)
        found = with_volatility(found, returns, earlier, settings.report.annualisation_sessions)
        for snapshot in found:
            store.write("risk_snapshot", snapshot.session, risk_table(snapshot))
            if sectors:
                store.write("risk_by_sector", snapshot.session, sector_table(snapshot))
        flush_files()
        path = store.path("risk_snapshot", sessions[-1])
        last = found[-1]
        yield dg.MaterializeResult(
            metadata=_metadata(found)
            | rows_metadata(len(found), path, risk_table(last))
            | ({"sectors": preview(sector_table(last))} if sectors else {})
        )
        yield from results(*checks)

    return risk_snapshot_asset


def _earlier_returns(store: Lake, before: Sequence[dt.date]) -> list[float | None]:
    """Daily returns of the sessions `before` a run's; None where a session has no table."""
    returns: list[float | None] = []
    for session in before:
        table = store.read("pnl_daily", session)
        returns.append(None if table is None else table["daily_return"][0].as_py())
    return returns


def _sum(close: BookClose, snapshot: RiskSnapshot) -> Finding:
    total = snapshot.net_exposure + close.cash + close.accruals
    return Finding(snapshot.session, total == close.equity, plain(total), plain(close.equity))


def _limits(snapshot: RiskSnapshot, limits: RiskLimits) -> Finding:
    measures = BookMeasures(
        equity=snapshot.equity,
        gross=snapshot.gross_exposure,
        net=snapshot.net_exposure,
        largest_symbol=snapshot.largest_symbol,
        largest_weight=snapshot.largest_weight,
        drawdown=snapshot.drawdown,
        sector_weights={one.sector: one.weight for one in snapshot.sectors},
    )
    found = breaches(measures, limits)
    return Finding(
        snapshot.session,
        not found,
        ", ".join(breach.code.value for breach in found) or "within all limits",
        "within all limits",
        detail="; ".join(breach.message for breach in found),
    )


def _metadata(found: Sequence[RiskSnapshot]) -> Metadata:
    """The last session's figures, and charts where the run has more than one."""
    last = found[-1]
    figures: Metadata = {
        name: "undefined" if value is None else value
        for name, value in (
            ("gross_leverage", last.gross_leverage),
            ("net_leverage", last.net_leverage),
            ("effective_positions", last.effective_positions),
            ("largest_position", last.largest_symbol),
            ("largest_weight", last.largest_weight),
            ("drawdown", last.drawdown),
            ("volatility", last.volatility),
        )
    }
    if len(found) < 2:
        return figures
    days = tuple(one.session for one in found)
    leverage = Series(
        sessions=days,
        portfolio=tuple(one.gross_leverage for one in found),
        benchmark=tuple(one.net_leverage for one in found),
    )
    drawdown = Series(sessions=days, portfolio=tuple(one.drawdown for one in found))
    return {
        "leverage_chart": image(leverage_svg(leverage), "gross and net leverage"),
        "drawdown_chart": image(drawdown_svg(drawdown), "drawdown"),
    } | figures
