"""What every strategy has: two faces, and a memory that a checkpoint keeps."""

from __future__ import annotations

from collections import deque

import msgspec
import numpy as np
import pytest

from trading_assets.errors import ConfigurationError
from trading_assets.model.market_events import SignalAction
from trading_assets.strategies.base import (
    Answer,
    Bar,
    Context,
    Strategy,
    close_short,
    open_long,
    target_weight,
)


class Watcher(Strategy):
    def __init__(self) -> None:
        self.count = 3
        self.window = deque([1.0, 2.0], maxlen=5)
        self.levels = np.array([1.5, np.nan])
        self.by_symbol = {"AAA": (1, "x")}

    def on_bar(self, bar: Bar, context: Context) -> Answer:
        return None


def test_a_strategy_is_asked_by_the_face_that_it_defines() -> None:
    assert Watcher().watches_bars
    assert not Watcher().watches_cross_section


def test_what_a_strategy_remembers_survives_being_written_as_json() -> None:
    stored = msgspec.json.encode(Watcher().state())
    other = Watcher()
    other.count, other.levels = 0, np.zeros(2)
    other.window.clear()
    other.restore(msgspec.json.decode(stored))
    assert other.count == 3
    assert other.window == deque([1.0, 2.0])
    assert other.window.maxlen == 5
    assert other.by_symbol == {"AAA": (1, "x")}
    assert other.levels[0] == 1.5
    assert np.isnan(other.levels[1])


def test_a_memory_that_cannot_be_kept_is_named_with_what_to_do() -> None:
    strategy = Watcher()
    strategy.id = "watch"
    strategy.file = object()  # type: ignore[attr-defined]
    with pytest.raises(ConfigurationError, match=r"watch\.file is a object.*state\(\)"):
        strategy.state()


def test_signals_are_spelled_by_what_they_ask_for() -> None:
    assert open_long("AAA", stop_loss_price=9.5).stop_loss_price == 9.5
    assert close_short("AAA").action is SignalAction.CLOSE_SHORT
    assert target_weight("AAA", -0.25).weight == -0.25


def test_a_bar_tells_when_it_began() -> None:
    bar = Bar("AAA", 1_704_153_600_000_000_000, 19_724, 1.0, 1.0, 1.0, 1.0, 0.0)
    assert bar.started_at.isoformat() == "2024-01-02T00:00:00+00:00"
    assert bar.session_date.isoformat() == "2024-01-02"
