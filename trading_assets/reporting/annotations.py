"""Annotations for people and other programs: as JSON, and as a table for a terminal."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Mapping

from rich.console import Console
from rich.table import Table

from trading_assets.ledger.annotations import KnownTrade, RecordedAnnotation, TradeAnnotations
from trading_assets.model.annotation_events import PostTradeAnnotation, PreTradeAnnotation
from trading_assets.model.money import plain

JsonObject = dict[str, object]
WIDTH = 150


def annotations_json(
    annotations: Iterable[TradeAnnotations], trades: Mapping[str, KnownTrade]
) -> str:
    """A JSON array with an object for each trade: `trade_id`, `created_at`, `pre_trade` and
    `post_trade` as they stand, null where nothing was written. Moments are UTC, prices text.

    `recorded_before_fill` is whether the words were in the book before the trade's first fill, null
    while there is none; `superseded` are the annotations whose place they took, oldest first.
    """
    content = [
        {
            "trade_id": each.trade_id,
            "created_at": _moment(each.created_at),
            "pre_trade": _before(each, trades.get(each.trade_id)),
            "post_trade": _after(each),
        }
        for each in annotations
    ]
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def _before(found: TradeAnnotations, trade: KnownTrade | None) -> JsonObject | None:
    standing = found.pre_trade
    if standing is None:
        return None
    first_fill = None if trade is None else trade.first_fill_at
    return {
        **_pre_trade(standing),
        "recorded_before_fill": standing.recorded_before(first_fill),
        "superseded": [_pre_trade(each) for each in found.pre_trades[:-1]],
    }


def _after(found: TradeAnnotations) -> JsonObject | None:
    standing = found.post_trade
    if standing is None:
        return None
    return {
        **_post_trade(standing),
        "superseded": [_post_trade(each) for each in found.post_trades[:-1]],
    }


def _pre_trade(recorded: RecordedAnnotation[PreTradeAnnotation]) -> JsonObject:
    words = recorded.annotation
    price = words.intended_price
    return {
        "thesis": words.thesis,
        "intended_entry": words.intended_entry,
        "intended_price": None if price is None else plain(price),
        "size_rationale": words.size_rationale,
        "exit_plan": words.exit_plan,
        "author": words.author or None,
        "recorded_at": _moment(recorded.recorded_at),
    }


def _post_trade(recorded: RecordedAnnotation[PostTradeAnnotation]) -> JsonObject:
    words = recorded.annotation
    return {
        "outcome": words.outcome,
        "matched_expectation": words.matched_expectation,
        "lesson": words.lesson,
        "author": words.author or None,
        "recorded_at": _moment(recorded.recorded_at),
    }


def _moment(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")


def show_annotations(
    annotations: Mapping[str, TradeAnnotations], trades: Iterable[KnownTrade]
) -> None:
    """Print a line for each trade with what stands of it; a trade without any says so."""
    console = Console(highlight=False)
    console.width = max(console.width, WIDTH)
    table = Table(title="Trades and their annotations", title_justify="left")
    for name in ("session", "trade", "what", "before the trade", "after the trade"):
        table.add_column(name, overflow="fold")
    for trade in trades:
        found = annotations.get(trade.trade_id)
        table.add_row(
            str(trade.session),
            trade.trade_id,
            f"{trade.side.value} {plain(trade.quantity)} {trade.symbol}, "
            f"filled {plain(trade.filled_quantity)}",
            _before_words(found, trade),
            _after_words(found),
        )
    console.print(table)


def _before_words(found: TradeAnnotations | None, trade: KnownTrade) -> str:
    standing = None if found is None else found.pre_trade
    if found is None or standing is None:
        return "none"
    words = standing.annotation
    late = standing.recorded_before(trade.first_fill_at) is False
    return (
        f"{words.thesis} Entry: {words.intended_entry} Size: {words.size_rationale} "
        f"Exit: {words.exit_plan}{_times(found.pre_trades)}"
        + (" (written after the first fill)" if late else "")
    )


def _after_words(found: TradeAnnotations | None) -> str:
    standing = None if found is None else found.post_trade
    if found is None or standing is None:
        return "none"
    words = standing.annotation
    matched = "as expected" if words.matched_expectation else "not as expected"
    return f"{words.outcome} ({matched}) Lesson: {words.lesson}{_times(found.post_trades)}"


def _times(versions: tuple[object, ...]) -> str:
    return f" (supersedes {len(versions) - 1})" if len(versions) > 1 else ""
