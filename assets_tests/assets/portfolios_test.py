"""A portfolio is one file: another file is another graph, which shares nothing with the first."""

from __future__ import annotations

from pathlib import Path

import pytest

from assets_tests.assets.graph_home import FIRST, PORTFOLIO, SECOND, GraphHome
from trading_assets.automation import DAILY_ASSETS, DASHBOARD_ASSET, REPORT_ASSET
from trading_assets.model.order_events import OrderIntended

OTHER = "beta"


@pytest.fixture(scope="module")
def two_portfolios(tmp_path_factory: pytest.TempPathFactory) -> GraphHome:
    """Both portfolios follow the same strategy; the second one's file came after the first ran."""
    home = GraphHome(tmp_path_factory.mktemp("two_portfolios"))
    assert home.run(FIRST, SECOND).success
    home.write_portfolio(OTHER, initial_cash=50000, owners=["team:beta-desk"])
    assert home.run(FIRST, SECOND, portfolio=OTHER).success
    return home


def order_ids(home: GraphHome, portfolio: str) -> set[str]:
    return {
        record.event.request.client_order_id
        for record in home.records(portfolio)
        if isinstance(record.event, OrderIntended)
    }


def keys(home: GraphHome) -> dict[str, set[str]]:
    """Names of the assets by the first part of their key."""
    found: dict[str, set[str]] = {}
    for key in home.definitions.resolve_asset_graph().get_all_asset_keys():
        found.setdefault(key.path[0], set()).add(key.path[-1])
    return found


def test_second_file_gives_a_second_graph_under_its_own_name(two_portfolios: GraphHome) -> None:
    expected = {*DAILY_ASSETS, DASHBOARD_ASSET, REPORT_ASSET}
    assert keys(two_portfolios) == {
        PORTFOLIO: expected,
        OTHER: expected,
        "warehouse": {"warehouse"},
    }
    graph = two_portfolios.definitions.resolve_asset_graph()
    groups = {
        graph.get(key).group_name for key in graph.get_all_asset_keys() if key.path[0] == OTHER
    }
    assert groups == {
        f"{OTHER}_{stage}"
        for stage in (
            "targets",
            "market_data",
            "trading",
            "reconciliation",
            "analytics",
            "reporting",
        )
    }
    repository = two_portfolios.definitions.get_repository_def()
    for portfolio in (PORTFOLIO, OTHER):
        assert repository.has_job(f"{portfolio}__daily_cycle")
        assert repository.has_job(f"{portfolio}__month_end")
        assert repository.has_schedule_def(f"{portfolio}__sessions")
        assert repository.has_sensor_def(f"{portfolio}__month_closed")


def test_each_portfolio_has_a_book_and_orders_of_its_own(two_portfolios: GraphHome) -> None:
    first, second = order_ids(two_portfolios, PORTFOLIO), order_ids(two_portfolios, OTHER)
    assert len(first) == len(second) == 3
    assert not first & second
    assert {r.portfolio for r in two_portfolios.records(OTHER)} == {OTHER}
    assert two_portfolios.closed_sessions(OTHER) == [FIRST, SECOND]


def test_running_the_second_portfolio_leaves_the_first_one_as_it_was(tmp_path: Path) -> None:
    home = GraphHome(tmp_path)
    assert home.run(FIRST).success
    book, files = home.records(), home.files()
    home.write_portfolio(OTHER)
    assert home.run(FIRST, portfolio=OTHER).success
    assert home.records() == book
    after = home.files()
    assert {name: after[name] for name in files} == files
    assert {name.split("/")[1] for name in after.keys() - files.keys()} == {OTHER}
    assert home.materialized("pnl_daily") == [FIRST]
    assert home.materialized("pnl_daily", OTHER) == [FIRST]
