"""Commission of one order, and how much an amount of cash buys once commission is paid.

The planner and the simulated broker use the same function, so a plan knows its fees to the cent.
"""

from __future__ import annotations

from decimal import ROUND_UP, Decimal

from trading_assets.model.money import BASIS_POINT, CENT, ONE, ZERO, money
from trading_assets.model.policies import CommissionPolicy


def commission(policy: CommissionPolicy, quantity: Decimal, notional: Decimal) -> Decimal:
    """Commission of one order in money, rounded to the cent, never negative.

    max(minimum, per order + per share x quantity + basis points of notional). `quantity` (shares)
    and `notional` (money) may carry a sign, which does not matter. An order of 0 shares costs 0.
    """
    return ZERO if quantity == 0 else money(_scheduled(policy, quantity, notional))


def _scheduled(policy: CommissionPolicy, quantity: Decimal, notional: Decimal) -> Decimal:
    variable = policy.per_order
    # Sharing out cash asks this for each purchase and each probe: what is not charged is left out.
    if policy.per_share:
        variable += policy.per_share * abs(quantity)
    if policy.bps:
        variable += policy.bps * BASIS_POINT * abs(notional)
    return max(policy.minimum, variable)


def cost_of_buying(policy: CommissionPolicy, quantity: Decimal, price: Decimal) -> Decimal:
    """Cash that buying `quantity` (positive shares) at `price` takes, commission included."""
    if quantity == 0:
        return ZERO
    notional = money(quantity * price)
    return notional + commission(policy, quantity, notional)


def cash_to_set_aside(policy: CommissionPolicy, quantity: Decimal, price: Decimal) -> Decimal:
    """Cash that certainly covers buying `quantity` (positive shares) at `price`.

    At least `cost_of_buying`: the shares count in full and commission is rounded up, so that cents
    lost in rounding never pay for shares, and no part of an order costs more than it would alone.
    """
    if quantity == 0:
        return ZERO
    value = quantity * price
    booked = money(value)
    scheduled = _scheduled(policy, quantity, booked)
    return max(value, booked) + scheduled.quantize(CENT, ROUND_UP)


def affordable_quantity(policy: CommissionPolicy, price: Decimal, cash: Decimal) -> Decimal:
    """Unrounded shares that `cash` (money) buys in one order at `price`, commission included.

    The inverse of `cost_of_buying` but for its rounding to the cent; 0 where the cash does not
    cover the commission.
    """
    share = price * (ONE + policy.bps * BASIS_POINT) + policy.per_share
    return max(ZERO, min((cash - policy.per_order) / share, (cash - policy.minimum) / price))
