"""Bars of crypto currencies from Coinbase: the public candles of its Exchange API, without a key.

`GET /products/{product_id}/candles` answers at most 300 candles, newest first, as rows of start
(Unix seconds), low, high, open, close and volume. An interval without a trade has none. Candles
before the start that was asked for may be among them, and the one that still runs is; a question
that reaches over more than 300 intervals is refused. So the time is cut into pages, from the oldest
on. Days are those of UTC: the market has no sessions.

A symbol is a product such as BTC-USD; volume is in the base currency.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from trading_assets.market_data.bar_source import (
    LENGTHS,
    BarQuery,
    BarRows,
    Bars,
    asked_one_by_one,
    finished,
)
from trading_assets.market_data.json_service import JsonService, Refused, number
from trading_assets.model.account import Answer, Known, Unknown
from trading_assets.model.market_events import PriceAdjustment

URL = "https://api.exchange.coinbase.com"
TIMEFRAMES = ("1Min", "5Min", "15Min", "1Hour", "6Hour", "1Day")
CANDLES_MAX = 300
# Ten requests a second and address are let through.
REQUESTS_PER_MINUTE = 480
_NOT_FOUND = 404
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class CoinbaseBars:
    """Candles as a `BarSource`. `url` takes the place of Coinbase's own."""

    name = "coinbase"
    kept: Mapping[str, dt.timedelta] = {}
    adjustments = dict.fromkeys(TIMEFRAMES, (PriceAdjustment.RAW,))

    def __init__(
        self,
        url: str | None = None,
        *,
        timeout_seconds: float = 10.0,
        wait: dt.timedelta = dt.timedelta(minutes=5),
        now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
        **service: Any,
    ) -> None:
        self.wait = wait
        self._now = now
        self._service = JsonService(
            "Coinbase",
            url or URL,
            requests_per_minute=REQUESTS_PER_MINUTE,
            timeout_seconds=timeout_seconds,
            **service,
        )

    def fetch(self, query: BarQuery) -> Answer[Bars]:
        """See `BarSource`."""
        return asked_one_by_one(query, self._candles)

    def _candles(self, symbol: str, query: BarQuery) -> Known[BarRows] | Unknown:
        length, now = LENGTHS[query.timeframe], self._now()
        candles: list[tuple[Any, ...]] = []
        # Candles begin at whole multiples of their length.
        first = page = query.start - (query.start - _EPOCH) % length
        while page < min(query.end, now):
            last = min(page + (CANDLES_MAX - 1) * length, query.end)
            reply = self._service.get(
                f"/products/{quote(symbol, safe='')}/candles",
                {
                    "granularity": str(length // dt.timedelta(seconds=1)),
                    "start": _text(page),
                    "end": _text(last),
                },
            )
            if isinstance(reply, Refused) and reply.status == _NOT_FOUND and page == first:
                # No such product.
                break
            if isinstance(reply, Refused):
                return Unknown(f"candles of {symbol}: HTTP {reply.status}: {reply.reason}")
            if isinstance(reply, Unknown):
                return Unknown(f"candles of {symbol}: {reply.reason}")
            try:
                candles += [_row(candle) for candle in reply.value]
            except (TypeError, ValueError) as error:
                return Unknown(f"candles of {symbol} cannot be read: {error}")
            page += CANDLES_MAX * length
        return finished(symbol, candles, query, now, self.wait)


def _row(candle: Any) -> tuple[Any, ...]:
    start, low, high, first, last, volume = candle
    seconds = int(number(start))
    return (
        seconds * 1_000_000_000,
        *(number(value) for value in (first, high, low, last, volume)),
    )


def _text(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
