"""Trades placed by hand against the trade list: partial, over-filled, foreign, asked about."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading_assets.model.account import Execution
from trading_assets.model.order import OrderType, PositionEffect, Side, TimeInForce
from trading_assets.model.order_events import Fill
from trading_assets.model.plan import PlannedOrder
from trading_assets.reconciliation.manual_matching import (
    LineStatus,
    MatchedPart,
    QuestionCode,
    execution_of,
    implausible,
    matched,
    open_questions,
    trade_list,
)

BUY, SELL = Side.BUY, Side.SELL
MOMENT = dt.datetime(2024, 6, 3, 9, tzinfo=dt.UTC)


def planned(name: str, side: Side, quantity: str, symbol: str, price: str = "50") -> PlannedOrder:
    return PlannedOrder(
        asset_id=symbol,
        symbol=symbol,
        side=side,
        position_effect=PositionEffect.OPEN if side is BUY else PositionEffect.CLOSE,
        leg=2 if side is BUY else 1,
        planned_quantity=Decimal(quantity),
        quantity=Decimal(quantity),
        price=Decimal(price),
        order_type=OrderType.MARKET,
        time_in_force=TimeInForce.DAY,
        take_profit_price=None,
        stop_loss_price=None,
        cuts=(),
        client_order_id=name,
    )


def executed(
    name: str,
    side: Side,
    quantity: str,
    symbol: str,
    price: str = "50",
    commission: str = "1.70",
    ref: str = "",
) -> Execution:
    return Execution(
        execution_id=name,
        client_order_id=ref,
        broker_order_id="730211001",
        symbol=symbol,
        side=side,
        quantity=Decimal(quantity),
        price=Decimal(price),
        commission=Decimal(commission),
        currency="USD",
        executed_at=MOMENT,
    )


def booked(part: MatchedPart) -> Fill:
    execution = part.execution
    return Fill(
        execution_id=part.fill_id,
        client_order_id=part.client_order_id,
        symbol=execution.symbol,
        side=execution.side,
        quantity=part.quantity,
        price=execution.price,
        commission=part.commission,
        currency=execution.currency,
        executed_at=execution.executed_at,
    )


PLAN = (planned("sell-e", SELL, "30", "SXLE.L"), planned("buy-k", BUY, "100", "SXLK.L"))


def shares(parts: tuple[MatchedPart, ...]) -> list[tuple[str, str, Decimal]]:
    return [(part.fill_id, part.client_order_id, part.quantity) for part in parts]


def test_an_execution_goes_to_the_line_of_its_symbol_and_side() -> None:
    parts = matched(
        trade_list(PLAN, ()),
        [executed("x1", BUY, "100", "SXLK.L"), executed("x2", SELL, "30", "SXLE.L")],
    )
    assert shares(parts) == [("x1", "buy-k", Decimal(100)), ("x2", "sell-e", Decimal(30))]
    assert [part.commission for part in parts] == [Decimal("1.70"), Decimal("1.70")]


def test_partial_fills_add_up_over_several_evenings() -> None:
    first = matched(trade_list(PLAN, ()), [executed("x1", BUY, "40", "SXLK.L", "49")])
    after = trade_list(PLAN, [booked(part) for part in first])
    assert [(line.filled_quantity, line.status) for line in after] == [
        (Decimal(0), LineStatus.OPEN),
        (Decimal(40), LineStatus.PARTLY_FILLED),
    ]
    second = matched(after, [executed("x2", BUY, "60", "SXLK.L", "51")])
    done = trade_list(PLAN, [booked(part) for part in (*first, *second)])[1]
    assert done.status is LineStatus.FILLED
    # (40 x 49 + 60 x 51) / 100
    assert done.average_price == Decimal("50.2")
    assert done.commission == Decimal("3.40")


def test_what_is_traded_beyond_the_line_is_foreign_with_its_share_of_the_commission() -> None:
    parts = matched(trade_list(PLAN, ()), [executed("x1", BUY, "125", "SXLK.L", commission="2.50")])
    assert shares(parts) == [
        ("x1#1", "buy-k", Decimal(100)),
        ("x1#foreign", "", Decimal(25)),
    ]
    assert [part.commission for part in parts] == [Decimal("2.00"), Decimal("0.50")]
    assert {execution_of(part.fill_id) for part in parts} == {"x1"}


def test_a_line_that_is_full_takes_nothing_more() -> None:
    full = trade_list(
        PLAN,
        [
            booked(part)
            for part in matched(trade_list(PLAN, ()), [executed("x1", BUY, "100", "SXLK.L")])
        ],
    )
    assert shares(matched(full, [executed("x2", BUY, "5", "SXLK.L")])) == [("x2", "", Decimal(5))]


@pytest.mark.parametrize(
    ("execution", "code"),
    [
        (executed("x1", BUY, "7", "SXLV.L"), QuestionCode.NOT_PLANNED),
        (executed("x1", SELL, "7", "SXLK.L"), QuestionCode.OTHER_SIDE),
        (executed("x1", BUY, "107", "SXLK.L"), QuestionCode.MORE_THAN_PLANNED),
    ],
)
def test_what_was_not_planned_is_foreign_and_asked_about_until_it_is_answered(
    execution: Execution, code: QuestionCode
) -> None:
    fills = [booked(part) for part in matched(trade_list(PLAN, ()), [execution])]
    (question,) = open_questions(PLAN, fills, answered=())
    assert (question.code, question.quantity) == (code, Decimal(7))
    assert question.text.endswith("Why was it done?")
    assert open_questions(PLAN, fills, answered={question.trade_id}) == ()


def test_what_was_planned_is_not_asked_about() -> None:
    fills = [
        booked(part) for part in matched(trade_list(PLAN, ()), [executed("x", BUY, "9", "SXLK.L")])
    ]
    assert open_questions(PLAN, fills, answered=()) == ()


def test_an_execution_that_names_a_line_belongs_to_it_first() -> None:
    two = (planned("one", BUY, "10", "SXLK.L"), planned("two", BUY, "10", "SXLK.L"))
    parts = matched(trade_list(two, ()), [executed("x1", BUY, "12", "SXLK.L", ref="two")])
    assert shares(parts) == [("x1#1", "two", Decimal(10)), ("x1#2", "one", Decimal(2))]


def test_without_a_plan_everything_is_foreign() -> None:
    parts = matched((), [executed("x1", BUY, "3", "SXLK.L")])
    assert shares(parts) == [("x1", "", Decimal(3))]


def test_a_price_in_another_unit_is_noticed() -> None:
    plan = trade_list((planned("a", BUY, "100", "ISF.L", "8.00"),), ())
    pence = executed("x1", BUY, "100", "ISF.L", "800")
    assert implausible(plan, [pence, executed("x2", BUY, "1", "ISF.L", "9.10")]) == (pence,)
    assert implausible(plan, [executed("x3", BUY, "1", "ISF.L", "0.08")])
    # Without a line there is nothing to compare with.
    assert implausible(plan, [executed("x4", BUY, "1", "OTHER.L", "800")]) == ()


@given(
    lines=st.lists(
        st.tuples(st.sampled_from("AB"), st.sampled_from([BUY, SELL]), st.integers(1, 50))
    ),
    trades=st.lists(
        st.tuples(st.sampled_from("ABC"), st.sampled_from([BUY, SELL]), st.integers(1, 60))
    ),
)
def test_shares_and_commissions_add_up_and_no_line_gets_more_than_it_asked_for(
    lines: list[tuple[str, Side, int]], trades: list[tuple[str, Side, int]]
) -> None:
    plan = [planned(f"l{i}", side, str(n), symbol) for i, (symbol, side, n) in enumerate(lines)]
    executions = [
        executed(f"x{i}", side, str(n), symbol, commission="1.37")
        for i, (symbol, side, n) in enumerate(trades)
    ]
    parts = matched(trade_list(plan, ()), executions)
    for execution in executions:
        own = [part for part in parts if part.execution is execution]
        assert sum(part.quantity for part in own) == execution.quantity
        assert sum(part.commission for part in own) == execution.commission
        assert len({part.fill_id for part in own}) == len(own)
    for line in trade_list(plan, [booked(part) for part in parts]):
        assert 0 <= line.filled_quantity <= line.quantity
    # Nothing is foreign while a line of its symbol and side has room.
    for part in parts:
        if not part.client_order_id:
            asked = sum(
                n
                for s, side, n in lines
                if (s, side) == (part.execution.symbol, part.execution.side)
            )
            done = sum(
                p.quantity
                for p in parts
                if p.client_order_id
                and (p.execution.symbol, p.execution.side)
                == (part.execution.symbol, part.execution.side)
            )
            assert done == asked
