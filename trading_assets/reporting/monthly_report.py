"""From closed sessions to the content of the monthly report: pure, nothing is read or written.

The report shows what the book holds up to the month's last closed session, and nothing later: a
report made again after more sessions have closed shows the same figures.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import groupby

import msgspec

from trading_assets.analytics.conventions import CONVENTIONS
from trading_assets.analytics.performance import by_period
from trading_assets.analytics.pnl import daily_result, position_values
from trading_assets.analytics.round_trips import round_trip_summary
from trading_assets.analytics.slippage import TradeSlippage
from trading_assets.analytics.strategy_pnl import strategy_session
from trading_assets.ledger.annotations import (
    ANNOTATION_TYPES,
    TradeAnnotations,
    trade_annotations,
)
from trading_assets.ledger.history import ClosedSession
from trading_assets.model.annotation_events import PostTradeAnnotation, PreTradeAnnotation
from trading_assets.model.cash_events import Adjustment, CashFlow
from trading_assets.model.events import EventRecord
from trading_assets.model.money import ZERO, money, plain
from trading_assets.model.result import DailyResult, Gap, GapCause
from trading_assets.reconciliation import reconcile
from trading_assets.reconciliation.account import FINAL_VS_ACCOUNT
from trading_assets.reporting.monthly_content import (
    AccountLine,
    Commentary,
    CorrectionLine,
    CostSummary,
    Definition,
    EquityStatement,
    EvidenceReference,
    FlowLine,
    GapSummary,
    InstrumentLine,
    MonthlyContent,
    PositionLine,
    ProvenanceRow,
    ReconciliationSummary,
    StrategyLine,
)
from trading_assets.reporting.performance_content import (
    COLUMNS,
    METRIC_NAMES,
    drawdown_lines,
    drawdowns,
    equity_series,
    key_figures,
    performance_rows,
    relative_rows,
    years_of_returns,
)
from trading_assets.reporting.slippage_rows import booked_slippage
from trading_assets.reporting.trade_content import annotation_lines, slippage_lines, trade_lines
from trading_assets.settings import Mode, PortfolioSettings

BASIS_POINTS = Decimal(10000)
LISTED_TYPES = (*ANNOTATION_TYPES, "adjustment", "cash_flow")
"""Types of the records that `gather_month` wants beside the closed sessions, to list them one by
one."""
OLDER_CLOSES_SHOWN_MAX = 10


class MonthFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a month's report is made from.

    `results` are those of all closed sessions since inception up to the month's end, ascending;
    `closed` are the month's closed sessions whole, `gaps` what their reconciliation found.
    `expected` are the month's sessions by the calendar; `last_record` is the number of the last
    record that all this was folded from, 0 for none. `annotations` are those of the month's trades,
    by trade; `adjustments` the month's corrections by people and `cash_flows` its deposits and
    withdrawals, with the session of each. `names`
    gives instruments' names by symbol, `provenance` rows say which inputs and runs it came from,
    `commentary` is None where nobody wrote one.
    """

    month: str
    results: tuple[DailyResult, ...]
    closed: tuple[ClosedSession, ...]
    gaps: tuple[Gap, ...]
    expected: tuple[dt.date, ...]
    last_record: int = 0
    annotations: Mapping[str, TradeAnnotations] = {}
    adjustments: tuple[tuple[dt.date, Adjustment], ...] = ()
    cash_flows: tuple[tuple[dt.date, CashFlow], ...] = ()
    names: Mapping[str, str] = {}
    provenance: tuple[ProvenanceRow, ...] = ()
    commentary: Commentary | None = None
    evidence: EvidenceReference | None = None


def gather_month(
    settings: PortfolioSettings,
    month: str,
    expected: Sequence[dt.date],
    sessions: Iterable[ClosedSession],
    listed: Iterable[EventRecord] = (),
) -> MonthFacts:
    """Walk `sessions` (all closed ones, ascending) up to the end of `month` (YYYY-MM).

    `listed` are the records of LISTED_TYPES that count. Annotations of the month's trades are taken
    however late they were written, the others where they are part of the month's closes. Names,
    provenance, commentary and evidence are left empty
    for the caller, who knows files and runs.
    """
    results: list[DailyResult] = []
    closed: list[ClosedSession] = []
    gaps: list[Gap] = []
    last_record = 0
    # What a close holds was recorded between the close before and itself.
    before: dict[dt.date, int] = {}
    for session in sessions:
        if session.session.strftime("%Y-%m") > month:
            break
        before[session.session] = last_record
        last_record = session.sequence
        results.append(daily_result(session.previous, session.activity, session.close))
        if session.session.strftime("%Y-%m") == month:
            closed.append(session)
            gaps.extend(reconcile(session, sent=settings.mode is not Mode.DRY).gaps)
    trades = {fill.client_order_id or fill.execution_id for one in closed for fill in one.fills}
    recorded = list(listed)
    written = [record for record in recorded if trade_of(record) in trades]
    return MonthFacts(
        month=month,
        results=tuple(results),
        closed=tuple(closed),
        gaps=tuple(gaps),
        expected=tuple(expected),
        last_record=max([last_record, *(record.sequence for record in written)]),
        annotations=trade_annotations(written),
        adjustments=tuple(
            (record.session, record.event)
            for record in recorded
            if isinstance(record.event, Adjustment)
            and f"{record.session:%Y-%m}" == month
            and record.sequence <= last_record
        ),
        cash_flows=tuple(
            (one.session, record.event)
            for one in closed
            for record in recorded
            if isinstance(record.event, CashFlow)
            and before[one.session] < record.sequence <= one.sequence
        ),
    )


def trade_of(record: EventRecord) -> str | None:
    """The trade that an annotation is about; None for a record of another kind."""
    event = record.event
    return event.trade_id if isinstance(event, PreTradeAnnotation | PostTradeAnnotation) else None


def monthly_content(settings: PortfolioSettings, facts: MonthFacts) -> MonthlyContent:
    """Everything that the month's report shows."""
    results = facts.results
    month = [one for one in results if one.session.strftime("%Y-%m") == facts.month]
    last = facts.closed[-1] if facts.closed else None
    periods = by_period(results, settings.report) if month else {}
    columns = list(periods.values())
    slippage = [
        trade for one in facts.closed for trade in booked_slippage(one, settings, facts.annotations)
    ]
    trips = [trip for one in facts.closed for trip in one.round_trips]
    return MonthlyContent(
        portfolio_id=settings.id,
        portfolio_name=settings.name,
        month=dt.date.fromisoformat(f"{facts.month}-01"),
        as_of=last.session if last else None,
        title=settings.report.title,
        manager=settings.report.manager,
        currency=settings.currency,
        mode=settings.mode.value,
        prepared_from="Computed from the portfolio's book: every order, fill and cash movement it "
        "records up to the last session shown, valued at closing prices.",
        book_head_hash=last.hash if last else "",
        book_head_sequence=last.sequence if last else 0,
        benchmark_name=settings.prices.benchmark_label,
        disclaimer=settings.report.disclaimer,
        key_figures=key_figures(periods, month),
        performance_columns=tuple(COLUMNS[period] for period in periods),
        performance_rows=performance_rows(columns, settings.report),
        relative_rows=relative_rows(columns),
        drawdowns=drawdown_lines(periods),
        equity_series=equity_series(results),
        drawdown_series=drawdowns(results),
        monthly_returns=years_of_returns(results),
        statement=_statement(month),
        strategies=_strategies(facts.closed),
        cash=last.close.cash if last else None,
        accruals=last.close.accruals if last else ZERO,
        equity=last.close.equity if last else None,
        positions=_positions(last, facts.names) if last else (),
        instruments=_instruments(month, facts.names),
        trades=trade_lines(facts.closed, slippage, facts.annotations),
        slippage=slippage_lines(slippage, settings.judged_price, settings.slippage.outlier_bps),
        outlier_bps=settings.slippage.outlier_bps,
        annotations=annotation_lines(slippage, facts.annotations, facts.closed),
        round_trips=tuple(trips),
        round_trip_summary=round_trip_summary(trips),
        flows=tuple(_flows(month, facts.cash_flows, settings.currency)),
        account_lines=tuple(_account_lines(facts.closed)),
        costs=_costs(facts.closed, month, slippage),
        reconciliation=_reconciliation(facts),
        corrections=tuple(_corrections(facts.adjustments)),
        definitions=_definitions(settings),
        provenance=facts.provenance,
        notes=_notes(facts),
        commentary=facts.commentary,
        evidence=facts.evidence,
    )


def _statement(month: Sequence[DailyResult]) -> EquityStatement | None:
    if not month:
        return None
    return EquityStatement(
        opening_equity=month[0].opening_equity,
        flows=sum((one.flows for one in month), ZERO),
        pnl=sum((one.pnl for one in month), ZERO),
        fees=sum((one.fees for one in month), ZERO),
        closing_equity=month[-1].closing_equity,
        dividends=sum((one.dividends for one in month), ZERO),
        interest=sum((one.interest for one in month), ZERO),
        fx_pnl=sum((one.fx_pnl for one in month), ZERO),
    )


def _strategies(closed: Sequence[ClosedSession]) -> tuple[StrategyLine, ...]:
    """Each book over the month, which is one session from the close before it to its last."""
    if not closed:
        return ()
    month = msgspec.structs.replace(
        closed[-1],
        previous=closed[0].previous,
        previous_strategies=closed[0].previous_strategies,
    )
    lines = (
        StrategyLine(
            strategy=one.strategy_id,
            opening_equity=one.opening_equity,
            flows=one.flows,
            pnl=one.pnl,
            fees=one.fees,
            closing_equity=one.closing_equity,
            market_value=one.market_value,
            cash=one.cash,
        )
        for one in strategy_session(month).results
    )
    return tuple(line for line in lines if any(msgspec.structs.astuple(line)[1:]))


def _account_lines(closed: Sequence[ClosedSession]) -> Iterator[AccountLine]:
    """Dividends and corporate actions one by one in their order, then what is charged daily as sums
    over the month."""
    for one in closed:
        for item in one.activity.instruments:
            if item.corporate_action_quantity:
                yield AccountLine(
                    session=one.session,
                    symbol=item.symbol,
                    kind="Corporate action",
                    quantity=item.corporate_action_quantity,
                )
            if item.dividends:
                kind = "Dividend" if item.dividends > 0 else "Dividend owed on a short"
                yield AccountLine(
                    session=one.session, symbol=item.symbol, kind=kind, amount=item.dividends
                )
    activities = [one.activity for one in closed]
    for kind, amount in (
        ("Interest", sum((one.interest for one in activities), ZERO)),
        ("Borrow fees", -sum((one.borrow_fees for one in activities), ZERO)),
        ("Taxes withheld", -sum((one.taxes for one in activities), ZERO)),
    ):
        if amount:
            yield AccountLine(session=None, symbol="", kind=kind, amount=amount)


def _positions(last: ClosedSession, names: Mapping[str, str]) -> tuple[PositionLine, ...]:
    close = last.close
    values = position_values(close, last.cost_bases)
    ordered = sorted(values, key=lambda value: (-abs(value.market_value), value.symbol))
    return tuple(PositionLine(position=one, name=names.get(one.symbol, "")) for one in ordered)


def _instruments(
    month: Sequence[DailyResult], names: Mapping[str, str]
) -> tuple[InstrumentLine, ...]:
    """The instruments of the month's sessions, most earned first."""
    found: dict[str, InstrumentLine] = {}
    for result in month:
        for one in result.instruments:
            line = found.get(one.symbol) or InstrumentLine(
                symbol=one.symbol, name=names.get(one.symbol, "")
            )
            found[one.symbol] = msgspec.structs.replace(
                line,
                pnl=line.pnl + one.pnl,
                realized_pnl=line.realized_pnl + one.realized_pnl,
                dividends=line.dividends + one.dividends,
                commission=line.commission + one.commission,
            )
    return tuple(sorted(found.values(), key=lambda line: (-line.pnl, line.symbol)))


def _flows(
    month: Sequence[DailyResult], cash_flows: Sequence[tuple[dt.date, CashFlow]], currency: str
) -> Iterator[FlowLine]:
    """Each deposit and withdrawal by itself; what else a session's flows hold (other currencies at
    its rate, corrections by people) as one line. They add up to the statement's."""
    for one in month:
        flows = [flow for session, flow in cash_flows if session == one.session]
        own = [flow for flow in flows if flow.currency == currency]
        for flow in own:
            yield FlowLine(
                session=one.session,
                kind=flow.kind.value,
                amount=money(flow.amount),
                detail=flow.reference,
            )
        rest = one.flows - sum((money(flow.amount) for flow in own), ZERO)
        if rest:
            foreign = [f"{plain(f.amount)} {f.currency}" for f in flows if f.currency != currency]
            yield FlowLine(
                session=one.session,
                kind="deposit" if rest > 0 else "withdrawal",
                amount=rest,
                detail=", ".join(foreign) or "corrections by people",
            )


def _costs(
    closed: Sequence[ClosedSession],
    month: Sequence[DailyResult],
    slippage: Sequence[TradeSlippage],
) -> CostSummary | None:
    if not month:
        return None
    commissions = sum((fill.commission for one in closed for fill in one.fills), ZERO)
    shortfall = sum((trade.plan.cost for trade in slippage if trade.plan is not None), ZERO)
    fees, borrow_fees, taxes = (
        sum((getattr(one, name) for one in month), ZERO)
        for name in ("fees", "borrow_fees", "taxes")
    )
    return CostSummary(
        traded=sum((one.traded for one in month), ZERO),
        commissions=commissions,
        other_fees=fees - commissions - borrow_fees - taxes,
        shortfall=shortfall,
        borrow_fees=borrow_fees,
        taxes=taxes,
    )


def _corrections(
    adjustments: Iterable[tuple[dt.date, Adjustment]],
) -> Iterator[CorrectionLine]:
    for session, one in adjustments:
        yield CorrectionLine(
            session=session,
            symbol=one.symbol,
            quantity=one.quantity,
            price=one.price,
            cash=one.cash,
            currency=one.currency,
            reason=one.reason,
        )


def _breaks(counts: Mapping[tuple[str, GapCause], int]) -> int:
    """Unexplained findings. Where cash or a quantity differs, so do the weights made from them:
    weights count where nothing else is found."""
    unexplained = {
        view: count for (view, cause), count in counts.items() if cause is GapCause.UNEXPLAINED
    }
    weights = unexplained.pop(FINAL_VS_ACCOUNT, 0)
    return sum(unexplained.values()) or weights


def _reconciliation(facts: MonthFacts) -> ReconciliationSummary:
    counts: Counter[tuple[str, GapCause]] = Counter()
    amounts: dict[tuple[str, GapCause], Decimal] = {}
    for gap in facts.gaps:
        key = (gap.view, gap.cause)
        counts[key] += 1
        amounts[key] = amounts.get(key, ZERO) + gap.amount
    done = {one.session for one in facts.closed}
    return ReconciliationSummary(
        sessions_expected=len(facts.expected),
        sessions_closed=len(facts.closed),
        breaks=_breaks(counts),
        missing_sessions=tuple(session for session in facts.expected if session not in done),
        gaps=tuple(
            GapSummary(view=view, cause=cause, count=counts[view, cause], amount=amount)
            for (view, cause), amount in sorted(amounts.items())
        ),
    )


def _definitions(settings: PortfolioSettings) -> tuple[Definition, ...]:
    policy = settings.report
    definitions = [
        Definition(metric=name, convention=CONVENTIONS[key])
        for key, name in METRIC_NAMES.items()
        if key in CONVENTIONS
    ]
    definitions.append(
        Definition(
            metric="Slippage",
            convention="Side x (average fill - intended price) / intended price, in basis points; "
            "positive is a cost for buys and for sells. Against the plan price (the latest close "
            "before the session; its cost is the implementation shortfall, Perold 1988, and "
            "includes the market's move since then), the arrival price (the market when the order "
            "left for the broker, recorded then: the midpoint of the quote, else a trade of the "
            "last minute; of a simulated broker the session's close; undefined for orders placed "
            "by hand), the decision price (of the annotation recorded before the first fill). "
            "Each trade counts once in mean, median and sample standard deviation.",
        )
    )
    definitions.append(
        Definition(
            metric="Round trips",
            convention="Shares from the trade that opened them to the one that closed them, by the "
            "lots of the books. Win rate: those that gained / those that gained or lost; profit "
            "factor: Σ gains / Σ losses.",
        )
    )
    definitions.append(
        Definition(
            metric="Parameters",
            convention=f"Sessions in a year {policy.annualisation_sessions}; annual risk-free rate "
            f"{policy.risk_free_rate:%}.",
        )
    )
    return tuple(definitions)


def _notes(facts: MonthFacts) -> tuple[str, ...]:
    if not facts.closed:
        return ("No session of this month is closed in the book.",)
    notes = []
    missing = len(facts.expected) - len(facts.closed)
    if missing:
        notes.append(f"{missing} of {len(facts.expected)} sessions of this month are not closed.")
    undecided = [order for one in facts.closed for order in one.orders if order.is_open]
    if undecided:
        sessions = ", ".join(sorted({str(order.session) for order in undecided}))
        notes.append(
            f"{_counted(len(undecided), 'order')} without an outcome on record, of {sessions}: "
            "the executions are not complete."
        )
    return (*notes, *older_closes(facts.closed))


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}" + ("s" if number != 1 else "")


def older_closes(closed: Sequence[ClosedSession]) -> Iterator[str]:
    """Which positions had no close of their session, one note for sessions in a row that have the
    same ones."""
    for older, run in groupby(closed, key=_marked_before):
        if not older:
            continue
        sessions = [one.session for one in run]
        count = _counted(len(older), "position")
        when = f"on {sessions[0]}"
        if len(sessions) > 1:
            when = f"from {sessions[0]} to {sessions[-1]}"
        shown = ", ".join(f"{symbol} ({day})" for symbol, day in older[:OLDER_CLOSES_SHOWN_MAX])
        rest = len(older) - OLDER_CLOSES_SHOWN_MAX
        others = f" and {rest} more" if rest > 0 else ""
        verb = "are" if len(older) != 1 else "is"
        yield f"{count} {when} {verb} valued at an older close: {shown}{others}."


def _marked_before(closed: ClosedSession) -> tuple[tuple[str, dt.date], ...]:
    """Positions whose mark is older than the session, with the session that the mark is from."""
    marks = closed.close.marks
    return tuple(
        (symbol, marks[symbol].session)
        for symbol in sorted(closed.close.positions)
        if marks[symbol].session < closed.session
    )
