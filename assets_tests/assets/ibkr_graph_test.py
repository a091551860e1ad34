"""A portfolio that a person trades at Interactive Brokers, through the graph: the morning's trade
list, trades in TWS, the evening's close, and what is asked."""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from assets_tests.assets.graph_home import PORTFOLIO, GraphHome, failures
from assets_tests.ibkr.account import GatewayAccount
from assets_tests.ibkr.faults import PLACE_ORDER
from assets_tests.ibkr.flex import running_flex
from assets_tests.ibkr.funds import SXLE, SXLK
from assets_tests.ibkr.server import GatewayStandIn, running_gateway
from trading_assets.execution.session import Surroundings
from trading_assets.resources import BrokerResource

FRIDAY, MONDAY = "2024-05-31", "2024-06-03"
NUMBER = "DU5550777"
PRICES = [
    (FRIDAY, "SXLK.L", "62.50"),
    (FRIDAY, "SXLE.L", "40.00"),
    (MONDAY, "SXLK.L", "63.00"),
    (MONDAY, "SXLE.L", "40.50"),
]


@pytest.fixture
def gateway() -> Iterator[GatewayStandIn]:
    account = GatewayAccount(number=NUMBER)
    account.market.add(SXLK, "62.50")
    account.market.add(SXLE, "40.00")
    with running_gateway(account) as running:
        yield running


class Day:
    """The clock of the test."""

    now = dt.datetime(2024, 6, 3, 7, 30, tzinfo=dt.UTC)


@pytest.fixture
def home(
    gateway: GatewayStandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[GraphHome]:
    settings: dict[str, Any] = {
        "mode": "paper",
        "broker": {"kind": "ibkr", "port": gateway.port, "flex_query_id": "1234567"},
        "execution": {"placement": "manual"},
        "sessions": {"calendar": "XLON", "start": MONDAY, "end": "2024-06-28"},
        "prices": {"path": "market/sectors.csv"},
        "planning": {"fractional": False, "cash_buffer": 0},
        "commission": {},
    }
    surroundings = Surroundings(now=lambda: Day.now, halted=lambda: False, live_account=None)
    monkeypatch.setattr(BrokerResource, "surroundings", lambda _self: surroundings)
    monkeypatch.setenv("TRADING_ASSETS_IBKR_ACCOUNT", NUMBER)
    opened = GraphHome(tmp_path, **settings)
    opened.write_signals({FRIDAY: {"SXLK.L": 0.6, "SXLE.L": 0.4}})
    with (opened.places.data / "market/sectors.csv").open("w", encoding="utf-8") as file:
        csv.writer(file).writerows([("session", "symbol", "close"), *PRICES])
    with running_flex(gateway.account) as flex:
        monkeypatch.setenv("TRADING_ASSETS_IBKR_FLEX_TOKEN", flex.token)
        monkeypatch.setenv("TRADING_ASSETS_IBKR_FLEX_URL", flex.url)
        yield opened
    opened.instance.dispose()


def trade_list(home: GraphHome) -> list[tuple[str, str, str, str]]:
    """(symbol, shares, filled, status) of each line of the file for the person."""
    path = home.places.exports / PORTFOLIO / "20240603" / "trade_list.csv"
    with path.open(encoding="utf-8", newline="") as file:
        return [
            (row["symbol"], row["qty"], row["filled_qty"], row["status"])
            for row in csv.DictReader(file)
        ]


def test_a_day_by_hand_through_the_graph(
    home: GraphHome,
    gateway: GatewayStandIn,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    morning = home.run(MONDAY)
    assert morning.success, failures(morning)
    assert trade_list(home) == [
        ("SXLE.L", "1000", "0", "open"),
        ("SXLK.L", "960", "0", "open"),
    ]
    assert home.materialized("positions_eod") == []

    account = gateway.account
    account.commission *= 0
    account.place_by_hand("SXLK", "BUY", "1000")
    account.place_by_hand("SXLE", "BUY", "900")
    monkeypatch.setattr(Day, "now", dt.datetime(2024, 6, 3, 16, 0, tzinfo=dt.UTC))
    evening = home.run(MONDAY)
    assert evening.success, failures(evening)
    assert trade_list(home) == [
        ("SXLE.L", "1000", "900", "partly_filled"),
        ("SXLK.L", "960", "960", "filled"),
    ]
    assert home.checks("reconciliation", "unexplained_is_zero") == {MONDAY: True}
    assert home.checks("reconciliation", "book_equals_broker") == {MONDAY: True}
    # 40 of SXLK were more than the list asked for.
    assert home.checks("reconciliation", "every_trade_was_planned_or_explained") == {MONDAY: False}
    assert not [fields for fields in gateway.requests if fields[0] == str(PLACE_ORDER)]

    printed = capfd.readouterr()
    said = [printed.out, printed.err]
    for record in home.instance.get_run_records():
        said += [str(entry) for entry in home.instance.all_logs(record.dagster_run.run_id)]
    assert not [text for text in said if NUMBER in text]
