"""Checkpoints of a long run: written while it runs, and gone on from after it was stopped.

A checkpoint holds the place that the run has come to, the account with its fills, the ledger,
working orders and what each strategy remembers. It does not hold the bars: they are loaded again,
and the checkpoint names the digest of those it belongs to, of the rules and of the strategies, so
that it is never gone on from with others. A run that is gone on from gives the same fills as one
that was never stopped.
"""

from __future__ import annotations

import hashlib
from array import array
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from trading_assets.atomic_file import replace_file
from trading_assets.engine.bars import Market
from trading_assets.engine.chunks import FIELDS, seen
from trading_assets.engine.clock import Floats
from trading_assets.engine.loop import Engine
from trading_assets.engine.orders import OrderGroup, WorkingOrder
from trading_assets.errors import ConfigurationError
from trading_assets.ledger.fold import LedgerState
from trading_assets.model.corporate_actions import CorporateAction, DividendPayment
from trading_assets.model.round_trip import RoundTrip

VERSION = 1


class GroupState(msgspec.Struct, frozen=True):
    """A group of orders: which are in it, by number, and what is left for them."""

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
    """A run at `place`. `fills` and `transfers` are rows of 64-bit integers; `orders` working ones
    without their groups; `strategies` what each remembers, in the order of the backtest."""

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
    named_groups: list[tuple[int, str, int]]
    keys: list[str]
    ledger: LedgerState
    round_trips: list[RoundTrip]
    due: list[DueAction]
    rejections: dict[str, int]
    signal_count: int
    strategies: list[dict[str, Any]]


def fingerprint(engine: Engine) -> str:
    """SHA-256 of bars, rules and strategies' ids: what a checkpoint belongs to."""
    digest = hashlib.sha256(engine.rules.model_dump_json().encode())
    digest.update(repr([slot.id for slot in engine.slots]).encode())
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


def checkpoint(engine: Engine) -> Checkpoint:
    """The run as it stands, at the end of a bar.

    ConfigurationError where a strategy remembers what cannot be kept, or where orders are kept or a
    risk policy is at work: neither is part of a checkpoint.
    """
    if engine.records is not None or engine.desk.risk is not None:
        raise ConfigurationError(
            "a run that keeps its orders, or has a risk policy, has no checkpoints. Leave "
            "keep_orders and risk out, or run it in one go."
        )
    account, desk, exchange, book = engine.account, engine.desk, engine.exchange, engine.book
    desk.rebalancer.release(engine.place - 1)
    book.catch_up()
    orders = engine.working_orders
    groups: dict[int, OrderGroup] = {}
    for order in orders:
        for group in (order.group, order.legs):
            if group is not None:
                groups[group.number] = group
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
        orders=[_order_state(order) for order in orders],
        groups=[
            GroupState(
                group.number,
                group.open_quantity,
                0 if group.entry is None else group.entry.number,
                tuple(order.number for order in group.orders),
            )
            for group in groups.values()
        ],
        named_groups=desk.named_groups(),
        keys=desk.keys(),
        ledger=book.ledger.state(),
        round_trips=engine.round_trips,
        due=[DueAction(*one) for one in engine.corporate.still_due()],
        rejections=dict(desk.rejections),
        signal_count=desk.signal_count,
        strategies=[slot.strategy.state() for slot in engine.slots],
    )


def _order_state(order: WorkingOrder) -> dict[str, Any]:
    """An order's fields, its groups by their numbers (0 for none)."""
    state = {name: getattr(order, name) for name in WorkingOrder.__struct_fields__}
    for name in ("group", "legs"):
        state[name] = 0 if state[name] is None else state[name].number
    return state


def resume(engine: Engine, kept: Checkpoint) -> None:
    """Bring a new engine of the same backtest to where the checkpoint was made.

    ConfigurationError where bars, rules or strategies are not those of the checkpoint.
    """
    if kept.version != VERSION or kept.fingerprint != fingerprint(engine):
        raise ConfigurationError(
            "the checkpoint is of other bars, rules or strategies, or of another version. Run the "
            "backtest from its beginning."
        )
    engine.begin()
    _restore_account(engine, kept)
    _restore_orders(engine, kept)
    engine.book.resume(kept.ledger, kept.round_trips)
    engine.corporate.resume([(one.place, one.rank, one.action) for one in kept.due])
    desk = engine.desk
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
    account.transfer_rows = array("q", kept.transfers)


def _restore_orders(engine: Engine, kept: Checkpoint) -> None:
    exchange = engine.exchange
    exchange.next_number = kept.next_number
    groups = {
        one.number: OrderGroup(one.number, one.open_quantity, None, []) for one in kept.groups
    }
    orders: dict[int, WorkingOrder] = {}
    for state in kept.orders:
        fields = dict(state)
        group, legs = fields.pop("group"), fields.pop("legs")
        order = WorkingOrder(**fields)
        order.group, order.legs = groups.get(group), groups.get(legs)
        orders[order.number] = order
        exchange.restore(order)
    for one in kept.groups:
        groups[one.number].entry = orders.get(one.entry)
        groups[one.number].orders = [orders[number] for number in one.orders if number in orders]
    engine.desk.restore(
        {
            (strategy, name): groups[number]
            for strategy, name, number in kept.named_groups
            if number in groups
        },
        kept.keys,
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
    except (OSError, msgspec.DecodeError) as error:
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
