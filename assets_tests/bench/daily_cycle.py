"""`make bench`: what the daily cycle costs, part by part, and beside it `bt` doing the same trades.

    python assets_tests/bench/daily_cycle.py [--small | --large | --all]

--small  the sample portfolio: one session (its second: the first, not counted, has made Dagster's
         storage and looked up the exchange's schedule), then one run of 252 sessions x 20 names
--large  500 names, 50 of them held and rebalanced in each session: 315, 630 and 1,260 sessions,
         and the 1,260 in bt (needs .venv-bench, which `make bench` sets up)
--all    both; the default

Each scenario is a process of its own with fresh directories, so that its peak memory is its own;
measured_run.py says how its parts are told apart. A long run has a second process beside it, whose
CPU seconds have a line of their own; peak memory is of both, what they share counted once, looked
at every two seconds. CPU seconds depend less than wall seconds on
what else the machine does; the load at the start of each scenario is printed with it. The targets
are those of a 2-core machine that does nothing else.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

ROOT = Path(__file__).resolve().parents[2]
BT_PYTHON = ROOT / ".venv-bench" / "bin" / "python"
LARGE_SESSIONS = (315, 630, 1260)
SESSION_TARGET_SECONDS = 2.0
YEAR_TARGET_SECONDS = 30.0
YEAR_TARGET_OURS_SECONDS = 10.0
LARGE_TARGET_OURS_SECONDS = 60.0
LARGE_TARGET_MEGABYTES = 1500.0

console = Console()


@dataclass(frozen=True)
class Cost:
    """Seconds on the clock and seconds of CPU."""

    wall: float = 0.0
    cpu: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.wall + other.wall, self.cpu + other.cpu)


@dataclass(frozen=True)
class Measured:
    """One scenario: parts that add up to its process, and what it left behind."""

    name: str
    load: float
    parts: Mapping[str, Cost]
    reports: Mapping[str, Cost]
    passed: bool
    peak_megabytes: float
    sessions: int
    orders: int
    fills: int
    records: int
    dagster_events: int
    files: int
    equity: str
    second_process_cpu: float = 0.0

    def sum_of(self, *prefixes: str) -> Cost:
        """All parts of the daily cycle whose names begin with one of `prefixes`."""
        return sum((c for name, c in self.parts.items() if name.startswith(prefixes)), Cost())

    @property
    def total(self) -> Cost:
        """The process without the monthly reports."""
        return self.sum_of("")

    @property
    def ours(self) -> Cost:
        """What is not Dagster's."""
        return self.sum_of("ours", "bt")


@dataclass
class Verdicts:
    """Targets, what was measured, and whether it is within."""

    rows: list[tuple[str, str, float, float]] = field(default_factory=list)

    def add(self, what: str, unit: str, measured: float, target: float) -> None:
        """Take one in."""
        self.rows.append((what, unit, measured, target))

    def table(self) -> Table:
        """All of them; seconds are wall seconds."""
        table = Table("Target", "At most", "Measured", "", title="Targets")
        for what, unit, measured, target in self.rows:
            verdict = "[green]within[/green]" if measured <= target else "[red]beyond[/red]"
            table.add_row(what, f"{target:,.1f} {unit}", f"{measured:,.1f} {unit}", verdict)
        return table


class PeakMemory:
    """Watches how much memory a process and its children take together, until `end`."""

    def __init__(self, process_id: int) -> None:
        self._process_id = process_id
        self._peak = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def end(self) -> float:
        """Megabytes at most; 0 where the system does not tell."""
        self._ended.set()
        self._thread.join()
        return self._peak

    def _watch(self) -> None:
        while not self._ended.wait(2.0):
            self._peak = max(self._peak, _shared_out_megabytes(self._process_id))


def _shared_out_megabytes(process_id: int) -> float:
    """Memory of a process and its children, each page shared out among those that have it."""
    folder = Path("/proc") / str(process_id)
    try:
        children = (folder / "task" / str(process_id) / "children").read_text().split()
        kilobytes = [
            int(line.split()[1])
            for each in (process_id, *children)
            for line in (folder.parent / str(each) / "smaps_rollup").read_text().splitlines()
            if line.startswith("Pss:")
        ]
    except OSError:
        return 0.0
    return sum(kilobytes) / 1024


def measure(
    name: str, command: Sequence[str], environment: Mapping[str, str], progress: Progress
) -> Measured:
    """Run one scenario in a process of its own, with its progress shown."""
    task = progress.add_task(name, total=None)
    load = os.getloadavg()[0]
    # As on a user's machine: Python keeps what it has compiled, so that only the first process
    # after an installation compiles.
    inherited = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    process = subprocess.Popen(
        [*command, repr(time.monotonic())],
        cwd=ROOT,
        env={**inherited, **environment},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    memory = PeakMemory(process.pid)
    last: dict[str, Any] = {}
    for line in process.stdout:
        last = json.loads(line)
        if "label" in last:
            description = f"{name}: {last['label']}"
            progress.update(
                task, description=description, completed=last["done"], total=last["total"]
            )
    last["peak_megabytes"] = max(memory.end(), last.get("peak_megabytes", 0.0))
    if process.wait() or "parts" not in last:
        sys.exit(f"{name}: the measured process failed, see above.")
    progress.update(task, description=name, completed=1, total=1)
    for key in ("parts", "reports"):
        last[key] = {part: Cost(*seconds) for part, seconds in last[key].items()}
    return Measured(name=name, load=load, **last)


def run_ours(
    name: str,
    data: Path,
    run: Sequence[str],
    progress: Progress,
    *extra: str,
    before: Sequence[str] = (),
) -> Measured:
    """A run of the product: `run` is portfolio, first and last session; `before` one that is not
    counted, in the same directories."""
    state = tempfile.mkdtemp(prefix="state-")
    environment = {
        "TRADING_ASSETS_DATA": str(data),
        "TRADING_ASSETS_STATE": state,
        "TRADING_ASSETS_DAGSTER": f"{state}/dagster",
        "DAGSTER_HOME": str(ROOT),
    }
    module = "assets_tests.bench.measured_run"
    if before:
        measure("before it", [sys.executable, "-m", module, *before], environment, progress)
    return measure(name, [sys.executable, "-m", module, *extra, *run], environment, progress)


def small(progress: Progress, verdicts: Verdicts) -> list[Measured]:
    """The sample portfolio: a session, and a year in one run."""
    data = ROOT / "data"
    session = run_ours(
        "1 session",
        data,
        ("sample", "2021-01-05", "2021-01-05"),
        progress,
        before=("sample", "2021-01-04", "2021-01-04"),
    )
    year = run_ours(
        "252 sessions x 20", data, ("sample", "2021-01-04", "2021-12-31"), progress, "--reports"
    )
    start = session.sum_of("Dagster: interpreter", "Dagster: make")
    verdicts.add(
        f"1 session beyond Dagster's own start ({start.wall:.1f} s)",
        "s",
        session.total.wall - start.wall,
        SESSION_TARGET_SECONDS,
    )
    verdicts.add("252 sessions, in all", "s", year.total.wall, YEAR_TARGET_SECONDS)
    verdicts.add("252 sessions, ours", "s", year.ours.wall, YEAR_TARGET_OURS_SECONDS)
    return [session, year]


def large(progress: Progress, verdicts: Verdicts) -> list[Measured]:
    """500 names, 50 held, rebalanced daily: three lengths, and the longest in bt."""
    found = []
    for sessions in LARGE_SESSIONS:
        data = Path(tempfile.mkdtemp(prefix="data-"))
        maker = "assets_tests.bench.synthetic_market"
        first, last = subprocess.run(
            [sys.executable, "-m", maker, str(data), str(sessions)],
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
        ).stdout.split()
        name = f"{sessions} sessions x 500"
        found.append(run_ours(name, data, ("large", first, last), progress))
    script = str(ROOT / "assets_tests" / "bench" / "bt_baseline.py")
    for sizing in ("same", "previous"):
        command = [str(BT_PYTHON), script, str(data), sizing]
        found.append(measure(f"bt, {sizing} close", command, {}, progress))
    longest = found[len(LARGE_SESSIONS) - 1]
    verdicts.add("1,260 sessions x 500, ours", "s", longest.ours.wall, LARGE_TARGET_OURS_SECONDS)
    verdicts.add(
        "1,260 sessions x 500, memory", "MB", longest.peak_megabytes, LARGE_TARGET_MEGABYTES
    )
    return found


def costs_table(found: Sequence[Measured]) -> Table:
    """What each scenario did, then wall and CPU seconds of each of its parts."""
    table = Table("", title="Seconds are wall / CPU")
    for one in found:
        table.add_column(one.name, justify="right", overflow="fold")
    for label, attribute in (
        ("sessions", "sessions"),
        ("orders", "orders"),
        ("fills", "fills"),
        ("records in the book", "records"),
        ("Dagster events", "dagster_events"),
        ("files", "files"),
    ):
        table.add_row(label, *(f"{getattr(one, attribute):,}" for one in found))
    table.add_row("peak memory, MB", *(f"{one.peak_megabytes:,.0f}" for one in found))
    table.add_row(
        "CPU of the second process, s", *(f"{one.second_process_cpu:.2f}" for one in found)
    )
    table.add_row("machine's load at the start", *(f"{one.load:.1f}" for one in found))
    table.add_row("equity at the end", *(f"{float(one.equity):,.2f}" for one in found))
    table.add_row("all checks", *("passed" if one.passed else "FAILED" for one in found))
    table.add_section()
    names = dict.fromkeys(name for one in found for name in one.parts)
    for name in sorted(names, key=lambda name: (not name.startswith("Dagster"), name)):
        table.add_row(name, *(_cost(one.parts.get(name)) for one in found))
    table.add_section()
    for label, prefixes in (("Dagster", ("Dagster",)), ("ours", ("ours", "bt")), ("all", ("",))):
        table.add_row(f"[bold]{label}", *(_cost(one.sum_of(*prefixes)) for one in found))
    reports = [sum(one.reports.values(), Cost()) for one in found]
    if any(cost.wall for cost in reports):
        costs = (_cost(cost if cost.wall else None) for cost in reports)
        table.add_row("besides: monthly PDFs", *costs)
    return table


def print_growth(found: Sequence[Measured]) -> None:
    """Linearity: cost a session at each length, against the shortest."""
    runs = [one for one in found if one.name.endswith("x 500")]
    if len(runs) < 2:
        return
    console.print("\nMilliseconds of CPU a session (the same at every length is linear):")
    for label, prefix in (("ours", "ours: "), ("Dagster's event storage", "Dagster: event")):
        start = {
            one.name: one.sum_of("ours: import").cpu if label == "ours" else 0.0 for one in runs
        }
        beside = {one.name: one.second_process_cpu if label == "ours" else 0.0 for one in runs}
        each = [
            (one.sum_of(prefix).cpu + beside[one.name] - start[one.name]) / one.sessions * 1000
            for one in runs
        ]
        shown = ", ".join(
            f"{one.sessions}: {cost:.1f} ({cost / each[0]:.2f}x)"
            for one, cost in zip(runs, each, strict=True)
        )
        console.print(f"  {label:<24} {shown}")


def print_against_bt(found: Sequence[Measured]) -> None:
    """The longest run beside bt's backtest, for which bt's imports and reading do not count."""
    theirs = [one for one in found if one.name.startswith("bt")]
    if not theirs:
        return
    ours = next(one for one in reversed(found) if one.name.endswith("x 500"))
    for one in theirs:
        backtest = one.parts["bt: backtest"]
        difference = float(ours.equity) / float(one.equity) - 1
        console.print(
            f"{one.name}: {backtest.cpu:.1f} s CPU; ours, the second process included, take "
            f"{(ours.ours.cpu + ours.second_process_cpu) / backtest.cpu:.1f}x that, with Dagster "
            f"{(ours.total.cpu + ours.second_process_cpu) / backtest.cpu:.1f}x. Final equity "
            f"{float(one.equity):,.2f}, ours {difference * 10_000:+.2f} bp of it."
        )


def _cost(cost: Cost | None) -> str:
    return "" if cost is None else f"{cost.wall:.2f} / {cost.cpu:.2f}"


def main() -> None:
    """Run what is asked for and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--small", action="store_true", help="the sample portfolio")
    which.add_argument("--large", action="store_true", help="500 names, and bt")
    which.add_argument("--all", action="store_true", help="both (the default)")
    asked = parser.parse_args()
    if not asked.small and not BT_PYTHON.exists():
        sys.exit(f"{BT_PYTHON} is not there: run `make bench`, which makes it.")
    verdicts = Verdicts()
    groups: list[list[Measured]] = []
    columns = (
        TextColumn("{task.description:<44}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as scratch,
        Progress(*columns, console=console) as progress,
    ):
        # Kept until the last scenario is through: for minutes after thousands of files are deleted,
        # ext4 passes over their inodes one by one, and each file that is made takes ten times as
        # long.
        tempfile.tempdir = scratch
        if not asked.large:
            groups.append(small(progress, verdicts))
        if not asked.small:
            groups.append(large(progress, verdicts))
    for found in groups:
        console.print(costs_table(found))
        print_growth(found)
        print_against_bt(found)
    console.print(verdicts.table())
    if not all(one.passed for found in groups for one in found):
        sys.exit("A check failed: these numbers are of a run that is wrong.")


if __name__ == "__main__":
    main()
