"""The rules of a backtest: what orders cost, when and where they fill, what the account may do."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field, ValidationInfo, field_validator

from trading_assets.model.cash_events import DayCount
from trading_assets.model.money import QUANTITY_DECIMALS_MAX
from trading_assets.model.policies import (
    AccountingPolicy,
    Exact,
    NotNegative,
    Policy,
    Positive,
)
from trading_assets.risk.policies import BUILT_IN, RiskPolicy


class FillPrice(StrEnum):
    """Where a market order trades: at the open, volume-weighted average or close of the next bar,
    or at the close of the very bar that was decided on (an order for the closing auction, decided
    just before it; the strategy must not need that close)."""

    NEXT_OPEN = "next_open"
    NEXT_VWAP = "next_vwap"
    NEXT_CLOSE = "next_close"
    CLOSE = "close"


class Liquidity(StrEnum):
    """MAKER: the order rested in the book when it traded. TAKER: it took what was there."""

    MAKER = "maker"
    TAKER = "taker"


class CommissionRules(Policy):
    """Commission of an order: max(minimum, per_order + per_share x shares + bps of notional).

    Money, money per share, and basis points. `maker_bps` and `taker_bps` replace `bps` for fills of
    that kind. The minimum is of the order, not of each of its fills.
    """

    per_share: NotNegative = Decimal(0)
    per_order: NotNegative = Decimal(0)
    minimum: NotNegative = Decimal(0)
    bps: NotNegative = Decimal(0)
    maker_bps: NotNegative | None = None
    taker_bps: NotNegative | None = None


class SlippageRules(Policy):
    """How much worse than its price an order that takes liquidity trades.

    `bps` basis points, and `volume_share_impact` x (shares / shares traded in the bar)² as a
    fraction of the price, where the volume is known. Both add up. A limit is never exceeded.
    """

    bps: Annotated[Exact, Field(ge=0, lt=10_000)] = Decimal(0)
    volume_share_impact: NotNegative = Decimal(0)


class DefaultTimeInForce(StrEnum):
    """How long orders work that follow from signals."""

    DAY = "day"
    GTC = "gtc"
    IOC = "ioc"
    FOK = "fok"


class MatchingRules(Policy):
    """When and how much of an order trades.

    `volume_cap` is the fraction of a bar's volume that all orders of a symbol together may trade,
    None for no cap; a bar of unknown volume has none.
    """

    fill_price: FillPrice = FillPrice.NEXT_OPEN
    volume_cap: Annotated[Exact, Field(gt=0, le=1)] | None = Decimal("0.1")
    time_in_force: DefaultTimeInForce = DefaultTimeInForce.GTC


class AccountRules(Policy):
    """The account: what it starts with and may do.

    `quantity_decimals` is the precision of an order's shares, 0 for whole ones; `money_decimals`
    that of booked money, 2 for a broker that books cents. `cash_buffer` is the fraction of equity
    that is not invested. Without `allow_borrowing` an order that opens more than the cash there is
    for it is rejected.
    """

    initial_capital: Positive = Decimal(100_000)
    currency: str = "USD"
    quantity_decimals: Annotated[int, Field(ge=0, le=QUANTITY_DECIMALS_MAX)] = 0
    money_decimals: Annotated[int, Field(ge=2, le=6)] = 2
    cash_buffer: Annotated[Exact, Field(ge=0, lt=1)] = Decimal(0)
    allow_short: bool = False
    allow_borrowing: bool = False
    accounting: AccountingPolicy = AccountingPolicy()


class FinancingRules(Policy):
    """What nights cost: `credit_rate` is received on cash, `debit_rate` paid on borrowed cash,
    `borrow_rate` on the market value of shares sold short. Annual fractions (0.05 is 5 %) for
    calendar days by `day_count`, charged at the open of each session; 0 charges nothing."""

    credit_rate: NotNegative = Decimal(0)
    debit_rate: NotNegative = Decimal(0)
    borrow_rate: NotNegative = Decimal(0)
    day_count: DayCount = DayCount.ACTUAL_360

    @property
    def is_none(self) -> bool:
        """True where no night costs or brings anything."""
        return not (self.credit_rate or self.debit_rate or self.borrow_rate)


class BacktestRules(Policy):
    """All of them, and how signals are sized.

    `position_size` is the fraction of the strategy's equity that an opening signal invests. With a
    `risk` policy that sizes instead, and its limits, stops and circuit breaker hold. It is written
    out, or named: "built_in", or in a backtest's file one of data/risk/. Money and prices are of
    the account's currency.
    """

    account: AccountRules = AccountRules()
    matching: MatchingRules = MatchingRules()
    commission: CommissionRules = CommissionRules()
    slippage: SlippageRules = SlippageRules()
    financing: FinancingRules = FinancingRules()
    position_size: Annotated[Exact, Field(gt=0, le=10)] = Decimal("0.1")
    risk: RiskPolicy | None = None

    @field_validator("risk", mode="before")
    @classmethod
    def _named(cls, given: Any, info: ValidationInfo) -> Any:
        if not isinstance(given, str):
            return given
        if given == BUILT_IN.id:
            return BUILT_IN
        if info.context is None:
            raise ValueError(f"a policy by name is one of a file in data/risk/; use {BUILT_IN.id}")
        return info.context["risk_policy"](given)
