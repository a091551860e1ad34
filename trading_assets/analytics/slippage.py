"""What it cost that fills were not at the prices that were intended.

| intended price   | what it is                                                                 |
|------------------|----------------------------------------------------------------------------|
| `decision_price` | at which a person decided: of the annotation that was recorded before it   |
| `arrival_price`  | of the market when the order left for the broker, as recorded then         |
| `plan_price`     | at which the plan sized the order: the last close before the session       |

For each of them, and for buys and sells alike, slippage is signed so that positive is a cost:

    slippage_bps = side · (fill - intended) / intended · 10,000        side: +1 buy, -1 sell
    cost         = side · (fill - intended) · quantity                 money, to the cent
    deviation    =        (fill - intended) / intended                 plain, not signed by side

The first is the arrival-cost convention of implementation shortfall (Perold, "The Implementation
Shortfall: Paper versus Reality", Journal of Portfolio Management 14(3), 1988), without the
opportunity cost of what was not filled. Commission is not part of it; it stands beside it.
A trade without the intended price in question has no slippage against it: None, never 0.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from enum import StrEnum

import msgspec
import numpy as np

from trading_assets.ledger.annotations import TradeAnnotations
from trading_assets.ledger.history import ClosedSession
from trading_assets.ledger.orders import OrderState
from trading_assets.model.money import ZERO, money, rounded_price
from trading_assets.model.order import Side
from trading_assets.model.order_events import Fill
from trading_assets.model.policies import IntendedPrice

BPS = 10_000
UNDEFINED_BASIS = "undefined: "
"""How an arrival basis begins where there is no arrival price; why there is none follows."""
NO_CLOSE = f"{UNDEFINED_BASIS}the session has no close of it"


class Grouping(StrEnum):
    """What trades are put together by; a month is YYYY-MM."""

    ALL = "all"
    SYMBOL = "symbol"
    SIDE = "side"
    MONTH = "month"


class Slippage(msgspec.Struct, frozen=True, kw_only=True):
    """A trade against one intended price; units and signs as at the top of the module."""

    intended_price: Decimal
    slippage_bps: float
    cost: Decimal
    deviation: float


class TradeSlippage(msgspec.Struct, frozen=True, kw_only=True):
    """One trade of one session: an order with all its fills of that session, or a foreign fill.

    `quantity` is positive shares, `fill_price` their average price per share to eight decimals,
    `commission` money of `currency`. None where an intended price is not known. `arrival_basis`
    says of what market the arrival price is (kind, source, its own time), or why there is none.
    """

    trade_id: str
    session: dt.date
    symbol: str
    side: Side
    quantity: Decimal
    fill_price: Decimal
    currency: str
    commission: Decimal
    decision: Slippage | None
    arrival: Slippage | None
    plan: Slippage | None
    arrival_basis: str = ""

    def against(self, intended: IntendedPrice) -> Slippage | None:
        """Slippage against one of the intended prices."""
        if intended is IntendedPrice.PLAN:
            return self.plan
        return self.arrival if intended is IntendedPrice.ARRIVAL else self.decision


def session_slippage(
    closed: ClosedSession,
    annotations: Mapping[str, TradeAnnotations] | None = None,
    arrival_prices: Mapping[str, Decimal] | None = None,
) -> tuple[TradeSlippage, ...]:
    """The trades of a closed session in the order of their first fills; none without a fill.

    `annotations` are the book's by trade id. `arrival_prices` by symbol are those of a simulated
    broker, where orders meet the market at the close; without them each order has what was recorded
    when it left. A fill of an order that an earlier session sent has neither plan nor arrival price
    here: it was planned in other circumstances.
    """
    orders = {order.client_order_id: order for order in closed.orders}
    trades: dict[str, list[Fill]] = {}
    for fill in closed.fills:
        trades.setdefault(fill.client_order_id or fill.execution_id, []).append(fill)
    found = []
    for trade_id, fills in trades.items():
        written = None if annotations is None else annotations.get(trade_id)
        order = orders.get(trade_id)
        at, basis = _recorded_arrival(order, is_foreign=not fills[0].client_order_id)
        if arrival_prices is not None and fills[0].client_order_id:
            at = arrival_prices.get(fills[0].symbol)
            basis = NO_CLOSE if at is None else f"close of {closed.session}, simulated"
        found.append(
            _trade(
                closed.session,
                trade_id,
                fills,
                decision_price(written, min(fill.executed_at for fill in fills)),
                at,
                None if order is None else order.plan_price,
                basis,
            )
        )
    return tuple(found)


def _recorded_arrival(order: OrderState | None, *, is_foreign: bool) -> tuple[Decimal | None, str]:
    """The arrival price of an order and what it is of, or why there is none."""
    if is_foreign:
        # Nobody here decided when it reached the market.
        return None, f"{UNDEFINED_BASIS}placed outside this portfolio's plans"
    if order is None:
        return None, f"{UNDEFINED_BASIS}sent in an earlier session"
    recorded = order.arrival
    if recorded is None:
        return None, f"{UNDEFINED_BASIS}{order.arrival_unknown or 'none was recorded'}"
    kind = recorded.kind.value.replace("_", " ")
    return recorded.price, f"{kind}, {recorded.source}, {recorded.as_of:%Y-%m-%d %H:%M:%S.%fZ}"


def is_outlier(trade: TradeSlippage, intended: IntendedPrice, outlier_bps: float) -> bool:
    """Whether a trade's slippage is more than `outlier_bps` (positive) away from 0; False where it
    is undefined."""
    found = trade.against(intended)
    return found is not None and abs(found.slippage_bps) > outlier_bps


def decision_price(
    written: TradeAnnotations | None, first_fill_at: dt.datetime | None
) -> Decimal | None:
    """The price that was last written down for a trade before its first fill (UTC); None where
    none was. What was written in hindsight decides nothing."""
    if written is None:
        return None
    known = [
        each.annotation.intended_price
        for each in written.pre_trades
        if each.recorded_before(first_fill_at) is not False
    ]
    return known[-1] if known else None


def simulated_arrival_prices(closed: ClosedSession) -> dict[str, Decimal]:
    """Arrival prices at a simulated broker, by symbol: its orders meet the market at the session's
    close. Symbols without a close of the session itself are left out."""
    marks = closed.closed.marks
    return {
        symbol: mark.price
        for symbol, mark in marks.items()
        if mark.session == closed.session and mark.price > 0
    }


def _trade(
    session: dt.date,
    trade_id: str,
    fills: Sequence[Fill],
    decision: Decimal | None,
    arrival: Decimal | None,
    plan: Decimal | None,
    arrival_basis: str,
) -> TradeSlippage:
    first = fills[0]
    quantity = sum((fill.quantity for fill in fills), ZERO)
    # Not the booked notional: rounded to the cent, it would move the price of a small trade.
    paid = sum((fill.quantity * fill.price for fill in fills), ZERO)
    sign = first.side.sign

    def against(intended: Decimal | None) -> Slippage | None:
        return None if intended is None else _slippage(sign, quantity, paid, intended)

    return TradeSlippage(
        trade_id=trade_id,
        session=session,
        symbol=first.symbol,
        side=first.side,
        quantity=quantity,
        fill_price=rounded_price(paid / quantity),
        currency=first.currency,
        commission=sum((money(fill.commission) for fill in fills), ZERO),
        decision=against(decision),
        arrival=against(arrival),
        plan=against(plan),
        arrival_basis=arrival_basis,
    )


def _slippage(sign: int, quantity: Decimal, paid: Decimal, intended: Decimal) -> Slippage:
    meant = quantity * intended
    deviation = float((paid - meant) / meant)
    return Slippage(
        intended_price=intended,
        slippage_bps=sign * deviation * BPS,
        cost=money(sign * (paid - meant)),
        deviation=deviation,
    )


class SlippageStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """Slippage of a group of trades against one intended price.

    `count` trades have that price, `undefined` have not. Mean, median and sample standard deviation
    (n - 1) are of the trades' basis points, each trade counting once whatever its size; None
    without trades, the last also with one. `cost` is their money together, `commission` that of
    all trades of the group. `outliers` are those beyond the threshold, either way, worst first.
    """

    intended: IntendedPrice
    group: str
    count: int
    undefined: int
    mean_bps: float | None
    median_bps: float | None
    std_bps: float | None
    cost: Decimal
    commission: Decimal
    outliers: tuple[TradeSlippage, ...]


_GROUPS: dict[Grouping, Callable[[TradeSlippage], str]] = {
    Grouping.ALL: lambda _trade: "all",
    Grouping.SYMBOL: lambda trade: trade.symbol,
    Grouping.SIDE: lambda trade: trade.side.value,
    Grouping.MONTH: lambda trade: f"{trade.session:%Y-%m}",
}


def slippage_statistics(
    trades: Iterable[TradeSlippage],
    intended: IntendedPrice,
    by: Grouping,
    outlier_bps: Decimal,
) -> tuple[SlippageStatistics, ...]:
    """Statistics for each group of trades, sorted by its name; none without trades.

    An outlier's slippage is more than `outlier_bps` basis points (positive) away from 0.
    """
    groups: dict[str, list[TradeSlippage]] = {}
    name_of = _GROUPS[by]
    for trade in trades:
        groups.setdefault(name_of(trade), []).append(trade)
    return tuple(
        _statistics(intended, name, groups[name], float(outlier_bps)) for name in sorted(groups)
    )


def _statistics(
    intended: IntendedPrice, group: str, trades: Sequence[TradeSlippage], outlier_bps: float
) -> SlippageStatistics:
    defined = [(trade, each) for trade in trades if (each := trade.against(intended)) is not None]
    bps = np.array([each.slippage_bps for _, each in defined])
    count = len(defined)
    worst = np.argsort(-np.abs(bps), kind="stable")
    return SlippageStatistics(
        intended=intended,
        group=group,
        count=count,
        undefined=len(trades) - count,
        mean_bps=float(bps.mean()) if count else None,
        median_bps=float(np.median(bps)) if count else None,
        std_bps=float(bps.std(ddof=1)) if count > 1 else None,
        cost=sum((each.cost for _, each in defined), ZERO),
        commission=sum((trade.commission for trade in trades), ZERO),
        outliers=tuple(defined[place][0] for place in worst if abs(bps[place]) > outlier_bps),
    )
