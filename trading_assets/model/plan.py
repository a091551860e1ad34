"""The order plan of a session: every order considered, what became of it, and why."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from enum import StrEnum

import msgspec

from trading_assets.model.order import OrderType, PositionEffect, Side, TimeInForce
from trading_assets.model.target import Contribution


class PlanReason(StrEnum):
    """Why an order of the planned view is smaller in, or absent from, the real view."""

    ROUNDED = "ROUNDED"
    MIN_ORDER_NOTIONAL = "MIN_ORDER_NOTIONAL"
    NO_TRADE_BAND = "NO_TRADE_BAND"
    CASH_OVERFLOW = "CASH_OVERFLOW"
    MAX_ORDER_SHARES = "MAX_ORDER_SHARES"
    MAX_ORDER_NOTIONAL = "MAX_ORDER_NOTIONAL"
    PRICE_DEVIATION = "PRICE_DEVIATION"
    STALE_PRICE = "STALE_PRICE"
    MISSING_PRICE = "MISSING_PRICE"
    FLIP_NOT_CLOSED = "FLIP_NOT_CLOSED"
    PLAN_REFUSED = "PLAN_REFUSED"
    BETWEEN_REBALANCES = "BETWEEN_REBALANCES"


class PlanCut(msgspec.Struct, frozen=True, kw_only=True):
    """One reduction of one order: `quantity` shares (positive) taken off, for `reason`."""

    reason: PlanReason
    quantity: Decimal
    detail: str


class PlannedOrder(msgspec.Struct, frozen=True, kw_only=True):
    """One order of the plan; `planned_quantity` - Σ cuts = `quantity`, exactly.

    Quantities are positive shares, `price` the plan price per share. `quantity` 0 means dropped.
    `client_order_id` is empty for a dropped order: nothing with that identity will ever be sent.
    `leg` is 1 for what reduces a position, 2 for what opens or extends one.
    """

    asset_id: str
    symbol: str
    side: Side
    position_effect: PositionEffect
    leg: int
    planned_quantity: Decimal
    quantity: Decimal
    price: Decimal
    order_type: OrderType
    time_in_force: TimeInForce
    take_profit_price: Decimal | None
    stop_loss_price: Decimal | None
    cuts: tuple[PlanCut, ...]
    client_order_id: str = ""


class RebalanceLine(msgspec.Struct, frozen=True, kw_only=True):
    """One instrument of the rebalance: where it is, where it should be.

    Quantities are signed shares; weights are signed fractions of `OrderPlan.equity`. `price` is
    None where unknown, and then the quantities that need one are the current ones.
    """

    asset_id: str
    symbol: str
    price: Decimal | None
    price_session: dt.date | None
    current_quantity: Decimal
    target_weight: Decimal
    target_quantity: Decimal
    real_target_quantity: Decimal
    contributions: tuple[Contribution, ...]


class PlanRefusal(msgspec.Struct, frozen=True, kw_only=True):
    """A limit that refuses the plan as a whole: nothing of it may be sent."""

    code: str
    message: str
    actual: str
    limit: str


class OrderPlan(msgspec.Struct, frozen=True, kw_only=True):
    """Everything decided for a session before an order is sent.

    `equity` and `cash` are the opening book at plan prices, in money. `scale` is the common factor
    by which opening orders were reduced for lack of cash (1: not at all). `digest` names the
    content, `batch_id` the set of orders made from it.
    """

    session: dt.date
    strategy_id: str
    signal_asof: dt.date
    equity: Decimal
    cash: Decimal
    scale: Decimal
    expected_fees: Decimal
    orders: tuple[PlannedOrder, ...]
    lines: tuple[RebalanceLine, ...]
    refusals: tuple[PlanRefusal, ...] = ()
    digest: str = ""
    batch_id: str = ""

    @property
    def real_orders(self) -> tuple[PlannedOrder, ...]:
        """Orders that are to be sent, closing legs first; empty when the plan is refused."""
        if self.refusals:
            return ()
        return tuple(order for order in self.orders if order.quantity > 0)
