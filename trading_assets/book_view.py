"""`book show`: a book as of a session and as known at a moment, in tables for a terminal."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from decimal import Decimal

from rich.console import Console
from rich.table import Table

from trading_assets.analytics.pnl import daily_result
from trading_assets.event_log.store import EventLog
from trading_assets.execution.as_of import BookAsOf, known_sequence
from trading_assets.execution.book_start import restatements_of
from trading_assets.ledger.history import ClosedSession
from trading_assets.ledger.restatement import still_counting
from trading_assets.model.money import money, plain
from trading_assets.model.result import DailyResult

WIDTH = 150


def _console() -> Console:
    # Ids and amounts are printed whole, also where the output is a narrow pipe.
    console = Console(highlight=False)
    console.width = max(console.width, WIDTH)
    return console


def _table(title: str, columns: Sequence[str], figures: Iterable[str]) -> Table:
    table = Table(title=title, title_justify="left")
    right = set(figures)
    for name in columns:
        table.add_column(name, justify="right" if name in right else "left", no_wrap=True)
    return table


def _text(value: object) -> str:
    if value is None:
        return ""
    return plain(value) if isinstance(value, Decimal) else str(value)


def _amount(value: Decimal | None) -> str:
    """Money with its cents written out; what is finer than a cent with all its digits."""
    if value is None:
        return ""
    return f"{value:.2f}" if value == money(value) else plain(value)


def show_book(book: BookAsOf, portfolio: str, session: dt.date | None) -> None:
    """Print positions, lots, cash by currency, profit and loss, and the session's orders."""
    console, ledger = _console(), book.fold.ledger
    closed = book.closed
    through = "no session yet" if closed is None else str(closed.session)
    console.print(f"{portfolio}: records 1 to {book.sequence}, closed through {through}")
    console.print(_positions(book))
    console.print(_lots(book))
    cash = _table("Cash", ("currency", "balance"), ("balance",))
    for currency, balance in ledger.cash_balances.items():
        cash.add_row(currency, _amount(balance))
    cash.add_row(f"all, in {ledger.currency}", _amount(ledger.cash))
    cash.add_row("dividends owed, less owing", _amount(ledger.accruals))
    console.print(cash)
    if closed is not None:
        console.print(_result(daily_result(closed.previous, closed.activity, closed.close)))
        if closed.round_trips:
            console.print(_round_trips(closed))
    console.print(_since_inception(book))
    of_session = session or (None if closed is None else closed.session)
    if of_session is not None:
        console.print(_orders(book, of_session))


def _positions(book: BookAsOf) -> Table:
    ledger, marks = book.fold.ledger, book.fold.ledger.marks
    columns = ("symbol", "currency", "quantity", "cost basis", "average cost", "mark", "mark of")
    table = _table("Positions", columns, columns[2:])
    for symbol, quantity in ledger.positions.items():
        cost, mark = ledger.cost_basis(symbol), marks.get(symbol)
        table.add_row(
            symbol,
            ledger.currency_of(symbol),
            plain(quantity),
            _amount(cost),
            plain(round(cost / quantity, 6)),
            _text(mark and mark.price),
            _text(mark and mark.session),
        )
    return table


def _lots(book: BookAsOf) -> Table:
    columns = ("symbol", "lot", "opened", "quantity", "cost basis")
    table = _table("Lots", columns, ("quantity", "cost basis"))
    for symbol in book.fold.ledger.positions:
        for lot in book.fold.ledger.lots(symbol):
            table.add_row(
                symbol, lot.lot_id, str(lot.opened), plain(lot.quantity), _amount(lot.cost_basis)
            )
    return table


def _result(result: DailyResult) -> Table:
    table = _table(f"Profit and loss of {result.session}", ("", "amount"), ("amount",))
    for name in (
        "opening_equity",
        "flows",
        "pnl",
        "realized_pnl",
        "dividends",
        "interest",
        "fx_pnl",
        "fees",
        "closing_equity",
    ):
        table.add_row(name.replace("_", " "), _amount(getattr(result, name)))
    return table


def _round_trips(closed: ClosedSession) -> Table:
    figures = ("entry price", "exit price", "days", "return", "pnl")
    columns = ("symbol", "side", "quantity", "opened", *figures)
    title = f"Round trips closed in {closed.session}"
    table = _table(title, columns, ("quantity", *figures))
    for trip in closed.round_trips:
        table.add_row(
            trip.symbol,
            trip.side.value,
            plain(trip.quantity),
            str(trip.opened),
            plain(round(trip.entry_price, 6)),
            plain(round(trip.exit_price, 6)),
            str(trip.holding_days),
            "undefined" if trip.return_ is None else f"{trip.return_:+.2%}",
            _amount(trip.base_pnl),
        )
    return table


def _since_inception(book: BookAsOf) -> Table:
    ledger = book.fold.ledger
    columns = ("symbol", "currency", "realized pnl")
    table = _table("Realized profit and loss since inception", columns, ("realized pnl",))
    for symbol, amount in ledger.realized_pnl.items():
        table.add_row(symbol, ledger.currency_of(symbol), _amount(amount))
    table.add_row("fees", ledger.currency, _amount(ledger.fees))
    return table


def _orders(book: BookAsOf, session: dt.date) -> Table:
    columns = ("order", "side", "quantity", "filled", "average price", "status", "reason")
    table = _table(f"Orders of {session}", columns, columns[2:5])
    for order in book.fold.orders.of_session(session):
        table.add_row(
            order.client_order_id,
            order.request.side.value,
            plain(order.request.quantity),
            plain(order.filled_quantity),
            _text(order.average_price and round(order.average_price, 6)),
            order.status.value,
            order.reason,
        )
    return table


def show_events(
    log: EventLog, session: dt.date | None = None, known_at: dt.datetime | None = None
) -> None:
    """Print one line for each record, of one session or all, as known at a moment; those that a
    restatement superseded are marked."""
    console, end = _console(), known_sequence(log, known_at)
    counting = {
        record.sequence
        for record in still_counting(
            log.records(up_to=end, session=session), restatements_of(log, end)
        )
    }
    columns = ("record", "session", "event", "occurred at", "recorded at", "source", "about", "")
    table = _table("Events", columns, ("record",))
    for record in log.records(up_to=end, session=session):
        table.add_row(
            str(record.sequence),
            str(record.session),
            record.event_type,
            f"{record.occurred_at:%Y-%m-%d %H:%M:%S}",
            f"{record.recorded_at:%Y-%m-%d %H:%M:%S}",
            record.source,
            record.correlation_id,
            "" if record.sequence in counting else "superseded",
        )
    console.print(table)
