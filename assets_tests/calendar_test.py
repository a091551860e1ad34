"""Sessions against the exchange's published holidays and early closes."""

from __future__ import annotations

import datetime as dt

import pytest

from trading_assets.calendar import TradingCalendar
from trading_assets.errors import ConfigurationError, SessionUnknownError
from trading_assets.settings import SessionSettings

# NYSE holidays of 2024 and the closure of 9 January 2025, from the exchange's announcements.
HOLIDAYS = [
    "2024-01-01", "2024-01-15", "2024-02-19", "2024-03-29", "2024-05-27", "2024-06-19",
    "2024-07-04", "2024-09-02", "2024-11-28", "2024-12-25", "2025-01-01", "2025-01-09",
    "2025-01-20",
]  # fmt: skip


@pytest.fixture(scope="module")
def calendar() -> TradingCalendar:
    return TradingCalendar(
        SessionSettings(calendar="XNYS", start=dt.date(2024, 1, 1), end=dt.date(2025, 1, 31))
    )


def test_weekdays_without_a_session_are_the_published_holidays(calendar: TradingCalendar) -> None:
    closed = [day.isoformat() for day in calendar.weekday_holidays]
    assert closed == [day for day in HOLIDAYS if day >= calendar.first.isoformat()]


def test_the_first_session_is_the_first_on_or_after_the_start(calendar: TradingCalendar) -> None:
    assert calendar.first == dt.date(2024, 1, 2)
    assert calendar.previous(dt.date(2024, 1, 2)) is None
    assert calendar.previous(dt.date(2024, 1, 16)) == dt.date(2024, 1, 12)


def test_history_reaches_back_before_the_start(calendar: TradingCalendar) -> None:
    assert dt.date(2022, 6, 1) in calendar.history
    assert dt.date(2023, 12, 29) not in calendar.sessions


@pytest.mark.parametrize(
    ("session", "closes"),
    [
        ("2024-07-02", "2024-07-02T20:00"),  # summer time: 16:00 is 20:00 UTC
        ("2024-07-03", "2024-07-03T17:00"),  # half-day: 13:00
        ("2024-11-29", "2024-11-29T18:00"),  # half-day in winter
        ("2024-12-24", "2024-12-24T18:00"),
        ("2024-12-26", "2024-12-26T21:00"),
    ],
)
def test_a_session_closes_when_the_exchange_closes(
    calendar: TradingCalendar, session: str, closes: str
) -> None:
    expected = dt.datetime.fromisoformat(f"{closes}+00:00")
    assert calendar.closes_at(dt.date.fromisoformat(session)) == expected


@pytest.mark.parametrize(
    ("day", "message"),
    [
        ("2024-07-04", "not a trading session of XNYS; the nearest are 2024-07-03 and 2024-07-05"),
        ("2023-12-29", "outside the portfolio's sessions, 2024-01-02 to 2025-01-31"),
        ("2025-02-03", "outside the portfolio's sessions"),
    ],
)
def test_a_day_that_is_no_session_is_refused_with_its_neighbours(
    calendar: TradingCalendar, day: str, message: str
) -> None:
    with pytest.raises(SessionUnknownError, match=message):
        calendar.require(dt.date.fromisoformat(day))


@pytest.mark.parametrize(
    ("moment", "session"),
    [
        ("2024-07-05T03:59+00:00", None),  # still the 4th in New York
        ("2024-07-05T04:00+00:00", "2024-07-05"),
        ("2024-07-06T03:59+00:00", "2024-07-05"),
        ("2024-07-06T12:00+00:00", None),
    ],
)
def test_the_current_session_is_todays_at_the_exchange(
    calendar: TradingCalendar, moment: str, session: str | None
) -> None:
    expected = None if session is None else dt.date.fromisoformat(session)
    assert calendar.current(dt.datetime.fromisoformat(moment)) == expected


def test_a_month_has_its_sessions_and_no_others(calendar: TradingCalendar) -> None:
    november = calendar.month("2024-11")
    assert (len(november), november[0], november[-1]) == (
        20,
        dt.date(2024, 11, 1),
        dt.date(2024, 11, 29),
    )


def test_clock_times_include_the_half_days_close(calendar: TradingCalendar) -> None:
    assert calendar.clock_times == ((9, 30), (13, 0), (16, 0))


def test_an_unknown_exchange_is_a_configuration_error() -> None:
    calendar = TradingCalendar(SessionSettings(calendar="MOON", start=dt.date(2024, 1, 1)))
    with pytest.raises(ConfigurationError, match="'MOON' is not an exchange calendar"):
        _ = calendar.sessions
