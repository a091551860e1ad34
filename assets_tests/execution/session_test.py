"""A session from opening check to close, on the real book and the real simulated broker.

The portfolio starts with 10,000, holds whole shares, and pays no commission, no slippage and no
buffer unless a test says so; every number below is worked out by hand.
"""

from __future__ import annotations

import datetime as dt
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from assets_tests.execution.small_portfolio import (
    ACCOUNT,
    BEFORE,
    CALENDAR,
    FRIDAY,
    MONDAY,
    NEXT_MONDAY,
    TUESDAY,
    WEDNESDAY,
    Desk,
    portfolio_settings,
    session_inputs,
    snapshot,
)
from trading_assets.brokers.base import BrokerCapabilities
from trading_assets.brokers.simulated import SimulatedBroker
from trading_assets.calendar import TradingCalendar
from trading_assets.errors import (
    BrokerUnknownError,
    ConfigurationError,
    InputError,
    SessionNotReadyError,
    SessionUnknownError,
)
from trading_assets.execution.book import Book
from trading_assets.execution.session import SessionInputs, SessionStatus
from trading_assets.model.account import Answer, BrokerOrder, Unknown
from trading_assets.model.events import Mark
from trading_assets.model.order import OrderRequest, OrderStatus, Side
from trading_assets.model.result import GapCause
from trading_assets.reconciliation import reconcile
from trading_assets.settings import SessionSettings

PRICES = {"AAA": "100", "BBB": "50"}
HALF_AND_THIRD = {"AAA": "0.5", "BBB": "0.3"}


def monday(
    weights: Mapping[str, str] = HALF_AND_THIRD, prices: Mapping[str, str] = PRICES
) -> SessionInputs:
    return session_inputs(MONDAY, weights, prices)


def tuesday(
    weights: Mapping[str, str] = HALF_AND_THIRD, prices: Mapping[str, str] = PRICES
) -> SessionInputs:
    return session_inputs(TUESDAY, weights, prices)


def shares(**quantities: int) -> dict[str, Decimal]:
    return {symbol: Decimal(quantity) for symbol, quantity in quantities.items()}


def event_types(desk: Desk, session: dt.date) -> list[str]:
    return [record.event_type for record in desk.log.records(session=session)]


def orders_of(desk: Desk, session: dt.date) -> dict[tuple[str, str, int], tuple[str, Decimal]]:
    """(symbol, side, leg): (status, shares filled)."""
    closed = desk.book.closed[session]
    return {
        (o.request.symbol, o.request.side.value, o.leg): (o.status.value, o.filled_quantity)
        for o in closed.orders
    }


class PaperBroker(SimulatedBroker):
    """The simulated broker in the clothes of a real one."""

    capabilities = BrokerCapabilities(
        is_real=True,
        deduplicates_client_order_ids=True,
        orders_per_commit=1,
        lookup_delay_seconds=0.0,
    )


# One session after the other


def test_a_first_session_pays_in_plans_fills_and_closes(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    outcome = desk.run(monday())
    assert outcome.status is SessionStatus.CLOSED
    assert desk.book.closed_through == MONDAY
    # 5,000 of AAA at 100, 3,000 of BBB at 50.
    assert desk.book.positions == shares(AAA=50, BBB=60)
    assert desk.book.cash == Decimal(2000)
    assert desk.books_agree
    assert outcome.closed is not None
    assert outcome.closed.close.equity == Decimal(10000)
    assert outcome.closed.closed.statement.positions == shares(AAA=50, BBB=60)
    assert outcome.closed.closed.statement.account_number == ACCOUNT
    assert event_types(desk, MONDAY) == [
        "cash_flow",
        "session_planned",
        *["order_intended"] * 2,
        *["order_submitted"] * 2,
        *["order_accepted"] * 2,
        *["fill"] * 2,
        "session_closed",
    ]


def test_running_a_closed_session_again_changes_nothing(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    first = desk.run(monday())
    head = desk.log.head()
    desk.close()
    desk = Desk(tmp_path)
    again = desk.run(monday())
    assert again.status is SessionStatus.UNCHANGED
    assert again.plan == first.plan
    assert again.closed == first.closed
    assert desk.log.head() == head


def test_on_target_the_next_session_has_no_orders(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.run(monday())
    desk.run(tuesday())
    assert event_types(desk, TUESDAY) == ["session_planned", "session_closed"]
    assert desk.book.positions == shares(AAA=50, BBB=60)


def test_a_session_before_its_predecessor_is_closed_names_the_one_to_run(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    with pytest.raises(SessionNotReadyError, match=r"no session yet.*Materialise 2024-03-04"):
        desk.run(tuesday())
    desk.run(monday())
    with pytest.raises(
        SessionNotReadyError, match=r"2024-03-06 .*through 2024-03-04.*Materialise 2024-03-05"
    ):
        desk.run(session_inputs(WEDNESDAY, {}, {}))


def test_a_day_without_a_session_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SessionUnknownError, match="2024-03-09"):
        Desk(tmp_path).run(session_inputs(dt.date(2024, 3, 9), {}, {}))


def test_a_name_without_a_target_is_sold(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.run(monday())
    desk.run(tuesday({"AAA": "0.5"}))
    assert desk.book.positions == shares(AAA=50)
    assert desk.book.cash == Decimal(5000)


def test_the_process_may_end_after_every_session(tmp_path: Path) -> None:
    for inputs in (monday(), tuesday({"BBB": "0.9"}), session_inputs(WEDNESDAY, {}, PRICES)):
        desk = Desk(tmp_path)
        assert desk.run(inputs).status is SessionStatus.CLOSED
        assert desk.books_agree
        desk.close()
    desk = Desk(tmp_path)
    assert desk.book.positions == {}
    assert desk.book.cash == Decimal(10000)


# Other inputs


def test_changed_inputs_restate_from_there_and_later_sessions_no_longer_count(
    tmp_path: Path,
) -> None:
    desk = Desk(tmp_path)
    desk.run(monday())
    desk.run(tuesday())
    desk.run(session_inputs(WEDNESDAY, {"AAA": "0.9"}, PRICES))
    desk.close()
    desk = Desk(tmp_path)
    outcome = desk.run(tuesday({"BBB": "0.8"}))
    assert outcome.status is SessionStatus.CLOSED
    assert desk.book.closed_through == TUESDAY
    assert desk.book.positions == shares(BBB=160)
    assert desk.book.cash == Decimal(2000)
    assert desk.books_agree
    (restated,) = desk.book.restatements
    assert (restated.from_session, restated.revision) == (TUESDAY, 1)
    assert "inputs of 2024-03-05 changed" in restated.reason
    assert desk.run(monday()).status is SessionStatus.UNCHANGED


def test_a_corrected_close_restates_the_first_session_with_its_deposit(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.run(monday())
    desk.run(session_inputs(MONDAY, HALF_AND_THIRD, PRICES, closes={"AAA": "101", "BBB": "50"}))
    # 50 at 101 and 60 at 50 of one deposit, not of two.
    assert desk.book.cash == Decimal(10000) - 5050 - 3000
    assert desk.books_agree


def test_ids_of_a_restated_session_are_new_though_its_plan_is_not(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    before = desk.run(monday())
    after = desk.run(
        session_inputs(MONDAY, HALF_AND_THIRD, PRICES, closes={"AAA": "101", "BBB": "50"})
    )
    assert before.plan is not None
    assert after.plan is not None
    ids = [{o.client_order_id for o in plan.real_orders} for plan in (before.plan, after.plan)]
    assert [len(each) for each in ids] == [2, 2]
    assert not ids[0] & ids[1]


def test_a_plan_that_was_not_sent_is_made_anew_from_new_prices(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.run(monday(), stop_after_plan=True)
    desk.run(monday(prices={"AAA": "200", "BBB": "50"}))
    assert desk.book.positions == shares(AAA=25, BBB=60)
    assert desk.books_agree


@pytest.mark.parametrize(
    "change",
    [
        {"planning": {"fractional": False, "cash_buffer": "0.1"}},
        {"limits": {"max_order_shares": 10}},
        {"commission": {"per_order": 1}},
        {"simulation": {"margin_multiplier": 2, "slippage_bps": 1}},
        {"accounting": {"long_lots": "lifo"}},
        {"constraints": {"allow_short": False}},
        {"initial_cash": 20000},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_rule_that_decides_a_session_restates_it_when_changed(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    desk = Desk(tmp_path)
    desk.run(monday())
    desk.close()
    desk = Desk(tmp_path, portfolio_settings(**change))
    assert desk.run(monday()).status is SessionStatus.CLOSED
    assert len(desk.book.restatements) == 1
    assert desk.books_agree


def test_what_the_portfolio_is_called_does_not_restate_it(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.run(monday())
    desk.close()
    desk = Desk(tmp_path, portfolio_settings(name="Another", report={"title": "Another"}))
    assert desk.run(monday()).status is SessionStatus.UNCHANGED


def test_initial_cash_may_be_corrected_before_the_first_plan(tmp_path: Path) -> None:
    doubled = monday()
    targets = msgspec.structs.replace(doubled.targets, weights=doubled.targets.weights * 2)
    desk = Desk(tmp_path)
    with pytest.raises(InputError, match="more than one target"):
        desk.run(msgspec.structs.replace(doubled, targets=targets))
    desk.close()
    desk = Desk(tmp_path, portfolio_settings(initial_cash=20000))
    desk.run(monday())
    assert desk.book.positions == shares(AAA=100, BBB=120)
    assert desk.book.cash == Decimal(4000)
    assert desk.books_agree


def test_another_process_recognises_the_inputs_whatever_order_its_sets_have(
    tmp_path: Path,
) -> None:
    script = (
        "import sys; from pathlib import Path\n"
        "from assets_tests.execution.small_portfolio import *\n"
        "refused = ['C1', 'D2', 'E3', 'F4', 'G5', 'H6']\n"
        "rules = {'margin_multiplier': 2, 'reject_symbols': refused}\n"
        "desk = Desk(Path(sys.argv[1]), portfolio_settings(simulation=rules))\n"
        "print(desk.run(session_inputs(MONDAY, {}, {})).status.value)\n"
    )
    printed = [
        subprocess.run(
            [sys.executable, "-c", script, str(tmp_path)],
            env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2", "3")
    ]
    assert printed == ["closed", "unchanged", "unchanged"]


# Nothing sent


def test_dry_plans_and_closes_and_sends_nothing(tmp_path: Path) -> None:
    desk = Desk(tmp_path, portfolio_settings(mode="dry"))
    outcome = desk.run(monday())
    assert outcome.status is SessionStatus.CLOSED
    assert outcome.plan is not None
    assert len(outcome.plan.real_orders) == 2
    assert event_types(desk, MONDAY) == ["cash_flow", "session_planned", "session_closed"]
    assert desk.broker_positions == {}
    assert desk.book.cash == Decimal(10000)


def test_a_plan_that_was_looked_at_is_what_is_sent(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    looked_at = desk.run(monday(), stop_after_plan=True)
    assert looked_at.status is SessionStatus.PLANNED
    assert event_types(desk, MONDAY) == ["cash_flow", "session_planned"]
    assert desk.broker_positions == {}
    desk.close()
    desk = Desk(tmp_path)
    sent = desk.run(monday())
    assert sent.plan == looked_at.plan
    assert looked_at.plan is not None
    assert {o.client_order_id: o.quantity for o in looked_at.plan.real_orders} == {
        o.client_order_id: o.request.quantity for o in desk.book.closed[MONDAY].orders
    }


def test_while_halted_a_session_is_planned_and_nothing_more_then_goes_on(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.halted = True
    outcome = desk.run(monday())
    assert (outcome.status, outcome.block_code) == (SessionStatus.BLOCKED, "HALTED")
    assert event_types(desk, MONDAY) == ["cash_flow", "session_planned"]
    head = desk.log.head()
    desk.run(monday())
    assert desk.log.head() == head
    desk.halted = False
    assert desk.run(monday()).status is SessionStatus.CLOSED
    assert desk.book.positions == shares(AAA=50, BBB=60)


def test_a_halt_between_the_legs_keeps_what_was_sold_and_buys_after_it_is_lifted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(tmp_path)
    desk.run(monday({"AAA": "0.9"}))
    match = desk.broker.match

    def match_then_halt() -> None:
        match()
        desk.halted = True

    monkeypatch.setattr(desk.broker, "match", match_then_halt)
    outcome = desk.run(tuesday({"BBB": "0.9"}))
    assert outcome.block_code == "HALTED"
    assert desk.book.positions == {}
    assert desk.book.closed_through == MONDAY
    monkeypatch.undo()
    desk.halted = False
    assert desk.run(tuesday({"BBB": "0.9"})).status is SessionStatus.CLOSED
    assert desk.book.positions == shares(BBB=180)
    assert [o.leg for o in desk.book.closed[TUESDAY].orders] == [1, 2]
    assert desk.books_agree


def test_a_plan_that_a_limit_refuses_is_not_sent(tmp_path: Path) -> None:
    desk = Desk(tmp_path, portfolio_settings(limits={"max_total_notional": 7999}))
    outcome = desk.run(monday())
    assert (outcome.status, outcome.block_code) == (SessionStatus.BLOCKED, "MAX_TOTAL_NOTIONAL")
    assert event_types(desk, MONDAY) == ["cash_flow", "session_planned"]
    assert desk.book.closed_through is None


# Book and broker differ


def test_money_that_the_book_does_not_know_of_blocks_the_session(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.run(monday())
    desk.broker.deposit("dividend", MONDAY, Decimal("12.34"))
    outcome = desk.run(tuesday())
    assert (outcome.status, outcome.block_code) == (SessionStatus.BLOCKED, "OPENING_BREAK")
    assert outcome.plan is None
    (gap,) = outcome.opening_gaps
    assert (gap.symbol, gap.amount, gap.cause) == (
        "CASH",
        Decimal("-12.34"),
        GapCause.UNEXPLAINED,
    )
    assert event_types(desk, TUESDAY) == []


def test_a_break_that_opens_after_the_plan_blocks_the_orders(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.run(monday(), stop_after_plan=True)
    desk.broker.deposit("withdrawn", MONDAY, Decimal(-9000))
    outcome = desk.run(monday())
    assert outcome.block_code == "OPENING_BREAK"
    assert event_types(desk, MONDAY) == ["cash_flow", "session_planned"]


def test_executions_that_the_broker_lost_block_the_next_session(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.run(monday({"AAA": "0.5"}))
    desk.close()
    with sqlite3.connect(tmp_path / "broker.sqlite") as database:
        database.execute("DELETE FROM executions")
    outcome = Desk(tmp_path).run(tuesday({"AAA": "0.5"}))
    assert outcome.block_code == "OPENING_BREAK"
    assert [(g.symbol, g.quantity, g.amount) for g in outcome.opening_gaps] == [
        ("AAA", Decimal(50), Decimal(0)),
        ("CASH", Decimal(0), Decimal(-5000)),
    ]


def test_an_accepted_order_that_the_broker_no_longer_knows_stops_the_close(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(tmp_path)

    def lose_orders() -> None:
        desk.broker._working.clear()
        desk.broker._orders.clear()
        desk.broker._database.execute("DELETE FROM orders")

    monkeypatch.setattr(desk.broker, "match", lose_orders)
    with pytest.raises(BrokerUnknownError, match="accepted and the broker no longer knows it"):
        desk.run(monday())
    assert desk.book.closed_through is None


def test_a_trade_by_hand_after_the_close_is_booked_as_foreign_and_planned_upon(
    tmp_path: Path,
) -> None:
    desk = Desk(tmp_path)
    desk.run(monday({"AAA": "0.5", "BBB": "0.0001"}))
    desk.broker.place_by_hand("AAA", Side.BUY, Decimal(10))
    outcome = desk.run(tuesday({"AAA": "0.5"}))
    # 60 held, 50 wanted: the plan sells what was bought by hand.
    assert outcome.status is SessionStatus.CLOSED
    assert orders_of(desk, TUESDAY) == {("AAA", "sell", 1): ("filled", Decimal(10))}
    assert desk.book.positions == shares(AAA=50)
    assert desk.books_agree
    closed = desk.book.closed[TUESDAY]
    assert [(f.client_order_id == "", f.quantity) for f in closed.fills] == [
        (True, Decimal(10)),
        (False, Decimal(10)),
    ]
    report = reconcile(closed)
    assert report.unexplained == ()
    assert GapCause.FOREIGN_TRADE in {gap.cause for gap in report.gaps}


def test_a_trade_by_hand_between_plan_and_orders_is_booked_and_not_spent_twice(
    tmp_path: Path,
) -> None:
    desk = Desk(tmp_path)
    desk.run(monday({"AAA": "0.9", "BBB": "0.1"}), stop_after_plan=True)
    desk.broker.place_by_hand("BBB", Side.BUY, Decimal(20))
    desk.run(monday({"AAA": "0.9", "BBB": "0.1"}))
    # The 20 bought by hand are the 1,000 of BBB that are wanted.
    assert desk.book.positions == shares(AAA=90, BBB=20)
    assert desk.book.cash == Decimal(0)
    assert desk.books_agree


def test_a_trade_by_hand_is_booked_once_however_often_the_session_runs(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.run(monday({"AAA": "0.5"}))
    desk.broker.place_by_hand("AAA", Side.SELL, Decimal(5))
    desk.halted = True
    desk.run(tuesday({"AAA": "0.5"}))
    desk.run(tuesday({"AAA": "0.5"}))
    desk.halted = False
    desk.run(tuesday({"AAA": "0.5"}))
    desk.run(session_inputs(WEDNESDAY, {"AAA": "0.5"}, PRICES))
    every = [e for s in (MONDAY, TUESDAY, WEDNESDAY) for e in event_types(desk, s)]
    # 50 bought, 5 sold by hand, 5 bought back.
    assert every.count("fill") == 3
    assert desk.books_agree


def test_a_trade_by_hand_in_a_name_without_a_target_is_sold_again(tmp_path: Path) -> None:
    prices = PRICES | {"ZZZ": "20"}
    desk = Desk(tmp_path)
    desk.run(monday({"AAA": "0.5"}, prices))
    desk.broker._closes = snapshot(MONDAY, prices)
    desk.broker.place_by_hand("ZZZ", Side.BUY, Decimal(10))
    outcome = desk.run(tuesday({"AAA": "0.5"}, prices))
    assert outcome.status is SessionStatus.CLOSED
    assert orders_of(desk, TUESDAY) == {("ZZZ", "sell", 1): ("filled", Decimal(10))}
    assert desk.book.positions == shares(AAA=50)
    assert desk.books_agree
    assert reconcile(desk.book.closed[TUESDAY]).unexplained == ()
    head = desk.log.head()
    desk.close()
    desk = Desk(tmp_path)
    assert desk.run(tuesday({"AAA": "0.5"}, prices)).status is SessionStatus.UNCHANGED
    assert desk.log.head() == head
    # Its close decided the session too.
    corrected = session_inputs(TUESDAY, {"AAA": "0.5"}, prices, closes=prices | {"ZZZ": "21"})
    assert desk.run(corrected).status is SessionStatus.CLOSED
    assert desk.book.cash == Decimal(5000) - 200 + 210
    assert desk.books_agree


def test_a_session_that_sells_what_was_bought_by_hand_goes_on_in_another_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prices = PRICES | {"ZZZ": "20"}
    desk = Desk(tmp_path)
    desk.run(monday({"AAA": "0.5"}, prices))
    desk.broker._closes = snapshot(MONDAY, prices)
    desk.broker.place_by_hand("ZZZ", Side.BUY, Decimal(10))

    def dies() -> None:
        raise ConnectionError

    monkeypatch.setattr(desk.broker, "match", dies)
    with pytest.raises(ConnectionError):
        desk.run(tuesday({"BBB": "0.5"}, prices))
    desk.close()
    desk = Desk(tmp_path)
    assert desk.run(tuesday({"BBB": "0.5"}, prices)).status is SessionStatus.CLOSED
    assert desk.book.restatements == []
    assert desk.book.positions == shares(BBB=100)
    assert desk.books_agree


def test_plans_are_made_anew_as_often_as_trades_by_hand_come_between(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    before = desk.run(monday(), stop_after_plan=True).plan
    desk.broker.place_by_hand("BBB", Side.BUY, Decimal(20))
    between = desk.run(monday(), stop_after_plan=True).plan
    desk.broker.place_by_hand("BBB", Side.SELL, Decimal(20))
    after = desk.run(monday())
    assert before is not None
    assert between is not None
    assert after.plan == before
    assert between != before
    assert desk.book.closed[MONDAY].planned.plan == before
    assert desk.book.positions == shares(AAA=50, BBB=60)
    assert desk.books_agree


# Book or account lost


@pytest.mark.parametrize("sessions", [1, 2])
def test_an_account_that_is_ahead_of_a_lost_book_is_not_taken_for_trades_by_hand(
    tmp_path: Path, sessions: int
) -> None:
    desk = Desk(tmp_path)
    for inputs in (monday(), tuesday({"BBB": "0.9"}))[:sessions]:
        desk.run(inputs)
    desk.close()
    shutil.rmtree(tmp_path / "books")
    desk = Desk(tmp_path)
    with pytest.raises(BrokerUnknownError, match=r"ahead of the book.*remove this portfolio's"):
        desk.run(monday())
    assert event_types(desk, MONDAY) == ["cash_flow"]


def test_an_older_book_is_not_brought_up_to_the_account(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.run(monday())
    desk.close()
    shutil.copytree(tmp_path / "books", tmp_path / "backup")
    desk = Desk(tmp_path)
    desk.run(tuesday())
    desk.run(session_inputs(WEDNESDAY, {"BBB": "0.9"}, PRICES))
    desk.close()
    shutil.rmtree(tmp_path / "books")
    shutil.move(tmp_path / "backup", tmp_path / "books")
    desk = Desk(tmp_path)
    with pytest.raises(BrokerUnknownError, match="ahead of the book"):
        desk.run(tuesday())
    assert event_types(desk, TUESDAY) == []


def test_a_trade_by_hand_after_the_close_is_not_booked_into_that_session(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.run(monday())
    desk.broker.begin_session(WEDNESDAY, CALENDAR.closes_at(WEDNESDAY), snapshot(WEDNESDAY, PRICES))
    desk.broker.place_by_hand("AAA", Side.BUY, Decimal(1))
    with pytest.raises(BrokerUnknownError, match="cannot belong to 2024-03-05"):
        desk.run(tuesday())
    assert event_types(desk, TUESDAY) == []


def test_a_lost_account_blocks_and_says_what_to_do(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.run(monday())
    desk.close()
    for path in tmp_path.glob("broker.sqlite*"):
        path.unlink()
    desk = Desk(tmp_path)
    outcome = desk.run(tuesday())
    assert outcome.block_code == "OPENING_BREAK"
    assert "state/simulated_brokers from backups of the same time" in outcome.block_message
    assert "run again from 2024-03-04" in outcome.block_message


# Another beginning


@pytest.mark.parametrize("closes_first", [True, False])
@pytest.mark.parametrize("start", [BEFORE, WEDNESDAY])
def test_another_start_is_refused_for_a_book_that_has_begun(
    tmp_path: Path, start: dt.date, closes_first: bool
) -> None:
    desk = Desk(tmp_path)
    desk.run(monday(), stop_after_plan=not closes_first)
    head = desk.log.head()
    desk.close()
    rules = {"start": start, "end": NEXT_MONDAY}
    desk = Desk(tmp_path, portfolio_settings(sessions=rules))
    desk.runner.calendar = TradingCalendar(SessionSettings.model_validate(rules))
    for session in {start, WEDNESDAY}:
        with pytest.raises(ConfigurationError, match=f"begins with 2024-03-04.*says {start}.*Keep"):
            desk.run(session_inputs(session, {"AAA": "0.5"}, PRICES))
    assert desk.log.head() == head


# The session before did not reconcile


def test_a_close_with_an_unexplained_difference_stops_the_next_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(tmp_path)
    end_session = desk.broker.end_session

    def find_a_share() -> None:
        end_session()
        desk.broker._positions["AAA"] += 1

    monkeypatch.setattr(desk.broker, "end_session", find_a_share)
    desk.run(monday())
    # The account is right again when the next session asks; what the close said remains.
    desk.close()
    desk = Desk(tmp_path)
    outcome = desk.run(tuesday())
    assert (outcome.status, outcome.block_code) == (SessionStatus.BLOCKED, "UNRECONCILED")
    assert [(gap.symbol, gap.quantity) for gap in outcome.opening_gaps] == [("AAA", Decimal(-1))]
    assert "close of 2024-03-04" in outcome.block_message
    assert event_types(desk, TUESDAY) == []


def test_a_dry_portfolio_may_trade_from_the_next_session_on(tmp_path: Path) -> None:
    desk = Desk(tmp_path, portfolio_settings(mode="dry"))
    desk.run(monday())
    desk.close()
    desk = Desk(tmp_path)
    assert desk.run(tuesday()).status is SessionStatus.CLOSED
    assert desk.book.positions == shares(AAA=50, BBB=60)


def test_a_halt_between_two_orders_stops_there_and_the_rest_follows_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(tmp_path)
    submit = desk.broker.submit

    def submit_then_halt(request: OrderRequest) -> Answer[BrokerOrder]:
        desk.halted = True
        return submit(request)

    monkeypatch.setattr(desk.broker, "submit", submit_then_halt)
    outcome = desk.run(monday())
    assert (outcome.status, outcome.block_code) == (SessionStatus.BLOCKED, "HALTED")
    assert [o.status.value for o in desk.book.orders(MONDAY)] == ["accepted", "submitted"]
    assert len(desk.broker.open_orders().require()) == 1
    monkeypatch.undo()
    desk.halted = False
    assert desk.run(monday()).status is SessionStatus.CLOSED
    assert desk.book.positions == shares(AAA=50, BBB=60)
    assert desk.books_agree


# How orders end


def test_a_flip_closes_confirms_then_opens(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.run(monday())
    desk.run(tuesday({"AAA": "-0.5", "BBB": "0.3"}))
    assert orders_of(desk, TUESDAY) == {
        ("AAA", "sell", 1): ("filled", Decimal(50)),
        ("AAA", "sell", 2): ("filled", Decimal(50)),
    }
    assert desk.book.positions == shares(AAA=-50, BBB=60)
    assert desk.book.cash == Decimal(12000)
    assert desk.books_agree
    types = event_types(desk, TUESDAY)
    assert types.index("fill") < max(i for i, t in enumerate(types) if t == "order_intended")


def test_a_short_is_bought_back_and_turned_long(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.run(monday({"AAA": "-0.5"}))
    assert desk.book.positions == shares(AAA=-50)
    desk.run(tuesday({"AAA": "0.4"}))
    assert desk.book.positions == shares(AAA=40)
    assert desk.book.cash == Decimal(6000)
    assert desk.books_agree


def test_a_flip_whose_closing_order_is_rejected_opens_nothing(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.run(monday({"AAA": "0.5"}))
    desk.close()
    desk = Desk(
        tmp_path, portfolio_settings(simulation={"margin_multiplier": 2, "reject_symbols": ["AAA"]})
    )
    desk.run(tuesday({"AAA": "-0.5"}))
    assert orders_of(desk, TUESDAY) == {("AAA", "sell", 1): ("rejected", Decimal(0))}
    assert desk.book.closed[TUESDAY].orders[0].reject_code == "NOT_TRADABLE"
    assert desk.book.positions == shares(AAA=50)


def test_after_a_rejected_sale_purchases_are_cut_to_the_cash_there_is(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.run(monday({"AAA": "0.9"}))
    desk.close()
    desk = Desk(
        tmp_path, portfolio_settings(simulation={"margin_multiplier": 2, "reject_symbols": ["AAA"]})
    )
    desk.run(tuesday({"BBB": "0.9"}))
    # 180 wanted for 9,000; there are 1,000.
    assert orders_of(desk, TUESDAY) == {
        ("AAA", "sell", 1): ("rejected", Decimal(0)),
        ("BBB", "buy", 2): ("filled", Decimal(20)),
    }
    assert desk.book.cash == Decimal(0)
    assert desk.books_agree
    assert reconcile(desk.book.closed[TUESDAY]).unexplained == ()


def test_the_volume_cap_fills_part_and_the_rest_expires(tmp_path: Path) -> None:
    capped = portfolio_settings(simulation={"margin_multiplier": 2, "volume_cap": "0.1"})
    desk = Desk(tmp_path, capped)
    desk.run(session_inputs(MONDAY, {"AAA": "0.5"}, PRICES, volume="200"))
    assert orders_of(desk, MONDAY) == {("AAA", "buy", 2): ("expired", Decimal(20))}
    assert desk.book.cash == Decimal(8000)
    assert desk.books_agree
    desk.run(session_inputs(TUESDAY, {"AAA": "0.5"}, PRICES, volume="10000"))
    assert desk.book.positions == shares(AAA=50)


def test_a_sale_takes_its_share_of_the_volume_once_though_two_legs_are_matched(
    tmp_path: Path,
) -> None:
    capped = portfolio_settings(simulation={"margin_multiplier": 2, "volume_cap": "0.1"})
    desk = Desk(tmp_path, capped)
    desk.run(session_inputs(MONDAY, {"AAA": "0.9"}, PRICES, volume="10000"))
    desk.run(session_inputs(TUESDAY, {"BBB": "0.9"}, PRICES, volume="200"))
    # 20 of 90 sold brings cash to 3,000: 60 of 180 ordered, of which the cap lets 20 through.
    assert orders_of(desk, TUESDAY) == {
        ("AAA", "sell", 1): ("expired", Decimal(20)),
        ("BBB", "buy", 2): ("expired", Decimal(20)),
    }
    assert desk.book.positions == shares(AAA=70, BBB=20)
    assert desk.book.cash == Decimal(2000)
    assert desk.books_agree
    assert reconcile(desk.book.closed[TUESDAY]).unexplained == ()


def test_a_purchase_that_equity_does_not_carry_ends_as_rejected(tmp_path: Path) -> None:
    unlevered = portfolio_settings(simulation={"margin_multiplier": 1})
    desk = Desk(tmp_path, unlevered)
    desk.run(session_inputs(MONDAY, {"AAA": "1"}, PRICES, closes={"AAA": "101"}))
    # 100 shares cost 10,100 at the close.
    (order,) = desk.book.closed[MONDAY].orders
    assert order.status is OrderStatus.REJECTED
    assert order.reject_code == "INSUFFICIENT_BUYING_POWER"
    assert desk.book.cash == Decimal(10000)
    assert desk.books_agree


def test_commission_and_slippage_are_booked_as_the_broker_charges_them(tmp_path: Path) -> None:
    desk = Desk(
        tmp_path,
        portfolio_settings(
            commission={"per_order": 1},
            simulation={"margin_multiplier": 2, "slippage_bps": 10},
        ),
    )
    desk.run(monday({"AAA": "0.5"}))
    # (10,000 - 1) / 2 buys 49 at 100; filled at 100.10, 4,904.90 and 1 of commission.
    assert desk.book.positions == shares(AAA=49)
    assert desk.book.cash == Decimal("5094.10")
    assert desk.books_agree


# Valuing


def test_a_holding_without_a_close_keeps_its_last_mark_with_its_session(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.run(monday(HALF_AND_THIRD))
    closes = {"BBB": PRICES["BBB"]}
    outcome = desk.run(session_inputs(TUESDAY, HALF_AND_THIRD, PRICES, closes=closes))
    assert outcome.closed is not None
    assert outcome.closed.closed.marks == {
        "AAA": Mark(price=Decimal(100), session=MONDAY, source="by hand"),
        "BBB": Mark(price=Decimal(PRICES["BBB"]), session=TUESDAY, source="by hand"),
    }
    assert outcome.closed.close.equity == Decimal(10000)


def test_an_order_for_a_symbol_without_a_close_expires(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.run(session_inputs(MONDAY, HALF_AND_THIRD, PRICES, closes={"AAA": "100"}))
    assert orders_of(desk, MONDAY) == {
        ("AAA", "buy", 2): ("filled", Decimal(50)),
        ("BBB", "buy", 2): ("expired", Decimal(0)),
    }


def test_a_new_process_values_a_holding_without_a_close_as_the_old_one_would(
    tmp_path: Path,
) -> None:
    def wednesday_of(folder: Path, *, one_process: bool) -> Any:
        desk = Desk(folder)
        desk.run(monday({"AAA": "0.5"}))
        desk.run(session_inputs(TUESDAY, {"AAA": "0.5"}, PRICES, closes={"AAA": "40", "BBB": "10"}))
        if not one_process:
            desk.close()
            desk = Desk(folder)
        # 5,000 buys 1,250 of BBB at the planned 4; at the close of 10.40 they cost 13,000. AAA at
        # its last close of 40: exposure 15,000, equity 7,000, twice that is too little. At 100,
        # which was paid for it, the order would pass.
        plan_prices = {"AAA": "100", "BBB": "4"}
        weights = {"AAA": "0.5", "BBB": "0.5"}
        desk.run(session_inputs(WEDNESDAY, weights, plan_prices, closes={"BBB": "10.40"}))
        return desk.book.closed[WEDNESDAY].orders

    together = wednesday_of(tmp_path / "together", one_process=True)
    apart = wednesday_of(tmp_path / "apart", one_process=False)
    assert [o.reject_code for o in together] == ["INSUFFICIENT_BUYING_POWER"]
    assert apart == together


# A real broker


def test_a_simulated_portfolio_never_sends_to_a_real_broker(tmp_path: Path) -> None:
    desk = Desk(tmp_path, broker=PaperBroker)
    assert desk.run(monday()).block_code == "MODE_MISMATCH"
    assert desk.broker_positions == {}


def test_a_broker_that_cannot_say_what_it_holds_stops_before_the_plan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(tmp_path)
    monkeypatch.setattr(desk.broker, "positions", lambda: Unknown("gateway down"))
    with pytest.raises(BrokerUnknownError, match="gateway down"):
        desk.run(monday())
    assert event_types(desk, MONDAY) == []


def test_a_closed_session_must_be_kept_to_be_run_again(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.run(monday())
    desk.runner.book = Book(desk.log, desk.settings, keep=[FRIDAY])
    with pytest.raises(ValueError, match="keep=2024-03-04"):
        desk.run(monday())


def test_a_simulated_session_is_not_run_before_it_has_closed(tmp_path: Path) -> None:
    noon = dt.datetime(2024, 3, 4, 17, tzinfo=dt.UTC)
    desk = Desk(tmp_path, now=lambda: noon)
    with pytest.raises(SessionNotReadyError, match="2024-03-04 closes at 2024-03-04 21:00 UTC"):
        desk.run(session_inputs(MONDAY, {"AAA": "0.5"}, {"AAA": "100"}))
    assert desk.log.head()[0] == 0


def test_a_session_without_any_price_waits_for_its_prices(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    with pytest.raises(SessionNotReadyError, match="no price of 2024-03-04 is known for any of 1"):
        desk.run(session_inputs(MONDAY, {"AAA": "0.5"}, {"AAA": "100"}, closes={}))
    assert desk.log.head()[0] == 0
    desk.run(session_inputs(MONDAY, {"AAA": "0.5"}, {"AAA": "100"}))
    assert desk.book.closed_through == MONDAY
