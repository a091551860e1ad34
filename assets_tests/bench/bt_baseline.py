"""The rebalances of the large case in `bt`, in memory only; daily_cycle.py starts it.

    .venv-bench/bin/python assets_tests/bench/bt_baseline.py DATA_DIRECTORY same|previous SPAWNED

Same closes, target weights, sessions, commission and cash buffer as the portfolio file says,
fractional positions, fills at the session's close without slippage. `same` is bt as its manual has
it: WeighTarget, Rebalance, sized on the close at which it trades. `previous` hands Rebalance the
weights that shares sized on the close before come to, as the product sizes them; what is left
between the two equities is then commission, which bt takes out of what it invests in an order and
the product pays on top, and the rounding to the cent and to six decimals that bt does not have.

What bt does not do: journal orders, keep lots, write tables, check, reconcile, survive a kill.
It runs in an environment of its own and imports nothing of the product.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

import bt
import pandas as pd

INITIAL_CASH = 10_000_000.0
CASH_BUFFER = 0.02
PER_SHARE = 0.005
MINIMUM = 1.00


def commission(quantity: float, _price: float) -> float:
    """Commission of one order, as in the portfolio file."""
    return max(MINIMUM, PER_SHARE * abs(quantity)) if quantity else 0.0


class SizeOnPreviousClose(bt.Algo):  # type: ignore[misc]
    """Turns target weights into those that shares sized on the close before come to now."""

    def __init__(self, growth: pd.DataFrame) -> None:
        super().__init__()
        self.growth = growth
        self.equity_before: float | None = None

    def __call__(self, target: Any) -> bool:
        """Scale `temp["weights"]`; the first session has the equity that it starts with."""
        before = self.equity_before or target.value
        growth = self.growth.loc[target.now]
        target.temp["weights"] = {
            name: weight * growth[name] * before / target.value
            for name, weight in target.temp["weights"].items()
        }
        return True


class RememberEquity(bt.Algo):  # type: ignore[misc]
    """Keeps the equity after the rebalance for the sizing of the next session."""

    def __init__(self, sizing: SizeOnPreviousClose) -> None:
        super().__init__()
        self.sizing = sizing

    def __call__(self, target: Any) -> bool:
        """Read the equity at the close, commission paid."""
        self.sizing.equity_before = target.value
        return True


def main() -> None:
    """Run bt once and print what it took."""
    folder, sizing, spawned = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])
    imported = (time.monotonic(), time.process_time())
    closes = _wide(folder / "market" / "closes.csv", "session", "symbol", "close")
    signals = _wide(folder / "raw_signals" / "drift.csv", "trade_date", "asset_id", "weight")
    # A signal is made after a close and traded at the next one.
    weights = signals.set_axis(closes.index[1:]) * (1 - CASH_BUFFER)
    read = (time.monotonic(), time.process_time())
    algos: list[Any] = [bt.algos.WeighTarget(weights), bt.algos.Rebalance()]
    if sizing == "previous":
        resize = SizeOnPreviousClose(closes / closes.shift())
        algos = [algos[0], resize, algos[1], RememberEquity(resize)]
    backtest = bt.Backtest(
        bt.Strategy(sizing, algos),
        closes,
        initial_capital=INITIAL_CASH,
        commissions=commission,
        integer_positions=False,
        progress_bar=False,
    )
    backtest.run()
    done = (time.monotonic(), time.process_time())
    equity = backtest.strategy.values.iloc[-1]
    trades = backtest.strategy.get_transactions()
    parts = {
        "bt: interpreter, import bt": (imported[0] - spawned, imported[1]),
        "bt: read the files": (read[0] - imported[0], read[1] - imported[1]),
        "bt: backtest": (done[0] - read[0], done[1] - read[1]),
    }
    measured = {
        "passed": True,
        "parts": parts,
        "reports": {},
        "peak_megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "sessions": len(weights),
        "orders": len(trades),
        "fills": len(trades),
        "records": 0,
        "dagster_events": 0,
        "files": 0,
        "equity": f"{equity:.2f}",
    }
    print(json.dumps(measured))


def _wide(path: Path, date: str, name: str, value: str) -> pd.DataFrame:
    rows = pd.read_csv(path, parse_dates=[date])
    return rows.pivot_table(index=date, columns=name, values=value)


if __name__ == "__main__":
    main()
