"""A paper account through the graph: two keys in the environment, `mode: paper`, and the runs of a
day, on the stand-in that alpaca-py itself talks to."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from csv import DictReader
from decimal import Decimal
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from rich.console import Console

from assets_tests.alpaca.account import BrokerAccount
from assets_tests.alpaca.clock import new_york
from assets_tests.alpaca.invariants import violations
from assets_tests.alpaca.market import BarPoint
from assets_tests.alpaca.server import AlpacaStandIn, running_alpaca
from assets_tests.assets.graph_home import PORTFOLIO, GraphHome, failures
from trading_assets import price_sources
from trading_assets.automation import DAILY_ASSETS
from trading_assets.book_verification import verify_book
from trading_assets.calendar import TradingCalendar
from trading_assets.daily_run import checks_passed, session_stage
from trading_assets.errors import ConfigurationError, SessionNotReadyError
from trading_assets.event_log.store import open_event_log
from trading_assets.execution.book import Book
from trading_assets.execution.interventions import Intervention, discard_plan
from trading_assets.execution.session import Surroundings
from trading_assets.inspection import plan_of
from trading_assets.lake import Lake
from trading_assets.live_automation import BEFORE_THE_PLAN
from trading_assets.market_data.alpaca import AlpacaMarketData
from trading_assets.resources import BrokerResource
from trading_assets.settings import Mode, load_portfolio

SAMPLES = Path(__file__).parents[2] / "data"
MONDAY, TUESDAY = "2024-06-03", "2024-06-04"
KEY, SECRET = "PKGRAPH1Z9", "graph-secret-77aa"
SETTINGS: dict[str, Any] = {
    "mode": "paper",
    "sessions": {"start": MONDAY, "end": "2024-06-28"},
    "prices": {"kind": "alpaca", "adjustment": "raw"},
    "planning": {"fractional": True, "quantity_decimals": 4, "cash_buffer": 0},
    "commission": {},
    "execution": {"wait_seconds": 0.2, "poll_seconds": 0.05},
}


@pytest.fixture
def alpaca() -> Iterator[AlpacaStandIn]:
    account = BrokerAccount(now=new_york("2024-06-03 09:00"), multiplier=2)
    with running_alpaca(account, api_key=KEY, secret_key=SECRET) as running:
        for symbol, price in (("AAA", "50"), ("BBB", "100")):
            account.list_asset(symbol, price)
            add_day(running, symbol, "2024-05-31", price)
        yield running


@pytest.fixture
def home(
    alpaca: AlpacaStandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[GraphHome]:
    for name, value in {
        "TRADING_ASSETS_ALPACA_KEY": KEY,
        "TRADING_ASSETS_ALPACA_SECRET": SECRET,
        "TRADING_ASSETS_ALPACA_URL": alpaca.base_url,
        "TRADING_ASSETS_ALPACA_DATA_URL": alpaca.base_url,
    }.items():
        monkeypatch.setenv(name, value)
    surroundings = Surroundings(
        now=lambda: alpaca.account.clock.now, halted=lambda: False, live_account=None
    )
    monkeypatch.setattr(BrokerResource, "surroundings", lambda _self: surroundings)
    opened = GraphHome(tmp_path, **SETTINGS)
    opened.write_signals(
        {"2024-05-31": {"AAA": 0.5, "BBB": 0.5}, TUESDAY: {"AAA": 1.0, "BBB": 0.0}}
    )
    yield opened
    opened.instance.dispose()


def add_day(alpaca: AlpacaStandIn, symbol: str, day: str, close: str) -> None:
    price = Decimal(close)
    bar = BarPoint(new_york(f"{day} 00:00"), price, price, price, price)
    alpaca.account.market.bars.setdefault((symbol, "1Day"), []).append(bar)


def plan_metadata(home: GraphHome) -> dict[str, Any]:
    found = home.instance.get_latest_materialization_event(dg.AssetKey([PORTFOLIO, "order_plan"]))
    assert found is not None
    assert found.asset_materialization is not None
    return {name: each.value for name, each in found.asset_materialization.metadata.items()}


def test_a_day_at_a_paper_account(home: GraphHome, alpaca: AlpacaStandIn) -> None:
    account = alpaca.account
    assert home.run(MONDAY).success
    assert plan_metadata(home)["session_status"] == "planned"
    assert alpaca.account.orders == {}
    assert home.materialized("positions_eod") == []

    account.advance_to("2024-06-03 09:30")
    account.set_price("BBB", "100")
    account.place_by_hand("BBB", "buy", "3", type="limit", limit_price="20")
    assert home.run(MONDAY).success
    said = plan_metadata(home)
    assert (said["session_status"], said["orders_open"]) == ("working", 0)
    assert said["api"]["calls"] > 0
    priced = home.instance.get_latest_materialization_event(dg.AssetKey([PORTFOLIO, "prices"]))
    assert priced is not None
    assert priced.asset_materialization is not None
    used = priced.asset_materialization.metadata["api"].value
    assert isinstance(used, dict)
    assert used["calls"] > 0
    assert used["latency_ms_p95"] > 0
    assert said["api"]["errors"] == {}
    (by_hand,) = [order for order in account.orders.values() if order.foreign]
    assert said["foreign_orders"] == (
        f"buy 3 BBB (limit, limit 20, day; order {by_hand.id}): no sale of BBB is planned while it "
        "is open, buying power under it is not used."
    )
    assert home.checks("order_plan", "no_foreign_order_is_open") == {MONDAY: False}
    assert home.checks("order_plan", "session_is_the_brokers") == {MONDAY: True}
    # The order by hand lays claim to 60 of the 200,000 of buying power; cash is for 1,000 and 500.
    assert account.quantity("AAA") == 1000
    assert account.quantity("BBB") == 500

    account.advance_to("2024-06-03 16:20")
    for symbol, close in (("AAA", "52"), ("BBB", "99")):
        add_day(alpaca, symbol, MONDAY, close)
    result = home.run(MONDAY)
    assert result.success, failures(result)
    assert home.materialized("reconciliation") == [MONDAY]
    assert home.materialized("pnl_daily") == [MONDAY]
    # The order by hand was for the day, and is over.
    assert home.checks("order_plan", "no_foreign_order_is_open") == {MONDAY: True}
    # 1,000 of AAA at 52, 500 of BBB at 99: 52,000 of 101,500, by the statement.
    exported = home.places.exports / PORTFOLIO / "20240603" / "recon_final_20240603.csv"
    with exported.open() as file:
        told = {
            row["symbol"]: (row["account_qty"], row["account_weight"]) for row in DictReader(file)
        }
    assert told["AAA"] == ("1000", "0.5123152709")
    result_of_day = Lake(home.places.lake, PORTFOLIO).read("pnl_daily", dt.date(2024, 6, 3))
    assert result_of_day is not None
    assert result_of_day["closing_equity"].to_pylist() == [Decimal(101500)]
    slippage = Lake(home.places.lake, PORTFOLIO).read("slippage", dt.date(2024, 6, 3))
    assert slippage is not None
    # The stand-in's last prices are of 09:00; at 09:30 they are no market any more.
    assert slippage["arrival_price"].to_pylist() == [None, Decimal(100)]
    assert slippage["arrival_basis"].to_pylist() == [
        "undefined: the quote is of 2024-06-03 13:00:00Z, and the last trade is of "
        "2024-06-03 13:00:00Z",
        "quote midpoint, alpaca/iex, 2024-06-03 13:30:00.001000Z",
    ]
    assert violations(account) == []
    ours = [order for order in account.orders.values() if not order.foreign]
    assert {order.client_order_id.split("_")[0] for order in ours} == {PORTFOLIO}


def test_the_keys_are_in_no_record_of_dagster_the_book_or_the_lake(
    home: GraphHome, alpaca: AlpacaStandIn, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    alpaca.account.advance_to("2024-06-03 09:30")
    assert home.run(MONDAY).success
    alpaca.gateway.key_forbidden = True
    refused = home.run(MONDAY)
    assert not refused.success
    alpaca.gateway.key_forbidden = False
    log = open_event_log(home.places.books, PORTFOLIO)
    said = [str(record) for record in log.records()]
    log.close()
    said += [json.dumps(failures(refused), default=str)]
    for record in home.instance.get_run_records():
        said.append(str(record.dagster_run))
        said += [str(entry) for entry in home.instance.all_logs(record.dagster_run.run_id)]
    output = capfd.readouterr()
    said += [output.out, output.err]
    files = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) >= 10
    for secret in (KEY, SECRET):
        assert not [text for text in said if secret in text]
        assert not [content for content in files if secret.encode() in content]


def test_a_missed_close_is_caught_up_and_the_next_session_follows(
    home: GraphHome, alpaca: AlpacaStandIn
) -> None:
    alpaca.account.advance_to("2024-06-03 09:30")
    assert home.run(MONDAY).success
    alpaca.account.advance_to("2024-06-04 09:00")
    too_early = home.run(TUESDAY)
    assert not too_early.success
    for symbol, close in (("AAA", "52"), ("BBB", "99")):
        add_day(alpaca, symbol, MONDAY, close)
    assert home.run(MONDAY).success
    assert home.materialized("reconciliation") == [MONDAY]
    assert home.run(TUESDAY).success
    assert plan_metadata(home)["session_status"] == "planned"
    assert dt.date.fromisoformat(TUESDAY) == alpaca.account.clock.today


def test_the_sample_for_alpaca_needs_two_keys_and_one_line(
    tmp_path: Path, home: GraphHome, alpaca: AlpacaStandIn
) -> None:
    """98,000 without the buffer of 2 %: 0.3 of it are 294 of AGG at 100, 0.1 are 39.2 of GLD at
    250, and 0.6 would be 58,800 of SPY, of which the limit of an order lets 50,000 pass."""
    text = (SAMPLES / "portfolios" / "three_funds.yaml").read_text()
    assert text.count("mode: dry") == 1
    path = home.places.portfolios / "three_funds.yaml"
    path.write_text(text.replace("mode: dry", "mode: paper").replace("2026-01-02", MONDAY))
    signals = (SAMPLES / "raw_signals" / "three_funds.csv").read_text()
    (home.places.data / "raw_signals" / "three_funds.csv").write_text(
        signals.replace("2026-01-02", "2024-05-31")
    )
    for symbol, price in (("SPY", "100"), ("AGG", "100"), ("GLD", "250")):
        alpaca.account.list_asset(symbol, price)
        add_day(alpaca, symbol, "2024-05-31", price)
    alpaca.account.advance_to("2024-06-04 09:30")
    for symbol, price in (("SPY", "100"), ("AGG", "100"), ("GLD", "250")):
        add_day(alpaca, symbol, MONDAY, price)
    result = home.run(TUESDAY, portfolio="three_funds")
    assert result.success, failures(result)
    held = {symbol: alpaca.account.quantity(symbol) for symbol in ("SPY", "AGG", "GLD")}
    assert held == {"SPY": Decimal(500), "AGG": Decimal(294), "GLD": Decimal("39.2")}
    assert tmp_path.exists()


def test_a_second_portfolio_does_not_trade_the_account_of_the_first(
    home: GraphHome, alpaca: AlpacaStandIn
) -> None:
    """It would sell what the first holds, whose book would call that a trade by hand."""
    alpaca.account.advance_to("2024-06-03 09:30")
    assert home.run(MONDAY).success
    held = alpaca.account.quantity("AAA")
    brokers = BrokerResource(folder=str(home.places.simulated_brokers), halt_switch="HALT")
    second = load_portfolio(home.places.portfolios / f"{PORTFOLIO}.yaml")
    second = second.model_copy(update={"id": "second"})
    told = f"account of portfolio {PORTFOLIO}"
    with pytest.raises(ConfigurationError, match=told) as refused, brokers.open(second):
        pass
    assert KEY not in str(refused.value)
    assert alpaca.account.quantity("AAA") == held == 1000
    reading = second.model_copy(update={"mode": Mode.ONLINE})
    first = load_portfolio(home.places.portfolios / f"{PORTFOLIO}.yaml")
    with brokers.open(first) as trading, brokers.open(reading) as broker:
        assert broker.positions() == trading.positions()


def test_who_runs_a_session_by_hand_is_told_how_far_it_came(
    home: GraphHome, alpaca: AlpacaStandIn
) -> None:
    planned = home.run(MONDAY)
    assert session_stage(planned) == (
        "planned: 2 orders planned, 0 open; nothing is sent yet, run it again from the open on"
    )
    shown = Console(file=StringIO(), width=200)
    assert checks_passed(shown, planned)
    assert isinstance(shown.file, StringIO)
    assert "each_order_sent_once_and_done: Not reached" in shown.file.getvalue()
    alpaca.account.advance_to("2024-06-03 09:30")
    assert session_stage(home.run(MONDAY)) == (
        "working: 2 orders planned, 0 open; run it again while it trades, and after the close"
    )
    alpaca.account.advance_to("2024-06-03 16:20")
    for symbol, close in (("AAA", "52"), ("BBB", "99")):
        add_day(alpaca, symbol, MONDAY, close)
    assert session_stage(home.run(MONDAY)) is None


def test_the_plan_of_the_first_day_is_shown_from_when_the_account_is_taken_over(
    home: GraphHome, alpaca: AlpacaStandIn
) -> None:
    """The calendar begins on Monday, the book on Tuesday: half of 100,000 is 1,000 of AAA at 50 and
    500 of BBB at 100."""
    settings = load_portfolio(home.places.portfolios / f"{PORTFOLIO}.yaml")
    tuesday = dt.date.fromisoformat(TUESDAY)
    alpaca.account.advance_to("2024-06-04 09:00")
    for symbol, close in (("AAA", "50"), ("BBB", "100")):
        add_day(alpaca, symbol, MONDAY, close)
    with pytest.raises(SessionNotReadyError, match="takes the account over and plans"):
        plan_of(home.places, settings, tuesday)
    assert home.run(TUESDAY).success
    planned = plan_of(home.places, settings, tuesday).real_orders
    assert {one.symbol: one.quantity for one in planned} == {"AAA": 1000, "BBB": 500}


# Planned on last trades


POLLED = tuple(name for name in DAILY_ASSETS if name not in BEFORE_THE_PLAN)
ON_TRADES = SETTINGS | {"prices": SETTINGS["prices"] | {"plan_price": "last_trade"}}


def discarded(home: GraphHome) -> None:
    settings = load_portfolio(home.places.portfolios / f"{PORTFOLIO}.yaml")
    calendar = TradingCalendar(settings.sessions)
    log = open_event_log(home.places.books, PORTFOLIO)
    now = new_york(f"{MONDAY} 14:59")
    discard_plan(
        Intervention(settings=settings, calendar=calendar, reason="look again", now=now),
        Book(log, settings),
    )
    log.close()


@pytest.mark.parametrize("why", ["the mode sends now", "discarded", "refused"])
def test_a_plan_that_is_made_anew_is_made_on_the_trades_of_then(
    home: GraphHome, alpaca: AlpacaStandIn, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    """At 09:45 half of 100,000 is 1,000 of AAA at 50; at 15:00 it is 625 at 80. BBB did not trade
    since, so its close of Friday counts. The polls of a session make no prices of their own."""
    on_the_stand_ins_clock = partial(AlpacaMarketData, now=lambda: alpaca.account.clock.now)
    monkeypatch.setattr(price_sources, "AlpacaMarketData", on_the_stand_ins_clock)
    before: dict[str, dict[str, Any]] = {
        "the mode sends now": {"mode": "online"},
        "discarded": {},
        "refused": {"limits": {"max_total_notional": 1}},
    }
    home.write_portfolio(PORTFOLIO, **ON_TRADES | before[why])
    account = alpaca.account
    account.advance_to(f"{MONDAY} 09:45")
    for symbol, price in (("AAA", "50"), ("BBB", "102")):
        account.set_price(symbol, price)
    planned = home.run(MONDAY, session_config={"stop_after_plan": True})
    assert planned.success, failures(planned)
    assert ("MAX_TOTAL_NOTIONAL" in plan_metadata(home)["refusals"]) == (why == "refused")
    assert account.orders == {}
    home.write_portfolio(PORTFOLIO, **ON_TRADES)
    if why == "discarded":
        discarded(home)

    account.advance_to(f"{MONDAY} 15:00")
    account.set_price("AAA", "80")
    polled = home.run(MONDAY, assets=POLLED)
    assert polled.success, failures(polled)
    assert {symbol: account.quantity(symbol) for symbol in ("AAA", "BBB")} == {
        "AAA": 625,
        "BBB": 500,
    }
    assert home.materialized("prices") == [MONDAY]
    sent = [order for order in account.orders.values() if not order.foreign]
    assert len(sent) == 2


def changing_requests(alpaca: AlpacaStandIn) -> list[str]:
    return [one.path for one in alpaca.requests if one.method != "GET"]


def exported(home: GraphHome, name: str) -> list[dict[str, str]]:
    with (home.places.exports / PORTFOLIO / "20240603" / name).open() as file:
        return list(DictReader(file))


def test_online_plans_from_the_account_logs_it_as_dry_and_sends_nothing(
    home: GraphHome, alpaca: AlpacaStandIn
) -> None:
    """The account holds 200 AAA at 50 and 90,000: of 100,000 in halves, 800 AAA and 500 BBB are
    wanted; `initial_cash` of the file has no part in it."""
    home.write_portfolio(PORTFOLIO, **SETTINGS | {"mode": "online", "initial_cash": 77})
    alpaca.account.holdings.book_fill(
        "AAA", Decimal(200), Decimal(50), dt.date.fromisoformat("2024-05-31")
    )
    result = home.run(MONDAY)
    assert result.success, failures(result)
    assert session_stage(result) == (
        "planned: 2 orders planned, 0 open; nothing is sent; the run after the close closes it"
    )
    said = plan_metadata(home)
    assert (said["execution"], said["equity"], said["buying_power"]) == ("dry", "100000", "190000")
    for name in ("planned_orders.csv", "planned_orders_real.csv", "rebalance_plan_real.csv"):
        assert {row["symbol"] for row in exported(home, name)} == {"AAA", "BBB"}, name
    journal = [
        (row["mode"], row["symbol"], row["qty"], row["status"])
        for row in exported(home, "execution_log.csv")
    ]
    assert journal == [("dry", "AAA", "800", "not_sent"), ("dry", "BBB", "500", "not_sent")]

    alpaca.account.advance_to("2024-06-03 16:20")
    for symbol, close in (("AAA", "52"), ("BBB", "99")):
        add_day(alpaca, symbol, MONDAY, close)
    result = home.run(MONDAY)
    assert result.success, failures(result)
    assert home.materialized("pnl_daily") == [MONDAY]
    assert {row["mode"] for row in exported(home, "execution_log.csv")} == {"dry"}
    # Its tables stay what the book makes of that session, whatever the mode is later.
    home.write_portfolio(PORTFOLIO, **SETTINGS)
    traded = load_portfolio(home.places.portfolios / f"{PORTFOLIO}.yaml")
    log = open_event_log(home.places.books, PORTFOLIO)
    found = verify_book(log, traded, home.places, files=True)
    log.close()
    assert found.difference is None
    assert found.tables > 5
    earned = Lake(home.places.lake, PORTFOLIO).read("pnl_daily", dt.date(2024, 6, 3))
    assert earned is not None
    assert earned["closing_equity"].to_pylist() == [Decimal(100_400)]
    assert changing_requests(alpaca) == []
    assert alpaca.account.orders == {}


def test_dry_plans_configured_equity_on_real_prices_and_asks_no_account(
    home: GraphHome, alpaca: AlpacaStandIn
) -> None:
    """20,000 in halves: 200 AAA at 50 and 100 BBB at 100, whatever the account holds."""
    home.write_portfolio(PORTFOLIO, **SETTINGS | {"mode": "dry", "initial_cash": 20000})
    alpaca.account.advance_to("2024-06-03 16:20")
    for symbol, close in (("AAA", "52"), ("BBB", "99")):
        add_day(alpaca, symbol, MONDAY, close)
    result = home.run(MONDAY)
    assert result.success, failures(result)
    journal = [
        (row["mode"], row["symbol"], row["qty"], row["price_used"], row["status"])
        for row in exported(home, "execution_log.csv")
    ]
    assert journal == [
        ("dry", "AAA", "200", "50", "not_sent"),
        ("dry", "BBB", "100", "100", "not_sent"),
    ]
    paths = {one.path for one in alpaca.requests}
    assert not [path for path in paths if "orders" in path or "account" in path], paths
    assert changing_requests(alpaca) == []


def test_a_paper_account_does_not_go_on_with_the_book_of_a_dry_run(
    home: GraphHome, alpaca: AlpacaStandIn
) -> None:
    """It would begin with an equity that nobody had; who wants the account's is told how."""
    home.write_portfolio(PORTFOLIO, **SETTINGS | {"mode": "dry", "initial_cash": 20000})
    alpaca.account.advance_to("2024-06-03 16:20")
    for symbol, close in (("AAA", "52"), ("BBB", "99")):
        add_day(alpaca, symbol, MONDAY, close)
    assert home.run(MONDAY).success
    home.write_portfolio(PORTFOLIO, **SETTINGS)
    alpaca.account.advance_to("2024-06-04 09:31")
    refused = home.run(TUESDAY)
    assert not refused.success
    (why,) = failures(refused).values()
    assert "OPENING_BREAK" in why
    assert "The book is of a dry or simulated run. Use a new portfolio id, or move it away" in why
    assert changing_requests(alpaca) == []
    for path in home.places.books.glob(f"{PORTFOLIO}.*"):
        path.unlink()
    result = home.run(TUESDAY)
    assert result.success, failures(result)
    assert plan_metadata(home)["equity"] == "100000"


def test_on_the_day_of_a_split_the_close_before_is_told_in_new_shares(
    home: GraphHome, alpaca: AlpacaStandIn
) -> None:
    """1,000 AAA at 50 are 4,000 at 12.50: still half of 100,000, so nothing is to be traded."""
    (home.places.data / "actions.csv").write_text(
        f"ex_date,symbol,action,new_shares,old_shares\n{TUESDAY},AAA,split,4,1\n"
    )
    home.write_portfolio(PORTFOLIO, **SETTINGS, corporate_actions={"path": "actions.csv"})
    account = alpaca.account
    account.advance_to("2024-06-03 09:30")
    assert home.run(MONDAY).success
    account.advance_to("2024-06-03 16:20")
    for symbol, close in (("AAA", "50"), ("BBB", "100")):
        add_day(alpaca, symbol, MONDAY, close)
    assert home.run(MONDAY).success
    account.advance_to("2024-06-04 09:00")
    account.split("AAA", "4")
    account.set_price("AAA", "12.50")
    tuesday = dt.date.fromisoformat(TUESDAY)
    result = home.run(TUESDAY)
    assert result.success, failures(result)
    said = plan_metadata(home)
    assert (said["equity"], said["orders_real"]) == ("100000", 0)
    prices = Lake(home.places.lake, PORTFOLIO).read("prices", tuesday)
    assert prices is not None
    told = {row["symbol"]: row for row in prices.to_pylist()}
    assert (told["AAA"]["price"], told["BBB"]["price"]) == (Decimal("12.5"), Decimal(100))
    assert "split" in told["AAA"]["source"]
