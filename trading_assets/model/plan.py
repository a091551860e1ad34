"""The order plan of a session: every order considered, what became of it, and why."""

from __future__ import annotations

import datetime as dt
from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

from trading_assets.model.fields import Name, PlanDecimal, Symbol
from trading_assets.model.order import OrderType, PositionEffect, Side, TimeInForce
from trading_assets.model.target import Contribution


class PlanReason(StrEnum):
    """Why an order of the planned view is smaller in, or absent from, the real view."""

    ROUNDED = "ROUNDED"
    MIN_ORDER_NOTIONAL = "MIN_ORDER_NOTIONAL"
    NO_TRADE_BAND = "NO_TRADE_BAND"
    CASH_OVERFLOW = "CASH_OVERFLOW"
    BUYING_POWER = "BUYING_POWER"
    MAX_ORDER_SHARES = "MAX_ORDER_SHARES"
    MAX_ORDER_NOTIONAL = "MAX_ORDER_NOTIONAL"
    PRICE_DEVIATION = "PRICE_DEVIATION"
    STALE_PRICE = "STALE_PRICE"
    MISSING_PRICE = "MISSING_PRICE"
    FLIP_NOT_CLOSED = "FLIP_NOT_CLOSED"
    PLAN_REFUSED = "PLAN_REFUSED"
    BETWEEN_REBALANCES = "BETWEEN_REBALANCES"
    NOT_TRADABLE = "NOT_TRADABLE"
    NOT_SHORTABLE = "NOT_SHORTABLE"
    SHORT_EQUITY = "SHORT_EQUITY"
    OPPOSITE_ORDER_OPEN = "OPPOSITE_ORDER_OPEN"
    BROKER_RULE = "BROKER_RULE"
    NO_EQUITY = "NO_EQUITY"
    DRAWDOWN_LIMIT = "DRAWDOWN_LIMIT"
    POSITION_SIZE_LIMIT = "POSITION_SIZE_LIMIT"
    POSITION_VALUE_LIMIT = "POSITION_VALUE_LIMIT"
    CONCENTRATION_LIMIT = "CONCENTRATION_LIMIT"
    SECTOR_UNKNOWN = "SECTOR_UNKNOWN"
    SECTOR_LIMIT = "SECTOR_LIMIT"
    TOTAL_EXPOSURE_LIMIT = "TOTAL_EXPOSURE_LIMIT"
    GROSS_LEVERAGE_LIMIT = "GROSS_LEVERAGE_LIMIT"
    NET_LEVERAGE_LIMIT = "NET_LEVERAGE_LIMIT"


class PlanCut(msgspec.Struct, frozen=True, kw_only=True):
    """One reduction of one order."""

    reason: Annotated[PlanReason, Meta(description="The rule that took the shares off.")]
    quantity: Annotated[PlanDecimal, Meta(description="Shares taken off, positive.")]
    detail: Annotated[str, Meta(description="The numbers behind it, in words.")]


class PlannedOrder(msgspec.Struct, frozen=True, kw_only=True):
    """One order of the plan; `planned_quantity` - Σ cuts = `quantity`, exactly."""

    asset_id: Annotated[str, Meta(description="The instrument's id in the signal files.")]
    symbol: Symbol
    side: Annotated[Side, Meta(description="Whether shares are bought or sold.")]
    position_effect: Annotated[
        PositionEffect, Meta(description="Whether it reduces a position, or opens or extends one.")
    ]
    leg: Annotated[
        int,
        Meta(ge=1, le=2, description="1 for what reduces a position, 2 for what opens or extends."),
    ]
    planned_quantity: Annotated[PlanDecimal, Meta(description="Shares before any cut, positive.")]
    quantity: Annotated[
        PlanDecimal, Meta(description="Shares to be sent, positive; 0 for a dropped order.")
    ]
    price: Annotated[PlanDecimal, Meta(description="The plan price per share.")]
    order_type: Annotated[OrderType, Meta(description="How the order is to be executed.")]
    time_in_force: Annotated[TimeInForce, Meta(description="How long the order works.")]
    take_profit_price: Annotated[
        PlanDecimal | None,
        Meta(description="Limit of a bracket's profit leg, per share; else null."),
    ]
    stop_loss_price: Annotated[
        PlanDecimal | None,
        Meta(description="Trigger of a bracket's loss leg, per share; else null."),
    ]
    cuts: Annotated[
        tuple[PlanCut, ...], Meta(description="Why `quantity` is less than planned, step by step.")
    ]
    client_order_id: Annotated[
        str,
        Meta(
            description="Identity it is sent under; empty for a dropped order, for nothing with "
            "that identity will ever be sent."
        ),
    ] = ""


class RebalanceLine(msgspec.Struct, frozen=True, kw_only=True):
    """One instrument of the rebalance: where it is, where it should be."""

    asset_id: Annotated[str, Meta(description="The instrument's id in the signal files.")]
    symbol: Symbol
    price: Annotated[
        PlanDecimal | None,
        Meta(
            description="Plan price per share; null where unknown, and then the quantities that "
            "need one are the current ones."
        ),
    ]
    price_session: Annotated[
        dt.date | None, Meta(description="The session whose close the price is; null if unknown.")
    ]
    current_quantity: Annotated[PlanDecimal, Meta(description="Signed shares held before.")]
    target_weight: Annotated[PlanDecimal, Meta(description="Signed fraction of the plan's equity.")]
    target_quantity: Annotated[
        PlanDecimal, Meta(description="Signed shares that the target weight comes to.")
    ]
    real_target_quantity: Annotated[
        PlanDecimal, Meta(description="Signed shares held after all that is to be sent.")
    ]
    contributions: Annotated[
        tuple[Contribution, ...],
        Meta(description="What each strategy asked for; together the target weight."),
    ]


class PlanRefusal(msgspec.Struct, frozen=True, kw_only=True):
    """A limit that refuses the plan as a whole: nothing of it may be sent."""

    code: Annotated[Name, Meta(description="The limit's name.")]
    message: Annotated[str, Meta(description="What is wrong, and what to do about it.")]
    actual: Annotated[str, Meta(description="The value that was found.")]
    limit: Annotated[str, Meta(description="The value that was allowed.")]


class OrderPlan(msgspec.Struct, frozen=True, kw_only=True):
    """Everything decided for a session before an order is sent."""

    session: Annotated[dt.date, Meta(description="The session it is for.")]
    strategy_id: Annotated[
        str, Meta(description="The strategy followed, or those blended, joined by +.")
    ]
    signal_asof: Annotated[
        dt.date, Meta(description="Oldest trade date among the signals it was made from.")
    ]
    equity: Annotated[
        PlanDecimal,
        Meta(description="The opening book at plan prices, money of the portfolio's currency."),
    ]
    cash: Annotated[
        PlanDecimal, Meta(description="The opening book's cash, money of the same currency.")
    ]
    scale: Annotated[
        PlanDecimal,
        Meta(
            description="Common factor by which opening orders were reduced for lack of cash; 1 "
            "where they were not."
        ),
    ]
    expected_fees: Annotated[
        PlanDecimal, Meta(description="Commission of the orders to be sent, as planned, money.")
    ]
    orders: Annotated[
        tuple[PlannedOrder, ...],
        Meta(description="Every order considered, closing legs first, dropped ones included."),
    ]
    lines: Annotated[
        tuple[RebalanceLine, ...], Meta(description="Every instrument held or targeted.")
    ]
    refusals: Annotated[
        tuple[PlanRefusal, ...],
        Meta(description="Limits that refuse the plan as a whole; none where it may be sent."),
    ] = ()
    buying_power: Annotated[
        PlanDecimal | None,
        Meta(
            description="Buying power that the broker stated before the plan, money; null where "
            "orders are not held to one."
        ),
    ] = None
    digest: Annotated[str, Meta(description="Names the content: the same plan has the same.")] = ""
    batch_id: Annotated[str, Meta(description="Names the set of orders made from it.")] = ""

    @property
    def real_orders(self) -> tuple[PlannedOrder, ...]:
        """Orders that are to be sent, closing legs first; empty when the plan is refused."""
        if self.refusals:
            return ()
        return tuple(order for order in self.orders if order.quantity > 0)
