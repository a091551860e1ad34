"""Strategies by name: those that are built in, and a user's own in a file.

A user's strategy is a Python file with one subclass of `Strategy`; a backtest names it by its path:

    strategies:
      - id: mine
        strategy: strategies/my_cross.py
        parameters: {fast: 10}
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trading_assets.errors import ConfigurationError, TradingAssetsError
from trading_assets.strategies.base import Strategy

BUILT_IN: dict[str, tuple[str, str]] = {
    "buy_and_hold": ("trading_assets.strategies.buy_and_hold", "BuyAndHold"),
    "sma_cross": ("trading_assets.strategies.sma_cross", "SmaCross"),
    "macd": ("trading_assets.strategies.macd", "Macd"),
    "momentum": ("trading_assets.strategies.momentum", "Momentum"),
    "factor_alpha": ("trading_assets.strategies.factor_alpha", "FactorAlpha"),
    "signal_file": ("trading_assets.strategies.signal_file", "SignalFile"),
}
"""Name → module and class; imported when asked for."""
_PATHS = ("path",)


def load_strategy(name: str, parameters: Mapping[str, Any], folder: Path) -> Strategy:
    """The strategy called `name` (built in, or a .py file in `folder`) with its parameters.

    A parameter called `path` is relative to `folder` too. ConfigurationError where there is no such
    strategy or parameter, or where the file does not define exactly one.
    """
    kind = _from_file(folder / name) if name.endswith(".py") else _built_in(name)
    given = {
        key: str(folder / value) if key in _PATHS and isinstance(value, str) else value
        for key, value in parameters.items()
    }
    try:
        return kind(**given)
    except TradingAssetsError:
        raise
    except (TypeError, ValueError) as error:
        accepted = list(inspect.signature(kind).parameters)
        raise ConfigurationError(
            f"strategy {name}: {error}. Its parameters are: {', '.join(accepted) or 'none'}."
        ) from error


def _built_in(name: str) -> type[Strategy]:
    if name not in BUILT_IN:
        raise ConfigurationError(
            f"strategy {name!r} is not known. Built in: {', '.join(BUILT_IN)}; a file of your own "
            "is named by its path, ending in .py."
        )
    module, kind = BUILT_IN[name]
    found: type[Strategy] = getattr(importlib.import_module(module), kind)
    return found


def _from_file(path: Path) -> type[Strategy]:
    """The one strategy that a file defines; the file is run."""
    if not path.is_file():
        raise ConfigurationError(f"strategy file {path} is not there. Correct its path.")
    module_name = f"trading_assets_user_strategy_{path.stem}"
    spec = importlib.util.spec_from_file_location(module_name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    try:
        spec.loader.exec_module(module)
    except TradingAssetsError:
        raise
    # Whatever a user's file raises while it is read is a mistake in it.
    except Exception as error:
        raise ConfigurationError(
            f"strategy file {path} cannot be loaded: {type(error).__name__}: {error}."
        ) from error
    found = [
        one
        for one in vars(module).values()
        if inspect.isclass(one)
        and issubclass(one, Strategy)
        and one is not Strategy
        and one.__module__ == module_name
    ]
    if len(found) != 1:
        names = ", ".join(one.__name__ for one in found) or "none"
        raise ConfigurationError(
            f"strategy file {path} defines {names}: there must be exactly one subclass of Strategy."
        )
    return found[0]
