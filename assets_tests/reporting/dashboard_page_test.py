"""The dashboard's page: what it says, and that nothing on it loads, runs or leaves."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import re
from decimal import Decimal

import msgspec
import pytest

from trading_assets.model.result import Gap, GapCause, PositionValue, ReconciliationReport
from trading_assets.reporting.dashboard_content import (
    DashboardContent,
    Health,
    Proposal,
    Returns,
)
from trading_assets.reporting.dashboard_page import dashboard_page
from trading_assets.reporting.monthly_content import AnnotationLine, Series

NOW = dt.datetime(2024, 3, 8, 21, 30, tzinfo=dt.UTC)
FRIDAY = dt.date(2024, 3, 8)


@pytest.fixture
def content() -> DashboardContent:
    """A portfolio at the end of a week."""
    gap = Gap(
        view="planned_vs_filled",
        symbol="KO",
        cause=GapCause.ROUNDING,
        quantity=Decimal(1),
        amount=Decimal(60),
        weight=Decimal(0),
    )
    return DashboardContent(
        portfolio_id="sectors",
        portfolio_name="Sector Momentum",
        currency="GBP",
        mode="live",
        benchmark_name=None,
        made_at=NOW,
        health=Health(
            halted=False,
            closed_through=FRIDAY,
            sessions_due=0,
            broker_seen_at=NOW,
            records=1234,
            head="ab" * 32,
        ),
        proposal=Proposal(note="2024-03-11 cannot be planned now: no close."),
        returns=Returns(session=0.0123, month=-0.02, year=None, inception=0.5, drawdown=-0.1),
        equity_series=Series(sessions=(FRIDAY,), portfolio=(101.0,)),
        drawdown_series=Series(sessions=(FRIDAY,), portfolio=(-0.1,)),
        equity=Decimal("1234567.80"),
        cash=Decimal("1000.00"),
        positions=(
            PositionValue(
                symbol="KO",
                quantity=Decimal("1200.50"),
                average_cost=Decimal("50"),
                cost_basis=Decimal("60025.00"),
                mark=Decimal("60.10"),
                mark_session=FRIDAY,
                market_value=Decimal("72150.05"),
                unrealized_pnl=Decimal("12125.05"),
                weight=Decimal("0.0584"),
            ),
        ),
        reconciliation=ReconciliationReport(
            session=FRIDAY,
            rows=(),
            gaps=(gap,),
            book_cash=Decimal("1000.00"),
            broker_cash=Decimal("1000.00"),
        ),
        trades=3,
    )


def words(page: str) -> str:
    """The page as read: tags gone, white space single."""
    visible = re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]*>", " ", visible).split())


def test_figures_stand_with_their_signs_and_undefined_ones_as_such(
    content: DashboardContent,
) -> None:
    text = words(dashboard_page([content]))
    assert "Equity, GBP 1,234,567.80" in text
    assert "Session +1.23% Month \u22122.00% Year n/a Since inception +50.00%" in text
    assert "KO 1,200.5 60.10 72,150.05 5.84% +12,125.05" in text
    assert "Live account" in text
    assert "Last session closed 2024-03-08 Sessions due since none" in text
    assert "Unexplained 0 (every difference is explained)" in text
    assert "Rounding 1" in text
    assert "2024-03-11 cannot be planned now: no close." in text
    assert "None of 3 trades is annotated." in text


def test_what_needs_a_person_stands_at_the_top(content: DashboardContent) -> None:
    assert 'role="alert"' not in dashboard_page([content])
    found = content.reconciliation
    assert found is not None
    gap = msgspec.structs.replace(found.gaps[0], cause=GapCause.UNEXPLAINED)
    troubled = msgspec.structs.replace(
        content,
        health=msgspec.structs.replace(content.health, halted=True),
        reconciliation=msgspec.structs.replace(found, gaps=(gap,)),
        missing_sessions=2,
    )
    text = words(dashboard_page([troubled]))
    assert "Trading is halted: no order is sent for any portfolio." in text
    assert "1 unexplained differences at the last close." in text
    assert "2 closed sessions have no table of results" in text


def test_a_portfolio_without_a_session_says_so_everywhere() -> None:
    empty = DashboardContent(
        portfolio_id="new",
        portfolio_name="New",
        currency="USD",
        mode="simulated",
        benchmark_name=None,
        made_at=NOW,
        health=Health(
            halted=False,
            closed_through=None,
            sessions_due=3,
            broker_seen_at=None,
            records=0,
            head="0" * 64,
        ),
        proposal=Proposal(note="Nothing yet."),
        returns=Returns(session=None, month=None, year=None, inception=None, drawdown=None),
    )
    text = words(dashboard_page([empty]))
    for said in (
        "Equity, USD n/a",
        "No closed session to draw.",
        "Last session closed none yet Sessions due since 3 Broker last seen never",
        "No session is closed yet.",
        "No positions are held.",
        "Slippage of the month There were no trades this month.",
        "trades There were no trades this month.",
    ):
        assert said in text


def test_words_of_people_are_shown_and_never_obeyed(content: DashboardContent) -> None:
    evil = "<script>alert(1)</script><img src=x onerror=alert(2)>"
    line = AnnotationLine(number=1, trade=evil, before=(("Thesis", evil),), in_hindsight=True)
    page = dashboard_page(
        [
            msgspec.structs.replace(
                content,
                portfolio_name=evil,
                benchmark_name=evil,
                annotations=(line,),
                proposal=Proposal(note=evil),
            ),
            evil,
        ]
    )
    assert "<script" not in page
    assert "onerror=alert(2)>" not in page.replace("onerror=alert(2)&gt;", "")
    assert "in hindsight" in page


def test_the_page_loads_nothing_and_its_policy_knows_its_style_alone(
    content: DashboardContent,
) -> None:
    page = dashboard_page([content, content])
    assert re.findall(r'(?:src|href)="(?!data:|#)', page) == []
    assert "url(" not in page
    assert "@import" not in page
    found = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
    assert found is not None
    digest = base64.b64encode(hashlib.sha256(found[1].encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:;" in page
    assert not re.search(r'\sstyle="', page)


def test_several_portfolios_are_linked_at_the_top(content: DashboardContent) -> None:
    other = msgspec.structs.replace(content, portfolio_id="b", portfolio_name="B")
    page = dashboard_page([content, other])
    assert '<a href="#sectors">Sector Momentum</a><a href="#b">B</a>' in page
    assert "<nav>" not in dashboard_page([content])
