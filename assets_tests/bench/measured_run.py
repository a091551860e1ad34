"""One measured run of the daily cycle, in a process of its own; daily_cycle.py starts it.

    python -m assets_tests.bench.measured_run PORTFOLIO FIRST LAST SPAWNED [--reports] [--profile F]

How the parts are told apart: one stopwatch knows which part is running, and entering a part stops
the part around it, so parts never overlap and add up to the whole process. `dg.asset` and
`dg.multi_asset` are replaced, before the code location is imported, by versions that time the
function they decorate: what a body does between two yields is ours, what Dagster does with what was
yielded is not. The methods of Dagster's event storage that write are timed in the same way, and
what is left of `execute_in_process` is the rest of Dagster. `os.sync`, by which we flush a stage,
waits for the writes of every process of the machine, so it has a line of its own. What a second
process does meanwhile counts as wall time where this one waits for it, and as CPU in its own line.

Prints a JSON object a line: progress as it comes, last the measurement. SPAWNED is the parent's
`time.monotonic()` at the start, so that the interpreter's own start counts too.
"""

from __future__ import annotations

import argparse
import cProfile
import datetime as dt
import functools
import inspect
import json
import os
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import dagster as dg

    from trading_assets.settings import Directories, PortfolioSettings

DAGSTER_START = "Dagster: interpreter, import dagster"
DAGSTER_STORAGE = "Dagster: make and open its storage"
DAGSTER_RUN = "Dagster: plan the run, steps, checks"
DAGSTER_EVENTS = "Dagster: event storage"
OUR_START = "ours: import the code location"
OUR_FLUSH = "ours: flush to disk (sync)"


class Stopwatch:
    """Wall and CPU seconds of each part; while a part runs, the part around it stands still."""

    def __init__(self, spawned: float) -> None:
        self.seconds: dict[str, list[float]] = {}
        self._running = [DAGSTER_START]
        self._since = (spawned, 0.0)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count what happens in the block as `name`."""
        self.count()
        self._running.append(name)
        try:
            yield
        finally:
            self.count()
            self._running.pop()

    def count(self) -> None:
        """Give the time since the last call to the part that is running."""
        now = (time.monotonic(), time.process_time())
        spent = self.seconds.setdefault(self._running[-1], [0.0, 0.0])
        spent[0] += now[0] - self._since[0]
        spent[1] += now[1] - self._since[1]
        self._since = now

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """`function`, counted as `name`; of a generator, what it does between its yields."""
        if not inspect.isgeneratorfunction(function):

            @functools.wraps(function)
            def call(*args: Any, **kwargs: Any) -> Any:
                with self.part(name):
                    return function(*args, **kwargs)

            return call

        @functools.wraps(function)
        def generate(*args: Any, **kwargs: Any) -> Iterator[Any]:
            items = function(*args, **kwargs)
            while True:
                with self.part(name):
                    try:
                        item = next(items)
                    except StopIteration:
                        return
                yield item

        return generate


def time_assets(watch: Stopwatch) -> None:
    """From now on every asset that is defined has its body timed."""
    import dagster as dg

    def timing(decorator: Callable[..., Any]) -> Callable[..., Any]:
        def configured(**options: Any) -> Callable[..., Any]:
            return lambda body: decorator(**options)(watch.timed(f"ours: {body.__name__}", body))

        return configured

    dg.asset = timing(dg.asset)
    dg.multi_asset = timing(dg.multi_asset)


def time_event_storage(watch: Stopwatch) -> None:
    """From now on whatever writes Dagster's events is timed."""
    from trading_assets.dagster_storage import BatchingEventLogStorage as Storage

    for name in ("store_event", "store_event_batch", "store_asset_check_event"):
        setattr(Storage, name, watch.timed(DAGSTER_EVENTS, getattr(Storage, name)))


def tell(**content: object) -> None:
    """One line to whoever started this process."""
    print(json.dumps(content), flush=True)


class Told:
    """Progress for whoever started this process, four times a second as a bar is drawn."""

    def __init__(self) -> None:
        self._last = 0.0

    def __call__(self, label: str, done: int, total: int) -> None:
        now = time.monotonic()
        if done == total or now - self._last > 0.25:
            self._last = now
            tell(label=label, done=done, total=total)


def main() -> None:
    """Measure one run as the arguments say."""
    parser = argparse.ArgumentParser()
    parser.add_argument("portfolio")
    parser.add_argument("first", type=dt.date.fromisoformat)
    parser.add_argument("last", type=dt.date.fromisoformat)
    parser.add_argument("spawned", type=float)
    parser.add_argument("--reports", action="store_true")
    parser.add_argument("--profile", type=Path)
    asked = parser.parse_args()

    watch = Stopwatch(asked.spawned)
    import dagster as dg

    with watch.part(OUR_START):
        time_assets(watch)
        from trading_assets.progress import observed
        from trading_assets.settings import directories, load_portfolio, prepare_dagster

        places = directories()
        prepare_dagster(places)
        settings = load_portfolio(places.portfolios / f"{asked.portfolio}.yaml")
        from trading_assets.portfolio_definitions import single_portfolio

        defs = single_portfolio(places, settings)

        time_event_storage(watch)
    os.sync = watch.timed(OUR_FLUSH, os.sync)
    with watch.part(DAGSTER_STORAGE):
        instance = dg.DagsterInstance.get()
    profile = cProfile.Profile() if asked.profile else None
    with observed(Told()):
        if profile is not None:
            profile.enable()
        with watch.part(DAGSTER_RUN):
            passed = run_cycle(defs, instance, asked.portfolio, asked.first, asked.last)
            watch.count()
            children = resource.getrusage(resource.RUSAGE_CHILDREN)
            cycle = {name: (spent[0], spent[1]) for name, spent in watch.seconds.items()}
            if asked.reports:
                passed &= run_reports(defs, instance, settings, asked.first, asked.last)
        if profile is not None:
            profile.disable()
            profile.dump_stats(asked.profile)
    watch.count()
    # In the units of Linux, kilobytes.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    reports = {
        name: [spent[0] - cycle.get(name, (0.0, 0.0))[0], spent[1] - cycle.get(name, (0.0, 0.0))[1]]
        for name, spent in watch.seconds.items()
        if asked.reports
    }
    found = outcome(places, settings, asked.last)
    tell(
        passed=passed,
        parts=cycle,
        reports=reports,
        peak_megabytes=peak,
        second_process_cpu=children.ru_utime + children.ru_stime,
        **found,
    )


def run_cycle(
    defs: dg.Definitions,
    instance: dg.DagsterInstance,
    portfolio: str,
    first: dt.date,
    last: dt.date,
) -> bool:
    """The daily cycle of all sessions in one run; True when every check passed."""
    from trading_assets.automation import range_tags
    from trading_assets.daily_run import QUIET

    result = defs.resolve_job_def(f"{portfolio}__daily_cycle").execute_in_process(
        QUIET,
        instance=instance,
        tags=range_tags(first, last),
        raise_on_error=False,
    )
    evaluations = result.get_asset_check_evaluations()
    return result.success and bool(evaluations) and all(one.passed for one in evaluations)


def run_reports(
    defs: dg.Definitions,
    instance: dg.DagsterInstance,
    settings: PortfolioSettings,
    first: dt.date,
    last: dt.date,
) -> bool:
    """The report of every month that is complete, a run each."""
    from trading_assets.automation import complete_months
    from trading_assets.calendar import TradingCalendar
    from trading_assets.daily_run import QUIET
    from trading_assets.progress import tracked

    calendar = TradingCalendar(settings.sessions)
    done = [session.isoformat() for session in calendar.between(first, last)]
    job = defs.resolve_job_def(f"{settings.id}__month_end")
    passed = True
    for month in tracked("monthly_report", complete_months(calendar, done)):
        passed &= job.execute_in_process(
            QUIET, instance=instance, partition_key=f"{month}-01", raise_on_error=False
        ).success
    return passed


def outcome(places: Directories, settings: PortfolioSettings, last: dt.date) -> dict[str, object]:
    """What the run left: counted from the book and the files, after the measurement."""
    from sqlalchemy import create_engine, text

    from trading_assets.event_log.store import open_event_log
    from trading_assets.lake import Lake

    log = open_event_log(places.books, settings.id)
    types = [record.event_type for record in log.records()]
    log.close()
    store = places.dagster / "event_log.db"
    with create_engine(f"sqlite:///{store}").connect() as connection:
        events = int(connection.execute(text("SELECT count(*) FROM event_logs")).scalar_one())
    pnl = Lake(places.lake, settings.id).read("pnl_daily", last)
    return {
        "sessions": types.count("session_closed"),
        "orders": types.count("order_intended"),
        "fills": types.count("fill"),
        "records": len(types),
        "dagster_events": events,
        "files": sum(1 for path in places.state.rglob("*") if path.is_file()),
        "equity": "undefined" if pnl is None else str(pnl["closing_equity"][0]),
    }


if __name__ == "__main__":
    main()
