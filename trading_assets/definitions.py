"""The Dagster code location: one graph for each portfolio file, the warehouse and the backtests."""

from __future__ import annotations

import dagster as dg

from trading_assets.assets.annotations import build_annotate_trades
from trading_assets.assets.backtests import build_backtests
from trading_assets.assets.warehouse import build_warehouse
from trading_assets.automation import halt_jobs
from trading_assets.portfolio_definitions import portfolio_definitions, shared_definitions
from trading_assets.settings import Directories, directories, load_portfolios


def build_definitions(places: Directories) -> dg.Definitions:
    """Everything of all portfolios found in these directories."""
    portfolios = load_portfolios(places.portfolios)
    return dg.Definitions.merge(
        *(portfolio_definitions(settings) for settings in portfolios),
        dg.Definitions(
            assets=[build_warehouse(portfolios), *build_backtests(places)],
            jobs=[*halt_jobs(places.halt_switch), build_annotate_trades(portfolios)],
        ),
        shared_definitions(places),
    )


defs = build_definitions(directories())
