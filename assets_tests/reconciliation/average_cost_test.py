"""Costs of the book's lots against the average cost that the broker keeps by a method of its own:
what the methods explain is explained, and nothing else is."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from assets_tests.execution.live_session_test import LiveDesk, PaperBroker, new_york
from assets_tests.execution.small_portfolio import CALENDAR, MONDAY, TUESDAY
from trading_assets.execution.interventions import Intervention, accept_break
from trading_assets.execution.session import SessionStatus
from trading_assets.model.account import AverageCostMethod
from trading_assets.model.order import Side
from trading_assets.reconciliation import reconcile, summary_text
from trading_assets.reconciliation.report import BREAK, MATCH

HALF = {"AAA": "0.5"}


@pytest.fixture
def live(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LiveDesk:
    """A broker that keeps costs by compressed FIFO."""
    documented = msgspec.structs.replace(
        PaperBroker.capabilities, average_cost_method=AverageCostMethod.COMPRESSED_FIFO
    )
    monkeypatch.setattr(PaperBroker, "capabilities", documented)
    return LiveDesk(tmp_path)


def trade_monday(live: LiveDesk, stated: str | None) -> list[tuple[str, str]]:
    """50 of AAA at 100, then by hand 40 at 120 and 30 sold. By FIFO 20 x 100 + 40 x 120 = 6,800
    are left, by the day's average 60 x 9,800 / 90 = 6,533.33. What the broker states, and causes
    with amounts."""
    live.run(new_york(MONDAY, "09:30"), HALF)
    live.broker.match()
    live.enter(MONDAY, {"AAA": "120"})
    live.broker.place_by_hand("AAA", Side.BUY, Decimal(40))
    live.broker.place_by_hand("AAA", Side.SELL, Decimal(30))
    live.broker.end_session()
    live.broker.costs = {} if stated is None else {"AAA": Decimal(stated)}
    outcome = live.run(new_york(MONDAY, "16:20"), HALF, closes={"AAA": "120"})
    assert outcome.closed is not None
    return [
        (gap.cause.value, str(gap.amount))
        for gap in reconcile(outcome.closed).gaps
        if gap.view == "average_cost"
    ]


def test_what_the_methods_differ_by_is_explained(live: LiveDesk) -> None:
    # 60 x 108.8889 are 6,533.334: within the last digit stated, less than a cent off.
    assert trade_monday(live, "108.8889") == [("cost_method", "266.67")]
    report = reconcile(live.desk.book.closed[MONDAY])
    assert not report.unexplained
    assert "Cost of lots - average cost at the broker" in summary_text(report)


def test_an_average_that_is_cut_at_its_last_digit_is_no_break(live: LiveDesk) -> None:
    """60 x 108.8888 are 6,533.328 where 6,533.3333 are due."""
    assert trade_monday(live, "108.8888") == [("cost_method", "266.67")]


def test_a_difference_that_no_method_explains_is_a_break_and_stops_the_next_session(
    live: LiveDesk,
) -> None:
    """60 x 108 are 6,480: 53.33 less than the broker's own method gives. Before, all of 320 would
    have been laid to the method."""
    assert trade_monday(live, "108") == [("cost_method", "266.67"), ("unexplained", "53.33")]
    report = reconcile(live.desk.book.closed[MONDAY])
    (gap,) = report.unexplained
    assert gap.detail == (
        "book 113.3333 a share, broker 108, by its executions it must be 108.8889"
    )
    assert {row.symbol: row.status for row in report.rows} == {"AAA": BREAK}
    live.enter(TUESDAY, {"AAA": "120"})
    stopped = live.run(new_york(TUESDAY, "09:00"), HALF, TUESDAY)
    assert (stopped.status, stopped.block_code) == (SessionStatus.BLOCKED, "UNRECONCILED")

    asked = Intervention(
        settings=live.desk.settings, calendar=CALENDAR, now=live.now, reason="wash sale adjusted"
    )
    assert accept_break(asked, live.desk.book, live.broker) == ()
    live.restart()
    live.enter(TUESDAY, {"AAA": "120"})
    again = live.run(new_york(TUESDAY, "09:10"), HALF, TUESDAY)
    assert again.status is SessionStatus.PLANNED


def test_a_cost_that_the_broker_does_not_say_is_unknown_and_stops_nothing(live: LiveDesk) -> None:
    assert trade_monday(live, None) == [("undefined", "0")]
    report = reconcile(live.desk.book.closed[MONDAY])
    assert not report.unexplained
    assert "the broker's average cost is not known" in summary_text(report)


def test_where_both_agree_there_is_nothing_to_tell(live: LiveDesk) -> None:
    live.run(new_york(MONDAY, "09:30"), HALF)
    live.broker.match()
    live.broker.end_session()
    live.broker.costs = {"AAA": Decimal(100)}
    outcome = live.run(new_york(MONDAY, "16:20"), HALF)
    assert outcome.closed is not None
    report = reconcile(outcome.closed)
    assert [gap for gap in report.gaps if gap.view == "average_cost"] == []
    assert [row.status for row in report.rows] == [MATCH]
