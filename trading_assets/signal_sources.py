"""Where a portfolio's signals come from: signal files, and the built-in momentum of its prices."""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left
from collections.abc import Sequence
from typing import Protocol

from trading_assets.calendar import TradingCalendar
from trading_assets.errors import ConfigurationError, InputError
from trading_assets.market_data.base import AdjustedCloses, PriceSource
from trading_assets.model.target import SignalRow, StrategySignal
from trading_assets.portfolio.momentum import (
    MomentumRanking,
    measured_between,
    month_ends,
    rank_momentum,
)
from trading_assets.portfolio.signals import latest_signal
from trading_assets.settings import PortfolioSettings
from trading_assets.signal_files import read_signal_file
from trading_assets.signal_settings import MomentumStrategy, StrategySettings


class SignalSource(Protocol):
    """One strategy's signals."""

    def at(self, session: dt.date) -> StrategySignal:
        """The strategy's latest signal that was known before `session`; InputError where there is
        none, or only one that is too old."""
        ...


def open_signals(
    settings: PortfolioSettings, calendar: TradingCalendar, prices: PriceSource | None
) -> tuple[SignalSource, ...]:
    """The strategies' signals in the order of the manifest. `prices` are the portfolio's, needed
    where a strategy is built in (`needs_prices`)."""
    return tuple(
        MomentumSignals(strategy, adjusted_closes(prices), calendar.history)
        if isinstance(strategy, MomentumStrategy)
        else FileSignals(strategy, settings.signals.max_age_days)
        for strategy in settings.signals.strategies
    )


def needs_prices(settings: PortfolioSettings) -> bool:
    """Whether signals are made from prices."""
    return bool(settings.momentum)


def adjusted_closes(prices: object) -> AdjustedCloses:
    """The adjusted closes of a price source; ConfigurationError where it has none."""
    if isinstance(prices, AdjustedCloses):
        return prices
    name = getattr(prices, "name", "none")
    raise ConfigurationError(
        f"momentum needs adjusted closes of a year and more, and the price source ({name}) has "
        "none. Use a file, `prices: {kind: yahoo}` or `{kind: alpaca}`."
    )


class FileSignals:
    """The signals of a signal file, which is read and checked whole."""

    def __init__(self, strategy: StrategySettings, max_age_days: int) -> None:
        self._file = read_signal_file(strategy)
        self._max_age_days = max_age_days

    def at(self, session: dt.date) -> StrategySignal:
        """See `SignalSource`."""
        return latest_signal(self._file, session, self._max_age_days)


class MomentumSignals:
    """Momentum ranked at every month-end of `sessions`, the calendar's with a year of history.

    A ranking is made from closes up to one month before its month-end and holds from the first
    session after it.
    """

    def __init__(
        self, strategy: MomentumStrategy, closes: AdjustedCloses, sessions: Sequence[dt.date]
    ) -> None:
        self.strategy = strategy
        self._closes = closes
        self._ends = month_ends(sessions)
        self._rankings: dict[dt.date, MomentumRanking] = {}

    def ranking_before(self, session: dt.date) -> MomentumRanking:
        """The ranking of the last month-end before `session`.

        Raises InputError where the calendar does not reach back far enough, or no symbol of the
        universe has closes that do.
        """
        place = bisect_left(self._ends, session) - 1
        if place < 0:
            raise self._too_short(session, "the calendar begins later")
        asof = self._ends[place]
        between = measured_between(self._ends, asof, self.strategy)
        if between is None:
            raise self._too_short(session, "the calendar begins later")
        if asof not in self._rankings:
            pairs = {
                symbol: pair
                for symbol in self.strategy.universe
                if (pair := self._closes.adjusted_pair(symbol, *between)) is not None
            }
            self._rankings[asof] = rank_momentum(self.strategy, asof, between, pairs)
        ranking = self._rankings[asof]
        if not ranking.ranked:
            raise self._too_short(
                session, f"no symbol has closes of both {between[0]} and {between[1]}"
            )
        return ranking

    def at(self, session: dt.date) -> StrategySignal:
        """See `SignalSource`; the row of an instrument is its rank."""
        ranking = self.ranking_before(session)
        return StrategySignal(
            strategy_id=self.strategy.id,
            session=session,
            asof=ranking.asof,
            age_days=(session - ranking.asof).days,
            file=f"momentum of {self._closes.name}",
            file_sha256=ranking.sha256,
            rows=tuple(
                sorted(
                    (
                        SignalRow(
                            strategy_id=self.strategy.id,
                            trade_date=ranking.asof,
                            asset_id=row.symbol,
                            symbol=row.symbol,
                            weight=row.weight,
                            row=row.rank,
                        )
                        for row in ranking.ranked
                        if row.weight
                    ),
                    key=lambda row: row.symbol,
                )
            ),
        )

    def _too_short(self, session: dt.date, found: str) -> InputError:
        return InputError(
            file=self._closes.name,
            rule=f"strategy {self.strategy.id} needs adjusted closes from "
            f"{self.strategy.lookback_months} months before session {session} on, and {found}",
            remedy="Add earlier prices, or start the portfolio's sessions later",
        )
