"""Splits and dividends that Yahoo tells, as corporate actions of a portfolio, and closes as quoted.

Problem: all numbers of Yahoo's are in the shares that there are when it is asked. A split divides
every earlier close and dividend, so that a session of before it would be priced in shares which
nobody held then, and the split booked a second time by its own event.

Choice: what Yahoo divided is multiplied again by every later split. So a close, and a dividend,
are those of their day whenever they are asked for, and splits go through the book like those of a
file. What cannot be what it says it is, is not booked but told.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Mapping, Sequence
from decimal import Context, Decimal
from fractions import Fraction

import msgspec

from trading_assets.market_data.corporate_actions import CorporateActions
from trading_assets.market_data.yahoo_events import CashDividend
from trading_assets.market_data.yahoo_histories import DailyHistory
from trading_assets.model.corporate_actions import (
    CorporateAction,
    Dividend,
    Split,
    StockDividend,
)
from trading_assets.model.money import plain, rounded_price

NAME = "yahoo/actions"
ONE = Decimal(1)
HIGHEST_DIVIDEND = Decimal("0.25")
"""Of the close before, a fraction. A larger one is a mistake of the unit, or for a person."""
UNIT_MISTAKE = 50
"""What Yahoo took off earlier closes for a dividend, times or part, beyond which units differ."""
RECENT_SESSIONS = 10
"""Of how many last sessions something is told that was not booked."""
_QUOTED = Context(prec=6)
"""A quotient that was stored with seven digits is known to six once it is multiplied again."""


def shares_since(history: DailyHistory, session: dt.date) -> Fraction:
    """How many shares one of `session` has become until Yahoo was asked."""
    ratio = Fraction(1)
    for split in history.splits:
        if split.session > session:
            ratio *= Fraction(split.new_shares, split.old_shares)
    return ratio


def as_quoted(price: Decimal, ratio: Fraction) -> Decimal:
    """A price per share of today in the shares of its day, `ratio` of which became one."""
    if ratio == 1:
        return price
    product = price * ratio.numerator / ratio.denominator
    return rounded_price(_QUOTED.create_decimal(product))


def yahoo_actions(
    histories: Mapping[str, DailyHistory],
    currency: str,
    sessions: Sequence[dt.date],
    *,
    with_dividends: bool,
) -> tuple[CorporateActions, tuple[str, ...]]:
    """The actions of the histories, for a portfolio in `currency`, and what of the last sessions is
    not among them and why. `sessions` are the calendar's, ascending.

    Without `with_dividends` splits alone: dividends are told by the broker that pays them.
    """
    found: list[CorporateAction] = []
    told: list[str] = []
    recent = set(sessions[-RECENT_SESSIONS:])
    known = set(sessions)
    for symbol, history in sorted(histories.items()):
        recent_bars = {bar.session for bar in history.bars[-RECENT_SESSIONS:]} | recent
        told += [f"{symbol}: {words}; it is not booked" for words in history.unread_events]
        for split in history.splits:
            if split.session in known:
                found.append(
                    Split(
                        symbol=symbol,
                        ex_date=split.session,
                        new_shares=split.new_shares,
                        old_shares=split.old_shares,
                    )
                )
            elif split.session in recent_bars:
                told.append(f"{symbol}: it split on {split.session}, which is no session")
        for dividend in history.dividends if with_dividends else ():
            doubt = _doubt(history, dividend, currency, known)
            if not doubt:
                found.append(_booked(history, dividend))
            elif dividend.session in recent_bars:
                what = f"its dividend of {plain(dividend.amount)} ex {dividend.session}"
                told.append(f"{symbol}: {what} is not booked: {doubt}. Write it into a file")
    digest = hashlib.sha256(msgspec.json.encode(found)).hexdigest()
    return CorporateActions(found, NAME, digest), tuple(told)


def splits_not_in(
    actions: CorporateActions, histories: Mapping[str, DailyHistory]
) -> tuple[str, ...]:
    """Splits of the last bars that a file of corporate actions does not have."""
    told = []
    for symbol, history in sorted(histories.items()):
        recent = {bar.session for bar in history.bars[-RECENT_SESSIONS:]}
        listed = {
            action.ex_date
            for action in actions.by_symbol.get(symbol, ())
            if isinstance(action, Split | StockDividend)
        }
        told += [
            f"{symbol}: it split on {split.session}, {split.new_shares} for {split.old_shares}, "
            "and the file of corporate actions does not have it"
            for split in history.splits
            if split.session in recent and split.session not in listed
        ]
    return tuple(told)


def _booked(history: DailyHistory, dividend: CashDividend) -> Dividend:
    ratio = shares_since(history, dividend.session)
    return Dividend(
        symbol=history.symbol,
        ex_date=dividend.session,
        amount_per_share=as_quoted(dividend.amount, ratio),
        currency=dividend.currency,
    )


def _doubt(
    history: DailyHistory, dividend: CashDividend, currency: str, sessions: Collection[dt.date]
) -> str:
    """Why a dividend cannot be booked; empty where it can."""
    if dividend.session not in sessions:
        return "its ex-date is no session"
    if dividend.currency != currency:
        return f"it is in {dividend.currency}"
    days = [bar.session for bar in history.bars]
    before = bisect_left(days, dividend.session) - 1
    if before < 0:
        return ""
    close = history.bars[before].close
    if dividend.amount > HIGHEST_DIVIDEND * close:
        return f"the close before it is {plain(close)}"
    on = bisect_right(days, dividend.session) - 1
    taken_off = ONE - _adjustment(history, before) / _adjustment(history, on)
    if on > before and taken_off > 0:
        times = taken_off / (dividend.amount / close)
        if times > UNIT_MISTAKE or times < ONE / UNIT_MISTAKE:
            return f"Yahoo took {taken_off:.4%} off earlier closes for it, which is another unit's"
    return ""


def _adjustment(history: DailyHistory, place: int) -> Decimal:
    bar = history.bars[place]
    return bar.adjusted_close / bar.close
