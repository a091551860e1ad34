"""Prices from Alpaca: their own time, what is missing, pages, and bars that are complete."""

from __future__ import annotations

import datetime as dt
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Literal

import pytest
from pydantic import SecretStr

from assets_tests.alpaca.clock import NEW_YORK, new_york
from assets_tests.alpaca.faults import Fault
from assets_tests.alpaca.market import BarPoint
from assets_tests.alpaca.server import AlpacaStandIn, running_alpaca
from assets_tests.alpaca_api.raw_server import reply, served
from assets_tests.brokers.alpaca_accounts import api
from trading_assets.alpaca_api.client import AlpacaAccess, AlpacaApi
from trading_assets.errors import PricesUnknownError
from trading_assets.market_data import bar_source
from trading_assets.market_data.alpaca import AlpacaMarketData
from trading_assets.market_data.alpaca_prices import AlpacaPriceSource
from trading_assets.market_data.bar_cache import BarCache
from trading_assets.market_data.bar_source import BarQuery, BarRows, Bars
from trading_assets.market_data.base import AdjustedCloses
from trading_assets.market_data.cached_bars import CachedBars
from trading_assets.market_data.corporate_actions import CorporateActions
from trading_assets.model.account import Answer, Unknown
from trading_assets.model.arrival import MarketQuote
from trading_assets.model.corporate_actions import CorporateAction, Split, SymbolChange
from trading_assets.model.instrument import LatestPrice, PriceSnapshot
from trading_assets.model.market_events import PriceAdjustment
from trading_assets.settings import AlpacaPrices

MINUTE, DAY = dt.timedelta(minutes=1), dt.timedelta(days=1)
# Thursday and Friday before the stand-in's Monday 3 June 2024, 10:00 in New York, and that Monday.
THURSDAY, FRIDAY, MONDAY = dt.date(2024, 5, 30), dt.date(2024, 5, 31), dt.date(2024, 6, 3)
SESSIONS = (dt.date(2024, 5, 29), THURSDAY, FRIDAY, MONDAY, dt.date(2024, 6, 4))


@pytest.fixture
def alpaca() -> Iterator[AlpacaStandIn]:
    with running_alpaca() as running:
        running.account.list_asset("AAPL", "190.00")
        running.account.list_asset("MSFT", "410.00")
        yield running


def closes_at(session: dt.date) -> dt.datetime:
    if session not in SESSIONS:
        raise KeyError(session)
    return dt.datetime.combine(session, dt.time(16), NEW_YORK).astimezone(dt.UTC)


def opened(alpaca: AlpacaStandIn) -> AlpacaMarketData:
    """The IEX feed on the stand-in's clock."""
    return AlpacaMarketData(api(alpaca), "iex", closes_at, now=lambda: alpaca.account.clock.now)


def stamp_trade(alpaca: AlpacaStandIn, symbol: str, moment: dt.datetime) -> None:
    """The last trade of a symbol was made at `moment`."""
    trades = alpaca.account.market.trades
    trades[symbol] = replace(trades[symbol], at=moment)


def asked(alpaca: AlpacaStandIn, query: BarQuery, cache: BarCache | None = None) -> Answer[Bars]:
    """What the feed answers by way of a cache."""
    data = opened(alpaca)
    return CachedBars(data, cache, data.now).bars(query)


def add_bars(
    alpaca: AlpacaStandIn, symbol: str, timeframe: str, closes: dict[dt.datetime, str]
) -> None:
    """Bars whose every price is the close."""
    points = [
        BarPoint(at, Decimal(close), Decimal(close), Decimal(close), Decimal(close))
        for at, close in closes.items()
    ]
    alpaca.account.market.bars.setdefault((symbol, timeframe), []).extend(points)


def midnight(session: dt.date) -> dt.datetime:
    return dt.datetime.combine(session, dt.time(), NEW_YORK).astimezone(dt.UTC)


def add_days(alpaca: AlpacaStandIn, symbol: str, **closes: str) -> None:
    """Daily bars by weekday."""
    days = {"thursday": THURSDAY, "friday": FRIDAY, "monday": MONDAY}
    add_bars(alpaca, symbol, "1Day", {midnight(days[n]): c for n, c in closes.items()})


def days_of(*symbols: str, adjustment: PriceAdjustment = PriceAdjustment.RAW) -> BarQuery:
    """Daily bars from Wednesday to the end of Monday."""
    return BarQuery(
        symbols=symbols,
        timeframe="1Day",
        start=bar_source.midnight(SESSIONS[0]),
        end=bar_source.midnight(MONDAY) + DAY,
        adjustment=adjustment,
    )


def closes(bars: BarRows) -> list[str]:
    return [f"{close:g}" for close in bars["close"].tolist()]


def closes_of(alpaca: AlpacaStandIn, query: BarQuery, cache: BarCache) -> list[str]:
    return closes(asked(alpaca, query, cache).require().bars["AAPL"])


def asked_for_bars(alpaca: AlpacaStandIn) -> list[dict[str, str]]:
    return [r.query for r in alpaca.requests if r.path == "/v2/stocks/bars"]


# Latest trades and snapshots


def test_a_last_trade_has_its_own_time_and_one_that_is_older_is_stale(
    alpaca: AlpacaStandIn,
) -> None:
    traded_at = alpaca.account.market.trades["AAPL"].at
    alpaca.account.advance_to("2024-06-03 10:20")
    alpaca.account.set_price("MSFT", "411.13")
    found = opened(alpaca).last_trades(["AAPL", "MSFT", "NONE"], 15 * MINUTE).require()
    assert {symbol: trade.price for symbol, trade in found.trades.items()} == {
        "MSFT": Decimal("411.13")
    }
    assert found.stale["AAPL"].as_of == traded_at
    assert found.missing == ("NONE",)


@pytest.mark.parametrize(("seconds_ahead", "is_fresh"), [(30, True), (31, False)])
def test_a_trade_is_ahead_of_this_clock_by_no_more_than_the_brokers_may_be(
    alpaca: AlpacaStandIn, seconds_ahead: int, is_fresh: bool
) -> None:
    """The 30 seconds that an order's guard lets pass."""
    stamp_trade(alpaca, "AAPL", alpaca.account.clock.now + dt.timedelta(seconds=seconds_ahead))
    found = opened(alpaca).last_trades(["AAPL"], 15 * MINUTE).require()
    assert (list(found.trades), list(found.stale)) == (
        (["AAPL"], []) if is_fresh else ([], ["AAPL"])
    )


def test_an_invalid_symbol_is_missing_and_costs_nobody_else_his_price() -> None:
    """Alpaca refuses a question as a whole when one symbol cannot be one."""
    asked: list[bytes] = []

    def answer(connection: socket.socket) -> None:
        asked.append(server.asked[-1])
        refusal = '{"message": "code=400, message=invalid symbol: AB-CD"}'
        trades = '{"trades": {"AAPL": {"t": "2024-06-03T13:59:58.123456789Z", "p": 190.07}}}'
        if b"AB-CD" in asked[-1]:
            connection.sendall(reply("400 Bad Request", refusal))
        else:
            connection.sendall(reply("200 OK", trades))

    with served(answer) as server:
        access = AlpacaAccess(
            key=SecretStr("key"), secret=SecretStr("secret"), paper=True, data_url=server.url
        )
        data = AlpacaMarketData(
            AlpacaApi(access, 1000, 5.0), "iex", closes_at, now=lambda: new_york("2024-06-03 10:00")
        )
        found = data.last_trades(["AAPL", "AB-CD"], DAY).require()
    assert (found.trades["AAPL"].price, found.missing) == (Decimal("190.07"), ("AB-CD",))
    assert len(asked) == 2


def test_a_snapshot_has_trade_quote_and_the_close_before(alpaca: AlpacaStandIn) -> None:
    alpaca.account.market.quotes["AAPL"] = (Decimal("189.98"), Decimal("190.02"))
    add_days(alpaca, "AAPL", thursday="188.10", friday="189.20", monday="190")
    found = opened(alpaca).snapshots(["AAPL", "NONE"]).require()
    snapshot = found.snapshots["AAPL"]
    assert snapshot.trade is not None
    assert snapshot.trade.price == 190
    assert (snapshot.bid, snapshot.ask) == (Decimal("189.98"), Decimal("190.02"))
    assert snapshot.previous_close == Decimal("189.2")
    assert found.missing == ("NONE",)


def test_the_market_for_an_order_that_leaves_is_asked_for_once(alpaca: AlpacaStandIn) -> None:
    alpaca.account.market.quotes["AAPL"] = (Decimal("189.98"), Decimal("190.02"))
    data = opened(alpaca)
    shown = data.quotes(["AAPL", "NONE"]).require()
    traded_at = alpaca.account.market.trades["AAPL"].at
    assert shown == {
        "AAPL": MarketQuote(
            symbol="AAPL",
            source="alpaca/iex",
            bid=Decimal("189.98"),
            ask=Decimal("190.02"),
            quoted_at=traded_at,
            last=Decimal(190),
            traded_at=traded_at,
        )
    }
    fault = Fault("status", "GET", "/v2/stocks/snapshots", status=502, times=9)
    alpaca.faults.add(fault)
    assert isinstance(data.quotes(["AAPL"]), Unknown)
    assert fault.seen == 1


@pytest.mark.parametrize("path", ["trades/latest", "snapshots", "bars"])
def test_prices_that_cannot_be_had_are_unknown(alpaca: AlpacaStandIn, path: str) -> None:
    alpaca.faults.add(Fault("status", "GET", f"/v2/stocks/{path}", status=502, html=True, times=9))
    data = opened(alpaca)
    answers: dict[str, Callable[[], object]] = {
        "trades/latest": lambda: data.last_trades(["AAPL"], DAY),
        "snapshots": lambda: data.snapshots(["AAPL"]),
        "bars": lambda: data.fetch(days_of("AAPL")),
    }
    assert isinstance(answers[path](), Unknown)


def test_a_feed_without_a_subscription_is_unknown(alpaca: AlpacaStandIn) -> None:
    alpaca.account.market.sip_subscription = False
    data = AlpacaMarketData(api(alpaca), "sip", closes_at)
    answer = data.last_trades(["AAPL"], DAY)
    assert isinstance(answer, Unknown)
    assert "subscription" in answer.reason


# Bars


def test_a_daily_bar_is_given_out_when_its_session_is_over_and_not_before(
    alpaca: AlpacaStandIn,
) -> None:
    add_days(alpaca, "AAPL", friday="189.2", monday="190.5")
    data = opened(alpaca)
    assert closes(data.fetch(days_of("AAPL")).require().bars["AAPL"]) == ["189.2"]
    alpaca.account.advance_to("2024-06-03 16:14")
    assert closes(data.fetch(days_of("AAPL")).require().bars["AAPL"]) == ["189.2"]
    alpaca.account.advance_to("2024-06-03 16:16")
    assert closes(data.fetch(days_of("AAPL")).require().bars["AAPL"]) == ["189.2", "190.5"]


def test_a_minute_that_runs_is_no_bar(alpaca: AlpacaStandIn) -> None:
    start = new_york("2024-06-03 09:30")
    add_bars(alpaca, "AAPL", "1Min", {start + n * MINUTE: str(190 + n) for n in range(30)})
    query = BarQuery(symbols=("AAPL",), timeframe="1Min", start=start, end=start + 60 * MINUTE)
    # At 10:00, with a quarter of an hour to wait, the last is that of 09:44.
    last = opened(alpaca).fetch(query).require().bars["AAPL"][-1]
    assert bar_source.moment_of(last["start"]) == start + 14 * MINUTE
    assert last["close"] == 204


def test_a_symbol_without_bars_is_missing(alpaca: AlpacaStandIn) -> None:
    add_days(alpaca, "AAPL", friday="189.2")
    found = opened(alpaca).fetch(days_of("AAPL", "MSFT", "NONE")).require()
    assert (list(found.bars), found.missing) == (["AAPL"], ("MSFT", "NONE"))


def test_more_points_than_a_page_holds_all_come(alpaca: AlpacaStandIn) -> None:
    """A page holds 10,000 points of all symbols together."""
    start = new_york("2024-05-20 09:30")
    minutes = {start + n * MINUTE: "190" for n in range(6000)}
    add_bars(alpaca, "AAPL", "1Min", minutes)
    add_bars(alpaca, "MSFT", "1Min", minutes)
    query = BarQuery(
        symbols=("AAPL", "MSFT"), timeframe="1Min", start=start, end=start + 6000 * MINUTE
    )
    found = opened(alpaca).fetch(query).require()
    assert {symbol: len(bars) for symbol, bars in found.bars.items()} == {
        "AAPL": 6000,
        "MSFT": 6000,
    }
    assert len(asked_for_bars(alpaca)) == 2


def test_a_page_that_fails_makes_all_bars_unknown(alpaca: AlpacaStandIn) -> None:
    start = new_york("2024-05-20 09:30")
    add_bars(alpaca, "AAPL", "1Min", {start + n * MINUTE: "190" for n in range(10_001)})
    query = BarQuery(symbols=("AAPL",), timeframe="1Min", start=start, end=start + 20_000 * MINUTE)
    # Each attempt fetches the first page and fails at the second.
    for nth in range(2, 20, 2):
        alpaca.faults.add(Fault("status", "GET", "/v2/stocks/bars", status=504, nth=nth))
    assert isinstance(opened(alpaca).fetch(query), Unknown)


def test_bars_are_adjusted_as_asked(alpaca: AlpacaStandIn) -> None:
    add_days(alpaca, "AAPL", thursday="400", friday="101")
    alpaca.account.market.split("AAPL", midnight(FRIDAY), Decimal(4))
    data = opened(alpaca)
    raw = data.fetch(days_of("AAPL")).require().bars["AAPL"]
    split = data.fetch(days_of("AAPL", adjustment=PriceAdjustment.SPLIT)).require().bars["AAPL"]
    assert raw["close"].tolist() == [400, 101]
    assert split["close"].tolist() == [100, 101]


def test_a_bar_of_no_session_and_a_price_of_nothing_are_unknown(alpaca: AlpacaStandIn) -> None:
    add_bars(alpaca, "AAPL", "1Day", {midnight(dt.date(2024, 6, 1)): "190"})
    assert isinstance(opened(alpaca).fetch(days_of("AAPL")), Unknown)
    add_days(alpaca, "MSFT", friday="0")
    assert isinstance(opened(alpaca).fetch(days_of("MSFT")), Unknown)


# The cache


@pytest.fixture
def cache(alpaca: AlpacaStandIn, tmp_path: Path) -> Iterator[BarCache]:
    kept = BarCache(tmp_path / "bars.sqlite", lambda: alpaca.account.clock.now)
    yield kept
    kept.close()


def test_bars_that_are_final_are_asked_for_once(alpaca: AlpacaStandIn, cache: BarCache) -> None:
    add_bars(alpaca, "AAPL", "1Day", {midnight(SESSIONS[0]): "187"})
    add_days(alpaca, "AAPL", thursday="188.1", friday="189.2", monday="190.5")
    first = asked(alpaca, days_of("AAPL"), cache).require()
    again = asked(alpaca, days_of("AAPL"), cache).require()
    assert first.bars["AAPL"].tolist() == again.bars["AAPL"].tolist()
    assert closes(again.bars["AAPL"]) == ["187", "188.1", "189.2"]
    starts = [dt.datetime.fromisoformat(query["start"]) for query in asked_for_bars(alpaca)]
    assert starts == [midnight(SESSIONS[0]), midnight(FRIDAY)]


def test_a_bar_is_not_kept_on_the_day_that_it_is_of(alpaca: AlpacaStandIn, cache: BarCache) -> None:
    """After the close it is given out; Alpaca corrects it until the evening, and then it counts."""
    add_days(alpaca, "AAPL", friday="189.2", monday="190.5")
    alpaca.account.advance_to("2024-06-03 17:00")
    assert closes_of(alpaca, days_of("AAPL"), cache) == [
        "189.2",
        "190.5",
    ]
    alpaca.account.market.bars["AAPL", "1Day"].pop()
    add_days(alpaca, "AAPL", monday="190.6")
    assert closes_of(alpaca, days_of("AAPL"), cache) == [
        "189.2",
        "190.6",
    ]
    alpaca.account.advance_to("2024-06-04 09:00")
    asked(alpaca, days_of("AAPL"), cache)
    alpaca.account.market.bars["AAPL", "1Day"].clear()
    assert closes_of(alpaca, days_of("AAPL"), cache) == [
        "189.2",
        "190.6",
    ]


def test_an_answer_that_was_empty_by_mistake_is_not_remembered(
    alpaca: AlpacaStandIn, cache: BarCache
) -> None:
    assert asked(alpaca, days_of("AAPL"), cache).require().missing == ("AAPL",)
    add_days(alpaca, "AAPL", thursday="188.1", friday="189.2")
    assert closes_of(alpaca, days_of("AAPL"), cache) == [
        "188.1",
        "189.2",
    ]


def test_adjusted_bars_follow_the_next_split_and_raw_ones_stay(
    alpaca: AlpacaStandIn, cache: BarCache
) -> None:
    """It changes all of them."""
    add_days(alpaca, "AAPL", thursday="400", friday="101")
    query = days_of("AAPL", adjustment=PriceAdjustment.SPLIT)
    assert asked(alpaca, query, cache).require().bars["AAPL"]["close"].tolist() == [400, 101]
    alpaca.account.market.split("AAPL", midnight(FRIDAY), Decimal(4))
    assert asked(alpaca, query, cache).require().bars["AAPL"]["close"].tolist() == [100, 101]
    raw = asked(alpaca, days_of("AAPL"), cache).require().bars["AAPL"]
    assert raw["close"].tolist() == [400, 101]


def test_earlier_bars_than_those_kept_are_fetched_and_join_them(
    alpaca: AlpacaStandIn, cache: BarCache
) -> None:
    add_days(alpaca, "AAPL", thursday="188.1", friday="189.2")
    friday = BarQuery(
        symbols=("AAPL",),
        timeframe="1Day",
        start=bar_source.midnight(FRIDAY),
        end=bar_source.midnight(MONDAY),
    )
    assert closes_of(alpaca, friday, cache) == ["189.2"]
    assert closes_of(alpaca, days_of("AAPL"), cache) == [
        "188.1",
        "189.2",
    ]


def test_a_later_process_reads_what_an_earlier_one_kept(
    alpaca: AlpacaStandIn, tmp_path: Path
) -> None:
    add_days(alpaca, "AAPL", thursday="188.1", friday="189.2")
    first = BarCache(tmp_path / "bars.sqlite", lambda: alpaca.account.clock.now)
    asked(alpaca, days_of("AAPL"), first)
    first.close()
    alpaca.account.market.bars.clear()
    second = BarCache(tmp_path / "bars.sqlite", lambda: alpaca.account.clock.now)
    found = asked(alpaca, days_of("AAPL"), second).require()
    second.close()
    assert closes(found.bars["AAPL"]) == ["188.1", "189.2"]


# As the price source of a portfolio


def source(
    alpaca: AlpacaStandIn,
    adjustment: PriceAdjustment = PriceAdjustment.RAW,
    *actions: CorporateAction,
) -> AlpacaPriceSource:
    settings = AlpacaPrices(kind="alpaca", benchmark_symbol="SPY", adjustment=adjustment)
    told = CorporateActions(actions)
    return AlpacaPriceSource(opened(alpaca), settings, SESSIONS, ["MSFT", "AAPL"], told)


def test_before_a_session_the_close_before_is_known_with_its_age(alpaca: AlpacaStandIn) -> None:
    add_days(alpaca, "AAPL", thursday="188.1", friday="189.2", monday="190.5")
    add_days(alpaca, "MSFT", thursday="409")
    found = source(alpaca).before(MONDAY, ["AAPL", "MSFT", "NONE"])
    aapl, msft = found.prices["AAPL"], found.prices["MSFT"]
    assert (aapl.price, aapl.session, aapl.age_sessions) == (Decimal("189.2"), FRIDAY, 0)
    assert aapl.reference_price == Decimal("188.1")
    assert (msft.session, msft.age_sessions, msft.reference_price) == (THURSDAY, 1, None)
    assert found.missing == ("NONE",)
    assert aapl.source == "alpaca/iex/raw"


@pytest.mark.parametrize("adjustment", [PriceAdjustment.RAW, PriceAdjustment.SPLIT])
def test_on_the_day_of_a_split_the_closes_before_are_in_its_shares(
    alpaca: AlpacaStandIn, adjustment: PriceAdjustment
) -> None:
    """4 new for 1: 189.20 is 47.30 and 188.10 is 47.025, whoever does the adjusting."""
    add_days(alpaca, "AAPL", thursday="188.1", friday="189.2")
    alpaca.account.market.split("AAPL", midnight(MONDAY), Decimal(4))
    split = Split(symbol="AAPL", ex_date=MONDAY, new_shares=4, old_shares=1)
    prices = source(alpaca, adjustment, split)
    found = prices.before(MONDAY, ["AAPL"]).prices["AAPL"]
    assert (found.price, found.reference_price) == (Decimal("47.3"), Decimal("47.025"))
    assert ("split 4:1" in found.source) == (adjustment is PriceAdjustment.RAW)


def test_on_the_day_after_a_split_only_the_close_before_it_is_adjusted(
    alpaca: AlpacaStandIn,
) -> None:
    add_days(alpaca, "AAPL", thursday="188.1", friday="47.3")
    split = Split(symbol="AAPL", ex_date=FRIDAY, new_shares=4, old_shares=1)
    found = source(alpaca, PriceAdjustment.RAW, split).before(MONDAY, ["AAPL"]).prices["AAPL"]
    assert (found.price, found.reference_price) == (Decimal("47.3"), Decimal("47.025"))
    assert found.source == "alpaca/iex/raw"


def test_what_an_action_turns_a_symbol_into_is_priced_too(alpaca: AlpacaStandIn) -> None:
    add_days(alpaca, "AAPL", friday="189.2")
    change = SymbolChange(symbol="AAPL", new_symbol="APPL", effective_date=MONDAY)
    prices = source(alpaca, PriceAdjustment.RAW, change)
    assert "APPL" in prices.symbols
    assert prices.before(MONDAY, prices.symbols).price_of("APPL") == Decimal("189.2")


def test_a_sessions_close_is_missing_until_it_is_complete(alpaca: AlpacaStandIn) -> None:
    add_days(alpaca, "AAPL", friday="189.2", monday="190.5")
    prices = source(alpaca)
    assert prices.at_close(MONDAY, ["AAPL"]).missing == ("AAPL",)
    alpaca.account.advance_to("2024-06-03 16:30")
    assert prices.at_close(MONDAY, ["AAPL"]).price_of("AAPL") == Decimal("190.5")
    assert prices.benchmark_close(MONDAY) is None


def test_what_was_used_has_a_digest(alpaca: AlpacaStandIn) -> None:
    add_days(alpaca, "AAPL", friday="189.2")
    one, two, other = source(alpaca), source(alpaca), source(alpaca)
    one.before(MONDAY, ["AAPL"])
    two.before(MONDAY, ["AAPL"])
    assert one.sha256 == two.sha256 != other.sha256


def test_the_latest_price_carries_its_time_and_the_close_before(alpaca: AlpacaStandIn) -> None:
    add_days(alpaca, "AAPL", friday="189.2")
    alpaca.account.advance_to("2024-06-03 10:20")
    alpaca.account.set_price("AAPL", "191.07")
    found = source(alpaca).latest(MONDAY, ["AAPL", "MSFT"], 15 * MINUTE)
    latest = found.prices["AAPL"]
    assert isinstance(latest, LatestPrice)
    assert (latest.price, latest.reference_price) == (Decimal("191.07"), Decimal("189.2"))
    assert latest.as_of == alpaca.account.market.trades["AAPL"].at
    # Its last trade was twenty minutes ago.
    assert found.missing == ("MSFT",)


def test_while_a_session_is_open_it_may_be_planned_on_last_trades(alpaca: AlpacaStandIn) -> None:
    """AAPL traded ten minutes ago; MSFT twenty, so its close stands; NONE has neither."""
    add_days(alpaca, "AAPL", friday="189.2")
    add_days(alpaca, "MSFT", friday="409")
    alpaca.account.advance_to("2024-06-03 10:20")
    alpaca.account.set_price("AAPL", "191.07")
    alpaca.account.advance_to("2024-06-03 10:30")
    names = ["AAPL", "MSFT", "NONE"]

    def asked(plan_price: Literal["close", "last_trade"], is_open: bool) -> PriceSnapshot:
        settings = AlpacaPrices(kind="alpaca", plan_price=plan_price)
        since = new_york(f"{MONDAY} 09:30") if is_open else None
        data = opened(alpaca)
        prices = AlpacaPriceSource(data, settings, SESSIONS, names, None, None, lambda _: since)
        return prices.before(MONDAY, names)

    now = asked("last_trade", is_open=True)
    aapl = now.prices["AAPL"]
    assert (aapl.price, aapl.session) == (Decimal("191.07"), MONDAY)
    assert aapl.reference_price == Decimal("189.2")
    assert aapl.source.startswith("alpaca/iex/raw, traded 2024-06-03 14:20")
    assert (now.price_of("MSFT"), now.prices["MSFT"].session) == (Decimal(409), FRIDAY)
    assert now.missing == ("NONE",)
    before = asked("close", is_open=True)
    assert before.price_of("AAPL") == Decimal("189.2")
    assert asked("last_trade", is_open=False) == before


@pytest.mark.parametrize(
    ("traded_at", "price"),
    [("09:29:59", "189.2"), ("09:30:00", "191"), ("09:31:30", "191"), ("09:31:31", "189.2")],
)
def test_a_trade_before_the_open_or_of_a_time_to_come_is_no_price_to_plan_on(
    alpaca: AlpacaStandIn, traded_at: str, price: str
) -> None:
    """At 09:31:00, with an open at 09:30: what was traded before it is the early market's."""
    add_days(alpaca, "AAPL", friday="189.2")
    alpaca.account.set_price("AAPL", "191")
    stamp_trade(alpaca, "AAPL", new_york(f"{MONDAY} {traded_at}"))
    settings = AlpacaPrices(kind="alpaca", plan_price="last_trade")
    data = AlpacaMarketData(
        api(alpaca), "iex", closes_at, now=lambda: new_york(f"{MONDAY} 09:31:00")
    )
    since = new_york(f"{MONDAY} 09:30")
    prices = AlpacaPriceSource(data, settings, SESSIONS, ["AAPL"], None, None, lambda _: since)
    assert prices.before(MONDAY, ["AAPL"]).price_of("AAPL") == Decimal(price)


def test_prices_that_cannot_be_had_stop_whoever_needs_them(alpaca: AlpacaStandIn) -> None:
    alpaca.faults.add(Fault("status", "GET", "/v2/stocks/bars", status=504, times=9))
    with pytest.raises(PricesUnknownError, match="HTTP 504"):
        source(alpaca).before(MONDAY, ["AAPL"])


def test_momentum_is_told_by_adjusted_closes_that_no_later_dividend_changes(
    alpaca: AlpacaStandIn,
) -> None:
    # A share of Thursday's is two of Friday's, which pays 2 of 100 on Friday: 200 are 98 then.
    add_days(alpaca, "AAPL", thursday="200", friday="99", monday="95")
    alpaca.account.market.split("AAPL", midnight(FRIDAY), Decimal(2))
    alpaca.account.market.dividend("AAPL", midnight(FRIDAY), Decimal("0.98"))
    add_days(alpaca, "MSFT", friday="400")
    found = source(alpaca).adjusted_pair("AAPL", THURSDAY, FRIDAY)
    assert found is not None
    assert (found.start_session, found.end_session) == (THURSDAY, FRIDAY)
    assert [found.start_close, found.end_close] == [98, 99]
    # On Monday another 5 of 100 are paid: all bars of before change, what was earned does not.
    alpaca.account.market.dividend("AAPL", midnight(MONDAY), Decimal("0.95"))
    assert source(alpaca).adjusted_pair("AAPL", THURSDAY, FRIDAY) == found


def test_momentum_asks_for_all_symbols_at_once_and_has_none_of_what_is_too_old(
    alpaca: AlpacaStandIn,
) -> None:
    add_days(alpaca, "AAPL", thursday="200", friday="210")
    add_days(alpaca, "MSFT", friday="400")
    prices = source(alpaca)
    assert prices.adjusted_pair("AAPL", THURSDAY, FRIDAY) is not None
    assert prices.adjusted_pair("MSFT", THURSDAY, FRIDAY) is None
    assert len(asked_for_bars(alpaca)) == 3
    assert isinstance(prices, AdjustedCloses)


def test_momentum_does_not_rank_what_alpaca_could_not_say(alpaca: AlpacaStandIn) -> None:
    alpaca.faults.add(Fault("status", "GET", "/v2/stocks/bars", status=502, times=9))
    with pytest.raises(PricesUnknownError, match="Alpaca could not say"):
        source(alpaca).adjusted_pair("AAPL", THURSDAY, FRIDAY)
