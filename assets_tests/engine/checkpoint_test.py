"""A run that is stopped anywhere and gone on from gives what it would have given in one go."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assets_tests.engine.loop_test import Weights, day, random_market
from assets_tests.engine.scripted import Row, Scripted, bars, buy, market, rules, sell
from trading_assets.engine.checkpoint import (
    read_checkpoint,
    resume,
    run_with_checkpoints,
    write_checkpoint,
)
from trading_assets.engine.journal import run_events
from trading_assets.engine.loop import Engine, StrategySlot
from trading_assets.engine.results import BacktestResult
from trading_assets.errors import ConfigurationError
from trading_assets.model.corporate_actions import Dividend, Split
from trading_assets.strategies.base import Strategy, open_long, open_short, target_weight
from trading_assets.strategies.loading import load_strategy
from trading_assets.strategies.macd import Macd
from trading_assets.strategies.sma_cross import SmaCross


class Kept(Scripted):
    """Scripted, with a memory that a checkpoint can keep."""

    def state(self) -> dict[str, Any]:
        return {"shown": self.shown}


def strategy_of(kind: str) -> Strategy:
    if kind == "weights":
        return Weights(np.full((40, 6), 0.1))
    if kind == "sma":
        return SmaCross(3, 6, stop_loss=0.05)
    if kind == "macd":
        return Macd(3, 6, 3, short=True)
    answers: dict[int, Any] = {
        place: [
            open_long("S0", stop_loss_price=45.0, take_profit_price=55.0),
            buy(20, symbol="S2", order_type="limit", limit_price=49.0, idempotency_key="once"),
            sell(10, symbol="S2", order_type="stop", stop_price=47.0, one_cancels_other="exit"),
            sell(10, symbol="S2", order_type="limit", limit_price=53.0, one_cancels_other="exit"),
        ]
        for place in range(0, 200, 5)
    }
    return Kept(answers)


def engine_of(kind: str, seed: int = 5) -> Engine:
    return Engine(
        random_market(seed),
        [StrategySlot("s", strategy_of(kind))],
        rules(commission={"per_share": "0.01", "minimum": 1}, slippage={"bps": 3}),
    )


@pytest.mark.parametrize("kind", ["weights", "sma", "macd", "scripted"])
@pytest.mark.parametrize("stop", [1, 8, 21, 39])
def test_a_stopped_run_gives_the_fills_of_one_that_was_not(
    kind: str, stop: int, tmp_path: Path
) -> None:
    whole = engine_of(kind)
    whole.run()
    stopped = engine_of(kind)
    stopped.run(stop)
    write_checkpoint(stopped, tmp_path / "run.json")
    gone_on = engine_of(kind)
    resume(gone_on, read_checkpoint(tmp_path / "run.json"))
    gone_on.run()
    expected, found = whole.account.fills(), gone_on.account.fills()
    assert len(expected) > 3
    assert np.array_equal(found, expected)
    assert BacktestResult(gone_on).trade_summary == BacktestResult(whole).trade_summary


POLICY = {
    "id": "all_of_it",
    "sizing": {"method": "kelly", "min_trades": 2, "max_weight": "0.2"},
    "limits": {
        "max_gross_leverage": "0.6",
        "max_drawdown": "0.06",
        "max_orders_per_minute": 6,
        "max_orders_per_minute_per_symbol": 2,
    },
    "margin": {},
    "stops": {"stop_loss": {"kind": "trailing", "distance": "0.06"}, "take_profit": "0.2"},
    "circuit_breaker": {
        "max_daily_loss": "0.012",
        "resume_next_session": True,
        "max_drawdown": "0.07",
    },
}


LEVERED = {
    "id": "levered",
    "sizing": {"method": "equity_percent", "fraction": "0.7"},
    "margin": {"maintenance_long": "0.48", "maintenance_short": "0.48"},
    "stops": {"stop_loss": {"kind": "fixed", "distance": "0.15"}},
}


def watched_engine(seed: int, policy: dict[str, Any]) -> Engine:
    """Every order kept, brackets whose stops trail, groups, a split, financing, sizes by what was
    earned."""
    random = np.random.default_rng(seed)
    answers: dict[int, Any] = {}
    for place in range(0, 200, 3):
        one, other, third = (f"S{index}" for index in random.permutation(6)[:3])
        answers[place] = [
            open_long(one, quantity=float(random.integers(10, 900))),
            open_short(other),
            buy(50, symbol=third, order_type="limit", limit_price=49.0, one_cancels_other="in"),
            sell(20, symbol=third, order_type="stop", stop_price=47.0, one_cancels_other="in"),
            target_weight(one, 0.05 * int(random.integers(0, 4))),
        ]
    return Engine(
        random_market(seed),
        [StrategySlot("first", Kept(answers)), StrategySlot("second", SmaCross(2, 5))],
        rules(
            account={"initial_capital": 100_000 if policy is POLICY else 25_000},
            commission={"per_share": "0.01", "minimum": 1},
            slippage={"bps": 3},
            financing={"credit_rate": "0.05", "debit_rate": "0.08", "borrow_rate": "0.2"},
            risk=policy,
        ),
        actions=[Split(symbol="S1", ex_date=day(17), new_shares=3, old_shares=2)],
        keep_orders=True,
    )


def test_with_a_risk_policy_and_kept_orders_a_stopped_run_gives_the_same_events(
    tmp_path: Path,
) -> None:
    seen: Counter[str] = Counter()
    for seed in range(12):
        policy = LEVERED if seed % 3 == 2 else POLICY
        whole = watched_engine(seed, policy)
        whole.run()
        events = list(run_events(whole))
        for stop in (1 + seed, 20 + seed):
            stopped, gone_on = watched_engine(seed, policy), watched_engine(seed, policy)
            stopped.run(stop)
            write_checkpoint(stopped, tmp_path / "run.json")
            resume(gone_on, read_checkpoint(tmp_path / "run.json"))
            gone_on.run()
            assert list(run_events(gone_on)) == events
            assert gone_on.account.fill_rows == whole.account.fill_rows
            assert gone_on.account.transfer_rows == whole.account.transfer_rows
            assert BacktestResult(gone_on).to_dict() == BacktestResult(whole).to_dict()
        seen.update(type(one.event).__name__ for one in events)
        seen.update(whole.desk.rejections)
        seen["halts"] += len(whole.desk.halts)
        seen["margin calls"] += len(whole.desk.margin_calls)
    for told in (
        "margin calls",
        "Fill",
        "OrderCanceled",
        "Split",
        "Interest",
        "BorrowFee",
        "TRADING_HALTED",
        "EDGE_UNKNOWN",
        "halts",
    ):
        assert seen[told], f"{told} never came about: {seen}"


def test_dividends_that_are_owed_and_splits_to_come_are_part_of_a_checkpoint(
    tmp_path: Path,
) -> None:
    flat: Row = (10.0, 10.0, 10.0, 10.0)
    halved: Row = (5.0, 5.0, 5.0, 5.0)

    def made() -> Engine:
        return Engine(
            market(bars([flat, flat, flat, flat, halved, halved])),
            [StrategySlot("s", Kept({0: [open_long("AAA", quantity=33)]}))],
            rules(),
            actions=[
                Dividend(
                    symbol="AAA",
                    ex_date=day(2),
                    amount_per_share=Decimal("0.3"),
                    currency="USD",
                    pay_date=day(5),
                ),
                Split(symbol="AAA", ex_date=day(4), new_shares=2, old_shares=1),
            ],
        )

    stopped, gone_on = made(), made()
    stopped.run(3)
    assert stopped.account.accruals == 990
    write_checkpoint(stopped, tmp_path / "run.json")
    resume(gone_on, read_checkpoint(tmp_path / "run.json"))
    gone_on.run()
    assert (gone_on.account.accruals, gone_on.account.held.tolist()) == (0, [66])
    assert BacktestResult(gone_on).final_value == Decimal("1000009.90")
    assert BacktestResult(gone_on).trades == []


def test_a_run_writes_checkpoints_and_goes_on_from_the_one_it_finds(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "run.json"
    killed = engine_of("sma")
    killed.run(20)
    write_checkpoint(killed, path)
    engine = engine_of("sma")
    run_with_checkpoints(engine, path, every_places=7)
    whole = engine_of("sma")
    whole.run()
    assert engine.account.cash == whole.account.cash
    assert not path.exists()


def test_a_checkpoint_of_other_bars_or_rules_is_refused(tmp_path: Path) -> None:
    engine = engine_of("sma")
    engine.run(5)
    write_checkpoint(engine, tmp_path / "run.json")
    kept = read_checkpoint(tmp_path / "run.json")
    with pytest.raises(ConfigurationError, match="other bars"):
        resume(engine_of("sma", seed=6), kept)
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(ConfigurationError, match="no checkpoint"):
        read_checkpoint(tmp_path / "run.json")


def test_a_checkpoint_of_other_parameters_or_other_code_is_refused(tmp_path: Path) -> None:
    def engine(parameters: dict[str, int], code: str = "return None") -> Engine:
        (tmp_path / "own.py").write_text(
            "from trading_assets.strategies.base import Strategy\n"
            "class Own(Strategy):\n"
            "    def __init__(self, bars):\n"
            "        self.bars = bars\n"
            f"    def on_bar(self, bar, context):\n        {code}\n"
        )
        own = load_strategy("own.py", parameters, tmp_path)
        return Engine(random_market(5), [StrategySlot("s", own, parameters=parameters)], rules())

    stopped = engine({"bars": 3})
    stopped.run(8)
    write_checkpoint(stopped, tmp_path / "run.json")
    kept = read_checkpoint(tmp_path / "run.json")
    resume(engine({"bars": 3}), kept)
    for other in (engine({"bars": 4}), engine({"bars": 3}, "return []")):
        with pytest.raises(ConfigurationError, match="other bars, rules or strategies"):
            resume(other, kept)


def test_a_checkpoint_of_a_run_that_kept_no_orders_is_not_gone_on_from_by_one_that_does(
    tmp_path: Path,
) -> None:
    engine = Engine(random_market(1), [StrategySlot("s", Kept({}))], rules())
    engine.run(5)
    write_checkpoint(engine, tmp_path / "run.json")
    keeping = Engine(random_market(1), [StrategySlot("s", Kept({}))], rules(), keep_orders=True)
    with pytest.raises(ConfigurationError, match="keeps its orders"):
        resume(keeping, read_checkpoint(tmp_path / "run.json"))
