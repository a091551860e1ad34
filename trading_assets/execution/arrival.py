"""The arrival price: what the market was at when an order left for the broker.

It is asked for once, of all symbols together, right before orders leave, by the broker's own feed,
and recorded with the fact that the order may have left. Orders never wait for it: where it cannot
be had they leave all the same, and what is recorded is why. It is never put together from another
price. Of the market counts, in this order:

 1. the midpoint of bid and ask, quoted within QUOTE_AGE, no further apart than WIDEST_SPREAD;
 2. the last trade, made within TRADE_AGE.

A quote stands until it is replaced, a trade is over; hence the two ages. Delayed prices are none.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal

from trading_assets.brokers.base import Broker, Quoting
from trading_assets.model.account import Unknown
from trading_assets.model.arrival import ArrivalPrice, ArrivalPriceKind, MarketQuote
from trading_assets.model.money import plain, rounded_price

QUOTE_AGE = dt.timedelta(minutes=5)
TRADE_AGE = dt.timedelta(minutes=1)
WIDEST_SPREAD = Decimal("0.01")
"""Of the midpoint, a fraction. Between wider quotes the midpoint says little of the market."""

Arrival = ArrivalPrice | str
"""An arrival price, or why there is none."""


def arrivals(
    broker: Broker, symbols: Iterable[str], now: Callable[[], dt.datetime]
) -> Mapping[str, Arrival]:
    """The arrival price of each symbol, or why it is not known; asks once. `now` is UTC."""
    names = sorted(set(symbols))
    if not names:
        return {}
    if not isinstance(broker, Quoting):
        return dict.fromkeys(names, "the broker shows no prices")
    found = broker.quotes(names)
    if isinstance(found, Unknown):
        return dict.fromkeys(names, found.reason)
    moment = now()
    return {name: arrival_price(found.value.get(name), moment) for name in names}


def market_prices(found: Mapping[str, Arrival]) -> dict[str, Decimal]:
    """What a share is at by symbol, where the market is known."""
    return {
        symbol: arrival.price
        for symbol, arrival in found.items()
        if isinstance(arrival, ArrivalPrice)
    }


def highest_ask(price: Decimal) -> Decimal:
    """The most that a share may be offered at where the market is at `price`: half of the widest
    spread above it."""
    return price * (1 + WIDEST_SPREAD / 2)


def arrival_price(quote: MarketQuote | None, now: dt.datetime) -> Arrival:
    """What counts of a quote as the market at `now` (aware), by the rules of the module."""
    if quote is None:
        return "no price is shown"
    if quote.is_delayed:
        return f"{quote.source} shows delayed prices"
    midpoint, doubt = _midpoint(quote, now)
    if midpoint is not None:
        return midpoint
    if quote.last is None or quote.traded_at is None:
        return f"{doubt}, and no last trade"
    if now - quote.traded_at > TRADE_AGE:
        return f"{doubt}, and the last trade is of {quote.traded_at:%Y-%m-%d %H:%M:%SZ}"
    return ArrivalPrice(
        price=quote.last,
        kind=ArrivalPriceKind.LAST_TRADE,
        as_of=quote.traded_at,
        source=quote.source,
    )


def _midpoint(quote: MarketQuote, now: dt.datetime) -> tuple[ArrivalPrice | None, str]:
    """The midpoint, or why there is none."""
    bid, ask, quoted_at = quote.bid, quote.ask, quote.quoted_at
    if bid is None or ask is None or quoted_at is None:
        return None, "no quote of both sides"
    if now - quoted_at > QUOTE_AGE:
        return None, f"the quote is of {quoted_at:%Y-%m-%d %H:%M:%SZ}"
    middle = (bid + ask) / 2
    if bid > ask or ask - bid > WIDEST_SPREAD * middle:
        return None, f"the quote is {plain(bid)} to {plain(ask)}"
    return ArrivalPrice(
        price=rounded_price(middle),
        kind=ArrivalPriceKind.QUOTE_MIDPOINT,
        as_of=quoted_at,
        source=quote.source,
    ), ""
