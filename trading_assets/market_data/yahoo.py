"""Prices from Yahoo, by yfinance, one symbol after the other.

Problem: the service is free, undocumented and often not there; yfinance hides what happened behind
empty tables and log lines, and remembers failed answers. A portfolio must neither trade on a price
that is not one, nor stop because one of its symbols has none.

Choice: every symbol is asked for by itself, with errors on and yfinance's own memory emptied. What
is wrong with the symbol (unknown, other currency, pence mixed with pounds, hardly any rows) leaves
it out, with a warning, and the others go on. What is wrong with the service (rate limit, error,
page instead of prices, silence) lets the last good history serve, whose age is then part of every
price's `source`. All that is used is kept as a snapshot before it is used.
"""

from __future__ import annotations

import datetime as dt
import logging
import math
import warnings
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from trading_assets.errors import PricesUnknownError
from trading_assets.market_data.adjustment import adjusted_for_actions
from trading_assets.market_data.base import ADJUSTED_CLOSE_AGE_SESSIONS
from trading_assets.market_data.corporate_actions import CorporateActions
from trading_assets.market_data.yahoo_actions import as_quoted, shares_since
from trading_assets.market_data.yahoo_events import ChartEvents, chart_events, seven_digits
from trading_assets.market_data.yahoo_histories import (
    DailyBar,
    DailyHistory,
    HistoryFinding,
    Snapshot,
    SnapshotFolder,
    history_findings,
)
from trading_assets.model.currency import in_major_unit
from trading_assets.model.instrument import AdjustedPair, Price, PriceSnapshot
from trading_assets.settings import YahooPrices

if TYPE_CHECKING:
    from trading_assets.market_data.yahoo_session import YahooSession

LOG = logging.getLogger(__name__)


CLOSING_AUCTION = dt.timedelta(minutes=5)
"""How long after a session's close its last price is still being found; London's takes longest."""


class FetchFailure(msgspec.Struct, frozen=True, kw_only=True):
    """Why there is no history of a symbol. `is_service`: nothing is said about the symbol, the
    service could not be asked."""

    symbol: str
    reason: str
    is_service: bool

    def __str__(self) -> str:
        return f"{self.symbol}: {self.reason}"


_UNREADABLE = (OSError, ValueError, LookupError, TypeError, AttributeError)
"""What yfinance raises of an answer that it does not expect, or of none; curl's are OSErrors."""
Fetched = DailyHistory | FetchFailure
Fetch = Callable[[str, dt.date], Fetched]


class YahooClient:
    """Asks Yahoo for histories. `relay` is an address to ask instead of Yahoo's own hosts, `cache`
    the folder where yfinance keeps time zones and cookies."""

    def __init__(
        self, timeout_seconds: float, relay: str | None = None, cache: Path | None = None
    ) -> None:
        self._timeout_seconds = timeout_seconds
        self._relay = relay
        self._cache = cache

    def history(self, symbol: str, first: dt.date, now: dt.datetime) -> Fetched:
        """The daily history of a symbol from `first` to now (UTC), pence as pounds.

        Prices are rounded to the seven digits that Yahoo has. Rows without a close are left out.
        """
        # Later than now: for what is past it would remember failed answers.
        end = (now + dt.timedelta(days=2)).date()
        found = self.table(symbol, "1d", first, end)
        if isinstance(found, FetchFailure):
            return found
        table, currency, answer = found
        try:
            events = chart_events(answer)
        except _UNREADABLE as error:
            return _unreadable(symbol, error)
        return _history(symbol, currency, now, table, events)

    def table(
        self, symbol: str, interval: str, start: dt.date, end: dt.date
    ) -> tuple[Any, str, bytes] | FetchFailure:
        """What yfinance makes of the bars from `start` up to but not including `end` (moments, or
        dates at the exchange): a pandas table, adjusted for splits alone, the currency as Yahoo
        writes it, and the answer itself. `interval` is spelled as Yahoo does."""
        import yfinance
        from yfinance.data import YfData
        from yfinance.exceptions import YFException

        from trading_assets.market_data.yahoo_session import YahooSession

        session = YahooSession(self._relay)
        if self._cache is not None:
            self._cache.mkdir(parents=True, exist_ok=True)
            yfinance.set_tz_cache_location(str(self._cache))
        yfinance.config.debug.hide_exceptions = False
        # It would answer a second question with the failure of the first.
        YfData.cache_get.cache_clear()
        try:
            with warnings.catch_warnings():
                # What pandas warns of in yfinance is not this project's to mend.
                warnings.simplefilter("ignore")
                ticker = yfinance.Ticker(symbol, session=session)
                table = ticker.history(
                    start=start if isinstance(start, dt.datetime) else start.isoformat(),
                    end=end if isinstance(end, dt.datetime) else end.isoformat(),
                    interval=interval,
                    auto_adjust=False,
                    actions=True,
                    timeout=self._timeout_seconds,
                )
                currency = str(ticker.history_metadata["currency"])
            return table, currency, session.content
        except (YFException, *_UNREADABLE) as error:
            return _failure(symbol, error, session)
        finally:
            session.close()


def _failure(symbol: str, error: Exception, session: YahooSession) -> FetchFailure:
    from yfinance.exceptions import YFRateLimitError, YFTickerMissingError

    status = session.status
    if isinstance(error, YFRateLimitError) or status == 429:
        return _service(symbol, "Yahoo refuses for too many requests (HTTP 429)")
    if status is not None and status >= 500:
        return _service(symbol, f"Yahoo has an error (HTTP {status})")
    if status == 404:
        return FetchFailure(
            symbol=symbol, reason="Yahoo does not know it (HTTP 404)", is_service=False
        )
    if status is None:
        return _service(symbol, f"Yahoo did not answer ({error})")
    if "json" not in session.content_type:
        return _service(symbol, f"Yahoo sent a page instead of prices (HTTP {status})")
    if isinstance(error, YFTickerMissingError):
        return FetchFailure(
            symbol=symbol, reason=f"Yahoo has no prices of it ({error.rationale})", is_service=False
        )
    return _unreadable(symbol, error)


def _unreadable(symbol: str, error: Exception) -> FetchFailure:
    return _service(symbol, f"Yahoo's answer cannot be read ({type(error).__name__}: {error})")


def _service(symbol: str, reason: str) -> FetchFailure:
    return FetchFailure(symbol=symbol, reason=reason, is_service=True)


def _history(
    symbol: str, quoted: str, now: dt.datetime, table: Any, events: ChartEvents
) -> Fetched:
    bars = []
    currency = in_major_unit(Decimal(1), quoted)[1]
    rows = zip(
        table.index, *(table[name] for name in ("Close", "Adj Close", "Volume")), strict=True
    )
    for stamp, close, adjusted, volume in rows:
        session = stamp.date()
        if not math.isfinite(close) or close <= 0:
            continue
        price = _price(close, quoted)
        bars.append(
            DailyBar(
                session,
                price,
                _price(adjusted, quoted) if math.isfinite(adjusted) and adjusted > 0 else price,
                int(volume) if math.isfinite(volume) else None,
            )
        )
    if not bars:
        return FetchFailure(symbol=symbol, reason="Yahoo has no prices of it", is_service=False)
    return DailyHistory(
        symbol=symbol,
        currency=currency,
        taken_at=now,
        bars=tuple(bars),
        splits=events.splits,
        dividends=events.dividends,
        last_trade_at=events.last_trade_at,
        unread_events=events.unread,
    )


def _price(value: float, quoted: str) -> Decimal:
    return in_major_unit(seven_digits(value), quoted)[0]


class YahooCalendar(msgspec.Struct, frozen=True):
    """The exchange's sessions, ascending, and beside them when each closes (UTC)."""

    sessions: Sequence[dt.date]
    closes: Sequence[dt.datetime]

    def complete_through(self, moment: dt.datetime) -> dt.date | None:
        """The last session that closed at `moment` or before; None where none did."""
        place = bisect_right(self.closes, moment) - 1
        return self.sessions[place] if place >= 0 else None


def take_snapshot(
    settings: YahooPrices,
    currency: str,
    symbols: Sequence[str],
    calendar: YahooCalendar,
    kept: SnapshotFolder,
    fetch: Fetch,
    now: dt.datetime,
) -> Snapshot:
    """The histories of `symbols` as of `now` (UTC), kept.

    A snapshot that is younger than `refresh_minutes` and about the same symbols is used again.
    Raises PricesUnknownError where no symbol has a history, neither now nor kept.
    """
    before, wait = kept.latest(), dt.timedelta(minutes=settings.wait_minutes)
    last_due = calendar.complete_through(now - wait)
    if (
        before is not None
        and _is_fresh(before, symbols, now, settings.refresh_minutes)
        and calendar.complete_through(before.taken_at - wait) == last_due
    ):
        return before
    known = {} if before is None else before.histories
    taken: dict[str, DailyHistory] = {}
    told: list[str] = []
    down: FetchFailure | None = None
    for symbol in symbols:
        # A service that refuses for too many requests is not asked for more.
        fetched = fetch(symbol, calendar.sessions[0]) if down is None else _same(down, symbol)
        if isinstance(fetched, FetchFailure):
            if fetched.is_service and "429" in fetched.reason:
                down = fetched
            told.append(_served(fetched, known, taken, now))
            continue
        complete = _complete(fetched, last_due, calendar)
        findings = history_findings(
            complete, currency, calendar.sessions, last_due, settings.max_jump
        )
        told += [_left_out(finding) for finding in findings]
        if all(finding.is_usable for finding in findings):
            taken[symbol] = complete
    if not taken:
        raise PricesUnknownError(
            "Yahoo gave no usable prices and none are kept: " + "; ".join(told)[:1000]
        )
    snapshot = Snapshot(
        taken_at=now,
        histories=taken,
        left_out=tuple(symbol for symbol in symbols if symbol not in taken),
        warnings=tuple(told),
    )
    kept.keep(snapshot)
    for line in told:
        LOG.warning(line)
    return snapshot


def _is_fresh(snapshot: Snapshot, symbols: Sequence[str], now: dt.datetime, minutes: int) -> bool:
    recent = snapshot.taken_at <= now <= snapshot.taken_at + dt.timedelta(minutes=minutes)
    return recent and set(symbols) == {*snapshot.histories, *snapshot.left_out}


def _same(failure: FetchFailure, symbol: str) -> FetchFailure:
    return _service(symbol, f"not asked, {failure.reason}")


def _served(
    failure: FetchFailure,
    known: Mapping[str, DailyHistory],
    taken: dict[str, DailyHistory],
    now: dt.datetime,
) -> str:
    """Let the last good history serve where the service is down; what there is to say of it."""
    old = known.get(failure.symbol)
    if not failure.is_service or old is None:
        return f"{failure}; it is left out"
    taken[failure.symbol] = old
    return f"{failure}; prices of {old.taken_at:%Y-%m-%d %H:%M} UTC serve, {age(old, now)} old"


def _left_out(finding: HistoryFinding) -> str:
    return str(finding) if finding.is_usable else f"{finding}; it is left out"


def _complete(
    history: DailyHistory, last_due: dt.date | None, calendar: YahooCalendar
) -> DailyHistory:
    """Without bars of sessions whose close is not final.

    Yahoo shows the last price that it has heard as the day's close, also before the closing auction
    and while it is still behind the exchange. So a close is final when the wait after it is over,
    or when Yahoo itself shows a trade that no session could have before its auction ended.
    """
    traded_through = None
    if history.last_trade_at is not None:
        traded_through = calendar.complete_through(history.last_trade_at - CLOSING_AUCTION)
    final = max(last_due or dt.date.min, traded_through or dt.date.min)
    bars = [bar for bar in history.bars if bar.session <= final]
    return msgspec.structs.replace(history, bars=tuple(bars))


def age(history: DailyHistory, now: dt.datetime) -> str:
    """How old a history is, in words: minutes, hours or days."""
    minutes = int((now - history.taken_at).total_seconds() // 60)
    if minutes < 120:
        return f"{minutes} minutes"
    return f"{minutes // 60} hours" if minutes < 48 * 60 else f"{minutes // (24 * 60)} days"


class YahooPriceSource:
    """A snapshot as the price source of a portfolio.

    Closes are those that were quoted on their day (`yahoo_actions.py`); before a session they are
    in the shares of its open, by `actions`. `warnings` say what was left out or is old. A
    price's `source` names the snapshot, and the age of a history that is older than it.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        settings: YahooPrices,
        symbols: Iterable[str],
        sessions: Sequence[dt.date],
        actions: CorporateActions | None = None,
        warnings: tuple[str, ...] = (),
    ) -> None:
        self.actions = CorporateActions() if actions is None else actions
        self.warnings = (*snapshot.warnings, *warnings)
        self._snapshot = snapshot
        self._sha256 = snapshot.sha256
        self._settings = settings
        self._symbols = tuple(sorted(set(symbols)))
        self._sessions = tuple(sessions)
        known = set(sessions)
        self._bars = {
            symbol: [bar for bar in history.bars if bar.session in known]
            for symbol, history in snapshot.histories.items()
        }
        self._days = {symbol: [bar.session for bar in bars] for symbol, bars in self._bars.items()}

    @property
    def name(self) -> str:
        """The source and when it was asked."""
        return f"yahoo of {self._snapshot.taken_at:%Y-%m-%d %H:%M} UTC"

    @property
    def sha256(self) -> str:
        """SHA-256 of the kept snapshot, in hex."""
        return self._sha256

    @property
    def symbols(self) -> tuple[str, ...]:
        """All symbols of the portfolio, sorted; those that were left out have no price."""
        return self._symbols

    def before(self, session: dt.date, symbols: Iterable[str]) -> PriceSnapshot:
        """The latest close of each symbol strictly before `session`."""
        last = bisect_left(self._sessions, session) - 1
        snapshot = self._prices(session, symbols, last, own=False)
        if not self.actions.by_symbol:
            return snapshot
        return adjusted_for_actions(snapshot, self.actions.by_symbol, self._reference_session)

    def _reference_session(self, price: Price) -> dt.date | None:
        """The session of the close before `price`; None where there is none."""
        days = self._days[price.symbol]
        index = bisect_left(days, price.session) - 1
        return days[index] if index >= 0 else None

    def at_close(self, session: dt.date, symbols: Iterable[str]) -> PriceSnapshot:
        """The close of `session` itself, once it is complete."""
        last = bisect_right(self._sessions, session) - 1
        return self._prices(session, symbols, last, own=True)

    def benchmark_close(self, session: dt.date) -> Decimal | None:
        """The benchmark's close of a session; None without a benchmark or that close."""
        benchmark = self._settings.benchmark_symbol
        return (
            None if benchmark is None else self.at_close(session, (benchmark,)).price_of(benchmark)
        )

    def adjusted_pair(self, symbol: str, start: dt.date, end: dt.date) -> AdjustedPair | None:
        """See `AdjustedCloses`."""
        first, last = self._recent(symbol, start), self._recent(symbol, end)
        if first is None or last is None:
            return None
        return AdjustedPair(
            start_session=first.session,
            start_close=first.adjusted_close,
            end_session=last.session,
            end_close=last.adjusted_close,
        )

    def _recent(self, symbol: str, session: dt.date) -> DailyBar | None:
        index = bisect_right(self._days.get(symbol, []), session) - 1
        if index < 0:
            return None
        place = bisect_right(self._sessions, session) - 1
        oldest = self._sessions[max(place - ADJUSTED_CLOSE_AGE_SESSIONS, 0)]
        bar = self._bars[symbol][index]
        return bar if bar.session >= oldest else None

    def _prices(
        self, session: dt.date, symbols: Iterable[str], last: int, *, own: bool
    ) -> PriceSnapshot:
        """Closes of the session at place `last` or before; with `own` of that session only."""
        prices: dict[str, Price] = {}
        missing: dict[str, None] = {}
        day = self._sessions[last] if last >= 0 else dt.date.min
        for symbol in symbols:
            index = bisect_right(self._days.get(symbol, []), day) - 1
            bar = self._bars[symbol][index] if index >= 0 else None
            if bar is None or (own and bar.session != session):
                missing[symbol] = None
                continue
            prices[symbol] = Price(
                symbol=symbol,
                price=self._quoted(symbol, bar),
                currency=self._snapshot.histories[symbol].currency,
                session=bar.session,
                age_sessions=last - bisect_left(self._sessions, bar.session),
                source=self._source(symbol),
                reference_price=self._quoted(symbol, self._bars[symbol][index - 1])
                if index
                else None,
                volume=self._volume(symbol, bar),
            )
        return PriceSnapshot(session=session, prices=prices, missing=tuple(missing))

    def _quoted(self, symbol: str, bar: DailyBar) -> Decimal:
        return as_quoted(bar.close, shares_since(self._snapshot.histories[symbol], bar.session))

    def _volume(self, symbol: str, bar: DailyBar) -> Decimal | None:
        """Shares of the bar's day; whole ones, for so they were traded."""
        if bar.volume is None:
            return None
        ratio = shares_since(self._snapshot.histories[symbol], bar.session)
        return Decimal(round(bar.volume / ratio))

    def _source(self, symbol: str) -> str:
        history = self._snapshot.histories[symbol]
        name = f"yahoo {self._sha256[:12]}"
        if history.taken_at == self._snapshot.taken_at:
            return name
        return f"{name}, {age(history, self._snapshot.taken_at)} old"
