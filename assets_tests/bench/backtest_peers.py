"""The workloads in other packages, each as its manual has it; backtest_speed.py starts it.

    .venv-bench/bin/python -m assets_tests.bench.backtest_peers PEER WORKLOAD FOLDER REPEATS

Imports nothing of the product. Where a package cannot do what is asked, what it does instead is
said at its function. Prints one line of JSON: CPU seconds of the best repeat, equity, and fills (-1
where counting them would take its time).
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from assets_tests.bench.backtest_workloads import (
    CAPITAL,
    COST_BPS,
    FAST,
    POSITION_SIZES,
    SLOW,
    Crossing,
    read,
)

Data = dict[str, np.ndarray]
Outcome = tuple[float, int]
COST = COST_BPS / 10_000
warnings.filterwarnings("ignore")


def frames(data: Data) -> list[pd.DataFrame]:
    """Open, high, low, close and volume of each symbol."""
    index = pd.DatetimeIndex(data["starts"])
    fields = {"Open": "opens", "High": "highs", "Low": "lows", "Close": "closes"}
    return [
        pd.DataFrame({to: data[name][:, symbol] for to, name in fields.items()}, index=index)
        .assign(Volume=1e9)
        for symbol in range(data["closes"].shape[1])
    ]  # fmt: skip


def vectorbt(data: Data, engine: str) -> Outcome:
    """Fees come on top of the target instead of out of it; nothing is rounded to cents; entries
    are a fraction of cash, not of equity (the same for one symbol)."""
    import vectorbt as vbt

    closes = data["closes"]
    symbols = closes.shape[1]
    shared = {"init_cash": CAPITAL, "fees": COST, "engine": engine}
    if symbols > 1:
        shared |= {"group_by": True, "cash_sharing": True}
    if "weights" in data:
        portfolio = vbt.Portfolio.from_orders(
            pd.DataFrame(closes),
            size=pd.DataFrame(data["weights"]),
            size_type="targetpercent",
            call_seq="auto",
            slippage=COST,
            freq="1D",
            **shared,
        )
        return float(portfolio.final_value()), len(portfolio.orders.records)
    prices = pd.DataFrame(closes, index=pd.DatetimeIndex(data["starts"]))
    prices = prices[0] if symbols == 1 else prices  # type: ignore[assignment]
    fast, slow = vbt.MA.run(prices, FAST, short_name="f"), vbt.MA.run(prices, SLOW, short_name="s")
    portfolio = vbt.Portfolio.from_signals(
        prices,
        fast.ma_crossed_above(slow),
        fast.ma_crossed_below(slow),
        size=POSITION_SIZES[symbols],
        size_type="percent",
        size_granularity=1.0,
        freq="1min",
        **shared,
    )
    return float(portfolio.final_value()), len(portfolio.orders.records)


def bt(data: Data) -> Outcome:
    """Slippage is charged as commission, which bt takes out of what it invests in an order."""
    import bt as library

    closes = pd.DataFrame(
        data["closes"],
        index=pd.DatetimeIndex(data["starts"]),
        columns=[f"S{number:04d}" for number in range(data["closes"].shape[1])],
    )
    weights = pd.DataFrame(data["weights"], index=closes.index, columns=closes.columns)
    backtest = library.Backtest(
        library.Strategy("bench", [library.algos.WeighTarget(weights), library.algos.Rebalance()]),
        closes,
        initial_capital=CAPITAL,
        commissions=lambda quantity, price: abs(quantity) * price * 2 * COST,
        integer_positions=False,
        progress_bar=False,
    )
    backtest.run()
    return float(backtest.strategy.values.iloc[-1]), -1


def backtesting(data: Data) -> Outcome:
    """One symbol only."""
    from backtesting import Backtest
    from backtesting import Strategy as Base

    class Crosses(Base):  # type: ignore[misc]
        """One callback a bar."""

        def init(self) -> None:
            """Begin the averages."""
            self.crossing = Crossing()
            self.size = POSITION_SIZES[1]

        def next(self) -> None:
            """Move them on."""
            turn = self.crossing.update(self.data.Close[-1])
            if turn > 0:
                self.buy(size=self.size)
            elif turn < 0:
                self.position.close()

    (frame,) = frames(data)
    test = Backtest(frame, Crosses, cash=CAPITAL, commission=COST, finalize_trades=True)
    result = test.run()
    return float(result["Equity Final [$]"]), 2 * int(result["# Trades"])


def backtrader(data: Data) -> Outcome:
    """Next open, as in all its examples."""
    import backtrader as library

    symbols = data["closes"].shape[1]

    class Crosses(library.Strategy):  # type: ignore[misc]
        """One callback for all symbols of a bar, which goes through them."""

        def __init__(self) -> None:
            self.crossings = [Crossing() for _ in self.datas]

        def next(self) -> None:
            """Move the averages on."""
            for feed, crossing in zip(self.datas, self.crossings, strict=True):
                close = feed.close[0]
                turn = crossing.update(close)
                if turn > 0:
                    stake = self.broker.getvalue() * POSITION_SIZES[symbols]
                    self.buy(feed, size=int(stake / (close * (1 + COST))))
                elif turn < 0 and self.getposition(feed).size:
                    self.close(feed)

    cerebro = library.Cerebro(stdstats=False)
    cerebro.broker.setcash(CAPITAL)
    cerebro.broker.setcommission(commission=COST)
    for number, frame in enumerate(frames(data)):
        cerebro.adddata(library.feeds.PandasData(dataname=frame), name=f"S{number}")
    cerebro.addstrategy(Crosses)
    cerebro.run()
    return float(cerebro.broker.getvalue()), -1


def nautilus(data: Data) -> Outcome:
    """Bars are executed as four trades each; orders fill on arrival, at the close."""
    from decimal import Decimal

    from nautilus_trader.backtest.engine import BacktestEngine
    from nautilus_trader.config import BacktestEngineConfig, LoggingConfig
    from nautilus_trader.model.currencies import USD
    from nautilus_trader.model.data import BarType
    from nautilus_trader.model.enums import AccountType, OmsType, OrderSide
    from nautilus_trader.model.identifiers import InstrumentId, Symbol, Venue
    from nautilus_trader.model.instruments import Equity
    from nautilus_trader.model.objects import Money, Price, Quantity
    from nautilus_trader.persistence.wranglers import BarDataWrangler
    from nautilus_trader.trading.strategy import Strategy as Base

    symbols = data["closes"].shape[1]
    venue = Venue("SIM")
    engine = BacktestEngine(BacktestEngineConfig(logging=LoggingConfig(bypass_logging=True)))
    engine.add_venue(
        venue, OmsType.NETTING, AccountType.MARGIN, [Money(CAPITAL, USD)], base_currency=USD
    )
    kinds = []
    for number, frame in enumerate(frames(data)):
        name = f"S{number}"
        share = Equity(
            InstrumentId(Symbol(name), venue),
            Symbol(name),
            USD,
            6,
            Price.from_str("0.000001"),
            Quantity.from_int(1),
            0,
            0,
            maker_fee=Decimal(str(COST)),
            taker_fee=Decimal(str(COST)),
        )
        engine.add_instrument(share)
        kind = BarType.from_str(f"{name}.SIM-1-MINUTE-LAST-EXTERNAL")
        kinds.append(kind)
        lower = frame.rename(columns=str.lower).tz_localize("UTC")
        engine.add_data(BarDataWrangler(kind, share).process(lower), sort=True)

    class Crosses(Base):  # type: ignore[misc]
        """One callback a bar."""

        def on_start(self) -> None:
            """Ask for all bars."""
            self.crossings = {kind: Crossing() for kind in kinds}
            for kind in kinds:
                self.subscribe_bars(kind)

        def on_bar(self, bar: Any) -> None:
            """Move the averages on."""
            close = float(bar.close)
            turn = self.crossings[bar.bar_type].update(close)
            if not turn:
                return
            share = bar.bar_type.instrument_id
            if turn > 0:
                value = float(self.portfolio.account(venue).balance_total(USD))
                value += sum(float(pnl) for pnl in self.portfolio.unrealized_pnls(venue).values())
                size = int(value * POSITION_SIZES[symbols] / (close * (1 + COST)))
                self.submit_order(
                    self.order_factory.market(share, OrderSide.BUY, Quantity.from_int(size))
                )
            else:
                self.close_all_positions(share)

    engine.add_strategy(Crosses())
    engine.run()
    value = float(engine.portfolio.account(venue).balance_total(USD))
    value += sum(float(pnl) for pnl in engine.portfolio.unrealized_pnls(venue).values())
    fills = int(engine.get_result().total_orders)
    engine.dispose()
    return value, fills


def zipline(data: Data) -> Outcome:
    """Prices are kept to 1e-3; its bundle is made before."""
    from assets_tests.bench import backtest_zipline

    equity, fills, seconds = backtest_zipline.run(frames(data))
    _spent_on_backtest.append(seconds)
    return equity, fills


_spent_on_backtest: list[float] = []

PEERS: dict[str, Callable[[Data], Outcome]] = {
    "vectorbt_rust": lambda data: vectorbt(data, "rust"),
    "vectorbt_numba": lambda data: vectorbt(data, "numba"),
    "bt": bt,
    "backtesting": backtesting,
    "backtrader": backtrader,
    "nautilus": nautilus,
    "zipline": zipline,
}


def measured(peer: str, data: Data, repeats: int) -> dict[str, float]:
    """The best of `repeats`; a first run over few places has imported and compiled everything."""
    run = PEERS[peer]
    run({name: array[:200].copy() for name, array in data.items()})
    seconds = []
    for _ in range(repeats):
        _spent_on_backtest.clear()
        started = time.process_time()
        equity, fills = run(data)
        spent = time.process_time() - started
        seconds.append(_spent_on_backtest[0] if _spent_on_backtest else spent)
    return {"seconds": min(seconds), "equity": equity, "fills": fills}


if __name__ == "__main__":
    peer, _, folder, repeats = sys.argv[1:]
    print(json.dumps(measured(peer, read(Path(folder)), int(repeats))))
