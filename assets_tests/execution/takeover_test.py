"""An account that is taken over in the middle of a day on which somebody had traded in it.

10 of AAA were bought at 80 and sold at 90 before, so that it was not held. The book's 50 at 100
cost 100 each for the rest of the day; the next morning the broker makes one lot of the day's
purchases, (800 + 5,000) / 60 = 96.6667 each.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from assets_tests.alpaca.account import BrokerAccount
from assets_tests.alpaca.clock import new_york
from assets_tests.alpaca.server import AlpacaStandIn, running_alpaca
from assets_tests.execution.alpaca_desk import MONDAY, TUESDAY, WEDNESDAY, AlpacaDesk
from trading_assets.event_log.store import open_event_log
from trading_assets.model.cash_events import Adjustment
from trading_assets.model.money import ZERO
from trading_assets.reconciliation import reconcile

WEIGHTS, PRICES = {"AAA": "0.5", "BBB": "0.2"}, {"AAA": "100", "BBB": "100"}


@pytest.fixture
def alpaca() -> Iterator[AlpacaStandIn]:
    """An account of $10,100 on Monday morning, after the trades by hand."""
    account = BrokerAccount(cash=Decimal(10_000), now=new_york("2024-06-02 12:00"))
    with running_alpaca(account) as running:
        account.list_asset("AAA", "80")
        account.list_asset("BBB", "100")
        account.advance_to("2024-06-03 09:31")
        account.place_by_hand("AAA", "buy", "10")
        account.set_price("AAA", "90")
        account.place_by_hand("AAA", "sell", "10")
        account.set_price("AAA", "100")
        yield running


def traded(folder: Path, alpaca: AlpacaStandIn) -> AlpacaDesk:
    """The account is taken over, and 50 of AAA and 20 of BBB are bought."""
    desk = AlpacaDesk(folder, alpaca)
    alpaca.account.advance_to("2024-06-03 10:00")
    desk.run(WEIGHTS, PRICES)
    assert desk.book.positions == {"AAA": Decimal(50), "BBB": Decimal(20)}
    return desk


def cost_gaps(desk: AlpacaDesk, session: dt.date) -> dict[str, dict[str, Decimal]]:
    """Differences of average cost at the close of a session, in cents: by symbol, by cause."""
    outcome = desk.run(WEIGHTS, PRICES, closes=PRICES, session=session)
    assert outcome.closed is not None, outcome.block_message
    found: dict[str, dict[str, Decimal]] = {}
    for gap in reconcile(outcome.closed).gaps:
        if gap.view == "average_cost":
            found.setdefault(gap.symbol, {})[gap.cause.value] = gap.amount
    return found


def misstate(alpaca: AlpacaStandIn, symbol: str) -> None:
    """The broker's average cost becomes wrong by 1 a share."""
    position = alpaca.account.holdings.positions[symbol]
    position.cost += position.quantity


def test_what_was_traded_before_and_is_not_held_begins_with_0_shares(
    alpaca: AlpacaStandIn, tmp_path: Path
) -> None:
    traded(tmp_path, alpaca)
    log = open_event_log(tmp_path, "small")
    begun = [record.event for record in log.records() if isinstance(record.event, Adjustment)]
    log.close()
    assert [(one.symbol, one.quantity, one.cash) for one in begun] == [("AAA", ZERO, ZERO)]
    assert begun[0].reason == (
        "traded on the day the account was taken over, before that, and not held"
    )


def test_the_cost_is_open_until_the_morning_after_and_then_what_was_stated(
    alpaca: AlpacaStandIn, tmp_path: Path
) -> None:
    desk = traded(tmp_path, alpaca)
    alpaca.account.advance_to("2024-06-03 16:20")
    assert cost_gaps(desk, MONDAY) == {}
    alpaca.account.advance_to("2024-06-04 16:20")
    assert cost_gaps(desk, TUESDAY) == {"AAA": {"undefined": Decimal("166.67")}}
    alpaca.account.advance_to("2024-06-05 16:20")
    assert cost_gaps(desk, WEDNESDAY) == {"AAA": {"cost_method": Decimal("166.67")}}


def test_a_close_that_is_late_meets_the_restated_cost(
    alpaca: AlpacaStandIn, tmp_path: Path
) -> None:
    desk = traded(tmp_path, alpaca)
    alpaca.account.advance_to("2024-06-04 08:00")
    assert cost_gaps(desk, MONDAY) == {"AAA": {"undefined": Decimal("166.67")}}


def test_a_wrong_cost_of_what_was_not_traded_before_is_a_break_at_once(
    alpaca: AlpacaStandIn, tmp_path: Path
) -> None:
    desk = traded(tmp_path, alpaca)
    misstate(alpaca, "BBB")
    alpaca.account.advance_to("2024-06-03 16:20")
    assert cost_gaps(desk, MONDAY) == {"BBB": {"unexplained": Decimal(-20)}}


def test_a_cost_that_changes_once_it_is_known_is_a_break(
    alpaca: AlpacaStandIn, tmp_path: Path
) -> None:
    desk = traded(tmp_path, alpaca)
    for session in (MONDAY, TUESDAY):
        alpaca.account.advance_to(f"{session} 16:20")
        cost_gaps(desk, session)
    alpaca.account.advance_to("2024-06-05 16:20")
    misstate(alpaca, "AAA")
    assert cost_gaps(desk, WEDNESDAY)["AAA"]["unexplained"] == Decimal(-50)
