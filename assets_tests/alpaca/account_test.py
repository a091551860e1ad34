"""Account, positions, activities, clock and calendar, as alpaca-py reads them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from alpaca.data.enums import CorporateActionsType
from alpaca.data.historical.corporate_actions import CorporateActionsClient
from alpaca.data.models.corporate_actions import CorporateActionsSet
from alpaca.data.requests import CorporateActionsRequest
from alpaca.trading.models import PortfolioHistory
from alpaca.trading.requests import (
    ClosePositionRequest,
    GetCalendarRequest,
    GetPortfolioHistoryRequest,
)

from assets_tests.alpaca.account import BrokerAccount
from assets_tests.alpaca.clients import Trader, refusal
from assets_tests.alpaca.clock import NEW_YORK, new_york
from assets_tests.alpaca.invariants import violations
from assets_tests.alpaca.server import AlpacaStandIn, running_alpaca


def activities(trader: Trader, **query: object) -> list[dict[str, Any]]:
    """One page of activities."""
    rows = trader.get("/account/activities", dict(query))
    assert isinstance(rows, list)
    return rows


@pytest.fixture
def margin() -> Iterator[AlpacaStandIn]:
    """A margin account of $10,000 that may sell short; AAPL at 190."""
    with running_alpaca(BrokerAccount(Decimal(10_000), multiplier=2)) as running:
        running.account.list_asset("AAPL", "190.00")
        yield running


def test_a_new_account_is_its_cash(trader: Trader) -> None:
    account = trader.account()

    assert account.account_number == "PA3STANDIN01"
    assert (account.cash, account.equity, account.buying_power) == ("100000",) * 3
    assert (account.multiplier, account.shorting_enabled) == ("1", False)
    # These left the API in July 2026.
    assert (account.pattern_day_trader, account.daytrade_count) == (None, None)


def test_cash_moves_by_exactly_shares_times_price(alpaca: AlpacaStandIn, trader: Trader) -> None:
    """1.333333333 x 190.07 = 253.42666660331; at 200 the shares are worth 266.6666666."""
    alpaca.account.set_price("AAPL", "190.07")
    trader.ask("AAPL", "buy", "1.333333333")
    alpaca.account.set_price("AAPL", "200")

    account = trader.account()

    assert account.cash == "99746.57333339669"
    assert account.long_market_value == "266.6666666"
    assert account.equity == "100013.23999999669"


def test_a_position_costs_the_weighted_average(alpaca: AlpacaStandIn, trader: Trader) -> None:
    """3 at 190 and 1 at 194: 764 / 4 = 191; selling 2 leaves 2 that cost 382."""
    trader.ask("AAPL", "buy", "3")
    alpaca.account.set_price("AAPL", "194")
    trader.ask("AAPL", "buy", "1")
    alpaca.account.set_price("AAPL", "195.50")
    trader.ask("AAPL", "sell", "2")

    position = trader.client.get_open_position("AAPL")

    assert not isinstance(position, dict)
    assert (position.qty, position.side, position.avg_entry_price) == ("2", "long", "191")
    assert (position.cost_basis, position.market_value) == ("382", "391")
    assert position.unrealized_pl == "9"


def test_a_short_is_negative_everywhere(margin: AlpacaStandIn) -> None:
    """10 sold at 190, now 180: worth -1,800, a gain of 100; equity 10,100, margin 180 x 10."""
    trader = Trader(margin)
    trader.ask("AAPL", "sell", "10")
    margin.account.set_price("AAPL", "180")

    position, account = trader.client.get_open_position("AAPL"), trader.account()

    assert not isinstance(position, dict)
    assert (position.qty, position.side, position.market_value) == ("-10", "short", "-1800")
    assert (position.cost_basis, position.unrealized_pl) == ("-1900", "100")
    assert (account.cash, account.equity, account.short_market_value) == ("11900", "10100", "-1800")
    assert account.buying_power == "18400"


def test_a_position_that_is_not_there_is_not_found(trader: Trader) -> None:
    status, body = refusal(lambda: trader.client.get_open_position("AAPL"))

    assert (status, body["message"]) == (404, "position does not exist")


def test_positions_are_closed_in_part_or_altogether(trader: Trader) -> None:
    trader.ask("AAPL", "buy", "10")
    trader.ask("MSFT", "buy", "3")

    trader.client.close_position("AAPL", ClosePositionRequest(qty="4"))
    trader.client.close_position("AAPL", ClosePositionRequest(percentage="50"))
    assert trader.quantities() == {"AAPL": "3", "MSFT": "3"}
    answers = trader.client.close_all_positions(cancel_orders=True)

    assert len(answers) == 2
    assert trader.quantities() == {}


def test_cash_that_moves_without_a_trade_is_an_activity(
    alpaca: AlpacaStandIn, trader: Trader
) -> None:
    """10 shares pay 0.24 each, of which 15 % are withheld; a fee of two cents; 500 come in."""
    trader.ask("AAPL", "buy", "10")
    alpaca.account.pay_dividend("AAPL", "0.24")
    alpaca.account.book_cash("DIVNRA", "-0.36", symbol="AAPL")
    alpaca.account.book_cash("FEE", "-0.02")
    alpaca.account.book_cash("CSD", "500")
    alpaca.account.book_cash("CSW", "-100")
    alpaca.account.book_cash("INT", "1.25")
    alpaca.account.book_cash("JNLC", "7")

    assert trader.account().cash == "98510.27"
    (dividend,) = activities(trader, activity_types="DIV")
    assert {name: dividend[name] for name in ("net_amount", "qty", "per_share_amount")} == {
        "net_amount": "2.4",
        "qty": "10",
        "per_share_amount": "0.24",
    }
    assert (dividend["date"], dividend["symbol"]) == ("2024-06-03", "AAPL")
    kinds = [row["activity_type"] for row in activities(trader, activity_types="TRANS,FEE")]
    assert sorted(kinds) == ["CSD", "CSW", "FEE"]
    assert len(activities(trader, category="non_trade_activity")) == 7
    assert len(activities(trader, category="trade_activity")) == 1
    assert violations(alpaca.account) == []


def test_what_is_booked_in_the_evening_stands_before_the_fills_of_its_day(
    alpaca: AlpacaStandIn, trader: Trader
) -> None:
    """Its id begins with the midnight of its date: a reader who only looks past the last id that
    it has seen never finds it."""
    trader.ask("AAPL", "buy", "10")
    alpaca.account.advance_to("2024-06-03 20:00")
    alpaca.account.book_cash("FEE", "-0.02")

    rows = activities(trader, direction="asc")

    assert [row["activity_type"] for row in rows] == ["FEE", "FILL"]
    assert rows[0]["id"].startswith("20240603000000000::")
    assert activities(trader, direction="asc", page_token=rows[1]["id"]) == []


def test_activities_are_read_in_pages_of_at_most_a_hundred(
    alpaca: AlpacaStandIn, trader: Trader
) -> None:
    for cents in range(1, 251):
        alpaca.account.book_cash("INT", str(Decimal(cents) / 100))

    pages: list[list[dict[str, Any]]] = []
    token: dict[str, object] = {}
    while page := activities(trader, direction="desc", **token):
        pages.append(page)
        token = {"page_token": page[-1]["id"]}

    assert [len(page) for page in pages] == [100, 100, 50]
    amounts = [Decimal(row["net_amount"]) for page in pages for row in page]
    # 0.01 + 0.02 + ... + 2.50 = 2.51 x 125
    assert sum(amounts) == Decimal("313.75")
    assert len(set(amounts)) == 250
    assert refusal(lambda: activities(trader, page_size=101))[0] == 422


def test_activities_are_found_by_when_they_were_made(alpaca: AlpacaStandIn, trader: Trader) -> None:
    trader.ask("AAPL", "buy", "1")
    between = alpaca.account.clock.now + dt.timedelta(seconds=1)
    alpaca.account.advance_to("2024-06-04 10:00")
    trader.ask("AAPL", "buy", "2")

    def quantities(**query: object) -> list[str]:
        return [row["qty"] for row in activities(trader, direction="asc", **query)]

    assert quantities() == ["1", "2"]
    assert quantities(after=between.isoformat()) == ["2"]
    assert quantities(until=between.isoformat()) == ["1"]
    assert quantities(date="2024-06-04") == ["2"]
    assert quantities(after="2024-06-04") == ["2"]


def test_fills_of_one_millisecond_come_in_no_order(alpaca: AlpacaStandIn, trader: Trader) -> None:
    alpaca.account.clock.step = dt.timedelta(microseconds=1)
    for shares in range(1, 9):
        trader.ask("AAPL", "buy", str(shares))

    rows = activities(trader, direction="asc")

    assert [row["id"] for row in rows] == sorted(row["id"] for row in rows)
    assert [row["qty"] for row in rows] != [str(shares) for shares in range(1, 9)]


def test_a_split_keeps_the_cost(alpaca: AlpacaStandIn, trader: Trader) -> None:
    trader.ask("AAPL", "buy", "3")
    alpaca.account.split("AAPL", "4")
    alpaca.account.set_price("AAPL", "47.50")

    position = trader.client.get_open_position("AAPL")

    assert not isinstance(position, dict)
    assert (position.qty, position.avg_entry_price, position.cost_basis) == ("12", "47.5", "570")
    assert violations(alpaca.account) == []


def test_the_clock_says_whether_the_market_is_open(alpaca: AlpacaStandIn, trader: Trader) -> None:
    alpaca.account.advance_to("2024-07-03 12:59")
    clock = trader.client.get_clock()
    assert not isinstance(clock, dict)
    # The day before Independence Day is a half-day; the next session is Friday.
    assert clock.is_open
    assert clock.next_close == new_york("2024-07-03 13:00")
    assert clock.next_open == new_york("2024-07-05 09:30")

    alpaca.account.advance_to("2024-07-03 13:00")
    clock = trader.client.get_clock()
    assert not isinstance(clock, dict)
    assert not clock.is_open
    assert clock.next_close == new_york("2024-07-05 16:00")


def test_a_skewed_clock_misreports_the_time_and_nothing_else(
    alpaca: AlpacaStandIn, trader: Trader
) -> None:
    alpaca.account.clock.skew = dt.timedelta(hours=-3)

    clock = trader.client.get_clock()

    assert not isinstance(clock, dict)
    assert new_york("2024-06-03 07:00") <= clock.timestamp < new_york("2024-06-03 07:01")
    assert clock.is_open


def test_the_calendar_knows_holidays_and_half_days(trader: Trader) -> None:
    """Thanksgiving 2024 is on 28 November; the 29th ends at 13:00."""
    days = trader.client.get_calendar(
        GetCalendarRequest(start=dt.date(2024, 11, 27), end=dt.date(2024, 12, 2))
    )

    assert [(day.date.day, day.close.hour) for day in days if not isinstance(day, str)] == [
        (27, 16),
        (29, 13),
        (2, 16),
    ]


def test_the_history_holds_the_equity_of_each_close(alpaca: AlpacaStandIn, trader: Trader) -> None:
    """100 shares: 190 -> 191 on Monday, 189 on Tuesday, with 1,000 paid in."""
    trader.ask("AAPL", "buy", "100")
    alpaca.account.set_price("AAPL", "191")
    alpaca.account.advance_to("2024-06-04 10:00")
    alpaca.account.book_cash("CSD", "1000")
    alpaca.account.set_price("AAPL", "189")
    alpaca.account.advance_to("2024-06-04 17:00")

    request = GetPortfolioHistoryRequest(timeframe="1D", cashflow_types="ALL")
    history = trader.client.get_portfolio_history(request)

    assert isinstance(history, PortfolioHistory)
    days = [dt.datetime.fromtimestamp(stamp, NEW_YORK).date() for stamp in history.timestamp]
    assert days == [dt.date(2024, 5, 31), dt.date(2024, 6, 3), dt.date(2024, 6, 4)]
    assert history.equity == [100_000.0, 100_100.0, 100_900.0]
    assert history.profit_loss == [0.0, 100.0, 900.0]
    assert {kind.value: flows for kind, flows in history.cashflow.items()} == {
        "CSD": [0.0, 0.0, 1000.0]
    }
    assert trader.account().last_equity == "100900"


def test_corporate_actions_are_found_by_kind_symbol_and_date(alpaca: AlpacaStandIn) -> None:
    alpaca.account.announce("dividend", "AAPL", dt.date(2024, 6, 10), cash="0.25")
    alpaca.account.announce("split", "AAPL", dt.date(2024, 6, 12), new_rate="4")
    alpaca.account.announce("split", "TINY", dt.date(2024, 6, 13), old_rate="10")
    alpaca.account.announce("dividend", "MSFT", dt.date(2024, 7, 10), cash="0.75")
    client = CorporateActionsClient(alpaca.api_key, alpaca.secret_key, url_override=alpaca.base_url)

    def found(**query: Any) -> dict[str, list[Any]]:
        request = CorporateActionsRequest(start=dt.date(2024, 6, 1), **query)
        answer = client.get_corporate_actions(request)
        assert isinstance(answer, CorporateActionsSet)
        return answer.data

    june = found(end=dt.date(2024, 6, 30))
    assert [(each.symbol, each.rate) for each in june["cash_dividends"]] == [("AAPL", 0.25)]
    assert [(each.new_rate, each.old_rate) for each in june["forward_splits"]] == [(4.0, 1.0)]
    assert [(each.new_rate, each.old_rate) for each in june["reverse_splits"]] == [(1.0, 10.0)]
    both = found(end=dt.date(2024, 7, 31), types=[CorporateActionsType.CASH_DIVIDEND])
    assert [each.symbol for each in both["cash_dividends"]] == ["AAPL", "MSFT"]
    assert found(end=dt.date(2024, 7, 31), symbols=["MSFT"]).keys() == {"cash_dividends"}


def test_announcements_cover_at_most_ninety_days(alpaca: AlpacaStandIn, trader: Trader) -> None:
    """The older endpoint, which alpaca-py calls deprecated."""
    alpaca.account.announce("dividend", "AAPL", dt.date(2024, 6, 10), cash="0.25")
    alpaca.account.announce("split", "AAPL", dt.date(2024, 6, 12), new_rate="4")

    def found(kinds: list[str], until: str) -> Any:
        query = {"ca_types": kinds, "since": "2024-06-01", "until": until}
        return trader.get("/corporate_actions/announcements", query)

    assert [row["cash"] for row in found(["dividend"], "2024-06-30")] == ["0.25"]
    assert len(found(["dividend", "split"], "2024-08-30")) == 2
    assert refusal(lambda: found(["dividend"], "2024-08-31"))[0] == 422


def test_assets_say_what_they_allow(alpaca: AlpacaStandIn, trader: Trader) -> None:
    alpaca.account.list_asset("HARD", "20", easy_to_borrow=False, fractionable=False)

    asset = trader.client.get_asset("HARD")

    assert not isinstance(asset, dict)
    assert (asset.tradable, asset.fractionable, asset.easy_to_borrow) == (True, False, False)
    assert refusal(lambda: trader.client.get_asset("ZZZZ"))[0] == 404
    assert len(trader.client.get_all_assets()) == 3
