"""Alerts: what a person should hear of after a close, by rules on what the book holds of it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from enum import StrEnum

import msgspec

from trading_assets.ledger.activity import BookClose
from trading_assets.ledger.orders import OrderState
from trading_assets.model.money import ONE, plain
from trading_assets.model.order import OrderStatus
from trading_assets.model.policies import AlertPolicy
from trading_assets.model.result import Gap


class AlertCode(StrEnum):
    """What an alert is about."""

    UNEXPLAINED_BREAK = "UNEXPLAINED_BREAK"
    STALE_PRICE = "STALE_PRICE"
    DRAWDOWN = "DRAWDOWN"
    REJECTED_ORDERS = "REJECTED_ORDERS"


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """One finding: of which `session`, about which `subject` (a symbol, or the portfolio), and in
    words that name value, limit and remedy."""

    session: dt.date
    code: AlertCode
    subject: str
    message: str


class SessionFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the rules look at. `unexplained` are the gaps that no cause accounts for; `mark_age`
    counts the sessions from a mark's session to this one, 0 for a mark of its own close."""

    close: BookClose
    orders: Sequence[OrderState]
    unexplained: Sequence[Gap]
    mark_age: Callable[[dt.date], int]


def session_alerts(portfolio: str, facts: SessionFacts, policy: AlertPolicy) -> tuple[Alert, ...]:
    """Every alert of one closed session, the gravest first; none where all is well."""
    session = facts.close.session
    return tuple(
        Alert(session=session, code=code, subject=subject, message=message)
        for code, subject, message in (
            *_breaks(portfolio, facts, policy),
            *_drawdown(portfolio, facts.close, policy.max_drawdown),
            *_rejections(portfolio, facts.orders, policy.max_rejected_orders),
            *_stale_prices(facts, policy.max_mark_age_sessions),
        )
    )


_Found = Iterator[tuple[AlertCode, str, str]]


def _breaks(portfolio: str, facts: SessionFacts, policy: AlertPolicy) -> _Found:
    if policy.unexplained_break:
        for gap in facts.unexplained:
            yield (
                AlertCode.UNEXPLAINED_BREAK,
                gap.symbol,
                f"{gap.view}: {plain(gap.quantity)} shares and {plain(gap.amount)} money of "
                f"{portfolio} that nothing explains. Compare the account with the book, then "
                "correct either.",
            )


def _drawdown(portfolio: str, close: BookClose, limit: Decimal | None) -> _Found:
    if limit is None or close.peak_equity <= 0:
        return
    fallen = ONE - close.equity / close.peak_equity
    if fallen >= limit:
        yield (
            AlertCode.DRAWDOWN,
            portfolio,
            f"equity {plain(close.equity)} is {float(fallen):.2%} below its highest, alert at "
            f"{float(limit):.2%}. Decide whether to reduce; risk.max_drawdown stops opening.",
        )


def _rejections(portfolio: str, orders: Sequence[OrderState], most: int | None) -> _Found:
    rejected = [order for order in orders if order.status is OrderStatus.REJECTED]
    if most is not None and len(rejected) > most:
        listed = ", ".join(
            f"{order.request.symbol} ({order.reject_code})" for order in rejected[:10]
        )
        yield (
            AlertCode.REJECTED_ORDERS,
            portfolio,
            f"{len(rejected)} of {len(orders)} orders were rejected, alert above {most}: {listed}. "
            "Look up the codes, and correct what they say before the next session.",
        )


def _stale_prices(facts: SessionFacts, most: int | None) -> _Found:
    if most is None:
        return
    for symbol in sorted(facts.close.positions):
        mark = facts.close.marks[symbol]
        age = facts.mark_age(mark.session)
        if age > most:
            yield (
                AlertCode.STALE_PRICE,
                symbol,
                f"valued at {plain(mark.price)} of {mark.session}, {age} sessions old, alert above "
                f"{most}. Load its closes, or book what became of it.",
            )
