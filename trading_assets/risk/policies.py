"""The rules of risk, as frozen records: a file in data/risk/ holds one `RiskPolicy`.

A rule that is left out is switched off, except where a default is written here. Fractions are of
equity (0.05 is 5 %), money is in the account's currency.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, model_validator

from trading_assets.model.policies import Exact, Identifier, NotNegative, Policy, Positive

PositiveFraction = Annotated[Exact, Field(gt=0, le=1)]
LossFraction = Annotated[Exact, Field(gt=0, lt=1)]
"""A loss of this part of something; losing all of it cannot be stopped."""
PositiveCount = Annotated[int, Field(ge=1)]


class FixedQuantity(Policy):
    """The same number of shares for each position."""

    method: Literal["fixed_quantity"]
    quantity: Positive


class EquityPercent(Policy):
    """A position worth `fraction` of equity."""

    method: Literal["equity_percent"]
    fraction: Positive


class RiskPerTrade(Policy):
    """A position that loses `fraction` of equity when its stop is hit: needs a stop price."""

    method: Literal["risk_per_trade"]
    fraction: PositiveFraction


class Kelly(Policy):
    """`fraction` of the growth-optimal stake, at most `max_weight` of equity.

    The edge is measured on at least `min_trades` closed round trips.
    """

    method: Literal["kelly"]
    fraction: PositiveFraction = Decimal("0.5")
    max_weight: Positive = Decimal("0.25")
    min_trades: PositiveCount = 30


class AtrVolatility(Policy):
    """A position for which a move of `multiple` average true ranges is `fraction` of equity."""

    method: Literal["atr_volatility"]
    fraction: PositiveFraction
    multiple: Positive = Decimal(1)
    period: Annotated[int, Field(ge=2)] = 14


class VolatilityTarget(Policy):
    """A position whose own volatility contributes `annual_volatility` of equity a year, at most
    `max_weight` of equity; the volatility is that of the last `lookback_bars` returns."""

    method: Literal["volatility_target"]
    annual_volatility: Positive
    max_weight: Positive = Decimal(1)
    lookback_bars: Annotated[int, Field(ge=2)] = 60


class RiskParity(Policy):
    """Positions that contribute equally to the volatility of all of them together, which are worth
    `fraction` of equity; covariances are those of the last `lookback_bars` returns."""

    method: Literal["risk_parity"]
    fraction: Positive = Decimal(1)
    lookback_bars: Annotated[int, Field(ge=2)] = 60


SizingPolicy = Annotated[
    FixedQuantity
    | EquityPercent
    | RiskPerTrade
    | Kelly
    | AtrVolatility
    | VolatilityTarget
    | RiskParity,
    Field(discriminator="method"),
]


class RiskLimits(Policy):
    """What an order that opens or extends a position may not lead to; None switches a limit off.

    `max_position_quantity` shares and `max_position_value` money of one symbol, `max_concentration`
    the same as a fraction of equity; `max_sector_weight` a sector's Σ|value| as a fraction of
    equity, by `sectors` (symbol to sector). `max_total_exposure` is money, Σ|value| of all
    positions; `max_gross_leverage` that over equity, `max_net_leverage` |Σ value| over equity.
    `max_drawdown` is the fall from the highest equity at which nothing may be opened any more.
    `max_orders_per_minute` and `max_orders_per_minute_per_symbol` count orders sent.
    With `check_capital` an order may cost no more than the capital that is available.
    """

    check_capital: bool = True
    max_position_quantity: Positive | None = None
    max_position_value: Positive | None = None
    max_concentration: Positive | None = None
    max_sector_weight: Positive | None = None
    sectors: dict[str, str] = Field(default_factory=dict)
    max_total_exposure: Positive | None = None
    max_gross_leverage: Positive | None = None
    max_net_leverage: Positive | None = None
    max_drawdown: LossFraction | None = None
    max_orders_per_minute: PositiveCount | None = None
    max_orders_per_minute_per_symbol: PositiveCount | None = None

    @model_validator(mode="after")
    def _sectors_are_named(self) -> RiskLimits:
        if self.max_sector_weight is not None and not self.sectors:
            raise ValueError(
                "max_sector_weight needs sectors, the sector of each symbol; "
                "list them, or leave max_sector_weight out"
            )
        return self


class MarginCallAction(StrEnum):
    """What follows where equity is below maintenance margin: positions are reduced until it is not,
    or nothing is opened any more until a person resumes."""

    REDUCE = "reduce"
    HALT = "halt"


class MarginPolicy(Policy):
    """A margin account as in `margin.py`, which names the sources of the defaults.

    Rates are fractions of market value: `initial_long` and `initial_short` to open a position,
    `maintenance_long` and `maintenance_short` to keep it. A short below `low_price` a share needs
    all of its value and at least `low_price_minimum` a share, another at least `short_minimum` a
    share. Without `minimum_equity` (money) nothing is lent. `on_margin_call` is what follows where
    equity is below maintenance margin.
    """

    initial_long: PositiveFraction = Decimal("0.50")
    initial_short: PositiveFraction = Decimal("0.50")
    maintenance_long: PositiveFraction = Decimal("0.25")
    maintenance_short: PositiveFraction = Decimal("0.30")
    low_price: NotNegative = Decimal(5)
    low_price_minimum: NotNegative = Decimal("2.50")
    short_minimum: NotNegative = Decimal(5)
    minimum_equity: NotNegative = Decimal(2000)
    on_margin_call: MarginCallAction = MarginCallAction.REDUCE

    @model_validator(mode="after")
    def _maintenance_is_lower(self) -> MarginPolicy:
        for side in ("long", "short"):
            initial = getattr(self, f"initial_{side}")
            maintenance = getattr(self, f"maintenance_{side}")
            if maintenance > initial:
                raise ValueError(
                    f"maintenance_{side} {maintenance} is above initial_{side} {initial}: a "
                    "position would be called the moment it is opened; lower the first"
                )
        return self


class FixedStop(Policy):
    """A stop `distance` (a fraction of the entry price) from where the position was entered."""

    kind: Literal["fixed"]
    distance: LossFraction


class AtrStop(Policy):
    """A stop `multiple` average true ranges, as they are at entry, from the entry price."""

    kind: Literal["atr"]
    multiple: Positive
    period: Annotated[int, Field(ge=2)] = 14


class TrailingStop(Policy):
    """A stop `distance` from the best price since entry, which it only ever follows."""

    kind: Literal["trailing"]
    distance: LossFraction


StopLoss = Annotated[FixedStop | AtrStop | TrailingStop, Field(discriminator="kind")]


class StopPolicy(Policy):
    """What closes one position: a stop-loss, and a take-profit at `take_profit` from the entry
    price (a fraction). None: nothing does."""

    stop_loss: StopLoss | None = None
    take_profit: Positive | None = None


class CircuitBreakerPolicy(Policy):
    """What stops trading as a whole; None switches a trigger off.

    `max_daily_loss` is a fraction of the equity at the session's opening, `max_drawdown` one of the
    highest equity; `max_rejections` is how many orders in a row a broker may reject. With
    `resume_next_session` a session's loss is over with it; everything else is resumed by a person.
    """

    max_daily_loss: LossFraction | None = None
    max_drawdown: LossFraction | None = None
    max_rejections: PositiveCount | None = None
    resume_next_session: bool = False


class RiskPolicy(Policy):
    """One file of data/risk/: how positions are sized, and what limits, margin, stops and circuit
    breaker they are held by. Without `margin` the account is a cash account."""

    id: Identifier
    name: str = ""
    sizing: SizingPolicy
    limits: RiskLimits = RiskLimits()
    margin: MarginPolicy | None = None
    stops: StopPolicy = StopPolicy()
    circuit_breaker: CircuitBreakerPolicy = CircuitBreakerPolicy()


BUILT_IN = RiskPolicy(
    id="built_in",
    name="Ten per cent of equity each, unlevered",
    sizing=EquityPercent(method="equity_percent", fraction=Decimal("0.10")),
    limits=RiskLimits(
        max_concentration=Decimal("0.25"),
        max_gross_leverage=Decimal(1),
        max_orders_per_minute=200,
    ),
    circuit_breaker=CircuitBreakerPolicy(max_drawdown=Decimal("0.25")),
)
"""What is used where no policy is named."""
