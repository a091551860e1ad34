"""What every broker adapter offers, and what it promises.

| method                  | answers                                  | when it cannot know    |
|-------------------------|------------------------------------------|------------------------|
| `account`               | cash and account number                  | `Unknown`              |
| `clock`                 | its own time, or None                    | `Unknown`              |
| `positions`             | signed shares by symbol, empty when flat | `Unknown`, never empty |
| `open_orders`           | orders still working                     | `Unknown`, never empty |
| `order_by_client_id`    | the order, or None when there is none    | `Unknown`              |
| `submit`                | the order as accepted or rejected        | `Unknown`: look it up  |
| `cancel`                | the order after the request              | `Unknown`: look it up  |
| `fills_since`           | executions after a moment, oldest first  | `Unknown`, never empty |
| `cash_activities_since` | other cash after a moment, oldest first  | `Unknown`, never empty |
| `traits`                | what may be done with each symbol        | `Unknown`, never empty |
| `average_costs`         | cost per share of each position, or None | `Unknown`, never empty |

An adapter never retries `submit` by itself, sets a time limit on every call, translates the
vendor's words at its edge (pence become pounds there), and keys every execution and cash activity
by the broker's own id. Both may be reported more than once; whoever books them does so by that id.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from decimal import Decimal
from typing import Protocol, runtime_checkable

import msgspec

from trading_assets.model.account import (
    AccountStatement,
    Answer,
    AverageCostMethod,
    BrokerOrder,
    CashActivity,
    Execution,
    MarketClock,
)
from trading_assets.model.arrival import MarketQuote
from trading_assets.model.money import ZERO
from trading_assets.model.order import OrderRequest, OrderStatus
from trading_assets.portfolio.order_rules import PERMISSIVE, BrokerRules, InstrumentTraits

DUPLICATE_ID = "DUPLICATE_ID"
"""Reject code of `submit` for a client order id that was used before, whatever the vendor says."""


class BrokerCapabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What planner and submitter must know of a broker.

    `is_real`: orders reach a market or a paper account outside this machine.
    `deduplicates_client_order_ids`: a second order under a used id is refused, so an order that
    was not found may be sent again under its id; without it a person has to decide.
    `orders_per_commit`: how many acknowledgements may wait to be recorded together; 1 where a
    request takes longer than a disk write.
    `lookup_delay_seconds`: how long an order that is not found may still turn up.
    `order_rules`: what orders it accepts.
    `missed_executions`: why some may never be told, and what helps; empty where all are.
    `average_cost_method`: how it keeps average costs, None where that is not documented.
    `tells_cash_in_lieu`: what it paid for fractions is a cash activity, and is booked from that.
    """

    is_real: bool
    deduplicates_client_order_ids: bool
    orders_per_commit: int
    lookup_delay_seconds: float
    order_rules: BrokerRules = PERMISSIVE
    missed_executions: str = ""
    average_cost_method: AverageCostMethod | None = None
    tells_cash_in_lieu: bool = False

    @property
    def answers_may_wait(self) -> bool:
        """Whether what it said can be asked again at no cost, so that a process that dies before
        recording it loses nothing."""
        return self.orders_per_commit > 1


def rejected_order(request: OrderRequest, code: str, reason: str) -> BrokerOrder:
    """The order that a refusal leaves."""
    return BrokerOrder(
        request=request,
        broker_order_id="",
        status=OrderStatus.REJECTED,
        filled_quantity=ZERO,
        reject_code=code,
        reject_reason=reason,
    )


class Broker(Protocol):
    """One account at one broker."""

    @property
    def capabilities(self) -> BrokerCapabilities:
        """What the submitter must know of this broker."""
        ...

    def account(self) -> Answer[AccountStatement]:
        """Cash and account number, now."""
        ...

    def clock(self) -> Answer[MarketClock | None]:
        """The broker's own time; None where it tells none."""
        ...

    def positions(self) -> Answer[dict[str, Decimal]]:
        """Signed shares by symbol, without zeros."""
        ...

    def open_orders(self) -> Answer[tuple[BrokerOrder, ...]]:
        """Every order that can still trade, whoever placed it."""
        ...

    def order_by_client_id(self, client_order_id: str) -> Answer[BrokerOrder | None]:
        """The order sent under this id, in whatever state; None when the broker has none."""
        ...

    def submit(self, request: OrderRequest) -> Answer[BrokerOrder]:
        """Send once. A refusal is an order with status REJECTED and its code; a used client order
        id is refused with DUPLICATE_ID, and the order that has it stands."""
        ...

    def cancel(self, client_order_id: str) -> Answer[BrokerOrder]:
        """Ask for the rest of an order not to trade; the order as it then stands."""
        ...

    def fills_since(self, moment: dt.datetime) -> Answer[tuple[Execution, ...]]:
        """Executions later than `moment` (aware), oldest first, foreign ones included."""
        ...

    def cash_activities_since(self, moment: dt.datetime) -> Answer[tuple[CashActivity, ...]]:
        """Cash that moved without an execution later than `moment` (aware), oldest first: dividends
        paid, interest, fees, taxes, deposits and withdrawals, and cash in lieu of fractions where
        the broker tells it. What else a corporate action pays, or nobody knows the name of, is not
        told or is NOT_BOOKED."""
        ...

    def traits(self, symbols: Iterable[str]) -> Answer[dict[str, InstrumentTraits]]:
        """What the broker says of each of `symbols`; one that is absent may be traded freely."""
        ...

    def average_costs(self) -> Answer[dict[str, Decimal] | None]:
        """Average cost per share of each position, positive, without those of which it is not
        known; None where the broker keeps none."""
        ...


@runtime_checkable
class Quoting(Protocol):
    """A broker that shows the market in which its orders trade; a simulated one does not."""

    def quotes(self, symbols: Iterable[str]) -> Answer[dict[str, MarketQuote]]:
        """What the market is at, asked once and within the time limit of one request; a symbol of
        which nothing is shown is absent."""
        ...
