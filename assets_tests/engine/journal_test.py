"""A run as events: written to a real book, read back, folded by ledger and order book."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assets_tests.engine.loop_test import day, random_market
from assets_tests.engine.scripted import Row, Scripted, bars, buy, market, rules, sell
from trading_assets.engine.journal import run_events
from trading_assets.engine.loop import Engine, StrategySlot
from trading_assets.engine.orders import STATUSES
from trading_assets.engine.results import BacktestResult
from trading_assets.errors import ConfigurationError
from trading_assets.event_log.store import open_event_log
from trading_assets.ledger.fold import Ledger
from trading_assets.ledger.orders import OrderBook
from trading_assets.model.corporate_actions import Delisting, Dividend, Split
from trading_assets.model.events import NewEvent
from trading_assets.model.market_events import Signal, SignalAction
from trading_assets.model.order_events import Fill, OrderIntended
from trading_assets.model.policies import AccountingPolicy
from trading_assets.strategies.base import (
    Answer,
    Snapshot,
    Strategy,
    TargetWeights,
    open_long,
    open_short,
    target_weight,
)


def replayed(engine: Engine, folder: Path) -> tuple[Ledger, OrderBook]:
    """Write the run to a book (which checks every contract), read it back and fold it."""
    ledger, orders = Ledger(AccountingPolicy(), "USD"), OrderBook()
    log = open_event_log(folder, "backtest")
    try:
        log.append(list(run_events(engine)))
        for record in log.records():
            ledger.apply(record)
            orders.apply(record)
    finally:
        log.close()
    return ledger, orders


def assert_same(engine: Engine, ledger: Ledger, orders: OrderBook) -> None:
    result = BacktestResult(engine)
    assert ledger.last_close is not None
    assert ledger.last_close.equity == result.final_value
    assert ledger.cash == engine.account.scale.money_decimal(engine.account.cash)
    assert ledger.fees == result.commission
    assert engine.records is not None
    for number, order in engine.records.orders.items():
        state = orders.get(f"{engine.slots[order.strategy].id}-{number}")
        assert state is not None
        assert state.status is STATUSES[order.status]
        assert state.filled_quantity == engine.account.scale.shares_decimal(order.filled)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("time_in_force", ["gtc", "day", "ioc"])
def test_the_events_of_a_run_replay_to_its_result(
    seed: int, time_in_force: str, tmp_path: Path
) -> None:
    answers: dict[int, Any] = {
        place: [
            open_long("S0", stop_loss_price=45.0, take_profit_price=55.0),
            target_weight("S1", 0.1 * (place % 3)),
            buy(20, symbol="S2", order_type="limit", limit_price=49.0),
            sell(10, symbol="S3", order_type="stop_limit", stop_price=49.0, limit_price=48.0),
        ]
        for place in range(0, 60, 7)
    }
    engine = Engine(
        random_market(seed),
        [StrategySlot("s", Scripted(answers))],
        rules(commission={"bps": 3}, matching={"time_in_force": time_in_force}),
        keep_orders=True,
    )
    engine.run()
    assert engine.account.fill_count > 5
    assert_same(engine, *replayed(engine, tmp_path))


def test_corporate_actions_and_the_orders_they_replace_are_among_the_events(tmp_path: Path) -> None:
    flat: Row = (10.0, 10.0, 10.0, 10.0)
    halved: Row = (5.0, 5.0, 5.0, 5.0)
    engine = Engine(
        market(bars([flat, flat, flat, halved, halved, halved])),
        [StrategySlot("s", Scripted({0: [open_long("AAA", quantity=33, stop_loss_price=8.0)]}))],
        rules(),
        actions=[
            Dividend(symbol="AAA", ex_date=day(2), amount_per_share=Decimal("0.3"), currency="USD"),
            Split(symbol="AAA", ex_date=day(3), new_shares=5, old_shares=2),
            Delisting(symbol="AAA", effective_date=day(5), price=Decimal(4)),
        ],
        keep_orders=True,
    )
    engine.run()
    ledger, orders = replayed(engine, tmp_path)
    assert_same(engine, ledger, orders)
    assert ledger.positions == {}


def told(engine: Engine, kind: type[Any]) -> list[tuple[NewEvent, Any]]:
    """Events of a kind, in their envelopes and as they are."""
    return [(one, one.event) for one in run_events(engine) if isinstance(one.event, kind)]


def test_each_signal_is_an_event_that_its_orders_lead_back_to(tmp_path: Path) -> None:
    """Bought at the open of the second day with a stop at 9, hit on the third."""
    flat: Row = (10.0, 10.0, 10.0, 10.0)
    fallen: Row = (10.0, 10.0, 8.0, 8.5)
    signal = open_long(
        "AAA", confidence=0.5, stop_loss_price=9.0, take_profit_price=12.5, reason="breakout"
    )
    engine = Engine(
        market(bars([flat, flat, fallen, flat])),
        [StrategySlot("mine", Scripted({0: [signal]}))],
        rules(position_size="0.1"),
        keep_orders=True,
    )
    engine.run()
    replayed(engine, tmp_path)
    ((found, event),) = told(engine, Signal)
    assert event == Signal(
        strategy_id="mine",
        symbol="AAA",
        action=SignalAction.OPEN_LONG,
        price=Decimal(10),
        confidence=Decimal("0.5"),
        stop_loss_price=Decimal(9),
        take_profit_price=Decimal("12.5"),
        reason="breakout",
    )
    assert found.correlation_id == "signal/mine/AAA/2024-01-01/1"
    # The entry's own events, and those of the stop that it opened two days later.
    intended = told(engine, OrderIntended)
    assert {one.causation_id for one, _ in intended} == {found.correlation_id}
    assert [event.batch_id.removeprefix(found.correlation_id) for _, event in intended] == [
        "/open",
        "/open/stop_loss",
        "/open/take_profit",
    ]
    assert {one.causation_id for one, _ in told(engine, Fill)} == {found.correlation_id}


def test_a_flip_and_target_weights_lead_back_to_their_signals_too(tmp_path: Path) -> None:
    class Weighing(Strategy):
        def generate_signals(self, snapshot: Snapshot) -> Answer:
            return TargetWeights(np.array([0.25, np.nan]))

    flat: Row = (10.0, 10.0, 10.0, 10.0)
    engine = Engine(
        market(bars([flat] * 4), bars([flat] * 4, "BBB")),
        [
            StrategySlot("flip", Scripted({0: [open_long("BBB")], 4: [open_short("BBB")]})),
            StrategySlot("weigh", Weighing()),
        ],
        rules(),
        keep_orders=True,
    )
    engine.run()
    replayed(engine, tmp_path)
    signals = {one.correlation_id: event for one, event in told(engine, Signal)}
    assert len(signals) == 2 + 4
    ids = [event.batch_id for _, event in told(engine, OrderIntended)]
    assert ids == [
        "signal/flip/BBB/2024-01-01/1/open",
        "signal/weigh/AAA/2024-01-01/2/target",
        "signal/flip/BBB/2024-01-03/4/close",
        "signal/flip/BBB/2024-01-03/4/open",
    ]
    assert signals["signal/weigh/AAA/2024-01-01/2"].weight == Decimal("0.25")
    assert {one.causation_id for one, _ in told(engine, OrderIntended)} <= set(signals)


def test_an_order_that_a_strategy_asks_for_itself_has_its_own_key() -> None:
    flat: Row = (10.0, 10.0, 10.0, 10.0)
    engine = Engine(
        market(bars([flat] * 3)),
        [StrategySlot("mine", Scripted({1: [buy(5, idempotency_key="k1")]}))],
        rules(),
        keep_orders=True,
    )
    engine.run()
    ((intended, event),) = told(engine, OrderIntended)
    assert intended.causation_id == "order/mine/AAA/2024-01-02/1"
    assert event.batch_id == "order/mine/AAA/2024-01-02/1/k1"
    assert intended.correlation_id == "mine-1"


def test_a_run_that_kept_no_orders_has_no_events() -> None:
    engine = Engine(
        market(bars([(1.0, 1.0, 1.0, 1.0)])), [StrategySlot("s", Scripted({}))], rules()
    )
    engine.run()
    with pytest.raises(ConfigurationError, match="keep_orders"):
        list(run_events(engine))
