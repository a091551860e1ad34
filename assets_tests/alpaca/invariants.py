"""What must hold at the broker whatever went wrong on the way to it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from decimal import Decimal

from assets_tests.alpaca.account import BrokerAccount
from assets_tests.alpaca.orders import BrokerOrder

IntentOf = Callable[[BrokerOrder], str]


def by_client_id(order: BrokerOrder) -> str:
    """Each client order id is an intent of its own."""
    return order.client_order_id


def live_orders(
    account: BrokerAccount, intent_of: IntentOf = by_client_id
) -> dict[str, list[BrokerOrder]]:
    """Orders that are open or executed something, by the intent that they carry out.

    Orders placed by hand, legs and those that a replacement took the place of are left out.
    `intent_of` maps an order to what the client wanted, e.g. its symbol and side where a session
    wants at most one order of each; with the default no duplicate can be seen but an order that
    was sent without an id.
    """
    found: dict[str, list[BrokerOrder]] = defaultdict(list)
    for order in account.orders.values():
        ours = not order.foreign and order.parent is None and order.replaced_by is None
        if ours and (order.is_open or order.filled):
            found[intent_of(order)].append(order)
    return dict(found)


def violations(account: BrokerAccount, intent_of: IntentOf = by_client_id) -> list[str]:
    """Every invariant that does not hold, in words; empty when all is well."""
    with account.lock:
        return [
            *_doubled_intents(account, intent_of),
            *_anonymous_orders(account),
            *_orders_and_fills(account),
            *_holdings_and_activities(account),
        ]


def _doubled_intents(account: BrokerAccount, intent_of: IntentOf) -> list[str]:
    return [
        f"intent {intent} has {len(orders)} live orders: "
        + ", ".join(f"{order.client_order_id} ({order.status})" for order in orders)
        for intent, orders in live_orders(account, intent_of).items()
        if len(orders) > 1
    ]


def _anonymous_orders(account: BrokerAccount) -> list[str]:
    return [
        f"order {order.id} of {order.symbol} came without a client order id"
        for order in account.orders.values()
        if not (order.client_id_given or order.foreign or order.parent or order.replaces)
    ]


def _orders_and_fills(account: BrokerAccount) -> list[str]:
    executed: dict[str, Decimal] = defaultdict(Decimal)
    for activity in account.activities:
        if activity.is_fill:
            executed[str(activity.row["order_id"])] += Decimal(str(activity.row["qty"]))
    broken = []
    for order in account.orders.values():
        before = account.orders[order.replaces].filled if order.replaces else Decimal(0)
        own = order.filled - before
        if order.replaced_by is None and own != executed[order.id]:
            broken.append(
                f"order {order.id} filled {own}, its fills add up to {executed[order.id]}"
            )
        if order.quantity is not None and order.filled > order.quantity:
            broken.append(f"order {order.id} filled {order.filled} of {order.quantity}")
    return broken


def _holdings_and_activities(account: BrokerAccount) -> list[str]:
    shares: dict[str, Decimal] = defaultdict(Decimal)
    for activity in account.activities:
        quantity = Decimal(str(activity.row.get("qty", 0)))
        if activity.is_fill:
            sign = 1 if activity.row["side"] == "buy" else -1
            shares[str(activity.row["symbol"])] += sign * quantity
        elif activity.type in ("SPLIT", "MA"):
            shares[str(activity.row["symbol"])] += quantity
    broken = [
        f"position of {symbol} is {account.quantity(symbol)}, its activities add up to {total}"
        for symbol, total in shares.items()
        if account.quantity(symbol) != total
    ]
    amounts = sum((activity.amount for activity in account.activities), Decimal(0))
    if account.holdings.cash != account.initial_cash + amounts:
        expected = account.initial_cash + amounts
        broken.append(f"cash is {account.holdings.cash}, its activities add up to {expected}")
    return broken
