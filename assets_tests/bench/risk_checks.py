"""What the checks of risk cost in a backtest's loop, per call.

Run: python -m assets_tests.bench.risk_checks
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable
from decimal import Decimal

import numpy as np

from trading_assets.indicators.incremental import IncrementalIndicator
from trading_assets.indicators.indicator import indicator
from trading_assets.model.order import Side
from trading_assets.risk.circuit_breaker import CircuitBreaker, EquityObserved, observe
from trading_assets.risk.limits import AccountExposure, OrderExposure, OrderRate, order_refusal
from trading_assets.risk.policies import BUILT_IN, CircuitBreakerPolicy, RiskLimits
from trading_assets.risk.sizing import SizingInputs, position_quantity

D = Decimal
CALLS = 50_000
LIMITS = RiskLimits(
    max_position_quantity=D(10**6),
    max_position_value=D(10**8),
    max_concentration=D("0.5"),
    max_sector_weight=D("0.9"),
    sectors={"AAPL": "technology"},
    max_total_exposure=D(10**9),
    max_gross_leverage=D(2),
    max_net_leverage=D(1),
    max_drawdown=D("0.5"),
    max_orders_per_minute=10**6,
    max_orders_per_minute_per_symbol=10**6,
)


def microseconds(call: Callable[[int], object]) -> float:
    """CPU time of one call, the best of five rounds."""
    best = float("inf")
    for _ in range(5):
        start = time.process_time()
        for number in range(CALLS):
            call(number)
        best = min(best, time.process_time() - start)
    return best / CALLS * 1e6


def main() -> None:
    """Print one line for each check."""
    account = AccountExposure(
        D("101234.56"), D("104000.10"), D("50000.00"), D("51234.56"), D("51234.56"),
        {"technology": D("20000.00")},
    )  # fmt: skip
    order = OrderExposure("AAPL", D(100), D(20), D("123.45"), D("1.00"))
    rate = OrderRate(LIMITS)
    inputs = SizingInputs(side=Side.BUY, equity=D("101234.56"), price=D("123.45"))
    policy = CircuitBreakerPolicy(max_daily_loss=D("0.05"), max_drawdown=D("0.2"))
    session = dt.date(2024, 3, 4)
    breaker = observe(CircuitBreaker(), EquityObserved(session, D(100_000)), policy)
    seen = EquityObserved(session, D("99000.12"))
    average = IncrementalIndicator(indicator("sma", period=20))
    average.catch_up({"close": np.linspace(50, 60, 100)})

    def built(_: int) -> object:
        made = AccountExposure(account.equity, account.peak_equity, D(1), D(2), D(3))
        return made, OrderExposure("AAPL", order.change, order.held, order.price)

    for name, call in {
        "an order against every limit": lambda _: order_refusal(order, account, LIMITS),
        "an order against the built-in limits": lambda _: order_refusal(
            order, account, BUILT_IN.limits
        ),
        "the two records that it takes": built,
        "orders per minute, in all and by symbol": lambda number: rate.refusal("AAPL", number),
        "equity per cent sizing": lambda _: position_quantity(BUILT_IN.sizing, inputs),
        "an equity seen by the circuit breaker": lambda _: observe(breaker, seen, policy),
        "SMA(20), the next bar": lambda _: average.update(55.5),
        "an empty call": lambda _: None,
    }.items():
        print(f"{name:42} {microseconds(call):6.2f} µs")


if __name__ == "__main__":
    main()
