"""A small portfolio in files of its own, and the graph that it gives, run in this process.

Three names and an index, one strategy that is rebalanced once a month, whole shares. Everything is
the product's own: files are read, the book and the simulated broker lie on disk, and Dagster keeps
an instance in memory for as long as the home lives.
"""

from __future__ import annotations

import csv
import datetime as dt
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import dagster as dg
import yaml

from trading_assets.automation import range_tags
from trading_assets.calendar import TradingCalendar
from trading_assets.daily_run import QUIET
from trading_assets.event_log.store import open_event_log
from trading_assets.model.events import EventRecord
from trading_assets.settings import Directories, SessionSettings

PORTFOLIO = "alpha"
START = dt.date(2024, 1, 2)
END = dt.date(2024, 2, 29)
CALENDAR = TradingCalendar(SessionSettings(start=START, end=END))
JANUARY = tuple(day.isoformat() for day in CALENDAR.month("2024-01"))
FIRST, SECOND, THIRD, FOURTH = JANUARY[:4]
BASE_PRICES = {"AAA": 50.0, "BBB": 100.0, "CCC": 20.0, "INDEX": 4000.0}
SIGNALS: Mapping[str, Mapping[str, float]] = {
    "2023-12-29": {"AAA": 0.5, "BBB": 0.3, "CCC": 0.2},
    "2024-01-31": {"AAA": 0.1, "BBB": 0.3, "CCC": 0.6},
}
REBALANCED = "2024-02-01"
"""The first session that trades on the second signal."""


class GraphHome:
    """A data folder with the portfolio `alpha`, an empty state and a Dagster instance."""

    def __init__(self, folder: Path, **changes: Any) -> None:
        self.places = Directories(data=folder / "data", state=folder / "state")
        self.instance = dg.DagsterInstance.ephemeral(tempdir=str(folder))
        for part in ("portfolios", "market", "raw_signals"):
            (self.places.data / part).mkdir(parents=True)
        self.write_prices()
        self.write_signals(SIGNALS)
        self.write_portfolio(PORTFOLIO, **changes)

    # Inputs

    def write_portfolio(self, portfolio: str, **changes: Any) -> None:
        """The portfolio's file; `changes` are top-level keys of it."""
        content: dict[str, Any] = {
            "id": portfolio,
            "name": portfolio.title(),
            "mode": "simulated",
            "initial_cash": 100000,
            "sessions": {"start": START, "end": END},
            "prices": {
                "path": "market/prices.csv",
                "benchmark_symbol": "INDEX",
                "benchmark_name": "Index",
            },
            "signals": {"strategies": [{"id": "first", "path": "raw_signals/first.csv"}]},
            "combination": {"method": "select", "strategy": "first"},
            "planning": {"fractional": False, "no_trade_band": 0.05},
            "simulation": {"slippage_bps": 2},
            "commission": {"per_order": 1},
            "report": {"title": portfolio.title()},
        }
        path = self.places.portfolios / f"{portfolio}.yaml"
        path.write_text(yaml.safe_dump(content | changes), encoding="utf-8")
        self.__dict__.pop("definitions", None)

    def write_prices(self, through: str = END.isoformat()) -> None:
        """Closes that drift apart a little from session to session, the last on `through`."""
        rows = [
            (session.isoformat(), symbol, f"{base * (1 + 0.001 * ((place * step) % 7 - 3)):.2f}")
            for place, session in enumerate(CALENDAR.history)
            if "2023-12-01" <= session.isoformat() <= through
            for step, (symbol, base) in enumerate(BASE_PRICES.items(), start=1)
        ]
        _write_csv(self.places.data / "market/prices.csv", ("session", "symbol", "close"), rows)

    def write_signals(self, signals: Mapping[str, Mapping[str, object]]) -> None:
        """The strategy's file: weights by trade date and symbol."""
        rows = [
            (date, symbol, str(weight))
            for date, weights in signals.items()
            for symbol, weight in weights.items()
        ]
        path = self.places.data / "raw_signals/first.csv"
        _write_csv(path, ("trade_date", "asset_id", "weight"), rows)

    # Runs

    @cached_property
    def definitions(self) -> dg.Definitions:
        """The code location of this home, as its files now are."""
        # Imported here, where the filters for Dagster's own warnings are in force.
        from trading_assets.definitions import build_definitions

        return build_definitions(self.places)

    def run(
        self,
        first: str,
        last: str | None = None,
        *,
        portfolio: str = PORTFOLIO,
        session_config: Mapping[str, Any] | None = None,
        assets: Sequence[str] | None = None,
    ) -> dg.ExecuteInProcessResult:
        """The daily cycle for one session, or for a range of them in one run; of `assets` alone
        where they are named."""
        config: dict[str, Any] = dict(QUIET)
        if session_config is not None:
            config["ops"] = {f"{portfolio}__trading_session": {"config": dict(session_config)}}
        job = self.definitions.resolve_job_def(f"{portfolio}__daily_cycle")
        if last is None:
            return job.execute_in_process(
                config,
                instance=self.instance,
                partition_key=first,
                raise_on_error=False,
                asset_selection=None
                if assets is None
                else [dg.AssetKey([portfolio, asset]) for asset in assets],
            )
        tags = range_tags(dt.date.fromisoformat(first), dt.date.fromisoformat(last))
        return job.execute_in_process(
            config, instance=self.instance, tags=tags, raise_on_error=False
        )

    def report(self, month: str, portfolio: str = PORTFOLIO) -> dg.ExecuteInProcessResult:
        """The monthly report."""
        job = self.definitions.resolve_job_def(f"{portfolio}__month_end")
        return job.execute_in_process(
            QUIET, instance=self.instance, partition_key=f"{month}-01", raise_on_error=False
        )

    def press(self, button: str) -> None:
        """Run one of the jobs that have no partitions: halt_trading, resume_trading."""
        job = self.definitions.resolve_job_def(button)
        assert job.execute_in_process(QUIET, instance=self.instance).success

    # What came of it

    def materialized(self, asset: str, portfolio: str = PORTFOLIO) -> list[str]:
        """Partitions of an asset that Dagster knows as materialised, ascending."""
        key = dg.AssetKey([portfolio, asset])
        return sorted(self.instance.get_materialized_partitions(key))

    def checks(self, asset: str, check: str, portfolio: str = PORTFOLIO) -> dict[str, bool]:
        """Whether a check passed, by session, latest result of each; not reached is absent."""
        key = dg.AssetCheckKey(dg.AssetKey([portfolio, asset]), check)
        records = self.instance.event_log_storage.get_asset_check_execution_history(key, limit=999)
        found: dict[str, bool] = {}
        for record in reversed(records):
            if record.partition is not None and record.status.value in ("SUCCEEDED", "FAILED"):
                found[record.partition] = record.status.value == "SUCCEEDED"
        return found

    def records(self, portfolio: str = PORTFOLIO) -> list[EventRecord]:
        """The book, oldest record first."""
        log = open_event_log(self.places.books, portfolio)
        try:
            return list(log.records())
        finally:
            log.close()

    def closed_sessions(self, portfolio: str = PORTFOLIO) -> list[str]:
        """Sessions that the book holds as closed, in the order in which they closed."""
        return [
            record.session.isoformat()
            for record in self.records(portfolio)
            if type(record.event).__name__ == "SessionClosed"
        ]

    def broker_rows(self, query: str, portfolio: str = PORTFOLIO) -> list[tuple[Any, ...]]:
        """Answer of the simulated broker's own database."""
        path = self.places.simulated_brokers / f"{portfolio}.sqlite"
        database = sqlite3.connect(path)
        try:
            with database:
                return database.execute(query).fetchall()
        finally:
            database.close()

    def files(self, *folders: Path) -> dict[str, bytes]:
        """Every file below `folders` (default: projections and exports) with its content."""
        state = self.places.state
        return {
            path.relative_to(state).as_posix(): path.read_bytes()
            for folder in folders or (self.places.lake, self.places.exports)
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }


def failures(result: dg.ExecuteInProcessResult) -> dict[str, str]:
    """Why steps of a run failed, innermost cause, by step."""
    found = {}
    for event in result.all_events:
        if event.is_step_failure:
            error = event.step_failure_data.error
            assert error is not None
            found[str(event.step_key)] = (error.cause or error).message
    return found


def steps_started(result: dg.ExecuteInProcessResult) -> set[str]:
    """Steps of a run that began, without the portfolio in front of their names."""
    return {
        str(event.step_key).partition("__")[2]
        for event in result.all_events
        if event.event_type_value == "STEP_START"
    }


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
