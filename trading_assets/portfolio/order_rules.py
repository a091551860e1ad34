"""What a broker accepts: one table for each broker, and the one function that judges an order.

A plan has to be legal before it is sent, and a rule that turns out to be other than documented
has to be one edit. So the facts stand in `ALPACA` and `IBKR` alone; nothing else in the product
knows them.
`PERMISSIVE` is what the simulated broker takes.

What an account can pay for is judged for all orders together, by `buying_power.py`. What only the
broker can know (a halted symbol) is not here: it answers that with a rejection.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from enum import StrEnum

import msgspec

from trading_assets.model.money import CENT, ONE, ZERO, plain
from trading_assets.model.order import OrderRequest, OrderType, PositionEffect, Side, TimeInForce


class OrderRule(StrEnum):
    """The rules, by the names under which a violation is reported."""

    NOT_TRADABLE = "NOT_TRADABLE"
    ORDER_TYPE = "ORDER_TYPE"
    TIME_IN_FORCE = "TIME_IN_FORCE"
    QUANTITY_DECIMALS = "QUANTITY_DECIMALS"
    FRACTION_NOT_ALLOWED = "FRACTION_NOT_ALLOWED"
    BROKER_MINIMUM = "BROKER_MINIMUM"
    PRICE_MISSING = "PRICE_MISSING"
    PRICE_INCREMENT = "PRICE_INCREMENT"
    BRACKET_PRICES = "BRACKET_PRICES"
    CROSSES_ZERO = "CROSSES_ZERO"
    SHARES_HELD = "SHARES_HELD"
    NOT_SHORTABLE = "NOT_SHORTABLE"
    SHORT_EQUITY = "SHORT_EQUITY"
    OPPOSITE_ORDER_OPEN = "OPPOSITE_ORDER_OPEN"
    CLIENT_ORDER_ID = "CLIENT_ORDER_ID"


class Violation(msgspec.Struct, frozen=True, kw_only=True):
    """A rule that an order breaks, with the value found and the value allowed, in words."""

    rule: OrderRule
    message: str
    actual: str
    allowed: str


class InstrumentTraits(msgspec.Struct, frozen=True, kw_only=True):
    """What a broker says of one instrument; without its word, everything is allowed."""

    tradable: bool = True
    fractionable: bool = True
    shortable: bool = True
    easy_to_borrow: bool = True


class AccountTraits(msgspec.Struct, frozen=True, kw_only=True):
    """What a broker says of the account; without its word, everything is allowed.

    `buying_power` is money, net of what is open, None where orders are not held to one;
    `multiplier` how many times equity it is made of, None where the broker does not say.
    """

    buying_power: Decimal | None = None
    multiplier: Decimal | None = None
    may_short: bool = True


class BuyingPowerRules(msgspec.Struct, frozen=True, kw_only=True):
    """How orders that open or extend a position count against the buying power of the account.

    A share counts at the ask plus `purchase_margin` or `short_margin` (fractions of it); one that
    is ordered with a limit at that, a short at the higher of both. What closes a position takes
    none and gives its value back once it is filled, unless the multiplier is above
    `proceeds_multiplier`.
    """

    purchase_margin: Decimal
    short_margin: Decimal
    proceeds_multiplier: Decimal

    def counted_price(self, side: Side, ask: Decimal, limit: Decimal | None = None) -> Decimal:
        """Money that one share of an opening order takes; `ask` is what it is offered at."""
        if side is Side.BUY:
            return ask * (ONE + self.purchase_margin) if limit is None else limit
        return max(limit or ZERO, ask * (ONE + self.short_margin))

    def proceeds_count(self, multiplier: Decimal | None) -> bool:
        """Whether closing orders that are filled add to the buying power of the same day."""
        return multiplier is not None and multiplier <= self.proceeds_multiplier


class PriceIncrement(msgspec.Struct, frozen=True):
    """The finest step of a price from `from_price` (money per share) on."""

    from_price: Decimal
    step: Decimal


class BrokerRules(msgspec.Struct, frozen=True, kw_only=True):
    """What one broker accepts.

    `times_in_force` has an entry for every order type that it takes. `fractional_types` and
    `fractional_times` say how a quantity that is not whole may be ordered. `increments` descend by
    price, none means any price. `minimum_value` is the least money an order may be worth,
    `short_equity` the least equity of an account that may sell short. `bracket_distance` is what a
    bracket's legs must keep from the entry, money per share. With `one_side_only` no order may be
    sent while a simple one on the other side is open on the symbol. With `holds_shares` what an
    open order may sell no other one may. `buying_power` says how orders count against it, None
    where nothing is known of that.
    """

    broker: str
    times_in_force: Mapping[OrderType, frozenset[TimeInForce]]
    quantity_decimals: int
    fractional_types: frozenset[OrderType]
    fractional_times: frozenset[TimeInForce]
    fractional_shorts: bool
    increments: tuple[PriceIncrement, ...]
    minimum_value: Decimal
    short_equity: Decimal
    shorts_must_be_borrowable: bool
    bracket_distance: Decimal
    one_side_only: bool
    holds_shares: bool
    client_order_id_max: int
    buying_power: BuyingPowerRules | None = None

    def step_at(self, price: Decimal) -> Decimal | None:
        """The finest step of a price of `price` money per share; None where any is taken."""
        for increment in self.increments:
            if price >= increment.from_price:
                return increment.step
        return None


_DAY, _GTC = TimeInForce.DAY, TimeInForce.GTC
_IOC, _FOK = TimeInForce.IOC, TimeInForce.FOK
_OPEN, _CLOSE = TimeInForce.AT_OPEN, TimeInForce.AT_CLOSE
_ANY_TIME = frozenset(TimeInForce)

PERMISSIVE = BrokerRules(
    broker="simulated",
    times_in_force=dict.fromkeys(OrderType, _ANY_TIME),
    quantity_decimals=9,
    fractional_types=frozenset(OrderType),
    fractional_times=_ANY_TIME,
    fractional_shorts=True,
    increments=(),
    minimum_value=ZERO,
    short_equity=ZERO,
    shorts_must_be_borrowable=False,
    bracket_distance=ZERO,
    one_side_only=False,
    holds_shares=False,
    client_order_id_max=128,
)

ALPACA = BrokerRules(
    broker="alpaca",
    times_in_force={
        OrderType.MARKET: frozenset({_DAY, _GTC, _IOC, _FOK, _OPEN, _CLOSE}),
        OrderType.LIMIT: frozenset({_DAY, _GTC, _IOC, _FOK, _OPEN, _CLOSE}),
        OrderType.STOP: frozenset({_DAY, _GTC}),
        OrderType.STOP_LIMIT: frozenset({_DAY, _GTC}),
        OrderType.BRACKET: frozenset({_DAY, _GTC}),
    },
    quantity_decimals=9,
    fractional_types=frozenset(
        {OrderType.MARKET, OrderType.LIMIT, OrderType.STOP, OrderType.STOP_LIMIT}
    ),
    fractional_times=frozenset({_DAY}),
    fractional_shorts=False,
    increments=(
        PriceIncrement(Decimal(1), Decimal("0.01")),
        PriceIncrement(Decimal(0), Decimal("0.0001")),
    ),
    minimum_value=Decimal(1),
    short_equity=Decimal(2000),
    shorts_must_be_borrowable=True,
    bracket_distance=CENT,
    one_side_only=True,
    holds_shares=True,
    client_order_id_max=128,
    buying_power=BuyingPowerRules(
        # Assumed. Documented is that a market purchase is checked at the far side of the quote, the
        # ask [1], and that most market orders are turned into limit orders 5 % beyond it [2]. That
        # the check counts this limit stood in the documentation of before, which had it at 2.5 to
        # 4 % [3]; nothing takes it back. At 5 % no order is refused whichever holds.
        # [1] docs.alpaca.markets/docs/orders-at-alpaca
        # [2] alpaca.markets/support/why-do-i-see-a-discrepancy-between-the-notional-value-
        #     requested-and-the-order-value-ultimately-filled
        # [3] alpaca.markets/deprecated/docs/trading-on-alpaca/orders
        purchase_margin=Decimal("0.05"),
        # Documented [1].
        short_margin=Decimal("0.03"),
        # At 4 it is made of the last close's equity and margin, which no trade of the day changes.
        proceeds_multiplier=Decimal(2),
    ),
)

IBKR = BrokerRules(
    broker="Interactive Brokers",
    times_in_force={
        OrderType.MARKET: frozenset({_DAY, _GTC, _IOC, _FOK, _OPEN}),
        OrderType.LIMIT: frozenset({_DAY, _GTC, _IOC, _FOK, _OPEN}),
        OrderType.STOP: frozenset({_DAY, _GTC}),
        OrderType.STOP_LIMIT: frozenset({_DAY, _GTC}),
    },
    # Fractions are refused over the programming interface (error 10243).
    quantity_decimals=0,
    fractional_types=frozenset(),
    fractional_times=frozenset(),
    fractional_shorts=False,
    # Each contract has steps of its own; the broker refuses what is not on one.
    increments=(),
    minimum_value=ZERO,
    short_equity=ZERO,
    shorts_must_be_borrowable=False,
    bracket_distance=ZERO,
    one_side_only=False,
    holds_shares=False,
    client_order_id_max=128,
)


class OrderSituation(msgspec.Struct, frozen=True, kw_only=True):
    """What an order is judged against.

    `price` is what a share is thought to cost; `position` the signed shares held, `held_shares` how
    many of them (positive) open orders hold that would reduce it; `equity` money. `open_sides` are
    the sides of simple orders that are open on the symbol, `may_short` is the account's trait.
    """

    price: Decimal
    position: Decimal
    equity: Decimal
    traits: InstrumentTraits = InstrumentTraits()
    open_sides: frozenset[Side] = frozenset()
    held_shares: Decimal = ZERO
    may_short: bool = True


def violations(
    order: OrderRequest, situation: OrderSituation, rules: BrokerRules
) -> tuple[Violation, ...]:
    """Every rule of `rules` that `order` breaks, in the order in which they are listed; none
    where the broker should take it."""
    return tuple(
        violation
        for judge in (_form, _quantity, _prices, _holding)
        for violation in judge(order, situation, rules)
    )


def _form(
    order: OrderRequest, situation: OrderSituation, rules: BrokerRules
) -> Iterator[Violation]:
    if not situation.traits.tradable:
        yield _broken(OrderRule.NOT_TRADABLE, f"{order.symbol} is not tradable", "", "")
    if len(order.client_order_id) > rules.client_order_id_max:
        yield _broken(
            OrderRule.CLIENT_ORDER_ID,
            "the client order id is too long",
            f"{len(order.client_order_id)} characters",
            f"at most {rules.client_order_id_max}",
        )
    times = rules.times_in_force.get(order.order_type)
    if times is None:
        yield _broken(
            OrderRule.ORDER_TYPE,
            f"{rules.broker} takes no such order",
            order.order_type.value,
            ", ".join(sorted(rules.times_in_force)),
        )
    elif order.time_in_force not in times:
        yield _broken(
            OrderRule.TIME_IN_FORCE,
            f"not for {order.order_type.value} orders",
            order.time_in_force.value,
            ", ".join(sorted(times)),
        )


def _quantity(
    order: OrderRequest, situation: OrderSituation, rules: BrokerRules
) -> Iterator[Violation]:
    quantity = order.quantity
    if quantity != round(quantity, rules.quantity_decimals):
        yield _broken(
            OrderRule.QUANTITY_DECIMALS,
            "the quantity has too many decimals",
            plain(quantity),
            f"at most {rules.quantity_decimals} decimals",
        )
    if quantity != quantity.to_integral_value():
        allowed = _fraction_rule(order, situation, rules)
        if allowed:
            yield _broken(
                OrderRule.FRACTION_NOT_ALLOWED, "not a whole number", plain(quantity), allowed
            )
    price = order.limit_price or order.stop_price or situation.price
    if quantity * price < rules.minimum_value:
        yield _broken(
            OrderRule.BROKER_MINIMUM,
            f"worth less than {rules.broker} takes",
            plain(quantity * price),
            f"at least {plain(rules.minimum_value)}",
        )


def _fraction_rule(order: OrderRequest, situation: OrderSituation, rules: BrokerRules) -> str:
    """The rule that a fraction of a share breaks here; empty where it may be ordered."""
    if not situation.traits.fractionable:
        return f"whole shares of {order.symbol}"
    if order.order_type not in rules.fractional_types:
        return f"whole shares for {order.order_type.value} orders"
    if order.time_in_force not in rules.fractional_times:
        return f"whole shares unless {', '.join(sorted(rules.fractional_times))}"
    if _opens_short(order) and not rules.fractional_shorts:
        return "whole shares for a short"
    return ""


_NEEDED_PRICES: Mapping[OrderType, tuple[str, ...]] = {
    OrderType.LIMIT: ("limit_price",),
    OrderType.STOP: ("stop_price",),
    OrderType.STOP_LIMIT: ("limit_price", "stop_price"),
    OrderType.BRACKET: ("take_profit_price", "stop_loss_price"),
}
_PRICES = ("limit_price", "stop_price", "take_profit_price", "stop_loss_price")


def _prices(
    order: OrderRequest, situation: OrderSituation, rules: BrokerRules
) -> Iterator[Violation]:
    given: dict[str, Decimal | None] = {name: getattr(order, name) for name in _PRICES}
    missing = [name for name in _NEEDED_PRICES.get(order.order_type, ()) if given[name] is None]
    if missing:
        yield _broken(
            OrderRule.PRICE_MISSING,
            f"a {order.order_type.value} order names it",
            "none",
            ", ".join(missing),
        )
    for name, price in given.items():
        step = None if price is None else rules.step_at(price)
        if price is not None and step is not None and price % step:
            yield _broken(
                OrderRule.PRICE_INCREMENT,
                f"{name} is between two steps",
                plain(price),
                f"multiples of {plain(step)}",
            )
    profit, stop = order.take_profit_price, order.stop_loss_price
    if order.order_type is OrderType.BRACKET and profit is not None and stop is not None:
        base = order.limit_price or situation.price
        sign, distance = order.side.sign, rules.bracket_distance
        if sign * (profit - base) < distance or sign * (base - stop) < distance:
            yield _broken(
                OrderRule.BRACKET_PRICES,
                "the legs must stand on either side of the entry",
                f"take-profit {plain(profit)}, stop-loss {plain(stop)}, entry {plain(base)}",
                f"{plain(distance)} away from it",
            )


def _holding(
    order: OrderRequest, situation: OrderSituation, rules: BrokerRules
) -> Iterator[Violation]:
    after = situation.position + order.side.sign * order.quantity
    if situation.position * after < 0:
        yield _broken(
            OrderRule.CROSSES_ZERO,
            "one order cannot close a position and open the other side",
            plain(order.quantity),
            f"at most {plain(abs(situation.position))}",
        )
    elif rules.holds_shares and situation.position * order.side.sign < 0:
        available = max(abs(situation.position) - situation.held_shares, ZERO)
        if order.quantity > available:
            yield _broken(
                OrderRule.SHARES_HELD,
                "other orders that are open hold the shares",
                plain(order.quantity),
                f"at most {plain(available)}",
            )
    if _opens_short(order):
        traits = situation.traits
        if not situation.may_short:
            yield _broken(OrderRule.NOT_SHORTABLE, "the account may not sell short", "", "")
        borrowable = traits.shortable and traits.easy_to_borrow
        if rules.shorts_must_be_borrowable and not borrowable:
            yield _broken(
                OrderRule.NOT_SHORTABLE,
                f"{order.symbol} cannot be borrowed",
                "not shortable" if not traits.shortable else "hard to borrow",
                "shortable and easy to borrow",
            )
        if situation.equity < rules.short_equity:
            yield _broken(
                OrderRule.SHORT_EQUITY,
                "too little equity to sell short",
                plain(situation.equity),
                f"at least {plain(rules.short_equity)}",
            )
    other = Side.SELL if order.side is Side.BUY else Side.BUY
    if (
        rules.one_side_only
        and order.order_type is not OrderType.BRACKET
        and other in situation.open_sides
    ):
        yield _broken(
            OrderRule.OPPOSITE_ORDER_OPEN,
            f"a {other.value} order is open on {order.symbol}",
            order.side.value,
            "one side at a time",
        )


def _opens_short(order: OrderRequest) -> bool:
    return order.side is Side.SELL and order.position_effect is PositionEffect.OPEN


def _broken(rule: OrderRule, message: str, actual: str, allowed: str) -> Violation:
    return Violation(rule=rule, message=message, actual=actual, allowed=allowed)
