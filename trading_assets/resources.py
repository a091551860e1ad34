"""What the assets are given: directories, market data, brokers, books and the lake.

Each resource says where things lie; opening one for a portfolio is a method. Tests and other
installations give other directories, nothing else changes.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import dagster as dg
import filelock
from dagster_duckdb import DuckDBResource

from trading_assets.alpaca_api.client import API_REQUESTS
from trading_assets.atomic_file import replace_file
from trading_assets.brokers.alpaca import AlpacaBroker
from trading_assets.brokers.ibkr import IbkrBroker
from trading_assets.brokers.simulated import SimulatedBroker
from trading_assets.calendar import TradingCalendar
from trading_assets.errors import BookLockedError, ConfigurationError
from trading_assets.event_log.store import EventLog, event_log_to_read, open_event_log
from trading_assets.execution.guard import SIMULATED_ACCOUNT
from trading_assets.execution.halt import is_halted
from trading_assets.execution.session import Surroundings
from trading_assets.ibkr_accounts import gateway_name, open_ibkr
from trading_assets.lake import Lake
from trading_assets.market_data.base import PriceSource
from trading_assets.price_sources import alpaca_api, alpaca_market_data, open_prices
from trading_assets.settings import (
    Directories,
    FilePrices,
    PortfolioSettings,
    book_url,
    live_account,
)

SUBMITTER_WAIT_SECONDS = 30.0


class MarketDataResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Prices of a portfolio, from the source that its settings name; `bars_folder` is where bars
    that were fetched are kept, `snapshots_folder` prices that cannot be had again, and
    `requests_folder` where requests to Alpaca are counted, nowhere when empty."""

    bars_folder: str = ""
    snapshots_folder: str = ""
    requests_folder: str = ""

    def open(self, settings: PortfolioSettings, calendar: TradingCalendar) -> PriceSource:
        """The price source with its corporate actions. Files are read once a process for as long
        as they stay the same; anything else is asked anew."""
        if not isinstance(settings.prices, FilePrices):
            return open_prices(
                settings,
                calendar,
                _folder(self.bars_folder),
                _folder(self.snapshots_folder),
                _folder(self.requests_folder),
            )
        actions = settings.corporate_actions
        files = [settings.prices.path, *([] if actions is None else [actions.path])]
        stamps = [path.stat().st_mtime_ns if path.exists() else 0 for path in files]
        version = (settings.prices, actions, tuple(stamps))
        cached = _PRICES.get(settings.id)
        if cached is None or cached[0] != version:
            source = open_prices(settings, calendar)
            cached = _PRICES[settings.id] = (version, source)
        return cached[1]


_PRICES: dict[str, tuple[tuple[object, ...], PriceSource]] = {}


def _folder(name: str) -> Path | None:
    return Path(name) if name else None


class BrokerResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The account that a portfolio trades in; `requests_folder` is where requests to Alpaca are
    counted, in the process alone when empty."""

    folder: str
    halt_switch: str
    requests_folder: str = ""

    @contextmanager
    def open(
        self, settings: PortfolioSettings
    ) -> Iterator[SimulatedBroker | AlpacaBroker | IbkrBroker]:
        """The broker that the portfolio's mode asks for, for one submitter at a time.

        Raises BookLockedError when another run holds the account, ConfigurationError where the
        keys of a real account are not in the environment, or are those of another portfolio.
        """
        if settings.alpaca is not None:
            api = alpaca_api(settings, _folder(self.requests_folder))
            market = alpaca_market_data(api, settings, TradingCalendar(settings.sessions))
            keys = f"alpaca-{api.access.fingerprint}"
            delay, sends = settings.alpaca.lookup_delay_seconds, settings.mode.sends
            # An account that is only read may be anybody's beside.
            with self._only_submitter(settings.id, keys if sends else settings.id):
                if sends:
                    self._require_only_portfolio(settings.id, keys)
                yield AlpacaBroker(api, delay, market.quotes, sends=sends)
            return
        if settings.ibkr is not None:
            with (
                self._only_submitter(settings.id, gateway_name(settings)),
                closing(open_ibkr(settings)) as account,
            ):
                yield account
            return
        folder = Path(self.folder)
        with self._only_submitter(settings.id, settings.id):
            broker = SimulatedBroker(
                folder / f"{settings.id}.sqlite",
                account_number=f"{SIMULATED_ACCOUNT}{settings.id}",
                currency=settings.currency,
                simulation=settings.simulation,
                fees=settings.commission,
            )
            try:
                yield broker
            finally:
                broker.close()

    @contextmanager
    def _only_submitter(self, portfolio: str, account: str) -> Iterator[None]:
        """Hold the account, which two portfolios may name, or raise BookLockedError."""
        folder = Path(self.folder)
        folder.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(folder / f"{account}.lock", timeout=SUBMITTER_WAIT_SECONDS)
        try:
            lock.acquire()
        except filelock.Timeout as error:
            raise BookLockedError(
                f"{portfolio}: another run is trading this account. Wait for it to end, then "
                "run again."
            ) from error
        try:
            yield
        finally:
            lock.release()

    def _require_only_portfolio(self, portfolio: str, account: str) -> None:
        """Two portfolios at one account would each sell what the other holds: it is of the one
        that opened it first, whose id is kept in a file."""
        path = Path(self.folder) / f"{account}.portfolio"
        if not path.exists():
            replace_file(path, f"{portfolio}\n".encode(), durable=True)
        owner = path.read_text().strip()
        if owner != portfolio:
            raise ConfigurationError(
                f"{portfolio}: these keys are of the account of portfolio {owner}; two portfolios "
                "at one account would sell each other's positions. Use keys of another account, or "
                f"remove {path} where {owner} trades it no more."
            )

    def surroundings(self) -> Surroundings:
        """The clock, the halt switch and the account number that the environment allows."""
        switch = Path(self.halt_switch)
        return Surroundings(
            now=lambda: dt.datetime.now(dt.UTC),
            halted=lambda: is_halted(switch),
            live_account=live_account(),
        )


class BookResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The books: one event log for each portfolio.

    The address of a database is read from the environment when a book is opened: what a resource is
    configured with is shown by the UI, and the address may hold a password.
    """

    folder: str

    @contextmanager
    def open(self, settings: PortfolioSettings) -> Iterator[EventLog]:
        """The portfolio's event log."""
        log = open_event_log(Path(self.folder), settings.id, url=book_url())
        try:
            yield log
        finally:
            log.close()

    @contextmanager
    def reading(self, settings: PortfolioSettings) -> Iterator[EventLog]:
        """The portfolio's event log for a reader; empty, and not made, where there is none."""
        log = event_log_to_read(Path(self.folder), settings.id, book_url())
        try:
            yield log
        finally:
            log.close()


class LakeResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Projections, exported files and reports, and what people wrote to be printed in them."""

    lake_folder: str
    exports_folder: str
    reports_folder: str
    commentary_folder: str

    def open(self, settings: PortfolioSettings) -> Lake:
        """The portfolio's projections."""
        return Lake(Path(self.lake_folder), settings.id)

    @property
    def exports(self) -> Path:
        """Where files for people go."""
        return Path(self.exports_folder)

    @property
    def reports(self) -> Path:
        """Where monthly reports go."""
        return Path(self.reports_folder)

    @property
    def commentary(self) -> Path:
        """Where the commentary of months lies."""
        return Path(self.commentary_folder)


def broker_resource(directories: Directories) -> BrokerResource:
    """The accounts, as everything on these directories opens them."""
    return BrokerResource(
        folder=str(directories.simulated_brokers),
        halt_switch=str(directories.halt_switch),
        requests_folder=str(directories.state / API_REQUESTS),
    )


def resources(directories: Directories) -> dict[str, dg.ConfigurableResource]:  # type: ignore[type-arg]
    """All resources on these directories, by the name under which assets ask for them."""
    return {
        "market_data": MarketDataResource(
            bars_folder=str(directories.bars),
            snapshots_folder=str(directories.price_snapshots),
            requests_folder=str(directories.state / API_REQUESTS),
        ),
        "brokers": broker_resource(directories),
        "books": BookResource(folder=str(directories.books)),
        "lake": LakeResource(
            lake_folder=str(directories.lake),
            exports_folder=str(directories.exports),
            reports_folder=str(directories.reports),
            commentary_folder=str(directories.commentary),
        ),
        "warehouse": DuckDBResource(database=str(directories.warehouse)),
    }
