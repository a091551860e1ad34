"""A verification for the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from trading_assets.evidence.verification import Agreement, FigureCheck, ReportVerification

WIDTH = 130


def show_verification(found: ReportVerification, *, show_all: bool) -> None:
    """Print how many figures of each section agree, each that differs, and all other problems."""
    console = Console(highlight=False, markup=False)
    console.width = max(console.width, WIDTH)
    console.print(
        f"{found.portfolio}, {found.month}: {found.records} records of the book, head {found.head}"
    )
    if found.figures:
        console.print(_by_section(found))
    listed = found.figures if show_all else found.differing
    if listed:
        console.print(_figures(listed, "Figures" if show_all else "Figures that differ"))
    for problem in found.problems:
        console.print(f"problem: {problem}", soft_wrap=True)
    for note in found.notes:
        console.print(f"note: {note}", soft_wrap=True)
    console.print(_verdict(found), soft_wrap=True)


def _verdict(found: ReportVerification) -> str:
    if found.verified:
        return (
            "VERIFIED: every figure of the report is what the evidence gives, the chain of the "
            "book's records is unbroken."
        )
    if not found.figures:
        return "NOT VERIFIED: no figure could be recomputed."
    return (
        f"NOT VERIFIED: {len(found.differing)} of {len(found.figures)} figures differ, "
        f"{len(found.problems)} other problems."
    )


def _by_section(found: ReportVerification) -> Table:
    table = Table()
    for name in ("section", "figures", "agree", "differ", "stated only"):
        table.add_column(name, justify="left" if name == "section" else "right")
    sections = dict.fromkeys(one.figure.section for one in found.figures)
    for section in sections:
        checks = [one for one in found.figures if one.figure.section == section]
        table.add_row(section, str(len(checks)), *_counts(checks))
    table.add_row("all", str(len(found.figures)), *_counts(found.figures), style="bold")
    return table


def _counts(checks: tuple[FigureCheck, ...] | list[FigureCheck]) -> list[str]:
    return [
        str(sum(one.agreement is kind for one in checks))
        for kind in (Agreement.AGREES, Agreement.DIFFERS, Agreement.STATED)
    ]


def _figures(checks: tuple[FigureCheck, ...], title: str) -> Table:
    table = Table(title=title, title_justify="left")
    for name in ("section", "row", "column", "evidence gives", "printed", "attached", ""):
        table.add_column(name, overflow="fold")
    for one in checks:
        figure = one.figure
        table.add_row(
            figure.section,
            figure.row,
            figure.column,
            figure.text,
            one.printed,
            one.embedded,
            one.agreement.value,
        )
    return table
