"""Which price of the market counts as the one an order arrived at."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from trading_assets.execution.arrival import arrival_price
from trading_assets.model.arrival import ArrivalPrice, ArrivalPriceKind, MarketQuote

NOW = dt.datetime(2024, 6, 3, 13, 30, 5, tzinfo=dt.UTC)
SECOND = dt.timedelta(seconds=1)


def quote(**fields: Any) -> MarketQuote:
    """100.00 to 100.04 four seconds ago, a trade at 100.03 two seconds ago."""
    given: dict[str, Any] = {
        "symbol": "AAA",
        "source": "feed",
        "bid": Decimal("100.00"),
        "ask": Decimal("100.04"),
        "quoted_at": NOW - 4 * SECOND,
        "last": Decimal("100.03"),
        "traded_at": NOW - 2 * SECOND,
    }
    return MarketQuote(**(given | fields))


def test_the_midpoint_of_the_quote_counts_before_the_last_trade() -> None:
    assert arrival_price(quote(), NOW) == ArrivalPrice(
        price=Decimal("100.02"),
        kind=ArrivalPriceKind.QUOTE_MIDPOINT,
        as_of=NOW - 4 * SECOND,
        source="feed",
    )


@pytest.mark.parametrize(
    "fields",
    [
        {"bid": None},
        {"ask": None},
        {"quoted_at": NOW - 301 * SECOND},
        {"bid": Decimal("100.05")},  # crossed
        {"bid": Decimal("99.00"), "ask": Decimal("100.02")},  # 1.02 of 99.51: over 1 %
    ],
)
def test_where_the_quote_says_little_the_last_trade_counts(fields: dict[str, Any]) -> None:
    assert arrival_price(quote(**fields), NOW) == ArrivalPrice(
        price=Decimal("100.03"),
        kind=ArrivalPriceKind.LAST_TRADE,
        as_of=NOW - 2 * SECOND,
        source="feed",
    )


def test_a_quote_stands_for_five_minutes_and_a_spread_of_one_percent_is_not_too_wide() -> None:
    found = arrival_price(
        quote(bid=Decimal("99.5"), ask=Decimal("100.5"), quoted_at=NOW - 300 * SECOND), NOW
    )
    assert isinstance(found, ArrivalPrice)
    assert found.price == 100


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (None, "no price is shown"),
        (quote(is_delayed=True), "feed shows delayed prices"),
        (quote(bid=None, last=None), "no quote of both sides, and no last trade"),
        # A trade whose time nobody tells may be of yesterday.
        (quote(bid=None, traded_at=None), "no quote of both sides, and no last trade"),
        (
            quote(ask=Decimal("120"), traded_at=NOW - 61 * SECOND),
            "the quote is 100 to 120, and the last trade is of 2024-06-03 13:29:04Z",
        ),
    ],
)
def test_what_is_not_the_market_now_is_no_arrival_price_and_says_why(
    given: MarketQuote | None, reason: str
) -> None:
    assert arrival_price(given, NOW) == reason
