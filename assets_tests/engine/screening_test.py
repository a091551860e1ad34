"""Screening: each variant comes to what the event-driven backtest of it comes to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from trading_assets.engine.preparation import load_market, run_backtest
from trading_assets.engine.screening import Screened, screened
from trading_assets.engine.settings import BacktestSettings, load_backtest

DATA = Path(__file__).parents[2] / "data"


def sample(**changes: Any) -> BacktestSettings:
    """The packaged backtest of crossing averages, 2019 to 2022, with a benchmark beside it."""
    return load_backtest(DATA / "backtests" / "sma_cross.yaml").changed(changes)


def screen(variants: dict[str, BacktestSettings]) -> list[Screened]:
    settings = next(iter(variants.values()))
    market, _ = load_market(settings.data, DATA, settings.account.currency)
    return list(screened(variants, market))


def test_variants_come_to_what_their_backtests_come_to() -> None:
    variants = {
        f"{fast}/{slow}": sample(
            **{"strategies.trend.parameters.fast": fast, "strategies.trend.parameters.slow": slow}
        )
        for fast, slow in ((5, 20), (20, 50), (30, 100))
    }
    variants["others"] = sample(
        position_size="0.9",
        **{
            "matching.fill_price": "close",
            "account.quantity_decimals": 3,
            "report.risk_free_rate": "0.02",
        },
    )
    for row in screen(variants):
        result = run_backtest(variants[row.name], DATA)
        drawdown = result.statistics.max_drawdown
        assert drawdown is not None
        assert row.final_value == float(result.final_value)
        assert row.total_return_pct == pytest.approx(result.total_return * 100, rel=1e-9)
        assert row.sharpe_ratio == pytest.approx(result.statistics.sharpe_ratio, rel=1e-9)
        assert row.max_drawdown == pytest.approx(drawdown.depth, rel=1e-9)
        assert row.commission == pytest.approx(float(result.commission))
        assert row.fills == result.engine.account.fill_count
        assert row.fills is not None
        assert row.fills > 20


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"strategies.trend.parameters.fast": 60}, "fast 60 and slow 50"),
        ({"strategies.trend.parameters.stop_loss": 0.05}, "stop_loss and take_profit need"),
        ({"strategies.trend.parameters.pace": 3}, "unexpected keyword argument 'pace'"),
        ({"strategies.trend.strategy": "macd"}, "macd has no face for whole histories"),
        ({"matching.fill_price": "next_vwap"}, "fill_price is not followed"),
        ({"data.start": "2030-01-02", "data.end": None}, "after the last bar"),
    ],
)
def test_a_variant_that_cannot_be_run_is_told_with_its_reason_and_others_go_on(
    changes: dict[str, Any], reason: str
) -> None:
    refused, ran = screen({"refused": sample(**changes), "ran": sample()})
    assert reason in refused.refused
    assert refused.final_value is None
    assert ran.refused == ""
    assert ran.final_value is not None


def test_only_the_symbols_that_the_strategy_is_shown_are_traded() -> None:
    settings = sample()
    (strategy,) = settings.strategies
    alone = settings.model_copy(
        update={"strategies": (strategy.model_copy(update={"symbols": ("JPM",)}),)}
    )
    (row,) = screen({"JPM": alone})
    assert row.final_value == float(run_backtest(alone, DATA).final_value)
