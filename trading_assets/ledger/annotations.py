"""The annotations of a book: each trade with what was written of it, and the trades there are.

Folded from records that still count (`ledger/restatement.py`), oldest first; records of other
types are passed over. A restated session takes the annotations of its trades along: those trades
are no more.
"""

from __future__ import annotations

import datetime as dt
import difflib
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Generic, TypeVar

import msgspec
from msgspec.structs import replace

from trading_assets.errors import AnnotationError
from trading_assets.model.annotation_events import PostTradeAnnotation, PreTradeAnnotation
from trading_assets.model.events import EventRecord
from trading_assets.model.money import ZERO, plain
from trading_assets.model.order import Side
from trading_assets.model.order_events import Fill, OrderIntended, SessionPlanned

ANNOTATION_TYPES = ("pre_trade_annotation", "post_trade_annotation")
"""Types of the records that `trade_annotations` needs."""
TRADE_TYPES = ("session_planned", "order_intended", "fill")
"""Types of the records that `known_trades` needs."""
NEAR_TRADES = 5

Kind = TypeVar("Kind", PreTradeAnnotation, PostTradeAnnotation)


class RecordedAnnotation(msgspec.Struct, Generic[Kind], frozen=True, kw_only=True):
    """One annotation as the book holds it; `recorded_at` is UTC."""

    event_id: str
    recorded_at: dt.datetime
    annotation: Kind

    def recorded_before(self, moment: dt.datetime | None) -> bool | None:
        """Whether it was in the book before `moment` (aware), such as the trade's first fill: what
        comes later was written in hindsight. None where there is no such moment yet."""
        return None if moment is None else self.recorded_at <= moment


class TradeAnnotations(msgspec.Struct, frozen=True, kw_only=True):
    """Everything written of one trade, each kind oldest first: the last one stands, those before
    it are superseded. One of the two may be empty, never both."""

    trade_id: str
    session: dt.date
    pre_trades: tuple[RecordedAnnotation[PreTradeAnnotation], ...] = ()
    post_trades: tuple[RecordedAnnotation[PostTradeAnnotation], ...] = ()

    @property
    def created_at(self) -> dt.datetime:
        """When the first annotation of the trade was recorded, UTC."""
        before = [each.recorded_at for each in self.pre_trades[:1]]
        after = [each.recorded_at for each in self.post_trades[:1]]
        return min(before + after)

    @property
    def pre_trade(self) -> RecordedAnnotation[PreTradeAnnotation] | None:
        """What stands of before the trade; None where nothing was written."""
        return self.pre_trades[-1] if self.pre_trades else None

    @property
    def post_trade(self) -> RecordedAnnotation[PostTradeAnnotation] | None:
        """What stands of after the trade; None where nothing was written."""
        return self.post_trades[-1] if self.post_trades else None


def trade_annotations(records: Iterable[EventRecord]) -> dict[str, TradeAnnotations]:
    """The annotations of a book by trade id, in the order of each trade's first annotation; empty
    where nobody wrote any."""
    found: dict[str, TradeAnnotations] = {}
    for record in records:
        event = record.event
        if isinstance(event, PreTradeAnnotation):
            trade = _of_trade(found, record, event.trade_id)
            found[event.trade_id] = replace(
                trade, pre_trades=(*trade.pre_trades, _recorded(record, event))
            )
        elif isinstance(event, PostTradeAnnotation):
            trade = _of_trade(found, record, event.trade_id)
            found[event.trade_id] = replace(
                trade, post_trades=(*trade.post_trades, _recorded(record, event))
            )
    return found


def _of_trade(
    found: Mapping[str, TradeAnnotations], record: EventRecord, trade_id: str
) -> TradeAnnotations:
    return found.get(trade_id) or TradeAnnotations(trade_id=trade_id, session=record.session)


def _recorded(record: EventRecord, annotation: Kind) -> RecordedAnnotation[Kind]:
    return RecordedAnnotation(
        event_id=record.event_id, recorded_at=record.recorded_at, annotation=annotation
    )


class KnownTrade(msgspec.Struct, frozen=True, kw_only=True):
    """A trade that an annotation may be about: an order from its plan on, or a foreign fill.

    `quantity` and `filled_quantity` are positive shares; `first_fill_at` is UTC, None while nothing
    is filled.
    """

    trade_id: str
    session: dt.date
    symbol: str
    side: Side
    quantity: Decimal
    filled_quantity: Decimal = ZERO
    first_fill_at: dt.datetime | None = None


def known_trades(records: Iterable[EventRecord]) -> dict[str, KnownTrade]:
    """The trades of a book by trade id, oldest first."""
    found: dict[str, KnownTrade] = {}
    for record in records:
        event = record.event
        if isinstance(event, SessionPlanned):
            for order in event.plan.real_orders:
                found.setdefault(
                    order.client_order_id,
                    KnownTrade(
                        trade_id=order.client_order_id,
                        session=record.session,
                        symbol=order.symbol,
                        side=order.side,
                        quantity=order.quantity,
                    ),
                )
        elif isinstance(event, OrderIntended):
            # Purchases may be cut when they are sent.
            request = event.request
            found[request.client_order_id] = KnownTrade(
                trade_id=request.client_order_id,
                session=record.session,
                symbol=request.symbol,
                side=request.side,
                quantity=request.quantity,
            )
        elif isinstance(event, Fill):
            _fill(found, record.session, event)
    return found


def _fill(found: dict[str, KnownTrade], session: dt.date, fill: Fill) -> None:
    trade_id = fill.client_order_id or fill.execution_id
    trade = found.get(trade_id) or KnownTrade(
        trade_id=trade_id,
        session=session,
        symbol=fill.symbol,
        side=fill.side,
        quantity=fill.quantity,
    )
    first = min(trade.first_fill_at or fill.executed_at, fill.executed_at)
    found[trade_id] = replace(
        trade, filled_quantity=trade.filled_quantity + fill.quantity, first_fill_at=first
    )


def require_trade(trade_id: str, trades: Mapping[str, KnownTrade]) -> KnownTrade:
    """The trade of that id; AnnotationError naming the nearest ones where the book has none."""
    found = trades.get(trade_id)
    if found is not None:
        return found
    near = near_trades(trade_id, trades)
    shown = "\n".join(
        f"  {trade.trade_id}  {trade.session} {trade.side.value} {plain(trade.quantity)} "
        f"{trade.symbol}"
        for trade in near
    )
    raise AnnotationError(
        f"the book has no trade {trade_id!r}; nothing was recorded. "
        + (f"Near ones:\n{shown}" if near else "It has no trades yet.")
    )


def near_trades(trade_id: str, trades: Mapping[str, KnownTrade]) -> list[KnownTrade]:
    """The trades that may have been meant, at most NEAR_TRADES: those whose id is spelled alike,
    then those whose id or symbol the text is part of, then the latest."""
    asked = trade_id.casefold()
    alike = difflib.get_close_matches(trade_id, trades, n=NEAR_TRADES, cutoff=0.7)
    latest = list(trades.values())[::-1]
    holding = [
        trade.trade_id
        for trade in latest
        if asked and (asked in trade.trade_id.casefold() or trade.symbol.casefold() == asked)
    ]
    named = dict.fromkeys([*alike, *holding]) or dict.fromkeys(each.trade_id for each in latest)
    return [trades[name] for name in list(named)[:NEAR_TRADES]]
