"""A stand-in for Yahoo Finance's chart service that yfinance talks to over HTTP as it is.

    with YahooStandIn() as yahoo:
        yahoo.listed["SXLK.L"] = Listing("USD", {"2024-03-04": Bar("41.25")})
        yahoo.faults["SXLF.L"] = Fault.HTML
        YahooClient(timeout_seconds=1, relay=yahoo.url).history("SXLK.L", first, now)

It answers what the service answers: prices as doubles that were floats of 32 bits, pence as GBp, a
symbol that it does not know as 404 with a reason in JSON, errors as HTML. Cookies and crumbs, for
which yfinance asks before the first prices, come from the same server. The host that a request was
meant for is the first part of its path.
"""

from __future__ import annotations

import datetime as dt
import json
import struct
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from zoneinfo import ZoneInfo

from assets_tests.http_stand_in import HttpStandIn, send

HTML = b"<html><body><h1>Sorry, we are having some trouble.</h1></body></html>"

_HOURS = {
    "Europe/London": (dt.time(8), dt.time(16, 30)),
    "America/New_York": (dt.time(9, 30), dt.time(16)),
}


class Fault(Enum):
    """What may be wrong with the answer for one symbol, or for all."""

    RATE_LIMIT = 429
    SERVER_ERROR = 500
    HTML = "a page instead of prices"
    TIMEOUT = "no answer"
    EMPTY = "prices without a row"
    DROPPED = "the connection is cut"


@dataclass(frozen=True)
class Bar:
    """One bar: the close, the close adjusted for dividends (the same when not given), volume, and
    the other prices where they are not the close."""

    close: str
    adjusted: str | None = None
    volume: int = 1000
    open: str | None = None
    high: str | None = None
    low: str | None = None


@dataclass(frozen=True)
class Listing:
    """One symbol: the currency that Yahoo gives, its bars by day (by moment, as in
    2024-06-03T13:30:00+00:00, those shorter than a day), splits as "new:old" by day, dividends as
    "0.25" or "0.25 EUR" by day, and when it last traded."""

    currency: str
    bars: Mapping[str, Bar]
    zone: str = "Europe/London"
    splits: Mapping[str, str] = field(default_factory=dict)
    dividends: Mapping[str, str] = field(default_factory=dict)
    last_trade: dt.datetime | None = None


class YahooStandIn(HttpStandIn):
    """The chart service. `listed` are the symbols it knows, `faults` what is wrong by symbol ("*"
    for all), `asked` the symbols whose prices were asked for, in order. `silence_seconds` is how
    long it says nothing.
    """

    takes_post = True

    def __init__(self) -> None:
        self.listed: dict[str, Listing] = {}
        self.faults: dict[str, Fault] = {}
        self.asked: list[str] = []
        self.silence_seconds = 5.0
        super().__init__()

    def serve(self, request: BaseHTTPRequestHandler) -> None:
        """Answer what yfinance asks, or let a fault befall it."""
        url = urlsplit(request.path)
        if "/quoteSummary/" in url.path:
            _send_json(request, 404, {"quoteSummary": _not_found()["chart"]})
            return
        if "/v8/finance/chart/" not in url.path:
            # Cookies, crumb, consent: enough of each for yfinance to go on.
            body = b"crumb0123" if url.path.endswith("getcrumb") else b"<html></html>"
            send(request, 200, body, "text/plain")
            return
        symbol = unquote(url.path.rsplit("/", 1)[1])
        self.asked.append(symbol)
        fault = self.faults.get(symbol) or self.faults.get("*")
        if fault is Fault.TIMEOUT:
            time.sleep(self.silence_seconds)
            request.close_connection = True
        elif fault is Fault.DROPPED:
            request.close_connection = True
        elif fault is Fault.RATE_LIMIT:
            send(request, 429, b"Too Many Requests\r\n", "text/plain")
        elif fault is Fault.SERVER_ERROR:
            send(request, 500, HTML, "text/html")
        elif fault is Fault.HTML:
            send(request, 200, HTML, "text/html")
        elif symbol not in self.listed:
            _send_json(request, 404, _not_found())
        else:
            listing = self.listed[symbol]
            query = parse_qs(url.query)
            bars = {} if fault is Fault.EMPTY else _asked_for(listing, query)
            interval = query.get("interval", ["1d"])[0]
            _send_json(request, 200, _chart(symbol, listing, bars, interval))


def _send_json(request: BaseHTTPRequestHandler, status: int, content: object) -> None:
    send(request, status, json.dumps(content).encode(), "application/json")


def _not_found() -> dict[str, Any]:
    error = {"code": "Not Found", "description": "No data found, symbol may be delisted"}
    return {"chart": {"result": None, "error": error}}


def _asked_for(listing: Listing, query: Mapping[str, list[str]]) -> dict[str, Bar]:
    first = int(query.get("period1", ["0"])[0])
    last = int(query.get("period2", [str(2**40)])[0])
    is_daily = query.get("interval", ["1d"]) == ["1d"]
    return {
        day: bar
        for day, bar in listing.bars.items()
        if first <= _opened(day, listing) < last and is_daily is ("T" not in day)
    }


def _opened(day: str, listing: Listing) -> int:
    zone = ZoneInfo(listing.zone)
    if "T" in day:
        return int(dt.datetime.fromisoformat(day).timestamp())
    return int(dt.datetime.fromisoformat(day).replace(hour=8, tzinfo=zone).timestamp())


def _single(text: str) -> float:
    """A price as the service gives it: a float of 32 bits, written as a double."""
    return float(struct.unpack("f", struct.pack("f", float(text)))[0])


def _sessions(bars: Mapping[str, Bar], zone: ZoneInfo) -> list[list[dict[str, Any]]]:
    """The regular hours of each day that has bars, as the service tells them."""
    days = sorted({dt.datetime.fromisoformat(day).astimezone(zone).date() for day in bars})
    opens, closes = _HOURS[zone.key]
    found = []
    for day in days:
        start, end = (dt.datetime.combine(day, at, zone) for at in (opens, closes))
        shift = start.utcoffset() or dt.timedelta()
        found.append(
            [
                {
                    "timezone": start.tzname(),
                    "start": int(start.timestamp()),
                    "end": int(end.timestamp()),
                    "gmtoffset": int(shift.total_seconds()),
                }
            ]
        )
    return found


def _chart(symbol: str, listing: Listing, bars: Mapping[str, Bar], interval: str) -> dict[str, Any]:
    closes = [_single(bar.close) for bar in bars.values()]
    adjusted = [_single(bar.adjusted or bar.close) for bar in bars.values()]
    zone = ZoneInfo(listing.zone)
    traded = listing.last_trade
    offset = dt.datetime(2024, 3, 4, tzinfo=zone).utcoffset() or dt.timedelta()
    meta: dict[str, Any] = {
        "currency": listing.currency,
        "symbol": symbol,
        "exchangeName": "LSE",
        "instrumentType": "EQUITY",
        "exchangeTimezoneName": listing.zone,
        "timezone": "GMT",
        "gmtoffset": int(offset.total_seconds()),
        "regularMarketPrice": closes[-1] if closes else None,
        **({"regularMarketTime": int(traded.timestamp())} if traded else {}),
        "priceHint": 2,
        "dataGranularity": interval,
        "range": "",
        "validRanges": ["1d", "5d", "1mo", "3mo", "6mo", "1y", "2y", "5y", "10y", "ytd", "max"],
    }
    if interval != "1d":
        meta["tradingPeriods"] = _sessions(bars, zone)
    quote = {
        "open": [_single(bar.open or bar.close) for bar in bars.values()],
        "high": [_single(bar.high or bar.close) for bar in bars.values()],
        "low": [_single(bar.low or bar.close) for bar in bars.values()],
        "close": closes,
        "volume": [bar.volume for bar in bars.values()],
    }
    splits = {
        str(_opened(day, listing)): {
            "date": _opened(day, listing),
            "numerator": float(ratio.split(":")[0]),
            "denominator": float(ratio.split(":")[1]),
            "splitRatio": ratio,
        }
        for day, ratio in listing.splits.items()
    }
    result: dict[str, Any] = {
        "meta": meta,
        "indicators": {"quote": [quote if bars else {}]},
    }
    if interval == "1d":
        result["indicators"]["adjclose"] = [{"adjclose": adjusted}]
    if bars:
        result["timestamp"] = [_opened(day, listing) for day in bars]
    dividends = {
        str(_opened(day, listing)): {
            "date": _opened(day, listing),
            "amount": float(told.split()[0]),
            **({"currency": told.split()[1]} if " " in told else {}),
        }
        for day, told in listing.dividends.items()
    }
    events = {"splits": splits, "dividends": dividends}
    if splits or dividends:
        result["events"] = {name: rows for name, rows in events.items() if rows}
    return {"chart": {"result": [result], "error": None}}
