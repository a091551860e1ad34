"""The built-in strategies on bars whose answers are worked by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assets_tests.engine.scripted import Row, bars, fills, market, rules, traded
from trading_assets.engine.loop import Engine, StrategySlot
from trading_assets.errors import InputError
from trading_assets.strategies.base import Strategy
from trading_assets.strategies.buy_and_hold import BuyAndHold
from trading_assets.strategies.factor_alpha import FactorAlpha, z_scores
from trading_assets.strategies.macd import Macd
from trading_assets.strategies.momentum import Momentum, ranked_weights
from trading_assets.strategies.signal_file import SignalFile
from trading_assets.strategies.sma_cross import SmaCross


def at(*prices: float) -> list[Row]:
    return [(price, price, price, price) for price in prices]


def engine_of(strategy: Strategy, series: dict[str, list[Row]], **changes: Any) -> Engine:
    engine = Engine(
        market(*(bars(rows, symbol=symbol) for symbol, rows in series.items())),
        [StrategySlot("s", strategy)],
        rules(account={"initial_capital": changes.pop("capital", 1_000)}, **changes),
    )
    engine.run()
    return engine


def test_buy_and_hold_buys_once_after_the_first_bar() -> None:
    engine = engine_of(BuyAndHold(), {"AAA": at(10, 10, 20, 30)}, position_size="0.5")
    assert fills(engine) == [traded(1, 50, "10.00")]


def test_the_crossing_of_averages_of_two_and_three_bars() -> None:
    """Averages of 2 and 3: at place 2 (10 + 13) / 2 = 11.5 against 11, so bought at 14; at place 5
    (14 + 9) / 2 = 11.5 against 12.33, so sold at 8."""
    engine = engine_of(SmaCross(2, 3), {"AAA": at(10, 10, 13, 14, 14, 9, 8)}, position_size="0.5")
    assert fills(engine) == [traded(3, 38, "14.00"), traded(6, -38, "8.00")]


def test_macd_is_long_on_the_way_up_and_short_on_the_way_down_where_that_is_wanted() -> None:
    rising = [50 + 0.1 * step**2 for step in range(30)]
    falling = [rising[-1] - 0.2 * step**2 for step in range(1, 20)]
    up_and_down = at(*rising, *falling)
    sides = [
        [
            one.shares > 0
            for one in fills(
                engine_of(Macd(3, 6, 3, short=short), {"AAA": up_and_down}, capital=100_000)
            )
        ]
        for short in (False, True)
    ]
    assert sides[0][:2] == [True, False]
    assert sides[1][:3] == [True, False, False]


def test_momentum_holds_what_has_risen_most_without_the_latest_bars() -> None:
    """Over three bars without the last: A 10 to 12, B 10 to 11, C 10 to 9 (and then 30)."""
    engine = engine_of(
        Momentum(lookback_bars=3, skip_bars=1, top=1, frequency="bar"),
        {"A": at(10, 11, 12, 10, 10), "B": at(10, 10, 11, 20, 20), "C": at(10, 9, 9, 30, 30)},
    )
    assert [row[2] for row in engine.account.fills().tolist()] == [0]
    assert fills(engine) == [traded(4, 100, "10.00")]


@pytest.mark.parametrize(
    ("scores", "top", "bottom", "positive", "weights"),
    [
        ([3, 1, 2], 2, 0, False, [0.5, 0, 0.5]),
        ([3, 1, 2], 1, 1, False, [0.5, -0.5, 0]),
        ([3, np.nan, 2], 2, 0, False, [0.5, 0, 0.5]),
        ([3, -1, -2], 2, 0, True, [0.5, 0, 0]),
        ([1, 1, 1], 1, 0, False, [1, 0, 0]),
        ([np.nan, np.nan], 1, 1, False, [0, 0]),
    ],
)
def test_ranks_become_equal_weights(
    scores: list[float], top: int, bottom: int, positive: bool, weights: list[float]
) -> None:
    assert ranked_weights(np.array(scores, dtype=float), top, bottom, positive).tolist() == weights


def test_z_scores_are_distances_in_standard_deviations_cut_at_three() -> None:
    assert z_scores(np.array([1.0, 2.0, 3.0, np.nan])).tolist()[:3] == [-1, 0, 1]
    assert z_scores(np.array([5.0, 5.0])).tolist() == [0, 0]
    assert np.isnan(z_scores(np.array([np.nan, np.nan]))).all()
    assert z_scores(np.array([0.0] * 30 + [1.0])).max() == 3


def test_factor_alpha_prefers_the_calm_or_the_risen_as_it_is_told() -> None:
    """A year and more: A rises calmly, B rises as much in leaps, C falls."""
    steps = np.arange(300)
    calm = 50 + steps * 0.1
    leaps = calm + np.where(steps % 2 == 0, 3.0, -3.0)
    falls = 80 - steps * 0.1 + np.where(steps % 3 == 0, 1.0, -1.0)
    series = {"A": at(*calm), "B": at(*leaps), "C": at(*falls)}
    for weights, best in (({"low_volatility": 1.0}, 0), ({"reversal": 1.0}, 2)):
        engine = engine_of(FactorAlpha(weights, top=1), series)
        assert {row[2] for row in engine.account.fills().tolist() if row[4] > 0} == {best}


def test_signals_of_a_file_are_traded_in_the_session_after_their_date(tmp_path: Path) -> None:
    """Dated January 2nd (place 1): bought at the open of place 2; the next file date sells all."""
    path = tmp_path / "signals.csv"
    path.write_text("date,symbol,weight\n2024-01-02,AAA,0.5\n2024-01-04,BBB,0.2\n")
    series = {"AAA": at(10, 10, 20, 20, 20, 20), "BBB": at(10, 10, 10, 10, 10, 10)}
    engine = engine_of(SignalFile(path), series)
    assert [(row[0], row[2], row[4]) for row in engine.account.fills().tolist()] == [
        (2, 0, 50),
        (4, 0, -50),
        (4, 1, 20),
    ]
    delayed = engine_of(SignalFile(path, delay_days=1), series, matching={"fill_price": "close"})
    assert delayed.account.fills().tolist()[0][0] == 2


def test_a_signal_for_a_symbol_without_bars_is_refused_at_the_start(tmp_path: Path) -> None:
    path = tmp_path / "signals.csv"
    path.write_text("date,symbol,weight\n2024-01-02,ZZZ,0.5\n")
    with pytest.raises(InputError, match="ZZZ"):
        engine_of(SignalFile(path), {"AAA": at(10, 10)})
