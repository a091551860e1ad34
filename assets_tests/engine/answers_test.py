"""An answer that is none is an error with strategy, field and value, not a wrong order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from trading_assets.engine.answers import signals_of, weights_of
from trading_assets.errors import ConfigurationError
from trading_assets.model.order import OrderType, Side
from trading_assets.strategies.base import OrderIntent, open_long, target_weight

NAN = float("nan")


def test_signals_and_orders_are_taken_as_they_are_from_any_iterable() -> None:
    said = (open_long("AAA", stop_loss_price=9.5, confidence=1), target_weight("BBB", -0.5))
    assert signals_of(iter(said), "s") == list(said)
    assert signals_of([], "s") == []


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (open_long("AAA"), r"Return \[open_long\(symbol\)\], in brackets"),
        (True, "strategy s answers True"),
        ("buy", "'b' among its signals"),
        ([{"symbol": "AAA"}], "among its signals"),
        ([open_long("AAA", stop_loss_price=NAN)], "stop_loss_price=nan for AAA"),
        ([open_long("AAA", take_profit_price=-1)], "take_profit_price=-1 for AAA"),
        ([open_long("AAA", stop_loss_price="9")], "stop_loss_price='9' for AAA"),
        ([open_long("AAA", confidence=5)], "confidence=5 for AAA: it is a fraction"),
        ([open_long("AAA", confidence=NAN)], "confidence=nan"),
        ([open_long("AAA", quantity=float("inf"))], "quantity=inf"),
        ([target_weight("AAA", NAN)], "weight=nan"),
        (
            [OrderIntent("AAA", Side.BUY, 5, OrderType.LIMIT, limit_price=0.0)],
            r"limit_price=0\.0 for AAA",
        ),
    ],
)
def test_what_is_no_answer_is_named(answer: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        signals_of(answer, "s")


def test_target_weights_may_be_any_sequence_of_numbers() -> None:
    assert weights_of([0.5, 0.5], 2, "s").tolist() == [0.5, 0.5]
    assert np.isnan(weights_of(np.array([0.5, NAN]), 2, "s")).tolist() == [False, True]


@pytest.mark.parametrize("weights", [[0.5], {"AAA": 0.5}, [[0.5, 0.5]], ["a", "b"], None, 0.5])
def test_another_number_of_weights_than_of_symbols_is_refused(weights: Any) -> None:
    with pytest.raises(ConfigurationError, match="one for each of its 2 symbols"):
        weights_of(weights, 2, "s")


def test_an_infinite_weight_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="infinite"):
        weights_of([0.5, float("inf")], 2, "s")
