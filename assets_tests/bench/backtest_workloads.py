"""What the backtest benches trade: synthetic prices, from one seed, the same for every engine.

rebalancing     daily closes and target weights that add up to 98 %; where only some names are held,
                the weights of the others are 0
minute_bars     one-minute bars of one or many symbols. Prices are multiples of 1/64, so that sums
                of them are exact in floats and no engine sees another crossing of averages; a bar
                opens at the close before it, so that an order for the next open trades at the price
                of one for the close.

Needs numpy alone: it is imported in the environments of the peers too.
"""

from __future__ import annotations

from collections import deque
from pathlib import Path

import numpy as np

SEED = 20261125
FIRST_START = 1_577_836_800 * 10**9
MINUTE, DAY = 60 * 10**9, 86_400 * 10**9
CAPITAL = 10_000_000.0
INVESTED = 0.98
POSITION_SIZES = {1: 0.1, 50: 0.015}
"""Of equity, by the number of symbols: what fifty symbols want must fit into the account, or each
engine's own way of running out of cash is all that is compared."""
FAST, SLOW = 20, 50
COST_BPS = 1.0
"""Commission, and in the rebalancing workloads slippage too."""

SIZES = {
    "daily_500": (1260, 500, 500),
    "daily_3000": (2520, 3000, 500),
    "minutes_1": (1_000_000, 1, 1),
    "minutes_50": (100_000, 50, 50),
}
"""Places, symbols, and symbols that are held, of each workload."""


def rebalancing(places: int, symbols: int, held: int) -> dict[str, np.ndarray]:
    """Closes and weights, shape (places, symbols)."""
    random = np.random.default_rng(SEED)
    growth = random.normal(0.0003, 0.015, (places, symbols))
    closes = np.round(50 * np.exp(np.cumsum(growth, axis=0)), 4)
    weights = random.random((places, symbols))
    weights[:, random.permutation(symbols)[held:]] = 0.0
    weights *= INVESTED / weights.sum(axis=1, keepdims=True)
    return {"closes": np.maximum(closes, 0.01), "weights": np.round(weights, 10)}


def minute_bars(places: int, symbols: int) -> dict[str, np.ndarray]:
    """Opens, highs, lows and closes, shape (places, symbols)."""
    random = np.random.default_rng(SEED)
    steps = random.normal(0, 0.0005, (places, symbols))
    closes = np.exp(np.cumsum(steps, axis=0)) * random.uniform(50, 200, symbols)
    closes = np.maximum(np.round(closes * 64), 64) / 64
    opens = np.vstack([closes[:1], closes[:-1]])
    tick = 1 / 64
    return {
        "opens": opens,
        "highs": np.maximum(opens, closes) + tick,
        "lows": np.minimum(opens, closes) - tick,
        "closes": closes,
    }


class Crossing:
    """The callback: sums of the latest closes, moved on by one.

    `update(close)` is 1 where the fast average has come above the slow one, -1 where it has fallen
    below, 0 otherwise.
    """

    def __init__(self) -> None:
        self.window: deque[float] = deque(maxlen=SLOW)
        self.fast = self.slow = 0.0
        self.above = False

    def update(self, close: float) -> int:
        """Take in the close of a bar."""
        window = self.window
        if len(window) == SLOW:
            self.slow += close - window[0]
            self.fast += close - window[-FAST]
            window.append(close)
        else:
            self.slow += close
            self.fast += close - (window[-FAST] if len(window) >= FAST else 0.0)
            window.append(close)
            if len(window) < SLOW:
                return 0
        difference = self.fast * SLOW - self.slow * FAST
        if self.above:
            if difference < 0:
                self.above = False
                return -1
        elif difference > 0:
            self.above = True
            return 1
        return 0


def write(workload: str, folder: Path, places: int | None = None) -> None:
    """The arrays of a workload as files in `folder`; `places` shortens it."""
    size = SIZES[workload]
    length = places or size[0]
    arrays = (
        rebalancing(length, size[1], size[2])
        if workload.startswith("daily")
        else minute_bars(length, size[1])
    )
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)


def read(folder: Path) -> dict[str, np.ndarray]:
    """What `write` wrote, and starts of bars (nanoseconds UTC) from 2020 on."""
    data = {path.stem: np.load(path) for path in sorted(folder.glob("*.npy"))}
    data["starts"] = FIRST_START + np.arange(len(data["closes"])) * (
        DAY if "weights" in data else MINUTE
    )
    return data
