"""Limits on one order before it is sent: what the account would look like after it.

Two rules hold for every limit on exposure. An order that only reduces a position is never refused,
whatever the account looks like: getting out must always be possible. Any other order is refused by
a limit only if it takes that measure further above the limit than it is; an order that flips a
book's largest position to a smaller one is an improvement, not a breach.

The check runs for each order of a backtest, so it is arithmetic on totals that the caller keeps,
never a walk over the positions.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from decimal import Decimal

import msgspec

from trading_assets.model.money import ONE, ZERO
from trading_assets.risk.policies import RiskLimits
from trading_assets.risk.refusals import RiskCode, RiskRefusal

MINUTE_NANOSECONDS = 60_000_000_000
_NONE: Mapping[str, Decimal] = {}


class OrderExposure(msgspec.Struct, frozen=True, gc=False):
    """One order as limits see it.

    `change` is signed shares (negative for a sale) and never 0, `held` the signed shares held
    before it, `price` (positive, money per share) what both are valued at, `fees` money.
    """

    symbol: str
    change: Decimal
    held: Decimal
    price: Decimal
    fees: Decimal = ZERO

    @property
    def reduces(self) -> bool:
        """True where the order brings the position nearer to 0, or to it, and not across it."""
        held, change = self.held, self.change
        return change >= -held if held > 0 > change else held < 0 < change and change <= -held


class AccountExposure(msgspec.Struct, frozen=True, gc=False):
    """The account before an order, in money.

    `equity`, and `peak_equity`, the highest so far; `capital` is what may be spent on opening: cash
    in a cash account, buying power on margin. `gross` is Σ|value| of the positions, `net` Σ value,
    `sector_gross` Σ|value| by sector. Where orders are working, the caller counts them in.
    """

    equity: Decimal
    peak_equity: Decimal
    capital: Decimal
    gross: Decimal
    net: Decimal
    sector_gross: Mapping[str, Decimal] = _NONE


def order_refusal(
    order: OrderExposure, account: AccountExposure, limits: RiskLimits
) -> RiskRefusal | None:
    """The first limit that `order` breaks, None where it may be sent.

    Order of the limits: equity, drawdown, the position's size, value and weight, its sector, total
    exposure, gross and net leverage, capital. Rates are `OrderRate`'s.
    """
    if order.reduces:
        return None
    equity = account.equity
    if equity <= 0:
        return RiskRefusal(RiskCode.NO_EQUITY, order.symbol, equity, ZERO)
    limit = limits.max_drawdown
    if limit is not None and account.peak_equity > 0:
        drawdown = ONE - equity / account.peak_equity
        if drawdown >= limit:
            return RiskRefusal(RiskCode.DRAWDOWN_LIMIT, order.symbol, drawdown, limit)
    return (
        _position_refusal(order, equity, limits)
        or _account_refusal(order, account, limits)
        or (_capital_refusal(order, account) if limits.check_capital else None)
    )


def _position_refusal(
    order: OrderExposure, equity: Decimal, limits: RiskLimits
) -> RiskRefusal | None:
    before, after = abs(order.held), abs(order.held + order.change)
    if after <= before:
        return None
    limit = limits.max_position_quantity
    if limit is not None and after > limit:
        return RiskRefusal(RiskCode.POSITION_SIZE_LIMIT, order.symbol, after, limit)
    value = after * order.price
    limit = limits.max_position_value
    if limit is not None and value > limit:
        return RiskRefusal(RiskCode.POSITION_VALUE_LIMIT, order.symbol, value, limit)
    limit = limits.max_concentration
    if limit is not None and value > limit * equity:
        return RiskRefusal(RiskCode.CONCENTRATION_LIMIT, order.symbol, value / equity, limit)
    return None


def _account_refusal(
    order: OrderExposure, account: AccountExposure, limits: RiskLimits
) -> RiskRefusal | None:
    equity, held = account.equity, order.held
    grown = (abs(held + order.change) - abs(held)) * order.price
    if grown > 0:
        if limits.max_sector_weight is not None:
            refusal = _sector_refusal(order, account, grown, limits)
            if refusal is not None:
                return refusal
        gross = account.gross + grown
        limit = limits.max_total_exposure
        if limit is not None and gross > limit:
            return RiskRefusal(RiskCode.TOTAL_EXPOSURE_LIMIT, order.symbol, gross, limit)
        limit = limits.max_gross_leverage
        if limit is not None and gross > limit * equity:
            return RiskRefusal(RiskCode.GROSS_LEVERAGE_LIMIT, order.symbol, gross / equity, limit)
    limit = limits.max_net_leverage
    if limit is not None:
        net = abs(account.net + order.change * order.price)
        if net > limit * equity and net > abs(account.net):
            return RiskRefusal(RiskCode.NET_LEVERAGE_LIMIT, order.symbol, net / equity, limit)
    return None


def _sector_refusal(
    order: OrderExposure, account: AccountExposure, grown: Decimal, limits: RiskLimits
) -> RiskRefusal | None:
    limit = limits.max_sector_weight or ZERO
    sector = limits.sectors.get(order.symbol)
    if sector is None:
        return RiskRefusal(RiskCode.SECTOR_UNKNOWN, order.symbol, ZERO, ONE)
    value = account.sector_gross.get(sector, ZERO) + grown
    if value > limit * account.equity:
        return RiskRefusal(RiskCode.SECTOR_LIMIT, order.symbol, value / account.equity, limit)
    return None


def _capital_refusal(order: OrderExposure, account: AccountExposure) -> RiskRefusal | None:
    """Opening shares must be paid for, a short's with as much capital as a long's; a flip may use
    what the long it closes brings in."""
    held, change = order.held, order.change
    capital = account.capital
    if held > 0 > change:
        capital += held * order.price
        change += held
    elif held < 0 < change:
        change += held
    needed = abs(change) * order.price + order.fees
    if needed > capital:
        return RiskRefusal(RiskCode.INSUFFICIENT_CAPITAL, order.symbol, needed, capital)
    return None


class OrderRate:
    """How many orders were sent in the last minute, in all and by symbol.

    An order counts until a minute after it was sent has passed. Refused orders do not count.
    """

    def __init__(self, limits: RiskLimits) -> None:
        self._most = limits.max_orders_per_minute
        self._most_each = limits.max_orders_per_minute_per_symbol
        self._sent: deque[int] = deque(maxlen=self._most)
        self._sent_each: dict[str, deque[int]] = {}

    def refusal(self, symbol: str, moment_ns: int) -> RiskRefusal | None:
        """The rate that an order sent at `moment_ns` (nanoseconds of any one clock, never running
        backwards) would break; None where it may be sent, and is counted from now on."""
        since = moment_ns - MINUTE_NANOSECONDS
        most, most_each = self._most, self._most_each
        if most is not None:
            sent = self._sent
            if len(sent) == most and sent[0] > since:
                return _rate(RiskCode.RATE_LIMIT_GLOBAL, symbol, most)
        if most_each is not None:
            each = self._sent_each.get(symbol)
            if each is None:
                each = self._sent_each[symbol] = deque(maxlen=most_each)
            if len(each) == most_each and each[0] > since:
                return _rate(RiskCode.RATE_LIMIT_SYMBOL, symbol, most_each)
            each.append(moment_ns)
        if most is not None:
            self._sent.append(moment_ns)
        return None

    def state(self) -> tuple[list[int], dict[str, list[int]]]:
        """The moments that count, in all and by symbol: for a checkpoint."""
        return list(self._sent), {symbol: list(sent) for symbol, sent in self._sent_each.items()}

    def restore(self, sent: list[int], sent_each: Mapping[str, list[int]]) -> None:
        """Take up what `state` gave."""
        self._sent = deque(sent, maxlen=self._most)
        self._sent_each = {
            symbol: deque(moments, maxlen=self._most_each) for symbol, moments in sent_each.items()
        }


def _rate(code: RiskCode, symbol: str, most: int) -> RiskRefusal:
    """The window holds at most as many orders as the limit allows, all of the last minute."""
    return RiskRefusal(code, symbol, Decimal(most), Decimal(most))
