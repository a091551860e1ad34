"""From a month's trades to what the report shows of them: pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from trading_assets.analytics.slippage import (
    UNDEFINED_BASIS,
    Grouping,
    Slippage,
    SlippageStatistics,
    TradeSlippage,
    slippage_statistics,
)
from trading_assets.ledger.annotations import TradeAnnotations
from trading_assets.ledger.history import ClosedSession
from trading_assets.model.money import ZERO, notional, plain
from trading_assets.model.policies import IntendedPrice
from trading_assets.reporting.monthly_content import AnnotationLine, TradeLine

SHOWN_GROUPS = (Grouping.ALL, Grouping.SIDE)


def trade_lines(
    closed: Sequence[ClosedSession],
    slippage: Sequence[TradeSlippage],
    annotations: Mapping[str, TradeAnnotations],
) -> tuple[TradeLine, ...]:
    """The trades in their order, numbered where there is an annotation of them."""
    notionals: dict[tuple[str, str], Decimal] = {}
    for one in closed:
        for fill in one.fills:
            key = (str(one.session), fill.client_order_id or fill.execution_id)
            notionals[key] = notionals.get(key, ZERO) + notional(fill.quantity, fill.price)
    numbers = _numbers(slippage, annotations)
    return tuple(
        TradeLine(
            session=trade.session,
            symbol=trade.symbol,
            side=trade.side,
            quantity=trade.quantity,
            price=trade.fill_price,
            notional=notionals[str(trade.session), trade.trade_id],
            commission=trade.commission,
            plan_bps=_bps(trade.plan),
            arrival_bps=_bps(trade.arrival),
            decision_bps=_bps(trade.decision),
            number=numbers.get(trade.trade_id),
            arrival_unknown=""
            if trade.arrival is not None
            else trade.arrival_basis.removeprefix(UNDEFINED_BASIS),
        )
        for trade in slippage
    )


def slippage_lines(
    trades: Sequence[TradeSlippage], judged: IntendedPrice, outlier_bps: Decimal
) -> tuple[SlippageStatistics, ...]:
    """Statistics against each intended price: of all trades and by side, and by symbol against the
    one that trades are judged by. Where no trade has such a price, of all trades alone."""
    return tuple(
        found
        for intended in IntendedPrice
        for grouping in (*SHOWN_GROUPS, *([Grouping.SYMBOL] if intended is judged else []))
        for found in slippage_statistics(trades, intended, grouping, outlier_bps)
        if found.count or grouping is Grouping.ALL
    )


def annotation_lines(
    trades: Sequence[TradeSlippage],
    annotations: Mapping[str, TradeAnnotations],
    closed: Sequence[ClosedSession],
) -> tuple[AnnotationLine, ...]:
    """What was written of the trades, in their order."""
    first_fills = {
        fill.client_order_id or fill.execution_id: fill.executed_at
        for one in reversed(closed)
        for fill in reversed(one.fills)
    }
    numbers = _numbers(trades, annotations)
    by_id = {trade.trade_id: trade for trade in reversed(trades)}
    lines = []
    for trade_id, number in numbers.items():
        trade, written = by_id[trade_id], annotations[trade_id]
        pre, post = written.pre_trade, written.post_trade
        line = AnnotationLine(
            number=number,
            trade=f"{trade.session} {trade.side.value} {plain(trade.quantity)} {trade.symbol} at "
            f"{plain(trade.fill_price)}",
            before=()
            if pre is None
            else (
                ("Thesis", pre.annotation.thesis),
                ("Intended entry", _entry(pre.annotation.intended_entry, pre.annotation)),
                ("Size", pre.annotation.size_rationale),
                ("Exit plan", pre.annotation.exit_plan),
            ),
            before_at=None if pre is None else pre.recorded_at,
            in_hindsight=pre is not None and pre.recorded_before(first_fills[trade_id]) is False,
            after=()
            if post is None
            else (
                ("Outcome", post.annotation.outcome),
                ("As expected", "yes" if post.annotation.matched_expectation else "no"),
                ("Lesson", post.annotation.lesson),
            ),
            after_at=None if post is None else post.recorded_at,
        )
        lines.append(line)
    return tuple(lines)


def _entry(words: str, annotation: object) -> str:
    price = getattr(annotation, "intended_price", None)
    return words if price is None else f"{words} (intended price {plain(price)})"


def _numbers(
    trades: Sequence[TradeSlippage], annotations: Mapping[str, TradeAnnotations]
) -> dict[str, int]:
    """Numbers of the trades that have an annotation, from 1 on, in their order."""
    annotated = dict.fromkeys(trade.trade_id for trade in trades if trade.trade_id in annotations)
    return {trade_id: number for number, trade_id in enumerate(annotated, start=1)}


def _bps(found: Slippage | None) -> float | None:
    return None if found is None else found.slippage_bps
