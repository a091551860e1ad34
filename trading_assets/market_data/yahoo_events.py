"""What a chart of Yahoo's says beside prices: splits, dividends, and when was last traded.

It is read from the answer itself, which the session kept: yfinance makes a float of a split's two
numbers and drops the currency of a dividend.
"""

from __future__ import annotations

import datetime as dt
from decimal import Context, Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

import msgspec

from trading_assets.model.currency import in_major_unit
from trading_assets.model.money import plain

_SINGLE = Context(prec=7)
"""Yahoo's prices are floats of 32 bits, which hold seven digits; doubles add noise to them."""
LARGEST_RATIO = 10_000
"""Of a split, in lowest terms: what is beyond is no number of shares that anybody gave."""


class ShareSplit(msgspec.Struct, frozen=True):
    """At the open of `session`, `new_shares` for every `old_shares`, in lowest terms."""

    session: dt.date
    new_shares: int
    old_shares: int


class CashDividend(msgspec.Struct, frozen=True):
    """A dividend that goes ex in `session`: money per share in `currency`, in the shares that there
    were when Yahoo was asked, as all its numbers are."""

    session: dt.date
    amount: Decimal
    currency: str


class ChartEvents(msgspec.Struct, frozen=True, kw_only=True):
    """Events in the order of their sessions. `last_trade_at` (UTC) is when the symbol last traded,
    as far as Yahoo has heard, None where it does not say. `unread` says what of it is no event that
    a book could be told."""

    splits: tuple[ShareSplit, ...] = ()
    dividends: tuple[CashDividend, ...] = ()
    last_trade_at: dt.datetime | None = None
    unread: tuple[str, ...] = ()


class _Dividend(msgspec.Struct):
    date: int
    amount: float
    currency: str = ""


class _Split(msgspec.Struct):
    date: int
    numerator: float
    denominator: float


class _Events(msgspec.Struct):
    dividends: dict[str, _Dividend] = {}
    splits: dict[str, _Split] = {}


class _Meta(msgspec.Struct, rename="camel"):
    currency: str | None = None
    exchange_timezone_name: str = "UTC"
    regular_market_time: int | None = None


class _Result(msgspec.Struct):
    meta: _Meta
    events: _Events = msgspec.field(default_factory=_Events)


class _Chart(msgspec.Struct):
    result: list[_Result]


class _Answer(msgspec.Struct):
    chart: _Chart


def chart_events(content: bytes) -> ChartEvents:
    """The events of a chart's JSON; raises ValueError where it is none."""
    (result,) = msgspec.json.decode(content, type=_Answer).chart.result
    meta, zone = result.meta, ZoneInfo(result.meta.exchange_timezone_name)

    def day(stamp: int) -> dt.date:
        return dt.datetime.fromtimestamp(stamp, zone).date()

    splits, dividends, unread = [], [], []
    for split in sorted(result.events.splits.values(), key=lambda one: one.date):
        session, ratio = day(split.date), _ratio(split)
        if ratio is None:
            said = f"{split.numerator:g} for {split.denominator:g}"
            unread.append(f"a split of {session}, {said}, is no number of shares")
        elif ratio != 1:
            splits.append(ShareSplit(session, ratio.numerator, ratio.denominator))
    for one in sorted(result.events.dividends.values(), key=lambda one: one.date):
        if one.amount > 0:
            quoted = one.currency or meta.currency or ""
            amount, currency = in_major_unit(seven_digits(one.amount), quoted)
            dividends.append(CashDividend(day(one.date), amount, currency))
    traded = meta.regular_market_time
    return ChartEvents(
        splits=tuple(splits),
        dividends=tuple(dividends),
        last_trade_at=None if traded is None else dt.datetime.fromtimestamp(traded, dt.UTC),
        unread=tuple(unread),
    )


def seven_digits(value: float) -> Decimal:
    """A number of Yahoo's without the noise of a double, digits written out."""
    return Decimal(plain(_SINGLE.create_decimal(repr(float(value)))))


def _ratio(split: _Split) -> Fraction | None:
    """New shares for one old one; None where they are no whole numbers, or no sensible ones."""
    if split.numerator <= 0 or split.denominator <= 0:
        return None
    ratio = Fraction(repr(split.numerator)) / Fraction(repr(split.denominator))
    return None if max(ratio.numerator, ratio.denominator) > LARGEST_RATIO else ratio
