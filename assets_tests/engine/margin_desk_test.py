"""Margin calls in a backtest (assumption 17 of `engine/matching.py`), worked by hand.

Regulation T's rates: 25 % of longs and 30 % of shorts are kept. 100,000 of capital; 2,000 shares at
100 are bought with as much borrowed, so the account is called below 66.67.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from assets_tests.engine.journal_test import assert_same, replayed
from assets_tests.engine.scripted import (
    Row,
    Scripted,
    bars,
    buy,
    fills,
    market,
    rules,
    sell,
    statuses,
    traded,
)
from trading_assets.engine.journal import run_events
from trading_assets.engine.loop import Engine, StrategySlot
from trading_assets.engine.results import BacktestResult
from trading_assets.reporting.backtest_report import report_html
from trading_assets.strategies.base import Answer, Bar, Context, Strategy, target_weight


def at(*prices: float, volume: float | None = None) -> list[Row]:
    more = () if volume is None else (volume,)
    return [(x, x, x, x, *more) for x in prices]


def levered(
    rows: Sequence[Row],
    *strategies: Strategy,
    others: Sequence[Row] = (),
    margin: dict[str, Any] | None = None,
    **changes: Any,
) -> Engine:
    names = [bars(rows)] + ([bars(others, "BBB")] if others else [])
    engine = Engine(
        market(*names),
        [StrategySlot(f"s{index}", one) for index, one in enumerate(strategies)],
        rules(
            account={"initial_capital": 100_000},
            risk={
                "id": "levered",
                "sizing": {"method": "equity_percent", "fraction": 2},
                "limits": {"check_capital": False},
                "margin": margin or {},
            },
            **changes,
        ),
        keep_orders=True,
    )
    engine.run()
    return engine


CALLED = "2024-01-03: equity 20000 is below maintenance margin 30000, 10000 are called"


def test_17_a_call_sells_the_fewest_shares_at_the_next_open_and_is_told() -> None:
    """At 60: equity 20,000 of 30,000. A share releases 15: 667 are sold at the next open. 1,333 are
    left, which need 19,995."""
    engine = levered(at(100, 100, 60, 60, 60), Scripted({0: [buy(2000)]}))
    assert fills(engine) == [traded(1, 2000, "100"), traded(3, -667, "60")]
    result = BacktestResult(engine)
    assert result.metrics()["margin_calls"] == [CALLED]
    assert CALLED in report_html(result)


def test_17_a_price_that_goes_on_falling_is_called_anew_at_each_close() -> None:
    """667 are sold at 55, where equity was 10,000: then 1,333 at 55 need 18,328.75. 8,328.75 more
    are called, at 13.75 a share 605.7: 606."""
    engine = levered(at(100, 100, 60, 55, 55, 55), Scripted({0: [buy(2000)]}))
    assert fills(engine)[1:] == [traded(3, -667, "55"), traded(4, -606, "55")]
    assert len(engine.desk.margin_calls) == 1


def test_17_a_short_is_bought_back() -> None:
    """1,500 short at 100 bring 150,000. At 130 equity is 55,000, 30 % of 195,000 are 58,500: 3,500
    are called, at 39 a share 89.7: 90."""
    engine = levered(at(100, 100, 130, 130, 130), Scripted({0: [sell(1500)]}))
    assert fills(engine) == [traded(1, -1500, "100"), traded(3, 90, "130")]


def test_17_the_largest_maintenance_margin_comes_first() -> None:
    """500 and 1,500 shares at 60 need 7,500 and 22,500."""
    answers = {0: [buy(500), buy(1500, symbol="BBB")]}
    rows = at(100, 100, 60, 60)
    engine = levered(rows, Scripted(answers), others=rows)
    assert fills(engine)[2:] == [traded(3, -667, "60")]
    assert engine.account.held.tolist() == [500, 833]


def test_17_nothing_opens_while_a_call_is_not_met() -> None:
    answers: dict[int, Any] = {0: [buy(2000)], 2: [buy(1)], 3: [buy(2)]}
    answers[1] = [buy(10, order_type="limit", limit_price=50.0)]
    engine = levered(at(100, 100, 60, 60, 100), Scripted(answers))
    assert fills(engine)[1:] == [traded(3, -667, "60"), traded(4, 2, "100")]
    assert engine.desk.rejections == {"MARGIN_CALL": 1}
    # Entry; the limit that waited; the sale; the refused purchase; the one after the call was met.
    assert statuses(engine) == ["filled", "canceled", "filled", "rejected", "filled"]


def test_17_halt_sells_nothing_and_opens_nothing_any_more() -> None:
    answers = {0: [buy(2000)], 4: [buy(1)]}
    margin = {"on_margin_call": "halt"}
    engine = levered(at(100, 100, 60, 100, 100, 100), Scripted(answers), margin=margin)
    assert fills(engine) == [traded(1, 2000, "100")]
    assert engine.desk.rejections == {"TRADING_HALTED": 1}
    assert engine.desk.halts == [
        "2024-01-03: margin call: equity 20000 is below maintenance margin 30000"
    ]
    assert engine.desk.margin_calls == [CALLED]


def test_17_what_the_volume_does_not_allow_is_ordered_anew_at_the_next_close() -> None:
    """A tenth of 3,000 shares trades a bar: 300, 300, and 67 are left of 667."""
    rows = [*at(100, 100), *at(60, 60, 60, 60, 60, volume=3000)]
    engine = levered(rows, Scripted({0: [buy(2000)]}))
    assert [(one.place, int(one.shares)) for one in fills(engine)[1:]] == [
        (3, -300),
        (4, -300),
        (5, -67),
    ]


def test_17_recovered_before_it_could_sell_the_rest_it_sells_no_more() -> None:
    """After 300 at 60 the price is 100 again: 1,700 need 42,500, and equity is 88,000."""
    rows = [*at(100, 100), *at(60, 60, 100, 100, volume=3000)]
    engine = levered(rows, Scripted({0: [buy(2000)]}))
    # The sale at work trades once more at the open of the bar whose close meets the call.
    assert [(one.place, int(one.shares)) for one in fills(engine)[1:]] == [(3, -300), (4, -300)]
    assert statuses(engine)[-1] == "canceled"


@pytest.mark.parametrize("fill_price", ["next_close", "close"])
def test_17_it_trades_where_market_orders_trade(fill_price: str) -> None:
    rows: list[Row] = [*at(100, 100, 60), (60, 64, 60, 64), (64, 64, 64, 64)]
    engine = levered(rows, Scripted({0: [buy(2000)]}), matching={"fill_price": fill_price})
    expected = traded(3, -667, "64") if fill_price == "next_close" else traded(2, -667, "60")
    assert fills(engine)[1] == expected


def test_the_stop_of_a_bracket_closes_what_is_left_and_no_more(tmp_path: Any) -> None:
    rows = [*at(100, 100, 60, 60), (60, 60, 45, 50), *at(50)]
    bracket = buy(2000, order_type="bracket", stop_loss_price=50.0)
    engine = levered(rows, Scripted({0: [bracket]}))
    assert fills(engine)[1:] == [traded(3, -667, "60"), traded(4, -1333, "50")]
    assert engine.account.held.tolist() == [0]
    assert_same(engine, *replayed(engine, tmp_path))


def test_strategies_reduce_in_proportion_to_what_they_hold() -> None:
    """667 of 2,000: 500 of 1,500 and 167 of 500."""
    engine = levered(at(100, 100, 60, 60), Scripted({0: [buy(1500)]}), Scripted({0: [buy(500)]}))
    assert engine.account.by_strategy.tolist() == [[999], [334]]


class Constant(Strategy):
    """Wants the same weight after every bar."""

    def __init__(self, weight: float) -> None:
        self.weight = weight

    def on_bar(self, bar: Bar, context: Context) -> Answer:
        for order in context.working_orders(bar.symbol):
            context.cancel(order)
        return [target_weight(bar.symbol, self.weight)]


def test_what_a_strategy_sells_by_itself_counts() -> None:
    """Twice 20,000 at 60 are 666 shares: it sells 1,334, and nobody else has to."""
    engine = levered(at(100, 100, 60, 60), Constant(2.0))
    assert fills(engine)[1:] == [traded(3, -1334, "60")]


def test_a_strategy_cannot_take_a_sale_back() -> None:
    """Three times 50,000 at 75 are the 2,000 shares it has; at 40 % 60,000 are needed. 10,000 are
    called, 30 a share: 334."""
    rows = at(100, 100, 75, 75)

    class Held(Constant):
        def on_bar(self, bar: Bar, context: Context) -> Answer:
            self.weight = 2.0 if bar.close == 100 else 3.0
            return super().on_bar(bar, context)

    engine = levered(rows, Held(2.0), margin={"maintenance_long": "0.40"})
    assert fills(engine)[1:] == [traded(3, -334, "75")]


def test_a_sale_for_a_call_leads_back_to_it() -> None:
    engine = levered(at(100, 100, 60, 60), Scripted({0: [buy(2000)]}))
    causes = [one.causation_id for one in run_events(engine) if one.correlation_id == "s0-2"]
    assert set(causes) == {"margin_call/AAA/2024-01-03"}
