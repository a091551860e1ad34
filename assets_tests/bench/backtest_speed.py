"""Speed and memory of the backtest engines beside other packages, all in one run: ratios count.

    make bench-backtests
    .venv/bin/python -m assets_tests.bench.backtest_speed [--workloads minutes_1 ...]
        [--all-peers] [--places 200000]

Every line is a process of its own. CPU seconds (user + system) of the best of a few repeats, after
a first small run that imports and compiles; one thread each. What is quick is measured in two
turns, all lines of a workload after each other, so that a machine that is slow for a while is slow
for all. `--all-peers` adds those that take minutes for fifty symbols (a quarter of an hour);
`--places` shortens the workloads of minutes.

Memory is the peak above that of a process which has imported the engine, loaded the data and run
once over 200 places: as a multiple of the data, which are the arrays that the workload is given
(prices, weights or none, starts of bars).

Final equities must agree. Where they differ, it is by what the engine does otherwise, which its
function in backtest_peers.py says; the tolerance is for that.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from assets_tests.bench.backtest_workloads import SIZES, write

ROOT = Path(__file__).resolve().parents[2]
OURS, BENCH, PANDAS2 = ".venv", ".venv-bench", ".venv-bench-pandas2"
LINES: dict[str, list[tuple[str, str, int]]] = {
    "daily_500": [
        ("bare_numpy", OURS, 5),
        ("bare_numba", OURS, 5),
        ("vectorised", OURS, 9),
        ("exact", OURS, 3),
        ("vectorbt_rust", BENCH, 5),
        ("vectorbt_numba", BENCH, 5),
        ("bt", BENCH, 1),
    ],
    "daily_3000": [
        ("bare_numpy", OURS, 3),
        ("vectorised", OURS, 5),
        ("vectorbt_rust", BENCH, 2),
        ("vectorbt_numba", BENCH, 2),
    ],
    "minutes_1": [
        ("bare_loop", OURS, 3),
        ("vectorised", OURS, 9),
        ("exact", OURS, 3),
        ("vectorbt_rust", BENCH, 5),
        ("vectorbt_numba", BENCH, 3),
        ("backtesting", BENCH, 1),
        ("zipline", PANDAS2, 1),
        ("backtrader", BENCH, 1),
        ("nautilus", PANDAS2, 1),
    ],
    "minutes_50": [
        ("bare_loop", OURS, 2),
        ("bare_cross_section", OURS, 2),
        ("vectorised", OURS, 5),
        ("exact", OURS, 2),
        ("exact_cross_section", OURS, 2),
        ("vectorbt_rust", BENCH, 3),
        ("vectorbt_numba", BENCH, 2),
    ],
}
SLOW = [("zipline", PANDAS2, 1), ("backtrader", BENCH, 1), ("nautilus", PANDAS2, 1)]
TURNS = 2
EQUITY_TOLERANCE = 1e-3
"""Of the final equity: fees out of or on top of a target, fractions of cash or of equity."""
TOLERANCES = {
    ("minutes_50", "vectorbt_rust"): 0.06,
    ("minutes_50", "vectorbt_numba"): 0.06,
    ("minutes_1", "zipline"): 0.03,
    ("minutes_50", "zipline"): 0.03,
}
"""Fifty entries of 1.5 % of cash are smaller than of equity, by what is invested already; prices to
1e-3 have some averages cross elsewhere."""
TARGETS = [
    ("daily_500", "vectorised", "vectorbt", 10.0),
    ("daily_500", "exact", "bt", 1.0),
    ("daily_3000", "vectorised", "vectorbt", 20.0),
    ("minutes_1", "vectorised", "vectorbt", 5.0),
    ("minutes_50", "vectorised", "vectorbt", 5.0),
    ("minutes_1", "exact", "backtesting", 3.0),
    ("minutes_1", "exact", "zipline", 15.0),
    ("minutes_1", "exact", "backtrader", 25.0),
    ("minutes_1", "exact", "nautilus", 25.0),
]
"""Workload, engine, peer, and how many times faster than the peer's fastest it has to be."""
LIMITS = [
    ("minutes_1", "exact", "bare_loop", 3.0),
    ("minutes_50", "exact", "bare_loop", 4.0),
    ("minutes_50", "exact_cross_section", "bare_cross_section", 3.0),
]
"""Workload, engine, bare loop, and how many times its seconds it may take."""
MEMORY_LIMIT, IMPORT_LIMIT, WAIT_LIMIT = 2.5, 0.5, 1.0
"""Of the data; seconds to import the engine; seconds that the first vectorised backtest of a
process waits for numba and compiled code that is on disk."""
IMPORT = "import trading_assets.engine.loop"
FIRST = """
import numpy as np
from trading_assets.engine.price_panel import price_panel
from trading_assets.engine.rules import BacktestRules
from trading_assets.engine.vectorised import backtest_signals
from trading_assets.engine.vectorised_signals import sma_cross_signals
rules = BacktestRules.model_validate({"matching": {"fill_price": "close", "volume_cap": None}})
panel = price_panel(["A"], np.arange(9), np.arange(1.0, 10.0))
backtest_signals(panel, sma_cross_signals(panel, 1, 2), rules)
"""

Results = dict[tuple[str, str], dict[str, Any]]
console = Console(width=100)


def environment_of(python: Path) -> dict[str, str]:
    """One thread, our modules, and bytecode kept: what imports cost once a package is installed."""
    kept = {name: value for name, value in os.environ.items() if "BYTECODE" not in name}
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    return kept | threads | {"PYTHONPATH": str(ROOT), "VIRTUAL_ENV": str(python.parents[1])}


def run_line(workload: str, engine: str, environment: str, repeats: int, folder: Path) -> Any:
    """One engine in a process of its own; None where its environment is not there."""
    python = ROOT / environment / "bin" / "python"
    if not python.exists():
        return None
    script = "backtest_engines.py" if environment == OURS else "backtest_peers.py"
    done = subprocess.run(
        [python, Path(__file__).parent / script, engine, workload, folder, str(repeats)],
        capture_output=True,
        text=True,
        env=environment_of(python),
        check=False,
    )
    if done.returncode:
        console.print(done.stderr[-2000:])
        raise SystemExit(f"{engine} failed on {workload}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def measure(workloads: list[str], *, all_peers: bool, places: int | None) -> Results:
    """All lines of the workloads."""
    results: Results = {}
    for workload in workloads:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write(workload, folder, places if workload.startswith("minutes") else None)
            lines = LINES[workload]
            if all_peers and workload == "minutes_50":
                lines = [*lines, *SLOW]
            for turn in range(TURNS):
                for engine, environment, repeats in lines:
                    if turn and repeats == 1:
                        continue
                    with console.status(f"{workload}: {engine}"):
                        result = run_line(workload, engine, environment, repeats, folder)
                    before = results.get((workload, engine))
                    if before and before["seconds"] < result["seconds"]:
                        result["seconds"] = before["seconds"]
                    if result is not None:
                        results[workload, engine] = result
        show(workload, results)
    return results


def start_seconds(code: str) -> float:
    """CPU seconds of a new interpreter that runs `code`, less one that does nothing: best of 4."""
    python = ROOT / OURS / "bin" / "python"

    def spent(shown: str) -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([python, "-c", shown], check=True, env=environment_of(python))
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    return min(spent(code) for _ in range(4)) - min(spent("pass") for _ in range(4))


def show(workload: str, results: Results) -> None:
    """One workload as a table."""
    symbols = SIZES[workload][1]
    table = Table(title=f"{workload}: {symbols} symbols", title_justify="left")
    for heading in ("engine", "CPU s", "vectorised x", "final equity", "fills", "MB above data"):
        table.add_column(heading, justify="left" if heading == "engine" else "right")
    ours = results[workload, "vectorised"]["seconds"]
    for (of, engine), result in results.items():
        if of != workload:
            continue
        above = result.get("added_megabytes")
        table.add_row(
            engine,
            f"{result['seconds']:.4f}",
            f"{result['seconds'] / ours:.1f}",
            f"{result['equity']:.2f}",
            f"{result['fills']:.0f}",
            "" if above is None else f"{above:.0f} / {result['data_megabytes']:.0f}",
        )
    console.print(table)


def judged(results: Results) -> bool:
    """Print what was measured beside its target, and equities that do not agree."""
    passed = True
    table = Table(title="Targets", title_justify="left")
    for heading in ("", "what", "measured", "target"):
        table.add_column(heading, justify="right" if heading in ("measured", "target") else "left")

    def say(what: str, measured: str, target: str, *, is_met: bool) -> None:
        nonlocal passed
        passed &= is_met
        table.add_row("ok" if is_met else "MISS", what, measured, target)

    def at_most(what: str, value: float, limit: float, unit: str) -> None:
        say(what, f"{value:.2f}{unit}", f"<= {limit:g}{unit}", is_met=value <= limit)

    for workload, engine, peer, times in TARGETS:
        mine = results.get((workload, engine))
        theirs = [
            result["seconds"]
            for (of, name), result in results.items()
            if of == workload and name.startswith(peer) and (peer != "bt" or name == "bt")
        ]
        if mine and theirs:
            ratio = min(theirs) / mine["seconds"]
            what = f"{workload}: {engine} faster than {peer}"
            say(what, f"{ratio:.1f} x", f">= {times:g} x", is_met=ratio >= times)
    for workload, engine, bare, times in LIMITS:
        mine, loop = results.get((workload, engine)), results.get((workload, bare))
        if mine and loop:
            what = f"{workload}: {engine} beside {bare}"
            at_most(what, mine["seconds"] / loop["seconds"], times, " x")
    small, large = (results.get((name, "vectorised")) for name in ("daily_500", "daily_3000"))
    if small and large:
        what = "daily_3000 beside daily_500, vectorised"
        at_most(what, large["seconds"] / small["seconds"], 6, " x")
    for (workload, engine), result in results.items():
        if engine.startswith(("exact", "vectorised")):
            share = 1 + result["added_megabytes"] / result["data_megabytes"]
            at_most(f"{workload}: {engine}, peak memory", share, MEMORY_LIMIT, " x data")
        reference = results[workload, "vectorised"]["equity"]
        if not engine.startswith("bare_") or "daily" in workload:
            allowed = TOLERANCES.get((workload, engine), EQUITY_TOLERANCE)
            apart = abs(result["equity"] / reference - 1)
            if apart > allowed:
                what = f"{workload}: equity of {engine}"
                say(what, f"{apart:.1e} apart", f"<= {allowed:g}", is_met=False)
    imported = start_seconds(IMPORT)
    at_most("import of the engine", imported, IMPORT_LIMIT, " s")
    waited = start_seconds(FIRST) - imported
    at_most("wait for compiled code, once on disk", waited, WAIT_LIMIT, " s")
    console.print(table)
    return passed


def main() -> None:
    """Measure, print, and fail where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--workloads", nargs="+", default=list(LINES), choices=list(LINES))
    parser.add_argument("--all-peers", action="store_true")
    parser.add_argument("--places", type=int)
    arguments = parser.parse_args()
    results = measure(arguments.workloads, all_peers=arguments.all_peers, places=arguments.places)
    raise SystemExit(0 if judged(results) else 1)


if __name__ == "__main__":
    main()
