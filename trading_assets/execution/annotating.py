"""Annotations of trades into the book: added or superseded, never changed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from typing import Any, Literal

import msgspec
from msgspec.structs import asdict, replace

from trading_assets.errors import AnnotationError, BookStaleError
from trading_assets.event_log.store import EventLog
from trading_assets.execution.book import counting_records
from trading_assets.ledger.annotations import (
    ANNOTATION_TYPES,
    TRADE_TYPES,
    KnownTrade,
    RecordedAnnotation,
    TradeAnnotations,
    known_trades,
    require_trade,
    trade_annotations,
)
from trading_assets.model.annotation_events import PostTradeAnnotation, PreTradeAnnotation
from trading_assets.model.event import event_type
from trading_assets.model.events import NewEvent

SOURCE = "annotation"
ATTEMPTS = 3
"""How often an annotation is tried where other processes write the book in between."""

Annotation = PreTradeAnnotation | PostTradeAnnotation
Outcome = Literal["recorded", "superseded", "unchanged"]
"""An annotation is the trade's first of its kind, or takes the place of another, or says word for
word what stands there already (nothing is written then)."""


class AnnotatedBook(msgspec.Struct, frozen=True, kw_only=True):
    """The trades of a book and what was written of them, up to record `sequence`."""

    sequence: int
    trades: dict[str, KnownTrade]
    annotations: dict[str, TradeAnnotations]


def read_annotated_book(log: EventLog) -> AnnotatedBook:
    """Trades and annotations of a book as it is now; nothing is written."""
    end = log.head().sequence
    return AnnotatedBook(
        sequence=end,
        trades=known_trades(counting_records(log, TRADE_TYPES, up_to=end)),
        annotations=trade_annotations(counting_records(log, ANNOTATION_TYPES, up_to=end)),
    )


def read_annotations(log: EventLog) -> dict[str, TradeAnnotations]:
    """The annotations of a book by trade id, read without its trades."""
    return trade_annotations(counting_records(log, ANNOTATION_TYPES))


def annotate(
    log: EventLog,
    annotations: Sequence[Annotation],
    now: Callable[[], dt.datetime],
    *,
    supersede: bool = False,
) -> list[Outcome]:
    """Record annotations, all or none, and say of each what that was.

    White space around texts is dropped; what an annotation says it supersedes is ignored, the one
    that stands is meant. Raises AnnotationError for a trade that the book does not have (it names
    near ones), for an empty text, for one after the trade while nothing of it is filled, for two
    of one kind on one trade, and where an annotation stands and `supersede` was not asked for.
    """
    tidied = [_tidied(annotation) for annotation in annotations]
    _require_one_each(tidied)
    for attempt in range(1, ATTEMPTS + 1):
        book = read_annotated_book(log)
        decided = [_decided(book, annotation, supersede) for annotation in tidied]
        news = [_new_event(book, *each, now()) for each in decided if each[0] != "unchanged"]
        try:
            log.append(news, expected_sequence=book.sequence)
        except BookStaleError:
            if attempt == ATTEMPTS:
                raise
        else:
            return [outcome for outcome, _ in decided]
    raise AssertionError("the last attempt returns or raises")


def _decided(
    book: AnnotatedBook, annotation: Annotation, supersede: bool
) -> tuple[Outcome, Annotation]:
    """What recording the annotation would be, and the annotation as it would be recorded."""
    trade = require_trade(annotation.trade_id, book.trades)
    if isinstance(annotation, PostTradeAnnotation) and trade.first_fill_at is None:
        raise AnnotationError(
            f"nothing of {trade.trade_id} is filled in the book, so there is no outcome to write "
            "of; nothing was recorded. Write it when the fills are booked."
        )
    before = _standing(book.annotations.get(trade.trade_id), annotation)
    if not before:
        return "recorded", annotation
    latest = before[-1]
    if replace(latest.annotation, supersedes="") == annotation:
        return "unchanged", annotation
    if not supersede:
        raise AnnotationError(
            f"{trade.trade_id} has a {_words(annotation)} already; nothing was recorded. "
            "Annotations are never edited: ask for the new one to supersede it (supersede)."
        )
    return "superseded", replace(annotation, supersedes=latest.event_id)


def _new_event(
    book: AnnotatedBook, _outcome: Outcome, annotation: Annotation, now: dt.datetime
) -> NewEvent:
    trade_id = annotation.trade_id
    before = _standing(book.annotations.get(trade_id), annotation)
    return NewEvent(
        key=f"{trade_id}/{len(before) + 1}",
        session=book.trades[trade_id].session,
        occurred_at=now,
        source=SOURCE,
        event=annotation,
        correlation_id=trade_id,
        causation_id=annotation.supersedes,
    )


def _standing(
    found: TradeAnnotations | None, like: Annotation
) -> Sequence[RecordedAnnotation[Any]]:
    """The trade's annotations of the same kind, oldest first."""
    if found is None:
        return ()
    return found.pre_trades if isinstance(like, PreTradeAnnotation) else found.post_trades


def _require_one_each(annotations: Sequence[Annotation]) -> None:
    seen: set[tuple[str, str]] = set()
    for annotation in annotations:
        key = (annotation.trade_id, event_type(annotation))
        if key in seen:
            raise AnnotationError(
                f"{annotation.trade_id} is given two of {_words(annotation)}; nothing was "
                "recorded. Give one."
            )
        seen.add(key)


def _tidied(annotation: Annotation) -> Annotation:
    texts = {
        name: value.strip()
        for name, value in asdict(annotation).items()
        if isinstance(value, str) and name != "trade_id"
    }
    for name, text in texts.items():
        if not text and name not in ("author", "supersedes"):
            raise AnnotationError(
                f"{name} of {annotation.trade_id} is empty; nothing was recorded. A "
                f"{_words(annotation)} says something in each of its fields."
            )
    return replace(annotation, **{**texts, "supersedes": ""})


def _words(annotation: Annotation) -> str:
    return event_type(annotation).replace("_trade_", "-trade ")
