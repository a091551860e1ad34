"""The historical clock: which session a bar belongs to, and when a decision after it is made."""

from __future__ import annotations

import datetime as dt
from enum import StrEnum
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import numpy.typing as npt

from trading_assets.engine.timeframe import NANOSECONDS, Timeframe
from trading_assets.errors import ConfigurationError

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

DAY_NANOSECONDS = 86_400 * NANOSECONDS
_HOUR_NANOSECONDS = 3600 * NANOSECONDS
_PLACES_AT_ONCE = 65_536
_EPOCH_ORDINAL = dt.date(1970, 1, 1).toordinal()


class Frequency(StrEnum):
    """How often a strategy that looks at the cross-section is asked: after every bar, or after the
    first bar of each session, week or month (which one is the last is known too late)."""

    BAR = "bar"
    SESSION = "session"
    WEEK = "week"
    MONTH = "month"


def session_days(timeline: Integers, timeframe: Timeframe, time_zone: str) -> npt.NDArray[np.int32]:
    """Session of each of ascending times as days since 1970-01-01: the date of an intraday bar's
    start in `time_zone` (IANA name), the date of a longer bar as it is written."""
    if not timeframe.is_intraday:
        return (timeline // DAY_NANOSECONDS).astype(np.int32)
    try:
        zone = ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ConfigurationError(
            f"time zone {time_zone!r} is not known. Use an IANA name such as America/New_York."
        ) from error
    days = np.empty(len(timeline), dtype=np.int32)
    # By parts, or the arrays on the way there would be several times as large as the timeline.
    for first in range(0, len(timeline), _PLACES_AT_ONCE):
        part = timeline[first : first + _PLACES_AT_ONCE]
        days[first : first + len(part)] = (part + _shifts(part, zone)) // DAY_NANOSECONDS
    return days


def _shifts(times: Integers, zone: ZoneInfo) -> Integers:
    """What the clocks of a time zone are ahead of UTC at ascending times, nanoseconds."""
    # Clocks change on the hour, so one look-up for each hour that has a bar is enough.
    hours = times // _HOUR_NANOSECONDS
    starts = np.flatnonzero(np.append(True, hours[1:] != hours[:-1]))
    shifts = np.empty(len(starts), dtype=np.int64)
    for index, hour in enumerate(hours[starts].tolist()):
        shift = dt.datetime.fromtimestamp(hour * 3600, dt.UTC).astimezone(zone).utcoffset()
        assert shift is not None
        shifts[index] = int(shift.total_seconds()) * NANOSECONDS
    return np.repeat(shifts, np.diff(starts, append=len(times)))


def first_of_each(
    sessions: npt.NDArray[np.int32], frequency: Frequency | str
) -> npt.NDArray[np.bool_]:
    """True at the first place of each session, week (Monday to Sunday) or month; everywhere for
    BAR. `sessions` are days since 1970-01-01, ascending. ConfigurationError for a frequency that
    there is not."""
    if frequency not in tuple(Frequency):
        raise ConfigurationError(
            f"frequency {frequency!r} is not known. A strategy is asked at each: "
            f"{', '.join(Frequency)}."
        )
    frequency = Frequency(frequency)
    if frequency is Frequency.BAR:
        return np.ones(len(sessions), dtype=np.bool_)
    if frequency is Frequency.SESSION:
        period = sessions.astype(np.int64)
    elif frequency is Frequency.WEEK:
        # 1970-01-01 was a Thursday.
        period = (sessions.astype(np.int64) + 3) // 7
    else:
        period = sessions.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    first = np.ones(len(sessions), dtype=np.bool_)
    first[1:] = period[1:] != period[:-1]
    return first


def date_of(day: int) -> dt.date:
    """The date that is `day` days after 1970-01-01."""
    return dt.date.fromordinal(_EPOCH_ORDINAL + day)


def day_of(date: dt.date) -> int:
    """Days from 1970-01-01 to a date: what a session is counted in."""
    return date.toordinal() - _EPOCH_ORDINAL


def moment(nanoseconds: int) -> dt.datetime:
    """UTC moment, cut to microseconds."""
    return dt.datetime.fromtimestamp(nanoseconds // NANOSECONDS, dt.UTC) + dt.timedelta(
        microseconds=nanoseconds % NANOSECONDS // 1000
    )


def nanoseconds_of(when: dt.date | dt.datetime) -> int:
    """Nanoseconds since 1970 UTC; a date is its midnight UTC, a datetime must be aware."""
    if isinstance(when, dt.datetime):
        if when.tzinfo is None:
            raise ConfigurationError(f"{when} has no time zone. Write it with one, as in +00:00.")
        since = when - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
        microseconds = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
        return microseconds * 1000
    return (when - dt.date(1970, 1, 1)).days * DAY_NANOSECONDS


def iso(nanoseconds: int, timeframe: Timeframe) -> str:
    """A bar's time as text: the date of a bar made of sessions, else the moment UTC."""
    if timeframe.is_intraday:
        return moment(nanoseconds).isoformat()
    return date_of(nanoseconds // DAY_NANOSECONDS).isoformat()
