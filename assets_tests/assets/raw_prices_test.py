"""A month on raw prices through the real graph: a split, two dividends (one paid after the month's
end) and interest, in tables, files, checks and the monthly PDF."""

from __future__ import annotations

import csv
import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader

from assets_tests.assets.graph_home import JANUARY, PORTFOLIO, GraphHome, failures
from trading_assets.inspection import plan_of
from trading_assets.lake import Lake
from trading_assets.settings import load_portfolio

SPLIT = "2024-01-16"
ACTIONS = """ex_date,symbol,action,amount_per_share,currency,pay_date,new_shares,old_shares
2024-01-05,CCC,dividend,0.10,USD,2024-01-12,,
2024-01-16,AAA,split,,,,4,1
2024-01-24,BBB,dividend,1.25,USD,2024-02-09,,
"""


def raw_home(folder: Path, actions: str = ACTIONS) -> GraphHome:
    """The small portfolio with AAA's closes as quoted: a quarter from the split on."""
    home = GraphHome(
        folder,
        corporate_actions={"path": "market/corporate_actions.csv"},
        simulation={"slippage_bps": 2, "credit_rate": 0.05, "day_count": "actual/365"},
    )
    path = home.places.data / "market/prices.csv"
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        if row["symbol"] == "AAA" and row["session"] >= SPLIT:
            row["close"] = str(Decimal(row["close"]) / 4)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, ("session", "symbol", "close"))
        writer.writeheader()
        writer.writerows(rows)
    (home.places.data / "market/corporate_actions.csv").write_text(actions)
    return home


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> GraphHome:
    """January, run and reported."""
    home = raw_home(tmp_path_factory.mktemp("raw"))
    result = home.run(JANUARY[0], JANUARY[-1])
    assert result.success, failures(result)
    report = home.report("2024-01")
    assert report.success, failures(report)
    return home


def table(home: GraphHome, asset: str, session: str) -> list[dict[str, Any]]:
    read = Lake(home.places.lake, PORTFOLIO).read(asset, dt.date.fromisoformat(session))
    assert read is not None
    return list(read.to_pylist())


def exported(home: GraphHome, session: str, name: str) -> list[dict[str, str]]:
    path = home.places.exports / PORTFOLIO / session.replace("-", "") / name
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def close_of_aaa(home: GraphHome, session: str) -> Decimal:
    """AAA's close as the file has it."""
    with (home.places.data / "market/prices.csv").open(newline="") as file:
        (close,) = (
            row["close"]
            for row in csv.DictReader(file)
            if (row["symbol"], row["session"]) == ("AAA", session)
        )
    return Decimal(close)


@pytest.mark.parametrize(
    ("asset", "check"),
    [
        ("prices", "prices_are_complete_and_fresh"),
        ("order_plan", "opening_book_equals_broker"),
        ("order_plan", "orders_may_be_sent"),
        ("positions_eod", "lots_and_cash_balance"),
        ("reconciliation", "unexplained_is_zero"),
        ("reconciliation", "book_equals_broker"),
        ("pnl_daily", "equity_change_is_explained"),
    ],
)
def test_every_check_passes_on_every_session(home: GraphHome, asset: str, check: str) -> None:
    assert home.checks(asset, check) == dict.fromkeys(JANUARY, True)


def test_the_prices_table_says_what_was_done_to_a_price(home: GraphHome) -> None:
    (before,) = (row for row in table(home, "prices", "2024-01-12") if row["symbol"] == "AAA")
    (row,) = (row for row in table(home, "prices", SPLIT) if row["symbol"] == "AAA")
    assert row["price"] == close_of_aaa(home, "2024-01-12") / 4
    assert row["source"] == "market/prices.csv; split 4:1 of 2024-01-16"
    assert before["source"] == "market/prices.csv"
    (real,) = (one for one in exported(home, SPLIT, "real_prices.csv") if one["symbol"] == "AAA")
    assert real["source"] == row["source"]


def test_the_split_leaves_four_times_the_shares_and_no_order(home: GraphHome) -> None:
    held = {
        session: {row["symbol"]: row["quantity"] for row in table(home, "positions_eod", session)}
        for session in ("2024-01-12", SPLIT)
    }
    assert held[SPLIT]["AAA"] == 4 * held["2024-01-12"]["AAA"]
    assert table(home, "execution_log", SPLIT) == []


def test_owed_dividends_are_in_equity_and_in_the_files(home: GraphHome) -> None:
    last = JANUARY[-1]
    (row,) = table(home, "pnl_daily", last)
    (bbb,) = (one for one in table(home, "positions_eod", last) if one["symbol"] == "BBB")
    assert row["accruals"] == bbb["quantity"] * Decimal("1.25")
    assert row["closing_equity"] == row["cash"] + row["market_value"] + row["accruals"]
    accrued, cash = exported(home, last, f"positions_eod_{last.replace('-', '')}.csv")[-2:]
    assert (accrued["symbol"], Decimal(accrued["market_value"])) == ("ACCRUED", row["accruals"])
    assert cash["symbol"] == "CASH"
    total = exported(home, last, f"pnl_daily_{last.replace('-', '')}.csv")[-1]
    assert Decimal(total["accruals"]) == row["accruals"]
    assert Decimal(total["interest"]) == row["interest"] > 0


def test_a_paid_dividend_moves_from_owed_to_cash_without_a_result(home: GraphHome) -> None:
    (before,) = table(home, "pnl_daily", "2024-01-11")
    (paid,) = table(home, "pnl_daily", "2024-01-12")
    (ccc,) = (one for one in table(home, "positions_eod", "2024-01-04") if one["symbol"] == "CCC")
    assert before["accruals"] == ccc["quantity"] * Decimal("0.10")
    assert (paid["accruals"], paid["dividends"]) == (0, 0)
    assert paid["cash"] == before["cash"] + before["accruals"] + paid["interest"]


def test_the_monthly_report_shows_them(home: GraphHome) -> None:
    (path,) = (home.places.reports / PORTFOLIO).glob("*.pdf")
    text = "\n".join(page.extract_text() for page in PdfReader(path).pages)
    for words in (
        "Income and corporate actions",
        "of which dividends",
        "of which interest",
        "Corporate action",
        "Dividend",
        "Interest",
        "Accrued",
        "Corporate actions file",
    ):
        assert words in text, words
    assert "does not add up" not in text


def test_a_plan_that_is_only_looked_at_has_the_split_in_it(tmp_path: Path) -> None:
    home = raw_home(tmp_path)
    assert home.run(JANUARY[0], "2024-01-12").success
    records = home.records()
    settings = load_portfolio(home.places.portfolios / f"{PORTFOLIO}.yaml")
    plan = plan_of(home.places, settings, dt.date.fromisoformat(SPLIT))
    (line,) = (line for line in plan.lines if line.symbol == "AAA")
    (held,) = (row for row in table(home, "positions_eod", "2024-01-12") if row["symbol"] == "AAA")
    assert line.current_quantity == 4 * held["quantity"]
    assert plan.real_orders == ()
    assert home.records() == records


def test_a_wrong_action_fails_the_prices_and_names_its_row(tmp_path: Path) -> None:
    home = raw_home(tmp_path, ACTIONS.replace("AAA,split", "AAA,spilt"))
    result = home.run(JANUARY[0])
    assert not result.success
    message = failures(result)[f"{PORTFOLIO}__prices"]
    for words in ("market/corporate_actions.csv, row 3", "'spilt'", "action must be one of"):
        assert words in message
    assert home.records() == []
