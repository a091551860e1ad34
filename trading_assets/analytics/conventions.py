"""How each metric is computed, as the report states it."""

from __future__ import annotations

CONVENTIONS: dict[str, str] = {
    "cumulative_return": (
        "Time-weighted, net of fees: session returns chained, Π(1 + r) - 1. A session's return is "
        "(profit - fees) / (opening equity + net inflow): a net inflow counts from the session's "
        "start, a net outflow from its end."
    ),
    "money_weighted_return": (
        "Rate at which opening equity and all flows grow to closing equity (internal rate of "
        "return by calendar days, as XIRR), over the period. Flows stand where the time-weighted "
        "return has them: an inflow at the close before its session, an outflow at its session's. "
        "Undefined where no rate, or more than one, fits."
    ),
    "annualised_return": (
        "Compound rate by number of sessions: (1 + return)^(sessions in a year / sessions) - 1 "
        "(empyrical annual_return). Undefined for a period of fewer sessions than a year has."
    ),
    "volatility": (
        "Sample standard deviation (n - 1) of session returns x √(sessions in a year) "
        "(empyrical annual_volatility)."
    ),
    "sharpe_ratio": (
        "Mean of session returns less the session's risk-free rate, (1 + annual rate)^(1 / "
        "sessions in a year) - 1, over their sample standard deviation, x √(sessions in a year) "
        "(empyrical sharpe_ratio)."
    ),
    "sortino_ratio": (
        "As the Sharpe ratio, but over the downside deviation: root of the mean, over all "
        "sessions, of squared shortfalls below the risk-free rate (empyrical sortino_ratio). "
        "Undefined without a shortfall."
    ),
    "max_drawdown": (
        "Deepest fall of the chained session returns from their highest close so far, the start "
        "included (empyrical max_drawdown). Recovery is the first close at that high again."
    ),
    "win_rate": "Sessions that gained / sessions that gained or lost (quantstats win_rate).",
    "profit_factor": (
        "Σ of positive session returns / |Σ of negative ones| (quantstats profit_factor). "
        "Undefined without a loss."
    ),
    "turnover": (
        "Σ |notional| of fills / (2 x mean closing equity) over the period, not annualised: "
        "1 is the portfolio bought and sold once."
    ),
    "benchmark_return": (
        "Close to close over the same sessions, from the close before the first of them; since "
        "inception from the first session's close. As quoted: dividends only if the quotes "
        "hold them."
    ),
    "best_day": "Highest session return.",
    "worst_day": "Lowest session return.",
    "beta": (
        "Covariance of session returns with the benchmark's / variance of the benchmark's, over "
        "the sessions that have both (empyrical beta)."
    ),
    "alpha": (
        "Jensen's alpha: mean of (return - risk-free) - beta x (benchmark - risk-free) by session, "
        "compounded to a year (empyrical alpha). Undefined below a year, as all annualised returns."
    ),
    "tracking_error": (
        "Sample standard deviation of session returns less the benchmark's x √(sessions in a year)."
    ),
    "information_ratio": (
        "Mean of session returns less the benchmark's / their sample standard deviation, x "
        "√(sessions in a year): empyrical excess_sharpe, annualised (quantstats leaves it by "
        "session)."
    ),
    "up_capture": (
        "Geometric mean return in the sessions in which the benchmark gained / the benchmark's "
        "(empyrical up_capture by session: not annualised, which would magnify it)."
    ),
    "down_capture": "The same in the sessions in which the benchmark lost; less is better.",
}
"""Metric → how it is computed."""
