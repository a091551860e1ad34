"""Signals of a portfolio: from files, and from its own prices without looking ahead."""

from __future__ import annotations

import csv
import datetime as dt
from decimal import Decimal
from pathlib import Path

import pytest

from trading_assets.calendar import TradingCalendar
from trading_assets.errors import ConfigurationError, InputError
from trading_assets.market_data.files import FilePriceSource
from trading_assets.settings import FilePrices, SessionSettings, load_portfolio
from trading_assets.signal_settings import MomentumStrategy
from trading_assets.signal_sources import MomentumSignals, adjusted_closes, open_signals

DATA = Path(__file__).parent.parent / "data"
CALENDAR = TradingCalendar(SessionSettings(calendar="XLON", start=dt.date(2024, 2, 1)))
STRATEGY = MomentumStrategy(kind="momentum", id="mom", universe={"UP": "A", "DOWN": "B"}, top_n=1)
FIRST_OF_FEBRUARY = dt.date(2024, 2, 1)


def prices(folder: Path, *rows: tuple[str, str, str]) -> FilePriceSource:
    path = folder / "closes.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("session", "symbol", "close"), *rows])
    return FilePriceSource(FilePrices(path=path), "GBP", CALENDAR.history)


# 2023-01-31 is twelve month-ends before 2024-01-31, 2023-12-29 one.
FAR, NEAR, ASOF = "2023-01-31", "2023-12-29", "2024-01-31"
CLOSES = (
    (FAR, "UP", "10"),
    (FAR, "DOWN", "10"),
    (NEAR, "UP", "12"),
    (NEAR, "DOWN", "9"),
    (ASOF, "UP", "1"),
    (ASOF, "DOWN", "99"),
)


def test_on_the_first_session_of_a_month_the_month_before_ranks_and_its_own_return_is_left_out(
    tmp_path: Path,
) -> None:
    signals = MomentumSignals(STRATEGY, prices(tmp_path, *CLOSES), CALENDAR.history)
    signal = signals.at(FIRST_OF_FEBRUARY)
    assert (signal.asof, signal.age_days) == (dt.date(2024, 1, 31), 1)
    (row,) = signal.rows
    assert (row.symbol, row.weight, row.row) == ("UP", Decimal(1), 1)
    assert signal.file == "momentum of closes.csv"
    assert signal.file_sha256 == signals.ranking_before(FIRST_OF_FEBRUARY).sha256
    # It holds through the month's last session, whose own close is not known before it.
    assert signals.at(dt.date(2024, 2, 29)).asof == dt.date(2024, 1, 31)
    # On the last session of January the ranking of December still holds, and needs 2022-12-30.
    with pytest.raises(InputError, match="no symbol has closes of both 2022-12-30 and 2023-11-30"):
        signals.at(dt.date(2024, 1, 31))


def test_no_later_close_changes_a_ranking(tmp_path: Path) -> None:
    whole = MomentumSignals(STRATEGY, prices(tmp_path, *CLOSES), CALENDAR.history)
    known = MomentumSignals(STRATEGY, prices(tmp_path, *CLOSES[:4]), CALENDAR.history)
    assert whole.at(FIRST_OF_FEBRUARY) == known.at(FIRST_OF_FEBRUARY)
    # And the close at the later of the two month-ends does.
    other = prices(tmp_path, *CLOSES[:2], (NEAR, "UP", "8"), CLOSES[3])
    (row,) = MomentumSignals(STRATEGY, other, CALENDAR.history).at(FIRST_OF_FEBRUARY).rows
    assert row.symbol == "DOWN"


def test_a_holiday_at_the_months_end_moves_the_month_end(tmp_path: Path) -> None:
    # 2024-03-29 was Good Friday: London's March ended on Thursday the 28th.
    rows = (("2023-03-31", "UP", "10"), ("2024-02-29", "UP", "11"))
    signals = MomentumSignals(STRATEGY, prices(tmp_path, *rows), CALENDAR.history)
    ranking = signals.ranking_before(dt.date(2024, 4, 2))
    assert ranking.asof == dt.date(2024, 3, 28)
    assert (ranking.start, ranking.end) == (dt.date(2023, 3, 31), dt.date(2024, 2, 29))
    assert ranking.unranked == ("DOWN",)


def test_a_calendar_that_begins_too_late_is_told(tmp_path: Path) -> None:
    signals = MomentumSignals(STRATEGY, prices(tmp_path, *CLOSES), CALENDAR.history[-600:])
    with pytest.raises(InputError, match=r"needs adjusted closes from 12 months before session"):
        signals.at(CALENDAR.history[-595])


def test_a_price_source_without_adjusted_closes_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="momentum needs adjusted closes"):
        adjusted_closes(None)


def test_the_sample_follows_its_ranking_and_its_threshold_is_the_plans_band() -> None:
    settings = load_portfolio(DATA / "portfolios" / "momentum.yaml")
    assert settings.planning.no_trade_band == Decimal("0.02")
    calendar = TradingCalendar(settings.sessions)
    assert isinstance(settings.prices, FilePrices)
    source = FilePriceSource(settings.prices, settings.currency, calendar.history)
    (signals,) = open_signals(settings, calendar, source)
    assert isinstance(signals, MomentumSignals)
    ranking = signals.ranking_before(dt.date(2021, 1, 4))
    # The file's closes of 2019-12-31 and 2020-11-30: MTUM 120.09 and 150.769, QUAL 95.907 and
    # 108.236, SIZE 92.277 and 102.909, USMV 61.83 and 63.843, VLUE 81.312 and 78.837.
    assert (ranking.start, ranking.end) == (dt.date(2019, 12, 31), dt.date(2020, 11, 30))
    assert [(row.symbol, str(round(row.momentum, 4))) for row in ranking.ranked] == [
        ("MTUM", "0.2555"),
        ("QUAL", "0.1286"),
        ("SIZE", "0.1152"),
        ("USMV", "0.0326"),
        ("VLUE", "-0.0304"),
    ]
    assert {row.symbol for row in signals.at(dt.date(2021, 1, 4)).rows} == {"MTUM", "QUAL", "SIZE"}
