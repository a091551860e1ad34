"""From results to the performance that the monthly report shows: pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from trading_assets.analytics.performance import Performance, Period, Statistics
from trading_assets.analytics.returns import (
    benchmark_returns,
    drawdown_series,
    equity_index,
    monthly_returns,
    portfolio_returns,
    yearly_returns,
)
from trading_assets.model.policies import ReportPolicy
from trading_assets.model.result import DailyResult
from trading_assets.reporting.monthly_content import (
    DrawdownLine,
    KeyFigure,
    PerformanceRow,
    Series,
    Unit,
    YearOfReturns,
)
from trading_assets.reporting.number_format import percent

COLUMNS = {
    Period.MONTH: "Month",
    Period.QUARTER_TO_DATE: "Quarter to date",
    Period.YEAR_TO_DATE: "Year to date",
    Period.SINCE_INCEPTION: "Since inception",
}
METRIC_NAMES = {
    "cumulative_return": "Return",
    "money_weighted_return": "Money-weighted return",
    "annualised_return": "Annualised return",
    "volatility": "Volatility",
    "sharpe_ratio": "Sharpe ratio",
    "sortino_ratio": "Sortino ratio",
    "max_drawdown": "Maximum drawdown",
    "win_rate": "Win rate, sessions",
    "profit_factor": "Profit factor, sessions",
    "turnover": "Turnover",
    "benchmark_return": "Benchmark return",
    "beta": "Beta",
    "alpha": "Alpha, annualised",
    "tracking_error": "Tracking error",
    "information_ratio": "Information ratio",
    "up_capture": "Up capture",
    "down_capture": "Down capture",
}
_STATISTICS = {
    "annualised_return": Unit.SIGNED_PERCENT,
    "volatility": Unit.PERCENT,
    "sharpe_ratio": Unit.RATIO,
    "sortino_ratio": Unit.RATIO,
    "max_drawdown": Unit.SIGNED_PERCENT,
    "win_rate": Unit.PERCENT,
    "profit_factor": Unit.RATIO,
}
_RELATIVE = {
    "beta": Unit.RATIO,
    "alpha": Unit.SIGNED_PERCENT,
    "tracking_error": Unit.PERCENT,
    "information_ratio": Unit.RATIO,
    "up_capture": Unit.PERCENT,
    "down_capture": Unit.PERCENT,
}


def equity_series(results: Sequence[DailyResult]) -> Series:
    """Growth of 100, portfolio and benchmark; the benchmark starts at its first close."""
    returns = portfolio_returns(results)
    benchmark = benchmark_returns(results)
    has_benchmark = any(one.benchmark is not None for one in results)
    return Series(
        sessions=tuple(one.session for one in results),
        portfolio=tuple(one.value for one in equity_index(returns, 100.0)),
        benchmark=tuple(one.value for one in equity_index(benchmark, 100.0))
        if has_benchmark
        else None,
    )


def drawdowns(results: Sequence[DailyResult]) -> Series:
    """Fall from the last high, portfolio and benchmark, fractions <= 0."""
    has_benchmark = any(one.benchmark is not None for one in results)
    return Series(
        sessions=tuple(one.session for one in results),
        portfolio=tuple(one.value for one in drawdown_series(portfolio_returns(results))),
        benchmark=tuple(one.value for one in drawdown_series(benchmark_returns(results)))
        if has_benchmark
        else None,
    )


def key_figures(
    periods: Mapping[Period, Performance], month: Sequence[DailyResult]
) -> tuple[KeyFigure, ...]:
    """The band on the first page; none for a month without a session."""
    if not month:
        return ()
    this_month, inception = periods[Period.MONTH], periods[Period.SINCE_INCEPTION]
    drawdown = inception.portfolio.max_drawdown
    return (
        KeyFigure(
            label="Return, month",
            value=this_month.portfolio.cumulative_return,
            unit=Unit.SIGNED_PERCENT,
            detail=_against(this_month),
        ),
        KeyFigure(
            label="Return, year to date",
            value=periods[Period.YEAR_TO_DATE].portfolio.cumulative_return,
            unit=Unit.SIGNED_PERCENT,
            detail=_against(periods[Period.YEAR_TO_DATE]),
        ),
        KeyFigure(
            label="Maximum drawdown",
            value=None if drawdown is None else drawdown.depth,
            unit=Unit.SIGNED_PERCENT,
            detail=f"since {inception.first}",
        ),
        KeyFigure(label="Equity", value=month[-1].closing_equity, unit=Unit.MONEY),
    )


def _against(period: Performance) -> str:
    value = period.benchmark.cumulative_return
    return "" if value is None else f"benchmark {percent(value, signed=True)}"


def performance_rows(
    columns: Sequence[Performance], policy: ReportPolicy
) -> tuple[PerformanceRow, ...]:
    """One row for each metric, one value for each period; none for no periods."""
    if not columns:
        return ()

    def both(name: str, unit: Unit) -> PerformanceRow:
        return PerformanceRow(
            label=METRIC_NAMES[name],
            unit=unit,
            portfolio=tuple(_value(one.portfolio, name, policy) for one in columns),
            benchmark=tuple(_value(one.benchmark, name, policy) for one in columns),
        )

    money_weighted = PerformanceRow(
        label=METRIC_NAMES["money_weighted_return"],
        unit=Unit.SIGNED_PERCENT,
        portfolio=tuple(column.money_weighted.over_period for column in columns),
    )
    turnover = PerformanceRow(
        label=METRIC_NAMES["turnover"],
        unit=Unit.PERCENT,
        portfolio=tuple(column.turnover for column in columns),
    )
    rows = [both(name, unit) for name, unit in _STATISTICS.items()]
    return (both("cumulative_return", Unit.SIGNED_PERCENT), money_weighted, *rows, turnover)


def _value(statistics: Statistics, name: str, policy: ReportPolicy) -> float | None:
    """A statistic as the report shows it. An annualised return is undefined below a year, as GIPS
    forbids to annualise a partial one."""
    if name == "max_drawdown":
        return None if statistics.max_drawdown is None else statistics.max_drawdown.depth
    if name == "annualised_return" and statistics.sessions < policy.annualisation_sessions:
        return None
    value: float | None = getattr(statistics, name)
    return value


def relative_rows(columns: Sequence[Performance]) -> tuple[PerformanceRow, ...]:
    """The portfolio against its benchmark, one value for each period; none where there is no
    benchmark in any."""
    if not any(column.relative.sessions for column in columns):
        return ()
    excess = PerformanceRow(
        label="Return less benchmark's",
        unit=Unit.SIGNED_PERCENT,
        portfolio=tuple(_excess(column) for column in columns),
    )
    rows = (
        PerformanceRow(
            label=METRIC_NAMES[name],
            unit=unit,
            portfolio=tuple(getattr(column.relative, name) for column in columns),
        )
        for name, unit in _RELATIVE.items()
    )
    return (excess, *rows)


def _excess(column: Performance) -> float | None:
    ours, theirs = column.portfolio.cumulative_return, column.benchmark.cumulative_return
    return None if ours is None or theirs is None else ours - theirs


def drawdown_lines(periods: Mapping[Period, Performance]) -> tuple[DrawdownLine, ...]:
    """The deepest fall of each period, with its dates."""
    lines = []
    for period, found in periods.items():
        drawdown = found.portfolio.max_drawdown
        if drawdown is None:
            lines.append(DrawdownLine(period=COLUMNS[period], depth=None))
            continue
        lines.append(
            DrawdownLine(
                period=COLUMNS[period],
                depth=drawdown.depth,
                peak=drawdown.peak,
                trough=drawdown.trough,
                recovery=drawdown.recovery,
            )
        )
    return tuple(lines)


def years_of_returns(results: Sequence[DailyResult]) -> tuple[YearOfReturns, ...]:
    """Returns by month and year, for each year that has a session."""
    returns = portfolio_returns(results)
    months, years = monthly_returns(returns), yearly_returns(returns)
    return tuple(
        YearOfReturns(
            year=year,
            months=tuple(months.get((year, month)) for month in range(1, 13)),
            total=total,
        )
        for year, total in sorted(years.items())
    )
