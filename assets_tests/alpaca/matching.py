"""At which price an open order executes now, if it does: pure."""

from __future__ import annotations

from decimal import Decimal

from assets_tests.alpaca.orders import BrokerOrder


def execution_price(order: BrokerOrder, bid: Decimal, ask: Decimal) -> Decimal | None:
    """The price of an execution against the quote, or None while the order rests.

    Buys execute at the ask, sales at the bid; a limit is never passed, and a better price is
    given. A stop is triggered by the same side of the quote and stays triggered.
    """
    price = ask if order.is_buy else bid
    if order.stop_price is not None and not order.triggered:
        reached = price >= order.stop_price if order.is_buy else price <= order.stop_price
        if not reached:
            return None
        order.triggered = True
    if order.limit_price is not None:
        good = price <= order.limit_price if order.is_buy else price >= order.limit_price
        return price if good else None
    return price
