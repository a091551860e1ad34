"""A book at a close against the limits: what orders may not lead to, prices can."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal

import msgspec

from trading_assets.risk.policies import RiskLimits
from trading_assets.risk.refusals import RiskCode


class BookMeasures(msgspec.Struct, frozen=True, kw_only=True):
    """A book as limits see it: `gross` (Σ|value|), `net` and `equity` in money; the rest fractions,
    None where undefined. `drawdown` is at most 0, weights of sectors are of Σ|value|."""

    equity: Decimal
    gross: Decimal
    net: Decimal
    largest_symbol: str | None
    largest_weight: float | None
    drawdown: float | None
    sector_weights: Mapping[str, float | None]


class Breach(msgspec.Struct, frozen=True):
    """One limit that a book is beyond: whose (a symbol, a sector, the book), and by how much."""

    code: RiskCode
    subject: str
    actual: float
    limit: Decimal

    @property
    def message(self) -> str:
        """Code, subject, value and limit."""
        return f"{self.code.value}: {self.subject} {self.actual:.4f}, limit {self.limit}"


def breaches(book: BookMeasures, limits: RiskLimits) -> tuple[Breach, ...]:
    """Every limit on the book as a whole that `book` is beyond; none where it is within all.

    Without equity ratios are undefined: a book that holds anything is beyond each limit on them,
    which is said once, as NO_EQUITY.
    """
    return tuple(_breaches(book, limits))


def _breaches(book: BookMeasures, limits: RiskLimits) -> Iterator[Breach]:
    gross, equity = float(book.gross), float(book.equity)
    if equity <= 0:
        if gross:
            yield Breach(RiskCode.NO_EQUITY, "equity", equity, Decimal(0))
        return
    measured = [
        (RiskCode.TOTAL_EXPOSURE_LIMIT, "exposure", gross, limits.max_total_exposure),
        (
            RiskCode.GROSS_LEVERAGE_LIMIT,
            "gross leverage",
            gross / equity,
            limits.max_gross_leverage,
        ),
        (
            RiskCode.NET_LEVERAGE_LIMIT,
            "net leverage",
            abs(float(book.net)) / equity,
            limits.max_net_leverage,
        ),
        (
            RiskCode.CONCENTRATION_LIMIT,
            str(book.largest_symbol),
            abs(book.largest_weight or 0.0),
            limits.max_concentration,
        ),
        (RiskCode.DRAWDOWN_LIMIT, "drawdown", -(book.drawdown or 0.0), limits.max_drawdown),
        *(
            (RiskCode.SECTOR_LIMIT, sector, weight or 0.0, limits.max_sector_weight)
            for sector, weight in sorted(book.sector_weights.items())
        ),
    ]
    for code, subject, actual, limit in measured:
        if limit is not None and actual > float(limit):
            yield Breach(code, subject, actual, limit)
