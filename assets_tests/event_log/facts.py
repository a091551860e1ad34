"""Facts that the tests of the event log record."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from trading_assets.model.cash_events import CashFlow, CashFlowKind
from trading_assets.model.events import BookRestated, NewEvent

MONDAY = dt.date(2024, 3, 4)
TUESDAY = dt.date(2024, 3, 5)
OPEN = dt.datetime(2024, 3, 4, 14, 30, tzinfo=dt.UTC)


def deposit(
    key: str, amount: str = "100", session: dt.date = MONDAY, reference: str = "wire"
) -> NewEvent:
    """Cash that comes in."""
    flow = CashFlow(
        kind=CashFlowKind.DEPOSIT, amount=Decimal(amount), currency="USD", reference=reference
    )
    return NewEvent(key=key, session=session, occurred_at=OPEN, source="test", event=flow)


def restatement(revision: int, session: dt.date = MONDAY) -> NewEvent:
    """From `session` on nothing counts any more."""
    event = BookRestated(from_session=session, revision=revision, reason="new prices")
    return NewEvent(
        key=f"restate/{revision}", session=session, occurred_at=OPEN, source="test", event=event
    )
