"""What all assets of one portfolio share: its settings, calendar, partitions and key prefix."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import dagster as dg

from trading_assets.assets.partitions import month_partitions, session_partitions
from trading_assets.calendar import TradingCalendar
from trading_assets.settings import PortfolioSettings

ONE_RUN = dg.BackfillPolicy.single_run()


@dataclass(frozen=True)
class PortfolioGraph:
    """One portfolio file, as the factories of its assets see it."""

    settings: PortfolioSettings

    @cached_property
    def calendar(self) -> TradingCalendar:
        """The portfolio's trading sessions."""
        return TradingCalendar(self.settings.sessions)

    @cached_property
    def sessions(self) -> dg.DailyPartitionsDefinition:
        """Partitions of the daily assets."""
        return session_partitions(self.calendar)

    @cached_property
    def months(self) -> dg.MonthlyPartitionsDefinition:
        """Partitions of the monthly report."""
        return month_partitions(self.calendar)

    @property
    def owners(self) -> list[str]:
        """Owners as Dagster shows them."""
        return list(self.settings.owners)

    @property
    def tags(self) -> dict[str, str]:
        """Tags on every asset of the portfolio."""
        return {"portfolio": self.settings.id, "mode": self.settings.mode.value}

    def group(self, stage: str) -> str:
        """The group of one stage; named with the portfolio, for a graph shows no key prefixes."""
        return f"{self.settings.id}_{stage}"

    def key(self, asset: str) -> dg.AssetKey:
        """The asset's key: portfolio, then name."""
        return dg.AssetKey([self.settings.id, asset])
