"""The book against itself: the close must be the opening plus everything that was booked."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from decimal import Decimal
from itertools import accumulate
from typing import NamedTuple

from trading_assets.ledger.activity import BookClose
from trading_assets.ledger.history import ClosedSession
from trading_assets.model.money import ONE, ZERO, money, notional, plain
from trading_assets.model.order_events import Fill
from trading_assets.model.result import Gap, GapCause
from trading_assets.reconciliation.statement import CASH

BOOK_CONTINUITY = "book_continuity"
EQUITY = "EQUITY"


def signed_quantity(fill: Fill) -> Decimal:
    """Shares of a fill: positive bought, negative sold."""
    return fill.side.sign * fill.quantity


def outside_fills(session: ClosedSession, plan_ids: Collection[str]) -> tuple[Fill, ...]:
    """The session's fills that are not of this plan: foreign, or of another order of the book."""
    return tuple(fill for fill in session.fills if fill.client_order_id not in plan_ids)


class OutsideMoves(NamedTuple):
    """Signed shares of one symbol that came in without a plan: trades in their order, and the sum
    of all adjustments."""

    trades: tuple[Decimal, ...] = ()
    adjusted: Decimal = ZERO

    @property
    def total(self) -> Decimal:
        """All of it."""
        return sum(self.trades, self.adjusted)

    def after(self, before: Decimal) -> Decimal:
        """What came in after a moment up to which `before` had: the rest, if the first of the
        trades, with or without the adjustments, add up to it; else all of it, for then it is not
        known what `before` is."""
        if not self.trades and not self.adjusted:
            return ZERO
        sums = {*accumulate(self.trades, initial=ZERO)}
        known = sums | {part + self.adjusted for part in sums}
        return self.total - before if before in known else self.total


def outside_moves(session: ClosedSession, plan_ids: Collection[str]) -> dict[str, OutsideMoves]:
    """By symbol what came in without this plan: other fills, adjustments."""
    trades: dict[str, list[Decimal]] = {}
    for fill in outside_fills(session, plan_ids):
        trades.setdefault(fill.symbol, []).append(signed_quantity(fill))
    adjusted = {item.symbol: item.adjusted_quantity for item in session.activity.instruments}
    return {
        symbol: OutsideMoves(tuple(trades.get(symbol, ())), adjusted.get(symbol, ZERO))
        for symbol in trades.keys() | adjusted.keys()
    }


def book_continuity(session: ClosedSession, plan_ids: Collection[str]) -> tuple[Gap, ...]:
    """Gaps between closing book and opening book plus the fills of the plan's orders.

    Trades made outside the plan, and adjustments, are FOREIGN_TRADE (signed shares and signed
    money, bought positive). Anything else is UNEXPLAINED: positions that no fill, adjustment or
    corporate action accounts for, cash (CASH, in another currency "CASH EUR") that differs from
    opening cash + flows - purchases + sales - commission + what dividends, interest, fees and
    corporate actions moved, equity (EQUITY) that is not cash + positions at their marks +
    dividends owed.
    """
    gaps: list[Gap] = []
    for fill in outside_fills(session, plan_ids):
        whose = f"order {fill.client_order_id}" if fill.client_order_id else "foreign trade"
        detail = f"{whose}, execution {fill.execution_id}"
        quantity = signed_quantity(fill)
        amount = notional(quantity, fill.price)
        gaps.append(_gap(fill.symbol, GapCause.FOREIGN_TRADE, quantity, amount, detail))
    gaps += _adjusted(session)
    gaps += _unexplained_positions(session, plan_ids)
    gaps += _unexplained_money(session)
    return tuple(gaps)


def _adjusted(session: ClosedSession) -> list[Gap]:
    gaps = []
    for item in session.activity.instruments:
        if item.adjusted_quantity:
            paid = _net_notional(fill for fill in session.fills if fill.symbol == item.symbol)
            amount = item.bought - item.sold - paid
            gaps.append(
                _gap(
                    item.symbol,
                    GapCause.FOREIGN_TRADE,
                    item.adjusted_quantity,
                    amount,
                    "adjustment by a person",
                )
            )
    return gaps


def _unexplained_positions(session: ClosedSession, plan_ids: Collection[str]) -> list[Gap]:
    opening, closing = session.opening_positions, session.close.positions
    moves = outside_moves(session, plan_ids)
    explained = {symbol: outside.total for symbol, outside in moves.items()}
    for item in session.activity.instruments:
        held = explained.get(item.symbol, ZERO)
        explained[item.symbol] = held + item.corporate_action_quantity
    for order in session.orders:
        if order.client_order_id in plan_ids:
            symbol = order.request.symbol
            explained[symbol] = explained.get(symbol, ZERO) + order.signed_filled_quantity
    gaps = []
    for symbol in sorted(opening.keys() | closing.keys() | explained.keys()):
        before, after = opening.get(symbol, ZERO), closing.get(symbol, ZERO)
        missing = after - before - explained.get(symbol, ZERO)
        if missing:
            detail = (
                f"opening {plain(before)} + traded {plain(explained.get(symbol, ZERO))}, "
                f"closing {plain(after)}"
            )
            gaps.append(_gap(symbol, GapCause.UNEXPLAINED, missing, ZERO, detail))
    return gaps


def _unexplained_money(session: ClosedSession) -> list[Gap]:
    activity, close, previous = session.activity, session.close, session.previous
    closed = session.closed
    balances = closed.cash_balances
    if balances is None:
        balances = {session.currency: closed.cash}
    opening = {} if previous is None else previous.cash_balances
    moved: dict[str, Decimal] = {}
    for fill in session.fills:
        paid = notional(signed_quantity(fill), fill.price) + money(fill.commission)
        moved[fill.currency] = moved.get(fill.currency, ZERO) - paid
    compared = []
    parts = (opening, activity.cash_flows, moved, activity.other_cash)
    for currency in sorted({*balances, *(name for part in parts for name in part)}):
        expected = sum((part.get(currency, ZERO) for part in parts), ZERO)
        name = CASH if currency == session.currency else f"{CASH} {currency}"
        compared.append((name, balances.get(currency, ZERO), expected))
    value = sum(
        (
            money(held * closed.marks[symbol].price * rate_of(close, symbol))
            for symbol, held in close.positions.items()
        ),
        closed.accruals,
    )
    compared.append((EQUITY, closed.equity, closed.cash + value))
    gaps = []
    for symbol, stated, expected in compared:
        if stated != expected:
            detail = f"closing {plain(stated)}, computed {plain(expected)}"
            gaps.append(_gap(symbol, GapCause.UNEXPLAINED, ZERO, stated - expected, detail))
    return gaps


def rate_of(close: BookClose, symbol: str) -> Decimal:
    """The portfolio's money for one unit of the currency that `symbol` is held in."""
    return close.fx_rates[close.currencies[symbol]] if symbol in close.currencies else ONE


def _net_notional(fills: Iterable[Fill]) -> Decimal:
    return sum((notional(signed_quantity(fill), fill.price) for fill in fills), ZERO)


def _gap(symbol: str, cause: GapCause, quantity: Decimal, amount: Decimal, detail: str) -> Gap:
    return Gap(
        view=BOOK_CONTINUITY,
        symbol=symbol,
        cause=cause,
        quantity=quantity,
        amount=amount,
        weight=ZERO,
        detail=detail,
    )
