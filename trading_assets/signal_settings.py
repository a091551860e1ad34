"""The signal manifest of a portfolio: which strategies there are, and what their signals are."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from trading_assets.model.policies import (
    Exact,
    Identifier,
    MomentumPolicy,
    NotNegative,
    Policy,
)
from trading_assets.model.target import UNATTRIBUTED


class ColumnMapping(Policy):
    """Names of the columns in a signal file."""

    trade_date: str = "trade_date"
    asset_id: str = "asset_id"
    weight: str = "weight"


class IdMapping(Policy):
    """File that turns the signal's asset ids into symbols: one row for each id.

    `name` is its column of instruments' names, shown in reports; None where it has none.
    """

    path: Path
    asset_id: str = "asset_id"
    symbol: str = "symbol"
    name: str | None = None


class StrategySettings(Policy):
    """One strategy's signal file. Without `id_mapping` its asset ids are symbols already.

    `expected_weight_sum` is what the weights of each trade date must add up to, within
    `weight_sum_tolerance`; None switches the rule off (a strategy that may hold cash).
    """

    kind: Literal["file"] = "file"
    id: Identifier
    path: Path
    sheet: str | None = None
    columns: ColumnMapping = ColumnMapping()
    id_mapping: IdMapping | None = None
    expected_weight_sum: Exact | None = Decimal(1)
    weight_sum_tolerance: NotNegative = Decimal("0.001")


class MomentumStrategy(MomentumPolicy):
    """A built-in strategy: 12-1 momentum of the portfolio's own prices, ranked at month-ends."""

    kind: Literal["momentum"]
    id: Identifier


def strategy_kind(given: Any) -> str:
    """A file, where the settings do not say."""
    kind = given.get("kind", "file") if isinstance(given, dict) else getattr(given, "kind", "file")
    return str(kind)


Strategy = Annotated[
    Annotated[StrategySettings, Tag("file")] | Annotated[MomentumStrategy, Tag("momentum")],
    Discriminator(strategy_kind),
]


class SignalSettings(Policy):
    """The signal manifest; a signal older than `max_age_days` calendar days is refused."""

    max_age_days: Annotated[int, Field(ge=1)] = 45
    strategies: Annotated[tuple[Strategy, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _unique(self) -> SignalSettings:
        ids = [strategy.id for strategy in self.strategies]
        repeated = sorted({name for name in ids if ids.count(name) > 1})
        if repeated:
            raise ValueError(f"strategy id repeated: {', '.join(repeated)}")
        if UNATTRIBUTED in ids:
            raise ValueError(
                f"strategy id {UNATTRIBUTED!r} is the name of the book of what belongs to no "
                "strategy; choose another"
            )
        return self


def followed_strategy(given: Any) -> dict[str, Any] | None:
    """The one strategy that a portfolio's raw settings select; None where they select none, or are
    too wrong to tell (which is told elsewhere)."""
    try:
        chosen = given["combination"]["strategy"]
        listed = given["signals"]["strategies"]
        return next((s for s in listed if isinstance(s, dict) and s.get("id") == chosen), None)
    except (KeyError, TypeError):
        return None


def resolved(strategy: Strategy, root: Path) -> Strategy:
    """The strategy with the paths of its files below `root`."""
    if not isinstance(strategy, StrategySettings):
        return strategy
    mapping = strategy.id_mapping
    if mapping is not None:
        mapping = mapping.model_copy(update={"path": root / mapping.path})
    return strategy.model_copy(update={"path": root / strategy.path, "id_mapping": mapping})
