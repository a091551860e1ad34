"""Alpaca's clock, sessions, equity and announcements."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import pytest

from assets_tests.alpaca.faults import Fault
from assets_tests.alpaca.server import AlpacaStandIn, running_alpaca
from assets_tests.brokers.alpaca_accounts import api
from trading_assets.brokers.alpaca_reference import AlpacaReference, AnnouncedAction
from trading_assets.model.account import Unknown
from trading_assets.model.corporate_actions import Dividend, Split

EX_DATE = dt.date(2024, 6, 10)


@pytest.fixture
def alpaca() -> Iterator[AlpacaStandIn]:
    with running_alpaca() as running:
        running.account.list_asset("AAPL", "190.00")
        yield running


@pytest.fixture
def reference(alpaca: AlpacaStandIn) -> AlpacaReference:
    return AlpacaReference(api(alpaca))


def utc(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


def test_the_clock_is_the_brokers_own(alpaca: AlpacaStandIn, reference: AlpacaReference) -> None:
    """10:00 in New York on Monday 3 June 2024 is 14:00 UTC; its clock may be wrong."""
    alpaca.account.clock.skew = dt.timedelta(minutes=-7)
    clock = reference.clock().require()
    assert clock.is_open
    assert clock.now.replace(microsecond=0) == utc("2024-06-03 13:53")
    assert clock.next_close == utc("2024-06-03 20:00")
    assert clock.next_open == utc("2024-06-04 13:30")


def test_sessions_leave_the_holiday_out_and_end_early_before_it(reference: AlpacaReference) -> None:
    """Independence Day 2024 was a Thursday; New York closed at 13:00 on the day before."""
    found = reference.sessions(dt.date(2024, 7, 1), dt.date(2024, 7, 5)).require()
    assert [(each.session.day, each.closes_at.hour) for each in found] == [
        (1, 20),
        (2, 20),
        (3, 17),
        (5, 20),
    ]


def test_sessions_follow_daylight_saving(reference: AlpacaReference) -> None:
    """Clocks went forward on Sunday 10 March 2024: 09:30 is 14:30 UTC before and 13:30 after."""
    found = reference.sessions(dt.date(2024, 3, 8), dt.date(2024, 3, 11)).require()
    assert [(each.opens_at.hour, each.opens_at.minute) for each in found] == [(14, 30), (13, 30)]


def test_equity_is_exact(reference: AlpacaReference) -> None:
    (point,) = reference.equity_history().require()
    assert point.equity == 100_000


def test_dividends_and_splits_become_what_the_book_takes(
    alpaca: AlpacaStandIn, reference: AlpacaReference
) -> None:
    alpaca.account.announce("dividend", "AAPL", EX_DATE, cash="0.145", payable_date="2024-06-20")
    alpaca.account.announce("split", "NVDA", EX_DATE, old_rate="1", new_rate="10")
    reverse = {"ca_sub_type": "reverse_split", "old_rate": "8", "new_rate": "1"}
    alpaca.account.announce("split", "GE", EX_DATE, **reverse)
    alpaca.account.announce("split", "XYZ", EX_DATE, old_rate="2", new_rate="3.5")
    found = reference.announcements(EX_DATE, EX_DATE).require()
    actions = {each.action.symbol: each.action for each in found.actions}
    dividend = actions["AAPL"]
    assert isinstance(dividend, Dividend)
    assert str(dividend.amount_per_share) == "0.145"
    assert (dividend.ex_date, dividend.pay_date) == (EX_DATE, dt.date(2024, 6, 20))
    splits = {
        symbol: (action.new_shares, action.old_shares)
        for symbol, action in actions.items()
        if isinstance(action, Split)
    }
    assert splits == {"NVDA": (10, 1), "GE": (1, 8), "XYZ": (7, 4)}
    assert found.untranslated == ()


def test_what_says_too_little_is_left_to_a_person(
    alpaca: AlpacaStandIn, reference: AlpacaReference
) -> None:
    alpaca.account.announce("spinoff", "GE", EX_DATE, target_symbol="GEV")
    alpaca.account.announce("merger", "SPLK", EX_DATE, cash="157")
    alpaca.account.announce("dividend", "ABC", EX_DATE, ca_sub_type="stock", new_rate="1.05")
    found = reference.announcements(EX_DATE, EX_DATE).require()
    assert found.actions == ()
    assert {(each.symbol, each.kind) for each in found.untranslated} == {
        ("GE", "spinoff/spinoff"),
        ("SPLK", "merger/merger"),
        ("ABC", "dividend/stock"),
    }


def test_an_action_that_is_announced_again_is_one_and_with_other_terms_none(
    alpaca: AlpacaStandIn, reference: AlpacaReference
) -> None:
    same = {"corporate_action_id": "same", "cash": "0.25"}
    alpaca.account.announce("dividend", "AAPL", EX_DATE, **same)
    alpaca.account.announce("dividend", "AAPL", EX_DATE, **same)
    alpaca.account.announce("dividend", "MSFT", EX_DATE, corporate_action_id="b", cash="0.75")
    alpaca.account.announce("dividend", "MSFT", EX_DATE, corporate_action_id="b", cash="0.83")
    found = reference.announcements(EX_DATE, EX_DATE).require()
    assert [(each.announcement_id, each.action.symbol) for each in found.actions] == [
        ("same", "AAPL")
    ]
    assert [(each.announcement_id, each.symbol) for each in found.untranslated] == [("b", "MSFT")]
    assert isinstance(found.actions[0], AnnouncedAction)


def test_a_year_is_asked_for_in_pieces_of_ninety_days(
    alpaca: AlpacaStandIn, reference: AlpacaReference
) -> None:
    for day in (dt.date(2024, 1, 1), dt.date(2024, 3, 30), dt.date(2024, 3, 31)):
        alpaca.account.announce("dividend", "AAPL", day, cash="1")
    found = reference.announcements(dt.date(2024, 1, 1), dt.date(2024, 12, 31)).require()
    assert len(found.actions) == 3
    asked = [r.query for r in alpaca.requests if r.path.endswith("announcements")]
    assert (asked[0]["since"], asked[0]["until"]) == ("2024-01-01", "2024-03-30")
    assert (asked[1]["since"], asked[-1]["until"]) == ("2024-03-31", "2024-12-31")


def test_announcements_that_cannot_be_had_are_unknown(
    alpaca: AlpacaStandIn, reference: AlpacaReference
) -> None:
    path = "/v2/corporate_actions/announcements"
    alpaca.faults.add(Fault("status", "GET", path, status=500, times=100))
    assert isinstance(reference.announcements(EX_DATE, EX_DATE), Unknown)
