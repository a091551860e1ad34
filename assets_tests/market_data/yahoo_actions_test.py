"""What of Yahoo's splits and dividends becomes a corporate action of a portfolio."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from trading_assets.market_data.corporate_actions import CorporateActions
from trading_assets.market_data.yahoo_actions import splits_not_in, yahoo_actions
from trading_assets.market_data.yahoo_events import CashDividend, ShareSplit
from trading_assets.market_data.yahoo_histories import DailyBar, DailyHistory
from trading_assets.model.corporate_actions import Dividend, Split

MONDAY, TUESDAY, WEDNESDAY, THURSDAY = SESSIONS = tuple(
    dt.date(2024, 3, day) for day in (4, 5, 6, 7)
)
SATURDAY = dt.date(2024, 3, 9)


def history(
    *, adjusted: str = "40", splits: tuple[ShareSplit, ...] = (), **dividends: CashDividend
) -> DailyHistory:
    """Closes of 40 dollars; `adjusted` is Yahoo's adjusted close of those before Wednesday."""
    bars = [
        DailyBar(day, Decimal(40), Decimal(adjusted if day < WEDNESDAY else 40), 100)
        for day in SESSIONS
    ]
    return DailyHistory(
        symbol="A",
        currency="USD",
        taken_at=dt.datetime(2024, 3, 7, 18, tzinfo=dt.UTC),
        bars=tuple(bars),
        splits=splits,
        dividends=tuple(dividends.values()),
    )


def paid(amount: str, currency: str = "USD", day: dt.date = WEDNESDAY) -> CashDividend:
    return CashDividend(day, Decimal(amount), currency)


def booked(
    given: DailyHistory, *, with_dividends: bool = True
) -> tuple[CorporateActions, tuple[str, ...]]:
    return yahoo_actions({"A": given}, "USD", SESSIONS, with_dividends=with_dividends)


def test_splits_and_dividends_take_effect_in_their_sessions() -> None:
    split = ShareSplit(THURSDAY, 2, 1)
    actions, told = booked(history(adjusted="39.8", splits=(split,), one=paid("0.2")))
    assert told == ()
    assert actions.of(THURSDAY) == (
        Split(symbol="A", ex_date=THURSDAY, new_shares=2, old_shares=1),
    )
    # 0.2 of a share of today are 0.4 of one of Wednesday.
    assert actions.of(WEDNESDAY) == (
        Dividend(symbol="A", ex_date=WEDNESDAY, amount_per_share=Decimal("0.4"), currency="USD"),
    )
    assert actions.name == "yahoo/actions"


def test_the_same_answer_gives_the_same_actions_and_hash() -> None:
    one, other = booked(history(one=paid("0.2")))[0], booked(history(one=paid("0.2")))[0]
    assert one.sha256 == other.sha256 != booked(history(one=paid("0.3")))[0].sha256


def test_where_the_broker_tells_dividends_splits_alone_are_taken() -> None:
    given = history(splits=(ShareSplit(THURSDAY, 2, 1),), one=paid("0.2"))
    actions, told = booked(given, with_dividends=False)
    assert [type(action) for action in actions.by_symbol["A"]] == [Split]
    assert told == ()


@pytest.mark.parametrize(
    ("dividend", "adjusted", "reason"),
    [
        (paid("0.2", "EUR"), "40", "it is in EUR"),
        (paid("0.2", day=SATURDAY), "40", ""),
        (paid("10.01"), "40", "the close before it is 40"),
        # Pence told as pounds: 0.4 % were taken off, 0.00004 would be right.
        (paid("0.0016"), "39.84", "is another unit's"),
        # Pounds told as pence.
        (paid("8"), "39.92", "is another unit's"),
    ],
)
def test_a_dividend_that_cannot_be_what_it_says_is_told_and_not_booked(
    dividend: CashDividend, adjusted: str, reason: str
) -> None:
    actions, told = booked(history(adjusted=adjusted, one=dividend))
    assert actions.by_symbol == {}
    if reason:
        (line,) = told
        assert reason in line
        assert line.startswith("A: its dividend of")


def test_a_dividend_that_yahoo_has_not_taken_off_yet_is_booked() -> None:
    assert booked(history(adjusted="40", one=paid("0.2")))[0].of(WEDNESDAY)


def test_a_split_that_the_file_lacks_is_told() -> None:
    given = {"A": history(splits=(ShareSplit(WEDNESDAY, 2, 1),))}
    (line,) = splits_not_in(CorporateActions(), given)
    assert "it split on 2024-03-06, 2 for 1" in line
    listed = Split(symbol="A", ex_date=WEDNESDAY, new_shares=2, old_shares=1)
    assert splits_not_in(CorporateActions([listed]), given) == ()
