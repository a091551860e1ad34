"""What each instrument earned over the month: lines that add up to the statement's profit."""

from __future__ import annotations

from collections.abc import Sequence

from reportlab.platypus import Flowable

from trading_assets.model.money import ZERO
from trading_assets.reporting.monthly_content import InstrumentLine, MonthlyContent
from trading_assets.reporting.number_format import NOT_APPLICABLE, money
from trading_assets.reporting.sections import headed
from trading_assets.reporting.styles import SMALL, paragraph
from trading_assets.reporting.tables import Column, Kind, TableSpec, data_table

TITLE = "Profit and loss by instrument"
INSTRUMENTS_SHOWN_MAX = 40
"""A month with more shows those that earned or lost most, and sums the others."""


def instrument_part(content: MonthlyContent) -> list[Flowable]:
    """One row for each instrument that was held or traded, most earned first; left out of a month
    without any."""
    lines = content.instruments
    if not lines:
        return []
    largest = sorted(lines, key=lambda line: -abs(line.pnl))[:INSTRUMENTS_SHOWN_MAX]
    chosen = {line.symbol for line in largest}
    shown = [line for line in lines if line.symbol in chosen]
    others = [line for line in lines if line.symbol not in chosen]
    rows = [(line.symbol, line.name or NOT_APPLICABLE, *_amounts([line])) for line in shown]
    totals = [(f"{len(others)} others", "", *_amounts(others))] if others else []
    statement = content.statement
    if statement is not None:
        apart = ("Interest", statement.interest), ("Exchange rates", statement.fx_pnl)
        totals += [
            (label, "", money(amount, signed=True), "", "", "") for label, amount in apart if amount
        ]
        pnl = money(statement.pnl, signed=True)
        totals.append(("Total", "", pnl, *_amounts(lines)[1:]))
    columns = (
        Column("Symbol", Kind.TEXT),
        Column("Name", Kind.TEXT, 90),
        Column("P&L before costs"),
        Column("of which realised"),
        Column("of which dividends"),
        Column("Commission"),
    )
    note = (
        f"Amounts in {content.currency}. Over the month: from its opening value, or what was paid "
        "in it, to its closing value, or what it was sold for. Realised is against cost, so it may "
        "hold what earlier months gained."
    )
    spec = TableSpec(columns=columns, rows=(*rows, *totals), totals=len(totals))
    return headed(TITLE, [data_table(spec), paragraph(note, SMALL)])


def _amounts(lines: Sequence[InstrumentLine]) -> tuple[str, ...]:
    return (
        money(sum((line.pnl for line in lines), ZERO), signed=True),
        money(sum((line.realized_pnl for line in lines), ZERO), signed=True),
        money(sum((line.dividends for line in lines), ZERO), signed=True),
        money(sum((line.commission for line in lines), ZERO)),
    )
