"""The monthly PDF: what a reader finds on its pages, read back from the file."""

from __future__ import annotations

import datetime as dt
import io
import math
import re
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

import msgspec
import pytest
from pypdf import PdfReader

from trading_assets.analytics.round_trips import round_trip_summary
from trading_assets.errors import ReportError
from trading_assets.model.order import Side
from trading_assets.model.result import GapCause
from trading_assets.model.round_trip import RoundTrip
from trading_assets.reporting.evidence_sections import CAUSES
from trading_assets.reporting.monthly_content import (
    AccountLine,
    CorrectionLine,
    CostSummary,
    EquityStatement,
    InstrumentLine,
    KeyFigure,
    MonthlyContent,
    PerformanceRow,
    PositionLine,
    ProvenanceRow,
    ReconciliationSummary,
    Series,
    TradeLine,
    Unit,
)
from trading_assets.reporting.monthly_pdf import render_monthly_pdf

_ROOT = Path(__file__).resolve().parents[2]


class Changed(Protocol):
    def __call__(self, **parts: Any) -> MonthlyContent: ...


@pytest.fixture
def changed(month: MonthlyContent) -> Changed:
    """Makes the sample month with some parts replaced."""

    def make(**parts: Any) -> MonthlyContent:
        return msgspec.structs.replace(month, **parts)

    return make


def empty_content() -> MonthlyContent:
    """A portfolio of which nothing is known yet but its settings."""
    return MonthlyContent(
        portfolio_id="new_one",
        portfolio_name="A New Portfolio",
        month=dt.date(2024, 3, 1),
        as_of=None,
        title="Monthly report",
        manager="",
        currency="USD",
        mode="simulated",
        prepared_from="",
        book_head_hash="",
        book_head_sequence=0,
    )


def pages_of(content: MonthlyContent) -> list[str]:
    reader = PdfReader(io.BytesIO(render_monthly_pdf(content)))
    return [page.extract_text() for page in reader.pages]


def text_of(content: MonthlyContent) -> str:
    return " ".join(" ".join(pages_of(content)).split())


def test_key_figures_carry_separators_signs_and_fixed_decimals(month: MonthlyContent) -> None:
    """Money with thousands separators, returns with their sign, a loss with a minus."""
    text = text_of(month)
    for shown in ("1,204,331.87", "+2.13%", "+6.71%", "14.02%", "\u221211.57%"):
        assert shown in text


def test_performance_shows_portfolio_and_benchmark_and_undefined_as_not_available(
    month: MonthlyContent,
) -> None:
    """A Sharpe ratio that is None is n/a; turnover has a dash for the benchmark."""
    text = text_of(month)
    assert "Volatility, annualised 9.12% 8.55% 10.34% 9.90%" in text
    assert "Sharpe ratio n/a n/a n/a n/a 2.41 3.95 1.17 1.63" in text
    assert "Turnover 14.32% \u2013 44.10% \u2013" in text


def test_figures_against_the_benchmark_stand_by_period(
    month: MonthlyContent, changed: Changed
) -> None:
    """An alpha below a year is n/a; without a benchmark there is no such section."""
    text = text_of(month)
    assert "Beta 0.91 0.95 0.95 1.02" in text
    assert "Alpha, annualised n/a n/a n/a +1.13%" in text
    assert "Against the benchmark" not in text_of(changed(benchmark_name=None))


def test_a_drawdown_says_when_it_began_was_deepest_and_was_recovered(month: MonthlyContent) -> None:
    text = text_of(month)
    assert "Month \u22121.45% 2024-03-07 2024-03-12 2024-03-20" in text
    assert "Quarter to date \u22122.31% start 2024-01-05 not yet" in text
    assert "Year to date 0.00% \u2013 \u2013 \u2013" in text
    assert "Since inception n/a \u2013 \u2013 \u2013" in text


def test_slippage_against_each_intended_price_and_undefined_where_nobody_intended_one(
    month: MonthlyContent, changed: Changed
) -> None:
    text = text_of(month)
    assert "Decision price All 0 60 n/a n/a n/a n/a 60.00 0" in text
    assert "Plan price Buys 34 2 +4.2 \u22121.5 12.0 +143.17 34.00 0" in text
    assert "Outliers: beyond 50 bps, either way." in text_of(changed(outlier_bps=Decimal(50)))
    assert "No trade of this month has an intended price." in text_of(changed(slippage=()))


def test_instruments_stand_with_what_they_earned_and_add_up_to_the_statement(
    changed: Changed,
) -> None:
    """Interest belongs to none of them; beyond the largest 40 the others are one line."""
    statement = EquityStatement(
        opening_equity=Decimal(1000),
        flows=Decimal(0),
        pnl=Decimal("40.50"),
        fees=Decimal(1),
        closing_equity=Decimal("1039.50"),
        interest=Decimal("0.50"),
    )
    lines = tuple(
        InstrumentLine(symbol=f"S{number:02}", pnl=Decimal(amount), dividends=Decimal(1))
        for number, amount in enumerate(["60", *["1"] * 38, "-70", *["0.50"] * 24])
    )
    text = text_of(changed(statement=statement, instruments=lines))
    assert "S00 \u2013 +60.00 0.00 +1.00 0.00" in text
    assert "S39 \u2013 \u221270.00" in text
    assert "24 others +12.00 0.00 +24.00 0.00" in text
    assert "Interest +0.50 Total +40.50 0.00 +64.00 0.00" in text
    assert "Profit and loss by instrument" not in text_of(changed(instruments=()))


def test_why_trades_have_no_arrival_price_is_told_and_counted(
    month: MonthlyContent, changed: Changed
) -> None:
    assert "Trades without an arrival price" not in text_of(month)
    reasons = ["it was placed by hand"] * 3 + ["delayed", "old", "wide", "down", "silent"]
    trades = tuple(
        msgspec.structs.replace(
            trade, arrival_unknown=reasons[place] if place < len(reasons) else ""
        )
        for place, trade in enumerate(month.trades)
    )
    told = "Trades without an arrival price: it was placed by hand (3); delayed (1); old (1); "
    assert f"{told}wide (1); others (2)." in text_of(changed(trades=trades))


def test_annotations_stand_with_when_they_were_written(
    month: MonthlyContent, changed: Changed
) -> None:
    """What was written after the fill is called hindsight; what is missing is said."""
    text = text_of(month)
    assert "2 of 60 trades are annotated." in text
    assert "Trades annotated: 2 of 60." in text.partition("Growth of 100")[0]
    # The order of the first note went on into another session.
    noted = next(trade for trade in month.trades if trade.number == 1)
    longer = text_of(changed(trades=(*month.trades, noted)))
    assert "3 of 61 trades are annotated." in longer
    assert "[1] 2024-03-04 buy 12 KO at 60.12 Before the trade recorded 2024-03-04 13:05" in text
    assert "Thesis Staples are cheap. Exit plan Sell above 70." in text
    assert "recorded 2024-03-06 08:00, after the first fill: in hindsight" in text
    assert "Thesis Oil has <peaked>." in text
    assert "After the trade Nothing was written." in text
    assert "No trade of this month was annotated." in text_of(changed(annotations=()))


def test_every_cause_of_a_difference_is_explained_to_the_reader(month: MonthlyContent) -> None:
    assert set(CAUSES) == set(GapCause)
    assert "Rounding 41 \u221212.33 Whole shares, or the decimals that an order may" in text_of(
        month
    )


def test_corrections_by_people_stand_with_their_reasons(
    month: MonthlyContent, changed: Changed
) -> None:
    """Shares that came at 20.5, and a close that was let stand."""
    assert "Corrections by people" not in text_of(month)
    shares = CorrectionLine(
        session=dt.date(2024, 3, 7),
        symbol="KO",
        quantity=Decimal(10),
        price=Decimal("20.5"),
        cash=Decimal("-3.20"),
        currency="USD",
        reason="Transferred from another broker",
    )
    stands = msgspec.structs.replace(
        shares, symbol="", quantity=Decimal(0), cash=Decimal(0), reason="A late fee"
    )
    text = text_of(changed(corrections=(shares, stands)))
    assert "2024-03-07 KO +10 20.5000 \u22123.20 USD Transferred from another broker" in text
    assert "2024-03-07 \u2013 \u2013 \u2013 \u2013 A late fee" in text


def test_round_trips_are_listed_and_summed(month: MonthlyContent) -> None:
    """+10, -20, +30, -40, +50 on entries of 1,000: 90 gained, 60 lost, three of five won."""
    text = text_of(month)
    assert "AAPL Long 10 2024-02-01 100.00 2024-03-01 101.00 29 +1.00% +10.00" in text
    assert "3 gained 90.00, 2 lost 60.00: win rate 60.00%, profit factor 1.50" in text
    assert "5 in all +30.00" in text


def test_of_many_round_trips_the_largest_are_shown_and_the_rest_is_summed(
    changed: Changed, round_trips_of: Callable[[int], tuple[RoundTrip, ...]]
) -> None:
    """102 of them: the two smallest are +10 and -20."""
    trips = round_trips_of(102)
    text = text_of(changed(round_trips=trips, round_trip_summary=round_trip_summary(trips)))
    assert "2 others \u221210.00" in text
    assert "102 in all \u2212510.00" in text


def test_a_month_that_closed_nothing_and_has_no_commentary_says_so() -> None:
    text = text_of(empty_content())
    assert "No position was closed or reduced this month." in text
    assert "No commentary was written for this month." in text


def test_the_commentary_is_printed_as_it_was_written(month: MonthlyContent) -> None:
    """Markup in it is shown, not obeyed."""
    text = text_of(month)
    assert "Markets rose. We kept our <b>weights</b>." in text


def test_income_and_corporate_actions_are_shown_where_there_are_any(
    month: MonthlyContent, changed: Changed
) -> None:
    """By session, what is charged daily as one sum; the statement says what part of it is income,
    the positions what is owed."""
    assert "Income and corporate actions" not in text_of(month)
    assert month.statement is not None
    assert month.costs is not None
    assert month.equity is not None
    lines = (
        AccountLine(
            session=dt.date(2024, 3, 7), symbol="KO", kind="Dividend", amount=Decimal("48.50")
        ),
        AccountLine(
            session=dt.date(2024, 3, 11),
            symbol="WMT",
            kind="Corporate action",
            quantity=Decimal(-1200),
        ),
        AccountLine(session=None, symbol="", kind="Interest", amount=Decimal("-3.25")),
    )
    text = text_of(
        changed(
            account_lines=lines,
            accruals=Decimal("48.50"),
            equity=month.equity + Decimal("48.50"),
            statement=msgspec.structs.replace(
                month.statement, dividends=Decimal("48.50"), interest=Decimal("-3.25")
            ),
            costs=msgspec.structs.replace(month.costs, borrow_fees=Decimal("1.75")),
        )
    )
    for shown in (
        "2024-03-07 KO Dividend +48.50",
        "2024-03-11 WMT Corporate action \u22121,200",
        "Month Interest \u22123.25",
        "Net +45.25",
        "of which dividends +48.50",
        "of which interest \u22123.25",
        "Borrow fees 1.75",
        "Accrued 48.50",
    ):
        assert shown in text, shown
    assert "Taxes 0.00" not in text


def test_nan_is_shown_as_not_available(changed: Changed) -> None:
    """NaN from a statistic is undefined, not a number."""
    row = PerformanceRow(label="Sortino", unit=Unit.RATIO, portfolio=(math.nan, None, 1.0, 0.0))
    text = text_of(changed(performance_rows=(row,), benchmark_name=None))
    assert "Sortino n/a n/a 1.00 0.00" in text


def test_without_a_benchmark_there_is_no_benchmark_column(
    month: MonthlyContent, changed: Changed
) -> None:
    """The word is only in the sentence that says that none is set."""
    content = month
    bare = changed(
        benchmark_name=None,
        key_figures=(),
        notes=(),
        equity_series=msgspec.structs.replace(content.equity_series, benchmark=None),
        drawdown_series=msgspec.structs.replace(content.drawdown_series, benchmark=None),
    )
    text = text_of(bare)
    assert "No benchmark is set." in text
    assert "Benchmark" not in text
    assert "Return +2.13% +6.71% +6.71% +18.90%" in text


def test_without_a_benchmark_name_its_line_is_not_drawn(
    month: MonthlyContent, changed: Changed
) -> None:
    """The page is the same whether the series has benchmark values or not."""
    bare = changed(
        benchmark_name=None,
        equity_series=msgspec.structs.replace(month.equity_series, benchmark=None),
        drawdown_series=msgspec.structs.replace(month.drawdown_series, benchmark=None),
    )
    assert render_monthly_pdf(changed(benchmark_name=None)) == render_monthly_pdf(bare)


def test_every_empty_section_says_so() -> None:
    """Nothing is left blank, nothing is shown as zero."""
    text = text_of(empty_content())
    for sentence in (
        "The month has not been reconciled.",
        "No performance has been computed for this month.",
        "There is no closed session to draw.",
        "No month of returns is on record.",
        "No session of this month is closed.",
        "No costs are on record for this month.",
        "No deposits or withdrawals this month.",
        "No positions are held.",
        "There were no trades this month.",
        "No reconciliation is on record for this month.",
        "There are no notes on this month.",
        "No conventions are on record.",
        "Book head n/a",
    ):
        assert sentence in text
    assert "0.00" not in text


def test_same_content_gives_same_bytes(month: MonthlyContent) -> None:
    """No clock, no random identifier."""
    assert render_monthly_pdf(month) == render_monthly_pdf(month)


def test_another_process_gives_the_same_bytes() -> None:
    """Nor anything that the process remembers, such as hash seeds or fonts used before."""
    script = (
        "import hashlib;"
        "import runpy;"
        "sample = runpy.run_path('assets_tests/reporting/conftest.py')['sample_content'];"
        "from trading_assets.reporting.monthly_pdf import render_monthly_pdf;"
        "print(hashlib.sha256(render_monthly_pdf(sample())).hexdigest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", script],
            check=True,
            capture_output=True,
            text=True,
            cwd=_ROOT,
            env={"PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1


def test_other_content_gives_other_bytes(month: MonthlyContent, changed: Changed) -> None:
    """One cent is enough."""
    other = changed(cash=Decimal("24086.65"))
    assert render_monthly_pdf(other) != render_monthly_pdf(month)


def test_markup_in_names_is_shown_literally(
    changed: Changed, positions_of: Callable[[int], tuple[PositionLine, ...]]
) -> None:
    """What looks like markup to the layout engine comes out as it went in."""
    nasty = '<b>&amp; "Rates" <font color="red">x</font> <img src="file:///x"/>'
    lines = positions_of(1)
    content = changed(
        portfolio_name=nasty,
        title=nasty,
        manager="<para>",
        notes=("a < b && c > d", nasty),
        positions=(msgspec.structs.replace(lines[0], name=nasty),),
        provenance=(ProvenanceRow(label="<i>", value="</para>&"),),
    )
    text = text_of(content)
    assert "a < b && c > d" in text
    assert "<b>&amp;" in text
    assert "</para>&" in text


def test_control_characters_do_not_break_the_page(changed: Changed) -> None:
    """A name out of a broken file still gives a report."""
    assert "AB C" in text_of(changed(portfolio_name="A\x00B\nC"))


def test_pages_are_numbered_and_carry_portfolio_month_head_and_mode(month: MonthlyContent) -> None:
    """Every page can be told apart when it lies alone on a desk."""
    pages = pages_of(month)
    assert len(pages) == 6
    for number, page in enumerate(pages, 1):
        assert f"Page {number} of {len(pages)}" in page
        assert "Core Blend of Four Strategies" in page
        assert "March 2024" in page
        assert f"Book head {month.book_head_hash[:12]}" in page
        assert "Simulated: hypothetical performance" in page


def test_trades_over_several_pages_repeat_their_heading(
    changed: Changed, trades_of: Callable[[int], tuple[TradeLine, ...]]
) -> None:
    """180 trades: all of them are there, and each page names the columns."""
    pages = pages_of(changed(trades=trades_of(180)))
    with_trades = [page for page in pages if re.search(r" Buy \d", page.replace("\n", " "))]
    assert len(with_trades) >= 4
    assert all("Commission" in page and "Notional" in page for page in with_trades)
    listed = " ".join(pages).replace("\n", " ")
    assert len(re.findall(r" (?:Buy|Sell) \d", listed)) == 180


def test_more_than_200_trades_are_counted_and_summed_not_dropped(changed: Changed) -> None:
    """The ten smallest of 210 are one line; the total covers all."""
    many = tuple(
        TradeLine(
            session=dt.date(2024, 3, 5),
            symbol="AAPL",
            side=Side.BUY if at % 3 else Side.SELL,
            quantity=Decimal(at),
            price=Decimal(10),
            notional=Decimal(10 * at),
            commission=Decimal("1.00"),
            plan_bps=1.0,
        )
        for at in range(1, 211)
    )
    text = text_of(changed(trades=many))
    assert "The largest 200 of 210 trades by notional" in text
    # 10 + 20 + ... + 100 = 550; 10 + ... + 2100 = 10 * 210 * 211 / 2 = 221,550.
    assert "10 others 7 buys, 3 sells 550.00 10.00" in text
    assert "Total 140 buys, 70 sells 221,550.00 210.00" in text


def test_five_hundred_positions_are_all_listed(
    changed: Changed, positions_of: Callable[[int], tuple[PositionLine, ...]]
) -> None:
    """Long tables are not summarised where each line is an asset of the owner."""
    pages = pages_of(changed(positions=positions_of(500)))
    text = " ".join(" ".join(pages).split())
    assert all(f"SYM{at} " in text for at in range(20, 500))
    totals = next(page for page in pages if "500 positions" in page)
    assert "Cash" in totals
    assert "1,204,331.87" in totals


def test_what_is_neither_position_nor_cash_is_a_line_of_its_own(
    changed: Changed, positions_of: Callable[[int], tuple[PositionLine, ...]]
) -> None:
    """Positions, cash and other add up to equity on the page."""
    content = changed(positions=(), cash=Decimal(100), equity=Decimal(150))
    assert "Cash: USD 100.00" in text_of(content)
    lines = positions_of(1)
    value = lines[0].position.market_value
    text = text_of(changed(positions=lines, cash=Decimal(100), equity=value + Decimal("107.25")))
    assert "Other 7.25" in text


def test_breaks_and_missing_sessions_stand_on_the_first_page(changed: Changed) -> None:
    """A reader who looks only at page one still learns of them."""
    broken = ReconciliationSummary(
        sessions_expected=20,
        sessions_closed=19,
        breaks=2,
        missing_sessions=(dt.date(2024, 3, 12),),
    )
    pages = pages_of(changed(reconciliation=broken))
    assert "Sessions closed: 19 of 20." in pages[0]
    assert "Reconciliation breaks: 2." in pages[0]
    rest = " ".join(" ".join(pages).split())
    assert "Not closed: 2024-03-12." in rest
    assert "Unexplained breaks: 2." in rest
    assert "unexplained: 0" not in rest


def test_statement_that_does_not_add_up_says_by_how_much(
    month: MonthlyContent, changed: Changed
) -> None:
    """The identity is checked where it is printed."""
    found = month.statement
    assert found is not None
    off = msgspec.structs.replace(found, pnl=found.pnl - Decimal("3.25"))
    assert "does not add up: +3.25 is unexplained" in text_of(changed(statement=off))
    assert "does not add up" not in text_of(month)


def test_the_month_by_strategy_adds_up_to_the_statement(
    month: MonthlyContent, changed: Changed
) -> None:
    """A line for each strategy, what is unattributed among them, and the account below."""
    text = text_of(month)
    assert "momentum 600,000.00 +12,500.00 +20,110.02 \u221260.20 632,549.82" in text
    assert "Unattributed 54,310.55 0.00 +10.00 0.00 54,320.55" in text
    assert "Account 1,154,310.55 +25,000.00 +25,110.02 \u221288.70 1,204,331.87" in text
    assert "Unattributed is what no strategy asked for" in text
    assert "do not add up" not in text
    fewer = text_of(changed(strategies=month.strategies[:2]))
    assert "The strategies do not add up to the statement of the month." in fewer
    assert "Unattributed" not in fewer


def test_unknown_shortfall_is_left_out_of_the_total_by_name(changed: Changed) -> None:
    """Unknown is n/a, and the total says what it lacks."""
    costs = CostSummary(
        traded=Decimal(1000), commissions=Decimal(2), other_fees=Decimal(1), shortfall=None
    )
    text = text_of(changed(costs=costs))
    assert "Implementation shortfall n/a" in text
    assert "Total without shortfall (30.0 bps of traded) 3.00" in text


def test_provenance_shows_whole_hashes(month: MonthlyContent, changed: Changed) -> None:
    """A hash is worth nothing when it is cut; wrapping may put a space in."""
    text = text_of(changed(provenance=(ProvenanceRow(label="Digest", value="ab12" * 60),)))
    assert "ab12" * 60 in text.replace(" ", "")
    assert month.book_head_hash in text


def test_a_single_session_renders(changed: Changed) -> None:
    """One point is a dot, not a line."""
    day = (dt.date(2024, 3, 28),)
    content = changed(
        equity_series=Series(sessions=day, portfolio=(100.0,), benchmark=(100.0,)),
        drawdown_series=Series(sessions=day, portfolio=(0.0,), benchmark=(None,)),
    )
    assert "28 Mar" in text_of(content)


def test_series_with_gaps_and_negative_equity_renders(changed: Changed) -> None:
    """An index below zero and undefined values are drawn or left out, not refused."""
    days = tuple(dt.date(2024, 3, day) for day in (25, 26, 27, 28))
    content = changed(
        equity_series=Series(sessions=days, portfolio=(100.0, None, -20.0, math.nan)),
        drawdown_series=Series(sessions=days, portfolio=(0.0, None, -1.2, None)),
        equity=Decimal("-20000.00"),
    )
    assert "\u221220,000.00" in text_of(content)


def test_very_long_names_and_amounts_render(changed: Changed) -> None:
    """Names wrap or are shortened in the page's head; figures are never cut."""
    content = changed(
        portfolio_name="Extraordinarily Long Portfolio Name " * 12,
        title="A Title of Many Words " * 10,
        benchmark_name="B" * 300,
        key_figures=(
            KeyFigure(label="Equity", value=Decimal("-98765432109876.54"), unit=Unit.MONEY),
        )
        * 7,
        notes=("x" * 5000,),
    )
    text = text_of(content)
    assert "\u221298,765,432,109,876.54" in text
    assert text.count("B") >= 300


def test_metadata_outline_and_size(month: MonthlyContent) -> None:
    """A file manager shows what it is; the outline leads to every section."""
    data = render_monthly_pdf(month)
    assert len(data) < 1_000_000
    reader = PdfReader(io.BytesIO(data))
    found = reader.metadata
    assert found is not None
    assert found.title == "Monthly report: Core Blend of Four Strategies, March 2024"
    assert found.author == "Example Asset Management"
    assert month.book_head_hash in (found.subject or "")
    titles = [entry.title for entry in reader.outline if not isinstance(entry, list)]
    assert titles == [
        "Performance against the benchmark",
        "Growth of 100",
        "Drawdown from the last peak",
        "Returns by month",
        "Commentary",
        "Against the benchmark",
        "Maximum drawdown and recovery",
        "Statement of the month",
        "By strategy",
        "Deposits and withdrawals",
        "Positions at 2024-03-28",
        "Trades",
        "Slippage",
        "Annotations of trades",
        "Round trips closed",
        "Reconciliation",
        "Notes on the data",
        "Definitions",
        "Appendix: provenance",
    ]


def test_all_text_is_set_in_embedded_fonts(month: MonthlyContent) -> None:
    """The page looks the same on any machine, and may be archived."""
    used: dict[str, Any] = {}

    def visit(text: str, _cm: Any, _tm: Any, font: Any, _size: float) -> None:
        if text.strip() and font is not None:
            used[font["/BaseFont"]] = font

    for page in PdfReader(io.BytesIO(render_monthly_pdf(month))).pages:
        page.extract_text(visitor_text=visit)
    assert len(used) == 3
    for font in used.values():
        assert "/FontFile2" in font["/FontDescriptor"].get_object()


def test_rows_of_the_wrong_length_are_refused(changed: Changed) -> None:
    """A value under the wrong column is worse than no report."""
    row = PerformanceRow(label="Return", unit=Unit.PERCENT, portfolio=(0.1,))
    with pytest.raises(ReportError, match="'Return': 1 values, expected 4"):
        changed(performance_rows=(row,))
    with pytest.raises(ReportError, match="equity_series: 1 values, expected 0"):
        changed(equity_series=Series(portfolio=(1.0,)))
