"""What a closed session amounts to: positions, profit and loss, and reconciliation findings."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from enum import StrEnum

import msgspec

from trading_assets.model.money import ZERO


class PositionValue(msgspec.Struct, frozen=True, kw_only=True):
    """One position at a session's close.

    `quantity` signed shares; `cost_basis`, `market_value` (signed: negative for a short) and
    `unrealized_pnl` = market_value - cost_basis in money; `weight` = market_value / equity.
    """

    symbol: str
    quantity: Decimal
    average_cost: Decimal
    cost_basis: Decimal
    mark: Decimal
    mark_session: dt.date
    market_value: Decimal
    unrealized_pnl: Decimal
    weight: Decimal


class InstrumentResult(msgspec.Struct, frozen=True, kw_only=True):
    """One instrument's day. `pnl` is gross of commission, fees and taxes:

    pnl = closing market value - opening market value - (bought - sold) + dividends, all in money
    of the portfolio's currency, `dividends` signed (owed by a short: negative);
    `realized_pnl` is the part that lots closed during the session account for against their cost.
    """

    symbol: str
    opening_value: Decimal
    bought: Decimal
    sold: Decimal
    closing_value: Decimal
    pnl: Decimal
    realized_pnl: Decimal
    commission: Decimal
    dividends: Decimal = ZERO


class DailyResult(msgspec.Struct, frozen=True, kw_only=True):
    """One session's profit and loss in money. The identity, exact to the cent, is

    closing_equity - opening_equity = pnl + flows - fees.

    `pnl` is that of the instruments, with their `dividends`, and `interest` and `fx_pnl` (what
    exchange rates did to cash and dividends owed); `fees` are commission and other fees, with
    `borrow_fees` and `taxes` among them. `accruals` are the dividends owed at the close, a part of
    equity beside cash and market value.
    `opening_equity` is the previous close (0 before the first session), `flows` deposits less
    withdrawals; a net inflow counts from the session's start, a net outflow from its end:
    `daily_return` = (pnl - fees) / (opening_equity + max(flows, 0)), None where that base is not
    positive. `traded` is Σ |notional| of fills; `turnover` = traded / (2 x closing_equity), None
    where equity is not positive.
    `benchmark` is the benchmark's close, None where unknown.
    """

    session: dt.date
    opening_equity: Decimal
    flows: Decimal
    pnl: Decimal
    realized_pnl: Decimal
    fees: Decimal
    closing_equity: Decimal
    cash: Decimal
    market_value: Decimal
    traded: Decimal
    daily_return: Decimal | None
    turnover: Decimal | None
    benchmark: Decimal | None
    instruments: tuple[InstrumentResult, ...]
    accruals: Decimal = ZERO
    dividends: Decimal = ZERO
    interest: Decimal = ZERO
    fx_pnl: Decimal = ZERO
    borrow_fees: Decimal = ZERO
    taxes: Decimal = ZERO

    @property
    def identity_gap(self) -> Decimal:
        """Δequity - (pnl + flows - fees); anything but 0 is a defect of the books."""
        return self.closing_equity - self.opening_equity - (self.pnl + self.flows - self.fees)


class StrategyResult(msgspec.Struct, frozen=True, kw_only=True):
    """One strategy's session in money; `strategy_id` may be that of the book of what is
    unattributed. Over all books each column adds up to the account's, to the cent.

    closing_equity - opening_equity = pnl + flows - fees, where closing_equity = market_value +
    cash + accruals. `cash` may be negative, drawn from what other books leave in the account.
    `flows` is what was allotted of deposits and withdrawals, and the value of adjustments.
    """

    session: dt.date
    strategy_id: str
    opening_equity: Decimal
    flows: Decimal
    pnl: Decimal
    fees: Decimal
    closing_equity: Decimal
    market_value: Decimal
    cash: Decimal
    accruals: Decimal


class StrategyPosition(msgspec.Struct, frozen=True, kw_only=True):
    """What one strategy holds of one symbol at a session's close: signed shares, signed money.

    `weight` is of the account's equity (0 where that is 0), so that the weights of a symbol add up
    to the account's.
    """

    session: dt.date
    strategy_id: str
    symbol: str
    quantity: Decimal
    market_value: Decimal
    weight: Decimal


class GapCause(StrEnum):
    """Why two numbers that should agree do not."""

    ROUNDING = "rounding"
    MINIMUM_NOTIONAL = "minimum_notional"
    NO_TRADE_BAND = "no_trade_band"
    BETWEEN_REBALANCES = "between_rebalances"
    CASH_OVERFLOW = "cash_overflow"
    CASH_BUFFER = "cash_buffer"
    CLIPPED_BY_LIMIT = "clipped_by_limit"
    RISK_LIMIT = "risk_limit"
    BROKER_RULE = "broker_rule"
    COST_METHOD = "cost_method"
    MISSING_PRICE = "missing_price"
    PLAN_REFUSED = "plan_refused"
    NOT_SENT = "not_sent"
    PARTIAL_FILL = "partial_fill"
    REJECTION = "rejection"
    PRICE_MOVE = "price_move"
    FEE = "fee"
    FOREIGN_TRADE = "foreign_trade"
    # Not a difference but a comparison that cannot be made (weights of an equity of 0, costs that
    # only the broker knows).
    UNDEFINED = "undefined"
    UNEXPLAINED = "unexplained"


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """One explained part of a difference of one symbol (or "CASH").

    `view` is which comparison it belongs to. `quantity` signed shares, `amount` signed money and
    `weight` signed fraction of equity; a part that does not apply is 0.
    """

    view: str
    symbol: str
    cause: GapCause
    quantity: Decimal
    amount: Decimal
    weight: Decimal
    detail: str = ""


class InstrumentReconciliation(msgspec.Struct, frozen=True, kw_only=True):
    """One instrument across all comparisons; quantities signed shares, weights of equity.

    planned_quantity: what the plan's orders (before any cut) would have traded, signed;
    actual_quantity: what was filled for the plan; delta_quantity = actual - planned;
    book_quantity and broker_quantity: positions after the close; account_weight: what the broker's
    statement makes of the latter, None where weights of the account are undefined.
    `status` is "match", "explained" or "break".
    """

    symbol: str
    planned_quantity: Decimal
    actual_quantity: Decimal
    delta_quantity: Decimal
    status: str
    target_weight: Decimal
    actual_weight: Decimal
    weight_deviation: Decimal
    book_quantity: Decimal
    broker_quantity: Decimal
    unexplained_quantity: Decimal
    account_weight: Decimal | None


class ReconciliationReport(msgspec.Struct, frozen=True, kw_only=True):
    """Everything compared after a close; `unexplained` findings must be none."""

    session: dt.date
    rows: tuple[InstrumentReconciliation, ...]
    gaps: tuple[Gap, ...]
    book_cash: Decimal
    broker_cash: Decimal

    @property
    def unexplained(self) -> tuple[Gap, ...]:
        """The gaps that no cause accounts for."""
        return tuple(gap for gap in self.gaps if gap.cause is GapCause.UNEXPLAINED)
