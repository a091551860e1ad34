"""Runs of backtests for the command line and for Dagster: one, or every variant of a sweep.

A run's files are in `<state>/backtests/<name>/`, those of a variant in a folder of its own below.
Whatever is there can be made again.
"""

from __future__ import annotations

import csv
import io
import json
import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import msgspec

from trading_assets.atomic_file import replace_file, replace_file_by_parts
from trading_assets.bus import EventBus, Message
from trading_assets.engine.checkpoint import run_with_checkpoints
from trading_assets.engine.journal import run_events
from trading_assets.engine.preparation import prepared, result_of
from trading_assets.engine.results import BacktestResult
from trading_assets.engine.settings import BacktestSettings, load_backtest
from trading_assets.errors import ConfigurationError
from trading_assets.event_log.contracts import encode
from trading_assets.ledger.fold import Ledger
from trading_assets.model.event import event_type
from trading_assets.model.events import NewEvent
from trading_assets.reporting.backtest_files import write_result
from trading_assets.settings import Directories

COMPARED = (
    "final_value",
    "total_return_pct",
    "annualised_return",
    "volatility",
    "sharpe_ratio",
    "max_drawdown",
    "turnover",
    "trades",
    "trade_win_rate",
    "commission",
)
"""Columns of the table over a sweep, beside the values that were tried."""
COMPARISON = "comparison.csv"
"""The table's file."""


def run_and_write(
    settings: BacktestSettings,
    places: Directories,
    name: str,
    folder: Path,
    checkpoint_every: int | None = None,
) -> tuple[BacktestResult, dict[str, Path]]:
    """Run one backtest and write its files into `folder`; with `checkpoint_every`, a checkpoint
    there after so many places of the timeline, from which the next run goes on."""
    engine = prepared(settings, places.data, cache=places.bars)
    if checkpoint_every is None:
        engine.run()
    else:
        run_with_checkpoints(engine, folder / "checkpoint.json", checkpoint_every)
    result = result_of(settings, engine, name)
    return result, write_result(result, folder)


def write_events(result: BacktestResult, folder: Path) -> Path:
    """Write the run as a book's events, one JSON object a line, each checked against its schema.

    They are told on a bus, to a ledger before the file: one that the ledger cannot follow, or a
    close that it does not come to itself, raises DeliveryError, and no file takes the place of
    what was there.
    """
    bus, lines = EventBus(), list[bytes]()
    rules = result.engine.rules
    ledger = Ledger(rules.account.accounting, rules.account.currency)
    bus.subscribe(lambda told: ledger.apply_event(told.session, told.event), name="ledger")
    bus.subscribe(lambda told: lines.append(_event_line(told)), name="file")
    return replace_file_by_parts(
        folder / "events.jsonl", _told(run_events(result.engine), bus, lines)
    )


def _told(events: Iterable[NewEvent], bus: EventBus, lines: list[bytes]) -> Iterator[bytes]:
    """Publish the events one by one, and give on what a subscriber made of each."""
    for event in events:
        bus.publish(event)
        yield from lines
        lines.clear()


def _event_line(told: Message) -> bytes:
    line = {
        "session": told.session,
        "occurred_at": told.occurred_at,
        "event_type": event_type(told.event),
        "correlation_id": told.correlation_id,
        "causation_id": told.causation_id,
        "event": msgspec.Raw(encode(told.event)),
    }
    return msgspec.json.encode(line) + b"\n"


def variant_of(settings: BacktestSettings, name: str, variant: str) -> BacktestSettings:
    """The settings of one variant of a sweep; ConfigurationError that lists those there are."""
    variants = settings.variants()
    if variant not in variants:
        raise ConfigurationError(
            f"backtest {name} has no variant {variant!r}. It has: {'; '.join(list(variants)[:20])}."
        )
    return variants[variant]


def variant_folder(places: Directories, name: str, variant: str) -> Path:
    """Where the files of a variant are."""
    safe = "".join(letter if letter.isalnum() or letter in "=.-" else "_" for letter in variant)
    return places.backtests / name / safe


def _run_variant(path: Path, places: Directories, name: str, variant: str) -> str:
    """One variant in a process of its own."""
    settings = variant_of(load_backtest(path), name, variant)
    run_and_write(settings, places, name, variant_folder(places, name, variant))
    return variant


def run_sweep(
    path: Path, places: Directories, name: str, workers: int, done: Callable[[int, int], None]
) -> list[dict[str, Any]]:
    """Every variant of the backtest in `path`, in `workers` processes; the rows of the table over
    them, in the order of the sweep. `done` is told how many of how many are through.

    Raises what a variant raised; those that are through keep their files.
    """
    variants = list(load_backtest(path).variants())
    if not variants:
        raise ConfigurationError(f"backtest {name} has no sweep. Add `sweep:` to {path}.")
    # A fork of a process with threads may wait forever for a lock that a thread held.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=workers, mp_context=context) as pool:
        futures = [pool.submit(_run_variant, path, places, name, one) for one in variants]
        for count, future in enumerate(as_completed(futures), start=1):
            future.result()
            done(count, len(variants))
    rows = list(sweep_rows(places, name, variants))
    write_comparison(places, name, rows)
    return rows


def write_comparison(places: Directories, name: str, rows: Sequence[dict[str, Any]]) -> Path:
    """The table over a sweep as CSV, replaced as a whole."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]) if rows else list(COMPARED), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    folder = places.backtests / name
    folder.mkdir(parents=True, exist_ok=True)
    return replace_file(folder / COMPARISON, text.getvalue().encode())


def sweep_rows(places: Directories, name: str, variants: Sequence[str]) -> Iterator[dict[str, Any]]:
    """One row for each variant that has run: its values, then what is compared."""
    for variant in variants:
        path = variant_folder(places, name, variant) / "result.json"
        if not path.exists():
            continue
        result = json.loads(path.read_text(encoding="utf-8"))
        of_the_whole = {key: result[key] for key in ("final_value", "total_return_pct")}
        figures = {**result["metrics"], **of_the_whole}
        tried = dict(pair.split("=", 1) for pair in variant.split(";"))
        yield {**tried, **{key: figures.get(key) for key in COMPARED}}
