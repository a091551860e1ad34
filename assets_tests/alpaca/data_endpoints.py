"""The REST endpoints of the market data API for stocks."""

from __future__ import annotations

import base64
import datetime as dt
import json
from collections.abc import Mapping
from decimal import Decimal

from assets_tests.alpaca.account import BrokerAccount
from assets_tests.alpaca.activities import moment
from assets_tests.alpaca.gateway import Answer, Handler
from assets_tests.alpaca.order_ask import FORBIDDEN, RefusalError

Params = Mapping[str, str]
Query = dict[str, str]
Body = dict[str, object]


class DataEndpoints:
    """What the market shows."""

    def __init__(self, account: BrokerAccount) -> None:
        self.account = account
        self.market = account.market

    def routes(self) -> list[tuple[str, str, Handler]]:
        """(method, path, handler) of every endpoint."""
        return [
            ("GET", "/v2/stocks/trades/latest", self.get_latest_trades),
            ("GET", "/v2/stocks/quotes/latest", self.get_latest_quotes),
            ("GET", "/v2/stocks/bars/latest", self.get_latest_bars),
            ("GET", "/v2/stocks/snapshots", self.get_snapshots),
            ("GET", "/v2/stocks/bars", self.get_bars),
            ("GET", "/v1/corporate-actions", self.get_corporate_actions),
        ]

    def get_latest_trades(self, _params: Params, query: Query, _body: Body) -> Answer:
        self._check_feed(query, recent=True)
        found = {symbol: self.market.trade_answer(symbol) for symbol in _symbols(query)}
        return 200, {"trades": {name: row for name, row in found.items() if row is not None}}

    def get_latest_quotes(self, _params: Params, query: Query, _body: Body) -> Answer:
        self._check_feed(query, recent=True)
        found = {symbol: self.market.quote_answer(symbol) for symbol in _symbols(query)}
        return 200, {"quotes": {name: row for name, row in found.items() if row is not None}}

    def get_latest_bars(self, _params: Params, query: Query, _body: Body) -> Answer:
        self._check_feed(query, recent=True)
        found = {symbol: self._last_bar(symbol, "1Min") for symbol in _symbols(query)}
        return 200, {"bars": {name: row for name, row in found.items() if row is not None}}

    def get_snapshots(self, _params: Params, query: Query, _body: Body) -> Answer:
        self._check_feed(query, recent=True)
        found: dict[str, object] = {}
        for symbol in _symbols(query):
            trade = self.market.trade_answer(symbol)
            if trade is not None:
                found[symbol] = {
                    "latestTrade": trade,
                    "latestQuote": self.market.quote_answer(symbol),
                    "minuteBar": self._last_bar(symbol, "1Min"),
                    "dailyBar": self._last_bar(symbol, "1Day"),
                    "prevDailyBar": self._last_bar(symbol, "1Day", back=2),
                }
        return 200, found

    def get_bars(self, _params: Params, query: Query, _body: Body) -> Answer:
        """`limit` counts the points of all symbols together; the page token goes on from there."""
        now = self.account.clock.now
        end = moment(query["end"]) if query.get("end") else now
        start = moment(query["start"]) if query.get("start") else now - dt.timedelta(days=1)
        self._check_feed(query, recent=end > now - dt.timedelta(minutes=15))
        limit = int(query.get("limit", "1000"))
        if not 1 <= limit <= 10_000:
            raise RefusalError(400, None, "invalid limit: must be between 1 and 10000")
        points: list[tuple[str, dict[str, object]]] = []
        for symbol in sorted(_symbols(query)):
            bars = self.market.bar_answers(
                symbol, query.get("timeframe", "1Day"), query.get("adjustment", "raw")
            )
            kept = [(symbol, bar) for at, bar in bars if start <= at <= min(end, now)]
            points.extend(reversed(kept) if query.get("sort") == "desc" else kept)
        first = _place(query.get("page_token"))
        pages: dict[str, list[object]] = {}
        for symbol, bar in points[first : first + limit]:
            pages.setdefault(symbol, []).append(bar)
        following = first + limit if first + limit < len(points) else None
        return 200, {"bars": pages, "next_page_token": _token(following)}

    def get_corporate_actions(self, _params: Params, query: Query, _body: Body) -> Answer:
        """Those with an ex-date from `start` to `end` (today if not told), by kind."""
        today = self.account.clock.today.isoformat()
        start, end = query.get("start", today), query.get("end", today)
        found: dict[str, list[object]] = {}
        for announcement in self.account.announcements:
            kind, row = corporate_action(announcement)
            symbol = str(announcement["initiating_symbol"])
            wanted = (
                start <= str(announcement["ex_date"]) <= end
                and symbol in query.get("symbols", symbol).split(",")
                and kind in query.get("types", kind).split(",")
            )
            if wanted:
                found.setdefault(f"{kind}s", []).append(row)
        return 200, {"corporate_actions": found, "next_page_token": None}

    def _last_bar(self, symbol: str, timeframe: str, back: int = 1) -> dict[str, object] | None:
        now = self.account.clock.now
        bars = [bar for at, bar in self.market.bar_answers(symbol, timeframe, "raw") if at <= now]
        return bars[-back] if len(bars) >= back else None

    def _check_feed(self, query: Query, recent: bool) -> None:
        feed = query.get("feed", "sip" if self.market.sip_subscription else "iex")
        if feed not in ("sip", "iex", "boats", "otc"):
            raise RefusalError(400, None, f"invalid feed: {feed}")
        if feed == "sip" and recent and not self.market.sip_subscription:
            message = "subscription does not permit querying recent SIP data"
            raise RefusalError(403, FORBIDDEN, message)


def corporate_action(announcement: dict[str, object]) -> tuple[str, dict[str, object]]:
    """An announcement as the market data API describes it: its kind and its row."""
    told = {name: announcement[name] for name in ("id", "ex_date", "record_date", "payable_date")}
    symbol, cusip = announcement["initiating_symbol"], announcement["initiating_original_cusip"]
    row = told | {"process_date": announcement["payable_date"], "symbol": symbol, "cusip": cusip}
    new, old = Decimal(str(announcement["new_rate"])), Decimal(str(announcement["old_rate"]))
    rates = {"new_rate": float(new), "old_rate": float(old)}
    if announcement["ca_type"] == "dividend":
        rate = float(str(announcement["cash"]))
        return "cash_dividend", row | {"rate": rate, "special": False, "foreign": False}
    if announcement["ca_type"] == "spinoff":
        parties = {"source_symbol": symbol, "source_cusip": cusip, "source_rate": float(old)}
        target = announcement["target_symbol"], announcement["target_original_cusip"]
        given = {"new_symbol": target[0], "new_cusip": target[1], "new_rate": float(new)}
        return "spin_off", told | {"process_date": row["process_date"]} | parties | given
    assert announcement["ca_type"] == "split", f"{announcement['ca_type']} is not served here"
    if new >= old:
        return "forward_split", row | rates
    return "reverse_split", row | rates | {"old_cusip": cusip, "new_cusip": cusip}


def _symbols(query: Query) -> list[str]:
    names = [name for name in query.get("symbols", "").split(",") if name]
    if not names:
        raise RefusalError(400, None, "symbols is required")
    return names


def _token(place: int | None) -> str | None:
    return None if place is None else base64.urlsafe_b64encode(json.dumps(place).encode()).decode()


def _place(token: str | None) -> int:
    return 0 if not token else int(json.loads(base64.urlsafe_b64decode(token)))
