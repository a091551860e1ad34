"""Alpaca as the price source of a portfolio: daily closes for sessions, last trades within one."""

from __future__ import annotations

import datetime as dt
import hashlib
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import TypeVar

import msgspec

from trading_assets.alpaca_api.statistics import ApiStatistics
from trading_assets.errors import PricesUnknownError
from trading_assets.market_data.adjustment import adjusted_for_actions
from trading_assets.market_data.alpaca import CURRENCY, AlpacaMarketData
from trading_assets.market_data.bar_cache import BarCache
from trading_assets.market_data.bar_source import DAY, BarQuery, Bars, midnight, moment_of
from trading_assets.market_data.base import ADJUSTED_CLOSE_AGE_SESSIONS
from trading_assets.market_data.cached_bars import CachedBars
from trading_assets.market_data.corporate_actions import CorporateActions
from trading_assets.model.account import Answer, Unknown
from trading_assets.model.instrument import AdjustedPair, LatestPrice, Price, PriceSnapshot
from trading_assets.model.market_events import PriceAdjustment, PriceBar
from trading_assets.model.money import rounded_price
from trading_assets.settings import AlpacaPrices

T = TypeVar("T")

LOOKBACK_SESSIONS = 10
"""How many sessions back the latest close is looked for: older ones are no price to plan on."""


class AlpacaPriceSource:
    """Daily bars as closes.

    `sessions` are the calendar's, ascending; `symbols` those that a table of prices is made for;
    `open_since` says when a session that is on now was opened (UTC), None of any other.
    Every question is answered by Alpaca or its cache when it is asked. Raises PricesUnknownError
    where it cannot be.
    """

    def __init__(
        self,
        data: AlpacaMarketData,
        settings: AlpacaPrices,
        sessions: Sequence[dt.date],
        symbols: Iterable[str],
        actions: CorporateActions | None = None,
        cache: BarCache | None = None,
        open_since: Callable[[dt.date], dt.datetime | None] = lambda _session: None,
    ) -> None:
        self.actions = CorporateActions() if actions is None else actions
        self._data = data
        self._bars = CachedBars(data, cache, data.now)
        self._settings = settings
        self._sessions = tuple(sessions)
        self._symbols = tuple(sorted(set(symbols)))
        self._open_since = open_since
        self._used = hashlib.sha256()
        self._pairs: dict[tuple[dt.date, dt.date], dict[str, AdjustedPair]] = {}
        self._reference_sessions: dict[tuple[str, dt.date], dt.date] = {}

    @property
    def name(self) -> str:
        """The source, its feed and what the bars are adjusted for."""
        return f"alpaca/{self._settings.feed}/{self._settings.adjustment.value}"

    @property
    def sha256(self) -> str:
        """SHA-256 of every bar that was used so far, in the order of use."""
        return self._used.hexdigest()

    @property
    def symbols(self) -> tuple[str, ...]:
        """The symbols that a table of prices is made for, sorted: the benchmark and what corporate
        actions turn a symbol into among them."""
        benchmark = self._settings.benchmark_symbol
        known = {*self._symbols, *([benchmark] if benchmark else [])}
        return tuple(sorted(known | self.actions.new_symbols))

    def api_statistics(self) -> ApiStatistics:
        """How Alpaca was asked for all of this, and how it answered."""
        return self._data.api_statistics()

    def before(self, session: dt.date, symbols: Iterable[str]) -> PriceSnapshot:
        """The latest close of each symbol strictly before `session`, of the last ten sessions.

        `age_sessions` counts the sessions between that close and the last one before `session`. A
        raw close from before a corporate action is adjusted, its `source` says so; see
        `adjustment.py`. Bars that Alpaca adjusted are in the shares of the day already.

        Where the plan is to be made on last trades and the session is open, they take the place of
        the closes of all symbols that traded lately in it; the others keep theirs.
        """
        closes = self._closes_before(session, symbols)
        opened_at = self._trading_since(session)
        if opened_at is None:
            return closes
        names = (*closes.prices, *closes.missing)
        max_age = dt.timedelta(minutes=self._settings.max_trade_minutes)
        traded = self.latest(session, names, max_age, since=opened_at)
        found = {**closes.prices, **traded.prices}
        return PriceSnapshot(
            session=session,
            prices={name: found[name] for name in names if name in found},
            missing=tuple(name for name in names if name not in found),
        )

    def changes_now(self, session: dt.date) -> bool:
        """Whether what `before` says of a session is another thing some minutes later."""
        return self._trading_since(session) is not None

    def _trading_since(self, session: dt.date) -> dt.datetime | None:
        """When a session that is planned on last trades now was opened; None of any other."""
        return None if self._settings.plan_price == "close" else self._open_since(session)

    def _closes_before(self, session: dt.date, symbols: Iterable[str]) -> PriceSnapshot:
        end = bisect_left(self._sessions, session)
        snapshot = self._snapshot(session, symbols, end, own=False)
        is_raw = PriceAdjustment(self._settings.adjustment) is PriceAdjustment.RAW
        if not is_raw or not self.actions.by_symbol:
            return snapshot
        return adjusted_for_actions(snapshot, self.actions.by_symbol, self._reference_session)

    def _reference_session(self, price: Price) -> dt.date | None:
        """The session of the close before `price`, which is the bar before it; None where there is
        none."""
        return self._reference_sessions.get((price.symbol, price.session))

    def at_close(self, session: dt.date, symbols: Iterable[str]) -> PriceSnapshot:
        """The close of `session`; every symbol is missing until the session's bars are complete."""
        place = bisect_left(self._sessions, session)
        if place == len(self._sessions) or self._sessions[place] != session:
            return PriceSnapshot(session=session, prices={}, missing=tuple(dict.fromkeys(symbols)))
        return self._snapshot(session, symbols, place + 1, own=True)

    def benchmark_close(self, session: dt.date) -> Decimal | None:
        """The benchmark's close of `session`; None without a benchmark or without that close."""
        benchmark = self._settings.benchmark_symbol
        return (
            None if benchmark is None else self.at_close(session, [benchmark]).price_of(benchmark)
        )

    def latest(
        self,
        session: dt.date,
        symbols: Iterable[str],
        max_age: dt.timedelta,
        since: dt.datetime | None = None,
    ) -> PriceSnapshot:
        """The last trade of each symbol, made within `max_age` and not before `since` (UTC), with
        its own time (LatestPrice).

        A symbol whose last trade is older is missing. The reference price is the close before
        `session`.
        """
        names = list(dict.fromkeys(symbols))
        found = _answered(self._data.last_trades(names, max_age)).trades
        trades = {s: trade for s, trade in found.items() if since is None or trade.as_of >= since}
        closes = self._closes_before(session, trades)
        prices: dict[str, Price] = {}
        for symbol, trade in trades.items():
            prices[symbol] = LatestPrice(
                symbol=symbol,
                price=trade.price,
                currency=CURRENCY,
                session=session,
                age_sessions=0,
                source=f"{self.name}, traded {trade.as_of:%Y-%m-%d %H:%M:%SZ}",
                reference_price=closes.price_of(symbol),
                as_of=trade.as_of,
            )
        return PriceSnapshot(
            session=session,
            prices=prices,
            missing=tuple(symbol for symbol in names if symbol not in prices),
        )

    def adjusted_pair(self, symbol: str, start: dt.date, end: dt.date) -> AdjustedPair | None:
        """See `AdjustedCloses`. The first to ask has all symbols of the portfolio asked for.

        Alpaca adjusts for all that happened until it is asked; the first close is told in shares of
        the second, whose close is as it was quoted, so that neither changes with a later dividend.
        """
        if (start, end) not in self._pairs:
            self._pairs[start, end] = self._adjusted_pairs(start, end, {*self.symbols, symbol})
        return self._pairs[start, end].get(symbol)

    def _adjusted_pairs(
        self, start: dt.date, end: dt.date, symbols: Iterable[str]
    ) -> dict[str, AdjustedPair]:
        names = tuple(sorted(symbols))
        firsts = self._recent(start, names, PriceAdjustment.ALL)
        lasts = self._recent(end, names, PriceAdjustment.ALL)
        quoted = self._recent(end, names, PriceAdjustment.RAW)
        return {
            symbol: AdjustedPair(
                start_session=self._sessions[self._place(firsts[symbol])],
                start_close=rounded_price(
                    firsts[symbol].close * quoted[symbol].close / lasts[symbol].close
                ),
                end_session=self._sessions[self._place(quoted[symbol])],
                end_close=quoted[symbol].close,
            )
            for symbol in names
            if symbol in firsts and symbol in lasts and symbol in quoted
        }

    def _recent(
        self, session: dt.date, symbols: tuple[str, ...], adjustment: PriceAdjustment
    ) -> dict[str, PriceBar]:
        """The latest bar of each symbol on or before a session, unless it is too old."""
        place = bisect_right(self._sessions, session) - 1
        if place < 0:
            return {}
        first = self._sessions[max(place - ADJUSTED_CLOSE_AGE_SESSIONS, 0)]
        query = BarQuery(
            symbols=symbols,
            timeframe=DAY,
            start=midnight(first),
            end=midnight(self._sessions[place] + dt.timedelta(days=1)),
            adjustment=adjustment,
        )
        found = {
            symbol: self._bar(symbol, rows[-1].item(), adjustment)
            for symbol, rows in self._asked(query).bars.items()
        }
        for bar in found.values():
            self._used.update(msgspec.json.encode(bar))
        return found

    def _asked(self, query: BarQuery) -> Bars:
        """Bars from the cache as far as they are raw: adjusted ones would have to be compared with
        Alpaca's before they are used, which is as long a way."""
        is_raw = query.adjustment is PriceAdjustment.RAW
        return _answered(self._bars.bars(query) if is_raw else self._data.fetch(query))

    def _place(self, bar: PriceBar) -> int:
        return bisect_left(self._sessions, bar.start.date())

    def _snapshot(
        self, session: dt.date, symbols: Iterable[str], end: int, *, own: bool
    ) -> PriceSnapshot:
        """Latest close of each symbol at a place below `end`; with `own` only that of `end` - 1."""
        names = tuple(dict.fromkeys(symbols))
        first = max(end - LOOKBACK_SESSIONS - 1, 0)
        if first >= end or not names:
            return PriceSnapshot(session=session, prices={}, missing=names)
        query = BarQuery(
            symbols=names,
            timeframe=DAY,
            start=midnight(self._sessions[first]),
            end=midnight(self._sessions[end - 1] + dt.timedelta(days=1)),
            adjustment=PriceAdjustment(self._settings.adjustment),
        )
        found = self._asked(query)
        prices = {}
        for symbol, rows in found.bars.items():
            bars = [self._bar(symbol, row, query.adjustment) for row in rows[-2:].tolist()]
            place = self._place(bars[-1])
            if len(bars) > 1:
                before = self._sessions[self._place(bars[0])]
                self._reference_sessions[symbol, self._sessions[place]] = before
            if own and place != end - 1:
                continue
            self._used.update(msgspec.json.encode(bars[-1]))
            prices[symbol] = Price(
                symbol=symbol,
                price=bars[-1].close,
                currency=CURRENCY,
                session=self._sessions[place],
                age_sessions=end - 1 - place,
                source=self.name,
                reference_price=bars[-2].close if len(bars) > 1 else None,
                volume=bars[-1].volume,
            )
        return PriceSnapshot(
            session=session,
            prices=prices,
            missing=tuple(symbol for symbol in names if symbol not in prices),
        )

    def _bar(self, symbol: str, row: tuple[float, ...], adjustment: PriceAdjustment) -> PriceBar:
        """A bar with the digits in which it was sent."""
        start, *prices, volume = row
        opened, high, low, close = (Decimal(repr(price)) for price in prices)
        session = moment_of(int(start))
        return PriceBar(
            symbol=symbol,
            timeframe=DAY,
            start=session,
            end=session + dt.timedelta(days=1),
            open=opened,
            high=high,
            low=low,
            close=close,
            currency=CURRENCY,
            adjustment=adjustment,
            volume=Decimal(repr(volume)),
        )


def _answered(answer: Answer[T]) -> T:
    if isinstance(answer, Unknown):
        raise PricesUnknownError(f"Alpaca could not say: {answer.reason}. Run it again later.")
    return answer.value
