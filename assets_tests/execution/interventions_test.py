"""What a person decides where a real portfolio stops; it is in the book with its reason."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from assets_tests.execution.live_session_test import LiveDesk, new_york, shares
from assets_tests.execution.small_portfolio import CALENDAR, MONDAY, TUESDAY, WEDNESDAY, Desk
from trading_assets.errors import BrokerUnknownError, ConfigurationError
from trading_assets.execution.interventions import Intervention, accept_break, discard_plan
from trading_assets.execution.session import SessionStatus
from trading_assets.model.account import AccountStatement, Answer
from trading_assets.model.cash_events import Adjustment
from trading_assets.model.order import Side
from trading_assets.reconciliation import reconcile


@pytest.fixture
def live(tmp_path: Path) -> LiveDesk:
    return LiveDesk(tmp_path)


def asked(live: LiveDesk, reason: str = "transferred in from the old account") -> Intervention:
    return Intervention(settings=live.desk.settings, calendar=CALENDAR, now=live.now, reason=reason)


def adjustments(live: LiveDesk) -> list[tuple[str, Decimal, Decimal, str]]:
    return [
        (event.symbol, event.quantity, event.cash, event.reason)
        for record in live.desk.log.records(event_types=("adjustment",))
        if isinstance(event := record.event, Adjustment)
    ]


def test_shares_and_cash_that_nothing_explains_are_adjusted_with_the_reason(
    live: LiveDesk,
) -> None:
    live.close(MONDAY)
    live.broker._positions["AAA"] += 5
    live.broker._cash -= Decimal("1.50")
    live.broker.costs = {"AAA": Decimal(98), "BBB": Decimal(50)}
    assert live.run(new_york(TUESDAY, "09:00"), session=TUESDAY).block_code == "OPENING_BREAK"
    recorded = accept_break(asked(live), live.desk.book, live.broker)
    assert [(one.symbol, one.quantity, one.price, one.cash) for one in recorded] == [
        ("AAA", Decimal(5), Decimal(98), Decimal(0)),
        ("", Decimal(0), Decimal(0), Decimal("-1.50")),
    ]
    outcome = live.run(new_york(TUESDAY, "09:10"), session=TUESDAY)
    assert outcome.status is SessionStatus.PLANNED
    assert live.held() == shares(AAA=55, BBB=60)
    reason = "transferred in from the old account"
    assert {each[3] for each in adjustments(live)} == {reason}


def test_a_trade_after_the_close_is_no_part_of_the_break_and_is_booked_once(live: LiveDesk) -> None:
    live.close(MONDAY)
    live.broker._positions["AAA"] += 5
    live.enter(WEDNESDAY)
    # Traded after Tuesday's close, while Tuesday is still open in the book.
    live.broker.place_by_hand("AAA", Side.BUY, Decimal(20))
    live.now = new_york(TUESDAY, "17:00")
    (adjusted,) = accept_break(asked(live), live.desk.book, live.broker)
    assert (adjusted.symbol, adjusted.quantity) == ("AAA", Decimal(5))
    assert live.held() == shares(AAA=55, BBB=60)


def test_an_account_that_moves_while_it_is_read_is_not_adjusted(
    live: LiveDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    live.close(MONDAY)
    live.broker._positions["AAA"] += 5
    live.enter(TUESDAY)
    live.now = new_york(TUESDAY, "09:00")
    state, asked_for = live.broker.account, list[str]()

    def account() -> Answer[AccountStatement]:
        asked_for.append("account")
        # The first time it is asked whose it is, the second time what it holds.
        if len(asked_for) == 2:
            live.broker.place_by_hand("AAA", Side.BUY, Decimal(20))
        return state()

    monkeypatch.setattr(live.broker, "account", account)
    with pytest.raises(BrokerUnknownError, match="Nothing was accepted"):
        accept_break(asked(live), live.desk.book, live.broker)
    assert adjustments(live) == []
    (adjusted,) = accept_break(asked(live), live.desk.book, live.broker)
    assert adjusted.quantity == Decimal(5)
    assert live.held() == shares(AAA=75, BBB=60)


def test_a_close_that_did_not_reconcile_stops_until_it_is_accepted(live: LiveDesk) -> None:
    live.run(new_york(MONDAY, "09:30"))
    live.broker.match()
    live.broker.end_session()
    live.broker._positions["AAA"] += 1
    live.run(new_york(MONDAY, "16:20"))
    assert reconcile(live.desk.book.closed[MONDAY]).unexplained
    # The account is right again when the next session asks; what the close said remains.
    live.broker._positions["AAA"] -= 1
    stopped = live.run(new_york(TUESDAY, "09:00"), session=TUESDAY)
    assert (stopped.status, stopped.block_code) == (SessionStatus.BLOCKED, "UNRECONCILED")
    assert "accept-break" in stopped.block_message
    assert (
        accept_break(asked(live, "the broker corrected itself"), live.desk.book, live.broker) == ()
    )
    assert adjustments(live) == [("", Decimal(0), Decimal(0), "the broker corrected itself")]
    live.restart()
    outcome = live.run(new_york(TUESDAY, "09:10"), session=TUESDAY)
    assert outcome.status is SessionStatus.PLANNED


def test_a_discarded_plan_is_made_anew_from_the_book_as_it_is(live: LiveDesk) -> None:
    planned = live.run(new_york(MONDAY, "09:00")).plan
    live.broker.place_by_hand("AAA", Side.BUY, Decimal(20))
    outdated = live.run(new_york(MONDAY, "09:30"))
    assert outdated.block_code == "PLAN_OUTDATED"
    assert "discard-plan" in outdated.block_message
    assert planned is not None
    assert discard_plan(asked(live, "20 of AAA bought early"), live.desk.book) == planned.digest
    live.restart()
    live.run(new_york(MONDAY, "09:35"))
    # 5,000 of AAA are 50 shares, of which 20 are there; BBB as before.
    assert live.working() == [("AAA", "buy", Decimal(30)), ("BBB", "buy", Decimal(60))]


def test_a_plan_of_which_something_may_have_been_sent_stands(live: LiveDesk) -> None:
    live.run(new_york(MONDAY, "09:30"))
    with pytest.raises(ConfigurationError, match="may have been sent"):
        discard_plan(asked(live), live.desk.book)


@pytest.mark.parametrize("reason", ["", "  "])
def test_nothing_is_decided_without_a_reason(live: LiveDesk, reason: str) -> None:
    live.run(new_york(MONDAY, "09:00"))
    with pytest.raises(ConfigurationError, match="say why"):
        discard_plan(asked(live, reason), live.desk.book)
    with pytest.raises(ConfigurationError, match="say why"):
        accept_break(asked(live, reason), live.desk.book, live.broker)
    assert adjustments(live) == []


def test_there_has_to_be_something_to_decide(live: LiveDesk, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="the book is empty"):
        discard_plan(asked(live), live.desk.book)
    live.close(MONDAY)
    with pytest.raises(ConfigurationError, match="no plan to discard"):
        discard_plan(asked(live), live.desk.book)
    with pytest.raises(ConfigurationError, match="no break to accept"):
        accept_break(asked(live), live.desk.book, live.broker)
    simulated = Desk(tmp_path / "simulated")
    request = Intervention(
        settings=simulated.settings, calendar=CALENDAR, now=live.now, reason="because"
    )
    with pytest.raises(ConfigurationError, match="correct its inputs and run it again"):
        accept_break(request, simulated.book, simulated.broker)
