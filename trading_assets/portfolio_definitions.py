"""A portfolio's part of the code location: its assets, jobs, schedules and sensor.

`definitions.py` puts all portfolios, the warehouse and the backtests together for the UI; a command
that runs one portfolio loads that one alone, which is half of what starting it takes.
"""

from __future__ import annotations

import warnings

import dagster as dg

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
    monthly_signal,
    report_job,
    report_sensor,
    session_schedule,
)
from trading_assets.live_automation import live_schedule
from trading_assets.resources import resources
from trading_assets.settings import Directories, PortfolioSettings, load_portfolios

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


def shared_definitions(places: Directories) -> dg.Definitions:
    """What every portfolio's assets need: resources, and the executor."""
    return dg.Definitions(
        resources=resources(places),
        # Spawning a process for each step costs more than the steps.
        executor=dg.in_process_executor,
    )


def single_portfolio(places: Directories, settings: PortfolioSettings) -> dg.Definitions:
    """A code location of this portfolio alone."""
    return dg.Definitions.merge(portfolio_definitions(settings), shared_definitions(places))


def warehouse_alone(places: Directories) -> dg.Definitions:
    """A code location of the warehouse alone, over all portfolios."""
    warehouse = build_warehouse(load_portfolios(places.portfolios))
    return dg.Definitions.merge(dg.Definitions(assets=[warehouse]), shared_definitions(places))
