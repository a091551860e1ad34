"""A reconciliation report as text for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from trading_assets.model.money import ZERO, plain
from trading_assets.model.result import Gap, GapCause, ReconciliationReport
from trading_assets.reconciliation.account import FINAL_VS_ACCOUNT
from trading_assets.reconciliation.average_cost import AVERAGE_COST
from trading_assets.reconciliation.continuity import BOOK_CONTINUITY
from trading_assets.reconciliation.planned import PLANNED_VS_FILLED
from trading_assets.reconciliation.statement import BOOK_VS_BROKER
from trading_assets.reconciliation.weights import TARGET_VS_FINAL

_VIEWS = (
    (PLANNED_VS_FILLED, "Planned - filled (signed shares; money at the plan price)"),
    (TARGET_VS_FINAL, "Target - final (fraction of equity; money)"),
    (BOOK_VS_BROKER, "Book - broker (signed shares; money for CASH)"),
    (BOOK_CONTINUITY, "Closing book - opening book and fills of the plan (signed shares; money)"),
)
# Shown where there is any: most brokers state no costs, and weights differ where shares do.
_WHERE_ANY = (
    (FINAL_VS_ACCOUNT, "Weight in the book - by the statement recorded at the close (fraction)"),
    (AVERAGE_COST, "Cost of lots - average cost at the broker (money)"),
)
_HEADER = ("symbol", "cause", "shares", "money", "weight", "detail")


def summary_text(report: ReconciliationReport, *, portfolio: str = "", currency: str = "") -> str:
    """The report in aligned lines, ending in a newline: "RECONCILED" or "BREAK", counts, and for
    each view its gaps and the total of each cause. The weights' view has only totals: every
    instrument's weight moves a little each session.
    """
    broken = report.unexplained
    verdict = f"BREAK: {len(broken)} unexplained" if broken else "RECONCILED"
    counts = Counter(row.status for row in report.rows)
    cash = f"book {plain(report.book_cash)}, broker {plain(report.broker_cash)} {currency}"
    lines = [
        f"Reconciliation of {report.session} {portfolio}".rstrip(),
        f"Result       {verdict}",
        f"Instruments  {len(report.rows)}: {counts['match']} match, "
        f"{counts['explained']} explained, {counts['break']} break",
        f"Cash         {cash}".rstrip(),
    ]
    found = {gap.view for gap in report.gaps}
    for view, title in (*_VIEWS, *(each for each in _WHERE_ANY if each[0] in found)):
        gaps = [gap for gap in report.gaps if gap.view == view]
        lines += ["", title]
        if not gaps:
            lines.append("  no difference")
            continue
        listed = [gap for gap in gaps if view != TARGET_VS_FINAL or _must_be_read(gap)]
        lines += _aligned([_HEADER, *map(_gap_cells, listed), *_total_cells(gaps)])
    return "\n".join(lines) + "\n"


def _must_be_read(gap: Gap) -> bool:
    return gap.cause in (GapCause.UNEXPLAINED, GapCause.UNDEFINED)


def _gap_cells(gap: Gap) -> list[str]:
    numbers = [plain(gap.quantity), plain(gap.amount), plain(gap.weight)]
    return [gap.symbol, gap.cause.value, *numbers, gap.detail]


def _total_cells(gaps: Iterable[Gap]) -> list[list[str]]:
    """One row for each cause; shares of different instruments are not added up."""
    by_cause: dict[GapCause, list[Gap]] = {}
    for gap in gaps:
        by_cause.setdefault(gap.cause, []).append(gap)
    rows = []
    for cause in GapCause:
        parts = by_cause.get(cause, [])
        if parts:
            amount = sum((gap.amount for gap in parts), ZERO)
            weight = sum((gap.weight for gap in parts), ZERO)
            count = f"{len(parts)} part(s)"
            rows.append(["total", cause.value, "", plain(amount), plain(weight), count])
    return rows


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns as wide as their widest cell; numbers (columns 3 to 5) to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if 2 <= place <= 4 else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append(f"  {'  '.join(cells)}".rstrip())
    return lines
