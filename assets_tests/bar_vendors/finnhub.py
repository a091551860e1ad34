"""A stand-in for Finnhub's `/stock/candle`, by its documentation.

    with FinnhubStandIn(key="secret") as finnhub:
        finnhub.candles["AAPL", "60"] = {1717421400: (open, high, low, close, volume)}

The key is taken from the header alone. Of bars shorter than a day at most a month comes at a time,
the latest of what was asked for. `premium` are symbols that the plan does not have.
"""

from __future__ import annotations

from typing import Any

from assets_tests.bar_vendors.server import Asked, VendorStandIn

Candle = tuple[float, float, float, float, float]
RESOLUTIONS = ("1", "5", "15", "30", "60", "D", "W", "M")
MONTH_SECONDS = 31 * 86_400


class FinnhubStandIn(VendorStandIn):
    """`candles` by symbol and resolution: open, high, low, close, volume by start."""

    def __init__(self, key: str = "key") -> None:
        super().__init__()
        self.key = key
        self.candles: dict[tuple[str, str], dict[int, Candle]] = {}
        self.premium: set[str] = set()

    def answer(self, asked: Asked) -> tuple[int, Any]:
        """GET /api/v1/stock/candle."""
        if asked.path != "/api/v1/stock/candle":
            return 404, {"error": "not found"}
        if asked.headers.get("X-Finnhub-Token") != self.key:
            return 401, {"error": f"Invalid API key {asked.headers.get('X-Finnhub-Token')}"}
        symbol, resolution = asked.query["symbol"], asked.query["resolution"]
        if resolution not in RESOLUTIONS:
            return 422, {"error": "Wrong resolution"}
        if symbol in self.premium:
            return 403, {"error": "You don't have access to this resource."}
        start, end = int(asked.query["from"]), int(asked.query["to"])
        if resolution not in "DWM":
            start = max(start, end - MONTH_SECONDS)
        known = self.candles.get((symbol, resolution), {})
        times = sorted(one for one in known if start <= one <= end)
        if not times:
            return 200, {"s": "no_data"}
        columns = zip(*(known[one] for one in times), strict=True)
        return 200, {"s": "ok", "t": times, **dict(zip("ohlcv", map(list, columns), strict=True))}
