"""Prices as one block: what is taken, what is refused, and how a market becomes one."""

from __future__ import annotations

import numpy as np
import pytest

from assets_tests.engine.scripted import bars, market
from trading_assets.engine.price_panel import panel_of, price_panel
from trading_assets.errors import InputError

NAN = float("nan")
DAYS = np.array(["2024-01-01", "2024-01-02"], dtype="M8[D]")


def test_a_market_becomes_a_block_with_nan_where_a_symbol_has_no_bar() -> None:
    one = bars([(10, 12, 9, 11), (11, 13, 10, 12)], "A")
    other = bars([None, (20, 20, 20, 20)], "B")
    panel = panel_of(market(one, other))
    assert panel.symbols == ("A", "B")
    assert panel.timeline.astype("M8[ns]").tolist() == DAYS.astype("M8[ns]").tolist()
    np.testing.assert_array_equal(panel.closes, [[11, NAN], [12, 20]])
    np.testing.assert_array_equal(panel.opens, [[10, NAN], [11, 20]])


def test_closes_of_one_symbol_may_be_given_as_one_column_and_are_the_opens_too() -> None:
    panel = price_panel(["A"], DAYS, [10, 11])
    assert panel.closes.tolist() == [[10], [11]]
    assert panel.opens is panel.closes


@pytest.mark.parametrize("price", [0.0, -1.0, np.inf])
def test_a_price_that_is_none_is_refused_with_its_symbol_and_row(price: float) -> None:
    with pytest.raises(InputError, match=r"prices, B, row 2: .*: close must be a positive number"):
        price_panel(["A", "B"], DAYS, [[1.0, 1.0], [1.0, price]])
    with pytest.raises(InputError, match=r"prices, A, row 1: .*: open must be a positive number"):
        price_panel(["A"], DAYS, [1.0, 1.0], [price, 1.0])


def test_an_open_without_its_close_is_refused() -> None:
    with pytest.raises(InputError, match=r"prices, A, row 2: nan: a bar has both"):
        price_panel(["A"], DAYS, [1.0, 1.0], [1.0, NAN])


def test_times_out_of_order_or_twice_are_refused() -> None:
    with pytest.raises(InputError, match=r"row 2: '2024-01-01.*times must ascend"):
        price_panel(["A"], DAYS[::-1], [[1], [1]])
    with pytest.raises(InputError, match="each time once"):
        price_panel(["A"], DAYS[[0, 0]], [[1], [1]])


@pytest.mark.parametrize(("symbols", "rows"), [(["A"], 3), (["A", "B"], 2), (["A", "A"], 2)])
def test_shapes_that_differ_and_symbols_twice_are_refused(symbols: list[str], rows: int) -> None:
    with pytest.raises(InputError, match=r"shape \(times, symbols\), each symbol once"):
        price_panel(symbols, DAYS, np.ones((rows, 1 if symbols != ["A", "A"] else 2)))
