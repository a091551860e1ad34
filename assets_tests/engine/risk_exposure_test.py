"""Limits look at the account with all working orders done, added up once for many orders."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from assets_tests.engine.loop_test import Weights, random_market
from assets_tests.engine.risk_desk_test import policy
from assets_tests.engine.scripted import Scripted, bars, market, rules
from trading_assets.engine.loop import Engine, StrategySlot
from trading_assets.engine.risk_exposure import WorkingExposure
from trading_assets.strategies.base import target_weight

TIGHT = {
    "max_concentration": "0.2",
    "max_gross_leverage": "1.1",
    "max_net_leverage": "0.5",
    "max_sector_weight": "0.35",
    "sectors": {f"S{index}": ("a", "b")[index % 2] for index in range(6)},
}


def weighed(seed: int, fill_price: str) -> Engine:
    """Random weights of both signs, refused by one limit or the other, and a margin account."""
    table = np.random.default_rng(seed).uniform(-0.5, 0.5, (40, 6))
    signals = Scripted({place: [target_weight("S1", 0.1)] for place in range(0, 200, 9)})
    engine = Engine(
        random_market(seed),
        [StrategySlot("weights", Weights(table)), StrategySlot("signals", signals)],
        rules(
            matching={"fill_price": fill_price},
            commission={"bps": 3},
            risk=policy(limits=TIGHT, margin={}),
        ),
    )
    engine.run()
    return engine


@pytest.mark.parametrize("fill_price", ["next_open", "close"])
def test_totals_that_follow_orders_are_those_that_are_added_up_anew(
    fill_price: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    followed = [weighed(seed, fill_price) for seed in range(6)]
    monkeypatch.setattr(WorkingExposure, "expect", lambda _self, _order: None)
    codes = set()
    for seed, engine in enumerate(followed):
        anew = weighed(seed, fill_price)
        assert engine.account.fill_rows == anew.account.fill_rows
        assert engine.desk.rejections == anew.desk.rejections
        codes |= set(engine.desk.rejections)
    assert codes >= {"CONCENTRATION_LIMIT", "NET_LEVERAGE_LIMIT", "SECTOR_LIMIT"}


@pytest.mark.parametrize("fill_price", ["next_open", "close"])
@pytest.mark.parametrize("by_signals", [False, True])
def test_many_orders_of_one_moment_are_added_up_once(
    fill_price: str, by_signals: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    added_up = []
    add_up = WorkingExposure._add_up

    def counted(exposure: WorkingExposure) -> None:
        added_up.append(exposure)
        add_up(exposure)

    monkeypatch.setattr(WorkingExposure, "_add_up", counted)
    names = [f"S{index:03}" for index in range(200)]
    market_of_all = market(*(bars([(100, 100, 100, 100)] * 6, name) for name in names))
    weights = np.where(np.arange(6)[:, None] % 2, 0.004, np.linspace(0.001, 0.004, 200))
    strategy: Any = Weights(weights)
    if by_signals:
        rows = [[target_weight(*one) for one in zip(names, row, strict=True)] for row in weights]
        strategy = Scripted({(place + 1) * 200 - 1: row for place, row in enumerate(rows)})
    engine = Engine(
        market_of_all,
        [StrategySlot("s", strategy)],
        rules(matching={"fill_price": fill_price}, risk=policy()),
    )
    engine.run()
    assert engine.account.fill_count > 700
    assert 0 < len(added_up) <= 6
