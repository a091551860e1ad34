"""Margin of an account in the United States: what positions need, what may still be bought, what is
called.

Initial margin is Regulation T's (12 CFR 220.12): 50 % of the market value of a long, and for a
short 150 % of its market value, of which the proceeds of the sale are 100 %; so 50 % of equity for
both. Maintenance margin is FINRA Rule 4210(c): 25 % of the market value of longs; for a short at
$5.00 a share or more the greater of 30 % and $5.00 a share, below that the greater of 100 % and
$2.50 a share. Rule 4210(b) lends nothing to an account with less than $2,000 of equity. Brokers may
ask for more, never for less: `MarginPolicy` holds the numbers.

Amounts are money, not rounded. Equity is cash (with the proceeds of shorts, negative where
borrowed) + value of longs - value of shorts.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from decimal import ROUND_CEILING, Decimal

import msgspec

from trading_assets.model.money import ONE, ZERO, plain, quantity_step
from trading_assets.risk.policies import MarginPolicy


class MarginPosition(msgspec.Struct, frozen=True, gc=False):
    """Signed shares (negative for a short) at `price`, positive money per share."""

    symbol: str
    quantity: Decimal
    price: Decimal


class MarginRequirement(msgspec.Struct, frozen=True, gc=False):
    """Equity that a position needs to be opened (`initial`) and to be kept (`maintenance`)."""

    initial: Decimal
    maintenance: Decimal


class MarginStatement(msgspec.Struct, frozen=True, kw_only=True):
    """A margin account at one moment, in money.

    `excess` is equity less initial margin, `maintenance_excess` equity less maintenance margin;
    negative where it falls short. `buying_power` is what may be opened on the excess, never
    negative. `call` is what must be paid in, 0 where nothing is called.
    """

    equity: Decimal
    long_value: Decimal
    short_value: Decimal
    initial: Decimal
    maintenance: Decimal
    excess: Decimal
    maintenance_excess: Decimal
    buying_power: Decimal
    call: Decimal


class MarginCall(msgspec.Struct, frozen=True, kw_only=True):
    """A call as it began: the session, and equity, maintenance margin and what is called, money."""

    session: dt.date
    equity: Decimal
    maintenance: Decimal
    call: Decimal

    @property
    def message(self) -> str:
        """Session, equity, margin and call in one line."""
        return (
            f"{self.session}: equity {plain(self.equity)} is below maintenance margin "
            f"{plain(self.maintenance)}, {plain(self.call)} are called"
        )


def margin_requirement(
    quantity: Decimal, price: Decimal, policy: MarginPolicy
) -> MarginRequirement:
    """What one position of signed `quantity` at `price` needs; 0 shares need nothing."""
    if quantity >= 0:
        value = quantity * price
        return MarginRequirement(value * policy.initial_long, value * policy.maintenance_long)
    shares = -quantity
    value = shares * price
    if price < policy.low_price:
        maintenance = max(value, shares * policy.low_price_minimum)
    else:
        maintenance = max(value * policy.maintenance_short, shares * policy.short_minimum)
    # What must be kept can be more than Regulation T asks for at a low price; then it is needed
    # at once, or the position would be called when it is opened.
    return MarginRequirement(max(value * policy.initial_short, maintenance), maintenance)


def margin_statement(
    cash: Decimal, positions: Iterable[MarginPosition], policy: MarginPolicy
) -> MarginStatement:
    """The account with `cash` (see the top of this module) and `positions`, which may be none."""
    long_value = short_value = initial = maintenance = ZERO
    for position in positions:
        value = position.quantity * position.price
        if value >= 0:
            long_value += value
        else:
            short_value -= value
        needed = margin_requirement(position.quantity, position.price, policy)
        initial += needed.initial
        maintenance += needed.maintenance
    equity = cash + long_value - short_value
    return MarginStatement(
        equity=equity,
        long_value=long_value,
        short_value=short_value,
        initial=initial,
        maintenance=maintenance,
        excess=equity - initial,
        maintenance_excess=equity - maintenance,
        buying_power=buying_power(equity, initial, max(cash - short_value, ZERO), policy),
        call=max(maintenance - equity, ZERO),
    )


def buying_power(
    equity: Decimal, initial: Decimal, free_cash: Decimal, policy: MarginPolicy
) -> Decimal:
    """Value of longs that may still be opened: the equity beyond `initial` margin over the rate for
    longs. Below the minimum equity nothing is lent, and only `free_cash` can be spent."""
    if equity < policy.minimum_equity:
        return free_cash
    return max(equity - initial, ZERO) / policy.initial_long


def reductions(
    equity: Decimal, positions: Sequence[MarginPosition], policy: MarginPolicy, decimals: int
) -> tuple[tuple[MarginPosition, Decimal], ...]:
    """What to trade so that `equity` covers maintenance margin: positions and signed shares
    (negative for a sale) of at most `decimals` decimals, in the order in which they are traded;
    empty where nothing is called.

    The position with the largest maintenance margin comes first (of equals the one that is given
    first). Trading at its price changes no equity, so each share releases its maintenance margin:
    as few are traded as meet the call, all of the position where that is not enough, and then the
    next.
    """
    needed = [margin_requirement(one.quantity, one.price, policy).maintenance for one in positions]
    call = sum(needed, ZERO) - equity
    found = []
    ordered = sorted(zip(positions, needed, strict=True), key=lambda pair: -pair[1])
    for position, maintenance in ordered:
        if call <= 0 or not maintenance:
            break
        held = abs(position.quantity)
        fewest = (call * held / maintenance).quantize(quantity_step(decimals), ROUND_CEILING)
        shares = min(fewest, held)
        found.append((position, -shares if position.quantity > 0 else shares))
        call -= maintenance * shares / held
    return tuple(found)


def long_call_price(quantity: Decimal, debit: Decimal, policy: MarginPolicy) -> Decimal | None:
    """Price per share below which an account of one long, `quantity` shares with `debit` money
    borrowed, is called: debit / (quantity x (1 - maintenance)); None without shares."""
    if quantity <= 0 or policy.maintenance_long == ONE:
        return None
    return debit / (quantity * (ONE - policy.maintenance_long))
