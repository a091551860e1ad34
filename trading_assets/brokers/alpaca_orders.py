"""Orders between the product's words and Alpaca's: the only module that knows both.

What leaves is spelled with exact decimals as text, which alpaca-py's own request models (floats)
could not carry; what arrives is read into `OrderRow` and translated by literal tables. A word that
is in no table makes the answer unknown rather than wrong.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import msgspec

from trading_assets.brokers.base import DUPLICATE_ID, rejected_order
from trading_assets.model.account import BrokerOrder, Known, Unknown
from trading_assets.model.money import ZERO, plain
from trading_assets.model.order import (
    OrderChange,
    OrderRequest,
    OrderStatus,
    OrderType,
    PositionEffect,
    Side,
    TimeInForce,
)

STATUSES: dict[str, OrderStatus] = {
    "new": OrderStatus.ACCEPTED,
    "accepted": OrderStatus.ACCEPTED,
    "pending_new": OrderStatus.ACCEPTED,
    "accepted_for_bidding": OrderStatus.ACCEPTED,
    "pending_review": OrderStatus.ACCEPTED,
    "held": OrderStatus.ACCEPTED,
    "stopped": OrderStatus.ACCEPTED,
    "suspended": OrderStatus.ACCEPTED,
    # Over for today, not for ever: "expired" or "filled" follows, or the next session does.
    "done_for_day": OrderStatus.ACCEPTED,
    "calculated": OrderStatus.ACCEPTED,
    # Asked for, not done: it may fill until the answer comes.
    "pending_cancel": OrderStatus.ACCEPTED,
    "pending_replace": OrderStatus.ACCEPTED,
    "partially_filled": OrderStatus.PARTIALLY_FILLED,
    "filled": OrderStatus.FILLED,
    "canceled": OrderStatus.CANCELED,
    # The rest of it will not trade under this id; what takes its place has one of its own.
    "replaced": OrderStatus.CANCELED,
    "expired": OrderStatus.EXPIRED,
    "rejected": OrderStatus.REJECTED,
}

TIMES_IN_FORCE: dict[str, TimeInForce] = {
    "day": TimeInForce.DAY,
    "gtc": TimeInForce.GTC,
    "ioc": TimeInForce.IOC,
    "fok": TimeInForce.FOK,
    "opg": TimeInForce.AT_OPEN,
    "cls": TimeInForce.AT_CLOSE,
}

ORDER_TYPES: dict[str, OrderType] = {
    "market": OrderType.MARKET,
    "limit": OrderType.LIMIT,
    "stop": OrderType.STOP,
    "stop_limit": OrderType.STOP_LIMIT,
    "trailing_stop": OrderType.TRAILING_STOP,
}

SIDES: dict[str, Side] = {"buy": Side.BUY, "sell": Side.SELL}

POSITION_INTENTS: dict[str, tuple[Side, PositionEffect]] = {
    "buy_to_open": (Side.BUY, PositionEffect.OPEN),
    "buy_to_close": (Side.BUY, PositionEffect.CLOSE),
    "sell_to_open": (Side.SELL, PositionEffect.OPEN),
    "sell_to_close": (Side.SELL, PositionEffect.CLOSE),
}

REJECT_CODES: tuple[tuple[str, str], ...] = (
    ("insufficient qty available", "INSUFFICIENT_QUANTITY"),
    ("insufficient buying power", "INSUFFICIENT_BUYING_POWER"),
    ("minimal amount of order", "BROKER_MINIMUM"),
    ("wash trade", "OPPOSITE_ORDER_OPEN"),
    ("position intent mismatch", "POSITION_INTENT"),
    ("cannot be sold short", "NOT_SHORTABLE"),
    ("not allowed to short", "NOT_SHORTABLE"),
    ("not fractionable", "FRACTION_NOT_ALLOWED"),
    ("sub-penny increment", "PRICE_INCREMENT"),
    ("not tradable", "NOT_TRADABLE"),
    ("is not active", "NOT_TRADABLE"),
    ("not found", "NOT_TRADABLE"),
)
"""Part of a refusal's message → our code. Alpaca gives most refusals one of two numbers, so that
only the words tell them apart; what is not listed is named by its number."""

_ORDER_ID_TAKEN = 409
# The status and the number that say so differ from document to document.
_USED_BEFORE = ("unique", "duplicate", "already", "exists")
_TIME_WORDS = {time: word for word, time in TIMES_IN_FORCE.items()}
_INTENT_WORDS = {pair: word for word, pair in POSITION_INTENTS.items()}


class OrderRow(msgspec.Struct, frozen=True, kw_only=True):
    """An order as Alpaca describes it; what is not needed is left out. `qty` is None for an order
    in money, `type`, `side` and `symbol` empty or None for one of several legs."""

    id: str
    client_order_id: str
    status: str
    time_in_force: str
    symbol: str | None = None
    qty: Decimal | None = None
    filled_qty: Decimal | None = None
    order_class: str | None = None
    type: str | None = None
    side: str | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    position_intent: str | None = None
    legs: list[OrderRow] | None = None
    submitted_at: dt.datetime | None = None
    replaces: str | None = None
    replaced_by: str | None = None

    @property
    def lacks_legs(self) -> bool:
        """True for a bracket that was described without its legs."""
        return self.order_class == "bracket" and not self.legs


def order_fields(request: OrderRequest) -> dict[str, Any]:
    """The body of the request that places an order; numbers as exact text."""
    is_bracket = request.order_type is OrderType.BRACKET
    entry = OrderType.MARKET if request.limit_price is None else OrderType.LIMIT
    fields: dict[str, Any] = {
        "symbol": request.symbol,
        "side": request.side.value,
        "qty": plain(request.quantity),
        "type": (entry if is_bracket else request.order_type).value,
        "time_in_force": _TIME_WORDS[request.time_in_force],
        "client_order_id": request.client_order_id,
        "position_intent": _INTENT_WORDS[request.side, request.position_effect],
    }
    if request.limit_price is not None:
        fields["limit_price"] = plain(request.limit_price)
    if request.stop_price is not None:
        fields["stop_price"] = plain(request.stop_price)
    if is_bracket:
        if request.take_profit_price is None or request.stop_loss_price is None:
            raise ValueError(f"bracket {request.client_order_id} lacks a leg's price")
        fields["order_class"] = "bracket"
        fields["take_profit"] = {"limit_price": plain(request.take_profit_price)}
        fields["stop_loss"] = {"stop_price": plain(request.stop_loss_price)}
    return fields


def change_fields(change: OrderChange) -> dict[str, str]:
    """The body of the request that replaces an order; numbers as exact text."""
    fields = {"client_order_id": change.client_order_id}
    if change.quantity is not None:
        fields["qty"] = plain(change.quantity)
    if change.limit_price is not None:
        fields["limit_price"] = plain(change.limit_price)
    if change.stop_price is not None:
        fields["stop_price"] = plain(change.stop_price)
    if change.time_in_force is not None:
        fields["time_in_force"] = _TIME_WORDS[change.time_in_force]
    return fields


def broker_order(row: OrderRow) -> Known[BrokerOrder] | Unknown:
    """The order in the product's words; Unknown, with the reason, where they do not suffice.

    An order in money has quantity 0. Of a bracket the entry is described, with its legs' prices; a
    leg by itself is an order of its own type. Where Alpaca does not say what an order does to the
    position, a buy opens and a sale closes.
    """
    try:
        side = SIDES[row.side or ""]
        effect = PositionEffect.OPEN if side is Side.BUY else PositionEffect.CLOSE
        if row.position_intent:
            _, effect = POSITION_INTENTS[row.position_intent]
        status = STATUSES[row.status]
        order_type = ORDER_TYPES[row.type or ""]
        time_in_force = TIMES_IN_FORCE[row.time_in_force]
    except KeyError as error:
        return Unknown(
            f"order {row.client_order_id}: Alpaca's word {error} has no translation. Look at the "
            "order in the account; cancel it there if it was placed by hand."
        )
    legs = []
    for each in row.legs or ():
        leg = broker_order(each)
        if isinstance(leg, Unknown):
            return leg
        legs.append(leg.value)
    profit, stop = _leg_prices(row)
    is_entry = profit is not None or stop is not None
    filled = row.filled_qty or ZERO
    if status is OrderStatus.ACCEPTED and filled > 0:
        status = OrderStatus.PARTIALLY_FILLED
    request = OrderRequest(
        client_order_id=row.client_order_id,
        symbol=row.symbol or "",
        side=side,
        quantity=row.qty or ZERO,
        order_type=OrderType.BRACKET if is_entry else order_type,
        time_in_force=time_in_force,
        position_effect=effect,
        take_profit_price=profit,
        stop_loss_price=stop,
        limit_price=row.limit_price,
        stop_price=row.stop_price,
    )
    rejected = status is OrderStatus.REJECTED
    return Known(
        BrokerOrder(
            request=request,
            broker_order_id=row.id,
            status=status,
            filled_quantity=filled,
            reject_code="REJECTED_LATER" if rejected else "",
            reject_reason="accepted at first, rejected by the market" if rejected else "",
            states_effect=bool(row.position_intent),
            legs=tuple(legs),
        )
    )


def refused_order(
    request: OrderRequest, status: int, code: int | None, message: str
) -> BrokerOrder:
    """The order that a refusal of the request leaves: rejected, with a code of ours."""
    return rejected_order(request, _reject_code(status, code, message), message)


def _reject_code(status: int, code: int | None, message: str) -> str:
    if status == _ORDER_ID_TAKEN:
        return DUPLICATE_ID
    words = message.lower().replace("client order id", "client_order_id")
    if "client_order_id" in words and any(word in words for word in _USED_BEFORE):
        return DUPLICATE_ID
    for part, ours in REJECT_CODES:
        if part in words:
            return ours
    return f"ALPACA_{status if code is None else code}"


def _leg_prices(row: OrderRow) -> tuple[Decimal | None, Decimal | None]:
    """(take-profit, stop-loss) of a bracket's legs; None where it has none."""
    profit = stop = None
    if row.order_class != "bracket":
        return None, None
    for leg in row.legs or ():
        if leg.stop_price is not None:
            stop = leg.stop_price
        elif leg.limit_price is not None:
            profit = leg.limit_price
    return profit, stop
