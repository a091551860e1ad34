"""A book is of one account: another one's cash and trades never come into it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path

import pytest

from assets_tests.alpaca.account import BrokerAccount
from assets_tests.alpaca.clock import new_york
from assets_tests.alpaca.server import AlpacaStandIn, running_alpaca
from assets_tests.brokers.alpaca_accounts import opened
from assets_tests.execution.alpaca_desk import CALENDAR, MONDAY, TUESDAY, AlpacaDesk
from trading_assets.errors import SubmissionRefusedError
from trading_assets.event_log.store import open_event_log
from trading_assets.execution.book import Book
from trading_assets.execution.interventions import Intervention, accept_break

HALF, PRICES = {"AAA": "0.5"}, {"AAA": "100"}
NUMBER, OTHER = "PA3STANDIN01", "PA3STANDIN02"


@pytest.fixture
def accounts() -> Iterator[tuple[AlpacaStandIn, AlpacaStandIn]]:
    """Two accounts of $10,000 each, as a paper account is before and after it was reset."""
    with ExitStack() as stack:
        running = []
        for number in (NUMBER, OTHER):
            at = new_york("2024-06-03 09:00")
            account = BrokerAccount(cash=Decimal(10_000), now=at, number=number)
            account.list_asset("AAA", "100")
            running.append(stack.enter_context(running_alpaca(account)))
        yield running[0], running[1]


def records(desk: AlpacaDesk) -> int:
    log = open_event_log(desk.folder, desk.settings.id)
    try:
        return log.head().sequence
    finally:
        log.close()


def test_before_its_first_close_a_book_is_of_the_account_that_was_taken_over(
    accounts: tuple[AlpacaStandIn, AlpacaStandIn], tmp_path: Path
) -> None:
    first, other = accounts
    desk = AlpacaDesk(tmp_path, first)
    desk.run(HALF, PRICES)
    known = records(desk)
    desk.alpaca = other
    other.account.advance_to("2024-06-03 09:30")
    outcome = desk.run(HALF, PRICES)
    assert outcome.block_code == "ACCOUNT_CHANGED"
    assert "…IN01" in outcome.block_message
    assert "…IN02" in outcome.block_message
    assert (records(desk), other.account.orders) == (known, {})


def test_an_account_of_the_same_cash_is_not_traded_in_the_place_of_the_books(
    accounts: tuple[AlpacaStandIn, AlpacaStandIn], tmp_path: Path
) -> None:
    """Both hold 10,000 and nothing else, so that no comparison of holdings tells them apart."""
    first, other = accounts
    desk = AlpacaDesk(tmp_path, first)
    first.account.advance_to("2024-06-03 16:20")
    desk.run({}, PRICES, closes=PRICES)
    other.account.advance_to("2024-06-04 09:30")
    desk.alpaca = other
    outcome = desk.run(HALF, PRICES, session=TUESDAY)
    assert outcome.block_code == "ACCOUNT_CHANGED"
    assert other.account.orders == {}
    desk.alpaca = first
    first.account.advance_to("2024-06-04 09:30")
    assert not desk.run(HALF, PRICES, session=TUESDAY).block_code


def test_a_break_with_another_account_cannot_be_accepted(
    accounts: tuple[AlpacaStandIn, AlpacaStandIn], tmp_path: Path
) -> None:
    first, other = accounts
    desk = AlpacaDesk(tmp_path, first)
    first.account.advance_to("2024-06-03 16:20")
    desk.run({}, PRICES, closes=PRICES)
    other.account.book_cash("CSD", "500")
    log = open_event_log(desk.folder, desk.settings.id)
    book = Book(log, desk.settings, keep=[MONDAY])
    now = new_york("2024-06-04 09:00")
    asked = Intervention(settings=desk.settings, calendar=CALENDAR, now=now, reason="it is new")
    with pytest.raises(SubmissionRefusedError, match="ACCOUNT_CHANGED"):
        accept_break(asked, book, opened(other))
    assert book.cash == Decimal(10_000)
    log.close()


def test_a_live_account_that_the_environment_does_not_name_begins_no_book(
    accounts: tuple[AlpacaStandIn, AlpacaStandIn], tmp_path: Path
) -> None:
    first, _ = accounts
    desk = AlpacaDesk(tmp_path, first, mode="live")
    for given, code in ((None, "LIVE_ACCOUNT_NOT_SET"), (OTHER, "LIVE_ACCOUNT_MISMATCH")):
        desk.live_account = given
        assert desk.run(HALF, PRICES).block_code == code
        assert records(desk) == 0
    desk.live_account = NUMBER
    assert not desk.run(HALF, PRICES).block_code
