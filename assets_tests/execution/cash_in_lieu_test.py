"""Cash that a corporate action brings at a real account: a fraction that is paid for, and what only
the action itself or a person can book.

7 of AAA at 100 become 10.5 by a split of 3 for 2, at 66.67 each. The broker keeps whole shares and
pays 35.00 for the half one, which cost 33.33.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from assets_tests.alpaca.account import BrokerAccount
from assets_tests.alpaca.clock import new_york
from assets_tests.alpaca.invariants import violations
from assets_tests.alpaca.server import AlpacaStandIn, running_alpaca
from assets_tests.brokers.alpaca_accounts import opened
from assets_tests.execution.alpaca_desk import CALENDAR, MONDAY, TUESDAY, WEDNESDAY, AlpacaDesk
from trading_assets.errors import ConfigurationError
from trading_assets.event_log.store import open_event_log
from trading_assets.execution.book import Book
from trading_assets.execution.cash_activities import cash_notice
from trading_assets.execution.interventions import Intervention, accept_break
from trading_assets.execution.session import SessionOutcome, SessionStatus
from trading_assets.model.corporate_actions import CashInLieu, CashMerger, CorporateAction, Split
from trading_assets.reconciliation import reconcile

WEIGHTS, BEFORE = {"AAA": "0.07"}, {"AAA": "100"}
AFTER = {"AAA": "66.67"}
SPLIT = Split(symbol="AAA", ex_date=TUESDAY, new_shares=3, old_shares=2)


@pytest.fixture
def alpaca() -> Iterator[AlpacaStandIn]:
    """An account of $10,000 at the open of Monday, and AAA at 100."""
    with running_alpaca(BrokerAccount(now=new_york("2024-06-02 12:00"))) as running:
        running.account.holdings.cash = running.account.initial_cash = Decimal(10_000)
        running.account.list_asset("AAA", "100")
        running.account.advance_to("2024-06-03 09:31")
        yield running


@pytest.fixture
def desk(alpaca: AlpacaStandIn, tmp_path: Path) -> AlpacaDesk:
    """Monday is closed with 7 of AAA, and it is Tuesday before the open."""
    desk = AlpacaDesk(tmp_path, alpaca, planning={"fractional": False, "cash_buffer": 0})
    desk.run(WEIGHTS, BEFORE)
    alpaca.account.advance_to("2024-06-03 16:20")
    assert desk.run(WEIGHTS, BEFORE, closes=BEFORE).status is SessionStatus.CLOSED
    assert desk.book.positions == {"AAA": Decimal(7)}
    alpaca.account.advance_to("2024-06-04 09:00")
    return desk


def split(alpaca: AlpacaStandIn) -> None:
    """The account's shares are split, and the half one is taken out."""
    alpaca.account.set_price("AAA", "66.67")
    alpaca.account.split("AAA", "1.5")
    assert alpaca.account.take_fraction("AAA") == Decimal("0.5")


def tuesday(desk: AlpacaDesk, *actions: CorporateAction) -> SessionOutcome:
    return desk.run(WEIGHTS, AFTER, session=TUESDAY, actions=actions or (SPLIT,))


def paid(desk: AlpacaDesk) -> list[tuple[Decimal, Decimal]]:
    """(Shares, money) of what the book has of cash in lieu."""
    log = open_event_log(desk.folder, desk.settings.id)
    events = [record.event for record in log.records(event_types=("cash_in_lieu",))]
    log.close()
    return [(one.quantity, one.amount) for one in events if isinstance(one, CashInLieu)]


def accepted(desk: AlpacaDesk, alpaca: AlpacaStandIn) -> int:
    """A person accepts what differs; how many adjustments that takes."""
    log = open_event_log(desk.folder, desk.settings.id)
    asked = Intervention(
        settings=desk.settings,
        calendar=CALENDAR,
        now=alpaca.account.clock.now,
        reason="looked at in the account",
    )
    try:
        return len(accept_break(asked, Book(log, desk.settings), opened(alpaca)))
    finally:
        log.close()


def test_a_fraction_is_a_break_until_it_is_paid_for_and_booked_once_then(
    desk: AlpacaDesk, alpaca: AlpacaStandIn
) -> None:
    split(alpaca)
    waiting = tuesday(desk)
    assert waiting.block_code == "OPENING_BREAK"
    assert [(gap.symbol, gap.quantity) for gap in waiting.opening_gaps] == [("AAA", Decimal("0.5"))]
    alpaca.account.pay_in_lieu("AAA", "35.00")
    for _ in range(2):
        assert tuesday(desk).status is SessionStatus.PLANNED
    assert paid(desk) == [(Decimal("0.5"), Decimal("35.00"))]
    assert (desk.book.positions, desk.book.cash) == ({"AAA": Decimal(10)}, Decimal("9335.00"))
    alpaca.account.advance_to("2024-06-04 16:20")
    closed = desk.run(WEIGHTS, AFTER, closes=AFTER, session=TUESDAY, actions=(SPLIT,)).closed
    assert closed is not None
    assert not reconcile(closed).unexplained
    # 7 at 100 cost 700, of which 0.5 / 10.5 is 33.33.
    assert closed.cost_bases == {"AAA": Decimal("666.67")}
    (trip,) = closed.round_trips
    assert (trip.quantity, trip.pnl) == (Decimal("0.5"), Decimal("1.67"))
    assert not violations(alpaca.account)


def test_a_fraction_that_the_broker_leaves_in_the_account_is_no_difference(
    desk: AlpacaDesk, alpaca: AlpacaStandIn
) -> None:
    alpaca.account.split("AAA", "1.5")
    assert tuesday(desk).status is SessionStatus.PLANNED
    assert desk.book.positions == {"AAA": Decimal("10.5")}


def test_what_is_paid_after_a_person_has_let_the_fraction_go_is_a_gain(
    desk: AlpacaDesk, alpaca: AlpacaStandIn
) -> None:
    split(alpaca)
    tuesday(desk)
    assert accepted(desk, alpaca) == 1
    alpaca.account.pay_in_lieu("AAA", "35.00")
    assert tuesday(desk).status is SessionStatus.PLANNED
    assert paid(desk) == [(Decimal(0), Decimal("35.00"))]
    assert desk.book.cash == Decimal("9335.00")


def test_a_correction_of_what_was_paid_moves_cash_alone(
    desk: AlpacaDesk, alpaca: AlpacaStandIn
) -> None:
    split(alpaca)
    for amount in ("35.00", "-35.00", "34.00"):
        alpaca.account.pay_in_lieu("AAA", amount)
    assert tuesday(desk).status is SessionStatus.PLANNED
    assert sorted(paid(desk)) == sorted(
        [(Decimal("0.5"), Decimal(35)), (Decimal(0), Decimal(-35)), (Decimal(0), Decimal(34))]
    )
    assert desk.book.cash == Decimal("9334.00")


def test_a_trade_by_hand_of_less_than_a_share_is_not_taken_for_the_fraction(
    desk: AlpacaDesk, alpaca: AlpacaStandIn
) -> None:
    """0.5 are sold by hand, then something is paid in lieu: what was sold is a trade, so what was
    paid is for no shares."""
    alpaca.account.advance_to("2024-06-04 10:00")
    alpaca.account.place_by_hand("AAA", "sell", "0.5")
    alpaca.account.pay_in_lieu("AAA", "2.00")
    desk.run(WEIGHTS, BEFORE, session=TUESDAY)
    assert paid(desk) == [(Decimal(0), Decimal("2.00"))]
    assert desk.book.positions["AAA"] == alpaca.account.quantity("AAA")


def test_a_session_that_is_closed_late_knows_the_fraction_of_its_own_day(
    desk: AlpacaDesk, alpaca: AlpacaStandIn
) -> None:
    """What is sold by hand on Wednesday is missing in the account when Tuesday is closed."""
    split(alpaca)
    alpaca.account.pay_in_lieu("AAA", "35.00")
    alpaca.account.advance_to("2024-06-05 10:00")
    alpaca.account.place_by_hand("AAA", "sell", "0.3")
    closed = desk.run(WEIGHTS, AFTER, closes=AFTER, session=TUESDAY, actions=(SPLIT,)).closed
    assert closed is not None
    assert paid(desk) == [(Decimal("0.5"), Decimal("35.00"))]
    assert desk.book.positions == {"AAA": Decimal(10)}
    assert not reconcile(closed).unexplained


def test_a_price_for_fractions_in_the_file_is_refused_before_anything_is_booked(
    desk: AlpacaDesk, alpaca: AlpacaStandIn
) -> None:
    split(alpaca)
    priced = msgspec.structs.replace(SPLIT, cash_in_lieu_price=Decimal(70))
    with pytest.raises(ConfigurationError, match=r"split of AAA, 2024-06-04: cash_in_lieu_price"):
        tuesday(desk, priced)
    assert desk.book.positions == {"AAA": Decimal(7)}
    alpaca.account.pay_in_lieu("AAA", "35.00")
    assert tuesday(desk).status is SessionStatus.PLANNED


# What has no event of its own


def test_cash_of_a_merger_is_told_until_the_action_is_in_the_file(
    desk: AlpacaDesk, alpaca: AlpacaStandIn
) -> None:
    alpaca.account.take_over("AAA", "105.00")
    waiting = desk.run({}, {}, session=TUESDAY)
    assert waiting.block_code == "OPENING_BREAK"
    assert " MA AAA 735 USD of 2024-06-04 " in waiting.block_message
    merger = CashMerger(symbol="AAA", effective_date=TUESDAY, price=Decimal(105))
    assert desk.run({}, {}, session=TUESDAY, actions=(merger,)).status is SessionStatus.PLANNED
    assert (desk.book.positions, desk.book.cash) == ({}, Decimal("10035.00"))


def test_cash_that_nobody_has_a_name_for_stops_until_a_person_has_accepted_it(
    desk: AlpacaDesk, alpaca: AlpacaStandIn
) -> None:
    alpaca.account.book_cash("EXTRD", "-3.00")
    waiting = desk.run(WEIGHTS, BEFORE, session=TUESDAY)
    assert waiting.block_code == "OPENING_BREAK"
    assert " EXTRD -3 USD of 2024-06-04 " in waiting.block_message
    assert "book accept-break" in waiting.block_message
    assert accepted(desk, alpaca) == 1
    assert desk.run(WEIGHTS, BEFORE, session=TUESDAY).status is SessionStatus.PLANNED
    assert desk.book.cash == Decimal("9297.00")
    alpaca.account.advance_to("2024-06-04 16:20")
    desk.run(WEIGHTS, BEFORE, closes=BEFORE, session=TUESDAY)
    alpaca.account.advance_to("2024-06-05 09:00")
    assert desk.run(WEIGHTS, BEFORE, session=WEDNESDAY).status is SessionStatus.PLANNED


@pytest.mark.parametrize(
    ("kind", "amount"), [("FEE", "-0.42"), ("DIV", "12.34"), ("CSD", "500.00"), ("CIL", "3.21")]
)
def test_what_the_broker_cancels_after_it_was_booked_is_booked_back_once(
    desk: AlpacaDesk, alpaca: AlpacaStandIn, kind: str, amount: str
) -> None:
    activity = alpaca.account.book_cash(kind, amount, symbol="AAA")
    assert desk.run(WEIGHTS, BEFORE, session=TUESDAY).status is SessionStatus.PLANNED
    assert desk.book.cash == Decimal(9300) + Decimal(amount)
    alpaca.account.cancel_cash(activity)
    for clock in ("09:05", "09:10"):
        alpaca.account.advance_to(f"2024-06-04 {clock}")
        desk.run(WEIGHTS, BEFORE, session=TUESDAY)
        assert desk.book.cash == Decimal(9300)
    alpaca.account.advance_to("2024-06-04 16:20")
    closed = desk.run(WEIGHTS, BEFORE, closes=BEFORE, session=TUESDAY).closed
    assert closed is not None
    assert not reconcile(closed).unexplained
    assert not violations(alpaca.account)


def test_what_was_canceled_before_it_was_booked_never_is(
    desk: AlpacaDesk, alpaca: AlpacaStandIn
) -> None:
    for kind in ("FEE", "EXTRD"):
        alpaca.account.cancel_cash(alpaca.account.book_cash(kind, "-0.42"))
    assert desk.run(WEIGHTS, BEFORE, session=TUESDAY).status is SessionStatus.PLANNED
    assert desk.book.cash == Decimal(9300)


def test_what_came_after_the_orders_were_sent_is_named_when_the_close_does_not_reconcile(
    alpaca: AlpacaStandIn, tmp_path: Path
) -> None:
    desk = AlpacaDesk(tmp_path, alpaca, planning={"fractional": False, "cash_buffer": 0})
    desk.run(WEIGHTS, BEFORE)
    assert desk.book.orders(MONDAY)
    alpaca.account.book_cash("EXTRD", "-3.00")
    alpaca.account.advance_to("2024-06-03 16:20")
    assert desk.run(WEIGHTS, BEFORE, closes=BEFORE).status is SessionStatus.CLOSED
    alpaca.account.advance_to("2024-06-04 09:00")
    waiting = desk.run(WEIGHTS, BEFORE, session=TUESDAY)
    assert waiting.block_code == "UNRECONCILED"
    assert " EXTRD -3 USD of 2024-06-03 " in waiting.block_message
    # Looking at it has booked nothing of Tuesday's.
    alpaca.account.book_cash("FEE", "-0.10")
    assert desk.run(WEIGHTS, BEFORE, session=TUESDAY).block_code == "UNRECONCILED"
    assert desk.book.cash == Decimal("9300.00")
    assert accepted(desk, alpaca) == 1
    assert desk.run(WEIGHTS, BEFORE, session=TUESDAY).status is SessionStatus.PLANNED
    assert desk.book.cash == Decimal("9296.90")


def test_a_booked_row_whose_amount_the_broker_changed_is_named(
    desk: AlpacaDesk, alpaca: AlpacaStandIn
) -> None:
    activity = alpaca.account.book_cash("FEE", "-0.42")
    assert desk.run(WEIGHTS, BEFORE, session=TUESDAY).status is SessionStatus.PLANNED
    alpaca.account.correct_cash(activity, "-0.40")
    waiting = desk.run(WEIGHTS, BEFORE, session=TUESDAY)
    assert waiting.block_code == "OPENING_BREAK"
    assert f" fee -0.4 USD of 2024-06-04 13:00 UTC ({activity.id}), booked as -0.42." in (
        waiting.block_message
    )


@pytest.mark.parametrize(
    ("status", "amount", "returned", "said"),
    [
        ("canceled", "0.42", "0", "fee 0.42 USD of {at}, canceled and not in the book"),
        ("correct", "-0.40", "0.42", "fee -0.4 USD of {at}, a correction of another"),
    ],
)
def test_a_cancellation_or_correction_that_is_a_row_of_its_own_is_a_break_that_is_named(
    desk: AlpacaDesk, alpaca: AlpacaStandIn, status: str, amount: str, returned: str, said: str
) -> None:
    first = alpaca.account.book_cash("FEE", "-0.42")
    assert desk.run(WEIGHTS, BEFORE, session=TUESDAY).status is SessionStatus.PLANNED
    second = alpaca.account.book_cash("FEE", amount, status=status, previous_id=first.id)
    alpaca.account.holdings.cash += Decimal(returned)
    waiting = desk.run(WEIGHTS, BEFORE, session=TUESDAY)
    assert waiting.block_code == "OPENING_BREAK"
    assert said.format(at=f"2024-06-04 13:00 UTC ({second.id})") in waiting.block_message


def test_nothing_is_told_where_all_is_booked() -> None:
    assert cash_notice((), {}, CALENDAR.opens_at(TUESDAY)) == ""
