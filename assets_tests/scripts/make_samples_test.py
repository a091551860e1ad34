"""The committed sample signals are what their strategies give, without hindsight."""

from __future__ import annotations

import csv
import datetime as dt
import importlib.util
from decimal import Decimal
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest

from trading_assets.settings import load_portfolio
from trading_assets.signal_files import read_signal_file
from trading_assets.signal_settings import StrategySettings

ROOT = Path(__file__).parents[2]
DATA = ROOT / "data"
MONTHS = (dt.date(2020, 12, 31), dt.date(2022, 6, 30))
FILES = ("equal_weight.csv", "mean_variance.csv", "minimum_variance.csv", "momentum_12_1.xlsx")
# Solvers agree to about this much across platforms.
TOLERANCE = Decimal("0.0001")

Committed = dict[str, dict[dt.date, dict[str, Decimal]]]


@pytest.fixture(scope="module")
def samples() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_samples", ROOT / "scripts/make_samples.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def closes() -> pd.DataFrame:
    """The committed closes, sessions x symbols, without the benchmark."""
    long = pd.read_csv(DATA / "market/sp500_daily_closes.csv", parse_dates=["session"])
    return long.pivot_table(index="session", columns="symbol", values="close").drop(columns="SP500")


@pytest.fixture(scope="module")
def committed() -> Committed:
    """Weights by file, trade date and symbol."""
    weights: Committed = {}
    for strategy in load_portfolio(DATA / "portfolios/sample.yaml").signals.strategies:
        assert isinstance(strategy, StrategySettings)
        of_file = weights.setdefault(strategy.path.name, {})
        for row in read_signal_file(strategy).rows:
            of_file.setdefault(row.trade_date, {})[row.symbol] = row.weight
    return weights


@pytest.mark.parametrize("trade_date", MONTHS, ids=str)
@pytest.mark.parametrize("file", FILES)
def test_a_months_signal_follows_from_closes_up_to_its_trade_date(
    samples: ModuleType,
    closes: pd.DataFrame,
    committed: Committed,
    file: str,
    trade_date: dt.date,
) -> None:
    known = closes.loc[: trade_date.isoformat()]

    again = samples.weights_at(samples.STRATEGIES[file], known, trade_date)

    expected = committed[file][trade_date]
    for symbol in again.keys() | expected.keys():
        gap = again.get(symbol, Decimal(0)) - expected.get(symbol, Decimal(0))
        assert abs(gap) <= TOLERANCE, symbol


@pytest.mark.parametrize("file", FILES)
def test_prices_after_the_trade_date_change_nothing(
    samples: ModuleType, closes: pd.DataFrame, file: str
) -> None:
    trade_date = dt.date(2021, 3, 31)
    strategy = samples.STRATEGIES[file]
    later = closes.copy()
    later.loc["2021-04-01":] = later.loc["2021-04-01":].iloc[:, ::-1].to_numpy() * 3

    assert samples.weights_at(strategy, later, trade_date) == samples.weights_at(
        strategy, closes, trade_date
    )


def test_prices_on_the_trade_date_do_count(samples: ModuleType, closes: pd.DataFrame) -> None:
    trade_date = dt.date(2021, 3, 31)
    fallen = closes.copy()
    fallen.loc[fallen.index == "2021-03-31", "JNJ"] = 80.0

    for file in ("mean_variance.csv", "minimum_variance.csv"):
        strategy = samples.STRATEGIES[file]
        assert samples.weights_at(strategy, fallen, trade_date) != samples.weights_at(
            strategy, closes, trade_date
        )


@pytest.mark.parametrize("file", FILES)
def test_each_signal_is_dated_on_a_months_last_session_and_adds_up_to_1(
    committed: Committed, closes: pd.DataFrame, file: str
) -> None:
    sessions = [stamp.date() for stamp in closes.index]

    assert len(committed[file]) == 24
    for trade_date, weights in committed[file].items():
        following = sessions[sessions.index(trade_date) + 1]
        assert following.month != trade_date.month
        assert sum(weights.values()) == 1
        assert all(0 < weight <= Decimal("0.2") for weight in weights.values())


def test_momentum_ranks_by_the_rise_from_252_to_21_sessions_ago(samples: ModuleType) -> None:
    sessions = pd.bdate_range("2020-01-01", periods=253)
    closes = pd.DataFrame(100.0, index=sessions, columns=list("ABCDEFG"))
    # Six names rise before the last month; the best of them falls within it, which does not count.
    for rise, symbol in enumerate("BCDEFG", start=1):
        closes.loc[sessions[200] :, symbol] = 100.0 + rise
    closes.loc[sessions[240] :, "G"] = 1.0

    assert samples.momentum_12_1(closes) == dict.fromkeys("GFEDC", 0.2)


def test_rounding_keeps_the_sum_at_exactly_1(samples: ModuleType) -> None:
    closes = pd.DataFrame(1.0, index=pd.DatetimeIndex(["2021-01-04"]), columns=list("ABC"))

    weights = samples.weights_at(
        lambda known: dict.fromkeys(known.columns, 1 / 3), closes, dt.date(2021, 1, 4)
    )

    assert weights == {
        "A": Decimal("0.333334"),
        "B": Decimal("0.333333"),
        "C": Decimal("0.333333"),
    }


def test_the_mapping_has_a_distinct_six_digit_key_for_each_priced_name(
    closes: pd.DataFrame,
) -> None:
    with (DATA / "mapping/gvkey_ticker.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))

    assert sorted(row["ticker"] for row in rows) == sorted(closes.columns)
    assert len({row["gvkey"] for row in rows}) == 20
    assert all(len(row["gvkey"]) == 6 and row["gvkey"].isdigit() for row in rows)


def test_the_licence_of_the_prices_lies_beside_them() -> None:
    licence = (DATA / "market/LICENSE-skfolio.txt").read_text(encoding="utf-8")

    assert licence.startswith("BSD 3-Clause License")
    assert "The skfolio developers" in licence
