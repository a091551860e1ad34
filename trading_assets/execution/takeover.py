"""How a book begins that is kept of a real account: with what the account holds.

A book that began with other cash or shares than the account would never agree with it. So the
first run of a real portfolio takes over cash and positions as the broker states them, positions at
their average cost; `initial_cash` of the settings is for simulated and dry portfolios. What moved
the account before that moment is in the statement and is never booked again.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from decimal import Decimal

from trading_assets.brokers.base import Broker
from trading_assets.errors import BrokerUnknownError, ConfigurationError
from trading_assets.execution.book import Book
from trading_assets.execution.guard import hidden
from trading_assets.ledger.broker_costs import trading_day
from trading_assets.model.account import Execution
from trading_assets.model.cash_events import Adjustment, CashFlow, CashFlowKind
from trading_assets.model.events import AnyEvent, NewEvent
from trading_assets.model.money import ZERO, money

INITIAL_CASH = "initial_cash"
SOURCE = "broker"
LATELY = dt.timedelta(days=30)
"""How far back it is looked for what moved the account last."""
TAKEN_OVER = "held when the account was taken over"
TRADED_BEFORE = "traded on the day the account was taken over, before that, and not held"


def take_over(
    book: Book, broker: Broker, session: dt.date, now: Callable[[], dt.datetime], currency: str
) -> None:
    """Record, in an empty book, the account's cash and positions as what it begins with, dated by
    what moved the account last, correlated by the account's number. Where the broker's method for
    average costs is known, what was traded in the session and is not held is recorded as 0 shares.

    Raises BrokerUnknownError where the account moves while it is read, or a position's cost is not
    known; ConfigurationError where there is nothing, or money of another currency.
    """
    lately = now() - LATELY
    # By the broker's clock, not ours: a fill between the two would be booked twice, or never.
    fills = broker.fills_since(lately).require()
    past = [fill.executed_at for fill in fills]
    past += [activity.occurred_at for activity in broker.cash_activities_since(lately).require()]
    latest = max(past, default=lately)
    account = broker.account().require()
    positions = broker.positions().require()
    costs = broker.average_costs().require() or {}
    moved = broker.fills_since(latest).require() or broker.cash_activities_since(latest).require()
    again = broker.account().require()
    if moved or again.cash != account.cash:
        raise BrokerUnknownError(
            f"account {hidden(account.account_number)} moved while it was taken over. Nothing "
            "was booked; run the session again."
        )
    if account.currency != currency:
        raise ConfigurationError(
            f"the account is kept in {account.currency}, `currency` says {currency}. Correct it."
        )
    if not account.cash and not positions:
        raise ConfigurationError("the account is empty. Pay in money, then run the session again.")
    unknown = sorted(positions.keys() - costs.keys())
    if unknown:
        raise BrokerUnknownError(f"the average cost of {', '.join(unknown)} is not known.")
    events = [(INITIAL_CASH, _flow(account.cash, currency))] if account.cash else []
    events += [
        (f"{INITIAL_CASH}/{symbol}", _position(symbol, quantity, costs[symbol], currency))
        for symbol, quantity in sorted(positions.items())
    ]
    if broker.capabilities.average_cost_method is not None:
        events += [
            (f"{INITIAL_CASH}/{symbol}", _position(symbol, ZERO, ZERO, currency))
            for symbol in sorted(_traded(fills, session) - positions.keys())
        ]
    book.record(
        [
            NewEvent(
                key=key,
                session=session,
                occurred_at=latest,
                source=SOURCE,
                event=event,
                correlation_id=account.account_number,
            )
            for key, event in events
        ]
    )


def taken_over_at(book: Book) -> dt.datetime | None:
    """The moment from which on a real account's movements are booked; None for an empty book."""
    return next((record.occurred_at for record in book.log.records(up_to=1)), None)


def _flow(cash: Decimal, currency: str) -> AnyEvent:
    kind = CashFlowKind.DEPOSIT if cash > ZERO else CashFlowKind.WITHDRAWAL
    return CashFlow(kind=kind, amount=money(cash), currency=currency, reference=INITIAL_CASH)


def _traded(fills: Iterable[Execution], session: dt.date) -> set[str]:
    """What was traded since the trading day of `session` began."""
    return {fill.symbol for fill in fills if trading_day(fill.executed_at) >= session}


def _position(symbol: str, quantity: Decimal, cost: Decimal, currency: str) -> AnyEvent:
    return Adjustment(
        symbol=symbol,
        quantity=quantity,
        price=cost,
        cash=ZERO,
        currency=currency,
        reason=TAKEN_OVER if quantity else TRADED_BEFORE,
    )
