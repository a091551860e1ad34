"""Reconciliation: every difference of a session has a cause, and what has none is a break.

Sessions are told as events and folded as the product folds them. The plan's equity is 10,000 and
its prices are round, so that the expected parts can be worked out by hand.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from trading_assets.ledger.activity import market_values
from trading_assets.ledger.history import BookFold, ClosedSession
from trading_assets.model.cash_events import Adjustment, CashFlow, CashFlowKind
from trading_assets.model.events import AnyEvent, BrokerStatement, EventRecord, Mark, SessionClosed
from trading_assets.model.money import weight
from trading_assets.model.order import (
    OrderRequest,
    OrderType,
    PositionEffect,
    Side,
    TimeInForce,
)
from trading_assets.model.order_events import (
    Fill,
    OrderAccepted,
    OrderCanceled,
    OrderExpired,
    OrderIntended,
    OrderRejected,
    OrderSubmitted,
    SessionPlanned,
)
from trading_assets.model.plan import (
    OrderPlan,
    PlanCut,
    PlannedOrder,
    PlanReason,
    PlanRefusal,
    RebalanceLine,
)
from trading_assets.model.policies import AccountingPolicy
from trading_assets.model.result import (
    Gap,
    GapCause,
    InstrumentReconciliation,
    ReconciliationReport,
)
from trading_assets.reconciliation import compare_statement, reconcile, summary_text

FRIDAY = dt.date(2024, 1, 5)
MONDAY = dt.date(2024, 1, 8)
MOMENT = dt.datetime(2024, 1, 8, 21, tzinfo=dt.UTC)


def fill(quantity: str, price: str, name: str = "", symbol: str = "SPY", fee: str = "0") -> Fill:
    """A fill of signed shares."""
    signed = Decimal(quantity)
    return Fill(
        execution_id=f"x{name}{quantity}@{price}",
        client_order_id=name,
        symbol=symbol,
        side=Side.BUY if signed > 0 else Side.SELL,
        quantity=abs(signed),
        price=Decimal(price),
        commission=Decimal(fee),
        currency="USD",
        executed_at=MOMENT,
    )


def order(
    planned: str,
    real: str | None = None,
    cuts: Sequence[tuple[PlanReason, str]] = (),
    *,
    name: str = "A",
    symbol: str = "SPY",
    leg: int = 2,
    price: str = "100",
) -> PlannedOrder:
    """A planned order of signed shares; `real` is its (positive) quantity after the cuts."""
    signed = Decimal(planned)
    quantity = abs(signed) if real is None else Decimal(real)
    return PlannedOrder(
        asset_id=symbol,
        symbol=symbol,
        side=Side.BUY if signed > 0 else Side.SELL,
        position_effect=PositionEffect.CLOSE if leg == 1 else PositionEffect.OPEN,
        leg=leg,
        planned_quantity=abs(signed),
        quantity=quantity,
        price=Decimal(price),
        order_type=OrderType.MARKET,
        time_in_force=TimeInForce.DAY,
        take_profit_price=None,
        stop_loss_price=None,
        cuts=tuple(PlanCut(reason=r, quantity=Decimal(q), detail="d") for r, q in cuts),
        client_order_id=name if quantity else "",
    )


def line(
    current: str, target: str, weight: str, price: str | None = "100", symbol: str = "SPY"
) -> RebalanceLine:
    return RebalanceLine(
        asset_id=symbol,
        symbol=symbol,
        price=None if price is None else Decimal(price),
        price_session=FRIDAY,
        current_quantity=Decimal(current),
        target_weight=Decimal(weight),
        target_quantity=Decimal(target),
        real_target_quantity=Decimal(target),
        contributions=(),
    )


def plan(
    orders: Sequence[PlannedOrder],
    lines: Sequence[RebalanceLine],
    refusals: tuple[PlanRefusal, ...] = (),
    equity: str = "10000",
) -> OrderPlan:
    return OrderPlan(
        session=MONDAY,
        strategy_id="demo",
        signal_asof=FRIDAY,
        equity=Decimal(equity),
        cash=Decimal(equity),
        scale=Decimal(1),
        expected_fees=Decimal(0),
        orders=tuple(orders),
        lines=tuple(lines),
        refusals=refusals,
    )


def sent(planned: PlannedOrder, quantity: str | None = None) -> list[AnyEvent]:
    """Intended, submitted and accepted, for `quantity` where that is not the planned one."""
    name = planned.client_order_id
    request = OrderRequest(
        client_order_id=name,
        symbol=planned.symbol,
        side=planned.side,
        quantity=planned.quantity if quantity is None else Decimal(quantity),
        order_type=planned.order_type,
        time_in_force=planned.time_in_force,
        position_effect=planned.position_effect,
    )
    return [
        OrderIntended(request=request, batch_id="b", leg=planned.leg, plan_price=planned.price),
        OrderSubmitted(client_order_id=name, attempt=1),
        OrderAccepted(client_order_id=name, broker_order_id="1"),
    ]


def close(
    fold: BookFold, prices: dict[str, str], statement: BrokerStatement | None
) -> SessionClosed:
    """The close of the book as it stands; without a `statement` the broker agrees with it."""
    ledger = fold.ledger
    marks = {
        symbol: Mark(price=Decimal(price), session=MONDAY, source="test")
        for symbol, price in prices.items()
    }
    value = sum(market_values(ledger.positions, marks).values(), Decimal(0))
    agreed = BrokerStatement(account_number="1", positions=ledger.positions, cash=ledger.cash)
    return SessionClosed(
        cash_balances=None,
        fx_rates={},
        accruals=Decimal(0),
        marks=marks,
        cash=ledger.cash,
        market_value=value,
        equity=value + ledger.cash,
        statement=statement or agreed,
    )


def told(
    planned: OrderPlan,
    events: Sequence[AnyEvent],
    prices: dict[str, str],
    *,
    opening: Sequence[AnyEvent] = (),
    statement: BrokerStatement | None = None,
) -> ClosedSession:
    """Friday: deposit of 10,000 and `opening`, closed at 100 each. Monday: plan and `events`."""
    fold = BookFold(AccountingPolicy(), "USD")
    sequence = 0

    def tell(session: dt.date, event: AnyEvent) -> ClosedSession | None:
        nonlocal sequence
        sequence += 1
        return fold.apply(
            EventRecord(
                sequence=sequence,
                event_id=str(sequence),
                event_type="",
                version=1,
                portfolio="demo",
                session=session,
                occurred_at=MOMENT,
                recorded_at=MOMENT,
                source="test",
                correlation_id="",
                causation_id="",
                previous_hash="",
                hash="",
                event=event,
            )
        )

    start = CashFlow(
        kind=CashFlowKind.DEPOSIT, amount=Decimal(10000), currency="USD", reference="r"
    )
    tell(FRIDAY, SessionPlanned(plan=plan((), ()), inputs_digest=""))
    for event in (start, *opening):
        tell(FRIDAY, event)
    tell(FRIDAY, close(fold, dict.fromkeys(fold.ledger.positions, "100"), None))
    tell(MONDAY, SessionPlanned(plan=planned, inputs_digest=""))
    for event in events:
        tell(MONDAY, event)
    closed = tell(MONDAY, close(fold, prices, statement))
    assert closed is not None
    return closed


def parts(report: ReconciliationReport, view: str, symbol: str = "SPY") -> dict[str, Decimal]:
    """Cause → Σ of the view's unit: weight for weights, else shares."""
    found: dict[str, Decimal] = {}
    for gap in report.gaps:
        if (gap.view, gap.symbol) == (view, symbol):
            size = gap.weight if view == "target_vs_final" else gap.quantity
            found[gap.cause.value] = found.get(gap.cause.value, Decimal(0)) + size
    return found


def row(report: ReconciliationReport, symbol: str = "SPY") -> InstrumentReconciliation:
    return next(one for one in report.rows if one.symbol == symbol)


def assert_sums_are_exact(report: ReconciliationReport) -> None:
    for one in report.rows:
        planned = parts(report, "planned_vs_filled", one.symbol)
        assert sum(planned.values()) == one.planned_quantity - one.actual_quantity
        weights = parts(report, "target_vs_final", one.symbol)
        assert sum(weights.values()) == one.target_weight - one.actual_weight


def test_filled_as_planned_at_the_plan_price_is_a_match_without_any_gap() -> None:
    """50 x 100 of 10,000 is the target weight of 0.5."""
    buy = order("50")
    report = reconcile(
        told(
            plan([buy], [line("0", "50", "0.5")]),
            [*sent(buy), fill("50", "100", "A")],
            {"SPY": "100"},
        )
    )
    assert report.gaps == ()
    spy = row(report)
    assert spy.status == "match"
    assert spy.actual_weight == Decimal("0.5")
    assert spy.planned_quantity == spy.actual_quantity == spy.broker_quantity == 50


def test_weight_difference_splits_into_buffer_rounding_price_and_fee() -> None:
    """Target 0.5 of 10,000; the buffer leaves 49.5 shares, whole shares 49, one dollar of fee.

    Equity at the close is 10,000 + 49 x 2 - 1 = 10,097: 49 x 102 = 4,998 over 10,098 before the
    fee and over 10,097 after it.
    """
    buy = order("49.5", "49", [(PlanReason.ROUNDED, "0.5")])
    report = reconcile(
        told(
            plan([buy], [line("0", "49.5", "0.5")]),
            [*sent(buy), fill("49", "100", "A", fee="1")],
            {"SPY": "102"},
        )
    )
    assert parts(report, "planned_vs_filled") == {"rounding": Decimal("0.5")}
    assert parts(report, "target_vs_final") == {
        "cash_buffer": Decimal("0.005"),
        "rounding": Decimal("0.005"),
        "price_move": Decimal("0.49") - Decimal("0.4949494949"),
        "fee": Decimal("0.4949494949") - Decimal("0.4949985144"),
    }
    assert row(report).status == "explained"
    assert row(report).actual_weight == Decimal("0.4949985144")
    assert report.unexplained == ()
    assert_sums_are_exact(report)


def test_weights_that_only_drift_are_a_match() -> None:
    buy = order("49")
    report = reconcile(
        told(
            plan([buy], [line("0", "49", "0.5")]),
            [*sent(buy), fill("49", "101", "A", fee="1")],
            {"SPY": "102"},
        )
    )
    assert row(report).status == "match"
    assert set(parts(report, "target_vs_final")) == {"cash_buffer", "price_move", "fee"}


@pytest.mark.parametrize(
    ("reason", "cause"),
    [
        (PlanReason.ROUNDED, "rounding"),
        (PlanReason.MIN_ORDER_NOTIONAL, "minimum_notional"),
        (PlanReason.NO_TRADE_BAND, "no_trade_band"),
        (PlanReason.CASH_OVERFLOW, "cash_overflow"),
        (PlanReason.MAX_ORDER_SHARES, "clipped_by_limit"),
        (PlanReason.MAX_ORDER_NOTIONAL, "clipped_by_limit"),
        (PlanReason.PRICE_DEVIATION, "clipped_by_limit"),
        (PlanReason.STALE_PRICE, "missing_price"),
        (PlanReason.MISSING_PRICE, "missing_price"),
        (PlanReason.FLIP_NOT_CLOSED, "not_sent"),
        (PlanReason.PLAN_REFUSED, "plan_refused"),
        (PlanReason.NOT_TRADABLE, "broker_rule"),
        (PlanReason.NOT_SHORTABLE, "broker_rule"),
        (PlanReason.SHORT_EQUITY, "broker_rule"),
        (PlanReason.OPPOSITE_ORDER_OPEN, "broker_rule"),
        (PlanReason.BROKER_RULE, "broker_rule"),
        (PlanReason.BUYING_POWER, "broker_rule"),
    ],
)
def test_an_order_dropped_by_the_plan_is_explained_by_its_cut(
    reason: PlanReason, cause: str
) -> None:
    dropped = order("-30", "0", [(reason, "30")])
    report = reconcile(told(plan([dropped], [line("0", "-30", "-0.3")]), [], {}))
    assert parts(report, "planned_vs_filled") == {cause: Decimal(-30)}
    assert parts(report, "target_vs_final") == {cause: Decimal("-0.3")}
    (gap, _) = report.gaps
    assert gap.amount == -3000
    assert row(report).delta_quantity == 30
    assert row(report).status == "explained"


def test_every_reason_of_a_plan_cut_has_a_cause() -> None:
    for reason in PlanReason:
        dropped = order("1", "0", [(reason, "1")])
        assert reconcile(told(plan([dropped], [line("0", "1", "0.01")]), [], {})).unexplained == ()


REJECTED = OrderRejected(client_order_id="A", code="BUYING_POWER", reason="not enough")
EXPIRED = OrderExpired(client_order_id="A")
CANCELED = OrderCanceled(client_order_id="A", reason="halted")


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([*sent(order("50")), REJECTED], {"rejection": 50}),
        ([*sent(order("50")), fill("20", "100", "A"), EXPIRED], {"partial_fill": 30}),
        ([*sent(order("50")), fill("20", "100", "A"), CANCELED], {"partial_fill": 30}),
        ([sent(order("50"))[0], CANCELED], {"not_sent": 50}),
        ([*sent(order("50"), "45"), fill("45", "100", "A")], {"cash_overflow": 5}),
        ([], {"cash_overflow": 50}),
    ],
    ids=["rejected", "expired", "canceled", "withdrawn", "cut to cash", "left out for cash"],
)
def test_shares_that_execution_did_not_bring_have_its_cause(
    events: list[AnyEvent], expected: dict[str, int]
) -> None:
    report = reconcile(told(plan([order("50")], [line("0", "50", "0.5")]), events, {"SPY": "100"}))
    assert parts(report, "planned_vs_filled") == expected
    assert {cause: weight * 100 for cause, weight in parts(report, "target_vs_final").items()} == (
        expected
    )
    assert row(report).status == "explained"


@pytest.mark.parametrize(
    "events",
    [
        sent(order("50"))[:1],
        sent(order("50"))[:2],
        sent(order("50")),
        [*sent(order("50")), fill("20", "100", "A")],
    ],
    ids=["new", "submitted", "accepted", "partially filled"],
)
def test_an_order_that_is_not_over_explains_nothing(events: list[AnyEvent]) -> None:
    report = reconcile(told(plan([order("50")], [line("0", "50", "0.5")]), events, {"SPY": "100"}))
    spy = row(report)
    assert spy.status == "break"
    assert spy.unexplained_quantity == spy.planned_quantity - spy.actual_quantity
    assert {gap.view for gap in report.unexplained} == {"planned_vs_filled", "target_vs_final"}


def test_a_sale_that_never_reached_the_book_is_a_break() -> None:
    sale = order("-10", leg=1)
    report = reconcile(
        told(
            plan([sale], [line("40", "30", "0.3")]),
            [],
            {"SPY": "100"},
            opening=[fill("40", "100")],
        )
    )
    assert parts(report, "planned_vs_filled") == {"unexplained": Decimal(-10)}


def intended(planned: PlannedOrder, *left_out: str) -> list[AnyEvent]:
    """Sent first of its leg, without the orders of these names, and filled."""
    intent, *rest = sent(planned)
    assert isinstance(intent, OrderIntended)
    name, quantity = planned.client_order_id, str(planned.quantity)
    filled = fill(quantity, "100", name, planned.symbol)
    return [replace(intent, left_out=left_out), *rest, filled]


@pytest.mark.parametrize(
    ("left_out", "expected"), [(("B",), {"cash_overflow": 10}), ((), {"unexplained": 10})]
)
def test_a_purchase_that_was_not_intended_is_explained_where_its_leg_tells_of_it(
    left_out: tuple[str, ...], expected: dict[str, int]
) -> None:
    there, missing = order("50"), order("10", symbol="QQQ", name="B")
    lines = [line("0", "50", "0.5"), line("0", "10", "0.1", symbol="QQQ")]
    prices = {"SPY": "100", "QQQ": "100"}
    report = reconcile(told(plan([there, missing], lines), intended(there, *left_out), prices))
    assert parts(report, "planned_vs_filled") == {}
    assert parts(report, "planned_vs_filled", "QQQ") == expected


@pytest.mark.parametrize(
    ("buying_power", "left_out", "expected"),
    [
        ("500", ("B",), {"broker_rule": -10}),
        ("500", (), {"unexplained": -10}),
        (None, None, {"unexplained": -10}),
    ],
    ids=["left out", "lost", "no buying power is stated"],
)
def test_a_short_sale_that_was_not_intended_is_explained_by_a_buying_power_that_was_short(
    buying_power: str | None, left_out: tuple[str, ...] | None, expected: dict[str, int]
) -> None:
    there, missing = order("50"), order("-10", symbol="QQQ", name="B", leg=2)
    lines = [line("0", "50", "0.5"), line("0", "-10", "-0.1", symbol="QQQ")]
    made = replace(
        plan([there, missing], lines),
        buying_power=None if buying_power is None else Decimal(buying_power),
    )
    events = [*sent(there), fill("50", "100", "A")] if left_out is None else []
    events = events or intended(there, *(left_out or ()))
    report = reconcile(told(made, events, {"SPY": "100", "QQQ": "100"}))
    assert parts(report, "planned_vs_filled", "QQQ") == expected


def test_a_short_sale_that_was_cut_without_a_buying_power_to_cut_it_to_is_a_break() -> None:
    sale = order("-10", leg=2)
    events = [*sent(sale, "6"), fill("-6", "100", "A")]
    report = reconcile(told(plan([sale], [line("0", "-10", "-0.1")]), events, {"SPY": "100"}))
    assert parts(report, "planned_vs_filled") == {"unexplained": Decimal(-4)}


def test_a_purchase_sent_for_more_than_planned_is_a_break() -> None:
    events = [*sent(order("50"), "60"), fill("60", "100", "A")]
    report = reconcile(told(plan([order("50")], [line("0", "50", "0.5")]), events, {"SPY": "100"}))
    assert parts(report, "planned_vs_filled") == {"unexplained": Decimal(-10)}
    assert row(report).status == "break"


def test_a_refused_plan_and_a_dry_portfolio_explain_all_their_orders() -> None:
    refusal = PlanRefusal(code="MAX_TOTAL_NOTIONAL", message="m", actual="2", limit="1")
    cut = order("50.5", "50", [(PlanReason.ROUNDED, "0.5")])
    lines = [line("0", "50.5", "0.505")]
    refused = reconcile(told(plan([cut], lines, (refusal,)), [], {}))
    assert parts(refused, "planned_vs_filled") == {
        "rounding": Decimal("0.5"),
        "plan_refused": Decimal(50),
    }
    dry = reconcile(told(plan([cut], lines), [], {}), sent=False)
    assert parts(dry, "planned_vs_filled") == {
        "rounding": Decimal("0.5"),
        "not_sent": Decimal(50),
    }
    assert row(dry).status == "explained"
    assert_sums_are_exact(dry)


FLIP = (order("-40", name="C", leg=1), order("-20", name="O", leg=2))


def test_a_flip_is_one_instrument_with_both_legs() -> None:
    report = reconcile(
        told(
            plan(FLIP, [line("40", "-20", "-0.2")]),
            [
                *sent(FLIP[0]),
                fill("-40", "100", "C"),
                *sent(FLIP[1]),
                fill("-20", "100", "O"),
            ],
            {"SPY": "100"},
            opening=[fill("40", "100")],
        )
    )
    assert report.gaps == ()
    assert row(report).planned_quantity == -60
    assert row(report).book_quantity == -20


def test_a_flip_whose_closing_leg_fell_short_was_rightly_not_opened() -> None:
    """Sold 30 of 40: 10 shares partial fill, the 20 of the opening leg not sent."""
    report = reconcile(
        told(
            plan(FLIP, [line("40", "-20", "-0.2")]),
            [*sent(FLIP[0]), fill("-30", "100", "C"), OrderExpired(client_order_id="C")],
            {"SPY": "100"},
            opening=[fill("40", "100")],
        )
    )
    assert parts(report, "planned_vs_filled") == {
        "partial_fill": Decimal(-10),
        "not_sent": Decimal(-20),
    }
    assert parts(report, "target_vs_final") == {
        "partial_fill": Decimal("-0.1"),
        "not_sent": Decimal("-0.2"),
    }


@pytest.mark.parametrize(
    ("current", "target", "wanted", "by_hand"),
    [("0", "-50", "-50", "5"), ("0", "50", "50", "-5"), ("-10", "-50", "-40", "12")],
    ids=["short", "long", "a short that is there"],
)
def test_what_somebody_turned_to_the_other_side_is_rightly_not_opened(
    current: str, target: str, wanted: str, by_hand: str
) -> None:
    """A sale that opens a short is left out while the symbol is held, whoever bought it, and also
    where it was sold again since."""
    opening = [fill(current, "100")] if Decimal(current) else []
    report = reconcile(
        told(
            plan([order(wanted)], [line(current, target, "0.5")]),
            [fill(by_hand, "100"), fill(str(-Decimal(by_hand)), "101")],
            {"SPY": "100"},
            opening=opening,
        )
    )
    assert parts(report, "planned_vs_filled") == {"not_sent": Decimal(wanted)}
    (gap,) = [one for one in report.gaps if one.view == "planned_vs_filled"]
    assert gap.detail == f"{by_hand} traded outside the plan: it was held on the other side"


@pytest.mark.parametrize(("current", "by_hand"), [("0", "-5"), ("-10", "5"), ("5", "5")], ids=str)
def test_an_opening_that_no_trade_by_hand_stood_against_is_not_explained_by_it(
    current: str, by_hand: str
) -> None:
    """It was on the same side, too little to turn what was held, or known to the plan already."""
    opening = [fill("-10", "100")] if current == "-10" else []
    report = reconcile(
        told(
            plan([order("-40")], [line(current, "-40", "-0.4")]),
            [fill(by_hand, "100")],
            {"SPY": "100"},
            opening=opening,
        )
    )
    assert "not_sent" not in parts(report, "planned_vs_filled")


def test_a_foreign_trade_is_named_in_weights_and_continuity() -> None:
    report = reconcile(told(plan((), ()), [fill("7", "100", symbol="GME")], {"GME": "100"}))
    assert parts(report, "book_continuity", "GME") == {"foreign_trade": Decimal(7)}
    assert parts(report, "target_vs_final", "GME") == {"foreign_trade": Decimal("-0.07")}
    assert row(report, "GME").status == "explained"
    assert report.gaps[-1].amount == 700


def test_a_foreign_trade_before_planning_is_not_counted_twice() -> None:
    """10 bought by hand, then planned from 10 to 50: the plan already knows them."""
    buy = order("40")
    report = reconcile(
        told(
            plan([buy], [line("10", "50", "0.5")]),
            [fill("10", "100"), *sent(buy), fill("40", "100", "A")],
            {"SPY": "100"},
        )
    )
    assert parts(report, "target_vs_final") == {}
    assert parts(report, "book_continuity") == {"foreign_trade": Decimal(10)}
    assert report.unexplained == ()


def test_a_position_sold_by_hand_before_planning_is_at_its_target_of_nothing() -> None:
    """7 held since Friday are sold by hand; the plan that is then made has no line for them."""
    report = reconcile(
        told(plan((), ()), [fill("-7", "100")], {"SPY": "100"}, opening=[fill("7", "100")])
    )
    assert parts(report, "target_vs_final") == {}
    assert parts(report, "book_continuity") == {"foreign_trade": Decimal(-7)}
    assert report.unexplained == ()


def test_a_sale_by_hand_of_what_the_plan_found_taken_over_is_a_foreign_trade() -> None:
    """5 are taken over, the plan goes from them to 50, then somebody sells 5: together nothing came
    in from outside, and yet 5 are missing that the plan had counted on."""
    taken_over = Adjustment(
        symbol="SPY",
        quantity=Decimal(5),
        price=Decimal(100),
        cash=Decimal(0),
        currency="USD",
        reason="held when the account was taken over",
    )
    buy = order("45")
    report = reconcile(
        told(
            plan([buy], [line("5", "50", "0.5")]),
            [taken_over, *sent(buy), fill("-5", "100"), fill("45", "100", "A")],
            {"SPY": "100"},
        )
    )
    assert parts(report, "target_vs_final")["foreign_trade"] > 0
    assert report.unexplained == ()


def test_a_plan_that_started_from_shares_that_nothing_brought_is_a_break() -> None:
    report = reconcile(told(plan((), [line("3", "3", "0.03")]), [fill("5", "100")], {"SPY": "100"}))
    assert [gap.view for gap in report.unexplained] == ["target_vs_final"]


def test_final_weights_are_also_those_that_the_account_states() -> None:
    """Of 10,000 the book holds 50 of SPY at 100 and 5,000 cash; the account says 49 and 5,000:
    4,900 of 9,900 are 0.494949..., and the book's positions are not asked."""
    buy = order("50")
    session = told(
        plan([buy], [line("0", "50", "0.5")]),
        [*sent(buy), fill("50", "100", "A")],
        {"SPY": "100"},
        statement=BrokerStatement(
            account_number="1", positions={"SPY": Decimal(49)}, cash=Decimal(5000)
        ),
    )
    report = reconcile(session)
    spy = row(report, "SPY")
    assert (spy.actual_weight, spy.account_weight) == (Decimal("0.5"), Decimal("0.4949494949"))
    assert spy.status == "break"
    (gap,) = [gap for gap in report.gaps if gap.view == "final_vs_account"]
    assert (gap.cause, gap.weight) == (GapCause.UNEXPLAINED, Decimal("0.0050505051"))
    assert "by the statement recorded at the close" in summary_text(report)


def test_an_account_that_agrees_has_the_weights_of_the_book() -> None:
    buy = order("50")
    report = reconcile(
        told(
            plan([buy], [line("0", "50", "0.5")]),
            [*sent(buy), fill("50", "100", "A")],
            {"SPY": "100"},
        )
    )
    assert row(report, "SPY").account_weight == Decimal("0.5")
    assert parts(report, "final_vs_account") == {}


def test_an_adjustment_is_named_with_its_value() -> None:
    change = Adjustment(
        symbol="SPY",
        quantity=Decimal(-5),
        price=Decimal(90),
        cash=Decimal(2),
        currency="USD",
        reason="r",
    )
    report = reconcile(
        told(
            plan((), [line("50", "50", "0.5")]),
            [change],
            {"SPY": "100"},
            opening=[fill("50", "100")],
        )
    )
    (gap,) = [gap for gap in report.gaps if gap.view == "book_continuity"]
    assert gap.cause is GapCause.FOREIGN_TRADE
    assert gap.quantity == -5
    assert gap.amount == -450
    assert report.unexplained == ()
    assert_sums_are_exact(report)


def test_a_position_that_the_plan_forgot_is_a_break() -> None:
    report = reconcile(told(plan((), ()), [], {"SPY": "100"}, opening=[fill("50", "100")]))
    assert parts(report, "target_vs_final") == {"unexplained": Decimal("-0.5")}
    assert row(report).status == "break"


def test_a_target_that_the_orders_do_not_lead_to_is_a_break() -> None:
    buy = order("40")
    report = reconcile(
        told(
            plan([buy], [line("0", "50", "0.5")]),
            [*sent(buy), fill("40", "100", "A")],
            {"SPY": "100"},
        )
    )
    assert parts(report, "target_vs_final") == {"unexplained": Decimal("0.1")}


def test_a_held_position_without_a_plan_price_is_explained_by_that() -> None:
    """Held 50 x 100 of 10,000, wanted 0.3: the plan could not say how many shares that is."""
    report = reconcile(
        told(
            plan((), [line("50", "50", "0.3", price=None)]),
            [],
            {"SPY": "100"},
            opening=[fill("50", "100")],
        )
    )
    assert parts(report, "target_vs_final") == {"missing_price": Decimal("-0.2")}
    assert row(report).status == "explained"


def test_a_target_without_any_price_is_explained_by_that() -> None:
    lines = [line("0", "0", "0.3", price=None)]
    report = reconcile(told(plan((), lines), [], {}))
    assert parts(report, "target_vs_final") == {"missing_price": Decimal("0.3")}


def test_weights_of_a_worthless_portfolio_are_said_to_be_undefined() -> None:
    leave = CashFlow(
        kind=CashFlowKind.WITHDRAWAL, amount=Decimal(-10000), currency="USD", reference="all"
    )
    report = reconcile(told(plan((), [line("0", "0", "0.5")]), [leave], {}))
    (gap,) = report.gaps
    assert gap.cause is GapCause.UNDEFINED
    assert "equity 10000 when planned, 0 at the close" in gap.detail
    assert report.unexplained == ()


def test_the_brokers_statement_is_compared_over_all_symbols_and_cash() -> None:
    statement = BrokerStatement(
        account_number="1",
        positions={"SPY": Decimal(3), "IWM": Decimal("0.5"), "EEM": Decimal(0)},
        cash=Decimal("99.98"),
    )
    gaps = compare_statement({"SPY": Decimal(4), "QQQ": Decimal(-1)}, Decimal("100.00"), statement)
    assert [(gap.symbol, gap.quantity, gap.amount) for gap in gaps] == [
        ("IWM", Decimal("-0.5"), Decimal(0)),
        ("QQQ", Decimal(-1), Decimal(0)),
        ("SPY", Decimal(1), Decimal(0)),
        ("CASH", Decimal(0), Decimal("0.02")),
    ]
    assert {gap.cause for gap in gaps} == {GapCause.UNEXPLAINED}


def test_a_statement_that_agrees_leaves_nothing_whatever_the_spelling_of_numbers() -> None:
    statement = BrokerStatement(
        account_number="1", positions={"SPY": Decimal("4.000")}, cash=Decimal(100)
    )
    assert compare_statement({"SPY": Decimal(4)}, Decimal("100.00"), statement) == ()


def test_what_only_the_broker_holds_gets_a_row_and_breaks() -> None:
    statement = BrokerStatement(
        account_number="1", positions={"GME": Decimal(7)}, cash=Decimal(9300)
    )
    report = reconcile(told(plan((), ()), [], {}, statement=statement))
    gme = row(report, "GME")
    assert gme.status == "break"
    assert gme.broker_quantity == 7
    assert gme.unexplained_quantity == -7
    assert [gap.symbol for gap in report.unexplained] == ["GME", "CASH"]


def test_a_book_that_does_not_follow_from_its_events_is_a_break() -> None:
    """Three shares, 20 of cash and 5 of equity that no event accounts for."""
    session = told(plan((), ()), [], {"SPY": "100"}, opening=[fill("50", "100")])
    wrong = replace(
        session,
        close=replace(session.close, positions={"SPY": Decimal(53)}),
        closed=replace(session.closed, cash=Decimal(5020), equity=Decimal(10325)),
    )
    found = [
        (gap.symbol, gap.quantity, gap.amount)
        for gap in reconcile(wrong).unexplained
        if gap.view == "book_continuity"
    ]
    assert found == [
        ("SPY", Decimal(3), Decimal(0)),
        ("CASH", Decimal(0), Decimal(20)),
        ("EQUITY", Decimal(0), Decimal(5)),
    ]


def test_summary_says_reconciled_and_names_causes() -> None:
    buy = order("49.5", "49", [(PlanReason.ROUNDED, "0.5")])
    text = summary_text(
        reconcile(
            told(
                plan([buy], [line("0", "49.5", "0.5")]),
                [*sent(buy), fill("49", "100", "A", fee="1")],
                {"SPY": "102"},
            )
        ),
        portfolio="demo",
        currency="USD",
    )
    assert text.startswith("Reconciliation of 2024-01-08 demo\nResult       RECONCILED\n")
    assert "Instruments  1: 0 match, 1 explained, 0 break" in text
    assert "Cash         book 5099, broker 5099 USD" in text
    assert "SPY     rounding     0.5     50       0  ROUNDED: d" in text
    assert text.count("no difference") == 2


def test_summary_says_break_and_shows_what_is_unexplained() -> None:
    statement = BrokerStatement(account_number="1", positions={}, cash=Decimal("9999.99"))
    text = summary_text(reconcile(told(plan((), ()), [], {}, statement=statement)))
    assert "BREAK: 1 unexplained" in text
    assert "book 10000, broker 9999.99" in text


SHARES = st.integers(1, 10**6).map(lambda n: Decimal(n) / 1000)
PRICES = st.integers(100, 10**6).map(lambda n: Decimal(n) / 1000)


@given(
    target=st.decimals("-2", "2", places=10),
    planned=SHARES,
    cut=st.decimals("0", "1", places=3),
    filled=st.decimals("0", "1", places=3),
    foreign=st.integers(-500, 500),
    prices=st.tuples(PRICES, PRICES, PRICES),
    fee=st.integers(0, 5000).map(lambda n: Decimal(n) / 100),
    side=st.sampled_from([1, -1]),
)
def test_parts_add_up_exactly_whatever_happened(
    target: Decimal,
    planned: Decimal,
    cut: Decimal,
    filled: Decimal,
    foreign: int,
    prices: tuple[Decimal, Decimal, Decimal],
    fee: Decimal,
    side: int,
) -> None:
    plan_price, fill_price, mark = prices
    taken = (planned * cut).quantize(Decimal("0.001"))
    real = planned - taken
    done = (real * filled).quantize(Decimal("0.001"))
    cuts = [(PlanReason.CASH_OVERFLOW, str(taken))] if taken else []
    one = order(str(side * planned), str(real), cuts, price=str(plan_price))
    events: list[AnyEvent] = []
    if real:
        events += sent(one)
    if done:
        events.append(fill(str(side * done), str(fill_price), "A", fee=str(fee)))
    if real and done < real:
        events.append(EXPIRED)
    if foreign:
        events.append(fill(str(foreign), str(fill_price)))
    lines = [line("0", str(side * planned), str(target), price=str(plan_price))]
    session = told(plan([one], lines), events, {"SPY": str(mark)})
    report = reconcile(session)
    assert report.unexplained == ()
    if session.closed.equity and session.closed.equity + fee:
        assert_sums_are_exact(report)
        held = session.close.values.get("SPY", Decimal(0))
        assert row(report).actual_weight == weight(held, session.closed.equity)


def test_gaps_of_weights_also_add_up_in_money() -> None:
    """From 0.5 of 10,000 to 49 x 102."""
    buy = order("49.5", "49", [(PlanReason.ROUNDED, "0.5")])
    report = reconcile(
        told(
            plan([buy], [line("0", "49.5", "0.5")]),
            [*sent(buy), fill("49", "100", "A", fee="1")],
            {"SPY": "102"},
        )
    )
    weights: list[Gap] = [gap for gap in report.gaps if gap.view == "target_vs_final"]
    assert sum(gap.amount for gap in weights) == 5000 - 4998
