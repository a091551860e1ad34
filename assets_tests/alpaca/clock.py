"""The broker's clock: it stands still until the test moves it, and knows New York's sessions."""

from __future__ import annotations

import datetime as dt
from bisect import bisect_right
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

import exchange_calendars

NEW_YORK = ZoneInfo("America/New_York")
MORNING_JOB = dt.timedelta(hours=2, minutes=30)
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
    def restated_through(self) -> dt.date:
        """The date whose morning job (02:30 in New York) ran last."""
        local = self.now.astimezone(NEW_YORK)
        return (local - MORNING_JOB).date()

    @property
    def is_open(self) -> bool:
        """Whether the regular session is on."""
        session = sessions()[self._place()]
        return session.open <= self.now < session.close

    @property
    def is_extended(self) -> bool:
        """Whether extended hours are on: 04:00 to 20:00 in New York outside the session."""
        local = self.now.astimezone(NEW_YORK)
        place = self._place()
        near = {session.day for session in sessions()[max(0, place - 1) : place + 1]}
        return local.date() in near and 4 <= local.hour < 20 and not self.is_open

    def last_close_before(self, moment: dt.datetime) -> Session:
        """The latest session whose close is not after `moment`."""
        return sessions()[_place(moment) - 1]

    def next_turn(self, until: dt.datetime) -> tuple[dt.datetime, str] | None:
        """The next open or close after now and not after `until`, and which of the two it is."""
        session = sessions()[self._place()]
        moment, name = session.close, "close"
        if session.open > self.now:
            moment, name = session.open, "open"
        return (moment, name) if moment <= until else None

    def answer(self) -> dict[str, object]:
        """The body of GET /v2/clock, in New York's offset."""
        place = self._place()
        current, following = sessions()[place], sessions()[place + 1]
        opens = current.open if current.open > self.now else following.open
        return {
            "timestamp": (self.now + self.skew).astimezone(NEW_YORK).isoformat(),
            "is_open": self.is_open,
            "next_open": opens.astimezone(NEW_YORK).isoformat(),
            "next_close": current.close.astimezone(NEW_YORK).isoformat(),
        }

    def _place(self) -> int:
        return _place(self.now)


def _place(moment: dt.datetime) -> int:
    """Where the first session stands that closes after `moment`."""
    place = bisect_right(sessions(), moment, key=lambda session: session.close)
    assert 0 < place < len(sessions()) - 1, f"{moment} is outside {FIRST} to {LAST}"
    return place


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
