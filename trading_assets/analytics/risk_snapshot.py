"""What a book risks at a session's close: exposure, concentration, leverage, drawdown, volatility.

Exposures are exact money at the close's marks, in the portfolio's currency; ratios are statistics,
floats, and None where they are undefined: no equity, no positions, too short a record.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from decimal import Decimal

import msgspec
import numpy as np

from trading_assets.ledger.activity import BookClose, SessionActivity
from trading_assets.model.money import ZERO

VOLATILITY_SESSIONS = 60
"""Of how many daily returns volatility is taken: a quarter."""
UNCLASSIFIED = "unclassified"
"""The sector of a symbol that none is given for."""


class SectorExposure(msgspec.Struct, frozen=True, kw_only=True):
    """Money in one sector: `long_value` and `short_value` both positive; `weight` is their sum over
    equity, None without equity."""

    sector: str
    long_value: Decimal
    short_value: Decimal
    weight: float | None


class RiskSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """One close. `long_value` and `short_value` are positive money; gross is their sum, net their
    difference.

    `largest_weight` is that of `largest_symbol`, the position of the greatest |value|, signed.
    `effective_positions` = 1 / Σ s², s each position's share of gross exposure: 10 equal positions
    count as 10, one large among small ones as little more than 1. `drawdown` is a fraction <= 0,
    that of the time-weighted return. `volatility` is the sample standard deviation (n - 1) of the
    last 60 daily returns x √(sessions in a year), None before there are as many.
    """

    session: dt.date
    equity: Decimal
    long_value: Decimal
    short_value: Decimal
    position_count: int
    gross_leverage: float | None
    net_leverage: float | None
    largest_symbol: str | None
    largest_weight: float | None
    effective_positions: float | None
    drawdown: float | None
    sectors: tuple[SectorExposure, ...] = ()
    volatility: float | None = None

    @property
    def gross_exposure(self) -> Decimal:
        """Σ |value| of the positions."""
        return self.long_value + self.short_value

    @property
    def net_exposure(self) -> Decimal:
        """Σ value of the positions, negative where shorts outweigh."""
        return self.long_value - self.short_value


def risk_snapshot(close: BookClose, sectors: Mapping[str, str] | None = None) -> RiskSnapshot:
    """The snapshot of `close`, without its volatility; `sectors` gives each symbol's, and without
    any none are told apart."""
    equity = close.equity
    names, values = list(close.values), list(close.values.values())
    long_value = sum((value for value in values if value > 0), ZERO)
    short_value = long_value - sum(values, ZERO)
    gross = float(long_value + short_value)
    largest_symbol = largest = effective = None
    if gross > 0:
        sizes = np.array(values, dtype=np.float64)
        place = int(np.abs(sizes).argmax())
        largest_symbol = names[place]
        largest = _ratio(values[place], equity)
        effective = gross * gross / float(sizes @ sizes)
    fallen = None
    if close.peak_equity > 0:
        fallen = min(float(equity / close.peak_equity - 1), 0.0)
    return RiskSnapshot(
        session=close.session,
        equity=equity,
        long_value=long_value,
        short_value=short_value,
        position_count=len(values),
        gross_leverage=_ratio(long_value + short_value, equity),
        net_leverage=_ratio(long_value - short_value, equity),
        largest_symbol=largest_symbol,
        largest_weight=largest,
        effective_positions=effective,
        drawdown=fallen,
        sectors=_sector_exposures(close, sectors) if sectors else (),
    )


def with_volatility(
    snapshots: Sequence[RiskSnapshot],
    returns: Sequence[float | None],
    earlier: Sequence[float | None],
    annualisation_sessions: int,
) -> list[RiskSnapshot]:
    """`snapshots` with their volatility. `returns` are the daily returns of the same sessions,
    `earlier` those of the sessions before them, both ascending; None is an unknown return."""
    taken = list(earlier)[-(VOLATILITY_SESSIONS - 1) :]
    series = np.array([math.nan if r is None else r for r in [*taken, *returns]], dtype=np.float64)
    found = np.full(series.size, math.nan)
    if series.size >= VOLATILITY_SESSIONS:
        windows = np.lib.stride_tricks.sliding_window_view(series, VOLATILITY_SESSIONS)
        found[VOLATILITY_SESSIONS - 1 :] = windows.std(axis=1, ddof=1)
    annual = (found[len(taken) :] * math.sqrt(annualisation_sessions)).tolist()
    return [
        msgspec.structs.replace(one, volatility=None if math.isnan(value) else value)
        for one, value in zip(snapshots, annual, strict=True)
    ]


def daily_return(
    previous: BookClose | None, activity: SessionActivity, close: BookClose
) -> float | None:
    """The day's return as `DailyResult.daily_return` has it, without each instrument's part in it;
    None where its base is not positive."""
    opening = ZERO if previous is None else previous.equity
    base = opening + max(activity.flows, ZERO)
    return float((close.equity - opening - activity.flows) / base) if base > 0 else None


def _sector_exposures(close: BookClose, sectors: Mapping[str, str]) -> tuple[SectorExposure, ...]:
    sums: dict[str, list[Decimal]] = {}
    for symbol, value in close.values.items():
        held = sums.setdefault(sectors.get(symbol, UNCLASSIFIED), [ZERO, ZERO])
        held[value < 0] += abs(value)
    return tuple(
        SectorExposure(
            sector=sector,
            long_value=long_value,
            short_value=short_value,
            weight=_ratio(long_value + short_value, close.equity),
        )
        for sector, (long_value, short_value) in sorted(sums.items())
    )


def _ratio(value: Decimal, equity: Decimal) -> float | None:
    return float(value) / float(equity) if equity > 0 else None
