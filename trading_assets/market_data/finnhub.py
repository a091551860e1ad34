"""Bars of shares from Finnhub: `GET /stock/candle`, with a key of a plan that has candles.

The answer is one array for each of open, high, low, close, volume and start (Unix seconds), with
`s: ok`, or `s: no_data`. Bars of a day are adjusted for splits and stamped midnight UTC of their
session; shorter ones are not adjusted, begin at whole multiples of their length, and come a month
at a time. The key goes in a header: an address ends up in logs.

Finnhub's own client is a thin layer over requests that puts the key into the address, knows no time
limit for the answer as a whole, and asks nothing again; so it is not used.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import SecretStr

from trading_assets.errors import ConfigurationError
from trading_assets.market_data.bar_source import (
    DAY,
    BarQuery,
    BarRows,
    Bars,
    asked_one_by_one,
    finished,
    nanoseconds,
)
from trading_assets.market_data.json_service import JsonService, Refused, number
from trading_assets.model.account import Answer, Known, Unknown
from trading_assets.model.market_events import PriceAdjustment

URL = "https://finnhub.io/api/v1"
RESOLUTIONS = {"1Min": "1", "5Min": "5", "15Min": "15", "30Min": "30", "1Hour": "60", DAY: "D"}
# Of the smallest plan.
REQUESTS_PER_MINUTE = 60
PAGE = dt.timedelta(days=30)
_UNAUTHORIZED, _FORBIDDEN = 401, 403


class FinnhubBars:
    """Candles as a `BarSource`. `url` takes the place of Finnhub's own."""

    name = "finnhub"
    kept: Mapping[str, dt.timedelta] = {}
    adjustments: Mapping[str, tuple[PriceAdjustment, ...]] = {
        timeframe: (PriceAdjustment.SPLIT if timeframe == DAY else PriceAdjustment.RAW,)
        for timeframe in RESOLUTIONS
    }

    def __init__(
        self,
        key: SecretStr,
        url: str | None = None,
        *,
        timeout_seconds: float = 10.0,
        wait: dt.timedelta = dt.timedelta(minutes=15),
        now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
        **service: Any,
    ) -> None:
        self.wait = wait
        self._now = now
        self._service = JsonService(
            "Finnhub",
            url or URL,
            requests_per_minute=REQUESTS_PER_MINUTE,
            timeout_seconds=timeout_seconds,
            secret=("X-Finnhub-Token", key),
            **service,
        )

    def fetch(self, query: BarQuery) -> Answer[Bars]:
        """See `BarSource`."""
        return asked_one_by_one(query, self._candles)

    def _candles(self, symbol: str, query: BarQuery) -> Known[BarRows] | Unknown:
        now = self._now()
        candles: list[tuple[Any, ...]] = []
        page, end = query.start, min(query.end, now)
        while page < end:
            last = end if query.timeframe == DAY else min(page + PAGE, end)
            reply = self._service.get(
                "/stock/candle",
                {
                    "symbol": symbol,
                    "resolution": RESOLUTIONS[query.timeframe],
                    "from": str(nanoseconds(page) // 1_000_000_000),
                    "to": str(nanoseconds(last) // 1_000_000_000),
                },
            )
            if isinstance(reply, Refused):
                return _refused(symbol, query.timeframe, reply)
            if isinstance(reply, Unknown):
                return Unknown(f"candles of {symbol}: {reply.reason}")
            try:
                candles += _rows(reply.value)
            except (KeyError, TypeError, ValueError) as error:
                return Unknown(f"candles of {symbol} cannot be read: {error}")
            page = last
        return finished(symbol, candles, query, now, self.wait)


def _rows(content: Any) -> list[tuple[Any, ...]]:
    if not isinstance(content, dict):
        raise ValueError("the answer is no candles")
    if content.get("s") == "no_data":
        return []
    if content.get("s") != "ok":
        raise ValueError(f"status {content.get('s')!r:.50} is not known")
    columns = [content[name] for name in ("t", "o", "h", "l", "c", "v")]
    return [
        (int(number(start)) * 1_000_000_000, *(number(value) for value in values))
        for start, *values in zip(*columns, strict=True)
    ]


def _refused(symbol: str, timeframe: str, reply: Refused) -> Unknown:
    """Why it said no; ConfigurationError where it would say so again."""
    said = f": {reply.reason}" if reply.reason else ""
    if reply.status == _UNAUTHORIZED:
        raise ConfigurationError(
            f"Finnhub refuses the key (HTTP 401{said}). Set FINNHUB_API_KEY to the one that its "
            "dashboard shows."
        )
    if reply.status == _FORBIDDEN:
        raise ConfigurationError(
            f"the plan of FINNHUB_API_KEY has no {timeframe} bars of {symbol} (HTTP 403{said}). "
            "Candles belong to paid plans, each for some markets: take one, or another source."
        )
    return Unknown(f"candles of {symbol}: HTTP {reply.status}{said}")
