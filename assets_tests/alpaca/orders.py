"""Orders as the broker keeps them, and as the API describes them."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from decimal import Decimal, localcontext

from assets_tests.alpaca.clock import stamp

OPEN_STATUSES = frozenset(
    {"new", "accepted", "pending_new", "partially_filled", "held", "pending_cancel"}
    | {"pending_replace", "stopped", "suspended", "accepted_for_bidding", "done_for_day"}
)
REPLACEABLE = frozenset({"new", "partially_filled", "held"})


def text(number: Decimal) -> str:
    """A decimal as the broker writes it: no exponent, no zeros at the end."""
    plain = format(number, "f")
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


@dataclass
class BrokerOrder:
    """One order. `quantity` is None for an order by value (`notional`)."""

    id: str
    client_order_id: str
    asset_id: str
    symbol: str
    side: str
    type: str
    time_in_force: str
    order_class: str
    quantity: Decimal | None
    notional: Decimal | None
    limit_price: Decimal | None
    stop_price: Decimal | None
    extended_hours: bool
    created_at: dt.datetime
    opening: bool
    status: str = "pending_new"
    filled: Decimal = Decimal(0)
    value: Decimal = Decimal(0)
    triggered: bool = False
    foreign: bool = False
    client_id_given: bool = True
    parent: BrokerOrder | None = None
    role: str | None = None
    legs: list[BrokerOrder] = field(default_factory=list)
    replaces: str | None = None
    replaced_by: str | None = None
    updated_at: dt.datetime | None = None
    filled_at: dt.datetime | None = None
    expired_at: dt.datetime | None = None
    canceled_at: dt.datetime | None = None
    failed_at: dt.datetime | None = None
    replaced_at: dt.datetime | None = None

    @property
    def is_open(self) -> bool:
        """Whether anything may still happen to it."""
        return self.status in OPEN_STATUSES

    @property
    def is_buy(self) -> bool:
        """Whether it buys."""
        return self.side == "buy"

    @property
    def is_simple(self) -> bool:
        """Neither a bracket, OCO or OTO nor a leg of one."""
        return self.order_class == "simple" and self.parent is None

    @property
    def leaves(self) -> Decimal | None:
        """Shares still to be filled; None for an order by value."""
        return None if self.quantity is None else self.quantity - self.filled

    @property
    def intent(self) -> str:
        """What it does to the position, in the API's words."""
        return f"{self.side}_to_{'open' if self.opening else 'close'}"

    def average_price(self) -> str | None:
        """Mean price of its fills, rounded to 6 decimals; None before the first."""
        if not self.filled:
            return None
        with localcontext(prec=50):
            return text((self.value / self.filled).quantize(Decimal("0.000001")))

    def answer(self, nested: bool = True) -> dict[str, object]:
        """The order as the API describes it; `legs` only when nested."""
        legs = [leg.answer(nested=False) for leg in self.legs] if nested and self.legs else None
        times = {
            name: None if moment is None else stamp(moment)
            for name, moment in {
                "updated_at": self.updated_at or self.created_at,
                "filled_at": self.filled_at,
                "expired_at": self.expired_at,
                "canceled_at": self.canceled_at,
                "failed_at": self.failed_at,
                "replaced_at": self.replaced_at,
            }.items()
        }
        return {
            "id": self.id,
            "client_order_id": self.client_order_id,
            "created_at": stamp(self.created_at),
            "submitted_at": stamp(self.created_at),
            **times,
            "replaced_by": self.replaced_by,
            "replaces": self.replaces,
            "asset_id": self.asset_id,
            "symbol": self.symbol,
            "asset_class": "us_equity",
            "notional": _optional(self.notional),
            "qty": _optional(self.quantity),
            "filled_qty": text(self.filled),
            "filled_avg_price": self.average_price(),
            "order_class": self.order_class,
            "order_type": self.type,
            "type": self.type,
            "side": self.side,
            "position_intent": self.intent,
            "time_in_force": self.time_in_force,
            "limit_price": _optional(self.limit_price),
            "stop_price": _optional(self.stop_price),
            "status": self.status,
            "extended_hours": self.extended_hours,
            "legs": legs,
            "trail_percent": None,
            "trail_price": None,
            "hwm": None,
        }


def _optional(number: Decimal | None) -> str | None:
    return None if number is None else text(number)
