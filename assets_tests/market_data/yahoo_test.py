"""Yahoo's prices through yfinance as it is, against a stand-in of the service."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path

import pytest

from assets_tests.yahoo.server import Bar, Fault, Listing, YahooStandIn
from trading_assets.calendar import TradingCalendar
from trading_assets.errors import PricesUnknownError
from trading_assets.market_data.yahoo import (
    FetchFailure,
    YahooCalendar,
    YahooClient,
    YahooPriceSource,
    take_snapshot,
)
from trading_assets.market_data.yahoo_actions import yahoo_actions
from trading_assets.market_data.yahoo_events import CashDividend, ShareSplit
from trading_assets.market_data.yahoo_histories import DailyHistory, Snapshot, SnapshotFolder
from trading_assets.model.corporate_actions import Dividend
from trading_assets.settings import SessionSettings, YahooPrices

CALENDAR = TradingCalendar(SessionSettings(calendar="XLON", start=dt.date(2024, 3, 4)))
SESSIONS = [day for day in CALENDAR.history if dt.date(2024, 3, 4) <= day <= dt.date(2024, 3, 8)]
MONDAY, TUESDAY, WEDNESDAY, THURSDAY, FRIDAY = SESSIONS
DAYS = [day.isoformat() for day in SESSIONS]
CLOSES = [CALENDAR.closes_at(day) for day in SESSIONS]
# London closes at 16:30 UTC in winter; half an hour later that is final.
EVENING = dt.datetime(2024, 3, 8, 17, 0, tzinfo=dt.UTC)
SETTINGS = YahooPrices(kind="yahoo", timeout_seconds=0.5)


def listing(*closes: str, currency: str = "USD", first: int = 0) -> Listing:
    return Listing(currency, {DAYS[first + n]: Bar(close) for n, close in enumerate(closes)})


@pytest.fixture
def yahoo() -> Iterator[YahooStandIn]:
    with YahooStandIn() as server:
        server.silence_seconds = 1.0
        server.listed["UP.L"] = listing("41.25", "41.3", "41.35", "41.4", "41.45")
        server.listed["DOWN.L"] = listing("20", "19.5", "19", "18.5", "18")
        yield server


class Desk:
    """Who asks the stand-in for a portfolio in dollars, and where what is used is kept."""

    def __init__(self, yahoo: YahooStandIn, folder: Path) -> None:
        self.kept = SnapshotFolder(folder / "snapshots")
        self.folder = folder / "snapshots"
        self.client = YahooClient(SETTINGS.timeout_seconds, yahoo.url, folder / "yfinance")

    def history(self, symbol: str, now: dt.datetime = EVENING) -> DailyHistory:
        found = self.client.history(symbol, MONDAY, now)
        assert isinstance(found, DailyHistory), found
        return found

    def failure(self, symbol: str) -> FetchFailure:
        found = self.client.history(symbol, MONDAY, EVENING)
        assert isinstance(found, FetchFailure)
        return found

    def snapshot(
        self,
        now: dt.datetime = EVENING,
        symbols: Sequence[str] = ("DOWN.L", "UP.L"),
        currency: str = "USD",
    ) -> Snapshot:
        return take_snapshot(
            SETTINGS,
            currency,
            symbols,
            YahooCalendar(SESSIONS, CLOSES),
            self.kept,
            lambda symbol, first: self.client.history(symbol, first, now),
            now,
        )

    def source(self, snapshot: Snapshot) -> YahooPriceSource:
        return YahooPriceSource(snapshot, SETTINGS, ["DOWN.L", "UP.L"], SESSIONS)


@pytest.fixture
def desk(yahoo: YahooStandIn, tmp_path: Path) -> Desk:
    return Desk(yahoo, tmp_path)


# One symbol


def test_a_history_has_the_seven_digits_that_yahoo_has_and_not_the_noise_of_a_double(
    desk: Desk,
) -> None:
    # The nearest float of 32 bits to 41.35 is 41.349998474121094.
    found = desk.history("UP.L")
    assert (found.symbol, found.currency, found.taken_at) == ("UP.L", "USD", EVENING)
    assert [bar.session for bar in found.bars] == SESSIONS
    assert [str(bar.close) for bar in found.bars] == [
        "41.25", "41.3", "41.35", "41.4", "41.45",
    ]  # fmt: skip
    assert found.bars[0].volume == 1000


def test_pence_become_pounds_where_they_enter(desk: Desk, yahoo: YahooStandIn) -> None:
    yahoo.listed["PENCE.L"] = Listing("GBp", {DAYS[0]: Bar("4120.5", "4100.25")})
    found = desk.history("PENCE.L")
    assert found.currency == "GBP"
    assert (found.bars[0].close, found.bars[0].adjusted_close) == (
        Decimal("41.205"),
        Decimal("41.0025"),
    )


def test_splits_are_known_by_their_session(desk: Desk, yahoo: YahooStandIn) -> None:
    bars = {day: Bar("10") for day in DAYS}
    yahoo.listed["SPLIT.L"] = Listing("USD", bars, splits={DAYS[2]: "2:1"})
    assert desk.history("SPLIT.L").splits == (ShareSplit(WEDNESDAY, 2, 1),)


def test_a_split_has_whole_numbers_and_a_dividend_its_own_currency(
    desk: Desk, yahoo: YahooStandIn
) -> None:
    yahoo.listed["PAYS.L"] = Listing(
        "GBp",
        {day: Bar("410") for day in DAYS},
        splits={DAYS[1]: "3:2", DAYS[2]: "1:30", DAYS[3]: "5:5", DAYS[4]: "1234567:1000000"},
        dividends={DAYS[1]: "12.5", DAYS[2]: "0.125 GBP", DAYS[3]: "0.16 USD"},
    )
    found = desk.history("PAYS.L")
    assert found.splits == (ShareSplit(TUESDAY, 3, 2), ShareSplit(WEDNESDAY, 1, 30))
    assert found.unread_events == (
        "a split of 2024-03-08, 1.23457e+06 for 1e+06, is no number of shares",
    )
    assert found.dividends == (
        CashDividend(TUESDAY, Decimal("0.125"), "GBP"),
        CashDividend(WEDNESDAY, Decimal("0.125"), "GBP"),
        CashDividend(THURSDAY, Decimal("0.16"), "USD"),
    )


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault.RATE_LIMIT, "refuses for too many requests (HTTP 429)"),
        (Fault.SERVER_ERROR, "has an error (HTTP 500)"),
        (Fault.HTML, "sent a page instead of prices (HTTP 200)"),
        (Fault.TIMEOUT, "did not answer"),
        (Fault.DROPPED, "did not answer"),
    ],
)
def test_what_is_wrong_with_the_service_is_named(
    desk: Desk, yahoo: YahooStandIn, fault: Fault, reason: str
) -> None:
    yahoo.faults["UP.L"] = fault
    failure = desk.failure("UP.L")
    assert reason in failure.reason
    assert failure.is_service
    # It is forgotten as soon as the service answers again.
    yahoo.faults.clear()
    assert len(desk.history("UP.L").bars) == 5


@pytest.mark.parametrize("known_before", [False, True])
def test_a_symbol_that_yahoo_does_not_know_is_the_symbols_own_fault(
    desk: Desk, yahoo: YahooStandIn, known_before: bool
) -> None:
    if known_before:
        # Its time zone is remembered, so that prices are asked for at once.
        desk.history("UP.L")
        del yahoo.listed["UP.L"]
    failure = desk.failure("UP.L" if known_before else "GONE.L")
    assert failure.reason == "Yahoo does not know it (HTTP 404)"
    assert not failure.is_service


def test_an_empty_history_is_the_symbols_own_fault(desk: Desk, yahoo: YahooStandIn) -> None:
    desk.history("UP.L")
    yahoo.faults["UP.L"] = Fault.EMPTY
    failure = desk.failure("UP.L")
    assert "has no prices of it" in failure.reason
    assert not failure.is_service


# All symbols of a portfolio


def test_a_bad_symbol_is_left_out_with_a_warning_and_the_others_go_on(
    desk: Desk, yahoo: YahooStandIn
) -> None:
    yahoo.listed["PENCE.L"] = Listing("GBp", {day: Bar("4120.5") for day in DAYS})
    yahoo.listed["MIXED.L"] = listing("40", "40", "40", "4000", "4000")
    snapshot = desk.snapshot(symbols=("DOWN.L", "GONE.L", "MIXED.L", "PENCE.L", "UP.L"))
    assert sorted(snapshot.histories) == ["DOWN.L", "UP.L"]
    assert snapshot.left_out == ("GONE.L", "MIXED.L", "PENCE.L")
    assert [line for line in snapshot.warnings if "left out" in line] == [
        "GONE.L: Yahoo does not know it (HTTP 404); it is left out",
        "MIXED.L: from 40 to 4000 on 2024-03-07 without a split: pence and pounds are mixed; it is "
        "left out",
        "PENCE.L: its currency is GBP, the portfolio's USD; it is left out",
    ]


def test_while_the_service_is_down_the_last_good_prices_serve_with_their_age(
    desk: Desk, yahoo: YahooStandIn
) -> None:
    thursday = EVENING - dt.timedelta(days=1)
    desk.snapshot(thursday)
    yahoo.faults["UP.L"] = Fault.SERVER_ERROR
    snapshot = desk.snapshot()
    assert snapshot.histories["UP.L"].taken_at == thursday
    assert snapshot.histories["DOWN.L"].taken_at == EVENING
    assert (
        "UP.L: Yahoo has an error (HTTP 500); prices of 2024-03-07 17:00 UTC serve, 24 hours old"
    ) in snapshot.warnings
    prices = desk.source(snapshot).before(FRIDAY, ["DOWN.L", "UP.L"]).prices
    assert prices["UP.L"].source == f"yahoo {snapshot.sha256[:12]}, 24 hours old"
    assert prices["DOWN.L"].source == f"yahoo {snapshot.sha256[:12]}"
    # Friday's close is known of one of them only.
    closes = desk.source(snapshot).at_close(FRIDAY, ["DOWN.L", "UP.L"])
    assert (closes.price_of("DOWN.L"), closes.missing) == (Decimal(18), ("UP.L",))


def test_a_service_that_refuses_for_too_many_requests_is_asked_once(
    desk: Desk, yahoo: YahooStandIn
) -> None:
    desk.snapshot(EVENING - dt.timedelta(days=1))
    asked = len(yahoo.asked)
    yahoo.faults["*"] = Fault.RATE_LIMIT
    snapshot = desk.snapshot()
    assert set(yahoo.asked[asked:]) == {"DOWN.L"}
    assert all(history.taken_at < EVENING for history in snapshot.histories.values())
    assert "UP.L: not asked, Yahoo refuses for too many requests" in snapshot.warnings[1]


def test_with_no_service_and_nothing_kept_there_are_no_prices(
    desk: Desk, yahoo: YahooStandIn
) -> None:
    yahoo.faults["*"] = Fault.HTML
    with pytest.raises(PricesUnknownError, match=r"DOWN\.L: Yahoo sent a page instead of prices"):
        desk.snapshot()
    assert not list(desk.folder.glob("*"))


def test_a_symbol_that_was_delisted_is_not_served_from_what_is_kept(
    desk: Desk, yahoo: YahooStandIn
) -> None:
    desk.snapshot(EVENING - dt.timedelta(days=1))
    del yahoo.listed["UP.L"]
    assert desk.snapshot().left_out == ("UP.L",)


def test_every_snapshot_that_was_used_is_kept_and_a_young_one_used_again(
    desk: Desk, yahoo: YahooStandIn
) -> None:
    first = desk.snapshot()
    asked = len(yahoo.asked)
    assert desk.snapshot(EVENING + dt.timedelta(minutes=15)) == first
    assert len(yahoo.asked) == asked
    later = desk.snapshot(EVENING + dt.timedelta(minutes=16))
    assert later.taken_at > first.taken_at
    # Another question is not answered by an old answer.
    desk.snapshot(EVENING + dt.timedelta(minutes=17), symbols=("UP.L",))
    kept = sorted(desk.folder.glob("*.json.gz"))
    assert [desk.kept.read(path).sha256 for path in kept[:2]] == [first.sha256, later.sha256]
    assert len(kept) == 3


def test_a_bar_that_is_missing_is_told_and_one_that_still_goes_on_is_no_close(
    desk: Desk, yahoo: YahooStandIn
) -> None:
    yahoo.listed["UP.L"] = listing("41.25", "41.3", "41.35", "41.4")
    snapshot = desk.snapshot()
    assert snapshot.warnings == ("UP.L: the last bar is of 2024-03-07, that of 2024-03-08 is due",)
    # At 16:59 Friday's close is not final, whatever Yahoo shows of it.
    early = desk.snapshot(EVENING - dt.timedelta(minutes=1), symbols=("DOWN.L",))
    assert early.histories["DOWN.L"].bars[-1].session == THURSDAY
    assert early.warnings == ()


@pytest.mark.parametrize(
    ("last_trade", "is_final"),
    [
        ("16:20:30", False),  # a quarter of an hour behind
        ("16:29:59", False),  # the closing auction goes on
        ("16:35:12", True),  # its price is there
        (None, False),
    ],
)
def test_five_minutes_after_the_close_it_is_final_only_where_yahoo_shows_the_auctions_trade(
    desk: Desk, yahoo: YahooStandIn, last_trade: str | None, is_final: bool
) -> None:
    traded = None
    if last_trade is not None:
        traded = dt.datetime.fromisoformat(f"2024-03-08T{last_trade}+00:00")
    bars = listing("41.25", "41.3", "41.35", "41.4", "41.45").bars
    yahoo.listed["UP.L"] = Listing("USD", bars, last_trade=traded)
    snapshot = desk.snapshot(EVENING - dt.timedelta(minutes=24), symbols=("UP.L",))
    close = desk.source(snapshot).at_close(FRIDAY, ["UP.L"]).price_of("UP.L")
    assert close == (Decimal("41.45") if is_final else None)


def test_a_young_snapshot_of_before_the_close_was_final_is_not_used_again(desk: Desk) -> None:
    early = desk.snapshot(EVENING - dt.timedelta(minutes=1))
    assert early.histories["UP.L"].bars[-1].session == THURSDAY
    assert desk.snapshot(EVENING).histories["UP.L"].bars[-1].session == FRIDAY


# As a price source


def test_a_close_is_that_of_its_day_whenever_it_is_asked_for(
    desk: Desk, yahoo: YahooStandIn
) -> None:
    # 120 and 123 were quoted, then three new shares for each: 41, 42 and 43 from Wednesday on.
    yahoo.listed["UP.L"] = listing("40", "41", "41", "42", "43")
    yahoo.listed["UP.L"] = Listing(
        "USD", yahoo.listed["UP.L"].bars, splits={DAYS[2]: "3:1"}, dividends={DAYS[1]: "0.2"}
    )
    snapshot = desk.snapshot()
    actions, told = yahoo_actions(snapshot.histories, "USD", SESSIONS, with_dividends=True)
    source = YahooPriceSource(snapshot, SETTINGS, ["UP.L"], SESSIONS, actions)
    assert told == ()
    assert [source.at_close(day, ["UP.L"]).price_of("UP.L") for day in SESSIONS] == [
        120, 123, 41, 42, 43,
    ]  # fmt: skip
    # 0.2 per new share is 0.6 for one of Tuesday's.
    (dividend,) = actions.of(TUESDAY)
    assert isinstance(dividend, Dividend)
    assert dividend.amount_per_share == Decimal("0.6")
    # At Wednesday's open there are new shares: Tuesday's close is told in them.
    price = source.before(WEDNESDAY, ["UP.L"]).prices["UP.L"]
    assert [price.price, price.reference_price] == [41, 40]
    assert price.source.endswith("; split 3:1 of 2024-03-06")
    assert source.before(TUESDAY, ["UP.L"]).prices["UP.L"].price == 120
    # 1,000 of today's are 333 and a third of Monday's.
    assert source.at_close(MONDAY, ["UP.L"]).prices["UP.L"].volume == 333


def test_before_a_session_earlier_closes_are_known_and_their_age_in_sessions(desk: Desk) -> None:
    source = desk.source(desk.snapshot())
    price = source.before(TUESDAY, ["UP.L"]).prices["UP.L"]
    assert (price.price, price.session, price.age_sessions) == (Decimal("41.25"), MONDAY, 0)
    assert (price.currency, price.reference_price, price.volume) == ("USD", None, Decimal(1000))
    assert source.before(MONDAY, ["UP.L"]).missing == ("UP.L",)
    assert source.at_close(FRIDAY, ["UP.L"]).price_of("UP.L") == Decimal("41.45")
    assert source.symbols == ("DOWN.L", "UP.L")
    assert source.benchmark_close(FRIDAY) is None


def test_a_day_that_is_no_session_has_no_close_and_a_gap_makes_a_price_older(
    desk: Desk, yahoo: YahooStandIn
) -> None:
    bars = {DAYS[0]: Bar("41"), **{day: Bar("42") for day in DAYS[2:]}, "2024-03-09": Bar("43")}
    yahoo.listed["UP.L"] = Listing("USD", bars)
    source = desk.source(desk.snapshot())
    price = source.before(WEDNESDAY, ["UP.L"]).prices["UP.L"]
    assert (price.session, price.age_sessions) == (MONDAY, 1)
    assert source.at_close(TUESDAY, ["UP.L"]).missing == ("UP.L",)
    assert source.at_close(FRIDAY, ["UP.L"]).price_of("UP.L") == 42


def test_momentum_uses_closes_that_are_adjusted_for_dividends(
    desk: Desk, yahoo: YahooStandIn
) -> None:
    bars = {day: Bar("100", "90") for day in DAYS[:2]} | {day: Bar("99") for day in DAYS[2:]}
    yahoo.listed["UP.L"] = Listing("USD", bars)
    source = desk.source(desk.snapshot())
    pair = source.adjusted_pair("UP.L", MONDAY, FRIDAY)
    assert pair is not None
    # 99 / 90: ten were paid out in between.
    assert [pair.start_close, pair.end_close, pair.growth] == [90, 99, Decimal("0.1")]
    assert source.adjusted_pair("GONE.L", MONDAY, FRIDAY) is None
