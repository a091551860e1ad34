"""The Dagster code location: one graph for each portfolio file."""

from __future__ import annotations

import warnings

import dagster as dg

from trading_assets.assets.annotations import build_annotate_trades
from trading_assets.assets.backtests import build_backtests
from trading_assets.assets.momentum import build_momentum_signal
from trading_assets.assets.monthly_report import build_monthly_report
from trading_assets.assets.performance import build_pnl_daily
from trading_assets.assets.portfolio_graph import PortfolioGraph
from trading_assets.assets.prices import build_prices
from trading_assets.assets.reconciliation import build_reconciliation
from trading_assets.assets.risk_snapshot import build_risk_snapshot
from trading_assets.assets.slippage import build_slippage
from trading_assets.assets.strategy_books import build_strategy_pnl
from trading_assets.assets.summary_dashboard import build_summary_dashboard
from trading_assets.assets.targets import build_consolidated_targets, build_strategy_signals
from trading_assets.assets.trading_session import build_trading_session
from trading_assets.assets.warehouse import build_warehouse
from trading_assets.automation import (
    daily_job,
    daily_schedule,
    halt_jobs,
    monthly_signal,
    report_job,
    report_sensor,
    session_schedule,
)
from trading_assets.live_automation import live_schedule
from trading_assets.resources import resources
from trading_assets.settings import Directories, PortfolioSettings, directories, load_portfolios

# Backfill policies are the one beta feature used here; the Dagster version is pinned for it.
warnings.filterwarnings("ignore", category=dg.BetaWarning, message=".*backfill_policy")


def portfolio_definitions(settings: PortfolioSettings) -> dg.Definitions:
    """Assets, jobs, schedule and sensor of one portfolio."""
    graph = PortfolioGraph(settings)
    cycle, report = daily_job(graph), report_job(graph)
    monthly = [monthly_signal(graph, strategy) for strategy in settings.momentum]
    schedule_of = live_schedule if settings.mode.is_real else session_schedule
    sessions = [schedule_of(graph, cycle)]
    if settings.mode.is_real and settings.schedule.daily is not None:
        sessions.append(daily_schedule(graph, cycle, settings.schedule.daily))
    return dg.Definitions(
        assets=[
            build_strategy_signals(graph),
            build_consolidated_targets(graph),
            build_prices(graph),
            build_trading_session(graph),
            build_reconciliation(graph),
            build_pnl_daily(graph),
            build_strategy_pnl(graph),
            build_slippage(graph),
            build_risk_snapshot(graph),
            build_summary_dashboard(graph),
            build_monthly_report(graph),
            *(build_momentum_signal(graph, strategy) for strategy in settings.momentum),
        ],
        jobs=[cycle, report, *(job for job, _ in monthly)],
        schedules=[*sessions, *(schedule for _, schedule in monthly)],
        sensors=[report_sensor(graph, report)],
    )


def build_definitions(places: Directories) -> dg.Definitions:
    """Everything of all portfolios found in these directories."""
    portfolios = load_portfolios(places.portfolios)
    return dg.Definitions.merge(
        *(portfolio_definitions(settings) for settings in portfolios),
        dg.Definitions(
            assets=[build_warehouse(portfolios), *build_backtests(places)],
            jobs=[*halt_jobs(places.halt_switch), build_annotate_trades(portfolios)],
            resources=resources(places),
            # Spawning a process for each step costs more than the steps.
            executor=dg.in_process_executor,
        ),
    )


defs = build_definitions(directories())
