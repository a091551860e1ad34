"""Bars of a source by way of a cache: only what is missing is asked for."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence

import numpy as np
from msgspec.structs import replace

from trading_assets.errors import ConfigurationError
from trading_assets.market_data.bar_cache import BarCache, Stretch
from trading_assets.market_data.bar_source import (
    DAY,
    LENGTHS,
    PRICE_FIELDS,
    BarQuery,
    BarRows,
    Bars,
    BarSource,
    answer_of,
    earliest,
    moment_of,
    rows_of,
    within,
)
from trading_assets.model.account import Answer, Known, Unknown
from trading_assets.model.market_events import PriceAdjustment

_FINAL_AFTER = {DAY: dt.timedelta(hours=25)}
"""A day's bar is corrected until the evening; the day of the session ends some hours after its
date does in UTC."""
_BARS_AT_ONCE = 40_000
_COMPARED_FOR = dt.timedelta(hours=1)


class CachedBars:
    """A source with a cache (None: nothing is kept). Not to be shared between threads."""

    def __init__(
        self,
        source: BarSource,
        cache: BarCache | None,
        now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
    ) -> None:
        self.source = source
        self._cache = cache
        self._now = now

    def bars(self, query: BarQuery) -> Answer[Bars]:
        """Every complete bar of a query, from the cache as far as it goes; Unknown where the source
        did not answer what is not there. What was answered before that is kept.

        ConfigurationError for a timeframe or an adjustment that the source does not have, and where
        asking again would not help.
        """
        adjustments = self.source.adjustments.get(query.timeframe, ())
        if query.adjustment not in adjustments:
            raise ConfigurationError(_not_offered(self.source, query))
        cache = self._cache
        if cache is None:
            return self.source.fetch(query)
        series = f"{self.source.name}/{query.timeframe}/{query.adjustment.value}"
        length = LENGTHS[query.timeframe]
        margin = self.source.wait + max(length, _FINAL_AFTER.get(query.timeframe, length))
        final = Stretch(query.start, max(query.start, min(query.end, self._now() - margin)))
        symbols = list(dict.fromkeys(query.symbols))
        if query.adjustment is not PriceAdjustment.RAW:
            compared = self._drop_rewritten(cache, series, query, symbols, final)
            if isinstance(compared, Unknown):
                return compared
        filled = self._fill(cache, series, query, symbols, final)
        if isinstance(filled, Unknown):
            return filled
        recent = dict(filled.value)
        untold = tuple(symbol for symbol in symbols if symbol not in recent)
        if untold and final.end < query.end:
            tail = self.source.fetch(replace(query, symbols=untold, start=final.end))
            if isinstance(tail, Unknown):
                return tail
            recent |= tail.value.bars
        found = {
            symbol: np.concatenate(
                [cache.read(series, symbol, final), recent.get(symbol, rows_of([]))]
            )
            for symbol in symbols
        }
        return Known(answer_of(symbols, found))

    def _fill(
        self,
        cache: BarCache,
        series: str,
        query: BarQuery,
        symbols: Sequence[str],
        final: Stretch,
    ) -> Known[dict[str, BarRows]] | Unknown:
        """Fetch and keep what the cache lacks, the symbols that lack the same together. The bars
        after `final`, which are not kept, of the symbols that were asked for up to there."""
        lacking: dict[Stretch, list[str]] = {}
        recent: dict[str, BarRows] = {}
        limit = earliest(self.source, query.timeframe, self._now())
        for symbol in symbols:
            for gap in cache.lacking(series, symbol, final):
                # Symbols whose last bars are a few minutes apart are one question.
                start = max(
                    final.start, gap.start.replace(hour=0, minute=0, second=0, microsecond=0)
                )
                if limit is not None and start < limit:
                    start = gap.start
                lacking.setdefault(Stretch(start, gap.end), []).append(symbol)
        for gap, names in sorted(lacking.items()):
            for part in _parts(gap, LENGTHS[query.timeframe] * _BARS_AT_ONCE):
                is_last = part.end == final.end
                end = query.end if is_last else part.end
                asked = replace(query, symbols=tuple(names), start=part.start, end=end)
                answer = self.source.fetch(asked)
                if isinstance(answer, Unknown):
                    return answer
                rows = {name: answer.value.bars.get(name, rows_of([])) for name in names}
                cache.store(series, part, rows)
                if is_last:
                    recent.update({n: within(rows[n], final.end, query.end) for n in names})
        return Known(recent)

    def _drop_rewritten(
        self,
        cache: BarCache,
        series: str,
        query: BarQuery,
        symbols: Sequence[str],
        final: Stretch,
    ) -> Known[None] | Unknown:
        """Forget symbols whose oldest kept bar is no longer what the source says; what is there as
        a whole, and was compared within the hour, is not compared again."""
        suspects: dict[int, list[str]] = {}
        recently = self._now() - _COMPARED_FOR
        for symbol in symbols:
            oldest = cache.oldest(series, symbol)
            compared = cache.compared_at(series, symbol)
            is_whole = final.end == query.end and not cache.lacking(series, symbol, final)
            if len(oldest) and not (is_whole and compared is not None and compared >= recently):
                suspects.setdefault(int(oldest["start"][0]), []).append(symbol)
        for start, names in suspects.items():
            moment = moment_of(start)
            limit = earliest(self.source, query.timeframe, self._now())
            if limit is not None and moment < limit:
                # It can be asked for no more, nor could the rest be compared with it.
                for name in names:
                    cache.drop(series, name)
                continue
            answer = self.source.fetch(
                replace(
                    query,
                    symbols=tuple(names),
                    start=moment,
                    end=moment + LENGTHS[query.timeframe],
                )
            )
            if isinstance(answer, Unknown):
                return answer
            for name in names:
                rows = answer.value.bars.get(name)
                if rows is not None and _same_prices(rows, cache.oldest(series, name)):
                    cache.note_compared(series, name)
                else:
                    cache.drop(series, name)
        return Known(None)


def _same_prices(rows: BarRows, others: BarRows) -> bool:
    return all(np.array_equal(rows[name], others[name]) for name in ("start", *PRICE_FIELDS))


def _parts(stretch: Stretch, length: dt.timedelta) -> list[Stretch]:
    """The stretch in parts of at most `length`, oldest first."""
    parts, start = [], stretch.start
    while start < stretch.end:
        end = min(start + length, stretch.end)
        parts.append(Stretch(start, end))
        start = end
    return parts


def _not_offered(source: BarSource, query: BarQuery) -> str:
    offered = source.adjustments.get(query.timeframe)
    if offered is None:
        return (
            f"{source.name} has no bars of {query.timeframe}, but of "
            f"{', '.join(source.adjustments)}. Take one of these as source_timeframe, of which the "
            "backtest's are made."
        )
    names = ", ".join(one.value for one in offered)
    return (
        f"{source.name} has {query.timeframe} bars adjusted for: {names}; asked for was "
        f"{query.adjustment.value}. Choose one of these, or another source."
    )
