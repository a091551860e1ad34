"""A stand-in for the candles of Coinbase's Exchange API, by its documentation.

    with CoinbaseStandIn() as coinbase:
        coinbase.candles["BTC-USD", 3600] = {1717405200: (low, high, open, close, volume)}

Rows come newest first; some may lie before the start that was asked for; intervals without a trade
have none; more than 300 are refused, as are a product and a granularity that do not exist.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from assets_tests.bar_vendors.server import Asked, VendorStandIn

Candle = tuple[float, float, float, float, float]
GRANULARITIES = (60, 300, 900, 3600, 21600, 86400)
CANDLES_MAX = 300


class CoinbaseStandIn(VendorStandIn):
    """`candles` by product and granularity: low, high, open, close, volume by start (Unix
    seconds), the one that still runs included."""

    def __init__(self) -> None:
        super().__init__()
        self.candles: dict[tuple[str, int], dict[int, Candle]] = {}

    def answer(self, asked: Asked) -> tuple[int, Any]:
        """GET /products/{product_id}/candles."""
        parts = asked.path.strip("/").split("/")
        if len(parts) != 3 or parts[0] != "products" or parts[2] != "candles":
            return 404, {"message": "route not found"}
        product = parts[1]
        if product not in {name for name, _ in self.candles}:
            return 404, {"message": "NotFound"}
        granularity = int(asked.query.get("granularity", "60"))
        if granularity not in GRANULARITIES:
            return 400, {"message": "Unsupported granularity"}
        start, end = (_seconds(asked.query[name]) for name in ("start", "end"))
        if (end - start) // granularity > CANDLES_MAX:
            return 400, {
                "message": "granularity too small for the requested time range. Count of "
                "aggregations requested exceeds 300"
            }
        known = self.candles.get((product, granularity), {})
        found = sorted((one for one in known if start <= one <= end), reverse=True)
        # What is at hand may precede the start.
        before = sorted((one for one in known if one < start), reverse=True)[:2]
        rows = [*found, *before][:CANDLES_MAX]
        return 200, [[one, *known[one]] for one in rows]


def _seconds(text: str) -> int:
    return int(dt.datetime.fromisoformat(text).timestamp())
