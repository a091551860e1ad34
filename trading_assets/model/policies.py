"""The rules a portfolio is run by, as frozen records that the pure functions take.

Money and quantities may be given as numbers or text; numbers are taken by their decimal spelling,
never through binary floats. An unknown key is an error, not a silence.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from trading_assets.model.cash_events import DayCount
from trading_assets.model.money import QUANTITY_DECIMALS_MAX


def _exact(value: Any) -> Any:
    """YAML number to its decimal spelling, so that 0.1 stays 0.1."""
    return repr(value) if isinstance(value, float) else value


def _finite(value: Decimal) -> Decimal:
    if not value.is_finite():
        raise ValueError("must be a finite number")
    return value


Exact = Annotated[Decimal, BeforeValidator(_exact), AfterValidator(_finite)]
NotNegative = Annotated[Exact, Field(ge=0)]
Positive = Annotated[Exact, Field(gt=0)]
Fraction = Annotated[Exact, Field(ge=0, le=1)]
Identifier = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,30}$")]


class Policy(BaseModel):
    """Base of all rules: frozen, and strict about unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Select(Policy):
    """Follow one strategy."""

    method: Literal["select"] = "select"
    strategy: str

    @property
    def shares(self) -> dict[str, Decimal]:
        """Share of equity by strategy."""
        return {self.strategy: Decimal(1)}


class Blend(Policy):
    """Hold each strategy at a share of equity; shares need not add up to 1 (the rest is cash)."""

    method: Literal["blend"] = "blend"
    weights: Annotated[dict[str, NotNegative], Field(min_length=1)]

    @property
    def shares(self) -> dict[str, Decimal]:
        """Share of equity by strategy; a share of 0 is left out unless all are."""
        positive = {name: share for name, share in self.weights.items() if share}
        return positive or self.weights


SELECT_SECTOR_ETFS = {
    "SXLK.L": "Technology",
    "SXLF.L": "Financials",
    "SXLE.L": "Energy",
    "SXLV.L": "Health Care",
    "SXLY.L": "Consumer Discretionary",
    "SXLP.L": "Consumer Staples",
    "SXLI.L": "Industrials",
    "SXLB.L": "Materials",
    "SXLU.L": "Utilities",
}
"""Funds on the sectors of the S&P 500 as they are listed in London, with what each holds."""
MIN_THRESHOLD = Decimal("0.02")


class MomentumPolicy(Policy):
    """12-1 momentum; see `portfolio/momentum.py`.

    `universe` are symbols with the names of their sectors. The `top_n` best are held at equal
    weights. Momentum is measured from `lookback_months` before the last month-end to `skip_months`
    before it. A change of weight below `min_threshold`, a fraction of equity, is not traded.
    """

    universe: Annotated[dict[str, str], Field(min_length=1)] = SELECT_SECTOR_ETFS
    top_n: Annotated[int, Field(ge=1)] = 3
    lookback_months: Annotated[int, Field(ge=2, le=24)] = 12
    skip_months: Annotated[int, Field(ge=0)] = 1
    min_threshold: Fraction = MIN_THRESHOLD

    @model_validator(mode="after")
    def _possible(self) -> MomentumPolicy:
        if self.top_n > len(self.universe):
            raise ValueError(f"top_n {self.top_n} is more than the {len(self.universe)} symbols")
        if self.skip_months >= self.lookback_months:
            raise ValueError(
                f"skip_months {self.skip_months} leaves nothing of lookback_months "
                f"{self.lookback_months}"
            )
        return self

    @property
    def gap_months(self) -> int:
        """Months that momentum is measured over."""
        return self.lookback_months - self.skip_months


class ConstraintPolicy(Policy):
    """What the consolidated targets must keep to.

    `max_total_weight` caps Σ|w|; above it, all weights are scaled down together.
    `max_weight` caps each |w|; with `redistribute` what is cut off goes to the uncapped names in
    proportion, otherwise to cash. Without `allow_cash` the weights are scaled up to
    `max_total_weight`. Without `allow_short` a negative weight is an error.
    """

    allow_short: bool = False
    allow_cash: bool = True
    max_total_weight: Positive = Decimal(1)
    max_weight: Positive = Decimal(1)
    redistribute: bool = True


class BracketPolicy(Policy):
    """Distances of a bracket's legs from the plan price, as fractions (0.05 is 5 %)."""

    take_profit: Annotated[Exact, Field(gt=0)]
    stop_loss: Annotated[Exact, Field(gt=0, lt=1)]


class MissingPricePolicy(StrEnum):
    """What an instrument without a usable price does: stop the plan, or be left as it is."""

    REFUSE = "refuse"
    HOLD = "hold"


class RebalanceFrequency(StrEnum):
    """On which sessions a portfolio trades: each, or the first of each week or month.

    The portfolio's own first session is always one of them.
    """

    EVERY_SESSION = "every_session"
    WEEKLY = "weekly"
    MONTHLY = "monthly"


class PlanningPolicy(Policy):
    """How target weights become orders.

    `rebalance` says on which sessions; on the others nothing is traded.
    `quantity_decimals` is the precision of a planned quantity; without `fractional` a real one is
    whole shares. `no_trade_band` is a fraction of equity, `cash_buffer` the fraction of equity
    that is never invested, `min_order_notional` money, `tick_size` money per share.
    """

    rebalance: RebalanceFrequency = RebalanceFrequency.EVERY_SESSION
    fractional: bool = True
    quantity_decimals: Annotated[int, Field(ge=0, le=QUANTITY_DECIMALS_MAX)] = 6
    min_order_notional: NotNegative = Decimal(1)
    no_trade_band: Fraction = Decimal(0)
    adjust_for_overflow: bool = True
    cash_buffer: Annotated[Exact, Field(ge=0, lt=1)] = Decimal("0.02")
    bracket: BracketPolicy | None = None
    tick_size: Positive = Decimal("0.01")


class LimitPolicy(Policy):
    """Limits before sending; None switches one off.

    Per order: `max_order_shares` (shares) and `max_order_notional` (money) clip;
    `max_price_deviation` (fraction, plan price against the close before it) drops the order.
    For the plan: `max_total_notional` (money) refuses it whole. `max_price_age_sessions` is how
    many sessions old a plan price may be.
    """

    max_order_shares: Positive | None = None
    max_order_notional: Positive | None = None
    max_total_notional: Positive | None = None
    max_price_deviation: Positive | None = None
    max_price_age_sessions: Annotated[int, Field(ge=0)] = 0
    missing_price: MissingPricePolicy = MissingPricePolicy.REFUSE


class CommissionPolicy(Policy):
    """Commission of one order: max(minimum, per order + per share · shares + bps of notional)."""

    per_order: NotNegative = Decimal(0)
    per_share: NotNegative = Decimal(0)
    bps: NotNegative = Decimal(0)
    minimum: NotNegative = Decimal(0)


class SimulationPolicy(Policy):
    """The simulated broker: fills at the session's close.

    `slippage_bps` moves each fill against the order; `volume_cap` is the fraction of the session's
    volume that one order may take (needs volumes); `reject_symbols` are refused, for trials;
    `margin_multiplier` x equity is what positions may cost before a buy is refused. `credit_rate`
    is received on cash, `debit_rate` paid on borrowed cash, `borrow_rate` on the market value of
    shares sold short: annual fractions for calendar days by `day_count`.
    """

    slippage_bps: NotNegative = Decimal(0)
    volume_cap: Annotated[Exact, Field(gt=0, le=1)] | None = None
    reject_symbols: frozenset[str] = frozenset()
    margin_multiplier: Annotated[Exact, Field(ge=1)] = Decimal(1)
    credit_rate: NotNegative = Decimal(0)
    debit_rate: NotNegative = Decimal(0)
    borrow_rate: NotNegative = Decimal(0)
    day_count: DayCount = DayCount.ACTUAL_360


class AfterDeadline(StrEnum):
    """What becomes of an order that is not filled by its deadline."""

    CANCEL = "cancel"
    LEAVE = "leave"


class Placement(StrEnum):
    """Who places the orders of a plan: the product, or a person from its trade list."""

    AUTOMATIC = "automatic"
    MANUAL = "manual"


class ExecutionPolicy(Policy):
    """How a session at a real broker is run: several runs, each doing what is still to be done.

    With `placement` manual nothing is sent: the plan is a trade list, and what a person traded is
    fetched after the close and matched to it. What follows is about orders that are sent.

    A leg of orders has `fill_deadline_minutes` from when it was sent to be filled. Then what is
    left of it is canceled, or left to work until the session's close, by `after_deadline`. A run
    waits `wait_seconds` for fills, asking every `poll_seconds`, and leaves the rest to the next.
    Runs are due `plan_minutes_before_open`, at the open, then every `poll_minutes` until the close,
    and `close_minutes_after` it, when the session's bars are there.
    """

    placement: Placement = Placement.AUTOMATIC
    fill_deadline_minutes: Annotated[int, Field(ge=0)] = 30
    after_deadline: AfterDeadline = AfterDeadline.CANCEL
    wait_seconds: Annotated[float, Field(ge=0, le=600)] = 20.0
    poll_seconds: Annotated[float, Field(gt=0, le=60)] = 1.0
    plan_minutes_before_open: Annotated[int, Field(ge=1, le=240)] = 30
    poll_minutes: Annotated[int, Field(ge=1, le=60)] = 10
    close_minutes_after: Annotated[int, Field(ge=0, le=240)] = 20


class LotMethod(StrEnum):
    """Which lot a closing trade takes: the oldest, the newest, the dearest, those that the trade
    names, or a share of all of them at their average cost."""

    FIFO = "fifo"
    LIFO = "lifo"
    HIFO = "hifo"
    SPECIFIC = "specific"
    AVERAGE_COST = "average_cost"


class DividendSource(StrEnum):
    """What makes a cash dividend income: the ex-date (accrued, then paid), or its payment."""

    EX_DATE = "ex_date"
    BROKER = "broker"


class AccountingPolicy(Policy):
    """How the books are kept.

    `long_lots` and `short_lots` say which lots a trade closes. With `commission_in_basis` the
    commission of a fill is part of cost and proceeds, and so of realized P&L; otherwise it is an
    expense of its own. `dividend_source` is the one source of dividend income: the other kind of
    event never adds to it.
    """

    long_lots: LotMethod = LotMethod.FIFO
    short_lots: LotMethod = LotMethod.LIFO
    commission_in_basis: bool = False
    dividend_source: DividendSource = DividendSource.EX_DATE


class IntendedPrice(StrEnum):
    """The prices that a fill may be compared with."""

    DECISION = "decision_price"
    ARRIVAL = "arrival_price"
    PLAN = "plan_price"


class SlippagePolicy(Policy):
    """Which trades are worth a look: those whose slippage against `intended_price` is more than
    `outlier_bps` basis points away from 0. Where it is not given that is the plan price, at a
    simulated broker the arrival price, which is known there."""

    intended_price: IntendedPrice | None = None
    outlier_bps: Positive = Decimal(500)


class AlertPolicy(Policy):
    """What a person is to hear of after a close; None switches a rule off.

    `unexplained_break`: a difference that reconciliation does not explain. `max_drawdown` is the
    fall from the highest equity (fraction), `max_rejected_orders` how many orders of a session may
    be rejected, `max_mark_age_sessions` how many sessions old the price of a position may be.
    """

    unexplained_break: bool = True
    max_drawdown: Annotated[Exact, Field(gt=0, lt=1)] | None = None
    max_rejected_orders: Annotated[int, Field(ge=0)] | None = 0
    max_mark_age_sessions: Annotated[int, Field(ge=0)] | None = 0


class ReportPolicy(Policy):
    """What the monthly report says about itself.

    `annualisation_sessions` is the number of sessions in a year, `risk_free_rate` an annual rate.
    """

    title: str
    manager: str = ""
    disclaimer: str = ""
    annualisation_sessions: Annotated[int, Field(ge=1)] = 252
    risk_free_rate: Exact = Decimal(0)
