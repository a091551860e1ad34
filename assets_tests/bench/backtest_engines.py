"""The workloads in this product's engines and in bare loops; backtest_speed.py starts it.

    .venv/bin/python -m assets_tests.bench.backtest_engines ENGINE WORKLOAD FOLDER REPEATS

bare_numpy, bare_numba  daily: nothing but the arithmetic of a rebalance, over all symbols
bare_loop               minutes: nothing but the callback (the strategy's on_bar), over bars that
                        are there already
vectorised              the compiled path, checks of the input and signals included
exact                   the event-driven engine with one callback a bar, or weights a session
exact_cross_section     minutes: the event-driven engine with one callback for all symbols
bare_cross_section      minutes: its callback alone, the strategy's generate_signals

Prints one line of JSON: CPU seconds of the best repeat, equity, fills, megabytes above the data.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from assets_tests.bench.backtest_workloads import (
    CAPITAL,
    COST_BPS,
    DAY,
    FAST,
    FIRST_START,
    MINUTE,
    POSITION_SIZES,
    SLOW,
    Crossing,
    read,
)

Outcome = tuple[float, int]


def rules(symbols: int, *, is_daily: bool, at_close: bool = True) -> Any:
    """Daily: parts of shares, slippage, at the close. Minutes: whole shares, at the next open in
    the exact engine and at the close in the compiled one, as peers of either kind do; it is the
    same price."""
    from trading_assets.engine.rules import BacktestRules

    return BacktestRules.model_validate(
        {
            "account": {
                "initial_capital": str(CAPITAL),
                "quantity_decimals": 6 if is_daily else 0,
            },
            "matching": {"fill_price": "close" if at_close else "next_open", "volume_cap": None},
            "commission": {"bps": str(COST_BPS)},
            "slippage": {"bps": str(COST_BPS) if is_daily else "0"},
            "position_size": str(POSITION_SIZES.get(symbols, 0.1)),
        }
    )


def names(count: int) -> list[str]:
    """Symbols."""
    return [f"S{number:04d}" for number in range(count)]


def vectorised(data: dict[str, np.ndarray]) -> Outcome:
    """The compiled path."""
    from trading_assets.engine.price_panel import price_panel
    from trading_assets.engine.vectorised import backtest_signals, backtest_weights

    closes = data["closes"]
    symbols = closes.shape[1]
    if "weights" in data:
        panel = price_panel(names(symbols), data["starts"], closes)
        result = backtest_weights(panel, data["weights"], rules(symbols, is_daily=True))
    else:
        from trading_assets.engine.vectorised_signals import sma_cross_signals

        panel = price_panel(names(symbols), data["starts"], closes)
        signals = sma_cross_signals(panel, FAST, SLOW)
        result = backtest_signals(panel, signals, rules(symbols, is_daily=False))
    return result.final_value, result.fill_count


def _market(data: dict[str, np.ndarray]) -> Any:
    from trading_assets.engine.bars import aligned, bar_columns
    from trading_assets.engine.timeframe import DAILY, parse_timeframe

    closes = data["closes"]
    is_daily = "weights" in data
    frame = DAILY if is_daily else parse_timeframe("1Min")
    fields = ("closes",) if is_daily else ("opens", "highs", "lows", "closes")
    return aligned(
        [
            bar_columns(name, data["starts"], [data[f][:, symbol] for f in fields], timeframe=frame)
            for symbol, name in enumerate(names(closes.shape[1]))
        ]
    )


def exact(data: dict[str, np.ndarray], *, by_cross_section: bool = False) -> Outcome:
    """The event-driven engine."""
    from trading_assets.engine.loop import Engine, StrategySlot

    is_daily = "weights" in data
    market = _market(data)
    strategy = _weights(data) if is_daily else _crossings(by_cross_section=by_cross_section)
    engine = Engine(
        market,
        [StrategySlot("bench", strategy)],
        rules(len(market.columns), is_daily=is_daily, at_close=is_daily),
        keep_round_trips=False,
        keep_fills=False,
    )
    engine.run()
    account = engine.account
    equity = account.equity_estimate(data["closes"][-1])
    return equity, account.fill_count


def _weights(data: dict[str, np.ndarray]) -> Any:
    from trading_assets.strategies.base import Answer, Snapshot, Strategy, TargetWeights

    class Weights(Strategy):
        """The row of weights of each session."""

        def __init__(self) -> None:
            self.rows = data["weights"]

        def generate_signals(self, snapshot: Snapshot) -> Answer:
            """Weights of the session."""
            return TargetWeights(self.rows[(snapshot.start - FIRST_START) // DAY])

    return Weights()


def _crossings(*, by_cross_section: bool) -> Any:
    from trading_assets.strategies.base import (
        Answer,
        Bar,
        Context,
        Signal,
        Snapshot,
        Strategy,
        close_long,
        open_long,
    )

    class Crosses(Strategy):
        """One callback a bar."""

        def __init__(self) -> None:
            self.crossings: dict[str, Crossing] = {}

        def on_start(self, symbols: Any) -> None:
            """One state a symbol."""
            self.crossings = {symbol: Crossing() for symbol in symbols}

        def on_bar(self, bar: Bar, context: Context) -> Answer:
            """Move the averages on."""
            turn = self.crossings[bar.symbol].update(bar.close)
            if turn:
                return (open_long(bar.symbol) if turn > 0 else close_long(bar.symbol),)
            return None

    class CrossesTogether(Strategy):
        """One callback for all symbols."""

        def __init__(self) -> None:
            self.state_of: CrossSection | None = None

        def generate_signals(self, snapshot: Snapshot) -> Answer:
            """Move all averages on."""
            closes = snapshot.close
            if self.state_of is None:
                self.state_of = CrossSection(len(closes))
            turns = self.state_of.update(closes)
            if turns is None:
                return None
            said: list[Signal] = []
            for symbol in np.flatnonzero(turns).tolist():
                name = snapshot.symbols[symbol]
                said.append(open_long(name) if turns[symbol] > 0 else close_long(name))
            return said

    return CrossesTogether() if by_cross_section else Crosses()


class CrossSection:
    """Crossing for all symbols at once, as arrays."""

    def __init__(self, symbols: int) -> None:
        self.window = np.zeros((SLOW, symbols))
        self.fast = np.zeros(symbols)
        self.slow = np.zeros(symbols)
        self.above = np.zeros(symbols, dtype=bool)
        self.count = 0

    def update(self, closes: Any) -> Any:
        """1, -1 or 0 for each symbol; None where none turns."""
        place = self.count % SLOW
        self.slow += closes - self.window[place]
        self.fast += closes - self.window[(self.count - FAST) % SLOW]
        self.window[place] = closes
        self.count += 1
        if self.count < SLOW:
            return None
        difference = self.fast * SLOW - self.slow * FAST
        above = np.where(difference == 0, self.above, difference > 0)
        turned = above != self.above
        if not turned.any():
            return None
        self.above = above
        return np.where(turned, np.where(above, 1, -1), 0)


def bare_loop(data: dict[str, np.ndarray]) -> Outcome:
    """The callback and nothing else; the bars are made before."""
    strategy = _crossings(by_cross_section=False)
    bars = _bars(data)
    strategy.on_start(names(data["closes"].shape[1]))
    started = time.process_time()
    turns = 0
    on_bar = strategy.on_bar
    for bar in bars:
        if on_bar(bar, None):
            turns += 1
    _spent_on_bars.append(time.process_time() - started)
    return float("nan"), turns


_spent_on_bars: list[float] = []


def _bars(data: dict[str, np.ndarray]) -> list[Any]:
    from trading_assets.strategies.base import Bar

    made = []
    columns = [data[field] for field in ("opens", "highs", "lows", "closes")]
    for place in range(len(data["closes"])):
        rows = [column[place].tolist() for column in columns]
        start = FIRST_START + place * MINUTE
        for name, opened, high, low, close in zip(names(len(rows[0])), *rows, strict=True):
            made.append(Bar(name, start, start // DAY, opened, high, low, close, 0.0))
    return made


class Row:
    """As much of a snapshot as the callback looks at."""

    def __init__(self, symbols: tuple[str, ...], close: np.ndarray) -> None:
        self.symbols = symbols
        self.close = close


def bare_cross_section(data: dict[str, np.ndarray]) -> Outcome:
    """The callback for all symbols and nothing else; the rows are made before."""
    strategy = _crossings(by_cross_section=True)
    symbols = tuple(names(data["closes"].shape[1]))
    rows = [Row(symbols, closes) for closes in data["closes"]]
    started = time.process_time()
    turns = 0
    generate_signals = strategy.generate_signals
    for row in rows:
        said = generate_signals(row)
        if said:
            turns += len(said)
    _spent_on_bars.append(time.process_time() - started)
    return float("nan"), turns


def bare_numpy(data: dict[str, np.ndarray]) -> Outcome:
    """A rebalance is: value, target shares, cost. No rounding, no records."""
    closes, weights = data["closes"], data["weights"]
    cash, held, cost = CAPITAL, np.zeros(closes.shape[1]), 2 * COST_BPS / 10_000
    equity = CAPITAL
    for price, weight in zip(closes, weights, strict=True):
        equity = cash + held @ price
        target = weight * equity / price
        traded = (target - held) * price
        paid = np.abs(traded).sum() * cost
        cash -= traded.sum() + paid
        held = target
    return float(cash + held @ closes[-1]), closes.size


def bare_numba(data: dict[str, np.ndarray]) -> Outcome:
    """The same as a compiled loop."""
    import numba

    global _compiled
    if _compiled is None:
        _compiled = numba.njit(_rebalance)
    return float(_compiled(data["closes"], data["weights"])), data["closes"].size


_compiled: Any = None


def _rebalance(closes: Any, weights: Any) -> float:
    cash, held, cost = CAPITAL, np.zeros(closes.shape[1]), 2 * COST_BPS / 10_000
    equity = CAPITAL
    for place in range(closes.shape[0]):
        value = 0.0
        for symbol in range(closes.shape[1]):
            value += held[symbol] * closes[place, symbol]
        equity = cash + value
        spent = 0.0
        for symbol in range(closes.shape[1]):
            target = weights[place, symbol] * equity / closes[place, symbol]
            traded = (target - held[symbol]) * closes[place, symbol]
            spent += traded + abs(traded) * cost
            held[symbol] = target
        cash -= spent
    value = 0.0
    for symbol in range(closes.shape[1]):
        value += held[symbol] * closes[-1, symbol]
    return float(cash + value)


ENGINES: dict[str, Callable[[dict[str, np.ndarray]], Outcome]] = {
    "bare_numpy": bare_numpy,
    "bare_numba": bare_numba,
    "bare_loop": bare_loop,
    "bare_cross_section": bare_cross_section,
    "vectorised": vectorised,
    "exact": exact,
    "exact_cross_section": lambda data: exact(data, by_cross_section=True),
}


def measured(
    run: Callable[[dict[str, np.ndarray]], Outcome], data: dict[str, np.ndarray], repeats: int
) -> dict[str, float]:
    """The best of `repeats`; what the first run of all took, which imports and loads compiled code;
    and memory above that of a run over 200 places."""
    few = {name: array[:200].copy() for name, array in data.items()}
    started = time.process_time()
    run(few)
    first = time.process_time() - started
    gc.collect()
    # The peak that getrusage tells begins with that of the process which started this one.
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    before = _resident_megabytes("VmRSS")
    seconds = []
    for _ in range(repeats):
        # A run's own memory counts, not what the one before has left to the collector.
        gc.collect()
        _spent_on_bars.clear()
        started = time.process_time()
        equity, fills = run(data)
        spent = time.process_time() - started
        seconds.append(_spent_on_bars[0] if _spent_on_bars else spent)
    peak = _resident_megabytes("VmHWM")
    return {
        "seconds": min(seconds),
        "first_seconds": first,
        "equity": equity,
        "fills": fills,
        "added_megabytes": peak - before,
        "data_megabytes": sum(array.nbytes for array in data.values()) / 2**20,
    }


def _resident_megabytes(field: str) -> float:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(field)) / 1024


if __name__ == "__main__":
    engine, _, folder, repeats = sys.argv[1:]
    print(json.dumps(measured(ENGINES[engine], read(Path(folder)), int(repeats))))
