"""The highest equity, scaled by flows, gives the drawdown of the time-weighted return."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading_assets.analytics.returns import SessionValue, drawdown_series
from trading_assets.ledger.activity import BookClose, peak_equity

D = Decimal
MONDAY = dt.date(2024, 1, 8)


def close(equity: Decimal, peak: Decimal) -> BookClose:
    return BookClose(
        session=MONDAY,
        positions={},
        values={},
        marks={},
        cash=equity,
        equity=equity,
        benchmark=None,
        peak_equity=peak,
    )


def test_the_money_paid_in_at_the_start_is_the_first_high() -> None:
    # 1,000 paid in, 2 of fees on the first day: 0.2 % below.
    assert peak_equity(None, D(1_000), D(998)) == 1_000
    assert peak_equity(None, D(1_000), D(1_010)) == 1_010


def test_a_deposit_raises_the_high_with_equity() -> None:
    # 90 of a high of 100; 90 are paid in: 180 of 200 is the same 10 %.
    assert peak_equity(close(D(90), D(100)), D(90), D(180)) == 200


def test_a_withdrawal_lowers_the_high_with_equity() -> None:
    # The day earns 10 on 90, then 50 go out: 50 are half of 100, and so is the high.
    assert peak_equity(close(D(90), D(120)), D(-50), D(50)) == 60


def test_a_new_high_is_the_equity_itself() -> None:
    assert peak_equity(close(D(90), D(100)), D(0), D(101)) == 101


def test_a_record_begins_anew_where_there_was_nothing() -> None:
    assert peak_equity(close(D(0), D(100)), D(500), D(490)) == 500


@given(
    st.lists(
        st.tuples(st.integers(-20, 20), st.sampled_from([0, 0, 5_000, -3_000])),
        min_size=1,
        max_size=25,
    )
)
def test_it_is_the_drawdown_of_the_daily_returns(days: list[tuple[int, int]]) -> None:
    """Each day earns so many per cent of what it began with; flows count as in `daily_result`."""
    last: BookClose | None = None
    returns: list[SessionValue] = []
    for percent, flow in days:
        opening = D(0) if last is None else last.equity
        flows = D(flow) if last is not None else D(100_000)
        base = opening + max(flows, D(0))
        equity = base * (100 + percent) / 100 + min(flows, D(0))
        if equity <= 1_000:
            return
        returns.append(SessionValue(MONDAY, percent / 100))
        last = close(equity, peak_equity(last, flows, equity))
        fallen = float(equity / last.peak_equity - 1)
        expected = drawdown_series(returns)[-1].value
        assert fallen == pytest.approx(expected, abs=1e-12)
