"""How a section stands on the page: with its heading, together, or with a word that it is empty."""

from __future__ import annotations

from reportlab.lib.units import mm
from reportlab.platypus import CondPageBreak, Flowable, KeepTogether

from trading_assets.reporting.styles import EMPTY, SECTION, paragraph


def headed(title: str, body: list[Flowable], *, room: float = 42 * mm) -> list[Flowable]:
    """A section that may run over pages; its heading needs `room` points below it."""
    return [CondPageBreak(room), paragraph(title, SECTION), *body]


def together(title: str, body: list[Flowable]) -> list[Flowable]:
    """A section that stays on one page."""
    return [KeepTogether([paragraph(title, SECTION), *body])]


def nothing(text: str) -> Flowable:
    """The sentence that stands where a section has no data."""
    return paragraph(text, EMPTY)


def words(name: str) -> str:
    """A name of the model as words on a page."""
    spaced = name.replace("_", " ")
    return spaced[:1].upper() + spaced[1:]
