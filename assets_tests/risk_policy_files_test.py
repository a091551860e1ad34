"""Risk policies from files: the sample is whole, and a mistake is explained."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from trading_assets.engine.loop import Engine
from trading_assets.engine.preparation import prepared
from trading_assets.engine.settings import load_backtest
from trading_assets.engine.valuation import account_curve
from trading_assets.errors import ConfigurationError
from trading_assets.risk.policies import (
    BUILT_IN,
    AtrStop,
    CircuitBreakerPolicy,
    MarginPolicy,
    RiskLimits,
    RiskPerTrade,
    TrailingStop,
)
from trading_assets.risk_policy_files import load_risk_policy, risk_policy

FOLDER = Path(__file__).parent.parent / "data" / "risk"


def written(folder: Path, text: str, name: str = "mine") -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(f"id: {name}\n{text}")
    return path


def test_the_sample_policy_names_every_key_there_is() -> None:
    policy = load_risk_policy(FOLDER / "one_percent_risk.yaml")
    assert isinstance(policy.sizing, RiskPerTrade)
    assert policy.sizing.fraction == Decimal("0.01")
    assert isinstance(policy.stops.stop_loss, TrailingStop)
    assert policy.margin == MarginPolicy()
    assert policy.limits.model_fields_set == set(RiskLimits.model_fields)
    assert policy.margin is not None
    assert policy.margin.model_fields_set == set(MarginPolicy.model_fields)
    assert policy.circuit_breaker.model_fields_set == set(CircuitBreakerPolicy.model_fields)


def test_without_a_name_the_built_in_policy_is_used() -> None:
    assert risk_policy(None, FOLDER) is BUILT_IN
    assert risk_policy("built_in", FOLDER) is BUILT_IN


def test_a_policy_is_found_by_its_name() -> None:
    assert risk_policy("one_percent_risk", FOLDER).id == "one_percent_risk"


def test_an_unknown_name_is_answered_with_those_there_are() -> None:
    with pytest.raises(ConfigurationError, match="Known: built_in, one_percent_risk"):
        risk_policy("two_percent_risk", FOLDER)


def test_numbers_are_taken_as_they_are_spelled(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "sizing: {method: equity_percent, fraction: 0.1}\n"
        "stops: {stop_loss: {kind: atr, multiple: 2.5}}",
    )
    policy = load_risk_policy(path)
    assert isinstance(policy.stops.stop_loss, AtrStop)
    assert policy.stops.stop_loss.multiple == Decimal("2.5")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (
            "sizing: {method: martingale}",
            ("mine.yaml", "sizing", "martingale", "fixed_quantity"),
        ),
        (
            "sizing: {method: risk_per_trade, fraction: 1.5}",
            ("sizing.risk_per_trade.fraction", "1.5", "less than or equal to 1"),
        ),
        (
            "sizing: {method: equity_percent, fraction: 0.1}\nlimits: {max_levrage: 2}",
            ("limits.max_levrage", "2", "not permitted"),
        ),
        (
            "sizing: {method: equity_percent, fraction: 0.1}\nlimits: {max_sector_weight: 0.3}",
            ("limits", "max_sector_weight needs sectors", "list them"),
        ),
        (
            "sizing: {method: equity_percent, fraction: 0.1}\n"
            "margin: {initial_long: 0.5, maintenance_long: 0.6}",
            ("margin", "maintenance_long 0.6 is above initial_long 0.5", "lower the first"),
        ),
        (
            "sizing: {method: equity_percent, fraction: 0.1}\ncircuit_breaker: {max_daily_loss: 1}",
            ("circuit_breaker.max_daily_loss", "1", "less than 1"),
        ),
        (
            "sizing: {method: equity_percent, fraction: .nan}",
            ("sizing.equity_percent.fraction", "nan"),
        ),
    ],
)
def test_a_mistake_names_file_key_value_and_rule(
    tmp_path: Path, text: str, parts: tuple[str, ...]
) -> None:
    with pytest.raises(ConfigurationError) as raised:
        load_risk_policy(written(tmp_path, text))
    for part in parts:
        assert part in str(raised.value)


def test_a_policys_id_is_its_files_name(tmp_path: Path) -> None:
    sizing = "sizing: {method: equity_percent, fraction: 0.1}"
    path = written(tmp_path, sizing)
    path = path.rename(tmp_path / "other.yaml")
    with pytest.raises(ConfigurationError, match="must equal the file's name 'other'"):
        load_risk_policy(path)
    with pytest.raises(ConfigurationError, match="needs no file"):
        load_risk_policy(written(tmp_path, sizing, "built_in"))


def heaviest_energy(engine: Engine) -> float:
    """The most that the three oil companies weighed at a close after one of them had traded."""
    market, account = engine.market, engine.account
    oil = [market.symbols.index(symbol) for symbol in ("CVX", "RRC", "XOM")]
    equity = account_curve(market, account, engine.place).equity / account.scale.money_unit
    moved = account.fills()[:, [0, 2, 4]]
    found = 0.0
    for place in sorted({place for place, symbol, shares in moved.tolist() if symbol in oil}):
        held = moved[moved[:, 0] <= place]
        value = sum(
            held[held[:, 1] == symbol, 2].sum() * market.columns[symbol].close[place]
            for symbol in oil
        )
        found = max(found, float(value / equity[place]))
    return found


def test_the_sample_backtest_keeps_a_sector_within_its_limit() -> None:
    settings = load_backtest(FOLDER.parent / "backtests" / "sector_limits.yaml")
    limited, free = (
        prepared(one, FOLDER.parent)
        for one in (settings, settings.model_copy(update={"risk": None}))
    )
    for engine in (limited, free):
        engine.run()
    assert set(limited.desk.rejections) == {"SECTOR_LIMIT"}
    assert heaviest_energy(free) > 0.55
    # Judged at the close before; a day's prices may carry it a little further.
    assert 0.3 < heaviest_energy(limited) < 0.42
