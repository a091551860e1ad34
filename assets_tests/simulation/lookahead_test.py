"""Nothing that is decided for a session depends on what was only known later.

The sample portfolio runs on its own files, then on copies of them that end, or were changed, at
some day. What the book holds of the sessions before must not differ in a single event.
"""

from __future__ import annotations

import csv
import datetime as dt
import json
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec
import openpyxl
import pytest

from trading_assets.brokers.simulated import SimulatedBroker
from trading_assets.calendar import TradingCalendar
from trading_assets.event_log.store import open_event_log
from trading_assets.execution.book import Book
from trading_assets.execution.session import (
    SessionInputs,
    SessionRunner,
    SessionStatus,
    Surroundings,
)
from trading_assets.market_data.files import FilePriceSource
from trading_assets.model.instrument import PriceSnapshot
from trading_assets.portfolio.consolidation import consolidate
from trading_assets.settings import FilePrices, load_portfolio
from trading_assets.signal_sources import open_signals

DATA = Path(__file__).parents[2] / "data"
SESSIONS = 30
FIRST = dt.date(2021, 1, 4)
# Signals are dated 2020-12-31 and 2021-01-29, so these two sessions rebalance.
REBALANCES = (FIRST, dt.date(2021, 2, 1))
LAST = dt.date(2021, 2, 16)

Decisions = dict[dt.date, list[str]]
"""Events by session, in the order of the book, without times of recording and hashes."""
_ENCODER = msgspec.json.Encoder(decimal_format="string", order="sorted")


def decide(data: Path, state: Path, last: dt.date = LAST) -> Decisions:
    """Run the sample portfolio of `data` through `last`; all of its events by session."""
    settings = load_portfolio(data / "portfolios" / "sample.yaml")
    calendar = TradingCalendar(settings.sessions)
    assert isinstance(settings.prices, FilePrices)
    source = FilePriceSource(settings.prices, settings.currency, calendar.history)
    sources = open_signals(settings, calendar, source)
    log = open_event_log(state / "books", settings.id)
    broker = SimulatedBroker(
        state / "broker.sqlite",
        "SIM-sample",
        settings.currency,
        settings.simulation,
        settings.commission,
    )
    surroundings = Surroundings(
        now=lambda: dt.datetime.now(dt.UTC), halted=lambda: False, live_account=None
    )
    runner = SessionRunner(settings, calendar, Book(log, settings), broker, surroundings)
    for session in calendar.between(calendar.first, last):

        def closes(symbols: Iterable[str], session: dt.date = session) -> PriceSnapshot:
            return source.at_close(session, symbols)

        def before(symbols: Iterable[str], session: dt.date = session) -> PriceSnapshot:
            return source.before(session, symbols)

        signals = [each.at(session) for each in sources]
        outcome = runner.run(
            SessionInputs(
                session=session,
                targets=consolidate(session, signals, settings.combination, settings.constraints),
                plan_prices=before,
                closes=closes,
                benchmark=source.benchmark_close(session),
            )
        )
        assert outcome.status is SessionStatus.CLOSED, outcome.block_message
    decisions: Decisions = {}
    for record in log.records():
        text = f"{record.event_type} {_ENCODER.encode(record.event).decode()}"
        decisions.setdefault(record.session, []).append(text)
    log.close()
    broker.close()
    return decisions


def kinds(events: Iterable[str], *wanted: str) -> list[str]:
    return [event for event in events if event.split(" ", 1)[0] in wanted]


def plans(events: Iterable[str]) -> list[Any]:
    """The plans among `events`, without the digest that covers the session's closes too."""
    return [json.loads(e.split(" ", 1)[1])["plan"] for e in kinds(events, "session_planned")]


def closing_or_opening(events: Iterable[str], leg: int) -> list[str]:
    """The orders of one leg, 1 closing and 2 opening."""
    return [event for event in kinds(events, "order_intended") if f'"leg":{leg},' in event]


def copy_data(
    folder: Path,
    *,
    closes: Callable[[dt.date, str, str], str | None] = lambda _day, _symbol, close: close,
    signals: Callable[[dt.date], bool] = lambda _day: True,
) -> Path:
    """A copy of the data in which each close is what `closes` gives for (session, symbol, close),
    None leaving the row out, and signals are those of the trade dates that `signals` keeps."""
    data = folder / "data"
    shutil.copytree(DATA, data, ignore=shutil.ignore_patterns("state"))
    _rewrite_prices(data / "market" / "sp500_daily_closes.csv", closes)
    for path in (data / "raw_signals").glob("*.csv"):
        with path.open(newline="") as file:
            header, *rows = csv.reader(file)
        _write(path, [header, *(row for row in rows if signals(dt.date.fromisoformat(row[0])))])
    for path in (data / "raw_signals").glob("*.xlsx"):
        book = openpyxl.load_workbook(path)
        sheet = book["signals"]
        for number in range(sheet.max_row, 1, -1):
            day = sheet.cell(number, 1).value
            assert isinstance(day, dt.date)
            if not signals(day.date() if isinstance(day, dt.datetime) else day):
                sheet.delete_rows(number)
        book.save(path)
    return data


def _rewrite_prices(path: Path, closes: Callable[[dt.date, str, str], str | None]) -> None:
    with path.open(newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["session", "symbol", "close"]
    changed = [
        [day, symbol, close]
        for day, symbol, before in rows
        if (close := closes(dt.date.fromisoformat(day), symbol, before)) is not None
    ]
    _write(path, [header, *changed])


def _write(path: Path, rows: list[list[str]]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Decisions:
    """What is decided with all that the files hold."""
    return decide(DATA, tmp_path_factory.mktemp("full"))


def test_the_sessions_compared_rebalance_more_than_once(full: Decisions) -> None:
    assert len(full) == SESSIONS
    for session in REBALANCES:
        assert len(kinds(full[session], "fill")) >= 5
    assert {leg for leg in (1, 2) if closing_or_opening(full[REBALANCES[1]], leg)} == {1, 2}


@pytest.mark.parametrize(
    "last", [FIRST, dt.date(2021, 1, 29), dt.date(2021, 2, 1), dt.date(2021, 2, 9)], ids=str
)
def test_files_that_end_with_a_session_give_the_same_events_up_to_it(
    full: Decisions, tmp_path: Path, last: dt.date
) -> None:
    data = copy_data(
        tmp_path,
        closes=lambda day, _symbol, close: close if day <= last else None,
        signals=lambda day: day <= last,
    )
    cut = decide(data, tmp_path / "state", last)
    assert cut == {session: events for session, events in full.items() if session <= last}


@pytest.mark.parametrize("session", REBALANCES, ids=str)
def test_a_plan_and_its_closing_orders_do_not_know_the_sessions_own_closes_and_signals(
    full: Decisions, tmp_path: Path, session: dt.date
) -> None:
    data = copy_data(
        tmp_path,
        closes=lambda day, _symbol, close: close if day < session else f"{float(close) * 1.07:.4f}",
        signals=lambda day: day < session,
    )
    changed = decide(data, tmp_path / "state", session)
    assert plans(changed[session]) == plans(full[session])
    # Opening orders are cut to what the closing ones brought in, so they may differ, as fills do.
    assert closing_or_opening(changed[session], 1) == closing_or_opening(full[session], 1)
    assert kinds(changed[session], "fill") != kinds(full[session], "fill")


def test_a_close_that_was_known_before_changes_the_plan(full: Decisions, tmp_path: Path) -> None:
    session = REBALANCES[1]
    data = copy_data(
        tmp_path,
        closes=lambda day, symbol, close: (
            f"{float(close) * 1.01:.4f}"
            if (day, symbol) == (dt.date(2021, 1, 29), "AAPL")
            else close
        ),
    )
    changed = decide(data, tmp_path / "state", session)
    assert kinds(changed[session], "session_planned") != kinds(full[session], "session_planned")
    # Nothing before the changed day moves.
    for earlier in (s for s in full if s < dt.date(2021, 1, 29)):
        assert changed[earlier] == full[earlier]


def test_a_signal_that_was_known_before_changes_the_plan(full: Decisions, tmp_path: Path) -> None:
    session = REBALANCES[1]
    data = copy_data(tmp_path, signals=lambda day: day < dt.date(2021, 1, 29))
    changed = decide(data, tmp_path / "state", session)
    assert kinds(changed[session], "session_planned") != kinds(full[session], "session_planned")
    for earlier in (s for s in full if s < session):
        assert changed[earlier] == full[earlier]
