"""Strategies that want opposite things, through the session runner, book and simulated broker."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path

from assets_tests.execution.small_portfolio import (
    BEFORE,
    MONDAY,
    TUESDAY,
    Desk,
    portfolio_settings,
    snapshot,
)
from trading_assets.analytics.strategy_pnl import books_against_account, strategy_session
from trading_assets.execution.session import SessionInputs
from trading_assets.model.result import StrategyResult
from trading_assets.model.target import Contribution, TargetPortfolio, TargetWeight


def inputs(session: dt.date, long: str, short: str, plan: str, close: str) -> SessionInputs:
    """`long` wants a weight of AAA above 0, `short` one below."""
    parts = (
        Contribution(strategy_id="long", weight=Decimal(long)),
        Contribution(strategy_id="short", weight=Decimal(short)),
    )
    target = TargetWeight(
        asset_id="AAA",
        symbol="AAA",
        weight=Decimal(long) + Decimal(short),
        contributions=parts,
    )
    targets = TargetPortfolio(
        session=session, asof=BEFORE, strategy_id="long+short", weights=(target,)
    )
    return SessionInputs(
        session=session,
        targets=targets,
        plan_prices=lambda symbols: snapshot(session, {"AAA": plan}, symbols),
        closes=lambda symbols: snapshot(session, {"AAA": close}, symbols),
        benchmark=None,
    )


class Books:
    """A desk of the two strategies, half of the equity each."""

    def __init__(self, folder: Path) -> None:
        strategies = [{"id": name, "path": f"{name}.csv"} for name in ("long", "short")]
        weights = {"long": "0.5", "short": "0.5"}
        self.desk = Desk(
            folder,
            portfolio_settings(
                signals={"strategies": strategies},
                combination={"method": "blend", "weights": weights},
            ),
        )

    def run(self, given: SessionInputs) -> dict[str, StrategyResult]:
        """Each strategy's result of the session, once it is closed and adds up."""
        closed = self.desk.run(given).closed
        assert closed is not None
        found = strategy_session(closed)
        assert books_against_account(closed, found) == ()
        return {one.strategy_id: one for one in found.results}

    def shares(self) -> dict[str, Decimal]:
        """Signed shares of AAA by strategy."""
        last = self.desk.book.fold.strategies.last_close
        assert last is not None
        return last.holdings["AAA"]


def test_strategies_hold_against_each_other_what_the_account_does_not(tmp_path: Path) -> None:
    books = Books(tmp_path)
    # Together 0.2 of a share, which is none: the account does not trade, the strategies do.
    books.run(inputs(MONDAY, "0.1", "-0.098", "100", "101"))
    assert books.desk.book.positions == books.desk.broker_positions == {}
    assert books.shares() == {"long": Decimal("9.8"), "short": Decimal("-9.8")}
    # Tuesday's close is a mark of theirs too, though the account holds none.
    found = books.run(inputs(TUESDAY, "0.1", "-0.098", "100", "105"))
    assert found["long"].pnl == Decimal("39.20")
    assert found["short"].pnl == Decimal("-39.20")
    books.desk.close()


def test_strategies_that_cancel_each_other_out_trade_with_each_other_alone(tmp_path: Path) -> None:
    books = Books(tmp_path)
    found = books.run(inputs(MONDAY, "0.1", "-0.1", "100", "104"))
    assert books.desk.book.positions == books.desk.broker_positions == {}
    assert books.shares() == {"long": Decimal(10), "short": Decimal(-10)}
    assert found["long"].cash == Decimal(5000 - 1040)
    books.desk.close()


def test_only_the_difference_is_sent_to_the_broker(tmp_path: Path) -> None:
    books = Books(tmp_path)
    found = books.run(inputs(MONDAY, "0.3", "-0.1", "100", "102"))
    assert books.desk.broker_positions == {"AAA": Decimal(20)}
    assert books.shares() == {"long": Decimal(30), "short": Decimal(-10)}
    assert found["long"].cash == Decimal(5000 - 3060)
    assert found["short"].cash == Decimal(5000 + 1020)
    books.desk.close()


def test_a_book_folded_anew_has_the_same_strategies(tmp_path: Path) -> None:
    books = Books(tmp_path)
    books.run(inputs(MONDAY, "0.3", "-0.1", "100", "102"))
    books.run(inputs(TUESDAY, "0.1", "-0.2", "102", "99"))
    before = books.desk.book.fold.strategies.state()
    books.desk.book.refold()
    assert books.desk.book.fold.strategies.state() == before
    books.desk.close()
