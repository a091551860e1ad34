"""Orders that are open at the account and that this book never intended: placed by hand, or by
another program.

They are nobody's mistake, and what they do is booked when they trade. Until then they stand in the
way: where a broker takes one side at a time, of their symbol nothing is traded on the other side;
shares under them cannot be sold twice; buying power that they take is not used. The planner keeps
to that (`portfolio/limits.py`), and whoever looks is told of each.
"""

from __future__ import annotations

from trading_assets.brokers.base import Broker
from trading_assets.execution.book import Book
from trading_assets.model.account import Answer, BrokerOrder, Known, Unknown
from trading_assets.model.money import plain
from trading_assets.model.order import Side


def foreign_orders(broker: Broker, book: Book) -> Answer[tuple[BrokerOrder, ...]]:
    """What is open at the broker and in no order of the book, oldest first."""
    answer = broker.open_orders()
    if isinstance(answer, Unknown):
        return answer
    known = book.fold.orders
    return Known(
        tuple(one for one in answer.value if known.get(one.request.client_order_id) is None)
    )


def foreign_order_notice(order: BrokerOrder, *, one_side_only: bool) -> str:
    """One open order and what it stops, as a sentence for a person."""
    asked = order.request
    shares = plain(asked.quantity) if asked.quantity else "an amount of"
    terms = [asked.order_type.value]
    terms += [f"limit {plain(asked.limit_price)}"] if asked.limit_price is not None else []
    terms += [f"stop {plain(asked.stop_price)}"] if asked.stop_price is not None else []
    terms += [asked.time_in_force.value]
    if order.filled_quantity:
        terms.append(f"{plain(order.filled_quantity)} filled")
    buys = asked.side is Side.BUY
    stops = (
        ["buying power under it is not used"] if buys else ["shares under it are not sold again"]
    )
    if one_side_only:
        other = "sale" if buys else "purchase"
        stops.insert(0, f"no {other} of {asked.symbol} is planned while it is open")
    return (
        f"{asked.side.value} {shares} {asked.symbol} ({', '.join(terms)}; order "
        f"{order.broker_order_id}): {', '.join(stops)}."
    )
