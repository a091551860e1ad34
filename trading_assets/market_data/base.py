"""What every source of prices offers to a session.

| method            | answers                                    | lacking a price   |
|-------------------|--------------------------------------------|-------------------|
| `before`          | the latest close strictly before a session | listed as missing |
| `at_close`        | the session's own close, once it is known  | listed as missing |
| `benchmark_close` | the benchmark's close of a session         | None              |

A source that could not be asked raises; it never answers as if there were no prices.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from decimal import Decimal
from typing import Protocol, cast, runtime_checkable

from trading_assets.alpaca_api.statistics import ApiStatistics
from trading_assets.market_data.corporate_actions import CorporateActions
from trading_assets.model.instrument import AdjustedPair, PriceSnapshot

ADJUSTED_CLOSE_AGE_SESSIONS = 5
"""How many sessions before the one asked for an adjusted close may be."""


def warnings_of(source: PriceSource) -> tuple[str, ...]:
    """What a source has to warn of, such as symbols that were left out; most have nothing."""
    return tuple(getattr(source, "warnings", ()))


def api_statistics_of(source: PriceSource) -> ApiStatistics | None:
    """How the interface that a source asks was used so far; None for one that counts nothing."""
    counted = getattr(source, "api_statistics", None)
    return None if counted is None else cast(ApiStatistics, counted())


def changes_now(source: PriceSource, session: dt.date) -> bool:
    """Whether what a source says `before` a session is another thing some minutes later, as where
    it tells last trades of one that is open; closes are not."""
    asked = getattr(source, "changes_now", None)
    return asked is not None and bool(asked(session))


@runtime_checkable
class AdjustedCloses(Protocol):
    """Closes over long times, comparable with each other: what signals from prices are made of."""

    @property
    def name(self) -> str:
        """Where they come from."""
        ...

    def adjusted_pair(self, symbol: str, start: dt.date, end: dt.date) -> AdjustedPair | None:
        """The latest closes on or before the sessions `start` and `end`, each at most
        ADJUSTED_CLOSE_AGE_SESSIONS old, the first one adjusted for splits and dividends between
        them; None where there are none, or where the symbol changed in between."""
        ...


class PriceSource(Protocol):
    """Prices of a portfolio's instruments, in its currency.

    `symbols` are those that a table of prices is made for, `actions` the corporate actions that go
    with the prices. `name` says where they come from, `sha256` what was used of it.
    """

    actions: CorporateActions

    @property
    def name(self) -> str:
        """The source's name, the `source` of its prices."""
        ...

    @property
    def sha256(self) -> str:
        """SHA-256, in hex, of the file, or of what was answered so far."""
        ...

    @property
    def symbols(self) -> tuple[str, ...]:
        """The symbols that a table of prices is made for, sorted; others may be asked for."""
        ...

    def before(self, session: dt.date, symbols: Iterable[str]) -> PriceSnapshot:
        """The latest close of each symbol strictly before `session`."""
        ...

    def at_close(self, session: dt.date, symbols: Iterable[str]) -> PriceSnapshot:
        """The close of `session` itself."""
        ...

    def benchmark_close(self, session: dt.date) -> Decimal | None:
        """The benchmark's close of `session`; None without a benchmark or without that close."""
        ...
