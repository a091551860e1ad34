"""A backtest as a file: data, strategies, rules, and what is compared with.

One YAML file in `data/backtests/` is one backtest, named after the file. Paths in it are relative
to the data directory. `data/backtests/sma_cross.yaml` explains every key.
"""

from __future__ import annotations

import copy
import datetime as dt
import itertools
from collections.abc import Iterable, Mapping
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, PrivateAttr, ValidationError, field_validator, model_validator

from trading_assets.engine.rules import BacktestRules
from trading_assets.engine.timeframe import DAILY, Timeframe, parse_timeframe
from trading_assets.errors import ConfigurationError
from trading_assets.model.policies import Exact, Identifier, Policy
from trading_assets.risk_policy_files import risk_policy
from trading_assets.yaml_settings import plain_numbers, read_settings

_COMBINATIONS_MAX = 10_000


class PriceTreatment(StrEnum):
    """What prices are traded at and seen: see `engine/adjustment.py`."""

    RAW = "raw"
    ADJUSTED = "adjusted"
    AS_QUOTED = "as_quoted"


class DataSettings(Policy):
    """Where bars come from and what becomes of them.

    `source` files reads `path` (of a database `table`); another names the service that is asked
    (`market_data/bar_source.py` says who has what), Alpaca for `feed`. What was fetched is kept in
    the folder `cache` (None: `state/bars`). `timeframe` is that of the backtest, `source_timeframe`
    that of the data where it is shorter (None: a service's days for weeks and months).
    `warm_up_bars` are bars before `start` that strategies are shown (None: as many as they want).
    `time_zone` is the exchange's (None: New York's, UTC for Coinbase).
    `corporate_actions` and `adjustment_factors` are files; the latter publish the factor of
    each symbol (symbol, date, price_factor, split_factor) in place of what actions would give.
    """

    source: Literal["files", "alpaca", "yahoo", "coinbase", "finnhub"] = "files"
    path: Path | None = None
    cache: Path | None = None
    table: str = "bars"
    feed: str = "iex"
    symbols: tuple[str, ...] = ()
    timeframe: str = "1Day"
    source_timeframe: str | None = None
    start: dt.date | None = None
    end: dt.date | None = None
    warm_up_bars: Annotated[int, Field(ge=0)] | None = None
    prices: PriceTreatment = PriceTreatment.AS_QUOTED
    corporate_actions: Path | None = None
    adjustment_factors: Path | None = None
    time_zone: str = "America/New_York"

    @model_validator(mode="before")
    @classmethod
    def _zone_of_source(cls, values: Any) -> Any:
        if not isinstance(values, dict) or values.get("time_zone") is not None:
            return values
        given = {key: value for key, value in values.items() if key != "time_zone"}
        return {**given, "time_zone": "UTC"} if values.get("source") == "coinbase" else given

    @model_validator(mode="after")
    def _lengths_fit(self) -> DataSettings:
        try:
            if not self.source_bars.divides(self.bars):
                raise ValueError(
                    f"bars of {self.timeframe} cannot be made of bars of {self.source_timeframe}"
                )
        except ConfigurationError as error:
            raise ValueError(str(error)) from error
        if (self.source == "files") is (self.path is None):
            raise ValueError("path names the file of bars, and belongs to source: files alone")
        has_actions = self.corporate_actions or self.adjustment_factors
        is_asked_for = self.prices is PriceTreatment.ADJUSTED and self.source != "files"
        if self.prices is not PriceTreatment.AS_QUOTED and not has_actions and not is_asked_for:
            raise ValueError(
                f"prices: {self.prices.value} needs corporate_actions (or adjustment_factors)"
            )
        return self

    @property
    def bars(self) -> Timeframe:
        """The backtest's timeframe."""
        return parse_timeframe(self.timeframe)

    @property
    def source_bars(self) -> Timeframe:
        """The data's timeframe."""
        if self.source_timeframe is None and self.source != "files" and not self.bars.is_intraday:
            return DAILY
        return parse_timeframe(self.source_timeframe or self.timeframe)

    @property
    def is_around_the_clock(self) -> bool:
        """True where the market never closes: a session is a date, and there is one every day."""
        return self.source == "coinbase"

    @property
    def returns_in_a_year(self) -> int:
        """How many returns of the timeframe a year has, up to a day's: 252, or 365 where the market
        never closes."""
        if self.is_around_the_clock and (self.bars.is_intraday or self.bars == DAILY):
            return 365
        return self.bars.in_a_year


class StrategySettings(Policy):
    """One strategy: a built-in name or a file, its parameters, the symbols that it is shown and may
    trade (all but the benchmark where none are named), and its share of equity (None: shared
    alike)."""

    id: Identifier
    strategy: str
    parameters: dict[str, Any] = Field(default_factory=dict)
    symbols: tuple[str, ...] = ()
    share_of_equity: Annotated[Exact, Field(gt=0, le=1)] | None = None

    @field_validator("parameters", mode="before")
    @classmethod
    def _numbers(cls, given: Any) -> Any:
        """A strategy counts with floats; only what is booked is exact."""
        return plain_numbers(given)


class BacktestReportSettings(Policy):
    """How statistics are annualised: returns in a year (None: 252 sessions, 52 weeks, 12 months, by
    the timeframe) and the annual risk-free rate."""

    annualisation_sessions: Annotated[int, Field(ge=1)] | None = None
    risk_free_rate: Exact = Decimal(0)


class BacktestSettings(BacktestRules):
    """A whole backtest. `sweep` maps dotted keys of the file (`strategies.trend.parameters.fast`,
    with strategies by id) to the values that are tried, all with all. `keep_orders` keeps every
    order and its events, which a replay of the run needs."""

    title: str = ""
    data: DataSettings
    strategies: Annotated[tuple[StrategySettings, ...], Field(min_length=1)]
    benchmark: str | None = None
    report: BacktestReportSettings = BacktestReportSettings()
    sweep: dict[str, Annotated[list[Any], Field(min_length=1)]] = Field(default_factory=dict)
    keep_orders: bool = False
    _risk_policies: Path | None = PrivateAttr(default=None)
    """The folder of the policies that `risk` may name; known of a backtest that is a file."""

    @property
    def rules(self) -> BacktestRules:
        """The rules alone."""
        return BacktestRules.model_validate(
            {name: getattr(self, name) for name in BacktestRules.model_fields}
        )

    def variants(self) -> dict[str, BacktestSettings]:
        """One backtest for each combination of the sweep, by a name that spells its values; empty
        without a sweep."""
        if not self.sweep:
            return {}
        combinations = list(itertools.product(*self.sweep.values()))
        if len(combinations) > _COMBINATIONS_MAX:
            raise ConfigurationError(
                f"the sweep has {len(combinations)} combinations, at most {_COMBINATIONS_MAX} are "
                "run. Try fewer values."
            )
        labels = _labels(self.sweep)
        found = {}
        for values in combinations:
            name = ";".join(f"{label}={value}" for label, value in zip(labels, values, strict=True))
            found[name] = self.changed(dict(zip(self.sweep, values, strict=True)))
        return found

    def changed(self, values: Mapping[str, Any]) -> BacktestSettings:
        """The backtest with other values under these dotted keys, and without a sweep."""
        content = self.model_dump(mode="json")
        content["sweep"] = {}
        for key, value in values.items():
            _set(content, key, value)
        try:
            return _validated(content, self._risk_policies)
        except ValidationError as error:
            raise ConfigurationError(f"sweep of {', '.join(values)}: {error}") from error


def _validated(content: Any, risk_policies: Path | None) -> BacktestSettings:
    context = None if risk_policies is None else _context(risk_policies)
    settings = BacktestSettings.model_validate(content, context=context)
    settings._risk_policies = risk_policies
    return settings


def _context(risk_policies: Path) -> dict[str, Any]:
    """What validating a backtest's file needs to know: its risk policies by name."""
    return {"risk_policy": lambda name: risk_policy(name, risk_policies)}


def _labels(keys: Iterable[str]) -> list[str]:
    """Each dotted key by its last part, or by as many as it takes to tell it from the others."""
    found = []
    for key in keys:
        parts = [part for part in key.split(".") if part not in ("strategies", "parameters")]
        others = [f".{other}" for other in keys if other != key]
        label = parts.pop()
        while parts and any(
            other.replace(".parameters.", ".").endswith(f".{label}") for other in others
        ):
            label = f"{parts.pop()}.{label}"
        found.append(label)
    return found


def _set(content: dict[str, Any], key: str, value: Any) -> None:
    """Put `value` at a dotted key; ConfigurationError where the path to it does not exist."""
    parts = key.split(".")
    place: Any = content
    for depth, part in enumerate(parts[:-1]):
        if isinstance(place, list):
            place = next((one for one in place if one.get("id") == part), None)
        else:
            place = place.get(part)
        if not isinstance(place, dict | list):
            raise ConfigurationError(
                f"sweep key {key!r}: there is no {'.'.join(parts[: depth + 1])!r} in the backtest. "
                "Strategies are named by their id, as in strategies.trend.parameters.fast."
            )
    place[parts[-1]] = copy.deepcopy(value)


def load_backtest(path: Path) -> BacktestSettings:
    """The backtest in the file at `path`; ConfigurationError that lists every wrong key, or names
    the risk policies there are in the folder `risk` beside that of backtests."""
    policies = path.resolve().parent.parent / "risk"
    settings = read_settings(
        path, BacktestSettings, example="data/backtests/", context=_context(policies)
    )
    settings._risk_policies = policies
    return settings


def backtest_files(folder: Path) -> dict[str, Path]:
    """Name → file of every backtest in a folder, sorted; empty where it does not exist."""
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}
