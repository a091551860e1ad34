"""The account's activities: fills and everything else that moved cash or shares."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from assets_tests.alpaca.clock import NEW_YORK, stamp
from assets_tests.alpaca.order_ask import INVALID, RefusalError
from assets_tests.alpaca.orders import BrokerOrder, text

PAGE_LIMIT = 100
TRANSFERS = ("CSD", "CSW")


@dataclass(frozen=True)
class Activity:
    """One row. Rows are ordered by id, whose first part is a time.

    A fill's is the time of the execution. Anything else carries the midnight of its date, so a
    fee booked in the evening stands before the day's fills, as the broker has it.
    """

    id: str
    type: str
    at: dt.datetime
    row: dict[str, object]
    amount: Decimal

    @property
    def is_fill(self) -> bool:
        """Whether it is an execution."""
        return self.type == "FILL"


def fill_activity(
    order: BrokerOrder, execution_id: str, quantity: Decimal, price: Decimal, at: dt.datetime
) -> Activity:
    """The row of one execution, made after the order has taken it in."""
    leaves = order.leaves if order.leaves is not None else Decimal(0)
    done = order.status == "filled"
    row_id = f"{at.astimezone(NEW_YORK).strftime('%Y%m%d%H%M%S%f')[:17]}::{execution_id}"
    row: dict[str, object] = {
        "id": row_id,
        "activity_type": "FILL",
        "transaction_time": stamp(at),
        "type": "fill" if done else "partial_fill",
        "price": text(price),
        "qty": text(quantity),
        "side": order.side,
        "symbol": order.symbol,
        "leaves_qty": text(leaves),
        "order_id": order.id,
        "cum_qty": text(order.filled),
        "order_status": "filled" if done else "partially_filled",
    }
    return Activity(row_id, "FILL", at, row, -quantity * price * (1 if order.is_buy else -1))


def cash_activity(
    kind: str,
    day: dt.date,
    amount: Decimal,
    row_id: str,
    at: dt.datetime,
    details: dict[str, str | None],
) -> Activity:
    """The row of anything but a fill; `amount` in USD, positive to the account."""
    full_id = f"{day:%Y%m%d}000000000::{row_id}"
    row: dict[str, object] = {
        "id": full_id,
        "activity_type": kind,
        "date": day.isoformat(),
        "created_at": stamp(at),
        "net_amount": text(amount),
        "currency": "USD",
        "description": "",
        "status": "executed",
    }
    row.update({name: value for name, value in details.items() if value is not None})
    return Activity(full_id, kind, at, row, amount)


def page(activities: Sequence[Activity], query: dict[str, str]) -> list[dict[str, object]]:
    """The rows that a request's parameters ask for; at most 100, after the page token."""
    direction = query.get("direction", "desc")
    size = _size(query.get("page_size"))
    wanted = _types(query.get("activity_types"))
    category = query.get("category")
    if wanted is not None and category is not None:
        raise RefusalError(422, INVALID, "category cannot be used with activity_types")
    chosen = [
        activity
        for activity in sorted(activities, key=lambda activity: activity.id)
        if (wanted is None or activity.type in wanted)
        and (category is None or activity.is_fill == (category == "trade_activity"))
        and _in_time(activity, query)
    ]
    if direction == "desc":
        chosen.reverse()
    token = query.get("page_token")
    if token:
        ascending = direction == "asc"
        chosen = [a for a in chosen if (a.id > token if ascending else a.id < token)]
    return [dict(activity.row) for activity in chosen[:size]]


def _types(names: str | None) -> set[str] | None:
    if not names:
        return None
    wanted = set(names.split(","))
    return wanted | set(TRANSFERS) if "TRANS" in wanted else wanted


def _size(given: str | None) -> int:
    size = int(given) if given and given.isdigit() else PAGE_LIMIT
    if not 1 <= size <= PAGE_LIMIT:
        raise RefusalError(422, INVALID, f"page_size must be between 1 and {PAGE_LIMIT}")
    return size


def _in_time(activity: Activity, query: dict[str, str]) -> bool:
    """`date` is the day in UTC on which the row was made; `after` and `until` exclude their own."""
    date, after, until = query.get("date"), query.get("after"), query.get("until")
    if date and activity.at.date() != moment(date).date():
        return False
    if after and activity.at <= moment(after):
        return False
    return not (until and activity.at >= moment(until))


def moment(given: str) -> dt.datetime:
    """A date or time of the query; midnight and UTC where it says neither."""
    try:
        # A "+" that the client did not escape arrives as a space.
        parsed = dt.datetime.fromisoformat(given.replace(" ", "+").replace("Z", "+00:00"))
    except ValueError:
        raise RefusalError(422, INVALID, f"invalid time: {given}") from None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=dt.UTC)
