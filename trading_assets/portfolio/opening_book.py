"""The opening book as planning sees it: every instrument held or targeted, at plan prices."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from trading_assets.errors import InputError
from trading_assets.model.instrument import Price, PriceSnapshot
from trading_assets.model.money import CENT, ONE, ZERO, money, notional
from trading_assets.model.order import Side
from trading_assets.model.plan import PlanReason, PlanRefusal
from trading_assets.model.policies import CommissionPolicy, LimitPolicy, PlanningPolicy
from trading_assets.model.target import TargetPortfolio
from trading_assets.portfolio.order_rules import (
    PERMISSIVE,
    AccountTraits,
    BrokerRules,
    InstrumentTraits,
)
from trading_assets.portfolio.sizing import Instrument
from trading_assets.risk.policies import RiskLimits

_ANY_TRAITS = InstrumentTraits()
_ANY_ACCOUNT = AccountTraits()


class PlanInputs(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a plan is made from.

    `positions` are signed shares by symbol, `cash` money (may be negative), `prices` the plan
    prices. `revision` counts the book's restatements. `asset_ids` names the asset id of held
    symbols that have no target; a symbol that is absent is its own asset id. `rebalances` False
    makes it a session between two rebalances: orders are considered and none is sent.
    `order_rules` is what the broker accepts, `traits` what it says of single symbols, `account`
    what it says of the account before any order of the plan is sent, `open_sides`
    the sides of orders that are open there already, `held_shares` how many shares of a position
    (positive) those of them hold that would reduce it. With `refusals` the plan is refused for
    those, whatever else is in it. `risk` are limits on what the book may become,
    None for none; `peak_equity` is the highest equity before, scaled by flows (money, 0 where there
    was none).
    """

    targets: TargetPortfolio
    prices: PriceSnapshot
    positions: Mapping[str, Decimal]
    cash: Decimal
    portfolio_id: str
    revision: int
    planning: PlanningPolicy
    limits: LimitPolicy
    commission: CommissionPolicy
    allow_short: bool
    asset_ids: Mapping[str, str]
    rebalances: bool = True
    order_rules: BrokerRules = PERMISSIVE
    traits: Mapping[str, InstrumentTraits] = {}
    account: AccountTraits = _ANY_ACCOUNT
    open_sides: Mapping[str, frozenset[Side]] = {}
    held_shares: Mapping[str, Decimal] = {}
    refusals: tuple[PlanRefusal, ...] = ()
    risk: RiskLimits | None = None
    peak_equity: Decimal = ZERO

    @property
    def order_minimum(self) -> Decimal:
        """The least money that an order may be worth: the portfolio's rule or the broker's."""
        return max(self.planning.min_order_notional, self.order_rules.minimum_value)


class OpeningBook(msgspec.Struct, frozen=True, kw_only=True):
    """The opening book at plan prices.

    `equity` is cash plus positions, each valued to the cent; `short_value` the money (positive)
    that buying back all shorts takes; `instruments` are sorted by symbol. The roundings are the
    money by which cents may move equity when a plan is filled: `valuation_rounding` the cents of
    valued positions, `commission_rounding` those of each order's commission.
    """

    inputs: PlanInputs
    instruments: tuple[Instrument, ...]
    equity: Decimal
    short_value: Decimal
    valuation_rounding: Decimal
    commission_rounding: Decimal


def instruments_of(inputs: PlanInputs) -> tuple[Instrument, ...]:
    """Every instrument held or targeted, sorted by symbol; empty where there is none.

    A price that is not positive counts as missing. Raises InputError where two target rows share
    a symbol.
    """
    targets = {target.symbol: target for target in inputs.targets.weights}
    if len(targets) < len(inputs.targets.weights):
        symbols = [target.symbol for target in inputs.targets.weights]
        raise InputError(
            file="consolidated targets",
            value=sorted({symbol for symbol in symbols if symbols.count(symbol) > 1}),
            rule="a symbol has more than one target",
            remedy="Map one asset id to each symbol",
        )
    held = {symbol for symbol, quantity in inputs.positions.items() if quantity != 0}
    instruments = []
    for symbol in sorted(held | targets.keys()):
        target = targets.get(symbol)
        found = inputs.prices.prices.get(symbol)
        if found is not None and found.price <= 0:
            found = None
        contributions = () if target is None else target.contributions
        instruments.append(
            Instrument(
                asset_id=target.asset_id if target else inputs.asset_ids.get(symbol, symbol),
                symbol=symbol,
                price=None if found is None else found.price,
                price_session=None if found is None else found.session,
                unusable=_unusable(found, inputs.limits),
                deviation=_deviation(found),
                current=inputs.positions.get(symbol, ZERO),
                weight=ZERO if target is None else target.weight,
                contributions=tuple(
                    sorted(contributions, key=lambda part: (part.strategy_id, part.weight))
                ),
                traits=inputs.traits.get(symbol, _ANY_TRAITS),
            )
        )
    return tuple(instruments)


def _unusable(price: Price | None, limits: LimitPolicy) -> PlanReason | None:
    if price is None:
        return PlanReason.MISSING_PRICE
    return PlanReason.STALE_PRICE if price.age_sessions > limits.max_price_age_sessions else None


def _deviation(price: Price | None) -> Decimal | None:
    if price is None or price.reference_price is None or price.reference_price <= 0:
        return None
    return abs(price.price / price.reference_price - ONE)


def valued(inputs: PlanInputs, instruments: tuple[Instrument, ...]) -> OpeningBook:
    """The book at plan prices, stale ones included; every held instrument must have a price."""
    equity = inputs.cash
    short_value = ZERO
    inexact = 0
    for instrument in instruments:
        if instrument.price is None:
            continue
        value = notional(instrument.current, instrument.price)
        equity += value
        if value < 0:
            short_value -= value
        if not _is_exact_in_cents(instrument, instrument.price, inputs.planning):
            inexact += 1
    return OpeningBook(
        inputs=inputs,
        instruments=instruments,
        equity=equity,
        short_value=short_value,
        valuation_rounding=CENT * inexact,
        commission_rounding=CENT * len(instruments) if _is_charged(inputs.commission) else ZERO,
    )


def _is_exact_in_cents(instrument: Instrument, price: Decimal, planning: PlanningPolicy) -> bool:
    current = instrument.current
    whole = current == current.to_integral_value() and not (
        planning.fractional and instrument.weight > 0
    )
    return whole and price == money(price)


def _is_charged(policy: CommissionPolicy) -> bool:
    return bool(policy.per_order or policy.per_share or policy.bps or policy.minimum)
