"""What trading costs: commission and slippage, exact, one fill at a time or an array of them."""

from __future__ import annotations

from decimal import Decimal

import numpy as np

from trading_assets.engine.clock import Floats, Integers
from trading_assets.engine.rules import CommissionRules, SlippageRules
from trading_assets.engine.scaled import PRICE_UNIT, Scale, halves_to_even, rounded_array, scaled_by
from trading_assets.errors import ConfigurationError

_FINE_DECIMALS = 10
"""Parts of a commission that grow with the order are kept to 1e-10 until they are booked."""
_BPS_UNIT = 10**8
"""Basis points count 1e-4 of themselves, so 1e-8 of the amount."""


def _whole(amount: Decimal, decimals: int, what: str) -> int:
    scaled = amount.scaleb(decimals)
    if scaled != scaled.to_integral_value():
        raise ConfigurationError(
            f"{what} {amount} has more than {decimals} decimals. Round it to {decimals}."
        )
    return int(scaled)


class Commission:
    """Commission of orders, in money units of an account.

    An order's commission follows from all of its fills; each fill is charged what its order owes
    more than before, so that a minimum is paid once, with the first.
    """

    def __init__(self, rules: CommissionRules, scale: Scale) -> None:
        self._scale = scale
        self.per_order = _whole(rules.per_order, _FINE_DECIMALS, "commission.per_order")
        self.minimum = _whole(rules.minimum, _FINE_DECIMALS, "commission.minimum")
        self.per_share = _whole(rules.per_share, 8, "commission.per_share")
        maker = rules.bps if rules.maker_bps is None else rules.maker_bps
        taker = rules.bps if rules.taker_bps is None else rules.taker_bps
        self.maker_bps = _whole(maker, 4, "commission.maker_bps")
        self.taker_bps = _whole(taker, 4, "commission.taker_bps")
        # From money units x 1e-8 and from shares x 1e-8 to 1e-10 of a currency unit.
        self._notional_divisor: int = 10 ** (scale.money_decimals + 8 - _FINE_DECIMALS)
        self._booked_divisor: int = 10 ** (_FINE_DECIMALS - scale.money_decimals)
        self.is_free = not (
            self.per_order or self.minimum or self.per_share or self.maker_bps or self.taker_bps
        )

        fine = 10.0**_FINE_DECIMALS
        self._fixed, self._least = self.per_order / fine, self.minimum / fine
        self._each, self._rate = self.per_share / 1e8, self.taker_bps / _BPS_UNIT
        fixed = self.per_order or self.minimum or self.per_share
        self.is_below_notional = not fixed and self.taker_bps < _BPS_UNIT
        """True where no commission can come to more than what is traded."""

    def variable(self, shares: int, value: int, is_maker: bool) -> int:
        """What a fill of so many shares (> 0) worth `value` (money units, > 0) adds, in 1e-10."""
        bps = self.maker_bps if is_maker else self.taker_bps
        owed = halves_to_even(value * bps, self._notional_divisor) if bps else 0
        if self.per_share:
            owed += halves_to_even(shares * self.per_share * 100, self._scale.share_unit)
        return owed

    def booked(self, variable: int) -> int:
        """Commission of an order whose fills added up to `variable`, in money units."""
        owed = self.per_order + variable
        if owed < self.minimum:
            owed = self.minimum
        divisor = self._booked_divisor
        booked, rest = divmod(owed, divisor)
        if rest * 2 >= divisor and (rest * 2 > divisor or booked & 1):
            booked += 1
        return booked

    def of_orders(self, shares: Integers, values: Integers) -> Integers:
        """Commission of whole orders, each filled at once as a taker; arrays of positive shares
        and values (money units). An order of no shares costs nothing."""
        if self.is_free:
            return np.zeros(len(shares), dtype=np.int64)
        owed = np.full(len(shares), self.per_order, dtype=np.int64)
        if self.taker_bps:
            owed += rounded_array(values * self.taker_bps, self._notional_divisor)
        if self.per_share:
            whole, part = np.divmod(shares, self._scale.share_unit)
            owed += whole * (self.per_share * 100)
            owed += rounded_array(part * self.per_share * 100, self._scale.share_unit)
        booked = rounded_array(np.maximum(owed, self.minimum), self._booked_divisor)
        charged: Integers = np.where(shares > 0, booked, 0)
        return charged

    def estimate(self, shares: Floats, prices: Floats) -> Floats:
        """The same for sizing, in currency units: floats of positive shares and prices."""
        fine = 10.0**_FINE_DECIMALS
        owed = self.per_order / fine + shares * (self.per_share / 1e8)
        owed = owed + shares * prices * (self.taker_bps / _BPS_UNIT)
        return np.where(shares > 0, np.maximum(owed, self.minimum / fine), 0.0)

    def estimate_one(self, shares: float, price: float) -> float:
        """The same for one order."""
        if self.is_free or shares <= 0:
            return 0.0
        owed = self._fixed + shares * self._each + shares * price * self._rate
        return owed if owed > self._least else self._least


class Slippage:
    """What an order that takes liquidity pays beyond its price, in price units (1e-8)."""

    def __init__(self, rules: SlippageRules) -> None:
        self.bps = _whole(rules.bps, 4, "slippage.bps")
        self.impact = float(rules.volume_share_impact)
        self.is_none = not (self.bps or self.impact)

    def slipped(self, price: int, sign: int, share_of_volume: float) -> int:
        """`price` made worse for a buy (sign +1) or sell (-1); `share_of_volume` is the fill's
        shares over the bar's volume, 0 where that is unknown."""
        worse = price
        if self.bps:
            worse = halves_to_even(price * (PRICE_UNIT + sign * self.bps), PRICE_UNIT)
        if self.impact and share_of_volume:
            worse += sign * round(price * (self.impact * share_of_volume * share_of_volume))
        return worse if worse > 0 else 1

    def slipped_array(
        self, prices: Integers, signs: Integers, shares_of_volume: Floats
    ) -> Integers:
        """The same for arrays."""
        worse = prices
        if self.bps:
            up, down = (
                scaled_by(prices, PRICE_UNIT + self.bps),
                scaled_by(prices, PRICE_UNIT - self.bps),
            )
            worse = np.where(signs > 0, up, down)
        if self.impact:
            share = np.nan_to_num(shares_of_volume)
            more = np.rint(prices * (self.impact * share * share)).astype(np.int64)
            worse = worse + signs * more
        return np.maximum(worse, 1)
