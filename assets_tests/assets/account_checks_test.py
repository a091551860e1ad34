"""Alpaca's calendar and equity history against the calendar and the book of this side."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from assets_tests.alpaca.account import BrokerAccount
from assets_tests.alpaca.clock import new_york
from assets_tests.alpaca.faults import Fault
from assets_tests.alpaca.server import AlpacaStandIn, running_alpaca
from assets_tests.brokers.alpaca_accounts import opened
from assets_tests.execution.alpaca_desk import CALENDAR, MONDAY, TUESDAY, AlpacaDesk
from trading_assets.assets.account_checks import equity_finding, hours_finding
from trading_assets.calendar import TradingCalendar
from trading_assets.settings import SessionSettings

PRICES = {"AAA": "50"}
HALF_DAY, HOLIDAY = dt.date(2024, 7, 3), dt.date(2024, 7, 4)


@pytest.fixture
def alpaca() -> Iterator[AlpacaStandIn]:
    account = BrokerAccount(cash=Decimal(10_000), now=new_york("2024-06-03 09:31"), multiplier=2)
    with running_alpaca(account) as running:
        account.list_asset("AAA", "50")
        yield running


def calendar(name: str) -> TradingCalendar:
    return TradingCalendar(SessionSettings(calendar=name, start=MONDAY, end=dt.date(2024, 7, 31)))


@pytest.mark.parametrize(
    ("session", "hours"),
    [
        (MONDAY, "2024-06-03 13:30 to 20:00 UTC"),
        (HALF_DAY, "2024-07-03 13:30 to 17:00 UTC"),
    ],
)
def test_sessions_and_half_days_are_the_brokers(
    alpaca: AlpacaStandIn, session: dt.date, hours: str
) -> None:
    found = hours_finding(opened(alpaca).reference(), calendar("XNYS"), session)
    assert (found.passed, found.actual, found.expected) == (True, hours, hours)


def test_the_calendar_of_another_exchange_is_told(alpaca: AlpacaStandIn) -> None:
    """London trades on the fourth of July, and keeps other hours on the third."""
    reference, london = opened(alpaca).reference(), calendar("XLON")
    other = hours_finding(reference, london, HALF_DAY)
    assert (other.passed, other.actual, other.expected) == (
        False,
        "2024-07-03 13:30 to 17:00 UTC",
        "2024-07-03 07:00 to 15:30 UTC",
    )
    none = hours_finding(reference, london, HOLIDAY)
    assert (none.passed, none.actual) == (False, "not a session of the broker's")
    assert "`sessions.calendar` is XLON" in none.detail


def test_a_calendar_that_cannot_be_had_is_not_known(alpaca: AlpacaStandIn) -> None:
    alpaca.faults.add(Fault("status", "GET", "/v2/calendar", status=500, times=99))
    found = hours_finding(opened(alpaca).reference(), calendar("XNYS"), MONDAY)
    assert not found.passed
    assert found.actual.startswith("not known: ")


@pytest.mark.parametrize(
    ("close", "equity", "passed"),
    [("50", "10000", True), ("50.90", "10090", True), ("51.10", "10110", False)],
)
def test_the_equity_of_a_close_is_looked_up_the_day_after(
    alpaca: AlpacaStandIn, tmp_path: Path, close: str, equity: str, passed: bool
) -> None:
    """100 AAA and 5,000 are 10,000 at the broker's 50. The book's close makes them 10,090, which
    is 0.9 % off, or 10,110, of which 1 % is 101.10."""
    desk = AlpacaDesk(tmp_path, alpaca)
    desk.run({"AAA": "0.5"}, PRICES)
    alpaca.account.advance_to("2024-06-03 16:20")
    first = desk.run({"AAA": "0.5"}, PRICES, closes={"AAA": close})
    assert first.closed is not None
    reference = opened(alpaca).reference()
    assert equity_finding(reference, CALENDAR, first.closed).actual == "no close before"
    # The next day's equity is another.
    alpaca.account.advance_to("2024-06-04 10:00")
    alpaca.account.set_price("AAA", "60")
    alpaca.account.advance_to("2024-06-04 16:20")
    second = desk.run({"AAA": "0.5"}, PRICES, closes={"AAA": "60"}, session=TUESDAY)
    assert second.closed is not None
    found = equity_finding(reference, CALENDAR, second.closed)
    assert (found.passed, found.actual) == (passed, "10000")
    assert found.expected == f"{equity} at the close of 2024-06-03"
