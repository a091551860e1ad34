"""Looking at a portfolio without changing it: plan, reconciliation, status, and files again."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec.structs import replace
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from trading_assets.alpaca_api.client import API_REQUESTS
from trading_assets.analytics.pnl import daily_result, position_values
from trading_assets.analytics.strategy_pnl import strategy_session
from trading_assets.calendar import TradingCalendar
from trading_assets.errors import BookError, SessionNotReadyError
from trading_assets.event_log.store import event_log_to_read
from trading_assets.execution.annotating import read_annotations
from trading_assets.execution.book import Book, closed_session_dates, read_closed_sessions
from trading_assets.execution.corporate_actions import unrecorded_actions
from trading_assets.execution.halt import is_halted
from trading_assets.execution.session import plan_inputs
from trading_assets.lake import Lake
from trading_assets.ledger.annotations import TradeAnnotations
from trading_assets.ledger.history import ClosedSession
from trading_assets.market_data.base import PriceSource
from trading_assets.model.money import plain
from trading_assets.model.plan import OrderPlan
from trading_assets.model.policies import Placement
from trading_assets.model.result import ReconciliationReport
from trading_assets.model.target import TargetPortfolio, TargetWeight
from trading_assets.portfolio.consolidation import consolidate
from trading_assets.portfolio.order_rules import ALPACA, IBKR
from trading_assets.portfolio.planning import make_plan
from trading_assets.price_sources import open_prices
from trading_assets.reconciliation import reconcile, summary_text
from trading_assets.reconciliation.manual_matching import trade_list
from trading_assets.reporting.exports import SessionExports
from trading_assets.reporting.projections import read_prices
from trading_assets.reporting.slippage_rows import booked_slippage, slippage_columns
from trading_assets.settings import Directories, Mode, PortfolioSettings
from trading_assets.signal_sources import open_signals

TABLE_WIDTH = 110


def targets_of(
    settings: PortfolioSettings, calendar: TradingCalendar, session: dt.date, prices: PriceSource
) -> TargetPortfolio:
    """The consolidated targets of a session as signal files and prices give them now."""
    signals = [source.at(session) for source in open_signals(settings, calendar, prices)]
    return consolidate(session, signals, settings.combination, settings.constraints)


def planned_targets(plan: OrderPlan) -> TargetPortfolio:
    """The targets that a recorded plan was made for."""
    return TargetPortfolio(
        session=plan.session,
        asof=plan.signal_asof,
        strategy_id=plan.strategy_id,
        weights=tuple(
            TargetWeight(
                asset_id=line.asset_id,
                symbol=line.symbol,
                weight=line.target_weight,
                contributions=line.contributions,
            )
            for line in plan.lines
            if line.contributions
        ),
    )


def plan_of(places: Directories, settings: PortfolioSettings, session: dt.date) -> OrderPlan:
    """The plan of a session: the recorded one, else what would be planned now.

    Raises SessionNotReadyError when the session before is not closed, or a real account not taken
    over yet.
    """
    calendar = TradingCalendar(settings.sessions)
    calendar.require(session)
    log = event_log_to_read(places.books, settings.id, places.book_url)
    try:
        book = Book(log, settings, keep=[session])
        closed = book.closed.get(session)
        if closed is not None:
            return closed.planned.plan
        if book.planned is not None and book.planned.plan.session == session:
            return book.planned.plan
        if settings.mode.is_real and book.first_session is None:
            raise SessionNotReadyError(
                f"{settings.id}: {session} cannot be planned, what the account holds is not known "
                "yet. Run the session: before the open that takes the account over and plans."
            )
        if book.closed_through != calendar.previous(session):
            raise SessionNotReadyError(
                f"{settings.id}: {session} cannot be planned, the book is closed through "
                f"{book.closed_through or 'no session yet'}."
            )
        prices = open_prices(settings, calendar, requests=places.state / API_REQUESTS)
        return next_plan(book, settings, calendar, session, prices)
    finally:
        log.close()


def next_plan(
    book: Book,
    settings: PortfolioSettings,
    calendar: TradingCalendar,
    session: dt.date,
    prices: PriceSource,
) -> OrderPlan:
    """What would be planned now for the session after the last closed one; nothing is recorded, but
    corporate actions of its open are folded into `book`. At a real broker by its rules for every
    account, but without what only it knows: single symbols, buying power, what is open there."""
    snapshot = prices.before(session, prices.symbols)
    # As the session will: what takes effect at its open comes before its plan.
    for action in unrecorded_actions(book, session, prices.actions.of(session)):
        book.fold.ledger.apply_event(session, action)
    targets = targets_of(settings, calendar, session, prices)
    inputs = plan_inputs(settings, book, targets, snapshot)
    if settings.mode.is_real:
        rules = ALPACA if settings.ibkr is None else IBKR
        inputs = replace(inputs, order_rules=rules)
    if book.closed_through is None and not book.fold.ledger.flows:
        # The first session pays the initial cash in before it plans.
        inputs = replace(inputs, cash=settings.initial_cash)
    return make_plan(inputs)


def show_plan(plan: OrderPlan) -> None:
    """Print a plan: every order considered, what is sent of it, and why the rest is not."""
    console = Console()
    table = Table(title=f"{plan.session}  {plan.batch_id}  equity {plain(plan.equity)}")
    for name in ("symbol", "side", "planned", "real", "price", "type", "why"):
        table.add_column(name, justify="right" if name in ("planned", "real", "price") else "left")
    for order in plan.orders:
        table.add_row(
            order.symbol,
            order.side.value,
            plain(order.planned_quantity),
            plain(order.quantity),
            plain(order.price),
            order.order_type.value,
            "; ".join(cut.reason.value for cut in order.cuts),
        )
    console.print(table)
    for refusal in plan.refusals:
        console.print(f"[red]refused[/red] {refusal.code}: {refusal.message}")
    console.print(f"{len(plan.real_orders)} of {len(plan.orders)} orders are to be sent.")


def closed_session(
    places: Directories, settings: PortfolioSettings, session: dt.date
) -> ClosedSession:
    """One closed session from the book, or SessionNotReadyError."""
    TradingCalendar(settings.sessions).require(session)
    log = event_log_to_read(places.books, settings.id, places.book_url)
    try:
        for closed in read_closed_sessions(log, settings, session):
            if closed.session == session:
                return closed
    finally:
        log.close()
    raise SessionNotReadyError(f"{settings.id}: {session} is not closed in the book. Run it first.")


def reconciliation_of(
    places: Directories, settings: PortfolioSettings, session: dt.date
) -> tuple[ReconciliationReport, str]:
    """The reconciliation of a closed session and its text."""
    return _reconciled(settings, closed_session(places, settings, session))


def _reconciled(
    settings: PortfolioSettings, closed: ClosedSession
) -> tuple[ReconciliationReport, str]:
    report = reconcile(closed, sent=settings.mode is not Mode.DRY)
    return report, summary_text(report, portfolio=settings.id, currency=settings.currency)


def export_session(
    places: Directories, settings: PortfolioSettings, session: dt.date, folder: Path
) -> Path:
    """Write every exported file of a closed session below `folder`; the folder it wrote to."""
    closed = closed_session(places, settings, session)
    log = event_log_to_read(places.books, settings.id, places.book_url)
    try:
        annotations = read_annotations(log)
    finally:
        log.close()
    return write_session_files(places, settings, closed, folder, annotations)


def write_session_files(
    places: Directories,
    settings: PortfolioSettings,
    closed: ClosedSession,
    folder: Path,
    annotations: Mapping[str, TradeAnnotations],
) -> Path:
    """Write the exported files of a closed session below `folder`; the folder it wrote to.
    `annotations` are the book's.

    All from the book, but `real_prices.csv` from the kept prices (where they were deleted, it is
    left out): the book has only the prices that the plan used.
    """
    session, close = closed.session, closed.close
    report, summary = _reconciled(settings, closed)
    exports = SessionExports(folder, settings.id, session)
    exports.targets(planned_targets(closed.planned.plan))
    prices = Lake(places.lake, settings.id).read("prices", session)
    if prices is not None:
        exports.prices(read_prices(session, prices))
    exports.plan(closed.planned.plan)
    if settings.execution.placement is Placement.MANUAL:
        exports.trade_list(trade_list(closed.planned.plan.real_orders, closed.fills))
    exports.execution(closed, settings.mode.execution)
    values = position_values(close, closed.cost_bases)
    exports.positions(values, close.cash, close.accruals)
    exports.reconciliation(report, summary)
    exports.pnl(daily_result(closed.previous, closed.activity, close))
    exports.strategies(strategy_session(closed))
    exports.slippage(slippage_columns(booked_slippage(closed, settings, annotations)))
    return exports.folder


def show_status(
    places: Directories, portfolios: Sequence[PortfolioSettings]
) -> tuple[BookError, ...]:
    """Print each portfolio's state; what is wrong with the books that cannot be read."""
    console = Console()
    table = Table()
    for name in ("portfolio", "closed through", "next", "equity", "records", "head", "chain"):
        table.add_column(name, no_wrap=name != "chain", overflow="fold")
    errors = []
    for settings in portfolios:
        sessions = TradingCalendar(settings.sessions).sessions
        try:
            row = _status_row(places, settings, sessions)
        except BookError as error:
            errors.append(error)
            row = (settings.id, "", "", "", "", "", f"[red]{escape(str(error))}[/red]")
        table.add_row(*row)
    # Dates and hashes are printed whole, also where the output is a narrow pipe.
    console.width = max(console.width, TABLE_WIDTH)
    console.print(table)
    if is_halted(places.halt_switch):
        console.print(f"[red]Trading is halted[/red] ({places.halt_switch}).")
    return tuple(errors)


def _status_row(
    places: Directories, settings: PortfolioSettings, sessions: Sequence[dt.date]
) -> tuple[str, ...]:
    log = event_log_to_read(places.books, settings.id, places.book_url)
    try:
        records = log.verify()
        latest = max(closed_session_dates(log), default=None)
        last = None
        for closed in read_closed_sessions(log, settings, latest):
            last = closed
        return (
            settings.id,
            str(latest or "none"),
            str(next((day for day in sessions if latest is None or day > latest), "none")),
            "" if last is None else f"{plain(last.close.equity)} {settings.currency}",
            str(records),
            log.head().hash[:12],
            "verified",
        )
    finally:
        log.close()
