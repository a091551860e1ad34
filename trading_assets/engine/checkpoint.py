"""Checkpoints of a long run: written while it runs, and gone on from after it was stopped.

A checkpoint holds the place that the run has come to, the account with its fills, the ledger,
working orders, what each strategy remembers, the state of the risk policy, and every order and its
changes where the run keeps them. It does not hold the bars: they are loaded again, and the
checkpoint names the digest of those it belongs to, of the rules and of the strategies, so that it
is never gone on from with others. A run that is gone on from gives the same fills, orders and
events as one that was never stopped.
"""

from __future__ import annotations

import hashlib
import sys
from array import array
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from trading_assets.atomic_file import replace_file
from trading_assets.engine.account import FIELD_COUNT
from trading_assets.engine.bars import Market
from trading_assets.engine.book import Booked
from trading_assets.engine.chunks import FIELDS, seen
from trading_assets.engine.clock import Floats
from trading_assets.engine.loop import Engine
from trading_assets.engine.orders import SIGNALED, OrderGroup, WorkingOrder
from trading_assets.engine.risk_state import RiskState
from trading_assets.errors import ConfigurationError
from trading_assets.ledger.fold import LedgerState
from trading_assets.model.corporate_actions import CorporateAction, DividendPayment
from trading_assets.model.round_trip import RoundTrip
from trading_assets.strategies.base import Signal

VERSION = 2


class GroupState(msgspec.Struct, frozen=True):
    """A group of orders: its entry (0 for none) and which are in it, by number, and what is left
    for them. After a split there may be two of one `number`, so others name it by its place."""

    number: int
    open_quantity: int
    entry: int
    orders: tuple[int, ...]


class DueAction(msgspec.Struct, frozen=True):
    """A corporate action, or a payment, that is still to be booked, and where."""

    place: int
    rank: int
    action: CorporateAction | DividendPayment


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A run at `place`. `fills` and `transfers` are rows of 64-bit integers; `orders` those that
    work, that are kept, and entries of brackets, with places in `groups` (from 1, 0 for none).
    `working` and `holders` (of each strategy and symbol) name orders in their sequence; `changes`
    are those of kept orders, None where none are. `keys` are strategies' idempotency keys with the
    number of the first order (0 for none). `strategies` is what each remembers, in the order of the
    backtest."""

    version: int
    fingerprint: str
    place: int
    cash: int
    accruals: int
    commission: int
    traded: int
    held: list[list[int]]
    fills: bytes
    transfers: bytes
    next_number: int
    orders: list[dict[str, Any]]
    groups: list[GroupState]
    working: list[int]
    holders: list[list[int]]
    changes: list[tuple[int, int, int, str]] | None
    signals: list[tuple[int, int, int, Signal]]
    named_groups: list[tuple[int, str, int]]
    keys: list[tuple[int, str, int]]
    ledger: LedgerState
    round_trips: list[RoundTrip]
    due: list[DueAction]
    booked: list[tuple[int, Booked]]
    rejections: dict[str, int]
    signal_count: int
    risk: RiskState | None
    strategies: list[dict[str, Any]]


def fingerprint(engine: Engine) -> str:
    """SHA-256 of bars, rules, strategies (with their parameters and their code) and whether orders
    are kept: what a checkpoint belongs to."""
    digest = hashlib.sha256(engine.rules.model_dump_json().encode())
    for slot in engine.slots:
        kind = type(slot.strategy)
        about = (slot.id, kind.__qualname__, slot.symbols, slot.share_of_equity)
        digest.update(repr((*about, sorted(slot.parameters.items()))).encode())
        code = getattr(sys.modules.get(kind.__module__), "__file__", None)
        if code is not None:
            digest.update(Path(code).read_bytes())
    digest.update(repr(engine.records is not None).encode())
    digest.update(market_digest(engine.market).encode())
    return digest.hexdigest()


def market_digest(market: Market) -> str:
    """SHA-256 of all bars and the timeline, in hex."""
    digest = hashlib.sha256(market.timeline.tobytes())
    for column in market.columns:
        digest.update(column.symbol.encode())
        for values in (column.open, column.high, column.low, column.close, column.volume):
            digest.update(np.ascontiguousarray(values).tobytes())
        if column.factor is not None:
            digest.update(np.ascontiguousarray(column.factor).tobytes())
    return digest.hexdigest()


class _OrderGraph:
    """Orders by number, and the groups that they and their entries are in, each once."""

    def __init__(self, engine: Engine) -> None:
        self.orders: dict[int, WorkingOrder] = {}
        self.groups: list[OrderGroup] = []
        self._places: dict[int, int] = {}
        kept = () if engine.records is None else engine.records.orders.values()
        for placed in (*kept, *engine.working_orders):
            self._add(placed)
        for _, _, order in engine.desk.first_orders():
            if order is not None:
                self._add(order)
        for _, _, group in engine.desk.named_groups():
            self._add_group(group)

    def _add(self, order: WorkingOrder) -> None:
        if order.number not in self.orders:
            self.orders[order.number] = order
            self._add_group(order.group)
            self._add_group(order.legs)

    def _add_group(self, group: OrderGroup | None) -> None:
        if group is not None and id(group) not in self._places:
            self.groups.append(group)
            self._places[id(group)] = len(self.groups)
            if group.entry is not None:
                self._add(group.entry)

    def place_of(self, group: OrderGroup | None) -> int:
        """Place of a group among `groups`, from 1; 0 for none."""
        return 0 if group is None else self._places[id(group)]

    def order_state(self, order: WorkingOrder) -> dict[str, Any]:
        """An order's fields, its groups by their places."""
        state = {name: getattr(order, name) for name in WorkingOrder.__struct_fields__}
        return state | {name: self.place_of(state[name]) for name in ("group", "legs")}

    def group_state(self, group: OrderGroup) -> GroupState:
        """A group's fields, its orders by their numbers."""
        return GroupState(
            group.number,
            group.open_quantity,
            0 if group.entry is None else group.entry.number,
            tuple(order.number for order in group.orders if order.number in self.orders),
        )


def checkpoint(engine: Engine) -> Checkpoint:
    """The run as it stands, at the end of a bar.

    ConfigurationError where a strategy remembers what cannot be kept.
    """
    account, desk, exchange, book = engine.account, engine.desk, engine.exchange, engine.book
    desk.rebalancer.release(engine.place - 1)
    book.catch_up()
    graph = _OrderGraph(engine)
    return Checkpoint(
        version=VERSION,
        fingerprint=fingerprint(engine),
        place=engine.place,
        cash=account.cash,
        accruals=account.accruals,
        commission=account.commission,
        traded=account.traded,
        held=account.by_strategy.tolist(),
        fills=account.fill_rows.tobytes(),
        transfers=account.transfer_rows.tobytes(),
        next_number=exchange.next_number,
        orders=[graph.order_state(order) for order in graph.orders.values()],
        groups=[graph.group_state(group) for group in graph.groups],
        working=[order.number for order in engine.working_orders],
        holders=[[order.number for order in held] for held in exchange.by_holder.values()],
        changes=None if engine.records is None else engine.records.changes,
        signals=[] if engine.records is None else engine.records.signals,
        named_groups=[
            (strategy, name, graph.place_of(group)) for strategy, name, group in desk.named_groups()
        ],
        keys=[
            (strategy, key, 0 if order is None else order.number)
            for strategy, key, order in desk.first_orders()
        ],
        ledger=book.ledger.state(),
        round_trips=engine.round_trips,
        due=[DueAction(*one) for one in engine.corporate.still_due()],
        booked=engine.book.booked,
        rejections=dict(desk.rejections),
        signal_count=desk.signal_count,
        risk=None if desk.risk is None else desk.risk.state(),
        strategies=[slot.strategy.state() for slot in engine.slots],
    )


def resume(engine: Engine, kept: Checkpoint) -> None:
    """Bring a new engine of the same backtest to where the checkpoint was made.

    ConfigurationError where bars, rules or strategies are not those of the checkpoint, or only one
    of the two keeps its orders.
    """
    if kept.version != VERSION or kept.fingerprint != fingerprint(engine):
        raise ConfigurationError(
            "the checkpoint is of other bars, rules or strategies, of another version, or only one "
            "of the two runs keeps its orders. Run the backtest from its beginning."
        )
    engine.begin()
    _restore_account(engine, kept)
    _restore_orders(engine, kept)
    engine.book.resume(kept.ledger, kept.round_trips, kept.booked)
    engine.corporate.resume([(one.place, one.rank, one.action) for one in kept.due])
    engine.opening.resume(kept.place)
    desk = engine.desk
    if desk.risk is not None and kept.risk is not None:
        desk.risk.restore(kept.risk)
    desk.rejections.update(kept.rejections)
    desk.signal_count = kept.signal_count
    for slot, state in zip(engine.slots, kept.strategies, strict=True):
        slot.strategy.restore(state)
        slot.strategy.catch_up(
            {symbol: _shown(engine, symbol, kept.place) for symbol in engine.symbols_of(slot)}
        )
    engine.place = kept.place


def _restore_account(engine: Engine, kept: Checkpoint) -> None:
    account = engine.account
    account.cash, account.accruals = kept.cash, kept.accruals
    account.commission, account.traded = kept.commission, kept.traded
    account.by_strategy[:] = np.array(kept.held, dtype=np.int64)
    account.held[:] = np.array(kept.held, dtype=np.int64).sum(axis=0)
    account.held_shares[:] = account.held / account.scale.share_unit
    account.fill_rows = array("q", kept.fills)
    account.fill_count = len(account.fill_rows) // FIELD_COUNT
    account.transfer_rows = array("q", kept.transfers)


def _restore_orders(engine: Engine, kept: Checkpoint) -> None:
    exchange = engine.exchange
    exchange.next_number = kept.next_number
    groups = [OrderGroup(one.number, one.open_quantity, None, []) for one in kept.groups]
    orders: dict[int, WorkingOrder] = {}
    for state in kept.orders:
        fields = dict(state)
        for name in ("group", "legs"):
            fields[name] = groups[fields[name] - 1] if fields[name] else None
        order = WorkingOrder(**fields)
        orders[order.number] = order
    for group, one in zip(groups, kept.groups, strict=True):
        group.entry = orders.get(one.entry)
        group.orders = [orders[number] for number in one.orders]
    exchange.restore(
        [orders[number] for number in kept.working],
        [[orders[number] for number in held] for held in kept.holders],
    )
    if engine.records is not None and kept.changes is not None:
        engine.records.changes, engine.records.signals = kept.changes, kept.signals
        told = dict.fromkeys(
            number for _, number, trigger, _ in kept.changes if trigger != SIGNALED
        )
        engine.records.orders = {number: orders[number] for number in told}
    engine.desk.restore(
        {(strategy, name): groups[place - 1] for strategy, name, place in kept.named_groups},
        {(strategy, key): orders.get(number) for strategy, key, number in kept.keys},
    )


def _shown(engine: Engine, symbol: str, place: int) -> dict[str, Floats]:
    """The bars of a symbol before `place`, as strategies saw them."""
    index = engine.symbol_index[symbol]
    rows = engine.market.rows[index]
    count = place if rows is None else int(np.count_nonzero(rows[:place] >= 0))
    column = engine.market.columns[index]
    return {field: np.ascontiguousarray(seen(column, field, 0, count)) for field in FIELDS}


def write_checkpoint(engine: Engine, path: Path) -> None:
    """Write the run's checkpoint to a file, replaced as a whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, msgspec.json.encode(checkpoint(engine)), durable=True)


def read_checkpoint(path: Path) -> Checkpoint:
    """The checkpoint in a file; ConfigurationError where it is none."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Checkpoint)
    except (OSError, UnicodeDecodeError, msgspec.DecodeError) as error:
        raise ConfigurationError(
            f"{path} is no checkpoint of a backtest ({error}). Remove it and run anew."
        ) from error


def run_with_checkpoints(engine: Engine, path: Path, every_places: int) -> None:
    """Run to the end, writing a checkpoint after every so many places of the timeline; where there
    is one at `path` already, go on from it. It is removed once the run is over."""
    if path.exists():
        resume(engine, read_checkpoint(path))
    while engine.place < len(engine.market):
        engine.run(engine.place + every_places)
        if engine.place < len(engine.market):
            write_checkpoint(engine, path)
    path.unlink(missing_ok=True)
