"""Everything the monthly report shows, already computed: the page lays out, it does not calculate.

Money is `Decimal` in the portfolio's currency. Statistics are `float`, fractions unless a unit
says otherwise (0.0123 is 1.23 %); None is *undefined* and is shown as "n/a", never as 0.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from enum import StrEnum

import msgspec

from trading_assets.analytics.round_trips import RoundTripSummary
from trading_assets.analytics.slippage import SlippageStatistics
from trading_assets.errors import ReportError
from trading_assets.model.money import ZERO
from trading_assets.model.order import Side
from trading_assets.model.result import GapCause, PositionValue
from trading_assets.model.round_trip import RoundTrip

EVIDENCE_SUFFIX = ".evidence.jsonl"
"""What the name of an evidence file has after that of its report."""


class Unit(StrEnum):
    """How a figure is written: PERCENT and SIGNED_PERCENT take fractions, MONEY takes Decimal."""

    MONEY = "money"
    PERCENT = "percent"
    SIGNED_PERCENT = "signed_percent"
    RATIO = "ratio"
    BASIS_POINTS = "basis_points"
    COUNT = "count"


class KeyFigure(msgspec.Struct, frozen=True, kw_only=True):
    """One figure of the band on the first page; `detail` is a short line below it."""

    label: str
    value: Decimal | float | None
    unit: Unit
    detail: str = ""


class PerformanceRow(msgspec.Struct, frozen=True, kw_only=True):
    """One metric, with one value for each of `MonthlyContent.performance_columns`.

    None inside a tuple is undefined ("n/a"). `benchmark` None means that the metric does not
    apply to a benchmark (turnover), shown as a dash.
    """

    label: str
    unit: Unit
    portfolio: tuple[float | None, ...]
    benchmark: tuple[float | None, ...] | None = None


class Series(msgspec.Struct, frozen=True, kw_only=True):
    """A line over sessions (ascending). None is a gap in the line; `benchmark` None: no line.

    For the equity series an index that starts at 100; for drawdowns fractions <= 0.
    """

    sessions: tuple[dt.date, ...] = ()
    portfolio: tuple[float | None, ...] = ()
    benchmark: tuple[float | None, ...] | None = None


class DrawdownLine(msgspec.Struct, frozen=True, kw_only=True):
    """The deepest fall within one period; `depth` a fraction <= 0, None where undefined.

    `peak` is None where the high is the period's start, `recovery` None while it is not reached
    again; without a fall there is no trough either.
    """

    period: str
    depth: float | None
    peak: dt.date | None = None
    trough: dt.date | None = None
    recovery: dt.date | None = None


class YearOfReturns(msgspec.Struct, frozen=True, kw_only=True):
    """Returns of the twelve months of a year (None: outside the record or undefined) and of the
    year as far as it is recorded."""

    year: int
    months: tuple[float | None, ...]
    total: float | None


class EquityStatement(msgspec.Struct, frozen=True, kw_only=True):
    """How equity moved over the month, in money: closing = opening + flows + pnl - fees.

    `pnl` is gross of `fees` (positive is a cost); `flows` are deposits less withdrawals.
    `dividends`, `interest` (both signed) and `fx_pnl` are parts of `pnl`.
    """

    opening_equity: Decimal
    flows: Decimal
    pnl: Decimal
    fees: Decimal
    closing_equity: Decimal
    dividends: Decimal = ZERO
    interest: Decimal = ZERO
    fx_pnl: Decimal = ZERO

    @property
    def identity_gap(self) -> Decimal:
        """What the statement leaves unexplained; shown on the page when it is not 0."""
        return self.closing_equity - (self.opening_equity + self.flows + self.pnl - self.fees)


class StrategyLine(msgspec.Struct, frozen=True, kw_only=True):
    """One strategy's month in money, signs as in `EquityStatement`; all lines add up to it.

    `market_value` and `cash` are at the month's last close; cash may be negative.
    """

    strategy: str
    opening_equity: Decimal
    flows: Decimal
    pnl: Decimal
    fees: Decimal
    closing_equity: Decimal
    market_value: Decimal
    cash: Decimal


class PositionLine(msgspec.Struct, frozen=True, kw_only=True):
    """A position at the month's last close; `name` is the instrument's, "" where unknown."""

    position: PositionValue
    name: str = ""


class InstrumentLine(msgspec.Struct, frozen=True, kw_only=True):
    """What an instrument earned over the month, money of the portfolio's currency: `pnl` before
    costs, `realized_pnl` (against cost, of lots closed in the month) and `dividends` (signed) as in
    `InstrumentResult`; `commission` is positive."""

    symbol: str
    name: str = ""
    pnl: Decimal = ZERO
    realized_pnl: Decimal = ZERO
    dividends: Decimal = ZERO
    commission: Decimal = ZERO


class TradeLine(msgspec.Struct, frozen=True, kw_only=True):
    """One trade: an order with all its fills of a session, or a foreign fill. `quantity` in shares
    and `notional` in money are positive, `side` has the sign; `price` is the average of its fills.

    `plan_bps`, `arrival_bps` and `decision_bps` are its slippage against each intended price in
    basis points, positive is a cost; None where that price is not known. `number` is that of its
    annotation on the page, None where there is none. `arrival_unknown` is why there is no arrival
    price, empty where there is one.
    """

    session: dt.date
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    notional: Decimal
    commission: Decimal
    plan_bps: float | None = None
    arrival_bps: float | None = None
    decision_bps: float | None = None
    number: int | None = None
    arrival_unknown: str = ""


class AnnotationLine(msgspec.Struct, frozen=True, kw_only=True):
    """What was written of one of the month's trades, as it stands: `trade` names it in words.

    `before` and `after` are pairs of heading and text, empty where nothing was written.
    `in_hindsight` is True where what is meant to be written before the trade was recorded after its
    first fill; moments are UTC.
    """

    number: int
    trade: str
    before: tuple[tuple[str, str], ...] = ()
    before_at: dt.datetime | None = None
    in_hindsight: bool = False
    after: tuple[tuple[str, str], ...] = ()
    after_at: dt.datetime | None = None


class Commentary(msgspec.Struct, frozen=True, kw_only=True):
    """What a person wrote about the month: plain text, paragraphs apart by an empty line."""

    text: str
    file: str


class FlowLine(msgspec.Struct, frozen=True, kw_only=True):
    """Money in (positive) or out (negative) of the portfolio; `kind` as the book names it."""

    session: dt.date
    kind: str
    amount: Decimal
    detail: str = ""


class AccountLine(msgspec.Struct, frozen=True, kw_only=True):
    """What happened to the account without a trade: `kind` in words.

    `amount` is signed money, positive where it was earned; `quantity` signed shares that a
    corporate action brought or took. None where the one or the other does not apply; `session` None
    for a sum over the month, `symbol` empty where it is for no instrument.
    """

    session: dt.date | None
    symbol: str
    kind: str
    quantity: Decimal | None = None
    amount: Decimal | None = None


class CostSummary(msgspec.Struct, frozen=True, kw_only=True):
    """The month's costs in money, positive is a cost; `traded` is Σ |notional|.

    `shortfall` is implementation shortfall, the fills against plan prices; None where it is not
    known. `borrow_fees` are for shares sold short, `taxes` withheld at the source; `other_fees`
    holds neither.
    """

    traded: Decimal
    commissions: Decimal
    other_fees: Decimal
    shortfall: Decimal | None
    borrow_fees: Decimal = ZERO
    taxes: Decimal = ZERO


class GapSummary(msgspec.Struct, frozen=True, kw_only=True):
    """The month's explained parts of one cause in one comparison (`view`).

    `amount` is signed money, summed over the month; it can be 0 while `count` is not.
    """

    view: str
    cause: GapCause
    count: int
    amount: Decimal


class ReconciliationSummary(msgspec.Struct, frozen=True, kw_only=True):
    """The month's reconciliation: sessions of the calendar, sessions closed, breaks (unexplained
    findings), sessions that are missing, and what explained the rest."""

    sessions_expected: int
    sessions_closed: int
    breaks: int
    missing_sessions: tuple[dt.date, ...] = ()
    gaps: tuple[GapSummary, ...] = ()


class CorrectionLine(msgspec.Struct, frozen=True, kw_only=True):
    """A correction of the book by a person: signed shares at a price, signed money beside them, and
    why. Both are 0 where a person let a close stand as it was."""

    session: dt.date
    symbol: str
    quantity: Decimal
    price: Decimal
    cash: Decimal
    currency: str
    reason: str


class Definition(msgspec.Struct, frozen=True, kw_only=True):
    """The convention by which a metric was computed."""

    metric: str
    convention: str


class ProvenanceRow(msgspec.Struct, frozen=True, kw_only=True):
    """Where a part of the report comes from: a hash, sequence, digest, run id or version."""

    label: str
    value: str


class EvidenceReference(msgspec.Struct, frozen=True, kw_only=True):
    """The file that a report can be recomputed from: its name, the SHA-256 of its lines but for the
    last (which has the report's), how many records of the book it holds, and the hash of the last
    of them."""

    file: str
    sha256: str
    records: int
    head: str


class MonthlyContent(msgspec.Struct, frozen=True, kw_only=True):
    """One month of one portfolio.

    `month` is any day of it. `mode` is the portfolio's (simulated, dry, paper, live) and is shown
    on every page. `prepared_from` says in a sentence what the report was computed from.
    `benchmark_name` None means that there is no benchmark: its columns and lines are left out.
    `relative_rows` compare with the benchmark; `round_trips` are what the month closed, in order.
    `outlier_bps` is how far from 0 slippage is an outlier. `cash`, `accruals` (dividends owed to
    the portfolio less those it owes) and `equity` are at `as_of`, the last closed session (None: no
    session was closed).
    `evidence` is None for a report that none was written for.
    None for `statement`, `costs` or `reconciliation` is said on the page.
    """

    portfolio_id: str
    portfolio_name: str
    month: dt.date
    as_of: dt.date | None
    title: str
    manager: str
    currency: str
    mode: str
    prepared_from: str
    book_head_hash: str
    book_head_sequence: int
    benchmark_name: str | None = None
    disclaimer: str = ""
    key_figures: tuple[KeyFigure, ...] = ()
    performance_columns: tuple[str, ...] = ()
    performance_rows: tuple[PerformanceRow, ...] = ()
    relative_rows: tuple[PerformanceRow, ...] = ()
    drawdowns: tuple[DrawdownLine, ...] = ()
    equity_series: Series = Series()
    drawdown_series: Series = Series()
    monthly_returns: tuple[YearOfReturns, ...] = ()
    statement: EquityStatement | None = None
    strategies: tuple[StrategyLine, ...] = ()
    cash: Decimal | None = None
    accruals: Decimal = ZERO
    equity: Decimal | None = None
    positions: tuple[PositionLine, ...] = ()
    instruments: tuple[InstrumentLine, ...] = ()
    trades: tuple[TradeLine, ...] = ()
    slippage: tuple[SlippageStatistics, ...] = ()
    outlier_bps: Decimal | None = None
    annotations: tuple[AnnotationLine, ...] = ()
    round_trips: tuple[RoundTrip, ...] = ()
    round_trip_summary: RoundTripSummary | None = None
    flows: tuple[FlowLine, ...] = ()
    account_lines: tuple[AccountLine, ...] = ()
    costs: CostSummary | None = None
    reconciliation: ReconciliationSummary | None = None
    corrections: tuple[CorrectionLine, ...] = ()
    definitions: tuple[Definition, ...] = ()
    provenance: tuple[ProvenanceRow, ...] = ()
    notes: tuple[str, ...] = ()
    commentary: Commentary | None = None
    evidence: EvidenceReference | None = None

    @property
    def annotated(self) -> int:
        """How many of the trades something was written of; an order that was filled in two sessions
        is two trades with one annotation."""
        return sum(trade.number is not None for trade in self.trades)

    def __post_init__(self) -> None:
        """Raises ReportError where lengths disagree, naming the part and both lengths."""
        columns = len(self.performance_columns)
        for row in (*self.performance_rows, *self.relative_rows):
            _same_length(f"performance row {row.label!r}", row.portfolio, columns)
            _same_length(f"performance row {row.label!r}, benchmark", row.benchmark, columns)
        for name in ("equity_series", "drawdown_series"):
            series: Series = getattr(self, name)
            _same_length(name, series.portfolio, len(series.sessions))
            _same_length(f"{name}, benchmark", series.benchmark, len(series.sessions))
        for year in self.monthly_returns:
            _same_length(f"returns of {year.year}", year.months, 12)


def _same_length(part: str, values: tuple[float | None, ...] | None, expected: int) -> None:
    if values is not None and len(values) != expected:
        raise ReportError(
            f"{part}: {len(values)} values, expected {expected}. Give None for an undefined value."
        )
