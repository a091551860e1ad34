"""Trades and round trips of the monthly report."""

from __future__ import annotations

from collections import Counter

from reportlab.platypus import Flowable

from trading_assets.model.money import ZERO, plain
from trading_assets.model.order import Side
from trading_assets.model.round_trip import RoundTrip
from trading_assets.reporting.monthly_content import AnnotationLine, MonthlyContent, TradeLine
from trading_assets.reporting.number_format import UNDEFINED, decimals_of, fixed, money, percent
from trading_assets.reporting.sections import headed, nothing, together, words
from trading_assets.reporting.styles import BODY, NAVY, SANS_BOLD, SMALL, paragraph
from trading_assets.reporting.tables import Column, Kind, TableSpec, data_table

TRADES_SHOWN_MAX = 200
"""A month with more trades shows its largest, and counts and sums the others."""
ROUND_TRIPS_SHOWN_MAX = 100
"""A month that closed more shows those that gained or lost most."""
SHOWN_REASONS = 4
"""Of why trades have no arrival price; the rest is counted."""


def trade_part(content: MonthlyContent) -> list[Flowable]:
    """Trades, what they cost and what was written of them, then the round trips they closed."""
    return [
        *_trades(content),
        *_slippage(content),
        *_annotations(content),
        *_round_trips(content),
    ]


def _trades(content: MonthlyContent) -> list[Flowable]:
    title = "Trades"
    if not content.trades:
        return together(title, [nothing("There were no trades this month.")])
    largest = sorted(content.trades, key=lambda line: -line.notional)[:TRADES_SHOWN_MAX]
    if len(content.trades) > TRADES_SHOWN_MAX:
        # Largest first only decides which are shown; they are shown in the order they happened.
        chosen = {id(line) for line in largest}
        shown = [line for line in content.trades if id(line) in chosen]
        others = [line for line in content.trades if id(line) not in chosen]
    else:
        shown, others = list(content.trades), []
    quantity = decimals_of((line.quantity for line in shown), least=0, most=6)
    price = decimals_of((line.price for line in shown), least=2, most=4)
    rows = [
        (
            line.session.isoformat(),
            line.symbol,
            "Buy" if line.side is Side.BUY else "Sell",
            fixed(line.quantity, quantity),
            fixed(line.price, price),
            money(line.notional),
            money(line.commission),
            *(fixed(value, 1, signed=True) for value in _measures(line)),
            "" if line.number is None else f"[{line.number}]",
        )
        for line in shown
    ]
    totals = [_trade_total(f"{len(others)} others", others)] if others else []
    totals.append(_trade_total("Total", list(content.trades)))
    columns = (
        Column("Session", Kind.TEXT),
        Column("Symbol", Kind.TEXT),
        Column("Side", Kind.TEXT),
        Column("Quantity"),
        Column("Price"),
        Column("Notional"),
        Column("Commission"),
        Column("Plan, bps"),
        Column("Arrival, bps"),
        Column("Decision, bps"),
        Column("Note"),
    )
    note = (
        f"Amounts in {content.currency}. Slippage in basis points against the plan, arrival and "
        "decision price, positive is a cost; n/a where that price is not known. Note: the number "
        "of the trade's annotation below."
    )
    body: list[Flowable] = []
    if others:
        body.append(
            paragraph(
                f"The largest {len(shown)} of {len(content.trades)} trades by notional; the "
                f"{len(others)} others are summed in one line and listed in the book.",
                BODY,
            )
        )
    spec = TableSpec(columns=columns, rows=(*rows, *totals), totals=len(totals))
    body += [data_table(spec), paragraph(note, SMALL), *_without_arrival(content.trades)]
    return headed(title, body)


def _without_arrival(trades: tuple[TradeLine, ...]) -> list[Flowable]:
    """Why trades have no arrival price, the most frequent reasons first; nothing where all have."""
    counts = Counter(trade.arrival_unknown for trade in trades if trade.arrival_unknown)
    if not counts:
        return []
    told = "; ".join(f"{reason} ({count:,})" for reason, count in counts.most_common(SHOWN_REASONS))
    left = counts.total() - sum(count for _, count in counts.most_common(SHOWN_REASONS))
    more = f"; others ({left:,})" if left else ""
    return [paragraph(f"Trades without an arrival price: {told}{more}.", SMALL)]


def _trade_total(label: str, lines: list[TradeLine]) -> tuple[str, ...]:
    buys = sum(1 for line in lines if line.side is Side.BUY)
    sells = len(lines) - buys
    counts = f"{_counted(buys, 'buy')}, {_counted(sells, 'sell')}"
    notional = money(sum((line.notional for line in lines), ZERO))
    commission = money(sum((line.commission for line in lines), ZERO))
    return (label, counts, "", "", "", notional, commission, "", "", "", "")


def _counted(number: int, thing: str) -> str:
    return f"{number:,} {thing}" + ("s" if number != 1 else "")


def _measures(line: TradeLine) -> tuple[float | None, float | None, float | None]:
    return line.plan_bps, line.arrival_bps, line.decision_bps


def _slippage(content: MonthlyContent) -> list[Flowable]:
    title = "Slippage"
    if not content.trades:
        return []
    if not any(line.count for line in content.slippage):
        return together(title, [nothing("No trade of this month has an intended price.")])
    rows = [
        (
            words(line.intended.value),
            _group(line.group),
            f"{line.count:,}",
            f"{line.undefined:,}",
            fixed(line.mean_bps, 1, signed=True),
            fixed(line.median_bps, 1, signed=True),
            fixed(line.std_bps, 1),
            money(line.cost, signed=True) if line.count else UNDEFINED,
            money(line.commission),
            f"{len(line.outliers):,}",
        )
        for line in content.slippage
    ]
    columns = (
        Column("Against", Kind.TEXT),
        Column("Trades of", Kind.TEXT),
        Column("Trades"),
        Column("Undefined"),
        Column("Mean, bps"),
        Column("Median, bps"),
        Column("Std, bps"),
        Column(f"Cost, {content.currency}"),
        Column("Commission"),
        Column("Outliers"),
    )
    threshold = content.outlier_bps
    beyond = "the threshold" if threshold is None else f"{plain(threshold)} bps"
    note = (
        f"Positive is a cost. Undefined: trades without that price. Outliers: beyond {beyond}, "
        "either way. Commission, of all trades of the row, is not part of the cost."
    )
    spec = TableSpec(columns=columns, rows=tuple(rows))
    return headed(title, [data_table(spec), paragraph(note, SMALL)])


def _group(name: str) -> str:
    return {"all": "All", "buy": "Buys", "sell": "Sells"}.get(name, name)


def _annotations(content: MonthlyContent) -> list[Flowable]:
    title = "Annotations of trades"
    if not content.trades:
        return []
    if not content.annotations:
        return together(title, [nothing("No trade of this month was annotated.")])
    body: list[Flowable] = [
        paragraph(
            f"{content.annotated} of {len(content.trades)} trades are annotated. "
            "Annotations are facts of the book: never edited, only superseded; shown is what "
            "stands. Times are UTC.",
            BODY,
        )
    ]
    rows: list[tuple[str, str]] = []
    commands: list[tuple[object, ...]] = []
    for line in content.annotations:
        # Below the heading of the table, which is row 0.
        place = len(rows) + 1
        commands += [
            ("FONTNAME", (0, place), (-1, place), SANS_BOLD),
            ("LINEABOVE", (0, place), (-1, place), 0.5, NAVY),
        ]
        rows += [(f"[{line.number}]", words(line.trade)), *_before(line), *_after(line)]
    spec = TableSpec(
        columns=(Column("Note", Kind.TEXT, 80), Column("Trade", Kind.TEXT, 200)),
        rows=tuple(rows),
        commands=tuple(commands),
        zebra=False,
    )
    return headed(title, [*body, data_table(spec)])


def _before(line: AnnotationLine) -> list[tuple[str, str]]:
    if line.before_at is None:
        return [("Before the trade", "Nothing was written.")]
    when = f"recorded {line.before_at:%Y-%m-%d %H:%M}"
    if line.in_hindsight:
        when += ", after the first fill: in hindsight"
    return [("Before the trade", when), *line.before]


def _after(line: AnnotationLine) -> list[tuple[str, str]]:
    if line.after_at is None:
        return [("After the trade", "Nothing was written.")]
    return [("After the trade", f"recorded {line.after_at:%Y-%m-%d %H:%M}"), *line.after]


def _round_trips(content: MonthlyContent) -> list[Flowable]:
    title = "Round trips closed"
    found = content.round_trip_summary
    if found is None or not content.round_trips:
        return together(title, [nothing("No position was closed or reduced this month.")])
    largest = sorted(content.round_trips, key=lambda trip: -abs(trip.base_pnl))
    chosen = {id(trip) for trip in largest[:ROUND_TRIPS_SHOWN_MAX]}
    shown = [trip for trip in content.round_trips if id(trip) in chosen]
    others = [trip for trip in content.round_trips if id(trip) not in chosen]
    quantity = decimals_of((trip.quantity for trip in shown), least=0, most=6)
    price = decimals_of((p for t in shown for p in (t.entry_price, t.exit_price)), least=2, most=4)
    rows = [
        (
            trip.symbol,
            words(trip.side.value),
            fixed(trip.quantity, quantity),
            trip.opened.isoformat(),
            fixed(trip.entry_price, price),
            trip.closed.isoformat(),
            fixed(trip.exit_price, price),
            str(trip.holding_days),
            percent(trip.return_, signed=True),
            money(trip.base_pnl, signed=True),
        )
        for trip in shown
    ]
    totals = [_round_trip_total(f"{len(others)} others", others)] if others else []
    totals.append(_round_trip_total(f"{found.count} in all", content.round_trips))
    columns = (
        Column("Symbol", Kind.TEXT),
        Column("Side", Kind.TEXT),
        Column("Quantity"),
        Column("Opened"),
        Column("Entry price"),
        Column("Closed"),
        Column("Exit price"),
        Column("Days"),
        Column("Return"),
        Column(f"P&L, {content.currency}"),
    )
    spec = TableSpec(columns=columns, rows=(*rows, *totals), totals=len(totals))
    summary = (
        f"{found.winners} gained {money(found.gains)}, {found.losers} lost {money(found.losses)}: "
        f"win rate {percent(found.win_rate)}, profit factor {fixed(found.profit_factor, 2)}, held "
        f"{fixed(found.holding_days, 1)} calendar days on average."
    )
    note = "P&L before commission, unless the books count it as part of the cost."
    body: list[Flowable] = [paragraph(summary, BODY)]
    if others:
        body.append(
            paragraph(
                f"The {len(shown)} of {found.count} round trips that gained or lost most; the "
                f"{len(others)} others are summed in one line and listed in the ledger.",
                BODY,
            )
        )
    return headed(title, [*body, data_table(spec), paragraph(note, SMALL)])


def _round_trip_total(
    label: str, trips: list[RoundTrip] | tuple[RoundTrip, ...]
) -> tuple[str, ...]:
    pnl = sum((trip.base_pnl for trip in trips), ZERO)
    return (label, *("",) * 8, money(pnl, signed=True))
