"""What all assets of one portfolio share: its settings, calendar, partitions and key prefix."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TypedDict

import dagster as dg

from trading_assets.assets.partitions import month_partitions, session_partitions
from trading_assets.calendar import TradingCalendar
from trading_assets.settings import PortfolioSettings

ONE_RUN = dg.BackfillPolicy.single_run()


class AssetArguments(TypedDict):
    """What the asset of a session is declared with, whatever it makes."""

    partitions_def: dg.DailyPartitionsDefinition
    backfill_policy: dg.BackfillPolicy
    group_name: str
    owners: list[str]
    tags: dict[str, str]


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

    def asset_arguments(self, stage: str) -> AssetArguments:
        """What all assets with a partition for each session have in common."""
        return {
            "partitions_def": self.sessions,
            "backfill_policy": ONE_RUN,
            "group_name": self.group(stage),
            "owners": self.owners,
            "tags": self.tags,
        }

    def key(self, asset: str) -> dg.AssetKey:
        """The asset's key: portfolio, then name."""
        return dg.AssetKey([self.settings.id, asset])
