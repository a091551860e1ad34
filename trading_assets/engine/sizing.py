"""From a target weight to shares: the one rule, for one symbol and for all of them.

    shares = (|weight| x equity x (1 - cash buffer) - fee) / price, cut towards zero

The fee is that of the order that leads from what is held to the target without it: what is spent on
it cannot be invested. It makes an order smaller, never one in the other direction. Sizes are
decisions, so they are computed in floats and cut; what is ordered is exact from there on.
"""

from __future__ import annotations

import numpy as np

from trading_assets.engine.clock import Floats, Integers
from trading_assets.engine.costs import Commission
from trading_assets.engine.scaled import Scale


def target_shares(
    weight: float, equity: float, price: float, held: int, commission: Commission, scale: Scale
) -> int:
    """Signed share units to hold for a signed `weight` of `equity` (money, less the cash buffer)
    at `price` per share, with `held` signed share units now; 0 where equity is not positive."""
    if equity <= 0 or price <= 0:
        return 0
    wanted = scale.truncated(weight * equity / price)
    if commission.is_free or wanted == held:
        return wanted
    fee = commission.estimate_one(abs(wanted - held) / scale.share_unit, price)
    stake = max(abs(weight) * equity - fee, 0.0)
    affordable = scale.truncated(stake / price * (1 if weight > 0 else -1))
    return held if (affordable - held) * (wanted - held) < 0 else affordable


def target_share_array(
    weights: Floats,
    equity: float,
    prices: Floats,
    held: Integers,
    commission: Commission,
    scale: Scale,
) -> Integers:
    """The same for arrays by symbol; 0 where price or weight is NaN."""
    if equity <= 0:
        return np.zeros(len(weights), dtype=np.int64)
    wanted = scale.truncated_array(weights * equity / prices)
    if commission.is_free:
        return wanted
    fees = commission.estimate(np.abs(wanted - held) / scale.share_unit, prices)
    stakes = np.maximum(np.abs(weights) * equity - fees, 0.0)
    affordable = scale.truncated_array(np.copysign(stakes / prices, weights))
    turned = (affordable - held) * np.sign(wanted - held) < 0
    shares: Integers = np.where(turned, held, affordable)
    return shares
