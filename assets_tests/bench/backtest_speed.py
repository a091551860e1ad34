"""Speed of the backtest engines beside other packages, all in one run, so that ratios count.

    make bench-backtests                           the compiled path, the exact engine, fast peers
    .venv/bin/python -m assets_tests.bench.backtest_speed --slow-peers [--places 200000]

Every line is a process of its own. CPU seconds (user + system) of the best of a few repeats, after
a first small run that imports and compiles; one thread each. `--slow-peers` adds those that take
minutes for a million bars; `--places` shortens the workloads of minutes for them and for all.

Final equities must agree. Where they differ, it is by what the engine does otherwise, which its
function in backtest_peers.py says; the tolerance is for that.
"""

from __future__ import annotations

import argparse
import json
import os
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
    ],
    "minutes_50": [
        ("bare_loop", OURS, 1),
        ("bare_cross_section", OURS, 2),
        ("vectorised", OURS, 5),
        ("exact", OURS, 1),
        ("exact_cross_section", OURS, 2),
        ("vectorbt_rust", BENCH, 3),
        ("vectorbt_numba", BENCH, 2),
    ],
}
SLOW = [("backtrader", BENCH, 1), ("nautilus", PANDAS2, 1)]
EQUITY_TOLERANCE = 1e-3
"""Of the final equity: fees out of or on top of a target, fractions of cash or of equity."""
TOLERANCES = {("minutes_50", "vectorbt_rust"): 0.06, ("minutes_50", "vectorbt_numba"): 0.06}
"""Fifty entries of 1.5 % of cash are smaller than of equity, by what is invested already."""
TARGETS = [
    ("daily_500", "vectorised", "vectorbt", 10.0),
    ("daily_500", "exact", "bt", 1.0),
    ("daily_3000", "vectorised", "vectorbt", 20.0),
    ("minutes_1", "vectorised", "vectorbt", 5.0),
    ("minutes_50", "vectorised", "vectorbt", 5.0),
    ("minutes_1", "exact", "backtesting", 3.0),
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

Results = dict[tuple[str, str], dict[str, Any]]
console = Console(width=100)


def run_line(workload: str, engine: str, environment: str, repeats: int, folder: Path) -> Any:
    """One engine in a process of its own; None where its environment is not there."""
    python = ROOT / environment / "bin" / "python"
    if not python.exists():
        return None
    script = "backtest_engines.py" if environment == OURS else "backtest_peers.py"
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    done = subprocess.run(
        [python, Path(__file__).parent / script, engine, workload, folder, str(repeats)],
        capture_output=True,
        text=True,
        env=os.environ | threads | {"PYTHONPATH": str(ROOT)},
        check=False,
    )
    if done.returncode:
        console.print(done.stderr[-2000:])
        raise SystemExit(f"{engine} failed on {workload}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def measure(workloads: list[str], *, slow_peers: bool, places: int | None) -> Results:
    """All lines of the workloads."""
    results: Results = {}
    for workload in workloads:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write(workload, folder, places if workload.startswith("minutes") else None)
            lines = LINES[workload]
            if slow_peers and workload == "minutes_1":
                lines = [*lines, *SLOW]
            for engine, environment, repeats in lines:
                with console.status(f"{workload}: {engine}"):
                    result = run_line(workload, engine, environment, repeats, folder)
                if result is not None:
                    results[workload, engine] = result
        show(workload, results)
    return results


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
    """Print ratios against their targets, and equities that do not agree."""
    passed = True

    def say(good: bool, text: str) -> None:
        nonlocal passed
        passed &= good
        console.print(f"{'ok  ' if good else 'MISS'} {text}")

    for workload, engine, peer, times in TARGETS:
        mine = results.get((workload, engine))
        theirs = [
            result["seconds"]
            for (of, name), result in results.items()
            if of == workload and name.startswith(peer) and (peer != "bt" or name == "bt")
        ]
        if mine and theirs:
            ratio = min(theirs) / mine["seconds"]
            say(ratio >= times, f"{workload}: {engine} {ratio:.1f} x {peer} (at least {times:g})")
    for workload, engine, bare, times in LIMITS:
        mine, loop = results.get((workload, engine)), results.get((workload, bare))
        if mine and loop:
            ratio = mine["seconds"] / loop["seconds"]
            say(
                ratio <= times,
                f"{workload}: {engine} takes {ratio:.2f} x {bare} (at most {times:g})",
            )
    small, large = (results.get((name, "vectorised")) for name in ("daily_500", "daily_3000"))
    if small and large:
        ratio = large["seconds"] / small["seconds"]
        say(ratio <= 6, f"daily_3000 takes {ratio:.2f} x daily_500, vectorised (at most 6)")
    for (workload, engine), result in results.items():
        if engine.startswith(("exact", "vectorised")):
            share = 1 + result["added_megabytes"] / result["data_megabytes"]
            say(share <= 2.5, f"{workload}: {engine} peaks at {share:.2f} x the data (at most 2.5)")
        reference = results[workload, "vectorised"]["equity"]
        if not engine.startswith("bare_") or "daily" in workload:
            allowed = TOLERANCES.get((workload, engine), EQUITY_TOLERANCE)
            apart = abs(result["equity"] / reference - 1)
            if apart > allowed:
                say(False, f"{workload}: the equity of {engine} is {apart:.1e} apart")
    return passed


def main() -> None:
    """Measure, print, and fail where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--workloads", nargs="+", default=list(LINES), choices=list(LINES))
    parser.add_argument("--slow-peers", action="store_true")
    parser.add_argument("--places", type=int)
    arguments = parser.parse_args()
    results = measure(arguments.workloads, slow_peers=arguments.slow_peers, places=arguments.places)
    raise SystemExit(0 if judged(results) else 1)


if __name__ == "__main__":
    main()
