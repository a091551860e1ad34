"""Why an order is refused: a code, what was measured, what the limit is, what to do."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

import msgspec

from trading_assets.model.money import plain


class RiskCode(StrEnum):
    """The limit that an order would break."""

    RATE_LIMIT_GLOBAL = "RATE_LIMIT_GLOBAL"
    RATE_LIMIT_SYMBOL = "RATE_LIMIT_SYMBOL"
    NO_EQUITY = "NO_EQUITY"
    DRAWDOWN_LIMIT = "DRAWDOWN_LIMIT"
    POSITION_SIZE_LIMIT = "POSITION_SIZE_LIMIT"
    POSITION_VALUE_LIMIT = "POSITION_VALUE_LIMIT"
    CONCENTRATION_LIMIT = "CONCENTRATION_LIMIT"
    SECTOR_UNKNOWN = "SECTOR_UNKNOWN"
    SECTOR_LIMIT = "SECTOR_LIMIT"
    TOTAL_EXPOSURE_LIMIT = "TOTAL_EXPOSURE_LIMIT"
    GROSS_LEVERAGE_LIMIT = "GROSS_LEVERAGE_LIMIT"
    NET_LEVERAGE_LIMIT = "NET_LEVERAGE_LIMIT"
    INSUFFICIENT_CAPITAL = "INSUFFICIENT_CAPITAL"
    MARGIN_CALL = "MARGIN_CALL"
    TRADING_HALTED = "TRADING_HALTED"


_MEASURED: dict[RiskCode, tuple[str, str]] = {
    RiskCode.RATE_LIMIT_GLOBAL: (
        "orders in the minute before this one",
        "send fewer orders, or raise max_orders_per_minute",
    ),
    RiskCode.RATE_LIMIT_SYMBOL: (
        "orders of the symbol in the minute before this one",
        "send fewer orders, or raise max_orders_per_minute_per_symbol",
    ),
    RiskCode.NO_EQUITY: (
        "equity",
        "pay in, or only reduce positions: nothing can be opened on no equity",
    ),
    RiskCode.DRAWDOWN_LIMIT: (
        "fall from the highest equity",
        "only reduce positions, or raise max_drawdown",
    ),
    RiskCode.POSITION_SIZE_LIMIT: (
        "shares after the order",
        "order fewer shares, or raise max_position_quantity",
    ),
    RiskCode.POSITION_VALUE_LIMIT: (
        "value of the position after the order",
        "order fewer shares, or raise max_position_value",
    ),
    RiskCode.CONCENTRATION_LIMIT: (
        "weight of the position after the order",
        "order fewer shares, or raise max_concentration",
    ),
    RiskCode.SECTOR_UNKNOWN: (
        "sectors known of the symbol",
        "add the symbol to sectors, or leave max_sector_weight out",
    ),
    RiskCode.SECTOR_LIMIT: (
        "weight of the symbol's sector after the order",
        "reduce other positions of the sector first, or raise max_sector_weight",
    ),
    RiskCode.TOTAL_EXPOSURE_LIMIT: (
        "value of all positions after the order",
        "reduce other positions first, or raise max_total_exposure",
    ),
    RiskCode.GROSS_LEVERAGE_LIMIT: (
        "gross leverage after the order",
        "reduce other positions first, or raise max_gross_leverage",
    ),
    RiskCode.NET_LEVERAGE_LIMIT: (
        "net leverage after the order",
        "balance longs and shorts, or raise max_net_leverage",
    ),
    RiskCode.INSUFFICIENT_CAPITAL: (
        "capital that the order needs",
        "order fewer shares, or free capital first",
    ),
    RiskCode.MARGIN_CALL: (
        "equity below maintenance margin",
        "pay in, or reduce positions first",
    ),
    RiskCode.TRADING_HALTED: (
        "the circuit breaker has tripped",
        "find out why, then resume it by name",
    ),
}
"""Of each code: what `actual` and `limit` are about, and the remedy."""


class RiskRefusal(msgspec.Struct, frozen=True, gc=False):
    """One order refused. `actual` and `limit` are in the unit of the code: a count, shares, money,
    or a fraction of equity; where a circuit breaker refuses, `detail` says why instead."""

    code: RiskCode
    symbol: str
    actual: Decimal
    limit: Decimal
    detail: str = ""

    @property
    def remedy(self) -> str:
        """What to do about it."""
        return _MEASURED[self.code][1]

    @property
    def message(self) -> str:
        """Code, symbol, value, limit and remedy in one sentence."""
        measured, remedy = _MEASURED[self.code]
        if self.detail:
            return f"{self.code.value} {self.symbol}: {measured}: {self.detail}; {remedy}"
        return (
            f"{self.code.value} {self.symbol}: {measured} {plain(self.actual)}, "
            f"limit {plain(self.limit)}; {remedy}"
        )
