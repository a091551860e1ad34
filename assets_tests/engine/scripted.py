"""A market of a few bars written out by hand, and a strategy that says what a test tells it to."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np

from trading_assets.engine.bars import BarColumns, Market, aligned, bar_columns
from trading_assets.engine.loop import Engine, StrategySlot
from trading_assets.engine.orders import STATUSES
from trading_assets.engine.rules import BacktestRules
from trading_assets.engine.scaled import price_decimal
from trading_assets.engine.timeframe import DAILY, Timeframe
from trading_assets.model.order import OrderType, Side, TimeInForce
from trading_assets.strategies.base import Answer, Bar, Context, OrderIntent, Signal, Strategy

FIRST_DAY = dt.date(2024, 1, 1)
Row = tuple[float, float, float, float] | tuple[float, float, float, float, float]
"""Open, high, low, close, and shares traded (unknown where left out)."""


def bars(
    rows: Sequence[Row | None], symbol: str = "AAA", timeframe: Timeframe = DAILY, minutes: int = 0
) -> BarColumns:
    """Bars of consecutive days (or, with `minutes`, of consecutive intervals); None for none."""
    step = np.timedelta64(minutes, "m") if minutes else np.timedelta64(1, "D")
    start = np.datetime64(FIRST_DAY if not minutes else "2024-01-02T14:30", "ns")
    there = [(index, row) for index, row in enumerate(rows) if row is not None]
    starts = np.array([start + index * step for index, _ in there])
    prices = [[row[field] for _, row in there] for field in range(4)]
    volume = [row[4] if len(row) > 4 else float("nan") for _, row in there]
    return bar_columns(symbol, starts, prices, volume, timeframe=timeframe)


def market(*columns: BarColumns) -> Market:
    return aligned(columns)


class Scripted(Strategy):
    """Answers after the bar of each place (counted by bars shown) with what it was given."""

    def __init__(self, answers: Mapping[int, Sequence[Signal | OrderIntent]]) -> None:
        self.answers = dict(answers)
        self.shown = 0
        self.positions: list[float] = []

    def on_bar(self, bar: Bar, context: Context) -> Answer:
        place, self.shown = self.shown, self.shown + 1
        self.positions.append(context.position(bar.symbol))
        return self.answers.get(place)


class Traded(NamedTuple):
    """A fill as a test writes it: place, signed shares, price, commission."""

    place: int
    shares: Decimal
    price: Decimal
    commission: Decimal = Decimal(0)


def rules(**changes: Any) -> BacktestRules:
    """Rules with a million of capital, borrowing and shorts allowed, so that orders are about
    matching alone."""
    account = {"initial_capital": 1_000_000, "allow_short": True, "allow_borrowing": True}
    account |= changes.pop("account", {})
    return BacktestRules.model_validate({"account": account, **changes})


def run(
    rows: Sequence[Row | None],
    answers: Mapping[int, Sequence[Signal | OrderIntent]],
    *,
    minutes: int = 0,
    timeframe: Timeframe = DAILY,
    **changes: Any,
) -> Engine:
    """A backtest of one symbol over these bars, with every order kept."""
    engine = Engine(
        market(bars(rows, timeframe=timeframe, minutes=minutes)),
        [StrategySlot("scripted", Scripted(answers))],
        rules(**changes),
        keep_orders=True,
    )
    engine.run()
    return engine


def fills(engine: Engine) -> list[Traded]:
    """What traded, in order; commission 0 where it is free."""
    scale = engine.account.scale
    return [
        Traded(
            row[0],
            scale.shares_decimal(row[4]),
            price_decimal(row[5]),
            scale.money_decimal(row[7]),
        )
        for row in engine.account.fills().tolist()
    ]


def statuses(engine: Engine) -> list[str]:
    """Status of each order kept, by number."""
    assert engine.records is not None
    orders = engine.records.orders
    return [STATUSES[orders[number].status].value for number in sorted(orders)]


def buy(quantity: float = 100, **details: Any) -> OrderIntent:
    """An order to buy AAA."""
    return _intent(Side.BUY, quantity, details)


def sell(quantity: float = 100, **details: Any) -> OrderIntent:
    """An order to sell AAA."""
    return _intent(Side.SELL, quantity, details)


def _intent(side: Side, quantity: float, details: dict[str, Any]) -> OrderIntent:
    in_force = details.pop("time_in_force", "gtc")
    kind = details.pop("order_type", "market")
    return OrderIntent(
        details.pop("symbol", "AAA"),
        side,
        quantity,
        order_type=OrderType(kind),
        time_in_force=TimeInForce(in_force),
        **details,
    )


def traded(place: int, shares: float, price: str, commission: str = "0") -> Traded:
    """A fill as expected."""
    return Traded(place, Decimal(shares), Decimal(price), Decimal(commission))
