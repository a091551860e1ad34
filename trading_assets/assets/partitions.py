"""Sessions and months as Dagster partitions."""

from __future__ import annotations

import datetime as dt

import dagster as dg

from trading_assets.calendar import TradingCalendar

WEEKEND = ["0 0 * * 6", "0 0 * * 0"]


def session_partitions(calendar: TradingCalendar) -> dg.DailyPartitionsDefinition:
    """Exactly the exchange's sessions: every day but weekends and the calendar's holidays.

    The day itself counts while it lasts (`end_offset=1`), so a live session can be worked on; on a
    day without a session this offers the next one, which the session's asset refuses.
    """
    holidays = [dt.datetime.combine(day, dt.time()) for day in calendar.weekday_holidays]
    end = calendar.settings.end
    return dg.DailyPartitionsDefinition(
        start_date=calendar.first.isoformat(),
        end_date=None if end is None else (end + dt.timedelta(days=1)).isoformat(),
        timezone=str(calendar.time_zone),
        end_offset=1 if end is None else 0,
        exclusions=[*WEEKEND, *holidays],
    )


def month_partitions(calendar: TradingCalendar) -> dg.MonthlyPartitionsDefinition:
    """The months of the portfolio, by their first day."""
    end = calendar.settings.end
    following = None if end is None else (end.replace(day=1) + dt.timedelta(days=32))
    return dg.MonthlyPartitionsDefinition(
        start_date=calendar.first.replace(day=1).isoformat(),
        end_date=None if following is None else following.replace(day=1).isoformat(),
        timezone=str(calendar.time_zone),
        end_offset=1 if end is None else 0,
    )


def sessions_of(context: dg.AssetExecutionContext) -> list[dt.date]:
    """The sessions that this run is for, ascending."""
    return [dt.date.fromisoformat(key) for key in context.partition_keys]
