"""Short ways to write down a book and its targets, and what filling a plan does to the book."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from trading_assets.model.instrument import Price, PriceSnapshot
from trading_assets.model.order import Side
from trading_assets.model.plan import OrderPlan, PlannedOrder
from trading_assets.model.policies import CommissionPolicy, LimitPolicy, PlanningPolicy
from trading_assets.model.target import Contribution, TargetPortfolio, TargetWeight
from trading_assets.portfolio.fees import commission
from trading_assets.portfolio.planning import PlanInputs

SESSION = dt.date(2025, 3, 3)
PLAN_PRICE_SESSION = dt.date(2025, 2, 28)
FREE = CommissionPolicy()
WHOLE = PlanningPolicy(fractional=False, cash_buffer=Decimal(0))
FRACTIONAL = PlanningPolicy(fractional=True, cash_buffer=Decimal(0))


def price(
    symbol: str, per_share: str | Decimal, *, age: int = 0, reference: str | None = None
) -> Price:
    return Price(
        symbol=symbol,
        price=Decimal(per_share),
        currency="USD",
        session=PLAN_PRICE_SESSION,
        age_sessions=age,
        source="test",
        reference_price=None if reference is None else Decimal(reference),
    )


def inputs(
    *,
    weights: Mapping[str, str | Decimal],
    prices: Mapping[str, str | Decimal | Price],
    positions: Mapping[str, str | Decimal] | None = None,
    cash: str | Decimal = "0",
    **rest: Any,
) -> PlanInputs:
    """A book and its targets; without commission, in whole shares, without buffer unless said."""
    found = {
        symbol: value if isinstance(value, Price) else price(symbol, value)
        for symbol, value in prices.items()
    }
    settings: dict[str, Any] = {
        "portfolio_id": "demo",
        "revision": 0,
        "planning": WHOLE,
        "limits": LimitPolicy(),
        "commission": FREE,
        "allow_short": True,
        "asset_ids": {},
    }
    return PlanInputs(
        targets=TargetPortfolio(
            session=SESSION,
            asof=PLAN_PRICE_SESSION,
            strategy_id="momentum",
            weights=tuple(
                TargetWeight(
                    asset_id=f"ID-{symbol}",
                    symbol=symbol,
                    weight=Decimal(weight),
                    contributions=(Contribution(strategy_id="momentum", weight=Decimal(weight)),),
                )
                for symbol, weight in weights.items()
            ),
        ),
        prices=PriceSnapshot(session=PLAN_PRICE_SESSION, prices=found),
        positions={symbol: Decimal(quantity) for symbol, quantity in (positions or {}).items()},
        cash=Decimal(cash),
        **{**settings, **rest},
    )


def told(plan: OrderPlan) -> list[tuple[str, str, Decimal]]:
    """The real orders as (symbol, side, quantity), in the order in which they are sent."""
    return [(o.symbol, o.side.value, o.quantity) for o in plan.real_orders]


def cuts(order: PlannedOrder) -> list[tuple[str, Decimal]]:
    """What was taken off an order, as (reason, quantity)."""
    return [(cut.reason.value, cut.quantity) for cut in order.cuts]


def filled(
    plan: OrderPlan, positions: Mapping[str, Decimal], cash: Decimal, policy: CommissionPolicy
) -> tuple[dict[str, Decimal], Decimal]:
    """Book after every real order was filled at its plan price with commission.

    Written out apart from the planner: cents by Decimal.quantize, half to even.
    """
    after = dict(positions)
    for order in plan.real_orders:
        value = (order.quantity * order.price).quantize(Decimal("0.01"))
        sign = 1 if order.side is Side.BUY else -1
        after[order.symbol] = after.get(order.symbol, Decimal(0)) + sign * order.quantity
        cash -= sign * value + commission(policy, order.quantity, value)
    return {symbol: quantity for symbol, quantity in after.items() if quantity}, cash
