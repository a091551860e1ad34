"""12-1 momentum: hold, at equal weights, what rose most from twelve months ago to one month ago.

At the last session of a month every instrument of the universe is ranked by

    momentum = close one month-end ago / close twelve month-ends ago - 1

both adjusted for splits and dividends. The last month is left out, for what rose most in it tends
to fall back (Jegadeesh and Titman, "Returns to Buying Winners and Selling Losers", Journal of
Finance 48(1), 1993; Fama and French's "prior (2-12) return" is the same). A month-end is the last
session of a calendar month. The best `top_n` get 1 / `top_n` of equity each; where fewer can be
ranked, the rest stays cash. Ties go to the symbol that sorts first.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_DOWN, Decimal
from itertools import pairwise

import msgspec

from trading_assets.model.instrument import AdjustedPair
from trading_assets.model.money import ONE, WEIGHT_QUANTUM, ZERO
from trading_assets.model.policies import MomentumPolicy


class RankedInstrument(msgspec.Struct, frozen=True, kw_only=True):
    """One instrument of the ranking: `rank` from 1, `momentum` a fraction (0.12 is 12 %), `weight`
    the fraction of equity that it is to have, 0 below the first `top_n`. Closes are adjusted, in
    shares of `end_session`."""

    rank: int
    symbol: str
    sector: str
    momentum: Decimal
    start_session: dt.date
    start_close: Decimal
    end_session: dt.date
    end_close: Decimal
    weight: Decimal


class MomentumRanking(msgspec.Struct, frozen=True, kw_only=True):
    """The universe ranked as of a month-end, with the month-ends that momentum is measured between.

    `unranked` are the symbols that have no closes for it, sorted: their history is too short.
    """

    asof: dt.date
    start: dt.date
    end: dt.date
    ranked: tuple[RankedInstrument, ...]
    unranked: tuple[str, ...]

    @property
    def weights(self) -> dict[str, Decimal]:
        """What is to be held, by symbol: fractions of equity, none of them 0."""
        return {row.symbol: row.weight for row in self.ranked if row.weight}

    @property
    def sha256(self) -> str:
        """SHA-256 over the whole ranking and the closes that it follows from, in hex."""
        return hashlib.sha256(msgspec.json.encode(self)).hexdigest()


def month_ends(sessions: Sequence[dt.date]) -> list[dt.date]:
    """The last session of each month of `sessions` (ascending) that another month follows, so that
    the month is known to be over."""
    return [
        session
        for session, following in pairwise(sessions)
        if (session.year, session.month) != (following.year, following.month)
    ]


def measured_between(
    ends: Sequence[dt.date], asof: dt.date, policy: MomentumPolicy
) -> tuple[dt.date, dt.date] | None:
    """The month-ends twelve and one before `asof` (as the policy has them), `asof` being one of
    `ends` (ascending); None where the calendar does not reach back so far."""
    place = ends.index(asof) - policy.lookback_months
    return None if place < 0 else (ends[place], ends[place + policy.gap_months])


def rank_momentum(
    policy: MomentumPolicy,
    asof: dt.date,
    between: tuple[dt.date, dt.date],
    pairs: Mapping[str, AdjustedPair],
) -> MomentumRanking:
    """Rank the universe as of a month-end.

    `pairs` are the adjusted closes at the two month-ends of `between`, by symbol; a symbol of the
    universe that is not in it is unranked.
    """
    rises = {symbol: pairs[symbol].growth for symbol in policy.universe if symbol in pairs}
    order = sorted(rises, key=lambda symbol: (-rises[symbol], symbol))
    share = (ONE / policy.top_n).quantize(WEIGHT_QUANTUM, ROUND_DOWN)
    return MomentumRanking(
        asof=asof,
        start=between[0],
        end=between[1],
        ranked=tuple(
            RankedInstrument(
                rank=rank,
                symbol=symbol,
                sector=policy.universe[symbol],
                momentum=rises[symbol],
                start_session=pairs[symbol].start_session,
                start_close=pairs[symbol].start_close,
                end_session=pairs[symbol].end_session,
                end_close=pairs[symbol].end_close,
                weight=share if rank <= policy.top_n else ZERO,
            )
            for rank, symbol in enumerate(order, start=1)
        ),
        unranked=tuple(sorted(set(policy.universe) - set(rises))),
    )


class ProposedTrade(msgspec.Struct, frozen=True, kw_only=True):
    """A change of weight that the ranking asks for; positive `change` is a purchase. `is_traded` is
    False where it is smaller than the threshold and left alone."""

    symbol: str
    current_weight: Decimal
    target_weight: Decimal
    is_traded: bool

    @property
    def change(self) -> Decimal:
        """Signed fraction of equity."""
        return self.target_weight - self.current_weight


def proposed_trades(
    ranking: MomentumRanking, held: Mapping[str, Decimal], min_threshold: Decimal
) -> tuple[ProposedTrade, ...]:
    """What would be traded, by symbol; unchanged weights are left out.

    `held` are current weights, signed fractions of equity by symbol. A change smaller than
    `min_threshold` is proposed only where it ends a position. An instrument that is held and not in
    the ranking's weights is sold.
    """
    wanted = ranking.weights
    found = []
    for symbol in sorted({*wanted, *_symbols_held(held)}):
        current, target = held.get(symbol, ZERO), wanted.get(symbol, ZERO)
        if current != target:
            is_traded = abs(target - current) >= min_threshold or not target
            found.append(
                ProposedTrade(
                    symbol=symbol,
                    current_weight=current,
                    target_weight=target,
                    is_traded=is_traded,
                )
            )
    return tuple(found)


def _symbols_held(held: Mapping[str, Decimal]) -> Iterable[str]:
    return (symbol for symbol, weight in held.items() if weight)
