"""What round trips add up to: how often, how much and how long."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from trading_assets.model.money import ZERO
from trading_assets.model.round_trip import RoundTrip


class RoundTripSummary(msgspec.Struct, frozen=True, kw_only=True):
    """Round trips of a period. Money is of the portfolio's currency, None is undefined.

    `gains` and `losses` (both positive) are the sums over those that gained and lost; `win_rate` =
    winners / (winners + losers), `profit_factor` = gains / losses; `holding_days` the mean weighted
    by nothing, calendar days.
    """

    count: int
    winners: int
    losers: int
    gains: Decimal
    losses: Decimal
    holding_days: float | None

    @property
    def pnl(self) -> Decimal:
        """Gains less losses."""
        return self.gains - self.losses

    @property
    def win_rate(self) -> float | None:
        """Fraction of those that did not end even; None where there are none."""
        decided = self.winners + self.losers
        return self.winners / decided if decided else None

    @property
    def profit_factor(self) -> float | None:
        """Gains for each unit of loss; None without a loss."""
        return float(self.gains / self.losses) if self.losses else None


def round_trip_summary(trips: Sequence[RoundTrip]) -> RoundTripSummary:
    """Count and add up `trips`; an empty sequence gives zeros and undefined rates."""
    gains = [trip.base_pnl for trip in trips if trip.base_pnl > 0]
    losses = [-trip.base_pnl for trip in trips if trip.base_pnl < 0]
    return RoundTripSummary(
        count=len(trips),
        winners=len(gains),
        losers=len(losses),
        gains=sum(gains, ZERO),
        losses=sum(losses, ZERO),
        holding_days=sum(trip.holding_days for trip in trips) / len(trips) if trips else None,
    )
