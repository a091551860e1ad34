"""The event-driven engine against bare loops that do nothing but call the strategy.

    python -m assets_tests.bench.engine [case ...]

    minutes     one symbol, 1,000,000 one-minute bars, SMA(20/50) cross, one callback per bar, 10 %
                of equity per trade, commission: at most 3 times the bare loop
    symbols     50 symbols x 100,000 bars on one account, one callback per bar of each symbol: at
                most 4 times the bare loop
    cross       the same bars, one callback over the cross-section: at most 3 times its loop
    rebalance   500 symbols x 1,260 days, target weights every day, 1 bp commission and slippage at
                the close: seconds, and those of folding the ledger over its fills
    import      seconds of importing the engine

Times are CPU seconds of this process, the best of two; bars are made before. Memory is the peak of
resident memory beyond what the process had once the data was made, over the size of the data.
"""

from __future__ import annotations

import gc
import resource
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import numpy as np

from trading_assets.engine.bars import Market, aligned, bar_columns
from trading_assets.engine.chunks import Chunk
from trading_assets.engine.clock import Floats
from trading_assets.engine.loop import Engine, StrategySlot
from trading_assets.engine.rules import BacktestRules
from trading_assets.engine.timeframe import parse_timeframe
from trading_assets.strategies.base import (
    Answer,
    Bar,
    Context,
    Snapshot,
    Strategy,
    TargetWeights,
    close_long,
    open_long,
)

REPEATS = 2


class Cross(Strategy):
    """SMA(20/50) with running sums, bar by bar."""

    def on_start(self, symbols: Sequence[str]) -> None:
        """A window of each length for each symbol."""
        self.windows: dict[str, tuple[deque[float], deque[float], list[Any]]] = {
            symbol: (deque(maxlen=20), deque(maxlen=50), [0.0, 0.0, False]) for symbol in symbols
        }

    def on_bar(self, bar: Bar, context: Context) -> Answer:
        """Open above, close below."""
        fast, slow, sums = self.windows[bar.symbol]
        close = bar.close
        if len(fast) == 20:
            sums[0] -= fast[0]
        if len(slow) == 50:
            sums[1] -= slow[0]
        fast.append(close)
        slow.append(close)
        sums[0] += close
        sums[1] += close
        if len(slow) < 50:
            return None
        above = sums[0] / 20 > sums[1] / 50
        if above != sums[2]:
            sums[2] = above
            return (open_long(bar.symbol),) if above else (close_long(bar.symbol),)
        return None


class CrossSectionCross(Strategy):
    """The same over the cross-section."""

    def on_start(self, symbols: Sequence[str]) -> None:
        """One ring of closes for all symbols."""
        self.names = tuple(symbols)
        self.ring = np.zeros((50, len(symbols)))
        self.fast, self.slow = np.zeros(len(symbols)), np.zeros(len(symbols))
        self.above = np.zeros(len(symbols), dtype=bool)
        self.count = 0

    def generate_signals(self, snapshot: Snapshot) -> Answer:
        """Open above, close below."""
        close, count, ring = snapshot.close, self.count, self.ring
        place = count % 50
        if count >= 50:
            self.slow -= ring[place]
        if count >= 20:
            self.fast -= ring[(count - 20) % 50]
        ring[place] = close
        self.slow += close
        self.fast += close
        self.count = count + 1
        if count < 49:
            return None
        above = self.fast / 20 > self.slow / 50
        changed = np.flatnonzero(above != self.above)
        self.above = above
        return [
            open_long(self.names[index]) if above[index] else close_long(self.names[index])
            for index in changed.tolist()
        ]


class Weights(Strategy):
    """Gives out a table of target weights."""

    def __init__(self, table: Floats) -> None:
        self.table = table
        self.place = 0

    def generate_signals(self, snapshot: Snapshot) -> Answer:
        """The next row."""
        place, self.place = self.place, self.place + 1
        return TargetWeights(self.table[place])


def minute_market(symbols: int, bars: int) -> Market:
    """Random walks of one-minute bars."""
    random = np.random.default_rng(1)
    starts = (np.arange(bars, dtype=np.int64) * 60 + 1_600_000_000) * 1_000_000_000
    columns = []
    for index in range(symbols):
        close = np.round(100 * np.exp(np.cumsum(random.normal(0, 0.001, bars))), 2)
        close = np.maximum(close, 1.0)
        opened = np.concatenate(([100.0], close[:-1]))
        prices = [opened, np.maximum(opened, close), np.minimum(opened, close), close]
        frame = parse_timeframe("1Min")
        volume = np.full(bars, 1e7)
        columns.append(bar_columns(f"S{index:02}", starts, prices, volume, timeframe=frame))
    return aligned(columns)


def seconds(work: Callable[[], Any]) -> float:
    """CPU seconds of `work`."""
    gc.collect()
    begun = time.process_time()
    work()
    return time.process_time() - begun


def bare_bars(market: Market) -> float:
    """The loop that only calls `on_bar`, over bars that are there already."""
    strategy, chunk = Cross(), Chunk(market)
    strategy.on_start(market.symbols)
    on_bar, spent = strategy.on_bar, 0.0
    context: Any = None
    for first in range(0, len(market), 20_000):
        chunk.move(first, min(first + 20_000, len(market)))
        bars = list(zip(*chunk.bars(range(len(market.columns))), strict=True))

        def loop(shown: Sequence[Any] = bars) -> None:
            for row in shown:
                for bar in row:
                    on_bar(bar, context)

        spent += seconds(loop)
    return spent


class _Row:
    """As much of a snapshot as the strategy looks at."""

    close: Floats


def bare_rows(market: Market) -> float:
    """The loop that only calls `generate_signals`."""
    table = np.column_stack([column.close for column in market.columns])
    strategy = CrossSectionCross()
    strategy.on_start(market.symbols)
    row: Any = _Row()

    def loop() -> None:
        for closes in table:
            row.close = closes
            strategy.generate_signals(row)

    return seconds(loop)


def compare(
    name: str,
    market: Market,
    strategy: Callable[[], Strategy],
    bare: float,
    size: str,
    limit: float,
) -> None:
    """Print the engine's time beside the bare loop's."""
    rules = BacktestRules.model_validate({"commission": {"bps": 1}, "position_size": size})
    best, fills = float("inf"), 0
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(REPEATS):
        engine = Engine(market, [StrategySlot("cross", strategy())], rules)
        best = min(best, seconds(engine.run))
        fills = engine.account.fill_count
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    data = sum(6 * 8 * len(column) for column in market.columns)
    print(
        f"{name}: bare loop {bare:.2f} s, engine {best:.2f} s, ratio {best / bare:.2f} (at most "
        f"{limit:g}), {fills:,} fills; peak memory beyond the data "
        f"{(peak - before) * 1024 / data:.2f} x the data"
    )


def minutes() -> None:
    """One symbol, a million minutes."""
    market = minute_market(1, 1_000_000)
    bare = min(bare_bars(market) for _ in range(REPEATS))
    compare("minutes", market, Cross, bare, "0.1", 3)


def symbols() -> None:
    """Fifty symbols, bar by bar."""
    market = minute_market(50, 100_000)
    compare("symbols", market, Cross, bare_bars(market), "0.02", 4)


def cross() -> None:
    """Fifty symbols, over the cross-section."""
    market = minute_market(50, 100_000)
    bare = min(bare_rows(market) for _ in range(REPEATS))
    compare("cross", market, CrossSectionCross, bare, "0.02", 3)


def rebalance() -> None:
    """Daily target weights."""
    random = np.random.default_rng(1)
    names, days = 500, 1260
    starts = np.datetime64("2015-01-01") + np.arange(days)
    closes = np.round(100 * np.exp(np.cumsum(random.normal(0, 0.02, (days, names)), axis=0)), 2)
    closes = np.maximum(closes, 1.0)
    market = aligned([bar_columns(f"S{i:03}", starts, [closes[:, i]]) for i in range(names)])
    table = random.random((days, names))
    table *= 0.98 / table.sum(axis=1, keepdims=True)
    rules = BacktestRules.model_validate(
        {
            "account": {"initial_capital": 10_000_000, "quantity_decimals": 6},
            "matching": {"fill_price": "close"},
            "commission": {"bps": 1},
            "slippage": {"bps": 1},
        }
    )
    best, fold = float("inf"), float("inf")
    for keep_orders in (False, False, True):
        engine = Engine(
            market,
            [StrategySlot("weights", Weights(table))],
            rules,
            keep_orders=keep_orders,
            keep_round_trips=False,
        )
        spent = seconds(engine.run)
        if keep_orders:
            print(f"rebalance: with every order kept as an object {spent:.2f} s")
        else:
            best = min(best, spent)
    fold = seconds(engine.book.catch_up)
    fills = engine.account.fill_count
    print(
        f"rebalance: engine {best:.2f} s for {fills:,} fills of {names} x {days}; folding them by "
        f"the ledger {fold:.2f} s ({Decimal(fold / fills * 1e6):.1f} microseconds each)"
    )


def importing() -> None:
    """A new interpreter that imports the engine, less one that imports nothing."""

    def spent(code: str) -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", code], check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    code = "import trading_assets.engine.loop"
    best = min(spent(code) for _ in range(3)) - min(spent("pass") for _ in range(3))
    print(f"import: {best:.2f} s (at most 0.5)")


CASES = {
    "minutes": minutes,
    "symbols": symbols,
    "cross": cross,
    "rebalance": rebalance,
    "import": importing,
}


def main() -> None:
    """Run the cases that are named, all where none is."""
    for name in sys.argv[1:] or list(CASES):
        CASES[name]()


if __name__ == "__main__":
    main()
