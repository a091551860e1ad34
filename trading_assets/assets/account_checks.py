"""What Alpaca says of its sessions and of past equity, against the calendar and the book of this
side: differences are worth a look and stop nothing."""

import datetime as dt
from decimal import Decimal

from trading_assets.assets.session_checks import Finding
from trading_assets.brokers.alpaca_reference import NEW_YORK, AlpacaReference
from trading_assets.calendar import TradingCalendar
from trading_assets.ledger.history import ClosedSession
from trading_assets.model.account import Unknown
from trading_assets.model.money import money, plain

EQUITY_TOLERANCE = Decimal("0.01")
"""Of equity, a fraction. Book and broker value the same shares at prices of their own; what lies
further apart is a price to look at."""


def hours_finding(
    reference: AlpacaReference, calendar: TradingCalendar, session: dt.date
) -> Finding:
    """Whether the broker holds `session`, at the hours that it is run by here."""
    expected = _hours(calendar.opens_at(session), calendar.closes_at(session))
    told = reference.sessions(session, session)
    if isinstance(told, Unknown):
        return Finding(session, False, f"not known: {told.reason}", expected)
    held = next((one for one in told.value if one.session == session), None)
    if held is None:
        return Finding(
            session,
            False,
            "not a session of the broker's",
            expected,
            detail=f"`sessions.calendar` is {calendar.settings.calendar}. Either it is another "
            "exchange's, or does not know of a day on which this one is closed.",
        )
    actual = _hours(held.opens_at, held.closes_at)
    return Finding(session, actual == expected, actual, expected)


def equity_finding(
    reference: AlpacaReference, calendar: TradingCalendar, closed: ClosedSession
) -> Finding:
    """The equity of the close before `closed` by the account's history, against the book's without
    what is owed to it: of the latest close Alpaca has no figure before the night."""
    session, before = closed.session, calendar.previous(closed.session)
    tolerance = f"{plain(100 * EQUITY_TOLERANCE)} %"
    if closed.previous is None or before is None:
        return Finding(session, True, "no close before", "", tolerance)
    ours = closed.previous.equity - closed.previous.accruals
    expected = f"{plain(ours)} at the close of {before}"
    told = reference.equity_history()
    if isinstance(told, Unknown):
        return Finding(session, False, f"not known: {told.reason}", expected, tolerance)
    # A day is told as its 20:00 in New York.
    by_day = {point.at.astimezone(NEW_YORK).date(): point.equity for point in told.value}
    if before not in by_day:
        return Finding(session, False, f"no figure of {before}", expected, tolerance)
    theirs = by_day[before]
    is_near = abs(theirs - ours) <= EQUITY_TOLERANCE * abs(ours)
    return Finding(session, is_near, plain(money(theirs)), expected, tolerance)


def _hours(opens_at: dt.datetime, closes_at: dt.datetime) -> str:
    return f"{opens_at:%Y-%m-%d %H:%M} to {closes_at:%H:%M} UTC"
