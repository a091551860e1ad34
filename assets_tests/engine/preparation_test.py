"""What a backtest's data settings make of bars: periods by sessions, and actions on all lengths."""

from __future__ import annotations

from pathlib import Path

import pytest

from trading_assets.engine.bars import Market
from trading_assets.engine.clock import iso
from trading_assets.engine.preparation import load_market, run_backtest
from trading_assets.engine.settings import BacktestSettings, DataSettings
from trading_assets.errors import InputError

ACTIONS = "ex_date,symbol,action,new_shares,old_shares\n"


def written(folder: Path, *rows: str) -> Path:
    (folder / "bars.csv").write_text("\n".join(["symbol,time,close", *rows]))
    return folder


def market(folder: Path, **data: object) -> Market:
    found, _ = load_market(DataSettings.model_validate({"path": "bars.csv", **data}), folder, "USD")
    return found


def times(found: Market) -> list[str]:
    return [iso(start, found.timeframe)[:16] for start in found.timeline.tolist()]


EVENING = (
    # 19:30 in New York on Tuesday, 2 January 2024 is Wednesday in UTC.
    "AAA,2024-01-02T20:30:00,10", "AAA,2024-01-03T00:30:00,11",
    "AAA,2024-01-03T14:30:00,12", "AAA,2024-01-04T00:30:00,13", "AAA,2024-01-04T14:30:00,14",
)  # fmt: skip


def test_a_period_ends_with_its_session_and_not_with_its_date_in_utc(tmp_path: Path) -> None:
    found = market(written(tmp_path, *EVENING), timeframe="30Min", end="2024-01-03")
    assert times(found)[-1] == "2024-01-04T00:30"
    # In Sydney a session begins the evening before, in UTC.
    sydney = written(
        tmp_path,
        "AAA,2024-01-02T23:30:00,10", "AAA,2024-01-03T01:30:00,11", "AAA,2024-01-03T23:30:00,12",
    )  # fmt: skip
    found = market(sydney, timeframe="30Min", end="2024-01-03", time_zone="Australia/Sydney")
    assert times(found) == ["2024-01-02T23:30", "2024-01-03T01:30"]


def test_a_period_without_a_bar_of_a_symbol_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"AAA.*data.end 2024-01-01"):
        market(written(tmp_path, *EVENING), timeframe="30Min", end="2024-01-01")


def test_signals_count_from_the_first_session_on_and_not_from_the_evening_before(
    tmp_path: Path,
) -> None:
    """00:30 UTC of the 3rd is still the session of the 2nd."""
    settings = BacktestSettings.model_validate(
        {
            "data": {
                "path": "bars.csv", "timeframe": "30Min", "start": "2024-01-03", "warm_up_bars": 1,
            },
            "strategies": [{"id": "hold", "strategy": "buy_and_hold"}],
        }
    )  # fmt: skip
    result = run_backtest(settings, written(tmp_path, *EVENING))
    assert result.to_dict()["bar_count"] == 3


def test_an_action_takes_effect_in_the_first_bar_of_its_session_not_of_its_date_in_utc(
    tmp_path: Path,
) -> None:
    """Two for one on the 3rd: 00:30 UTC is the evening of the 2nd, and still in old shares."""
    evening = written(
        tmp_path,
        "AAA,2024-01-02T20:30:00,100", "AAA,2024-01-03T00:30:00,102",
        "AAA,2024-01-03T14:30:00,51", "AAA,2024-01-03T15:00:00,52",
    )  # fmt: skip
    (tmp_path / "actions.csv").write_text(f"{ACTIONS}2024-01-03,AAA,split,2,1\n")
    period = {"timeframe": "30Min", "corporate_actions": "actions.csv"}
    adjusted = market(evening, prices="adjusted", **period)
    assert adjusted.columns[0].close.tolist() == [50, 51, 51, 52]
    raw = market(evening, prices="raw", **period)
    factor = raw.columns[0].factor
    assert factor is not None
    assert factor.tolist() == [1, 1, 2, 2]


DAYS = (
    "AAA,2024-01-02,100", "AAA,2024-01-05,100",
    "AAA,2024-01-08,100", "AAA,2024-01-09,104", "AAA,2024-01-10,52", "AAA,2024-01-12,54",
    "AAA,2024-01-16,54", "AAA,2024-01-19,55",
)  # fmt: skip


@pytest.mark.parametrize("timeframe", ["1Day", "1Week", "1Month"])
def test_a_split_within_a_week_changes_shares_and_earns_nothing(
    tmp_path: Path, timeframe: str
) -> None:
    """A tenth of 10,000 bought at 100, two for one on Wednesday the 10th, 55 at the end: 10 %."""
    january = ("AAA,2023-12-28,100", "AAA,2023-12-29,100")
    folder = written(tmp_path, *january, *DAYS)
    (tmp_path / "actions.csv").write_text(f"{ACTIONS}2024-01-10,AAA,split,2,1\n")
    settings = BacktestSettings.model_validate(
        {
            "data": {
                "path": "bars.csv", "timeframe": timeframe, "source_timeframe": "1Day",
                "prices": "raw", "corporate_actions": "actions.csv",
            },
            "strategies": [{"id": "hold", "strategy": "buy_and_hold"}],
            "account": {"initial_capital": 10000},
            "matching": {"fill_price": "close"},
        }
    )  # fmt: skip
    result = run_backtest(settings, folder).to_dict()
    assert result["final_value"] == 10100
    worst = min(point["equity"] for point in result["equity_curve"])
    assert worst >= 10000


def test_weeks_of_adjusted_prices_are_made_of_days_that_are_adjusted(tmp_path: Path) -> None:
    """104 on Tuesday is 52 of Wednesday's shares: the high of the week is 54, of Friday."""
    folder = written(tmp_path, *DAYS)
    (tmp_path / "actions.csv").write_text(f"{ACTIONS}2024-01-10,AAA,split,2,1\n")
    found = market(
        folder, timeframe="1Week", source_timeframe="1Day", prices="adjusted",
        corporate_actions="actions.csv",
    )  # fmt: skip
    (column,) = found.columns
    assert column.high.tolist() == [50, 54, 55]
    assert column.open.tolist() == [50, 50, 54]
