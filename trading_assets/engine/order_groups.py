"""Orders that belong together: a bracket's legs, orders that cancel each other, and what a split
makes of all of them. The assumptions are those of `matching.py`.
"""

from __future__ import annotations

from typing import Protocol

from trading_assets.engine.orders import (
    DAY,
    GTC,
    IS_TERMINAL,
    LIMIT,
    MARKET,
    STOP,
    OrderGroup,
    WorkingOrder,
)
from trading_assets.engine.rules import FillPrice
from trading_assets.engine.scaled import Scale, halves_to_even


class OrderPlace(Protocol):
    """What is needed of the exchange here."""

    scale: Scale
    fill_price: FillPrice
    working: list[WorkingOrder]

    def new_number(self) -> int:
        """The next order's number."""

    def place_order(self, order: WorkingOrder, place: int) -> None:
        """Take an order that follows from another."""

    def cancel(self, order: WorkingOrder, place: int, reason: str) -> None:
        """Take the rest of an order back."""


def reduce_group(
    exchange: OrderPlace, order: WorkingOrder, group: OrderGroup, quantity: int, place: int
) -> None:
    """Assumption 9: what `order` has traded, the others of its group no longer can."""
    group.open_quantity -= quantity
    if group.open_quantity > 0:
        return
    entry = group.entry
    if entry is not None and not IS_TERMINAL[entry.status]:
        return
    for other in group.orders:
        if other is not order:
            exchange.cancel(other, place, f"order {order.number} of its group has traded")
    exchange.cancel(order, place, "nothing is left of its group")


def open_legs(
    exchange: OrderPlace, entry: WorkingOrder, place: int, quantity: int, close: int | None
) -> WorkingOrder | None:
    """Assumption 7: the legs of a bracket begin to work, or grow with another partial fill.

    `close` is that of the bar (1e-8) for an entry that traded within it, None for one at its open.
    Returns the leg that this close is beyond, which trades at its own price.
    """
    group = entry.legs
    if group is None:
        group = entry.legs = OrderGroup(entry.number, 0, entry, [])
    is_first = not group.orders
    group.open_quantity += quantity
    for kind, price in ((STOP, entry.stop_loss), (LIMIT, entry.take_profit)):
        if not price:
            continue
        last = next((leg for leg in reversed(group.orders) if leg.kind == kind), None)
        if last is not None and not IS_TERMINAL[last.status]:
            last.quantity += quantity
        elif last is None or last.remaining == 0:
            # One that has traded all there was is followed by another, one taken back is not.
            leg = _leg(exchange, entry, kind, price, quantity, place)
            leg.works_from = place if close is None else place + 1
            if last is not None:
                leg.key = f"{leg.key}/{leg.number}"
            exchange.place_order(leg, place)
    if not is_first:
        return None
    at_close = exchange.fill_price in (FillPrice.CLOSE, FillPrice.NEXT_CLOSE)
    if close is None or (at_close and entry.kind == MARKET):
        return None
    return next((leg for leg in group.orders if _is_passed(leg, close)), None)


def _leg(
    exchange: OrderPlace, entry: WorkingOrder, kind: int, price: int, quantity: int, place: int
) -> WorkingOrder:
    return WorkingOrder(
        exchange.new_number(),
        entry.strategy,
        entry.symbol,
        -entry.sign,
        quantity,
        kind,
        GTC if entry.time_in_force == GTC else DAY,
        place,
        expires=entry.expires,
        opens=False,
        limit=price if kind == LIMIT else 0,
        stop=price if kind == STOP else 0,
        group=entry.legs,
        signal=entry.signal,
        key=f"{entry.key}/{'stop_loss' if kind == STOP else 'take_profit'}",
    )


def _is_passed(leg: WorkingOrder, close: int) -> bool:
    if leg.kind == STOP:
        return (close - leg.stop) * leg.sign >= 0
    return (leg.limit - close) * leg.sign >= 0


def withdraw_for_split(
    exchange: OrderPlace, symbol: int, place: int, ratio: tuple[int, int]
) -> list[WorkingOrder]:
    """Assumption 14: each working order of the symbol is canceled, and another is to take its place
    with the quantity (cut to the step) and prices of after the split. `ratio` is (new, old)
    shares."""
    replacing = []
    groups: dict[int, OrderGroup] = {}
    for order in [one for one in exchange.working if one.symbol == symbol]:
        if IS_TERMINAL[order.status]:
            continue
        exchange.cancel(order, place, f"replaced: split {ratio[0]}:{ratio[1]}")
        quantity = _split_quantity(order.remaining, ratio, exchange.scale)
        if quantity > 0:
            group = order.group
            if group is not None and group.number not in groups:
                left = _split_quantity(group.open_quantity, ratio, exchange.scale)
                groups[group.number] = OrderGroup(group.number, left, group.entry, [])
            other = _after_split(order, exchange.new_number(), quantity, ratio)
            other.group = None if group is None else groups[group.number]
            replacing.append(other)
    return replacing


def _split_quantity(units: int, ratio: tuple[int, int], scale: Scale) -> int:
    split = units * ratio[0] // ratio[1]
    return split - split % scale.step


def _after_split(
    order: WorkingOrder, number: int, quantity: int, ratio: tuple[int, int]
) -> WorkingOrder:
    def price(units: int) -> int:
        return halves_to_even(units * ratio[1], ratio[0])

    return WorkingOrder(
        number,
        order.strategy,
        order.symbol,
        order.sign,
        quantity,
        order.kind,
        order.time_in_force,
        order.placed,
        expires=order.expires,
        opens=order.opens,
        limit=price(order.limit),
        stop=price(order.stop),
        triggered=order.triggered,
        take_profit=price(order.take_profit),
        stop_loss=price(order.stop_loss),
        works_from=order.works_from,
        signal=order.signal,
        key=order.key,
        reason=f"in place of order {order.number}",
    )
