"""The month by strategy: lines that add up to the statement of the month."""

from __future__ import annotations

from collections.abc import Sequence

from reportlab.platypus import Flowable

from trading_assets.model.money import ZERO
from trading_assets.model.target import UNATTRIBUTED
from trading_assets.reporting.monthly_content import MonthlyContent, StrategyLine
from trading_assets.reporting.number_format import money
from trading_assets.reporting.sections import nothing, together, words
from trading_assets.reporting.styles import ALERT, SMALL, paragraph
from trading_assets.reporting.tables import Column, Kind, TableSpec, data_table

TITLE = "By strategy"
COMMON_TO_BOTH = ("opening_equity", "flows", "pnl", "fees", "closing_equity")
"""What the lines and the month's statement both state."""


def strategy_part(content: MonthlyContent) -> list[Flowable]:
    """One row for each strategy, and the account as their sum."""
    if not content.strategies:
        return together(TITLE, [nothing("No session of this month is closed.")])
    rows = tuple(
        (words(line.strategy) if line.strategy == UNATTRIBUTED else line.strategy, *_amounts(line))
        for line in content.strategies
    )
    columns = (
        Column("Strategy", Kind.TEXT, 70),
        Column("Equity at the start"),
        Column("Flows"),
        Column("P&L before costs"),
        Column("Commissions and fees"),
        Column("Equity at the end"),
        Column("Market value"),
        Column("Cash"),
    )
    total = _sum(content.strategies)
    spec = TableSpec(columns=columns, rows=(*rows, ("Account", *_amounts(total))), totals=1)
    note = (
        f"Amounts in {content.currency}. A trade belongs to the strategies that asked for it, in "
        "proportion to what each asked for; what they want from each other changes hands inside "
        "the account at the session's price, without commission. A strategy's equity is what it "
        "was allotted of deposits and what it earned since; its cash may be negative, drawn from "
        "what others leave in the account. Dividends owed are in equity alone."
    )
    if any(line.strategy == UNATTRIBUTED for line in content.strategies):
        note += " Unattributed is what no strategy asked for, and cash allotted to none."
    body = [data_table(spec), paragraph(note, SMALL)]
    account = content.statement
    if account is not None and any(
        getattr(total, name) != getattr(account, name) for name in COMMON_TO_BOTH
    ):
        body.append(paragraph("The strategies do not add up to the statement of the month.", ALERT))
    return together(TITLE, body)


def _amounts(line: StrategyLine) -> tuple[str, ...]:
    return (
        money(line.opening_equity),
        money(line.flows, signed=True),
        money(line.pnl, signed=True),
        money(-line.fees, signed=True),
        money(line.closing_equity),
        money(line.market_value),
        money(line.cash),
    )


def _sum(lines: Sequence[StrategyLine]) -> StrategyLine:
    names = [name for name in StrategyLine.__struct_fields__ if name != "strategy"]
    totals = {name: sum((getattr(line, name) for line in lines), ZERO) for name in names}
    return StrategyLine(strategy="", **totals)
