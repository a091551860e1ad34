"""What is simulated of the orders that strategies ask for themselves."""

from __future__ import annotations

from trading_assets.engine.orders import (
    KIND_NAMES,
    LIMIT,
    MARKET,
    STOP,
    STOP_LIMIT,
    TIME_IN_FORCE_NAMES,
)
from trading_assets.errors import ConfigurationError
from trading_assets.model.order import OrderType, TimeInForce
from trading_assets.strategies.base import OrderIntent


def time_in_force_code(in_force: TimeInForce) -> int:
    """The number of a time in force; ConfigurationError where it is not simulated."""
    if in_force.value not in TIME_IN_FORCE_NAMES:
        raise ConfigurationError(
            f"time in force {in_force.value!r} is not simulated. Use "
            f"{', '.join(TIME_IN_FORCE_NAMES)}."
        )
    return TIME_IN_FORCE_NAMES.index(in_force.value)


def kind_of(intent: OrderIntent) -> tuple[int, bool]:
    """Kind of the order (of a bracket: of its entry), and whether it is a bracket.

    ConfigurationError where it is not simulated, or a price that it needs is not given.
    """
    if intent.order_type is OrderType.BRACKET:
        return (MARKET if intent.limit_price is None else LIMIT), True
    name = intent.order_type.value
    if name not in KIND_NAMES:
        raise ConfigurationError(
            f"order type {name!r} is not simulated. Use {', '.join(KIND_NAMES)} or bracket."
        )
    kind = KIND_NAMES.index(name)
    if kind in (LIMIT, STOP_LIMIT) and intent.limit_price is None:
        raise ConfigurationError(f"a {name} order of {intent.symbol} needs a limit_price.")
    if kind in (STOP, STOP_LIMIT) and intent.stop_price is None:
        raise ConfigurationError(f"a {name} order of {intent.symbol} needs a stop_price.")
    return kind, False
