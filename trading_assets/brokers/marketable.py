"""Rules 5 and 14 of the simulated broker: what is covered by equity, orders with prices of their
own, and fill-or-kill.

A limit order trades at a close that is no worse than its limit, and at no worse price; a stop order
at a close that reached its stop price; a stop-limit order at one that does both. Fill-or-kill
trades whole or not at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from trading_assets.model.account import Execution
from trading_assets.model.money import ZERO, notional
from trading_assets.model.order import OrderRequest, Side, TimeInForce


def is_marketable(request: OrderRequest, close: Decimal) -> bool:
    """True where an order may trade at `close` (money per share): a limit is not worse than the
    close, a stop was reached by it. Without either, always."""
    sign = request.side.sign
    if request.stop_price is not None and sign * (close - request.stop_price) < 0:
        return False
    return request.limit_price is None or sign * (close - request.limit_price) <= 0


def is_killed(request: OrderRequest, quantity: Decimal) -> bool:
    """True for a fill-or-kill order of which only `quantity` shares could trade."""
    return request.time_in_force is TimeInForce.FOK and quantity < request.quantity


def within_limit(side: Side, price: Decimal, limit: Decimal | None) -> Decimal:
    """`price`, or the limit where the price would be worse."""
    if limit is None:
        return price
    return min(price, limit) if side is Side.BUY else max(price, limit)


def is_covered(
    execution: Execution,
    cash: Decimal,
    positions: Mapping[str, Decimal],
    marks: Mapping[str, Decimal],
    margin_multiplier: Decimal,
) -> bool:
    """Rule 5: whether gross exposure after `execution` is at most `margin_multiplier` times equity.

    `positions` are signed shares and `cash` money before it, `marks` prices per share.
    """
    symbol, signed = execution.symbol, execution.side.sign * execution.quantity
    before = positions.get(symbol, ZERO)
    gross = net = ZERO
    for held, quantity in positions.items():
        value = quantity * marks[held]
        gross += abs(value)
        net += value
    gross += (abs(before + signed) - abs(before)) * marks[symbol]
    left = cash - notional(signed, execution.price) - execution.commission
    return gross <= margin_multiplier * (left + net + signed * marks[symbol])
