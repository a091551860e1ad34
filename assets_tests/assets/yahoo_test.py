"""The template of the sector portfolio in the graph, its prices from a stand-in for Yahoo."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest
import yaml

from assets_tests.assets.graph_home import GraphHome, failures
from assets_tests.yahoo.server import Bar, Fault, Listing, YahooStandIn
from trading_assets.calendar import TradingCalendar
from trading_assets.daily_run import QUIET
from trading_assets.event_log.store import open_event_log
from trading_assets.lake import Lake
from trading_assets.model.corporate_actions import Dividend, Split
from trading_assets.price_sources import open_prices
from trading_assets.settings import SessionSettings, load_portfolio

TEMPLATE = Path(__file__).parents[2] / "data/portfolios/templates/sector_momentum.yaml"
TODAY = dt.datetime.now(dt.UTC).date()
# Two sessions of London that are over whatever the time of day.
RUN = [
    day
    for day in TradingCalendar(
        SessionSettings(calendar="XLON", start=TODAY - dt.timedelta(days=20))
    ).sessions
    if day < TODAY
][-2:]
FIRST, LAST = RUN[0], RUN[-1]
CALENDAR = TradingCalendar(SessionSettings(calendar="XLON", start=FIRST))
GROWTH = {
    "SXLK.L": 5, "SXLF.L": 4, "SXLE.L": 3, "SXLV.L": 2, "SXLY.L": 1, "SXLP.L": 0, "SXLI.L": -1,
    "SXLB.L": -2, "SXLU.L": -3,
}  # fmt: skip
"""By how many cents a session each fund rises from 40.00."""


def rising(cents: int) -> Listing:
    days = [day for day in CALENDAR.history if day <= LAST]
    return Listing(
        "USD",
        {
            day.isoformat(): Bar(str(Decimal(40) + Decimal(cents * place) / 100))
            for place, day in enumerate(days)
        },
    )


class SectorHome(GraphHome):
    """The template with its first session a few days ago, asking the stand-in."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        (self.places.portfolios / "alpha.yaml").unlink()
        content = yaml.safe_load(TEMPLATE.read_text())
        content["sessions"]["start"] = FIRST
        content["prices"]["timeout_seconds"] = 2
        (self.places.portfolios / "sector_momentum.yaml").write_text(yaml.safe_dump(content))

    @property
    def snapshots(self) -> list[Path]:
        return sorted((self.places.price_snapshots / "sector_momentum").glob("*.json.gz"))


@pytest.fixture
def yahoo(monkeypatch: pytest.MonkeyPatch) -> Iterator[YahooStandIn]:
    with YahooStandIn() as server:
        server.listed = {symbol: rising(cents) for symbol, cents in GROWTH.items()}
        monkeypatch.setenv("TRADING_ASSETS_YAHOO_URL", server.url)
        yield server


@pytest.fixture
def home(tmp_path: Path, yahoo: YahooStandIn) -> SectorHome:
    assert yahoo.url
    return SectorHome(tmp_path)


def run(home: SectorHome) -> dg.ExecuteInProcessResult:
    return home.run(FIRST.isoformat(), LAST.isoformat(), portfolio="sector_momentum")


def held(home: SectorHome) -> set[str]:
    table = Lake(home.places.lake, "sector_momentum").read("positions_eod", LAST)
    assert table is not None
    return set(table.column("symbol").to_pylist()) - {"CASH"}


def quantities(table: pa.Table, symbol: str) -> list[Decimal]:
    rows = zip(table["symbol"].to_pylist(), table["quantity"].to_pylist(), strict=True)
    return [Decimal(quantity) for name, quantity in rows if name == symbol]


def test_the_template_is_a_valid_portfolio(home: SectorHome) -> None:
    settings = load_portfolio(home.places.portfolios / "sector_momentum.yaml")
    assert settings.planning.no_trade_band == Decimal("0.02")
    assert settings.schedule.daily == dt.time(16, 35)
    assert sorted(settings.momentum[0].universe) == sorted(GROWTH)


def test_the_three_that_rose_most_are_held_and_what_was_used_is_kept(
    home: SectorHome, yahoo: YahooStandIn
) -> None:
    result = run(home)
    assert result.success, failures(result)
    assert held(home) == {"SXLK.L", "SXLF.L", "SXLE.L"}
    # Asked once for all assets of the run; kept once.
    (snapshot,) = home.snapshots
    assert yahoo.asked.count("SXLK.L") <= 2
    (event,) = [
        each
        for each in result.get_asset_materialization_events()
        if each.asset_key == dg.AssetKey(["sector_momentum", "prices"])
        and each.partition == LAST.isoformat()
    ]
    metadata = event.materialization.metadata
    digest = str(metadata["source_sha256"].value)
    assert snapshot.name.endswith(f"_{digest[:16]}.json.gz")
    prices = Lake(home.places.lake, "sector_momentum").read("prices", LAST)
    assert prices is not None
    assert set(prices.column("source").to_pylist()) == {f"yahoo {digest[:12]}"}


def test_a_split_and_a_dividend_that_yahoo_tells_are_booked_and_a_second_run_changes_nothing(
    home: SectorHome, yahoo: YahooStandIn
) -> None:
    day = LAST.isoformat()
    # All closes of before are in new shares already, as Yahoo's are.
    yahoo.listed["SXLK.L"] = replace(
        yahoo.listed["SXLK.L"], splits={day: "2:1"}, dividends={day: "0.5"}
    )
    result = run(home)
    assert result.success, failures(result)
    before, after = (
        Lake(home.places.lake, "sector_momentum").read("positions_eod", session) for session in RUN
    )
    assert before is not None
    assert after is not None
    (shares,) = quantities(before, "SXLK.L")
    assert quantities(after, "SXLK.L") == [2 * shares]
    log = open_event_log(home.places.books, "sector_momentum")
    booked = [
        record.event
        for record in log.records(event_types=("split", "dividend"))
        if record.session == LAST
    ]
    head = log.head()
    log.close()
    assert booked == [
        Split(symbol="SXLK.L", ex_date=LAST, new_shares=2, old_shares=1),
        Dividend(symbol="SXLK.L", ex_date=LAST, amount_per_share=Decimal("0.5"), currency="USD"),
    ]
    result_of_day = Lake(home.places.lake, "sector_momentum").read("pnl_daily", LAST)
    assert result_of_day is not None
    assert result_of_day["dividends"].to_pylist() == [shares]  # 0.5 on each of twice as many
    assert run(home).success
    log = open_event_log(home.places.books, "sector_momentum")
    assert log.head() == head
    log.close()


def test_a_dividend_that_yahoo_tells_too_late_is_named_and_booked_when_its_session_is_run_again(
    home: SectorHome, yahoo: YahooStandIn
) -> None:
    first, last = FIRST.isoformat(), LAST.isoformat()
    assert run(home).success
    yahoo.listed["SXLK.L"] = replace(yahoo.listed["SXLK.L"], dividends={last: "0.5"})
    for path in home.snapshots:
        path.unlink()
    # A session that is closed is not run again by itself.
    later = home.run(first, portfolio="sector_momentum")
    assert later.success
    again = run(home)
    assert again.success, failures(again)
    log = open_event_log(home.places.books, "sector_momentum")
    booked = [record.session for record in log.records(event_types=("dividend",))]
    log.close()
    assert booked == [LAST]


@pytest.mark.parametrize(
    ("changes", "kinds"),
    [
        ({}, [Split, Dividend]),
        ({"mode": "paper", "broker": {"kind": "ibkr"}}, [Split]),
        (
            {"mode": "paper", "broker": {"kind": "ibkr"}, "prices": {"book_dividends": True}},
            [Split, Dividend],
        ),
        ({"prices": {"book_dividends": False}}, [Split]),
    ],
)
def test_dividends_of_a_real_account_are_those_that_its_broker_pays(
    home: SectorHome, yahoo: YahooStandIn, changes: dict[str, Any], kinds: list[type]
) -> None:
    day = LAST.isoformat()
    yahoo.listed["SXLK.L"] = replace(
        yahoo.listed["SXLK.L"], splits={day: "2:1"}, dividends={day: "0.5"}
    )
    path = home.places.portfolios / "sector_momentum.yaml"
    content = yaml.safe_load(path.read_text())
    path.write_text(
        yaml.safe_dump(
            content | changes | {"prices": content["prices"] | changes.get("prices", {})}
        )
    )
    source = open_prices(load_portfolio(path), CALENDAR)
    assert [type(action) for action in source.actions.of(LAST)] == kinds


def test_a_bad_symbol_is_warned_of_and_the_signal_says_that_it_is_not_ranked(
    home: SectorHome, yahoo: YahooStandIn
) -> None:
    yahoo.faults["SXLF.L"] = Fault.HTML
    del yahoo.listed["SXLE.L"]
    result = run(home)
    assert result.success, failures(result)
    assert held(home) == {"SXLK.L", "SXLV.L", "SXLY.L"}
    job = home.definitions.resolve_job_def("sector_momentum__rank_sector_momentum")
    month = f"{FIRST:%Y-%m}-01"
    ranked = job.execute_in_process(
        QUIET, instance=home.instance, partition_key=month, raise_on_error=False
    )
    assert ranked.success, failures(ranked)
    (text,) = (home.places.exports / "sector_momentum").glob("*/momentum_signal_*.txt")
    assert "SXLE.L, SXLF.L" in text.read_text()


def test_without_yahoo_and_without_anything_kept_the_run_fails_and_says_why(
    home: SectorHome, yahoo: YahooStandIn
) -> None:
    yahoo.faults["*"] = Fault.RATE_LIMIT
    messages = " ".join(failures(run(home)).values())
    assert "Yahoo gave no usable prices and none are kept" in messages
    assert "HTTP 429" in messages
    assert home.closed_sessions("sector_momentum") == []
