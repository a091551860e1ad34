"""Sessions of bars, and when a strategy that looks at the cross-section is asked."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from trading_assets.engine.clock import (
    Frequency,
    date_of,
    first_of_each,
    moment,
    nanoseconds_of,
    session_days,
)
from trading_assets.engine.timeframe import DAILY, parse_timeframe
from trading_assets.errors import ConfigurationError

MINUTE = parse_timeframe("1Min")


def utc(text: str) -> int:
    return nanoseconds_of(dt.datetime.fromisoformat(text + "+00:00"))


def test_a_minute_after_midnight_utc_belongs_to_the_evening_before_in_new_york() -> None:
    times = np.array([utc("2024-01-03T00:30:00"), utc("2024-01-03T14:30:00")])
    days = session_days(times, MINUTE, "America/New_York")
    assert [date_of(int(day)) for day in days] == [dt.date(2024, 1, 2), dt.date(2024, 1, 3)]


def test_the_session_follows_the_change_of_clocks() -> None:
    """04:30 UTC is 23:30 of the day before in New York in winter (UTC-5), 00:30 in summer."""
    times = np.array([utc("2024-03-09T04:30:00"), utc("2024-03-11T04:30:00")])
    days = session_days(times, MINUTE, "America/New_York")
    assert [date_of(int(day)) for day in days] == [dt.date(2024, 3, 8), dt.date(2024, 3, 11)]


def test_sessions_of_many_minutes_are_those_of_each_by_itself() -> None:
    """March and April of 2024 in Kathmandu (UTC+5:45), 87,840 minutes: as its clocks show."""
    first = utc("2024-03-01T00:00:00")
    times = first + np.arange(61 * 1440) * 60_000_000_000
    found = session_days(times, MINUTE, "Asia/Kathmandu")
    for place in (0, 1094, 1095, 65_534, 65_535, 65_536, 65_537, len(times) - 1):
        shown = moment(int(times[place])).astimezone(ZoneInfo("Asia/Kathmandu"))
        assert date_of(int(found[place])) == shown.date()


def test_a_daily_bar_is_of_the_date_it_is_written_with_in_every_time_zone() -> None:
    times = np.array([nanoseconds_of(dt.date(2024, 1, 3))])
    assert date_of(int(session_days(times, DAILY, "Asia/Tokyo")[0])) == dt.date(2024, 1, 3)


def test_a_time_zone_that_does_not_exist_is_named() -> None:
    with pytest.raises(ConfigurationError, match="Mars/Olympus"):
        session_days(np.array([0]), MINUTE, "Mars/Olympus")


def days(*texts: str) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    dates = [dt.date.fromisoformat(text) for text in texts]
    return np.array([(one - dt.date(1970, 1, 1)).days for one in dates], dtype=np.int32)


def test_weeks_begin_on_monday_and_months_on_their_first_session() -> None:
    # Friday, Monday, Tuesday, the Friday of the week after, and a Friday in the next month.
    sessions = days("2024-01-05", "2024-01-08", "2024-01-09", "2024-01-19", "2024-02-02")
    weekly = first_of_each(sessions, Frequency.WEEK)
    assert weekly.tolist() == [True, True, False, True, True]
    monthly = first_of_each(sessions, Frequency.MONTH)
    assert monthly.tolist() == [True, False, False, False, True]


def test_a_frequency_may_be_spelled_and_another_word_is_none() -> None:
    """A strategy's own "week" was asked once a month."""
    sessions = np.arange(19_723, 19_763, dtype=np.int32)
    for frequency in Frequency:
        spelled = first_of_each(sessions, str(frequency))
        assert spelled.tolist() == first_of_each(sessions, frequency).tolist()
    assert first_of_each(sessions, "week").sum() > first_of_each(sessions, "month").sum()
    with pytest.raises(ConfigurationError, match=r"'weekly' is not known.*bar, session, week, mon"):
        first_of_each(sessions, "weekly")


def test_several_bars_of_a_session_ask_once_each_or_once_in_all() -> None:
    sessions = days("2024-01-05", "2024-01-05", "2024-01-08")
    assert first_of_each(sessions, Frequency.BAR).tolist() == [True, True, True]
    assert first_of_each(sessions, Frequency.SESSION).tolist() == [True, False, True]


def test_a_moment_keeps_its_microseconds_and_no_time_is_taken_without_a_zone() -> None:
    when = dt.datetime(2024, 1, 2, 14, 30, 0, 123456, tzinfo=dt.UTC)
    assert moment(nanoseconds_of(when)) == when
    with pytest.raises(ConfigurationError, match="time zone"):
        nanoseconds_of(when.replace(tzinfo=None))
