"""The result of a run: exact money that adds up, returns by session, trades by lots."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import msgspec
import numpy as np
import pytest

from assets_tests.engine.scripted import Row, Scripted, bars, buy, market, rules, sell
from trading_assets.engine.loop import Engine, StrategySlot
from trading_assets.engine.results import BacktestResult, fill_rows
from trading_assets.errors import ReportError
from trading_assets.model.corporate_actions import Dividend
from trading_assets.strategies.base import close_long, open_long


def at(*prices: float) -> list[Row]:
    return [(price, price, price, price) for price in prices]


def result(first_place: int = 0, benchmark: str | None = None) -> BacktestResult:
    """10,000; 100 AAA at 10, a dividend of 0.50, 40 sold at 12, 60 held at 11; 1.00 an order."""
    engine = Engine(
        market(bars(at(10, 10, 11, 12, 11)), bars(at(50, 50, 55, 60, 60), symbol="IDX")),
        [StrategySlot("s", Scripted({0: [buy(100)], 2: [sell(40)]}), ("AAA",))],
        rules(account={"initial_capital": 10_000}, commission={"per_order": 1}),
        actions=[
            Dividend(
                symbol="AAA",
                ex_date=dt.date(2024, 1, 3),
                amount_per_share=Decimal("0.5"),
                currency="USD",
            )
        ],
        first_place=first_place,
    )
    engine.run()
    return BacktestResult(engine, benchmark=benchmark)


def test_equity_after_every_bar_is_cash_and_shares_at_the_close() -> None:
    """10,000 - 1,001 + 1,000; + 50 and 100 x 1; + 480 - 1 + 60 x 12 of 100 x 12; 60 x 11."""
    found = result()
    assert [units / 100 for units in found.equity.tolist()] == [
        10_000,
        9_999,
        10_149,
        10_248,
        10_188,
    ]
    assert found.final_value == Decimal("10188.00")
    assert found.total_return == pytest.approx(0.0188)
    assert [session.day for session, _ in found.session_equity] == [1, 2, 3, 4, 5]


def test_returns_by_session_begin_at_the_initial_capital() -> None:
    values = [one.value for one in result().returns]
    assert values == pytest.approx([0, -1 / 10_000, 150 / 9_999, 99 / 10_149, -60 / 10_248])


def test_trades_follow_lots_and_name_their_strategy() -> None:
    (trade,) = result().trades
    assert trade.strategy == "s"
    assert trade.trip.quantity == 40
    assert trade.trip.entry_price == 10
    assert trade.trip.exit_price == 12
    assert trade.trip.pnl == 80


def test_what_symbols_and_strategies_contributed_adds_up_to_the_result() -> None:
    found = result()
    (symbol,), (strategy,) = found.by_symbol, found.by_strategy
    assert symbol.pnl == strategy.pnl == Decimal("188.00")
    assert symbol.income == 50
    assert symbol.commission == symbol.fills == 2
    assert symbol.traded == 1_000 + 480
    assert symbol.final_value == 660


def test_exposure_and_turnover() -> None:
    """Held 1,000, 1,100, 720 and 660; traded 1,480 over twice the mean of five closes."""
    found = result()
    exposures = [0, 1_000 / 9_999, 1_100 / 10_149, 720 / 10_248, 660 / 10_188]
    assert found.exposure["gross"] == pytest.approx(np.mean(exposures))
    assert found.exposure["time_in_market"] == 0.8
    mean = (10_000 + 9_999 + 10_149 + 10_248 + 10_188) / 5
    assert found.turnover == pytest.approx(1_480 / 2 / mean)


def test_the_benchmark_is_compared_from_its_first_close() -> None:
    found = result(benchmark="IDX")
    assert [one.value for one in found.benchmark_returns] == pytest.approx(
        [None, 0, 0.1, 60 / 55 - 1, 0], nan_ok=True
    )
    assert found.benchmark_statistics.cumulative_return == pytest.approx(0.2)
    with pytest.raises(ReportError, match="'NONE'"):
        result(benchmark="NONE")


def test_the_dictionary_has_the_keys_that_are_promised_and_writes_exact_money() -> None:
    """The benchmark, which nobody trades, is none of the symbols."""
    found = result().to_dict()
    assert list(found)[:8] == [
        "symbol",
        "bar_count",
        "initial_capital",
        "final_value",
        "total_return_pct",
        "total_trades",
        "equity_curve",
        "trades",
    ]
    assert (found["symbol"], found["bar_count"], found["total_trades"]) == ("AAA", 5, 1)
    assert found["equity_curve"][-1] == {"time": "2024-01-05", "equity": Decimal("10188.00")}
    written = msgspec.json.Encoder(decimal_format="number").encode(found["final_value"])
    assert written == b"10188.00"


def test_the_warm_up_is_no_part_of_the_result() -> None:
    """The first order is of the warm-up; the sale has nothing to sell and, shorts being allowed,
    opens one."""
    found = result(first_place=1)
    assert found.bar_count == 4
    assert [session.day for session, _ in found.session_equity] == [2, 3, 4, 5]
    assert found.by_symbol[0].final_value == -440


def test_a_run_that_ends_in_its_warm_up_has_no_result() -> None:
    with pytest.raises(ReportError, match="no bar after its warm-up"):
        result(first_place=5)


def test_fills_are_listed_with_side_notional_and_liquidity() -> None:
    first, second = fill_rows(result())
    assert first == {
        "time": "2024-01-02",
        "strategy": "s",
        "symbol": "AAA",
        "order": 1,
        "side": "buy",
        "quantity": Decimal(100),
        "price": Decimal("10.00"),
        "notional": Decimal("1000.00"),
        "commission": Decimal("1.00"),
        "liquidity": "taker",
    }
    assert (second["side"], second["quantity"]) == ("sell", 40)


def test_two_strategies_in_one_symbol_are_told_apart_to_the_cent() -> None:
    """One bought 33 at 10 and holds them at 12, the other 33 sold at 11; a third of a cent each of
    the commission is nobody's."""
    engine = Engine(
        market(bars(at(10, 10, 11, 12))),
        [
            StrategySlot("a", Scripted({0: [open_long("AAA", quantity=33)]})),
            StrategySlot(
                "b", Scripted({0: [open_long("AAA", quantity=33)], 1: [close_long("AAA")]})
            ),
        ],
        rules(commission={"bps": 3}),
    )
    engine.run()
    found = BacktestResult(engine)
    by_name = {one.name: one for one in found.by_strategy}
    assert by_name["a"].pnl == Decimal("65.90")
    assert by_name["b"].pnl == Decimal("32.79")
    assert found.final_value - found.initial_capital == Decimal("98.69")
    (trade,) = found.trades
    assert trade.trip.quantity == 33
