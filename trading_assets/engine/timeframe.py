"""Timeframes of bars: "1Min", "15Min", "1Hour", "1Day", "1Week", "1Month"."""

from __future__ import annotations

import re
from enum import StrEnum

import msgspec

from trading_assets.errors import ConfigurationError

NANOSECONDS = 1_000_000_000


class TimeUnit(StrEnum):
    """Units of a timeframe, as they are spelled in one."""

    MINUTE = "Min"
    HOUR = "Hour"
    DAY = "Day"
    WEEK = "Week"
    MONTH = "Month"


_SECONDS = {TimeUnit.MINUTE: 60, TimeUnit.HOUR: 3600}
_ORDER = tuple(TimeUnit)
_LARGEST = {
    TimeUnit.MINUTE: 59,
    TimeUnit.HOUR: 23,
    TimeUnit.DAY: 1,
    TimeUnit.WEEK: 1,
    TimeUnit.MONTH: 12,
}


class Timeframe(msgspec.Struct, frozen=True):
    """Length of a bar: `count` units. Days, weeks and months are those of sessions."""

    count: int
    unit: TimeUnit

    def __str__(self) -> str:
        return f"{self.count}{self.unit.value}"

    @property
    def is_intraday(self) -> bool:
        """True where several bars make a session."""
        return self.unit in _SECONDS

    @property
    def is_in_session(self) -> bool:
        """True for bars of up to a day: no session after a bar's own belongs to it."""
        return self.is_intraday or self.unit is TimeUnit.DAY

    @property
    def nanoseconds(self) -> int | None:
        """Length of an intraday bar; None for one that is made of sessions."""
        seconds = _SECONDS.get(self.unit)
        return None if seconds is None else self.count * seconds * NANOSECONDS

    @property
    def in_a_year(self) -> int:
        """Returns in a year: 252 sessions for bars of up to a day, 52 weeks, 12 months."""
        if self.unit is TimeUnit.WEEK:
            return 52
        return 12 // self.count if self.unit is TimeUnit.MONTH else 252

    def divides(self, other: Timeframe) -> bool:
        """True where bars of `other` can be made of whole bars of this one."""
        mine, its = self.nanoseconds, other.nanoseconds
        if mine is not None and its is not None:
            return its % mine == 0
        if mine is not None or self.unit is TimeUnit.DAY:
            return its is None
        # Months do not consist of whole weeks.
        return self.unit is other.unit and other.count % self.count == 0


def parse_timeframe(text: str) -> Timeframe:
    """The timeframe that `text` spells: a count and Min, Hour, Day, Week or Month.

    Counts: 1-59 minutes, 1-23 hours, 1 day, 1 week, and 1, 2, 3, 4, 6 or 12 months (those that
    divide a year). ConfigurationError otherwise.
    """
    found = re.fullmatch(r"(\d{1,2})(Min|Hour|Day|Week|Month)", text)
    if found is not None:
        count, unit = int(found[1]), TimeUnit(found[2])
        divides_year = unit is not TimeUnit.MONTH or (count > 0 and 12 % count == 0)
        if 1 <= count <= _LARGEST[unit] and divides_year:
            return Timeframe(count, unit)
    raise ConfigurationError(
        f"timeframe {text!r} is not one of 1Min to 59Min, 1Hour to 23Hour, 1Day, 1Week, and 1, 2, "
        "3, 4, 6 or 12 with Month. Write it as in 1Min, 1Hour, 1Day."
    )


DAILY = Timeframe(1, TimeUnit.DAY)
