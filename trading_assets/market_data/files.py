"""Daily closes from one long file, for planning before a session and valuing at its close.

The file is read and checked whole, once, as text in columns; what is kept of it are two lists for
each symbol, session places and closes, both ascending by session. A question is then one bisection
for each symbol asked for, and a Decimal is made only of the closes in the answer, once: a close is
the price of one session and what the price of the next is compared with. A table of sessions x
symbols would answer as fast but needs the file to be dense, and half a million Decimals up front
cost more than all questions of a backtest.
"""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from decimal import Decimal
from functools import cached_property

import msgspec

from trading_assets.errors import InputError
from trading_assets.market_data.adjustment import adjusted_for_actions, adjusted_start
from trading_assets.market_data.base import ADJUSTED_CLOSE_AGE_SESSIONS
from trading_assets.market_data.corporate_actions import CorporateActions, read_corporate_actions
from trading_assets.market_data.price_columns import PriceColumns, read_price_columns
from trading_assets.model.instrument import AdjustedPair, Price, PriceSnapshot
from trading_assets.model.money import (
    QUANTITY_DECIMALS_MAX,
    price_per_share,
    truncate_quantity,
)
from trading_assets.settings import FilePrices, PortfolioSettings


def open_file_prices(settings: PortfolioSettings, sessions: Sequence[dt.date]) -> FilePriceSource:
    """A portfolio's prices with its corporate actions, both from the files that it names."""
    actions = None
    if settings.corporate_actions is not None:
        actions = read_corporate_actions(settings.corporate_actions, settings.currency, sessions)
    assert isinstance(settings.prices, FilePrices)
    return FilePriceSource(settings.prices, settings.currency, sessions, actions)


class _Series(msgspec.Struct, frozen=True):
    """One symbol: places in the calendar, ascending, and what the file says for each."""

    places: list[int]
    closes: list[str | Decimal]
    volumes: list[str] | None

    def close(self, index: int) -> Decimal:
        """The close at an index, read from its text when it is first asked for."""
        close = self.closes[index]
        if isinstance(close, str):
            close = self.closes[index] = price_per_share(close)
        return close


class FilePriceSource:
    """Prices of one file, in the portfolio's `currency`.

    `sessions` are the calendar's, ascending, and must reach back as far as prices are wanted:
    rows dated outside of them are checked but not used. With `actions` the file's closes are taken
    as they were quoted, and those known before a session are adjusted for what goes ex by then.

    Raises InputError, on construction, for a file that is missing, empty, damaged or of an unknown
    kind; a missing column; a session that is no date or not in the calendar; an empty symbol; a
    close that is not a positive number; a volume that is not a number of at least 0; another
    currency than the portfolio's or its minor unit (pence become pounds); a session and symbol
    that occur twice; and a benchmark that the file does not have.
    """

    def __init__(
        self,
        settings: FilePrices,
        currency: str,
        sessions: Sequence[dt.date],
        actions: CorporateActions | None = None,
    ) -> None:
        self.actions = CorporateActions() if actions is None else actions
        self._settings = settings
        self._currency = currency
        self._sessions = tuple(sessions)
        columns = read_price_columns(settings.path, currency, self._sessions)
        self._name = columns.name
        self._sha256 = columns.sha256
        self._series = _series_by_symbol(columns)
        benchmark = settings.benchmark_symbol
        if benchmark is not None and benchmark not in columns.symbols:
            raise InputError(
                file=columns.name,
                value=benchmark,
                rule="the benchmark must be a symbol of the price file",
                remedy="Add its closes to the file, or correct prices.benchmark_symbol",
            )

    @property
    def name(self) -> str:
        """The file's portable name, the `source` of every price."""
        return self._name

    @property
    def sha256(self) -> str:
        """SHA-256 of the file's bytes, in hex."""
        return self._sha256

    @cached_property
    def symbols(self) -> tuple[str, ...]:
        """Every symbol that the file prices, sorted; the benchmark too, for it may be held, and
        what corporate actions turn a symbol into."""
        return tuple(sorted({*self._series, *self.actions.new_symbols}))

    def before(self, session: dt.date, symbols: Iterable[str]) -> PriceSnapshot:
        """The latest close of each symbol strictly before `session`: what is known at its open.

        `age_sessions` counts the calendar's sessions between that close and the last session before
        `session`. A symbol without an earlier close is missing. A close from before a corporate
        action is adjusted, its `source` says so; see `adjustment.py`.
        """
        end = bisect_left(self._sessions, session)
        snapshot = self._snapshot(session, symbols, end, own=False)
        if not self.actions.by_symbol:
            return snapshot
        return adjusted_for_actions(snapshot, self.actions.by_symbol, self._reference_session)

    def _reference_session(self, price: Price) -> dt.date | None:
        """The session of the close before `price`; None where there is none."""
        places = self._series[price.symbol].places
        index = bisect_left(places, bisect_left(self._sessions, price.session)) - 1
        return self._sessions[places[index]] if index >= 0 else None

    def at_close(self, session: dt.date, symbols: Iterable[str]) -> PriceSnapshot:
        """The close of `session` itself, age 0; a symbol without one is missing."""
        place = self._place(session)
        return self._snapshot(session, symbols, -1 if place is None else place + 1, own=True)

    def benchmark_close(self, session: dt.date) -> Decimal | None:
        """The benchmark's close of `session`; None without a benchmark or without that close."""
        benchmark = self._settings.benchmark_symbol
        if benchmark is None:
            return None
        return self.at_close(session, (benchmark,)).price_of(benchmark)

    def adjusted_pair(self, symbol: str, start: dt.date, end: dt.date) -> AdjustedPair | None:
        """See `AdjustedCloses`. Without corporate actions the file's closes are taken to be
        adjusted already."""
        series = self._series.get(symbol)
        if series is None:
            return None
        first, last = self._recent(series, start), self._recent(series, end)
        if first is None or last is None:
            return None
        start_session = self._sessions[series.places[first]]
        start_close: Decimal | None = series.close(first)
        if symbol in self.actions.by_symbol:
            start_close = adjusted_start(
                series.close(first),
                self.actions.by_symbol[symbol],
                start_session,
                self._sessions[series.places[last]],
                lambda session: self._close_before(series, session),
            )
        if start_close is None:
            return None
        return AdjustedPair(
            start_session=start_session,
            start_close=start_close,
            end_session=self._sessions[series.places[last]],
            end_close=series.close(last),
        )

    def _recent(self, series: _Series, session: dt.date) -> int | None:
        """Index of the latest close on or before a session, unless it is too old."""
        place = bisect_right(self._sessions, session) - 1
        index = bisect_right(series.places, place) - 1
        oldest = place - ADJUSTED_CLOSE_AGE_SESSIONS
        return index if index >= 0 and series.places[index] >= oldest else None

    def _close_before(self, series: _Series, session: dt.date) -> Decimal | None:
        index = bisect_left(series.places, bisect_left(self._sessions, session)) - 1
        return series.close(index) if index >= 0 else None

    def _place(self, session: dt.date) -> int | None:
        place = bisect_left(self._sessions, session)
        found = place < len(self._sessions) and self._sessions[place] == session
        return place if found else None

    def _snapshot(
        self, session: dt.date, symbols: Iterable[str], end: int, *, own: bool
    ) -> PriceSnapshot:
        """Latest close of each symbol at a place below `end`; with `own` only that of `end` - 1."""
        prices: dict[str, Price] = {}
        missing: dict[str, None] = {}
        for symbol in symbols:
            series = self._series.get(symbol)
            index = -1 if series is None else bisect_left(series.places, end) - 1
            if series is None or index < 0 or (own and series.places[index] != end - 1):
                missing[symbol] = None
                continue
            place = series.places[index]
            volume = series.volumes[index] if series.volumes else ""
            prices[symbol] = Price(
                symbol=symbol,
                price=series.close(index),
                currency=self._currency,
                session=self._sessions[place],
                age_sessions=end - 1 - place,
                source=self._name,
                reference_price=series.close(index - 1) if index else None,
                volume=truncate_quantity(Decimal(volume), QUANTITY_DECIMALS_MAX)
                if volume
                else None,
            )
        return PriceSnapshot(session=session, prices=prices, missing=tuple(missing))


def _series_by_symbol(columns: PriceColumns) -> dict[str, _Series]:
    found: dict[str, _Series] = {}
    for code, symbol in enumerate(columns.symbols):
        start, end = columns.starts[code], columns.starts[code + 1]
        if start < end:
            found[symbol] = _Series(
                columns.places[start:end],
                list[str | Decimal](columns.closes[start:end]),
                columns.volumes[start:end] if columns.volumes else None,
            )
    return found
