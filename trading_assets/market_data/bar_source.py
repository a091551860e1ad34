"""What every source of bars offers: a question, an answer in arrays, and who may be asked what.

| source   | bars                             | prices                  | history                  |
|----------|----------------------------------|-------------------------|--------------------------|
| alpaca   | 1Min 5Min 15Min 30Min 1Hour 1Day | raw, split, all         | of the feed              |
| yahoo    | the same                         | split; of days also all | days; what is shorter    |
|          |                                  |                         | for 30, 60 or 730 days   |
| coinbase | 1Min 5Min 15Min 1Hour 6Hour 1Day | raw                     | since a product's start  |
| finnhub  | 1Min 5Min 15Min 30Min 1Hour 1Day | raw; of days split      | of the plan              |

A bar has the time that the source gives it: where it begins, UTC. A bar of a day begins at midnight
UTC of its session's date, whichever moment the source writes. A bar that still runs, or has run out
so recently that it may be rewritten, is not given out. An interval in which nothing was traded has
no bar, and nothing is filled in.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from trading_assets.model.account import Answer, Known, Unknown
from trading_assets.model.market_events import PriceAdjustment

DAY = "1Day"
LENGTHS: dict[str, dt.timedelta] = {
    "1Min": dt.timedelta(minutes=1),
    "5Min": dt.timedelta(minutes=5),
    "15Min": dt.timedelta(minutes=15),
    "30Min": dt.timedelta(minutes=30),
    "1Hour": dt.timedelta(hours=1),
    "6Hour": dt.timedelta(hours=6),
    DAY: dt.timedelta(days=1),
}
"""Every timeframe that a source has, and its length."""

BarRows = npt.NDArray[np.void]
"""Bars of one symbol as an array of `BAR`, ascending by `start`."""
BAR = np.dtype(
    [
        ("start", np.int64),
        ("open", np.float64),
        ("high", np.float64),
        ("low", np.float64),
        ("close", np.float64),
        ("volume", np.float64),
    ]
)
"""`start` in nanoseconds since 1970 UTC, prices per share, `volume` in shares, NaN where unknown.
A price is the double nearest to what was sent, which has its digits up to the fifteenth."""
PRICE_FIELDS = ("open", "high", "low", "close")

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class BarQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Bars that begin at `start` or later and before `end` (aware); of days, at midnight UTC of
    their dates. `timeframe` is a key of LENGTHS."""

    symbols: tuple[str, ...]
    timeframe: str
    start: dt.datetime
    end: dt.datetime
    adjustment: PriceAdjustment = PriceAdjustment.RAW


class Bars(msgspec.Struct, frozen=True, kw_only=True):
    """Complete bars by symbol, oldest first; symbols without any are listed in `missing`."""

    bars: dict[str, BarRows]
    missing: tuple[str, ...]


class BarSource(Protocol):
    """A service that is asked for bars."""

    @property
    def name(self) -> str:
        """Tells its bars from those of others, the feed included."""
        ...

    @property
    def adjustments(self) -> Mapping[str, Sequence[PriceAdjustment]]:
        """What prices may be adjusted for, by timeframe: first what the source gives of its own
        accord."""
        ...

    @property
    def kept(self) -> Mapping[str, dt.timedelta]:
        """How long the source keeps bars, by timeframe; without an entry there is no limit."""
        ...

    @property
    def wait(self) -> dt.timedelta:
        """How long after its end a bar counts as complete."""
        ...

    def fetch(self, query: BarQuery) -> Answer[Bars]:
        """Every complete bar of a query that the source allows; Unknown where it did not answer,
        or not in a way that can be read, and never some of the bars.

        ConfigurationError where asking again would not help: keys that are refused, a plan without
        these bars, a time that the source does not keep.
        """
        ...


def earliest(source: BarSource, timeframe: str, now: dt.datetime) -> dt.datetime | None:
    """Where the bars that a source still has begin, a few minutes spared; None for no limit."""
    kept = source.kept.get(timeframe)
    return None if kept is None else now - kept + dt.timedelta(minutes=10)


def rows_of(values: Sequence[tuple[Any, ...]]) -> BarRows:
    """Rows (start in nanoseconds, open, high, low, close, volume) as an array, ascending, each
    start once: the last of several counts."""
    rows = np.array(list(values), dtype=BAR)
    rows = rows[np.argsort(rows["start"], kind="stable")]
    last = np.ones(len(rows), dtype=np.bool_)
    last[:-1] = rows["start"][1:] != rows["start"][:-1]
    return rows[last]


def checked(symbol: str, rows: BarRows) -> BarRows:
    """`rows` as they are; ValueError where a price is no positive number, or high and low do not
    enclose the others: such an answer is not used, nor is part of it."""
    for name in PRICE_FIELDS:
        if not ((rows[name] > 0) & np.isfinite(rows[name])).all():
            raise ValueError(f"a bar of {symbol} has a price that is not positive ({name})")
    inside = rows["low"] <= np.minimum(rows["open"], rows["close"])
    if not (inside & (np.maximum(rows["open"], rows["close"]) <= rows["high"])).all():
        raise ValueError(f"a bar of {symbol} has open or close outside of high and low")
    return rows


def within(rows: BarRows, start: dt.datetime, end: dt.datetime) -> BarRows:
    """The rows that begin at `start` or later and before `end`."""
    first, last = np.searchsorted(rows["start"], [nanoseconds(start), nanoseconds(end)])
    return rows[first : max(first, last)]


def complete(rows: BarRows, query: BarQuery, now: dt.datetime, wait: dt.timedelta) -> BarRows:
    """The rows of the query's stretch whose time is over since `wait`."""
    over = now - wait - LENGTHS[query.timeframe] + dt.timedelta(microseconds=1)
    return within(rows, query.start, min(query.end, over))


def answer_of(symbols: Sequence[str], found: Mapping[str, BarRows]) -> Bars:
    """The answer about `symbols`, each once: those of which there are rows, and the others."""
    names = list(dict.fromkeys(symbols))
    return Bars(
        bars={symbol: found[symbol] for symbol in names if len(found.get(symbol, ()))},
        missing=tuple(symbol for symbol in names if not len(found.get(symbol, ()))),
    )


def finished(
    symbol: str,
    values: Sequence[tuple[Any, ...]],
    query: BarQuery,
    now: dt.datetime,
    wait: dt.timedelta,
) -> Known[BarRows] | Unknown:
    """The complete bars of a symbol of all that was told; Unknown where one cannot be."""
    try:
        rows = checked(symbol, rows_of(values))
    except ValueError as error:
        return Unknown(f"candles: {error}")
    return Known(complete(rows, query, now, wait))


def asked_one_by_one(
    query: BarQuery, ask: Callable[[str, BarQuery], Known[BarRows] | Unknown]
) -> Answer[Bars]:
    """The answer of a service that tells of one symbol at a time; Unknown where one is."""
    found: dict[str, BarRows] = {}
    for symbol in dict.fromkeys(query.symbols):
        rows = ask(symbol, query)
        if isinstance(rows, Unknown):
            return rows
        found[symbol] = rows.value
    return Known(answer_of(query.symbols, found))


def nanoseconds(moment: dt.datetime) -> int:
    """Nanoseconds since 1970 UTC of an aware moment."""
    return (moment - _EPOCH) // dt.timedelta(microseconds=1) * 1000


def moment_of(nanos: int) -> dt.datetime:
    """The moment, UTC, to the microsecond."""
    return _EPOCH + dt.timedelta(microseconds=int(nanos) // 1000)


def midnight(day: dt.date) -> dt.datetime:
    """Midnight UTC of a date: where the bar of a day begins."""
    return dt.datetime.combine(day, dt.time(), dt.UTC)
