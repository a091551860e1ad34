"""Orders at work in a backtest, and the order table in numbers.

The table is that of `model/order.py`, read once: a status and a trigger are small integers here, so
that one order and an array of a thousand move through the same table.
"""

from __future__ import annotations

import msgspec
import numpy as np
import numpy.typing as npt

from trading_assets.errors import OrderTransitionError
from trading_assets.model.order import TERMINAL, TRANSITIONS, OrderStatus, OrderTrigger

STATUSES = tuple(OrderStatus)
TRIGGERS = tuple(OrderTrigger)
_STATUS_CODE = {status: code for code, status in enumerate(STATUSES)}
_TRIGGER_CODE = {trigger: code for code, trigger in enumerate(TRIGGERS)}
IMPOSSIBLE = -1
NO_SIGNAL = 0
"""Number of the answer of an order that no strategy asked for: a margin call's."""
SIGNALED = -1
"""Stands for a trigger where a strategy gave a signal and no order changed."""

NEW = _STATUS_CODE[OrderStatus.NEW]
SUBMIT = _TRIGGER_CODE[OrderTrigger.SUBMIT]
ACCEPT = _TRIGGER_CODE[OrderTrigger.ACCEPT]
REJECT = _TRIGGER_CODE[OrderTrigger.REJECT]
FILL_PART = _TRIGGER_CODE[OrderTrigger.FILL_PART]
FILL_REST = _TRIGGER_CODE[OrderTrigger.FILL_REST]
CANCEL = _TRIGGER_CODE[OrderTrigger.CANCEL]
EXPIRE = _TRIGGER_CODE[OrderTrigger.EXPIRE]

NEXT: tuple[tuple[int, ...], ...] = tuple(
    tuple(
        _STATUS_CODE[TRANSITIONS[status][trigger]] if trigger in TRANSITIONS[status] else IMPOSSIBLE
        for trigger in TRIGGERS
    )
    for status in STATUSES
)
"""NEXT[status][trigger] → status, IMPOSSIBLE where the table has nothing."""
_NEXT_ARRAY = np.array(NEXT, dtype=np.int8)
IS_TERMINAL = tuple(status in TERMINAL for status in STATUSES)


def advanced(number: int, status: int, trigger: int) -> int:
    """Next status of order `number`, or OrderTransitionError."""
    following = NEXT[status][trigger]
    if following == IMPOSSIBLE:
        raise OrderTransitionError(
            f"order {number} is {STATUSES[status].value}: {TRIGGERS[trigger].value!r} is not "
            "possible"
        )
    return following


def advanced_array(statuses: npt.NDArray[np.int8], trigger: int) -> npt.NDArray[np.int8]:
    """Next statuses of many orders, or OrderTransitionError naming the first place."""
    following: npt.NDArray[np.int8] = _NEXT_ARRAY[statuses, trigger]
    if (following == IMPOSSIBLE).any():
        place = int(np.argmin(following))
        advanced(place, int(statuses[place]), trigger)
    return following


MARKET, LIMIT, STOP, STOP_LIMIT = range(4)
"""Kinds of orders; a bracket is an entry with a group of two."""
KIND_NAMES = ("market", "limit", "stop", "stop_limit")

DAY, GTC, IOC, FOK = range(4)
"""Times in force."""
TIME_IN_FORCE_NAMES = ("day", "gtc", "ioc", "fok")


class OrderGroup(msgspec.Struct, eq=False):
    """Orders of which only one is filled: `open_quantity` shares are left for all of them together.

    Of a bracket's legs that is what the entry has filled less what they have; `entry` is None for
    orders that a strategy grouped itself. `orders` grows as they are placed.
    """

    number: int
    open_quantity: int
    entry: WorkingOrder | None = None
    orders: list[WorkingOrder] = []


class WorkingOrder(msgspec.Struct, eq=False):
    """An order at the simulated exchange; quantities in share units, prices in 1e-8, 0 for none.

    `strategy` and `symbol` are indices, `sign` +1 for a buy. `placed` is the place of the timeline
    after whose bar it was decided, `expires` the last session it works in (days since 1970-01-01;
    0 for no end). `variable` and `charged` are what its commission has come to. `take_profit` and
    `stop_loss` wait for the entry of a bracket to fill, `legs` is their group once it has. It meets
    bars from place `works_from` on. A `triggered` stop is a market order or a
    limit order from then on. `signal` is the number of the answer that it comes from (the intent,
    NO_SIGNAL for none), `key` what the order is for there, or the strategy's own idempotency key.
    """

    number: int
    strategy: int
    symbol: int
    sign: int
    quantity: int
    kind: int
    time_in_force: int
    placed: int
    expires: int = 0
    opens: bool = True
    limit: int = 0
    stop: int = 0
    status: int = NEW
    filled: int = 0
    variable: int = 0
    charged: int = 0
    triggered: bool = False
    take_profit: int = 0
    stop_loss: int = 0
    group: OrderGroup | None = None
    legs: OrderGroup | None = None
    works_from: int = 0
    signal: int = NO_SIGNAL
    key: str = ""
    reason: str = ""

    @property
    def remaining(self) -> int:
        """Share units not filled."""
        return self.quantity - self.filled

    def move(self, trigger: int) -> None:
        """Change the status by the order table; OrderTransitionError where it has no such move."""
        following = NEXT[self.status][trigger]
        if following == IMPOSSIBLE:
            advanced(self.number, self.status, trigger)
        self.status = following
