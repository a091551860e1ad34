"""Target weight against the weight at the close, as one walk from the one to the other.

Each step changes one thing and is named after it; the parts are the differences of the weights
before and after, each rounded to ten decimals, so they add up exactly:

    target weight
      → the target quantity that was planned, at plan price and plan equity     cash_buffer
      → less each cut, rejection, partial fill, … of the plan's orders          their causes
      → with trades made outside the plan: the closing quantity                 foreign_trade
      → at the close's mark and equity, the session's fees added back           price_move
      → with the fees: the weight at the close                                  fee

The cash buffer's step also holds what truncating the target quantity took, and the price move's
what flows after planning did to equity. Where there is no plan price, the first step is
missing_price, and the following ones take the mark.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from trading_assets.model.money import ZERO, money, notional, plain, weight
from trading_assets.model.plan import RebalanceLine
from trading_assets.model.result import Gap, GapCause
from trading_assets.reconciliation.continuity import OutsideMoves

TARGET_VS_FINAL = "target_vs_final"


class Equities(msgspec.Struct, frozen=True, kw_only=True):
    """Equity in money when planning and at the close, and the session's fees (a cost positive)."""

    planned: Decimal
    closing: Decimal
    fees: Decimal

    @property
    def before_fees(self) -> Decimal:
        """Closing equity with the session's fees added back."""
        return self.closing + self.fees

    @property
    def define_weights(self) -> bool:
        """False where an equity is 0, and weights of it are undefined."""
        return bool(self.planned and self.closing and self.before_fees)


class Holding(msgspec.Struct, frozen=True, kw_only=True):
    """One instrument on its way from target to close; quantities in signed shares.

    `line` is None where the plan does not know the instrument; its target is then 0.
    `opening_quantity` is after the corporate actions of the session's open;
    `planned_quantity` is what the plan's orders would have traded, `shortfalls` their gaps
    (planned - filled), `outside` what came in without the plan, `mark` the closing price
    per share (None only where nothing is held).
    """

    symbol: str
    line: RebalanceLine | None
    opening_quantity: Decimal
    planned_quantity: Decimal
    shortfalls: tuple[Gap, ...]
    outside: OutsideMoves
    closing_quantity: Decimal
    mark: Decimal | None

    @property
    def target_weight(self) -> Decimal:
        """Signed fraction of plan equity that was asked for."""
        return ZERO if self.line is None else self.line.target_weight

    @property
    def target_quantity(self) -> Decimal:
        """Signed shares that the plan set out to hold."""
        return ZERO if self.line is None else self.line.target_quantity

    @property
    def quantity_when_planned(self) -> Decimal:
        """Signed shares that the plan started from: a plan has a line for everything held."""
        return ZERO if self.line is None else self.line.current_quantity

    @property
    def plan_price(self) -> Decimal | None:
        """Price per share at which it was planned; None where there was none."""
        return None if self.line is None else self.line.price

    @property
    def closing_value(self) -> Decimal:
        """Signed market value at the close, in money."""
        return ZERO if self.mark is None else notional(self.closing_quantity, self.mark)


class _Walk:
    """Collects the steps of one instrument."""

    def __init__(self, holding: Holding, equities: Equities) -> None:
        self._symbol = holding.symbol
        self._price = holding.plan_price
        if self._price is None:
            self._price = holding.mark or ZERO
        self._equity = equities.planned
        self._weight = holding.target_weight
        self._amount = money(holding.target_weight * equities.planned)
        self.gaps: list[Gap] = []

    def to_quantity(
        self, cause: GapCause, quantity: Decimal, to: Decimal, detail: str = ""
    ) -> None:
        """Step to holding `to` shares at plan price and equity; `quantity` of them explained."""
        reached = weight(to * self._price, self._equity) if self._price else ZERO
        self.to(cause, quantity, reached, notional(to, self._price or ZERO), detail)

    def to(
        self, cause: GapCause, quantity: Decimal, reached: Decimal, amount: Decimal, detail: str
    ) -> None:
        """Step to a weight and its value in money; a step that changes nothing leaves no gap."""
        if quantity or reached != self._weight or amount != self._amount:
            self.gaps.append(
                Gap(
                    view=TARGET_VS_FINAL,
                    symbol=self._symbol,
                    cause=cause,
                    quantity=quantity,
                    amount=self._amount - amount,
                    weight=self._weight - reached,
                    detail=detail,
                )
            )
        self._weight, self._amount = reached, amount


def target_vs_final(holding: Holding, equities: Equities) -> tuple[Gap, ...]:
    """Parts of target weight - closing weight; Σ weight is that difference, exactly.

    `amount` is the money that a part accounts for: Σ = target value - closing market value.
    Both are signed. `equities.define_weights` must hold.
    """
    walk = _Walk(holding, equities)
    target = holding.target_quantity
    started = holding.quantity_when_planned
    first = GapCause.CASH_BUFFER
    if holding.line is not None and holding.plan_price is None:
        first = GapCause.MISSING_PRICE
    walk.to_quantity(first, ZERO, target)
    reached = started + holding.planned_quantity
    # A step to where the walk stands already changes nothing; nearly all are of that kind.
    if reached != target:
        walk.to_quantity(
            GapCause.UNEXPLAINED,
            target - reached,
            reached,
            f"the plan's orders lead to {plain(reached)} shares, its target is {plain(target)}",
        )
    for gap in holding.shortfalls:
        reached -= gap.quantity
        walk.to_quantity(gap.cause, gap.quantity, reached, gap.detail)
    outside = _outside_after_planning(holding)
    if outside:
        reached += outside
        walk.to_quantity(GapCause.FOREIGN_TRADE, -outside, reached, "traded outside the plan")
    closing = holding.closing_quantity
    if closing != reached:
        walk.to_quantity(
            GapCause.UNEXPLAINED,
            reached - closing,
            closing,
            f"{plain(reached)} shares are accounted for, {plain(closing)} are held",
        )
    value = holding.closing_value
    before_fees = weight(value, equities.before_fees)
    walk.to(GapCause.PRICE_MOVE, ZERO, before_fees, value, _price_detail(holding))
    fees = f"fees of {plain(equities.fees)}"
    walk.to(GapCause.FEE, ZERO, weight(value, equities.closing), value, fees)
    return tuple(walk.gaps)


def undefined_weights(equities: Equities) -> Gap:
    """Says that weights cannot be compared, in place of the parts."""
    return Gap(
        view=TARGET_VS_FINAL,
        symbol="EQUITY",
        cause=GapCause.UNDEFINED,
        quantity=ZERO,
        amount=ZERO,
        weight=ZERO,
        detail=f"weights are undefined: equity {plain(equities.planned)} when planned, "
        f"{plain(equities.closing)} at the close",
    )


def _outside_after_planning(holding: Holding) -> Decimal:
    """Shares traded outside the plan that the plan's starting quantity does not hold yet."""
    return holding.outside.after(holding.quantity_when_planned - holding.opening_quantity)


def _price_detail(holding: Holding) -> str:
    if holding.plan_price is None or holding.mark is None:
        return "no price to compare with"
    return f"price {plain(holding.plan_price)} when planned, {plain(holding.mark)} at the close"
