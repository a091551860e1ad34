"""Sessions at a real broker, run by run: what each does by the clock, and what a missed one costs.

The broker is the simulated one in the clothes of a real one. The test is its exchange: orders fill
when it says so, at the session's close.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from assets_tests.execution.small_portfolio import (
    CALENDAR,
    MONDAY,
    TUESDAY,
    WEDNESDAY,
    Desk,
    portfolio_settings,
    session_inputs,
    snapshot,
)
from trading_assets.brokers.base import BrokerCapabilities
from trading_assets.brokers.simulated import SimulatedBroker
from trading_assets.errors import BrokerUnknownError, ConfigurationError, SessionNotReadyError
from trading_assets.execution.session import SessionInputs, SessionOutcome, SessionStatus
from trading_assets.model.account import (
    AccountStatement,
    Answer,
    BrokerOrder,
    CashActivity,
    CashActivityKind,
    Known,
    Unknown,
)
from trading_assets.model.order import OrderRequest, Side
from trading_assets.model.order_events import OrderCanceled
from trading_assets.reconciliation import reconcile, summary_text
from trading_assets.reconciliation.planned import PLANNED_VS_FILLED

ACCOUNT = "PA-small-0042"
PRICES = {"AAA": "100", "BBB": "50"}
HALF_AND_THIRD = {"AAA": "0.5", "BBB": "0.3"}


def new_york(day: dt.date, clock: str) -> dt.datetime:
    """A time in New York in the week of the sessions, when it is five hours behind UTC."""
    return dt.datetime.combine(day, dt.time.fromisoformat(clock), dt.UTC) + dt.timedelta(hours=5)


class PaperBroker(SimulatedBroker):
    """The simulated broker in the clothes of a real one."""

    capabilities = BrokerCapabilities(
        is_real=True,
        deduplicates_client_order_ids=True,
        orders_per_commit=1,
        lookup_delay_seconds=0.0,
    )
    costs: Mapping[str, Decimal] = {}
    restriction = ""
    paid: tuple[CashActivity, ...] = ()
    loses: frozenset[str] = frozenset()

    def average_costs(self) -> Answer[dict[str, Decimal] | None]:
        return Known(dict(self.costs))

    def account(self) -> Answer[AccountStatement]:
        stated = super().account().require()
        cash = stated.cash + sum((one.amount for one in self.paid), Decimal(0))
        changes = {"account_number": ACCOUNT, "cash": cash, "restriction": self.restriction}
        return Known(msgspec.structs.replace(stated, **changes))

    def cash_activities_since(self, moment: dt.datetime) -> Answer[tuple[CashActivity, ...]]:
        return Known(tuple(one for one in self.paid if one.occurred_at > moment))

    def submit(self, request: OrderRequest) -> Answer[BrokerOrder]:
        return Unknown("timed out") if request.symbol in self.loses else super().submit(request)


class LiveDesk:
    """A portfolio at the paper broker, a clock that the test sets, and an exchange that it drives.

    The account holds 10,000 before the first session.
    """

    def __init__(self, folder: Path, **changes: Any) -> None:
        self.folder = folder
        self.now = new_york(MONDAY, "09:00")
        self.slept: list[float] = []
        self.changes = {"mode": "paper", "execution": {"wait_seconds": 0}} | changes
        self.live_account: str | None = None
        self.open()
        self.broker.deposit("opening", dt.date(2024, 1, 2), Decimal(10000))
        self.enter(MONDAY)

    def open(self) -> None:
        """What a process opens."""
        self.broker: PaperBroker
        self.desk = Desk(
            self.folder,
            portfolio_settings(**self.changes),
            broker=PaperBroker,
            now=lambda: self.now,
            live_account=self.live_account,
        )
        assert isinstance(self.desk.broker, PaperBroker)
        self.broker = self.desk.broker

    def restart(self) -> None:
        """The process ends and another one begins."""
        paid, session = self.broker.paid, self.broker._session
        self.desk.close()
        self.open()
        self.broker.paid = paid
        self.enter(session)

    def enter(self, session: dt.date, prices: Mapping[str, str] = PRICES) -> None:
        """The exchange enters a session, whose trades are made at `prices`."""
        self.broker.begin_session(session, CALENDAR.closes_at(session), snapshot(session, prices))

    def run(
        self,
        at: dt.datetime,
        weights: Mapping[str, str] = HALF_AND_THIRD,
        session: dt.date = MONDAY,
        closes: Mapping[str, str] | None = None,
        **rest: Any,
    ) -> SessionOutcome:
        """One run at a time of the day."""
        self.now = at
        return self.desk.run(self.inputs(session, weights, closes), **rest)

    def inputs(
        self, session: dt.date, weights: Mapping[str, str], closes: Mapping[str, str] | None
    ) -> SessionInputs:
        return session_inputs(session, weights, PRICES, closes)

    def close(self, session: dt.date, weights: Mapping[str, str] = HALF_AND_THIRD) -> None:
        """A whole day: orders sent, filled leg by leg, session closed."""
        self.enter(session)
        self.run(new_york(session, "09:30"), weights, session)
        self.broker.match()
        self.run(new_york(session, "09:40"), weights, session)
        self.broker.match()
        self.broker.end_session()
        outcome = self.run(new_york(session, "16:20"), weights, session)
        assert outcome.status is SessionStatus.CLOSED, outcome.block_message

    def working(self) -> list[tuple[str, str, Decimal]]:
        """Orders that are open at the broker."""
        return [
            (one.request.symbol, one.request.side.value, one.request.quantity)
            for one in self.broker.open_orders().require()
        ]

    def held(self) -> dict[str, Decimal]:
        return self.desk.book.positions

    def causes(self, session: dt.date = MONDAY) -> dict[tuple[str, str], str]:
        """(symbol, cause) of planned against filled: the detail."""
        report = reconcile(self.desk.book.closed[session])
        assert not report.unexplained
        return {
            (gap.symbol, gap.cause.value): gap.detail
            for gap in report.gaps
            if gap.view == PLANNED_VS_FILLED
        }


@pytest.fixture
def live(tmp_path: Path) -> LiveDesk:
    return LiveDesk(tmp_path)


def shares(**quantities: int) -> dict[str, Decimal]:
    return {symbol: Decimal(quantity) for symbol, quantity in quantities.items()}


# The day, run by run


def test_a_day_is_planned_before_the_open_sent_at_it_and_closed_after_the_close(
    live: LiveDesk,
) -> None:
    before = live.run(new_york(MONDAY, "09:00"))
    assert before.status is SessionStatus.PLANNED
    assert live.working() == []
    at_open = live.run(new_york(MONDAY, "09:30"))
    assert at_open.status is SessionStatus.WORKING
    assert live.working() == [("AAA", "buy", Decimal(50)), ("BBB", "buy", Decimal(60))]
    live.broker.match()
    assert live.run(new_york(MONDAY, "12:00")).status is SessionStatus.WORKING
    assert live.held() == shares(AAA=50, BBB=60)
    live.broker.end_session()
    after = live.run(new_york(MONDAY, "16:20"))
    assert after.status is SessionStatus.CLOSED
    assert after.plan == before.plan == at_open.plan
    assert after.closed is not None
    assert after.closed.close.equity == Decimal(10000)
    assert live.run(new_york(MONDAY, "16:40")).status is SessionStatus.UNCHANGED


def test_openings_wait_for_the_closings_and_are_sized_on_what_they_brought(live: LiveDesk) -> None:
    live.close(MONDAY)
    # AAA is sold at 90 where 100 was planned: 4,500 and the 2,000 of cash buy 130 of BBB at 50.
    live.enter(TUESDAY, {"AAA": "90", "BBB": "50"})
    live.run(new_york(TUESDAY, "09:30"), {"BBB": "1"}, TUESDAY)
    assert live.working() == [("AAA", "sell", Decimal(50))]
    live.run(new_york(TUESDAY, "09:35"), {"BBB": "1"}, TUESDAY)
    assert live.working() == [("AAA", "sell", Decimal(50))]
    live.broker.match()
    live.run(new_york(TUESDAY, "09:40"), {"BBB": "1"}, TUESDAY)
    assert live.working() == [("BBB", "buy", Decimal(130))]


def test_a_flip_is_opened_only_when_it_is_closed(live: LiveDesk) -> None:
    live.close(MONDAY)
    flip = {"AAA": "-0.5", "BBB": "0.3"}
    live.enter(TUESDAY)
    live.run(new_york(TUESDAY, "09:30"), flip, TUESDAY)
    assert live.working() == [("AAA", "sell", Decimal(50))]
    live.broker.match()
    live.run(new_york(TUESDAY, "09:31"), flip, TUESDAY)
    assert live.working() == [("AAA", "sell", Decimal(50))]
    assert live.held() == shares(BBB=60)
    live.broker.match()
    live.run(new_york(TUESDAY, "09:32"), flip, TUESDAY)
    assert live.held() == shares(AAA=-50, BBB=60)


def test_every_run_may_be_another_process_and_may_be_repeated(live: LiveDesk) -> None:
    for clock in ("09:00", "09:30", "09:30", "10:00", "10:00"):
        live.run(new_york(MONDAY, clock))
        live.restart()
        live.broker.match()
    live.broker.end_session()
    live.run(new_york(MONDAY, "16:20"))
    assert live.held() == shares(AAA=50, BBB=60)
    assert len(live.desk.book.closed[MONDAY].orders) == 2


def test_a_session_is_not_closed_before_its_closes_are_known(live: LiveDesk) -> None:
    live.run(new_york(MONDAY, "09:30"))
    live.broker.match()
    live.broker.end_session()
    with pytest.raises(SessionNotReadyError, match="no close of it is known yet for any of 2"):
        live.run(new_york(MONDAY, "16:01"), closes={})
    assert live.held() == shares(AAA=50, BBB=60)
    assert live.run(new_york(MONDAY, "16:20")).status is SessionStatus.CLOSED


# The deadline


def test_what_is_not_filled_by_the_deadline_is_canceled_and_the_reconciliation_says_so(
    live: LiveDesk,
) -> None:
    live.run(new_york(MONDAY, "09:30"))
    live.run(new_york(MONDAY, "09:59"))
    assert len(live.working()) == 2
    live.run(new_york(MONDAY, "10:00"))
    assert live.working() == []
    live.broker.match()
    live.run(new_york(MONDAY, "16:20"))
    assert live.held() == {}
    assert live.causes() == {
        ("AAA", "partial_fill"): "canceled not filled within 30 minutes",
        ("BBB", "partial_fill"): "canceled not filled within 30 minutes",
    }


def test_what_is_left_to_work_after_the_deadline_expires_with_the_session(tmp_path: Path) -> None:
    live = LiveDesk(tmp_path, execution={"wait_seconds": 0, "after_deadline": "leave"})
    live.close(MONDAY)
    live.enter(TUESDAY)
    weights = {"BBB": "1"}
    live.run(new_york(TUESDAY, "09:30"), weights, TUESDAY)
    live.run(new_york(TUESDAY, "10:00"), weights, TUESDAY)
    # The sale still works; 2,000 of cash buy 40 of the 140 that were planned.
    assert live.working() == [("AAA", "sell", Decimal(50)), ("BBB", "buy", Decimal(40))]
    live.broker.end_session()
    live.run(new_york(TUESDAY, "16:20"), weights, TUESDAY)
    assert live.causes(TUESDAY)[("AAA", "partial_fill")] == "expired"


# What is too late to be sent


def test_a_plan_that_was_not_sent_on_its_day_is_closed_without_sending(live: LiveDesk) -> None:
    live.run(new_york(MONDAY, "09:00"))
    outcome = live.run(new_york(TUESDAY, "08:00"))
    assert outcome.status is SessionStatus.CLOSED
    assert live.working() == []
    detail = "withdrawn before it was sent: canceled the session was over before it was sent"
    assert live.causes() == {("AAA", "not_sent"): detail, ("BBB", "not_sent"): detail}


def test_a_session_that_was_missed_altogether_is_closed_with_a_refused_plan(live: LiveDesk) -> None:
    live.close(MONDAY)
    outcome = live.run(new_york(WEDNESDAY, "08:00"), {"AAA": "0.2"}, session=TUESDAY)
    assert outcome.status is SessionStatus.CLOSED
    assert outcome.plan is not None
    assert [refusal.code for refusal in outcome.plan.refusals] == ["SESSION_OVER"]
    assert set(live.causes(TUESDAY)) == {("AAA", "plan_refused"), ("BBB", "plan_refused")}
    assert live.held() == shares(AAA=50, BBB=60)


def test_an_account_is_taken_over_in_the_present_session_alone(live: LiveDesk) -> None:
    """What it holds now is of no session before, and a later one would leave days out."""
    for session in (MONDAY, WEDNESDAY):
        with pytest.raises(SessionNotReadyError, match=f"not in {session}. Begin with {TUESDAY}"):
            live.run(new_york(TUESDAY, "08:00"), session=session)
    assert live.desk.log.head().sequence == 0
    live.enter(TUESDAY)
    assert live.run(new_york(TUESDAY, "08:00"), session=TUESDAY).status is SessionStatus.PLANNED


def test_on_the_evening_before_an_account_is_taken_over_in_the_session_to_come(
    live: LiveDesk,
) -> None:
    live.enter(TUESDAY)
    evening = new_york(MONDAY, "20:00")
    assert live.run(evening, session=TUESDAY).status is SessionStatus.PLANNED


def test_a_half_sent_session_is_finished_later_from_what_the_broker_has(live: LiveDesk) -> None:
    live.broker.loses = frozenset({"BBB"})
    with pytest.raises(BrokerUnknownError, match="not found at the broker"):
        live.run(new_york(MONDAY, "09:30"))
    live.broker.match()
    live.broker.end_session()
    live.restart()
    live.enter(TUESDAY)
    outcome = live.run(new_york(TUESDAY, "11:00"))
    assert outcome.status is SessionStatus.CLOSED
    assert live.held() == shares(AAA=50)
    assert live.working() == []
    assert live.causes() == {
        ("BBB", "partial_fill"): "canceled the session was over before it was sent"
    }


def test_trades_of_the_next_day_are_not_booked_into_a_session_that_is_closed_late(
    live: LiveDesk,
) -> None:
    live.run(new_york(MONDAY, "09:30"))
    live.broker.match()
    live.broker.end_session()
    live.enter(TUESDAY)
    live.broker.place_by_hand("AAA", Side.BUY, Decimal(7))
    live.now = new_york(TUESDAY, "17:00")
    outcome = live.run(new_york(TUESDAY, "17:00"))
    assert outcome.closed is not None
    statement = outcome.closed.closed.statement
    # The account holds 57 and 1,300 by now; at Monday's close it held 50 and 2,000.
    assert (statement.positions, statement.cash) == (shares(AAA=50, BBB=60), Decimal(2000))
    live.causes()
    outcome = live.run(new_york(TUESDAY, "17:05"), session=TUESDAY)
    assert outcome.status is SessionStatus.CLOSED
    assert live.held() == shares(AAA=57, BBB=60)


def test_a_later_session_is_planned_and_not_sent(live: LiveDesk) -> None:
    live.close(MONDAY)
    outcome = live.run(new_york(MONDAY, "18:00"), {"BBB": "0.9"}, TUESDAY)
    assert outcome.status is SessionStatus.PLANNED
    assert live.working() == []


# What must not be sent


def test_an_account_that_the_broker_restricts_gets_no_order(live: LiveDesk) -> None:
    live.broker.restriction = "trading is blocked"
    outcome = live.run(new_york(MONDAY, "09:30"))
    assert (outcome.status, outcome.block_code) == (SessionStatus.BLOCKED, "ACCOUNT_RESTRICTED")
    assert "trading is blocked" in outcome.block_message
    assert live.working() == []
    live.broker.restriction = ""
    live.run(new_york(MONDAY, "09:31"))
    assert len(live.working()) == 2


def test_live_needs_the_account_number_in_the_environment(tmp_path: Path) -> None:
    live = LiveDesk(tmp_path, mode="live")
    outcome = live.run(new_york(MONDAY, "09:30"))
    assert outcome.block_code == "LIVE_ACCOUNT_NOT_SET"
    assert ACCOUNT not in outcome.block_message
    live.live_account = ACCOUNT
    live.restart()
    assert live.run(new_york(MONDAY, "09:31")).status is SessionStatus.WORKING


def test_a_halt_keeps_closings_and_holds_back_openings(live: LiveDesk) -> None:
    live.close(MONDAY)
    live.enter(TUESDAY)
    live.run(new_york(TUESDAY, "09:30"), {"BBB": "1"}, TUESDAY)
    live.broker.match()
    live.desk.halted = True
    outcome = live.run(new_york(TUESDAY, "09:40"), {"BBB": "1"}, TUESDAY)
    assert outcome.block_code == "HALTED"
    # What was sent before is booked all the same.
    assert live.held() == shares(BBB=60)


def test_orders_beyond_the_rate_of_a_minute_are_sent_a_minute_later(tmp_path: Path) -> None:
    live = LiveDesk(tmp_path, risk={"max_orders_per_minute": 1})
    outcome = live.run(new_york(MONDAY, "09:30"))
    assert (outcome.status, outcome.block_code) == (SessionStatus.BLOCKED, "RATE_LIMIT_GLOBAL")
    assert "1, limit 1" in outcome.block_message
    assert len(live.working()) == 1
    assert live.run(new_york(MONDAY, "09:30")).block_code == "RATE_LIMIT_GLOBAL"
    assert live.run(new_york(MONDAY, "09:31")).status is SessionStatus.WORKING
    assert len(live.working()) == 2


def test_a_plan_is_not_sent_after_somebody_has_traded(live: LiveDesk) -> None:
    planned = live.run(new_york(MONDAY, "09:00"))
    live.broker.place_by_hand("AAA", Side.BUY, Decimal(50))
    outcome = live.run(new_york(MONDAY, "09:30"))
    assert (outcome.status, outcome.block_code) == (SessionStatus.BLOCKED, "PLAN_OUTDATED")
    assert "AAA: 0 then, 50 now; cash: 10000 then, 5000 now" in outcome.block_message
    assert outcome.plan == planned.plan
    assert live.working() == []
    live.broker.place_by_hand("AAA", Side.SELL, Decimal(50))
    live.run(new_york(MONDAY, "09:35"))
    assert len(live.working()) == 2


def test_a_dividend_between_plan_and_orders_does_not_outdate_the_plan(live: LiveDesk) -> None:
    live.run(new_york(MONDAY, "09:00"))
    live.broker.paid = (
        CashActivity(
            activity_id="div-1",
            kind=CashActivityKind.DIVIDEND,
            amount=Decimal("12.34"),
            currency="USD",
            occurred_at=new_york(MONDAY, "09:15"),
            symbol="ZZZ",
        ),
    )
    live.run(new_york(MONDAY, "09:30"))
    assert len(live.working()) == 2
    assert live.desk.book.cash == Decimal("10012.34")


def test_purchases_are_cut_where_cash_left_between_plan_and_orders(live: LiveDesk) -> None:
    """8,000 of purchases on 4,000 of cash: each is halved."""
    live.run(new_york(MONDAY, "09:00"))
    live.broker.paid = (
        CashActivity(
            activity_id="csw-1",
            kind=CashActivityKind.WITHDRAWAL,
            amount=Decimal(-6000),
            currency="USD",
            occurred_at=new_york(MONDAY, "09:15"),
        ),
    )
    live.run(new_york(MONDAY, "09:30"))
    assert live.working() == [("AAA", "buy", Decimal(25)), ("BBB", "buy", Decimal(30))]


def test_a_recorded_plan_is_kept_when_prices_change_and_a_refused_one_is_made_anew(
    tmp_path: Path,
) -> None:
    live = LiveDesk(tmp_path, limits={"max_total_notional": 5000})
    refused = live.run(new_york(MONDAY, "09:30"))
    assert (refused.status, refused.block_code) == (SessionStatus.BLOCKED, "MAX_TOTAL_NOTIONAL")
    live.changes["limits"] = {"max_total_notional": 9000}
    live.restart()
    sent = live.run(new_york(MONDAY, "09:35"))
    assert sent.status is SessionStatus.WORKING
    live.now = new_york(MONDAY, "09:36")
    again = live.desk.run(
        session_inputs(MONDAY, HALF_AND_THIRD, {"AAA": "99", "BBB": "49"}),
    )
    assert again.plan == sent.plan
    assert live.desk.book.restatements == []


# How the book begins


def test_a_book_begins_with_what_the_account_holds(live: LiveDesk) -> None:
    live.broker.place_by_hand("AAA", Side.BUY, Decimal(20))
    live.broker.costs = {"AAA": Decimal("95.50")}
    outcome = live.run(new_york(MONDAY, "16:20"))
    assert outcome.closed is not None
    assert live.held() == shares(AAA=20)
    assert live.desk.book.cash == Decimal(8000)
    assert outcome.closed.cost_bases == {"AAA": Decimal("1910.00")}
    assert [fill.execution_id for fill in outcome.closed.fills] == []
    assert not reconcile(outcome.closed).unexplained


def test_an_empty_account_is_told_and_not_traded(tmp_path: Path) -> None:
    live = LiveDesk(tmp_path)
    live.broker.deposit("all of it", dt.date(2024, 1, 2), Decimal(-10000))
    with pytest.raises(ConfigurationError, match="account is empty"):
        live.run(new_york(MONDAY, "09:30"))
    assert live.desk.log.head().sequence == 0


def test_cents_that_the_broker_rounds_otherwise_are_booked_as_a_fee(live: LiveDesk) -> None:
    """A fill by hand of 0.123 shares at 100.55 is 12.36765, 12.37 in the book; an account that
    keeps the digits has 0.23 of a cent more, one that cuts them a cent."""
    live.run(new_york(MONDAY, "09:00"))
    live.enter(MONDAY, {"AAA": "100.55", "BBB": "50"})
    live.broker.place_by_hand("AAA", Side.BUY, Decimal("0.123"))
    live.broker._cash += Decimal("0.01")
    live.broker.end_session()
    outcome = live.run(new_york(MONDAY, "16:20"))
    assert outcome.closed is not None
    assert outcome.closed.close.cash == Decimal("9987.64")
    assert not reconcile(outcome.closed).unexplained


def test_a_cent_that_no_fill_explains_stays_a_difference(live: LiveDesk) -> None:
    live.close(MONDAY)
    live.broker._cash += Decimal("0.01")
    outcome = live.run(new_york(TUESDAY, "09:00"), session=TUESDAY)
    assert outcome.block_code == "OPENING_BREAK"
    assert [gap.amount for gap in outcome.opening_gaps] == [Decimal("-0.01")]


def test_an_order_that_is_over_waits_for_the_fills_that_it_counts(
    live: LiveDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    live.run(new_york(MONDAY, "09:30"))
    live.broker.match()
    fills = live.broker.fills_since
    monkeypatch.setattr(live.broker, "fills_since", lambda _moment: Known(()))
    outcome = live.run(new_york(MONDAY, "09:31"))
    assert outcome.status is SessionStatus.WORKING
    assert {order.status.value for order in live.desk.book.orders(MONDAY)} == {"accepted"}
    with pytest.raises(BrokerUnknownError, match="with 50 shares filled, accepted in the book"):
        live.run(new_york(MONDAY, "16:20"))
    monkeypatch.setattr(live.broker, "fills_since", fills)
    assert live.run(new_york(MONDAY, "16:30")).status is SessionStatus.CLOSED


def test_who_withdrew_an_order_is_in_the_book(live: LiveDesk) -> None:
    live.run(new_york(MONDAY, "09:30"))
    name = live.broker.open_orders().require()[0].request.client_order_id
    live.broker.cancel(name)
    live.run(new_york(MONDAY, "09:31"))
    canceled = [
        record.event.reason
        for record in live.desk.log.records(session=MONDAY)
        if isinstance(record.event, OrderCanceled)
    ]
    assert canceled == ["canceled at the broker"]
    assert WEDNESDAY not in live.desk.book.closed


def test_costs_that_book_and_broker_keep_by_other_methods_are_told_and_stop_nothing(
    live: LiveDesk,
) -> None:
    """50 of AAA at 100 and 40 more by hand at 120 cost 9,800, or 108.89 on average. 30 are sold: by
    FIFO 20 x 100 + 40 x 120 = 6,800 are left, on average 60 x 108.8889 = 6,533.33."""
    live.run(new_york(MONDAY, "09:30"), {"AAA": "0.5"})
    live.broker.match()
    live.enter(MONDAY, {"AAA": "120"})
    live.broker.place_by_hand("AAA", Side.BUY, Decimal(40))
    live.broker.place_by_hand("AAA", Side.SELL, Decimal(30))
    live.broker.costs = {"AAA": Decimal("108.8888888889")}
    live.broker.end_session()
    outcome = live.run(new_york(MONDAY, "16:20"), {"AAA": "0.5"}, closes={"AAA": "120"})
    assert outcome.closed is not None
    report = reconcile(outcome.closed)
    (gap,) = [one for one in report.gaps if one.view == "average_cost"]
    assert outcome.closed.cost_bases == {"AAA": Decimal("6800.00")}
    assert (gap.cause.value, gap.amount) == ("cost_method", Decimal("266.67"))
    assert gap.detail == "book 113.3333 a share, broker 108.8888888889"
    assert "Cost of lots - average cost at the broker" in summary_text(report)
    assert not report.unexplained
