"""Every limit of a policy file refuses in a backtest, at the share beyond it and not before.

A million of capital, AAA and BBB at 100 a share; each order is what is written, sent after a bar.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from assets_tests.engine.scripted import Row, Scripted, bars, buy, fills, market, rules, sell
from trading_assets.engine.loop import Engine, StrategySlot
from trading_assets.risk.refusals import RiskCode
from trading_assets.risk_policy_files import load_risk_policy
from trading_assets.strategies.base import open_long

FLAT = [100.0] * 6
FALLEN = [100.0, 100.0, 80.0, 80.0, 80.0, 80.0]


def a(shares: int) -> Any:
    return buy(shares) if shares > 0 else sell(-shares)


def b(shares: int) -> Any:
    return buy(shares, symbol="BBB") if shares > 0 else sell(-shares, symbol="BBB")


# Code, the file's lines, closes of AAA, orders by bar, and the shares that trade: all but the last.
CASES: list[tuple[str, str, list[float], dict[int, list[Any]], list[int]]] = [
    (
        "RATE_LIMIT_GLOBAL",
        "limits: {max_orders_per_minute: 2}",
        FLAT,
        {0: [a(1), b(2), a(3)]},
        [1, 2],
    ),
    (
        "RATE_LIMIT_SYMBOL",
        "limits: {max_orders_per_minute_per_symbol: 1}",
        FLAT,
        {0: [a(1), b(2), a(3)]},
        [1, 2],
    ),
    (
        "POSITION_SIZE_LIMIT",
        "limits: {max_position_quantity: 100}",
        FLAT,
        {0: [a(100), a(1)]},
        [100],
    ),
    (
        "POSITION_VALUE_LIMIT",
        "limits: {max_position_value: 10000}",
        FLAT,
        {0: [b(-100), b(-1)]},
        [-100],
    ),
    ("CONCENTRATION_LIMIT", "limits: {max_concentration: 0.01}", FLAT, {0: [a(100), a(1)]}, [100]),
    (
        "SECTOR_LIMIT",
        "limits: {max_sector_weight: 0.01, sectors: {AAA: oil, BBB: oil}}",
        FLAT,
        {0: [a(60), b(-40), a(1)]},
        [60, -40],
    ),
    (
        "SECTOR_UNKNOWN",
        "limits: {max_sector_weight: 0.01, sectors: {AAA: oil}}",
        FLAT,
        {0: [a(60), b(1)]},
        [60],
    ),
    (
        "TOTAL_EXPOSURE_LIMIT",
        "limits: {max_total_exposure: 10000}",
        FLAT,
        {0: [a(60), b(-40), a(1)]},
        [60, -40],
    ),
    (
        "GROSS_LEVERAGE_LIMIT",
        "limits: {max_gross_leverage: 0.01}",
        FLAT,
        {0: [a(60), b(-40), a(1)]},
        [60, -40],
    ),
    (
        "NET_LEVERAGE_LIMIT",
        "limits: {max_net_leverage: 0.01}",
        FLAT,
        {0: [a(100), b(-50), a(50), a(1)]},
        [100, -50, 50],
    ),
    # Twice what there is may be bought on margin: 2,000,000.
    ("INSUFFICIENT_CAPITAL", "margin: {}", FLAT, {0: [a(15_000), b(5_000), b(1)]}, [15_000, 5_000]),
    # 5,000 fall by 20: equity 900,000.
    ("DRAWDOWN_LIMIT", "limits: {max_drawdown: 0.10}", FALLEN, {0: [a(5_000)], 2: [a(1)]}, [5_000]),
    (
        "TRADING_HALTED",
        "circuit_breaker: {max_drawdown: 0.10}",
        FALLEN,
        {0: [a(5_000)], 2: [a(1)]},
        [5_000],
    ),
    # 20,000 fall by 20: equity 600,000 of 640,000 that 40 % of 1,600,000 are; 40,000 are called, at
    # 32 a share.
    (
        "MARGIN_CALL",
        "margin: {maintenance_long: 0.40}",
        FALLEN,
        {0: [a(20_000)], 2: [a(1)]},
        [20_000, -1_250],
    ),
    # 60,000 fall by 20: 1,200,000 of a million.
    ("NO_EQUITY", "limits: {check_capital: false}", FALLEN, {0: [a(60_000)], 2: [b(1)]}, [60_000]),
]


def test_every_code_has_its_case() -> None:
    assert {code for code, *_ in CASES} == {code.value for code in RiskCode}


@pytest.mark.parametrize(("code", "lines", "closes", "answers", "expected"), CASES)
def test_a_limit_of_a_file_refuses_what_is_beyond_it(
    code: str,
    lines: str,
    closes: list[float],
    answers: dict[int, list[Any]],
    expected: list[int],
    tmp_path: Path,
) -> None:
    path = tmp_path / "tried.yaml"
    path.write_text(f"id: tried\nsizing: {{method: fixed_quantity, quantity: 1}}\n{lines}\n")
    rows: list[Row] = [(x, x, x, x) for x in closes]
    level: list[Row] = [(100, 100, 100, 100)] * len(closes)
    # A strategy is shown two bars at each place: it answers after the second.
    scripted = Scripted({2 * place + 1: orders for place, orders in answers.items()})
    engine = Engine(
        market(bars(rows), bars(level, "BBB")),
        [StrategySlot("s", scripted)],
        rules(risk=load_risk_policy(path)),
    )
    engine.run()
    assert [int(one.shares) for one in fills(engine)] == expected
    assert engine.desk.rejections == {code: 1}


# Closes up to the bar that is decided on: AAA moves by 10 %, BBB by 5 %.
AAA, BBB = (100.0, 110.0, 99.0, 99.0), (100.0, 105.0, 99.75, 99.75)


@pytest.mark.parametrize(
    ("sizing", "stops", "expected"),
    [
        ("{method: fixed_quantity, quantity: 7}", "", (7, 7)),
        # A tenth of a million, at 99 and 99.75.
        ("{method: equity_percent, fraction: 0.1}", "", (1010, 1002)),
        # 1 % of a million over a stop of 10 % of the price: 9.9 and 9.975.
        (
            "{method: risk_per_trade, fraction: 0.01}",
            "stops: {stop_loss: {kind: fixed, distance: 0.10}}",
            (1010, 1002),
        ),
        # True ranges of the last two bars: 10 and 11; 5 and 5.25. 1 % over 10.5 and 5.125.
        ("{method: atr_volatility, fraction: 0.01, period: 2}", "", (952, 1951)),
        # Deviation of 0.1 and -0.1 is 0.141421, x √252 a year 2.244994; of BBB half. 10 % of that.
        (
            "{method: volatility_target, annual_volatility: 0.1, lookback_bars: 2}",
            "",
            (449, 893),
        ),
        # BBB moves half as much and has twice the weight: a third, two thirds of half a million.
        ("{method: risk_parity, fraction: 0.5, lookback_bars: 2}", "", (1683, 3341)),
    ],
)
def test_a_sizing_of_a_file_gives_the_shares_worked_by_hand(
    sizing: str, stops: str, expected: tuple[int, int], tmp_path: Path
) -> None:
    path = tmp_path / "tried.yaml"
    path.write_text(f"id: tried\nsizing: {sizing}\n{stops}\n")
    scripted = Scripted({5: [open_long("AAA"), open_long("BBB")]})
    names = [
        bars([(x, x, x, x) for x in closes], name) for name, closes in (("AAA", AAA), ("BBB", BBB))
    ]
    engine = Engine(
        market(*names), [StrategySlot("s", scripted)], rules(risk=load_risk_policy(path))
    )
    engine.run()
    assert tuple(int(one.shares) for one in fills(engine)) == expected
