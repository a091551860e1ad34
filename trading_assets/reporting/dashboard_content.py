"""What the dashboard shows of one portfolio: already computed, the page lays it out."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from decimal import Decimal

import msgspec

from trading_assets.analytics.pnl import position_values
from trading_assets.analytics.returns import compound, drawdown_series, portfolio_returns
from trading_assets.analytics.slippage import SlippageStatistics
from trading_assets.ledger.annotations import TradeAnnotations
from trading_assets.ledger.history import ClosedSession
from trading_assets.model.events import EventRecord
from trading_assets.model.money import ZERO
from trading_assets.model.plan import OrderPlan
from trading_assets.model.result import (
    DailyResult,
    GapCause,
    PositionValue,
    ReconciliationReport,
)
from trading_assets.reconciliation import reconcile
from trading_assets.reporting.monthly_content import AnnotationLine, Series
from trading_assets.reporting.performance_content import drawdowns, equity_series
from trading_assets.reporting.slippage_rows import booked_slippage
from trading_assets.reporting.trade_content import annotation_lines, slippage_lines
from trading_assets.settings import Mode, PortfolioSettings


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """The plan of the next session, or why there is none. `recorded` is True for a plan that is in
    the book, False for what would be planned now; weights are fractions of `plan.equity`."""

    plan: OrderPlan | None = None
    recorded: bool = False
    note: str = ""


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the machinery keeps up. `sessions_due` are those that have ended since the last one
    that is closed; `broker_seen_at` is when the broker's last statement was recorded (UTC), None
    before the first."""

    halted: bool
    closed_through: dt.date | None
    sessions_due: int
    broker_seen_at: dt.datetime | None
    records: int
    head: str


class Returns(msgspec.Struct, frozen=True, kw_only=True):
    """Time-weighted returns as fractions; None is undefined."""

    session: float | None
    month: float | None
    year: float | None
    inception: float | None
    drawdown: float | None


class DashboardContent(msgspec.Struct, frozen=True, kw_only=True):
    """One portfolio at `made_at` (UTC).

    Everything of the last closed session is None or empty before the first; `missing_sessions`
    closed sessions have no table of results, and are missing in returns and charts.
    `month_slippage` and `annotations` are of the trades of that session's month.
    """

    portfolio_id: str
    portfolio_name: str
    currency: str
    mode: str
    benchmark_name: str | None
    made_at: dt.datetime
    health: Health
    proposal: Proposal
    returns: Returns
    equity_series: Series = Series()
    drawdown_series: Series = Series()
    missing_sessions: int = 0
    equity: Decimal | None = None
    cash: Decimal | None = None
    accruals: Decimal = ZERO
    positions: tuple[PositionValue, ...] = ()
    reconciliation: ReconciliationReport | None = None
    month_slippage: tuple[SlippageStatistics, ...] = ()
    trades: int = 0
    annotations: tuple[AnnotationLine, ...] = ()

    @property
    def breaks(self) -> int:
        """Unexplained findings of the last reconciliation."""
        found = self.reconciliation
        return 0 if found is None else len(found.unexplained)

    @property
    def gaps_by_cause(self) -> dict[GapCause, int]:
        """How many explained parts each cause has in the last reconciliation."""
        counts: dict[GapCause, int] = {}
        for gap in self.reconciliation.gaps if self.reconciliation else ():
            counts[gap.cause] = counts.get(gap.cause, 0) + 1
        return dict(sorted(counts.items()))


class DashboardFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a dashboard is made from: `results` of all closed sessions that have a table, ascending;
    `month` the closed sessions of the last one's month, whole; `close` the record of the last
    close."""

    made_at: dt.datetime
    results: tuple[DailyResult, ...]
    missing_sessions: int
    month: tuple[ClosedSession, ...]
    close: EventRecord | None
    annotations: Mapping[str, TradeAnnotations]
    health: Health
    proposal: Proposal


def dashboard_content(settings: PortfolioSettings, facts: DashboardFacts) -> DashboardContent:
    """Everything that the page shows of a portfolio."""
    last = facts.month[-1] if facts.month else None
    slippage = [
        trade for one in facts.month for trade in booked_slippage(one, settings, facts.annotations)
    ]
    content = DashboardContent(
        portfolio_id=settings.id,
        portfolio_name=settings.name,
        currency=settings.currency,
        mode=settings.mode.value,
        benchmark_name=settings.prices.benchmark_label,
        made_at=facts.made_at,
        health=facts.health,
        proposal=facts.proposal,
        returns=_returns(facts.results),
        equity_series=equity_series(facts.results),
        drawdown_series=drawdowns(facts.results),
        missing_sessions=facts.missing_sessions,
    )
    if last is None:
        return content
    values = position_values(last.close, last.cost_bases)
    return msgspec.structs.replace(
        content,
        equity=last.close.equity,
        cash=last.close.cash,
        accruals=last.close.accruals,
        positions=tuple(sorted(values, key=lambda one: (-abs(one.market_value), one.symbol))),
        reconciliation=reconcile(last, sent=settings.mode is not Mode.DRY),
        month_slippage=slippage_lines(
            slippage, settings.judged_price, settings.slippage.outlier_bps
        ),
        trades=len(slippage),
        annotations=annotation_lines(slippage, facts.annotations, facts.month),
    )


def _returns(results: Sequence[DailyResult]) -> Returns:
    if not results:
        return Returns(session=None, month=None, year=None, inception=None, drawdown=None)
    returns = portfolio_returns(results)
    last = returns[-1].session
    month = last.replace(day=1)
    return Returns(
        session=returns[-1].value,
        month=compound([one for one in returns if one.session >= month]),
        year=compound([one for one in returns if one.session.year == last.year]),
        inception=compound(returns),
        drawdown=drawdown_series(returns)[-1].value,
    )
