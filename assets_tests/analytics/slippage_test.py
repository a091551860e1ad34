"""Slippage by hand: which price was intended, what the fill cost against it, in both directions."""

from __future__ import annotations

import datetime as dt
import math
from decimal import Decimal

import pytest
from msgspec.structs import replace

from assets_tests.execution.small_portfolio import (
    MONDAY,
    TUESDAY,
    Desk,
    portfolio_settings,
    session_inputs,
)
from trading_assets.analytics.slippage import (
    Grouping,
    Slippage,
    TradeSlippage,
    decision_price,
    is_outlier,
    session_slippage,
    simulated_arrival_prices,
    slippage_statistics,
)
from trading_assets.ledger.annotations import RecordedAnnotation, TradeAnnotations
from trading_assets.ledger.history import ClosedSession
from trading_assets.model.annotation_events import PreTradeAnnotation
from trading_assets.model.order import Side
from trading_assets.model.order_events import Fill
from trading_assets.model.policies import IntendedPrice

NOON = dt.datetime(2024, 3, 4, 17, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def bought(tmp_path_factory: pytest.TempPathFactory) -> ClosedSession:
    """50 AAA, planned at 100; the session closes at 101, and the broker fills 10 bps worse."""
    settings = portfolio_settings(
        simulation={"slippage_bps": 10, "margin_multiplier": 2}, commission={"per_order": 2}
    )
    desk = Desk(tmp_path_factory.mktemp("desk"), settings)
    desk.run(session_inputs(MONDAY, {"AAA": "0.5"}, {"AAA": "100"}, {"AAA": "101"}))
    desk.close()
    return desk.book.closed[MONDAY]


def executed(
    price: str,
    quantity: str = "50",
    *,
    order: str = "",
    side: Side = Side.BUY,
    execution_id: str = "x",
    at: dt.datetime = NOON,
) -> Fill:
    return Fill(
        execution_id=execution_id,
        client_order_id=order,
        symbol="AAA",
        side=side,
        quantity=Decimal(quantity),
        price=Decimal(price),
        commission=Decimal("0.50"),
        currency="USD",
        executed_at=at,
    )


def order_id(closed: ClosedSession) -> str:
    (order,) = closed.orders
    return order.client_order_id


def with_fills(closed: ClosedSession, *fills: Fill) -> ClosedSession:
    return replace(closed, fills=fills)


def against_plan(closed: ClosedSession, *fills: Fill) -> TradeSlippage:
    (trade,) = session_slippage(with_fills(closed, *fills))
    return trade


def written(trade_id: str, *prices: tuple[str | None, dt.datetime]) -> dict[str, TradeAnnotations]:
    recorded = tuple(
        RecordedAnnotation(
            event_id=str(number),
            recorded_at=moment,
            annotation=PreTradeAnnotation(
                trade_id=trade_id,
                thesis="t",
                intended_entry="e",
                size_rationale="s",
                exit_plan="x",
                intended_price=None if price is None else Decimal(price),
            ),
        )
        for number, (price, moment) in enumerate(prices)
    )
    return {trade_id: TradeAnnotations(trade_id=trade_id, session=MONDAY, pre_trades=recorded)}


# One trade


def test_a_simulated_fill_slips_by_what_the_simulation_says_against_the_market_it_met(
    bought: ClosedSession,
) -> None:
    (trade,) = session_slippage(bought, arrival_prices=simulated_arrival_prices(bought))
    # 101 and 10 bps: 101.101. The plan sized 50 shares less the commission: 49 at 100.
    assert (trade.symbol, trade.side, trade.fill_price) == ("AAA", Side.BUY, Decimal("101.101"))
    assert trade.quantity == 49
    assert trade.commission == 2
    assert trade.arrival is not None
    assert trade.arrival.intended_price == 101
    assert math.isclose(trade.arrival.slippage_bps, 10)
    # 0.101 a share on 49 shares is 4.949: 4.95 to the cent.
    assert trade.arrival.cost == Decimal("4.95")
    assert trade.plan is not None
    # 1.101 of 100 is 110.1 bps; 49 shares of it 53.949.
    assert math.isclose(trade.plan.slippage_bps, 110.1)
    assert trade.plan.cost == Decimal("53.95")
    assert trade.decision is None


@pytest.mark.parametrize(
    ("side", "price", "bps", "cost", "deviation"),
    [
        (Side.BUY, "102", 200.0, "100.00", 0.02),
        (Side.BUY, "98", -200.0, "-100.00", -0.02),
        (Side.SELL, "98", 200.0, "100.00", -0.02),
        (Side.SELL, "102", -200.0, "-100.00", 0.02),
        (Side.SELL, "100", 0.0, "0.00", 0.0),
    ],
)
def test_a_worse_price_is_a_positive_cost_on_either_side_and_the_plain_ratio_keeps_its_sign(
    bought: ClosedSession, side: Side, price: str, bps: float, cost: str, deviation: float
) -> None:
    trade = against_plan(bought, executed(price, order=order_id(bought), side=side))
    assert trade.plan is not None
    assert math.isclose(trade.plan.slippage_bps, bps, abs_tol=1e-9)
    assert trade.plan.cost == Decimal(cost)
    assert math.isclose(trade.plan.deviation, deviation, abs_tol=1e-12)


def test_partial_fills_are_one_trade_at_their_average_price(bought: ClosedSession) -> None:
    name = order_id(bought)
    trade = against_plan(
        bought,
        executed("100", "10", order=name, execution_id="1"),
        executed("103", "20", order=name, execution_id="2"),
    )
    # (10 · 100 + 20 · 103) / 30 = 102
    assert [trade.quantity, trade.fill_price] == [30, 102]
    assert trade.commission == 1
    assert trade.plan is not None
    assert math.isclose(trade.plan.slippage_bps, 200)
    assert trade.plan.cost == 60


def test_a_foreign_fill_was_intended_at_no_price(bought: ClosedSession) -> None:
    closed = with_fills(bought, executed("100", execution_id="f-1"))
    (trade,) = session_slippage(closed, arrival_prices={"AAA": Decimal(101)})
    assert trade.trade_id == "f-1"
    assert all(trade.against(intended) is None for intended in IntendedPrice)
    assert trade.commission == Decimal("0.50")


def test_a_session_without_a_fill_has_no_trades(bought: ClosedSession) -> None:
    assert session_slippage(with_fills(bought)) == ()


def test_a_close_of_an_earlier_session_is_no_arrival_price(bought: ClosedSession) -> None:
    stale = replace(bought.closed.marks["AAA"], session=dt.date(2024, 3, 1))
    closed = replace(bought, closed=replace(bought.closed, marks={"AAA": stale}))
    assert simulated_arrival_prices(closed) == {}


# The price that a person decided at


def test_the_decision_price_is_the_last_one_written_down_before_the_fill(
    bought: ClosedSession,
) -> None:
    name = order_id(bought)
    closed = with_fills(bought, executed("102", order=name))
    notes = written(
        name,
        ("99", NOON - dt.timedelta(hours=2)),
        ("100", NOON - dt.timedelta(hours=1)),
        # Superseded after the fill, to look better.
        ("102", NOON + dt.timedelta(hours=1)),
    )
    (trade,) = session_slippage(closed, notes)
    assert trade.decision is not None
    assert trade.decision.intended_price == 100
    assert math.isclose(trade.decision.slippage_bps, 200)


def test_without_a_price_written_before_the_fill_there_is_no_decision_price() -> None:
    assert decision_price(None, NOON) is None
    late = written("t", ("99", NOON + dt.timedelta(seconds=1)))["t"]
    assert decision_price(late, NOON) is None
    # The annotation that stood before the fill took the price back.
    silent = written("t", ("99", NOON - dt.timedelta(hours=2)), (None, NOON))["t"]
    assert decision_price(silent, NOON) is None
    # Not filled yet: what is written so far was written before.
    assert decision_price(late, None) == 99


# Many trades


def trade(
    symbol: str, bps: float | None, session: dt.date = MONDAY, side: Side = Side.BUY
) -> TradeSlippage:
    """100 shares intended at 100, so that a basis point is one unit of money."""
    plan = None
    if bps is not None:
        plan = Slippage(
            intended_price=Decimal(100),
            slippage_bps=bps,
            cost=Decimal(str(bps)),
            deviation=side.sign * bps / 10_000,
        )
    return TradeSlippage(
        trade_id=f"{symbol}-{session}-{bps}",
        session=session,
        symbol=symbol,
        side=side,
        quantity=Decimal(100),
        fill_price=Decimal(100),
        currency="USD",
        commission=Decimal("1.50"),
        decision=None,
        arrival=None,
        plan=plan,
    )


TRADES = (
    trade("AAA", 2.0),
    trade("AAA", 4.0, side=Side.SELL),
    trade("AAA", 9.0, TUESDAY),
    trade("BBB", -60.0, dt.date(2024, 4, 1)),
    trade("BBB", None, TUESDAY),
)


def test_statistics_of_all_trades_by_hand() -> None:
    (found,) = slippage_statistics(TRADES, IntendedPrice.PLAN, Grouping.ALL, Decimal(50))
    # 2, 4, 9, -60: mean -11.25, median 3, squares 13.25² + 15.25² + 20.25² + 48.75² = 3194.75
    assert (found.count, found.undefined) == (4, 1)
    assert found.mean_bps == -11.25
    assert found.median_bps == 3
    assert found.std_bps is not None
    assert math.isclose(found.std_bps, math.sqrt(3194.75 / 3))
    assert found.cost == -45
    assert found.commission == Decimal("7.50")
    assert [each.trade_id for each in found.outliers] == ["BBB-2024-04-01--60.0"]


def test_groups_are_symbols_sides_and_months_sorted_by_name() -> None:
    def counts(by: Grouping) -> dict[str, tuple[int, int]]:
        found = slippage_statistics(TRADES, IntendedPrice.PLAN, by, Decimal(50))
        return {each.group: (each.count, each.undefined) for each in found}

    assert counts(Grouping.SYMBOL) == {"AAA": (3, 0), "BBB": (1, 1)}
    assert counts(Grouping.SIDE) == {"buy": (3, 1), "sell": (1, 0)}
    assert list(counts(Grouping.MONTH).items()) == [("2024-03", (3, 1)), ("2024-04", (1, 0))]


def test_what_nobody_intended_is_undefined_and_not_zero() -> None:
    (found,) = slippage_statistics(TRADES, IntendedPrice.DECISION, Grouping.ALL, Decimal(50))
    assert (found.count, found.undefined) == (0, 5)
    assert (found.mean_bps, found.median_bps, found.std_bps) == (None, None, None)
    assert found.outliers == ()
    assert slippage_statistics((), IntendedPrice.PLAN, Grouping.ALL, Decimal(50)) == ()
    (one,) = slippage_statistics(TRADES[:1], IntendedPrice.PLAN, Grouping.ALL, Decimal(50))
    assert (one.mean_bps, one.std_bps) == (2, None)


def test_an_outlier_is_beyond_the_threshold_in_either_direction() -> None:
    assert not is_outlier(trade("AAA", 50.0), IntendedPrice.PLAN, 50)
    assert is_outlier(trade("AAA", 50.1), IntendedPrice.PLAN, 50)
    assert is_outlier(trade("AAA", -50.1), IntendedPrice.PLAN, 50)
    assert not is_outlier(trade("AAA", None), IntendedPrice.PLAN, 50)


def test_where_outliers_are_judged_by_default() -> None:
    assert portfolio_settings().judged_price is IntendedPrice.ARRIVAL
    assert portfolio_settings(mode="dry").judged_price is IntendedPrice.PLAN
    chosen = portfolio_settings(slippage={"intended_price": "decision_price"})
    assert chosen.judged_price is IntendedPrice.DECISION
