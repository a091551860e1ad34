"""What a strategy answered, checked before anything is made of it.

A number that is not one (the indicator that is still warming up, a division by a price that is not
there) must not become a size or a stop. It is an error that names the strategy, the field and the
value; what the rules of the backtest forbid is a rejected order instead.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from trading_assets.engine.clock import Floats
from trading_assets.errors import ConfigurationError
from trading_assets.strategies.base import OrderIntent, Signal

_POSITIVE = ("price", "stop_loss_price", "take_profit_price", "limit_price", "stop_price")
_FINITE = ("weight", "quantity", "confidence")
_WISHES = (Signal, OrderIntent)
_REMEDY = "Let it answer signals only once it knows this number."


def signals_of(answer: Any, strategy: str) -> list[Signal | OrderIntent]:
    """The signals and orders of an answer; ConfigurationError where it is no list of such."""
    # To ask whether something is iterable takes longer than all else here.
    is_list = type(answer) is list or type(answer) is tuple
    if not is_list and (isinstance(answer, _WISHES) or not isinstance(answer, Iterable)):
        raise ConfigurationError(
            f"strategy {strategy} answers {_short(answer)}: an answer is a list of signals and "
            "orders, TargetWeights, or None. Return [open_long(symbol)], in brackets."
        )
    found: list[Signal | OrderIntent] = []
    for one in answer:
        if not isinstance(one, _WISHES):
            raise ConfigurationError(
                f"strategy {strategy} answers {_short(one)} among its signals: each must be a "
                "Signal or an OrderIntent. Make it by open_long, close_long, open_short, "
                "close_short, target_weight or OrderIntent."
            )
        if isinstance(one, OrderIntent) or _has_numbers(one):
            _require_numbers(one, strategy)
        found.append(one)
    return found


def _has_numbers(signal: Signal) -> bool:
    """False for most signals: nothing to look at one by one."""
    return not (
        signal.price is None
        and signal.weight is None
        and signal.quantity is None
        and signal.confidence is None
        and signal.stop_loss_price is None
        and signal.take_profit_price is None
    )


def _require_numbers(one: Signal | OrderIntent, strategy: str) -> None:
    """ConfigurationError for a field that is no number it can be; None is no field."""
    for fields, is_good, rule in (
        (_POSITIVE, _is_positive, "a positive number"),
        (_FINITE, math.isfinite, "a finite number"),
    ):
        for field in fields:
            value = getattr(one, field, None)
            if value is not None and not _holds(is_good, value):
                raise ConfigurationError(
                    f"strategy {strategy} answers {field}={value!r} for {one.symbol}: it must be "
                    f"{rule}, or None. {_REMEDY}"
                )
    confidence = getattr(one, "confidence", None)
    if confidence is not None and not 0 <= confidence <= 1:
        raise ConfigurationError(
            f"strategy {strategy} answers confidence={confidence!r} for {one.symbol}: it is a "
            "fraction of the size, from 0 to 1. Divide it by its largest value."
        )


def _is_positive(value: float) -> bool:
    return 0 < value < math.inf


def _holds(rule: Any, value: Any) -> bool:
    try:
        return bool(rule(value))
    except TypeError:
        return False


def weights_of(weights: Any, count: int, strategy: str) -> Floats:
    """Target weights as an array of `count` symbols; ConfigurationError for another number of them
    or an infinite one."""
    try:
        found = np.asarray(weights, dtype=np.float64)
    except (TypeError, ValueError):
        found = np.empty(())
    if found.shape != (count,):
        raise ConfigurationError(
            f"strategy {strategy} answers {_short(weights)} as target weights: there must be one "
            f"for each of its {count} symbols, in the order of snapshot.symbols, NaN for one that "
            "is left as it is."
        )
    if np.isinf(found).any():
        raise ConfigurationError(
            f"strategy {strategy} answers an infinite target weight. {_REMEDY}"
        )
    return found


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
