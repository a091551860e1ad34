"""What a risk policy at work remembers, for a checkpoint.

Apart from the policy's desk, which brings the indicators and with them seconds of importing.
"""

from __future__ import annotations

import msgspec

from trading_assets.risk.circuit_breaker import CircuitBreaker
from trading_assets.risk.margin import MarginCall


class RiskState(msgspec.Struct, frozen=True, kw_only=True):
    """A `RiskDesk` after a bar: its circuit breaker and the states that it tripped into, highest
    equity (None before any was seen), the bar's session (days since 1970-01-01, -1 before the
    first), best price (1e-8) since the fill of each entry whose stop follows, and the moments
    (nanoseconds UTC) of the orders that count for the rates, in all and by symbol; margin calls
    so far, and whether the last is not met yet."""

    breaker: CircuitBreaker
    breakers: list[CircuitBreaker]
    peak: float | None
    session: int
    version: int
    is_flat: bool
    trailing: list[tuple[int, int]]
    sent: list[int]
    sent_each: dict[str, list[int]]
    is_called: bool
    margin_calls: list[MarginCall]
