"""What happens around a session's orders: at once in the simulator, by the clock at a real broker.

The session runner sends orders and books what comes of them; a market says when it may, lets what
was sent trade, and brings the session to its end.
"""

from __future__ import annotations

import datetime as dt
from typing import Protocol

import msgspec

from trading_assets.brokers.simulated import SimulatedBroker
from trading_assets.execution.closing import broker_statement
from trading_assets.execution.fills import FillBooking
from trading_assets.model.events import BrokerStatement
from trading_assets.model.plan import OrderPlan


class Stage(msgspec.Struct, frozen=True):
    """What may be done with a session now: nothing but a plan before its open, and all of it at
    once in a simulated one."""

    may_send: bool
    may_close: bool


class Market(Protocol):
    """Where the orders of one portfolio trade."""

    def stage(self, session: dt.date) -> Stage:
        """What may be done with `session` now."""
        ...

    def trade(self, session: dt.date, leg: int) -> bool:
        """Let the orders of a leg that were sent trade; True where nothing more is expected of
        them and the next leg may follow."""
        ...

    def finish(self, plan: OrderPlan) -> None:
        """Bring what was sent of a plan to its end, before the session is closed."""
        ...

    def statement(self, session: dt.date) -> BrokerStatement:
        """What the broker states of `session`, when all that is known of it is booked."""
        ...


class SimulatedMarket:
    """Every order trades at the session's close, as soon as it is asked to."""

    def __init__(self, broker: SimulatedBroker, fills: FillBooking) -> None:
        self._broker = broker
        self._fills = fills

    def stage(self, session: dt.date) -> Stage:
        """A simulated session is over before it is run: everything may be done."""
        del session
        return Stage(may_send=True, may_close=True)

    def trade(self, session: dt.date, leg: int) -> bool:
        """Match what was submitted."""
        del leg
        self._broker.match()
        self._fills.book(self._broker, session)
        return True

    def finish(self, plan: OrderPlan) -> None:
        """Expire what is still working."""
        del plan
        self._broker.end_session()

    def statement(self, session: dt.date) -> BrokerStatement:
        """What the account holds now."""
        del session
        return broker_statement(self._broker)
