"""The dashboard's content, read from book, lake and files; nothing is written, nobody is asked.

History comes from the tables of `pnl_daily`, for folding a long book takes seconds; what is of the
last session and its month comes from the book. A plan is made anew only where prices lie in files:
no other source is asked because somebody looks at a page.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import msgspec

from trading_assets.alpaca_api.client import API_REQUESTS
from trading_assets.calendar import TradingCalendar
from trading_assets.errors import TradingAssetsError
from trading_assets.event_log.store import EventLog, event_log_to_read
from trading_assets.execution.annotating import read_annotations
from trading_assets.execution.book import Book, closed_session_dates, read_closed_sessions
from trading_assets.execution.halt import is_halted
from trading_assets.inspection import next_plan
from trading_assets.lake import Lake
from trading_assets.market_data.base import PriceSource
from trading_assets.model.events import EventRecord
from trading_assets.model.result import DailyResult
from trading_assets.price_sources import open_prices
from trading_assets.reporting.dashboard_content import (
    DashboardContent,
    DashboardFacts,
    Health,
    Proposal,
    dashboard_content,
)
from trading_assets.reporting.projections import read_pnl
from trading_assets.settings import Directories, FilePrices, PortfolioSettings

FILE_NAME = "summary_dashboard.html"


class DashboardSources(msgspec.Struct, frozen=True, kw_only=True):
    """Where a portfolio's dashboard is read from; `prices` opens its price source."""

    calendar: TradingCalendar
    log: EventLog
    lake: Lake
    halted: bool
    prices: Callable[[], PriceSource]


@contextmanager
def sources_in(places: Directories, settings: PortfolioSettings) -> Iterator[DashboardSources]:
    """The sources of a portfolio in these directories."""
    calendar = TradingCalendar(settings.sessions)
    log = event_log_to_read(places.books, settings.id, places.book_url)
    try:
        yield DashboardSources(
            calendar=calendar,
            log=log,
            lake=Lake(places.lake, settings.id),
            halted=is_halted(places.halt_switch),
            prices=lambda: open_prices(settings, calendar, requests=places.state / API_REQUESTS),
        )
    finally:
        log.close()


def read_dashboard(
    settings: PortfolioSettings, sources: DashboardSources, now: dt.datetime
) -> DashboardContent:
    """What the dashboard of a portfolio shows at `now` (aware)."""
    log, calendar = sources.log, sources.calendar
    closed = sorted(closed_session_dates(log))
    through = closed[-1] if closed else None
    results = _results(sources.lake, closed)
    head = log.head()
    close = _last_close(log, through)
    month = (
        ()
        if through is None
        else tuple(read_closed_sessions(log, settings, through.replace(day=1)))
    )
    return dashboard_content(
        settings,
        DashboardFacts(
            made_at=now,
            results=results,
            missing_sessions=len(closed) - len(results),
            month=month,
            close=close,
            annotations=read_annotations(log),
            health=Health(
                halted=sources.halted,
                closed_through=through,
                sessions_due=_sessions_due(calendar, through, now),
                broker_seen_at=None if close is None else close.recorded_at,
                records=head.sequence,
                head=head.hash,
            ),
            proposal=_proposal(settings, sources, through),
        ),
    )


def _results(lake: Lake, closed: Sequence[dt.date]) -> tuple[DailyResult, ...]:
    tables = (lake.read("pnl_daily", session) for session in closed)
    return tuple(read_pnl(table) for table in tables if table is not None)


def _last_close(log: EventLog, session: dt.date | None) -> EventRecord | None:
    if session is None:
        return None
    closes = list(log.records(event_types=["session_closed"], session=session))
    return closes[-1] if closes else None


def _sessions_due(calendar: TradingCalendar, through: dt.date | None, now: dt.datetime) -> int:
    """Sessions after the last closed one that have ended."""
    return sum(
        1
        for session in calendar.sessions
        if (through is None or session > through) and calendar.closes_at(session) <= now
    )


def _proposal(
    settings: PortfolioSettings, sources: DashboardSources, through: dt.date | None
) -> Proposal:
    """The recorded plan of the open session, else what would be planned for the next one."""
    calendar = sources.calendar
    following = next((one for one in calendar.sessions if through is None or one > through), None)
    if following is None:
        return Proposal(note="The portfolio has no session after the last closed one.")
    book = Book(sources.log, settings)
    if book.planned is not None:
        return Proposal(plan=book.planned.plan, recorded=True)
    if not isinstance(settings.prices, FilePrices):
        last = book.last_closed
        return Proposal(
            plan=None if last is None else last.planned.plan,
            recorded=True,
            note=f"{following} is not planned yet; prices are not asked for a page.",
        )
    try:
        return Proposal(plan=next_plan(book, settings, calendar, following, sources.prices()))
    except TradingAssetsError as error:
        return Proposal(note=f"{following} cannot be planned now: {error}")
