"""Backtests of real data against figures that QuantConnect/Lean publishes for the same ones.

Conventions of these figures: decided on a session's close, filled at the next session's open; whole
shares, sized on equity less 0.25 %, fee included; max(1.00, 0.005 a share); unrounded money.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal

import numpy as np
import pytest

from assets_tests.golden.reference_market import Security
from trading_assets.engine.adjustment import (
    FactorRow,
    adjusted,
    backward_factors,
    published_factors,
)
from trading_assets.engine.bars import BarColumns, aligned, bar_columns
from trading_assets.engine.loop import Engine, StrategySlot
from trading_assets.engine.results import BacktestResult
from trading_assets.engine.rules import BacktestRules
from trading_assets.model.corporate_actions import CorporateAction, Dividend, Split
from trading_assets.strategies.buy_and_hold import BuyAndHold


def columns_of(security: Security, first: dt.date, last: dt.date) -> BarColumns:
    """Quoted opens and closes of a period; the extremes are not needed here."""
    quoted = security.between(first, last)
    opens = np.array([float(bar.open) for bar in quoted])
    closes = np.array([float(bar.close) for bar in quoted])
    days = np.array([bar.session for bar in quoted], dtype="datetime64[D]")
    extremes = [np.maximum(opens, closes), np.minimum(opens, closes)]
    return bar_columns(security.symbol, days, [opens, *extremes, closes])


def actions_of(security: Security) -> list[CorporateAction]:
    """All dividends (paid on the ex-date) and splits."""
    found: list[CorporateAction] = [
        Dividend(
            symbol=security.symbol,
            ex_date=session,
            amount_per_share=sum(amounts, Decimal(0)),
            currency="USD",
        )
        for session, amounts in security.dividends.items()
    ]
    for session, ratio in security.splits.items():
        found.append(
            Split(
                symbol=security.symbol,
                ex_date=session,
                new_shares=ratio.numerator,
                old_shares=ratio.denominator,
            )
        )
    return found


def bought_once(
    columns: BarColumns, position_size: str, actions: Sequence[CorporateAction] = ()
) -> BacktestResult:
    rules = BacktestRules.model_validate(
        {
            "account": {"cash_buffer": "0.0025", "money_decimals": 6},
            "matching": {"volume_cap": None},
            "commission": {"per_share": "0.005", "minimum": 1},
            "position_size": position_size,
        }
    )
    engine = Engine(
        aligned([columns]), [StrategySlot("hold", BuyAndHold())], rules, actions=actions
    )
    engine.run()
    return BacktestResult(engine)


def test_spy_on_raw_prices_with_dividends_kept_as_cash(market: dict[str, Security]) -> None:
    """`DividendRegressionAlgorithm`: end equity 120,462.08, fees 2.56, 1 order."""
    spy = market["SPY"]
    columns = columns_of(spy, dt.date(1998, 1, 1), dt.date(2005, 12, 31))
    result = bought_once(columns, "0.5", actions_of(spy))
    assert result.final_value == Decimal("120462.08")
    assert result.commission == Decimal("2.56")
    assert result.engine.account.fill_count == 1
    assert result.trades == []


def test_spy_all_in_on_prices_adjusted_by_the_published_factor(
    market: dict[str, Security],
) -> None:
    """`BasicTemplateDailyAlgorithm`: end equity 104,486.22, fees 3.49, 1 order.

    Factor 0.8646266 through 2013-12-19: row `20131219` of the same repository's
    Data/equity/usa/factor_files/spy.csv as of the data's end in March 2021.
    """
    columns = columns_of(market["SPY"], dt.date(2013, 10, 8), dt.date(2013, 10, 17))
    factors = published_factors(columns, [FactorRow(dt.date(2013, 12, 19), 0.8646266)])
    result = bought_once(adjusted(columns, factors), "1")
    assert result.final_value == Decimal("104486.22")
    assert result.commission == Decimal("3.49")
    assert result.engine.account.fill_count == 1


def test_dividends_written_to_the_cent_give_that_factor_as_far_as_cents_can(
    market: dict[str, Security],
) -> None:
    """30 dividends follow, each rounded to a cent of some 250: at most 0.005 / 250 x 30 = 0.06 %
    off, and 0.003 % in fact: 13 cents of the equity above."""
    spy = market["SPY"]
    whole = columns_of(spy, dt.date(2013, 10, 8), dt.date(2021, 3, 31))
    factor = float(backward_factors(whole, actions_of(spy))[0])
    assert factor == pytest.approx(0.8646266, rel=6e-4)
    columns = columns_of(spy, dt.date(2013, 10, 8), dt.date(2013, 10, 17))
    result = bought_once(adjusted(columns, np.full(len(columns), factor)), "1")
    assert abs(result.final_value - Decimal("104486.22")) < Decimal("0.20")


def test_the_same_dividends_reinvested_or_kept_differ_by_what_they_earned(
    market: dict[str, Security],
) -> None:
    """Apple 2012 to 2020 with its 7:1 and 4:1 splits: on raw prices every share is followed through
    them; total return on adjusted prices is that of the series that vendors publish."""
    apple = market["AAPL"]
    columns = columns_of(apple, dt.date(2012, 1, 3), dt.date(2020, 12, 31))
    raw = bought_once(columns, "1", actions_of(apple))
    shares = raw.engine.account.held.tolist()[0]
    bought = raw.engine.account.fills()[0]
    assert shares == bought[4] * 28
    closing = bought_once(adjusted(columns, backward_factors(columns, actions_of(apple))), "1")
    # Kept dividends earned nothing while the share rose ninefold.
    assert raw.final_value < closing.final_value
    assert float(raw.final_value / closing.final_value) == pytest.approx(1, abs=0.12)
