"""A run that is stopped anywhere and gone on from gives what it would have given in one go."""

from __future__ import annotations

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
from trading_assets.engine.loop import Engine, StrategySlot
from trading_assets.engine.results import BacktestResult
from trading_assets.errors import ConfigurationError
from trading_assets.model.corporate_actions import Dividend, Split
from trading_assets.strategies.base import Strategy, open_long
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
    # Numbers of legs follow the sequence of fills, all else is the same.
    assert np.array_equal(np.delete(found, 3, axis=1), np.delete(expected, 3, axis=1))
    assert BacktestResult(gone_on).trade_summary == BacktestResult(whole).trade_summary


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


def test_a_run_that_keeps_orders_has_no_checkpoint(tmp_path: Path) -> None:
    engine = Engine(random_market(1), [StrategySlot("s", Kept({}))], rules(), keep_orders=True)
    with pytest.raises(ConfigurationError, match="keep_orders"):
        write_checkpoint(engine, tmp_path / "run.json")
