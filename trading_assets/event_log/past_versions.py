"""Records of event versions that are no longer written, frozen as they were, and how each becomes
the present one.

A change that old payloads do not fit (a field that is required, renamed or means something else)
raises the event's `version`. The record as it was comes here with its step to the present one, its
schema stays where it is, and books of both versions side by side are read.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import Meta

from trading_assets.model.event import Event
from trading_assets.model.events import AnyEvent, BrokerStatement, Mark, SessionClosed
from trading_assets.model.fields import Name, Positive, Signed
from trading_assets.model.money import ZERO


class BrokerStatementV1(msgspec.Struct, frozen=True, kw_only=True):
    """The account as the broker states it after the close."""

    account_number: Annotated[str, Meta(description="The broker's number of the account.")]
    positions: Annotated[dict[Name, Signed], Meta(description="Signed shares by symbol.")]
    cash: Annotated[Signed, Meta(description="Cash, money.")]


class SessionClosedV1(Event, frozen=True, kw_only=True, omit_defaults=False, tag="session_closed"):
    """The session is complete: all its fills are booked, its positions are valued.

    Money is of the portfolio's only currency, and equity = market value + cash.
    """

    version: ClassVar[int] = 1

    marks: Annotated[
        dict[Name, Mark],
        Meta(description="Prices by symbol, for every instrument held or traded."),
    ]
    cash: Annotated[Signed, Meta(description="Cash, money.")]
    market_value: Annotated[Signed, Meta(description="Signed value of all positions, money.")]
    equity: Annotated[Signed, Meta(description="What the portfolio is worth, money.")]
    statement: Annotated[BrokerStatementV1, Meta(description="What the broker says of it.")]
    benchmark: Annotated[
        Positive | None, Meta(description="The benchmark's close; null where there is none.")
    ] = None


def session_closed(past: SessionClosedV1) -> SessionClosed:
    """A close of version 1: cash by currency was not stated, there was one currency and nothing
    accrued."""
    statement = past.statement
    return SessionClosed(
        marks=past.marks,
        cash=past.cash,
        market_value=past.market_value,
        equity=past.equity,
        statement=BrokerStatement(
            account_number=statement.account_number,
            positions=statement.positions,
            cash=statement.cash,
        ),
        cash_balances=None,
        fx_rates={},
        accruals=ZERO,
        benchmark=past.benchmark,
    )


UPCASTS: dict[type[msgspec.Struct], Callable[[Any], AnyEvent]] = {SessionClosedV1: session_closed}
"""What turns a past record into the present one."""
