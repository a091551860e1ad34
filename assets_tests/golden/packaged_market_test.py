"""The ledger on thirty years of twenty stocks: the data set inside the `skfolio` package.

An equal-weight portfolio is rebalanced every month in fractional shares. What it must give is
computed beside it with numpy, in a way that knows no lots: shares are a cumulative sum, and under
FIFO the cost of everything sold so far is the cumulative cost of the shares bought, read at the
number of shares sold.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from assets_tests.ledger.scenario import imbalances
from trading_assets.ledger.fold import Ledger
from trading_assets.model.cash_events import CashFlow, CashFlowKind
from trading_assets.model.order import Side
from trading_assets.model.order_events import Fill
from trading_assets.model.policies import AccountingPolicy, LotMethod

DEPOSIT = 1_000_000
COMMISSION = Decimal("0.35")
Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True)
class History:
    """Traded quantities (signed shares) and prices, months by symbols, and the last closes."""

    sessions: list[dt.date]
    symbols: list[str]
    quantities: Matrix
    prices: Matrix


@pytest.fixture(scope="module")
def history() -> History:
    """Equal weights at the first close of each month, to six decimals of a share."""
    from skfolio.datasets import load_sp500_dataset

    closes: pd.DataFrame = load_sp500_dataset().round(2)
    months = closes.groupby(pd.DatetimeIndex(closes.index).strftime("%Y-%m")).head(1)
    prices = months.to_numpy()
    shares, cash, trades = np.zeros(prices.shape[1]), float(DEPOSIT), []
    for row in prices:
        target = np.round(0.98 * (cash + shares @ row) / len(row) / row, 6)
        trades.append(np.round(target - shares, 6))
        cash -= float(trades[-1] @ row) + float(COMMISSION) * np.count_nonzero(trades[-1])
        shares = target
    sessions = [stamp.date() for stamp in months.index]
    return History(sessions, list(closes.columns), np.array(trades), prices)


def booked(history: History, policy: AccountingPolicy) -> Ledger:
    """The ledger of the history's trades."""
    ledger = Ledger(policy, "USD")
    ledger.apply_event(
        history.sessions[0],
        CashFlow(kind=CashFlowKind.DEPOSIT, amount=Decimal(DEPOSIT), currency="USD", reference="r"),
    )
    for session, quantities, prices in zip(
        history.sessions, history.quantities, history.prices, strict=True
    ):
        at = dt.datetime.combine(session, dt.time(21), tzinfo=dt.UTC)
        for symbol, quantity, price in zip(history.symbols, quantities, prices, strict=True):
            if not quantity:
                continue
            fill = Fill(
                execution_id=f"{session}-{symbol}",
                client_order_id="",
                symbol=symbol,
                side=Side.BUY if quantity > 0 else Side.SELL,
                quantity=Decimal(f"{abs(quantity):.6f}"),
                price=Decimal(f"{price:.2f}"),
                commission=COMMISSION,
                currency="USD",
                executed_at=at,
            )
            ledger.apply_event(session, fill)
    return ledger


def fifo_realized(quantities: Matrix, prices: Matrix) -> float:
    """Realized profit of one symbol: proceeds less the cost of the first shares bought."""
    bought, sold = np.clip(quantities, 0, None), np.clip(-quantities, 0, None)
    shares = np.concatenate([[0.0], np.cumsum(bought)])
    cost = np.concatenate([[0.0], np.cumsum(bought * prices)])
    return float(sold @ prices - np.interp(sold.sum(), shares, cost))


def test_the_history_is_long_and_trades_both_ways(history: History) -> None:
    assert len(history.sessions) > 390
    assert len(history.symbols) == 20
    assert (history.quantities > 0).sum() > 3000
    assert (history.quantities < 0).sum() > 3000


@pytest.mark.parametrize("method", [m for m in LotMethod if m is not LotMethod.SPECIFIC])
def test_positions_cash_and_total_profit_are_those_of_running_sums(
    history: History, method: LotMethod
) -> None:
    """Every fill is rounded to the cent: half a cent each is the most that sums may differ."""
    ledger = booked(history, AccountingPolicy(long_lots=method))
    fills = int(np.count_nonzero(history.quantities))
    positions = history.quantities.sum(axis=0)
    for symbol, position in zip(history.symbols, positions, strict=True):
        assert float(ledger.positions[symbol]) == pytest.approx(position, abs=1e-6)
    spent = float((history.quantities * history.prices).sum())
    assert ledger.fees == COMMISSION * fills
    assert float(ledger.cash) == pytest.approx(
        DEPOSIT - spent - float(ledger.fees), abs=0.005 * fills
    )
    # Whatever the method: proceeds and cost of all trades are realized profit and remaining cost.
    realized = sum(ledger.realized_pnl.values(), Decimal(0))
    cost = sum((ledger.cost_basis(symbol) for symbol in history.symbols), Decimal(0))
    assert ledger.cash == DEPOSIT + realized - cost - ledger.fees
    assert not imbalances(ledger)


def test_fifo_realizes_the_cost_of_the_first_shares_bought(history: History) -> None:
    ledger = booked(history, AccountingPolicy())
    for column, symbol in enumerate(history.symbols):
        quantities, prices = history.quantities[:, column], history.prices[:, column]
        assert float(ledger.realized_pnl[symbol]) == pytest.approx(
            fifo_realized(quantities, prices), abs=0.01 * np.count_nonzero(quantities)
        )


def test_average_cost_realizes_at_the_running_average(history: History) -> None:
    """A purchase moves the average, a sale does not."""
    ledger = booked(history, AccountingPolicy(long_lots=LotMethod.AVERAGE_COST))
    for column, symbol in enumerate(history.symbols):
        held = cost = realized = 0.0
        for quantity, price in zip(
            history.quantities[:, column], history.prices[:, column], strict=True
        ):
            taken = cost / held * quantity if quantity < 0 else quantity * price
            realized += taken - quantity * price if quantity < 0 else 0.0
            held, cost = held + quantity, cost + taken
        trades = np.count_nonzero(history.quantities[:, column])
        assert float(ledger.realized_pnl[symbol]) == pytest.approx(realized, abs=0.01 * trades)
        assert len(ledger.lots(symbol)) == 1


def test_hifo_realizes_the_least_and_the_commission_can_be_part_of_it(history: History) -> None:
    """Closing the dearest lots first postpones gains; with commission in the basis, what was
    an expense is in cost and proceeds, and the cash is the same."""
    totals = {
        method: sum(booked(history, AccountingPolicy(long_lots=method)).realized_pnl.values())
        for method in (LotMethod.FIFO, LotMethod.LIFO, LotMethod.HIFO, LotMethod.AVERAGE_COST)
    }
    assert totals[LotMethod.HIFO] < min(totals[LotMethod.FIFO], totals[LotMethod.LIFO])
    assert totals[LotMethod.HIFO] < totals[LotMethod.AVERAGE_COST]

    plain = booked(history, AccountingPolicy())
    washed = booked(history, AccountingPolicy(commission_in_basis=True))
    assert washed.cash == plain.cash
    assert washed.fees == 0
    cost = sum((washed.cost_basis(s) - plain.cost_basis(s) for s in history.symbols), Decimal(0))
    realized = sum(washed.realized_pnl.values()) - sum(plain.realized_pnl.values())
    assert cost - realized == plain.fees
