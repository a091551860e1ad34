"""A portfolio on raw prices through the whole daily cycle, on what really happened in August and
September 2020: Apple's 0.82 of August 7, its 4:1 split of August 31, and SPY's 1.34 of
September 18.

The expected numbers are computed here from the bars and actions alone.
"""

from __future__ import annotations

import csv
import datetime as dt
from decimal import Decimal
from pathlib import Path

import pytest

from assets_tests.golden.reference_market import Security
from trading_assets.analytics.pnl import daily_result
from trading_assets.brokers.simulated import SimulatedBroker
from trading_assets.calendar import TradingCalendar
from trading_assets.event_log.store import open_event_log
from trading_assets.execution.book import Book
from trading_assets.execution.session import (
    SessionInputs,
    SessionOutcome,
    SessionRunner,
    Surroundings,
)
from trading_assets.market_data.files import FilePriceSource, open_file_prices
from trading_assets.model.result import DailyResult
from trading_assets.model.target import Contribution, TargetPortfolio, TargetWeight
from trading_assets.reconciliation import reconcile
from trading_assets.settings import PortfolioSettings

FIRST, LAST = dt.date(2020, 8, 3), dt.date(2020, 9, 30)
WEIGHTS = {"AAPL": Decimal("0.4"), "SPY": Decimal("0.5")}
CASH = Decimal(1_000_000)


def settings_in(folder: Path) -> PortfolioSettings:
    """Bought on the first session, and never rebalanced: a position stays alone while it is off by
    less than 30 % of equity. A jump of more than a fifth would drop an order."""
    return PortfolioSettings.model_validate(
        {
            "id": "raw",
            "name": "Raw",
            "mode": "simulated",
            "initial_cash": CASH,
            "sessions": {"start": FIRST, "end": LAST},
            "prices": {"path": folder / "closes.csv"},
            "corporate_actions": {"path": folder / "actions.csv"},
            "signals": {"strategies": [{"id": "hold", "path": "hold.csv"}]},
            "combination": {"method": "select", "strategy": "hold"},
            "planning": {"fractional": False, "cash_buffer": 0, "no_trade_band": "0.3"},
            "limits": {"max_price_deviation": "0.2"},
            "report": {"title": "Raw"},
        }
    )


def write_market(folder: Path, market: dict[str, Security]) -> None:
    """The product's files: raw closes, and the actions as they were."""
    with (folder / "closes.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("session", "symbol", "close"))
        for symbol in WEIGHTS:
            for bar in market[symbol].between(dt.date(2020, 7, 1), LAST):
                writer.writerow((bar.session, symbol, bar.close))
    with (folder / "actions.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        dividend = ("amount_per_share", "currency")
        split = ("new_shares", "old_shares")
        writer.writerow(("ex_date", "symbol", "action", *dividend, *split))
        for symbol in WEIGHTS:
            for session, amounts in market[symbol].dividends.items():
                writer.writerow((session, symbol, "dividend", sum(amounts), "USD", "", ""))
            for session, ratio in market[symbol].splits.items():
                parts = (ratio.numerator, ratio.denominator)
                writer.writerow((session, symbol, "split", "", "", *parts))


def inputs_of(source: FilePriceSource, session: dt.date) -> SessionInputs:
    return SessionInputs(
        session=session,
        targets=TargetPortfolio(
            session=session,
            asof=dt.date(2020, 7, 31),
            strategy_id="hold",
            weights=tuple(
                TargetWeight(
                    asset_id=symbol,
                    symbol=symbol,
                    weight=weight,
                    contributions=(Contribution(strategy_id="hold", weight=weight),),
                )
                for symbol, weight in WEIGHTS.items()
            ),
        ),
        plan_prices=lambda symbols: source.before(session, symbols),
        closes=lambda symbols: source.at_close(session, symbols),
        benchmark=None,
        actions=source.actions.of(session),
    )


@pytest.fixture(scope="module")
def outcomes(
    market: dict[str, Security], tmp_path_factory: pytest.TempPathFactory
) -> list[SessionOutcome]:
    """Every session of the two months, run through the session runner."""
    folder = tmp_path_factory.mktemp("raw")
    write_market(folder, market)
    settings = settings_in(folder)
    calendar = TradingCalendar(settings.sessions)
    source = open_file_prices(settings, calendar.history)
    log = open_event_log(folder / "books", settings.id)
    broker = SimulatedBroker(
        folder / "broker.sqlite", "SIM", "USD", settings.simulation, settings.commission
    )
    book = Book(log, settings, keep=calendar.sessions)
    now = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    surroundings = Surroundings(now=lambda: now, halted=lambda: False, live_account=None)
    runner = SessionRunner(settings, calendar, book, broker, surroundings)
    found = [runner.run(inputs_of(source, session)) for session in calendar.sessions]
    log.close()
    broker.close()
    return found


def results_of(outcomes: list[SessionOutcome]) -> dict[dt.date, DailyResult]:
    results = {}
    for outcome in outcomes:
        closed = outcome.closed
        assert closed is not None, outcome.block_message
        results[outcome.session] = daily_result(closed.previous, closed.activity, closed.close)
    return results


def test_every_session_reconciles_to_nothing_unexplained(outcomes: list[SessionOutcome]) -> None:
    assert len(outcomes) == 42
    for outcome in outcomes:
        assert outcome.closed is not None, outcome.block_message
        report = reconcile(outcome.closed)
        assert report.unexplained == (), outcome.session
        assert report.book_cash == report.broker_cash
    assert all(result.identity_gap == 0 for result in results_of(outcomes).values())


def test_total_return_is_that_of_buying_and_holding(
    outcomes: list[SessionOutcome], market: dict[str, Security]
) -> None:
    # Whole shares at the close before the first session, paid at its own close.
    day_before, aapl, spy = dt.date(2020, 7, 31), market["AAPL"], market["SPY"]
    held = {
        symbol: CASH * weight // market[symbol].bar(day_before).close
        for symbol, weight in WEIGHTS.items()
    }
    cash = CASH - sum(held[symbol] * market[symbol].bar(FIRST).close for symbol in held)
    dividends = held["AAPL"] * Decimal("0.82") + held["SPY"] * Decimal("1.34")
    equity = (
        cash
        + held["AAPL"] * 4 * aapl.bar(LAST).close
        + held["SPY"] * spy.bar(LAST).close
        + dividends
    )
    result = results_of(outcomes)[LAST]
    assert result.closing_equity == equity
    growth = Decimal(1)
    for session, day in results_of(outcomes).items():
        assert day.daily_return is not None, session
        growth *= 1 + day.daily_return
    assert abs(growth - equity / CASH) < Decimal("1e-20")
    assert sum(day.dividends for day in results_of(outcomes).values()) == dividends


def test_the_split_is_planned_through_without_an_order(outcomes: list[SessionOutcome]) -> None:
    on_split = next(one for one in outcomes if one.session == dt.date(2020, 8, 31))
    assert on_split.plan is not None
    (line,) = (line for line in on_split.plan.lines if line.symbol == "AAPL")
    # 400,000 / 425.04 shares are 941, and a quarter of 499.23 each.
    assert (line.current_quantity, line.price) == (Decimal(941 * 4), Decimal("124.8075"))
    assert [len(one.closed.fills) for one in outcomes if one.closed] == [2] + [0] * 41
