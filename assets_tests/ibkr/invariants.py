"""What must hold at the gateway whatever went wrong on the way to it."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal

from assets_tests.ibkr.account import GatewayAccount


def violations(account: GatewayAccount) -> list[str]:
    """Every invariant that does not hold, in words; empty when all is well.

    The gateway takes any number of orders under one reference; the client must not send them.
    """
    with account.lock:
        return [*_doubled(account), *_orders(account), *_positions(account), *_cash(account)]


def _doubled(account: GatewayAccount) -> list[str]:
    ours = [order for order in account.orders if order.order_id]
    by_ref: dict[str, int] = defaultdict(int)
    for order in ours:
        by_ref[order.order_ref] += 1
    return [f"{count} orders under {ref!r}" for ref, count in by_ref.items() if count > 1] + [
        f"order {order.perm_id} came without a reference" for order in ours if not order.order_ref
    ]


def _orders(account: GatewayAccount) -> list[str]:
    return [
        f"order {order.perm_id} filled {order.filled} of {order.quantity}"
        for order in account.orders
        if order.filled > order.quantity
    ]


def _positions(account: GatewayAccount) -> list[str]:
    shares: dict[str, Decimal] = defaultdict(Decimal)
    for each in account.executions:
        shares[each.order.listing.symbol] += each.order.sign * each.quantity
    return [
        f"position of {symbol} is {account.quantity(symbol)}, its executions add up to {total}"
        for symbol, total in shares.items()
        if account.quantity(symbol) != total
    ]


def _cash(account: GatewayAccount) -> list[str]:
    expected = defaultdict(Decimal, account.paid_in)
    for each in account.executions:
        listing = each.order.listing
        paid = each.order.sign * each.quantity * listing.money(each.price)
        expected[listing.currency] -= paid + each.commission
    return [
        f"cash is {account.cash.get(name)} {name}, its executions leave {amount}"
        for name, amount in expected.items()
        if account.cash.get(name) != amount
    ]
