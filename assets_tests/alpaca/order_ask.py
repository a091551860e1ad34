"""A request for an order, read; and the answer to what cannot be accepted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

INVALID, UNPROCESSABLE, FORBIDDEN = 40010001, 42210000, 40310000
ORDER_TYPES = ("market", "limit", "stop", "stop_limit")


class RefusalError(Exception):
    """An answer other than 2xx: HTTP status, the broker's code, message and further fields."""

    def __init__(self, status: int, code: int | None, message: str, **fields: object) -> None:
        super().__init__(message)
        self.status = status
        self.body: dict[str, object] = {**fields, "message": message}
        if code is not None:
            self.body["code"] = code


@dataclass(frozen=True)
class OrderAsk:
    """A request for an order, read; prices in USD per share, quantity in shares."""

    symbol: str
    side: str
    type: str
    time_in_force: str
    quantity: Decimal | None
    notional: Decimal | None
    limit_price: Decimal | None
    stop_price: Decimal | None
    client_order_id: str | None
    extended_hours: bool
    order_class: str
    take_profit: Decimal | None
    stop_loss: Decimal | None
    stop_loss_limit: Decimal | None
    position_intent: str | None

    @property
    def is_fractional(self) -> bool:
        """An order by value, or for a part of a share."""
        return self.quantity is None or self.quantity != self.quantity.to_integral_value()


def read_order(body: Mapping[str, object]) -> OrderAsk:
    """Reads the body of POST /v2/orders; what cannot be read is 422 / 40010001."""
    legs = {name: body.get(name) for name in ("take_profit", "stop_loss")}
    for name, leg in legs.items():
        if leg is not None and not isinstance(leg, Mapping):
            raise RefusalError(422, INVALID, f"{name} must be an object")
    profit, loss = (leg if isinstance(leg, Mapping) else {} for leg in legs.values())
    ask = OrderAsk(
        symbol=str(body.get("symbol") or ""),
        side=_one_of(body, "side", ("buy", "sell")),
        type=_one_of(body, "type", ORDER_TYPES),
        time_in_force=_one_of(body, "time_in_force", ("day", "gtc", "ioc", "fok", "opg", "cls")),
        quantity=_positive(body, "qty"),
        notional=_positive(body, "notional"),
        limit_price=_positive(body, "limit_price"),
        stop_price=_positive(body, "stop_price"),
        client_order_id=_client_id(body),
        extended_hours=body.get("extended_hours") is True,
        order_class=str(body.get("order_class") or "simple"),
        take_profit=_positive(profit, "limit_price"),
        stop_loss=_positive(loss, "stop_price"),
        stop_loss_limit=_positive(loss, "limit_price"),
        position_intent=None
        if body.get("position_intent") is None
        else str(body["position_intent"]),
    )
    if not ask.symbol:
        raise RefusalError(422, INVALID, "symbol is required")
    if (ask.quantity is None) == (ask.notional is None):
        raise RefusalError(422, INVALID, "qty or notional is required, and only one of them")
    return ask


def _one_of(body: Mapping[str, object], name: str, allowed: tuple[str, ...]) -> str:
    value = body.get(name)
    if value not in allowed:
        raise RefusalError(422, INVALID, f"invalid {name}: {value}")
    return str(value)


def _client_id(body: Mapping[str, object]) -> str | None:
    value = body.get("client_order_id")
    if value is None or value == "":
        return None
    if len(str(value)) > 128:
        message = "client_order_id must be no more than 128 characters"
        raise RefusalError(422, INVALID, message)
    return str(value)


def _positive(body: Mapping[str, object], name: str) -> Decimal | None:
    value = body.get(name)
    if value is None:
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise RefusalError(422, INVALID, f"{name} is not a number: {value}") from None
    if not number.is_finite() or number <= 0:
        raise RefusalError(422, INVALID, f"{name} must be > 0")
    return number
