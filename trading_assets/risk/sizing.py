"""How many shares a new position gets: one rule for each sizing policy.

Quantities are Decimals cut towards zero to what may be ordered; the statistics that some rules
need (a range, a volatility, an edge) are floats, and become exact in `exact` alone. What cannot be
sized is refused with a code. It is never a quantity of 0, which would look like a decision.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from enum import StrEnum

import msgspec

from trading_assets.model.money import ONE, ZERO, plain, truncate_quantity
from trading_assets.model.order import Side
from trading_assets.risk.policies import (
    AtrVolatility,
    EquityPercent,
    FixedQuantity,
    Kelly,
    RiskPerTrade,
    SizingPolicy,
    VolatilityTarget,
)

_LEAST_STAKE = 1e-12
"""Below it a stake is the rounding of a fair game's."""


class SizingCode(StrEnum):
    """Why a position cannot be sized."""

    NO_EQUITY = "NO_EQUITY"
    NO_PRICE = "NO_PRICE"
    STOP_UNKNOWN = "STOP_UNKNOWN"
    STOP_ON_WRONG_SIDE = "STOP_ON_WRONG_SIDE"
    EDGE_UNKNOWN = "EDGE_UNKNOWN"
    EDGE_NOT_POSITIVE = "EDGE_NOT_POSITIVE"
    RANGE_UNKNOWN = "RANGE_UNKNOWN"
    RANGE_ZERO = "RANGE_ZERO"
    VOLATILITY_UNKNOWN = "VOLATILITY_UNKNOWN"
    VOLATILITY_ZERO = "VOLATILITY_ZERO"
    WEIGHT_UNKNOWN = "WEIGHT_UNKNOWN"
    QUANTITY_TOO_SMALL = "QUANTITY_TOO_SMALL"


class SizingRefusal(msgspec.Struct, frozen=True):
    """A position that cannot be sized; `message` names the value, the rule and the remedy."""

    code: SizingCode
    message: str


class TradeStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """Of `count` closed trades: `win_rate` is the fraction that gained, `payoff_ratio` the average
    gain over the average loss (None without a gain or without a loss)."""

    count: int
    win_rate: float
    payoff_ratio: float | None


class SizingInputs(msgspec.Struct, frozen=True, kw_only=True):
    """What a position is sized on; None is unknown.

    `equity` money, `price` and `stop_price` money per share, `decimals` those of a quantity (0:
    whole shares). `average_true_range` is money per share, `volatility` the annualised standard
    deviation of returns as a fraction; NaN counts as unknown, as in an indicator's warm-up.
    `risk_weight` is the symbol's share (0 to 1) by risk parity.
    """

    side: Side
    equity: Decimal
    price: Decimal | None
    decimals: int = 0
    stop_price: Decimal | None = None
    average_true_range: float | None = None
    volatility: float | None = None
    trades: TradeStatistics | None = None
    risk_weight: float | None = None


def exact(statistic: float) -> Decimal:
    """A finite statistic as a Decimal, by its shortest spelling: 0.1 is 0.1.

    The only place where a float becomes part of a quantity.
    """
    return Decimal(repr(float(statistic)))


def position_quantity(policy: SizingPolicy, inputs: SizingInputs) -> Decimal | SizingRefusal:
    """Shares (positive, for a long and a short alike) of a new position, or why there are none."""
    if inputs.equity <= 0:
        return SizingRefusal(
            SizingCode.NO_EQUITY,
            f"equity is {plain(inputs.equity)}; nothing can be sized on it, pay in first",
        )
    if inputs.price is None or inputs.price <= 0:
        return SizingRefusal(
            SizingCode.NO_PRICE, f"price is {inputs.price}; load one that is positive"
        )
    quantity = _quantity(policy, inputs, inputs.price)
    if isinstance(quantity, SizingRefusal):
        return quantity
    whole = truncate_quantity(quantity, inputs.decimals)
    if whole == 0:
        return SizingRefusal(
            SizingCode.QUANTITY_TOO_SMALL,
            f"{plain(quantity)} shares are less than the smallest order at {inputs.decimals} "
            "decimals; raise the size, or allow fractions",
        )
    return whole


def _quantity(
    policy: SizingPolicy, inputs: SizingInputs, price: Decimal
) -> Decimal | SizingRefusal:
    if isinstance(policy, FixedQuantity):
        return policy.quantity
    if isinstance(policy, EquityPercent):
        return inputs.equity * policy.fraction / price
    if isinstance(policy, RiskPerTrade):
        return _risked(policy, inputs, price)
    if isinstance(policy, AtrVolatility):
        return _by_range(policy, inputs)
    if isinstance(policy, Kelly):
        weight = _kelly_weight(policy, inputs.trades)
    elif isinstance(policy, VolatilityTarget):
        weight = _volatility_weight(policy, inputs.volatility)
    else:
        weight = _parity_weight(policy.fraction, inputs.risk_weight)
    return weight if isinstance(weight, SizingRefusal) else inputs.equity * weight / price


def _risked(policy: RiskPerTrade, inputs: SizingInputs, price: Decimal) -> Decimal | SizingRefusal:
    if inputs.stop_price is None:
        return SizingRefusal(
            SizingCode.STOP_UNKNOWN,
            "risk_per_trade needs a stop price; let the strategy give one, or set stops.stop_loss",
        )
    distance = inputs.side.sign * (price - inputs.stop_price)
    if distance <= 0:
        return SizingRefusal(
            SizingCode.STOP_ON_WRONG_SIDE,
            f"the stop at {plain(inputs.stop_price)} is not "
            f"{'below' if inputs.side is Side.BUY else 'above'} the price {plain(price)}, so there "
            "is no loss to size on; move it",
        )
    return inputs.equity * policy.fraction / distance


def _by_range(policy: AtrVolatility, inputs: SizingInputs) -> Decimal | SizingRefusal:
    """Equity at risk over the money that a share moves by: the unit of Faith, "The Original Turtle
    Trading Rules" (2003), where `fraction` is 0.01 and `multiple` 1."""
    moved = inputs.average_true_range
    if moved is None or not math.isfinite(moved):
        return SizingRefusal(
            SizingCode.RANGE_UNKNOWN,
            f"no average true range yet; it takes {policy.period + 1} bars of the symbol",
        )
    if moved <= 0:
        return SizingRefusal(
            SizingCode.RANGE_ZERO,
            f"average true range is {moved}: the price did not move, so its risk is undefined",
        )
    return inputs.equity * policy.fraction / (policy.multiple * exact(moved))


def kelly_fraction(win_rate: float, payoff_ratio: float) -> float:
    """f = p - (1 - p) / b: the stake, as a fraction of capital, that maximises the growth of log
    capital where it is lost with 1 - p and returns b times itself with p (Kelly 1956, "A New
    Interpretation of Information Rate"; Thorp 2006, "The Kelly Criterion", section 2).

    `win_rate` p in 0..1, `payoff_ratio` b positive. Not positive where there is no edge.
    """
    return win_rate - (1 - win_rate) / payoff_ratio


def _kelly_weight(policy: Kelly, trades: TradeStatistics | None) -> Decimal | SizingRefusal:
    """The position counts as the whole stake, which errs towards a smaller one."""
    if trades is None or trades.count < policy.min_trades or trades.payoff_ratio is None:
        count = 0 if trades is None else trades.count
        return SizingRefusal(
            SizingCode.EDGE_UNKNOWN,
            f"{count} closed trades; kelly needs {policy.min_trades} with gains and losses among "
            "them (min_trades), size by another rule until then",
        )
    stake = kelly_fraction(trades.win_rate, trades.payoff_ratio)
    if stake < _LEAST_STAKE:
        return SizingRefusal(
            SizingCode.EDGE_NOT_POSITIVE,
            f"win rate {trades.win_rate:.4f} at payoff {trades.payoff_ratio:.4f} gives a stake of "
            f"{stake:.4f}: there is no edge, so nothing should be staked",
        )
    return min(policy.fraction * exact(stake), policy.max_weight)


def _volatility_weight(
    policy: VolatilityTarget, volatility: float | None
) -> Decimal | SizingRefusal:
    if volatility is None or not math.isfinite(volatility):
        return SizingRefusal(
            SizingCode.VOLATILITY_UNKNOWN,
            f"no volatility yet; it takes {policy.lookback_bars + 1} bars of the symbol",
        )
    if volatility <= 0:
        return SizingRefusal(
            SizingCode.VOLATILITY_ZERO,
            f"volatility is {volatility}: the price did not move, so its risk is undefined",
        )
    return min(policy.annual_volatility / exact(volatility), policy.max_weight)


def _parity_weight(fraction: Decimal, weight: float | None) -> Decimal | SizingRefusal:
    if weight is None or not math.isfinite(weight):
        return SizingRefusal(
            SizingCode.WEIGHT_UNKNOWN,
            "the symbol has no risk parity weight; it needs a full lookback of returns",
        )
    return fraction * exact(weight)


class TradeTally(msgspec.Struct, frozen=True):
    """Closed trades added up: how many there were, gained and lost, and how much (positive)."""

    count: int = 0
    gains: int = 0
    gained: Decimal = ZERO
    losses: int = 0
    lost: Decimal = ZERO

    def with_results(self, results: Sequence[Decimal]) -> TradeTally:
        """This with more trades' results (signed money). One of exactly 0 is counted, as neither a
        gain nor a loss."""
        gains = [result for result in results if result > 0]
        losses = [-result for result in results if result < 0]
        return TradeTally(
            self.count + len(results),
            self.gains + len(gains),
            self.gained + sum(gains, ZERO),
            self.losses + len(losses),
            self.lost + sum(losses, ZERO),
        )

    def statistics(self) -> TradeStatistics | None:
        """Win rate and payoff; None without a trade."""
        if not self.count:
            return None
        payoff = None
        if self.gains and self.losses:
            payoff = float((self.gained / self.gains) / (self.lost / self.losses))
        return TradeStatistics(
            count=self.count,
            win_rate=float(ONE * self.gains / self.count),
            payoff_ratio=payoff,
        )


def trade_statistics(results: Sequence[Decimal]) -> TradeStatistics | None:
    """Win rate and payoff of closed trades' results (signed money); None without any."""
    return TradeTally().with_results(results).statistics()
