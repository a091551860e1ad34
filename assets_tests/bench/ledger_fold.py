"""What folding fills to lots, cash and accounts costs, beside two plain ways to do a part of it.

    python assets_tests/bench/ledger_fold.py [--fills 250000 500000 1000000]

Workloads, over 500 symbols in whole and fractional shares:

turnover    as many sells as buys, so that positions are opened, closed and turned all the time
gathering   ten buys for each sell, so that lots pile up: at a million fills some 800,000 stay open
methods     turnover under each of the lot methods that choose by themselves, at the smallest size

Each line is a process of its own, so that its peak memory is its own. Fills are made in parts
before the clock runs and thrown away after, as they would come from a log. CPU seconds depend less
than wall seconds on what else the machine does; rates are given for both.

The baselines do the same fills in the same process: `float` keeps a position and cash in a dict and
knows no lots; `Decimal FIFO` keeps a list of [quantity, price] for each symbol and pops its front,
with neither rounding to the cent, nor accounts, nor identities of lots.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import random
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

ROOT = Path(__file__).resolve().parents[2]
SYMBOLS = 500
PART = 25_000
SIZES = (250_000, 500_000, 1_000_000)
TARGET_FILLS_PER_SECOND = 200_000
TARGET_MEGABYTES = 1000
SESSION = dt.date(2024, 1, 8)
BUYS_OF_ELEVEN = {"turnover": 5.5, "gathering": 10.0}

console = Console()


def parts(workload: str, count: int) -> Iterator[list[Any]]:
    """Fills in lists of 25,000, the same for the same arguments."""
    from trading_assets.model.order import Side
    from trading_assets.model.order_events import Fill

    chance = random.Random(7)
    symbols = [f"S{number:03d}" for number in range(SYMBOLS)]
    executed_at = dt.datetime(2024, 1, 8, 15, tzinfo=dt.UTC)
    commission = Decimal("1.05")
    buys = BUYS_OF_ELEVEN[workload] / 11
    for start in range(0, count, PART):
        yield [
            Fill(
                execution_id=f"x{number}",
                client_order_id="",
                symbol=chance.choice(symbols),
                side=Side.BUY if chance.random() < buys else Side.SELL,
                quantity=Decimal(chance.randrange(1, 100_000)).scaleb(chance.choice((0, -3))),
                price=Decimal(chance.randrange(1_000, 50_000)).scaleb(-2),
                commission=commission,
                currency="USD",
                executed_at=executed_at,
            )
            for number in range(start, min(start + PART, count))
        ]


class FloatSums:
    """Position and cash as floats; no lots, no cents, no accounts."""

    def __init__(self) -> None:
        self.positions: dict[str, float] = {}
        self.cash = 0.0

    def fold(self, fills: list[Any]) -> None:
        for fill in fills:
            quantity = float(fill.quantity)
            if fill.side == "sell":
                quantity = -quantity
            self.positions[fill.symbol] = self.positions.get(fill.symbol, 0.0) + quantity
            self.cash -= quantity * float(fill.price) + float(fill.commission)


class DecimalFifo:
    """A list of [quantity, price] for each symbol, oldest first; no cents, no accounts."""

    def __init__(self) -> None:
        self.lots: dict[str, list[list[Decimal]]] = {}
        self.cash = self.realized = Decimal(0)

    def fold(self, fills: list[Any]) -> None:
        for fill in fills:
            quantity = fill.quantity if fill.side == "buy" else -fill.quantity
            price = fill.price
            self.cash -= quantity * price + fill.commission
            lots = self.lots.setdefault(fill.symbol, [])
            while quantity and lots and (lots[0][0] > 0) != (quantity > 0):
                first = lots[0]
                if abs(first[0]) <= abs(quantity):
                    closed = first[0]
                    lots.pop(0)
                else:
                    closed = -quantity
                    first[0] -= closed
                self.realized += closed * (price - first[1])
                quantity += closed
            if quantity:
                lots.append([quantity, price])


class Fold:
    """The ledger itself."""

    def __init__(self, method: str) -> None:
        from trading_assets.ledger.fold import Ledger
        from trading_assets.model.policies import AccountingPolicy, LotMethod

        lots = LotMethod(method)
        self.ledger = Ledger(AccountingPolicy(long_lots=lots, short_lots=lots), "USD")

    def fold(self, fills: list[Any]) -> None:
        apply_event = self.ledger.apply_event
        for fill in fills:
            apply_event(SESSION, fill)


def measure(workload: str, method: str, count: int) -> None:
    """Fold `count` fills by one method or baseline and print the measurement as JSON."""
    folds: dict[str, Any] = {"float": FloatSums, "decimal_fifo": DecimalFifo}
    fold = folds[method]() if method in folds else Fold(method)
    wall = cpu = 0.0
    for fills in parts(workload, count):
        started = (time.perf_counter(), time.process_time())
        fold.fold(fills)
        wall += time.perf_counter() - started[0]
        cpu += time.process_time() - started[1]
    found: dict[str, Any] = {"wall": wall, "cpu": cpu}
    # In the units of Linux, kilobytes.
    found["megabytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if isinstance(fold, Fold):
        ledger = fold.ledger
        found["lots"] = sum(len(ledger.lots(symbol)) for symbol in ledger.positions)
        found["balanced"] = sum(ledger.accounts.values()) == 0
        found["cash"] = str(ledger.cash)
        found["positions"] = len(ledger.positions)
    else:
        found["cash"] = str(fold.cash)
    print(json.dumps(found))


def measured(workload: str, method: str, count: int) -> dict[str, Any]:
    """The measurement, from a process of its own."""
    command = [sys.executable, str(Path(__file__)), "--one", workload, method, str(count)]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def plan(sizes: list[int]) -> list[tuple[str, str, int]]:
    """Every measurement: workload, method or baseline, number of fills."""
    runs = [(w, m, n) for w in BUYS_OF_ELEVEN for m in ("fifo",) for n in sizes]
    runs += [(w, m, sizes[-1]) for w in BUYS_OF_ELEVEN for m in ("float", "decimal_fifo")]
    return runs + [("turnover", m, sizes[0]) for m in ("lifo", "hifo", "average_cost")]


def show(runs: list[tuple[str, str, int]], found: list[dict[str, Any]]) -> bool:
    """Print the table and what follows from it; True where the targets are met."""
    table = Table("workload", "fold", "fills", "fills/s", "fills/s CPU", "peak MB", "open lots")
    for (workload, method, count), one in zip(runs, found, strict=True):
        rates = (f"{count / one['wall']:,.0f}", f"{count / one['cpu']:,.0f}")
        lots = f"{one['lots']:,}" if "lots" in one else ""
        megabytes = f"{one['megabytes']:,.0f}"
        table.add_row(workload, method, f"{count:,}", *rates, megabytes, lots)
    console.print(table)
    by_run = dict(zip(runs, found, strict=True))
    met = all(one.get("balanced", True) for one in found)
    for workload in BUYS_OF_ELEVEN:
        sizes = sorted(n for w, m, n in runs if (w, m) == (workload, "fifo"))
        costs = [by_run[workload, "fifo", n]["cpu"] / n for n in sizes]
        ratios = ", ".join(
            f"{n:,}: {cost / costs[0]:.2f}" for n, cost in zip(sizes, costs, strict=True)
        )
        largest = by_run[workload, "fifo", sizes[-1]]
        rate = sizes[-1] / largest["cpu"]
        console.print(f"{workload}: CPU a fill, 1.00 at the smallest size: {ratios}")
        for baseline in ("float", "decimal_fifo"):
            ratio = largest["cpu"] / by_run[workload, baseline, sizes[-1]]["cpu"]
            console.print(f"{workload}: {ratio:.1f} times the CPU of {baseline}")
        met &= rate >= TARGET_FILLS_PER_SECOND and largest["megabytes"] < TARGET_MEGABYTES
    console.print(
        f"targets, {TARGET_FILLS_PER_SECOND:,} fills/s of CPU and {TARGET_MEGABYTES} MB at the "
        f"largest size: {'met' if met else 'MISSED'}"
    )
    return met


def main() -> None:
    """Measure everything, or one line of it in this process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fills", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--one", nargs=3, metavar=("WORKLOAD", "METHOD", "FILLS"))
    asked = parser.parse_args()
    if asked.one:
        workload, method, count = asked.one
        measure(workload, method, int(count))
        return
    runs = plan(sorted(asked.fills))
    found = []
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("folding", total=len(runs))
        for run in runs:
            progress.update(task, description=f"{run[0]}, {run[1]}, {run[2]:,} fills")
            found.append(measured(*run))
            progress.advance(task)
    sys.exit(0 if show(runs, found) else 1)


if __name__ == "__main__":
    main()
