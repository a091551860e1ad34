"""Risk of a book at a close, by hand."""

from __future__ import annotations

import datetime as dt
import math
import statistics
from decimal import Decimal

import pytest

from trading_assets.analytics.risk_snapshot import (
    VOLATILITY_SESSIONS,
    RiskSnapshot,
    SectorExposure,
    daily_return,
    risk_snapshot,
    with_volatility,
)
from trading_assets.ledger.activity import BookClose, SessionActivity

D = Decimal
MONDAY = dt.date(2024, 1, 8)


def close(values: dict[str, str], cash: str, peak: str = "0") -> BookClose:
    money = {symbol: D(value) for symbol, value in values.items()}
    return BookClose(
        session=MONDAY,
        positions=dict.fromkeys(values, D(1)),
        values=money,
        marks={},
        cash=D(cash),
        equity=sum(money.values(), D(cash)),
        benchmark=None,
        peak_equity=D(peak),
    )


def test_a_long_and_short_book() -> None:
    # Equity 600 + 300 - 400 + 500 = 1,000.
    found = risk_snapshot(close({"AAA": "600", "BBB": "300", "CCC": "-400"}, "500", "1250"))
    assert (found.long_value, found.short_value) == (D(900), D(400))
    assert (found.gross_exposure, found.net_exposure) == (D(1300), D(500))
    assert found.gross_leverage == pytest.approx(1.3)
    assert found.net_leverage == pytest.approx(0.5)
    assert found.largest_symbol == "AAA"
    assert found.largest_weight == pytest.approx(0.6)
    # Shares of gross 6/13, 3/13, 4/13: 169 / (36 + 9 + 16).
    assert found.effective_positions == pytest.approx(169 / 61)
    assert found.drawdown == pytest.approx(-0.2)
    assert found.position_count == 3


def test_the_largest_position_may_be_a_short() -> None:
    found = risk_snapshot(close({"AAA": "100", "BBB": "-300"}, "1200"))
    assert found.largest_symbol == "BBB"
    assert found.largest_weight == pytest.approx(-0.3)


def test_ten_equal_positions_count_as_ten() -> None:
    found = risk_snapshot(close({f"S{n}": "100" for n in range(10)}, "0"))
    assert found.effective_positions == pytest.approx(10)


def test_a_book_in_cash_has_no_largest_position() -> None:
    found = risk_snapshot(close({}, "1000", "1000"))
    assert (found.gross_leverage, found.net_leverage, found.drawdown) == (0.0, 0.0, 0.0)
    assert (found.largest_symbol, found.largest_weight) == (None, None)
    assert found.effective_positions is None


def test_ratios_are_undefined_without_equity() -> None:
    found = risk_snapshot(close({"AAA": "100"}, "-150"))
    assert (found.gross_leverage, found.net_leverage, found.largest_weight) == (None, None, None)
    assert found.drawdown is None
    assert found.largest_symbol == "AAA"


def test_sectors_are_told_apart_where_they_are_named() -> None:
    book = close({"AAA": "600", "BBB": "-200", "CCC": "100"}, "500")
    assert risk_snapshot(book).sectors == ()
    assert risk_snapshot(book, {"AAA": "energy", "BBB": "energy"}).sectors == (
        SectorExposure(sector="energy", long_value=D(600), short_value=D(200), weight=0.8),
        SectorExposure(sector="unclassified", long_value=D(100), short_value=D(0), weight=0.1),
    )


def snapshots(count: int) -> list[RiskSnapshot]:
    return [risk_snapshot(close({}, "1"))] * count


def test_volatility_is_of_sixty_returns_wherever_the_run_begins() -> None:
    returns: list[float | None] = [0.01 * math.sin(n) for n in range(70)]
    whole = with_volatility(snapshots(70), returns, [], 252)
    assert [one.volatility for one in whole[: VOLATILITY_SESSIONS - 1]] == [None] * 59
    known = [r for r in returns[10:] if r is not None]
    expected = statistics.stdev(known) * math.sqrt(252)
    assert whole[-1].volatility == pytest.approx(expected)
    # The last three sessions by themselves, with the returns before them read back.
    later = with_volatility(snapshots(3), returns[67:], returns[:67], 252)
    assert [one.volatility for one in later] == pytest.approx([x.volatility for x in whole[67:]])
    alone = with_volatility(snapshots(1), returns[69:], returns[10:69], 252)
    assert alone[0].volatility == pytest.approx(expected)


def test_volatility_over_an_unknown_return_is_unknown() -> None:
    returns: list[float | None] = [None, *([0.01] * 60)]
    found = with_volatility(snapshots(61), returns, [], 252)
    assert found[59].volatility is None
    assert found[60].volatility == pytest.approx(0, abs=1e-12)


def test_a_days_return_counts_money_paid_in_from_the_start() -> None:
    before, after = close({}, "1000"), close({}, "1650")
    moved = SessionActivity(
        session=MONDAY, flows=D(500), flows_in_kind=D(0), fees=D(0), instruments=()
    )
    # 150 earned on 1,500.
    assert daily_return(before, moved, after) == pytest.approx(0.1)
    nothing = SessionActivity(
        session=MONDAY, flows=D(0), flows_in_kind=D(0), fees=D(0), instruments=()
    )
    assert daily_return(None, nothing, after) is None
