"""Orders between the product's words and Interactive Brokers': the only module that knows both.

A status that the library made up is never used: it calls an order cancelled upon any error, even
upon a notice (10349: the time in force was set by a preset). An order that the gateway lists as
open can still trade, whatever the library says; one that it lists as completed cannot.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from trading_assets.brokers.ibkr_contracts import Instrument, exact
from trading_assets.brokers.ibkr_library import library
from trading_assets.model.account import BrokerOrder, Known, Unknown
from trading_assets.model.money import ZERO
from trading_assets.model.order import (
    OrderRequest,
    OrderStatus,
    OrderType,
    PositionEffect,
    Side,
    TimeInForce,
)

ORDER_TYPES: dict[str, OrderType] = {
    "MKT": OrderType.MARKET,
    "LMT": OrderType.LIMIT,
    "STP": OrderType.STOP,
    "STP LMT": OrderType.STOP_LIMIT,
    "TRAIL": OrderType.TRAILING_STOP,
}

TIMES_IN_FORCE: dict[str, TimeInForce] = {
    "DAY": TimeInForce.DAY,
    "GTC": TimeInForce.GTC,
    "IOC": TimeInForce.IOC,
    "FOK": TimeInForce.FOK,
    "OPG": TimeInForce.AT_OPEN,
}

SIDES: dict[str, Side] = {"BUY": Side.BUY, "SELL": Side.SELL, "SSHORT": Side.SELL}
EXECUTION_SIDES: dict[str, Side] = {"BOT": Side.BUY, "SLD": Side.SELL}

COMPLETED_STATUSES: dict[str, OrderStatus] = {
    "Filled": OrderStatus.FILLED,
    "Cancelled": OrderStatus.CANCELED,
    "ApiCancelled": OrderStatus.CANCELED,
    "Inactive": OrderStatus.REJECTED,
}

REFUSALS: dict[int, str] = {
    103: "ORDER_ID_TAKEN",
    110: "PRICE_INCREMENT",
    200: "NOT_TRADABLE",
    201: "REJECTED",
    203: "NOT_TRADABLE",
    434: "QUANTITY",
    435: "ACCOUNT",
    436: "ACCOUNT",
    10243: "FRACTION_NOT_ALLOWED",
}
"""Codes that refuse a new order for good. Any other one, a notice or not, leaves it to be looked
up."""

_TYPE_WORDS = {ours: word for word, ours in ORDER_TYPES.items()}
_TIME_WORDS = {ours: word for word, ours in TIMES_IN_FORCE.items()}


def not_supported(request: OrderRequest) -> tuple[str, str] | None:
    """Code and reason for an order that must not be sent to this broker; None for any other."""
    if request.quantity != request.quantity.to_integral_value():
        return "FRACTION_NOT_ALLOWED", "fractions of shares are not taken over this interface"
    if request.order_type not in (
        OrderType.MARKET,
        OrderType.LIMIT,
        OrderType.STOP,
        OrderType.STOP_LIMIT,
    ):
        return "ORDER_TYPE", f"{request.order_type.value} orders are not sent to this broker"
    if request.time_in_force not in _TIME_WORDS:
        return "TIME_IN_FORCE", f"{request.time_in_force.value} is not sent to this broker"
    return None


def library_order(request: OrderRequest, instrument: Instrument, account_number: str) -> Any:
    """The order as the library sends it. Its numbers are floats; a whole number of shares and a
    price of at most eight digits survive that."""
    prices: dict[str, float] = {}
    if request.limit_price is not None:
        prices["lmtPrice"] = float(instrument.quoted(request.limit_price))
    if request.stop_price is not None:
        prices["auxPrice"] = float(instrument.quoted(request.stop_price))
    return library().Order(
        action=request.side.value.upper(),
        totalQuantity=float(request.quantity),
        orderType=_TYPE_WORDS[request.order_type],
        # Never left to a preset.
        tif=_TIME_WORDS[request.time_in_force],
        orderRef=request.client_order_id,
        account=account_number,
        transmit=True,
        outsideRth=False,
        **prices,
    )


def open_order(trade: Any, instrument: Instrument) -> Known[BrokerOrder] | Unknown:
    """An order that the gateway lists as open; FILLED where the rest traded while it listed."""
    filled, quantity = exact(trade.orderStatus.filled) or ZERO, exact(trade.order.totalQuantity)
    status = OrderStatus.PARTIALLY_FILLED if filled else OrderStatus.ACCEPTED
    if quantity and filled >= quantity:
        status = OrderStatus.FILLED
    return _order(trade.order, instrument, quantity or ZERO, status, filled)


def completed_order(trade: Any, instrument: Instrument) -> Known[BrokerOrder] | Unknown:
    """An order that the gateway lists as completed; its quantity there is what did not trade."""
    order = trade.order
    status = COMPLETED_STATUSES.get(trade.orderStatus.status)
    if status is None:
        return Unknown(
            f"order {order.orderRef or order.permId}: completed as "
            f"{trade.orderStatus.status!r}, which has no translation. Look at it in TWS."
        )
    stated, filled = exact(order.totalQuantity) or ZERO, exact(order.filledQuantity) or ZERO
    quantity = filled if status is OrderStatus.FILLED else stated + filled
    return _order(order, instrument, quantity, status, filled)


def _order(
    order: Any, instrument: Instrument, quantity: Decimal, status: OrderStatus, filled: Decimal
) -> Known[BrokerOrder] | Unknown:
    name = order.orderRef or f"ibkr-{order.permId}"
    try:
        side, order_type = SIDES[order.action], ORDER_TYPES[order.orderType]
        time_in_force = TIMES_IN_FORCE[order.tif]
    except KeyError as error:
        return Unknown(
            f"order {name}: the gateway's word {error} has no translation. Look at it in TWS; "
            "cancel it there if it was placed by hand."
        )
    limits, stops = (OrderType.LIMIT, OrderType.STOP_LIMIT), (OrderType.STOP, OrderType.STOP_LIMIT)
    request = OrderRequest(
        client_order_id=name,
        symbol=instrument.symbol,
        side=side,
        quantity=quantity,
        order_type=order_type,
        time_in_force=time_in_force,
        position_effect=PositionEffect.OPEN if side is Side.BUY else PositionEffect.CLOSE,
        limit_price=_price(order.lmtPrice, instrument) if order_type in limits else None,
        stop_price=_price(order.auxPrice, instrument) if order_type in stops else None,
    )
    rejected = status is OrderStatus.REJECTED
    return Known(
        BrokerOrder(
            request=request,
            broker_order_id=str(order.permId),
            status=status,
            filled_quantity=filled,
            # Nothing of the order says so.
            states_effect=False,
            reject_code="INACTIVE" if rejected else "",
            reject_reason="taken at first, then inactive" if rejected else "",
        )
    )


def _price(quoted: float, instrument: Instrument) -> Decimal | None:
    found = exact(quoted)
    return None if found is None else instrument.money(found)
