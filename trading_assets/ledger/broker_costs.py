"""What positions must cost by the method that the broker keeps their average cost by.

Problem: a broker that keeps cost by another method than the book's lots states another average
cost, and a wrong one would look the same. So what it must state is computed from the book's own
executions, by its method, and compared with what it does state.

Method (`AverageCostMethod.COMPRESSED_FIFO`: docs.alpaca.markets, "Position Average Entry Price
Calculation", of 2025-09-24). During a trading day a sale takes cost at the average of everything
held; a morning job then restates the position from the ledger, in which each trading day's
purchases are one lot at their average and sales take the oldest lots first. Commission is no part
of it. A trading day begins at 20:00 in New York, with the overnight session before it. Shorts, of
which it says nothing, are reckoned as the mirror image; a split keeps the cost.

What it leaves open is not guessed:

- When the job runs. Both values of the day are possible until the next one.
- What a day's lot is where the position went through zero in it: all of the day's trades on that
  side, or those since. Both readings are followed until a statement tells them apart.
- What shares consist of that did not come by an execution (taken over, adjusted, spun off). What
  they cost together is taken from the broker's next statement; if it may be restated next morning,
  or once a sale has taken a part of them, it is unknown until the statement after that. So it is of
  0 shares taken over: their day's lot has trades from before that.
- What was not as it must be is a difference once, and the beginning of what comes after.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from decimal import Decimal
from zoneinfo import ZoneInfo

import msgspec
from msgspec.structs import replace

from trading_assets.ledger.fold import Ledger
from trading_assets.model.cash_events import Adjustment
from trading_assets.model.corporate_actions import (
    CashInLieu,
    SpinOff,
    Split,
    StockDividend,
    SymbolChange,
    share_ratio,
)
from trading_assets.model.events import AnyEvent, SessionClosed
from trading_assets.model.money import ONE, QUANTITY_QUANTUM, ZERO
from trading_assets.model.order_events import Fill

NEW_YORK = ZoneInfo("America/New_York")
OVERNIGHT = dt.timedelta(hours=4)
"""How long before midnight the trading day of the next date begins."""
DECIMALS_MIN, DECIMALS_MAX = 4, 9
"""A stated average is taken to be rounded at its last digit, trailing zeros left away."""


class CostLot(msgspec.Struct, frozen=True, kw_only=True):
    """Shares (signed) that leave together, at what they cost (signed money, None: unknown).

    `is_composed`: of what, nobody here knows, so a part of it costs an unknown amount. `stated_on`
    is the day whose statement the cost is taken from, where it may be another on the next one.
    """

    quantity: Decimal
    cost: Decimal | None
    is_composed: bool = False
    stated_on: dt.date | None = None


class CostTrade(msgspec.Struct, frozen=True, kw_only=True):
    """Signed shares of one execution at a price per share, on a trading day."""

    day: dt.date
    at: dt.datetime
    quantity: Decimal
    price: Decimal


class CostHolding(msgspec.Struct, frozen=True, kw_only=True):
    """One position: what is left of past days (each reading oldest lot first), and the executions
    that are not part of that yet."""

    readings: tuple[tuple[CostLot, ...], ...] = ((),)
    trades: tuple[CostTrade, ...] = ()


class BrokerCost(msgspec.Struct, frozen=True, kw_only=True):
    """Signed money that a position may cost by the broker's method, of which one must hold; with
    `is_open` it may also be an amount that is not known."""

    costs: tuple[Decimal, ...]
    is_open: bool

    def matching(self, quantity: Decimal, average: Decimal) -> Decimal | None:
        """The one of `costs` that an `average` per share stands for, as it is rounded."""
        stated = quantity * average
        near = min(self.costs, key=lambda cost: abs(cost - stated), default=None)
        if near is None or abs(near - stated) > abs(quantity) * stated_step(average):
            return None
        return near


def stated_step(average: Decimal) -> Decimal:
    """What an average cost per share may be off by for being rounded or cut at its last digit."""
    exponent = average.as_tuple().exponent
    decimals = -exponent if isinstance(exponent, int) else 0
    return ONE.scaleb(-min(DECIMALS_MAX, max(DECIMALS_MIN, decimals)))


class BrokerCosts:
    """Follows the events of a book; call `follow` with each, after the ledger has booked it."""

    def __init__(self, holdings: dict[str, CostHolding] | None = None) -> None:
        self._holdings = dict(holdings or {})

    def state(self) -> dict[str, CostHolding]:
        """Everything kept, to go on from."""
        return dict(self._holdings)

    def follow(self, session: dt.date, event: AnyEvent, ledger: Ledger) -> None:
        """Take in what moves shares without closing a session."""
        if isinstance(event, Fill):
            trade = CostTrade(
                day=trading_day(event.executed_at),
                at=event.executed_at,
                quantity=event.side.sign * event.quantity,
                price=event.price,
            )
            known = self._holdings.get(event.symbol, CostHolding())
            self._holdings[event.symbol] = replace(known, trades=(*known.trades, trade))
        elif isinstance(event, Adjustment):
            if event.symbol:
                self._adjust(session, event, ledger)
        elif isinstance(event, Split | StockDividend):
            self._split(session, event, ledger)
        elif isinstance(event, SpinOff):
            # Which part of the cost the broker moves, and when, is not documented.
            for symbol in (event.symbol, event.new_symbol):
                self._holdings[symbol] = _whole(_held(ledger, symbol), None, session)
        elif isinstance(event, CashInLieu) and event.quantity:
            # From which lot a fraction was paid out is not documented.
            held = _held(ledger, event.symbol)
            self._holdings[event.symbol] = _whole(held, None, session)
        elif isinstance(event, SymbolChange) and event.symbol in self._holdings:
            self._holdings[event.new_symbol] = self._holdings.pop(event.symbol)

    def close(
        self, session: dt.date, closed: SessionClosed, ledger: Ledger
    ) -> dict[str, BrokerCost]:
        """What each position held must cost at the broker at this close, by symbol; nothing where
        its method is not known. What it states is what the next sessions go on from."""
        statement = closed.statement
        if statement.average_cost_method is None:
            self._holdings.clear()
            return {}
        stated, positions = statement.average_costs or {}, ledger.positions
        expected = {}
        holdings = {}
        for symbol, quantity in positions.items():
            known = _rolled(self._holdings.get(symbol, CostHolding()), session)
            if _quantity(known) != quantity:
                known = _whole(quantity, None, session)
            expected[symbol] = _expected(known.readings, known.trades)
            if symbol in stated:
                known = _informed(known, session, quantity, stated[symbol])
            holdings[symbol] = known
        self._holdings = holdings
        return expected

    def _adjust(self, session: dt.date, event: Adjustment, ledger: Ledger) -> None:
        """Shares that the book begins with have the cost that the broker stated; 0 shares, where
        the day's lot has trades that are not in the book."""
        is_first = event.symbol not in self._holdings
        cost = event.quantity * event.price if is_first else None
        self._holdings[event.symbol] = _whole(_held(ledger, event.symbol), cost, session)

    def _split(self, session: dt.date, event: Split | StockDividend, ledger: Ledger) -> None:
        known = self._holdings.get(event.symbol)
        if known is None:
            return
        after, before = share_ratio(event)
        held = _held(ledger, event.symbol)
        readings = tuple(
            _scaled(lots, Decimal(after) / before, held, session)
            for lots in _rolled(known, session).readings
        )
        self._holdings[event.symbol] = CostHolding(readings=readings)


def trading_day(moment: dt.datetime) -> dt.date:
    """The broker's trading day that an execution belongs to."""
    return (moment.astimezone(NEW_YORK) + OVERNIGHT).date()


def _held(ledger: Ledger, symbol: str) -> Decimal:
    return ledger.positions.get(symbol, ZERO)


def _quantity(holding: CostHolding) -> Decimal:
    shares = [lot.quantity for lot in holding.readings[0]]
    return sum((*shares, *(trade.quantity for trade in holding.trades)), ZERO)


def _whole(quantity: Decimal, cost: Decimal | None, stated_on: dt.date) -> CostHolding:
    lot = CostLot(quantity=quantity, cost=cost, is_composed=True, stated_on=stated_on)
    return CostHolding(readings=((lot,),))


def _rolled(holding: CostHolding, session: dt.date) -> CostHolding:
    """With the trading days before `session` among the lots."""
    readings = holding.readings
    # What is told a day late was restated together with what was told in time.
    days = sorted({trade.day for trade in holding.trades if trade.day < session})
    for day in days:
        trades = _of_day(holding.trades, day)
        readings = _distinct(lots for before in readings for lots in _morning_after(before, trades))
    readings = _distinct(_restated(lots, session) for lots in readings)
    left = tuple(trade for trade in holding.trades if trade.day >= session)
    return CostHolding(readings=readings, trades=left)


def _of_day(trades: Iterable[CostTrade], day: dt.date) -> list[CostTrade]:
    return sorted((one for one in trades if one.day == day), key=lambda one: one.at)


def _distinct(readings: Iterable[tuple[CostLot, ...]]) -> tuple[tuple[CostLot, ...], ...]:
    return tuple(dict.fromkeys(readings))


def _morning_after(
    lots: tuple[CostLot, ...], trades: Sequence[CostTrade]
) -> list[tuple[CostLot, ...]]:
    """What the lots may be once a day's trades are among them."""
    if any(lot.stated_on is not None for lot in lots):
        # What else was traded that day, before the statement, is not known.
        return [_composed(lots, trades)]
    return [_compressed(lots, trades), _compressed(*_since_flat(lots, trades))]


def _composed(lots: Iterable[CostLot], trades: Iterable[CostTrade] = ()) -> tuple[CostLot, ...]:
    """One lot of what nobody here knows."""
    held = sum((lot.quantity for lot in lots), ZERO) + _total(trades)[0]
    return (CostLot(quantity=held, cost=None, is_composed=True),) if held else ()


def _restated(lots: tuple[CostLot, ...], session: dt.date) -> tuple[CostLot, ...]:
    """Nothing known of them where a cost held on the day of its statement alone."""
    if all(lot.stated_on is None or lot.stated_on >= session for lot in lots):
        return lots
    return _composed(lots)


def _compressed(lots: tuple[CostLot, ...], trades: Sequence[CostTrade]) -> tuple[CostLot, ...]:
    """The lots after a trading day: its trades on the position's side are one more lot, those on
    the other side take the oldest shares; what they take beyond zero is a lot at their average."""
    buys, sells = ([one for one in trades if (one.quantity > 0) is up] for up in (True, False))
    held = sum((lot.quantity for lot in lots), ZERO)
    side = held or sum((one.quantity for one in trades), ZERO)
    if not side:
        return ()
    adding, taking = (_total(buys), _total(sells))[:: 1 if side > 0 else -1]
    kept = list(lots)
    if adding[0]:
        kept.append(CostLot(quantity=adding[0], cost=adding[1]))
    left = -taking[0]
    while left and kept:
        oldest = kept.pop(0)
        if abs(oldest.quantity) <= abs(left):
            left -= oldest.quantity
            continue
        rest = oldest.quantity - left
        known = None if oldest.is_composed else oldest.cost
        cost = None if known is None else known * rest / oldest.quantity
        kept.insert(0, replace(oldest, quantity=rest, cost=cost, stated_on=None))
        left = ZERO
    if left:
        return (CostLot(quantity=-left, cost=taking[1] * -left / taking[0]),)
    return tuple(kept)


def _total(trades: Iterable[CostTrade]) -> tuple[Decimal, Decimal]:
    quantity = cost = ZERO
    for trade in trades:
        quantity += trade.quantity
        cost += trade.quantity * trade.price
    return quantity, cost


def _since_flat(
    lots: tuple[CostLot, ...], trades: Sequence[CostTrade]
) -> tuple[tuple[CostLot, ...], Sequence[CostTrade]]:
    """Lots and trades since the position was last at zero."""
    held = sum((lot.quantity for lot in lots), ZERO)
    for place, trade in enumerate(trades):
        after = held + trade.quantity
        if held and held * after <= 0:
            crossed = [replace(trade, quantity=after)] if after else []
            return _since_flat((), [*crossed, *trades[place + 1 :]])
        held = after
    return lots, trades


def _weighted(lots: Iterable[CostLot], trades: Iterable[CostTrade]) -> Decimal | None:
    """What the position costs while a sale takes the average of everything held; None: unknown."""
    held, cost = ZERO, ZERO
    is_known = True
    for lot in lots:
        held += lot.quantity
        is_known = is_known and lot.cost is not None
        cost += lot.cost or ZERO
    for trade in trades:
        after = held + trade.quantity
        if held * trade.quantity >= 0:
            cost += trade.quantity * trade.price
        elif held * after > 0:
            cost = cost * after / held
        else:
            cost, is_known = after * trade.price, True
        held = after
    return cost if is_known else None


def _expected(readings: Iterable[tuple[CostLot, ...]], trades: Sequence[CostTrade]) -> BrokerCost:
    """What the position may cost now: by the day's average, or as restated since."""
    found: dict[Decimal | None, None] = {}
    ordered = sorted(trades, key=lambda one: one.at)
    for lots in readings:
        found[_weighted(lots, ordered)] = None
        for after in _morning_after(lots, ordered):
            costs = [lot.cost for lot in after]
            known = [cost for cost in costs if cost is not None]
            found[sum(known, ZERO) if len(known) == len(costs) else None] = None
    return BrokerCost(
        costs=tuple(cost for cost in found if cost is not None), is_open=None in found
    )


def _informed(
    holding: CostHolding, session: dt.date, quantity: Decimal, average: Decimal
) -> CostHolding:
    """What is known after the broker's statement: the readings that it agrees with; where there is
    none, what it says."""
    agreeing = tuple(
        lots
        for lots in holding.readings
        if _expected([lots], holding.trades).matching(quantity, average) is not None
    )
    if agreeing:
        return replace(holding, readings=agreeing)
    stated = quantity * average
    unknown = [lots for lots in holding.readings if sum(1 for lot in lots if lot.cost is None) == 1]
    if unknown and all(trade.quantity * quantity > 0 for trade in holding.trades):
        # Purchases add what they cost under either method, so the rest is what was unknown.
        rest = stated - _total(holding.trades)[1]
        return replace(holding, readings=_distinct(_completed(lots, rest) for lots in unknown))
    return _whole(quantity, stated, session)


def _completed(lots: tuple[CostLot, ...], total: Decimal) -> tuple[CostLot, ...]:
    """With the one cost that is unknown such that all of them are `total`."""
    missing = total - sum((lot.cost for lot in lots if lot.cost is not None), ZERO)
    return tuple(lot if lot.cost is not None else replace(lot, cost=missing) for lot in lots)


def _scaled(
    lots: tuple[CostLot, ...], ratio: Decimal, held: Decimal, session: dt.date
) -> tuple[CostLot, ...]:
    """Other quantities at the same costs, `held` shares together."""
    if not lots or not held:
        return ()
    scaled = [replace(lot, quantity=lot.quantity * ratio) for lot in lots]
    off = held - sum((lot.quantity for lot in scaled), ZERO)
    if abs(off) < QUANTITY_QUANTUM:
        scaled[-1] = replace(scaled[-1], quantity=scaled[-1].quantity + off)
        return tuple(scaled)
    # A fraction was paid out, and its cost with it: from which lot is not documented.
    return _whole(held, None, session).readings[0]
