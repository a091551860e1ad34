"""The broker's clock: it stands still until the test moves it, and knows New York's sessions."""

from __future__ import annotations

import datetime as dt
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

import exchange_calendars

NEW_YORK = ZoneInfo("America/New_York")
FIRST, LAST = dt.date(2023, 1, 1), dt.date(2026, 12, 31)


class Session(NamedTuple):
    """One trading day: its date in New York, its open and close in UTC."""

    day: dt.date
    open: dt.datetime
    close: dt.datetime


@lru_cache(maxsize=1)
def sessions() -> tuple[Session, ...]:
    """Every session of the New York exchange between FIRST and LAST, half-days included."""
    calendar = exchange_calendars.get_calendar("XNYS", start=FIRST, end=LAST)
    return tuple(
        Session(stamp.date(), row.open.to_pydatetime(), row.close.to_pydatetime())
        for stamp, row in zip(
            calendar.sessions, calendar.schedule.itertuples(index=False), strict=True
        )
    )


def new_york(text: str) -> dt.datetime:
    """`"2024-06-03 10:00"` in New York, as an aware UTC time."""
    return dt.datetime.fromisoformat(text).replace(tzinfo=NEW_YORK).astimezone(dt.UTC)


def stamp(moment: dt.datetime) -> str:
    """RFC 3339 with microseconds in UTC, as the broker writes it."""
    return moment.astimezone(dt.UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


class BrokerClock:
    """`now` moves only by `tick` (by `step`, per thing that happens) and by the account.

    Ids of activities tell milliseconds apart. With a `step` below that, the fills of one
    millisecond come in the order of their random ids, not of time.

    `skew` is added to what GET /v2/clock reports and to nothing else: the wrong clock of one of
    the broker's machines. The market keeps true time.
    """

    def __init__(self, now: dt.datetime) -> None:
        self.now = now.astimezone(dt.UTC)
        self.step = dt.timedelta(milliseconds=1)
        self.skew = dt.timedelta()

    def tick(self) -> dt.datetime:
        """The present, different each time it is asked for, so that no two things coincide."""
        self.now += self.step
        return self.now

    @property
    def today(self) -> dt.date:
        """Date in New York."""
        return self.now.astimezone(NEW_YORK).date()

    @property
    def is_open(self) -> bool:
        """Whether the regular session is on."""
        return any(session.open <= self.now < session.close for session in self._near())

    @property
    def is_extended(self) -> bool:
        """Whether extended hours are on: 04:00 to 20:00 in New York outside the session."""
        local = self.now.astimezone(NEW_YORK)
        trading_day = any(session.day == local.date() for session in self._near())
        return trading_day and 4 <= local.hour < 20 and not self.is_open

    def session(self, day: dt.date) -> Session | None:
        """The session of a date, or None on a holiday or weekend."""
        return next((session for session in sessions() if session.day == day), None)

    def last_close_before(self, moment: dt.datetime) -> Session | None:
        """The latest session whose close is not after `moment`."""
        done = [session for session in sessions() if session.close <= moment]
        return done[-1] if done else None

    def next_turn(self, until: dt.datetime) -> tuple[dt.datetime, str] | None:
        """The next open or close after now and not after `until`, and which of the two it is."""
        for session in sessions():
            for moment, name in ((session.open, "open"), (session.close, "close")):
                if self.now < moment <= until:
                    return moment, name
        return None

    def answer(self) -> dict[str, object]:
        """The body of GET /v2/clock, in New York's offset."""
        later = [session for session in sessions() if session.close > self.now]
        opens = next(session.open for session in later if session.open > self.now)
        return {
            "timestamp": (self.now + self.skew).astimezone(NEW_YORK).isoformat(),
            "is_open": self.is_open,
            "next_open": opens.astimezone(NEW_YORK).isoformat(),
            "next_close": later[0].close.astimezone(NEW_YORK).isoformat(),
        }

    def _near(self) -> list[Session]:
        day = self.today
        return [session for session in sessions() if abs((session.day - day).days) <= 1]


def calendar_days(start: dt.date, end: dt.date) -> list[dict[str, str]]:
    """The body of GET /v2/calendar from `start` to `end`, both included."""
    known = sessions()
    days = []
    for place, session in enumerate(known):
        if start <= session.day <= end:
            following = known[min(place + 1, len(known) - 1)].day
            days.append(
                {
                    "date": session.day.isoformat(),
                    "open": session.open.astimezone(NEW_YORK).strftime("%H:%M"),
                    "close": session.close.astimezone(NEW_YORK).strftime("%H:%M"),
                    "session_open": "0400",
                    "session_close": "2000",
                    "settlement_date": following.isoformat(),
                }
            )
    return days
