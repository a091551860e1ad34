"""The monthly report's figures, worked out by hand from a week of one portfolio."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import msgspec
import pytest

from assets_tests.execution.small_portfolio import (
    FRIDAY,
    MONDAY,
    SESSIONS,
    THURSDAY,
    TUESDAY,
    WEDNESDAY,
    Desk,
    portfolio_settings,
    session_inputs,
)
from trading_assets.execution.annotating import annotate
from trading_assets.execution.book import read_closed_sessions
from trading_assets.ledger.annotations import ANNOTATION_TYPES
from trading_assets.ledger.history import ClosedSession
from trading_assets.model.annotation_events import PreTradeAnnotation
from trading_assets.model.cash_events import Adjustment, CashFlow, CashFlowKind
from trading_assets.model.events import EventRecord
from trading_assets.model.order import OrderStatus, Side
from trading_assets.model.policies import IntendedPrice
from trading_assets.model.result import GapCause
from trading_assets.reporting.monthly_content import MonthlyContent, Unit
from trading_assets.reporting.monthly_pdf import render_monthly_pdf
from trading_assets.reporting.monthly_report import (
    gather_month,
    monthly_content,
    older_closes,
)
from trading_assets.settings import PortfolioSettings

MONTHLY = {"fractional": False, "cash_buffer": 0, "rebalance": "monthly"}
# 10,000 of cash, half of it to be held in AAA; 1 commission an order.
SETTINGS = portfolio_settings(commission={"per_order": 1})
WEEK = (
    # session, AAA plan price, AAA close, benchmark close
    (MONDAY, "100", "102", "1000"),
    (TUESDAY, "102", "104", "1010"),
    (WEDNESDAY, "104", "100", "990"),
)


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> list[ClosedSession]:
    desk = Desk(tmp_path_factory.mktemp("desk"), SETTINGS)
    for session, price, close, benchmark in WEEK:
        # After Monday the targets are what is held, so that nothing trades: 49 shares.
        weight = "0.5" if session == MONDAY else _held_weight(desk, price)
        inputs = session_inputs(session, {"AAA": weight}, {"AAA": price}, {"AAA": close})
        desk.run(msgspec.structs.replace(inputs, benchmark=Decimal(benchmark)))
    found = list(read_closed_sessions(desk.log, desk.settings))
    desk.close()
    return found


def _held_weight(desk: Desk, price: str) -> str:
    value = desk.book.positions["AAA"] * Decimal(price)
    # Just above what is held, short of another share.
    return f"{(value + 1) / (desk.book.cash + value):.6f}"


def content_of(
    closed: list[ClosedSession],
    settings: PortfolioSettings = SETTINGS,
    expected: tuple[dt.date, ...] = (MONDAY, TUESDAY, WEDNESDAY),
) -> MonthlyContent:
    return monthly_content(settings, gather_month(settings, "2024-03", expected, closed))


def test_equity_moves_by_profit_flows_and_fees_and_by_nothing_else(
    closed: list[ClosedSession],
) -> None:
    # 49 shares for 4,998 and 1 of commission on Monday; the last close is 100.
    statement = content_of(closed).statement
    assert statement is not None
    assert (statement.opening_equity, statement.flows) == (Decimal(0), Decimal("10000"))
    assert (statement.pnl, statement.fees) == (Decimal("-98.00"), Decimal("1.00"))
    assert statement.closing_equity == Decimal("9901.00")
    assert statement.identity_gap == 0


def test_the_strategies_month_is_that_of_the_account(closed: list[ClosedSession]) -> None:
    # One strategy is followed, so that all is its own and nothing is left to nobody.
    (line,) = content_of(closed).strategies
    assert line.strategy == "alpha"
    assert (line.opening_equity, line.flows) == (Decimal(0), Decimal(10000))
    assert (line.pnl, line.fees, line.closing_equity) == (
        Decimal("-98.00"),
        Decimal("1.00"),
        Decimal("9901.00"),
    )
    assert (line.market_value, line.cash) == (Decimal("4900.00"), Decimal("5001.00"))


def test_a_month_of_strategies_begins_where_the_one_before_ended(
    closed: list[ClosedSession],
) -> None:
    # Tuesday's and Wednesday's alone: 9,999 at Monday's close.
    facts = gather_month(SETTINGS, "2024-03", (TUESDAY, WEDNESDAY), closed[1:])
    (line,) = monthly_content(SETTINGS, facts).strategies
    assert (line.opening_equity, line.pnl, line.closing_equity) == (
        Decimal("9999.00"),
        Decimal("-98.00"),
        Decimal("9901.00"),
    )


def test_what_instruments_earned_adds_up_to_the_statement(closed: list[ClosedSession]) -> None:
    content = content_of(closed)
    # 49 shares bought at 102, whose last close is 100.
    (line,) = content.instruments
    assert (line.symbol, line.pnl, line.commission) == ("AAA", Decimal("-98.00"), Decimal("1.00"))
    assert line.realized_pnl == 0
    assert content.statement is not None
    assert line.pnl == content.statement.pnl


def test_returns_are_chained_and_the_benchmark_runs_close_to_close(
    closed: list[ClosedSession],
) -> None:
    row = content_of(closed).performance_rows[0]
    assert (row.label, row.unit) == ("Return", Unit.SIGNED_PERCENT)
    # The deposit is Monday's base, so the chain is 9,901 / 10,000.
    assert row.portfolio[0] == pytest.approx(9901 / 10000 - 1, abs=1e-12)
    assert row.benchmark is not None
    assert row.benchmark[0] == pytest.approx(990 / 1000 - 1, abs=1e-12)


def test_the_drawdown_is_from_tuesdays_high(closed: list[ClosedSession]) -> None:
    # Equity at the closes: 9,999, 10,097, 9,901.
    row = next(r for r in content_of(closed).performance_rows if r.label == "Maximum drawdown")
    assert row.portfolio[0] == pytest.approx(9901 / 10097 - 1, abs=1e-12)


def test_a_deposit_at_the_start_leaves_the_money_weighted_return_as_it_is(
    closed: list[ClosedSession],
) -> None:
    row = content_of(closed).performance_rows[1]
    assert row.label == "Money-weighted return"
    assert row.portfolio == pytest.approx((9901 / 10000 - 1,) * 4)
    assert row.benchmark is None


def test_the_benchmark_is_beaten_by_what_is_returned_above_it(closed: list[ClosedSession]) -> None:
    rows = {row.label: row for row in content_of(closed).relative_rows}
    assert rows["Return less benchmark's"].portfolio[0] == pytest.approx(-0.0099 + 0.01)
    # Two sessions have both returns: 98 / 9,999 and -196 / 10,097 against 1 % and -2 / 101.
    theirs = 0.01 + 2 / 101
    assert rows["Beta"].portfolio[0] == pytest.approx((98 / 9999 + 196 / 10097) / theirs)
    assert set(rows["Alpha, annualised"].portfolio) == {None}


def test_the_drawdown_has_its_dates(closed: list[ClosedSession]) -> None:
    line = content_of(closed).drawdowns[0]
    assert (line.period, line.peak, line.trough) == ("Month", TUESDAY, WEDNESDAY)
    assert line.recovery is None


def test_an_order_of_which_the_outcome_is_not_known_is_noted(closed: list[ClosedSession]) -> None:
    first = closed[0]
    unknown = tuple(
        msgspec.structs.replace(order, status=OrderStatus.UNKNOWN) for order in first.orders
    )
    content = content_of([msgspec.structs.replace(first, orders=unknown), *closed[1:]])
    assert content.notes == (
        "1 order without an outcome on record, of 2024-03-04: the executions are not complete.",
    )


def test_shares_that_were_sold_again_are_round_trips(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """50 bought at 100 on Monday, all sold at 110 on Wednesday."""
    desk = Desk(tmp_path_factory.mktemp("sold"), portfolio_settings())
    for session, weight, price in (
        (MONDAY, "0.5", "100"),
        (TUESDAY, "0.5", "100"),
        (WEDNESDAY, "0", "110"),
    ):
        desk.run(session_inputs(session, {"AAA": weight}, {"AAA": price}))
    content = content_of(list(read_closed_sessions(desk.log, desk.settings)))
    desk.close()
    (trip,) = content.round_trips
    assert (trip.opened, trip.closed, trip.holding_days) == (MONDAY, WEDNESDAY, 2)
    assert [trip.quantity, trip.entry_price, trip.exit_price] == [50, 100, 110]
    assert trip.base_pnl == 500
    assert content.round_trip_summary is not None
    assert content.round_trip_summary.win_rate == 1
    assert content.round_trip_summary.profit_factor is None


def test_a_return_is_not_annualised_below_a_year(closed: list[ClosedSession]) -> None:
    row = next(r for r in content_of(closed).performance_rows if r.label == "Annualised return")
    assert set(row.portfolio) == {None}


def test_a_trade_shows_its_shortfall_against_the_plan_price(closed: list[ClosedSession]) -> None:
    (trade,) = content_of(closed).trades
    assert (trade.symbol, trade.side, trade.quantity) == ("AAA", Side.BUY, Decimal(49))
    # Bought at 102 what was planned at 100.
    assert trade.plan_bps == pytest.approx(200)
    # It was filled at the close, where the simulated market is when the order arrives.
    assert trade.arrival_bps == pytest.approx(0)
    assert trade.arrival_unknown == ""
    assert trade.decision_bps is None
    costs = content_of(closed).costs
    assert costs is not None
    assert (costs.traded, costs.commissions, costs.shortfall) == (
        Decimal("4998.00"),
        Decimal("1.00"),
        Decimal("98.00"),
    )


def test_the_position_is_valued_at_the_last_close(closed: list[ClosedSession]) -> None:
    (line,) = content_of(closed).positions
    position = line.position
    assert (position.quantity, position.cost_basis) == (Decimal(49), Decimal("4998.00"))
    assert (position.market_value, position.unrealized_pnl) == (
        Decimal("4900.00"),
        Decimal("-98.00"),
    )


def test_sessions_that_are_missing_are_named_on_the_page(closed: list[ClosedSession]) -> None:
    content = content_of(closed, expected=(MONDAY, TUESDAY, WEDNESDAY, THURSDAY, FRIDAY))
    assert content.notes == ("2 of 5 sessions of this month are not closed.",)
    assert content.reconciliation is not None
    assert content.reconciliation.missing_sessions == (THURSDAY, FRIDAY)
    assert content.reconciliation.breaks == 0


def test_what_was_written_of_a_trade_after_its_fill_is_hindsight_and_decides_no_price(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """The session was filled in March 2024, by the simulated clock; the words came later."""
    desk = Desk(tmp_path_factory.mktemp("annotated"), SETTINGS)
    inputs = session_inputs(MONDAY, {"AAA": "0.5"}, {"AAA": "101"}, {"AAA": "102"})
    desk.run(inputs, stop_after_plan=True)
    planned = desk.book.planned
    assert planned is not None
    trade_id = planned.plan.real_orders[0].client_order_id
    before = PreTradeAnnotation(
        trade_id=trade_id,
        thesis="cheap",
        intended_entry="close",
        size_rationale="half",
        exit_plan="never",
        intended_price=Decimal(100),
    )
    annotate(desk.log, [before], lambda: dt.datetime(2024, 3, 4, 12, tzinfo=dt.UTC))
    desk.book.refold()
    desk.run(inputs)
    facts = gather_month(
        SETTINGS,
        "2024-03",
        (MONDAY,),
        read_closed_sessions(desk.log, desk.settings),
        desk.log.records(event_types=ANNOTATION_TYPES),
    )
    desk.close()
    content = monthly_content(SETTINGS, facts)
    (trade,) = content.trades
    assert trade.number == 1
    assert trade.decision_bps is None
    assert trade.plan_bps == pytest.approx((102 / 101 - 1) * 10_000)
    (line,) = content.annotations
    assert ("Intended entry", "close (intended price 100)") in line.before
    assert line.in_hindsight
    assert line.after == ()
    decision = next(one for one in content.slippage if one.intended is IntendedPrice.DECISION)
    assert (decision.count, decision.undefined) == (0, 1)


def correction(sequence: int, session: dt.date, reason: str) -> EventRecord:
    """A record of 500 in cash that a person booked."""
    moment = dt.datetime(2024, 3, 5, 12, tzinfo=dt.UTC)
    return EventRecord(
        sequence=sequence,
        event_id=f"{sequence:032}",
        event_type="adjustment",
        version=1,
        portfolio="small",
        session=session,
        occurred_at=moment,
        recorded_at=moment,
        source="person",
        correlation_id="",
        causation_id="",
        previous_hash="",
        hash="",
        event=Adjustment(
            symbol="",
            quantity=Decimal(0),
            price=Decimal(0),
            cash=Decimal(500),
            currency="USD",
            reason=reason,
        ),
    )


def test_corrections_of_the_month_stand_in_its_report_with_their_reasons(
    closed: list[ClosedSession],
) -> None:
    """Those of another month do not, nor what the month's closes do not hold yet."""
    last = closed[-1].sequence
    records = [
        correction(last - 1, TUESDAY, "found in another account"),
        correction(last - 2, dt.date(2024, 2, 29), "of February"),
        correction(last + 1, WEDNESDAY, "recorded after the last close"),
    ]
    facts = gather_month(SETTINGS, "2024-03", (MONDAY,), closed, records)
    (line,) = monthly_content(SETTINGS, facts).corrections
    assert (line.session, line.reason) == (TUESDAY, "found in another account")
    assert line.cash == 500
    assert facts.last_record == last


def cash_flow(sequence: int, amount: str, currency: str = "USD") -> EventRecord:
    kind = CashFlowKind.DEPOSIT if Decimal(amount) > 0 else CashFlowKind.WITHDRAWAL
    return msgspec.structs.replace(
        correction(sequence, TUESDAY, ""),
        event_type="cash_flow",
        event=CashFlow(
            kind=kind, amount=Decimal(amount), currency=currency, reference=f"wire of {amount}"
        ),
    )


def test_deposits_and_withdrawals_of_one_session_stand_one_by_one(
    closed: list[ClosedSession],
) -> None:
    """Netted, 8,000 that came and went would be nothing. What is left of the session's flows came
    in another currency, or by a correction."""
    monday, tuesday, _ = closed
    close, flows = tuesday.close, Decimal(1100)
    moved = msgspec.structs.replace(
        tuesday,
        close=msgspec.structs.replace(close, cash=close.cash + flows, equity=close.equity + flows),
        activity=msgspec.structs.replace(tuesday.activity, flows=flows),
    )
    first = monday.sequence + 1
    records = [
        cash_flow(first, "8000"),
        cash_flow(first, "-8000"),
        cash_flow(first, "1000", "EUR"),
        # After Tuesday's close: of the next session, whatever it is dated.
        cash_flow(tuesday.sequence + 1, "77"),
    ]
    facts = gather_month(SETTINGS, "2024-03", (MONDAY, TUESDAY), [monday, moved], records)
    lines = [one for one in monthly_content(SETTINGS, facts).flows if one.session == TUESDAY]
    assert [(one.kind, one.amount, one.detail) for one in lines] == [
        ("deposit", Decimal(8000), "wire of 8000"),
        ("withdrawal", Decimal(-8000), "wire of -8000"),
        ("deposit", Decimal(1100), "1000 EUR"),
    ]
    without = gather_month(SETTINGS, "2024-03", (MONDAY, TUESDAY), [monday, moved])
    (_, other) = monthly_content(SETTINGS, without).flows
    assert (other.amount, other.detail) == (Decimal(1100), "corrections by people")


@pytest.fixture(scope="module")
def halted(tmp_path_factory: pytest.TempPathFactory) -> list[ClosedSession]:
    """AAA has no close on Tuesday and Wednesday, BBB none on Wednesday, CCC always one."""
    desk = Desk(tmp_path_factory.mktemp("halted"), portfolio_settings(planning=MONTHLY))
    plan = {"AAA": "100", "BBB": "50", "CCC": "20"}
    weights = {"AAA": "0.4", "BBB": "0.4", "CCC": "0.1"}
    for session, closes in (
        (MONDAY, plan),
        (TUESDAY, {"BBB": "51", "CCC": "20"}),
        (WEDNESDAY, {"CCC": "20"}),
        (THURSDAY, plan),
    ):
        desk.run(session_inputs(session, weights, plan, closes))
    found = list(read_closed_sessions(desk.log, desk.settings))
    desk.close()
    return found


def test_positions_valued_at_an_older_close_are_noted_by_session(
    halted: list[ClosedSession],
) -> None:
    content = content_of(halted, expected=(MONDAY, TUESDAY, WEDNESDAY, THURSDAY))
    assert content.notes == (
        "1 position on 2024-03-05 is valued at an older close: AAA (2024-03-04).",
        "2 positions on 2024-03-06 are valued at an older close: "
        "AAA (2024-03-04), BBB (2024-03-05).",
    )


def test_sessions_in_a_row_with_the_same_older_closes_have_one_note(
    halted: list[ClosedSession],
) -> None:
    close = halted[1].close
    only_aaa = msgspec.structs.replace(close, positions={"AAA": close.positions["AAA"]})
    run = [
        msgspec.structs.replace(halted[1], session=session, close=only_aaa)
        for session in (TUESDAY, WEDNESDAY)
    ]
    assert list(older_closes([halted[0], *run])) == [
        "1 position from 2024-03-05 to 2024-03-06 is valued at an older close: AAA (2024-03-04).",
    ]


def test_many_older_closes_are_counted_and_the_first_named(halted: list[ClosedSession]) -> None:
    tuesday = halted[1]
    symbols = [f"S{number:02}" for number in range(12)]
    mark = tuesday.close.marks["AAA"]
    close = msgspec.structs.replace(
        tuesday.close,
        positions=dict.fromkeys(symbols, Decimal(1)),
        values=dict.fromkeys(symbols, mark.price),
        marks=dict.fromkeys(symbols, mark),
    )
    (note,) = list(older_closes([msgspec.structs.replace(tuesday, close=close)]))
    assert note.startswith("12 positions on 2024-03-05 are valued at an older close: S00 (")
    assert note.endswith("S09 (2024-03-04) and 2 more.")


def test_a_month_without_a_closed_session_is_a_report_that_says_so() -> None:
    content = content_of([])
    assert content.notes == ("No session of this month is closed in the book.",)
    assert (content.as_of, content.statement, content.costs) == (None, None, None)
    assert render_monthly_pdf(content).startswith(b"%PDF")


def test_what_happens_after_the_month_changes_nothing_in_its_report(
    closed: list[ClosedSession],
) -> None:
    later = [
        msgspec.structs.replace(closed[-1], session=session)
        for session in (dt.date(2024, 4, 1), dt.date(2024, 4, 2))
    ]
    assert content_of([*closed, *later]) == content_of(closed)


def test_a_break_is_counted_where_book_and_broker_differ(closed: list[ClosedSession]) -> None:
    last = closed[-1]
    statement = msgspec.structs.replace(last.closed.statement, cash=Decimal("0.01"))
    broken = msgspec.structs.replace(
        last, closed=msgspec.structs.replace(last.closed, statement=statement)
    )
    reconciliation = content_of([*closed[:-1], broken]).reconciliation
    assert reconciliation is not None
    assert reconciliation.breaks == 1
    causes = {gap.cause for gap in reconciliation.gaps}
    assert GapCause.UNEXPLAINED in causes


def test_the_sessions_of_the_scenario_are_the_calendars() -> None:
    assert {session for session, *_ in WEEK} <= set(SESSIONS)
