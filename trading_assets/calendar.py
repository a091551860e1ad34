"""Trading sessions of one portfolio: which days, and when each opens and closes.

Sessions come from `exchange_calendars`; dates are the exchange's own, times are UTC. Half-days
(early closes) are the library's.
"""

from __future__ import annotations

import bisect
import datetime as dt
from functools import cached_property
from zoneinfo import ZoneInfo

import msgspec

from trading_assets.errors import ConfigurationError, SessionUnknownError
from trading_assets.settings import SessionSettings

HISTORY_DAYS = 800
"""Calendar days before the first session that prices may refer to."""


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """What the library says: sessions ascending, and beside them when each opens and closes."""

    time_zone: str
    sessions: tuple[dt.date, ...]
    opens: tuple[dt.datetime, ...]
    closes: tuple[dt.datetime, ...]


class TradingCalendar:
    """Sessions of an exchange between a portfolio's first and last day, with some history.

    The library knows about one year ahead; a long-running process is reloaded more often.
    """

    def __init__(self, settings: SessionSettings) -> None:
        self.settings = settings

    @cached_property
    def _schedule(self) -> Schedule:
        return _computed(self.settings)

    @property
    def history(self) -> tuple[dt.date, ...]:
        """All sessions known, ascending, those before the portfolio's start included."""
        return self._schedule.sessions

    @cached_property
    def sessions(self) -> tuple[dt.date, ...]:
        """The portfolio's sessions, ascending."""
        return self.history[bisect.bisect_left(self.history, self.settings.start) :]

    @cached_property
    def _positions(self) -> dict[dt.date, int]:
        return {session: index for index, session in enumerate(self.history)}

    @property
    def first(self) -> dt.date:
        """The portfolio's first session."""
        return self.sessions[0]

    @property
    def time_zone(self) -> ZoneInfo:
        """The exchange's time zone."""
        return ZoneInfo(self._schedule.time_zone)

    def require(self, session: dt.date) -> dt.date:
        """`session` itself, or SessionUnknownError naming its neighbours."""
        if session in self._positions and session >= self.first:
            return session
        last = self.sessions[-1]
        if not self.first <= session <= last:
            raise SessionUnknownError(
                f"{session} is outside the portfolio's sessions, {self.first} to {last} "
                f"({self.settings.calendar}). Choose one inside, or change `sessions` in its file."
            )
        place = bisect.bisect_left(self.history, session)
        raise SessionUnknownError(
            f"{session} is not a trading session of {self.settings.calendar}; "
            f"the nearest are {self.history[place - 1]} and {self.history[place]}."
        )

    def previous(self, session: dt.date) -> dt.date | None:
        """The portfolio's session before this one; None for its first."""
        place = self._positions[self.require(session)]
        before = self.history[place - 1]
        return before if before >= self.first else None

    def before(self, session: dt.date, count: int) -> tuple[dt.date, ...]:
        """The last `count` sessions of the portfolio before `session`, ascending; fewer where there
        are no more. `session` must be one."""
        place = bisect.bisect_left(self.sessions, self.require(session))
        return self.sessions[max(place - count, 0) : place]

    def following(self, session: dt.date) -> dt.date | None:
        """The session after this one; None for the last that is known."""
        place = self._positions[self.require(session)] + 1
        return self.history[place] if place < len(self.history) else None

    def between(self, first: dt.date, last: dt.date) -> tuple[dt.date, ...]:
        """The portfolio's sessions from `first` to `last`, both included; may be empty."""
        left = bisect.bisect_left(self.sessions, first)
        return self.sessions[left : bisect.bisect_right(self.sessions, last)]

    def month(self, month: str) -> tuple[dt.date, ...]:
        """The portfolio's sessions in a month given as YYYY-MM."""
        first = dt.date.fromisoformat(f"{month}-01")
        following = (first + dt.timedelta(days=32)).replace(day=1)
        return self.between(first, following - dt.timedelta(days=1))

    def opens_at(self, session: dt.date) -> dt.datetime:
        """Opening time of a session, UTC."""
        return self._schedule.opens[self._positions[session]]

    def closes_at(self, session: dt.date) -> dt.datetime:
        """Closing time of a session, UTC; earlier on a half-day."""
        return self._schedule.closes[self._positions[session]]

    def current(self, now: dt.datetime) -> dt.date | None:
        """The session that may be traded at `now` (aware): today's at the exchange, from midnight
        there to midnight; None on a day without one."""
        today = now.astimezone(self.time_zone).date()
        return today if today in self._positions and today >= self.first else None

    @cached_property
    def weekday_holidays(self) -> tuple[dt.date, ...]:
        """Weekdays between the first and the last session on which the exchange is closed."""
        days = (self.sessions[-1] - self.first).days
        every = (self.first + dt.timedelta(days=offset) for offset in range(days + 1))
        return tuple(day for day in every if day.weekday() < 5 and day not in self._positions)

    @cached_property
    def clock_times(self) -> tuple[tuple[int, int], ...]:
        """Distinct (hour, minute) at the exchange at which a session opens or closes.

        Half-days add their own close; schedules tick at each and ask the session which applies.
        """
        places = range(self._positions[self.first], len(self.history))
        moments = [
            moments[place].astimezone(self.time_zone)
            for moments in (self._schedule.opens, self._schedule.closes)
            for place in places
        ]
        return tuple(sorted({(moment.hour, moment.minute) for moment in moments}))


def _computed(settings: SessionSettings) -> Schedule:
    """The schedule from the library, or ConfigurationError where it has no such exchange."""
    import exchange_calendars

    begin = settings.start - dt.timedelta(days=HISTORY_DAYS)
    try:
        exchange = exchange_calendars.get_calendar(settings.calendar, start=begin, end=settings.end)
    except exchange_calendars.errors.InvalidCalendarName as error:
        raise ConfigurationError(
            f"sessions.calendar: {settings.calendar!r} is not an exchange calendar. "
            "Use an ISO 10383 code such as XNYS or XLON."
        ) from error
    return Schedule(
        time_zone=str(exchange.tz),
        sessions=tuple(stamp.date() for stamp in exchange.sessions),
        opens=tuple(stamp.to_pydatetime() for stamp in exchange.schedule["open"]),
        closes=tuple(stamp.to_pydatetime() for stamp in exchange.schedule["close"]),
    )
