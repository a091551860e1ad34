"""A realistic month, made from a fixed seed, for tests and for looking at the pages."""

from __future__ import annotations

import datetime as dt
import hashlib
import random
from collections.abc import Callable
from decimal import Decimal

import pytest

from trading_assets.analytics.round_trips import round_trip_summary
from trading_assets.analytics.slippage import SlippageStatistics
from trading_assets.model.order import Side
from trading_assets.model.policies import IntendedPrice
from trading_assets.model.result import GapCause, PositionValue
from trading_assets.model.round_trip import PositionSide, RoundTrip
from trading_assets.reporting.monthly_content import (
    AnnotationLine,
    Commentary,
    CostSummary,
    Definition,
    DrawdownLine,
    EquityStatement,
    FlowLine,
    GapSummary,
    KeyFigure,
    MonthlyContent,
    PerformanceRow,
    PositionLine,
    ProvenanceRow,
    ReconciliationSummary,
    Series,
    StrategyLine,
    TradeLine,
    Unit,
    YearOfReturns,
)

CENT = Decimal("0.01")
LAST = dt.date(2024, 3, 28)
EQUITY = Decimal("1204331.87")
HEAD = hashlib.sha256(b"book").hexdigest()
NAMES = {
    "AAPL": "Apple Inc.",
    "AMD": "Advanced Micro Devices, Inc.",
    "BAC": "Bank of America Corporation",
    "BBY": "Best Buy Co., Inc.",
    "CVX": "Chevron Corporation",
    "GE": "General Electric Company",
    "HD": "The Home Depot, Inc.",
    "JNJ": "Johnson & Johnson",
    "JPM": "JPMorgan Chase & Co.",
    "KO": "The Coca-Cola Company",
    "LLY": "Eli Lilly and Company",
    "MRK": "Merck & Co., Inc.",
    "MSFT": "Microsoft Corporation",
    "PEP": "PepsiCo, Inc.",
    "PFE": "Pfizer Inc.",
    "PG": "The Procter & Gamble Company",
    "RRC": "Range Resources Corporation",
    "UNH": "UnitedHealth Group Incorporated",
    "WMT": "Walmart Inc.",
    "XOM": "Exxon Mobil Corporation",
}


def weekdays(last: dt.date, count: int) -> tuple[dt.date, ...]:
    """The `count` weekdays up to `last`, ascending."""
    days: list[dt.date] = []
    day = last
    while len(days) < count:
        if day.weekday() < 5:
            days.append(day)
        day -= dt.timedelta(days=1)
    return tuple(reversed(days))


def index_line(seed: int, count: int, drift: float = 0.0006) -> tuple[float, ...]:
    """An index from 100 with normal daily returns."""
    source = random.Random(seed)
    values = [100.0]
    while len(values) < count:
        values.append(values[-1] * (1 + source.gauss(drift, 0.009)))
    return tuple(values)


def drawdowns(index: tuple[float, ...]) -> tuple[float, ...]:
    """Fractions below the last peak."""
    peak, found = index[0], []
    for value in index:
        peak = max(peak, value)
        found.append(value / peak - 1)
    return tuple(found)


def position(symbol: str, quantity: str, cost: str, mark: str, equity: Decimal) -> PositionValue:
    """A position at the last session's close."""
    shares, price = Decimal(quantity), Decimal(mark)
    basis = (shares * Decimal(cost)).quantize(CENT)
    value = (shares * price).quantize(CENT)
    return PositionValue(
        symbol=symbol,
        quantity=shares,
        average_cost=Decimal(cost),
        cost_basis=basis,
        mark=price,
        mark_session=LAST,
        market_value=value,
        unrealized_pnl=value - basis,
        weight=value / equity,
    )


def sample_positions(count: int = 20) -> tuple[PositionLine, ...]:
    """`count` positions; beyond the twenty known names they are numbered."""
    source = random.Random(7)
    lines = []
    known = list(NAMES)
    for at in range(count):
        symbol = known[at] if at < len(known) else f"SYM{at}"
        cost = Decimal(source.randint(2000, 48000)) / 100
        mark = (cost * Decimal(source.randint(80, 135)) / 100).quantize(CENT)
        shares = Decimal(source.randint(20_000_000, 400_000_000)) / 1_000_000
        if at == 9:
            shares = -shares
        lines.append(
            PositionLine(
                position=position(symbol, str(shares), str(cost), str(mark), EQUITY),
                name=NAMES.get(symbol, ""),
            )
        )
    return tuple(lines)


def sample_trades(count: int = 60) -> tuple[TradeLine, ...]:
    """`count` trades over the month's sessions."""
    source = random.Random(11)
    sessions = weekdays(LAST, 20)
    lines = []
    for at in range(count):
        quantity = Decimal(source.randint(500_000, 90_000_000)) / 1_000_000
        price = Decimal(source.randint(2000, 48000)) / 100
        lines.append(
            TradeLine(
                session=sessions[at * len(sessions) // count],
                symbol=source.choice(list(NAMES)),
                side=source.choice([Side.BUY, Side.SELL]),
                quantity=quantity,
                price=price,
                notional=(quantity * price).quantize(CENT),
                commission=max(Decimal("1.00"), (quantity * Decimal("0.005")).quantize(CENT)),
                plan_bps=None if at % 17 == 3 else source.gauss(1.5, 3),
                # As `sample_annotations` has them.
                number=at + 1 if at < 2 else None,
            )
        )
    return tuple(lines)


def sample_performance() -> tuple[PerformanceRow, ...]:
    """Four columns: month, quarter, year to date, since inception."""
    return (
        PerformanceRow(
            label="Return",
            unit=Unit.SIGNED_PERCENT,
            portfolio=(0.0213, 0.0671, 0.0671, 0.1890),
            benchmark=(0.0310, 0.1016, 0.1016, 0.1955),
        ),
        PerformanceRow(
            label="Volatility, annualised",
            unit=Unit.PERCENT,
            portfolio=(0.0912, 0.1034, 0.1034, 0.1402),
            benchmark=(0.0855, 0.0990, 0.0990, 0.1388),
        ),
        PerformanceRow(
            label="Sharpe ratio",
            unit=Unit.RATIO,
            portfolio=(None, None, 2.41, 1.17),
            benchmark=(None, None, 3.95, 1.63),
        ),
        PerformanceRow(
            label="Maximum drawdown",
            unit=Unit.PERCENT,
            portfolio=(-0.0145, -0.0231, -0.0231, -0.1157),
            benchmark=(-0.0091, -0.0177, -0.0177, -0.0743),
        ),
        PerformanceRow(
            label="Turnover",
            unit=Unit.PERCENT,
            portfolio=(0.1432, 0.4410, 0.4410, 1.8820),
        ),
    )


def sample_relative() -> tuple[PerformanceRow, ...]:
    """Figures against the benchmark; alpha only where a year is behind it."""
    return (
        PerformanceRow(label="Beta", unit=Unit.RATIO, portfolio=(0.91, 0.95, 0.95, 1.02)),
        PerformanceRow(
            label="Alpha, annualised",
            unit=Unit.SIGNED_PERCENT,
            portfolio=(None, None, None, 0.0113),
        ),
    )


def sample_drawdowns() -> tuple[DrawdownLine, ...]:
    """One that recovered, one that began with the period, none, and one that is not defined."""
    return (
        DrawdownLine(
            period="Month",
            depth=-0.0145,
            peak=dt.date(2024, 3, 7),
            trough=dt.date(2024, 3, 12),
            recovery=dt.date(2024, 3, 20),
        ),
        DrawdownLine(period="Quarter to date", depth=-0.0231, trough=dt.date(2024, 1, 5)),
        DrawdownLine(period="Year to date", depth=0.0),
        DrawdownLine(period="Since inception", depth=None),
    )


def sample_annotations() -> tuple[AnnotationLine, ...]:
    """One that was written in time and looked back at, one that was written in hindsight."""
    return (
        AnnotationLine(
            number=1,
            trade="2024-03-04 buy 12 KO at 60.12",
            before=(("Thesis", "Staples are cheap."), ("Exit plan", "Sell above 70.")),
            before_at=dt.datetime(2024, 3, 4, 13, 5, tzinfo=dt.UTC),
            after=(("Outcome", "Filled as meant."), ("As expected", "yes")),
            after_at=dt.datetime(2024, 3, 5, 9, 0, tzinfo=dt.UTC),
        ),
        AnnotationLine(
            number=2,
            trade="2024-03-05 sell 3 XOM at 104.20",
            before=(("Thesis", "Oil has <peaked>."),),
            before_at=dt.datetime(2024, 3, 6, 8, 0, tzinfo=dt.UTC),
            in_hindsight=True,
        ),
    )


def sample_slippage() -> tuple[SlippageStatistics, ...]:
    """Against the decision price nothing is known, against the plan price all."""
    return (
        SlippageStatistics(
            intended=IntendedPrice.DECISION,
            group="all",
            count=0,
            undefined=60,
            mean_bps=None,
            median_bps=None,
            std_bps=None,
            cost=Decimal(0),
            commission=Decimal("60.00"),
            outliers=(),
        ),
        SlippageStatistics(
            intended=IntendedPrice.PLAN,
            group="buy",
            count=34,
            undefined=2,
            mean_bps=4.25,
            median_bps=-1.5,
            std_bps=12.0,
            cost=Decimal("143.17"),
            commission=Decimal("34.00"),
            outliers=(),
        ),
    )


def sample_round_trips(count: int = 5) -> tuple[RoundTrip, ...]:
    """`count` round trips over March, gains and losses in turn, the later the larger."""
    trips = []
    for at in range(count):
        entry, moved = Decimal(100), Decimal(at + 1) * (-1 if at % 2 else 1)
        closed = dt.date(2024, 3, 1) + dt.timedelta(at % 28)
        trips.append(
            RoundTrip(
                symbol=list(NAMES)[at % len(NAMES)],
                lot_id=f"lot {at}",
                side=PositionSide.LONG,
                quantity=Decimal(10),
                currency="USD",
                opened=dt.date(2024, 2, 1),
                opened_at=None,
                entry_price=entry,
                closed=closed,
                closed_at=None,
                exit_price=entry + moved,
                pnl=10 * moved,
                base_pnl=10 * moved,
                return_=moved / entry,
                holding_days=(closed - dt.date(2024, 2, 1)).days,
            )
        )
    return tuple(trips)


def sample_content() -> MonthlyContent:
    """March 2024 of a portfolio with 20 positions, 60 trades and 250 sessions behind it."""
    sessions = weekdays(LAST, 250)
    portfolio, benchmark = index_line(33, 250), index_line(31, 250)
    trades, positions = sample_trades(), sample_positions()
    source = random.Random(5)
    return MonthlyContent(
        portfolio_id="core_blend",
        portfolio_name="Core Blend of Four Strategies",
        month=dt.date(2024, 3, 1),
        as_of=LAST,
        title="Monthly report",
        manager="Example Asset Management",
        currency="USD",
        mode="simulated",
        prepared_from=(
            "Prepared from the portfolio's book (an append-only event log) as recorded through "
            "2024-03-28; every figure can be recomputed from it."
        ),
        book_head_hash=HEAD,
        book_head_sequence=18_422,
        benchmark_name="S&P 500 Index (total return)",
        disclaimer=(
            "Simulated results are hypothetical: no orders reached a market. Past performance, "
            "simulated or real, says nothing certain about the future. This report is information "
            "for the owners of the portfolio and no offer or advice."
        ),
        key_figures=(
            KeyFigure(label="Equity, USD", value=EQUITY, unit=Unit.MONEY, detail="at close"),
            KeyFigure(
                label="Return, month",
                value=0.0213,
                unit=Unit.SIGNED_PERCENT,
                detail="benchmark +3.10%",
            ),
            KeyFigure(
                label="Return, year to date",
                value=0.0671,
                unit=Unit.SIGNED_PERCENT,
                detail="benchmark +10.16%",
            ),
            KeyFigure(
                label="Volatility", value=0.1402, unit=Unit.PERCENT, detail="annualised, inception"
            ),
            KeyFigure(
                label="Max. drawdown",
                value=-0.1157,
                unit=Unit.PERCENT,
                detail="2023-07-31 to 2023-10-27",
            ),
        ),
        performance_columns=("Month", "Quarter to date", "Year to date", "Since inception"),
        performance_rows=sample_performance(),
        relative_rows=sample_relative(),
        drawdowns=sample_drawdowns(),
        equity_series=Series(sessions=sessions, portfolio=portfolio, benchmark=benchmark),
        drawdown_series=Series(
            sessions=sessions, portfolio=drawdowns(portfolio), benchmark=drawdowns(benchmark)
        ),
        monthly_returns=(
            YearOfReturns(
                year=2023,
                months=(None, None, None, *(source.gauss(0.008, 0.03) for _ in range(9))),
                total=0.1098,
            ),
            YearOfReturns(
                year=2024, months=(0.0188, 0.0256, 0.0213, *(None for _ in range(9))), total=0.0671
            ),
        ),
        statement=EquityStatement(
            opening_equity=Decimal("1154310.55"),
            flows=Decimal("25000.00"),
            pnl=Decimal("25110.02"),
            fees=Decimal("88.70"),
            closing_equity=EQUITY,
        ),
        strategies=tuple(
            StrategyLine(
                strategy=name,
                opening_equity=Decimal(opening),
                flows=Decimal(flows),
                pnl=Decimal(pnl),
                fees=Decimal(fees),
                closing_equity=Decimal(closing),
                market_value=Decimal(value),
                cash=Decimal(closing) - Decimal(value),
            )
            for name, opening, flows, pnl, fees, closing, value in (
                ("momentum", "600000", "12500", "20110.02", "60.20", "632549.82", "640000"),
                ("value", "500000", "12500", "4990", "28.50", "517461.50", "510000"),
                ("unattributed", "54310.55", "0", "10", "0", "54320.55", "0"),
            )
        ),
        cash=EQUITY - sum((line.position.market_value for line in positions), Decimal(0)),
        equity=EQUITY,
        positions=positions,
        trades=trades,
        slippage=sample_slippage(),
        annotations=sample_annotations(),
        round_trips=sample_round_trips(),
        round_trip_summary=round_trip_summary(sample_round_trips()),
        commentary=Commentary(
            text="Markets rose.\n\nWe kept our <b>weights</b>.", file="core_blend/2024-03.txt"
        ),
        flows=(
            FlowLine(
                session=dt.date(2024, 3, 4),
                kind="deposit",
                amount=Decimal("30000.00"),
                detail="Subscription",
            ),
            FlowLine(session=dt.date(2024, 3, 18), kind="withdrawal", amount=Decimal("-5000.00")),
        ),
        costs=CostSummary(
            traded=sum((line.notional for line in trades), Decimal(0)),
            commissions=sum((line.commission for line in trades), Decimal(0)),
            other_fees=Decimal("12.40"),
            shortfall=Decimal("143.17"),
        ),
        reconciliation=ReconciliationSummary(
            sessions_expected=20,
            sessions_closed=20,
            breaks=0,
            gaps=(
                GapSummary(
                    view="planned_vs_filled",
                    cause=GapCause.ROUNDING,
                    count=41,
                    amount=Decimal("-12.33"),
                ),
                GapSummary(
                    view="planned_vs_filled",
                    cause=GapCause.MINIMUM_NOTIONAL,
                    count=6,
                    amount=Decimal("3.18"),
                ),
                GapSummary(
                    view="target_vs_final",
                    cause=GapCause.PRICE_MOVE,
                    count=380,
                    amount=Decimal("-1822.09"),
                ),
                GapSummary(
                    view="target_vs_final", cause=GapCause.FEE, count=20, amount=Decimal("-76.30")
                ),
            ),
        ),
        definitions=sample_definitions(),
        provenance=sample_provenance(),
        notes=(
            "RRC had no price on 2024-03-11; its position was valued at the close before.",
            "The benchmark has no dividend history before 2023-06-01.",
        ),
    )


def sample_definitions() -> tuple[Definition, ...]:
    """Conventions as a reader would find them."""
    return (
        Definition(
            metric="Return",
            convention="Time-weighted: daily returns (profit and loss less fees, over opening "
            "equity plus the day's flows) linked geometrically. Net of commissions.",
        ),
        Definition(
            metric="Volatility",
            convention="Sample standard deviation of daily returns times √252; needs 20 sessions.",
        ),
        Definition(
            metric="Sharpe ratio",
            convention="Mean daily excess return over its standard deviation, times √252; "
            "risk-free rate 0.00% a year.",
        ),
        Definition(
            metric="Maximum drawdown",
            convention="Largest fall from a peak of the linked index within the period.",
        ),
        Definition(
            metric="Turnover", convention="Sum of |traded notional| over twice the closing equity."
        ),
    )


def sample_provenance() -> tuple[ProvenanceRow, ...]:
    """Hashes and versions as the integrator gives them."""

    def digest(text: str) -> str:
        return hashlib.sha256(text.encode()).hexdigest()

    return (
        ProvenanceRow(label="Prices file", value=f"market/prices.csv.gz sha256 {digest('p')}"),
        ProvenanceRow(
            label="Signal file momentum", value=f"raw_signals/momentum.csv sha256 {digest('m')}"
        ),
        ProvenanceRow(label="Signal file value", value=digest("v")),
        ProvenanceRow(label="Configuration digest", value=digest("c")),
        ProvenanceRow(label="Runs", value="7d1f0c8e-4a52-4a3f-9c6e-2f6a5d1b9e10"),
        ProvenanceRow(label="Software", value="trading-assets 0.1.0, Python 3.11"),
    )


@pytest.fixture
def month() -> MonthlyContent:
    """A month with every section filled."""
    return sample_content()


@pytest.fixture
def positions_of() -> Callable[[int], tuple[PositionLine, ...]]:
    """Makes as many positions as asked for."""
    return sample_positions


@pytest.fixture
def round_trips_of() -> Callable[[int], tuple[RoundTrip, ...]]:
    """Makes as many round trips as asked for."""
    return sample_round_trips


@pytest.fixture
def trades_of() -> Callable[[int], tuple[TradeLine, ...]]:
    """Makes as many trades as asked for."""
    return sample_trades
