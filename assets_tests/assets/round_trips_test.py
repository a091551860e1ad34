"""Round trips in the lake, the ledger and the terminal: what a session closed, and nothing else."""

from __future__ import annotations

import csv
import datetime as dt
import io
from decimal import Decimal
from pathlib import Path

import pytest

from assets_tests.assets.graph_home import END, PORTFOLIO, REBALANCED, GraphHome
from trading_assets.book_transfer import round_trip_lines
from trading_assets.book_view import show_book
from trading_assets.event_log.store import open_event_log
from trading_assets.execution.as_of import book_as_of
from trading_assets.lake import Lake
from trading_assets.model.order import Side
from trading_assets.model.order_events import Fill
from trading_assets.settings import load_portfolio

SESSION = dt.date.fromisoformat(REBALANCED)
SESSIONS = {"start": dt.date(2024, 1, 29), "end": END}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> GraphHome:
    """The end of January, and the first session of February, in which AAA is sold for CCC."""
    home = GraphHome(tmp_path_factory.mktemp("home"), sessions=SESSIONS)
    assert home.run("2024-01-29", REBALANCED).success
    return home


def fills_of_aaa(home: GraphHome) -> tuple[Fill, Fill]:
    bought, sold = [
        record.event
        for record in home.records()
        if isinstance(record.event, Fill) and record.event.symbol == "AAA"
    ]
    assert (bought.side, sold.side) == (Side.BUY, Side.SELL)
    return bought, sold


def test_a_session_that_closes_nothing_has_no_table(home: GraphHome) -> None:
    lake = Lake(home.places.lake, PORTFOLIO)
    assert lake.sessions("round_trips") == [SESSION]
    assert len(lake.sessions("pnl_daily")) == 4


def test_the_table_has_entry_and_exit_of_what_was_sold(home: GraphHome) -> None:
    table = Lake(home.places.lake, PORTFOLIO).read("round_trips", SESSION)
    assert table is not None
    (row,) = [one for one in table.to_pylist() if one["symbol"] == "AAA"]
    bought, sold = fills_of_aaa(home)
    assert (row["side"], row["quantity"]) == ("long", sold.quantity)
    assert (row["entry_price"], row["exit_price"]) == (bought.price, sold.price)
    assert (row["opened"], row["closed"]) == (dt.date(2024, 1, 29), SESSION)
    assert (row["opened_at"], row["closed_at"]) == (bought.executed_at, sold.executed_at)
    assert row["holding_days"] == 3
    # The close of a lot takes the whole cents of its share of the cost.
    assert row["pnl"] == pytest.approx(
        (sold.price - bought.price) * sold.quantity, abs=Decimal("0.01")
    )
    assert row["return"] == pytest.approx(float(sold.price / bought.price - 1), abs=1e-6)


def test_the_ledger_has_the_same_rows_as_text(home: GraphHome) -> None:
    settings = load_portfolio(home.places.portfolios / f"{PORTFOLIO}.yaml")
    log = open_event_log(home.places.books, PORTFOLIO)
    text = b"".join(round_trip_lines(log, settings)).decode()
    log.close()
    rows = list(csv.DictReader(io.StringIO(text)))
    table = Lake(home.places.lake, PORTFOLIO).read("round_trips", SESSION)
    assert table is not None
    assert [row["symbol"] for row in rows] == table.column("symbol").to_pylist()
    (row,) = [one for one in rows if one["symbol"] == "AAA"]
    bought, sold = fills_of_aaa(home)
    assert Decimal(row["entry_price"]) == bought.price
    assert row["closed_at"] == sold.executed_at.isoformat()


def test_the_book_as_of_the_session_shows_them(
    home: GraphHome, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = load_portfolio(home.places.portfolios / f"{PORTFOLIO}.yaml")
    log = open_event_log(home.places.books, PORTFOLIO)
    show_book(book_as_of(log, settings, SESSION), PORTFOLIO, SESSION)
    show_book(book_as_of(log, settings, dt.date(2024, 1, 31)), PORTFOLIO, dt.date(2024, 1, 31))
    log.close()
    shown = capsys.readouterr().out
    assert f"Round trips closed in {SESSION}" in shown
    assert "Round trips closed in 2024-01-31" not in shown


def test_a_restated_session_takes_its_round_trips_along(tmp_path: Path) -> None:
    """After the correction AAA is kept, so that nothing is closed."""
    home = GraphHome(tmp_path, sessions=SESSIONS)
    assert home.run("2024-01-29", REBALANCED).success
    home.write_signals({"2023-12-29": {"AAA": 0.5, "BBB": 0.3, "CCC": 0.2}})
    assert home.run(REBALANCED).success
    assert Lake(home.places.lake, PORTFOLIO).sessions("round_trips") == []
