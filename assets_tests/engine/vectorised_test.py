"""The vectorised path's numbered rules, worked by hand; what it refuses."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from trading_assets.engine.price_panel import PricePanel, price_panel
from trading_assets.engine.rules import BacktestRules
from trading_assets.engine.vectorised import (
    VectorisedResult,
    backtest_signals,
    backtest_weight_rows,
    backtest_weights,
    signal_bits,
)
from trading_assets.errors import ConfigurationError, InputError

NAN = float("nan")
DAYS = np.array(["2024-01-02", "2024-01-03", "2024-01-04", "2024-01-05"], dtype="M8[D]")
Fill = tuple[int, str, float, float, float]


def rules(**changes: Any) -> BacktestRules:
    """1,000 of cash, whole shares, at the close, free of charge, shorts and borrowing allowed."""
    account = {"initial_capital": 1000, "allow_short": True, "allow_borrowing": True}
    matching = {"fill_price": "close", "volume_cap": None}
    account |= changes.pop("account", {})
    matching |= changes.pop("matching", {})
    return BacktestRules.model_validate({"account": account, "matching": matching, **changes})


def panel(**closes: list[float]) -> PricePanel:
    """Closes by symbol, which are the opens too."""
    columns = np.array(list(closes.values())).T
    return price_panel(list(closes), DAYS[: len(columns)], columns)


def rows(*values: Any) -> npt.NDArray[np.float64]:
    """Rows of numbers."""
    return np.array(values, dtype=np.float64)


def traded(result: VectorisedResult) -> list[Fill]:
    """Fills as (place, symbol, signed quantity, price, commission)."""
    assert result.fills is not None
    return [
        (row["place"], row["symbol"], row["quantity"], row["price"], row["commission"])
        for row in (
            {"place": int(place)} | row
            for place, row in zip(result.fills.place, result.fill_table().to_pylist(), strict=True)
        )
    ]


def hold(prices: PricePanel, weights: list[list[float]], **changes: Any) -> VectorisedResult:
    return backtest_weights(prices, weights, rules(**changes), keep_fills=True)


# Target weights


def test_a_weight_buys_whole_shares_at_the_close_and_the_rest_stays_cash() -> None:
    """90 % of 1,000 at 70 are 12 shares (12.86 cut): 840; at 75 they are worth 900."""
    result = hold(panel(A=[70, 75]), [[0.9], [NAN]])
    assert traded(result) == [(0, "A", 12, 70, 0)]
    assert result.cash.tolist() == [160, 160]
    assert result.equity.tolist() == [1000, 1060]
    assert result.final_value == 1060
    assert result.total_return_pct == pytest.approx(6)


def test_nan_keeps_a_symbol_and_zero_sells_it() -> None:
    result = hold(panel(A=[10, 10, 10], B=[10, 10, 10]), [[0.5, 0.5], [NAN, 0], [NAN, NAN]])
    assert traded(result) == [(0, "A", 50, 10, 0), (0, "B", 50, 10, 0), (1, "B", -50, 10, 0)]
    assert result.positions().tolist() == [[50, 50], [50, 0], [50, 0]]
    assert result.quantities.tolist() == [50, 0]


def test_sales_come_before_purchases() -> None:
    result = hold(panel(A=[10, 10], B=[10, 10]), [[0, 0.5], [0.5, 0]])
    assert [fill[:3] for fill in traded(result)] == [(0, "B", 50), (1, "B", -50), (1, "A", 50)]


def test_commission_and_slippage_are_taken_from_what_is_invested() -> None:
    """Half of 1,000 less a fee of 1 % (5 shares at 99 cost 4.95): 495.05 / 99 are 5 shares. They
    are bought at 99.99 (99 and 100 bps): 499.95, and 1 % of that, 4.9995, is booked as 5.00."""
    result = hold(panel(A=[99, 99]), [[0.5], [NAN]], commission={"bps": 100}, slippage={"bps": 100})
    assert traded(result) == [(0, "A", 5, 99.99, 5.00)]
    assert result.cash.tolist() == [495.05, 495.05]
    assert result.equity.tolist() == [990.05, 990.05]
    assert (result.commission, result.traded) == (5.00, 499.95)
    assert result.slippage == pytest.approx(4.95)


def test_a_minimum_commission_shrinks_the_order_and_a_tie_of_cents_is_booked_even() -> None:
    """(1,000 - 5) / 10.125 are 98 shares, not 98.77 with the fee: 992.25. The position of 98 shares
    is worth 992.25; of one share it would be 10.125, which is booked as 10.12."""
    result = hold(panel(A=[10.125]), [[1]], commission={"minimum": 5})
    assert traded(result) == [(0, "A", 98, 10.125, 5)]
    one = hold(panel(A=[10.125]), [[0.011]])
    assert traded(one) == [(0, "A", 1, 10.125, 0)]
    assert one.cash.tolist() == [989.88]
    assert one.equity.tolist() == [1000]


def test_a_tie_that_floats_see_above_itself_is_booked_even() -> None:
    """1.225 is 122.50000000000001 cents in floats; it is a tie, and 1.22 is even."""
    result = hold(panel(A=[1.225]), [[0.0013]])
    assert traded(result) == [(0, "A", 1, 1.225, 0)]
    assert result.cash.tolist() == [998.78]


def test_a_quotient_that_floats_see_below_a_share_is_that_share() -> None:
    """110 at 1.10 a share are 100 shares, 99.99999999999999 in floats."""
    assert traded(hold(panel(A=[1.1]), [[0.11]])) == [(0, "A", 100, 1.1, 0)]


def test_parts_of_shares_are_cut_to_their_decimals() -> None:
    """1,000 / 3 a share are 333.33 and a third of a hundredth that is cut: 999.99."""
    result = hold(panel(A=[3]), [[1]], account={"quantity_decimals": 2})
    assert traded(result) == [(0, "A", 333.33, 3, 0)]
    assert result.cash.tolist() == [0.01]


def test_an_order_for_the_next_open_is_sized_on_the_close_before() -> None:
    prices = price_panel(["A"], DAYS[:3], [10, 20, 30], [9, 12, 25])
    result = hold(prices, [[1], [NAN], [0]], matching={"fill_price": "next_open"})
    assert traded(result) == [(1, "A", 100, 12, 0)]
    assert result.equity.tolist() == [1000, -200 + 2000, -200 + 3000]


def test_a_missing_bar_keeps_the_close_before_and_its_order_waits_for_the_next_open() -> None:
    """B has no bar on the second day. It stays worth 50 x 10, and what is to be sold of it is sold
    at the open of the third day."""
    prices = price_panel(
        ["A", "B"],
        DAYS[:3],
        rows([10, 10], [20, NAN], [20, 12]),
        rows([10, 10], [20, NAN], [20, 11]),
    )
    result = hold(prices, [[NAN, 0.5], [NAN, 0], [NAN, NAN]])
    assert traded(result) == [(0, "B", 50, 10, 0), (2, "B", -50, 11, 0)]
    assert result.equity.tolist() == [1000, 1000, 1050]


def test_an_order_that_waits_is_replaced_by_a_new_target() -> None:
    result = hold(
        panel(A=[10, 10, 10, 10], B=[10, NAN, NAN, 10]),
        [[0, 0.5], [NAN, 0], [NAN, 0.5], [NAN, NAN]],
    )
    assert traded(result) == [(0, "B", 50, 10, 0)]


def test_a_symbol_whose_bars_have_ended_stays_at_its_last_close() -> None:
    result = hold(panel(A=[10, 10, 10], B=[10, 8, NAN]), [[NAN, 0.5], [NAN, NAN], [NAN, 0]])
    assert traded(result) == [(0, "B", 50, 10, 0)]
    assert result.equity.tolist() == [1000, 900, 900]
    assert result.quantities.tolist() == [0, 50]


def test_a_symbol_that_never_had_a_bar_is_not_bought() -> None:
    result = hold(panel(A=[10, 10], B=[NAN, NAN]), [[0.5, 0.5], [0.5, 0.5]])
    assert traded(result) == [(0, "A", 50, 10, 0)]


def test_a_change_of_sides_is_one_order() -> None:
    result = hold(panel(A=[10, 10]), [[0.5], [-0.5]])
    assert traded(result) == [(0, "A", 50, 10, 0), (1, "A", -100, 10, 0)]


def test_an_account_without_equity_sells_what_it_has_and_buys_no_more() -> None:
    """300 shares at 10 on 1,000: at 6 there are -200 left."""
    result = hold(panel(A=[10, 6, 6, 10]), [[3], [3], [3], [1]])
    assert traded(result) == [(0, "A", 300, 10, 0), (1, "A", -300, 6, 0)]
    assert result.equity.tolist() == [1000, -200, -200, -200]


def test_without_short_sales_a_negative_weight_is_not_followed() -> None:
    result = hold(panel(A=[10, 10]), [[0.5], [-0.5]], account={"allow_short": False})
    assert traded(result) == [(0, "A", 50, 10, 0)]


def test_without_borrowing_weights_above_one_are_not_followed_at_all() -> None:
    result = hold(
        panel(A=[10, 10], B=[10, 10]),
        [[0.6, 0.5], [0.6, 0.4]],
        account={"allow_borrowing": False},
    )
    assert traded(result) == [(1, "A", 60, 10, 0), (1, "B", 40, 10, 0)]


def test_without_borrowing_what_is_left_as_it_is_counts_too() -> None:
    """A has 60 % when B asks for 50 %, which is not followed, and for 40 %, which is."""
    result = hold(
        panel(A=[10, 10, 10], B=[10, 10, 10]),
        [[0.6, NAN], [NAN, 0.5], [NAN, 0.4]],
        account={"allow_borrowing": False},
    )
    assert traded(result) == [(0, "A", 60, 10, 0), (2, "B", 40, 10, 0)]


@pytest.mark.parametrize("places", [0, 1])
def test_no_weight_at_all_leaves_the_capital(places: int) -> None:
    prices = price_panel(["A"], DAYS[:places], np.full((places, 1), 10.0))
    result = backtest_weights(prices, np.full((places, 1), NAN), rules(), keep_fills=True)
    assert traded(result) == []
    assert result.final_value == 1000
    assert len(result.equity) == places


def test_rows_of_names_sell_who_is_not_named() -> None:
    prices = panel(A=[10, 10, 10], B=[10, 10, 10], C=[10, 10, 10])
    result = backtest_weight_rows(
        prices, DAYS[[0, 0, 2]], ["A", "C", "B"], [0.5, 0.2, 0.7], rules(), keep_fills=True
    )
    assert [fill[:3] for fill in traded(result)] == [
        (0, "A", 50),
        (0, "C", 20),
        (2, "A", -50),
        (2, "C", -20),
        (2, "B", 70),
    ]


# Signals


def follow(
    prices: PricePanel, says: dict[str, list[list[bool] | list[int]]], **changes: Any
) -> VectorisedResult:
    shape = prices.closes.shape
    none = np.zeros(shape, dtype=bool)
    flags = [
        np.array(says[name], dtype=bool).reshape(shape) if name in says else none
        for name in ("buy", "sell", "short", "cover")
    ]
    return backtest_signals(prices, signal_bits(*flags), rules(**changes), keep_fills=True)


def test_an_entry_invests_its_part_of_equity_and_an_exit_sells_all() -> None:
    """A tenth of 1,000 at 10; a tenth of 1,010 at 20 after a gain of a tenth of the tenth."""
    result = follow(panel(A=[10, 11, 20, 20]), {"buy": [[1, 0, 1, 0]], "sell": [[0, 1, 0, 1]]})
    assert [fill[:4] for fill in traded(result)] == [
        (0, "A", 10, 10),
        (1, "A", -10, 11),
        (2, "A", 5, 20),
        (3, "A", -5, 20),
    ]
    assert result.equity.tolist() == [1000, 1010, 1010, 1010]


def test_an_opposite_entry_closes_first_and_then_opens() -> None:
    result = follow(panel(A=[10, 10, 5]), {"buy": [[1, 0, 0]], "short": [[0, 1, 0]]})
    assert [fill[:3] for fill in traded(result)] == [(0, "A", 10), (1, "A", -10), (1, "A", -10)]
    assert result.equity.tolist() == [1000, 1000, 1050]


def test_signals_that_contradict_one_another_do_nothing() -> None:
    both_sides = follow(panel(A=[10]), {"buy": [[1]], "short": [[1]]})
    in_and_out = follow(panel(A=[10]), {"buy": [[1]], "sell": [[1]]})
    assert (both_sides.fill_count, in_and_out.fill_count) == (0, 0)


def test_a_repeated_entry_an_exit_of_nothing_and_a_signal_without_a_bar_do_nothing() -> None:
    result = follow(
        panel(A=[10, 10, 10], B=[10, NAN, 10]),
        {"buy": [[1, 0], [1, 1], [0, 0]], "sell": [[0, 1], [0, 0], [0, 1]]},
    )
    assert [fill[:3] for fill in traded(result)] == [(0, "A", 10)]


def test_without_borrowing_the_second_symbol_has_what_the_first_left() -> None:
    """60 % each: A takes 600, B would need 600 of the 400 that are left."""
    result = follow(
        panel(A=[10], B=[10]), {"buy": [[1, 1]]}, position_size="0.6",
        account={"allow_borrowing": False},
    )  # fmt: skip
    assert [fill[:3] for fill in traded(result)] == [(0, "A", 60)]


def test_fills_need_not_be_kept_and_then_cannot_be_asked_for() -> None:
    result = backtest_weights(panel(A=[10, 11]), rows([1], [NAN]), rules())
    assert (result.fill_count, result.final_value) == (1, 1100)
    with pytest.raises(ConfigurationError, match="keep_fills=True"):
        result.positions()


def test_more_fills_than_there_was_room_for_are_all_kept() -> None:
    """A symbol that is bought and sold in turn for 5,000 days."""
    days = np.arange(5000) * np.timedelta64(1, "D") + DAYS[0]
    prices = price_panel(["A"], days, np.full(5000, 10.0))
    weights = np.tile([0.5, 0.0], 2500).reshape(-1, 1)
    result = backtest_weights(prices, weights, rules(), keep_fills=True)
    assert result.fills is not None
    assert result.fills.quantity.tolist() == [50, -50] * 2500
    assert result.fills.place.tolist() == list(range(5000))


# What is refused


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"matching": {"volume_cap": "0.1"}}, r"matching\.volume_cap .* Set it to null"),
        ({"risk": "built_in"}, "risk is not followed .* null"),
        ({"matching": {"fill_price": "next_vwap"}}, r"matching\.fill_price .* close or next_open"),
        ({"matching": {"time_in_force": "day"}}, r"matching\.time_in_force .* Set it to gtc"),
        ({"slippage": {"volume_share_impact": "0.1"}}, r"volume_share_impact .* Set it to 0"),
        ({"risk": "built_in"}, r"risk is not followed .* Set it to null"),
    ],
)
def test_a_rule_of_the_exact_engine_alone_is_refused_by_name(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        hold(panel(A=[10]), [[1]], **changes)


def test_wrong_input_is_refused_with_row_value_and_remedy() -> None:
    prices = panel(A=[10, 10], B=[10, 10])
    with pytest.raises(InputError, match=r"\(2,\).*must be \(places, symbols\) = \(2, 2\)"):
        backtest_weights(prices, [0.5, 0.5], rules())
    with pytest.raises(InputError, match=r"weights, B, row 2: inf: a weight must be finite"):
        backtest_weights(prices, [[0.5, 0.5], [0.5, np.inf]], rules())
    with pytest.raises(InputError, match=r"signals: \(1, 2\)"):
        backtest_signals(prices, [[1, 0]], rules())
    with pytest.raises(InputError, match="entries and exits must have one shape"):
        signal_bits([True, False], [True])


@pytest.mark.parametrize(
    ("days", "symbols", "weights", "message"),
    [
        ([1, 0], ["A", "A"], [1, 1], "row 2: '2024-01-02T.*must ascend by time"),
        ([0, 0], ["A", "A"], [1, 1], "row 2: 'A': a symbol must be named once"),
        ([0, 3], ["A", "A"], [1, 1], "row 2.*must be one of the timeline"),
        ([0, 1], ["A", "Z"], [1, 1], "row 2: 'Z': a symbol must be one of the panel"),
        ([0, 1], ["A", "B"], [1, NAN], "row 2: nan: a weight must be finite"),
        ([0, 1], ["A", "B"], [1], r"\[2, 2, 1\]: times, symbols and weights must have one length"),
    ],
)
def test_wrong_rows_of_names_are_refused(
    days: list[int], symbols: list[str], weights: list[float], message: str
) -> None:
    prices = panel(A=[10, 10], B=[10, 10])
    with pytest.raises(InputError, match=message):
        backtest_weight_rows(prices, DAYS[days], symbols, weights, rules())


def test_money_beyond_what_floats_count_exactly_is_refused() -> None:
    with pytest.raises(InputError, match="money must stay below 9007199254740992 units"):
        hold(panel(A=[1, 1e9]), [[1], [NAN]], account={"initial_capital": "1000000000"})


def test_importing_the_vectorised_path_loads_no_compiler() -> None:
    """numba takes half a second; only the first backtest needs it."""
    code = "import sys, trading_assets.engine.vectorised; print('numba' in sys.modules)"
    printed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert printed.strip() == "False"
