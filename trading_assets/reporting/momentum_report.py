"""The momentum signal of a month for people: the ranked table, and a text that says what to do."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal

import msgspec
import pyarrow as pa

from trading_assets.lake import DATE, EXACT, INTEGER, TEXT, make_table
from trading_assets.model.money import plain
from trading_assets.portfolio.momentum import MomentumRanking, ProposedTrade, RankedInstrument
from trading_assets.reporting.exports import csv_text
from trading_assets.signal_settings import MomentumStrategy

RANKING_COLUMNS = {
    "session": DATE,
    "strategy_id": TEXT,
    "asof": DATE,
    "rank": INTEGER,
    "symbol": TEXT,
    "sector": TEXT,
    "momentum": EXACT,
    "start_session": DATE,
    "start_close": EXACT,
    "end_session": DATE,
    "end_close": EXACT,
    "target_weight": EXACT,
    "ranking_sha256": TEXT,
}
"""Symbols that could not be ranked have neither rank nor closes."""


class MonthlySignal(msgspec.Struct, frozen=True, kw_only=True):
    """A strategy's ranking for `session`, and the trades that it proposes against what was held at
    the close of `held_at`, None where the book has no close yet."""

    session: dt.date
    strategy: MomentumStrategy
    ranking: MomentumRanking
    min_threshold: Decimal
    held_at: dt.date | None
    trades: tuple[ProposedTrade, ...]


def ranking_table(signal: MonthlySignal) -> pa.Table:
    """One row for each symbol of the universe, best first, unranked ones last."""
    ranking = signal.ranking
    same = {
        "session": signal.session,
        "strategy_id": signal.strategy.id,
        "asof": ranking.asof,
        "ranking_sha256": ranking.sha256,
    }
    rows = [same | _cells(row) for row in ranking.ranked]
    rows += [
        same
        | dict.fromkeys(RANKING_COLUMNS.keys() - same.keys())
        | {"symbol": symbol, "sector": signal.strategy.universe[symbol]}
        for symbol in ranking.unranked
    ]
    return make_table(RANKING_COLUMNS, rows)


def _cells(row: RankedInstrument) -> dict[str, object]:
    return {
        "rank": row.rank,
        "symbol": row.symbol,
        "sector": row.sector,
        "momentum": round(row.momentum, 10),
        "start_session": row.start_session,
        "start_close": row.start_close,
        "end_session": row.end_session,
        "end_close": row.end_close,
        "target_weight": row.weight,
    }


def ranking_csv(signal: MonthlySignal) -> str:
    """The ranked table as CSV."""
    table = ranking_table(signal).to_pydict()
    names = list(RANKING_COLUMNS)
    return csv_text([names, *zip(*(table[name] for name in names), strict=True)])


def report_text(signal: MonthlySignal) -> str:
    """What the signal says, in plain text with LF line ends: ranking, unranked, proposed trades."""
    strategy, ranking = signal.strategy, signal.ranking
    wide = max(len(symbol) for symbol in strategy.universe)
    lines = [
        f"Momentum signal {strategy.id} for {signal.session}",
        "",
        f"As of the close of {ranking.asof}: total return from {ranking.start} to {ranking.end}",
        f"({strategy.lookback_months}-{strategy.skip_months} momentum). The first "
        f"{strategy.top_n} are held at equal weights.",
        "",
    ]
    lines += [
        f"{row.rank:3}  {row.symbol:{wide}}  {_percent(row.momentum):>9}  "
        f"{'hold ' + _percent(row.weight) if row.weight else '':>12}  {row.sector}"
        for row in ranking.ranked
    ]
    if ranking.unranked:
        lines += [
            "",
            f"Not ranked, for they have no closes near {ranking.start} and {ranking.end}: "
            f"{', '.join(ranking.unranked)}",
        ]
    return "\n".join([*lines, "", *_trade_lines(signal, wide), ""])


def _trade_lines(signal: MonthlySignal, wide: int) -> Sequence[str]:
    held = "nothing yet" if signal.held_at is None else f"the close of {signal.held_at}"
    traded = [trade for trade in signal.trades if trade.is_traded]
    left = [trade for trade in signal.trades if not trade.is_traded]
    lines = [f"Proposed trades against {held}:" if traded else f"No trades against {held}."]
    lines += [
        f"     {trade.symbol:{wide}}  {_percent(trade.current_weight):>9} -> "
        f"{_percent(trade.target_weight):>9}"
        for trade in traded
    ]
    if left:
        lines.append(
            f"Left alone, changes below {_percent(signal.min_threshold)}: "
            f"{', '.join(trade.symbol for trade in left)}"
        )
    return lines


def _percent(fraction: Decimal) -> str:
    return f"{plain(round(fraction * 100, 2))} %"
