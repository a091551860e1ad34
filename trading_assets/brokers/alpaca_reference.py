"""What Alpaca knows beside the account's state: its clock, its sessions, the account's equity
over time, and announcements of corporate actions.

Announcements come from an endpoint that Alpaca has called deprecated; what takes its place has
other words, and only this module would change. What an announcement does not say enough of (the
cost that a spin-off moves, what a merger pays) is listed for a person, never guessed.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

import msgspec

from trading_assets.alpaca_api.client import AlpacaApi
from trading_assets.model.account import Answer, Known, MarketClock, Unknown
from trading_assets.model.corporate_actions import CorporateAction, Dividend, Split

NEW_YORK = ZoneInfo("America/New_York")
CURRENCY = "USD"
_ANNOUNCEMENT_DAYS = 90


class MarketSession(msgspec.Struct, frozen=True, kw_only=True):
    """One session as the broker has it; moments are UTC."""

    session: dt.date
    opens_at: dt.datetime
    closes_at: dt.datetime


class EquityPoint(msgspec.Struct, frozen=True, kw_only=True):
    """The account's equity at the end of a session, money; `at` (UTC) is in that day in New York:
    Alpaca tells days as their 20:00."""

    at: dt.datetime
    equity: Decimal
    profit_loss: Decimal


class AnnouncedAction(msgspec.Struct, frozen=True, kw_only=True):
    """A corporate action, keyed by the announcer's own id."""

    announcement_id: str
    action: CorporateAction


class UntranslatedAnnouncement(msgspec.Struct, frozen=True, kw_only=True):
    """An announcement that a person has to turn into a corporate action, and why."""

    announcement_id: str
    symbol: str
    kind: str
    ex_date: dt.date | None
    reason: str


class Announcements(msgspec.Struct, frozen=True, kw_only=True):
    """What was announced for a time, by ex-date."""

    actions: tuple[AnnouncedAction, ...]
    untranslated: tuple[UntranslatedAnnouncement, ...]


class AlpacaReference:
    """The reference data that `api` gives access to."""

    def __init__(self, api: AlpacaApi) -> None:
        self._api = api
        self._client = api.trading()

    def clock(self) -> Answer[MarketClock]:
        """The broker's clock."""
        found = self._api.fetch(self._client, "clock", "/clock", _ClockRow)
        if isinstance(found, Unknown):
            return found
        row = found.value
        return Known(
            MarketClock(
                now=row.timestamp.astimezone(dt.UTC),
                is_open=row.is_open,
                next_open=row.next_open.astimezone(dt.UTC),
                next_close=row.next_close.astimezone(dt.UTC),
            )
        )

    def sessions(self, start: dt.date, end: dt.date) -> Answer[tuple[MarketSession, ...]]:
        """The sessions from `start` to `end`, both included, half-days with their own close."""
        fields = {"start": start.isoformat(), "end": end.isoformat()}
        found = self._api.fetch(self._client, "calendar", "/calendar", list[_DayRow], fields)
        if isinstance(found, Unknown):
            return found
        return Known(tuple(row.session() for row in found.value))

    def equity_history(self, period: str = "1M") -> Answer[tuple[EquityPoint, ...]]:
        """The account's equity day by day, oldest first; `period` as Alpaca spells it (1W, 3M)."""
        path, fields = "/account/portfolio/history", {"period": period, "timeframe": "1D"}
        found = self._api.fetch(self._client, "portfolio history", path, _HistoryRow, fields)
        if isinstance(found, Unknown):
            return found
        row = found.value
        if not len(row.timestamp) == len(row.equity) == len(row.profit_loss):
            return Unknown("portfolio history: its columns are not equally long")
        return Known(
            tuple(
                EquityPoint(
                    at=dt.datetime.fromtimestamp(seconds, dt.UTC), equity=equity, profit_loss=gain
                )
                for seconds, equity, gain in zip(
                    row.timestamp, row.equity, row.profit_loss, strict=True
                )
                # There are no figures for days before the account was opened.
                if equity is not None and gain is not None
            )
        )

    def announcements(self, start: dt.date, end: dt.date) -> Answer[Announcements]:
        """What goes ex from `start` to `end`, both included."""
        rows: list[_AnnouncementRow] = []
        path = "/corporate_actions/announcements"
        for since, until in _windows(start, end):
            fields = {
                "ca_types": "dividend,split,spinoff,merger",
                "since": since.isoformat(),
                "until": until.isoformat(),
                "date_type": "ex_date",
            }
            found = self._api.fetch(
                self._client, "announcements", path, list[_AnnouncementRow], fields
            )
            if isinstance(found, Unknown):
                return found
            rows.extend(found.value)
        return Known(_translated(rows))


class _ClockRow(msgspec.Struct, frozen=True):
    timestamp: dt.datetime
    is_open: bool
    next_open: dt.datetime
    next_close: dt.datetime


class _DayRow(msgspec.Struct, frozen=True):
    date: dt.date
    open: str
    close: str

    def session(self) -> MarketSession:
        opens, closes = (
            dt.datetime.combine(self.date, dt.time.fromisoformat(text), NEW_YORK)
            for text in (self.open, self.close)
        )
        return MarketSession(
            session=self.date,
            opens_at=opens.astimezone(dt.UTC),
            closes_at=closes.astimezone(dt.UTC),
        )


class _HistoryRow(msgspec.Struct, frozen=True):
    timestamp: list[int]
    equity: list[Decimal | None]
    profit_loss: list[Decimal | None]


class _AnnouncementRow(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    ca_type: str
    ca_sub_type: str
    initiating_symbol: str
    corporate_action_id: str | None = None
    corporate_actions_id: str | None = None
    target_symbol: str | None = None
    ex_date: dt.date | None = None
    payable_date: dt.date | None = None
    cash: Decimal = Decimal(0)
    old_rate: Decimal = Decimal(1)
    new_rate: Decimal = Decimal(1)

    @property
    def name(self) -> str:
        # The same action announced again, with other terms, has another `id`.
        return self.corporate_action_id or self.corporate_actions_id or self.id

    @property
    def kind(self) -> tuple[str, str]:
        return self.ca_type.lower(), self.ca_sub_type.lower()


def _translated(rows: list[_AnnouncementRow]) -> Announcements:
    actions: dict[str, AnnouncedAction] = {}
    left: dict[str, UntranslatedAnnouncement] = {}
    for row in sorted(rows, key=lambda row: (row.ex_date or dt.date.max, row.initiating_symbol)):
        action, reason = _action(row)
        known = actions.get(row.name)
        if action is not None and known is not None and known.action != action:
            action, reason = None, "announced more than once, with other terms"
        if action is None:
            actions.pop(row.name, None)
            left[row.name] = UntranslatedAnnouncement(
                announcement_id=row.name,
                symbol=row.initiating_symbol,
                kind="/".join(row.kind),
                ex_date=row.ex_date,
                reason=reason,
            )
        elif row.name not in left:
            actions[row.name] = AnnouncedAction(announcement_id=row.name, action=action)
    return Announcements(actions=tuple(actions.values()), untranslated=tuple(left.values()))


def _action(row: _AnnouncementRow) -> tuple[CorporateAction | None, str]:
    """The action, or None and why an announcement does not say enough to make one."""
    if row.ex_date is None:
        return None, "no ex-date"
    if row.kind == ("dividend", "cash") and row.cash > 0:
        return Dividend(
            symbol=row.initiating_symbol,
            ex_date=row.ex_date,
            amount_per_share=row.cash,
            currency=CURRENCY,
            pay_date=row.payable_date,
        ), ""
    if row.kind in (("split", "stock_split"), ("split", "reverse_split")):
        if row.new_rate <= 0 or row.old_rate <= 0:
            return None, f"the rates are {row.new_rate} and {row.old_rate}"
        ratio = Fraction(row.new_rate) / Fraction(row.old_rate)
        return Split(
            symbol=row.initiating_symbol,
            ex_date=row.ex_date,
            new_shares=ratio.numerator,
            old_shares=ratio.denominator,
        ), ""
    return None, "it does not say all that the book needs"


def _windows(start: dt.date, end: dt.date) -> Iterator[tuple[dt.date, dt.date]]:
    """The days from `start` to `end` in pieces that may be asked for at once."""
    while start <= end:
        last = min(start + dt.timedelta(days=_ANNOUNCEMENT_DAYS - 1), end)
        yield start, last
        start = last + dt.timedelta(days=1)
