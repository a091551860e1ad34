"""Settings: portfolio YAML to frozen, validated records, and the only reader of the environment.

Money and quantities in YAML may be written as numbers or text; numbers are taken by their decimal
spelling, never through binary floats. An unknown key is an error, not a silence.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from trading_assets.alpaca_settings import (
    AlpacaBrokerSettings,
    AlpacaEnvironment,
    read_alpaca_environment,
)
from trading_assets.bar_vendor_settings import BarVendorEnvironment, bar_vendors
from trading_assets.errors import ConfigurationError
from trading_assets.ibkr_settings import IbkrBrokerSettings, IbkrEnvironment, read_ibkr_environment
from trading_assets.model.market_events import PriceAdjustment
from trading_assets.model.policies import (
    MIN_THRESHOLD,
    AccountingPolicy,
    AlertPolicy,
    Blend,
    CommissionPolicy,
    ConstraintPolicy,
    ExecutionPolicy,
    Identifier,
    IntendedPrice,
    LimitPolicy,
    Placement,
    PlanningPolicy,
    Policy,
    Positive,
    ReportPolicy,
    Select,
    SimulationPolicy,
    SlippagePolicy,
)
from trading_assets.risk.policies import RiskLimits
from trading_assets.signal_settings import (
    MomentumStrategy,
    SignalSettings,
    followed_strategy,
    resolved,
    strategy_kind,
)
from trading_assets.yaml_settings import read_settings

BOOK_DRIVERS = ("postgresql+psycopg", "postgresql")
"""What TRADING_ASSETS_BOOK_URL may begin with; all are opened with the first."""


class Mode(StrEnum):
    """Whose equity and positions are planned from, and where orders leave to: the simulator's and
    to it; the same and nowhere (dry); a real account's and nowhere (online); a paper or a live
    account's and to it."""

    SIMULATED = "simulated"
    DRY = "dry"
    ONLINE = "online"
    PAPER = "paper"
    LIVE = "live"

    @property
    def is_real(self) -> bool:
        """True where the account is one at a broker outside this machine."""
        return self in (Mode.ONLINE, Mode.PAPER, Mode.LIVE)

    @property
    def sends(self) -> bool:
        """True where orders are sent, to whatever account."""
        return self not in (Mode.DRY, Mode.ONLINE)

    @property
    def execution(self) -> str:
        """How orders are executed, as the execution log has it."""
        return self.value if self.sends else Mode.DRY.value


class SessionSettings(Policy):
    """Which trading sessions the portfolio has: an exchange calendar from `start` to `end`.

    `calendar` is a name that exchange_calendars knows (XNYS, XLON, …); `end` None means ongoing.
    """

    calendar: str = "XNYS"
    start: dt.date
    end: dt.date | None = None

    @model_validator(mode="after")
    def _in_order(self) -> SessionSettings:
        if self.end is not None and self.end < self.start:
            raise ValueError(f"end {self.end} is before start {self.start}")
        return self


class _Benchmarked(Policy):
    """What results are compared with: a symbol of the same source, and what it is called."""

    benchmark_symbol: str | None = None
    benchmark_name: str | None = None

    @property
    def benchmark_label(self) -> str | None:
        """What the benchmark is called: its name, else its symbol; None where there is none."""
        return self.benchmark_name or self.benchmark_symbol


class FilePrices(_Benchmarked):
    """Daily prices from a file (CSV, CSV.gz or Parquet).

    Long format: session, symbol, close and, where the source has it, volume.
    """

    kind: Literal["files"] = "files"
    path: Path


class AlpacaPrices(_Benchmarked):
    """Daily bars from Alpaca, for sessions of today. Plan prices are the last closes; with
    `plan_price` last_trade, where a session is planned while it is open, those of the last trades
    that are at most `max_trade_minutes` old.

    `feed` is one that the account's subscription includes. `adjustment` says what the bars are
    adjusted for: raw where corporate actions are booked, else all. `wait_minutes` is how long after
    a session's close its bar counts as complete.
    """

    kind: Literal["alpaca"]
    feed: Literal["iex", "sip", "delayed_sip", "otc", "boats", "overnight"] = "iex"
    adjustment: PriceAdjustment = PriceAdjustment.RAW
    wait_minutes: Annotated[int, Field(ge=0)] = 15
    plan_price: Literal["close", "last_trade"] = "close"
    max_trade_minutes: Annotated[int, Field(ge=1)] = 15


class YahooPrices(_Benchmarked):
    """Daily closes from Yahoo, as they were quoted, with the splits and dividends that it tells.

    `wait_minutes` is how long after a session's close it counts as final, for Yahoo is a quarter of
    an hour behind and auctions take five minutes; `refresh_minutes` how long an answer is used
    again, `max_jump` the fraction beyond which a change is warned of. `book_dividends`: dividends
    are booked on their ex-dates as Yahoo tells them, at a real broker only where it is set, for its
    payments are booked. A file of corporate actions takes the place of what Yahoo tells.
    """

    kind: Literal["yahoo"]
    timeout_seconds: Annotated[float, Field(gt=0, le=120)] = 10.0
    wait_minutes: Annotated[int, Field(ge=0)] = 30
    refresh_minutes: Annotated[int, Field(ge=0)] = 15
    book_dividends: bool | None = None
    max_jump: Positive = Decimal("0.4")


class SimulatedBrokerSettings(Policy):
    """The broker in a file, which `simulation` describes."""

    kind: Literal["simulated"]


class FileCorporateActions(Policy):
    """Corporate actions from a file (CSV, Excel or Parquet), for prices that are not adjusted.

    Long format: ex_date, symbol, action, and the columns that the actions in it need; see
    `market_data/corporate_actions.py`.
    """

    kind: Literal["files"] = "files"
    path: Path


def _price_kind(given: Any) -> str:
    """Files, where the settings do not say."""
    return str(given.get("kind", "files") if isinstance(given, dict) else given.kind)


Prices = Annotated[
    Annotated[FilePrices, Tag("files")]
    | Annotated[AlpacaPrices, Tag("alpaca")]
    | Annotated[YahooPrices, Tag("yahoo")],
    Discriminator(_price_kind),
]
BrokerSettings = Annotated[
    SimulatedBrokerSettings | AlpacaBrokerSettings | IbkrBrokerSettings,
    Field(discriminator="kind"),
]


class ScheduleSettings(Policy):
    """When the routine runs by itself, times of day in UTC.

    `daily` is that of the daily cycle on each session; without it, the open and the close of each.
    `monthly_signal` is that of built-in signals on the first session of a month.
    """

    daily: dt.time | None = None
    monthly_signal: dt.time = dt.time(8)


class PortfolioSettings(Policy):
    """One portfolio: the whole content of one file in data/portfolios/.

    `broker` need not be given: an account at Alpaca where the mode is real, else the simulated one.
    `initial_cash` is what a simulated or dry portfolio begins with; one at a real broker begins
    with what its account holds.
    """

    id: Identifier
    name: str
    owners: tuple[str, ...] = ()
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = "USD"
    mode: Mode
    broker: BrokerSettings | None = None
    initial_cash: Positive
    sessions: SessionSettings
    schedule: ScheduleSettings = ScheduleSettings()
    prices: Prices
    corporate_actions: FileCorporateActions | None = None
    signals: SignalSettings
    combination: Annotated[Select | Blend, Field(discriminator="method")]
    constraints: ConstraintPolicy = ConstraintPolicy()
    planning: PlanningPolicy = PlanningPolicy()
    limits: LimitPolicy = LimitPolicy()
    risk: RiskLimits | None = None
    commission: CommissionPolicy = CommissionPolicy()
    simulation: SimulationPolicy = SimulationPolicy()
    execution: ExecutionPolicy = ExecutionPolicy()
    accounting: AccountingPolicy = AccountingPolicy()
    slippage: SlippagePolicy = SlippagePolicy()
    alerts: AlertPolicy = AlertPolicy()
    report: ReportPolicy

    @property
    def judged_price(self) -> IntendedPrice:
        """The intended price that slippage is judged against."""
        simulated = self.mode is Mode.SIMULATED
        usual = IntendedPrice.ARRIVAL if simulated else IntendedPrice.PLAN
        return self.slippage.intended_price or usual

    @model_validator(mode="before")
    @classmethod
    def _threshold_of_the_strategy(cls, given: Any) -> Any:
        """Where a momentum strategy is followed and the plan says nothing else, the plan's no-trade
        band is the strategy's `min_threshold`."""
        strategy = followed_strategy(given)
        if strategy is None or strategy_kind(strategy) != "momentum":
            return given
        planning = given.get("planning") or {}
        if not isinstance(planning, dict) or "no_trade_band" in planning:
            return given
        band = strategy.get("min_threshold", MIN_THRESHOLD)
        return given | {"planning": planning | {"no_trade_band": band}}

    @property
    def momentum(self) -> tuple[MomentumStrategy, ...]:
        """The built-in momentum strategies."""
        return tuple(s for s in self.signals.strategies if isinstance(s, MomentumStrategy))

    @model_validator(mode="after")
    def _consistent(self) -> PortfolioSettings:
        known = {strategy.id for strategy in self.signals.strategies}
        asked = (
            {self.combination.strategy}
            if isinstance(self.combination, Select)
            else set(self.combination.weights)
        )
        if asked - known:
            raise ValueError(
                f"combination names {', '.join(sorted(asked - known))}, which signals.strategies "
                f"does not list (it has {', '.join(sorted(known))})"
            )
        is_manual = self.execution.placement is Placement.MANUAL
        if self.broker is not None and self.mode.is_real != (self.broker.kind != "simulated"):
            raise ValueError(
                f"mode {self.mode.value} does not go with broker {self.broker.kind}: online, paper "
                "and live need a real broker, simulated and dry the simulated one"
            )
        if self.mode is Mode.ONLINE and (self.ibkr is not None or is_manual):
            raise ValueError(
                "mode online is for an account at Alpaca; at Interactive Brokers paper or live "
                "with `execution.placement: manual` sends nothing either"
            )
        named = None if self.alpaca is None else self.alpaca.account
        if named is not None and self.mode is not Mode.ONLINE and named != self.mode.value:
            raise ValueError(f"broker.account {named} does not go with mode {self.mode.value}")
        if is_manual and not self.mode.is_real:
            raise ValueError(
                f"execution.placement manual needs a real account, mode is {self.mode.value}: "
                "nobody trades by hand at the simulated broker"
            )
        if self.ibkr is not None and (self.planning.fractional or self.planning.bracket):
            raise ValueError(
                "Interactive Brokers takes whole shares and no brackets here: set "
                "`planning.fractional: false` and leave `planning.bracket` out"
            )
        return self

    @property
    def alpaca(self) -> AlpacaBrokerSettings | None:
        """The account at Alpaca that the portfolio trades in, or reads; None where none is."""
        if not self.mode.is_real or self.ibkr is not None:
            return None
        given = self.broker
        return given if isinstance(given, AlpacaBrokerSettings) else AlpacaBrokerSettings()

    @property
    def is_live_account(self) -> bool:
        """True where the account at Alpaca is a live one, traded or only read."""
        reads = None if self.alpaca is None else self.alpaca.account
        return self.mode is Mode.LIVE or (self.mode is Mode.ONLINE and reads == Mode.LIVE.value)

    @property
    def ibkr(self) -> IbkrBrokerSettings | None:
        """The account at Interactive Brokers that the portfolio trades in; None where in none."""
        return self.broker if isinstance(self.broker, IbkrBrokerSettings) else None


class Directories(BaseModel):
    """Where things lie. `data` holds the inputs, `state` everything that the product writes.

    With a `book_url` the books are in that PostgreSQL database instead of `books`.
    """

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    data: Path
    state: Path
    book_url: sa.URL | None = None

    @property
    def portfolios(self) -> Path:
        """Portfolio YAML files."""
        return self.data / "portfolios"

    @property
    def commentary(self) -> Path:
        """What people write about months: <portfolio>/<YYYY-MM>.txt."""
        return self.data / "commentary"

    @property
    def books(self) -> Path:
        """Event logs, one SQLite file for each portfolio: the record, never to be deleted. Also the
        last head seen of each book, wherever it is."""
        return self.state / "books"

    @property
    def simulated_brokers(self) -> Path:
        """State of the simulated brokers, one SQLite file for each portfolio."""
        return self.state / "simulated_brokers"

    @property
    def bars(self) -> Path:
        """Bars that were fetched once; they can be fetched again."""
        return self.state / "bars"

    @property
    def price_snapshots(self) -> Path:
        """Prices as a service gave them when they were used; they cannot be had again."""
        return self.state / "price_snapshots"

    @property
    def backtest_settings(self) -> Path:
        """Backtest YAML files."""
        return self.data / "backtests"

    @property
    def backtests(self) -> Path:
        """Results of backtests, one folder for each; they can be made again."""
        return self.state / "backtests"

    @property
    def lake(self) -> Path:
        """Projections: Parquet, one file for each asset and session."""
        return self.state / "lake"

    @property
    def exports(self) -> Path:
        """CSV and text files for people, one folder for each portfolio and session."""
        return self.state / "exports"

    @property
    def reports(self) -> Path:
        """Monthly PDFs."""
        return self.state / "reports"

    @property
    def warehouse(self) -> Path:
        """DuckDB file with views over the lake."""
        return self.state / "warehouse.duckdb"

    @property
    def dagster(self) -> Path:
        """Dagster's own run and event storage."""
        return self.state / "dagster"

    @property
    def halt_switch(self) -> Path:
        """While this file exists, no order is sent for any portfolio."""
        return self.state / "HALT"


def directories(environment: Mapping[str, str] | None = None) -> Directories:
    """Directories from TRADING_ASSETS_DATA (default: ./data) and TRADING_ASSETS_STATE
    (default: <data>/state), made absolute, and the books' database if one is named."""
    values = os.environ if environment is None else environment
    data = Path(values.get("TRADING_ASSETS_DATA", "data")).resolve()
    return Directories(
        data=data,
        state=Path(values.get("TRADING_ASSETS_STATE", data / "state")).resolve(),
        book_url=book_url(values),
    )


def book_url(environment: Mapping[str, str] | None = None) -> sa.URL | None:
    """The database that holds all books, from TRADING_ASSETS_BOOK_URL, written
    postgresql+psycopg://user:password@host:port/database; None where it is not set.

    Raises ConfigurationError, which never shows the value: it may hold a password.
    """
    values = os.environ if environment is None else environment
    text = values.get("TRADING_ASSETS_BOOK_URL")
    if not text:
        return None
    try:
        url = sa.make_url(text)
    except (sa.exc.ArgumentError, ValueError):
        url = None
    if url is None or url.drivername not in BOOK_DRIVERS or not url.database:
        raise ConfigurationError(
            "TRADING_ASSETS_BOOK_URL is not the address of a PostgreSQL database. Write it as "
            "postgresql+psycopg://user:password@host:port/database (special characters of the "
            "password percent-encoded), or unset it to keep each book in a file."
        )
    return url.set(drivername=BOOK_DRIVERS[0])


def alpaca_environment(environment: Mapping[str, str] | None = None) -> AlpacaEnvironment:
    """What the environment says of Alpaca; see `alpaca_settings.py`."""
    return read_alpaca_environment(os.environ if environment is None else environment)


def yahoo_relay(environment: Mapping[str, str] | None = None) -> str | None:
    """An address to ask in place of Yahoo's hosts, from TRADING_ASSETS_YAHOO_URL; None where it is
    not set. ConfigurationError where it is no http address."""
    values = os.environ if environment is None else environment
    given = values.get("TRADING_ASSETS_YAHOO_URL")
    if given and not given.startswith(("http://", "https://")):
        raise ConfigurationError(
            f"TRADING_ASSETS_YAHOO_URL {given!r} is not an address. Write it as "
            "https://gateway.example, or unset it to ask Yahoo itself."
        )
    return given or None


def bar_vendor_environment(environment: Mapping[str, str] | None = None) -> BarVendorEnvironment:
    """What the environment says of Coinbase and Finnhub; see `bar_vendor_settings.py`."""
    return bar_vendors(os.environ if environment is None else environment)


def ibkr_environment(environment: Mapping[str, str] | None = None) -> IbkrEnvironment:
    """What the environment says of Interactive Brokers; see `ibkr_settings.py`."""
    return read_ibkr_environment(os.environ if environment is None else environment)


def prepare_dagster(places: Directories) -> None:
    """Set the environment that Dagster reads, where the caller has not: its home (the folder that
    holds dagster.yaml, the current one), its storage below the state, and events in batches."""
    places.dagster.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("DAGSTER_HOME", str(Path.cwd()))
    os.environ.setdefault("TRADING_ASSETS_DAGSTER", str(places.dagster))
    os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", "1000")
    if not (Path(os.environ["DAGSTER_HOME"]) / "dagster.yaml").exists():
        raise ConfigurationError(
            f"{os.environ['DAGSTER_HOME']} has no dagster.yaml. Run from the project's folder, or "
            "set DAGSTER_HOME to the folder that holds it."
        )


def live_account(environment: Mapping[str, str] | None = None) -> str | None:
    """The account number that may be traded live, from TRADING_ASSETS_LIVE_ACCOUNT; None if not
    set."""
    values = os.environ if environment is None else environment
    return values.get("TRADING_ASSETS_LIVE_ACCOUNT") or None


def load_portfolio(path: Path) -> PortfolioSettings:
    """Read one portfolio file; relative paths in it are relative to the data directory
    (the parent of the folder that the file lies in).

    Raises ConfigurationError that lists every wrong key with its value and the rule it breaks.
    """
    settings = read_settings(path, PortfolioSettings, example="data/portfolios/")
    if settings.id != path.stem:
        raise ConfigurationError(
            f"{path}: id {settings.id!r} must equal the file's name {path.stem!r}. Rename either."
        )
    return _resolve_paths(settings, path.resolve().parent.parent)


def load_portfolios(folder: Path) -> tuple[PortfolioSettings, ...]:
    """Every *.yaml of `folder`, sorted by id; an empty or missing folder is an error."""
    paths = sorted(folder.glob("*.yaml"))
    if not paths:
        raise ConfigurationError(
            f"{folder}: no portfolio file (*.yaml). Copy one from the project's data/portfolios/, "
            "or set TRADING_ASSETS_DATA to the folder that holds portfolios/."
        )
    return tuple(load_portfolio(path) for path in paths)


def _resolve_paths(settings: PortfolioSettings, root: Path) -> PortfolioSettings:
    strategies = tuple(resolved(strategy, root) for strategy in settings.signals.strategies)
    return settings.model_copy(
        update={
            "signals": settings.signals.model_copy(update={"strategies": strategies}),
            "prices": settings.prices.model_copy(update={"path": root / settings.prices.path})
            if isinstance(settings.prices, FilePrices)
            else settings.prices,
            "corporate_actions": settings.corporate_actions
            and settings.corporate_actions.model_copy(
                update={"path": root / settings.corporate_actions.path}
            ),
        }
    )
