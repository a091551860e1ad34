"""Which signal a session may use."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from trading_assets.errors import InputError
from trading_assets.model.target import SignalRow
from trading_assets.portfolio.signals import SignalFile, index_signals, latest_signal

DECEMBER = dt.date(2020, 12, 31)
JANUARY = dt.date(2021, 1, 29)


def _row(trade_date: dt.date, symbol: str, row: int) -> SignalRow:
    return SignalRow(
        strategy_id="momentum",
        trade_date=trade_date,
        asset_id=symbol,
        symbol=symbol,
        weight=Decimal("0.5"),
        row=row,
    )


def _two_months() -> SignalFile:
    rows = [
        _row(JANUARY, "XOM", 2),
        _row(DECEMBER, "MSFT", 3),
        _row(JANUARY, "AAPL", 4),
        _row(DECEMBER, "AAPL", 5),
    ]
    return index_signals("momentum", "raw_signals/momentum.csv", "ab12", rows)


def test_the_session_after_a_trade_date_uses_it() -> None:
    signal = latest_signal(_two_months(), dt.date(2021, 1, 4), max_age_days=45)

    assert signal.asof == DECEMBER
    assert signal.age_days == 4
    assert [(row.symbol, row.row) for row in signal.rows] == [("AAPL", 5), ("MSFT", 3)]
    assert (signal.file, signal.file_sha256) == ("raw_signals/momentum.csv", "ab12")


def test_a_signal_dated_on_the_session_is_not_known_yet() -> None:
    assert latest_signal(_two_months(), JANUARY, max_age_days=45).asof == DECEMBER


def test_the_next_session_knows_it() -> None:
    signal = latest_signal(_two_months(), dt.date(2021, 2, 1), max_age_days=45)

    assert signal.asof == JANUARY
    assert [row.symbol for row in signal.rows] == ["AAPL", "XOM"]


def test_a_signal_as_old_as_the_limit_is_used() -> None:
    # 29 January + 45 days = 15 March.
    assert latest_signal(_two_months(), dt.date(2021, 3, 15), max_age_days=45).age_days == 45


def test_a_signal_older_than_the_limit_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        latest_signal(_two_months(), dt.date(2021, 3, 16), max_age_days=45)

    assert str(caught.value) == (
        "raw_signals/momentum.csv, row 4: '2021-01-29': the latest signal of strategy momentum "
        "before session 2021-03-16 must be at most 45 days old, and it is 46. "
        "Add a newer signal to the file, or raise signals.max_age_days."
    )


def test_no_signal_before_the_first_session_is_refused() -> None:
    with pytest.raises(InputError, match="before session 2020-12-31") as caught:
        latest_signal(_two_months(), DECEMBER, max_age_days=45)

    assert caught.value.file == "raw_signals/momentum.csv"
    assert caught.value.value == "2020-12-31"


def test_a_file_without_rows_has_no_signal() -> None:
    empty = index_signals("momentum", "raw_signals/momentum.csv", "ab12", [])

    with pytest.raises(InputError, match="needs a trade date before"):
        latest_signal(empty, JANUARY, max_age_days=45)
    assert empty.rows_of(JANUARY) == ()


def test_rows_of_a_date_between_two_signals_are_none() -> None:
    assert _two_months().rows_of(dt.date(2021, 1, 4)) == ()
