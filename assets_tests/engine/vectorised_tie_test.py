"""The vectorised path against the exact engine: the same fills, the same equity to the last cent.

The exact engine runs the same wishes through strategies, desk, exchange and account in integers;
its equity is added up here, in Decimal, from its fills and the closes. Random markets have missing
bars, symbols that begin late, end early or never trade, crashes to nearly nothing and accounts that
are ruined. TRADING_ASSETS_SEEDS sets how many are tried; a failing seed is printed.
"""

from __future__ import annotations

import csv
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from trading_assets.engine.bars import Market, aligned, bar_columns
from trading_assets.engine.loop import Engine, StrategySlot
from trading_assets.engine.price_panel import PricePanel, panel_of
from trading_assets.engine.rules import BacktestRules
from trading_assets.engine.vectorised import (
    VectorisedResult,
    backtest_signals,
    backtest_weight_rows,
    backtest_weights,
    signal_bits,
)
from trading_assets.strategies.base import (
    Answer,
    Bar,
    Context,
    Signal,
    Snapshot,
    Strategy,
    TargetWeights,
    close_long,
    close_short,
    open_long,
    open_short,
)

Floats = npt.NDArray[np.float64]
SEEDS = int(os.environ.get("TRADING_ASSETS_SEEDS", "150"))
DAY = 86_400 * 10**9
SAMPLE = Path(__file__).parents[2] / "data" / "market" / "sp500_daily_closes.csv"

COMMISSIONS: tuple[dict[str, Any], ...] = (
    {},
    {"bps": "1"},
    {"bps": "7.5", "minimum": "0.35"},
    {"per_share": "0.005", "minimum": "1"},
    {"per_order": "0.99", "per_share": "0.0035", "bps": "0.2"},
)


class FollowsWeights(Strategy):
    """Asks for the weights of a row at each place, for nothing where the row is empty."""

    def __init__(self, market: Market, weights: Floats) -> None:
        self._place = {int(start): place for place, start in enumerate(market.timeline)}
        self._weights = weights

    def generate_signals(self, snapshot: Snapshot) -> Answer:
        row = self._weights[self._place[snapshot.start]]
        return None if np.isnan(row).all() else TargetWeights(row)


class FollowsSignals(Strategy):
    """Says at each bar what the four flags of its symbol say there."""

    def __init__(self, market: Market, flags: npt.NDArray[np.bool_]) -> None:
        self._place = {int(start): place for place, start in enumerate(market.timeline)}
        self._symbol = {name: index for index, name in enumerate(market.symbols)}
        self._flags = flags

    def on_bar(self, bar: Bar, context: Context) -> Answer:
        flags = self._flags[:, self._place[bar.start], self._symbol[bar.symbol]]
        enter_long, exit_long, enter_short, exit_short = (bool(flag) for flag in flags)
        if enter_long and exit_long:
            enter_long = exit_long = False
        if enter_short and exit_short:
            enter_short = exit_short = False
        if enter_long and enter_short:
            enter_long = enter_short = False
        said: list[Signal] = []
        if exit_long:
            said.append(close_long(bar.symbol))
        if exit_short:
            said.append(close_short(bar.symbol))
        if enter_long:
            said.append(open_long(bar.symbol))
        if enter_short:
            said.append(open_short(bar.symbol))
        return said


def random_market(random: np.random.Generator, places: int, symbols: int) -> Market:
    """Prices of two to eight decimals on a random walk, with bars missing here and there."""
    decimals = int(random.integers(2, 9))
    steps = random.normal(0, random.choice([0.005, 0.05, 0.4]), (places, symbols))
    closes = np.exp(np.cumsum(steps, axis=0)) * random.uniform(1, 300, symbols)
    opens = closes * np.exp(random.normal(0, 0.01, (places, symbols)))
    closes, opens = (np.maximum(np.round(p, decimals), 0.01) for p in (closes, opens))
    there = random.random((places, symbols)) >= random.choice([0.0, 0.1, 0.5])
    for symbol in range(symbols):
        if random.random() < 0.3:
            there[: random.integers(0, places + 1), symbol] = False
        if random.random() < 0.3:
            there[random.integers(0, places + 1) :, symbol] = False
    there[:, 0] |= ~there.any(axis=1)
    starts = np.arange(places) * DAY
    columns = []
    for symbol in range(symbols):
        rows = there[:, symbol]
        opened, closed = opens[rows, symbol], closes[rows, symbol]
        prices = (opened, np.maximum(opened, closed), np.minimum(opened, closed), closed)
        columns.append(bar_columns(f"S{symbol}", starts[rows], prices))
    return aligned(columns)


def random_rules(random: np.random.Generator) -> BacktestRules:
    return BacktestRules.model_validate(
        {
            "account": {
                "initial_capital": str(random.choice(["1000", "100000", "12345678.91"])),
                "quantity_decimals": int(random.choice([0, 2, 6, 9])),
                "money_decimals": int(random.choice([2, 2, 4])),
                "cash_buffer": str(random.choice(["0", "0.02"])),
                "allow_short": bool(random.random() < 0.7),
                "allow_borrowing": bool(random.random() < 0.7),
            },
            "matching": {
                "fill_price": str(random.choice(["close", "next_open"])),
                "volume_cap": None,
            },
            "commission": COMMISSIONS[int(random.integers(len(COMMISSIONS)))],
            "slippage": {"bps": str(random.choice(["0", "1", "12.5"]))},
            "position_size": str(random.choice(["0.1", "0.5", "1", "3"])),
        }
    )


def exact(market: Market, rules: BacktestRules, strategy: Strategy) -> Engine:
    engine = Engine(market, [StrategySlot("follows", strategy)], rules)
    engine.run()
    return engine


def exact_equity(engine: Engine, closes: Floats) -> list[Decimal]:
    """Cash and the closes of what is held, to the last unit of money, after each place."""
    scale, account = engine.account.scale, engine.account
    unit = Decimal(1).scaleb(-scale.money_decimals)
    cash = scale.money_decimal(account.initial_cash)
    rows = iter(account.fills().tolist())
    row = next(rows, None)
    held: dict[int, Decimal] = {}
    marks: dict[int, Decimal] = {}
    curve = []
    for place, prices in enumerate(closes.tolist()):
        while row is not None and row[0] == place:
            held[row[2]] = held.get(row[2], Decimal(0)) + scale.shares_decimal(row[4])
            cash -= scale.money_decimal(row[6] + row[7])
            row = next(rows, None)
        for symbol, price in enumerate(prices):
            if price == price:
                marks[symbol] = Decimal(repr(price))
        worth = ((shares * marks[symbol]).quantize(unit) for symbol, shares in held.items())
        curve.append(cash + sum(worth, Decimal(0)))
    return curve


def assert_same(result: VectorisedResult, engine: Engine, closes: Floats) -> None:
    """Fill by fill, and equity at each place."""
    scale, fills = engine.account.scale, result.fills
    assert fills is not None
    expected = engine.account.fills()
    order = np.lexsort((expected[:, 3], expected[:, 2], expected[:, 0]))
    mine = np.lexsort((np.arange(len(fills)), fills.symbol, fills.place))
    expected = expected[order]
    assert list(zip(fills.place[mine].tolist(), fills.symbol[mine].tolist(), strict=True)) == list(
        zip(expected[:, 0].tolist(), expected[:, 2].tolist(), strict=True)
    )
    quantities = expected[:, 4] / scale.share_unit
    # Of 1e14 steps a float knows every few hundredths only: a step is one apart, later a cent.
    is_beyond_floats = scale.share_decimals == 9 and result.initial_capital > 1e7
    tolerance = 1e-8 if is_beyond_floats else 1e-9
    np.testing.assert_allclose(fills.quantity[mine], quantities, rtol=tolerance)
    np.testing.assert_allclose(fills.price[mine], expected[:, 5] / 1e8, rtol=1e-9)
    np.testing.assert_allclose(
        fills.commission[mine], expected[:, 7] / scale.money_unit, rtol=1e-9, atol=1e-9
    )
    curve = [float(value) for value in exact_equity(engine, closes)]
    # Where equity nears 0, what it is the difference of is the measure.
    scale_of = np.maximum(np.abs(curve), result.initial_capital)
    np.testing.assert_array_less(np.abs(result.equity - curve), scale_of * tolerance + 1e-12)


def random_weights(random: np.random.Generator, panel: PricePanel) -> Floats:
    """Rows that name some symbols, some of them short, and rows that name none."""
    shape = panel.closes.shape
    weights: Floats = random.normal(0.3, 0.6, shape) / shape[1]
    weights[random.random(shape) < 0.2] = 0.0
    weights[random.random(shape) < random.choice([0.0, 0.3])] = np.nan
    weights[random.random(shape[0]) < random.choice([0.0, 0.5, 0.9])] = np.nan
    weights *= random.choice([0.5, 1.0, 3.0])
    return np.asarray(weights.round(10))


@settings(max_examples=SEEDS, deadline=None, print_blob=True)
@given(seed=st.integers(0, 2**32 - 1), places=st.integers(1, 40), symbols=st.integers(1, 8))
def test_random_target_weights_trade_and_end_as_in_the_exact_engine(
    seed: int, places: int, symbols: int
) -> None:
    random = np.random.default_rng(seed)
    market, rules = random_market(random, places, symbols), random_rules(random)
    panel = panel_of(market)
    weights = random_weights(random, panel)
    result = backtest_weights(panel, weights, rules, keep_fills=True)
    assert_same(result, exact(market, rules, FollowsWeights(market, weights)), panel.closes)


@settings(max_examples=SEEDS // 2, deadline=None, print_blob=True)
@given(seed=st.integers(0, 2**32 - 1), places=st.integers(1, 40), symbols=st.integers(1, 8))
def test_random_rows_of_names_are_dense_weights_with_zero_for_who_is_not_named(
    seed: int, places: int, symbols: int
) -> None:
    random = np.random.default_rng(seed)
    market, rules = random_market(random, places, symbols), random_rules(random)
    panel = panel_of(market)
    weights = random_weights(random, panel)
    named = ~np.isnan(weights)
    dense = np.where(named.any(axis=1, keepdims=True), np.where(named, weights, 0.0), np.nan)
    place, symbol = np.nonzero(named)
    result = backtest_weight_rows(
        panel, panel.timeline[place], symbol, weights[named], rules, keep_fills=True
    )
    assert_same(result, exact(market, rules, FollowsWeights(market, dense)), panel.closes)


@settings(max_examples=SEEDS, deadline=None, print_blob=True)
@given(seed=st.integers(0, 2**32 - 1), places=st.integers(1, 60), symbols=st.integers(1, 6))
@example(seed=40338582, places=55, symbols=4)
def test_random_signals_trade_and_end_as_in_the_exact_engine(
    seed: int, places: int, symbols: int
) -> None:
    random = np.random.default_rng(seed)
    market, rules = random_market(random, places, symbols), random_rules(random)
    panel = panel_of(market)
    flags = random.random((4, *panel.closes.shape)) < random.choice([0.05, 0.3])
    result = backtest_signals(panel, signal_bits(*flags), rules, keep_fills=True)
    assert_same(result, exact(market, rules, FollowsSignals(market, flags)), panel.closes)


@settings(max_examples=SEEDS, deadline=None, print_blob=True)
@given(seed=st.integers(0, 2**32 - 1), places=st.integers(1, 80))
def test_a_symbol_alone_is_held_between_its_signals_as_in_the_exact_engine(
    seed: int, places: int
) -> None:
    random = np.random.default_rng(seed)
    market, rules = random_market(random, places, 1), random_rules(random)
    panel = panel_of(market)
    flags = random.random((4, *panel.closes.shape)) < random.choice([0.01, 0.05])
    result = backtest_signals(panel, signal_bits(*flags), rules, keep_fills=True)
    assert_same(result, exact(market, rules, FollowsSignals(market, flags)), panel.closes)


@pytest.fixture(scope="module")
def sample_market() -> Market:
    """The packaged closes of twenty companies, 2018 to 2022."""
    by_symbol: dict[str, list[tuple[str, float]]] = {}
    with SAMPLE.open() as file:
        for row in csv.DictReader(file):
            by_symbol.setdefault(row["symbol"], []).append((row["session"], float(row["close"])))
    return aligned(
        [
            bar_columns(
                symbol,
                np.array([day for day, _ in rows], dtype="M8[D]"),
                [[close for _, close in rows]],
            )
            for symbol, rows in by_symbol.items()
        ]
    )


@pytest.mark.parametrize("fill_price", ["close", "next_open"])
@pytest.mark.parametrize("decimals", [0, 6])
def test_five_real_years_of_inverse_price_weights_are_equal_to_the_cent(
    sample_market: Market, fill_price: str, decimals: int
) -> None:
    """Each session 98 % is spread over the names by the inverse of their prices."""
    panel = panel_of(sample_market)
    weights = np.round(0.98 / panel.closes / (1 / panel.closes).sum(axis=1, keepdims=True), 10)
    rules = BacktestRules.model_validate(
        {
            "account": {"initial_capital": 1_000_000, "quantity_decimals": decimals},
            "matching": {"fill_price": fill_price, "volume_cap": None},
            "commission": {"per_share": "0.005", "minimum": "1"},
            "slippage": {"bps": "1"},
        }
    )
    result = backtest_weights(panel, weights, rules, keep_fills=True)
    engine = exact(sample_market, rules, FollowsWeights(sample_market, weights))
    assert_same(result, engine, panel.closes)
    assert [f"{value:.2f}" for value in result.equity] == [
        str(value) for value in exact_equity(engine, panel.closes)
    ]
    assert result.fill_count > 10_000


def test_five_real_years_of_moving_averages_that_cross_are_equal_to_the_cent(
    sample_market: Market,
) -> None:
    panel = panel_of(sample_market)
    means = {
        bars: np.vstack(
            [
                np.full((bars - 1, panel.closes.shape[1]), np.nan),
                np.lib.stride_tricks.sliding_window_view(panel.closes, bars, axis=0).mean(axis=2),
            ]
        )
        for bars in (20, 50)
    }
    above = means[20] > means[50]
    before = np.vstack([above[:1], above[:-1]])
    flags = np.array([above & ~before, ~above & before, ~above & before, above & ~before])
    rules = BacktestRules.model_validate(
        {
            "account": {"initial_capital": 1_000_000, "allow_short": True},
            "matching": {"volume_cap": None},
            "commission": {"bps": "2"},
        }
    )
    result = backtest_signals(panel, signal_bits(*flags), rules, keep_fills=True)
    engine = exact(sample_market, rules, FollowsSignals(sample_market, flags))
    assert_same(result, engine, panel.closes)
    assert result.fill_count > 500
