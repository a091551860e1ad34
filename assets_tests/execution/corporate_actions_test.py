"""A portfolio on raw prices through corporate actions: plan, fill, broker, book, P&L and
reconciliation, on the real book and the real simulated broker, worked out by hand.

It starts with 10,000, holds whole shares and pays no costs. Every session must leave nothing
unexplained, neither in the book nor between book and broker.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import pytest
from msgspec.structs import replace

from assets_tests.execution.small_portfolio import (
    BEFORE,
    CALENDAR,
    FRIDAY,
    MONDAY,
    THURSDAY,
    TUESDAY,
    WEDNESDAY,
    Desk,
    portfolio_settings,
    session_inputs,
    target_portfolio,
)
from trading_assets.analytics.pnl import daily_result
from trading_assets.brokers.simulated import SimulatedBroker
from trading_assets.errors import BrokerUnknownError
from trading_assets.execution.corporate_actions import concerning, missed_actions
from trading_assets.execution.session import SessionInputs, SessionStatus
from trading_assets.ledger.history import ClosedSession
from trading_assets.market_data.corporate_actions import read_corporate_actions
from trading_assets.market_data.files import FilePriceSource
from trading_assets.model.account import Answer, BrokerOrder, Known
from trading_assets.model.corporate_actions import (
    CashMerger,
    CorporateAction,
    Delisting,
    Dividend,
    SpinOff,
    Split,
    SymbolChange,
)
from trading_assets.model.events import AnyEvent, NewEvent
from trading_assets.model.order import (
    OrderRequest,
    OrderStatus,
    OrderType,
    PositionEffect,
    Side,
    TimeInForce,
)
from trading_assets.model.order_events import OrderAccepted, OrderIntended, OrderSubmitted
from trading_assets.model.result import DailyResult
from trading_assets.reconciliation import reconcile
from trading_assets.settings import FileCorporateActions, FilePrices

PRICES = {"AAA": "100", "BBB": "50"}
SPLIT = Split(symbol="AAA", ex_date=TUESDAY, new_shares=4, old_shares=1)


def shares(**quantities: str) -> dict[str, Decimal]:
    return {symbol: Decimal(quantity) for symbol, quantity in quantities.items()}


def exact(*numbers: int) -> tuple[Decimal, ...]:
    return tuple(Decimal(number) for number in numbers)


def event_types(desk: Desk, session: dt.date) -> list[str]:
    return [record.event_type for record in desk.log.records(session=session)]


def settled(desk: Desk, inputs: SessionInputs) -> ClosedSession:
    """Run a session and hold it to what must be true of any."""
    outcome = desk.run(inputs)
    assert (outcome.block_message, outcome.status) == ("", SessionStatus.CLOSED)
    assert outcome.closed is not None
    assert reconcile(outcome.closed).unexplained == ()
    assert desk.books_agree
    return outcome.closed


def result_of(closed: ClosedSession) -> DailyResult:
    result = daily_result(closed.previous, closed.activity, closed.close)
    assert result.identity_gap == 0
    return result


def monday(weights: Mapping[str, str], prices: Mapping[str, str] = PRICES) -> SessionInputs:
    return session_inputs(MONDAY, weights, prices)


def on(
    session: dt.date,
    weights: Mapping[str, str],
    plan_prices: Mapping[str, str],
    closes: Mapping[str, str],
    *actions: CorporateAction,
) -> SessionInputs:
    return session_inputs(session, weights, plan_prices, closes, actions=actions)


# A week from files


CLOSES = """session,symbol,close
2024-03-01,AAA,400
2024-03-01,BBB,50
2024-03-04,AAA,400
2024-03-04,BBB,50
2024-03-05,AAA,404
2024-03-05,BBB,50
2024-03-06,AAA,100
2024-03-06,BBB,50
2024-03-07,AAA,102
2024-03-07,BBB,50
"""
ACTIONS = """ex_date,symbol,action,amount_per_share,currency,pay_date,new_shares,old_shares
2024-03-05,AAA,dividend,2.00,USD,2024-03-07,,
2024-03-06,AAA,split,,,,4,1
2024-03-06,CCC,split,,,,2,1
"""


class RawWeek:
    """Sessions of the files above: plan prices, closes and actions as the product reads them."""

    def __init__(self, folder: Path, actions: str = ACTIONS) -> None:
        (folder / "closes.csv").write_text(CLOSES)
        (folder / "actions.csv").write_text(actions)
        settings = FileCorporateActions(path=folder / "actions.csv")
        read = read_corporate_actions(settings, "USD", CALENDAR.history)
        prices = FilePrices(path=folder / "closes.csv")
        self.source = FilePriceSource(prices, "USD", CALENDAR.history, read)

    def inputs(self, session: dt.date, aaa: str) -> SessionInputs:
        """A fifth of BBB, and the given weight of AAA."""
        return SessionInputs(
            session=session,
            targets=target_portfolio(session, {"AAA": aaa, "BBB": "0.2"}),
            plan_prices=lambda symbols: self.source.before(session, symbols),
            closes=lambda symbols: self.source.at_close(session, symbols),
            benchmark=None,
            actions=self.source.actions.of(session),
        )


def test_a_dividend_and_a_split_within_a_week_on_raw_prices(tmp_path: Path) -> None:
    desk, week = Desk(tmp_path), RawWeek(tmp_path)

    # 8,000 / 400 and 2,000 / 50.
    settled(desk, week.inputs(MONDAY, "0.8"))
    assert desk.book.positions == shares(AAA="20", BBB="40")
    assert desk.book.cash == 0

    # 20 x 2.00 are owed, not paid: equity has them, cash does not, the broker knows nothing of it.
    closed = settled(desk, week.inputs(TUESDAY, "0.8"))
    assert event_types(desk, TUESDAY) == ["dividend", "session_planned", "session_closed"]
    result = result_of(closed)
    assert (result.dividends, result.accruals, result.cash) == exact(40, 40, 0)
    assert (result.closing_equity, result.pnl) == exact(10120, 120)
    assert closed.closed.statement.cash == 0

    # 80 shares at 101: 8,080 + 2,000 of equity. Half of it is 49.9 shares: 30 are sold, at 100.
    closed = settled(desk, week.inputs(WEDNESDAY, "0.5"))
    assert event_types(desk, WEDNESDAY)[:2] == ["split", "session_planned"]
    plan = closed.planned.plan
    assert (plan.equity, plan.cash) == exact(10080, 0)
    (line,) = (line for line in plan.lines if line.symbol == "AAA")
    assert (line.current_quantity, line.price) == exact(80, 101)
    assert desk.book.positions == shares(AAA="50", BBB="40")
    result = result_of(closed)
    assert (result.cash, result.accruals, result.closing_equity) == exact(3000, 40, 10040)
    # Each new share cost 100, so that nothing is realized by selling at 100.
    assert (result.pnl, result.realized_pnl) == exact(-80, 0)
    assert [(lot.quantity, lot.cost_basis) for lot in closed.lots if lot.symbol == "AAA"] == [
        exact(50, 5000)
    ]

    # Paid on the 20 shares of the ex-date, after the split: from owed to cash, no income again.
    closed = settled(desk, week.inputs(THURSDAY, "0.5"))
    assert event_types(desk, THURSDAY) == ["dividend_payment", "session_planned", "session_closed"]
    result = result_of(closed)
    assert (result.cash, result.accruals, result.dividends) == exact(3040, 0, 0)
    assert (result.closing_equity, result.pnl) == exact(10140, 100)


def test_a_week_on_raw_prices_run_again_changes_nothing(tmp_path: Path) -> None:
    days = ((MONDAY, "0.8"), (TUESDAY, "0.8"), (WEDNESDAY, "0.5"), (THURSDAY, "0.5"))
    desk, week = Desk(tmp_path), RawWeek(tmp_path)
    for session, weight in days:
        desk.run(week.inputs(session, weight), stop_after_plan=True)
        settled(desk, week.inputs(session, weight))
    head = desk.log.head()
    desk.close()
    desk = Desk(tmp_path)
    for session, weight in days:
        assert desk.run(week.inputs(session, weight)).status is SessionStatus.UNCHANGED
    assert desk.log.head() == head


def test_a_corrected_action_restates_from_its_session(tmp_path: Path) -> None:
    desk, week = Desk(tmp_path), RawWeek(tmp_path)
    for session in (MONDAY, TUESDAY, WEDNESDAY):
        settled(desk, week.inputs(session, "0.8"))
    corrected = RawWeek(tmp_path, ACTIONS.replace("2.00,USD", "2.50,USD"))
    assert desk.run(corrected.inputs(MONDAY, "0.8")).status is SessionStatus.UNCHANGED
    closed = settled(desk, corrected.inputs(TUESDAY, "0.8"))
    assert closed.close.accruals == 50
    assert [restated.from_session for restated in desk.book.restatements] == [TUESDAY]
    settled(desk, corrected.inputs(WEDNESDAY, "0.8"))
    assert desk.book.positions["AAA"] == 80


def test_an_action_of_what_is_not_held_is_neither_booked_nor_a_reason_to_restate(
    tmp_path: Path,
) -> None:
    desk, week = Desk(tmp_path), RawWeek(tmp_path)
    for session in (MONDAY, TUESDAY, WEDNESDAY):
        settled(desk, week.inputs(session, "0.8"))
    assert event_types(desk, WEDNESDAY).count("split") == 1
    corrected = RawWeek(tmp_path, ACTIONS.replace("CCC,split,,,,2", "CCC,split,,,,3"))
    assert desk.run(corrected.inputs(WEDNESDAY, "0.8")).status is SessionStatus.UNCHANGED


def test_actions_that_changed_before_their_session_was_planned_are_booked_anew(
    tmp_path: Path,
) -> None:
    """The process dies between the booking of the actions and the plan; then the file is
    corrected."""

    class Dies(SimulatedBroker):
        def begin_session(self, *_: object) -> None:
            raise OSError("killed")

    desk, week = Desk(tmp_path), RawWeek(tmp_path)
    for session in (MONDAY, TUESDAY):
        settled(desk, week.inputs(session, "0.8"))
    desk.close()
    desk = Desk(tmp_path, broker=Dies)
    with pytest.raises(OSError, match="killed"):
        desk.run(week.inputs(WEDNESDAY, "0.8"))
    assert event_types(desk, WEDNESDAY) == ["split"]
    desk.close()
    desk = Desk(tmp_path)
    settled(
        desk,
        RawWeek(tmp_path, ACTIONS.replace("AAA,split,,,,4", "AAA,split,,,,5")).inputs(
            WEDNESDAY, "0.8"
        ),
    )
    assert [restated.reason for restated in desk.book.restatements] == [
        "corporate actions of 2024-03-06 changed before its plan"
    ]
    # 20 x 5, and 8,064 of 8,080 wanted: what is less than a share stays.
    assert desk.book.positions["AAA"] == 100


# Kind by kind


def test_a_short_position_through_a_dividend_and_a_split(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    settled(desk, monday({"AAA": "-0.5"}))
    assert desk.book.positions == shares(AAA="-50")
    dividend = Dividend(
        symbol="AAA", ex_date=TUESDAY, amount_per_share=Decimal("0.25"), currency="USD"
    )
    closed = settled(
        desk, on(TUESDAY, {"AAA": "-0.5"}, {"AAA": "25"}, {"AAA": "24"}, SPLIT, dividend)
    )
    # 0.25 on each of 200 new shares, owed and paid at once; they cost 24 to buy back, not 25.
    assert desk.book.positions == shares(AAA="-199")
    result = result_of(closed)
    assert (result.dividends, result.accruals) == exact(-50, 0)
    # The plan knows 9,950 of equity: 199 shares; the one that is bought back is filled at 24.
    assert result.pnl == 200 - 50


def test_a_new_name_is_held_on_with_its_lots_and_its_price(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    settled(desk, monday({"AAA": "0.5", "BBB": "0.3"}))
    change = SymbolChange(symbol="AAA", effective_date=TUESDAY, new_symbol="ZZZ")
    prices = {"ZZZ": "100", "BBB": "50"}
    closed = settled(
        desk, on(TUESDAY, {"ZZZ": "0.5", "BBB": "0.3"}, prices, prices | {"ZZZ": "103"}, change)
    )
    assert desk.book.positions == shares(BBB="60", ZZZ="50")
    assert closed.fills == ()
    result = result_of(closed)
    assert {part.symbol: part.pnl for part in result.instruments} == {
        "AAA": 0,
        "BBB": 0,
        "ZZZ": 150,
    }


def test_a_merger_for_cash_ends_the_position_and_its_money_is_planned_with(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    settled(desk, monday({"AAA": "0.5", "BBB": "0.5"}))
    merger = CashMerger(symbol="AAA", effective_date=TUESDAY, price=Decimal(120))
    closed = settled(desk, on(TUESDAY, {"BBB": "1"}, {"BBB": "50"}, {"BBB": "50"}, merger))
    # 50 x 120 = 6,000: 120 more of BBB.
    assert desk.book.positions == shares(BBB="220")
    assert desk.book.cash == 0
    assert result_of(closed).realized_pnl == 1000


def test_worthless_shares_end_at_nothing(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    settled(desk, monday({"AAA": "0.5", "BBB": "0.5"}))
    end = Delisting(symbol="AAA", effective_date=TUESDAY, price=Decimal(0))
    closed = settled(desk, on(TUESDAY, {"BBB": "1"}, {"BBB": "50"}, {"BBB": "50"}, end))
    assert desk.book.positions == shares(BBB="100")
    assert result_of(closed).pnl == -5000


def test_shares_spun_off_are_sold_where_nothing_asks_for_them(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    settled(desk, monday({"AAA": "0.5"}))
    spin_off = SpinOff(
        symbol="AAA",
        ex_date=TUESDAY,
        new_symbol="NEW",
        new_shares=1,
        old_shares=2,
        basis_fraction=Decimal("0.2"),
    )
    prices = {"AAA": "80", "NEW": "40"}
    closed = settled(
        desk, on(TUESDAY, {"AAA": "0.4"}, prices, {"AAA": "80", "NEW": "42"}, spin_off)
    )
    assert desk.book.positions == shares(AAA="50")
    # 25 x 42 for what cost a fifth of 5,000.
    assert desk.book.cash == 5000 + 1050
    assert result_of(closed).realized_pnl == 50


def test_shares_spun_off_without_a_close_are_valued_as_they_were_planned(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    settled(desk, monday({"AAA": "0.5"}))
    spin_off = SpinOff(
        symbol="AAA",
        ex_date=TUESDAY,
        new_symbol="NEW",
        new_shares=1,
        old_shares=2,
        basis_fraction=Decimal("0.2"),
    )
    prices = {"AAA": "80", "NEW": "40"}
    closed = settled(
        desk, on(TUESDAY, {"AAA": "0.4", "NEW": "0.1"}, prices, {"AAA": "81"}, spin_off)
    )
    assert closed.close.values == {"AAA": 4050, "NEW": 1000}


def test_income_is_the_payment_where_the_policy_says_so(tmp_path: Path) -> None:
    desk = Desk(tmp_path, portfolio_settings(accounting={"dividend_source": "broker"}))
    week = RawWeek(tmp_path)
    settled(desk, week.inputs(MONDAY, "0.8"))
    results = [
        result_of(settled(desk, week.inputs(session, "0.8")))
        for session in (TUESDAY, WEDNESDAY, THURSDAY)
    ]
    assert [(result.dividends, result.accruals) for result in results] == [
        exact(0, 0),
        exact(0, 0),
        exact(40, 0),
    ]


# Orders that are open


def good_till_canceled(desk: Desk, symbol: str) -> str:
    """An order of Monday that outlives its session, at the broker and in the book."""
    name = f"small_20240304_gtc_{symbol}"
    request = OrderRequest(
        client_order_id=name,
        symbol=symbol,
        side=Side.SELL,
        quantity=Decimal(1),
        order_type=OrderType.MARKET,
        time_in_force=TimeInForce.GTC,
        position_effect=PositionEffect.CLOSE,
    )
    accepted = desk.broker.submit(request).require()
    facts: list[AnyEvent] = [
        OrderIntended(request=request, batch_id="gtc", leg=1, plan_price=Decimal(100)),
        OrderSubmitted(client_order_id=name, attempt=1),
        OrderAccepted(client_order_id=name, broker_order_id=accepted.broker_order_id),
    ]
    desk.book.record(
        [
            NewEvent(
                key=name,
                session=MONDAY,
                occurred_at=CALENDAR.closes_at(MONDAY),
                source="test",
                event=fact,
            )
            for fact in facts
        ]
    )
    return name


def test_an_open_order_is_canceled_before_a_split_makes_it_wrong(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    settled(desk, monday({"AAA": "0.5", "BBB": "0.3"}))
    name = good_till_canceled(desk, "AAA")
    prices = {"AAA": "25", "BBB": "50"}
    settled(desk, on(TUESDAY, {"AAA": "0.5", "BBB": "0.3"}, prices, prices, SPLIT))
    assert event_types(desk, TUESDAY)[:2] == ["order_canceled", "split"]
    # Nothing of it was filled.
    assert desk.book.positions == shares(AAA="200", BBB="60")
    order = desk.broker.order_by_client_id(name).require()
    assert order is not None
    assert order.status is OrderStatus.CANCELED
    (record,) = desk.log.records(session=TUESDAY, event_types=["order_canceled"])
    assert getattr(record.event, "reason", "") == "canceled before split of AAA, 2024-03-05"
    assert record.source == "corporate_actions"


def test_an_order_that_was_canceled_before_the_process_died_is_recorded_by_the_next(
    tmp_path: Path,
) -> None:
    desk = Desk(tmp_path)
    settled(desk, monday({"AAA": "0.5"}))
    name = good_till_canceled(desk, "AAA")
    desk.broker.cancel(name)
    desk.close()
    desk = Desk(tmp_path)
    settled(desk, on(TUESDAY, {"AAA": "0.5"}, {"AAA": "25"}, {"AAA": "25"}, SPLIT))
    assert event_types(desk, TUESDAY)[:2] == ["order_canceled", "split"]


def test_an_order_that_expired_at_the_broker_meanwhile_does_not_stop_the_split(
    tmp_path: Path,
) -> None:
    class Expiring(SimulatedBroker):
        def cancel(self, client_order_id: str) -> Answer[BrokerOrder]:
            found = super().cancel(client_order_id).require()
            return Known(replace(found, status=OrderStatus.EXPIRED))

    desk = Desk(tmp_path, broker=Expiring)
    settled(desk, monday({"AAA": "0.5"}))
    good_till_canceled(desk, "AAA")
    settled(desk, on(TUESDAY, {"AAA": "0.5"}, {"AAA": "25"}, {"AAA": "25"}, SPLIT))
    assert event_types(desk, TUESDAY)[:2] == ["order_expired", "split"]
    assert desk.book.positions == shares(AAA="200")


def test_an_order_that_was_filled_in_part_unseen_stops_the_session_before_the_split(
    tmp_path: Path,
) -> None:
    class Ahead(SimulatedBroker):
        def cancel(self, client_order_id: str) -> Answer[BrokerOrder]:
            found = super().cancel(client_order_id).require()
            return Known(replace(found, filled_quantity=Decimal("0.5")))

    desk = Desk(tmp_path, broker=Ahead)
    settled(desk, monday({"AAA": "0.5"}))
    name = good_till_canceled(desk, "AAA")
    with pytest.raises(BrokerUnknownError, match=rf"{name} is canceled.*0.5 shares filled, 0 in"):
        desk.run(on(TUESDAY, {"AAA": "0.5"}, {"AAA": "25"}, {"AAA": "25"}, SPLIT))
    assert event_types(desk, TUESDAY) == []


def test_a_dividend_leaves_an_open_order_alone(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    settled(desk, monday({"AAA": "0.5"}))
    good_till_canceled(desk, "AAA")
    dividend = Dividend(symbol="AAA", ex_date=TUESDAY, amount_per_share=Decimal(1), currency="USD")
    desk.run(on(TUESDAY, {"AAA": "0.5"}, PRICES, PRICES, dividend), stop_after_plan=True)
    assert event_types(desk, TUESDAY)[0] == "dividend"
    assert len(desk.broker.open_orders().require()) == 1


def test_an_order_that_cannot_be_canceled_stops_the_session_and_nothing_is_booked(
    tmp_path: Path,
) -> None:
    class Stubborn(SimulatedBroker):
        def cancel(self, client_order_id: str) -> Answer[BrokerOrder]:
            found = self.order_by_client_id(client_order_id).require()
            assert found is not None
            return Known(found)

    desk = Desk(tmp_path, broker=Stubborn)
    settled(desk, monday({"AAA": "0.5"}))
    name = good_till_canceled(desk, "AAA")
    with pytest.raises(BrokerUnknownError, match=rf"{name} is accepted.*before the split of AAA"):
        desk.run(on(TUESDAY, {"AAA": "0.5"}, {"AAA": "25"}, {"AAA": "25"}, SPLIT))
    assert event_types(desk, TUESDAY) == []
    assert desk.broker_positions == shares(AAA="50")


# Which actions


def test_what_an_action_turns_a_symbol_into_is_concerned_by_the_next() -> None:
    change = SymbolChange(symbol="AAA", effective_date=TUESDAY, new_symbol="ZZZ")
    end = Delisting(symbol="ZZZ", effective_date=TUESDAY, price=Decimal(1))
    assert concerning([change, end], ["AAA"]) == (change, end)
    assert concerning([end, change], ["AAA"]) == (change,)
    assert concerning([change, end], ["BBB"]) == ()


def test_the_first_session_books_no_action(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    ex_today = Split(symbol="AAA", ex_date=MONDAY, new_shares=4, old_shares=1)
    settled(desk, session_inputs(MONDAY, {"AAA": "0.5"}, PRICES, actions=(ex_today,)))
    assert "split" not in event_types(desk, MONDAY)
    assert BEFORE < MONDAY < FRIDAY


# Told too late


def test_an_action_that_was_told_after_its_session_is_named_until_that_is_run_again(
    tmp_path: Path,
) -> None:
    desk = Desk(tmp_path)
    dividend = Dividend(
        symbol="AAA", ex_date=TUESDAY, amount_per_share=Decimal("0.50"), currency="USD"
    )
    foreign = replace(dividend, symbol="ZZZ")
    told: dict[dt.date, tuple[CorporateAction, ...]] = {}

    def missed(session: dt.date) -> tuple[CorporateAction, ...]:
        return missed_actions(desk.book, CALENDAR, session, lambda day: told.get(day, ()))

    for session in (MONDAY, TUESDAY, WEDNESDAY):
        settled(desk, session_inputs(session, {"AAA": "0.5"}, PRICES))
        assert missed(session) == ()
    told[TUESDAY] = (dividend, foreign)
    # On its own session it is no miss yet; what nobody held is none at all.
    assert missed(TUESDAY) == ()
    assert missed(THURSDAY) == (dividend,)
    settled(desk, session_inputs(TUESDAY, {"AAA": "0.5"}, PRICES, actions=told[TUESDAY]))
    assert missed(THURSDAY) == ()
    desk.close()


def test_an_action_of_before_the_first_session_or_of_its_open_was_missed_by_nobody(
    tmp_path: Path,
) -> None:
    desk = Desk(tmp_path)
    settled(desk, session_inputs(MONDAY, {"AAA": "0.5"}, PRICES))
    early = replace(SPLIT, ex_date=MONDAY)
    found = missed_actions(
        desk.book, CALENDAR, TUESDAY, lambda day: (early,) if day <= MONDAY else ()
    )
    assert found == ()
    desk.close()
